"""Convolutions, computed the way that is fast on the backend at hand."""

import keras
from keras import ops

from keras_gans.training import backend
from keras_gans.typing import Any, Tensor


def conv2d_transpose(
    inputs: Tensor, kernel: Tensor, strides: tuple[int, int], padding: str, **kwargs: Any
) -> Tensor:
    """`keras.ops.conv_transpose` in two dimensions, by phases where that is much faster.

    Args:
        inputs: (B, H, W, C), or (B, C, H, W) with `data_format="channels_first"`.
        kernel: (h, w, outputs, C).
        strides: pair of integers.
        padding: "same" or "valid".
        **kwargs: `output_padding`, `data_format`, `dilation_rate` of `keras.ops.conv_transpose`.

    Returns:
        The output in the layout of `inputs`.
    """
    plain = kwargs.get("output_padding") is None and kwargs.get("dilation_rate", 1) in ((1, 1), 1)
    if (
        backend.TRANSPOSED_CONVOLUTION_BY_PHASES
        and plain
        and kwargs.get("data_format") == "channels_last"
        and (tuple(kernel.shape[:2]), tuple(strides), padding) == ((4, 4), (2, 2), "same")
    ):
        return _conv2d_transpose_with_gradient(inputs, kernel)
    return backend.transposed_convolution(inputs, kernel, strides, padding, **kwargs)


def _conv2d_transpose_with_gradient(inputs, kernel):
    """`conv2d_transpose_by_phases`, whose gradients are those of the convolution it transposes.

    That convolution, 4x4 of stride 2, takes the output's gradient to the inputs', and its weight
    gradient is the kernel's: both are cheaper than what comes of differentiating the phases.
    """

    def convolve(x, k):
        return ops.conv(x, k, 2, "same", data_format="channels_last")

    @ops.custom_gradient
    def transpose(inputs, kernel):
        def gradient(upstream):
            _, pullback = backend.vjp(lambda k: convolve(upstream, k), [], [kernel])
            return convolve(upstream, kernel), pullback(inputs, wrt="inputs")[1][0]

        return conv2d_transpose_by_phases(inputs, kernel), gradient

    return transpose(inputs, kernel)


def conv2d_transpose_by_phases(inputs: Tensor, kernel: Tensor) -> Tensor:
    """A 4x4 transposed convolution of stride 2, "same", as a 2x2 convolution to four phases.

    Output pixel o = 2 p + a takes tap k of input pixel i where k = o - 2 i + 1: phase a = 0 has
    taps (3, 1) of inputs (p - 1, p), phase a = 1 taps (2, 0) of inputs (p, p + 1). So each phase is
    a 2x2 convolution over the inputs with a border of zeros, phase 1 read one position later. One
    convolution with 4 * outputs channels computes all four; interleaving them gives the image. XLA
    on CPU differentiates this many times faster than the transposed convolution.

    Args:
        inputs: (B, H, W, C).
        kernel: (4, 4, outputs, C).

    Returns:
        (B, 2 H, 2 W, outputs).
    """
    height, width = inputs.shape[1:3]
    outputs, channels = kernel.shape[2:]

    def taps(k):  # first axis 4 -> (phase 2, position 2)
        return ops.reshape(ops.stack([k[3], k[1], k[2], k[0]]), (2, 2, *k.shape[1:]))

    k = ops.transpose(taps(kernel), (2, 0, 1, 3, 4))  # (4, phase, position, outputs, channels)
    k = ops.transpose(taps(k), (3, 1, 5, 2, 0, 4))  # (row, column, channels, 2 phases, outputs)
    k = ops.reshape(k, (2, 2, channels, 4 * outputs))
    x = ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = ops.conv(x, k, 1, "valid", data_format="channels_last")
    x = ops.reshape(x, (-1, height + 1, width + 1, 2, 2, outputs))
    rows = [
        ops.stack([x[:, a : a + height, b : b + width, a, b] for b in range(2)], axis=3)
        for a in range(2)
    ]
    return ops.reshape(ops.stack(rows, axis=2), (-1, 2 * height, 2 * width, outputs))


_FEW_GROUPS = 16  # up to so many, a convolution for each is the fastest


def grouped_convolution(
    inputs: Tensor, kernel: Tensor, groups: int, strides: Any, padding: str, *options: Any
) -> Tensor:
    """`keras.ops.conv` in two dimensions, whose groups are taken apart where that is much faster.

    XLA on CPU, which TensorFlow takes for grouped convolutions as well, differentiates one many
    times more slowly than it computes it (128 channels in 8 groups at 32 pixels, the gradient of a
    gradient: 30 to 40 s against 0.2 to 0.4 s). A convolution for each group, or with many groups
    one batched product of matrices, has the same values and gradients.

    Args:
        inputs: (B, H, W, C).
        kernel: (h, w, C / groups, outputs).
        groups: integer; inputs and outputs are cut into as many neighboring parts.
        strides, padding, *options: of `keras.ops.conv`.
    """
    plain = not options or options[0] == "channels_last"
    if groups == 1 or not (backend.GROUPS_APART and plain and len(kernel.shape) == 4):
        return backend.convolution(inputs, kernel, strides, padding, *options)
    unit = all(n in (1, (1, 1), [1, 1]) for n in (strides, *options[1:]))
    if groups > _FEW_GROUPS and unit and padding == "same" and kernel.shape[0] % 2:
        return _as_products(inputs, kernel, groups)
    pairs = zip(ops.split(inputs, groups, -1), ops.split(kernel, groups, -1), strict=True)
    outputs = [backend.convolution(x, k, strides, padding, *options) for x, k in pairs]
    return ops.concatenate(outputs, -1)


def _as_products(inputs, kernel, groups):
    """A grouped convolution of stride 1, "same", as a product of matrices for each group."""
    size, _, channels, outputs = kernel.shape
    height, width, border = *inputs.shape[1:3], size // 2
    x = ops.pad(inputs, ((0, 0), (border, border), (border, border), (0, 0)))
    shifts = [(i, j) for i in range(size) for j in range(size)]
    x = ops.stack([x[:, i : i + height, j : j + width] for i, j in shifts], axis=3)
    # (B, H, W, taps, groups, channels) -> (groups, pixels, taps and channels)
    x = ops.reshape(x, (-1, len(shifts), groups, channels))
    x = ops.reshape(ops.transpose(x, (2, 0, 1, 3)), (groups, -1, len(shifts) * channels))
    k = ops.reshape(kernel, (len(shifts) * channels, groups, outputs // groups))
    y = ops.transpose(ops.matmul(x, ops.transpose(k, (1, 0, 2))), (1, 0, 2))
    return ops.reshape(y, (-1, height, width, outputs))


@keras.saving.register_keras_serializable(package="keras_gans")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, the same values and weights, faster where it can be.

    Example:

    >>> layer = keras_gans.layers.Conv2D(8, 4, 2, padding="same")
    >>> layer(keras.ops.ones((1, 8, 8, 3))).shape
    (1, 4, 4, 8)
    """

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        return grouped_convolution(
            inputs,
            kernel,
            self.groups,
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
        )


@keras.saving.register_keras_serializable(package="keras_gans")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose`, the same values and weights, faster where it can be.

    Example:

    >>> layer = keras_gans.layers.Conv2DTranspose(8, 4, 2, padding="same")
    >>> layer(keras.ops.ones((1, 4, 4, 3))).shape
    (1, 8, 8, 8)
    """

    def linear(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """The layer without its bias and activation, for any kernel."""
        return conv2d_transpose(
            inputs,
            kernel,
            self.strides,
            self.padding,
            output_padding=self.output_padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )

    def call(self, inputs: Tensor) -> Tensor:
        return finish(self, self.linear(inputs, self.kernel))


def finish(layer: keras.layers.Layer, outputs: Tensor) -> Tensor:
    """Add a Keras layer's bias and apply its activation."""
    if layer.use_bias:
        first = getattr(layer, "data_format", "channels_last") == "channels_first"
        shape = (1, -1, 1, 1) if first else (1,) * (len(outputs.shape) - 1) + (-1,)
        outputs = outputs + ops.reshape(layer.bias, shape)
    return outputs if layer.activation is None else layer.activation(outputs)
