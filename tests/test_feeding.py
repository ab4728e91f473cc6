"""What `fit` takes in, and leaves out: the same whatever brings the batches."""

import functools

import keras
import numpy as np
import pytest
from conftest import images, slow_module, slow_on

from keras_gans import callbacks, data, metrics, models, networks
from keras_gans.training import backend, feeding

pytestmark = slow_module("jax")

X = images(12, size=8)
Y = np.arange(12) % 3


class Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def tf_data(batches):
    tf = pytest.importorskip("tensorflow", reason="tf.data is TensorFlow's")
    forms = [tf.TensorSpec((None, *np.shape(x)[1:]), np.asarray(x).dtype) for x in batches[0]]
    return tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=tuple(forms))


def loader(batches):
    torch = pytest.importorskip("torch", reason="a DataLoader is torch's")
    return torch.utils.data.DataLoader(batches, batch_size=None)


WAYS = {
    "tf.data": tf_data,
    "loader": loader,
    "generator": lambda batches: (batch for batch in batches),
    "PyDataset": Batches,
}


def cut(size, *arrays):
    n = len(arrays[0])
    return [tuple(a[i : i + size] for a in arrays) for i in range(0, n, size)]


def nets(classes=None):
    z = keras.Input((4,))
    h = inputs = z
    if classes:
        label = keras.Input((), dtype="int32")
        inputs = [z, label]
        h = keras.layers.Concatenate()([z, keras.layers.Embedding(classes, 2)(label)])
    made = keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64, activation="tanh")(h))
    x = keras.Input((8, 8, 1))
    d = keras.Model(x, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    return keras.Model(inputs, made), d


def gan(classes=None, eager=True, **kwargs):
    keras.utils.set_random_seed(1)
    model = models.GAN(*nets(classes), num_classes=classes, **kwargs)
    model.compile("sgd", run_eagerly=eager)
    return model


shared = functools.cache(gan)


def weights(model):
    return np.concatenate([np.ravel(keras.ops.convert_to_numpy(v)) for v in model.variables])


FAULTS = {
    "uint8": (cut(8, ((X + 1) * 127.5).astype("uint8")), "are uint8"),
    "bool": (cut(8, X > 0), "are bool"),
    "0..255": (cut(8, (X + 1) * 127.5), r"run from .* to 25\d"),
    "[0, 1]": (cut(8, (X + 1) / 2), r"looks like \[0, 1\]"),
    "[0, 1] by threes": (cut(3, (X + 1) / 2), r"looks like \[0, 1\]"),
    "NaN": (cut(8, np.where(X > 0.9, np.nan, X)), "NaN or infinite"),
    "size": (cut(8, X[:, ::2]), r"of shape \(4, 8, 1\)"),
    "channels first": (cut(8, X.transpose(0, 3, 1, 2)), "look channels-first"),
    "labels": (cut(4, X, np.sort(Y) + 1), "labels run from 3 to 3"),
    "negative": (cut(4, X, -Y), "labels run from -2 to 0"),
    "floats": (cut(4, X, Y.astype("float32")), "labels are float32"),
    "one-hot": (cut(4, X, np.eye(3, dtype="int32")[Y]), r"of shape \(4, 3\)"),
    "fewer": ([(X[:8], Y[:7])], r"parts of \(8, 8, 8, 1\), \(7,\)"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_way_in_has_the_same_checks(way, fault):
    batches, words = FAULTS[fault]
    model = shared(3 if len(batches[0]) > 1 else None)
    before = model.steps_done
    with pytest.raises(ValueError, match=words) as error:
        model.fit(WAYS[way](batches), verbose=0)
    assert "\n" not in str(error.value)
    assert model.steps_done < before + len(batches)


@slow_on("tensorflow")
@pytest.mark.parametrize("way", WAYS)
def test_dictionaries_train_as_arrays_do(way):
    pixels = data.to_uint8(X)
    dictionaries = [{"label": y, "image": x} for x, y in cut(4, pixels, Y)]
    if way == "tf.data":
        tf = pytest.importorskip("tensorflow", reason="tf.data is TensorFlow's")
        names = np.array([f"image {i}" for i in range(12)])
        whole = {"id": names, "image": pixels, "label": Y}  # as tfds gives it
        given = tf.data.Dataset.from_tensor_slices(whole).batch(4)
    else:
        given = WAYS[way](dictionaries)
    model, other = gan(3), gan(3)
    model.fit(given, verbose=0, shuffle=False)
    other.fit(data.from_uint8(pixels), Y, batch_size=4, shuffle=False, verbose=0)
    assert model.steps_done == 3
    np.testing.assert_allclose(weights(model), weights(other), atol=1e-6)


def test_dictionaries_that_say_too_little():
    two = [{"a": X, "b": X}]
    with pytest.raises(ValueError, match="a and b may be the images"):
        gan().fit(Batches(two), verbose=0)
    with pytest.raises(ValueError, match="none may be the labels"):
        gan(3).fit(Batches([{"image": X}]), verbose=0)


def test_pairs_are_looked_at():
    pix = networks.pix2pix(image_size=16, channels=1, width=4, d_layers=1)
    model = models.Pix2Pix(*pix)
    model.compile("sgd", run_eagerly=True)
    x = images(4, size=16)
    for pair, words in (((x, x * np.nan), "NaN"), ((x * 127, x), "run from"), (({"a": x},), "map")):
        with pytest.raises(ValueError, match=words):
            model.fit(Batches([pair]), verbose=0)
    assert model.steps_done == 0


@pytest.mark.parametrize("eager", [True, pytest.param(False, marks=slow_module("tensorflow"))])
def test_a_rest_too_small_for_the_updates_is_left_out(eager, caplog):
    """8 + 2 images, and 4 updates of D a step: what the first 8 give."""
    model, other = gan(d_steps=4, eager=eager), gan(d_steps=4, eager=eager)
    history = model.fit(X[:10], batch_size=8, shuffle=False, epochs=2, verbose=0).history
    assert "2 images of the last batch of 2 are left out" in caplog.text
    assert caplog.text.count("left out") == 1
    other.fit(X[:8], batch_size=8, shuffle=False, epochs=2, verbose=0)
    assert model.steps_done == 2
    np.testing.assert_array_equal(weights(model), weights(other))
    assert np.isfinite(history["d_loss"]).all()


@pytest.mark.parametrize("way", WAYS)
def test_empty_batches_are_passed_over(way):
    batches = [(X[:4],), (X[:0],), (X[4:8],)]
    model, other = gan(), gan()
    model.fit(WAYS[way](batches), shuffle=False, verbose=0)
    other.fit(X[:8], batch_size=4, shuffle=False, verbose=0)
    assert model.steps_done == 2
    np.testing.assert_allclose(weights(model), weights(other), atol=1e-6)
    with pytest.raises(ValueError, match="first batch of the data holds no images"):
        gan().fit(WAYS[way]([(X[:0],), (X[:4],)]), shuffle=False, verbose=0)


def test_data_of_unknown_length_are_as_many_steps_as_batches():
    model, other, seen = gan(eager=False), gan(eager=False), []
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(model.steps_done))
    model.fit(tf_data(cut(4, X)), epochs=3, verbose=0, callbacks=[count])
    other.fit(X, batch_size=4, shuffle=False, epochs=3, verbose=0)
    assert seen == [3, 6, 9]
    np.testing.assert_allclose(weights(model), weights(other), atol=1e-6)


def test_data_that_end_never_or_once():
    class Endless(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return X[:4]

    with pytest.raises(ValueError, match="without an end.*steps_per_epoch"):
        gan().fit(Endless(), verbose=0)
    with pytest.raises(ValueError, match="generator ends once, and 2 epochs"):
        gan().fit(WAYS["generator"](cut(4, X)), epochs=2, verbose=0)
    repeated = tf_data(cut(4, X)).repeat()
    with pytest.raises(ValueError, match="without an end.*steps_per_epoch"):
        gan().fit(repeated.apply(_counted), verbose=0)
    model = gan()
    model.fit(repeated, steps_per_epoch=2, epochs=2, verbose=0)
    assert model.steps_done == 4


def _counted(dataset):
    import tensorflow as tf

    return dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))


def test_batches_for_devices(monkeypatch, caplog):
    """Two devices: odd batches are refused at the start, later cut, or left out with one image."""
    monkeypatch.setattr(backend, "devices", lambda model: (1, 2))
    feed = feeding.Feed(gan())
    with pytest.raises(ValueError, match="batch of 5 cannot be shared among 2 devices.*of 2"):
        feed((X[:5],))
    assert len(feed((X[:4],))[0]) == 4 and "left out" not in caplog.text
    assert len(feed((X[:3],))[0]) == 2
    assert feed((X[:1],)) is None and feed((X[:0],)) is None
    assert "1 images of the last batch of 3 are left out" in caplog.text
    with pytest.raises(ValueError, match="batch of 2 cannot be shared among 2 devices.*of 4"):
        gan(d_steps=2).fit(X, batch_size=2, verbose=0)


def test_an_epoch_is_not_resumed_with_other_batches(tmp_path):
    """Also where only the batches themselves say how large they are."""

    class Killed(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise RuntimeError

    def fit(size, *more):
        backup = callbacks.BackupAndRestore(tmp_path, save_freq=1)
        model = gan()
        model.fit(WAYS["generator"](cut(size, X)), verbose=0, callbacks=[backup, *more])
        return model.steps_done

    with pytest.raises(RuntimeError):
        fit(2, Killed())
    with pytest.raises(ValueError, match="batches of 2 images .* which now are 4 images"):
        fit(4)
    assert fit(2) == 6


def test_integers_and_other_ranges_are_no_images():
    distance, pixels = metrics.FrechetDistance(metrics.kgnet()), images(2, size=32)
    for wrong in (pixels > 0, np.sign(pixels).astype("int64")):
        with pytest.raises(ValueError, match="expected uint8 or floats"):
            distance.update_state(real=wrong)
        with pytest.raises(ValueError, match="expected uint8"):
            data.image_grid(wrong)
    with pytest.raises(ValueError, match="expected uint8, or floats"):
        data.image_grid((pixels + 1) * 127.5)
    with pytest.raises(ValueError, match="images are float32; expected uint8"):
        data.from_uint8(pixels)


def test_a_grid_of_translations_looks_at_its_inputs_first(tmp_path):
    model = models.Pix2Pix(*networks.pix2pix(image_size=16, channels=1, width=4, d_layers=1))
    model.compile("sgd", run_eagerly=True)
    x = images(2, size=16)
    grid = callbacks.TranslationGrid(tmp_path / "{epoch}.png", 255 * x)
    with pytest.raises(ValueError, match="run from"):
        model.fit(x, x, verbose=0, callbacks=[grid])
    assert model.steps_done == 0
