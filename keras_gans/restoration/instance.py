"""Instance norms in the place of a generator's class-conditional batch norms."""

import keras
from keras import ops

from keras_gans.layers import ConditionalBatchNorm
from keras_gans.networks.copying import copied
from keras_gans.typing import Any, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gans")
class MeasuredInstanceNorm(ConditionalBatchNorm):
    """Instance norm with the scale and offset that a batch norm's output had once.

    Pan et al., Exploiting Deep Generative Prior, ECCV 2020, as released: while one image is
    restored, its own statistics serve better than those of the training. For that image to start
    as it was, scale and offset are set to the unbiased standard deviation and the mean, by channel,
    of what the batch norm makes of the first image (the image stays as it was where
    1 + gain(y) > 0), and stay. The condition, and with it the class and the latents' later chunks,
    then have no say any more.

    Attributes:
        mode: "batch", what the class it replaces does; "measure", which sets scale and offset from
            the one image that passes; "instance", which uses them.
    """

    instance_epsilon: float = 1e-5

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.mode: str = "batch"

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        shape = (input_shape[0][-1],)
        options = {"shape": shape, "trainable": False, "autocast": False}
        self.scale: keras.Variable = self.add_weight(name="scale", initializer="ones", **options)
        self.offset: keras.Variable = self.add_weight(name="offset", initializer="zeros", **options)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if self.mode == "batch":
            return super().call(inputs, training)
        if self.mode == "measure":
            out = ops.cast(super().call(inputs, False), "float32")
            count = out.shape[1] * out.shape[2]
            variance = ops.var(out, (0, 1, 2)) * (count / max(count - 1, 1))
            self.scale.assign(ops.sqrt(variance))
            self.offset.assign(ops.mean(out, (0, 1, 2)))
        x = ops.cast(inputs[0], "float32")
        x = x - ops.mean(x, (1, 2), keepdims=True)
        x = x * ops.rsqrt(ops.mean(ops.square(x), (1, 2), keepdims=True) + self.instance_epsilon)
        x = x * ops.convert_to_tensor(self.scale) + ops.convert_to_tensor(self.offset)
        return ops.cast(x, self.compute_dtype)


def with_instance_norms(
    generator: keras.Model,
) -> tuple[keras.Model, list[MeasuredInstanceNorm]]:
    """A copy of a generator with `MeasuredInstanceNorm` for each conditional batch norm, and these.

    Raises:
        ValueError: a generator without them.
    """
    copy = copied(generator, replace={ConditionalBatchNorm: MeasuredInstanceNorm}, float32=True)
    norms = [x for x in copy.layers if isinstance(x, MeasuredInstanceNorm)]
    if not norms:
        raise ValueError(
            'The schedule has norm="instance", and the generator has no class-conditional batch '
            'norms: use schedule.changed(norm="batch").'
        )
    return copy, norms
