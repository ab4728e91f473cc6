"""What a playground shows of a generator: samples, a way between two of them, restorations."""

import functools

import numpy as np

from keras_gans.tasks.playing import (
    Control,
    Panel,
    Shown,
    check_pixels,
    class_choices,
    class_of,
    dropped,
    seed_control,
)
from keras_gans.typing import Any

TURN = "all, in turn"
BEST = "the best of random ones"
LARGEST = 512  # pixels of a side, of a generator that renders any size
RESTORED = {
    "color": "gives a gray picture colors",
    "sr": "enlarges a small one",
    "inpaint": "fills a hole",
    "reconstruct": "looks for the picture itself",
}
# What is lost, as shares of the height and width: from, to, from, to.
HOLES = {
    "the middle": (0.25, 0.75, 0.25, 0.75),
    "the upper half": (0, 0.5, 0, 1),
    "the lower half": (0.5, 1, 0, 1),
    "the left half": (0, 1, 0, 0.5),
    "the right half": (0, 1, 0.5, 1),
}


def panels(source: Any, names: list[str]) -> list[Panel]:
    """List of the `Panel`s of what has `generate` and `interpolate`.

    Args:
        source: a model, an entry or a wrapper.
        names: of its classes, as far as they are known.
    """
    made = [_samples(source, names), _way(source, names)]
    return made + ([_restoration(source, names)] if ships_critic(source) else [])


def ships_critic(source: Any) -> bool:
    """Whether there is a discriminator to restore with: a model's, or in an entry's files."""
    if not hasattr(source, "restore"):
        return False
    files = getattr(source, "metadata", {"files": ["discriminator.npz"]})["files"]
    return "discriminator.npz" in files


def with_critic(source: Any) -> Any:
    """A model as it is; an entry loaded again, with its discriminator."""
    if hasattr(source, "folder") and "discriminator" not in source.networks:
        return type(source)(source.folder, training=True, name=source.name)
    return source


def _sizes(source):
    """Two controls, of a generator that renders any size."""
    from keras_gans.networks.parts import inr_head

    height, width = shape_of(source)[:2]
    if inr_head(source.generator) is None:
        return ()
    return tuple(
        Control(name, "integer", name.capitalize(), own, 16, max(LARGEST, own), 1)
        for name, own in (("height", height), ("width", width))
    )


def shape_of(source: Any) -> tuple[int, int, int]:
    """(H, W, C) of the images as they were trained."""
    return tuple(source.generator.output_shape[1:])


def _classes(source, names):
    return () if source.num_classes is None else class_choices(source.num_classes, names)


def _truncation():
    return Control("truncation", "number", "Truncation", 1.0, 0.0, 1.5, 0.05)


def _at(source, count, height, width):
    """`size` of the verbs: None for the size of the training."""
    own = shape_of(source)[:2]
    size = own if height is None else (height, width)
    check_pixels(count, *size)
    return None if size == own else size


def _samples(source, names):
    classes = _classes(source, names)

    def make(seed, truncation, count, label=None, height=None, width=None):
        from keras_gans.data.images import image_grid

        size = _at(source, count, height, width)
        labels = None if label is None else class_of(label)
        images = source.generate(count, seed=seed, labels=labels, truncation=truncation, size=size)
        columns = _columns(count)
        if classes and labels is None and len(classes) < count:
            columns = len(classes)  # a column of each class
        said = "" if label is None or labels is None else f" of the class {label}"
        return Shown(image_grid(images, columns), f"{count} images{said}, seed {seed}")

    controls = [
        *([Control("label", "choice", "Class", TURN, choices=(TURN, *classes))] if classes else []),
        _truncation(),
        seed_control(),
        Control("count", "integer", "Images", _count(source, len(classes)), 1, 64, 1),
        *_sizes(source),
    ]
    return Panel(
        "Samples",
        "Images of noise. The seed chooses the noise; a truncation below 1 gives less variety and "
        "fewer failures.",
        tuple(controls),
        make,
    )


def _count(source, classes):
    """Images at the start: rows of all classes, 32 or so; fewer of large ones."""
    height, width, _ = shape_of(source)
    few = min(32, max(1, 2**19 // (height * width)))
    return max(few - few % classes, 1) if 0 < classes <= few else few


def _columns(count):
    """Columns of a grid without an empty place, where one is not too wide; else None."""
    least = int(np.ceil(np.sqrt(count)))
    return next((n for n in range(least, 2 * least) if count % n == 0), None)


def _way(source, names):
    classes = _classes(source, names)

    def make(seed, to_seed, steps, truncation, label=None, to_label=None, height=None, width=None):
        from keras_gans.data.images import image_grid

        size = _at(source, steps, height, width)
        labels = None if label is None else (class_of(label), class_of(to_label))
        images = source.interpolate(
            steps, labels=labels, seed=(seed, to_seed), truncation=truncation, size=size
        )
        ends = f"seed {seed} to {to_seed}" + ("" if label is None else f", {label} to {to_label}")
        return Shown(image_grid(images, columns=min(steps, 4)), f"{steps} steps: {ends}")

    ends = (("label", "From class", 0), ("to_label", "To class", -1)) if classes else ()
    controls = [
        *(Control(n, "choice", text, classes[i], choices=classes) for n, text, i in ends),
        seed_control("seed", "From seed"),
        seed_control("to_seed", "To seed", 1),
        Control("steps", "integer", "Steps", 8, 2, 32, 1),
        _truncation(),
        *_sizes(source),
    ]
    return Panel(
        "Interpolation",
        "The straight way from one noise to another"
        + (", and from one class to another." if classes else "."),
        tuple(controls),
        make,
    )


def _restoration(source, names):
    from keras_gans.restoration.fitting import fitted
    from keras_gans.restoration.restoring import default_schedule

    classes = _classes(source, names)
    critic = functools.cache(lambda: with_critic(source))
    gray = shape_of(source)[-1] == 1
    tasks = {task: said for task, said in RESTORED.items() if not (gray and task == "color")}

    def make(picture, task, factor, hole, mask, effort, seed, label=None):
        picture, model, factor = dropped(picture), critic(), int(factor)
        image = fitted(picture, model.generator, task, factor)
        steps = default_schedule(task, model.generator).shortened(effort)
        labels = None if label is None else class_of(label)
        lost = _lost(image.shape[:2], hole, mask, picture.shape[:2]) if task == "inpaint" else None
        made = model.restore(
            image[None],
            task,
            factor=factor,
            mask=lost,
            labels=labels,
            seed=seed,
            schedule=steps,
            verbose=0,
        )
        text = f"left: given; right: restored, residual {made.residual[0]:.3f}"
        return Shown(side_by_side(made.given, made.images), f"{text}, {made.seconds[0]:.0f} s")

    controls = [
        Control("picture", "picture", "A picture of the kind that the model makes"),
        Control("task", "choice", "Task", next(iter(tasks)), choices=tuple(tasks)),
        Control("factor", "choice", "Times larger, for sr", "4", choices=("2", "4", "8")),
        Control("hole", "choice", "Hole, for inpaint", "the middle", choices=tuple(HOLES)),
        Control("mask", "picture", "Or a mask, white where the picture is lost"),
        *([Control("label", "choice", "Class", BEST, choices=(BEST, *classes))] if classes else []),
        seed_control(),
        Control("effort", "number", "Share of the steps", 1.0, 0.05, 1.0, 0.05),
    ]
    said = "; ".join(f"{task} {what}" for task, what in tasks.items())
    text = f"Tune the generator to one picture: {said}. It takes seconds to minutes."
    return Panel("Restoration", text, tuple(controls), make, slow=True)


def _lost(size, hole, mask, own):
    """Where a picture of a size is lost, booleans: by one of `HOLES`, or a mask's file."""
    from keras_gans.restoration.fitting import fitted_mask

    if mask is not None:
        return fitted_mask(dropped(mask), size, own)
    lost, (height, width) = np.zeros(size, bool), size
    top, bottom, left, right = HOLES[hole]
    rows = slice(round(top * height), round(bottom * height))
    lost[rows, round(left * width) : round(right * width)] = True
    return lost


def side_by_side(*columns: np.ndarray) -> np.ndarray:
    """One picture, uint8, of images (N, H, W, C) in columns."""
    from keras_gans.data.images import image_grid

    rows = np.stack(columns, axis=1)
    return image_grid(rows.reshape(-1, *rows.shape[2:]), len(columns))
