"""What changes over the first images of a training, by a cosine."""

import math
from collections.abc import Mapping

from keras import ops

from keras_gans.errors import nearest
from keras_gans.typing import Any, Tensor

_FINAL = ("gamma", "learning_rate", "beta_2")


class BurnIn:
    """A training's burn-in: values that go from where they start to their final ones by a cosine.

    v(n) = final + (base - final) (1 + cos(pi n / N)) / 2 up to n = N, then final. n counts the real
    images of D's updates before this step, so batches of any size follow the same curve. Huang et
    al., NeurIPS 2024 (R3GAN), move five values so, each read once a step: the penalties' weight
    gamma, the learning rate and beta_2 of both Adams, and, from 0, the half-life of the averaged
    generator and the probability of augmentation.

    Args:
        images: number, N; 0 has everything at its final value from the first step on (fine-tuning).
        gamma: final weight of the penalty, which starts at its own; None leaves it there.
        learning_rate: final learning rate of both players, from the optimizers' own; or None.
        beta_2: final beta_2 of both players' `keras_gans.training.AdamL2`; or None.

    Raises:
        ValueError: a negative number.

    Example:

    >>> burn_in = keras_gans.training.BurnIn(100, gamma=1.0)
    >>> [float(burn_in.value(2.0, burn_in.gamma, n)) for n in (0, 50, 100, 900)]
    [2.0, 1.5, 1.0, 1.0]
    """

    def __init__(
        self,
        images: float,
        gamma: float | None = None,
        learning_rate: float | None = None,
        beta_2: float | None = None,
    ):
        self.images: float = images
        self.gamma: float | None = gamma
        self.learning_rate: float | None = learning_rate
        self.beta_2: float | None = beta_2
        for name, value in self.get_config().items():
            if not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise ValueError(f"burn_in.{name} is {value!r}; expected a number of 0 or more.")
        if beta_2 is not None and not 0 < beta_2 < 1:
            raise ValueError(f"burn_in.beta_2 is {beta_2}; expected a number between 0 and 1.")

    def value(self, base: Any, final: float, seen: Tensor) -> Tensor:
        """The float32 value behind `seen` images of what goes from `base` to `final`."""
        if self.images == 0:
            return ops.convert_to_tensor(final, "float32")
        share = ops.minimum(ops.cast(seen, "float32") / self.images, 1.0)
        return final + 0.5 * (base - final) * (1.0 + ops.cos(math.pi * share))

    def get_config(self) -> dict[str, float]:
        """The arguments that are given: what `from_mapping` takes."""
        given = {"images": self.images, **{name: getattr(self, name) for name in _FINAL}}
        return {k: v for k, v in given.items() if v is not None}

    @classmethod
    def from_mapping(cls, given: "Mapping[str, float] | BurnIn | None") -> "BurnIn | None":
        """A burn-in of itself, of a mapping of its arguments, or None of None.

        Raises:
            ValueError: an unknown name, or no `images`.
        """
        if given is None or isinstance(given, BurnIn):
            return given
        known = ("images", *_FINAL)
        for name in given:
            if name not in known:
                raise ValueError(
                    f"Unknown value {name!r} of burn_in{nearest(name, known)}: choose from "
                    f"{', '.join(known)}."
                )
        if "images" not in given:
            raise ValueError("burn_in says no number of images: add images, such as 20e6.")
        return cls(**given)


def half_life_decay(images: Tensor, half_life: Tensor) -> Tensor:
    """The decay of an average for a step of so many images: 0.5 ** (images / half_life).

    Karras et al. (StyleGAN2); a half-life of 0 copies.
    """
    images, half_life = ops.cast(images, "float32"), ops.cast(half_life, "float32")
    return ops.power(0.5, images / ops.maximum(half_life, 1e-8))
