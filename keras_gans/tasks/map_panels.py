"""What a playground shows of a generator of label maps: a map to paint on."""

import numpy as np

from keras_gans.tasks.playing import Control, Panel, Shown, class_choices, class_of, seed_control
from keras_gans.typing import Any

NOTHING = "nothing"


def panels(source: Any, examples: Any, names: list[str]) -> list[Panel]:
    """List of the `Panel` of what has `synthesize`.

    Args:
        source: a model, an entry or a wrapper.
        examples: maps that it brings along, and instances where it takes them, or None.
        names: of its classes, as far as they are known.
    """
    from keras_gans.data.label_maps import class_colors, color_labels

    count, size = source.num_classes, source.image_shape[:2]
    classes, colors = class_choices(count, names), class_colors(count)
    start = np.zeros((1, *size), "int32") if examples is None else examples[0][:1]
    drawn = colors_of(color_labels(start, count)[0])

    def make(painting=None, seed=0, repaint=NOTHING, new_seed=1):
        maps = classes_of(drawn if painting is None else painting, colors, size)[None]
        instances = pieces(maps) if source.has_instances else None
        given, region = {"seed": seed} if source.noise_dim else {}, class_of(repaint)
        if region is None:
            images = source.synthesize(maps, instances, **given)
        else:
            images = source.repaint(maps, region, instances, seed, new_seed)
        text = f"left: the map; right: its image, classes {', '.join(_found(maps, classes))}"
        return Shown(beside(color_labels(maps, count), images), text)

    controls = [
        Control("painting", "painting", "The map", drawn, choices=classes, colors=colors),
        *([seed_control()] if source.noise_dim else []),
    ]
    if source.noise_dim:
        text = "Draw the noise of a class anew"
        controls.append(Control("repaint", "choice", text, NOTHING, choices=(NOTHING, *classes)))
        controls.append(seed_control("new_seed", "Its seed", 1))
    listed = ", ".join(classes)
    text = f"Paint on the map; each color is a class, in the order of the palette: {listed}."
    return [Panel("Label map", text, tuple(controls), make)]


def colors_of(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) of floats in [-1, 1]."""
    from keras_gans.data.images import to_uint8

    return to_uint8(image)


def classes_of(painting: Any, colors: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The class of each pixel of a painting, by the nearest color: int32 (H, W).

    Args:
        painting: uint8 (h, w, 3), of any size.
        colors: uint8 (N, 3), those of the classes.
        size: (H, W) of the map.

    Raises:
        ValueError: a painting of another shape.
    """
    painting = np.asarray(painting)
    if painting.ndim != 3 or painting.shape[-1] != 3 or painting.dtype != np.uint8:
        raise ValueError(
            f"The painting is {painting.dtype} of shape {painting.shape}; expected a color picture."
        )
    from keras_gans.data.images import fit_image

    pixels = fit_image(painting, size, "nearest").astype("int32")
    away = np.square(pixels[..., None, :] - np.asarray(colors, "int32")).sum(-1)
    return away.argmin(-1).astype("int32")


def pieces(maps: np.ndarray) -> np.ndarray:
    """Ids of the connected pieces of each class, for generators that take instances."""
    made = np.zeros_like(maps)
    for index, labels in enumerate(maps):
        left = np.ones(labels.shape, bool)
        while left.any():
            start = np.unravel_index(left.argmax(), left.shape)
            piece = _grown(start, labels == labels[start])
            made[index][piece] = made[index].max() + 1
            left &= ~piece
    return made


def _grown(start, within):
    """The connected piece of `within` around a pixel, booleans."""
    piece = np.zeros(within.shape, bool)
    piece[start] = True
    while True:
        grown = np.pad(piece, 1)
        grown = (
            grown[1:-1, 1:-1]
            | grown[2:, 1:-1]
            | grown[:-2, 1:-1]
            | grown[1:-1, 2:]
            | (grown[1:-1, :-2])
        )
        grown &= within
        if (grown == piece).all():
            return piece
        piece = grown


def beside(maps: np.ndarray, images: np.ndarray) -> np.ndarray:
    """One picture, uint8, of a colored map and its image."""
    from keras_gans.data.images import image_grid

    images = np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
    return image_grid(np.concatenate([maps, images]), columns=2)


def _found(maps, classes):
    return [classes[i] for i in np.unique(maps) if i < len(classes)]
