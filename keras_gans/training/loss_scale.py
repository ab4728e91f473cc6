"""Dynamic loss scaling: training in float16, whose gradients vanish below 6e-8.

Micikevicius et al., Mixed Precision Training, ICLR 2018, Sec. 3.2. What comes in at an output of a
network is multiplied by a scale, and what leaves at its variables and inputs is divided by it, in
float32: in between gradients stay in the range that float16 has. The scale is a power of two, so in
float32 nothing changes by it.

`keras.optimizers.LossScaleOptimizer` has the same rule but knows one loss alone: it divides what
reaches a variable, and a GAN's gradients leave a network at its inputs, too (for the other player,
and for the slopes of a penalty). And it writes variables within a `cond`, which neither JAX nor
several replicas take in an imperative train step.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence

import keras
from keras import ops

from keras_gans.typing import Any, Tensor

# As Keras's `LossScaleOptimizer`.
INITIAL = 2.0**15
GROWTH_STEPS = 2000

_current = threading.local()  # one entry per replica thread


class LossScale:
    """The scale of one player: halved when it overflows, doubled after 2,000 steps that do not.

    Args:
        player: the player's name.
        trained: list of `keras.Variable`, the player's.
    """

    def __init__(self, player: str, trained: Sequence[keras.Variable]):
        options = {"trainable": False, "aggregation": "only_first_replica"}
        self.trained: set[int] = {id(v) for v in trained}
        self.scale = keras.Variable(
            INITIAL, dtype="float32", name=f"{player}_loss_scale", **options
        )
        self.good_steps = keras.Variable(0, dtype="int32", name=f"{player}_good_steps", **options)

    @property
    def variables(self) -> list[keras.Variable]:
        """The scale, and how many steps it has been good for."""
        return [self.scale, self.good_steps]

    def update(self, finite: Tensor) -> None:
        """Move on after a step whose gradients were finite, or were not."""
        grown = self.good_steps + 1 >= GROWTH_STEPS
        factor = ops.where(finite, ops.where(grown, 2.0, 1.0), 0.5)
        counts = ops.logical_and(finite, ops.logical_not(grown))
        self.scale.assign(self.scale * factor)
        self.good_steps.assign(ops.where(counts, self.good_steps + 1, 0))


def all_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Whether all entries of all tensors are finite, a scalar."""
    return ops.all(ops.stack([ops.all(ops.isfinite(x)) for x in tensors]))


@contextlib.contextmanager
def using(scales: Sequence[LossScale]) -> Iterator[None]:
    """Scale within the block (a train step); none of the scales is none at all."""
    _current.scales = list(scales)
    try:
        yield
    finally:
        _current.scales = []


def active() -> list[LossScale]:
    """The scales of the train step that is being run or traced; none outside, or in float32."""
    return getattr(_current, "scales", [])


def may_shrink() -> Tensor:
    """Whether a smaller scale may still help: 15 halvings, and what is not finite is not for it."""
    return ops.max(_stacked(active())) > 1


def scaled(
    pullback: Callable[..., Any], variables: Sequence[keras.Variable]
) -> Callable[..., tuple[list[Tensor], list[Tensor]]]:
    """A pullback of `keras_gans.training.vjp` that scales, where the train step does.

    By the scale of the player whose variables they are. Of gradients for inputs nobody knows which
    player's they become, nor which one will see that they overflow: the smallest scale of all is
    taken, which that player then halves.
    """
    scales = active()
    if not scales:
        return pullback
    owned = {id(v) for v in variables}
    owners = [s for s in scales if s.trained & owned] or scales

    def run(cotangents, wrt="both"):
        chosen = owners if wrt == "variables" else scales
        # A new tensor: the variable itself is written while torch may still need its value.
        scale = ops.stop_gradient(ops.min(_stacked(chosen)))
        cotangents = keras.tree.map_structure(lambda x: _times(x, scale), cotangents)
        return keras.tree.map_structure(
            lambda x: _times(x, 1 / scale), pullback(cotangents, wrt=wrt)
        )

    return run


def _stacked(scales):
    return ops.stack([1.0 * s.scale for s in scales])  # TensorFlow stacks no Keras variables


def _times(x, factor):
    # Kept in float32 for the product: a factor of 2 ** -15 is too small for float16.
    return ops.cast(ops.cast(x, "float32") * factor, x.dtype)
