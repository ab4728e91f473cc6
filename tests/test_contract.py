"""What every declared method has to do, on this backend: from its declaration alone.

A new method is tested here as soon as it is declared (`registry.method`); no line names one. What
is said of a method in particular, equations and papers' details, stands in files of its own.
"""

import functools
import importlib.util
import inspect
import json
import os
import pathlib
import subprocess
import sys

import contract_build
import keras
import numpy as np
import pytest
from conftest import relative, slow_on
from contract_build import make, trained, values
from PIL import Image

from keras_gans import data, losses, registry, zoo
from keras_gans.cli import main

HERE = pathlib.Path(__file__).resolve().parent
BACKEND = keras.backend.backend()


# Methods whose step and ways of the command line are those of another one here: only torch, the
# fastest, tries these as well; the slow set has them on every backend.
ALIKE = ("acgan", "biggan", "coupled_gan", "decoupled_caae", "decoupled_pix2pix", "gan", "imacgan")
ALIKE += ("multi_hinge_gan", "omni_gan")


def methods(slow, quick=None):
    """The declared methods as parameters, those like another one marked slow where told.

    With `quick`, all others than those named there are.
    """
    names = registry.names("method")
    late = {n for n in names if (n in ALIKE if quick is None else n not in quick)}
    return [pytest.param(n, marks=[pytest.mark.slow] * (slow and n in late)) for n in names]


@pytest.fixture(scope="module", params=methods(slow=BACKEND != "torch"))
def method(request):
    return request.param


@pytest.fixture(scope="module")
def run(method):
    """The method after two steps, and what they did."""
    return trained(method)


def per_player(model, arrays):
    """Arrays as in `model.variables`, those of each player's trainable variables."""
    of = {id(v): x for v, x in zip(model.variables, arrays, strict=True)}
    return {player: [of[id(v)] for v in model.player_variables(player)] for player in model.players}


def norm(arrays):
    return float(np.linalg.norm(np.concatenate([np.ravel(x) for x in arrays])))


def chosen(session):
    """The methods of the tests that were selected."""
    here = [item for item in session.items if item.path == pathlib.Path(__file__)]
    return sorted({i.callspec.params["method"] for i in here if hasattr(i, "callspec")})


def other_process(folder, backend, replicas, names):
    """Methods after two steps elsewhere: {name: logs and movements}."""
    environment = {**os.environ, "KERAS_BACKEND": backend}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), str(HERE)])
    command = [sys.executable, str(HERE / "contract_run.py"), str(folder), str(replicas), *names]
    subprocess.run(command, env=environment, check=True)
    return {path.stem: dict(np.load(path)) for path in folder.glob("*.npz")}


def assert_same_steps(model, mine, theirs, tolerance=1e-4, each=1e-4):
    """The movements of two runs, of each player and of every variable, and their losses."""
    moved = [theirs[f"moved_{i}"] for i in range(len(mine["moved"]))]
    assert f"moved_{len(moved)}" not in theirs
    first, second = per_player(model, mine["moved"]), per_player(model, moved)
    for player, arrays in first.items():
        assert relative(arrays, second[player]) < tolerance, player
        # Each by itself, but for those that hardly move: rounding is large beside that.
        least = 1e-2 * norm(arrays)
        variables = model.player_variables(player)
        for v, a, b in zip(variables, arrays, second[player], strict=True):
            assert norm([a - b]) < each * max(norm([b]), least), v.path
    assert relative(mine["moved"], moved) < tolerance
    assert set(mine["logs"]) == {key[4:] for key in theirs if key.startswith("log_")}
    for name, value in mine["logs"].items():
        assert value == pytest.approx(float(theirs[f"log_{name}"]), rel=tolerance, abs=tolerance), (
            name
        )


def test_a_step_is_finite_and_moves_every_variable(run):
    model, found = run
    assert all(np.isfinite(value) for value in found["logs"].values())
    assert len(found["logs"]) >= 2 * len(model.players)
    assert all(np.isfinite(x).all() for x in found["moved"])
    trainable = [v for player in model.players for v in model.player_variables(player)]
    assert {id(v) for v in trainable} <= {id(v) for v in model.trainable_variables}
    for player, arrays in per_player(model, found["moved"]).items():
        assert norm(arrays) > 1e-4, player
        for v, moved in zip(model.player_variables(player), arrays, strict=True):
            # In front of a norm a bias has a gradient of zero: it moves by rounding, or not at all.
            assert moved.any() or v.name == "bias", v.path
    assert found["steps"] == contract_build.STEPS


@pytest.mark.parametrize("method", methods(slow=BACKEND != "torch", quick=("osgan",)))
def test_batches_by_hand_train_as_fit_does(method):
    """Keras's `train_on_batch` gives a step arrays of NumPy, and None for what there is not."""
    model = contract_build.compiled(make(method))
    before = values(model.variables)
    for batch in contract_build.batches(method, model):
        model.train_on_batch(*keras.tree.map_structure(keras.ops.convert_to_numpy, batch))
    moved = [b - a for a, b in zip(before, values(model.variables), strict=True)]
    _, fitted = trained(method)
    assert relative(moved, fitted["moved"]) < 1e-5


def settings(model):
    """A configuration as text, which two models of the same settings share."""
    return json.loads(json.dumps(model.get_config(), sort_keys=True, default=str))


# What an argument becomes that a configuration has to keep: by its name, or else by its type.
CHANGED = {
    "objective": "wasserstein",
    "adversarial": "wasserstein",
    "penalty": losses.R1(0.5),
    "clip": 0.5,
    "augment": "color",
    "ema": 0.75,
}


def changed(cls):
    """Every argument of a method that can be given another value than its default."""
    for name, default in contract_build.arguments(cls).items():
        if name in getattr(cls, "settled", ()):
            continue
        if name in CHANGED:
            yield name, CHANGED[name]
        elif isinstance(default, bool):
            yield name, not default
        elif isinstance(default, int):
            yield name, default + 1
        elif isinstance(default, float):
            yield name, default / 2 + 0.125


def test_the_configuration_makes_the_same_model(method, run):
    model, _ = run
    cls, config = type(model), model.get_config()
    again = cls.from_config(config)
    assert settings(again) == settings(model)
    assert list(again.players) == list(model.players)
    shapes = [[(v.name, tuple(v.shape)) for v in m.variables] for m in (again, model)]
    assert shapes[0] == shapes[1]


def test_the_configuration_keeps_every_argument(method):
    model = make(method)
    cls, config = type(model), model.get_config()
    for name, default in contract_build.arguments(cls).items():
        assert name in config or default is None or name in getattr(cls, "settled", ()), name
    # The networks as they are: only what else is in a configuration is read anew.
    networks = {k: getattr(model, k, None) for k in config}
    networks = {k: x for k, x in networks.items() if isinstance(x, keras.Model)}
    taken = {}
    for name, value in changed(cls):
        try:
            cls.from_config({**config, **networks, **taken, name: value})
        except ValueError:
            continue  # the method does not go with it
        taken[name] = value
    other = cls.from_config({**config, **networks, **taken})
    same = [name for name in taken if settings(other)[name] == settings(model)[name]]
    assert same == [] and "seed" in taken
    again = cls.from_config({**other.get_config(), **networks})
    assert settings(again) == settings(other)


def test_the_signature_names_every_argument_and_no_other(method):
    model = make(method)
    cls, config = type(model), model.get_config()
    shown = inspect.signature(cls).parameters
    assert list(inspect.signature(cls.__init__).parameters) == ["self", *shown]
    assert not any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in shown.values())
    assert {*config, "name", "dtype", "trainable"} <= set(shown)
    assert not set(shown) & set(getattr(cls, "settled", ()))
    networks = {n: getattr(model, n, None) for n in config}
    networks = {n: x for n, x in networks.items() if isinstance(x, keras.Model)}
    defaults = {n: p.default for n, p in shown.items() if p.default is not p.empty}
    again = cls.from_config({**defaults, **config, **networks})  # all that is shown is taken
    assert settings(again) == settings(model)
    with pytest.raises(ValueError, match="nonesuch"):
        cls.from_config({**config, **networks, "nonesuch": 1})


def eagerly(model):
    """On TensorFlow tracing another step costs ten times as much as making a few."""
    if BACKEND == "tensorflow":
        model.run_eagerly = True
        model.make_train_function(force=True)
    return model


def state(model):
    return values([*model.variables, *model.optimizer.variables])


def test_saved_and_loaded_it_goes_on_as_if_it_had_not_stopped(method, run, tmp_path):
    model, _ = run
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    saved = state(model)
    trained(method, eagerly(model), epoch=1)
    after = state(model)
    assert relative(after, saved) > 1e-4
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert type(loaded) is type(model) and settings(loaded) == settings(model)
    for a, b in zip(state(loaded), saved, strict=True):
        np.testing.assert_array_equal(a, b)
    trained(method, eagerly(loaded), epoch=1)
    assert relative(state(loaded), after) < 1e-6
    loaded.load_weights(tmp_path / "m.weights.h5")
    for a, b in zip(state(loaded), saved, strict=True):
        np.testing.assert_array_equal(a, b)


@slow_on("tensorflow", "jax")
@pytest.mark.parametrize("half", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_mixed_precision(method, half):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(f"mixed_{half}")
    try:
        model = make(method)
        model.compile(run_eagerly=BACKEND == "tensorflow")
        for each in model.optimizer.loss_scales.values():
            each.scale.assign(2.0**8)  # no step is to be left out until a scale fits
        model, found = trained(method, model)
    finally:
        keras.config.set_dtype_policy(before)
    layers = [x for n in model.players.values() for x in n._flatten_layers(include_self=False)]
    assert half in {x.compute_dtype for x in layers}
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert all(np.isfinite(value) for value in found["logs"].values())
    assert all(np.isfinite(x).all() for x in found["moved"])
    for player, arrays in per_player(model, found["moved"]).items():
        assert norm(arrays) > 1e-5, player


@pytest.fixture(scope="module")
def on_torch(tmp_path_factory, request):
    if BACKEND == "torch":
        pytest.skip("compared by the processes of the other two backends")
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    return other_process(tmp_path_factory.mktemp("torch"), "torch", 1, chosen(request.session))


def test_the_step_is_that_of_another_backend(method, run, on_torch):
    model, found = run
    assert_same_steps(model, found, on_torch[method])


@pytest.fixture(scope="module")
def on_two(tmp_path_factory, request):
    return other_process(tmp_path_factory.mktemp("two"), BACKEND, 2, chosen(request.session))


@slow_on("jax")
def test_two_replicas_equal_one(method, run, on_two):
    model, found = run
    assert_same_steps(model, found, on_two[method], tolerance=1e-5)


CARD = """
card:
  name: tiny
  summary: A contract's.
  data: {name: digits, licence: BSD-3-Clause}
"""


OF_EACH_TASK = ("asymmetric_gan", "osgan", "pix2pix", "spade")


@slow_on("tensorflow", "jax")
@pytest.mark.parametrize("method", methods(slow=True, quick=OF_EACH_TASK))
def test_from_the_command_line_it_trains_makes_images_and_is_published(
    method, tmp_path, monkeypatch, capsys
):
    declared = registry.get("method", method)
    if declared.preset is None:
        with pytest.raises(ValueError, match=f"{method} has no recipe"):
            main.run(["train", f"--method={method}", "--steps=1"])
        return
    monkeypatch.chdir(tmp_path)
    line = ["train", f"--method={method}", "--steps=1", "--width=8", "--batch_size=2"]
    line += ["--split=train[:64]"]
    assert main.run([*line, "--num_samples=2", "--out=run"]) == 0
    # What it says to do next is what its kind of task can do.
    said = capsys.readouterr().out
    (following,) = [x.split()[1:] for x in said.splitlines() if x.startswith("  keras-gans")]
    assert "run" in following
    (tmp_path / "IMAGES").mkdir()
    for i, image in enumerate(data.load_arrays("digits", image_size=32)[0][:2]):
        data.save_grid(image[None], tmp_path / "IMAGES" / f"{i}.png", pad=0)

    def makes_images(folder, out):
        words = [folder if word == "run" else word for word in following]
        assert main.run([f"--out={out}" if x.startswith("--out") else x for x in words]) == 0
        return np.asarray(Image.open(out))

    of_run = makes_images("run", "run.png")
    recipe = tmp_path / "run" / "recipe.yaml"
    recipe.write_text(recipe.read_text() + CARD)
    score = functools.partial(zoo.score, samples=40)
    monkeypatch.setattr(zoo, "score", score)
    line = ["train", f"--recipe={recipe}", "--out=run", "--resume", "--publish=zoo"]
    assert main.run(line) == 0
    assert "fd_kgnet" in (tmp_path / "zoo" / "tiny" / "README.md").read_text()
    of_entry = makes_images("zoo/tiny", "entry.png")  # its weights have half the digits
    assert of_entry.std() > 1
    np.testing.assert_allclose(of_entry.astype("int32"), of_run, atol=8)
