"""Layers' computations on PyTorch that keep images as they lie in memory, channels last.

Keras's own copy every image to channels first, and compose batch norm of ten operations.
"""

import torch
from keras import ops

from keras_gans.typing import Any, Tensor


class _Transposed(torch.autograd.Function):
    """A matrix, transposed in memory; so is its gradient, which arrives as the kernel lies."""

    @staticmethod
    def forward(x):
        return x.t().contiguous()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient):
        return _Transposed.apply(gradient)


def _weight(kernel):
    """(h, w, a, b) -> (b, a, h, w), channels last in memory."""
    *rest, last = kernel.shape
    return _Transposed.apply(kernel.reshape(-1, last)).reshape(last, *rest).movedim(-1, 1)


def convolution(
    inputs: Tensor,
    kernel: Tensor,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """`keras.ops.conv`."""
    inputs, kernel = ops.convert_to_tensor(inputs), ops.convert_to_tensor(kernel)
    if inputs.ndim != 4 or data_format != "channels_last":
        return ops.conv(inputs, kernel, strides, padding, data_format, dilation_rate)
    strides, rates = _pair(strides), _pair(dilation_rate)
    x, border = inputs.movedim(-1, 1), (0, 0)
    if padding == "same":
        sizes = zip(x.shape[2:], kernel.shape[:2], strides, rates, strict=True)
        # As many positions as strides fit, the odd pixel of a border behind.
        total = [max((-(-n // s) - 1) * s + (k - 1) * r + 1 - n, 0) for n, k, s, r in sizes]
        border = [t // 2 for t in total]
        if any(t % 2 for t in total):
            (top, left), (high, wide) = border, total
            x = torch.nn.functional.pad(x, (left, wide - left, top, high - top))
            border = (0, 0)
    groups = x.shape[1] // kernel.shape[2]
    x = torch.conv2d(x, _weight(kernel), None, strides, border, rates, groups)
    return x.movedim(1, -1)


def transposed_convolution(
    inputs: Tensor,
    kernel: Tensor,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """`keras.ops.conv_transpose`."""
    inputs, kernel = ops.convert_to_tensor(inputs), ops.convert_to_tensor(kernel)
    more = [k - s for k, s in zip(kernel.shape, _pair(strides), strict=False)]
    plain = output_padding is None and _pair(dilation_rate) == (1, 1) and min(more) >= 0
    same = padding == "same"
    if not (plain and inputs.ndim == 4 and data_format == "channels_last") or (
        same and any(m % 2 for m in more)  # PyTorch cuts both sides alike
    ):
        return ops.conv_transpose(
            inputs, kernel, strides, padding, output_padding, data_format, dilation_rate
        )
    border = [m // 2 if same else 0 for m in more]
    x = inputs.movedim(-1, 1)
    x = torch.conv_transpose2d(x, _weight(kernel), None, _pair(strides), border)
    return x.movedim(1, -1)


def _pair(x):
    return (x, x) if isinstance(x, int) else tuple(x)


def batch_norm(
    inputs: Tensor, scale: Tensor | None, offset: Tensor | None, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalization of (B, ..., C) over all axes but the last, by the fused kernel.

    Returns:
        (outputs, mean, variance): the batch's statistics are biased, and carry no gradient.
    """
    outputs, mean, inverse = torch.native_batch_norm(
        inputs.movedim(-1, 1), scale, offset, None, None, True, 0.0, epsilon
    )
    variance = (inverse.detach() ** -2 - epsilon).clamp_min(0)
    return outputs.movedim(1, -1), mean.detach(), variance
