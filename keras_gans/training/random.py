"""Random numbers that are a function of (seed, step, draw) and the same on every backend.

A training step draws its noise from a counter-based generator, Threefry-2x32 with 20 rounds
(Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011). Nothing but the
step counter has to be saved for a run to resume exactly, replicas draw disjoint slices of one
global batch, and a run repeats on another backend with the same noise. The generators of the
backends can do neither: each has its own stream, and Keras does not save their state.
"""

import math

from keras import ops

from keras_gans.typing import Shape, Tensor

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def _int32(value):
    """A Python integer as its two's complement 32-bit pattern."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def _shift_right(x, bits):
    # int32 shifts are arithmetic on every backend: mask off the copies of the sign.
    return ops.bitwise_and(ops.right_shift(x, bits), (1 << (32 - bits)) - 1)


def _rotate(x, bits):
    return ops.bitwise_or(ops.left_shift(x, bits), _shift_right(x, 32 - bits))


def threefry2x32(
    key: tuple[Tensor, Tensor], counter: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Threefry-2x32-20: two random 32-bit words for each pair of counter words.

    All words are int32 tensors (or Python integers in `key`) that stand for the same 32 bits:
    unsigned arithmetic is missing on some backends, and wrapping int32 addition is the same.

    Args:
        key: pair of int32 scalars.
        counter: pair of int32 tensors of one shape.

    Returns:
        Pair of int32 tensors of that shape.
    """
    k0, k1 = key
    keys = (k0, k1, ops.bitwise_xor(ops.bitwise_xor(k0, k1), _PARITY))
    x0, x1 = counter[0] + k0, counter[1] + k1
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = ops.bitwise_xor(_rotate(x1, bits), x0)
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + (group + 1)
    return x0, x1


def _unit(words, offset):
    """24 bits of each word as float32 in [0, 1) (`offset` 0) or (0, 1] (`offset` 1)."""
    return (ops.cast(_shift_right(words, 8), "float32") + offset) * 2.0**-24


class StepRandom:
    """The random numbers of one training step; each call is a new draw.

    Args:
        seed: integer, the run's seed.
        step: int32 scalar tensor, the number of steps done.
        replica: (index of this replica, number of replicas): the first axis of each draw is this
            replica's part of the global batch.
    """

    def __init__(self, seed: int, step: Tensor, replica: tuple[Tensor, int] = (0, 1)):
        self._seed = _int32(seed ^ (seed >> 32))
        self._step = ops.cast(step, "int32")
        self._replica = replica[0]
        self._draws = 0

    def _words(self, shape):
        """Two words for each pair of entries in a row of `shape`, rows counted globally."""
        batch, row = shape[0], math.prod(shape[1:])
        pairs = (row + 1) // 2
        first = ops.cast(self._replica, "int32") * ops.cast(batch, "int32") * pairs
        index = ops.arange(batch * pairs, dtype="int32") + first
        draw = ops.full_like(index, self._draws)
        self._draws += 1
        seed = ops.convert_to_tensor(self._seed, dtype="int32")
        return threefry2x32((seed, self._step), (index, draw)), (batch, pairs, row)

    def _shaped(self, first, second, sizes, shape):
        batch, pairs, row = sizes
        both = ops.reshape(ops.stack([first, second], axis=-1), (batch, 2 * pairs))
        return ops.reshape(both[:, :row], (batch, *shape[1:]))

    def normal(self, shape: Shape) -> Tensor:
        """Standard normal float32 tensor (Box-Muller); `shape[0]` may be a scalar tensor."""
        (a, b), sizes = self._words(shape)
        radius = ops.sqrt(-2.0 * ops.log(_unit(a, 1)))
        angle = (2.0 * math.pi) * _unit(b, 0)
        return self._shaped(radius * ops.cos(angle), radius * ops.sin(angle), sizes, shape)

    def uniform(self, shape: Shape, minval: float = 0.0, maxval: float = 1.0) -> Tensor:
        """Uniform float32 tensor in [minval, maxval)."""
        (a, b), sizes = self._words(shape)
        return minval + (maxval - minval) * self._shaped(_unit(a, 0), _unit(b, 0), sizes, shape)

    def integers(self, shape: Shape, high: int) -> Tensor:
        """Uniform int32 tensor in [0, high), `high` below 2**24."""
        return ops.minimum(ops.cast(self.uniform(shape) * high, "int32"), high - 1)
