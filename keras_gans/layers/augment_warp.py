"""ADA's warp: images moved by matrices, differentiable, without aliasing."""

import math

import numpy as np
from keras import ops

from keras_gans.training import backend
from keras_gans.typing import Tensor

# The wavelet sym6's scaling filter (Daubechies), which ADA resamples with.
_SYM6 = (0.015404109327, 0.003490712084, -0.117990111148, -0.048311742586, 0.491055941927)
_SYM6 += (0.787641141030, 0.337929421728, -0.072637522786, -0.021060292512, 0.044724901771)
_SYM6 += (0.001767711864, -0.007800708325)
TAPS: np.ndarray = np.array(_SYM6, "float64") / sum(_SYM6)
_REST = len(TAPS) // 2  # pixels more along each axis, which the filter needs


def warp(images: Tensor, matrix: Tensor, antialias: bool = True) -> Tensor:
    """Images (B, H, W, C) whose pixel q is that at `matrix` q of the image mirrored at its edges.

    At twice the size, between the filter and its transpose. Mirrored by the largest amount that
    there is, height - 1 and width - 1 pixels; beyond is 0. As in the released code no more is
    mirrored than the batch at hand needs, with the same result, where shapes may depend on values.

    Args:
        images: float32.
        matrix: (B, 3, 3), in pixels from the center (see `augment_matrices`).
        antialias: bool; False samples the mirrored image itself, once.
    """
    height, width = images.shape[1:3]
    y, x = _margins(matrix, height, width)
    padded = ops.pad(images, ((0, 0), (y, y), (x, x), (0, 0)), mode="reflect")
    if not antialias:
        return _sampled(padded, matrix, (height, width), 1)
    doubled = _up(_up(padded, 1), 2)
    size = (2 * (height + _REST), 2 * (width + _REST))
    sampled = _sampled(doubled, matrix, size, 2)
    return _down(_down(sampled, 1), 2)


def _margins(matrix, height, width):
    """Rows and columns that the pixels of a batch may lie outside of the images, the filters' too.

    A matrix moves the corners farthest. Around each pixel the filter of the doubled image has 6
    places of half a pixel, and the bilinear samples one.
    """
    y, x = (height + _REST) / 2, (width + _REST) / 2
    corners = np.array([[-x, x, -x, x], [-y, -y, y, y], [1, 1, 1, 1]], "float32")
    far = ops.max(ops.abs(ops.matmul(matrix[:, :2], ops.convert_to_tensor(corners))), axis=(0, 2))
    found = backend.at_hand(far)
    if found is None or not np.isfinite(found).all():
        return height - 1, width - 1
    needed = (math.ceil(found[1] - height / 2), math.ceil(found[0] - width / 2))
    return tuple(
        min(max(n + _REST, 0), side - 1) for n, side in zip(needed, (height, width), strict=True)
    )


def _filtered(x, taps, axis):
    """The correlation of an axis with `taps`, "valid", as a sum of shifted maps."""
    size = x.shape[axis] - len(taps) + 1
    index = (slice(None),) * axis
    parts = [float(t) * x[(*index, slice(k, k + size))] for k, t in enumerate(taps)]
    return sum(parts[1:], parts[0])


def _up(x, axis):
    """Twice as many places: zeros behind each, 6 zeros before and 5 behind all, convolved."""
    shape = list(x.shape)
    shape[axis] *= 2
    wide = ops.reshape(ops.stack([x, ops.zeros_like(x)], axis=axis + 1), (-1, *shape[1:]))
    wide = ops.pad(wide, [(6, 5) if i == axis else (0, 0) for i in range(4)])
    return _filtered(wide, 2.0 * TAPS[::-1], axis)


def _down(x, axis):
    """One place cut off on either side, correlated, every second kept."""
    index = (slice(None),) * axis
    x = _filtered(x[(*index, slice(1, -1))], TAPS, axis)
    return x[(*index, slice(None, None, 2))]


def _sampled(x, matrix, size, factor):
    """The pixels of an output of `size`, `factor` times as fine as the images, by bilinear gather.

    Position of output q: factor * (matrix ((q + s) / factor)) - s, all from the center, with s =
    1/2 at twice the size, whose first pixel holds the original's, and 0 at the size itself.
    """
    (height, width), shift = size, (factor - 1) / 2
    rows = (np.arange(height, dtype="float32") + 0.5 - height / 2 + shift) / factor
    columns = (np.arange(width, dtype="float32") + 0.5 - width / 2 + shift) / factor
    grid = np.stack(np.broadcast_arrays(columns[None, :], rows[:, None], np.float32(1.0)), -1)
    grid = grid.reshape(-1, 3).T.astype("float32")
    there = ops.matmul(matrix[:, :2], ops.convert_to_tensor(grid))  # (B, 2, places)
    sides = x.shape[1:3]
    place_x = factor * there[:, 0] + (sides[1] / 2 - 0.5 - shift)
    place_y = factor * there[:, 1] + (sides[0] / 2 - 0.5 - shift)
    flat = ops.reshape(x, (-1, x.shape[-1]))
    count = ops.shape(x)[0]
    first = ops.reshape(ops.arange(count, dtype="int32") * (sides[0] * sides[1]), (-1, 1))
    low_x, low_y = ops.floor(place_x), ops.floor(place_y)
    total = 0.0
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = low_x + dx, low_y + dy
            weight = (1.0 - ops.abs(place_x - column)) * (1.0 - ops.abs(place_y - row))
            inside = (column >= 0) & (column < sides[1]) & (row >= 0) & (row < sides[0])
            weight = ops.where(inside, weight, 0.0)
            row = ops.cast(ops.clip(row, 0, sides[0] - 1), "int32")
            column = ops.cast(ops.clip(column, 0, sides[1] - 1), "int32")
            index = ops.reshape(first + row * sides[1] + column, (-1,))
            pixels = ops.reshape(ops.take(flat, index, axis=0), (-1, height * width, x.shape[-1]))
            total = total + pixels * weight[..., None]
    return ops.reshape(total, (-1, height, width, x.shape[-1]))
