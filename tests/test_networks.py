"""The conditional DCGAN against its definition, in NumPy."""

import keras
import numpy as np
import pytest
from conftest import images, slow_on, to_numpy

from keras_gans import layers, models, networks


def conditional(d_norm="group"):
    return networks.dcgan(16, 1, 8, d_norm=d_norm, latent_dim=6, num_classes=3, seed=2)


@pytest.mark.parametrize("d_norm", ["group", "spectral"])
def test_the_discriminator_projects_its_features_on_the_label(d_norm):
    """score(x, y) = w . h(x) + e_y . h(x): Miyato & Koyama, ICLR 2018, Eq. 4."""
    _, d = conditional(d_norm)
    x, labels = images(6), np.array([0, 1, 2, 2, 1, 0], "int32")
    flatten = next(n for n in d.layers if isinstance(n, keras.layers.Flatten))
    embed = next(n for n in d.layers if isinstance(n, keras.layers.Embedding))
    dense = next(n for n in d.layers if isinstance(n, keras.layers.Dense))
    h = to_numpy(keras.Model(d.inputs[0], flatten.output)(x)).astype("float64")
    rows = to_numpy(embed(labels)).astype("float64")
    linear = to_numpy(dense(np.eye(h.shape[1], dtype="float32"))).astype("float64")
    expected = h @ linear + (h * rows).sum(1, keepdims=True)
    np.testing.assert_allclose(to_numpy(d([x, labels])), expected, rtol=1e-4, atol=1e-6)
    assert not np.allclose(to_numpy(d([x, labels])), to_numpy(d([x, (labels + 1) % 3])))


@pytest.mark.parametrize("side", [4, 8])
def test_a_map_of_scores_projects_the_features_of_each_place(side):
    """score(x, y) at a place = w . h(x) + e_y . h(x), h the features there; fade_in weighs e_y."""
    options = {"d_norm": "spectral", "latent_dim": 6, "seed": 2, "score_map": side}
    for classes in (None, 3):
        _, d = networks.dcgan(32, 1, 8, num_classes=classes, fade_in=classes is not None, **options)
        x, labels = images(4, 32), np.array([0, 1, 2, 2], "int32")
        last = [n for n in d.layers if isinstance(n, keras.layers.LeakyReLU)][-1]
        dense = next(n for n in d.layers if isinstance(n, keras.layers.Dense))
        h = to_numpy(keras.Model(d.inputs[0], last.output)(x)).astype("float64")
        assert h.shape[1:3] == (side, side)
        basis = np.eye(h.shape[-1], dtype="float32")
        linear = to_numpy(dense(basis)) - to_numpy(dense(0 * basis[:1]))
        expected = h @ linear.astype("float64") + to_numpy(dense(0 * basis[:1]))[0]
        if classes:
            embed = next(n for n in d.layers if isinstance(n, keras.layers.Embedding))
            rows = to_numpy(embed(labels)).astype("float64")
            next(n for n in d.layers if isinstance(n, layers.FadeIn)).share.assign(0.5)
            expected += 0.5 * np.einsum("bijf,bf->bij", h, rows)[..., None]
        scores = to_numpy(d([x, labels] if classes else x))
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)


def test_what_a_map_of_scores_refuses():
    with pytest.raises(ValueError, match=r"Unknown score_map 8: choose one of \[4\]"):
        networks.dcgan(8, 1, 8, score_map=8)
    with pytest.raises(ValueError, match="which d_head='omni' has no place for"):
        networks.dcgan(16, 1, 8, score_map=4, num_classes=3, d_head="omni")


def test_the_generator_takes_the_label_beside_the_latents():
    g, _ = conditional()
    model = models.GAN(g, conditional()[1], num_classes=3)
    by_label = [model.generate(2, labels=k) for k in range(3)]
    in_turn = model.generate(6)
    assert in_turn.shape == (6, 16, 16, 1)
    assert not np.allclose(by_label[0], by_label[1])
    np.testing.assert_allclose(model.generate(2, labels=[0, 1]), in_turn[:2], atol=1e-6)
    with pytest.raises(ValueError, match="expected 0 to 2"):
        model.generate(2, labels=3)


@slow_on("jax")
def test_a_blur_before_the_inr_head_takes_away_what_alternates():
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    padded = np.pad(x.astype("float64"), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    taps = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = sum(taps[i, j] * padded[:, i : i + 5, j : j + 6] for i in range(3) for j in range(3))
    np.testing.assert_allclose(to_numpy(layers.Blur2D()(x)), expected, atol=1e-6)
    weave = np.indices((8, 8)).sum(0)[None, :, :, None] % 2 * 2.0 - 1
    assert abs(to_numpy(layers.Blur2D()(weave.astype("float32")))[0, 1:-1, 1:-1]).max() < 1e-7
    # It has no weights: those of a generator without it fit.
    plain, _ = networks.dcgan(16, 3, 8, latent_dim=4, head="inr")
    blurred, _ = networks.dcgan(16, 3, 8, latent_dim=4, head="inr", blur=True)
    blurred.set_weights(plain.get_weights())
    z, head = np.ones((1, 4), "float32"), plain.get_layer("head")
    maps = keras.Model(plain.inputs, head.input)(z)
    expected = to_numpy(head(layers.Blur2D()(maps)))
    np.testing.assert_allclose(to_numpy(blurred(z)), expected, atol=1e-6)


@slow_on("jax")
def test_an_inr_head_on_compact_networks():
    """Zhou et al., Omni-GAN, Sec. 3.5; G's map and D's rest are those of image_size / stride."""
    options = {"num_classes": 3, "latent_dim": 6, "norm": "group", "head": "inr", "seed": 2}
    g, d = networks.dcgan(64, 2, 8, stride=4, d_head="omni", d_norm="group", hidden=5, **options)
    small, _ = networks.dcgan(16, 2, 8, d_head="omni", d_norm="group", hidden=5, **options)
    latents, labels = np.random.default_rng(0).normal(size=(2, 6)).astype("float32"), [2, 0]
    inputs = [latents, np.array(labels, "int32")]
    maps = [to_numpy(keras.Model(n.inputs, n.get_layer("head").input)(inputs)) for n in (g, small)]
    assert maps[0].shape == (2, 16, 16, 8) and maps[0].min() == 0 < maps[0].std()
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-6)
    head = g.get_layer("head")
    rendered = to_numpy(head.render(keras.ops.convert_to_tensor(maps[0]), (64, 64)))
    np.testing.assert_allclose(to_numpy(g(inputs)), rendered, atol=1e-5)

    x = np.random.default_rng(1).uniform(-1, 1, (3, 64, 64, 2)).astype("float32")
    stem, leak = [n for n in d.layers if not isinstance(n, keras.layers.InputLayer)][:2]
    kernel, bias = (to_numpy(v).astype("float64") for v in stem.weights)
    assert kernel.shape == (4, 4, 2, 32)  # as many as a patch has values
    tiles = x.reshape(3, 16, 4, 16, 4, 2).transpose(0, 1, 3, 2, 4, 5)
    expected = np.einsum("nijabc,abcf->nijf", tiles, kernel) + bias
    expected = np.where(expected < 0, 0.2 * expected, expected)
    found = to_numpy(keras.Model(d.inputs[0], leak.output)(x))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert d.output_shape == (None, 5)  # three classes, real, fake


@pytest.mark.parametrize(
    "size, options, message",
    [
        (64, {"stride": 4}, 'stride is 4, which needs head="inr"'),
        (64, {"blur": True}, 'blur is True, which needs head="inr"'),
        (64, {"head": "imr"}, r"Unknown head 'imr' \(did you mean 'inr'\?\)"),
        (50, {"stride": 4, "head": "inr"}, "expected a multiple of stride, 4"),
        (96, {"stride": 4, "head": "inr"}, "power of two"),
    ],
)
def test_heads_that_do_not_fit(size, options, message):
    with pytest.raises(ValueError, match=message):
        networks.dcgan(size, 3, 8, **options)
