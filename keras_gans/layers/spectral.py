"""Spectral normalization with the right gradient on every backend."""

import math

import keras
import numpy as np
from keras import ops

from keras_gans.layers.convolution import Conv2D, Conv2DTranspose, finish
from keras_gans.layers.initializers import SeededNormal
from keras_gans.typing import Any, Config, Shape, Tensor


class SpectralNormalized:
    """Mixin: the layer's kernel is divided by its largest singular value (estimated).

    For layers with a `kernel`, and a method `linear(inputs, kernel)` that applies one.

    Miyato et al., Spectral Normalization for GANs, ICLR 2018, Algorithm 1: with the kernel as a
    matrix W of shape (outputs, everything else), each forward runs one power iteration from the
    stored vector u, v = norm(W^T u), u' = norm(W v), and uses W / sigma, sigma = u'^T W v, with u'
    and v held constant in the gradient. u' is stored in training only; evaluation iterates too, or,
    with `evaluation="stored"`, takes u' and v of the last training step as PyTorch's
    `spectral_norm` does: while u still turns, the two make different images.

    `keras.layers.SpectralNormalization` writes W / sigma into the kernel: on TensorFlow and torch
    sigma then has no gradient, and the normalized kernel is normalized again at every call.
    """

    # Axis of the kernel that counts outputs: a Conv2DTranspose kernel is (h, w, out, in).
    _output_axis: int = -1

    def __init__(
        self, *args: Any, epsilon: float = 1e-12, evaluation: str = "iterate", **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        if evaluation not in ("iterate", "stored"):
            raise ValueError(f'evaluation is {evaluation!r}; "iterate" or "stored" is wanted.')
        self.epsilon = epsilon
        self.evaluation = evaluation

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.u: keras.Variable = self.add_weight(
            name="u",
            shape=(1, self.kernel.shape[self._output_axis]),
            # Stored, it is used as it is before a training step has made it a unit vector.
            initializer=_UnitNormal(1.0) if self.evaluation == "stored" else SeededNormal(1.0),
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )
        self.v: keras.Variable | None = None
        if self.evaluation == "stored":
            self.v = self.add_weight(
                name="v",
                shape=(1, math.prod(self.kernel.shape) // self.u.shape[1]),
                initializer=self._first_v,
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
            )

            # A mean of unit vectors is shorter: averages of a network copy them.
            self.u.copied = self.v.copied = True

    def _first_v(self, shape, dtype=None):
        matrix = self._matrix(ops.cast(self.kernel, "float32"))
        return _normalize(ops.matmul(ops.convert_to_tensor(self.u), matrix), self.epsilon)

    def _matrix(self, kernel):
        axes = list(range(len(kernel.shape)))
        axes.insert(0, axes.pop(self._output_axis))
        return ops.reshape(ops.transpose(kernel, axes), (self.u.shape[1], -1))

    def iterate(self, kernel: Tensor) -> tuple[Tensor, Tensor]:
        """`(u', v)`: one power iteration with a kernel, constants in the gradient."""
        matrix = ops.stop_gradient(self._matrix(kernel))
        v = _normalize(ops.matmul(ops.convert_to_tensor(self.u), matrix), self.epsilon)
        u = _normalize(ops.matmul(v, ops.transpose(matrix)), self.epsilon)
        return ops.stop_gradient(u), ops.stop_gradient(v)

    def sigma(self, kernel: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """u^T W v: the estimate of a kernel's largest singular value."""
        return ops.sum(ops.matmul(u, self._matrix(kernel)) * v)

    def normalized(self, training: bool) -> Tensor:
        """The kernel divided by sigma, in the layer's compute dtype; in training, u moves on."""
        kernel = ops.cast(self.kernel, "float32")
        if training or self.v is None:
            u, v = self.iterate(kernel)
        else:
            u, v = ops.convert_to_tensor(self.u), ops.convert_to_tensor(self.v)
        if training:
            self.u.assign(u)
            if self.v is not None:
                self.v.assign(v)
        return ops.cast(kernel / self.sigma(kernel, u, v), self.compute_dtype)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return finish(self, self.linear(inputs, self.normalized(training)))

    def save_own_variables(self, store: Any) -> None:
        # Convolutions of Keras save their kernel and bias only: u would be lost.
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Any) -> None:
        keras.layers.Layer.load_own_variables(self, store)

    def get_config(self) -> Config:
        stored = {} if self.evaluation == "iterate" else {"evaluation": self.evaluation}
        return {**super().get_config(), "epsilon": self.epsilon, **stored}


class _UnitNormal(SeededNormal):
    """A vector of length 1 in a random direction, as PyTorch's u begins."""

    def draw(self, random: np.random.Generator, shape: Shape) -> np.ndarray:
        vector = super().draw(random, shape)
        return vector / np.linalg.norm(vector)


def _normalize(x, epsilon):
    return x / ops.maximum(ops.sqrt(ops.sum(ops.square(x))), epsilon)


@keras.saving.register_keras_serializable(package="keras_gans")
class SpectralConv2D(SpectralNormalized, Conv2D):
    """`keras.layers.Conv2D` under spectral normalization (see `SpectralNormalized`).

    Args:
        *args, **kwargs: of `keras.layers.Conv2D`.
        epsilon: float, added where a norm could be 0.

    Example:

    >>> layer = keras_gans.layers.SpectralConv2D(8, 3, padding="same")
    >>> layer(keras.ops.ones((1, 4, 4, 3)), training=True).shape
    (1, 4, 4, 8)
    """

    def linear(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        return self.convolution_op(inputs, kernel)


@keras.saving.register_keras_serializable(package="keras_gans")
class SpectralConv2DTranspose(SpectralNormalized, Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` under spectral normalization (see `SpectralNormalized`)."""

    _output_axis = -2


@keras.saving.register_keras_serializable(package="keras_gans")
class SpectralEmbedding(SpectralNormalized, keras.layers.Embedding):
    """`keras.layers.Embedding` under spectral normalization (see `SpectralNormalized`).

    The table (rows, values) is the matrix, as in the projection discriminators of SNGAN and
    BigGAN.
    """

    _output_axis = 0

    @property
    def kernel(self) -> Tensor:
        return self._embeddings

    def compute_output_spec(self, inputs: Tensor, training: bool = False) -> keras.KerasTensor:
        return super().compute_output_spec(inputs)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return ops.take(self.normalized(training), ops.cast(inputs, "int32"), axis=0)


@keras.saving.register_keras_serializable(package="keras_gans")
class SpectralDense(SpectralNormalized, keras.layers.Dense):
    """`keras.layers.Dense` under spectral normalization (see `SpectralNormalized`)."""

    def linear(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        return ops.matmul(inputs, kernel)
