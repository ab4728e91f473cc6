"""Sampling: truncation, classes, sizes, interpolation, standing statistics."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import slow_module, slow_on, to_numpy

import keras_gans
from keras_gans import models, networks
from keras_gans.models import sampling

pytestmark = slow_module("jax")

C = 3


@pytest.fixture(scope="module")
def inr():
    """A compact Omni-INR-GAN: features of 32 x 32, images of 64 x 64."""
    g, d = networks.biggan(64, 1, 2, C, d_head="omni", head="inr", stride=2, hidden=4, latent_dim=8)
    model = models.OmniINRGAN(g, d, num_classes=C, ema=0.9)
    rng = np.random.default_rng(0)
    for v in model.ema_generator.weights:
        scale = 0.2 + rng.uniform(0, 1, v.shape) if "variance" in v.path else None
        v.assign(rng.standard_normal(v.shape) if scale is None else scale)
    return model


def latents(count, dim, seed):
    return np.random.default_rng(seed).standard_normal((count, dim)).astype("float32")


def plain(model, z, y):
    """The images of the averaged generator itself."""
    return np.asarray(model.ema_generator.predict([z, np.asarray(y, "int32")], verbose=0))


def rendered(model, z, y, size, cell="trained"):
    head = model.ema_generator.get_layer("head")
    network = keras.Model(model.ema_generator.inputs, head.input)
    features = network.predict([z, np.asarray(y, "int32")], verbose=0)
    return to_numpy(head.render(features, size, cell))


def test_truncation_scales_the_latents(inr):
    z = latents(5, 8, seed=4)
    wanted = plain(inr, np.float32(0.3) * z, [0, 1, 2, 0, 1])
    np.testing.assert_allclose(inr.generate(5, seed=4, truncation=0.3), wanted, atol=1e-5)
    assert np.abs(inr.generate(5, seed=4) - wanted).max() > 0.1
    alike = inr.generate(2, labels=1, truncation=0)
    np.testing.assert_allclose(alike[0], alike[1], atol=1e-6)
    for wrong in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="truncation is"):
            inr.generate(1, truncation=wrong)


@slow_on("jax")
def test_many_images_are_those_of_few(inr):
    many = inr.generate(11, seed=2, labels=np.arange(11) % 2, batch_size=4)
    np.testing.assert_allclose(many, plain(inr, latents(11, 8, 2), np.arange(11) % 2), atol=1e-5)


@pytest.mark.parametrize("size", [(20, 50), 96, (64, 64)])
@pytest.mark.parametrize("cell", [None, "true"])
def test_any_size(inr, size, cell):
    images = inr.generate(3, seed=1, labels=2, size=size, cell=cell, truncation=0.5)
    pair = size if isinstance(size, tuple) else (size, size)
    assert images.shape == (3, *pair, 1) and images.dtype == np.float32
    wanted = rendered(inr, np.float32(0.5) * latents(3, 8, 1), [2, 2, 2], pair, cell or "trained")
    np.testing.assert_allclose(images, wanted, atol=1e-5)
    if size == (64, 64):
        np.testing.assert_allclose(images, inr.generate(3, 1, 2, truncation=0.5), atol=1e-5)


@slow_on("jax")
def test_a_few_images_at_a_time_at_large_sizes(inr, monkeypatch):
    head, parts = inr.ema_generator.get_layer("head"), []
    wanted = inr.generate(5, size=(70, 65))
    features = 32 * 32 * 8  # of an image, more than its pixels
    monkeypatch.setattr(sampling, "_PART_BYTES", 4 * (2 * features + 1))
    render = head.render
    monkeypatch.setattr(head, "render", lambda x, *a: parts.append(len(x)) or render(x, *a))
    np.testing.assert_allclose(inr.generate(5, size=(70, 65)), wanted, atol=1e-5)
    assert parts == [2, 2, 1]


def test_mixtures_of_classes(inr):
    eye = np.eye(C, dtype="float32")
    pure = inr.generate(4, seed=3, labels=eye[[2, 0, 1, 1]])
    np.testing.assert_allclose(pure, inr.generate(4, seed=3, labels=[2, 0, 1, 1]), atol=1e-5)
    mixed = inr.generate(4, seed=3, labels=np.tile((eye[0] + eye[1]) / 2, (4, 1)), size=(9, 7))
    assert np.abs(mixed - inr.generate(4, seed=3, labels=0, size=(9, 7))).max() > 1e-3
    with pytest.raises(ValueError, match=r"mixtures of classes have shape \(4, 3\)"):
        inr.generate(4, labels=eye)


@slow_on("jax")
def test_interpolation_of_classes_and_latents(inr):
    classes = inr.interpolate(5, labels=(2, 0), seed=7, truncation=0.8)
    ends = [inr.generate(1, seed=7, labels=k, truncation=0.8)[0] for k in (2, 0)]
    np.testing.assert_allclose(classes[[0, -1]], ends, atol=1e-5)
    half = np.array([[0.5, 0, 0.5]], "float32")
    np.testing.assert_allclose(classes[2], inr.generate(1, 7, half, 0.8)[0], atol=1e-5)

    z = [latents(1, 8, s) for s in (3, 4)]
    way = inr.interpolate(5, labels=1, seed=(3, 4), size=(10, 20))
    assert way.shape == (5, 10, 20, 1)
    quarter = rendered(inr, 0.75 * z[0] + 0.25 * z[1], [1], (10, 20))
    np.testing.assert_allclose(way[1], quarter[0], atol=1e-5)
    both = inr.interpolate(2, labels=(0, 2), seed=(3, 4))
    wanted = [inr.generate(1, 3, 0)[0], inr.generate(1, 4, 2)[0]]
    np.testing.assert_allclose(both, wanted, atol=1e-5)
    with pytest.raises(ValueError, match="nothing to interpolate between"):
        inr.interpolate(4, labels=1, seed=2)
    with pytest.raises(ValueError, match="steps is 1; expected an integer of 2 or more"):
        inr.interpolate(1, labels=(0, 1))
    with pytest.raises(ValueError, match="labels run from 0 to 3"):
        inr.interpolate(3, labels=(0, 3))
    inr.generator.get_config()  # it can be saved and copied as before


def test_embeddings_are_mixed_too_and_other_generators_have_their_one_size():
    g, d = networks.dcgan(8, 1, 4, norm="layer", num_classes=C, latent_dim=6)
    model = models.GAN(g, d, num_classes=C)
    sampler = models.Sampler(g)
    assert (sampler.num_classes, sampler.latent_dim) == (C, 6)
    way = model.interpolate(3, labels=(0, 2), seed=5)
    np.testing.assert_allclose(way[2], model.generate(1, seed=5, labels=2)[0], atol=1e-6)
    (embed,) = [x for x in g.layers if isinstance(x, keras.layers.Embedding)]
    table = to_numpy(embed.embeddings)
    table[1] = (table[0] + table[2]) / 2
    embed.embeddings.assign(table)
    np.testing.assert_allclose(way[1], sampler.generate(1, seed=5, labels=1)[0], atol=1e-6)
    with pytest.raises(ValueError, match=r"size is \(9, 9\), .* images of 8x8 only"):
        model.generate(1, size=(9, 9))
    with pytest.raises(ValueError, match="cell is 'true', .* INR head"):
        sampler.generate(1, cell="true")

    g, d = networks.dcgan(8, 1, 4, norm="layer", latent_dim=6)
    model = models.GAN(g, d)
    assert np.abs(np.diff(model.interpolate(3, seed=(0, 1)), axis=0)).max() > 1e-3
    with pytest.raises(ValueError, match="unconditional"):
        model.interpolate(3, labels=(0, 1))


def test_wrong_sizes(inr):
    for wrong in (0, (8, -1), (8, 8, 3), 8.5):
        with pytest.raises(ValueError, match="positive height and width"):
            inr.generate(1, size=wrong)
    with pytest.raises(ValueError, match='cell is .half.; expected "trained", "true" or None'):
        inr.generate(1, size=8, cell="half")
    with pytest.raises(ValueError, match="cell is .half."):
        inr.generate(1, cell="half")  # of its own size, which is the same for both


LARGE = """
import os, threading, time
import keras_gans

def memory():
    fields = open("/proc/self/statm").read().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

g, _ = keras_gans.networks.biggan(
    256, width=96, num_classes=1000, head="inr", d_head=1, init="normal"
)
sampler, peak = keras_gans.models.Sampler(g), [0]
before = memory()

def watch():
    while True:
        peak[0] = max(peak[0], memory())
        time.sleep(0.01)

threading.Thread(target=watch, daemon=True).start()
image = sampler.generate(1, size=2048)
assert image.shape == (1, 2048, 2048, 3) and abs(image).max() <= 1 and image.std() > 0
print((peak[0] - before) / 2**30)
"""


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="no /proc here")
def test_2048_pixels_from_the_full_size_model_of_256_take_less_than_2_gib():
    root = str(pathlib.Path(__file__).resolve().parent.parent)
    environment = {**os.environ, "PYTHONPATH": root}
    command = [sys.executable, "-c", LARGE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 0.05 < float(done.stdout.split()[-1]) < 2


# Standing statistics


def make_normed(norm):
    """A conditional generator with two norms, the second behind a spectral layer."""
    z, y = keras.Input((4,), name="latents"), keras.Input((), dtype="int32", name="labels")
    condition = keras_gans.layers.OneHot(C, name="classes")(y)
    x = keras.layers.Reshape((2, 2, 6))(keras.layers.Dense(24, name="dense")(z))
    if norm == "conditional":
        x = keras_gans.layers.ConditionalBatchNorm(name="norm1")([x, condition])
    else:
        x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="norm1")(x)
    x = keras_gans.layers.SpectralConv2D(5, 3, padding="same", name="conv")(keras.ops.relu(x))
    x = keras_gans.layers.BatchNorm(name="norm2")(x)
    return keras.Model([z, y], keras.layers.Conv2D(1, 1, activation="tanh")(x))


@pytest.mark.parametrize("norm", ["conditional", "of Keras"])
@pytest.mark.parametrize("frozen", [False, True])
def test_standing_statistics_are_the_means_over_the_batches(norm, frozen):
    g = make_normed(norm)
    for v in g.weights:
        if "moving" in v.path:
            v.assign(7.0 + to_numpy(v))  # of no account
    g.trainable = not frozen
    others = [(v, to_numpy(v).copy()) for v in g.weights if "moving" not in v.path]
    sampling.standing_statistics(g, 4, C, batches=3, batch_size=10, seed=5, truncation=0.5)

    random, first, second = np.random.default_rng(5), [], []
    conv = to_numpy(g.get_layer("conv").normalized(False)).astype("float64")
    norm1 = g.get_layer("norm1")
    for _ in range(3):
        z = 0.5 * random.standard_normal((10, 4)).astype("float32").astype("float64")
        y = random.integers(0, C, 10)
        kernel, bias = (to_numpy(v) for v in g.get_layer("dense").weights)
        x = (z @ kernel + bias).reshape(10, 2, 2, 6)
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        first.append((mean, variance * (40 / 39 if norm == "conditional" else 1)))
        x = (x - mean) / np.sqrt(variance + 1e-5)
        if norm == "conditional":
            gain, shift = (
                to_numpy(layer.kernel)[y][:, None, None] for layer in (norm1.gain, norm1.bias)
            )
            x = x * (1 + gain) + shift
        padded = np.pad(np.maximum(x, 0), ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = sum(
            padded[:, i : i + 2, j : j + 2] @ conv[i, j] for i in range(3) for j in range(3)
        ) + to_numpy(g.get_layer("conv").bias)
        second.append((x.mean((0, 1, 2)), x.var((0, 1, 2)) * 40 / 39))
    for layer, batches in ((norm1, first), (g.get_layer("norm2"), second)):
        mean, variance = (np.mean(part, axis=0) for part in zip(*batches, strict=True))
        np.testing.assert_allclose(to_numpy(layer.moving_mean), mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(to_numpy(layer.moving_variance), variance, rtol=1e-4)
        assert layer.momentum == 0.9 and layer.trainable is not frozen
    for v, value in others:
        np.testing.assert_array_equal(to_numpy(v), value)


def test_a_model_measures_the_generator_it_samples_from(inr):
    before = [to_numpy(v).copy() for v in inr.generator.weights]
    old = inr.generate(6, seed=1)
    kept = inr.ema_generator.get_weights()
    inr.standing_statistics(batches=2, batch_size=8)
    new = inr.generate(6, seed=1)
    assert np.abs(new - old).max() > 1e-2
    np.testing.assert_allclose(inr.generate(1, seed=1), new[:1], atol=1e-5)  # no companions
    for v, value in zip(inr.generator.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(v), value)
    inr.ema_generator.set_weights(kept)
    g, d = networks.dcgan(8, 1, 4, norm="layer", latent_dim=6)
    with pytest.raises(ValueError, match="no batch norm"):
        models.GAN(g, d).standing_statistics()
    with pytest.raises(ValueError, match="batches is 0; expected an integer of 1 or more"):
        inr.standing_statistics(batches=0)


def test_numbers_that_are_none():
    g, d = keras_gans.networks.dcgan(8, 1, 4, norm="layer", d_norm="layer", latent_dim=4)
    model = keras_gans.models.GAN(g, d)
    assert model.generate(n=2, seed=np.int64(3)).shape == (2, 8, 8, 1)
    for arguments, wanted in (
        ({"n": 0}, "n is 0; expected an integer of 1"),
        ({"n": 1.5}, "n is 1.5; expected an integer of 1"),
        ({"n": 1, "seed": -1}, "seed is -1; expected an integer of 0"),
        ({"n": 1, "seed": None}, "seed is None; expected an integer of 0"),
    ):
        with pytest.raises(ValueError, match=wanted):
            model.generate(**arguments)


@pytest.fixture(scope="module")
def conditional():
    g, d = networks.dcgan(8, 1, 4, norm="layer", d_norm="layer", latent_dim=4, num_classes=C)
    return models.GAN(g, d, num_classes=C, objective="lga")


NAN, Z = float("nan"), np.zeros((2, 4))
WRONG = [
    (lambda m: m.images_of(np.full((2, 4), NAN), 0), "latents hold 8 NaN or infinite values"),
    (lambda m: m.images_of(Z[:0], 0), r"latents have shape \(0, 4\); expected \(N, 4\)"),
    (lambda m: m.images_of(Z[0], 0), r"latents have shape \(4,\); expected \(N, 4\)"),
    (lambda m: m.images_of(Z[:, :3], 0), r"latents have shape \(2, 3\); expected \(N, 4\)"),
    (lambda m: m.images_of("noise", 0), "latents are str; expected an array of numbers"),
    (lambda m: m.images_of([[1.0], [1.0, 2.0]], 0), "latents are list; expected an array"),
    (lambda m: m.images_of(Z, [[0, NAN, 1]] * 2), "labels hold 2 NaN"),
    (lambda m: m.images_of(Z, [0.0, NAN]), r"labels has shape \(2,\) and dtype float64"),
    (lambda m: m.images_of(Z, 0, batch_size=0), "batch_size is 0; expected an integer of 1"),
    (lambda m: m.generate(2, truncation=None), "truncation is None; expected a number of 0"),
    (lambda m: m.generate(2, truncation="0.5"), "truncation is '0.5'; expected a number"),
    (lambda m: m.generate(20, batch_size=0), "batch_size is 0; expected an integer of 1"),
    (lambda m: m.generate(2, batch_size=1.5), "batch_size is 1.5; expected an integer of 1"),
    (lambda m: m.interpolate(2.5, labels=(0, 1)), "steps is 2.5; expected an integer of 2"),
    (lambda m: m.interpolate(3, labels=(0, NAN)), "labels has .* dtype float64"),
    (lambda m: m.interpolate(3, seed=(0, None)), "seed is None; expected an integer of 0"),
    (lambda m: m.interpolate(3, seed=(0, 1), truncation=NAN), "truncation is nan"),
    (lambda m: m.interpolate(3, seed=(0, 1), batch_size=-1), "batch_size is -1"),
    (lambda m: m.score_maps(np.full((2, 8, 8, 1), NAN), [0, 1]), "images hold 128 NaN"),
    (lambda m: m.score_maps(np.zeros((8, 8, 1)), [0, 1]), r"images have shape \(8, 8, 1\)"),
    (lambda m: m.score_maps(np.zeros((2, 8, 8, 1)), [0, 3]), "labels run from 0 to 3"),
    (lambda m: m.score_maps(np.zeros((2, 8, 8, 1))), "labels is None"),
]


@pytest.mark.parametrize("call, words", WRONG)
def test_what_makes_images_is_looked_at(conditional, call, words):
    with pytest.raises(ValueError, match=words) as error:
        call(conditional)
    assert "\n" not in str(error.value)


def test_statistics_are_measured_of_numbers(inr):
    for arguments, words in (
        ({"truncation": NAN}, "truncation is nan"),
        ({"truncation": "1"}, "truncation is '1'"),
        ({"batches": None}, "batches is None"),
        ({"batch_size": 1.5}, "batch_size is 1.5"),
        ({"seed": -1}, "seed is -1"),
    ):
        with pytest.raises(ValueError, match=words):
            inr.standing_statistics(**arguments)


def test_all_images_at_once_are_the_same(conditional):
    together = conditional.generate(11, seed=1, batch_size=None)
    np.testing.assert_allclose(together, conditional.generate(11, seed=1, batch_size=4), atol=1e-6)
