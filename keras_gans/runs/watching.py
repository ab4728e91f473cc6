"""What watches a run of `keras-gans train`: its pictures, and the check for a collapse."""

import math
import pathlib

import numpy as np

from keras_gans import tasks
from keras_gans.callbacks import PictureGrid, TensorBoard, TerminateOnCollapse
from keras_gans.data.images import save_grid
from keras_gans.typing import Any

REAL = 256  # real images that samples are compared with, at most
WARMUP = 2000  # train steps in which samples may differ as little as they like, at least
LOOKS = 200  # at the images of a run, about
FEW = 1000  # images that a discriminator soon knows by heart
# Of real images' distance within a class. Trained entries have 0.65 to 0.95 of it. Of avatars at 32
# pixels a run that learned (hinge, betas 0 and 0.9, DiffAugment) had 0.01 after 400 steps and 0.24
# after 800; one that went to one picture a class had 0.30 after 800, 0.14 after 2,200 and 0.09
# after 2,800.
VARIETY = 0.15


def callbacks_of(
    model: Any, recipe: Any, data: Any, out: pathlib.Path, epochs: int = 1
) -> list[Any]:
    """The callbacks that watch the images, the one that ends a failed training first.

    They look after every epoch; where there are more than `LOOKS`, as with a hundred photos, which
    an epoch has seen in a step, after every few.
    """
    view, few = _view(model, recipe), math.ceil(epochs / LOOKS)
    freq = "epoch" if few <= 1 else few * len(data)
    return [
        TerminateOnCollapse(freq=freq, raise_error=True, **_variety(model, data)),
        PictureGrid(out / "samples" / "epoch-{epoch:03d}.png", view, freq),
        TensorBoard(out / "tensorboard", view=view, sample_freq=freq),
    ]


def word_on_few_images(model: Any, recipe: Any, data: Any) -> str | None:
    """What is done where a discriminator may learn the images by heart, and what else there is.

    Returns:
        A line, or None where the images are not few, or are not learned from in this way.
    """
    count = len(getattr(data, "images", ())) or getattr(data, "num_images", FEW)
    if count >= FEW or not tasks.of(model).from_noise:
        return None
    augment = recipe.model.get("augment")
    chosen = f"is shown them augmented ({augment})" if augment else "is shown them as they are"
    ways = [] if augment else ["model: {augment: 'color,translation'} in a recipe"]
    ways += [] if augment == "ada" else ["model: {augment: ada}"]
    ways += [] if recipe.schedule.get("init") else ["--init=ENTRY, to start from a trained network"]
    otherwise = f" Otherwise: {', or '.join(ways)}." if ways else ""
    return f"{count} images are few. The discriminator {chosen}.{otherwise}"


def write_samples(model: Any, recipe: Any, out: pathlib.Path) -> str:
    """Write samples.png; returns what it is, in a few words."""
    picture = _view(model, recipe).draw(model)
    save_grid(picture.images, out / "samples.png", columns=picture.columns)
    return picture.text


def _view(model, recipe):
    seed = recipe["evaluation"].get("seed") or 0
    return tasks.of(model).view(model, recipe, seed)


def _variety(model, data):
    """The arguments of `TerminateOnCollapse` that compare samples with real images of the run."""
    task = tasks.of(model)
    if not task.from_noise:
        return {"min_diversity": None}
    images, labels = task.real(model, data, REAL)
    if len(images) < 2 or (labels is not None and len(np.unique(labels)) == len(labels)):
        return {}  # no two of a class: then samples are compared with earlier ones
    # An average of the generator is as it was drawn for longer: until e^-3 of that is left.
    average = 3 / (1 - (getattr(model, "ema", None) or 0))
    warmup = max(WARMUP, round(average))
    return {"real": images, "real_labels": labels, "warmup": warmup, "min_diversity": VARIETY}
