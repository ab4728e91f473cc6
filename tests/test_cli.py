"""The command line and the recipes: what a run leaves, how it goes on, and what it refuses."""

import importlib.util
import json
import os
import pathlib
import re
import runpy
import shlex
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import slow_module
from PIL import Image

import keras_gans
from keras_gans import recipes
from keras_gans.cli import flags, main, recipe_flags, startup, train
from keras_gans.recipes import building, schema, vocabulary
from keras_gans.runs import fitting, folder, opening

BACKEND = keras.backend.backend()
pytestmark = slow_module("tensorflow", "jax")
ROOT = pathlib.Path(__file__).resolve().parent.parent
# Three steps an epoch, five in all: the run ends within its second epoch.
TINY = [
    "train",
    "--image_size=8",
    "--width=8",
    "--latent_dim=4",
    "--batch_size=512",
    "--ema=0.5",
    "--steps=5",
    "--num_samples=7",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run; not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    with pytest.raises(SystemExit) as left:
        main.main([*TINY, f"--out={out}"])
    assert not left.value.code
    return out


def load(out):
    return keras.saving.load_model(out / "model.keras")


def same_variables(a, b):
    """The largest difference of any variable of two models, optimizers and averages included."""
    a, b = (model.variables + model.optimizer.variables for model in (a, b))
    pairs = list(zip(a, b, strict=True))
    assert len(pairs) > 30
    arrays = [[keras.ops.convert_to_numpy(v).astype("float64") for v in pair] for pair in pairs]
    return max(float(np.max(np.abs(x - y), initial=0)) for x, y in arrays)


def subprocess_cli(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "keras_gans.cli", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )


# Help


def test_help_takes_no_backend():
    for arguments in (
        ["--help"],
        ["train", "--help"],
        ["evaluate", "--help"],
        ["sample", "-h"],
        ["zoo", "list", "--help"],
    ):
        done = subprocess_cli(*arguments, KERAS_BACKEND="none", PYTHONWARNINGS="error")
        assert done.returncode == 0 and done.stdout.startswith("usage: keras-gans"), done.stderr


def test_help_names_every_flag_and_default(cli):
    recipe, _ = schema.read(schema.find(recipe_flags.DEFAULT))
    status, text, _ = cli("train", "--help")
    assert status == 0
    for flag in train.COMMAND.flags():
        assert f"--{flag.name}" in text
    text = " ".join(text.split())
    for section, key in (("data", "image_size"), ("schedule", "epochs"), ("model", "latent_dim")):
        assert f"[{recipe[section][key]}]" in text
    assert "of weights, noise and order [0]" in text and "keras-gans train" in text
    for name, command in main.COMMANDS.items():
        assert cli(*name.split(), "--help")[:2] == (0, command.help() + "\n")
        assert command.summary in cli("--help")[1]
    assert cli("--version")[1] == f"keras_gans {keras_gans.__version__}\n"


def test_examples_in_the_help_parse():
    for command in main.COMMANDS.values():
        for example in command.examples:
            program, *rest = shlex.split(example, comments=True)
            used, rest = main._command(rest)  # a command may need another one first
            assert program == "keras-gans" and used is not None
            used.parse(rest)
        assert any(e.startswith(f"keras-gans {command.name}") for e in command.examples)


# Errors


@pytest.mark.parametrize(
    "line, message",
    [
        ("trian", "no command 'trian' (did you mean 'train' or"),
        ("zoo shwo x", "did you mean 'zoo show'"),
        ("train --epoch=3", "no flag --epoch (did you mean 'epochs'?)"),
        ("train --epochs=many", "--epochs is 'many'; expected a whole number"),
        ("train --g_lr=fast", "--g_lr is 'fast'; expected a number"),
        ("train --backend=jex", "did you mean 'jax'?"),
        ("train digits", "takes no arguments besides flags, and was given digits"),
        ("train --resume --overwrite", "give one of them"),
        ("train --save_every=0", "--save_every is 0"),
        ("train --epochs=0", "schedule.epochs is 0; expected an integer of 1 or more"),
        ("train --ema=1.5", "model.ema is 1.5; expected a number in [0, 1)"),
        ("train --epochs=1 --steps=1", "epochs and steps: give one"),
        ("train --d_steps=2", "--d_steps does not apply to osgan, which takes"),
        ("train --method=ogan", "did you mean 'osgan' or 'gan'"),
        ("train --recipe=digits.yaml", "no recipe 'digits.yaml'"),
        ("train --objective=hing --out=OUT", "did you mean 'hinge'"),
        ("train --norm=btach --out=OUT", "did you mean 'batch'?"),
        ("train --penalty=r11 --out=OUT", "did you mean 'r1'?"),
        ("train --batch_size=9999 --out=OUT", "only 1797 images"),
        ("train --d_norm=batch --out=OUT", "batch norm"),
        (
            "train --beta_1=1.5 --out=OUT",
            "optimizers.generator.beta_1 is 1.5; expected a number in [0, 1)",
        ),
        ("train --g_lr=-1 --out=OUT", "optimizers.generator.learning_rate is -1.0"),
        ("train --dataset=./nowhere --out=OUT", "does not exist"),
        ("sample", "takes SOURCE, and was given nothing"),
        ("sample ./nowhere", "There is no ./nowhere"),
        ("sample no_such_entry", "Unknown zoo entry 'no_such_entry'"),
        ("sample x --out=x.jpg", "ending in .png"),
        ("sample x --num=0", "--num is 0"),
        ("sample x --seed=-1", "--seed is -1; expected 0 or more"),
        ("zoo show no/such", "cannot name a zoo entry"),
    ],
)
def test_errors_are_one_line(fails, tmp_path, line, message):
    out = tmp_path / "run"
    assert message in fails(*line.replace("OUT", str(out)).split())
    assert not out.exists()


def test_debug_shows_the_stack():
    with pytest.raises(ValueError, match="Unknown zoo entry"):
        main.main(["zoo", "show", "no_such_entry", "--debug"])


def test_long_messages_keep_their_first_line():
    assert main.one_line(ValueError("\n a\n\nb")) == "a (--debug shows all)"
    assert main.one_line(ValueError("a")) == "a" and main.one_line(OSError()) == "OSError"


def test_the_backend_is_chosen_before_keras(monkeypatch, tmp_path):
    if BACKEND != "numpy":
        other = next(b for b in flags.BACKENDS if b != BACKEND)
        with pytest.raises(ValueError, match=f"runs on {BACKEND} in this process"):
            startup.choose_backend(other)
        assert startup.choose_backend(None) == BACKEND == startup.choose_backend(BACKEND)
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr(startup, "_installed", lambda name: name == "torch")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    with pytest.raises(ImportError, match=r"KERAS_BACKEND says jax.*keras_gans\[jax\].*=torch"):
        startup.choose_backend(None)
    assert startup.choose_backend("torch") == "torch" == os.environ["KERAS_BACKEND"]
    monkeypatch.delenv("KERAS_BACKEND")
    with pytest.raises(ImportError, match="Keras's default says tensorflow"):
        startup.choose_backend(None)
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "openvino"}))
    with pytest.raises(ValueError, match="keras.json says 'openvino'"):
        startup.choose_backend(None)
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    assert startup.choose_backend(None) == "torch"


# Training


def test_what_a_run_leaves(finished):
    found = {p.name for p in finished.iterdir()}
    assert found == set(folder.WRITES)
    model = load(finished)
    assert int(model.optimizer.iterations) == 5
    samples = np.load(finished / "samples.npy")
    assert samples.shape == (7, 8, 8, 1) and samples.dtype == np.float32
    assert -1 <= samples.min() < samples.max() <= 1
    np.testing.assert_allclose(samples, model.generate(7, seed=0), atol=1e-6)
    rows = (finished / "history.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,step,") and "d_loss" in rows[0] and "gamma" in rows[0]
    assert [row.split(",")[:2] for row in rows[1:]] == [["1", "3"], ["2", "5"]]
    assert sorted(p.name for p in (finished / "samples").iterdir()) == [
        "epoch-001.png",
        "epoch-002.png",
    ]
    assert (finished / "samples.png").read_bytes() == (
        finished / "samples" / "epoch-002.png"
    ).read_bytes()
    assert any((finished / "tensorboard").iterdir())


def test_a_runs_recipe_is_the_run(finished):
    recipe = recipes.load(finished / "recipe.yaml")
    assert recipe["networks"]["width"] == 8 and recipe["schedule"]["steps"] == 5
    assert "epochs" not in recipe["schedule"] and recipe["model"]["ema"] == 0.5
    model, data = recipes.build(recipe)
    assert model.ema == 0.5 and len(data) == 3 and model.latent_dim == 4
    # The same first weights: NumPy's, from the seed.
    again = recipes.build_model(finished / "recipe.yaml", channels=1)
    assert same_variables(model, again) == 0
    other = recipe.changed({"schedule.seed": 1})
    assert same_variables(model, recipes.build_model(other, channels=1)) > 0.01


def test_sampling_a_run(cli, finished, tmp_path):
    grid, array = tmp_path / "a" / "grid.png", tmp_path / "images.npy"
    arguments = ["--num=6", "--seed=3", "--columns=3", f"--out={grid}", f"--npy={array}"]
    grid.parent.mkdir()
    status, out, _ = cli("sample", finished, *arguments)
    assert status == 0 and str(grid) in out and str(array) in out
    wanted = load(finished).generate(6, seed=3)
    np.testing.assert_allclose(np.load(array), wanted, atol=1e-6)
    # Three columns and two rows of 8 pixels, with 2 between and around them.
    assert Image.open(grid).size == (3 * 10 + 2, 2 * 10 + 2)
    cli("sample", finished / "model.keras", "--num=6", "--seed=3", f"--out={tmp_path / 'b.png'}")
    assert Image.open(tmp_path / "b.png").size == (32, 22)


def test_sources_that_give_no_samples(fails, finished, tmp_path):
    broken = tmp_path / "broken.keras"
    broken.write_bytes(b"no archive")
    assert "damaged" in fails("sample", broken)
    (tmp_path / "run").mkdir()
    assert "neither a run" in fails("sample", tmp_path / "run")
    (tmp_path / "run" / "recipe.yaml").write_bytes((finished / "recipe.yaml").read_bytes())
    assert "not finished" in fails("sample", tmp_path / "run")
    keras.Sequential([keras.Input((1,))]).save(tmp_path / "other.keras")
    assert "generates no images" in fails("sample", tmp_path / "other.keras")


def test_pausing_and_resuming_is_exact(cli, finished, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        # Ctrl-C at the second step.
        whole = fitting.StepLimit.on_train_batch_end

        def interrupted(self, batch, logs=None):
            whole(self, batch, logs)
            if batch == 1:
                signal.raise_signal(signal.SIGINT)

        patch.setattr(fitting.StepLimit, "on_train_batch_end", interrupted)
        before = signal.getsignal(signal.SIGINT)
        status, text, _ = cli(*TINY, f"--out={out}")
    assert status == 130 and signal.getsignal(signal.SIGINT) is before
    line = f"keras-gans {' '.join(TINY)} --out={out} --resume"
    assert f"nothing is lost. Continue with:\n  {line}\n" in text
    assert not (out / "model.keras").exists()
    # No time at all: one more step, the last of the epoch.
    status, text, _ = cli(*TINY, f"--out={out}", "--resume", "--minutes=0")
    assert status == 0 and "Paused" in text and "Resuming" in text
    assert int(load(out).optimizer.iterations) == 3
    status, text, _ = cli(*TINY, f"--out={out}", "--resume")
    assert status == 0 and "Paused" not in text
    assert same_variables(load(out), load(finished)) <= 1e-6
    np.testing.assert_allclose(
        np.load(out / "samples.npy"), np.load(finished / "samples.npy"), atol=1e-6
    )
    steps = [row.split(",")[:2] for row in (out / "history.csv").read_text().splitlines()]
    assert steps == [["epoch", "step"], ["1", "3"], ["2", "5"]]


def test_folders_that_are_in_use(fails, finished, tmp_path):
    before = (finished / "model.keras").read_bytes()
    assert "--resume" in fails(*TINY, f"--out={finished}")
    message = fails(*TINY, "--width=16", "--norm=none", f"--out={finished}", "--resume")
    assert "networks.width = 8, and now it would be 16 (and networks.norm)" in message
    (tmp_path / "precious.txt").write_text("mine")
    for flag in ("--resume", "--overwrite"):
        assert "holds no run" in fails(*TINY, f"--out={tmp_path}", flag)
    assert "is a file" in fails(*TINY, f"--out={tmp_path / 'precious.txt'}")
    assert (tmp_path / "precious.txt").read_text() == "mine"
    assert (finished / "model.keras").read_bytes() == before


def test_overwriting_removes_what_runs_write_and_nothing_else(finished, tmp_path):
    recipe = recipes.load(finished / "recipe.yaml")
    recipes.save(recipe, tmp_path / "recipe.yaml")
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "epoch-099.png").touch()
    (tmp_path / "notes.txt").touch()
    assert folder.prepare(tmp_path, recipe, resume=False, overwrite=True) is False
    folder.clear(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_is_not_removed_for_one_that_cannot_begin(fails, finished):
    before = sorted(p.name for p in finished.iterdir())
    for wrong in ("--batch_size=9999", "--norm=btach", "--dataset=./nowhere"):
        fails(*TINY, f"--out={finished}", "--overwrite", wrong)
        assert sorted(p.name for p in finished.iterdir()) == before
    # What it would start from is looked at first; itself it cannot be.
    same = ("--init=./nowhere", f"--init={finished}", "--init=pix2pix_avatars_128")
    for wrong in same:
        message = fails(*TINY, "--method=osgan", f"--out={finished}", "--overwrite", wrong)
        assert sorted(p.name for p in finished.iterdir()) == before
        assert ("give it another --out" in message) == (wrong == same[1])


def test_a_resumed_run_may_be_longer(finished):
    recipe = recipes.load(finished / "recipe.yaml")
    longer = {"schedule.steps": None, "schedule.epochs": 9}
    recipe = recipe.changed({**longer, "evaluation.samples": 3, "data.data_dir": "elsewhere"})
    assert folder.prepare(finished, recipe, resume=True, overwrite=False) is True


def test_what_went_wrong_is_not_backed_up(fails, tmp_path, monkeypatch):
    class Broken(keras_gans.losses.Hinge):
        def generator_term(self, scores):
            return scores * float("nan")

    monkeypatch.setattr(vocabulary, "make", lambda kind, config: Broken())
    message = fails(*TINY, "--save_every=1", f"--out={tmp_path / 'run'}")
    assert "g_loss is nan" in message and "To try: lower the learning rates" in message
    assert not (tmp_path / "run" / "backup" / "latest.weights.h5").exists()
    assert not (tmp_path / "run" / "model.keras").exists()


@pytest.mark.parametrize("limit, whole, epochs", [(5, 3, 2), (20, 56, 1), (6, 3, 2), (None, 3, 2)])
def test_the_bar_ends_at_the_steps_that_were_asked_for(limit, whole, epochs, capsys):
    bar = fitting.Bar(limit)
    bar.set_params({"verbose": 2, "epochs": epochs, "steps": whole})
    for epoch in range(epochs):
        bar.on_epoch_begin(epoch)
        bar.on_epoch_end(epoch)
    left = (limit or epochs * whole) - whole * (epochs - 1)
    shown = re.findall(r"(\d+)/(\d+) -", capsys.readouterr().out)
    assert shown == [(f"{n}",) * 2 for n in [whole] * (epochs - 1) + [left]]


def test_a_process_of_its_own_on_another_backend(tmp_path):
    backend = "tensorflow" if BACKEND == "torch" else "torch"
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    out = tmp_path / "run"
    arguments = [*TINY, "--steps=2", f"--out={out}", f"--backend={backend}"]
    done = subprocess_cli(*arguments, KERAS_BACKEND=BACKEND)
    assert done.returncode == 0, done.stderr
    assert f"osgan on digits, {backend} backend: 2 steps" in done.stdout
    # TensorFlow reads the data on the other backends, and says nothing of it.
    assert not done.stderr or backend == "tensorflow"
    assert int(load(out).optimizer.iterations) == 2


# Flags over a recipe


def test_flags_win_over_the_recipe(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "data: {name: digits, image_size: 8}\n"
        "networks: {name: dcgan, width: 8}\n"
        "model: {method: gan, ema: 0.9, penalty: {name: r1, weight: 2}}\n"
        "schedule: {steps: 7, batch_size: 16}\n"
    )
    line = (
        f"--recipe={path} --width=16 --ema=0 --d_steps=3 --g_lr=1e-3 --beta_1=0.25 --epochs=2 "
        "--augment=flip,crop --seed=5"
    )
    values, _ = train.COMMAND.parse(line.split())
    recipe = recipe_flags.make_recipe(values)
    assert recipe["networks"] == {"name": "dcgan", "width": 16}
    assert recipe["schedule"] == {"epochs": 2, "batch_size": 16, "seed": 5}
    assert recipe["data"]["augment"] == ["flip", "crop"]
    adam = {"name": "adam", "learning_rate": 2e-4, "beta_1": 0.25}
    assert recipe["optimizers"] == {
        "generator": {**adam, "learning_rate": 1e-3},
        "discriminator": adam,
    }
    model, data = recipes.build(recipe.changed({"data.augment": None}))
    assert model.ema is None and model.penalty.weight == 2 and model.d_steps == 3
    # Three updates of D with 16 images each.
    assert keras.tree.flatten(next(iter(data)))[0].shape[0] == 48
    assert float(model.optimizer.players["generator"].learning_rate) == pytest.approx(1e-3)


def test_without_flags_it_is_the_bundled_recipe():
    values, _ = train.COMMAND.parse([])
    assert recipe_flags.make_recipe(values) == recipes.load("osgan_digits")


@pytest.mark.parametrize(
    "dataset, folder",
    [("digits", "digits"), ("emoji_styles/64", "emoji_styles_64"), ("../..", "run")],
)
def test_folder_of_a_dataset(tmp_path, monkeypatch, dataset, folder):
    monkeypatch.chdir(tmp_path)
    assert train._folder_name(dataset) == folder


# Recipes


def test_recipes_round_trip(tmp_path):
    recipe = recipes.load("osgan_digits")
    assert set(recipe) == set(schema.SECTIONS)
    recipes.save(recipe, tmp_path / "r.yaml")
    assert recipes.load(tmp_path / "r.yaml") == recipe == recipes.load(recipe)
    assert "osgan_digits" in recipes.presets()


@pytest.mark.parametrize("text, value", [("2e-4", 2e-4), ("1E3", 1000.0), ("-1.5e+2", -150.0)])
def test_numbers_as_people_write_them(tmp_path, text, value):
    (tmp_path / "r.yaml").write_text(f"model: {{clip: {text}}}")
    assert schema.read(tmp_path / "r.yaml")[0]["model"]["clip"] == value


@pytest.mark.parametrize(
    "text, message",
    [
        ("dta: {}", "'dta' (did you mean 'data'?)"),
        ("data: {nam: digits}", "'nam' in the recipe's data section (did you mean 'name'?)"),
        ("networks: {name: dcgan, widht: 3}", "did you mean 'width'?"),
        ("networks: {name: dgcan}", "did you mean 'dcgan'"),
        ("model: {method: osgan, objectiv: hinge}", "did you mean 'objective'?"),
        ("model: {method: osgan, d_steps: 2}", "'d_steps'"),
        ("schedule: {epoch: 3}", "did you mean 'epochs'?"),
        ("evaluation: {sample: 3}", "did you mean 'samples'?"),
        ("optimizers: {generator: {name: adma}}", "did you mean 'adamax' or 'adam'"),
        ("optimizers: {generator: {name: adam, beta1: 0}}", "did you mean 'beta_1'"),
        ("optimizers: {generator: {learning_rate: 1}}", "mapping with a name"),
        (
            "optimizers: {generator: {name: sgd, learning_rate: {name: cosine_decy}}}",
            "did you mean 'cosine_decay'",
        ),
        ("schedule: {epochs: 2.5}", "schedule.epochs is 2.5; expected an integer"),
        ("data: {image_size: big}", "data.image_size is 'big'"),
        ("data: 3", "the section 'data' has to be a mapping"),
        ("- a", "is not a recipe"),
        ("data: {name: a, name: b}", "the key 'name' stands twice"),
        ("data: {name: [}", "line 1 is not YAML"),
        ("data: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_recipes_that_are_refused(tmp_path, text, message):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ValueError) as error:
        recipes.load(tmp_path / "r.yaml")
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "section, key, message",
    [
        ("data", "name", "no name in its data section"),
        ("schedule", "batch_size", "no batch_size in its schedule section"),
        ("model", "method", "no method in its model section"),
        ("networks", "name", "no name in its networks section"),
        ("data", "image_size", "no image_size in its data section"),
    ],
)
def test_recipes_that_say_too_little(section, key, message):
    recipe = recipes.load("osgan_digits").as_dict()
    recipe[section] = {} if section in ("model", "networks") else {**recipe[section], key: None}
    with pytest.raises(ValueError, match=message):
        recipes.build(recipe)


def test_every_part_of_a_recipe_reaches_the_model():
    recipe = {
        "data": {"image_size": 16, "channels": 3},
        "networks": {"name": "dcgan", "width": 8, "d_norm": "group"},
        "model": {
            "method": "osgan",
            "objective": {"name": "fisher", "rho": 0.01},
            "penalty": {"name": "gradient_penalty", "weight": 3.0},
            "clip": 0.5,
            "latent_dim": 5,
        },
        "optimizers": {
            "generator": {"name": "adam_l2", "learning_rate": 1e-3, "l2": 1e-4},
            "discriminator": {
                "name": "rmsprop",
                "clipnorm": 2.0,
                "learning_rate": {
                    "name": "exponential_decay",
                    "initial_learning_rate": 0.5,
                    "decay_steps": 10,
                    "decay_rate": 0.1,
                },
            },
        },
        "schedule": {"seed": 4},
    }
    model = recipes.build_model(recipe)
    assert model.generator.output_shape == (None, 16, 16, 3) and model.latent_dim == 5
    assert any(isinstance(x, keras.layers.GroupNormalization) for x in model.discriminator.layers)
    assert model.objective.rho == 0.01 and model.clip == 0.5 and model.seed == 4
    assert model.penalty.weight == 3 and model.penalty.target == 1
    players = model.optimizer.players
    assert players["generator"].l2 == 1e-4 and players["discriminator"].clipnorm == 2
    assert float(players["discriminator"].learning_rate) == pytest.approx(0.5)
    # And back: a model describes itself, but for its data and networks.
    described = recipes.describe(model)
    assert recipes.load({**described, "networks": recipe["networks"]})
    rebuilt = recipes.build_model(
        {**described, "networks": recipe["networks"], "data": recipe["data"]}
    )
    assert rebuilt.objective.rho == 0.01 and rebuilt.penalty.weight == 3
    for name, optimizer in rebuilt.optimizer.players.items():
        # Keras numbers the names of optimizers.
        same = {"name": optimizer.name}
        assert {**players[name].get_config(), **same} == optimizer.get_config()


def test_without_tensorflow_the_data_is_the_same(monkeypatch, tmp_path):
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("needs tensorflow to compare with")
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype="uint8")
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "a.npz", images=images, labels=np.arange(20))
    recipe = recipes.load("osgan_digits").as_dict()
    recipe["data"].update(name="a.npz", data_dir=str(tmp_path / "data"), image_size=8)
    recipe["schedule"].update(batch_size=6, seed=2)

    def batches():
        data = recipes.build_data(recipe)
        return [np.asarray(x) for batch in iter(data) for x in keras.tree.flatten(batch)]

    with_tensorflow = batches()
    with monkeypatch.context() as patch:
        patch.setattr(building.importlib.util, "find_spec", lambda name: None)
        assert isinstance(recipes.build_data(recipe), keras.utils.PyDataset)
        without = batches()
    assert len(without) == 6 and without[0].shape == (6, 8, 8, 3)  # three of images and labels
    for a, b in zip(with_tensorflow, without, strict=True):
        np.testing.assert_array_equal(a, b)


# The zoo's commands


def test_zoo_commands(cli, fails, tmp_path):
    g, d = keras_gans.networks.dcgan(image_size=8, channels=1, width=8, latent_dim=4)
    model = keras_gans.models.GAN(g, d)
    card = {"summary": "A test.", "data": {"name": "none", "licence": "CC0"}}
    shop = tmp_path / "shop"
    keras_gans.zoo.publish(model, "tiny", card, path=shop, saved_model=False)
    status, out, _ = cli("zoo", "list", f"--path={shop}")
    assert status == 0 and out.startswith("tiny ") and "8x8x1" in out and "A test." in out
    assert cli("zoo", "show", "tiny", f"--path={shop}")[1] == keras_gans.zoo.card("tiny", path=shop)
    url = [f"--url={shop.as_uri()}", f"--cache_dir={tmp_path / 'cache'}"]
    assert "zoo load tiny" in cli("zoo", "list", *url)[1]
    status, out, _ = cli("zoo", "load", "tiny", *url, f"--out={tmp_path / 'mine'}")
    assert status == 0 and str(tmp_path / "mine" / "tiny") in out
    assert keras_gans.zoo.list(path=tmp_path / "mine") == ["tiny"]
    assert "exists" in fails("zoo", "load", "tiny", *url, f"--out={tmp_path / 'mine'}")
    array = tmp_path / "a.npy"
    arguments = ["--num=3", "--seed=2", f"--out={tmp_path / 'a.png'}", f"--npy={array}"]
    assert cli("sample", tmp_path / "mine" / "tiny", *arguments)[0] == 0
    np.testing.assert_allclose(np.load(array), model.generate(3, seed=2), atol=5e-3)
    path = tmp_path / "mine" / "tiny" / "generator.npz"
    path.write_bytes(path.read_bytes()[:-1])
    assert "SHA-256" in fails("sample", tmp_path / "mine" / "tiny")


def test_the_example_runs(tmp_path, monkeypatch):
    example = ROOT / "examples" / "train_osgan.py"
    small = keras_gans.networks.dcgan
    images = keras_gans.data.load_arrays("digits", image_size=8)[0][:64]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(example), "1"])
    monkeypatch.setattr(
        keras_gans.networks, "dcgan", lambda *a, **k: small(8, 1, **{**k, "width": 8})
    )
    monkeypatch.setattr(
        keras_gans.data, "load_arrays", lambda *a, **k: (images, np.arange(64) % 10)
    )
    runpy.run_path(str(example), run_name="__main__")
    assert int(load(tmp_path / "runs" / "example").optimizer.iterations) == 2
    assert (tmp_path / "runs" / "example" / "epoch-001.png").is_file()


def test_a_run_starts_from_the_weights_of_another(cli, fails, tmp_path):
    """--init: its recipe, its networks, its weights; --resume does not start over."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert cli(*TINY, f"--out={first}", "--norm=batch", "--steps=2")[0] == 0
    line = ["train", f"--init={first}", f"--out={second}", "--g_lr=0", "--d_lr=0", "--steps=1"]
    status, out, _ = cli(*line)
    assert status == 0 and f"Starting with weights of {first}: " in out
    recipe = recipes.load(second / "recipe.yaml")
    assert recipe.networks["norm"] == "batch" and recipe.schedule["init"] == str(first)
    kernels = [
        [v.numpy() for v in opening.open_run(path).generator.trainable_variables]
        for path in (first, second)
    ]
    for old, new in zip(*kernels, strict=True):
        np.testing.assert_array_equal(old, new)
    status, out, _ = cli(*line, "--steps=2", "--resume")
    assert status == 0 and "Starting" not in out
    assert "Unknown zoo entry 'osgn'" in fails("train", "--init=osgn", f"--out={tmp_path / 'x'}")
