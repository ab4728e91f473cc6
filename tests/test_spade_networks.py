"""SPADE's layers and networks against PyTorch, by weights that are copied from one to the other."""

import keras
import numpy as np
import pytest
from conftest import slow_module, slow_on, to_numpy

torch = pytest.importorskip("torch")

import torch_spade  # noqa: E402
from torch_spade import copy_into, randomize, values_of  # noqa: E402

from keras_gans import layers, networks  # noqa: E402

pytestmark = slow_module("tensorflow", "jax")

CLASSES = 4
SMALL = {"num_classes": CLASSES, "width": 2, "hidden": 5, "d_width": 4, "seed": 1}


def label_maps(count=3, size=64, classes=CLASSES, cell=4, seed=0):
    maps = np.random.default_rng(seed).integers(0, classes, (count, size // cell, size // cell))
    return maps.repeat(cell, 1).repeat(cell, 2).astype("int32")


def nchw(x):
    return torch.tensor(np.asarray(x, "float32").transpose(0, 3, 1, 2).copy())


def nhwc(x):
    return x.detach().numpy().transpose(0, 2, 3, 1)


def one_hot(maps, channels):
    return nchw(maps[..., None] == np.arange(channels))


@pytest.mark.parametrize(
    "size, wanted", [((64, 64), (8, 8)), ((64, 48), (11, 7)), ((9, 5), (5, 9))]
)
def test_labels_are_resized_as_torch_resizes(size, wanted):
    maps = np.random.default_rng(0).integers(0, 99, (2, *size))
    found = to_numpy(layers.resize_labels(maps, wanted))
    expected = torch.nn.functional.interpolate(torch.tensor(maps)[:, None].float(), size=wanted)
    np.testing.assert_array_equal(found, expected[:, 0].numpy())
    channels = to_numpy(layers.resize_labels(maps[..., None], wanted))
    np.testing.assert_array_equal(channels[..., 0], found)
    assert found.dtype.kind == "i"
    if size[0] % wanted[0] == 0:  # the top-left pixel of each cell, exactly
        np.testing.assert_array_equal(found, maps[:, :: size[0] // wanted[0], :: size[1] // 8])


def test_edges_are_on_both_sides_of_a_border():
    ids = np.random.default_rng(0).integers(0, 2, (2, 7, 5))
    wanted = torch_spade.edges(torch.tensor(ids)[:, None])[:, 0].numpy()
    np.testing.assert_array_equal(to_numpy(layers.instance_edges(ids))[..., 0], wanted)
    assert 0 < wanted.mean() < 1


def test_the_map_of_classes_noise_and_edges():
    maps, z = label_maps(2, 8, 6), np.random.default_rng(1).normal(size=(2, 3)).astype("float32")
    found = to_numpy(layers.SemanticMap(4, dont_care=True)(maps, instances=maps, noise=z))
    wanted = (maps[..., None] == np.arange(5)).astype("float32")  # a 5 is no class
    np.testing.assert_array_equal(found[..., 3:8], wanted)
    np.testing.assert_array_equal(found[..., :3], np.broadcast_to(z[:, None, None], (2, 8, 8, 3)))
    np.testing.assert_array_equal(found[..., 8:], to_numpy(layers.instance_edges(maps)))


@pytest.mark.parametrize("size", [(8, 8), (7, 10)])
def test_the_mean_does_not_count_padding(size):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    pool = torch.nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)
    np.testing.assert_allclose(to_numpy(layers.MeanPooling2D()(x)), nhwc(pool(nchw(x))), atol=1e-6)


def test_the_block_alone():
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    semantic = one_hot(label_maps(2, 16), CLASSES)
    norm = randomize(torch_spade.Norm(3, CLASSES, 6), nchw(x), semantic)
    images, given = keras.Input((8, 8, 3)), keras.Input((16, 16, CLASSES))
    network = keras.Model([images, given], layers.SPADE(6, name="norm")([images, given]))
    values = torch_spade.ours(norm)
    for v in network.variables:
        path = v.path.removeprefix("norm/")
        v.assign(np.array(values[path if "/" in path else f"/{path}"]))
    for training in (True, False):
        norm.train(training)
        found = network([x, nhwc(semantic)], training=training)
        np.testing.assert_allclose(to_numpy(found), nhwc(norm(nchw(x), semantic)), atol=1e-5)


@pytest.mark.parametrize("form", ["plain", "instances", "most"])
def test_the_generator(form):
    """Two training forwards, with the statistics and vectors they leave, then evaluation."""
    options = {**SMALL, "instances": form == "instances", "dont_care": form == "instances"}
    options |= {"image_size": 64}
    if form == "most":
        options |= {"up": "most", "image_size": (128, 256), "hidden": 3}
    g, _ = networks.spade(**options)
    maps = label_maps(2 if form == "most" else 3, classes=CLASSES + options["dont_care"])
    channels, given = CLASSES + options["dont_care"], [maps]
    if form == "most":
        given = [maps := maps.repeat(2, 1).repeat(4, 2)]
    semantic = one_hot(maps, channels)
    if form == "instances":
        given.append(ids := label_maps(cell=16, seed=1))
        semantic = torch.cat([semantic, torch_spade.edges(torch.tensor(ids)[:, None])], 1)
        channels += 1
    reference = torch_spade.Generator(channels, 2, options["hidden"], options.get("up", "normal"))
    copy_into(g, randomize(reference, semantic))
    for training in (True, True, False):
        reference.train(training)
        found = to_numpy(g(given if len(given) > 1 else given[0], training=training))
        # A normalization of few values at the smallest size enlarges rounding.
        np.testing.assert_allclose(found, nhwc(reference(semantic)), atol=1e-4)
    left = torch_spade.ours(reference)
    for path, value in values_of(g).items():
        np.testing.assert_allclose(value, left[path], atol=1e-4, err_msg=path)


def test_latents_stand_before_the_classes():
    g, _ = networks.spade(64, noise=3, **SMALL)
    maps, z = label_maps(2), np.random.default_rng(1).normal(size=(2, 3)).astype("float32")
    spread = torch.tensor(z)[:, :, None, None].expand(2, 3, 64, 64)
    semantic = torch.cat([spread, one_hot(maps, CLASSES)], 1)
    copy_into(g, reference := randomize(torch_spade.Generator(7, 2, 5), semantic).eval())
    found = to_numpy(g([maps, z], training=False))
    np.testing.assert_allclose(found, nhwc(reference(semantic)), atol=2e-5)


@slow_on("jax")
@pytest.mark.parametrize("d_input", ["image", "pair"])
def test_the_patch_discriminators(d_input):
    _, d = networks.spade(64, d_input=d_input, **SMALL)
    x, maps = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)), label_maps(2)
    x, given = x.astype("float32"), nchw(x)
    if d_input == "pair":
        given = torch.cat([one_hot(maps, CLASSES), given], 1)
    reference = torch_spade.Discriminator(given.shape[1], 4, CLASSES + 2)
    copy_into(d, randomize(reference, given))
    assert [scale[-1].shape[1:] for scale in d.output] == [(11, 11, 6), (7, 7, 6)]
    for training in (True, False):
        reference.train(training)
        found = d([x, maps] if d_input == "pair" else x, training=training)
        for ours, theirs in zip(found, reference(given), strict=True):
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(to_numpy(a), nhwc(b), atol=2e-5)


def test_the_u_net():
    _, d = networks.spade(64, d="unet", d_head="oasis", **SMALL)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype("float32")
    copy_into(d, reference := randomize(torch_spade.UNet(3, 4, CLASSES + 1), nchw(x)))
    for training in (True, False):
        reference.train(training)
        found, wanted = to_numpy(d(x, training=training)), nhwc(reference(nchw(x)))
        np.testing.assert_allclose(found, wanted, atol=2e-5)


PUBLISHED = {
    "Cityscapes": ((256, 512), {"num_classes": 35, "instances": True, "up": "more"}, 93_048_003),
    "COCO": (256, {"num_classes": 182, "instances": True, "dont_care": True}, 97_480_899),
    "ADE20K": (256, {"num_classes": 150, "dont_care": True}, 96_492_483),
}


@pytest.fixture
def unallocated():
    """Variables have shapes and no values within."""
    from keras.src.backend.common import global_state

    with keras.StatelessScope(initialize_variables=False):
        yield
    global_state.set_global_attribute("uninitialized_variables", [])


@pytest.mark.parametrize("data", PUBLISHED)
def test_the_released_networks_have_as_many_parameters(data, unallocated):
    size, options, wanted = PUBLISHED[data]
    g, d = networks.spade(size, d_input="pair", d_head="hinge", **options)
    counts = [sum(int(np.prod(v.shape)) for v in n.trainable_variables) for n in (g, d)]
    assert counts[0] == wanted
    if data == "Cityscapes":
        assert counts[1] == 5_601_410
        shapes = [scale[-1].shape[1:] for scale in d.output]
        assert shapes == [(35, 67, 1), (19, 35, 1)]
        assert g.get_layer("small_map").size == (4, 8)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"image_size": 48}, "image_size is 48; up='normal' doubles 5 times, so multiples of 32"),
        ({"up": "norml"}, "Unknown up 'norml'; did you mean 'normal'"),
        ({"d_head": "softmax"}, "Unknown d_head 'softmax'"),
        ({"d": "unet", "d_layers": 7}, "d_layers is 7 for images of 64x64"),
        ({"scales": 0}, "scales 0; expected 1 or more"),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(options, text):
    with pytest.raises(ValueError) as error:
        networks.spade(**{"image_size": 64, **SMALL, **options})
    assert text.split(";")[0] in str(error.value) and "\n" not in str(error.value)
