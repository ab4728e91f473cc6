"""kgnet: its numbers against NumPy and Pillow, its judgement, its file, the script that made it."""

import hashlib
import importlib
import json
import pathlib
import pickle

import keras
import numpy as np
import pytest
from conftest import load_script, relative, slow_module, slow_on
from PIL import Image

from keras_gans import data, metrics

pytestmark = slow_module("tensorflow", "jax")
# `metrics.kgnet` is the function.
kgnet = importlib.import_module("keras_gans.metrics.kgnet")
FILE = pathlib.Path(kgnet.__file__).with_name("kgnet.npz")
FACTS = json.loads(FILE.with_suffix(".json").read_text(encoding="utf-8"))
SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "examples" / "train_kgnet.py"


@pytest.fixture(scope="module")
def network():
    return metrics.kgnet()


@pytest.fixture(scope="module")
def digits():
    """uint8 digits in an order of their own, and their labels."""
    images, labels = data.load_arrays("digits", dtype="uint8")
    order = np.random.default_rng(0).permutation(len(images))
    return images[order], labels[order]


def pictures(count, height=32, width=32, channels=3, seed=0):
    """Smooth uint8 pictures that reach black and white."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 5, 6, channels), dtype="uint8")
    large = [
        [Image.fromarray(x[..., c]).resize((width, height), Image.BICUBIC) for c in range(channels)]
        for x in small
    ]
    return np.array([np.stack([np.asarray(c) for c in x], -1) for x in large])


# The numbers


def forward(x, arrays):
    """Features and logits of images (B, 32, 32, 3) in [-1, 1]: plain NumPy, in float64."""
    for i in range(1, 6):
        kernel = arrays[f"conv{i}.kernel"].astype("float64")
        height, width = x.shape[1:3]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = arrays[f"conv{i}.bias"].astype("float64") + sum(
            padded[:, r : r + height, c : c + width] @ kernel[r, c]
            for r in range(3)
            for c in range(3)
        )
        x = np.maximum(x, 0)
        if i <= 3:
            x = x.reshape(len(x), height // 2, 2, width // 2, 2, -1).max(axis=(2, 4))
    features = x.mean(axis=(1, 2))
    kernel, bias = (arrays[f"logits.{v}"].astype("float64") for v in ("kernel", "bias"))
    return features, features @ kernel + bias


def check(found, images, file=FILE):
    with np.load(file, allow_pickle=False) as arrays:
        features, logits = forward(images.astype("float64"), arrays)
    assert found.features.shape == (len(images), 128) and found.logits.shape == (len(images), 24)
    # Something to compare: most features say something, and the images differ.
    assert (features > 1e-3).mean() > 0.3 and features.std(axis=0).max() > 0.05
    np.testing.assert_allclose(found.features, features, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-4)


def test_features_and_logits_equal_numpy_in_float64(network):
    """On each backend, so they agree with one another."""
    x = pictures(3)
    x[0, :4], x[0, 4:8] = 0, 255
    check(network(x), x / 127.5 - 1)


def test_other_sizes_are_resized_as_pillow_does_and_gray_is_repeated(network):
    for size in ((64, 64), (50, 41), (8, 8), (28, 36)):
        x = pictures(2, *size, channels=1)
        planes = [Image.fromarray(i[..., 0].astype("float32")) for i in x]
        resized = [np.asarray(p.resize((32, 32), Image.BILINEAR)) for p in planes]
        check(network(x), np.repeat(np.stack(resized)[..., None] / 127.5 - 1, 3, axis=-1))


def test_arrays_and_files_of_the_same_images_score_alike(network):
    x = pictures(5)
    floats = data.from_uint8(x)
    floats += np.random.default_rng(0).uniform(-0.3, 0.3, x.shape).astype("float32") / 127.5
    expected = network(x)
    found = network(np.clip(floats, -1, 1))
    np.testing.assert_array_equal(found.features, expected.features)
    # In chunks, the last of them smaller, and one by one.
    parts = [
        metrics.kgnet(batch_size=2)(x).features,
        *(network(x[i : i + 1]).features for i in [4]),
    ]
    np.testing.assert_allclose(parts[0], expected.features, atol=1e-5)
    np.testing.assert_allclose(parts[1], expected.features[4:], atol=1e-5)


def test_neither_the_global_policy_nor_the_layout_matters(network):
    policy, layout = keras.config.dtype_policy(), keras.config.image_data_format()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        keras.config.set_image_data_format("channels_first")
        found = metrics.kgnet("digits")(pictures(3))
    finally:
        keras.config.set_dtype_policy(policy)
        keras.config.set_image_data_format(layout)
    expected = network(pictures(3))
    np.testing.assert_allclose(found.features, expected.features, atol=1e-5)
    np.testing.assert_allclose(found.logits, expected.logits[:, 14:], atol=1e-5)


def test_classes_choose_logits(network):
    x = pictures(3)
    whole = network(x)
    assert whole.logits.shape[1] == sum(map(len, kgnet.CLASSES.values())) == kgnet.N_CLASSES
    start = 0
    for name, classes in kgnet.CLASSES.items():
        part = metrics.kgnet(name)
        assert part.name == f"kgnet_{name}" and part.checksum == network.checksum
        found = part(x)
        stop = start + len(classes)
        np.testing.assert_allclose(found.logits, whole.logits[:, start:stop], atol=1e-5)
        np.testing.assert_allclose(found.features, whole.features, atol=1e-5)
        start = stop
    with pytest.raises(ValueError, match="classes"):
        metrics.kgnet("imagenet")


# The judgement


def test_held_out_digits_are_told_as_the_file_says():
    images, labels = data.load_arrays("digits", split="train[1500:]", dtype="uint8")
    accuracy = metrics.ClassificationAccuracy(metrics.kgnet("digits"))
    accuracy.update_state(labels, images)
    said = FACTS["test_accuracy"]["digits"]
    # That is among all 24 classes.
    assert said["images"] == len(images)
    assert said["accuracy"] - 1e-6 <= float(accuracy.result()) <= said["accuracy"] + 0.02
    assert said["accuracy"] > 0.9


def noisy(images, sigma):
    """With Gaussian noise of `sigma` levels."""
    noise = np.random.default_rng(1).normal(0, sigma, images.shape)
    return np.clip(np.rint(images + noise), 0, 255).astype("uint8")


def blurred(images, radius):
    """Means over squares of 2 radius + 1 pixels."""
    size = 2 * radius + 1
    reach = ((0, 0), (radius, radius), (radius, radius), (0, 0))
    padded = np.pad(images.astype("float64"), reach, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return np.rint(windows.mean(axis=(-2, -1))).astype("uint8")


def judge(network, real, images, labels, sigmas, radii, kept):
    """Frechet distances to `real`: of the images as they are, and worse and worse ones."""
    fd = metrics.FrechetDistance()
    fd.update_real(network(real).features)

    def distance(features):
        fd.reset_fake()
        fd.update_fake(features)
        return float(fd.result())

    features = network(images).features
    plain = distance(features)
    worse = {
        "noise": [network(noisy(images, sigma)).features for sigma in sigmas],
        "blur": [network(blurred(images, radius)).features for radius in radii],
        "modes": [features[labels < k] for k in kept],
    }
    return plain, {kind: [plain, *map(distance, x)] for kind, x in worse.items()}


def check_judgement(plain, found, factors):
    for kind, factor in factors.items():
        assert np.all(np.diff(found[kind]) > 0), found
        assert found[kind][-1] > factor * plain, found


def test_fd_of_digits_grows_with_noise_blur_and_lost_modes(network, digits):
    images, labels = digits
    plain, found = judge(
        network, images[:700], images[700:1400], labels[700:1400], (8, 32), (1, 3), (8, 5, 2)
    )
    check_judgement(plain, found, {"noise": 20, "blur": 50, "modes": 25})


@pytest.mark.slow
def test_fd_of_cifar10_grows_with_noise_blur_and_lost_modes(network, tfds_dir):
    pytest.importorskip("tensorflow_datasets")

    def read(split):
        batches = data.load("cifar10", split=split, data_dir=tfds_dir, labels=True, shuffle=False)
        pairs = [(data.to_uint8(x.numpy()), y.numpy()) for x, y in batches]
        return (np.concatenate(parts) for parts in zip(*pairs, strict=True))

    real, _ = read("train[:3000]")
    images, labels = read("test[:3000]")
    plain, found = judge(network, real, images, labels, (4, 8, 16, 32), (1, 2, 3), (8, 6, 4, 2))
    check_judgement(plain, found, {"noise": 30, "blur": 50, "modes": 15})
    right = (network(images).logits.argmax(axis=1) == labels).mean()
    assert abs(right - FACTS["test_accuracy"]["cifar10"]["accuracy"]) < 0.03


def test_scores_are_called_after_it(network, digits):
    images, _ = digits
    suite = metrics.MetricSuite(
        network, [metrics.FrechetDistance(network), metrics.InceptionScore(network, splits=1)]
    )
    suite.update_real(images[:200])
    suite.update_fake(images[200:400])
    scores = suite.result()
    assert set(scores) == {"fd_kgnet", "is_kgnet"}
    score = scores["fd_kgnet"]
    assert score.checksum == kgnet.SHA256 and score.resize == "bilinear_antialias"
    assert not score.warnings
    # Ten digits, told apart with some doubt, which label smoothing teaches.
    assert 3 < scores["is_kgnet"] < 24


# The file


def test_the_file_is_what_its_facts_say(network):
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == kgnet.SHA256 == FACTS["sha256"]
    assert network.checksum == FACTS["sha256"]
    assert network.model.count_params() == FACTS["parameters"]
    assert FILE.stat().st_size < 2_000_000
    assert {k: tuple(v) for k, v in FACTS["classes"].items()} == kgnet.CLASSES
    assert all(v.dtype == "float32" for v in network.model.weights)


def test_a_changed_file_is_refused_before_it_is_opened(tmp_path, monkeypatch):
    changed = bytearray(FILE.read_bytes())
    changed[len(changed) // 2] ^= 1
    path = tmp_path / "kgnet.npz"
    path.write_bytes(changed)
    monkeypatch.setattr(kgnet, "_path", lambda weights: path)
    monkeypatch.setattr(kgnet.np, "load", None)
    with pytest.raises(ValueError, match="SHA-256 .*damaged.*install keras_gans again") as error:
        metrics.kgnet()
    assert "\n" not in str(error.value)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="install keras_gans again"):
        metrics.kgnet()


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was read')",)


def test_other_files_are_refused_in_one_line(tmp_path):
    with np.load(FILE) as file:
        arrays = dict(file)
    path = tmp_path / "w.npz"

    def refused(match):
        with pytest.raises(ValueError, match=match) as error:
            metrics.kgnet(weights=path)
        assert "\n" not in str(error.value) and str(path) in str(error.value)

    with pytest.raises(FileNotFoundError, match="train_kgnet.py"):
        metrics.kgnet(weights=path)
    path.write_bytes(pickle.dumps(Bomb()))
    refused("is not what examples/train_kgnet.py writes")
    np.savez(path, bomb=np.array([Bomb()], dtype=object))
    refused("is not what examples/train_kgnet.py writes")
    np.save(path.open("wb"), np.zeros(3))
    refused("is not what examples/train_kgnet.py writes")
    np.savez(path, **{k: v for k, v in arrays.items() if k != "conv2.bias"})
    refused("misses 'conv2.bias'")
    np.savez(path, **arrays, more=np.zeros(1))
    refused("too much 'more'")
    np.savez(path, **{**arrays, "conv1.bias": np.zeros(3, "float32")})
    refused("'conv1.bias' is float32 \\(3,\\)")


# The script


@pytest.fixture(scope="module")
def script():
    return load_script(SCRIPT)


@slow_on("jax")
def test_folding_keeps_what_the_network_says(script, tmp_path):
    trained = script.trained_network()
    rng = np.random.default_rng(0)
    for layer in trained.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for v, (low, high) in (
                (layer.beta, (-1, 1)),
                (layer.moving_mean, (-1, 1)),
                (layer.moving_variance, (0.5, 2)),
            ):
                v.assign(rng.uniform(low, high, v.shape))
    path = tmp_path / "own.npz"
    np.savez(path, **script.folded(trained))
    own = metrics.kgnet(weights=path)
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    assert own.name == f"kgnet_{checksum[:8]}" and own.checksum == checksum
    x = pictures(4)
    expected = trained.predict(data.from_uint8(x), verbose=0)
    # float16 kernels.
    assert relative([own(x).logits], [expected]) < 2e-3


def test_batches_are_a_function_of_seed_epoch_and_batch(script):
    rng = np.random.default_rng(0)
    sets = {}
    for i, (name, n) in enumerate({"cifar10": 90, "emoji_styles": 21, "digits": 30}.items()):
        sets[name] = rng.integers(0, 256, (n, 32, 32, 3), dtype="uint8"), np.full(n, 10 * i)
    one, two = (script.Mixture(sets, 3, seed=0) for _ in range(2))
    passes = []
    for mixture in (one, two):
        seen = [mixture[i] for i in range(len(mixture))]
        mixture.on_epoch_end()
        passes.append([*seen, mixture[0]])
    for (x, y), (other_x, other_y) in zip(*passes, strict=True):
        np.testing.assert_array_equal(x, other_x)
        np.testing.assert_array_equal(y, other_y)
    assert abs(passes[0][0][0] - passes[0][3][0]).max() > 0.5
    for x, y in passes[0]:
        assert x.dtype == np.float32 and abs(x).max() <= 1 and y.shape == (100, 24)
        np.testing.assert_array_equal(np.bincount(y.argmax(1))[[0, 10, 20]], [80, 10, 10])
    # Digits and emoji come as they are, and all before any comes again.
    for name, place in (("emoji_styles", 80), ("digits", 90)):
        batches = np.concatenate([x[place : place + 10] for x, _ in passes[0][:3]])
        shown = [x.tobytes() for x in data.to_uint8(batches)]
        known = {x.tobytes() for x in sets[name][0]}
        assert set(shown) == known and len(set(shown[: len(known)])) == len(known)


@slow_on("jax")
def test_the_script_writes_a_network_and_its_facts(script, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    sets, start = {}, 0
    for name, classes in kgnet.CLASSES.items():
        labels = start + np.arange(8) % len(classes)
        sets[name] = rng.integers(0, 256, (8, 32, 32, 3), dtype="uint8"), labels
        start += len(classes)
    monkeypatch.setattr(script, "read", lambda split, data_dir: sets)
    monkeypatch.setattr(script, "SHARES", {"cifar10": 2, "emoji_styles": 1, "digits": 1})
    path = script.main(["--out_dir", str(tmp_path / "new"), "--epochs", "1", "--steps", "2"])
    own = metrics.kgnet(weights=path)
    facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert set(facts) == set(FACTS)
    assert facts["sha256"] == own.checksum and facts["steps"] == 2
    assert facts["images_seen"] == {"cifar10": 4, "emoji_styles": 2, "digits": 2}
    assert np.isfinite(own(pictures(2)).features).all()
