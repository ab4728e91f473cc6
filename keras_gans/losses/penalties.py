"""Gradient penalties on the discriminator."""

import keras
from keras import ops

from keras_gans.training.gradients import input_gradient

_register = keras.saving.register_keras_serializable(package="keras_gans")


class Penalty:
    """Base of the penalties that a model adds to the discriminator's loss.

    A penalty is called as `penalty(critic, real, fake, random)`: a function images -> scores,
    images (B, H, W, C), fakes of the same shape, and `self.random` of the model; it returns one
    value per instance, shape (B,).
    """

    def __init__(self, weight):
        if weight < 0:
            raise ValueError(f"The weight of a penalty is {weight}; 0 or more is wanted.")
        self.weight = weight

    def get_config(self):
        return {"weight": self.weight}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _squared_norms(gradients):
    return ops.sum(ops.square(ops.cast(gradients, "float32")), axis=[1, 2, 3])


@_register
class GradientPenalty(Penalty):
    """WGAN-GP: Gulrajani et al., NeurIPS 2017, Eq. 3: weight * (||grad D(x~)|| - target)^2.

    x~ lies on the line between a real and a fake image, at a uniform random place per instance.

    Args:
        weight: float, lambda (paper: 10).
        target: float, the norm that costs nothing (1; 0 gives a zero-centred penalty).
    """

    def __init__(self, weight=10.0, target=1.0):
        super().__init__(weight)
        self.target = target

    def __call__(self, critic, real, fake, random):
        place = random.uniform((ops.shape(real)[0], 1, 1, 1))
        between = real + ops.cast(place, real.dtype) * (fake - real)
        squared = _squared_norms(input_gradient(critic, between))
        # The root has no derivative at 0: without the epsilon a flat critic gives NaN.
        return self.weight * ops.square(ops.sqrt(squared + 1e-12) - self.target)

    def get_config(self):
        return {**super().get_config(), "target": self.target}


@_register
class R1(Penalty):
    """R1: Mescheder et al., ICML 2018, Eq. 9: weight / 2 * ||grad D(x)||^2 at the real images.

    Args:
        weight: float, gamma (paper: 10).
    """

    def __init__(self, weight=10.0):
        super().__init__(weight)

    def __call__(self, critic, real, fake, random):
        return 0.5 * self.weight * _squared_norms(input_gradient(critic, real))


def clip_weights(variables, limit):
    """Clip every entry of `variables` to [-limit, limit] (WGAN; all of D's, biases too)."""
    for v in variables:
        v.assign(ops.clip(ops.convert_to_tensor(v), -limit, limit))
