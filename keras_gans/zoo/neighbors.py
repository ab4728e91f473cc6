"""Images of a model beside the nearest training images: does it remember those?"""

import numpy as np

from keras_gans.data.images import fit_image
from keras_gans.metrics.kgnet import kgnet
from keras_gans.metrics.reference import RealImages
from keras_gans.metrics.sources import as_floats
from keras_gans.typing import Any, PathLike, RecipeLike
from keras_gans.zoo import comparison
from keras_gans.zoo.scoring import Bar, find_recipe


def nearest(
    source: Any,
    recipe: RecipeLike | None = None,
    data_dir: PathLike | None = None,
    count: int = 4,
    seed: int = 0,
    progress: bool = True,
) -> np.ndarray:
    """Some images of a model, and of each the training image that is nearest to it.

    Nearest by the Euclidean distance of the features of `keras_gans.metrics.kgnet`, as in the score
    novelty_kgnet. Where these are the same pictures, the model has memorized.

    Args:
        source: a model of `keras_gans.models`, or a loaded entry (`keras_gans.zoo.load`).
        recipe: the recipe of its training; by default the entry's own.
        data_dir: folder of the recipe's data; by default the recipe's.
        count: integer, images of the model.
        seed: integer, 0 or more, of the latents.
        progress: bool, whether a terminal shows a progress bar.

    Returns:
        float32 (2 * count, H, W, C) in [-1, 1]: the images, then their neighbors: two rows of
        `keras_gans.data.save_grid(..., columns=count)`.

    Raises:
        ValueError, FileNotFoundError: as `keras_gans.zoo.score`.

    Example:

    >>> entry = keras_gans.zoo.load("osgan_digits")
    >>> keras_gans.zoo.nearest(entry, progress=False).shape
    (8, 32, 32, 1)
    """
    compared = comparison.compare(
        source, find_recipe(source, recipe), data_dir, samples=count, seed=seed
    )
    images = as_floats(next(compared.source.batches(compared.source.count)).images)[:count]
    look = kgnet()
    wanted = look(images).features.astype("float64")
    found, least, seen = images.copy(), np.full(len(images), np.inf), 0
    with Bar("nearest training images", None, progress) as bar:
        for batch, _ in RealImages(compared.real):
            features = look(batch).features.astype("float64")
            distances = np.square(wanted[:, None] - features).sum(-1)
            for i in np.flatnonzero(distances.min(axis=1) < least):
                best = distances[i].argmin()
                least[i] = distances[i, best]
                fitted = fit_image(batch[best], images.shape[1:3], channels=images.shape[-1])
                found[i] = as_floats(fitted)
            seen += len(batch)
            if bar is not None:
                bar(seen)
    return np.concatenate([images, found])
