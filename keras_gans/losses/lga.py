"""The local gradient amplifier: a hinge game whose generator's loss weighs every region by itself.

Spatially Decomposed Hinge Adversarial Loss by Local Gradient Amplifier (anonymous, 2019), "LGA".
"""

import keras
from keras import ops

from keras_gans import registry
from keras_gans.errors import nearest
from keras_gans.losses import objectives
from keras_gans.typing import Any, Config, Tensor

_register = keras.saving.register_keras_serializable(package="keras_gans")

# (amplification, variant) -> A of the scores Y
_MAPS = {
    ("literal", "plain"): lambda y: ops.minimum(y, 1.0),
    ("literal", "zero"): lambda y: ops.minimum(y, 0.0),
    ("magnitude", "plain"): lambda y: ops.abs(ops.minimum(y, 1.0)),
    ("magnitude", "zero"): lambda y: ops.relu(-y),
    ("margin", "plain"): lambda y: 1.0 + ops.relu(1.0 - y),
    ("margin", "zero"): lambda y: ops.relu(-y),
}
AMPLIFICATIONS = ("literal", "magnitude", "margin")
VARIANTS = ("plain", "zero")


@_register
class LocalGradientAmplifier(keras.losses.Loss):
    """The generator's loss of LGA: -mean(Y * A), with the amplification map A held constant.

    Eqs. 12 to 15: the gradient for a score is -A / (number of scores of its image), so that A says
    how much each region of a fake image counts. The paper writes A = min(Y, 1) (Eq. 13) and, where
    realistic regions get no gradient ("zero"), A = min(Y, 0). That A is negative where Y < 0: the
    generator would make unrealistic regions worse. `amplification` chooses the reading:

    | amplification | A, plain | A, zero |
    | --- | --- | --- |
    | "literal" | min(Y, 1) | min(Y, 0) |
    | "magnitude" | abs(min(Y, 1)), which vanishes at Y = 0 | max(-Y, 0) |
    | "margin" | 1 + max(0, 1 - Y) | max(-Y, 0) |

    "margin" is 1 where a region is realistic (Y >= 1), and grows with the distance to that margin:
    the one of these for which the text, "gradient of unrealistic region is amplified, while
    gradient of realistic region is sustained", holds at every Y.

    `loss(ignored, scores)` takes

    - ignored: any array of the shape of the scores; a Keras loss has two arguments.
    - scores: D's raw scores of fakes, a map (B, h, w, 1) or (B, S), any float; computed in float32
      at least.

    and reduces over the batch; `loss.call(ignored, scores)` gives one value per instance, (B,).

    Args:
        variant: "plain" or "zero".
        amplification: "literal", "magnitude" or "margin".
        reduction: of `keras.losses.Loss`.

    Raises:
        ValueError: an unknown variant or amplification.

    Example:

    >>> loss = keras_gans.losses.LocalGradientAmplifier()
    >>> scores = [[-1.0, 1.0]]
    >>> float(loss(scores, scores))  # -((-1) * 3 + 1 * 1) / 2
    1.0
    """

    def __init__(
        self,
        variant: str = "plain",
        amplification: str = "margin",
        reduction: str | None = "sum_over_batch_size",
        name: str = "local_gradient_amplifier",
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        for what, value, known in (
            ("variant", variant, VARIANTS),
            ("amplification", amplification, AMPLIFICATIONS),
        ):
            if value not in known:
                raise ValueError(
                    f"Unknown {what} {value!r}{nearest(str(value), known)}: choose one of "
                    f"{', '.join(known)}."
                )
        self.variant: str = variant
        self.amplification: str = amplification

    def amplification_map(self, scores: Tensor) -> Tensor:
        """A of the scores, in their shape, without a gradient."""
        return ops.stop_gradient(_MAPS[self.amplification, self.variant](_float(scores)))

    def per_score(self, scores: Tensor) -> Tensor:
        """-Y * A, in the shape of the scores."""
        return -_float(scores) * self.amplification_map(scores)

    def call(self, ignored: Tensor, scores: Tensor) -> Tensor:
        loss = self.per_score(scores)
        return ops.mean(ops.reshape(loss, (ops.shape(loss)[0], -1)), axis=1)

    def get_config(self) -> Config:
        own = {"variant": self.variant, "amplification": self.amplification}
        return {**super().get_config(), **own}


def _float(scores):
    scores = ops.convert_to_tensor(scores)
    return ops.cast(scores, keras.backend.result_type(scores.dtype, "float32"))


@registry.objective("lga")
@_register
class LGA(objectives.Hinge):
    """The game of the local gradient amplifier, Eq. 12: D's loss is `Hinge`'s, on a map of scores.

    L_D = max(0, 1 - D(x)) + max(0, 1 + D(G(z))), L_G is `LocalGradientAmplifier`'s. A discriminator
    with one score per image is a map of 1 x 1: then whole images are amplified.

    Args:
        variant, amplification: of `LocalGradientAmplifier`.

    Example:

    >>> objective = keras_gans.losses.LGA(variant="zero")
    >>> objective.amplification_map([[-2.0, 0.5]]).tolist()
    [[2.0, 0.0]]
    """

    def __init__(self, variant: str = "plain", amplification: str = "margin", **kwargs: Any):
        super().__init__(**kwargs)
        self.amplifier: LocalGradientAmplifier = LocalGradientAmplifier(variant, amplification)

    def generator_term(self, scores: Tensor) -> Tensor:
        return self.amplifier.per_score(scores)

    def amplification_map(self, scores: Tensor) -> Tensor:
        """How much each score of fakes counts in the generator's gradient, in their shape."""
        return self.amplifier.amplification_map(scores)

    @property
    def maps(self) -> dict[str, Any]:
        return {"amplification": self.amplification_map}

    def get_config(self) -> Config:
        own = {k: getattr(self.amplifier, k) for k in ("variant", "amplification")}
        return {**super().get_config(), **own}
