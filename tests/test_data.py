"""Data: exact values, an order that a fresh process repeats, one-line errors, no TensorFlow."""

import json
import logging
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import types
import zipfile
import zlib

import keras
import numpy as np
import pytest
from conftest import slow_module
from PIL import Image
from sklearn.datasets import load_digits

from keras_gans import data as kd
from keras_gans import registry
from keras_gans.cli.translate import find_images
from keras_gans.data.images import fit_image, read_image
from keras_gans.data.sources import in_memory, split_slice
from keras_gans.data.tfds import _label_key

pytestmark = slow_module("tensorflow", "jax")
ROOT = pathlib.Path(__file__).resolve().parent.parent
DIGITS = load_digits()


def batches(dataset, epoch=None):
    """All batches of a pass as one array of images, or (images, labels)."""
    if epoch is not None:
        dataset.epoch_key.epoch = epoch
    found = [keras.tree.map_structure(np.asarray, b) for b in dataset]
    if isinstance(found[0], tuple):
        return tuple(np.concatenate(part) for part in zip(*found, strict=True))
    return np.concatenate(found)


def python(code, **env):
    """Run code in a fresh process and return what it printed."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", **env}
    run = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(run, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip().splitlines()


def one_line(error, *words):
    text = str(error.value)
    assert "\n" not in text and len(text) < 500, text
    for word in words:
        assert word in text, f"{word!r} is not in: {text}"


@pytest.fixture
def folder(tmp_path):
    """Ten PNG files, 12 rows and 20 columns, in class folders cat (6) and dog (4)."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (10, 12, 20, 3), dtype="uint8")
    for i, picture in enumerate(pictures):
        path = tmp_path / "pets" / ("cat" if i < 6 else "dog") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    (tmp_path / "pets" / ".hidden").mkdir()
    (tmp_path / "pets" / "notes.txt").write_text("no image")
    return tmp_path / "pets", pictures


# -- values ---------------------------------------------------------------------------------------


def test_uint8_round_trip_is_exact():
    x = np.arange(256, dtype="uint8")
    y = kd.from_uint8(x)
    assert y.dtype == np.float32 and y[0] == -1 and y[255] == 1
    np.testing.assert_allclose(y, x / 127.5 - 1, atol=1e-7)
    np.testing.assert_array_equal(kd.to_uint8(y), x)
    np.testing.assert_array_equal(
        kd.to_uint8([-3.0, 0.0, 0.004, 9.0, np.nan]), [0, 128, 128, 255, 0]
    )


@pytest.mark.parametrize("size", [8, 32, None])
def test_digits_are_those_of_sklearn(size):
    dataset = kd.load("digits", image_size=size, batch_size=599, shuffle=False, labels=True)
    images, labels = batches(dataset)
    side = size or 32
    assert images.shape == (1797, side, side, 1) and images.dtype == np.float32
    k = side // 8
    blocks = images[..., 0].reshape(-1, 8, k, 8, k)
    np.testing.assert_array_equal((blocks.mean((2, 4)) + 1) * 8, DIGITS.images)
    assert blocks.max((2, 4)).tolist() == blocks.min((2, 4)).tolist()
    np.testing.assert_array_equal(labels, DIGITS.target)
    assert labels.dtype == np.int32 and dataset.class_names == [str(i) for i in range(10)]
    arrays = kd.load_arrays("digits", image_size=size)
    np.testing.assert_array_equal(arrays[0], images)
    np.testing.assert_array_equal(arrays[1], labels)


def test_digits_options():
    spec = kd.load("digits", image_size=28, channels=3, batch_size=10).element_spec
    assert spec.shape == (10, 28, 28, 3)
    held, _ = kd.load_arrays("digits", image_size=8, split="train[80%:]")
    np.testing.assert_array_equal((held[..., 0] + 1) * 8, DIGITS.images[1438:])
    tall, _ = kd.load_arrays("digits", image_size=(32, 16))
    assert tall.shape == (1797, 32, 16, 1)
    eight, _ = kd.load_arrays("digits", image_size=8, dtype="uint8")
    np.testing.assert_array_equal(eight[..., 0], np.rint(DIGITS.images / 16 * 255))


def test_crop_and_resize():
    image = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype="uint8")
    np.testing.assert_array_equal(fit_image(image, (8, 8)), image[:, 2:10])
    np.testing.assert_array_equal(fit_image(image, (4, 12)), image[2:6])
    means = image[:, 2:10].reshape(4, 2, 4, 2, 3).mean((1, 3))
    assert np.abs(fit_image(image, (4, 4), "area") - means).max() <= 0.5
    flat = np.full((9, 9, 1), 0.25, "float32")
    np.testing.assert_allclose(fit_image(flat, (5, 5)), 0.25, atol=1e-6)
    ramp = np.tile(np.arange(16, dtype="float32")[None, :, None], (16, 1, 1)) / 16
    # The antialiasing triangle is symmetric: away from the edges a ramp stays that ramp.
    halved = fit_image(ramp, (8, 8), "bilinear")[4, 2:6, 0] * 16
    np.testing.assert_allclose(halved, [4.5, 6.5, 8.5, 10.5], atol=1e-5)
    gray = fit_image(image, None, channels=1)
    luma = image @ np.array([0.299, 0.587, 0.114])
    assert gray.shape == (8, 12, 1) and np.abs(gray[..., 0] - luma).max() <= 0.501


def test_grid(tmp_path, monkeypatch):
    images = np.linspace(-1, 1, 5, dtype="float32")[:, None, None, None] * np.ones((5, 4, 6, 1))
    grid = kd.image_grid(images, columns=2, pad=1)
    assert grid.shape == (3 * 5 + 1, 2 * 7 + 1, 3) and grid.dtype == np.uint8
    for i, value in enumerate([0, 64, 128, 191, 255]):
        top, left = 1 + i // 2 * 5, 1 + i % 2 * 7
        assert (grid[top : top + 4, left : left + 6] == value).all()
    assert (grid[0] == 255).all() and (grid[:, 7] == 255).all()
    path = tmp_path / "new" / "grid.png"
    kd.save_grid(images, path, columns=2, pad=1)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), grid)
    before = path.read_bytes()
    monkeypatch.setattr(Image.Image, "save", lambda *a, **k: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        kd.save_grid(images[:2], path)
    assert path.read_bytes() == before and os.listdir(path.parent) == ["grid.png"]
    with pytest.raises(ValueError) as error:
        kd.save_grid(images, "grid.jpg")
    one_line(error, "grid.jpg", ".png")
    with pytest.raises(ValueError) as error:
        kd.image_grid(np.zeros((2, 4, 4, 5)))
    one_line(error, "(2, 4, 4, 5)")


# -- order ----------------------------------------------------------------------------------------


def test_order_is_keyed_by_seed_and_epoch():
    dataset = kd.load("digits", image_size=8, batch_size=64, labels=True, seed=3)
    assert len(dataset) == 28
    first, second, again = batches(dataset), batches(dataset), batches(dataset, epoch=0)
    order = np.random.default_rng((3, 0)).permutation(1797)[: 28 * 64]
    np.testing.assert_array_equal((first[0][..., 0] + 1) * 8, DIGITS.images[order])
    np.testing.assert_array_equal(first[1], DIGITS.target[order])
    np.testing.assert_array_equal(again[0], first[0])
    assert (second[1] != first[1]).any() and dataset.epoch_key.epoch == 1
    other = batches(kd.load("digits", image_size=8, batch_size=64, labels=True, seed=4))
    assert (other[1] != first[1]).any()


def test_array_dataset_has_the_same_batches():
    arrays = kd.load_arrays("digits", image_size=8)
    for drop, count in ((True, 17), (False, 18)):
        ours = kd.ArrayDataset(*arrays, batch_size=100, seed=5, drop_remainder=drop)
        theirs = kd.load("digits", 8, 100, labels=True, seed=5, drop_remainder=drop)
        assert len(ours) == len(theirs) == count
        for epoch in (0, 9):
            a, b = batches(ours, epoch), batches(theirs, epoch)
            np.testing.assert_array_equal(a[0], b[0])
            np.testing.assert_array_equal(a[1], b[1])


def test_epoch_key_is_found():
    a, b = kd.load("digits", batch_size=8), kd.load("digits", batch_size=8, seed=1)
    changed = a.map(lambda x: x + 1).prefetch(1).repeat(2).take(5)
    assert kd.epoch_key_of(a) is kd.epoch_key_of(changed) is a.epoch_key
    both = kd.epoch_key_of(type(a).zip((a, b.take(3))))
    both.epoch = 6
    assert a.epoch_key.epoch == b.epoch_key.epoch == both.epoch == 6
    for other in (type(a).range(3), np.zeros(3), None, [a]):
        assert kd.epoch_key_of(other) is None
    arrays = kd.ArrayDataset(np.zeros((4, 2, 2, 1)), batch_size=2)
    assert kd.epoch_key_of(arrays) is arrays.epoch_key
    with pytest.raises(ValueError) as error:
        a.epoch_key.epoch = -1
    one_line(error, "epoch is -1")


def test_repeat_takes_a_new_epoch_each_time():
    dataset = kd.load("digits", image_size=8, batch_size=64)
    two = batches(dataset.repeat(2))
    np.testing.assert_array_equal(two[1792:], batches(dataset, epoch=1))
    assert (two[:1792] != two[1792:]).any()


FRESH = """
import hashlib
import tensorflow as tf
devices = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
import keras, numpy as np
from keras_gans import data as kd
from keras_gans import registry
keras.utils.set_random_seed(99)

def show(dataset, epoch):
    dataset.epoch_key.epoch = epoch
    print(hashlib.sha256(b"".join(np.asarray(x).tobytes() for x in dataset)).hexdigest())

show(kd.ArrayDataset(*kd.load_arrays(labels=False), augment=("flip", "crop")), 4)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
if {tfds!r}:
    for cache in (False, True):
        show(kd.load("cifar10", data_dir={tfds!r}, split="train[:600]", cache=cache), 4)
for drop in (True, False):
    kwargs = dict(batch_size=50, labels=True, drop_remainder=drop)
    dataset = kd.load("digits", **kwargs)
    shared = strategy.experimental_distribute_dataset(dataset)
    assert kd.epoch_key_of(shared) is dataset.epoch_key
    dataset.epoch_key.epoch = 2
    parts = [strategy.experimental_local_results(x) + strategy.experimental_local_results(y)
             for x, y in shared]
    dataset.epoch_key.epoch = 2
    whole = list(dataset)
    assert len(whole) == len(parts) == (35 if drop else 36)
    for (x0, x1, y0, y1), (x, y) in zip(parts, whole):
        assert len(x0) == -(-len(x) // 2)
        np.testing.assert_array_equal(tf.concat([x0, x1], 0), x)
        np.testing.assert_array_equal(tf.concat([y0, y1], 0), y)
print("distributed")
"""


def test_fresh_process_repeats_order_and_augmentation_and_distributes():
    """Another process, global seed and Keras backend: the same pixels, shared out in order."""
    from hashlib import sha256

    directory = ROOT.parent / "shared" / "tfds"
    tfds = str(directory) if directory.is_dir() else ""

    def digest(dataset, epoch):
        return sha256(batches(dataset, epoch).tobytes()).hexdigest()

    augmented = kd.load("digits", augment=("flip", "crop"), batch_size=64)
    here, last = [digest(augmented, 4)], []
    if tfds:
        for cache in (False, True):
            dataset = kd.load("cifar10", data_dir=tfds, split="train[:600]", cache=cache)
            here.append(digest(dataset, 4))
            last.append((digest(dataset, 4), digest(dataset, 5)))
    code = FRESH.replace("{tfds!r}", repr(tfds))
    assert python(code, KERAS_BACKEND="tensorflow") == [*here, "distributed"]
    assert [a for a, _ in last] == here[1:] and all(a != b for a, b in last)


# -- fit ------------------------------------------------------------------------------------------


class _BatchMeans(keras.callbacks.Callback):
    """The mean label of each batch, from the running mean that Keras logs as the loss."""

    def __init__(self, dataset, set_epoch):
        super().__init__()
        self.key, self.means = dataset.epoch_key if set_epoch else None, []
        self.looked_at = dataset if isinstance(dataset, kd.ArrayDataset) else None

    def on_epoch_begin(self, epoch, logs=None):
        self.means.append([])
        self.sum = 0.0
        if self.key is not None:
            self.key.epoch = 10 + epoch

    def on_train_batch_end(self, batch, logs=None):
        total = float(logs["loss"]) * (batch + 1)
        self.means[-1].append(total - self.sum)
        self.sum = total
        if self.looked_at is not None and self.key is not None:
            self.looked_at[0]  # looking at a batch leaves the pass alone


def _mean_label(y, prediction):
    return keras.ops.mean(keras.ops.cast(y, "float32")) + 0 * keras.ops.sum(prediction)


def _fitted_means(dataset, set_epoch=True, **kwargs):
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), loss=_mean_label)
    means = _BatchMeans(dataset, set_epoch)
    model.fit(dataset, shuffle=False, callbacks=[means], verbose=0, **kwargs)
    return np.array(means.means)


def _expected_means(epochs, seed=0):
    """Batches of 8 of 60 images labeled 0 .. 59."""
    order = [np.random.default_rng((seed, e)).permutation(60)[:56] for e in epochs]
    return np.array(order).reshape(len(epochs), 7, 8).mean(-1)


@pytest.mark.parametrize("kind", ["tf.data", "arrays"])
def test_fit_reads_the_order_of_its_epoch(kind, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 1), dtype="uint8")
    labels = np.arange(60)
    if kind == "arrays":
        dataset = kd.ArrayDataset(images, labels, batch_size=8)
        assert dataset.images is images
        dataset[3]  # nor does it take an epoch
    else:
        np.savez(tmp_path / "x.npz", images=images, labels=labels)
        dataset = kd.load(tmp_path / "x.npz", batch_size=8, labels=True)
    means = _fitted_means(dataset, epochs=3)
    np.testing.assert_allclose(means, _expected_means([10, 11, 12]), atol=1e-3)


def test_array_dataset_counts_passes_when_nobody_sets_the_epoch():
    images = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 1), dtype="uint8")
    dataset = kd.ArrayDataset(images, np.arange(60), batch_size=8)
    all_epochs = _expected_means(range(12)).tolist()
    means = _fitted_means(dataset, set_epoch=False, epochs=3)
    # Backends differ in whether building the model takes a pass.
    start = [np.allclose(m, means[0], atol=1e-3) for m in all_epochs].index(True)
    assert start in (0, 1)
    np.testing.assert_allclose(means, all_epochs[start : start + 3], atol=1e-3)
    # Two epochs of 3 steps run through one pass of 7.
    short = _fitted_means(dataset, set_epoch=False, epochs=2, steps_per_epoch=3).ravel()
    match = [np.allclose(m[:6], short, atol=1e-3) for m in all_epochs]
    assert sum(match) == 1


NO_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None  # importing it raises ImportError
import numpy as np, keras
from keras_gans import data as kd
from keras_gans import registry
assert "sklearn.datasets" not in sys.modules
images, labels = kd.load_arrays("digits", image_size=8)
data = kd.ArrayDataset(kd.to_uint8(images), labels, batch_size=256, augment=("flip", "crop"))
model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss=loss)
history = model.fit(data, epochs=3, verbose=0).history["loss"]
assert history[-1] < history[0], history
try:
    kd.load("digits")
except ImportError as error:
    print(error)
assert sys.modules["tensorflow"] is None
assert not [m for m in sys.modules if m.startswith(("tensorflow.", "tensorflow_datasets"))]
"""


def test_arrays_work_without_tensorflow():
    backend = keras.backend.backend()
    backend = "jax" if backend == "tensorflow" else backend
    printed = python(NO_TENSORFLOW, KERAS_BACKEND=backend)
    assert len(printed) == 1
    assert "keras_gans[tensorflow-cpu]" in printed[0] and "load_arrays" in printed[0]


# -- augmentation ---------------------------------------------------------------------------------


def test_flip_and_crop_are_keyed_flips_and_shifts_of_the_source():
    source = batches(kd.load("digits", batch_size=64, seed=2), epoch=3)
    flipped = kd.load("digits", batch_size=64, seed=2, augment="flip")
    a, b, c = batches(flipped, 3), batches(flipped, 3), batches(flipped, 4)
    np.testing.assert_array_equal(a, b)
    mirrored = source[:, :, ::-1]
    is_flipped, is_same = ((a == other).all((1, 2, 3)) for other in (mirrored, source))
    assert (is_flipped | is_same).all() and 0.45 < is_flipped.mean() < 0.55
    unflipped = batches(kd.load("digits", batch_size=64, seed=2), epoch=4)
    assert ((c == unflipped).all((1, 2, 3)) != is_same).mean() > 0.3

    both = batches(kd.load("digits", batch_size=64, seed=2, augment=("flip", "crop")), 3)
    padded = np.pad(a, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="symmetric")
    hits = np.array(
        [
            (padded[:, y : y + 32, x : x + 32] == both).all((1, 2, 3))
            for y in range(9)
            for x in range(9)
        ]
    )
    assert hits.any(0).all()
    # Every shift occurs, about equally often: 1792 / 81 = 22 each.
    assert hits.sum(1).min() >= 5


@pytest.mark.parametrize("augment", [("flip",), ("crop",), ("flip", "crop")])
def test_keras_cv_and_numpy_augment_alike(augment, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (50, 24, 40, 3), dtype="uint8")
    np.save(tmp_path / "x.npy", images)
    kwargs = dict(batch_size=16, seed=1, augment=augment, drop_remainder=False)
    theirs = kd.load(tmp_path / "x.npy", **kwargs)
    ours = kd.ArrayDataset(images, **kwargs)
    for epoch in (0, 1):
        np.testing.assert_array_equal(batches(ours, epoch), batches(theirs, epoch))


def test_missing_keras_cv_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    with pytest.raises(ImportError) as error:
        kd.load("digits", augment="flip")
    one_line(error, "keras-cv", "ArrayDataset")


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", [True, False])
def test_folder_round_trip(folder, cache):
    path, pictures = folder
    dataset = kd.load(path, batch_size=10, labels=True, shuffle=False, cache=cache)
    images, labels = batches(dataset)
    np.testing.assert_array_equal(kd.to_uint8(images), pictures)
    assert labels.tolist() == [0] * 6 + [1] * 4 and dataset.class_names == ["cat", "dog"]
    shuffled = kd.load(path, 6, 10, labels=True, cache=cache, seed=1)
    images, labels = batches(shuffled)
    order = np.random.default_rng((1, 0)).permutation(10)
    assert labels.tolist() == [int(i >= 6) for i in order]
    small = [fit_image(pictures[i][:, 4:16], (6, 6)) for i in order]
    np.testing.assert_array_equal(kd.to_uint8(images), small)


def test_folder_splits_data_dir_and_pixel_modes(folder, monkeypatch):
    path, pictures = folder
    for split, names in (("train", ("cat", "dog")), ("test", ("dog",))):
        for name in names:
            (path.parent / "split" / split / name).mkdir(parents=True)
            Image.fromarray(pictures[0]).save(path.parent / "split" / split / name / "a.png")
    monkeypatch.chdir(path)
    images, labels = batches(
        kd.load("split", data_dir="..", split="test", labels=True, batch_size=1)
    )
    assert labels.tolist() == [1]  # a class has the same number in every split
    np.testing.assert_array_equal(kd.to_uint8(images)[0], pictures[0])
    with pytest.raises(ValueError) as error:
        kd.load("../split", split="val", batch_size=1)
    one_line(error, "'val'", "test, train")

    modes = path.parent / "modes"
    modes.mkdir()
    clear = np.dstack([pictures[0], np.zeros((12, 20), "uint8")])
    clear[:6, :, 3] = 255
    Image.fromarray(clear).save(modes / "a.png")
    Image.fromarray(pictures[0][..., 0]).save(modes / "b.png")
    images, labels = kd.load_arrays(modes, dtype="uint8")
    assert labels is None
    np.testing.assert_array_equal(images[0, :6], pictures[0][:6])
    assert (images[0, 6:] == 255).all()
    np.testing.assert_array_equal(images[1], np.repeat(pictures[0][..., :1], 3, -1))
    (modes / "c.png").write_bytes((modes / "b.png").read_bytes()[:60])
    again, _ = kd.load_arrays(modes, dtype="uint8")
    np.testing.assert_array_equal(again, images)
    with pytest.raises(ValueError) as error:
        read_image(modes / "c.png")
    one_line(error, "c.png", "not a readable image")
    Image.fromarray(pictures[0][:5]).save(modes / "c.png")
    with pytest.raises(ValueError) as error:
        kd.load_arrays(modes)
    one_line(error, "c.png is 5x20", "image_size=")


# -- folders as people have them ------------------------------------------------------------------


@pytest.fixture
def warned(caplog, monkeypatch):
    """A function that gives the warnings since it was last called."""
    monkeypatch.setattr(logging.getLogger("absl"), "propagate", True)
    caplog.set_level(logging.WARNING, logger="absl")

    def take():
        texts = [r.getMessage() for r in caplog.records if r.name == "absl"]
        caplog.clear()
        return texts

    return take


def put(top, *names, value=None):
    """Write a flat 4x4 image at each name beneath a folder, each of its own gray; the grays."""
    grays = [7 * i + 1 if value is None else value for i in range(len(names))]
    for name, gray in zip(names, grays, strict=True):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(np.full((4, 4), gray, "uint8"))
        picture.save(top / name, format="JPEG" if ".j" in name.lower() else "PNG", quality=100)
    return grays


def grays_of(path, **kwargs):
    """The gray of each image of a folder in order, and the labels."""
    images, labels = kd.load_arrays(path, dtype="uint8", **kwargs)
    return images.mean((1, 2, 3)).round().astype(int).tolist(), labels


def test_a_class_may_be_named_like_a_split(tmp_path, warned):
    grays = put(tmp_path, "bus/0.png", "bus/1.png", "car/0.png", "train/0.png", "train/1.png")
    for labels in (False, True):
        found, numbers = grays_of(tmp_path, labels=labels)
        assert found == grays
        assert numbers is None or numbers.tolist() == [0, 0, 1, 2, 2]
    assert kd.load(tmp_path, batch_size=1, labels=True).class_names == ["bus", "car", "train"]
    (text,) = warned()  # one of three loads
    assert "train is taken for a class like bus and car" in text
    with pytest.raises(ValueError) as error:
        kd.load_arrays(tmp_path, split="test")
    one_line(error, "no split 'test'", "splits: train")


def test_splits_may_have_something_beside_them(tmp_path, warned):
    inner = ("cat/0.png", "dog/0.png")
    put(tmp_path, *(f"train/{name}" for name in inner), "test/dog/0.png", value=9)
    put(tmp_path, "extra/cat/0.png", "loose.png", value=200)
    found, labels = grays_of(tmp_path, labels=True)
    assert found == [9, 9] and labels.tolist() == [0, 1]
    found, labels = grays_of(tmp_path, labels=True, split="test")
    assert found == [9] and labels.tolist() == [1]
    (text,) = warned()
    assert "beside the splits, left out: extra" in text
    assert "1 images outside train and test left out" in text


@pytest.mark.parametrize(
    "names",
    [
        ("bus/red/0.png", "car/red/0.png", "train/red/0.png"),
        ("bus/0.png", "test/0.png", "train/0.png"),
        ("bus/a/0.png", "test/b/0.png", "train/c/0.png"),
    ],
)
def test_folders_that_could_be_classes_or_splits_are_refused(names, tmp_path):
    put(tmp_path, *names)
    for labels in (False, True):
        with pytest.raises(ValueError) as error:
            kd.load_arrays(tmp_path, labels=labels)
        one_line(error, "bus", "train", "could be classes", "could be splits", str(tmp_path))
    # The advice helps.
    os.rename(tmp_path / "train", tmp_path / "three")
    (tmp_path / "train").mkdir()
    for name in ("bus", "car", "test", "three"):
        if (tmp_path / name).is_dir():
            os.rename(tmp_path / name, tmp_path / "train" / name)
    assert kd.load_arrays(tmp_path, labels=True)[1].tolist() == [0, 1, 2]


@pytest.mark.parametrize("cache", [True, False])
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_read(cache, tmp_path, warned):
    grays = put(tmp_path, *(f"{c}/{i}.png" for c in "ab" for i in range(3)))
    good = (tmp_path / "a" / "0.png").read_bytes()

    def chunk(kind, content):
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    packed = zlib.compress(bytes(3_000_000))
    bad = {
        "a/profile.png": good[:33] + chunk(b"iCCP", b"p\0\0" + packed) + good[33:],
        "a/text.png": good[:33] + chunk(b"zTXt", b"t\0\0" + packed) + good[33:],
        "b/page.jpg": b"<!DOCTYPE html><html>404</html>",
        "a/0.0.png": b"",
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    dataset = kd.load(tmp_path, batch_size=6, labels=True, shuffle=False, cache=cache)
    images, labels = batches(dataset)
    assert kd.to_uint8(images)[:, 0, 0, 0].tolist() == grays
    assert labels.tolist() == dataset.labels.tolist() == [0, 0, 0, 1, 1, 1]
    (text,) = warned()
    assert "4 unreadable, left out" in text and "\n" not in text
    for name in bad:
        assert f"{name} is not a readable image (" in text
    for path in tmp_path.glob("*/?.png"):
        path.unlink()
    with pytest.raises(ValueError) as error:
        kd.load(tmp_path, batch_size=1, cache=cache)
    one_line(error, "none of 4 images can be read", "page.jpg")


def test_whatever_pillow_raises_the_message_names_the_file(folder, monkeypatch):
    path = folder[0] / "cat" / "0.png"
    for error in (struct.error("x"), EOFError(), IndexError("x"), zlib.error("x"), KeyError("x")):

        def fail(*args, error=error, **kwargs):
            raise error

        monkeypatch.setattr(Image, "open", fail)
        with pytest.raises(ValueError) as raised:
            read_image(path)
        one_line(raised, str(path), "not a readable image")


def test_what_is_left_out_is_counted_and_named_once(tmp_path, warned):
    grays = put(tmp_path, "0.jpg", "1.jfif", "2.JFIF", "3.jpe")
    for i in range(6):
        (tmp_path / f"p{i}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "notes").write_text("no ending")
    assert grays_of(tmp_path)[0] == grays
    kd.load_arrays(tmp_path, split="train[:2]")
    (text,) = warned()
    assert text == f"{tmp_path}: 7 files left out: .heic (6), no ending (1)."
    for name in ("0.jpg", "1.jfif", "2.JFIF", "3.jpe"):
        (tmp_path / name).unlink()
    for load in (kd.load_arrays, kd.load):
        with pytest.raises(FileNotFoundError) as error:
            load(tmp_path)
        one_line(error, "has no images in it (7 files left out: .heic (6), no ending (1))")
    assert find_images([put(tmp_path / "one", "a.png") and tmp_path / "one"])
    assert not warned()
    (tmp_path / "one" / "b.heic").write_bytes(b"")
    assert find_images([tmp_path / "one"]) == [tmp_path / "one" / "a.png"]
    assert ["1 file left out: .heic (1)" in text for text in warned()] == [True]


@pytest.mark.parametrize(
    "names, order",
    [
        (list(map(str, range(12))), list(map(str, range(12)))),
        (["10", "9", "2"], ["2", "9", "10"]),
        (["02", "10", "1"], ["1", "02", "10"]),
        (["10", "9", "2a"], ["10", "2a", "9"]),
    ],
)
def test_classes_of_numbers_are_in_the_order_of_the_numbers(names, order, tmp_path):
    for split in ("train", "test"):
        for name in names:
            put(tmp_path, f"{split}/{name}/0.png", value=20 * order.index(name))
    found, labels = grays_of(tmp_path, labels=True)
    assert [gray // 20 for gray in found] == labels.tolist()
    assert kd.load(tmp_path, batch_size=1, labels=True).class_names == order


def test_leftovers_of_archives_are_no_classes_and_no_images(tmp_path, warned):
    grays = put(tmp_path, "cats/0.png", "cats/1.png", "dogs/0.png")
    put(tmp_path, "@eaDir/dogs/0.png", "__MACOSX/cats/0.png", ".thumbnails/0.png", "cats/._0.png")
    (tmp_path / "birds").mkdir()
    for name in (".DS_Store", "cats/Thumbs.db", "dogs/desktop.ini"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    found, labels = grays_of(tmp_path, labels=True)
    assert found == grays and labels.tolist() == [0, 0, 1]
    assert kd.load(tmp_path, batch_size=1, labels=True).class_names == ["cats", "dogs"]
    assert not warned()


def test_pipes_sockets_and_links_that_lead_back_are_passed_over(tmp_path, warned):
    top = tmp_path / "top"
    grays = put(top, "a/0.png", "a/1.png", "b/0.png")
    elsewhere = put(tmp_path / "elsewhere", "0.png", "1.png")
    os.mkfifo(top / "a" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.bind(str(top / "b" / "s.png"))
        except OSError:  # a path of more than 100 characters
            os.mkfifo(top / "b" / "s.png")
    (top / "a" / "nothing.png").symlink_to(tmp_path / "nowhere.png")
    (top / "a" / "itself.png").symlink_to(top / "a" / "itself.png")
    for name, target in (("0", "."), ("1", "."), ("b/up", ".."), ("b/out", "../.."), ("A", "a")):
        (top / name).symlink_to((top / name).parent / target)
    (top / "c").symlink_to(tmp_path / "elsewhere")
    found, labels = grays_of(top, labels=True)
    assert found == grays + elsewhere and labels.tolist() == [0, 0, 1, 2, 2]
    assert kd.load(top, batch_size=1, labels=True).class_names == ["a", "b", "c"]
    (text,) = warned()
    assert "passed over: " in text and "'a/pipe.png' (a named pipe)" in text and "more" in text
    kind = "a named pipe" if (top / "b" / "s.png").is_fifo() else "a socket"
    (top / "a" / "pipe.png").unlink()
    (top / "a" / "nothing.png").unlink()
    for name in ("A", "b/out", "b/up", "0"):
        (top / name).unlink()
    assert grays_of(top)[0] == grays + elsewhere
    (text,) = warned()
    for words in (
        f"'b/s.png' ({kind})",
        "'1' (a link to a folder that was read)",
        "'a/itself.png'",
    ):
        assert words in text
    with pytest.raises(ValueError) as error:
        read_image(top / "b" / "s.png")
    one_line(error, "s.png", "not a regular file")
    os.mkfifo(tmp_path / "x.npz")
    with pytest.raises(FileNotFoundError) as error:
        kd.load_arrays(tmp_path / "x.npz")
    one_line(error, "x.npz is not a regular file")


def test_splits_may_be_links_to_one_folder(tmp_path):
    grays = put(tmp_path, "all/a/0.png", "all/b/0.png")
    (tmp_path / "data").mkdir()
    for split in ("train", "test"):
        (tmp_path / "data" / split).symlink_to(tmp_path / "all")
    for split in ("train", "test"):
        found, labels = grays_of(tmp_path / "data", split=split, labels=True)
        assert found == grays and labels.tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_dataset_json_of_stylegan(kind, tmp_path, warned):
    """The layout of dataset_tool.py of stylegan3: `open_dest`, `dataset_attrs`, `labels`."""
    names = [f"{i // 3:05d}/img{i:08d}.png" for i in range(7)]
    grays = put(tmp_path / "set", *names)
    top = tmp_path / ("set" if kind == "folder" else "set.zip")

    def read(content, **kwargs):
        (tmp_path / "set" / "dataset.json").write_text(content)
        if kind == "zip":
            shutil.make_archive(tmp_path / "set", "zip", tmp_path / "set")
        found, labels = grays_of(top, **kwargs)
        assert [g for g in grays if g in found] == found
        return labels

    def text(labels):
        # dataset_tool writes them in an order of its own.
        return json.dumps({"labels": list(zip(names, labels, strict=False))[::-1]})

    numbers, vectors = [4, 0, 1, 4, 2, 2, 3], np.random.default_rng(0).normal(size=(7, 3))
    for cache in (True, False):
        assert read(text(numbers), labels=True).tolist() == numbers
        dataset = kd.load(top, batch_size=7, labels=True, shuffle=False, cache=cache)
        images, labels = batches(dataset)
        assert kd.to_uint8(images)[:, 0, 0, 0].tolist() == grays and labels.tolist() == numbers
        assert dataset.class_names is None
    assert read(text(numbers), split="train[:3]").tolist() == [numbers[i] for i in (0, 5, 6)]
    assert read(text(numbers), split="train[3:]").tolist() == numbers[1:5]
    np.testing.assert_array_equal(read(text(vectors.tolist())), vectors.astype("float32"))
    assert read(text(numbers), labels=False) is None
    assert read('{"labels": null}') is None
    assert not warned()
    for content, words in (
        ('{"labels": null}', ("no labels (null)", "labels=False")),
        (text(numbers[:5]), ("no label for 2 of 7 images", names[5])),
        (text([1, 2, 3, 4, 5, 6, [1, 2]]), ("several lengths",)),
        (text(["a"] * 7), ("dataset.json are <U1",)),
        (text([-1] * 7), ("run from -1 to -1",)),
        ('{"labels": 3}', ("dataset.json is damaged",)),
        ('{"labels": [["a"', ("dataset.json is damaged",)),
    ):
        with pytest.raises(ValueError) as error:
            read(content, labels=True)
        one_line(error, "dataset.json", *words)
    # Of another kind: a file like any other, and folders are classes.
    assert read('{"name": "a set"}').tolist() == [0, 0, 0, 1, 1, 1, 2]
    (said,) = warned()
    assert "1 file left out: .json (1)" in said


def test_zip_archives_are_read_as_folders_are(tmp_path, warned):
    grays = put(tmp_path / "set", "10/0.png", "9/0.png", "9/1.jpg")
    put(tmp_path / "set", "__MACOSX/9/._0.png", "9/.0.png")
    (tmp_path / "set" / "9" / "2.png").write_bytes(b"no image")
    (tmp_path / "set" / "9" / "a.txt").write_bytes(b"no image")
    path = shutil.make_archive(tmp_path / "set", "zip", tmp_path / "set")
    found, labels = grays_of(path)
    assert found == grays and labels.tolist() == [1, 0, 0]
    (said,) = warned()
    assert "1 file left out: .txt (1); 1 unreadable" in said and "set.zip/9/2.png is not" in said
    put(tmp_path / "splits", "train/a/0.png", "test/a/0.png", "test/b/0.png", value=5)
    path = shutil.make_archive(tmp_path / "splits", "zip", tmp_path / "splits")
    assert grays_of(path, split="test")[1].tolist() == [0, 1]
    pathlib.Path(path).write_bytes(pathlib.Path(path).read_bytes()[:99])
    with pytest.raises(ValueError) as error:
        kd.load_arrays(path)
    one_line(error, "splits.zip is not a readable zip archive")
    with zipfile.ZipFile(path, "w") as empty:
        empty.writestr("a.heic", b"")
    with pytest.raises(ValueError) as error:
        kd.load_arrays(path)
    one_line(error, "splits.zip has no images in it (1 file left out: .heic (1))")
    with pytest.raises(FileNotFoundError) as error:
        kd.load_arrays("no.zip")
    one_line(error, "no.zip does not exist")


def zipped(folder):
    """The archive that "Compress" of macOS makes of a folder."""
    path = shutil.make_archive(folder, "zip", folder.parent, folder.name)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"__MACOSX/{folder.name}/._0.png", b"\0\5\x16\7")
        archive.writestr(f"{folder.name}/.DS_Store", b"")
    return path


def test_the_folder_on_top_of_an_archive_is_no_class(tmp_path, warned):
    grays = put(tmp_path / "pets", "train/cat/0.png", "train/dog/0.png", "test/cat/0.png")
    path = zipped(tmp_path / "pets")
    for split, wanted in (("train", (grays[:2], [0, 1])), ("test", (grays[2:], [0]))):
        found, labels = grays_of(path, split=split, labels=True)
        assert (found, labels.tolist()) == wanted
    assert kd.load(path, batch_size=1, labels=True).class_names == ["cat", "dog"]
    # Two of them, and no class at all; one split alone is no such folder.
    grays = put(tmp_path / "outer" / "photos", "0.png", "1.png")
    assert grays_of(zipped(tmp_path / "outer")) == (grays, None)
    grays = put(tmp_path / "set" / "test", "a/0.png", "b/0.png")
    found, labels = grays_of(zipped(tmp_path / "set"), split="test", labels=True)
    assert found == grays and labels.tolist() == [0, 1]
    # Labels in a file, whose names begin where it stands.
    put(tmp_path / "gan", "00000/0.png", "00000/1.png")
    file = tmp_path / "gan" / "dataset.json"
    file.write_text(json.dumps({"labels": [["00000/0.png", 4], ["00000/1.png", 2]]}))
    assert grays_of(zipped(tmp_path / "gan"), labels=True)[1].tolist() == [4, 2]
    assert not warned()
    file.write_text(json.dumps({"labels": [["00000/0.png", 4]]}))
    with pytest.raises(ValueError) as error:
        grays_of(zipped(tmp_path / "gan"), labels=True)
    one_line(error, "gan.zip/gan/dataset.json has no label for 1 of 2 images")


def test_a_part_of_a_folder_has_all_classes(tmp_path):
    names = [f"{name}/{i}.png" for name in "abc" for i in range(10)]
    grays = put(tmp_path / "set", *names)
    for path in (tmp_path / "set", zipped(tmp_path / "set")):
        assert grays_of(path)[0] == grays  # all of them: in the order of their names
        parts = [grays_of(path, split=f"train[{part}]") for part in (":66%", "66%:")]
        assert [len(found) for found, _ in parts] == [20, 10]
        assert sorted(parts[0][0] + parts[1][0]) == grays
        for found, labels in parts:
            assert found == sorted(found) and set(labels.tolist()) == {0, 1, 2}
            assert labels.tolist() == [grays.index(gray) // 10 for gray in found]
    # The same on every machine, and of photos taken in a row no end.
    grays = put(tmp_path / "flat", *[f"{i}.png" for i in range(10)])
    found, _ = grays_of(tmp_path / "flat", split="train[:50%]")
    assert [grays.index(gray) for gray in found] == [0, 2, 6, 7, 8]


# -- files of arrays -------------------------------------------------------------------------------


def test_npz_round_trip(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (20, 6, 6, 3), dtype="uint8"), rng.integers(0, 3, (20, 1))
    path = tmp_path / "x.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x[:7, ..., 0], y_test=y[:7])
    images, labels = kd.load_arrays(path)
    np.testing.assert_array_equal(kd.to_uint8(images), x)
    np.testing.assert_array_equal(labels, y[:, 0])
    images, labels = kd.load_arrays(path, split="test[2:]")
    np.testing.assert_array_equal(kd.to_uint8(images)[..., 0], x[2:7, ..., 0])
    np.testing.assert_array_equal(labels, y[2:7, 0])
    np.savez(path, pictures=kd.from_uint8(x))
    np.testing.assert_array_equal(kd.load_arrays(path)[0], kd.from_uint8(x))
    np.savez(path, pictures=x / 255.0, kind=y)
    images, labels = kd.load_arrays(path, image_key="pictures", labels="kind")
    np.testing.assert_allclose(images, kd.from_uint8(x), atol=1e-6)
    np.testing.assert_array_equal(labels, y[:, 0])
    # An array that is named like a split does not hide the images.
    for key in ("images", "x", "pictures"):
        np.savez(path, **{key: x, "x_mean": x.mean((0, 1, 2)), "y": y})
        image_key = key if key == "pictures" else None
        images, labels = kd.load_arrays(path, image_key=image_key)
        np.testing.assert_array_equal(kd.to_uint8(images), x)
        np.testing.assert_array_equal(labels, y[:, 0])


RANGES = [
    (lambda x: x * np.nan, {}, "NaN"),
    (lambda x: x * 255, {}, "run from 0 to 255; expected [-1, 1]"),
    (lambda x: x * 0.5 + 0.2, {}, "looks like [0, 1]"),
    (lambda x: x * 0, {}, "looks like [0, 1]"),
    (lambda x: (x > 0.5).astype("uint8"), {}, "value_range=(0, 1) or value_range=(0, 255)"),
    (lambda x: (x * 255).astype("int64"), {}, "dtype int64"),
    (lambda x: x * 2, {"value_range": (0, 1)}, "expected [0, 1]"),
    (lambda x: x[..., [0, 0]], {}, "2 channels; expected 1 or 3"),
    (lambda x: x.transpose(0, 3, 1, 2), {}, "transpose(0, 2, 3, 1)"),
    (lambda x: x[0, 0], {}, "shape (6, 1)"),
    (lambda x: x.astype("U4"), {}, "dtype <U4"),
    (lambda x: np.array([object()] * 2), {}, "allow_pickle=False"),
]


@pytest.mark.parametrize("change, kwargs, words", RANGES)
def test_array_files_of_unclear_content_are_refused(change, kwargs, words, tmp_path):
    x = np.random.default_rng(0).uniform(0, 1, (20, 6, 6, 1))
    x[0, 0, 0], x[0, 0, 1] = 0, 1
    np.savez(tmp_path / "x.npz", images=change(x))
    with pytest.raises(ValueError) as error:
        kd.load_arrays(tmp_path / "x.npz", **kwargs)
    one_line(error, words, "x.npz")


def test_value_range_settles_it(tmp_path):
    mask = np.random.default_rng(0).integers(0, 2, (4, 3, 3, 1), dtype="uint8")
    np.save(tmp_path / "x.npy", mask)
    images, _ = kd.load_arrays(tmp_path / "x.npy", value_range=(0, 1))
    np.testing.assert_array_equal(images, mask * 2.0 - 1)
    half = kd.ArrayDataset(mask * 0.5, batch_size=4, shuffle=False, value_range=(-1, 1))
    np.testing.assert_array_equal(half[0], mask * 0.5)


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(images=np.full((9, 4, 4, 1), 0.9)), "[-1, 1] is wanted"),
        (dict(images=np.full((9, 4, 4, 1), 40.0)), "run from 40 to 40"),
        (dict(images=np.full((9, 4, 4, 1), np.inf)), "NaN or infinite"),
        (dict(images=np.zeros((9, 1, 32, 32))), "channels-first"),
        (dict(images=np.zeros((9, 16))), "(N, height, width, channels)"),
        (dict(labels=np.zeros(8, int)), "9 images"),
        (dict(labels=np.full(9, 0.5)), "integers (N,)"),
        (dict(labels=np.full(9, -1)), "-1"),
        (dict(batch_size=10), "only 9 images: choose 9 or less"),
        (dict(batch_size=10, drop_remainder=False), "only 9 images"),
        (dict(batch_size=0), "batch_size is 0"),
        (dict(seed=-1), "seed is -1"),
        (dict(augment="cutout"), "'flip' and 'crop'"),
    ],
)
def test_array_dataset_refuses(change, words):
    with pytest.raises(ValueError) as error:
        kd.ArrayDataset(**{"images": np.zeros((9, 4, 4, 1)), "batch_size": 3, **change})
    one_line(error, words)


@pytest.mark.parametrize(
    "kwargs, words",
    [
        (dict(name_or_path="digit"), ("'digit'", "(digits)", "did you mean 'digits'")),
        (dict(split="test"), ("'test'", "splits: train")),
        (dict(split="train[9:9]"), ("selects none",)),
        (dict(batch_size=1798), ("1797 images: choose 1797 or less",)),
        (dict(channels=2), ("channels is 2",)),
        (dict(image_size=0), ("image_size is 0",)),
        (dict(resize="cubic"), ("'cubic'", "'nearest'")),
        (dict(labels="digit"), ("labels=True",)),
        (dict(name_or_path="./no/such"), ("does not exist",)),
        (dict(name_or_path="photos/"), ("photos does not exist",)),
        (dict(name_or_path="no.npz"), ("no.npz does not exist",)),
        (dict(name_or_path=__file__), ("test_data.py is no data set",)),
        (dict(name_or_path="cifar100", data_dir="no_dir"), ("no_dir", "download=True")),
    ],
)
def test_load_refuses(kwargs, words):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        kd.load(**kwargs)
    one_line(error, *words)


# -- Declared data sets ---------------------------------------------------------------------------


def test_declared_data_sets_are_what_they_say():
    assert "digits" in registry.names("data set")
    for name, declared in registry.all("data set").items():
        images, labels = kd.load_arrays(name)
        assert images.shape[1:] == (*[declared.image_size] * 2, declared.channels)
        assert sorted(set(labels)) == list(range(declared.classes))
        train, test = (kd.load_arrays(name, split=declared.splits[s])[0] for s in ("train", "test"))
        np.testing.assert_array_equal(np.concatenate([train, test]), images)
        assert declared.summary


def test_a_data_set_is_added_by_one_declaration(monkeypatch):
    monkeypatch.setitem(registry._declared, "data set", dict(registry._declared["data set"]))

    @registry.dataset("ramps", classes=2, channels=1, image_size=4)
    def ramps(options):
        """Ramps to the right, and down."""
        _, part = split_slice(options.split, {"train": 6}, "ramps")
        right = np.linspace(-1, 1, 4, dtype="float32") * np.ones((4, 1), "float32")
        images = np.stack([right, right.T] * 3)[..., None]
        labels = np.array([0, 1] * 3, "int32")[part] if options.labels else None
        return in_memory("ramps", images[part], options, labels=labels)

    images, labels = kd.load_arrays("ramps", split="train[1:]")
    assert images.shape == (5, 4, 4, 1) and labels.tolist() == [1, 0, 1, 0, 1]
    assert next(iter(kd.load("ramps", image_size=8, batch_size=2))).shape == (2, 8, 8, 1)
    assert kd.load_pairs("ramps", "outline", "image")[0].shape == (6, 4, 4, 1)
    with pytest.raises(ValueError, match=r"did you mean 'ramps'.*own \(digits, ramps\)"):
        kd.load("ramp")
    with pytest.raises(ValueError, match="'ramp' is not 'digits', 'ramps', an .npz"):
        kd.load_arrays("ramp")


def test_former_names_work_and_warn():
    with pytest.warns(DeprecationWarning, match="load_paired is now keras_gans.data.load_quad"):
        assert kd.load_paired is kd.load_quadruples
    with pytest.raises(AttributeError, match="no attribute 'load_paird'"):
        kd.load_paird  # noqa: B018


# -- TensorFlow Datasets --------------------------------------------------------------------------


@pytest.mark.parametrize("cache", [True, False])
def test_tfds_images_and_labels(tfds_dir, cache):
    import tensorflow_datasets as tfds

    for name, label in (("cifar10", True), ("emoji_styles/64", "style")):
        key = "label" if label is True else label
        builder = tfds.builder(name, data_dir=tfds_dir)
        wanted = list(tfds.as_numpy(builder.as_dataset(split="train[:100]")))
        dataset = kd.load(
            name,
            batch_size=100,
            split="train[:100]",
            data_dir=os.path.relpath(tfds_dir),
            labels=label,
            cache=cache,
        )
        assert dataset.class_names == builder.info.features[key].names
        images, labels = batches(dataset)
        # Shuffled: pair by the pixels.
        by_pixels = {w["image"].tobytes(): w[key] for w in wanted}
        assert [by_pixels[x.tobytes()] for x in kd.to_uint8(images)] == labels.tolist()
        assert labels.dtype == np.int32 and labels.tolist() != [w[key] for w in wanted]
    category = kd.load(
        name, 32, 64, "train[:64]", tfds_dir, labels="category", channels=1, shuffle=False
    )
    images, labels = batches(category)
    assert labels.tolist() == [w["category"] for w in wanted[:64]]
    gray = [fit_image(w["image"], (32, 32), channels=1) for w in wanted[:64]]
    np.testing.assert_array_equal(kd.to_uint8(images), gray)


def test_tfds_choices_are_named(tfds_dir):
    cases = [
        (dict(name_or_path="cifar11"), ("'cifar10'", "emoji_styles/64")),
        (dict(name_or_path="emoji_styles/65"), ("'emoji_styles/64'",)),
        (dict(name_or_path="cifar10", split="val"), ("splits: test, train",)),
        (dict(name_or_path="emoji_styles/64", labels="styl"), ("'style'", "category")),
        (dict(name_or_path="facades_mini"), ("input_image", "real_image", "image_key=")),
        (dict(name_or_path="mnist_10k", image_key="imag"), ("'image'",)),
        (dict(name_or_path="cifar10:9.9.9"), ("9.9.9", "3.0.2")),
        (dict(name_or_path="cifar100"), (str(tfds_dir), "download=True")),
    ]
    for kwargs, words in cases:
        with pytest.raises((ValueError, FileNotFoundError)) as error:
            kd.load(data_dir=tfds_dir, **kwargs)
        one_line(error, *words)
    photos = kd.load("facades_mini", 64, 5, data_dir=tfds_dir, image_key="real_image")
    assert photos.element_spec.shape == (5, 64, 64, 3)
    feature = types.SimpleNamespace(shape=(), np_dtype=np.int64, names=["a"])
    info = types.SimpleNamespace(features={"x": feature, "y": feature}, supervised_keys=None)
    with pytest.raises(ValueError) as error:
        _label_key("two", info, True)
    one_line(error, "labels='x' or labels='y'")
