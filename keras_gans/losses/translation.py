"""Losses of image translation: Tang & Sebe, Asymmetric GANs for Image-to-Image Translation.

Each is a `keras.losses.Loss`; `loss.call(y_true, y_pred)` gives one value per instance, (B,).
"""

from collections.abc import Sequence

import keras
from keras import ops

from keras_gans.layers.one_hot import one_hot
from keras_gans.losses.objectives import LeastSquares
from keras_gans.typing import Any, Config, Tensor

_register = keras.saving.register_keras_serializable(package="keras_gans")


def _difference(y_true, y_pred):
    return ops.abs(ops.cast(y_pred, "float32") - ops.cast(y_true, "float32"))


@_register
class ColorL1(keras.losses.Loss):
    """Channel-wise L1, the sum over the channels of each one's mean |y_pred - y_true|.

    The improved pixel loss of Eq. 11. That is the number of channels times the mean L1: for the
    optimum nothing but its weight is new.

    Example:

    >>> x = keras.ops.zeros((1, 4, 4, 3))
    >>> float(keras_gans.losses.ColorL1()(x, x + 0.5))
    1.5
    """

    def __init__(self, name: str = "color_l1", **kwargs: Any):
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return ops.sum(ops.mean(_difference(y_true, y_pred), axis=(1, 2)), axis=-1)


@_register
class ColorCycle(ColorL1):
    """Color cycle-consistency, Eq. 2: `ColorL1` of images and G^r(G^t(x, g_y), g_x)."""

    def __init__(self, name: str = "color_cycle", **kwargs: Any):
        super().__init__(name=name, **kwargs)


@_register
class Cycle(keras.losses.Loss):
    """Cycle-consistency, Eq. 1: the mean over pixels and channels of |x_hat - x|."""

    def __init__(self, name: str = "cycle", **kwargs: Any):
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return ops.mean(_difference(y_true, y_pred), axis=(1, 2, 3))


@_register
class ConditionalIdentity(Cycle):
    """Conditional identity preservation, a term of Eq. 3: the mean of |G^t(x, g_x) - x|.

    Eq. 3 has two terms, of x and of y. `AsymmetricGAN` and `SupervisedAsymmetricGAN` have both.
    """

    def __init__(self, name: str = "conditional_identity", **kwargs: Any):
        super().__init__(name=name, **kwargs)


@_register
class DomainClassification(keras.losses.Loss):
    """Domain classification, Eq. 7: -log D_c(z | x), the cross entropy of a softmax.

    `call(y_true, y_pred)`: integer domains (B,), logits (B, m). A domain outside [0, m) costs 0.

    Example:

    >>> loss = keras_gans.losses.DomainClassification()
    >>> round(float(loss(np.array([1]), keras.ops.zeros((1, 4)))), 4)  # log 4
    1.3863
    """

    def __init__(self, name: str = "domain_classification", **kwargs: Any):
        super().__init__(name=name, **kwargs)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> Tensor:
        # Keras would cast the labels to floats.
        return super().__call__(ops.cast(y_true, "int32"), y_pred, sample_weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        logits = ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1)
        labels = ops.reshape(y_true, (-1,))
        return -ops.sum(one_hot(labels, y_pred.shape[-1]) * logits, axis=-1)


@_register
class TotalVariation(keras.losses.Loss):
    """Anisotropic total variation of y_pred: the sum of |differences| of neighboring pixels.

    Rudin, Osher and Fatemi, 1992, in the form of image synthesis (Johnson et al., ECCV 2016). A sum
    over pixels and channels, for which the weight 1e-6 of Eq. 12 was meant, so it grows with the
    images; y_true has no part in it.

    Example:

    >>> x = keras.ops.reshape(keras.ops.arange(4.0), (1, 2, 2, 1))
    >>> float(keras_gans.losses.TotalVariation()(x, x))  # |1| + |1| + |2| + |2|
    6.0
    """

    def __init__(self, name: str = "total_variation", **kwargs: Any):
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        x = ops.cast(y_pred, "float32")
        down = ops.sum(ops.abs(x[:, 1:] - x[:, :-1]), axis=(1, 2, 3))
        return down + ops.sum(ops.abs(x[:, :, 1:] - x[:, :, :-1]), axis=(1, 2, 3))


@_register
class Perceptual(keras.losses.Loss):
    """Perceptual loss: the weighted mean L1 between features of a fixed network.

    Wang et al., pix2pixHD, CVPR 2018, App.: five slices of VGG-19, weights 1/32, 1/16, 1/8, 1/4, 1.

    Args:
        features: Keras model, images in [-1, 1] -> list of features, such as
            `keras_gans.networks.vgg19_features()`.
        weights: floats, one for each feature.

    Its configuration holds the network without its weights: models save those.

    Raises:
        ValueError: another number of weights than of features.
    """

    def __init__(
        self,
        features: keras.Model | Config,
        weights: Sequence[float] = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0),
        name: str = "perceptual",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        if isinstance(features, dict):
            features = keras.saving.deserialize_keras_object(features)
        if len(features.outputs) != len(weights):
            raise ValueError(
                f"The network has {len(features.outputs)} features, and there are {len(weights)} "
                "weights: expected one for each."
            )
        self.features: keras.Model = features
        self.weights: tuple[float, ...] = tuple(float(w) for w in weights)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        total = 0.0
        pairs = zip(self._of(y_true), self._of(y_pred), self.weights, strict=True)
        for real, fake, weight in pairs:
            axes = tuple(range(1, len(fake.shape)))
            total += weight * ops.mean(_difference(ops.stop_gradient(real), fake), axis=axes)
        return total

    def _of(self, images):
        features = self.features(ops.cast(images, "float32"), training=False)
        return features if isinstance(features, (list, tuple)) else [features]

    def get_config(self) -> Config:
        features = keras.saving.serialize_keras_object(self.features)
        return {**super().get_config(), "features": features, "weights": list(self.weights)}


@_register
class ConditionalLeastSquares(LeastSquares):
    """Eq. 4, least squares without the halves of Mao et al.: twice `LeastSquares`.

    L_D = (D(y) - 1)^2 + D(G(x))^2, L_G = (D(G(x)) - 1)^2.
    """

    name: str | None = "conditional_least_squares"

    def real_term(self, scores: Tensor) -> Tensor:
        return 2.0 * super().real_term(scores)

    def fake_term(self, scores: Tensor) -> Tensor:
        return 2.0 * super().fake_term(scores)

    def generator_term(self, scores: Tensor) -> Tensor:
        return 2.0 * super().generator_term(scores)
