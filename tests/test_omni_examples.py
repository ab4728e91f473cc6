"""The examples of Omni-GAN: each trains two steps and leaves what it says."""

import importlib.util
import pathlib

import keras
import numpy as np
import pytest
from conftest import load_script, to_numpy
from PIL import Image

import keras_gans
from keras_gans import models

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None, reason="the examples read with tf.data"
    ),
]
ROOT = pathlib.Path(__file__).resolve().parent.parent


def example(name):
    path = ROOT / "examples" / f"{name}.py"
    return load_script(path)


@pytest.fixture
def two_steps(monkeypatch):
    """Trainings of two steps."""
    fit = keras_gans.training.AdversarialModel.fit

    def short(self, *args, epochs, **kwargs):
        kwargs |= {"epochs": 1, "steps_per_epoch": 2, "verbose": 0}
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(keras_gans.training.AdversarialModel, "fit", short)


def check(model, out, cls):
    assert type(model) is cls and model.steps_done == 2
    loaded = keras.saving.load_model(out / "model.keras")
    np.testing.assert_allclose(loaded.generate(2), model.generate(2), atol=1e-5)
    assert list(out.rglob("*.png"))


@pytest.mark.parametrize(
    ("flags", "cls"),
    [
        ([], models.OmniGAN),
        (["--inr", "--augment"], models.OmniINRGAN),
        (["--one_stage"], models.OSGAN),
    ],
)
def test_cifar(flags, cls, two_steps, tfds_dir, tmp_path):
    arguments = [f"--data_dir={tfds_dir}", "--width=1", "--split=train[:2%]", f"--out={tmp_path}"]
    model = example("omni_gan_cifar").main([*arguments, *flags])
    check(model, tmp_path, cls)
    assert (model.augment is not None) == ("--augment" in flags)
    l2 = {name: o.l2 for name, o in model.optimizer.players.items()}
    assert l2 == {"generator": 1e-3, "discriminator": 1e-4}


def test_cifar_100_has_its_own_settings():
    module = example("omni_gan_cifar")
    model = module.make_model(module.parse(["--dataset=cifar100", "--width=1"]))
    assert (model.num_classes, model.d_steps, model.ema, model.ema_start) == (100, 4, 0.9999, 5000)
    assert model.discriminator.output_shape == (None, 102)
    adam = model.optimizer.players["discriminator"]
    assert adam.l2 == 5e-4 and float(to_numpy(adam.learning_rate)) == pytest.approx(2e-4)


@pytest.mark.parametrize(
    ("size", "flags", "cls"),
    [
        (128, [], models.OmniGAN),
        pytest.param(256, ["--inr"], models.OmniINRGAN, marks=pytest.mark.slow),
    ],
)
def test_imagenet_on_a_folder_of_images(size, flags, cls, two_steps, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(8):
            pixels = rng.integers(0, 256, (140, 150, 3), dtype="uint8")
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    out = tmp_path / "out"
    arguments = [f"--dataset={tmp_path / 'photos'}", f"--size={size}", "--width=1"]
    arguments += ["--batch_size=4", f"--out={out}"]
    model = example("omni_gan_imagenet").main([*arguments, *flags])
    (out / "none.png").touch()  # its grids come every 5,000 steps
    check(model, out, cls)
    assert (model.num_classes, model.d_steps) == (2, {128: 1, 256: 2}[size])
    assert model.optimizer.players["generator"].l2 == {128: 1e-3, 256: 1e-4}[size]


def test_two_domains(two_steps, tfds_dir, tmp_path):
    module = example("omni_two_domains")
    model = module.main([f"--data_dir={tfds_dir}", "--width=1", f"--out={tmp_path}"])
    check(model, tmp_path, models.OmniGAN)
    images, classes = module.read(module.parse([f"--data_dir={tfds_dir}"]))
    assert images.shape == (3594, 32, 32, 1) and np.bincount(classes % 2).tolist() == [1797] * 2
    assert set(classes) == set(range(20))
    np.testing.assert_array_equal(model.objective.attributes, module.ATTRIBUTES)
