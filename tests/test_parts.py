"""One process's part of each batch: nothing else is read, and the parts together are the batch."""

import keras
import numpy as np
import pytest
from conftest import images, slow_module
from PIL import Image

from keras_gans import data as kd
from keras_gans import recipes
from keras_gans.data import image_folders
from keras_gans.metrics.reference import RealImages
from keras_gans.training import backend, feeding

pytestmark = slow_module("tensorflow", "jax")


@pytest.fixture
def folder(tmp_path):
    """Twenty images in two classes."""
    for i, image in enumerate(np.random.default_rng(0).integers(0, 256, (20, 12, 12, 3), "uint8")):
        path = tmp_path / "pets" / ("cat" if i % 3 else "dog") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "pets"


def passes(*arguments, **options):
    """Two passes of a dataset, each a list of batches."""
    dataset = kd.load(*arguments, **options)
    return [[keras.tree.map_structure(np.asarray, b) for b in dataset] for _ in range(2)]


def same_together(*arguments, **options):
    whole = passes(*arguments, **options)
    parts = [passes(*arguments, **options, part=(place, 3)) for place in range(3)]
    for which, batches in enumerate(whole):
        assert len(batches) > 2
        for i, (x, y) in enumerate(batches):
            own = [part[which][i] for part in parts]
            assert all(len(part[1]) == len(y) // 3 for part in own)
            assert np.array_equal(np.concatenate([part[0] for part in own]), x)
            assert np.array_equal(np.concatenate([part[1] for part in own]), y)
    assert not np.array_equal(whole[0][0][0], whole[1][0][0])


@pytest.mark.parametrize("cache", [True, False])
def test_of_a_folder(cache, folder):
    same_together(folder, batch_size=6, labels=True, augment=("flip", "crop"), cache=cache)


def test_of_a_stream(tfds_dir):
    """Of TensorFlow Datasets that are not kept; the window's order is that of all processes."""
    options = {"data_dir": tfds_dir, "split": "train[:100]", "cache": False}
    same_together("cifar10", batch_size=30, labels=True, augment="flip", **options)


def test_others_are_not_read(folder, monkeypatch):
    read = []
    real = image_folders.read_image
    monkeypatch.setattr(image_folders, "read_image", lambda f: read.append(f) or real(f))
    dataset = kd.load(folder, batch_size=6, cache=False, part=(1, 3))
    read.clear()  # what opening the folder looked at
    assert sum(len(batch) for batch in dataset) == len(read) == 6


@pytest.mark.parametrize("part", [(2, 2), (-1, 2), (0, 0), (0,), 1, (0.5, 2), "01"])
def test_a_part_that_there_is_not(part):
    with pytest.raises(ValueError, match=r"part is .*expected \(place, count\)"):
        kd.load("digits", part=part)


@pytest.mark.parametrize("options", [{"batch_size": 7}, {"batch_size": 8, "drop_remainder": False}])
def test_batches_that_cannot_be_shared(options):
    with pytest.raises(ValueError, match="shared in 2 parts.*drop_remainder=True"):
        kd.load("digits", part=(0, 2), **options)


def test_only_its_own_process_trains_on_a_part():
    dataset = kd.load("digits", labels=True, image_size=32, part=(1, 2))
    model, _ = recipes.build(recipes.load("osgan_digits").changed({"networks.width": 8}))
    with pytest.raises(ValueError, match=r"part 1 of 2 .* 1 devices of 1 processes.*part=\(0, 1\)"):
        model.fit(dataset, verbose=0)
    with pytest.raises(ValueError, match="one process's part"):
        RealImages(dataset)


def test_a_part_counts_as_the_batch_of_all(monkeypatch):
    """What is said of sizes, and shown as images seen, is of all processes."""
    model, _ = recipes.build(recipes.load("osgan_digits").changed({"networks.width": 8}))
    monkeypatch.setattr(backend, "process", lambda: (1, 2))
    monkeypatch.setattr(backend, "devices", lambda model: (1, 2))
    feed = feeding.Feed(model, kd.EpochKey(part=(1, 2)))
    x, y = images(4, 32), np.zeros(4, "int32")
    assert len(feed((x, y))[0]) == 4 and model.images_per_step == 8


def test_a_recipe_gives_each_process_its_part(monkeypatch):
    monkeypatch.setattr(backend, "process", lambda: (1, 2))
    recipe = recipes.load("osgan_digits").changed({"networks.width": 8})
    assert recipes.build(recipe)[1].epoch_key.part == (1, 2)
    odd = recipe.changed({"schedule.batch_size": 63})
    assert recipes.build(odd)[1].epoch_key.part == (0, 1)  # which `fit` refuses
