"""Evaluation in training and after it, against NumPy on `model.generate` and the files written."""

import csv
import json
import logging
import pathlib
import types

import keras
import numpy as np
import pytest
from conftest import slow_module, slow_on, to_numpy
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

import keras_gans
from keras_gans import recipes, tasks
from keras_gans.callbacks import BackupAndRestore, Evaluate, TensorBoard
from keras_gans.cli import evaluate as command
from keras_gans.cli import main, sharing
from keras_gans.metrics import FeatureNetwork, KernelDistance, reference
from keras_gans.metrics.measuring import Measurement, spread_labels
from keras_gans.zoo import comparison

pytestmark = slow_module("tensorflow", "jax")

SIZE, LATENT, FEATURES, CLASSES = 4, 3, 5, 4
SAMPLES = 40
STEPS = 4  # of an epoch
KEYS = ("fd", "kd", "is", "precision", "recall", "density", "coverage")


def real_images(count=60, seed=5):
    x = np.random.default_rng(seed).normal(0, 0.3, (count, SIZE, SIZE, 1))
    return np.clip(x, -1, 1).astype("float32")


def weights(seed=0):
    random = np.random.default_rng(seed)
    return [
        random.standard_normal((SIZE * SIZE, n)).astype("float32") / SIZE
        for n in (FEATURES, CLASSES)
    ]


class Counting:
    """A feature network of two matrices; `images` counts what it has looked at."""

    def __init__(self, seed=0):
        self.weights = [keras.Variable(w) for w in weights(seed)]
        self.images = 0

    def __call__(self, x):
        self.images += x.shape[0]
        x = keras.ops.reshape(x, (-1, SIZE * SIZE))
        return tuple(keras.ops.matmul(x, w) for w in self.weights)


def network(seed=0, name="tiny"):
    return FeatureNetwork(Counting(seed), name, batch_size=16)


def features(images, seed=0):
    x = np.asarray(images, "float64").reshape(len(images), -1)
    return [x @ w.astype("float64") for w in weights(seed)]


def frechet(a, b):
    """Heusel et al. 2017, Eq. 6, from the eigenvalues of the product of the covariances."""
    c, d = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.sqrt(np.maximum(np.linalg.eigvals(c @ d).real, 0)).sum()
    gap = np.square(a.mean(0) - b.mean(0)).sum()
    return gap + np.trace(c) + np.trace(d) - 2 * root


def fd_of(model, real, samples=SAMPLES, seed=0, labels=None):
    fake = model.generate(samples, seed=seed, labels=labels)
    return frechet(features(real)[0], features(fake)[0])


def make(classes=None, learning_rate=0.01):
    keras.utils.set_random_seed(3)
    inputs = z = keras.Input((LATENT,))
    if classes is not None:
        y = keras.Input((), dtype="int32")
        inputs = [z, y]
        z = keras.layers.Concatenate()([z, keras.layers.Embedding(classes, 2)(y)])
    x = keras.layers.Dense(SIZE * SIZE, activation="tanh")(z)
    g = keras.Model(inputs, keras.layers.Reshape((SIZE, SIZE, 1))(x))
    inputs = x = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Flatten()(x)
    if classes is not None:
        y = keras.Input((), dtype="int32")
        inputs = [inputs, y]
        x = keras.layers.Concatenate()([x, keras.layers.Embedding(classes, 2)(y)])
    d = keras.Model(inputs, keras.layers.Dense(1)(x))
    model = keras_gans.models.GAN(g, d, num_classes=classes, ema=0.5)
    sgd = {p: keras.optimizers.SGD(learning_rate) for p in ("generator", "discriminator")}
    model.compile(sgd)
    return model


def evaluation(tmp_path, real=None, **kwargs):
    real = real_images() if real is None else real
    given = {"network": network(), "samples": SAMPLES, "cache_dir": tmp_path / "cache"}
    return Evaluate(real, **{**given, **kwargs})


def fit(model, callbacks, epochs=2, **kwargs):
    data = real_images(8 * STEPS, seed=9)
    return model.fit(
        data, batch_size=8, epochs=epochs, callbacks=callbacks, verbose=0, **kwargs
    ).history


class Break(keras.callbacks.Callback):
    """Sets all of the generator's weights at the beginning of an epoch."""

    def __init__(self, epoch, value, kernel=None):
        super().__init__()
        self.at, self.bias = epoch, value
        self.kernel = value if kernel is None else kernel

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            model = self.model
            for v in [*model.generator.variables, *model.ema_generator.variables]:
                v.assign(np.full(v.shape, self.kernel if len(v.shape) == 2 else self.bias))


def warnings_of(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


@pytest.fixture
def warned(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("absl"), "propagate", True)
    caplog.set_level(logging.WARNING, logger="absl")
    return caplog


def test_the_logs_hold_what_the_metrics_say_of_generate(tmp_path):
    model, real = make(), real_images()
    evaluate = evaluation(tmp_path, metrics=("fd", "kd", "is", "prdc"), split="noise", seed=4)
    path = tmp_path / "log.csv"
    # Both stand before it in the list, and read what it writes.
    board = TensorBoard(tmp_path / "tb", samples=0, freq=2)
    history = fit(model, [keras.callbacks.CSVLogger(path), board, evaluate])

    fake = model.generate(SAMPLES, seed=4)
    (r, _), (f, logits) = features(real), features(fake)
    kd, _ = keras_gans.metrics.kernel_distance(r, f, subset_size=SAMPLES)
    expected = {"fd": frechet(r, f), "kd": kd}
    expected["is"], _ = keras_gans.metrics.inception_score(logits)
    for key, value in expected.items():
        np.testing.assert_allclose(history[key][-1], value, rtol=1e-4, atol=1e-6)
    for key in KEYS:
        assert len(history[key]) == 2 and history[key] == history[f"{key}_tiny"]
        score = evaluate.scores[key]
        assert (score.value, score.name) == (history[key][-1], f"{key}_tiny")
        assert type(history[key][-1]) is float
    # As many real images as generated ones, each of them one of the data.
    rows = evaluate.measurement.suite.metrics[3].parts["real"].array()
    assert len(rows) == SAMPLES == len(np.unique(rows, axis=0))
    assert (np.abs(rows[:, None] - r[None]).max(axis=2).min(axis=1) < 1e-5).all()
    prdc = keras_gans.metrics.prdc(rows, f)
    assert {k: history[k][-1] for k in prdc} == pytest.approx(prdc, abs=1e-9)
    fd = evaluate.scores["fd"]
    assert (fd.n_real, fd.n_fake, fd.split, fd.network) == (60, SAMPLES, "noise", "tiny")

    with open(path, newline="") as f:
        table = list(csv.DictReader(f))
    assert [float(row["fd_tiny"]) for row in table] == history["fd"]
    events = event_accumulator.EventAccumulator(str(tmp_path / "tb"))
    events.Reload()
    points = events.Scalars("epoch/fd_tiny")
    assert [p.step for p in points] == [STEPS, 2 * STEPS]
    np.testing.assert_allclose([p.value for p in points], history["fd"], rtol=1e-6)


def test_model_checkpoint_keeps_the_best(tmp_path):
    path = tmp_path / "best.weights.h5"
    keep = keras.callbacks.ModelCheckpoint(
        path, monitor="fd", save_best_only=True, save_weights_only=True
    )
    history = fit(make(), [keep, Break(2, 3.0), evaluation(tmp_path)], epochs=4)
    best = int(np.argmin(history["fd"]))
    assert best in (0, 1) and history["fd"][2] > 2 * history["fd"][best]
    other = make()
    other.load_weights(path)
    np.testing.assert_allclose(fd_of(other, real_images()), history["fd"][best], rtol=1e-4)


def test_callbacks_of_keras_know_which_way_a_score_is_better(tmp_path):
    monitors = {
        "fd_tiny": keras.callbacks.EarlyStopping("fd_tiny", patience=9),
        "kd": keras.callbacks.ReduceLROnPlateau("kd", patience=9),
        "precision": keras.callbacks.EarlyStopping("precision", patience=9),
        "coverage": keras.callbacks.ReduceLROnPlateau("coverage", patience=9),
    }
    asked = keras.callbacks.EarlyStopping("fd", mode="max", patience=9)
    measured = evaluation(tmp_path, metrics=["fd", "kd", "prdc"])
    history = fit(make(), [*monitors.values(), asked, Break(1, 3.0), measured], epochs=3)
    for name, callback in monitors.items():
        best = max if name in ("precision", "coverage") else min
        np.testing.assert_allclose(callback.best, best(history[name]), rtol=1e-6)
        assert callback.mode == best.__name__
    assert asked.mode == "max"


def test_steps_are_those_of_the_whole_run(tmp_path):
    model, evaluate = make(), evaluation(tmp_path, freq=3)
    history = fit(model, [evaluate])
    assert [step for step, _ in evaluate.results] == [3, 6]
    # An epoch repeats the last value.
    assert history["fd"] == [scores["fd"].value for _, scores in evaluate.results]
    fit(model, [evaluate], epochs=1)
    assert [step for step, _ in evaluate.results] == [9, 12]
    # Without any measurement an epoch's end gets one; the next epoch repeats it.
    evaluate = evaluation(tmp_path, freq=1000)
    history = fit(model, [evaluate])
    assert [step for step, _ in evaluate.results] == [16]
    assert history["fd"][0] == history["fd"][1] == evaluate.scores["fd"]


def test_a_resumed_run_measures_at_the_same_steps(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1 and self.epoch == 1:
                raise KeyboardInterrupt

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

    whole = evaluation(tmp_path, freq=3)
    fit(make(), [whole], epochs=3)
    first = evaluation(tmp_path, freq=3, best=tmp_path / "best.weights.h5")
    backup = BackupAndRestore(tmp_path / "backup", save_freq=1)
    with pytest.raises(KeyboardInterrupt):
        fit(make(), [first, backup, Stop()], epochs=3)
    second = evaluation(tmp_path, freq=3, best=tmp_path / "best.weights.h5")
    backup = BackupAndRestore(tmp_path / "backup", save_freq=1)
    fit(make(), [second, backup], epochs=3)
    found = [*first.results, *second.results]
    # 8: the end of the epoch that it was resumed in, which would have had no value.
    assert [step for step, _ in found] == [3, 6, 8, 9, 12]
    assert [step for step, _ in whole.results] == [3, 6, 9, 12]
    for step, scores in whole.results:
        np.testing.assert_allclose(dict(found)[step]["fd"], scores["fd"], rtol=1e-5)
    # The best of both parts.
    values = {scores["fd"].value: step for step, scores in found}
    assert (second.best_value, second.best_step) == (min(values), values[min(values)])


@slow_on("tensorflow")
def test_a_best_file_of_another_run_is_replaced(tmp_path, warned):
    path = tmp_path / "best.weights.h5"
    fit(make(), [evaluation(tmp_path, best=path)], epochs=1)
    evaluate = evaluation(tmp_path, best=path)
    fit(make(), [Break(0, 3.0), evaluate], epochs=1)  # a worse one, from step 0
    assert evaluate.best_step == STEPS and evaluate.best_value == evaluate.scores["fd"]
    assert any("will be replaced" in line for line in warnings_of(warned))
    other = make()
    other.load_weights(path)
    np.testing.assert_allclose(fd_of(other, real_images()), evaluate.best_value, rtol=1e-4)
    path.write_bytes(b"nothing")
    evaluate = evaluation(tmp_path, best=path)
    fit(make(), [evaluate], epochs=1)
    assert evaluate.best_step == STEPS


def test_the_reference_is_measured_once_and_keyed_by_all_it_depends_on(tmp_path):
    def measured(data, net=None, **kwargs):
        """(images that the network looked at for the reference, the files there are)."""
        net = net or network()
        metrics = kwargs.pop("metrics", ("fd",))
        cache = {"cache_dir": tmp_path, **kwargs}
        m = Measurement(data, metrics, net, samples=SAMPLES, **cache)
        before = net.model.images
        m.prepare()
        m.prepare()
        scores = m.of(make())
        return net.model.images - before, len(list(tmp_path.glob("*.npz"))), scores["fd"]

    real = real_images(64)
    fakes = measured(real, metrics=("fd",), cache_dir=False)[0] - 64
    count, files, fd = measured(real)
    assert (count - fakes, files) == (64, 1)
    # Again, in another order, and from a dataset that shuffles.
    assert measured(real) == (fakes, 1, fd)
    assert measured(real[::-1]) == (fakes, 1, fd)
    dataset = keras_gans.data.ArrayDataset(real, batch_size=48, augment=["flip"])
    assert measured(dataset) == (fakes, 1, fd)
    # Only what is missing.
    assert measured(real, metrics=("fd", "kd"))[:2] == (fakes + 64, 2)
    # Other images, a split, another network, other weights, another number for PRDC.
    other = real.copy()
    other[3, 0, 0] += 0.01
    assert measured(other)[:2] == (fakes + 64, 3)
    assert measured(real[:32])[:2] == (fakes + 32, 4)
    assert measured(real, split="test")[:2] == (fakes + 64, 5)
    assert measured(real, network(name="other"))[:2] == (fakes + 64, 6)
    assert measured(real, network(seed=1))[:2] == (fakes + 64, 7)
    # A name is trusted.
    assert measured(real, name="digits")[:2] == (fakes + 64, 8)
    assert measured(other, name="digits")[:2] == (fakes, 8)
    # Without weights nobody knows which network it is.
    blind = FeatureNetwork(lambda x: keras.ops.reshape(x, (-1, SIZE * SIZE)), "blind")
    Measurement(real, ("fd",), blind, samples=SAMPLES, cache_dir=tmp_path).prepare()
    assert len(list(tmp_path.glob("*.npz"))) == 8


@pytest.mark.parametrize("damage", ["truncated", "text", "other", "empty"])
def test_a_damaged_cache_is_measured_again(tmp_path, warned, damage):
    def fd():
        m = Measurement(real_images(), ("fd",), network(), samples=SAMPLES, cache_dir=tmp_path)
        cached = m.prepare()
        return cached, m.of(model)["fd"]

    model = make()
    first = fd()
    (path,) = tmp_path.glob("*.npz")
    data = path.read_bytes()
    if damage == "other":
        np.savez(path, meta=np.asarray("{}"), identity=np.asarray('{"metric": "Other"}'))
    else:
        path.write_bytes({"truncated": data[:-50], "text": b"hello", "empty": b""}[damage])
    assert fd() == ([], first[1]) and first[0] == []
    (line,) = warnings_of(warned)
    assert str(path) in line and "measured again" in line and "\n" not in line
    assert fd() == (["fd_tiny"], first[1])
    assert len(warnings_of(warned)) == 1 and len(list(tmp_path.iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_only_a_warning(tmp_path, warned):
    (tmp_path / "file").write_text("")
    m = Measurement(real_images(), network=network(), samples=9, cache_dir=tmp_path / "file")
    m.prepare()
    assert m.of(make())["fd"].n_real == 60
    assert "not cached" in warnings_of(warned)[0]


def test_datasets_are_read_whole_and_left_as_they_were():
    tf = pytest.importorskip("tensorflow")
    real = real_images(50)
    expected = np.sort(features(real)[0][:, 0])

    def rows(data):
        metric = KernelDistance(network())
        reference.fill([metric], metric.network, data, cache_dir=False)
        return np.sort(metric.parts["real"].array()[:, 0])

    class Pairs(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, i):
            return real[10 * i : 10 * i + 10], np.zeros(10)

    pairs = tf.data.Dataset.from_tensor_slices((real, np.zeros(50))).batch(16)
    for data in (real, (real, np.zeros(50)), pairs, Pairs()):
        np.testing.assert_allclose(rows(data), expected, atol=1e-5)
    with pytest.raises(ValueError, match="no end"):
        rows(pairs.repeat())
    with pytest.raises(ValueError, match="PyDataset is wanted"):
        rows("images/")
    # The order of training does not notice, and the images left out are the same each time.
    data = keras_gans.data.load("digits", image_size=8, batch_size=100)
    data.epoch_key.epoch = 3
    images = reference.RealImages(data)
    assert images.fingerprint() == images.fingerprint() and data.epoch_key.epoch == 3
    assert images.shape == (8, 8, 1) and sum(len(b) for b, _ in images) == 1700


def test_labels_in_turn_or_in_proportion(tmp_path):
    model, real = make(classes=3), real_images()
    in_turn = Measurement(real, ("fd",), network(), samples=SAMPLES, cache_dir=False)
    turn = np.arange(SAMPLES) % 3
    np.testing.assert_allclose(in_turn.of(model)["fd"], fd_of(model, real, labels=turn), rtol=1e-4)
    pool = np.repeat([2, 0, 1], [30, 60, 10])
    labels = spread_labels(pool, SAMPLES, seed=0)
    assert np.bincount(labels).tolist() == [24, 4, 12] and (np.diff(labels) != 0).sum() > 5
    spread = Measurement(
        real, ("fd",), network(), samples=SAMPLES, cache_dir=False, labels=pool, batch_size=2
    )
    value = spread.of(model)["fd"]
    np.testing.assert_allclose(value, fd_of(model, real, labels=labels), rtol=1e-4)
    assert abs(value - in_turn.of(model)["fd"]) > 1e-4
    with pytest.raises(ValueError, match="unconditional"):
        spread.of(make())


@slow_on("tensorflow")
def test_collapse_stops_and_says_what_to_try(tmp_path, warned):
    evaluate = evaluation(tmp_path, on_collapse="stop", factor=2, patience=2)
    history = fit(make(), [Break(2, 3.0), evaluate], epochs=9)
    assert len(history["fd"]) == 4 and evaluate.best_step in (STEPS, 2 * STEPS)
    assert "fd_tiny" in evaluate.reason and "2 measurements in a row" in evaluate.reason
    assert "step 16 (epoch 4)" in evaluate.reason and "To try: " in evaluate.reason
    assert evaluate.reason in warnings_of(warned) and "\n" not in evaluate.reason
    # Nothing is done where nothing is asked for.
    evaluate = evaluation(tmp_path, factor=2, patience=2)
    history = fit(make(), [Break(2, 3.0), evaluate], epochs=5)
    assert len(history["fd"]) == 5 and evaluate.reason is None


def test_collapse_restores_the_best(tmp_path, warned):
    model, path = make(), tmp_path / "best.weights.h5"
    evaluate = evaluation(
        tmp_path, on_collapse="restore", best=path, factor=2, patience=1, restores=1
    )
    history = fit(model, [Break(2, 3.0), Break(4, -3.0), evaluate], epochs=9)
    fd = history["fd"]
    # Back after the first collapse, and trained on; back and stopped after the second.
    assert len(fd) == 5 and min(fd[2], fd[4]) > 2 * max(fd[0], fd[1], fd[3])
    assert "are back" in evaluate.reason and "training goes on" in warnings_of(warned)[0]
    best = min(fd)
    np.testing.assert_allclose(fd_of(model, real_images()), best, rtol=1e-4)
    assert evaluate.best_value == best and model.steps_done == evaluate.best_step
    other = make()
    other.load_weights(path)
    for a, b in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b))
    assert [p.name for p in tmp_path.glob("*.h5")] == [path.name]


@slow_on("tensorflow")
def test_precision_that_falls_to_zero_and_nan(tmp_path):
    kwargs = {"metrics": ("is", "prdc"), "on_collapse": "stop", "patience": 1, "factor": 1e9}
    # Real images as the first ones generated: precision is 1 then, and 0 after the break.
    model = make(learning_rate=0.0)
    evaluate = evaluation(tmp_path, model.generate(60, seed=8), **kwargs)
    history = fit(model, [Break(1, 3.0, kernel=0.0), evaluate], epochs=4)
    assert history["precision"][0] > 0.5 and history["precision"][1:] == [0]
    assert "precision_tiny has fallen to 0" in evaluate.reason
    # It has to have been more.
    evaluate = evaluation(tmp_path, **kwargs)
    history = fit(model, [evaluate, Break(0, 3.0, kernel=0.0)], epochs=2)
    assert history["precision"] == [0, 0] and evaluate.reason is None
    evaluate = evaluation(tmp_path, on_collapse="stop")
    history = fit(make(), [Break(1, np.nan), evaluate], epochs=4)
    assert np.isnan(history["fd"]).tolist() == [False, True] and "NaN" in evaluate.reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": ("fid",)}, "Unknown metric 'fid'"),
        ({"metrics": ()}, "no metrics"),
        ({"metrics": ("fd", "fd")}, "Two metrics give 'fd'"),
        ({"network": "kgnett"}, "did you mean 'kgnet'"),
        ({"samples": 1}, "samples is 1"),
        ({"freq": 0}, "freq must be"),
        ({"monitor": "kd"}, "monitor is 'kd'"),
        ({"best": "best.h5"}, "ending in .weights.h5"),
        ({"on_collapse": "restore"}, "needs best="),
        ({"on_collapse": "panic"}, "'panic'"),
        ({"factor": 1}, "factor=1"),
        ({"labels": [0.5]}, "integers"),
        ({"data": None}, "data is None"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    arguments = dict(arguments)
    with pytest.raises(ValueError, match=message) as error:
        Evaluate(
            arguments.pop("data", real_images()),
            **{"network": network(), "cache_dir": tmp_path, **arguments},
        )
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """What `keras-gans train` would leave: a model of 4 x 4 images and a recipe of digits."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    folder.mkdir()
    make().save(folder / "model.keras")
    data = {"name": "digits", "split": "train[:90]", "image_size": SIZE, "augment": ["flip"]}
    keras_gans.recipes.save({"data": data}, folder / "recipe.yaml")
    return folder


def cli(capsys, *arguments):
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main.main(["evaluate", *map(str, arguments)])
    return left.value.code or 0, *capsys.readouterr()


def test_the_command_measures_a_run_on_its_own_data(tmp_path, capsys, run_folder):
    out, common = tmp_path / "out", (f"--cache_dir={tmp_path / 'cache'}", "--samples=30")
    more = (f"--out={out}", "--network=none", "--seed=2", "--batch_size=32")
    status, text, _ = cli(capsys, run_folder, *common, *more)
    assert status == 0 and "fd_pixels" in text and "digits/train[:90]" in text
    found = json.loads((out / "evaluation.json").read_text())
    (measured,) = found["measurements"]
    fd = measured["scores"]["fd"]
    real, _ = keras_gans.data.load_arrays("digits", image_size=SIZE, split="train[:90]")
    fake = make().generate(30, seed=2)
    expected = frechet(*(x.reshape(len(x), -1).astype("float64") for x in (real, fake)))
    np.testing.assert_allclose(fd["value"], expected, rtol=1e-4)
    assert f"{fd['value']:.4f}" in text
    assert (fd["n_real"], fd["n_fake"], fd["split"]) == (90, 30, "digits/train[:90]")
    assert fd["warnings"] == [] and "kd_pixels: subsets of 30" in text
    assert (found["samples"], found["seed"], measured["truncation"]) == (30, 2, 1.0)
    # Other data, fewer than a batch, and one truncation.
    more = (*more[1:], f"--out={tmp_path / 'b'}", "--metrics=fd", "--truncation=0.5")
    status, text, _ = cli(
        capsys, run_folder / "model.keras", *common, *more, "--split=train[90:110]"
    )
    assert status == 0
    (measured,) = json.loads((tmp_path / "b" / "evaluation.json").read_text())["measurements"]
    real, _ = keras_gans.data.load_arrays("digits", image_size=SIZE, split="train[90:110]")
    latents = np.random.default_rng(2).standard_normal((30, LATENT)).astype("float32") / 2
    fake = make().images_of(latents)
    expected = frechet(*(x.reshape(len(x), -1).astype("float64") for x in (real, fake)))
    np.testing.assert_allclose(measured["scores"]["fd"]["value"], expected, rtol=1e-4)


@slow_on("tensorflow", "jax")
def test_the_command_draws_the_truncations_of_an_entry(tmp_path, capsys):
    status, text, _ = cli(
        capsys,
        "osgan_digits",
        f"--out={tmp_path}",
        f"--cache_dir={tmp_path / 'cache'}",
        "--split=train[:200]",
        "--samples=80",
        "--truncation=0.2:1.0:0.4",
    )
    assert status == 0 and "fd_kgnet" in text and "0.6" in text
    found = json.loads((tmp_path / "evaluation.json").read_text())["measurements"]
    assert [m["truncation"] for m in found] == [0.2, 0.6, 1.0]
    recall = [m["scores"]["recall"]["value"] for m in found]
    assert recall[0] < recall[2] and "kd" not in found[0]["scores"]
    for name in ("is_against_fd.png", "recall_against_precision.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.size == (960, 600) and len(picture.getcolors(2**20)) > 10


@pytest.fixture(scope="module")
def translator():
    networks = keras_gans.networks.encoder_decoder(16, 1, width=4)
    model = keras_gans.models.DecoupledGAN(*networks)
    model.compile()
    return model


def test_a_model_that_translates_is_measured_in_training(tmp_path, translator):
    images, _ = keras_gans.data.load_arrays("digits", image_size=16)
    inputs, real = images[:30], images[30:100]
    evaluate = Evaluate(
        real,
        ("l1", "fd", "novelty", "is"),
        samples=20,  # of noise: it does not count
        cache_dir=tmp_path,
        inputs=(inputs,),
        targets=inputs,
        held_out=images[100:130],
        monitor="l1",
    )
    evaluate.set_model(translator)
    evaluate.on_train_begin()
    scores = evaluate.measure()
    made = np.clip(translator.translate(inputs), -1, 1)
    np.testing.assert_allclose(scores["l1"], np.abs(made - inputs).mean(), rtol=1e-5)
    look = keras_gans.metrics.kgnet()
    fakes, reals = (look(x).features.astype("float64") for x in (made, real))
    np.testing.assert_allclose(scores["fd"], frechet(reals, fakes), rtol=1e-3)
    assert scores["fd"].n_fake == 30 and evaluate.best_value == scores["l1"]
    with pytest.raises(ValueError, match="give inputs"):
        Evaluate(real, cache_dir=False).set_model(translator)
    with pytest.raises(ValueError, match="makes no images of noise"):
        evaluate.measurement.of(translator)


def test_the_command_measures_a_translator_on_held_out_images(tmp_path, capsys, translator):
    run = tmp_path / "run"
    run.mkdir()
    translator.save(run / "model.keras")
    recipe = {"data": {"name": "digits", "split": "train[:90]", "image_size": 16}}
    keras_gans.recipes.save(recipe, run / "recipe.yaml")
    common = (f"--cache_dir={tmp_path}", f"--out={tmp_path}", "--samples=40")
    status, text, err = cli(capsys, run, *common)
    assert status == 0 and "digits/train[:90]" in text, err
    (measured,) = json.loads((tmp_path / "evaluation.json").read_text())["measurements"]
    scores = measured["scores"]
    assert {"l1", "psnr", "fd", "novelty", "diversity", "precision"} <= set(scores)
    # Evenly spread over what is held out, train[1500:].
    options = {"image_size": 16, "split": "train[1500:]", "dtype": "uint8"}
    images, _ = keras_gans.data.load_arrays("digits", **options)
    inputs = keras_gans.data.from_uint8(images[np.arange(40) * 297 // 40])
    made = np.clip(translator.translate(inputs), -1, 1)
    np.testing.assert_allclose(scores["l1"]["value"], np.abs(made - inputs).mean(), rtol=1e-4)
    assert scores["fd"]["n_real"] == 90 and scores["fd"]["n_fake"] == 40
    status, _, err = cli(capsys, run, *common, "--truncation=0.5")
    assert status == 2 and "no images of noise" in err
    status, _, err = cli(capsys, run, *common, "--metrics=accuracy")
    assert status == 2 and "kgnet does not know the classes" in err


def test_the_help_lists_what_is_declared(capsys):
    text = cli(capsys, "--help")[1]
    for name, metric in keras_gans.registry.all("metric").items():
        assert f"{name} ({metric.says[:20]}" in " ".join(text.split())


def test_truncations():
    assert command.parse_truncation("0.7") == [0.7]
    steps = command.parse_truncation("0.05:1.0:0.05")
    assert len(steps) == 20 and (steps[0], steps[2], steps[-1]) == (0.05, 0.15, 1.0)
    for wrong in ("", "a", "0", "1:2", "1:0.5:0.1", "0.1:0.1:0.1", "0.1:1:0.0001", "-1", "nan"):
        with pytest.raises(ValueError, match="--truncation is"):
            command.parse_truncation(wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["osgan_digit"], "did you mean 'osgan_digits'"),
        (["{}", "--metrics=fid"], "Unknown metric 'fid'"),
        (["{}", "--metrics=is", "--network=none"], "is needs a classifier"),
        (["{}", "--metrics=fd", "--truncation=0.5:1:0.5"], "--metrics has to name"),
        (["{}", "--network=vgg"], "--network is 'vgg'"),
        (["{}", "--samples=0"], "samples is 0"),
        (["{}", "--weights=none.npz"], "none.npz does not exist"),
        (["{}", "--network=inception_2015", "--weights=none.pth"], "none.pth"),
        (["{}", "--network=none", "--weights=a.npz"], "--weights belongs to"),
        (["{}", "--dataset=./nowhere.npz"], "nowhere.npz"),
        (["{}", "--split=test"], "no split 'test'"),
        (["{}/model.keras", "--nothing"], "no flag --nothing"),
        ([], "takes SOURCE"),
    ],
)
def test_the_command_refuses_in_one_line(capsys, run_folder, tmp_path, arguments, message):
    arguments = [a.format(run_folder) for a in arguments]
    status, _, err = cli(capsys, *arguments, f"--cache_dir={tmp_path}", f"--out={tmp_path}")
    assert status == 2 and message in err and err.count("\n") == 1


@pytest.mark.parametrize("noise", [False, True])
def test_other_data_are_read_as_a_translator_needs_them(tmp_path, monkeypatch, noise):
    own = {"name": "pairs", "source": "A", "target": "B", "image_size": 32, "split": "train[:5]"}
    recipes.save({"data": own, "model": {"method": "pix2pix"}}, tmp_path / "recipe.yaml")
    monkeypatch.setattr(tasks, "of", lambda model: types.SimpleNamespace(from_noise=noise))
    values = types.SimpleNamespace(dataset="others")
    found = command.recipe_of(str(tmp_path), object(), values)
    kept = {} if noise else {"source": "A", "target": "B", "image_size": 32}
    assert found["data"] == {"name": "others", **kept} and ("model" in found) == (not noise)
    values.dataset = "pairs"
    assert command.recipe_of(str(tmp_path), object(), values)["data"] == own


def test_only_held_out_images_have_a_row_of_them(tmp_path, run_folder):
    """The held-out images themselves, measured on themselves, would equal a perfect generator."""

    def rows(data, **options):
        model = keras.saving.load_model(run_folder / "model.keras")
        compared = comparison.compare(model, recipes.load({"data": data}), samples=4, **options)
        return [source.name for source, _ in compared.others()]

    for i in range(4):
        Image.fromarray(np.full((SIZE, SIZE), 9 * i, "uint8")).save(tmp_path / f"{i}.png")
    assert rows({"name": str(tmp_path), "image_size": SIZE, "channels": 1}) == ["mean image"]
    digits = {"name": "digits", "image_size": SIZE}
    assert rows(digits) == ["mean image", "held-out real"]
    assert rows(digits, split="train[1500:]") == ["mean image"]


@pytest.mark.slow
def test_two_processes_say_what_one_says(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(keras_gans.__file__).parent.parent))
    line = ["osgan_digits", "--samples=51", "--baselines", "--metrics=fd,prdc,diversity,is"]
    found = {}
    for count in "12":
        assert cli(capsys, *line, f"--devices={count}", f"--out={tmp_path / count}")[0] == 0
        found[count] = json.loads((tmp_path / count / "evaluation.json").read_text())
    one, two = ({k: x for k, x in found[n].items() if k != "measurements"} for n in "12")
    assert set(one) == set(two) and one["samples"] == two["samples"]
    (one,), (two,) = (found[n]["measurements"] for n in "12")
    for alias, score in one["scores"].items():
        assert two["scores"][alias]["value"] == pytest.approx(score["value"], rel=1e-6)
        assert two["scores"][alias]["n_fake"] == score["n_fake"] == 51
    for source, scores in found["1"]["baselines"].items():
        for alias, score in scores.items():
            same = found["2"]["baselines"][source][alias]["value"]
            assert same == pytest.approx(score["value"], rel=1e-6)
    status, _, err = cli(capsys, *line, "--devices=999")
    assert status == 2 and err.startswith("keras-gans: error: 999 devices") and err.count("\n") == 1


@pytest.mark.slow
def test_a_process_that_ends_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(keras_gans.__file__).parent.parent))
    measurement = Measurement(real_images(), "fd", network())
    source = keras_gans.metrics.sources.Pictures(real_images())
    with sharing.shared(2, ["evaluate", "osgan_digit"]) as part:
        with pytest.raises(RuntimeError, match="Process 2 of 2 ended: .*'osgan_digits'"):
            part.scores(measurement, source, 1.0, None, None)
