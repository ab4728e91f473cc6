"""The callbacks against NumPy, TensorBoard's own reader and Pillow, on a tiny stock Keras model."""

import csv
import io
import itertools
import math
import os
import pathlib
import subprocess
import sys
import time
import types

import keras
import numpy as np
import pytest
from conftest import slow_module
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator, event_file_loader

import keras_gans
from keras_gans.callbacks import SampleGrid, TensorBoard, TerminateOnCollapse, collapse, tensorboard
from keras_gans.callbacks.sample_grid import PeriodicCallback
from keras_gans.data.images import image_grid

pytestmark = slow_module("tensorflow", "jax")

LOGS = ("d_loss", "real_score", "fake_score", "d_grad_norm", "gamma", "gamma_std", "other")
BATCH = 4
IMAGE = (6, 5, 3)


class ToyOptimizer(keras.optimizers.SGD):
    """An optimizer that names two players, as the composite optimizer does."""

    other = keras.optimizers.SGD(0.25)

    @property
    def players(self):
        return {"generator": self, "discriminator": self.other}


class Toy(keras.Model):
    """A "generator" of one layer; its logs are the means of the columns of its input."""

    num_classes = None
    spread = 1.0

    def __init__(self):
        super().__init__()
        keras.utils.set_random_seed(1)
        self.generator = keras.layers.Dense(math.prod(IMAGE), activation="tanh")
        self.trackers = [keras.metrics.Mean(name) for name in LOGS]

    def call(self, x):
        return self.generator(x)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        for i, tracker in enumerate(self.trackers):
            tracker.update_state(x[:, i])
        return self.get_metrics_result()

    def generate(self, n, seed=0, labels=None):
        z = np.random.default_rng(seed).standard_normal((n, len(LOGS))).astype("float32")
        images = keras.ops.convert_to_numpy(self.generator(z)).reshape((n, *IMAGE))
        images = images * self.spread
        if labels is not None:
            images[:, 0] = (labels / self.num_classes)[:, None, None]
        return images


def make(optimizer=None, columns=None, steps=6, **compile_args):
    """A compiled model, and inputs for `steps` batches whose columns are the model's logs."""
    model = Toy()
    model.compile(optimizer=optimizer or ToyOptimizer(0.5), loss="mse", **compile_args)
    x = np.random.default_rng(3).standard_normal((steps * BATCH, len(LOGS))).astype("float32")
    for name, values in (columns or {}).items():
        x[:, LOGS.index(name)] = np.repeat(np.asarray(values, "float32"), BATCH)
    y = np.tile(np.linspace(-0.9, 0.9, math.prod(IMAGE), dtype="float32"), (len(x), 1))
    model(x[:1])
    return model, x, y


def fit(model, x, y, callbacks, epochs=2, **kwargs):
    kwargs = {"batch_size": BATCH, "shuffle": False, "verbose": 0, **kwargs}
    return model.fit(x, y, epochs=epochs, callbacks=callbacks, **kwargs)


def read(log_dir):
    return event_accumulator.EventAccumulator(
        str(log_dir), size_guidance={"scalars": 0, "images": 0}
    ).Reload()


def points(events, tag):
    return {e.step: e.value for e in events.Scalars(tag)}


def pictures(events, tag="samples"):
    return {
        e.step: np.asarray(Image.open(io.BytesIO(e.encoded_image_string)))
        for e in events.Images(tag)
    }


def epoch_mean(x, name, step, steps=6):
    """The mean of a log from the start of its epoch to `step` (counted from 1, over epochs)."""
    done = (step - 1) % steps + 1
    return x[: done * BATCH, LOGS.index(name)].astype("float64").mean()


def expected_grid(images, columns=None):
    return image_grid(images, columns=columns)


class Record(keras.callbacks.Callback):
    """Keeps the samples of each epoch's end, to compare with what the callbacks wrote."""

    def __init__(self, n):
        super().__init__()
        self.n, self.images = n, []

    def on_epoch_end(self, epoch, logs=None):
        self.images.append(self.model.generate(self.n, seed=5))


# TensorBoard -------------------------------------------------------------------------------------


def test_step_scalars_are_the_logs_at_the_global_step(tmp_path):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.5, 12, 0.0)
    model, x, y = make(ToyOptimizer(schedule))
    fit(model, x, y, [TensorBoard(tmp_path, freq=4, samples=0)])
    events = read(tmp_path)
    for group, names in {
        "losses": ["d_loss"],
        "scores": ["real_score", "fake_score"],
        "gradients": ["d_grad_norm"],
        "gamma": ["gamma", "gamma_std"],
        "train": ["other"],
    }.items():
        for name in names:
            expected = {step: epoch_mean(x, name, step) for step in (4, 8, 12)}
            assert points(events, f"{group}/{name}") == pytest.approx(expected, abs=1e-5)
    assert list(points(events, "losses/loss")) == [4, 8, 12]
    rates = points(events, "learning_rate/generator")
    assert rates == pytest.approx({s: 0.5 * (1 - s / 12) for s in (4, 8, 12)}, abs=1e-6)
    assert points(events, "learning_rate/discriminator") == {4: 0.25, 8: 0.25, 12: 0.25}
    assert "samples" not in events.Tags()["images"]


def test_the_former_name_of_freq(tmp_path):
    with pytest.warns(DeprecationWarning, match="update_freq is called freq now"):
        board = TensorBoard(tmp_path, update_freq=4, samples=0)
    assert board.freq == 4


def test_epoch_values_with_validation(tmp_path):
    model, x, y = make()
    board = TensorBoard(tmp_path, freq="epoch", samples=0)
    history = fit(model, x, y, [board], validation_data=(x[:4], y[:4])).history
    events = read(tmp_path)
    for name in ("loss", "val_loss", "gamma"):
        expected = dict(zip([6, 12], history[name], strict=True))
        assert points(events, f"epoch/{name}") == pytest.approx(expected, rel=1e-6)
    assert list(points(events, "learning_rate/generator")) == [6, 12]
    assert not any(tag.startswith("losses/") for tag in events.Tags()["scalars"])


def test_speed_needs_the_number_of_images(tmp_path):
    model, x, y = make()
    fit(model, x, y, [TensorBoard(tmp_path / "a", freq=2, samples=0)])
    model.images_per_step = 40
    fit(model, x, y, [TensorBoard(tmp_path / "b", freq=2, samples=0)])
    first, second = read(tmp_path / "a"), read(tmp_path / "b")
    assert "speed/images_per_second" not in first.Tags()["scalars"]
    steps = points(second, "speed/steps_per_second")
    assert list(steps) == [14, 16, 18, 20, 22, 24] and min(steps.values()) > 0
    images = {step: 40 * value for step, value in steps.items()}
    assert points(second, "speed/images_per_second") == pytest.approx(images)


def test_speed_is_steps_over_time_without_the_first(tmp_path, monkeypatch):
    # One read of the clock as the epoch begins, one behind the first step (which takes 100 seconds
    # to compile); then for each step one at its end and one behind the callback's own work.
    clock = itertools.chain([0.0], itertools.count(100.0, step=0.5))

    class Clock:
        time = time.time
        perf_counter = staticmethod(lambda: next(clock))

    model, x, y = make()
    monkeypatch.setattr(tensorboard, "time", Clock)
    fit(model, x, y, [TensorBoard(tmp_path, freq=3, samples=0)], epochs=1)
    assert points(read(tmp_path), "speed/steps_per_second") == {3: 2.0, 6: 2.0}


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras refuses steps_per_execution on torch"
)
def test_steps_per_execution_with_a_short_last_one(tmp_path):
    model, x, y = make(steps=7, steps_per_execution=3)
    board = TensorBoard(tmp_path, freq=2, samples=0)
    fit(model, x, y, [board], epochs=2)
    done = int(model.optimizer.iterations)
    events = read(tmp_path)
    # Executions end at steps 3, 6, 7 of each epoch, and all pass a multiple of 2 except the 7.
    steps = list(points(events, "losses/d_loss"))
    assert steps[:2] == [3, 6] and steps[-1] == done and steps == sorted(steps)
    assert list(points(events, "epoch/d_loss")) == [7, 14] and done == 14


def test_samples_are_the_grid_of_generate(tmp_path):
    model, x, y = make()
    record = Record(9)
    by_epoch = TensorBoard(tmp_path / "epoch", samples=9, seed=5)
    by_step = TensorBoard(tmp_path / "step", samples=9, sample_freq=3, seed=5)
    fit(model, x, y, [by_step, by_epoch, record])
    epoch, step = pictures(read(tmp_path / "epoch")), pictures(read(tmp_path / "step"))
    assert list(epoch) == [6, 12] and list(step) == [3, 6, 9, 12]
    for at, images in zip([6, 12], record.images, strict=True):
        np.testing.assert_array_equal(epoch[at], expected_grid(images))
        np.testing.assert_array_equal(step[at], expected_grid(images))
    assert np.any(step[3] != step[6]) and np.any(step[6] != step[9])


def test_tensorboard_itself_shows_the_picture(tmp_path):
    model, x, y = make()
    fit(model, x, y, [TensorBoard(tmp_path, samples=4)], epochs=1)
    (file,) = tmp_path.iterdir()
    loaded = event_file_loader.EventFileLoader(str(file)).Load()
    values = [value for event in loaded for value in event.summary.value]
    plugins = {v.tag: v.metadata.plugin_data.plugin_name for v in values}
    assert plugins["samples"] == "images" and plugins["epoch/d_loss"] == "scalars"
    (picture,) = [v.tensor.string_val for v in values if v.tag == "samples"]
    height, width = expected_grid(model.generate(4)).shape[:2]
    assert list(picture[:2]) == [str(width).encode(), str(height).encode()]


def test_a_resumed_run_continues_the_step_axis(tmp_path, monkeypatch):
    # Two files of one second, whose numbers have one and two digits.
    monkeypatch.setattr(tensorboard, "_file_number", itertools.count(9))
    model, x, y = make()
    fit(model, x, y, [TensorBoard(tmp_path, freq=2, samples=0)], epochs=1)
    board = TensorBoard(tmp_path, freq=2, samples=0)
    fit(model, x, y, [board], initial_epoch=1, epochs=2)
    assert len(list(tmp_path.iterdir())) == 2
    d_loss = points(read(tmp_path), "losses/d_loss")
    expected = {step: epoch_mean(x, "d_loss", step) for step in (2, 4, 6, 8, 10, 12)}
    assert d_loss == pytest.approx(expected, abs=1e-5)


def test_batches_passed_over_by_a_resumed_run_do_not_count():
    class Resumed:
        optimizer = keras.optimizers.SGD()
        skipping = True

    counter = PeriodicCallback()
    counter.set_model(Resumed())
    Resumed.optimizer.iterations.assign(13)
    counter.on_epoch_begin(1)
    steps, due = [], []
    for batch in range(5):  # an epoch of ten steps; the run was killed after 13
        Resumed.skipping = batch < 3
        counter.on_train_batch_begin(batch)
        Resumed.skipping = batch < 2  # the last of them is passed over when its end is called
        counter.on_train_batch_end(batch)
        steps.append(counter.step)
        due.append(counter.due(14))
    assert steps == [13, 13, 13, 14, 15] and due == [False, False, False, True, False]


def test_points_after_the_last_checkpoint_are_void(tmp_path):
    model, x, y = make()
    fit(model, x, y, [TensorBoard(tmp_path, freq=2, samples=0)], epochs=1)

    class Restore(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model.optimizer.iterations.assign(4)

    # The restoring callback stands after TensorBoard: the order must not matter.
    board = TensorBoard(tmp_path, freq=2, samples=0)
    fit(model, x[:12], y[:12], [board, Restore()], epochs=1)
    steps = [e.step for e in read(tmp_path).Scalars("losses/d_loss")]
    assert steps == [2, 4, 6] and points(read(tmp_path), "losses/d_loss")[6] == pytest.approx(
        epoch_mean(x, "d_loss", 2), abs=1e-5
    )


SCRIPT = """
import importlib.util, sys

class NoTensorFlow:
    tried = []
    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name == "tensorflow" else None
    def create_module(self, spec):
        self.tried.append(spec.name)
        raise ImportError("TensorFlow is not installed")
    def exec_module(self, module): pass

sys.meta_path.insert(0, NoTensorFlow())
import keras, numpy as np
import keras_gans.callbacks as callbacks
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(12)])
model.generate = lambda n, seed=0: np.zeros((n, 2, 2, 3), "float32")
model.compile("sgd", "mse")
board = callbacks.TensorBoard(sys.argv[1], freq=1, samples=4)
model.fit(np.ones((8, 4)), np.ones((8, 12)), batch_size=4, callbacks=[board], verbose=0)
assert not NoTensorFlow.tried, "something tried to import TensorFlow"
"""


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="TensorFlow is the Keras backend of this run"
)
def test_event_files_without_tensorflow(tmp_path):
    root = str(pathlib.Path(__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": root, "KERAS_BACKEND": keras.backend.backend()}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    run = subprocess.run(command, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert list(points(read(tmp_path), "losses/loss")) == [1, 2]
    assert pictures(read(tmp_path))[2].shape[-1] == 3


# SampleGrid --------------------------------------------------------------------------------------


def png(path):
    return np.asarray(Image.open(path))


def test_sample_grid_files_and_pixels(tmp_path):
    model, x, y = make()
    record = Record(9)
    by_epoch = SampleGrid(tmp_path / "e" / "{epoch:03d}-{step}.png", n=9, seed=5)
    by_step = SampleGrid(str(tmp_path / "s" / "{step}.png"), n=9, freq=4, seed=5, columns=9)
    latest = SampleGrid(tmp_path / "latest.png", n=9, seed=5)
    fit(model, x, y, [by_epoch, by_step, latest, record])
    assert sorted(os.listdir(tmp_path / "e")) == ["001-6.png", "002-12.png"]
    assert sorted(os.listdir(tmp_path / "s")) == ["12.png", "4.png", "8.png"]
    first, second = record.images
    np.testing.assert_array_equal(png(tmp_path / "e" / "001-6.png"), expected_grid(first))
    np.testing.assert_array_equal(png(tmp_path / "e" / "002-12.png"), expected_grid(second))
    np.testing.assert_array_equal(png(tmp_path / "s" / "12.png"), expected_grid(second, 9))
    np.testing.assert_array_equal(png(tmp_path / "latest.png"), expected_grid(second))
    assert np.any(expected_grid(first) != expected_grid(second))


def test_a_conditional_model_gets_a_column_per_class(tmp_path):
    model, x, y = make()
    model.num_classes = 3
    fit(model, x, y, [SampleGrid(tmp_path / "a.png", n=6)], epochs=1)
    images = model.generate(6, labels=np.array([0, 1, 2, 0, 1, 2]), seed=0)
    np.testing.assert_array_equal(png(tmp_path / "a.png"), expected_grid(images, 3))


def test_a_failed_write_keeps_the_earlier_file(tmp_path, monkeypatch):
    model, x, y = make()
    grid = SampleGrid(tmp_path / "a.png", n=4)
    fit(model, x, y, [grid], epochs=1)
    before = (tmp_path / "a.png").read_bytes()

    def full(path, *args, **kwargs):
        pathlib.Path(str(path)).write_bytes(b"half a pict")
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", lambda self, path, *a, **k: full(path))
    with pytest.raises(OSError, match="No space left"):
        grid.write()
    assert os.listdir(tmp_path) == ["a.png"] and (tmp_path / "a.png").read_bytes() == before


# TerminateOnCollapse -----------------------------------------------------------------------------


class Notebook:
    """What of IPython the grids use; `shown` holds (picture, whether it took another's place)."""

    def __init__(self, kernel):
        self.shell = types.SimpleNamespace(kernel=kernel)
        self.shown = []
        self.display = types.ModuleType("IPython.display")
        self.display.Image = lambda data, format: data
        self.display.display = self.show

    def get_ipython(self):
        return self.shell

    def show(self, picture, display_id):
        self.shown.append((picture, False))
        return types.SimpleNamespace(update=lambda picture: self.shown.append((picture, True)))


@pytest.mark.parametrize("kernel", [None, object()])
def test_a_notebook_shows_the_grid(tmp_path, monkeypatch, kernel):
    notebook = Notebook(kernel)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", notebook.display)
    model, x, y = make()
    grid = SampleGrid(tmp_path / "{epoch}.png", n=4)
    for _ in range(2):  # two cells
        fit(model, x, y, [grid], epochs=2)
    files = [(tmp_path / f"{epoch}.png").read_bytes() for epoch in (1, 2)]
    shown = notebook.shown
    assert [later for _, later in shown] == ([] if kernel is None else [False, True] * 2)
    assert [picture for picture, _ in shown][2:] == ([] if kernel is None else files)


def test_distance_against_a_loop():
    images = np.random.default_rng(0).uniform(-1, 1, (5, 4, 3, 2))
    labels = np.array([0, 0, 1, 1, 1])
    pairs = list(itertools.combinations(range(5), 2))
    rms = {(i, j): np.sqrt(np.mean((images[i] - images[j]) ** 2)) for i, j in pairs}
    got = collapse.mean_pairwise_distance(images)
    assert got == pytest.approx(np.mean(list(rms.values())), rel=1e-5)
    within = [d for (i, j), d in rms.items() if labels[i] == labels[j]]
    assert collapse.mean_pairwise_distance(images, labels) == pytest.approx(
        np.mean(within), rel=1e-5
    )
    # Nearly equal images far from zero: no rounding noise in their place.
    near = 0.9 + 1e-4 * images
    assert collapse.mean_pairwise_distance(near) == pytest.approx(1e-4 * got, rel=1e-2)
    assert collapse.mean_pairwise_distance(np.ones((3, 8, 8, 1))) == 0
    with pytest.raises(ValueError, match="two images"):
        collapse.mean_pairwise_distance(images[:1])


class Spread(keras.callbacks.Callback):
    """Scales the samples of each epoch: a generator that collapses on command."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_begin(self, epoch, logs=None):
        self.model.spread = self.values[epoch]


def test_nan_stops_at_its_step_with_one_line(tmp_path, caplog):
    model, x, y = make(columns={"d_loss": [0.5, 0.5, 0.5, np.nan, 0.5, 0.5]})
    stop, log = TerminateOnCollapse(min_diversity=None), tmp_path / "log.csv"
    callbacks = [
        keras.callbacks.CSVLogger(log),
        TensorBoard(tmp_path / "tb", freq=1, samples=4),
        SampleGrid(tmp_path / "{epoch}.png", n=4),
        stop,
    ]
    with caplog.at_level("WARNING", logger="absl"):
        history = fit(model, x, y, callbacks, epochs=5).history
    assert int(model.optimizer.iterations) == 4 and len(history["loss"]) == 1
    assert stop.reason.startswith("Training stopped at step 4 (epoch 1): d_loss is nan.")
    assert "learning rate" in stop.reason and "\n" not in stop.reason
    assert [r.getMessage() for r in caplog.records if r.name == "absl"] == [stop.reason]
    with open(log, newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["d_loss"] == "nan"
    assert float(row["gamma"]) == pytest.approx(epoch_mean(x, "gamma", 4), abs=1e-5)
    d_loss = points(read(tmp_path / "tb"), "losses/d_loss")
    assert list(d_loss) == [1, 2, 3, 4] and math.isnan(d_loss[4]) and d_loss[3] == 0.5


def test_all_callbacks_leave_training_as_it_is(tmp_path):
    def weights(callbacks):
        model, x, y = make()
        history = fit(model, x, y, callbacks).history
        return model.get_weights(), history

    plain, plain_history = weights([])
    log = tmp_path / "log.csv"
    watched, history = weights(
        [
            TensorBoard(tmp_path / "tb", freq=1, samples=4, sample_freq=1),
            SampleGrid(tmp_path / "{step}.png", n=4, freq=1),
            TerminateOnCollapse(freq=1),
            keras.callbacks.CSVLogger(log),
        ]
    )
    for a, b in zip(plain, watched, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    with open(log, newline="") as file:
        rows = list(csv.DictReader(file))
    for name in ("d_loss", "gamma", "loss"):
        assert history[name] == pytest.approx(plain_history[name], rel=1e-6)
        assert [float(row[name]) for row in rows] == pytest.approx(history[name], rel=1e-6)


def test_nan_can_raise():
    model, x, y = make(columns={"d_loss": [1, np.inf, 1, 1, 1, 1]})
    stop = TerminateOnCollapse(min_diversity=None, raise_error=True)
    with pytest.raises(RuntimeError, match=r"step 2 \(epoch 1\): d_loss is inf"):
        fit(model, x, y, [stop])


def test_only_losses_must_be_finite():
    model, _, _ = make()
    stop = TerminateOnCollapse(min_diversity=None)
    stop.set_model(model)
    stop.on_train_begin()
    stop.on_epoch_begin(0)
    for batch, logs in enumerate([{"gamma": math.nan, "d_loss": 1.0}, {"g_loss": -math.inf}]):
        assert stop.reason is None
        stop.on_train_batch_begin(batch)
        stop.on_train_batch_end(batch, logs)
    assert "g_loss is -inf" in stop.reason and model.stop_training


@pytest.mark.parametrize("num_classes", [None, 3, 40])
def test_collapse_stops_after_patience(num_classes):
    # One bad epoch, a good one, then two bad in a row: only those stop the run.
    spread = Spread([1.0, 0.001, 1.0, 0.001, 0.001, 0.001])
    model, x, y = make()
    model.num_classes = num_classes
    stop = TerminateOnCollapse(patience=2)
    history = fit(model, x, y, [spread, stop], epochs=6).history
    assert len(history["loss"]) == 5
    assert "step 30 (epoch 5): the generator has collapsed" in stop.reason
    assert "2 checks in a row" in stop.reason


def test_an_untrained_generator_is_no_alarm_but_against_real_images():
    spread = Spread([0.001, 0.01, 0.1, 1.0])
    model, x, y = make()
    stop = TerminateOnCollapse(patience=1)
    fit(model, x, y, [spread, stop], epochs=4)
    assert stop.reason is None and int(model.optimizer.iterations) == 24
    expected = collapse.mean_pairwise_distance(model.generate(32, seed=0))
    assert stop.diversity == pytest.approx(expected, rel=1e-5)

    real = np.random.default_rng(0).uniform(-1, 1, (16, *IMAGE)).astype("float32")
    model, x, y = make()
    stop = TerminateOnCollapse(patience=2, real=real)
    fit(model, x, y, [spread, stop], epochs=4)
    assert "step 12 (epoch 2)" in stop.reason and "real ones" in stop.reason


def test_one_picture_for_each_class_is_a_collapse(caplog):
    """Its samples differ as much as real images do, but not within a class."""

    class OnePerClass(Toy):
        def generate(self, n, seed=0, labels=None):
            return real[labels]

    real = np.random.default_rng(0).uniform(-1, 1, (8, *IMAGE)).astype("float32")
    labels = np.arange(8) // 4
    real[4:] *= 0.5
    model = OnePerClass()
    model.num_classes = 2
    model.compile(ToyOptimizer(0.5), loss="mse")
    _, x, y = make()
    given = {"patience": 2, "real": real}
    stop = TerminateOnCollapse(real_labels=labels, **given)
    fit(model, x, y, [stop], epochs=4)
    assert "step 12 (epoch 2)" in stop.reason and "its samples of one class are" in stop.reason
    assert stop.diversity < 1e-3 < collapse.mean_pairwise_distance(real)
    within = [
        np.sqrt(np.mean((real[i] - real[j]) ** 2))
        for i, j in itertools.combinations(range(8), 2)
        if labels[i] == labels[j]
    ]
    assert f"real ones were {np.mean(within):.2g}, 2 checks" in stop.reason
    assert f"samples of one class beside 8 real ones, {np.mean(within):.2g} apart." in stop.watches
    # Too young to be stopped: it says so at the end.
    young = TerminateOnCollapse(real_labels=labels, warmup=100, **given)
    fit(model, x, y, [young], epochs=4)
    assert young.reason is None
    (said,) = [r.getMessage() for r in caplog.records if "at the end of this run" in r.getMessage()]
    assert f"where real ones were {np.mean(within):.2g}" in said and "\n" not in said
    # Samples as varied within a class as real images are none.
    caplog.clear()
    model = Toy()
    model.num_classes = 2
    model.compile(ToyOptimizer(0.0), loss="mse")
    stop = TerminateOnCollapse(real_labels=labels, **given)
    fit(model, x, y, [stop], epochs=4)
    assert stop.reason is None and not caplog.records


@pytest.mark.parametrize(
    "spread, warmup, stopped_at",
    [
        ([0.01] * 6, 0, 12),
        ([0.01] * 6, 20, 30),  # the checks at steps 24 and 30 count
        ([0.01] * 6, 100, None),  # a young generator
        ([1.0] + [0.01] * 5, 100, 18),  # varied at step 6: not young any more
        ([0.2] + [0.01] * 5, 100, None),  # that was no variety yet
    ],
)
def test_a_young_generator_has_time(spread, warmup, stopped_at):
    model, x, y = make(ToyOptimizer(0.0))
    real = model.generate(16, seed=1)
    stop = TerminateOnCollapse(patience=2, real=real, warmup=warmup)
    fit(model, x, y, [Spread(spread), stop], epochs=6)
    if stopped_at is None:
        assert stop.reason is None
    else:
        assert f"stopped at step {stopped_at} " in stop.reason


def test_nan_samples_stop_at_once():
    model, x, y = make()
    stop = TerminateOnCollapse(freq=2)
    fit(model, x, y, [Spread([1.0, np.nan]), stop])
    assert "step 8 (epoch 2): the generator's samples contain NaN" in stop.reason


def test_nan_samples_give_a_warning_and_no_picture(tmp_path, caplog):
    model, x, y = make()
    grid, board = SampleGrid(tmp_path / "{step}.png", n=4), TensorBoard(tmp_path / "tb", samples=4)
    with caplog.at_level("WARNING", logger="absl"):
        fit(model, x, y, [Spread([1.0, np.nan]), grid, board])
    warnings = [r.getMessage() for r in caplog.records if r.name == "absl"]
    assert warnings == ["No sample grid at step 12: the samples contain NaN or Inf."] * 2
    assert sorted(os.listdir(tmp_path)) == ["6.png", "tb"]
    assert list(pictures(read(tmp_path / "tb"))) == [6]


@pytest.mark.parametrize(
    "d_loss, real, fake, stopped",
    [
        (0.001, 8.0, -8.0, True),  # non-saturating: nothing left to learn for D
        (0.0, 1.0, 0.0, True),  # least squares at D's optimum
        (0.001, 0.301, 0.3, False),  # Wasserstein: a small loss is a small gap
        (0.7, 0.0, 0.0, False),  # a game in balance
    ],
)
def test_a_discriminator_that_has_won(d_loss, real, fake, stopped):
    model = keras.Sequential()
    model.compile("sgd")
    stop = TerminateOnCollapse(patience=3, min_diversity=None)
    stop.set_model(model)
    stop.on_train_begin()
    balanced = {"d_loss": 0.7, "real_score": 0.1, "fake_score": 0.0}
    won = {"d_loss": d_loss, "real_score": real, "fake_score": fake}
    # Two checks, one in balance, and three more: only three in a row stop the run.
    for epoch, logs in enumerate([won, won, balanced, won, won, won]):
        assert stop.reason is None
        model.optimizer.iterations.assign(6 * (epoch + 1))
        stop.on_epoch_begin(epoch)
        stop.on_epoch_end(epoch, logs)
    if stopped:
        assert "step 36 (epoch 6): the discriminator has won" in stop.reason
        assert model.stop_training
    else:
        assert stop.reason is None


def test_the_same_guard_serves_a_second_fit():
    model, x, y = make()
    stop = TerminateOnCollapse(patience=1)
    fit(model, x, y, [Spread([1.0, 0.0]), stop])
    assert stop.reason is not None
    fit(model, x, y, [Spread([1.0, 1.0]), stop])
    assert stop.reason is None and int(model.optimizer.iterations) == 24


# With a method of the library --------------------------------------------------------------------


def test_with_one_stage_training(tmp_path):
    layers = keras.layers
    pixels = layers.Dense(48, activation="tanh")
    g = keras.Sequential([layers.Input((5,)), pixels, layers.Reshape((4, 4, 3))])
    d = keras.Sequential([layers.Input((4, 4, 3)), layers.Flatten(), layers.Dense(1)])
    model = keras_gans.models.OSGAN(g, d, ema=0.5)
    model.compile({"generator": keras.optimizers.SGD(0.5), "discriminator": "adam"})
    images = np.random.default_rng(0).uniform(-1, 1, (24, 4, 4, 3)).astype("float32")
    stop, log = TerminateOnCollapse(freq=2), tmp_path / "log.csv"
    callbacks = [
        TensorBoard(tmp_path / "tb", freq=1, samples=4, sample_freq=2),
        SampleGrid(tmp_path / "{step}.png", n=4, freq=2),
        stop,
        keras.callbacks.CSVLogger(log),
    ]
    history = model.fit(images, batch_size=8, epochs=2, callbacks=callbacks, verbose=0).history
    events = read(tmp_path / "tb")
    tags = set(events.Tags()["scalars"])
    for group, names in {
        "losses": ["d_loss", "g_loss"],
        "gradients": ["d_grad_norm", "g_grad_norm"],
        "scores": ["real_score", "fake_score"],
        "gamma": ["gamma", "gamma_std"],
    }.items():
        for name in names:
            at = points(events, f"{group}/{name}")
            assert list(at) == [1, 2, 3, 4, 5, 6]
            # The mean over an epoch's last step is the epoch's value.
            assert [at[3], at[6]] == pytest.approx(history[name], rel=1e-5)
    assert {"speed/images_per_second", "epoch/gamma"} <= tags
    assert set(points(events, "learning_rate/generator").values()) == {0.5}
    assert points(events, "learning_rate/discriminator")[6] == pytest.approx(1e-3)
    shown = pictures(events)
    assert list(shown) == [2, 4, 6] and np.any(shown[2] != shown[6])
    np.testing.assert_array_equal(shown[6], image_grid(model.generate(4, seed=0)))
    for step in shown:
        np.testing.assert_array_equal(png(tmp_path / f"{step}.png"), shown[step])
    distance = collapse.mean_pairwise_distance(model.generate(32, seed=0))
    assert stop.reason is None and stop.diversity == pytest.approx(distance, rel=1e-5)
    with open(log, newline="") as file:
        rows = [float(row["g_loss"]) for row in csv.DictReader(file)]
    assert rows == pytest.approx(history["g_loss"], rel=1e-6)


# Bad arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: TensorBoard("a", freq=0), "freq must be"),
        (lambda: TensorBoard("a", freq=True), "freq must be"),
        (lambda: TensorBoard("a", sample_freq="step"), "sample_freq must be"),
        (lambda: TensorBoard("a", samples=-1), "samples must be"),
        (lambda: TensorBoard("gs://bucket/a"), "local folder"),
        (lambda: SampleGrid("{batch}.png"), "fields {epoch} and {step}"),
        (lambda: SampleGrid("{epoch:q}.png"), "fields {epoch} and {step}"),
        (lambda: SampleGrid("a.jpg"), "end in .png"),
        (lambda: SampleGrid("a.png", n=0), "n must be"),
        (lambda: SampleGrid("a.png", freq=None), "freq must be"),
        (lambda: SampleGrid("a.png", columns=0), "columns must be"),
        (lambda: TerminateOnCollapse(freq=1.5), "freq must be"),
        (lambda: TerminateOnCollapse(patience=0), "patience must be"),
        (lambda: TerminateOnCollapse(n=1), "n must be"),
        (lambda: TerminateOnCollapse(min_diversity=2), "min_diversity must be"),
        (lambda: TerminateOnCollapse(warmup=-1), "warmup must be"),
        (lambda: TerminateOnCollapse(real_labels=[0, 0]), "pass real="),
    ],
)
def test_bad_arguments_raise_one_line(build, message):
    with pytest.raises(ValueError) as error:
        build()
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "build",
    [
        lambda path: TensorBoard(path),
        lambda path: SampleGrid(path / "a.png"),
        lambda path: TerminateOnCollapse(),
    ],
)
def test_a_model_without_generate(tmp_path, build):
    with pytest.raises(ValueError, match="Sequential does not have"):
        build(tmp_path).set_model(keras.Sequential())
    TensorBoard(tmp_path, samples=0).set_model(keras.Sequential())
    TerminateOnCollapse(min_diversity=None).set_model(keras.Sequential())
