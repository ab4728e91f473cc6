"""Metrics against torch-fidelity, scikit-image, TensorFlow and closed forms in float64."""

import functools
import importlib.util
import json
import pickle
import sys

import keras
import numpy as np
import pytest
from conftest import images, relative
from keras import ops

import keras_gans
from keras_gans import metrics, registry
from keras_gans.losses import similarity
from keras_gans.metrics import sources
from keras_gans.metrics.base import Sums
from keras_gans.metrics.kgnet import class_numbers

BACKEND = keras.backend.backend()
# NumPy alone, whatever the backend: once is enough.
once = pytest.mark.skipif(BACKEND != "torch", reason="NumPy only: runs with the torch backend")


@pytest.fixture(scope="module")
def fidelity():
    """torch-fidelity, whose torchvision need not fit the torch that is installed."""
    torch = pytest.importorskip("torch")
    if importlib.util.find_spec("torch_fidelity") is None:
        pytest.skip("torch-fidelity is not installed")
    library = None
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc

    class Fidelity:
        def fid(self, real, fake):
            a, b = (metric_fid.fid_features_to_statistics(torch.tensor(x)) for x in (fake, real))
            return metric_fid.fid_statistics_to_metric(a, b, False)["frechet_inception_distance"]

        def kid(self, real, fake, **kwargs):
            out = metric_kid.kid_features_to_metric(
                torch.tensor(fake), torch.tensor(real), verbose=False, **kwargs
            )
            return out["kernel_inception_distance_mean"], out["kernel_inception_distance_std"]

        def isc(self, logits, **kwargs):
            out = metric_isc.isc_features_to_metric(torch.tensor(logits), **kwargs)
            return out["inception_score_mean"], out["inception_score_std"]

        def prc(self, real, fake, **kwargs):
            out = metric_prc.prc_features_to_metric(
                torch.tensor(fake), torch.tensor(real), verbose=False, **kwargs
            )
            return out["precision"], out["recall"]

    yield Fidelity()
    del library  # the operators live as long as it does


def features(count, dimension=24, seed=0, shift=0.0, dtype="float32"):
    """Correlated, skewed, non-negative features, as pooled activations are."""
    random = np.random.default_rng(seed)
    mix = np.random.default_rng(99).standard_normal((dimension, dimension)) / np.sqrt(dimension)
    x = np.maximum(random.standard_normal((count, dimension)) @ mix + 0.3 + shift, 0)
    return x.astype(dtype)


def frechet_of_roots(a, b):
    """Frechet distance of rows by the textbook's matrix square root, in float64."""
    from scipy.linalg import sqrtm

    a, b = a.astype("float64"), b.astype("float64")
    c1, c2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(c1 @ c2)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c1 + c2 - 2 * np.real(root))


def in_batches(metric, real=None, fake=None, sizes=(1, 7, 64)):
    for x, update in ((real, metric.update_real), (fake, metric.update_fake)):
        start, i = 0, 0
        while x is not None and start < len(x):
            update(x[start : start + sizes[i % len(sizes)]])
            start, i = start + sizes[i % len(sizes)], i + 1
    return metric


# --- The same on every backend ------------------------------------------------------------------


def test_same_features_same_scores_on_every_backend():
    """Tensors of the backend in, scores of an independent float64 computation out: to 1e-6."""
    real, fake = features(300, 12), features(200, 12, seed=1, shift=0.1)
    suite = metrics.MetricSuite(
        None,
        [
            metrics.FrechetDistance(),
            metrics.KernelDistance(subsets=3, subset_size=50),
            metrics.PRDC(),
            metrics.InceptionScore(shuffle=False),
        ],
    )
    for x in np.array_split(real, 3):
        suite.update_real(ops.convert_to_tensor(x))
    for x in np.array_split(fake, 3):
        suite.update_fake(ops.convert_to_tensor(x))
    scores = suite.result()
    np.testing.assert_allclose(scores["fd"], frechet_of_roots(real, fake), rtol=1e-6)

    kids, random = [], np.random.RandomState(2020)
    for _ in range(3):
        y, x = (z[random.choice(len(z), 50, False)].astype("float64") for z in (fake, real))
        xx, yy, xy = ((a @ b.T / 12 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
        off = ~np.eye(50, dtype=bool)
        kids.append(xx[off].mean() + yy[off].mean() - 2 * xy.mean())
    np.testing.assert_allclose(scores["kd"], np.mean(kids), rtol=1e-6)
    np.testing.assert_allclose(scores["kd"].details["std"], np.std(kids), rtol=1e-6)

    x = fake.astype("float64")
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    chunks = [p[i::10] for i in range(10)]
    each = [np.exp((c * np.log(c / c.mean(axis=0))).sum(axis=1).mean()) for c in chunks]
    np.testing.assert_allclose(scores["is"], np.mean(each), rtol=1e-6)

    for name, value in brute_prdc(real, fake).items():
        np.testing.assert_allclose(scores[name], value, rtol=1e-12, err_msg=name)


def brute_prdc(real, fake, k=3, k_density=5):
    def distances(a, b):
        return np.linalg.norm(a[:, None].astype("float64") - b[None].astype("float64"), axis=2)

    def radii(x, k):
        return np.sort(distances(x, x), axis=1)[:, k]

    d = distances(real, fake)
    near = d <= radii(real, k_density)[:, None]
    return {
        "precision": (d <= radii(real, k)[:, None]).any(axis=0).mean(),
        "recall": (d <= radii(fake, k)).any(axis=1).mean(),
        "density": near.sum() / (k_density * len(fake)),
        "coverage": near.any(axis=1).mean(),
    }


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    x = keras.Input((16, 16, 3))
    y = keras.layers.Conv2D(6, 3, strides=2, activation="relu")(x)
    y = keras.layers.BatchNormalization()(keras.layers.GlobalAveragePooling2D()(y))
    return metrics.FeatureNetwork(
        keras.Model(x, (y, keras.layers.Dense(4)(y))), "tiny", quantize=True, batch_size=8
    )


def test_network_pads_the_last_batch_and_gives_what_the_model_gives(network):
    x = images(21, channels=3)
    found = network(x)
    model = network.model
    quantized = np.rint((x + 1) * 127.5).astype("uint8")
    expected = model(quantized.astype("float32") / 127.5 - 1, training=False)
    for a, b in zip(found[:2], expected, strict=True):
        np.testing.assert_allclose(a, ops.convert_to_numpy(b), rtol=1e-4, atol=1e-5)
    assert network(x[:3]).features.shape == (3, 6)
    assert network._width == 8  # one compiled size
    # uint8 images, and floats of the same levels
    np.testing.assert_array_equal(network(quantized).features, found.features)


def test_scores_say_how_they_were_measured(network, tmp_path):
    real, fake = images(30, channels=3), images(20, channels=3, seed=1)
    fd = metrics.FrechetDistance(network, split="noise/test")
    score = in_batches(fd, real, fake, (8, 5)).result()
    assert score.name == fd.name == "fd_tiny"
    assert (score.n_real, score.n_fake, score.split) == (30, 20, "noise/test")
    assert score.network == "tiny" and len(score.checksum) == 64 and not score.warnings
    np.testing.assert_allclose(
        score, frechet_of_roots(network(real).features, network(fake).features), rtol=1e-5
    )
    assert json.loads(json.dumps(score.as_dict()))["value"] == score.value
    assert pickle.loads(pickle.dumps(score)).as_dict() == score.as_dict()
    assert "30 real (noise/test)" in repr(score)

    # A reference on disk gives the same score, and another network's is refused.
    fd.statistics("real").save(tmp_path / "real.npz")
    cached = metrics.FrechetDistance(network, reference=tmp_path / "real.npz")
    again = in_batches(cached, fake=fake).result()
    np.testing.assert_allclose(again, score, rtol=1e-9)
    assert (again.n_real, again.split) == (30, "noise/test")
    with pytest.raises(ValueError, match="compute it again"):
        metrics.FrechetDistance(reference=tmp_path / "real.npz")


def test_checksum_is_of_the_weights(network):
    def build(seed):
        layer = keras.layers.Dense(2, kernel_initializer="zeros", bias_initializer="ones")
        model = keras.Sequential([keras.Input((3,)), layer])
        if seed:
            layer.kernel.assign(np.eye(3, 2))
        return metrics.FeatureNetwork(model, "n")

    assert build(0).checksum == build(0).checksum != build(1).checksum
    # Fixed once by hand: sha256("<f4(3, 2)" + 24 zero bytes + "<f4(2,)" + two ones).
    import hashlib

    zeros, ones = np.zeros((3, 2), "<f4").tobytes(), np.ones(2, "<f4").tobytes()
    assert build(0).checksum == hashlib.sha256(b"<f4(3, 2)" + zeros + b"<f4(2,)" + ones).hexdigest()


def test_callables_ranges_and_resizing():
    def mean_and_spread(x):
        return ops.stack([ops.mean(x, axis=(1, 2, 3)), ops.max(x, axis=(1, 2, 3))], axis=1)

    network = metrics.FeatureNetwork(
        mean_and_spread, "m", input_range=(0, 255), size=4, resize="nearest", channels=3
    )
    white = np.ones((3, 8, 8, 1), "float32")
    out = network(white)
    np.testing.assert_allclose(out.features, 255)
    assert network.checksum is None and out.lowest == 1.0
    np.testing.assert_allclose(network(np.full((2, 8, 8, 1), 51, "uint8")).features, 51)
    with pytest.raises(ValueError, match="run from -1 to 255"):
        network(np.array([-1.0, 255.0]).reshape(1, 2, 1, 1))
    with pytest.raises(ValueError, match="NaN"):
        network(white * np.nan)
    with pytest.raises(ValueError, match="needs logits"):
        metrics.InceptionScore(network).update_fake(white)
    score = in_batches(metrics.FrechetDistance(network), white, white).result()
    assert score == 0 and any("[0, 1]" in w for w in score.warnings)


def test_metrics_refuse_symbolic_tensors():
    if BACKEND == "torch":
        pytest.skip("torch compiles nothing")
    metric = metrics.FrechetDistance()
    if BACKEND == "jax":
        import jax

        compiled = jax.jit(metric.update_fake)
    else:
        import tensorflow as tf

        compiled = tf.function(metric.update_fake, autograph=False)
    with pytest.raises(ValueError, match="outside compiled steps"):
        compiled(np.zeros((2, 2), "float32"))


def test_classification_accuracy_by_a_judge(network):
    x, labels = images(12, channels=3), np.arange(12) % 4
    logits = network(x).logits
    accuracy = metrics.ClassificationAccuracy(network)
    accuracy.update_state(labels[:5], x[:5])
    accuracy.update_state(keras.utils.to_categorical(labels[5:], 4), x[5:])
    assert accuracy.result() == np.mean(logits.argmax(axis=1) == labels)
    assert accuracy.result().name == "accuracy_tiny"
    constant = metrics.ClassificationAccuracy()
    constant.update_state([0, 1], np.zeros((2, 2)))
    assert constant.result() == 0
    with pytest.raises(ValueError, match="classes 0 to 3"):
        accuracy.update_state([4], x[:1])


# --- Diversity, novelty and measurements ---------------------------------------------------------


def pair_distance(x):
    """Mean distance of two different rows, pair by pair, in float64."""
    x = x.astype("float64")
    found = [np.linalg.norm(a - b) for i, a in enumerate(x) for b in x[:i]]
    return np.mean(found)


def test_diversity_and_novelty_equal_numpy():
    real, fake, held_out = (features(n, 12, seed=i) for i, n in enumerate((60, 40, 30)))
    of_real, of_fake = np.arange(60) % 3, np.arange(40) % 3
    fake[of_fake == 1] *= 0.1
    diversity, novelty = metrics.Diversity(), metrics.Novelty()
    for part in np.array_split(np.arange(60), 4):
        diversity.update_real(ops.convert_to_tensor(real[part]), of_real[part])
        novelty.update_real(ops.convert_to_tensor(real[part]))
    for part in np.array_split(np.arange(40), 3):
        diversity.update_fake(ops.convert_to_tensor(fake[part]), of_fake[part])
        novelty.update_fake(ops.convert_to_tensor(fake[part]))
    novelty.update_held_out(held_out)
    ratios = [
        pair_distance(fake[of_fake == c]) / pair_distance(real[of_real == c]) for c in range(3)
    ]
    found = diversity.result()
    np.testing.assert_allclose(found, np.mean(ratios), rtol=1e-6)
    np.testing.assert_allclose(list(found.details["classes"].values()), ratios, rtol=1e-6)
    assert ratios[1] < 0.2 < ratios[0] and found.details["within"] == "a class"

    def nearest(x):
        x, y = x.astype("float64"), real.astype("float64")
        return np.linalg.norm(x[:, None] - y[None], axis=2).min(axis=1).mean()

    np.testing.assert_allclose(novelty.result(), nearest(fake) / nearest(held_out), rtol=1e-6)
    # Other generated images, the same real ones; without labels all images are one class.
    for metric in (diversity, novelty):
        metric.reset_fake()
        metric.update_fake(real[:30])
    np.testing.assert_allclose(novelty.result(), 0, atol=1e-6)
    expected = pair_distance(real[:30]) / pair_distance(real)
    np.testing.assert_allclose(diversity.result(), expected, rtol=1e-6)
    assert "of a class" not in diversity.result().protocol
    diversity.update_fake(real[:1], [7])
    assert diversity.result().details["within"] == "all images"
    with pytest.raises(ValueError, match="all among the real"):
        novelty.reset_state()
        novelty.update_real(real)
        novelty.update_fake(fake)
        novelty.update_held_out(real[:5])
        novelty.result()


@once
def test_held_out_images_among_the_real_ones_are_refused():
    """Rounding leaves them a little above 0; images that differ little from real ones are new."""
    real = np.random.default_rng(0).standard_normal((500, 128)).astype("float32")
    held_out = real[:100]
    assert 0 < metrics.neighbors.nearest_distances(held_out, real).mean() < 1e-6
    metric = in_batches(metrics.Novelty(), real, real[:50] + 1)
    metric.update_held_out(held_out)
    for _ in range(2):  # nothing is kept of the first try
        with pytest.raises(ValueError, match="all among the real"):
            metric.result()
    metric.reset_side("held_out")
    metric.update_held_out(held_out + np.float32(0.01))
    np.testing.assert_allclose(metric.result(), 100, rtol=1e-3)


@once
def test_diversity_names_each_class_that_it_leaves_out():
    """1 has one image a side, 2, 3, 5 and 6 lack them on one; 4 is the same real image thrice."""
    real, fake = features(11, 12), features(11, 12, seed=1)
    real[7:10] = np.float32(0.1)
    of_real, of_fake = [0, 0, 0, 1, 2, 3, 3, 4, 4, 4, 5], [0, 0, 0, 1, 2, 2, 3, 4, 4, 4, 6]
    metric = metrics.Diversity()
    metric.update_real(real, of_real)
    metric.update_fake(fake, of_fake)
    score = metric.result()
    np.testing.assert_allclose(score, pair_distance(fake[:3]) / pair_distance(real[:3]), rtol=1e-6)
    assert list(score.warnings) == [
        "classes without 2 images on each side are left out: [1, 2, 3, 5, 6]",
        "classes whose real images are all equal are left out: [4]",
    ]


@once
def test_nrds_of_uint8_images_beside_floats():
    """Two equal models share equally, whatever form the images of either are in."""
    real, fake = ((images(20, 8, 1, seed=i) + 1) * 127.5 for i in range(2))
    real, fake = real.astype("uint8"), fake.astype("uint8")
    floats = fake / np.float32(127.5) - np.float32(1)
    found = [
        metrics.nrds(real, {"a": a, "b": b}, epochs=3).curves
        for a, b in ((fake, fake), (fake, floats))
    ]
    for name in ("a", "b"):
        np.testing.assert_allclose(found[1][name], found[0]["a"], rtol=1e-4)


@once
def test_references_are_cached_by_what_preprocess_is(tmp_path):
    """Two functions of one name have a file each, and those without a name of their own none."""
    from keras.applications import resnet, xception

    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    real = images(12, 8, 3)

    def mean(preprocess):
        network = metrics.FeatureNetwork(model, "flat", (0, 255), preprocess=preprocess)
        fd = metrics.FrechetDistance(network)
        from_cache = metrics.reference.fill([fd], network, real, cache_dir=tmp_path)
        return fd.statistics("real").mean.reshape(8, 8, 3), bool(from_cache)

    levels = (real + 1).mean(axis=0, dtype="float64") * 127.5
    for cached in (False, True):
        for application in (resnet, xception):
            expected = levels / 127.5 - 1
            if application is resnet:  # blue first, less the mean color
                expected = levels[..., ::-1] - [103.939, 116.779, 123.68]
            found, from_cache = mean(application.preprocess_input)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
            assert from_cache is cached
    assert len(list(tmp_path.iterdir())) == 2

    def local(x):
        return x / 2

    scale = functools.partial(ops.multiply, 3.0)
    for preprocess, factor in (
        (lambda x: 5 * x, 5),
        (lambda x: 7 * x, 7),
        (local, 0.5),
        (scale, 3),
    ):
        found, from_cache = mean(preprocess)
        np.testing.assert_allclose(found, factor * levels, rtol=1e-4)
        assert not from_cache
    assert len(list(tmp_path.iterdir())) == 2


@pytest.fixture(scope="module")
def digits():
    data, labels = keras_gans.data.load_arrays("digits", image_size=32, dtype="uint8")
    return data[:300], labels[:300], data[300:400]


MEASURED = ("fd", "kd", "is", "prdc", "intra_fd", "novelty", "diversity", "accuracy", "l1")


def measurement(digits, **kwargs):
    data, labels, held_out = digits
    given = {"metrics": MEASURED, "samples": 90, "cache_dir": False, "held_out": held_out}
    classes = class_numbers("digits", [str(n) for n in range(10)])
    return metrics.Measurement((data, labels), **{**given, "classes": classes, **kwargs})


def test_halves_of_a_measurement_merge_to_the_whole(digits):
    data, labels, held_out = digits
    source = sources.Pictures(data[5:95], labels=labels[5:95], targets=data[:90])
    whole = measurement(digits).of(source)
    first, second = measurement(digits), measurement(digits, batch_size=7)
    first.take(source, stop=33)
    second.take(source, start=33)
    first.merge(second)
    merged = first.result()
    assert list(merged) == list(whole) and len(whole) == len(MEASURED) + 3
    for alias, score in whole.items():
        np.testing.assert_allclose(merged[alias], score, rtol=1e-5, atol=1e-7, err_msg=alias)
        assert merged[alias].n_fake == 90 and merged[alias].protocol == score.protocol
    difference = np.abs(data[5:95].astype("float64") - data[:90]).mean() / 127.5
    np.testing.assert_allclose(whole["l1"], difference, rtol=1e-9)
    assert list(first.result(only=("recall", "fd"))) == ["fd", "recall"]


def test_diversity_sees_one_picture_a_class_where_accuracy_does_not(digits):
    data, labels, _ = digits
    asked = np.arange(100) % 10
    varied = np.array([np.flatnonzero(labels == c)[i // 10] for i, c in enumerate(asked)])
    judge = metrics.kgnet()
    right = judge(data).logits.argmax(axis=1) - 14 == labels
    one = np.array([np.flatnonzero(right & (labels == c))[0] for c in range(10)])
    of = measurement(digits, metrics=("fd", "accuracy", "diversity"))
    good = of.of(sources.Pictures(data, varied, labels=asked))
    collapsed = of.of(sources.Pictures(data, one[asked], labels=asked))
    assert collapsed["accuracy"] == 1 >= good["accuracy"]
    assert 0.8 < good["diversity"] < 1.2 and collapsed["diversity"] < 1e-3


def test_a_metric_says_what_it_misses(digits):
    data, labels, held_out = digits
    plain = sources.Pictures(data[:20])
    with pytest.raises(ValueError, match="accuracy_kgnet needs labels"):
        measurement(digits, metrics="accuracy").of(plain)
    with pytest.raises(ValueError, match="l1 needs targets"):
        measurement(digits, metrics="l1").of(plain)
    with pytest.raises(ValueError, match="held_out is None; novelty_kgnet"):
        measurement(digits, metrics="novelty", held_out=None)
    with pytest.raises(ValueError, match="real images have no labels"):
        metrics.Measurement(data, "intra_fd", cache_dir=False).prepare()
    with pytest.raises(ValueError, match="pictures has no latents"):
        measurement(digits).of(plain, truncation=0.5)
    with pytest.raises(ValueError, match="give no 'kd'"):
        measurement(digits, metrics="fd").of(plain, only=("kd",))


def test_a_metric_of_ones_own_is_declared_once(digits):
    @registry.metric("brightness", lower_is_better=False, says="mean value", real=False)
    class Brightness(metrics.GenerativeMetric):
        """Mean value of the generated images."""

        kind = "brightness"

        def __init__(self, network=None, split=None, name=None):
            super().__init__(network, split, name)
            self.parts = {"fake": Sums()}

        def see(self, side, batch, outputs):
            values = batch.images.mean(axis=(1, 2, 3), dtype="float64")
            self.parts["fake"].add(len(values), total=values.sum())

        def result(self):
            sums = self.parts["fake"]
            return self.score(sums.arrays["total"] / sums.count)

    try:
        of = measurement(digits, metrics=("brightness", "fd"))
        score = of.of(sources.Pictures(digits[0][:50]))["brightness"]
        np.testing.assert_allclose(score, digits[0][:50].mean(), rtol=1e-9)
        assert not of.lower_is_better("brightness") and of.lower_is_better("fd")
        assert score.protocol == "Mean value of the generated images, through kgnet"
    finally:
        del registry._declared["metric"]["brightness"]


# --- Against torch-fidelity ---------------------------------------------------------------------


@once
@pytest.mark.parametrize("count", [500, 20])
def test_frechet_distance_agrees_with_torch_fidelity(fidelity, count):
    """20 images of 24 features: both covariances are singular."""
    real, fake = features(count), features(count, seed=1, shift=0.2)
    metric = in_batches(metrics.FrechetDistance(), real, fake)
    rtol = 1e-5 if count > 24 else 1e-3
    np.testing.assert_allclose(metric.result(), fidelity.fid(real, fake), rtol=rtol)
    assert bool(metric.result().warnings) == (count <= 24)


@once
def test_kernel_distance_agrees_with_torch_fidelity(fidelity):
    real, fake = features(400), features(300, seed=1, shift=0.1)
    metric = metrics.KernelDistance(subsets=10, subset_size=100)
    score = in_batches(metric, real, fake).result()
    mean, std = fidelity.kid(real, fake, kid_subsets=10, kid_subset_size=100)
    np.testing.assert_allclose([score, score.details["std"]], [mean, std], rtol=1e-4)
    whole = (np.arange(400), np.arange(300))
    assert metrics.kernel_distance(real, fake, indices=[whole])[1] == 0


@once
@pytest.mark.parametrize("degree, coef, gamma", [(3, 1.0, None), (2, 0.5, 0.3), (4, 0.0, 0.1)])
def test_kernel_distance_is_its_definition(degree, coef, gamma):
    real, fake = features(130, 5), features(70, 5, seed=1, shift=0.2)
    x, y = real.astype("float64"), fake.astype("float64")
    scale = 1 / 5 if gamma is None else gamma
    xx, yy, xy = ((scale * a @ b.T + coef) ** degree for a, b in ((x, x), (y, y), (x, y)))
    expected = (xx.sum() - xx.trace()) / (130 * 129) + (yy.sum() - yy.trace()) / (70 * 69)
    expected -= 2 * xy.mean()
    whole = (np.arange(130)[::-1], np.arange(70))
    found, _ = metrics.kernel_distance(
        real, fake, degree=degree, coef=coef, gamma=gamma, indices=[whole]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@once
def test_inception_score_agrees_with_torch_fidelity(fidelity):
    logits = 4 * features(507, 11, seed=2)
    expected = fidelity.isc(logits, splits=10)
    np.testing.assert_allclose(metrics.inception_score(logits), expected, rtol=1e-6)
    metric = in_batches(metrics.InceptionScore(num_images=507), fake=logits)
    score = metric.result()
    np.testing.assert_allclose([score, score.details["std"]], expected, rtol=1e-6)
    for order in (np.arange(507), np.argsort(logits.argmax(1), kind="stable")):
        metric = in_batches(metrics.InceptionScore(seed=7), fake=logits[order])
        score = metric.result()  # other splits, of the same images
        np.testing.assert_allclose(score, expected[0], rtol=0.05)
        assert score.details["assignment"] == "dealt, seed 7"
    straight = metrics.inception_score(logits, shuffle=False)
    np.testing.assert_allclose(straight, fidelity.isc(logits, shuffle=False), rtol=1e-6)


@once
@pytest.mark.parametrize("by_batch", [False, True])
def test_precision_and_recall_agree_with_torch_fidelity(fidelity, by_batch):
    real, fake = features(310), features(257, seed=1, shift=0.15)
    expected = fidelity.prc(real, fake, save_cpu_ram=by_batch, prc_batch_size=100)
    assert 0.05 < min(expected) and max(expected) < 0.999
    found = metrics.prdc(real, fake, block=64)
    np.testing.assert_allclose([found["precision"], found["recall"]], expected, rtol=1e-6)
    assert found == metrics.prdc(real, fake, block=10_000)


# --- Statistics ---------------------------------------------------------------------------------


@once
@pytest.mark.parametrize("count", [2, 20, 25, 3000])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_statistics_are_right_in_one_pass(count, offset):
    x = features(count, dtype="float64") + offset
    s = metrics.Statistics()
    for part in np.array_split(x, [1, 1, 9, 700]):
        s.update(part)
    assert s.count == count and s.dimension == 24
    # An offset of 1e6 leaves about 1e-10 of the values, and sums of raw squares would leave none.
    np.testing.assert_allclose(s.mean, x.mean(axis=0), rtol=1e-12)
    centered = x - offset
    np.testing.assert_allclose(s.covariance, np.cov(centered, rowvar=False), rtol=1e-6, atol=1e-9)
    mean, factor = s.factor()
    np.testing.assert_allclose(factor.T @ factor, s.covariance, rtol=1e-6, atol=1e-9)
    assert len(factor) <= max(24, count)


@once
def test_statistics_merge_and_save(tmp_path):
    x = features(2500)
    whole = metrics.Statistics()
    whole.update(x)
    for cuts in ([3, 8], [5, 2000], [0, 1200], [2500, 2500]):
        merged = metrics.Statistics()
        for part in np.array_split(x, cuts):
            s = metrics.Statistics({"split": "test"})
            s.update(part)
            s.save(tmp_path / "s.npz")
            loaded = metrics.Statistics.load(tmp_path / "s.npz")
            assert loaded.meta == {"split": "test"} and loaded.count == len(part)
            merged.merge(loaded)
        assert merged.count == 2500
        assert relative([merged.mean, merged.covariance], [whole.mean, whole.covariance]) < 1e-13
    assert [p.name for p in tmp_path.iterdir()] == ["s.npz"]
    moments = metrics.Statistics.from_moments(whole.mean, whole.covariance, whole.count)
    assert relative([moments.covariance], [whole.covariance]) < 1e-14
    np.savez(tmp_path / "bad.npz", x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="not a file of statistics"):
        metrics.Statistics.load(tmp_path / "bad.npz")


@once
def test_a_state_stays_while_more_rows_come():
    x = features(2500)
    s = metrics.Statistics()
    s.update(x[:500])
    state = s.state()
    s.update(x[500:])
    assert s.state()["count"] == 2500 and state["count"] == 500
    scatter = 499 * np.cov(x[:500].astype("float64"), rowvar=False)
    np.testing.assert_allclose(state["scatter"], scatter, rtol=1e-6, atol=1e-9)


@once
@pytest.mark.parametrize(
    "make",
    [
        metrics.FrechetDistance,
        lambda: metrics.KernelDistance(subsets=2, subset_size=30),
        metrics.PRDC,
        lambda: metrics.InceptionScore(num_images=90),
    ],
)
def test_replicas_merge_and_states_save(make, tmp_path):
    real, fake = features(100), features(90, seed=1)
    whole = make()
    with_real = "real" in whole.sides
    in_batches(whole, real if with_real else None, fake)
    first, second = make(), make()
    in_batches(first, real[:40] if with_real else None, fake[:30])
    second.next = 30  # the Inception score's place among all images
    in_batches(second, real[40:] if with_real else None, fake[30:])
    second.save(tmp_path / "state.npz")
    first.load(tmp_path / "state.npz")
    for found, expected in zip(
        *(
            np.atleast_1d(list(r.values()) if isinstance(r, dict) else r)
            for r in (first.result(), whole.result())
        ),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert first.count("fake") == 90
    first.reset_fake()
    assert first.count("fake") == 0 and first.count("real") == (100 if with_real else 0)
    with pytest.raises(ValueError, match="do not belong together"):
        first.merge(metrics.FrechetDistance(split="another"))
    clone = type(whole).from_config(whole.get_config())
    assert clone.get_config() == whole.get_config() and clone.count("fake") == 0


# --- Edges --------------------------------------------------------------------------------------


@once
def test_frechet_distance_in_closed_form_and_singular():
    f = metrics.frechet_distance
    a, b = np.array([1.0, 4.0, 0.0]), np.array([9.0, 0.0, 0.0])
    expected = 2.0 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    found = f(np.zeros(3), np.diag(a), [1.0, 1.0, 0.0], np.diag(b))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    zero = np.zeros((3, 3))
    assert f(np.zeros(3), zero, np.ones(3), zero) == 3
    # Rank 2 of 40, in a random basis, scaled by k: tr(C) (1 - sqrt(k))^2.
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((40, 40)))[0][:, :2]
    c = basis @ np.diag([2.0, 1e3]) @ basis.T
    np.testing.assert_allclose(f(np.zeros(40), c, np.zeros(40), 4 * c), 1002, rtol=1e-6)
    # Above the size that takes singular values themselves.
    x = np.random.default_rng(0).standard_normal((1300, 600))
    c = np.cov(x, rowvar=False)
    found = f(np.zeros(600), c, np.zeros(600), 2.25 * c)
    np.testing.assert_allclose(found, 0.25 * np.trace(c), rtol=1e-9)
    assert f(np.zeros(600), c, np.zeros(600), c) < 1e-6 * np.trace(c)


@once
def test_one_image_and_constant_images():
    one, constant = np.ones((1, 4)), np.full((9, 4), 0.1, "float32")
    fd = in_batches(metrics.FrechetDistance(), constant, one)
    with pytest.raises(ValueError, match="1 generated images; 2 or more"):
        fd.result()
    with pytest.raises(ValueError, match="0 real images"):
        metrics.KernelDistance().result()
    with pytest.raises(ValueError, match="6 or more"):
        in_batches(metrics.PRDC(), constant, one).result()
    for metric in (metrics.FrechetDistance(), metrics.KernelDistance()):
        score = in_batches(metric, constant, constant).result()
        assert abs(score) < 1e-12
    assert "9 images, not 1000" in score.warnings[0] and score.details["subset_size"] == 9
    moved = in_batches(metrics.FrechetDistance(), constant, constant + 1).result()
    np.testing.assert_allclose(moved, 4, rtol=1e-6)
    assert metrics.prdc(constant, constant) == {
        "precision": 1,
        "recall": 1,
        "density": 9 / 5,
        "coverage": 1,
    }
    assert set(metrics.prdc(constant, constant + 1).values()) == {0}
    single = in_batches(metrics.InceptionScore(), fake=np.array([[3.0, -1.0]])).result()
    assert single == 1 and "1 images fill only 1 of 10 splits" in single.warnings


@once
def test_inception_score_at_its_ends():
    sure = 200 * np.eye(7)[np.arange(700) % 7]
    mean, std = metrics.inception_score(sure, splits=10)
    # Ten parts of 70 shuffled images: nearly all 7 classes in each.
    assert 6.5 < mean <= 7 and std < 0.3
    np.testing.assert_allclose(metrics.inception_score(sure, splits=1), (7, 0), rtol=1e-12)
    np.testing.assert_allclose(metrics.inception_score(np.zeros((50, 7))), (1, 0), atol=1e-12)
    with pytest.raises(ValueError, match="probabilities"):
        metrics.inception_score(np.full((5, 4), 0.25))
    metric = metrics.InceptionScore(num_images=3)
    with pytest.raises(ValueError, match="more than the num_images=3"):
        metric.update_fake(np.zeros((4, 2)))


@once
@pytest.mark.parametrize("classes", [10, 5, 20])
@pytest.mark.parametrize("run", [1, 10, 100])
def test_inception_score_of_classes_in_any_order(classes, run):
    """In turn, ten of each, a hundred of each: the score is that of all images at once."""
    labels = np.arange(2000) // run % classes
    noise = 0.1 * np.random.default_rng(0).normal(size=(2000, classes))
    logits = 8 * np.eye(classes)[labels] + noise
    whole, _ = metrics.inception_score(logits, splits=1)
    metric = in_batches(metrics.InceptionScore(), fake=logits)
    assert abs(metric.result() / whole - 1) < 0.05 and 0.9 * classes < whole
    # No matter how the batches are cut, and who takes which of them.
    again, first, second = (metrics.InceptionScore(start=n) for n in (0, 0, 777))
    again.update_fake(logits)
    first.update_fake(logits[:777])
    second.update_fake(logits[777:])
    first.merge(second)
    np.testing.assert_allclose([again.result(), first.result()], metric.result(), rtol=1e-12)
    even = metric.parts["fake"].arrays["images"]
    np.testing.assert_array_equal(even, np.full(10, 200))
    if run == 1 and classes != 20:
        plain = in_batches(metrics.InceptionScore(shuffle=False), fake=logits).result()
        assert plain < 1.3 and plain.details["assignment"] == "in turn"  # two classes in a split


@once
def test_suites_of_replicas_keep_the_place_of_their_images():
    logits = 4 * features(1000, 11, seed=2)
    suites = [
        metrics.MetricSuite(None, [metrics.InceptionScore(num_images=1000, start=n)])
        for n in (0, 500)
    ]
    for suite, part in zip(suites, np.split(logits, 2), strict=True):
        for x in np.array_split(part, 3):
            suite.update_fake(x)
    suites[0].merge(suites[1])
    score = suites[0].result()["is"]
    expected = metrics.inception_score(logits)
    np.testing.assert_allclose([score, score.details["std"]], expected, rtol=1e-9)


@once
def test_bad_features_are_refused():
    fd = metrics.FrechetDistance()
    for x, match in (
        (np.full((2, 3), np.nan), "6 NaN"),
        (np.zeros((2, 3, 3, 1)), "only where there is a feature network"),
        (np.array([["a"]]), "numbers"),
    ):
        with pytest.raises(ValueError, match=match):
            fd.update_real(x)
    fd.update_real(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="4 dimensions, 3 before"):
        fd.update_real(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="subset_size is 5"):
        metrics.kernel_distance(np.zeros((4, 2)), np.zeros((9, 2)), subset_size=5)
    with pytest.raises(ValueError, match="from 0 to 3 are wanted"):
        metrics.kernel_distance(np.zeros((4, 2)), np.zeros((9, 2)), indices=[([0, 4], [0, 1])])
    with pytest.raises(ValueError, match="NaN"):
        metrics.Score(np.nan, "fd")


@once
def test_one_image_is_not_taken_for_many(network):
    """(H, W, C) is no batch of H gray images, wherever images come in; (N, H, W) is one."""
    color, fd = images(1, 16, 3)[0], metrics.FrechetDistance(network)
    gray = images(3, 16, 1)[..., 0]
    for takes in (
        fd.update_real,
        fd.update_fake,
        lambda x: fd.update_state(real=x),
        metrics.L1().look,
        keras_gans.data.ArrayDataset,
        keras_gans.data.image_grid,
        keras_gans.data.outlines,
    ):
        for one in (color, color[..., :1], np.concatenate([color, color[..., :1]], axis=-1)):
            with pytest.raises(ValueError, match=r"looks like one image .*give images\[None\]"):
                takes(one)
    assert fd.count("real") == fd.count("fake") == 0
    assert metrics.L1().look(gray).features.shape == (3, 16, 16, 1)
    assert keras_gans.data.image_grid(gray).shape[-1] == 3


@once
def test_bad_arguments_are_refused():
    def two_widths():
        in_batches(metrics.FrechetDistance(), np.eye(4), np.eye(5)).result()

    ones, eye = np.ones(2), np.eye(2)
    for build, match in (
        (lambda: metrics.FrechetDistance("kgnet"), "network is 'kgnet'; a FeatureNetwork"),
        (lambda: metrics.InceptionScore(splits=0), "splits is 0"),
        (lambda: metrics.InceptionScore(num_images=-1), "num_images is -1"),
        (lambda: metrics.InceptionScore(seed=-1), "seed is -1"),
        (lambda: metrics.inception_score(np.zeros((0, 3))), "no logits"),
        (lambda: metrics.inception_score(np.zeros((5, 3)), splits=0), "splits is 0"),
        (lambda: metrics.KernelDistance(subsets=0), "subsets is 0"),
        (
            lambda: metrics.KernelDistance(subset_size=1),
            "subset_size is 1; expected an integer of 2",
        ),
        (lambda: metrics.kernel_distance(np.eye(4), np.eye(4), 0, 3), "subsets is 0"),
        (lambda: metrics.PRDC(k=0), "k is 0"),
        (lambda: metrics.prdc(np.eye(9), np.eye(9), k_density=0), "k_density is 0"),
        (lambda: metrics.ClassificationAccuracy(top_k=0), "top_k is 0"),
        (two_widths, "one side have 4 dimensions, of the other 5"),
        (
            lambda: metrics.frechet_distance(ones, [[1.0, 5.0], [0.0, 1.0]], ones, eye),
            "not symmetric",
        ),
        (
            lambda: metrics.frechet_distance(ones, [[1.0, 0.0], [0.0, -1.0]], ones, eye),
            "eigenvalue -1",
        ),
    ):
        with pytest.raises(ValueError, match=match) as error:
            build()
        assert "\n" not in str(error.value)


@once
def test_damaged_statistics_are_refused_in_one_line(tmp_path):
    path = tmp_path / "s.npz"
    metric = in_batches(metrics.FrechetDistance(), features(40))
    metric.statistics().save(path)
    whole = path.read_bytes()
    for damaged in (b"", whole[:99], whole[: len(whole) // 2], b"PK" + whole[3:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="is not a file of statistics") as error:
            metrics.FrechetDistance(reference=path)
        assert "\n" not in str(error.value)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        metrics.FrechetDistance(reference=tmp_path / "none.npz")


@once
def test_a_batch_may_be_overwritten_by_its_owner():
    x = features(30)
    metric, expected = metrics.FrechetDistance(), frechet_of_roots(x, x[::-1] * 2)
    buffer = np.empty_like(x[:10])
    for start in range(0, 30, 10):
        buffer[:] = x[start : start + 10]
        metric.update_real(buffer)
        buffer *= 2
        metric.update_fake(buffer)
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-6)


@once
def test_intra_class_distance_is_the_mean_of_the_classes():
    real, fake = features(90), features(60, seed=1, shift=0.1)
    metric = metrics.IntraClassFrechetDistance()
    metric.update_state((real[:50], np.arange(50) % 3), (fake, np.arange(60) % 3))
    other = metrics.IntraClassFrechetDistance()
    other.update_real(real[50:], np.arange(50, 90) % 3)
    metric.merge(other)
    expected = [frechet_of_roots(real[i::3], fake[i::3]) for i in range(3)]
    score = metric.result()
    np.testing.assert_allclose(list(score.details["classes"].values()), expected, rtol=1e-5)
    np.testing.assert_allclose(score, np.mean(expected), rtol=1e-5)
    assert score.name == "intra_fd" and "3 classes have fewer" in score.warnings[0]
    metric.update_real(real[:5], np.full(5, 8))
    assert "left out: [8]" in metric.result().warnings[1]


def naive_frechet(p, q):
    c = np.full((len(p), len(q)), np.inf)
    for i in range(len(p)):
        for j in range(len(q)):
            ways = [c[a, b] for a, b in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if min(a, b) >= 0]
            c[i, j] = max(np.linalg.norm(p[i] - q[j]), min(ways) if ways else -np.inf)
    return c[-1, -1]


@once
@pytest.mark.parametrize("m,n,d", [(1, 1, 1), (1, 5, 2), (9, 9, 1), (7, 12, 3), (12, 7, 2)])
def test_discrete_frechet_distance(m, n, d):
    random = np.random.default_rng(m + n)
    p, q = random.standard_normal((6, m, d)), random.standard_normal((6, n, d))
    expected = [naive_frechet(a, b) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(metrics.discrete_frechet(p, q), expected, rtol=1e-12)


@once
def test_frechet_resnet_distance_is_the_mean_over_pairs():
    p, q = features(7, 30), features(7, 30, seed=1)
    frd = metrics.FrechetResNetDistance()
    frd.update_state(p[:3], q[:3])
    frd.update_state(p[3:], q[3:])
    each = [naive_frechet(a[:, None], b[:, None]) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(frd.result(), np.mean(each), rtol=1e-6)
    np.testing.assert_allclose(frd.result().details["std"], np.std(each), rtol=1e-6)
    assert frd.name == "frd" and (frd.result().n_real, frd.result().n_fake) == (7, 7)
    with pytest.raises(ValueError, match="pairs"):
        frd.update_state(p, q[:3])
    with pytest.raises(ValueError, match="update_state"):
        frd.update_fake(q)


def test_names_follow_the_protocol():
    def name(cls, network, **kwargs):
        return cls(metrics.FeatureNetwork(lambda x: x, network), **kwargs).name

    assert name(metrics.FrechetDistance, "inception_2015") == "fid"
    assert name(metrics.FrechetDistance, "kgnet") == "fd_kgnet"
    assert name(metrics.KernelDistance, "inception_2015") == "kid"
    assert name(metrics.IntraClassFrechetDistance, "inception_2015") == "intra_fid"
    assert name(metrics.FrechetResNetDistance, "resnet50") == "frd"
    assert name(metrics.FrechetResNetDistance, "vgg") == "frd_vgg"
    assert metrics.FrechetDistance().name == "fd"
    assert keras_gans.metrics is metrics


# --- Image metrics ------------------------------------------------------------------------------


def pairs(size, count=3, channels=3, noise=0.2):
    """Smooth images and noisy copies, uint8."""
    random = np.random.default_rng(0)
    waves = np.linspace(0, 9, size)[:, None, None] + 3 * random.uniform(size=channels)
    waves = np.sin(waves + np.linspace(0, 5, size)[None, :, None] * random.uniform(size=channels))
    x = 0.6 * waves + 0.1 * random.standard_normal((count, size, size, channels))
    levels = [np.arange(1, count + 1).reshape(-1, 1, 1, 1) * noise, 0]
    fake = x + levels[0] * random.standard_normal(x.shape)
    return [np.clip(np.rint((y + 1) * 127.5), 0, 255).astype("uint8") for y in (x, fake)]


@once
@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_and_ssim_agree_with_scikit_image(channels):
    peer = pytest.importorskip("skimage.metrics")
    real, fake = pairs(40, channels=channels)
    each = list(zip(real, fake, strict=True))
    expected = [peer.peak_signal_noise_ratio(a, b, data_range=255) for a, b in each]
    np.testing.assert_allclose(metrics.psnr(real, fake, 255), expected, rtol=1e-9)
    exact = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=-1)
    expected = [peer.structural_similarity(a, b, data_range=255, **exact) for a, b in each]
    np.testing.assert_allclose(metrics.ssim(real, fake, 255), expected, rtol=1e-9)
    assert np.ptp(expected) > 0.05


def test_ms_ssim_agrees_with_tensorflow():
    if BACKEND != "tensorflow":
        pytest.skip("the peer is TensorFlow's own")
    import tensorflow as tf

    for size, scales in ((176, 5), (161, 5), (47, 3), (11, 1)):
        real, fake = pairs(size, count=2)
        weights = np.array(metrics.pictures.WEIGHTS[:scales])
        expected = tf.image.ssim_multiscale(real, fake, 255, list(weights / weights.sum()))
        np.testing.assert_allclose(metrics.ms_ssim(real, fake, 255), expected, rtol=1e-4)


@once
def test_image_metrics_take_uint8_and_floats_and_say_their_scales():
    real, fake = pairs(40)
    floats = [x.astype("float32") / 127.5 - 1 for x in (real, fake)]
    functions = {"psnr": metrics.psnr, "ssim": metrics.ssim, "ms_ssim": metrics.ms_ssim}
    for cls in (metrics.PSNR, metrics.SSIM, metrics.MSSSIM):
        metric, of_floats = cls(), cls()
        for i in (slice(0, 1), slice(1, 3)):
            metric.update_state(real[i], fake[i])
            of_floats.update_state(floats[0][i], floats[1][i])
        score = metric.result()
        expected = functions[score.name](real, fake, 255)
        np.testing.assert_allclose(score, expected.mean(), rtol=1e-12)
        np.testing.assert_allclose(score.details["std"], expected.std(), rtol=1e-6)
        np.testing.assert_allclose(of_floats.result(), score, rtol=1e-5)
        assert score.details["data_range"] == 255 and score.n_fake == 3
        merged = cls()
        merged.merge(metric)
        merged.merge(of_floats)
        assert merged.result().n_real == 6
    assert score.details["scales"] == 2 and "2 of 5 scales" in score.warnings[0]
    # 160 pixels leave 10 at the fifth scale, 161 leave 11.
    assert [similarity.scales_for(s, 200) for s in (10, 11, 160, 161)] == [0, 1, 4, 5]


@once
def test_image_metrics_at_their_ends():
    flat = np.full((2, 16, 16, 1), 77, "uint8")
    for cls, expected in ((metrics.PSNR, np.inf), (metrics.SSIM, 1), (metrics.MSSSIM, 1)):
        metric = cls()
        metric.update_state(flat, flat)
        np.testing.assert_allclose(metric.result(), expected, rtol=1e-12)
    white = np.full((2, 16, 16, 1), 255, "uint8")
    # Closed form of constant images: contrast 1, luminance (2ab + c) / (a^2 + b^2 + c).
    c = (0.01 * 255) ** 2
    closed = (2 * 77 * 255 + c) / (77**2 + 255**2 + c)
    np.testing.assert_allclose(metrics.ssim(flat, white, 255), closed, rtol=1e-6)
    inverse = pairs(16, count=1)[0]
    assert metrics.ms_ssim(inverse, 255 - inverse, 255) == 0  # negative structure, no NaN
    with pytest.raises(ValueError, match="needs 11 x 11"):
        metrics.ssim(flat[:, :10], flat[:, :10], 255)
    with pytest.raises(ValueError, match="scales is 3"):
        metrics.ms_ssim(flat, flat, 255, scales=3)
    with pytest.raises(ValueError, match="data_range"):
        metrics.psnr(flat, flat, 0)
