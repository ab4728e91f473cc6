"""Pairs of images, and what draws them: data, the picture of Fig. 4."""

import numpy as np
import pytest
from conftest import images, slow_module
from dense_networks import small
from PIL import Image
from sklearn.datasets import load_digits

from keras_gans import callbacks, data, models, networks

pytestmark = slow_module("tensorflow", "jax")


def test_outlines_equal_a_search_of_every_neighborhood():
    x = np.sign(images(3, 12)) * np.linspace(0, 1, 12, dtype="float32")[:, None, None]
    found = data.outlines(x, threshold=0.3)
    assert found.shape == (3, 12, 12, 1) and found.dtype == np.float32
    for n in range(3):
        for i in range(12):
            for j in range(12):
                near = x[n, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2, 0]
                assert found[n, i, j, 0] == (-1 if near.max() - near.min() > 0.6 else 1)
    color = data.from_uint8(np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), "uint8"))
    small = data.outlines(data.to_uint8(color), 0.5)
    assert small.dtype == np.uint8 and set(np.unique(small)) == {0, 255}
    # uint8 luma is rounded: a few of the neighborhoods lie on the threshold.
    assert np.mean(data.from_uint8(small) != data.outlines(color, 0.5)) < 0.05


def test_pairs_stay_together_in_the_order_of_array_dataset():
    inputs = images(10, 6)
    targets = np.concatenate([-inputs, inputs, inputs], axis=-1)
    pairs = data.PairDataset(inputs, targets, 3, seed=5)
    alone = data.ArrayDataset(inputs, batch_size=3, seed=5)
    assert len(pairs) == 3
    for (x, y), single in zip(pairs, alone, strict=True):
        np.testing.assert_array_equal(x, single)
        np.testing.assert_array_equal(y[..., :1], -x)
        np.testing.assert_array_equal(y[..., 1:2], x)
    augmented = data.PairDataset(inputs, targets, 3, seed=5, augment=("flip", "crop"))
    moved = list(augmented)
    assert all(np.array_equal(y[..., 1:2], x) for x, y in moved)
    assert any(not np.array_equal(m[0], p[0]) for m, p in zip(moved, pairs, strict=True))
    eight = data.PairDataset(data.to_uint8(inputs), data.to_uint8(targets), 3)[0]
    assert all(x.dtype == np.float32 and abs(x).max() <= 1 for x in eight)


def test_fit_takes_arrays_of_pairs():
    model = models.DecoupledPix2Pix(**small("pix2pix"))
    model.compile(run_eagerly=True)
    x = images(4, 4)
    history = model.fit(x, -x, batch_size=2, verbose=0).history
    assert np.isfinite([v[-1] for v in history.values()]).all()
    assert model.steps_done == 2


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: data.PairDataset(images(4, 6), images(3, 6), 2), "4 inputs and 3 targets"),
        (lambda: data.PairDataset(images(4, 6), images(4, 8), 2, augment=("flip",)), "leave it"),
        (lambda: data.load_pairs("x", "noto", "noto"), "must be two different ones"),
    ],
)
def test_pairs_that_do_not_fit(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_pairs_of_two_styles_and_of_outlines(tfds_dir):
    tfds = pytest.importorskip("tensorflow_datasets", reason="it reads the offline data sets")
    settings = {"split": "test", "data_dir": tfds_dir, "dtype": "uint8"}
    inputs, targets = data.load_pairs("emoji_styles/64", "noto", "twemoji", **settings)
    builder = tfds.builder_from_directory(str(tfds_dir / "emoji_styles" / "64" / "1.0.0"))
    byte = {
        (int(e["style"]), e["codepoint"]): e["image"]
        for e in builder.as_dataset(split="test").as_numpy_iterator()
    }
    assert inputs.shape == targets.shape == (len(byte) // 4, 64, 64, 3)
    partner = {x.tobytes(): byte[1, code].tobytes() for (s, code), x in byte.items() if s == 0}
    assert all(partner[a.tobytes()] == b.tobytes() for a, b in zip(inputs, targets, strict=True))
    drawn, again = data.load_pairs("emoji_styles/64", "outline", "twemoji", **settings)
    np.testing.assert_array_equal(again, targets)
    np.testing.assert_array_equal(drawn, data.outlines(targets))
    assert 0.02 < np.mean(drawn == 0) < 0.6
    for source, target, text in (
        ("noto", "twitter", "no class 'twitter'"),
        ("noto", "outline", "an outline can only be the source"),
    ):
        with pytest.raises(ValueError, match=text) as error:
            data.load_pairs("emoji_styles/64", source, target, **settings)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="no split 'val'"):
        data.load_pairs("emoji_styles/64", "noto", "twemoji", split="val", data_dir=tfds_dir)
    with pytest.raises(ValueError, match="no feature 'code'"):
        data.load_pairs("emoji_styles/64", "noto", "twemoji", key="code", data_dir=tfds_dir)


def test_pairs_of_the_outlines_of_single_images(tmp_path):
    names = {"source": "outline", "target": "image"}
    digits = load_digits().images / 8 - 1
    blocks = np.repeat(np.repeat(digits, 4, 1), 4, 2)[..., None].astype("float32")
    inputs, targets = data.load_pairs("digits", image_size=32, **names)
    np.testing.assert_array_equal(targets, blocks)
    for i, j in ((0, 0), (3, 4), (13, 31), (16, 16)):
        near = blocks[:, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2, 0].reshape(1797, -1)
        drawn = near.max(1) - near.min(1) > 0.5  # a quarter of the range of 2
        np.testing.assert_array_equal(inputs[:, i, j, 0], np.where(drawn, -1, 1))
    part, _ = data.load_pairs("digits", image_size=32, split="train[1500:]", **names)
    np.testing.assert_array_equal(part, inputs[1500:])
    # A folder of photos, beneath data_dir; color, in the order of their names.
    photos = np.random.default_rng(0).integers(0, 256, (3, 10, 12, 3), "uint8")
    (tmp_path / "photos").mkdir()
    for i, photo in enumerate(photos):
        Image.fromarray(photo).save(tmp_path / "photos" / f"{i}.png")
    np.savez(tmp_path / "some.npz", images=photos)
    for name in ("photos", "some.npz"):
        inputs, targets = data.load_pairs(name, data_dir=tmp_path, dtype="uint8", **names)
        np.testing.assert_array_equal(targets, photos)
        np.testing.assert_array_equal(inputs, data.outlines(photos))
    batch = data.PairDataset(inputs, targets, 3, shuffle=False)[0]
    np.testing.assert_array_equal(batch[1], data.from_uint8(photos))
    for name in ("digits", tmp_path / "photos"):
        with pytest.raises(ValueError, match="paired by source='outline', target='image'"):
            data.load_pairs(name, "noto", "twemoji")


def test_pairs_of_one_example(tfds_dir):
    pytest.importorskip("tensorflow_datasets", reason="it reads the offline data sets")
    names = ("facades_mini", "input_image", "real_image")
    inputs, targets = data.load_pairs(*names, image_size=64, data_dir=tfds_dir)
    assert inputs.shape == targets.shape == (5, 64, 64, 3) and inputs.dtype == np.float32
    assert abs(inputs).max() <= 1 and abs(inputs - targets).mean() > 0.1
    swapped = data.load_pairs(names[0], names[2], names[1], image_size=64, data_dir=tfds_dir)
    np.testing.assert_array_equal(swapped[0], targets)


# The picture of Fig. 4


def test_translation_grid_draws_the_panels(tmp_path):
    x = images(6, 4)
    model = models.DecoupledGAN(**small("gan"))
    model.compile(run_eagerly=True)
    grid = callbacks.TranslationGrid(tmp_path / "{step}.png", x[:3], targets=-x[:3], freq=1)
    model.fit(x, batch_size=2, verbose=0, callbacks=[grid])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.png", "2.png", "3.png"]
    panels = {**model.panels(x[:3]), "target": -x[:3]}
    assert list(panels) == ["input", "reconstruction", "residual", "output", "target"]
    rows = np.stack(list(panels.values()), axis=1).reshape(15, 4, 4, 1)
    found = np.asarray(Image.open(tmp_path / "3.png")).astype(int)
    assert abs(found - data.image_grid(rows, columns=5)).max() <= 1


def test_translation_grid_of_labels_and_of_another_model(tmp_path):
    x, labels = images(4, 4), np.array([0, 1, 2, 0], "int32")
    built = small("caae")
    del built["generator"]
    model = models.CAAE(**built)
    grid = callbacks.TranslationGrid(tmp_path / "grid.png", (x, labels))
    grid.set_model(model)
    made, columns, _ = grid.view.draw(model)
    assert columns == 2 and made.shape == (8, 4, 4, 1)
    np.testing.assert_allclose(made[1::2], model.translate(x, labels), atol=1e-6)
    color, columns = callbacks.panel_rows({"a": x, "b": np.repeat(x, 3, axis=-1)})
    assert columns == 2
    np.testing.assert_array_equal(color[0], color[1])
    with pytest.raises(ValueError, match="use SampleGrid"):
        grid.set_model(models.GAN(*networks.dcgan(16, 1, 2)))
