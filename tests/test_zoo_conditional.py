"""The zoo with classes and an INR head, and its architectures without weights."""

import keras
import numpy as np
import pytest
from conftest import slow_module, to_numpy

import keras_gans
from keras_gans import models, networks, zoo
from keras_gans.zoo import architectures, store

BACKEND = keras.backend.backend()
pytestmark = slow_module("tensorflow", "jax")
C = 3
CARD = {"summary": "Untrained.", "data": {"name": "noise", "licence": "CC0"}}


def make_model():
    """A compact Omni-INR-GAN whose average is another network than the one in training."""
    g, d = networks.biggan(64, 1, 2, C, d_head="omni", head="inr", stride=2, hidden=4, latent_dim=8)
    model = models.OmniINRGAN(g, d, num_classes=C, ema=0.9, augment="color", seed=2)
    model.compile("adam")
    rng = np.random.default_rng(1)
    for v in model.ema_generator.weights:
        low, high = (0.5, 1.5) if "variance" in v.path else (-0.7, 0.7)
        v.assign(rng.uniform(low, high, v.shape))
    return model


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def shop(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("shop")
    zoo.publish(model, "inr", CARD, path=path, half=False)
    return path


def test_an_entry_samples_as_its_model(model, shop):
    entry = zoo.load("inr", path=shop)
    assert (entry.num_classes, entry.latent_dim) == (C, 8) and entry.verify() < 1e-4
    given = {"seed": 4, "labels": [2, 0, 1], "truncation": 0.6}
    np.testing.assert_allclose(entry.generate(3, **given), model.generate(3, **given), atol=1e-5)
    given["size"] = (20, 50)
    images = entry.generate(3, **given)
    assert images.shape == (3, 20, 50, 1) and images.std() > 0.01
    np.testing.assert_allclose(images, model.generate(3, **given), atol=1e-5)
    way = entry.interpolate(3, labels=(0, 2), size=12)
    np.testing.assert_allclose(way[-1], entry.generate(1, labels=2, size=12)[0], atol=1e-5)
    for part in ("OmniINRGAN", "3 classes", "size=(200, 300)", "Other sizes: any"):
        assert part in entry.card
    assert entry.metadata["architecture"]["any_size"] is True
    assert entry.recipe["model"]["method"] == "omni_inr_gan"


def test_its_discriminator_takes_images_of_any_size(model, shop):
    entry = zoo.load("inr", path=shop, training=True)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 1)).astype("float32")
    wanted = model.discriminator.predict(x, verbose=0)
    np.testing.assert_allclose(entry.discriminator.predict(x, verbose=0), wanted, atol=1e-4)
    models.OmniINRGAN(entry.generator, entry.discriminator, num_classes=C)  # trains on


def test_fresh_weights(shop):
    entry = zoo.load("inr", path=shop, weights=None)
    kernel = to_numpy(entry.generator.get_layer("blocks_0_conv2").kernel).reshape(-1, 4)
    assert np.std(kernel) == pytest.approx(0.02, rel=0.2)  # the network's own initial weights
    assert entry.generator.trainable and entry.discriminator.output_shape == (None, C + 2)
    with pytest.raises(ValueError, match='weights is .imagenet.; "trained" or None is wanted'):
        zoo.load("inr", path=shop, weights="imagenet")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="written on TensorFlow")
def test_saved_model_of_a_conditional_generator(shop):
    import tensorflow as tf

    entry = zoo.load("inr", path=shop)
    served = tf.saved_model.load(str(shop / "inr" / "saved_model"))
    z = np.random.default_rng(3).standard_normal((5, 8)).astype("float32")
    y = np.array([0, 2, 1, 1, 0], "int32")
    np.testing.assert_allclose(served.serve([z, y]).numpy(), entry.images_of(z, y), atol=1e-5)


def test_commands(cli, fails, shop, tmp_path):
    array, grid = tmp_path / "a.npy", tmp_path / "a.png"
    arguments = ["--num=2", "--label=1", "--truncation=0.5", f"--npy={array}", f"--out={grid}"]
    assert cli("sample", shop / "inr", *arguments, "--size=24x40")[0] == 0
    wanted = zoo.load("inr", path=shop).generate(2, labels=1, truncation=0.5, size=(24, 40))
    np.testing.assert_allclose(np.load(array), wanted, atol=1e-5)
    assert cli("sample", shop / "inr", *arguments, "--size=30")[0] == 0
    assert np.load(array).shape == (2, 30, 30, 1)
    assert "HEIGHTxWIDTH" in fails("sample", shop / "inr", "--size=30,40")
    assert "truncation is -1" in fails("sample", shop / "inr", "--truncation=-1", f"--out={grid}")
    assert "size=(200, 300)" in cli("zoo", "show", "inr", f"--path={shop}")[1]


# Architectures


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "packaged_folder", lambda: tmp_path / "none")
    monkeypatch.setenv("KERAS_GANS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KERAS_GANS_ZOO_URL", raising=False)


def test_architectures_are_listed_and_say_what_to_do(elsewhere, cli, fails, shop):
    names = [f"{m}_imagenet_{n}" for m in ("biggan", "omni_gan", "omni_inr") for n in (128, 256)]
    assert zoo.list() == names and zoo.list(trained_only=True) == []
    assert zoo.list(path=shop) == ["inr"]
    out = cli("zoo", "list")[1]
    assert out.count("architecture only") == 6
    for name in names:
        with pytest.raises(ValueError, match="architecture only.*convert.*weights=None") as caught:
            zoo.load(name)
        assert "\n" not in str(caught.value)
        card = zoo.card(name)
        assert card.startswith(f"# {name}\n") and "Architecture only" in card
    with pytest.raises(ValueError, match="nobody released weights"):
        zoo.load("omni_gan_imagenet_128")
    assert "did you mean 'omni_inr_imagenet_256'" in fails("zoo", "show", "omni_inr_imagnet_256")
    assert "architecture only" in fails("sample", "omni_gan_imagenet_256")
    assert "architecture only" in fails("zoo", "load", "omni_gan_imagenet_256")
    with pytest.raises(ValueError, match="Unknown zoo entry"):
        zoo.load("omni_gan_imagenet_128", path=shop)


def test_architectures_are_the_papers():
    for name, (size, head, d_head) in {
        "omni_gan_imagenet_128": (128, "conv", "omni"),
        "omni_inr_imagenet_256": (256, "inr", "omni"),
        "biggan_imagenet_256": (256, "conv", "projection"),
    }.items():
        found = architectures.arguments(name)
        wanted = {"image_size": size, "width": 96, "num_classes": 1000}
        assert found == {**wanted, "head": head, "d_head": d_head}


def test_an_architecture_builds_and_trains(elsewhere, monkeypatch):
    small = {"width": 1, "num_classes": C}
    arguments = architectures.arguments
    monkeypatch.setattr(architectures, "arguments", lambda name: {**arguments(name), **small})
    entry = zoo.load("omni_inr_imagenet_128", weights=None)
    assert entry.generate(2, size=(9, 12), labels=2).shape == (2, 9, 12, 3)
    assert (entry.latent_dim, entry.num_classes) == (120, C)
    assert "no weights" not in repr(entry) and "128, 128, 3" in repr(entry)
    model = keras_gans.models.OmniINRGAN(entry.generator, entry.discriminator, num_classes=C)
    assert model.generator.trainable_variables


def test_an_entry_of_that_name_comes_first(model, elsewhere, tmp_path, monkeypatch):
    name = "omni_inr_imagenet_128"
    zoo.publish(model, name, CARD, path=tmp_path / "served", saved_model=False)
    monkeypatch.setenv("KERAS_GANS_ZOO_URL", (tmp_path / "served").as_uri())
    assert zoo.load(name).generate(1).shape == (1, 64, 64, 1)  # downloaded
    monkeypatch.delenv("KERAS_GANS_ZOO_URL")
    assert "Untrained." in zoo.card(name) and zoo.load(name).folder.is_relative_to(tmp_path)
    with pytest.raises(ValueError, match="architecture only"):
        zoo.load("omni_inr_imagenet_256")
