"""Restoring images one by one: what was given is checked, and each has a tuning of its own."""

import time
from collections.abc import Sequence

import keras
import numpy as np
from absl import logging
from keras import ops

from keras_gans.data.color import lab_to_rgb, rgb_to_lab
from keras_gans.data.images import from_uint8
from keras_gans.errors import nearest, quote
from keras_gans.networks.parts import image_features, inr_head
from keras_gans.restoration.degradations import (
    Degradation,
    Downsample,
    Grayscale,
    Identity,
    Mask,
)
from keras_gans.restoration.result import Restoration
from keras_gans.restoration.schedules import SCHEDULES, Schedule
from keras_gans.restoration.schedules import schedule as find_schedule
from keras_gans.restoration.tuning import Tuner
from keras_gans.training.noise import check_integers, class_labels
from keras_gans.typing import Any

# What a task is, and its schedules: of networks of the published size, and of smaller ones.
TASKS: dict[str, tuple[str, str]] = {
    "reconstruct": ("reconstruction", "compact"),
    "color": ("color", "compact_color"),
    "sr": ("sr_d", "compact_sr"),
    "inpaint": ("inpainting", "compact"),
}
_PUBLISHED_WEIGHTS = 10**7
_LARGE = 192  # pixels; from there on the schedules for 256
_BEYOND = 0.5  # by which a given image may leave [-1, 1]: a Lanczos filter overshoots


def restore(
    generator: keras.Model,
    discriminator: keras.Model,
    images: Any,
    task: str | Degradation = "reconstruct",
    *,
    num_classes: int | None = None,
    factor: int = 4,
    mask: Any = None,
    labels: Any = None,
    seed: int | Sequence[int] = 0,
    schedule: str | Schedule | None = None,
    cell: str = "trained",
    pooled: str = "area",
    moments: int = 6,
    verbose: str | int = "auto",
) -> Restoration:
    """Restore images with a trained generator; see `keras_gans.models.restoring.Restoring`.

    Args:
        generator: Keras model, latents (or [latents, labels]) -> images in [-1, 1].
        discriminator: Keras model of images, whose features are compared.
        images, task, factor, mask, labels, seed, schedule, cell, pooled, moments, verbose: see
            there.
        num_classes: integer where the generator takes labels, else None.

    Returns:
        A `Restoration`.

    Raises:
        ValueError: what was given does not fit; the error says what would.
    """
    degradation = find_degradation(task, factor, mask)
    network_features = image_features(discriminator)[0]
    given = check_images(images)
    check_integers(0, moments=moments)
    seeds = _check_seeds(seed, len(given))
    _check_choices(cell=(cell, ("trained", "true")), pooled=(pooled, ("area", "sum")))
    size = _check_size(given, degradation, generator, discriminator, network_features)
    given = _check_channels(given, degradation, generator, task)
    if num_classes is None and labels is not None:
        raise ValueError("The generator is unconditional: leave labels out.")
    if labels is not None:
        labels = class_labels(labels, len(given), num_classes)
    schedule = default_schedule(task, generator) if schedule is None else find_schedule(schedule)
    tuner = Tuner(generator, discriminator, degradation, schedule, size, cell, pooled)
    done = []
    for i in range(len(given)):
        target = np.asarray(degradation.target(given[i : i + 1], i), "float32")
        progress = _Progress(i, len(given), schedule.total, verbose)
        label = None if labels is None else int(labels[i])
        done.append(_restore_one(tuner, target, label, num_classes, seeds[i], i, moments, progress))
    return _collected(done, tuner, degradation, task=task, seed=seeds, schedule=schedule, cell=cell)


def _restore_one(tuner, target, label, classes, seed, index, moments, progress):
    """A dictionary of all that one image's tuning gives."""
    started = time.perf_counter()
    z, label = tuner.choose(target, label, classes, seed, index)
    tuner.restart(z)
    total = tuner.schedule.total
    kept = {round(total * (k + 1) / (moments + 1)) for k in range(moments)}
    history, pictures, image = [], [], None
    for step, (made, losses) in enumerate(tuner.tune(target, label, index)):
        if not np.isfinite(losses["loss"]):
            logging.warning(
                "Image %d: the loss is no number any more at step %d; the image before it is kept. "
                "Smaller rates may help.", index, step,
            )  # fmt: skip
            if image is None:
                raise ValueError(f"The loss of image {index} is {losses['loss']} from the start.")
            break
        image = made
        history.append(losses)
        if step in kept:
            pictures.append(ops.convert_to_numpy(made)[0])
        progress.update(step, losses)
    raw = ops.convert_to_numpy(image)[0]
    pictures += [raw] * (moments - len(pictures))
    return {
        "raw": raw,
        "given": target[0],
        "latents": ops.convert_to_numpy(tuner.latents)[0],
        "labels": label,
        "history": {k: np.array([x[k] for x in history], "float32") for k in history[0]},
        "moments": np.stack(pictures) if moments else np.zeros((0, *raw.shape), "float32"),
        "seconds": round(time.perf_counter() - started, 3),
        "weights": tuner.generator.get_weights(),
    }


def _collected(done, tuner, degradation, **about):
    lists = {k: [x[k] for x in done] for k in done[0]}
    arrays = {k: np.stack(lists.pop(k)) for k in ("raw", "given", "latents", "moments")}
    gray = isinstance(degradation, Grayscale)
    images = merged(arrays["given"], arrays["raw"]) if gray else arrays["raw"]
    labels = lists.pop("labels")
    labels = None if labels[0] is None else np.array(labels, "int32")
    return Restoration(
        images=images, labels=labels, network=tuner.generator, **arrays, **lists, **about
    )


def merged(gray: np.ndarray, colored: np.ndarray) -> np.ndarray:
    """The light of one image with the colors of another, in CIE Lab.

    Args:
        gray, colored: floats (..., 3) in [-1, 1].

    Returns:
        float32 (..., 3) in [-1, 1].
    """
    colors = rgb_to_lab(colored)
    colors[..., 0] = rgb_to_lab(gray)[..., 0]
    return lab_to_rgb(colors).astype("float32")


def default_schedule(task: Any, generator: keras.Model) -> Schedule:
    """The published schedule of a task for generators of 10 million weights and more, else a short
    one with larger rates, for small networks."""
    published, compact = TASKS[_task_name(task)]
    if generator.count_params() < _PUBLISHED_WEIGHTS:
        return SCHEDULES[compact]
    large = f"{published}_256"
    side = min(generator.output_shape[1:3])
    return SCHEDULES[large if side >= _LARGE and large in SCHEDULES else published]


def _task_name(task):
    if not isinstance(task, Degradation):
        return task
    kinds = {Grayscale: "color", Downsample: "sr", Mask: "inpaint"}
    return kinds.get(type(task), "reconstruct")


def find_degradation(task: Any, factor: int = 4, mask: Any = None) -> Degradation:
    """The degradation of a task.

    Raises:
        ValueError: an unknown task, an odd factor, a mask that is missing.
    """
    if isinstance(task, Degradation):
        return task
    if task not in TASKS:
        raise ValueError(
            f"Unknown task {quote(task)}{nearest(task, TASKS)}: choose one of "
            f"{', '.join(TASKS)}, or give a degradation of keras_gans.restoration."
        )
    if task != "inpaint" and mask is not None:
        raise ValueError(f'A mask was given, and the task is {task!r}: use task="inpaint".')
    if task == "inpaint":
        if mask is None:
            raise ValueError(
                'The task "inpaint" needs a mask: an array (H, W), above 0 where the image is lost.'
            )
        return Mask(mask)
    if task == "sr":
        return Downsample(factor)
    return Grayscale() if task == "color" else Identity()


def check_images(images: Any) -> np.ndarray:
    """Images as float32 (N, H, W, C) in [-1, 1].

    Args:
        images: uint8, or floats in [-1, 1]: (N, H, W, C), or one (H, W, C).

    Raises:
        ValueError: another shape, dtype or range; NaN.
    """
    try:
        images = ops.convert_to_numpy(images)
    except (TypeError, ValueError):
        images = np.empty(0)
    images = images[None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise ValueError(
            f"images have shape {images.shape}; expected (N, H, W, 1 or 3), or one (H, W, 1 or 3)."
        )
    if images.dtype == np.uint8:
        return from_uint8(images)
    if images.dtype.kind != "f":
        raise ValueError(f"images are {images.dtype}; expected uint8, or floats in [-1, 1].")
    images = images.astype("float32")
    if not np.isfinite(images).all():
        raise ValueError("images hold NaN or infinite values; expected finite numbers in [-1, 1].")
    if np.abs(images).max() > 1 + _BEYOND:
        raise ValueError(
            f"images run from {images.min():.4g} to {images.max():.4g}; expected floats in "
            "[-1, 1], or uint8."
        )
    return images


def _check_choices(**choices):
    for name, (value, known) in choices.items():
        if value not in known:
            raise ValueError(f"{name} is {quote(value)}; expected {' or '.join(map(repr, known))}.")


def _check_seeds(seed, count):
    """A seed for each image, a list."""
    seeds = np.asarray(seed)
    seeds = seeds if seeds.ndim else np.full(count, seeds)
    if seeds.shape != (count,) or seeds.dtype.kind not in "iu" or seeds.min() < 0:
        raise ValueError(
            f"seed is {quote(seed)}; expected an integer of 0 or more, or one for each image."
        )
    return [int(s) for s in seeds]


def _check_channels(given, degradation, generator, task):
    channels, wanted = given.shape[-1], generator.output_shape[-1]
    if isinstance(degradation, Grayscale):
        if wanted != 3:
            raise ValueError(
                f"The generator makes images of {wanted} channel, and colors need one of 3."
            )
        return given
    if channels != wanted:
        kinds = {1: "gray", 3: "in color"}
        hint = ': the task "color" takes gray images' if wanted == 3 else ""
        raise ValueError(
            f"images are {kinds[channels]} ({channels} channel{'s' * (channels > 1)}), and "
            f"{_task_name(task)!r} with this generator needs {wanted}{hint}."
        )
    return given


def _check_size(given, degradation, generator, discriminator, features):
    """(height, width) of the images that the discriminator sees."""
    low, factor = given.shape[1:3], degradation.factor
    if min(low) < factor:
        raise ValueError(f"images are {low[0]}x{low[1]}, smaller than the factor, {factor}.")
    height, width = size = low[0] * factor, low[1] * factor
    own = tuple(generator.output_shape[1:3])
    whole = f" (times the factor {factor}: {height}x{width})" if factor > 1 else ""
    said = f"images are {low[0]}x{low[1]}{whole}"
    if inr_head(generator) is None and size != own:
        wanted = f"{own[0] // factor}x{own[1] // factor}"
        if min(own) < factor or own[0] % factor or own[1] % factor:
            raise ValueError(f"factor is {factor}, too much for images of {own[0]}x{own[1]}.")
        raise ValueError(f"{said}; this generator restores images of {wanted} only: resize them.")
    inputs = discriminator.inputs[0].shape[1:3]
    if None not in inputs and tuple(features.inputs[0].shape[1:3]) == inputs and size != inputs:
        raise ValueError(
            f"{said}; this discriminator compares images of {inputs[0]}x{inputs[1]} only."
        )
    least = _least_side(features)
    if min(size) < least:
        raise ValueError(f"{said}; expected {least} pixels or more on each side.")
    degradation.check(len(given), height, width)
    return size


def _least_side(features):
    """The pixels of an image whose last feature map has one position: of all halvings."""
    least = 1
    for layer in features.layers:
        if isinstance(layer, (keras.layers.AveragePooling2D, keras.layers.Conv2D)):
            least *= layer.strides[0]
    return least


class _Progress:
    """A bar for each image."""

    def __init__(self, index, count, total, verbose):
        self.bar = None
        if verbose and count:
            print(f"Image {index + 1}/{count}")
            self.bar = keras.utils.Progbar(total, stateful_metrics=["loss", "residual"])

    def update(self, step, losses):
        if self.bar is not None:
            shown = [("loss", losses["loss"]), ("residual", losses["pixel"] ** 0.5)]
            self.bar.update(step + 1, shown)
