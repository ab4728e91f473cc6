"""Losses of a discriminator whose maps of scores tell the class of every pixel."""

import keras
from keras import ops

from keras_gans.layers.label_maps import resize_labels
from keras_gans.losses.conditional import ClassObjective
from keras_gans.losses.omni import OmniLoss, check_margin_and_gamma, omni_labels, one_hot
from keras_gans.training import backend
from keras_gans.typing import Any, Config, Tensor

IGNORES = ("class_scores", "pixels", None)


def check_ignore(ignore: str | None) -> str | None:
    """What happens to pixels of no class, or a `ValueError`."""
    if ignore not in IGNORES:
        raise ValueError(
            f"ignore is {ignore!r}; expected one of {', '.join(repr(x) for x in IGNORES)}."
        )
    return ignore


def pixel_labels(
    maps: Tensor, num_classes: int, role: str = "real", ignore: str | None = "class_scores"
) -> Tensor:
    """The label vectors of the omni-loss for every pixel of a map (Omni-GAN, App. H).

    Those of `omni_labels` (Eqs. 6, 7 and 9), in the order [classes..., real, fake], but for pixels
    whose index is not in [0, num_classes), of which the paper says nothing:

    - "class_scores": their class scores are ignored, 0; real and fake stay.
    - "pixels": all their scores are; they add 0 to the mean over all pixels.
    - None: no class is theirs, so all class scores are negatives.

    Args:
        maps: integers (B, h, w).
        num_classes: integer C.
        role: "real", "fake" or "generator".
        ignore: one of the above.

    Returns:
        float32 (B, h, w, C + 2): 1 positive, -1 negative, 0 ignored.

    Example:

    >>> vectors = keras_gans.losses.pixel_labels(np.array([[[1, 255]]]), 2, "generator")
    >>> keras.ops.convert_to_numpy(vectors)[0, 0]
    array([[-1.,  1.,  1., -1.],
           [ 0.,  0.,  1., -1.]], dtype=float32)
    """
    check_ignore(ignore)
    maps = ops.cast(maps, "int32")
    vectors = omni_labels(maps, num_classes, role)
    if ignore is None:
        return vectors
    known = ops.logical_and(maps >= 0, maps < num_classes)[..., None]
    if ignore == "pixels":
        return ops.where(known, vectors, 0.0)
    classes, others = vectors[..., :num_classes], vectors[..., num_classes:]
    return ops.concatenate([ops.where(known, classes, 0.0), others], axis=-1)


class PixelObjective(ClassObjective):
    """Base of the objectives of maps of scores (B, h, w, S) and label maps (B, H, W).

    `objective.given(maps)` binds integer maps of any size; they are resized to the scores by
    `keras_gans.layers.resize_labels`.
    """

    def maps_of(self, scores: Tensor) -> Tensor:
        """The bound label maps at the size of the scores, (B, h, w)."""
        return resize_labels(ops.cast(self.bound_labels, "int32"), tuple(scores.shape[1:3]))


@keras.saving.register_keras_serializable(package="keras_gans")
class PixelOmni(PixelObjective):
    """The omni-loss at every pixel: Zhou et al., Omni-GAN, ICCV 2021, App. H.

    L_D = omni(D(x), y_real) + omni(D(G(m)), y_fake) and L_G = omni(D(G(m)), y_fake^(G)), each the
    mean over the pixels of an image, with the vectors of `pixel_labels` and the `OmniLoss` of
    Eq. 5. Scores: [classes..., real, fake].

    Args:
        num_classes: integer; None takes it from the number of scores.
        ignore: of `pixel_labels`.
        margin, gamma: of `OmniLoss`.

    Example:

    >>> objective = keras_gans.losses.PixelOmni().given(np.zeros((1, 4, 4), "int32"))
    >>> scores = keras.ops.zeros((1, 2, 2, 5))  # 3 classes, real, fake
    >>> round(float(objective.generator(scores, scores)), 4)  # log 4 + log 3
    2.4849
    """

    name: str | None = "pixel_omni"
    order: tuple[str, ...] = ("real", "fake")

    def __init__(
        self,
        num_classes: int | None = None,
        ignore: str | None = "class_scores",
        margin: float = 0.0,
        gamma: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(num_classes=num_classes, **kwargs)
        self.ignore: str | None = check_ignore(ignore)
        margin, gamma = check_margin_and_gamma(margin, gamma)
        self.margin: float = margin
        self.gamma: float = gamma
        self.loss: OmniLoss = OmniLoss(self.margin, self.gamma, reduction=None)

    def _term(self, role, scores):
        maps = self.maps_of(scores)
        return self.loss.call(pixel_labels(maps, self.count(scores), role, self.ignore), scores)

    def real_term(self, scores: Tensor) -> Tensor:
        return self._term("real", scores)

    def fake_term(self, scores: Tensor) -> Tensor:
        return self._term("fake", scores)

    def generator_term(self, scores: Tensor) -> Tensor:
        return self._term("generator", scores)

    def get_config(self) -> Config:
        own = {"ignore": self.ignore, "margin": self.margin, "gamma": self.gamma}
        return {**super().get_config(), **own}


def class_weights(maps: Tensor, num_classes: int) -> Tensor:
    """OASIS's weight of every pixel: rare classes count for more.

    Sushko et al., ICLR 2021, Eq. 1 and its released code: B H W / (classes present * pixels of the
    class), over the whole batch (of all replicas); 0 where the index is not in [0, num_classes).

    Args:
        maps: integers (B, H, W).
        num_classes: integer.

    Returns:
        float32 (B, H, W); the mean is 1 where there is a class at all, else 0.

    Example:

    >>> weights = keras_gans.losses.class_weights(np.array([[[0, 0, 0, 1]]]), 3)
    >>> [round(float(w), 3) for w in weights[0, 0]]
    [0.667, 0.667, 0.667, 2.0]
    """
    vectors = one_hot(maps, num_classes)
    counts = backend.replica_mean(ops.sum(vectors, axis=(0, 1, 2)))
    present = ops.sum(ops.cast(counts > 0, "float32"))
    pixels = ops.cast(ops.size(vectors) // num_classes, "float32")
    weights = ops.where(counts > 0, pixels / ops.maximum(counts * present, 1e-6), 0.0)
    return ops.sum(vectors * weights, axis=-1)


@keras.saving.register_keras_serializable(package="keras_gans")
class PixelCrossEntropy(PixelObjective):
    """OASIS's (N + 1)-class cross entropy: Sushko et al., ICLR 2021, Eqs. 1 and 2.

    Scores: [fake, classes...]. A real pixel is of its class, a generated one is fake; the generator
    wants its pixels to be of their classes. Real pixels and the generator's are weighed by
    `class_weights`, those of no class by 0; the fakes of L_D are not.

    Args:
        num_classes: integer; None takes it from the number of scores.

    Example:

    >>> objective = keras_gans.losses.PixelCrossEntropy().given(np.zeros((1, 4, 4), "int32"))
    >>> scores = keras.ops.zeros((1, 4, 4, 4))
    >>> round(float(objective.generator(scores, scores)), 4)  # log 4
    1.3863
    """

    name: str | None = "pixel_cross_entropy"
    order: tuple[str, ...] = ("fake",)

    def real_term(self, scores: Tensor) -> Tensor:
        maps, classes = self.maps_of(scores), self.count(scores)
        log = ops.log_softmax(ops.cast(scores, "float32"), axis=-1)[..., 1:]
        entropy = -ops.sum(one_hot(maps, classes) * log, axis=-1)
        return class_weights(maps, classes) * entropy

    def fake_term(self, scores: Tensor) -> Tensor:
        return -ops.log_softmax(ops.cast(scores, "float32"), axis=-1)[..., 0]

    def generator_term(self, scores: Tensor) -> Tensor:
        return self.real_term(scores)


def label_mix(maps: Tensor, draws: Tensor, num_classes: int) -> Tensor:
    """OASIS's LabelMix mask: each class of an image comes whole from the real or the fake one.

    Sushko et al., ICLR 2021, Sec. 3.2. Pixels of no class are drawn together.

    Args:
        maps: integers (B, H, W).
        draws: integers 0 or 1, (B, num_classes + 1), of each class and of no class.
        num_classes: integer.

    Returns:
        float32 (B, H, W, 1): 1 for the real image, 0 for the fake.

    Example:

    >>> mask = keras_gans.losses.label_mix(np.array([[[0, 1, 7]]]), np.array([[1, 0, 1]]), 2)
    >>> [float(m) for m in mask[0, 0, :, 0]]
    [1.0, 0.0, 1.0]
    """
    maps = ops.cast(maps, "int32")
    known = ops.logical_and(maps >= 0, maps < num_classes)
    vectors = one_hot(ops.where(known, maps, num_classes), num_classes + 1)
    return ops.sum(vectors * ops.cast(draws, "float32")[:, None, None, :], axis=-1, keepdims=True)
