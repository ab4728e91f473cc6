"""The images of a recipe's data as arrays: for training without TensorFlow, and for scores."""

import numpy as np

from keras_gans import data
from keras_gans.data.loading import read
from keras_gans.data.sources import NoSplit
from keras_gans.recipes.recipe import load
from keras_gans.typing import PathLike, RecipeLike

OF_BATCHES = ("shuffle", "augment", "drop_remainder")


def examples_of(recipe: RecipeLike, count: int) -> tuple[tuple[np.ndarray, ...], np.ndarray | None]:
    """A few images that a method was not trained on, to look at, from all over the split "test".

    Of the recipe's own split where the data has no "test".

    Args:
        recipe: `keras_gans.recipes.Recipe`.
        count: integer, images at most.

    Returns:
        `(inputs, targets)`: what the method's `translate` takes, a tuple of arrays: images, with
        their labels where the recipe has classes; the targets of pairs, or None.
    """
    recipe = load(recipe)
    split = (recipe.data.get("split") or "train").partition("[")[0]
    try:
        images, second, _ = read_arrays(recipe, recipe.splits["test"], dtype="uint8")
    except NoSplit:
        images, second, _ = read_arrays(recipe, split, dtype="uint8")
    chosen = np.linspace(0, len(images), count, endpoint=False, dtype=int)
    chosen = np.unique(chosen)  # fewer where there are fewer images
    images = data.from_uint8(images[chosen])
    if second is None:
        return (images,), None
    if recipe.has_pairs:
        return (images,), data.from_uint8(second[chosen])
    return (images, second[chosen]), None


def maps_of(recipe: RecipeLike, count: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """A few label maps that a method was not trained on; see `examples_of`.

    Returns:
        `(inputs, targets)`: what the method's `synthesize` takes, a tuple of maps, and instances
        where there are any; the images that belong to them.
    """
    recipe = load(recipe)
    split = (recipe.data.get("split") or "train").partition("[")[0]
    try:
        images, *maps = read_maps(recipe, recipe.splits["test"], dtype="uint8")
    except NoSplit:
        images, *maps = read_maps(recipe, split, dtype="uint8")
    chosen = np.unique(np.linspace(0, len(images), count, endpoint=False, dtype=int))
    return tuple(x[chosen] for x in maps), data.from_uint8(images[chosen])


def read_maps(
    recipe: RecipeLike,
    split: str | None = None,
    data_dir: PathLike | None = None,
    dtype: str = "float32",
) -> tuple[np.ndarray, ...]:
    """The images of a recipe's data and their label maps, as `keras_gans.data.load_label_maps`.

    Args:
        recipe, split, data_dir, dtype: of `read_arrays`.
    """
    recipe = load(recipe)
    if not recipe.has_maps:
        raise ValueError(
            "The recipe's data has no label maps: add maps to its data section, such as maps: "
            "segmentation (see keras_gans.data.load_label_maps)."
        )
    section = {k: v for k, v in recipe.data.items() if v is not None and k not in OF_BATCHES}
    section |= {} if split is None else {"split": split}
    section |= {} if data_dir is None else {"data_dir": data_dir}
    classes = recipe.networks.get("num_classes")
    return tuple(data.load_label_maps(dtype=dtype, num_classes=classes, **section))


def read_arrays(
    recipe: RecipeLike,
    split: str | None = None,
    data_dir: PathLike | None = None,
    dtype: str = "float32",
) -> tuple[np.ndarray, np.ndarray | None, list[str] | None]:
    """The images of a recipe's data, without augmentation, in their own order.

    Args:
        recipe: `keras_gans.recipes.Recipe`.
        split: "train", "test" or a part such as "test[:100]"; None for the recipe's own.
        data_dir: folder that holds the data; None for the recipe's own.
        dtype: "float32" in [-1, 1], or "uint8", a quarter of the memory.

    Returns:
        `(images, second, class_names)`: an array (N, H, W, C); int32 labels (N,) where the recipe
        has classes, the targets (N, H, W, C') of pairs, else None; a list of strings or None.

    Raises:
        ValueError, FileNotFoundError, ImportError: as `keras_gans.data.load`.
    """
    recipe = load(recipe)
    own = (*OF_BATCHES, "labels", "cache")
    section = {k: v for k, v in recipe.data.items() if v is not None and k not in own}
    section |= {} if split is None else {"split": split}
    section |= {} if data_dir is None else {"data_dir": data_dir}
    name = section.pop("name")
    if recipe.has_pairs:
        return (*data.load_pairs(name, dtype=dtype, **section), None)
    source = read(name, labels=recipe.labels, **section)
    images = source.images
    if images.dtype != dtype:
        images = data.from_uint8(images) if dtype == "float32" else data.to_uint8(images)
    return images, source.labels, source.class_names
