"""`keras-gans restore`: images colored, enlarged, completed by a trained generator."""

import pathlib
import sys

from keras_gans.cli import startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.errors import printable
from keras_gans.typing import Any


def _tasks():
    from keras_gans.restoration import TASKS

    said = {
        "reconstruct": "the image itself",
        "color": "colors for a gray image",
        "sr": "a larger image",
        "inpaint": "what a mask covers",
    }
    return "; ".join(f"{name}: {said.get(name, '')}" for name in TASKS)


def _schedules():
    from keras_gans.restoration import SCHEDULES

    return f"how the networks are tuned: {', '.join(SCHEDULES)}"


def _flags():
    return [
        Flag("task", "string", _tasks, "reconstruct"),
        Flag("factor", "integer", "for sr: how many times larger, an even number", 4),
        Flag(
            "mask",
            "string",
            "for inpaint: a picture of the images' size, white where they are lost, else black",
            value="FILE",
        ),
        Flag(
            "label",
            "string",
            "class of the images, for conditional models: its number, or its name",
            shown="the best of random ones, for each image",
            value="N|NAME",
        ),
        Flag("seeds", "integer", "answers for each image, from as many random starts", 1),
        Flag(
            "schedule",
            "string",
            _schedules,
            shown="by the size of the generator",
        ),
        Flag(
            "render",
            "string",
            "render the results anew at this size, into files of their own, for generators with an "
            "INR head",
            value="HxW",
        ),
        Flag("strip", "string", "write the way of each image here", value="PNG"),
        Flag(
            "out",
            "string",
            "the picture to write, FILE.png with a row for each image: what was given, then the "
            "answers; or a folder, for a PNG file of each answer",
            "restored.png",
            value="PATH",
        ),
    ]


def run(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run the command."""
    from keras_gans.cli.sample import class_number, parse_size
    from keras_gans.cli.translate import find_images, unique_names

    source, *paths = positional
    out = pathlib.Path(values.out)
    if out.suffix.lower() not in ("", ".png"):
        raise ValueError(f"--out is {values.out!r}; expected FILE.png or a folder.")
    if values.strip and not values.strip.lower().endswith(".png"):
        raise ValueError(f"--strip is {values.strip!r}; expected a file ending in .png.")
    if values.seeds < 1:
        raise ValueError(f"--seeds is {values.seeds}; expected 1 or more.")
    if not paths:
        raise ValueError("Give images to restore: files, or folders of them.")
    size = parse_size(values.render)
    startup.choose_backend(values.backend)
    from keras_gans.runs.opening import class_names_of

    files = find_images(paths)
    model = open_restoring(source)
    label, _ = class_number("label", values.label, class_names_of(source, model))
    read, images, sizes, broken = read_images(files, model, values.task, values.factor)
    names = unique_names(read)
    for shape in dict.fromkeys(image.shape for image in images):
        chosen = [i for i, image in enumerate(images) if image.shape == shape]
        own = [sizes[i] for i in chosen]
        made = _restored(model, [images[i] for i in chosen], own, label, values)
        # One picture holds images of one size: with several sizes there is one of each.
        several = len({image.shape for image in images}) > 1
        suffix = f"_{shape[0]}x{shape[1]}" if several else ""
        _write(made, [names[i] for i in chosen], out, suffix, values, size)
    for error in broken:
        print(f"keras-gans: left out: {printable(error)}", file=sys.stderr)
    return int(bool(broken))


def open_restoring(source: str) -> Any:
    """The model of a run or a file, or the zoo entry with its discriminator.

    Raises:
        ValueError: it has none, or makes no images of latents.
    """
    from keras_gans.runs.opening import open_source
    from keras_gans.tasks.noise_panels import with_critic

    model = open_source(source)
    if not hasattr(model, "restore"):
        raise ValueError(
            f"{source} has no discriminator to compare images with: give a run of keras-gans "
            "train, or a zoo entry that ships it."
        )
    return with_critic(model)


def read_images(
    files: list[pathlib.Path], model: Any, task: str, factor: int
) -> tuple[list[pathlib.Path], list[Any], list[tuple[int, int]], list[ValueError]]:
    """What could be read: the files, their images of uint8 in a size that fits, the (height, width)
    that each had before; and the errors."""
    from keras_gans.data.images import fit_image, read_image
    from keras_gans.restoration.fitting import fitted

    read, images, sizes, broken = [], [], [], []
    for file in files:
        try:
            image = read_image(file)
        except ValueError as error:
            broken.append(error)
            continue
        try:
            images.append(fitted(image, model.generator, task, factor))
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None
        read.append(file)
        sizes.append(image.shape[:2])
    if not images:
        raise broken[0]
    if task == "color" and len({image.shape[-1] for image in images}) > 1:
        # Files in color are made gray anyway: with gray ones they go into one picture.
        images = [fit_image(image, channels=3) for image in images]
    return read, images, sizes, broken


def _restored(model, images, sizes, label, values):
    """One restoration: each image, which had one of `sizes`, `seeds` times."""
    import numpy as np

    from keras_gans.data.images import read_image
    from keras_gans.restoration.fitting import fitted_mask

    count, seeds = len(images), values.seeds
    mask = None
    if values.mask:
        try:
            drawn = read_image(values.mask)
            masks = [fitted_mask(drawn, images[0].shape[:2], own) for own in sizes]
        except ValueError as error:
            raise ValueError(f"--mask={values.mask}: {error}") from None
        mask = np.repeat(np.stack(masks), seeds, axis=0)
    return model.restore(
        np.repeat(np.stack(images), seeds, axis=0),
        values.task,
        factor=values.factor,
        mask=mask,
        labels=label,
        seed=np.tile(np.arange(seeds), count),
        schedule=values.schedule,
    )


def _write(made, names, out, suffix, values, size):
    import numpy as np

    from keras_gans.data.images import save_grid

    seeds = values.seeds
    answers = [f"{n}_{k}" if seeds > 1 else n for n in names for k in range(seeds)]
    if out.suffix:
        given = made.given[::seeds, None]
        rows = np.concatenate([given, made.images.reshape(-1, seeds, *made.images.shape[1:])], 1)
        path = out.with_name(f"{out.stem}{suffix}{out.suffix}")
        save_grid(rows.reshape(-1, *rows.shape[2:]), path, columns=seeds + 1)
        print(f"Wrote {path}: {len(names)} images; from the left: given, {seeds} restored.")
    else:
        for name, image in zip(answers, made.images, strict=True):
            save_grid(image[None], out / f"{name}.png", pad=0)
        print(f"Wrote {len(answers)} files into {out}.")
    for name, residual, seconds in zip(answers, made.residual, made.seconds, strict=True):
        print(f"  {printable(name)}: residual {residual:.4f}, {seconds:.1f} s")
    if values.strip:
        path = pathlib.Path(values.strip)
        path = path.with_name(f"{path.stem}{suffix}{path.suffix}")
        save_grid(made.strip()[None], path, pad=0)
        print(f"Wrote {path}: given, the way, the result.")
    if size is not None:
        folder = out.parent if out.suffix else out
        for i, name in enumerate(answers):
            rendered = made.render(size, indices=[i])
            said = "x".join(str(n) for n in rendered.shape[1:3])
            save_grid(rendered, folder / f"{name}_{said}.png", pad=0)
            print(f"Wrote {folder / f'{name}_{said}.png'}.")


COMMAND = Command(
    "restore",
    "color, enlarge, complete or reconstruct images with a trained generator",
    "Restore images with a trained generator (deep generative prior): a latent and a copy of the "
    "generator are tuned until the generator's image, degraded in the same way, looks to the "
    "discriminator like the one that was given. It works for images like those of the training, "
    "and takes from seconds to minutes an image. ENTRY is the name of a zoo entry that ships its "
    "discriminator, its folder, a run of keras-gans train, or a .keras file of one. IMAGES are "
    "image files and folders of them. The residual that is printed says how far the result, "
    "degraded again, is from what was given (root of the mean square, images in [-1, 1]); the same "
    "residual may belong to right and to wrong details, so look at several answers: --seeds.",
    _flags,
    (
        "keras-gans restore omni_avatars_64 old/ --task=color --seeds=3 --label=toon_head",
        "keras-gans restore omni_avatars_64 small.png --task=sr --factor=4 --render=512x512",
        "keras-gans restore omni_avatars_64 torn.png --task=inpaint --mask=hole.png",
        "keras-gans restore runs/faces me.png --out=restored/",
    ),
    run,
    ("ENTRY", "[IMAGES...]"),
)
