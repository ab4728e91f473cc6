"""What a playground shows of networks that translate images, and grids of their panels."""

import numpy as np

from keras_gans.tasks.playing import Control, Panel, Shown, class_choices, class_of, dropped
from keras_gans.typing import Any

ALL = "all"


def panels(source: Any, examples: Any, names: list[str]) -> list[Panel]:
    """List of the `Panel` of what has `panels` and `condition`.

    Args:
        source: a model, an entry or a wrapper.
        examples: what it brings along, a tuple of arrays, or None.
        names: of its domains, as far as they are known.
    """
    count = source.num_domains
    domains = () if count is None else class_choices(count, names)
    shape, outputs = source.image_shape, source.output_shape[-1]
    stored = 0 if examples is None else len(examples[0])
    files = takes_files(source)
    if not files and not stored:
        raise ValueError("The network takes more than a picture, and brings no examples along.")

    def make(picture=None, example=1, domain=None, outline=False):
        beside = None if domain is None else class_of(domain)
        if picture is not None or not stored:
            image, said = from_file(picture, shape, outline), "your picture"
        else:
            image, said = examples[0][example - 1 : example], f"example {example}"
            beside = examples[1][example - 1 : example] if not files else beside
        shown = source.panels(image, beside)
        images, columns = panel_rows(shown)
        names_of = {f"domain {class_of(d)}": f"domain {d}" for d in domains}
        columns_said = ", ".join(names_of.get(name, name) for name in shown)
        return Shown(_grid(images, columns), f"{said}; from the left: {columns_said}")

    controls = []
    if files:
        controls.append(Control("picture", "picture", "Your picture"))
    if stored > 1:
        text = "Example, while there is no picture" if files else "Example"
        controls.append(Control("example", "integer", text, 1, 1, stored, 1))
    if domains:
        kind = source.condition[:-1].capitalize()
        controls.append(Control("domain", "choice", kind, ALL, choices=(ALL, *domains)))
    if files and shape[-1] == 1 < outputs:
        controls.append(Control("outline", "switch", "Draw the outlines of my picture first", True))
    text = "Drop a picture, and see what the model makes of it." if files else "Choose an example."
    return [Panel("Translation", text, tuple(controls), make)]


def takes_files(source: Any) -> bool:
    """Whether an image file is all that it takes, beside a domain."""
    return source.condition != "guides" and source.image_shape[-1] in (1, 3)


def from_file(path: Any, shape: Any, outline: bool = False) -> np.ndarray:
    """The image of a file as a network takes it: cropped about its center, resized, (1, H, W, C).

    Raises:
        ValueError: a file that is no image.
    """
    from keras_gans.data.images import fit_image, from_uint8
    from keras_gans.data.pairs import outlines

    image = fit_image(dropped(path), shape[:2], channels=None if outline else shape[-1])
    return from_uint8(outlines(image[None]) if outline else image[None])


def _grid(images, columns):
    from keras_gans.data.images import image_grid

    return image_grid(images, columns)


def panel_rows(panels: dict[str, np.ndarray]) -> tuple[np.ndarray, int]:
    """Panels of several images as the images and columns of a grid, a row an image.

    Args:
        panels: dictionary, name -> images (N, H, W, C), shown at the size of the last panel's;
            gray is repeated where another panel has color, and where there are neither 1 nor 3
            channels their mean is shown.

    Returns:
        `(images, columns)` for `keras_gans.data.save_grid`.
    """
    from keras_gans.data.images import fit_image

    columns = [_shown(np.asarray(x)) for x in panels.values()]
    size = columns[-1].shape[1:3]
    columns = [
        x if x.shape[1:3] == size else np.stack([fit_image(i, size, "nearest") for i in x])
        for x in columns
    ]
    channels = max(x.shape[-1] for x in columns)
    columns = [np.repeat(x, channels // x.shape[-1], axis=-1) for x in columns]
    images = np.stack(columns, axis=1)
    return images.reshape(-1, *images.shape[2:]), len(columns)


def _shown(images):
    return images if images.shape[-1] in (1, 3) else images.mean(-1, keepdims=True)
