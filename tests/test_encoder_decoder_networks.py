"""Networks of ED//GAN, Pix2Pix and CAAE: Table 1, receptive fields, counts, PyTorch's values."""

import keras
import numpy as np
import pytest
from conftest import images, relative, slow_module, slow_on, to_numpy
from keras import ops

import keras_gans
from keras_gans import networks

pytestmark = slow_module("tensorflow", "jax")

NORMS = (keras.layers.BatchNormalization, keras.layers.GroupNormalization)


def norms_in(network):
    return sum(isinstance(layer, NORMS) for layer in network.layers)


def test_table_1():
    encoder, decoder, generator, d = networks.encoder_decoder(width=2)

    def sizes(network, name):
        return [x.output.shape[1:] for x in network.layers if type(x).__name__ == name]

    down = [(64, 64, 2), (32, 32, 4), (16, 16, 8), (8, 8, 16), (4, 4, 32)]
    assert sizes(encoder, "Conv2D") == sizes(d, "Conv2D") == down
    assert encoder.output_shape == (None, 50) and d.output_shape == (None, 1)
    up = [(8, 8, 16), (16, 16, 8), (32, 32, 4), (64, 64, 2), (128, 128, 3)]
    for network in (decoder, generator):
        assert sizes(network, "Conv2DTranspose") == up
        assert network.input_shape == (None, 50)
        order = [type(x).__name__ for x in network.layers[1:5]]
        assert order == ["Dense", "ReLU", "BatchNormalization", "Reshape"]
    # The tanh is the code's and the images'; D's score is raw.
    last = [network.layers[-1].activation.__name__ for network in (encoder, decoder, generator, d)]
    assert last == ["tanh", "tanh", "tanh", "linear"]
    assert [norms_in(n) for n in (encoder, decoder, generator, d)] == [5, 5, 5, 5]


def test_without_batch_norm_means_in_the_encoder_and_decoder_only():
    built = networks.encoder_decoder(32, 1, width=2, norm="none")
    assert [norms_in(n) for n in built] == [0, 0, 3, 3]
    assert [norms_in(n) for n in networks.caae(32, 1, width=2)] == [0, 0, 5, 3, 3]
    assert [norms_in(n) for n in networks.caae(32, 1, width=2, norm="batch")] == [3, 5, 5, 3, 3]


def test_generator_and_decoder_share_a_structure_and_no_weight():
    for built in (networks.encoder_decoder(16, 1, width=2), networks.caae(16, 1, width=2)):
        _, decoder, generator, *_ = built
        if norms_in(decoder) == norms_in(generator):
            shapes = [w.shape for w in generator.get_weights()]
            assert shapes == [w.shape for w in decoder.get_weights()]
        kernels = [
            (a, b)
            for a, b in zip(decoder.get_weights(), generator.get_weights(), strict=False)
            if a.ndim > 1 and a.shape == b.shape
        ]
        assert kernels and all(relative([a], [b]) > 0.5 for a, b in kernels)
    again = networks.encoder_decoder(16, 1, width=2)
    first = networks.encoder_decoder(16, 1, width=2)
    assert relative(again[0].get_weights(), first[0].get_weights()) == 0


@pytest.mark.parametrize("d_layers, field", [(1, 16), (2, 34), (3, 70)])
def test_receptive_field_of_the_patch_discriminator(d_layers, field):
    d = networks.patch_discriminator(160, 1, None, width=1, norm="none", d_layers=d_layers)
    d.set_weights([np.abs(w) + 0.1 for w in d.get_weights()])  # nothing cancels
    middle = d.output_shape[1] // 2
    slope = to_numpy(
        keras_gans.training.input_gradient(
            lambda x: d(x)[:, middle, middle], ops.ones((1, 160, 160, 1))
        )
    )[0, ..., 0]
    rows, columns = np.nonzero(slope)
    assert rows.max() - rows.min() + 1 == field == columns.max() - columns.min() + 1
    assert np.count_nonzero(slope) == field**2


def unet_parameters(width, levels, channels=3):
    """Kernels of 4x4, two trained numbers and two statistics a channel of batch norm, one bias."""
    c = [width * min(2**i, 8) for i in range(levels)]
    down = 16 * (channels * c[0] + sum(a * b for a, b in zip(c, c[1:], strict=False)))
    # Upwards each level takes its mirror image beside what comes from below.
    up = 16 * (c[-1] * c[-2] + sum(2 * c[i] * c[i - 1] for i in range(levels - 2, 0, -1)))
    last = 16 * 2 * c[0] * channels + channels
    norms = 2 * (sum(c[1:-1]) + sum(c[:-1]))
    # The first level and the single pixel have biases in the place of norms.
    return down + up + last + norms + c[0] + c[-1]


def patch_parameters(width, channels=6):
    kernels = 16 * (channels * width + width * 2 * width + 2 * 4 * width**2 + 4 * 8 * width**2)
    return kernels + 16 * 8 * width + width + 1 + 2 * (2 + 4 + 8) * width


def test_parameters_of_pix2pix():
    """As counted by hand; the published networks have 54.41 M, 41.83 M (128) and 2.77 M."""
    for size, levels in ((256, 8), (128, 7), (32, 5)):
        g = networks.unet(size, width=4)
        assert sum(w.size for w in map(to_numpy, g.trainable_weights)) == unet_parameters(4, levels)
        assert g.output_shape == (None, size, size, 3)
        assert min(layer.output.shape[1] for layer in g.layers) == 1
    d = networks.patch_discriminator(width=4)
    assert sum(w.size for w in map(to_numpy, d.trainable_weights)) == patch_parameters(4)
    assert d.output_shape == (None, 30, 30, 1)
    assert round(unet_parameters(64, 8) / 1e6, 2) == 54.41
    assert round(unet_parameters(64, 7) / 1e6, 2) == 41.83
    assert round(patch_parameters(64) / 1e6, 2) == 2.77


def test_a_u_net_that_resizes_weaves_less():
    """Energy at the highest frequency of untrained outputs, beside that of the paper's U-Net."""
    x = np.ones((1, 64, 64, 3), "float32") * np.linspace(-1, 1, 64, dtype="float32")[:, None]

    def weave(up, seed):
        g = networks.unet(64, width=8, norm="instance", dropout=0.0, up=up, seed=seed)
        y = to_numpy(g(x))[0, 16:48, 16:48].astype("float64")
        columns, rows = abs(np.diff(y, 2, axis=0)).mean(), abs(np.diff(y, 2, axis=1)).mean()
        return (columns + rows) / y.std()

    resized, transposed = (
        np.mean([weave(up, seed) for seed in range(3)]) for up in ("resize", "transposed")
    )
    assert resized < 0.5 * transposed
    # Kernels of 3x3 in the place of 4x4 on the way up, and as many of all else.
    g = networks.unet(32, width=4, up="resize")
    ups = [32 * 32, 64 * 16, 32 * 8, 16 * 4, 8 * 3]  # input x output channels
    found = sum(w.size for w in map(to_numpy, g.trainable_weights))
    assert found == unet_parameters(4, 5) - (16 - 9) * sum(ups)


@slow_on("jax")
def test_values_of_pix2pix_equal_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the independent computation here")
    f = torch.nn.functional
    g, d = networks.pix2pix(32, channels=2, in_channels=1, width=3, d_layers=2, norm="instance")
    rng = np.random.default_rng(1)
    for network in (g, d):
        network.set_weights([w + 0.1 * rng.normal(size=w.shape) for w in network.get_weights()])
        network.set_weights([np.abs(w) if w.ndim == 1 else w for w in network.get_weights()])
    x, y = images(2, 32), images(2, 32, 2, seed=1)

    def weight(w, axes):
        return torch.tensor(np.array(w, "float32").transpose(axes))

    def of(layer):
        w = [np.asarray(a) for a in layer.get_weights()]
        return w[0], torch.tensor(w[1]) if len(w) > 1 else None

    def kinds(network, *names):
        return iter([n for n in network.layers if type(n).__name__ in names])

    def instance(h, norm):
        gain, bias = (torch.tensor(w) for w in norm.get_weights())
        return f.instance_norm(h, weight=gain, bias=bias, eps=1e-5)

    with torch.no_grad():
        downs, ups = kinds(g, "Conv2D"), kinds(g, "Conv2DTranspose")
        norms = kinds(g, "GroupNormalization")
        h, skips = torch.tensor(x.transpose(0, 3, 1, 2)), []
        for level in range(5):
            kernel, bias = of(next(downs))
            h = f.conv2d(
                f.leaky_relu(h, 0.2) if level else h, weight(kernel, (3, 2, 0, 1)), bias, 2, 1
            )
            h = instance(h, next(norms)) if 0 < level < 4 else h
            skips.append(h)
        h = skips.pop()
        for level in range(5):
            kernel, bias = of(next(ups))
            # Keras and PyTorch both keep a transposed convolution's kernel as its gradient's.
            h = f.conv_transpose2d(f.relu(h), weight(kernel, (3, 2, 0, 1)), bias, 2, 1)
            if level < 4:
                h = torch.cat([skips.pop(), instance(h, next(norms))], 1)
        made = torch.tanh(h).numpy().transpose(0, 2, 3, 1)

        convolutions, norms = kinds(d, "Conv2D"), kinds(d, "BatchNormalization")
        h = torch.tensor(np.concatenate([x, y], -1).transpose(0, 3, 1, 2))
        for i, stride in enumerate((2, 2, 1, 1)):
            kernel, bias = of(next(convolutions))
            h = f.conv2d(h, weight(kernel, (3, 2, 0, 1)), bias, stride, 1)
            if 0 < i < 3:
                statistics = [torch.tensor(w) for w in next(norms).get_weights()]
                gain, offset, mean, variance = statistics
                h = f.batch_norm(h, mean, variance, gain, offset, eps=1e-5)
            h = f.leaky_relu(h, 0.2) if i < 3 else h
        scores = h.numpy().transpose(0, 2, 3, 1)
    ours = [g.predict(x, verbose=0), d.predict([y, x], verbose=0)]
    np.testing.assert_allclose(ours[0], made, atol=2e-5)
    np.testing.assert_allclose(ours[1], scores, atol=2e-4)
    assert scores.shape == (2, 6, 6, 1)


def test_labels_of_caae_are_signs_beside_the_code_and_in_every_pixel():
    _, decoder, _, d, _ = networks.caae(16, 1, num_classes=3, width=2, latent_dim=7)
    names = [layer.name for layer in decoder.layers if type(layer).__name__ == "Concatenate"]
    joined = keras.Model(decoder.inputs, decoder.get_layer(names[0]).output)
    codes = np.full((2, 7), 0.5, "float32")
    found = to_numpy(ops.stop_gradient(joined([codes, np.array([0, 2])])))
    np.testing.assert_array_equal(found[:, :7], codes)
    np.testing.assert_array_equal(found[:, 7:], [[1, -1, -1] * 2, [-1, -1, 1] * 2])
    names = [layer.name for layer in d.layers if type(layer).__name__ == "Concatenate"]
    joined = keras.Model(d.inputs, d.get_layer(names[0]).output)
    found = to_numpy(ops.stop_gradient(joined([images(2, 16), np.array([0, 2])])))
    assert found.shape == (2, 8, 8, 5)
    assert (found[0, ..., 2:] == [1, -1, -1]).all() and (found[1, ..., 2:] == [-1, -1, 1]).all()


@pytest.mark.parametrize(
    "build, text",
    [
        (lambda: networks.encoder_decoder(norm="bacth"), "Unknown norm 'bacth'"),
        (lambda: networks.encoder_decoder(norm="spectral"), "Unknown norm 'spectral'"),
        (lambda: networks.encoder_decoder(100), "power of two"),
        (lambda: networks.unet(8), "power of two of 16"),
        (lambda: networks.unet(32, dropout=1.0), "dropout is 1.0"),
        (lambda: networks.unet(32, up="resized"), "Unknown up 'resized'"),
        (lambda: networks.patch_discriminator(32, d_layers=4), "d_layers is 4"),
        (lambda: networks.caae(num_classes=1), "num_classes is 1"),
    ],
)
def test_refusals(build, text):
    with pytest.raises(ValueError, match=text) as error:
        build()
    assert "\n" not in str(error.value)
