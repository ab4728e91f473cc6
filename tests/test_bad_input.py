"""Models and `fit` given what they cannot use: one line says what."""

import keras
import numpy as np
import pytest
from conftest import images

from keras_gans import data, losses, models, networks

X = images(12)
Y = np.arange(12) % 3


def nets(**kwargs):
    return networks.dcgan(16, 1, 4, norm="layer", d_norm="none", latent_dim=4, **kwargs)


def gan(**kwargs):
    classes = kwargs.get("num_classes")
    model = models.GAN(*(nets(num_classes=classes) if classes else nets()), **kwargs)
    model.compile("sgd")
    return model


MODELS = [
    (dict(clip=-0.1), "clip is -0.1; expected a number above 0"),
    (dict(clip="0.01"), "clip is '0.01'; expected a number"),
    (dict(ema="0.9"), "ema is '0.9'; expected a number"),
    (dict(ema=1.0), r"ema is 1.0; expected a decay in \[0, 1\)"),
    (dict(penalty="r1"), r"penalty is 'r1'; .* such as R1\(\)"),
    (dict(d_steps=1.5), "d_steps is 1.5; expected an integer"),
    (dict(objective=["hinge"]), "Unknown objective"),
    (dict(objective="hing"), "did you mean 'hinge'"),
]


@pytest.mark.parametrize("arguments, words", MODELS, ids=lambda v: str(v)[:30])
def test_arguments_of_a_model(arguments, words):
    with pytest.raises(ValueError, match=words) as error:
        gan(**arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "given, words",
    [
        ({"optimizer": "adam"}, r'optimizers=\{"discriminator": ..., "generator": ...\}'),
        ({"loss": "mse"}, 'objective="hinge"'),
        ({"metrics": ["fd"]}, "callbacks.Evaluate"),
    ],
)
def test_the_words_of_compile_of_other_models(given, words):
    model = models.GAN(*nets())
    with pytest.raises(ValueError, match=words) as error:
        model.compile(**given)
    assert "\n" not in str(error.value)


def ending(network, last):
    """A network, and one more step behind its output."""
    return keras.Model(network.inputs, last(network.outputs[0]))


@pytest.mark.parametrize(
    "last", [keras.layers.Activation("sigmoid"), keras.ops.sigmoid], ids=["layer", "function"]
)
def test_a_sigmoid_at_the_end_is_refused(last):
    g, d = nets()
    with pytest.raises(ValueError, match=r"images here are in \[-1, 1\]: end it with .tanh."):
        models.GAN(ending(g, last), d)
    flat = keras.layers.Reshape((1,))
    with pytest.raises(ValueError, match="take its raw scores: leave its last activation out"):
        models.OSGAN(g, ending(ending(d, last), flat))
    nested = keras.Sequential([d.inputs[0], ending(d, last)])
    with pytest.raises(ValueError, match="raw scores"):
        models.GAN(g, nested)
    g, d = networks.pix2pix(image_size=32, channels=1, width=4, d_layers=2)
    with pytest.raises(ValueError, match="ends with a sigmoid"):
        models.Pix2Pix(ending(g, last), d)
    t, r, d1, d2 = (*networks.asymmetric(16, num_domains=3, width=2, d_width=2, blocks=1), None)[:4]
    with pytest.raises(ValueError, match="ends with a sigmoid"):
        models.AsymmetricGAN(ending(t, last), r, d1, d2)


def test_an_objective_of_probabilities_may_have_a_sigmoid():
    class OfProbabilities(losses.NonSaturating):
        takes_logits = False

    g, d = nets()
    models.GAN(g, ending(d, keras.ops.sigmoid), objective=OfProbabilities())


def test_networks_that_do_not_fit_each_other():
    g, d = nets()
    for pair, words in (
        (
            (g, networks.dcgan(32, 1, 4)[1]),
            r"of shape \(16, 16, 1\), .* \(32, 32, 1\)",
        ),
        ((g, networks.dcgan(16, 3, 4)[1]), r"takes \(16, 16, 3\)"),
        ((d, g), "the discriminator takes"),
        (("a", d), "The generator is a str"),
        ((g, None), "The discriminator is a NoneType"),
    ):
        with pytest.raises(ValueError, match=words) as error:
            models.GAN(*pair)
        assert "\n" not in str(error.value)


FITS = [
    ({}, (None,), "got no data"),
    ({}, (X.reshape(12, -1),), r"images of shape \(256,\)"),
    ({}, (X, None, 0), "batch_size is 0"),
    ({}, (X, None, 13), "has only 12 images"),
    ({}, (np.where(X > 0.9, np.nan, X),), "NaN or infinite"),
    ({}, ((X + 1) / 2,), r"looks like \[0, 1\]"),
    (dict(num_classes=3), (X, Y + 1), "labels run from 1 to 3; with num_classes=3, 0 to 2"),
    (dict(num_classes=3), (X, np.eye(3)[Y]), r"labels are float32 of shape \(12, 3\); integers"),
    (dict(num_classes=3), (X, Y[:5]), r"shape \(5,\) for 12 images"),
]


@pytest.mark.parametrize("arguments, given, words", FITS, ids=lambda v: str(v)[:20])
def test_data_of_a_fit(arguments, given, words):
    with pytest.raises(ValueError, match=words) as error:
        gan(**arguments).fit(*given, verbose=0)
    assert "\n" not in str(error.value)


def test_arguments_that_mean_nothing_here_are_refused():
    for arguments in (
        {"class_weight": {0: 1.0}},
        {"sample_weight": np.ones(12)},
        {"validation_data": X},
        {"validation_split": 0.5},
    ):
        with pytest.raises(ValueError, match=f"{next(iter(arguments))} has no meaning"):
            gan().fit(X, verbose=0, **arguments)
    for name in ("evaluate", "test_on_batch"):
        with pytest.raises(NotImplementedError, match="say nothing about held-out images"):
            getattr(gan(), name)(X)


def test_the_arguments_of_fit_stand_in_the_order_of_keras():
    history = gan().fit(X, None, 4, 2, 0)
    assert len(history.history["d_loss"]) == 2


DATASETS = [
    (lambda x, y: ((x + 1) * 127.5).astype("uint8"), "are uint8"),
    (lambda x, y: (x + 1) * 127.5, r"run from .* to 25\d"),
    (lambda x, y: (x + 1) / 2, r"looks like \[0, 1\]"),
    (lambda x, y: np.where(x > 0.9, np.nan, x), "NaN or infinite"),
    (lambda x, y: (x, y + 1), "labels run from 1 to 3"),
    (lambda x, y: (x, np.eye(3)[y]), r"labels are float64 of shape \(12, 3\)"),
]


@pytest.mark.parametrize("change, words", DATASETS)
def test_datasets_of_others_are_looked_at(change, words):
    """tf.data and `PyDataset`s that this library did not make, so did not check."""
    tf = pytest.importorskip("tensorflow", reason="tf.data is TensorFlow's")
    changed = change(X, Y)
    model = gan(num_classes=3) if isinstance(changed, tuple) else gan()

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return changed

    for dataset in (tf.data.Dataset.from_tensor_slices(changed).batch(12), Batches()):
        with pytest.raises(ValueError, match=words) as error:
            model.fit(dataset, verbose=0)
        assert "\n" not in str(error.value)


def test_a_fit_of_good_data_of_others_is_left_alone():
    tf = pytest.importorskip("tensorflow", reason="tf.data is TensorFlow's")
    seen = []

    def count(x):
        seen.append(1)
        return x

    dataset = tf.data.Dataset.from_tensor_slices(X).batch(4)
    dataset = dataset.map(lambda x: tf.numpy_function(count, [x], tf.float32))
    dataset = dataset.map(lambda x: tf.ensure_shape(x, (4, 16, 16, 1)))
    model = gan()
    model.fit(dataset, verbose=0)
    assert model.steps_done == len(seen) == 3  # none is drawn to be looked at only


def test_more_classes_in_the_data_than_in_the_model():
    pytest.importorskip("tensorflow", reason="keras_gans.data.load gives a tf.data.Dataset")
    dataset = data.load("digits", image_size=16, batch_size=64, labels=True)
    with pytest.raises(ValueError, match="labels run from 0 to 9; with num_classes=3"):
        gan(num_classes=3).fit(dataset, verbose=0)


def test_a_wrong_size_of_a_network_is_told():
    for arguments, words in (
        (dict(image_size="16"), "image_size is '16'"),
        (dict(image_size=16.0), "image_size is 16.0"),
        (dict(image_size=24), "power of two"),
        (dict(width=0), "width is 0"),
        (dict(latent_dim=0), "latent_dim is 0"),
        (dict(channels=0), "channels is 0"),
        (dict(num_classes=0), "num_classes is 0"),
        (dict(width=12, norm="group"), "width is 12; .* multiple of 8"),
        (dict(width=6, norm="none", d_norm="group"), "width is 6; .* multiple of 4"),
    ):
        with pytest.raises(ValueError, match=words) as error:
            networks.dcgan(**arguments)
        assert "\n" not in str(error.value)
    assert networks.dcgan(32, 1, 4, d_norm="group")  # 8 channels at its first norm
