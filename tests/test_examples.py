"""The examples and the code in the documents do what they say, on the backend at hand."""

import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import images, load_script, relative, slow_module, slow_on, to_numpy
from PIL import Image

import keras_gans
from keras_gans import registry

pytestmark = slow_module("jax")

ROOT = pathlib.Path(__file__).resolve().parent.parent
OWN_METHOD = ROOT / "examples" / "write_your_own_method.py"


@pytest.fixture(scope="module")
def own():
    """The guide's example as a module."""
    return load_script(OWN_METHOD)


def bigan(own, optimizer=keras.optimizers.SGD, rate=0.0):
    model = own.BiGAN(*own.networks(latent_dim=4), seed=3)
    model.compile({name: optimizer(rate) for name in model.players})
    return model


def state(model):
    return [to_numpy(v) for v in (*model.variables, *model.optimizer.variables)]


def test_the_own_method_is_one_short_file_that_names_no_backend():
    text = OWN_METHOD.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    assert not re.search(r"import (tensorflow|jax|torch)|from (tensorflow|jax|torch)", text)


class Reference:
    """BiGAN's three losses in NumPy, float64, from lists of weights."""

    def __init__(self, x, z):
        self.x, self.z = x.reshape(len(x), -1).astype("float64"), z.astype("float64")

    @staticmethod
    def mlp(x, weights):
        (w1, b1, w2, b2, w3, b3) = weights
        for w, b in ((w1, b1), (w2, b2)):
            x = x @ w + b
            x = np.where(x > 0, x, 0.2 * x)
        return x @ w3 + b3

    def scores(self, w):
        codes = self.mlp(self.x, w["encoder"])
        fakes = np.tanh(self.mlp(self.z, w["generator"]))
        pairs = np.concatenate([self.x, codes], 1), np.concatenate([fakes, self.z], 1)
        return [self.mlp(pair, w["discriminator"]) for pair in pairs]

    def losses(self, w):
        real, fake = self.scores(w)
        softplus = lambda s: np.logaddexp(0, s).mean()  # noqa: E731
        return {
            "discriminator": softplus(-real) + softplus(fake),
            "generator": softplus(-fake),
            "encoder": softplus(real),
        }

    def gradient(self, player, w, index, entry, step=1e-6):
        """Central difference of a player's loss for one entry of its weight `index`."""
        sides = []
        for sign in (1, -1):
            moved = [a.copy() for a in w[player]]
            moved[index].flat[entry] += sign * step
            sides.append(self.losses({**w, player: moved})[player])
        return (sides[0] - sides[1]) / (2 * step)


def weights_of(model):
    return {n: [w.astype("float64") for w in p.get_weights()] for n, p in model.players.items()}


def noise_of(seed, step, shape):
    """The first draw of a training step."""
    return to_numpy(keras_gans.training.StepRandom(seed, step).normal(shape))


def noise(model, step, count):
    return noise_of(model.seed, step, (count, model.latent_dim))


def test_losses_and_updates_of_three_players_equal_numpy(own):
    """One step with a rate of 0 for the losses, one of SGD against finite differences."""
    x, rate = images(6, 8), 0.1
    model = bigan(own)
    before = weights_of(model)
    reference = Reference(x, noise(model, 0, 6))
    logs = model.fit(x, batch_size=6, verbose=0).history
    expected = reference.losses(before)
    for name, log in (("discriminator", "d"), ("generator", "g"), ("encoder", "encoder")):
        assert logs[f"{log}_loss"][0] == pytest.approx(expected[name], rel=1e-5)
    real, fake = reference.scores(before)
    assert logs["real_score"][0] == pytest.approx(real.mean(), rel=1e-4, abs=1e-6)
    assert logs["fake_score"][0] == pytest.approx(fake.mean(), rel=1e-4, abs=1e-6)

    for optimizer in model.optimizer.players.values():
        optimizer.learning_rate = rate
    reference = Reference(x, noise(model, 1, 6))
    model.fit(x, batch_size=6, verbose=0)
    after = weights_of(model)
    # Each player meets those that moved before it in this step.
    met = dict(before)
    for player in ("discriminator", "generator", "encoder"):
        for index in (0, 3, 4):  # a kernel, a bias, the last kernel
            taken = (before[player][index] - after[player][index]) / rate
            assert abs(taken).max() > 0
            for entry in np.argsort(-abs(taken).ravel())[:3]:
                true = reference.gradient(player, met, index, entry)
                assert taken.flat[entry] == pytest.approx(true, rel=2e-3, abs=1e-5)
        met[player] = after[player]


def test_a_loaded_method_goes_on_as_the_saved_one(own, tmp_path):
    x = images(12, 8)
    model = bigan(own, keras.optimizers.Adam, 1e-3)
    model.fit(x, batch_size=4, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert type(loaded) is own.BiGAN
    assert relative(state(loaded), state(model)) == 0
    saved = state(model)
    for m in (model, loaded):
        m.fit(x, batch_size=4, epochs=2, initial_epoch=1, verbose=0)
    assert relative(state(loaded), state(model)) < 1e-6
    assert relative(state(loaded), saved) > 1e-4
    np.testing.assert_allclose(loaded.generate(3, seed=1), model.generate(3, seed=1), atol=1e-6)


def test_the_own_method_runs_on_digits(own, tmp_path):
    own.main(epochs=1, out=tmp_path)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert int(to_numpy(loaded.optimizer.iterations)) == 29  # 1,797 images in batches of 64
    grid = np.asarray(Image.open(tmp_path / "samples.png"))
    # Drawn within fit, so with the weights that JAX holds elsewhere.
    expected = keras_gans.data.image_grid(loaded.generate(64))
    assert abs(grid.astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.slow
def test_the_own_method_learns_to_reconstruct_digits(own, tmp_path):
    own.main(epochs=30, out=tmp_path)
    model = keras.models.load_model(tmp_path / "model.keras")
    x, _ = keras_gans.data.load_arrays("digits", image_size=8)
    codes = model.encoder.predict(x, verbose=0)
    error = model.ema_generator.predict(codes, verbose=0) - x
    other = model.ema_generator.predict(codes[::-1], verbose=0) - x
    # 1.0 before training; 0.77 to 0.83 was seen between epochs 15 and 45.
    assert np.sqrt(np.mean(error**2)) < 0.9 * np.sqrt(np.mean(other**2))


# The documents


def blocks(document, info):
    """The fenced blocks of a document with exactly this info string."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{info}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run_blocks(code, monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(OWN_METHOD.parent))
    namespace = {"__name__": name}
    exec(compile("\n".join(code), name, "exec"), namespace)
    return namespace


@slow_on("tensorflow", "jax")
def test_the_code_of_the_guide(own, monkeypatch, tmp_path):
    guide = "docs/write_your_own_method.md"
    example = OWN_METHOD.read_text(encoding="utf-8")
    excerpts = blocks(guide, "python excerpt")
    assert len(excerpts) == 4 and all(part in example for part in excerpts)

    names = run_blocks(blocks(guide, "python"), monkeypatch, tmp_path, "guide")
    x = images(12, 8)
    for method in ("ThreeToOne", "Smooth", "OneForward"):
        model = names[method](*own.networks(latent_dim=4))
        model.compile({player: keras.optimizers.SGD(0.05) for player in model.players})
        before = weights_of(model)
        history = model.fit(x, batch_size=12, verbose=0).history
        assert np.isfinite([v[-1] for v in history.values()]).all()
        for player, weights in weights_of(model).items():
            assert relative(weights, before[player]) > 1e-5

    # Updates from one forward: those of BiGAN, all taken at the same weights.
    start, random = weights_of(model), noise(model, 1, 12)
    model.fit(x, batch_size=12, verbose=0)
    reference = Reference(x, random)
    for player, weights in weights_of(model).items():
        taken = (start[player][4] - weights[4]) / 0.05
        entry = abs(taken).argmax()
        true = reference.gradient(player, start, 4, entry)
        assert taken.flat[entry] == pytest.approx(true, rel=2e-3, abs=1e-5)

    # One stage, against the hinge loss of a generator before a linear discriminator.
    z = keras.Input((8, 8, 1))
    linear = keras.Model(z, keras.layers.Dense(1)(keras.layers.Flatten()(z)))
    model = names["OneStageGAN"](own.networks(latent_dim=4)[1], linear)
    model.compile(keras.optimizers.SGD(0.05))
    latents = noise_of(model.seed, 0, (12, 4)).astype("float64")
    start = weights_of(model)
    model.fit(x, batch_size=12, verbose=0)
    kernel, bias = start["discriminator"]

    def g_loss(weights):
        fakes = np.tanh(Reference.mlp(latents, weights))
        return -np.mean(fakes @ kernel + bias)

    taken = (start["generator"][4] - weights_of(model)["generator"][4]) / 0.05
    entry = abs(taken).argmax()
    sides = []
    for step in (1e-6, -1e-6):
        moved = [w.copy() for w in start["generator"]]
        moved[4].flat[entry] += step
        sides.append(g_loss(moved))
    assert taken.flat[entry] == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=2e-3)
    assert relative(weights_of(model)["discriminator"], [kernel, bias]) > 1e-5


def test_the_code_of_the_page_that_adds_things(monkeypatch, tmp_path):
    declared = {kind: dict(known) for kind, known in registry._declared.items()}
    try:
        run_blocks(blocks("docs/extend.md", "python"), monkeypatch, tmp_path, "extend")
        assert "noisy_label_gan" in registry.names("method")
        with pytest.raises(ValueError, match="Unknown objective 'squared_hing'.*'squared_hinge'"):
            keras_gans.losses.get("squared_hing")
    finally:
        registry._declared.update(declared)


@slow_on("tensorflow")
def test_the_code_of_the_page_on_label_maps(monkeypatch, tmp_path):
    run_blocks(blocks("docs/spade.md", "python"), monkeypatch, tmp_path, "spade")


def test_the_first_two_shell_blocks_of_the_readme_are_one_line_each():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first, second = re.findall(r"^```(\w+)", text, re.MULTILINE)[:2]
    assert (first, second) == ("sh", "sh")
    main, tests = blocks("README.md", "sh")
    for line in (main, tests):
        assert line.count("\n") == 1 and line.startswith("python3 -m venv .venv && ")
    assert main.rstrip().endswith(".venv/bin/keras-gans train")
    assert all(f" {name} " in tests.replace(";", " ") for name in ("tensorflow", "jax", "torch"))


# They go on from one another, in this order.
PAGES = ("README.md", "docs/omni_gan.md", "docs/data.md", "docs/training.md", "docs/metrics.md")


def test_the_code_of_the_readme_and_of_the_pages_that_go_on_from_it(monkeypatch, tmp_path):
    pytest.importorskip("tensorflow", reason="keras_gans.data.load gives a tf.data.Dataset")
    asked, fit = [], keras_gans.training.AdversarialModel.fit

    def short(self, *args, epochs=1, **kwargs):
        asked.append(epochs)
        return fit(self, *args, epochs=1, steps_per_epoch=1, verbose=0, **kwargs)

    monkeypatch.setattr(keras_gans.training.AdversarialModel, "fit", short)
    code = [block for page in PAGES for block in blocks(page, "python")]
    names = run_blocks(code, monkeypatch, tmp_path, "readme")
    assert asked == [40, 1, 40]
    made = names["samples"]
    assert made.shape == (16, 32, 32, 1) and made.dtype == np.float32 and abs(made).max() <= 1
    loaded = keras.saving.load_model(tmp_path / "digits.keras")
    assert int(to_numpy(loaded.optimizer.iterations)) == 1
    assert int(to_numpy(names["model"].optimizer.iterations)) == 3
    assert Image.open(tmp_path / "samples.png").size == (10 * 34 + 2, 7 * 34 + 2)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="about torch's processes")
@pytest.mark.slow
def test_two_torch_processes_take_the_steps_of_one(tmp_path):
    script = str(ROOT / "examples" / "train_torch_processes.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    for name, launcher in (("one", []), ("two", torchrun)):
        command = [sys.executable, *launcher, script, "1", str(tmp_path / name)]
        subprocess.run(command, env=environment, check=True, stdin=subprocess.DEVNULL)
    one, two = (keras.saving.load_model(tmp_path / n / "model.keras") for n in ("one", "two"))
    assert int(to_numpy(one.optimizer.iterations)) == int(to_numpy(two.optimizer.iterations)) == 28
    # Adam turns rounding noise of tiny gradients into steps: the noise of 28 steps, not of one.
    assert relative(state(two), state(one)) < 1e-2
    assert abs(two.generate(8) - one.generate(8)).max() < 1e-2
    assert (tmp_path / "two" / "samples.png").exists()
    assert list((tmp_path / "two" / "backup").iterdir()) == []


@slow_on("tensorflow", "jax")
def test_the_tables_are_those_of_the_declarations():
    tables = load_script(ROOT / "docs" / "tables.py")
    for page in tables.PAGES:
        now, made = tables.rendered(page)
        # Another Keras or pydantic may have other optimizers, and say the same in other words.
        if page != tables.SCHEMA or made.splitlines()[2] in now:
            assert now == made, f"{page}: run python docs/tables.py"
        assert page in tables.METHODS or "lga_gan" in now
