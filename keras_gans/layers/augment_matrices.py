"""The random matrices of ADA's augmentation: where output pixels come from, and their colors.

Karras et al., NeurIPS 2020, App. B. Geometric matrices (B, 3, 3) map pixels of the OUTPUT to those
of the input, as column vectors (x, y, 1) in pixels from the image's center, y down. Color matrices
(B, 4, 4) map (r, g, b, 1). Every transform has a gate of its own, open with multiplier * p.
"""

import math

import numpy as np
from keras import ops

from keras_gans.typing import Any, Tensor


def _rows(batch, *rows):
    """Matrices (B, n, n) of rows of entries: numbers, or tensors (B,)."""
    shape = ops.zeros((batch,), "float32")
    entries = [[shape + x for x in row] for row in rows]
    return ops.stack([ops.stack(row, axis=-1) for row in entries], axis=-2)


def _scale(batch, x, y):
    return _rows(batch, (x, 0.0, 0.0), (0.0, y, 0.0), (0.0, 0.0, 1.0))


def _shift(batch, x, y):
    return _rows(batch, (1.0, 0.0, x), (0.0, 1.0, y), (0.0, 0.0, 1.0))


def _turn(batch, angle):
    cos, sin = ops.cos(angle), ops.sin(angle)
    return _rows(batch, (cos, -sin, 0.0), (sin, cos, 0.0), (0.0, 0.0, 1.0))


class _Gated:
    """Draws of transforms that happen with a probability: the value, then the gate."""

    def __init__(self, random, batch, p, multipliers):
        self.random, self.batch, self.p, self.multipliers = random, batch, p, multipliers

    def uniform(self, name, count=1, p=None):
        return self.random.uniform((self.batch, count)), self._open(name, p)

    def normal(self, name, count=1):
        return self.random.normal((self.batch, count)), self._open(name, None)

    def _open(self, name, p):
        p = self.multipliers[name] * self.p if p is None else p
        return self.random.uniform((self.batch, 1)) < p


def geometric_matrix(
    random: Any, batch: Tensor, size: tuple[int, int], p: Tensor, multipliers: dict[str, float]
) -> Tensor:
    """The matrices G_inv (B, 3, 3) of transforms 1 to 8, of which the first acts first.

    Args:
        random: a `StepRandom`; each transform draws its value, then its gate.
        batch: integer, or scalar tensor.
        size: (height, width).
        p, multipliers: of `AdaptiveAugment`.
    """
    draw, (height, width) = _Gated(random, batch, p, multipliers), size

    def given(values, gate, neutral=0.0):
        return ops.where(gate, values, neutral)

    u, gate = draw.uniform("x_flip")
    flip = 1.0 - 2.0 * given(ops.floor(2.0 * u), gate)[:, 0]
    matrix = _scale(batch, flip, 1.0)
    u, gate = draw.uniform("rotate90")
    matrix = matrix @ _turn(batch, 0.5 * math.pi * given(ops.floor(4.0 * u), gate)[:, 0])
    u, gate = draw.uniform("integer_shift", 2)
    shift = given(0.125 * (2.0 * u - 1.0), gate)
    matrix = matrix @ _shift(
        batch, -ops.round(shift[:, 0] * width), -ops.round(shift[:, 1] * height)
    )
    n, gate = draw.normal("scale")
    factor = ops.exp2(given(0.2 * n, gate))[:, 0]
    matrix = matrix @ _scale(batch, 1.0 / factor, 1.0 / factor)
    # Of either rotation with p: P(first or second) = 1 - (1 - p')^2.
    either = ops.minimum(ops.maximum(multipliers["rotate"] * p, 0.0), 1.0)
    each = 1.0 - ops.sqrt(1.0 - either)
    u, gate = draw.uniform("rotate", p=each)
    matrix = matrix @ _turn(batch, given(math.pi * (2.0 * u - 1.0), gate)[:, 0])
    n, gate = draw.normal("anisotropic")
    factor = ops.exp2(given(0.2 * n, gate))[:, 0]
    matrix = matrix @ _scale(batch, 1.0 / factor, factor)
    u, gate = draw.uniform("rotate", p=each)
    matrix = matrix @ _turn(batch, given(math.pi * (2.0 * u - 1.0), gate)[:, 0])
    n, gate = draw.normal("fractional_shift", 2)
    shift = given(0.125 * n, gate)
    return matrix @ _shift(batch, -shift[:, 0] * width, -shift[:, 1] * height)


_V = np.array([1, 1, 1, 0], "float32") / math.sqrt(3)
_ALONG = np.outer(_V, _V)  # onto the gray axis
_ACROSS = np.eye(4, dtype="float32") - _ALONG


def color_matrix(
    random: Any, batch: Tensor, channels: int, p: Tensor, multipliers: dict[str, float]
) -> Tensor:
    """The matrices C of transforms 9 to 13: (B, 4, 4), or (B, 2, 2) with one channel.

    With one channel, the mean of C's three rows, its three factors summed; hue and saturation,
    which do nothing there, make no draws.

    Args:
        random, batch, p, multipliers: see `geometric_matrix`.
        channels: 1 or 3.
    """
    draw = _Gated(random, batch, p, multipliers)
    n, gate = draw.normal("brightness")
    b = ops.where(gate, 0.2 * n, 0.0)[:, 0]
    matrix = _rows(
        batch, (1.0, 0.0, 0.0, b), (0.0, 1.0, 0.0, b), (0.0, 0.0, 1.0, b), (0.0, 0.0, 0.0, 1.0)
    )
    n, gate = draw.normal("contrast")
    c = ops.exp2(ops.where(gate, 0.5 * n, 0.0))[:, 0]
    matrix = (
        _rows(
            batch, (c, 0.0, 0.0, 0.0), (0.0, c, 0.0, 0.0), (0.0, 0.0, c, 0.0), (0.0, 0.0, 0.0, 1.0)
        )
        @ matrix
    )
    u, gate = draw.uniform("luma_flip")
    i = ops.where(gate, ops.floor(2.0 * u), 0.0)[:, :, None]
    matrix = (_constant(np.eye(4)) - 2.0 * i * _constant(_ALONG)) @ matrix
    if channels == 1:
        rows = ops.mean(matrix[:, :3], axis=1)
        factor, offset = ops.sum(rows[:, :3], axis=1), rows[:, 3]
        return _rows(batch, (factor, offset), (0.0, 1.0))
    u, gate = draw.uniform("hue")
    matrix = _hue(ops.where(gate, math.pi * (2.0 * u - 1.0), 0.0)[:, :, None]) @ matrix
    n, gate = draw.normal("saturation")
    s = ops.exp2(ops.where(gate, n, 0.0))[:, :, None]
    return (_constant(_ALONG) + _constant(_ACROSS) * s) @ matrix


def _hue(angle):
    """Rodrigues's rotation about the gray axis, (B, 4, 4)."""
    x, y, z, _ = _V
    cross = _constant([[0, -z, y, 0], [z, 0, -x, 0], [-y, x, 0, 0], [0, 0, 0, 0]])
    rgb, last = _constant(np.diag([1, 1, 1, 0])), _constant(np.diag([0, 0, 0, 1]))
    cos, sin = ops.cos(angle), ops.sin(angle)
    return rgb * cos + cross * sin + _constant(_ALONG) * (1.0 - cos) + last


def _constant(matrix):
    return ops.convert_to_tensor(np.asarray(matrix, "float32"))
