"""The Inception network of 2015, behind the FIDs of papers, as a Keras model for every backend."""

import keras
import numpy as np
from keras import layers, ops

from keras_gans.metrics.scores import INCEPTION
from keras_gans.typing import Any, Config, Shape, Tensor

SIZE = 299
FEATURES = ("64", "192", "768", "2048")
OUTPUTS = (*FEATURES, "logits_unbiased", "logits")
# PyTorch's convolutions on CPU take 1.6 times as long with the channels last.
_FORMAT = "channels_first" if keras.backend.backend() == "torch" else "channels_last"


def inception_model() -> keras.Model:
    """The network with weights of zero: pixels 0 .. 255 (B, H, W, 3) -> dictionary of `OUTPUTS`.

    Szegedy et al., Rethinking the Inception Architecture, 2015, as in the graph
    `inception-2015-12-05` of TensorFlow. Each batch norm (epsilon 1e-3, in inference) is folded
    into the convolution before it.

    Returns:
        `keras.Model` in float32; a convolution's name is its path in the PyTorch file with "__" for
        ".".

    Example:

    >>> inception_model().output["2048"].shape
    (None, 2048)
    """
    x = inputs = keras.Input((None, None, 3), name="pixels", dtype="float32")
    x = TF1BilinearResize(SIZE, dtype="float32", name="resize")(x)
    x = layers.Rescaling(1 / 128, offset=-1, dtype="float32", name="scale")(x)
    if _FORMAT == "channels_first":
        x = layers.Permute((3, 1, 2), dtype="float32", name="channels_first")(x)
    outputs = {}

    x = _conv(x, "Conv2d_1a_3x3", 32, 3, strides=2, padding="valid")
    x = _conv(x, "Conv2d_2a_3x3", 32, 3, padding="valid")
    x = _conv(x, "Conv2d_2b_3x3", 64, 3)
    x = _shrink(x)
    outputs["64"] = _mean(x)
    x = _conv(x, "Conv2d_3b_1x1", 80, 1)
    x = _conv(x, "Conv2d_4a_3x3", 192, 3, padding="valid")
    x = _shrink(x)
    outputs["192"] = _mean(x)

    for name, filters in (("5b", 32), ("5c", 64), ("5d", 64)):
        x = _block_35(x, f"Mixed_{name}", filters)
    x = _shrink_35(x, "Mixed_6a")
    for name, filters in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        x = _block_17(x, f"Mixed_{name}", filters)
    outputs["768"] = _mean(x)
    x = _shrink_17(x, "Mixed_7a")
    x = _block_8(x, "Mixed_7b", _average)
    # A maximum where the paper and all other blocks have a mean: an oddity of this very graph, and
    # part of what published numbers are measured with.
    x = _block_8(x, "Mixed_7c", _maximum)
    outputs["2048"] = x = _mean(x)

    outputs["logits_unbiased"] = layers.Dense(
        1008, use_bias=False, kernel_initializer="zeros", dtype="float32", name="fc"
    )(x)
    outputs["logits"] = _Bias(dtype="float32", name="fc_bias")(outputs["logits_unbiased"])
    return keras.Model(inputs, outputs, name=INCEPTION)


def convolutions(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Path in the PyTorch file -> layer, for every convolution of `inception_model()`, in order."""
    return {
        layer.name.replace("__", "."): layer
        for layer in model.layers
        if isinstance(layer, layers.Conv2D)
    }


def set_weights(model: keras.Model, arrays: dict[str, np.ndarray]) -> None:
    """Fill `inception_model()` with arrays, "<path>.kernel", "<path>.bias", of all its layers."""
    for path, layer in convolutions(model).items():
        layer.set_weights([arrays[f"{path}.kernel"], arrays[f"{path}.bias"]])
    model.get_layer("fc").set_weights([arrays["fc.kernel"]])
    model.get_layer("fc_bias").set_weights([arrays["fc.bias"]])


def _conv(x, path, filters, kernel, strides=1, padding="same"):
    """Convolution, folded batch norm, ReLU."""
    return layers.Conv2D(
        filters,
        kernel,
        strides,
        padding,
        data_format=_FORMAT,
        activation="relu",
        kernel_initializer="zeros",
        dtype="float32",
        name=path.replace(".", "__"),
    )(x)


def _shrink(x):
    return layers.MaxPooling2D(3, 2, data_format=_FORMAT, dtype="float32")(x)


def _maximum(x):
    return layers.MaxPooling2D(3, 1, "same", data_format=_FORMAT, dtype="float32")(x)


def _average(x):
    """Mean over 3 x 3 that leaves the padding out, as every backend does for "same"."""
    return layers.AveragePooling2D(3, 1, "same", data_format=_FORMAT, dtype="float32")(x)


def _mean(x):
    return layers.GlobalAveragePooling2D(data_format=_FORMAT, dtype="float32")(x)


def _join(*branches):
    axis = 1 if _FORMAT == "channels_first" else -1
    return layers.Concatenate(axis, dtype="float32")(branches)


def _chain(x, path, *steps):
    """Convolutions in a row, each (name of the branch, filters, kernel)."""
    for name, filters, kernel in steps:
        x = _conv(x, f"{path}.{name}", filters, kernel)
    return x


def _block_35(x, path, pooled):
    """35 x 35 pixels: branches of one 5x5 and of two 3x3 convolutions."""
    return _join(
        _chain(x, path, ("branch1x1", 64, 1)),
        _chain(x, path, ("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)),
        _chain(
            x, path, ("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)
        ),
        _chain(_average(x), path, ("branch_pool", pooled, 1)),
    )


def _shrink_35(x, path):
    """From 35 x 35 to 17 x 17."""
    double = _chain(x, path, ("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3))
    return _join(
        _conv(x, f"{path}.branch3x3", 384, 3, strides=2, padding="valid"),
        _conv(double, f"{path}.branch3x3dbl_3", 96, 3, strides=2, padding="valid"),
        _shrink(x),
    )


def _block_17(x, path, filters):
    """17 x 17 pixels: 7x7 convolutions in factors."""
    row, column = (1, 7), (7, 1)
    return _join(
        _chain(x, path, ("branch1x1", 192, 1)),
        _chain(
            x,
            path,
            ("branch7x7_1", filters, 1),
            ("branch7x7_2", filters, row),
            ("branch7x7_3", 192, column),
        ),
        _chain(
            x,
            path,
            ("branch7x7dbl_1", filters, 1),
            ("branch7x7dbl_2", filters, column),
            ("branch7x7dbl_3", filters, row),
            ("branch7x7dbl_4", filters, column),
            ("branch7x7dbl_5", 192, row),
        ),
        _chain(_average(x), path, ("branch_pool", 192, 1)),
    )


def _shrink_17(x, path):
    """From 17 x 17 to 8 x 8."""
    single = _chain(x, path, ("branch3x3_1", 192, 1))
    factored = _chain(
        x,
        path,
        ("branch7x7x3_1", 192, 1),
        ("branch7x7x3_2", 192, (1, 7)),
        ("branch7x7x3_3", 192, (7, 1)),
    )
    return _join(
        _conv(single, f"{path}.branch3x3_2", 320, 3, strides=2, padding="valid"),
        _conv(factored, f"{path}.branch7x7x3_4", 192, 3, strides=2, padding="valid"),
        _shrink(x),
    )


def _block_8(x, path, pool):
    """8 x 8 pixels: 3x3 convolutions as a row beside a column."""
    single = _chain(x, path, ("branch3x3_1", 384, 1))
    double = _chain(x, path, ("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3))
    return _join(
        _chain(x, path, ("branch1x1", 320, 1)),
        _chain(single, path, ("branch3x3_2a", 384, (1, 3))),
        _chain(single, path, ("branch3x3_2b", 384, (3, 1))),
        _chain(double, path, ("branch3x3dbl_3a", 384, (1, 3))),
        _chain(double, path, ("branch3x3dbl_3b", 384, (3, 1))),
        _chain(pool(x), path, ("branch_pool", 192, 1)),
    )


@keras.saving.register_keras_serializable(package="keras_gans")
class TF1BilinearResize(layers.Layer):
    """The bilinear resize of TensorFlow 1: output pixel i lies at input coordinate i * in / out.

    Neither half-pixel centers nor aligned corners nor antialiasing: the picture is shifted by up to
    half a pixel against every other library's, and published FIDs have that in them.

    Args:
        size: int, height and width of the output.

    Shapes: (B, H, W, C) -> (B, size, size, C).
    """

    def __init__(self, size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = size

    def call(self, x: Tensor) -> Tensor:
        for axis in (2, 1):  # along the rows first
            low, high, weight = self._places(x, axis)
            a, b = ops.take(x, low, axis=axis), ops.take(x, high, axis=axis)
            weight = ops.reshape(weight, (-1,) + (1,) * (3 - axis))
            x = a + (b - a) * weight
        return x

    def _places(self, x, axis):
        """For every output pixel its two neighbors, and how far it lies towards the second."""
        if x.shape[axis] is not None:
            places = np.arange(self.size, dtype="float32") * np.float32(x.shape[axis] / self.size)
            low = places.astype("int32")
            weight = (places - low).astype("float32")
            return low, np.minimum(low + 1, x.shape[axis] - 1), weight
        count = ops.shape(x)[axis]
        places = ops.arange(self.size, dtype="float32") * (ops.cast(count, "float32") / self.size)
        low = ops.cast(places, "int32")
        return low, ops.minimum(low + 1, count - 1), places - ops.cast(low, "float32")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.size, self.size, input_shape[3])

    def get_config(self) -> Config:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="keras_gans", name="InceptionBias")
class _Bias(layers.Layer):
    """Adds a vector, so that the logits exist before and after it."""

    def build(self, input_shape: Shape) -> None:
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, x: Tensor) -> Tensor:
        return x + self.bias

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
