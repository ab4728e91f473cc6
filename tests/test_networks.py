"""The conditional DCGAN against its definition, in NumPy."""

import keras
import numpy as np
import pytest
from conftest import images, to_numpy

from keras_gans import models, networks


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
