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


def fitted_mask(
    mask: np.ndarray, size: tuple[int, int], own: tuple[int, int] | None = None
) -> np.ndarray:
    """A picture of what is lost, white there and else black, as `restore` takes it.

    Args:
        mask: uint8 (H, W, 1 or 3), of the proportions of the fitted image, or of the size that the
            image had before: then it is cropped about its center, as that was.
        size: (h, w) of the fitted image.
        own: (H, W) that the image had before `fitted`; None where that is unknown.

    Returns:
        Booleans (h, w), true where the image is lost.

    Raises:
        ValueError: a mask of other proportions.
    """
    height, width = mask.shape[:2]
    if height * size[1] != width * size[0] and mask.shape[:2] != own:
        raise ValueError(
            f"the mask is {height}x{width}, of another shape than the image, {size[0]}x{size[1]}."
        )
    return fit_image(mask, size, "nearest", channels=1)[..., 0] > 127
