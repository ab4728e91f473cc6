"""Feature networks: from images to the vectors that metrics compare."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_gans.data.checks import check_choice, check_image_array, check_size
from keras_gans.typing import Any, Tensor

RESIZES = ("bilinear", "bilinear_antialias", "nearest")


class Features(NamedTuple):
    """What a feature network says about images.

    Attributes:
        features: (B, F), or (B, T, D) sequences; None where the network has none.
        logits: (B, K), or None.
        lowest: smallest value of float images in [-1, 1]; None for uint8 images and features.
    """

    features: np.ndarray
    logits: np.ndarray
    lowest: float


class FeatureNetwork:
    """A network that metrics look through, with all that its numbers depend on.

    Args:
        model: Keras model, or any callable from a tensor (B, H, W, C) to features. Its output is
            features, or (features, logits), or a dict with these keys.
        name: str, part of the names of the scores.
        input_range: (low, high) of the values that `model` wants.
        size: int or (height, width) that images are resized to; None leaves them.
        resize: how: "bilinear", "bilinear_antialias" or "nearest" with `size`. Without, the name
            of what `model` itself does, which scores repeat.
        quantize: bool, whether float images are first rounded to the 256 levels of a picture file,
            as published scores are measured on.
        preprocess: callable on the tensor after all that (channel order, mean colors ...).
        logits: bool, whether a single output is logits; they then serve as features too.
        channels: 3 repeats gray images to three channels; None leaves them.
        batch_size: int, the most images that run at once.
        checksum: str for a callable without `weights`; otherwise the SHA-256 of the weights.

    Attributes:
        checksum: SHA-256 of the weights (shapes and values, in order), taken at its first use;
            None for a callable without `weights`.

    Example:

    ```python
    resnet = keras.applications.ResNet50(classifier_activation=None)  # fetches its weights
    network = keras_gans.metrics.FeatureNetwork(
        resnet, "resnet50", input_range=(0, 255), size=224, resize="bilinear", logits=True,
        preprocess=keras.applications.resnet.preprocess_input, channels=3,
    )
    ```
    """

    def __init__(
        self,
        model: keras.Model,
        name: str,
        input_range: tuple[float, float] = (-1, 1),
        size: int | None = None,
        resize: str | None = None,
        quantize: bool = False,
        preprocess: Callable[..., Any] | None = None,
        logits: bool = False,
        channels: int | None = None,
        batch_size: int = 64,
        checksum: str | None = None,
    ):
        if not callable(model):
            raise ValueError(f"model is {type(model).__name__}; expected a Keras model.")
        if not isinstance(name, str) or not name:
            raise ValueError(f"name is {name!r}; expected a name of the feature network.")
        self.model = model
        self.name = name
        self.input_range: tuple[float, ...] = tuple(float(v) for v in input_range)
        self.size: tuple[int, ...] | None = check_size(size)
        if self.size is not None:
            check_choice("resize", resize, RESIZES)
        self.resize = resize
        self.quantize = quantize
        self.preprocess = preprocess
        self.logits = logits
        self.channels = channels
        self.batch_size = batch_size
        self._checksum = checksum
        self._width = 0
        if isinstance(model, keras.Model) and not model.compiled:
            if keras.backend.backend() == "tensorflow":
                model.jit_compile = False  # XLA compiles for long here, and runs no faster

    @property
    def checksum(self) -> str:
        if self._checksum is None and hasattr(self.model, "weights"):
            self._checksum = checksum(self.model)
        return self._checksum

    def __call__(self, images: Tensor) -> Tensor:
        """`Features` of images (B, H, W, C): uint8, or floats in [-1, 1], of any number.

        Raises:
            ValueError: another shape, dtype or range; NaN.
        """
        images = to_images(images)
        lowest = float(images.min()) if images.dtype != np.uint8 else None
        # All chunks have one size, the last padded, so that nothing is compiled for odd batches.
        # It grows with the batches, by a factor of 2 or more: few sizes in all.
        if len(images) >= 2 * self._width:
            self._width = min(self.batch_size, len(images))
        chunks = [
            self._run(images[start : start + self._width])
            for start in range(0, len(images), self._width)
        ]
        features, logits = (
            None if parts[0] is None else np.concatenate(parts)
            for parts in zip(*chunks, strict=True)
        )
        return Features(features, logits, lowest)

    def _run(self, images):
        count = len(images)
        if count < self._width:
            images = np.concatenate([images, images[-1:].repeat(self._width - count, axis=0)])
        x = self._prepare(images)
        if self.size is not None or self.preprocess is not None:
            x = ops.convert_to_tensor(x)
            if self.size is not None and tuple(x.shape[1:3]) != self.size:
                x = ops.image.resize(
                    x,
                    self.size,
                    interpolation=self.resize.split("_")[0],
                    antialias=self.resize.endswith("antialias"),
                    data_format="channels_last",
                )
            if self.preprocess is not None:
                x = self.preprocess(x)
        if isinstance(self.model, keras.Model):
            out = self.model.predict_on_batch(x)
        else:
            out = self.model(ops.convert_to_tensor(x))
        return tuple(None if o is None else to_host(o)[:count] for o in self._split(out))

    def _prepare(self, images):
        """Float32 images in `input_range`."""
        if self.channels == 3 and images.shape[-1] == 1:
            images = images.repeat(3, axis=-1)
        low, high = self.input_range
        if images.dtype == np.uint8 or self.quantize:
            levels = images if images.dtype == np.uint8 else np.rint((images + 1) * 127.5)
            return levels.astype("float32") * np.float32((high - low) / 255) + np.float32(low)
        if self.input_range == (-1.0, 1.0):
            return images
        return (images + np.float32(1)) * np.float32((high - low) / 2) + np.float32(low)

    def _split(self, out):
        if isinstance(out, dict):
            return out.get("features"), out.get("logits")
        if isinstance(out, (tuple, list)):
            if len(out) != 2:
                raise ValueError(
                    f"The feature network {self.name} gives {len(out)} outputs; features, or "
                    "(features, logits), are wanted."
                )
            return tuple(out)
        return out, out if self.logits else None


def checksum(model: keras.Model) -> str:
    """SHA-256 over the weights of a model: shapes, types and values, in order; names do not count.

    The same on every backend.
    """
    digest = hashlib.sha256()
    for variable in model.weights:
        value = np.ascontiguousarray(to_host(variable))
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def to_host(x: Tensor) -> np.ndarray:
    """A tensor of any backend as a NumPy array; bfloat16 as float32.

    Raises:
        ValueError: a symbolic tensor, inside a compiled step.
    """
    if isinstance(x, (np.ndarray, list, tuple, float, int)):
        return np.asarray(x)
    try:
        x = np.asarray(ops.convert_to_numpy(x))
    except Exception as error:  # each backend has its own
        raise ValueError(
            f"A metric of keras_gans got a {type(x).__name__} without values: it works on the "
            "host, so call it outside compiled steps (from a callback, not compile(metrics=...))."
        ) from error
    return x.astype("float32") if x.dtype.kind == "V" or x.dtype.name == "bfloat16" else x


def to_images(images: Tensor, where: str = "images") -> np.ndarray:
    """Images as uint8 or float32 in [-1, 1], (B, H, W, C)."""
    images = to_host(images)
    # A range is always named: constant and dark images are no reason to guess.
    value_range = (0, 255) if images.dtype == np.uint8 else (-1, 1)
    value_range = None if images.dtype.kind in "bi" else value_range  # refused: nothing says theirs
    return check_image_array(images, where, value_range)
