"""The images of a recipe's data as arrays."""

import numpy as np

# The digits have no test split of their own: what scores hold out, and what they are compared with.
DIGITS = {"train": "train[:1500]", "test": "train[1500:]"}


def read_arrays(recipe, split=None, data_dir=None, dtype="float32"):
    """The images of a recipe's data, without augmentation, in their own order.

    Args:
        recipe: dictionary, as `keras_gans.recipes.load` gives it.
        split: "train", "test" or a part such as "test[:100]"; None for the recipe's own.
        data_dir: folder that holds the data; None for the recipe's own.
        dtype: "float32" in [-1, 1], or "uint8", a quarter of the memory.

    Returns:
        `(images, second, class_names)`: an array (N, H, W, C); int32 labels (N,) where the recipe
        has classes, the targets (N, H, W, C') of pairs, else None; a list of strings or None.
    """
    from keras_gans import data

    section = {k: v for k, v in recipe["data"].items() if v is not None}
    section |= {k: v for k, v in {"split": split, "data_dir": data_dir}.items() if v is not None}
    for name in ("augment", "shuffle", "drop_remainder", "cache"):
        section.pop(name, None)
    name, labels = section.pop("name"), section.pop("labels", True)
    if "source" in section:
        return (*data.load_pairs(name, dtype=dtype, **section), None)
    stated = {**recipe["networks"], **recipe["model"]}
    if stated.get("num_classes") is None and stated.get("num_domains") is None:
        labels = False
    convert = np.asarray if dtype == "float32" else data.to_uint8
    batches = data.load(name, labels=labels, shuffle=False, drop_remainder=False, **section)
    found = [(convert(b[0]), b[1]) if labels else (convert(b), None) for b in batches]
    images, second = zip(*found, strict=True)
    second = np.concatenate(second) if labels else None
    return np.concatenate(images), second, batches.class_names


def examples_of(recipe, count):
    """The first held-out images as `translate` takes them, a tuple, and their targets or None."""
    part = (DIGITS if recipe["data"]["name"] == "digits" else {"test": "test"})["test"]
    images, second, _ = read_arrays(recipe, part)
    if second is None:
        return (images[:count],), None
    labels = second.ndim == 1
    inputs = (images[:count], second[:count]) if labels else (images[:count],)
    return inputs, None if labels else second[:count]
