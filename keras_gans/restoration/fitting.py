"""Pictures of any size, as a generator's restoration takes them."""

import keras
import numpy as np

from keras_gans.data.images import fit_image
from keras_gans.networks.parts import inr_head


def fitted(image: np.ndarray, generator: keras.Model, task: str, factor: int = 4) -> np.ndarray:
    """An image in a size that `restore` takes.

    For a generator of one size it is cropped about the center; with an INR head it keeps its shape,
    and the shorter side is resized to that of the training. A small image, for "sr", is `factor`
    times smaller.

    Args:
        image: uint8 (H, W, 1 or 3).
        generator: Keras model whose outputs are images.
        task: one of `keras_gans.restoration.TASKS`.
        factor: integer, for "sr".

    Returns:
        uint8 (h, w, 1 or 3).

    Raises:
        ValueError: an image that is smaller than the factor.
    """
    height, width, channels = generator.output_shape[1:]
    by = factor if task == "sr" else 1
    if by > 1 and min(image.shape[:2]) < by:
        size = "x".join(str(n) for n in image.shape[:2])
        raise ValueError(f"the image of {size} pixels is smaller than the factor, {by}.")
    wanted = (max(height // by, 1), max(width // by, 1))
    if inr_head(generator) is not None:
        scale = min(wanted) / min(image.shape[:2])
        wanted = tuple(max(1, round(n * scale)) for n in image.shape[:2])
    return fit_image(image, wanted, channels=1 if channels == 1 else None)
