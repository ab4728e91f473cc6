"""Adaptive discriminator augmentation (ADA)."""

import keras
import numpy as np
from keras import ops

from keras_gans.layers.augment_matrices import color_matrix, geometric_matrix
from keras_gans.layers.augment_warp import warp
from keras_gans.layers.diff_augment import KerasRandom
from keras_gans.typing import Any, Config, Shape, Tensor

MULTIPLIERS: dict[str, float] = {
    **dict.fromkeys(("x_flip", "rotate90", "integer_shift"), 1.0),
    **dict.fromkeys(("scale", "rotate", "anisotropic", "fractional_shift"), 1.0),
    **dict.fromkeys(("brightness", "contrast", "luma_flip", "hue", "saturation"), 1.0),
    "cutout": 0.0,
}
_R3GAN = {**dict.fromkeys(("brightness", "contrast", "luma_flip", "hue", "saturation"), 0.5)}
_R3GAN |= {"cutout": 1.0}
# Names of whole pipes.
PIPES: dict[str, dict[str, float]] = {"ada": {}, "r3gan": _R3GAN}
EVERY, TARGET, SPEED = 4, 0.6, 500_000


@keras.saving.register_keras_serializable(package="keras_gans")
class AdaptiveAugment(keras.layers.Layer):
    """The augmentation pipe of ADA, with a probability p that may follow D's overfitting.

    Karras et al., Training Generative Adversarial Networks with Limited Data, NeurIPS 2020 (arXiv
    2006.06676), pipe "bgc" and cutout. Each transform of each image has a gate that opens with
    probability `multiplier * p`: x flip, quarter turns, whole-pixel shift, scale, two rotations,
    anisotropic scale, fractional shift; brightness, contrast, luma flip, hue, saturation; cutout.
    The geometric ones are one warp, through the 12 taps of the wavelet sym6 at twice the size, so
    that nothing aliases; even a plain flip passes the filter.

    `layer(images, random=None, training=True)` takes float images (B, H, W, C) and gives the same
    shape and dtype, computed in float32, differentiable twice; draws and `training=False` are as in
    `DiffAugment`.

    With a `target`, p moves: with r the mean of sign(D(x)) over the augmented real images of the
    last 4 steps (of sign(D(x) - D(G(z))) for relativistic objectives, whose scores have no level of
    their own), every 4th step adds sign(r - target) * images / speed to p, never below 0. Above 1
    all gates are open. A model of `keras_gans.models` calls `update`, and logs p. p and the running
    signs are weights: they are saved.

    Args:
        p: float, the probability that training starts from; without a `target`, the fixed one (with
            a model's `burn_in`, what a cosine from 0 ends at).
        target: float, or None for a fixed p (ADA: 0.6).
        speed: float, images in which p moves by 1 (ADA: 500,000; 100,000 from a trained network).
        multipliers: dictionary, name of a transform -> factor of its p, such as {"rotate": 0}; of
            those that are not named 1 (cutout 0). `MULTIPLIERS` has the names.
        antialias: bool; False warps by one bilinear gather of the mirrored image, several times
            faster, with figures that are not the published pipe's.
        seed: integer, of the layer's own generator.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: an unknown transform, a number below 0, images without a fixed size.

    Example:

    >>> layer = keras_gans.layers.AdaptiveAugment(p=0.5)
    >>> random = keras_gans.training.StepRandom(seed=0, step=0)
    >>> layer(keras.ops.ones((2, 8, 8, 3)), random=random).shape
    (2, 8, 8, 3)
    """

    def __init__(
        self,
        p: float = 0.0,
        target: float | None = None,
        speed: float = SPEED,
        multipliers: dict[str, float] | None = None,
        antialias: bool = True,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        given = dict(multipliers or {})
        unknown = [name for name in given if name not in MULTIPLIERS]
        if unknown:
            raise ValueError(
                f"Unknown transform {unknown[0]!r}: choose from {', '.join(MULTIPLIERS)}."
            )
        for name, value in {"p": p, "speed": speed, **given}.items():
            if not value >= 0:
                raise ValueError(f"{name} is {value!r}; expected a number of 0 or more.")
        self.start: float = float(p)
        self.target: float | None = target
        self.speed: float = float(speed)
        self.given: dict[str, float] = given
        self.multipliers: dict[str, float] = {**MULTIPLIERS, **given}
        self.antialias: bool = bool(antialias)
        self.seed = seed
        self.seed_generator: keras.random.SeedGenerator = keras.random.SeedGenerator(seed)

    @classmethod
    def named(cls, text: str) -> "AdaptiveAugment | None":
        """The pipe of a name; None of another text.

        "ada" is adaptive; "ada=0.3" has a fixed p, and "r3gan=0.3" colors at half of it, and
        cutout. The images of `DiffAugment`'s policies have other names.
        """
        name, fixed, p = text.partition("=")
        if name not in PIPES:
            return None
        if name == "r3gan" and not fixed:
            raise ValueError('augment is "r3gan", whose p is fixed: say it, such as "r3gan=0.3".')
        try:
            number = float(p) if fixed else 0.0
        except ValueError:
            raise ValueError(f"augment is {text!r}; expected a number behind the =.") from None
        return cls(number, target=None if fixed else TARGET, multipliers=PIPES[name])

    @property
    def text(self) -> str | None:
        """What `named` makes this layer of, or None."""
        texts = ["ada", *(f"{name}={self.start:g}" for name in PIPES)]
        own = {k: v for k, v in self.get_config().items() if k != "name"}
        made = ((text, type(self).named(text).get_config()) for text in texts)
        return next(
            (t for t, c in made if own == {k: v for k, v in c.items() if k != "name"}), None
        )

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != 4 or None in tuple(input_shape[1:]) or input_shape[-1] not in (1, 3):
            raise ValueError(
                f"AdaptiveAugment has images of shape {tuple(input_shape)}; (batch, height, width, "
                "1 or 3) is wanted, all fixed but the batch."
            )
        options = {"dtype": "float32", "trainable": False, "aggregation": "only_first_replica"}
        start = keras.initializers.Constant(self.start)
        self.p: keras.Variable = self.add_weight(shape=(), initializer=start, name="p", **options)
        # Sum of signs, their number, and the steps since p moved.
        self.signs: keras.Variable = self.add_weight(
            shape=(3,), initializer="zeros", name="signs", **options
        )
        self.built = True

    def call(self, images: Tensor, random: Any = None, training: bool = True) -> Tensor:
        if not training:
            return images
        dtype = keras.backend.standardize_dtype(images.dtype)
        if "float" not in dtype:
            raise ValueError(f"AdaptiveAugment has {dtype} images; expected floats in [-1, 1].")
        random = KerasRandom(self.seed_generator) if random is None else random
        x = ops.cast(images, "float32")
        batch, (height, width, channels) = ops.shape(x)[0], x.shape[1:]
        p = ops.convert_to_tensor(self.p)
        matrix = geometric_matrix(random, batch, (height, width), p, self.multipliers)
        x = warp(x, matrix, self.antialias)
        colors = color_matrix(random, batch, channels, p, self.multipliers)
        flat = ops.reshape(x, (-1, height * width, channels))
        flat = ops.matmul(flat, ops.transpose(colors[:, :channels, :channels], (0, 2, 1)))
        flat = flat + colors[:, None, :channels, channels]
        x = ops.reshape(flat, (-1, height, width, channels))
        if self.multipliers["cutout"] > 0:
            x = _cutout(x, random, batch, p * self.multipliers["cutout"])
        return ops.cast(x, dtype)

    def update(self, signs: Tensor, images: Tensor) -> None:
        """Count the signs of a step, and move p in every 4th.

        Args:
            signs: their mean over the global batch, a scalar in [-1, 1].
            images: how many there were.
        """
        if self.target is None:
            return
        images = ops.cast(images, "float32")
        now = ops.convert_to_tensor(self.signs)
        total = now + ops.stack([signs * images, images, ops.ones_like(images)])
        due = total[2] >= EVERY
        mean = total[0] / ops.maximum(total[1], 1.0)
        # All images of the last 4 steps: as many as B * 4 where the batches are of one size.
        step = ops.sign(mean - self.target) * total[1] / self.speed
        p = ops.convert_to_tensor(self.p)
        self.p.assign(ops.where(due, ops.maximum(p + step, 0.0), p))
        self.signs.assign(ops.where(due, ops.zeros_like(total), total))

    def compute_output_spec(
        self, images: Tensor, random: Any = None, training: bool = True
    ) -> keras.KerasTensor:
        return keras.KerasTensor(images.shape, dtype=images.dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "p": self.start,
            "target": self.target,
            "speed": self.speed,
            "multipliers": self.given,
            "antialias": self.antialias,
            "seed": self.seed,
        }


def _cutout(x, random, batch, p):
    """A square of half the side at a uniform place set to 0, the part outside is lost."""
    gate = random.uniform((batch, 1)) < p
    center = random.uniform((batch, 2))
    far = []
    for axis, size in enumerate(x.shape[1:3]):
        place = ops.convert_to_tensor((np.arange(size, dtype="float32")[None] + 0.5) / size)
        far.append(ops.abs(place - center[:, 1 - axis : 2 - axis]) >= 0.25)
    kept = ops.logical_or(far[0][:, :, None], far[1][:, None, :])
    kept = ops.logical_or(kept, ops.logical_not(gate)[:, :, None])
    return ops.where(kept[..., None], x, 0.0)
