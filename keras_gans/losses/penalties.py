"""Gradient penalties on the discriminator."""

from collections.abc import Callable, Sequence

import keras
from keras import ops

from keras_gans import registry
from keras_gans.layers import ConditionalBatchNorm
from keras_gans.training.gradients import input_gradient
from keras_gans.training.random import StepRandom
from keras_gans.typing import Config, Self, Tensor

# The weight of a penalty -> its weight in a step.
_Schedule = Callable[[float], Tensor] | None

_register = keras.saving.register_keras_serializable(package="keras_gans")


class Penalty:
    """Base of the penalties that a model adds to the discriminator's loss.

    A penalty is called as `penalty(critic, real, fake, random)`: a function images -> scores,
    images (B, H, W, C), fakes of the same shape, and `self.random` of the model; it returns one
    value per instance, shape (B,).
    """

    def __init__(self, weight: float):
        if weight < 0:
            raise ValueError(f"The weight of a penalty is {weight}; expected 0 or more.")
        self.weight = weight

    def get_config(self) -> Config:
        return {"weight": self.weight}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls(**config)


def _squared_norms(gradients):
    return ops.sum(ops.square(ops.cast(gradients, "float32")), axis=[1, 2, 3])


@registry.penalty("gradient_penalty")
@_register
class GradientPenalty(Penalty):
    """WGAN-GP: Gulrajani et al., NeurIPS 2017, Eq. 3: weight * (||grad D(x~)|| - target)^2.

    x~ lies on the line between a real and a fake image, at a uniform random place per instance.

    Args:
        weight: float, lambda (paper: 10).
        target: float, the norm that costs nothing (1; 0 gives a zero-centered penalty).
    """

    def __init__(self, weight: float = 10.0, target: float = 1.0):
        super().__init__(weight)
        self.target = target

    def __call__(
        self, critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, random: StepRandom
    ) -> Tensor:
        place = random.uniform((ops.shape(real)[0], 1, 1, 1))
        between = real + ops.cast(place, real.dtype) * (fake - real)
        squared = _squared_norms(input_gradient(critic, between))
        # The root has no derivative at 0: without the epsilon a flat critic gives NaN.
        return self.weight * ops.square(ops.sqrt(squared + 1e-12) - self.target)

    def get_config(self) -> Config:
        return {**super().get_config(), "target": self.target}


class SlopePenalty(Penalty):
    """Base of the zero-centered penalties on D's slope at the images of the batch themselves.

    Mescheder et al., Which Training Methods for GANs do actually Converge?, ICML 2018:
    weight / 2 * ||grad D(x)||^2, summed over pixels and channels. Since they look at D where its
    scores are taken anyway, a model may hand over those slopes (`of_slopes`); called as any other
    penalty they run D once more.

    Attributes:
        at: where the slope is taken: "real", "fake" or both.
    """

    at: tuple[str, ...] = ()

    def __init__(self, weight: float = 10.0):
        super().__init__(weight)

    def of_slopes(self, real: Tensor, fake: Tensor, schedule: _Schedule = None) -> Tensor:
        """The penalty of each instance, (B,), of D's gradients for real and fake images.

        Args:
            real, fake: gradients (B, H, W, C), each instance's own; what is not in `at` is unused.
            schedule: function, `weight` -> the weight of this step; None leaves it as it is.
        """
        weight = self.weight if schedule is None else schedule(self.weight)
        slopes = {"real": real, "fake": fake}
        return 0.5 * weight * sum(_squared_norms(slopes[where]) for where in self.at)

    def __call__(
        self,
        critic: Callable[[Tensor], Tensor],
        real: Tensor,
        fake: Tensor,
        random: StepRandom,
        schedule: _Schedule = None,
    ) -> Tensor:
        images = {"real": real, "fake": fake}
        slopes = {where: input_gradient(critic, images[where]) for where in self.at}
        return self.of_slopes(slopes.get("real"), slopes.get("fake"), schedule)


@registry.penalty("r1")
@_register
class R1(SlopePenalty):
    """R1: Mescheder et al., ICML 2018, Eq. 9: weight / 2 * ||grad D(x)||^2 at the real images.

    Args:
        weight: float, gamma (paper: 10).
    """

    at: tuple[str, ...] = ("real",)


@registry.penalty("r2")
@_register
class R2(SlopePenalty):
    """R2: Mescheder et al., ICML 2018, Eq. 10: weight / 2 * ||grad D(x)||^2 at the fake images.

    The fakes are constants: it is no loss of G.

    Args:
        weight: float, gamma (paper: 10).
    """

    at: tuple[str, ...] = ("fake",)


@registry.penalty("zero_centered")
@_register
class ZeroCentered(SlopePenalty):
    """R1 and R2 of one weight: gamma / 2 * (||grad D(x)||^2 + ||grad D(G(z))||^2).

    Huang et al., The GAN is dead; long live the GAN!, NeurIPS 2024, Eqs. 3 and 4: what makes the
    relativistic pairing loss converge. The weight counts sums over pixels, so it goes with the
    resolution (published: 0.05 for CIFAR-10, 2 at 64 pixels, 150 at 256): try factors of 3.

    Args:
        weight: float, gamma.

    Example:

    >>> penalty = keras_gans.losses.ZeroCentered(2.0)
    >>> slope = np.ones((1, 2, 2, 1), "float32")
    >>> float(penalty.of_slopes(slope, 2 * slope)[0])  # 2 / 2 * (4 * 1 + 4 * 4)
    20.0
    """

    at: tuple[str, ...] = ("real", "fake")


@_register
class PenaltySum(SlopePenalty):
    """The sum of several penalties; `penalty=[R1(0.1), R2(0.1)]` of a model stands for it.

    Args:
        penalties: sequence of `Penalty`.

    Raises:
        ValueError: none, or something else.

    Example:

    >>> both = keras_gans.losses.PenaltySum([keras_gans.losses.R1(1.0), keras_gans.losses.R2(3.0)])
    >>> slope = np.ones((1, 2, 2, 1), "float32")
    >>> float(both.of_slopes(slope, slope)[0])  # 1 / 2 * 4 + 3 / 2 * 4
    8.0
    """

    def __init__(self, penalties: Sequence[Penalty]):
        penalties = [
            keras.saving.deserialize_keras_object(p) if isinstance(p, dict) else p
            for p in penalties
        ]
        if not penalties or not all(isinstance(p, Penalty) for p in penalties):
            raise ValueError(
                f"penalty is {penalties!r}; expected penalties of keras_gans.losses, such as "
                "[R1(1.0), R2(1.0)]."
            )
        self.penalties: list[Penalty] = penalties

    @property
    def at(self) -> tuple[str, ...]:
        """Where slopes are taken; () where a member needs more than those."""
        if not all(isinstance(p, SlopePenalty) for p in self.penalties):
            return ()
        return tuple(sorted({where for p in self.penalties for where in p.at}))

    def of_slopes(self, real: Tensor, fake: Tensor, schedule: _Schedule = None) -> Tensor:
        return sum(p.of_slopes(real, fake, schedule) for p in self.penalties)

    def __call__(
        self,
        critic: Callable[[Tensor], Tensor],
        real: Tensor,
        fake: Tensor,
        random: StepRandom,
        schedule: _Schedule = None,
    ) -> Tensor:
        more = () if schedule is None else (schedule,)
        return sum(p(critic, real, fake, random, *more) for p in self.penalties)

    def get_config(self) -> Config:
        return {"penalties": [keras.saving.serialize_keras_object(p) for p in self.penalties]}


def clip_weights(variables: list[keras.Variable], limit: float) -> None:
    """Clip every entry of `variables` to [-limit, limit] (WGAN; all of D's, biases too)."""
    for v in variables:
        v.assign(ops.clip(ops.convert_to_tensor(v), -limit, limit))


def weight_matrices(network: keras.Model) -> list[Tensor]:
    """The weights of a network with two axes or more, each as a matrix (outputs, everything else).

    A table of classes (an embedding, or a conditional norm's) has the classes in its rows. The
    shared class embedding of a conditional generator, a Dense layer right behind the one-hot
    layer "classes", is left out, as the released code of BigGAN does.

    Args:
        network: a built Keras model.

    Returns:
        List of tensors.
    """
    flat = list(network._flatten_layers(include_self=False))
    shared = [
        node.operation
        for layer in flat
        if layer.name == "classes"
        for node in layer._outbound_nodes
        if isinstance(node.operation, keras.layers.Dense)
    ]
    tables = [
        table
        for layer in flat
        if isinstance(layer, ConditionalBatchNorm) and not layer.spectral
        for table in (layer.gain, layer.bias)
    ]
    matrices = []
    for layer in flat:
        for variable in layer._trainable_variables:
            if layer in shared or len(variable.shape) < 2 or not variable.trainable:
                continue
            axis = 0 if layer in tables else _output_axis(layer) % len(variable.shape)
            axes = [axis, *(i for i in range(len(variable.shape)) if i != axis)]
            weight = ops.transpose(ops.convert_to_tensor(variable), axes)
            matrices.append(ops.reshape(weight, (weight.shape[0], -1)))
    return matrices


def _output_axis(layer):
    if isinstance(layer, keras.layers.Embedding):
        return 0
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return -2
    return -1


def orthogonal_penalty(matrices: list[Tensor]) -> Tensor:
    """BigGAN's orthogonal regularization: half the sum of squares of W W^T off its diagonal.

    Brock et al., ICLR 2019, Eq. 3, with the factor of the released code: the gradient for a matrix
    W is 2 (W W^T o (1 - I)) W, for each one by itself.

    Args:
        matrices: list of tensors (rows, columns); the rows are kept from being alike.

    Returns:
        float32 scalar.

    Example:

    >>> float(keras_gans.losses.orthogonal_penalty([keras.ops.ones((2, 3))]))  # (3^2 + 3^2) / 2
    9.0
    """
    total = ops.zeros((), "float32")
    for matrix in matrices:
        matrix = ops.cast(matrix, "float32")
        products = ops.matmul(matrix, ops.transpose(matrix))
        products = products * (1.0 - ops.eye(matrix.shape[0], dtype="float32"))
        total = total + 0.5 * ops.sum(ops.square(products))
    return total
