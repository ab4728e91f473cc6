"""`keras-gans translate`: translations of images by a zoo entry, a run, or a .keras file."""

import pathlib
import sys
from collections.abc import Iterable

from keras_gans.cli import startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.errors import printable
from keras_gans.typing import Any, PathLike

ALL = "all"


def _flags():
    return [
        Flag(
            "domain",
            "string",
            "domain to translate to (or the label of a CAAE): its number from 0, its name where "
            "the recipe of the run or the card of the entry has names, or all of them; for "
            "networks that have domains",
            shown=ALL,
            value="N|NAME|all",
        ),
        Flag(
            "outline",
            "boolean",
            "draw the outlines of the images first, for networks that color line drawings",
            False,
        ),
        Flag(
            "out",
            "string",
            "the picture to write, FILE.png with a row for each image; or a folder, for a PNG file "
            "of each translation",
            "translated.png",
            value="PATH",
        ),
        Flag(
            "npy",
            "string",
            "write the translations here too, as float32 (N, H, W, C), or (N, domains, H, W, C) of "
            "all domains",
            value="FILE",
        ),
        Flag("batch_size", "integer", "images at once", 64),
    ]


def run(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run the command."""
    source, *paths = positional
    out = pathlib.Path(values.out)
    if out.suffix.lower() not in ("", ".png"):
        raise ValueError(f"--out is {values.out!r}; expected FILE.png or a folder.")
    if values.batch_size < 1:
        raise ValueError(f"--batch_size is {values.batch_size}; expected 1 or more.")
    if values.outline and not paths:
        raise ValueError("--outline draws the outlines of images: give some, files or folders.")
    startup.choose_backend(values.backend)
    import numpy as np

    from keras_gans.files import replacing

    files, broken = find_images(paths), []
    translator, examples, class_names = open_translator(source)
    domain = parse_domain(values.domain, translator, source, class_names)
    if files:
        read, images, broken = read_images(files, translator, values.outline)
        names, inputs = unique_names(read), [images]
    else:
        inputs = examples
        if inputs is None:
            raise ValueError(
                "Give images to translate, files or folders: only zoo entries bring examples "
                f"along, and {source} is none."
            )
        names = [f"example_{n}" for n in range(len(inputs[0]))]
    # Guides come with the examples; their domains give way to those that were asked for.
    beside = inputs[1] if translator.condition == "guides" else domain
    panels = translator.panels(inputs[0], None if domain == ALL else beside, values.batch_size)
    several = {n: x for n, x in panels.items() if n != "input"}
    made = several if domain == ALL else {"": panels["output"]}
    write_pictures(out, panels, made, names, source)
    if values.npy:
        with replacing(values.npy, suffix=".npy") as temporary:
            array = np.stack(list(made.values()), axis=1) if domain == ALL else made[""]
            np.save(temporary, array)
        print(f"Wrote {values.npy}: {array.dtype} {array.shape}, in units of [-1, 1].")
    shape, channels = translator.image_shape, translator.output_shape[-1]
    if files and not values.outline and shape[-1] == 1 < channels:
        print("The network takes gray images; if it was trained on outlines, add --outline.")
    for error in broken:
        print(f"keras-gans: left out: {printable(error)}", file=sys.stderr)
    return int(bool(broken))


def find_images(paths: Iterable[PathLike]) -> list[pathlib.Path]:
    """The image files of files and folders, those of a folder sorted."""
    from keras_gans.data.finding import image_files

    files = []
    for path in map(pathlib.Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"There is no {path}: expected an image file or a folder.")
        found = image_files(path) if path.is_dir() else [path]
        if not found:
            raise ValueError(f"There are no image files in {path}.")
        files += found
    return files


def unique_names(files: Iterable[pathlib.Path]) -> list[str]:
    """Names of the files' translations: without folders and endings, numbered where one recurs."""
    names = []
    for stem in (file.stem for file in files):
        name, number = stem, 1
        while name in names:
            number += 1
            name = f"{stem}_{number}"
        names.append(name)
    return names


def read_images(
    files: Iterable[pathlib.Path], translator: Any, outline: bool = False
) -> tuple[list[pathlib.Path], Any, list[ValueError]]:
    """Images as a translator takes them: cropped about the center and resized, in [-1, 1].

    Returns:
        `(read, images, broken)`: the files that could be read, an array of their images, and the
        errors of the others.

    Raises:
        ValueError: none of them can be read, or the network takes no images of files.
    """
    import numpy as np

    from keras_gans.data.images import fit_image, from_uint8, read_image
    from keras_gans.data.pairs import outlines

    height, width, channels = translator.image_shape
    if translator.condition == "guides":
        raise ValueError(
            "The network takes a guide with each image: translate from Python, with "
            "entry.translate(images, guides); without IMAGES its stored examples are used."
        )
    if channels not in (1, 3):
        raise ValueError(
            f"The network takes images of {channels} channels, image files have 1 or 3: translate "
            "from Python, with entry.translate(images)."
        )
    if outline and channels != 1:
        raise ValueError("--outline is for networks of gray line drawings, and this takes color.")
    wanted = None if outline else channels
    read, images, broken = [], [], []
    for file in files:
        try:
            images.append(fit_image(read_image(file), (height, width), channels=wanted))
            read.append(file)
        except ValueError as error:
            broken.append(error)
    if not images:
        raise broken[0]
    if outline:  # of images that may differ in channels
        images = [outlines(image[None])[0] for image in images]
    return read, from_uint8(np.stack(images)), broken


def open_translator(source: str) -> tuple[Any, Any, list[str]]:
    """What translates, of a zoo entry, a run or a .keras file; its examples, or None; its names."""
    from keras_gans import tasks
    from keras_gans.runs.opening import class_names_of, open_source

    model = open_source(source, "translate")
    task, names = tasks.of(model), class_names_of(source, model)
    return task.wrap(task.network(model)), task.stored_examples(model), names


def parse_domain(
    text: str | None, translator: Any, source: str, names: list[str]
) -> int | str | None:
    """An integer, "all", or None for a network without domains."""
    from keras_gans.cli.sample import class_number

    if translator.num_domains is None:
        if text is not None:
            raise ValueError(f"{source} has no domains: leave --domain out.")
        return None
    if text in (None, ALL):
        return ALL
    wanted = f"0 to {translator.num_domains - 1}, or all"
    number, _ = class_number("domain", text, names, wanted)
    if number >= translator.num_domains:
        raise ValueError(f"--domain is {text!r}; expected {wanted}.")
    return number


def write_pictures(
    out: pathlib.Path, panels: dict[str, Any], made: dict[str, Any], names: list[str], source: str
) -> None:
    """A picture of all panels, or a file of each translation; says what was written."""
    from keras_gans.data.images import save_grid
    from keras_gans.tasks.images import panel_rows

    count, images_by = len(names), f"{len(names)} image{'s' * (len(names) > 1)} by {source}"
    if out.suffix:
        images, columns = panel_rows(panels)
        save_grid(images, out, columns=columns)
        print(f"Wrote {out}: {images_by}; from the left: {', '.join(panels)}.")
        return
    for column, images in made.items():
        ending = f"_{column.replace(' ', '')}" if column else ""
        for name, image in zip(names, images, strict=True):
            save_grid(image[None], out / f"{name}{ending}.png", pad=0)
    print(f"Wrote {count * len(made)} files into {out}: {images_by}.")


COMMAND = Command(
    "translate",
    "translate images with a trained model",
    "Translate images with a trained model: another domain, a coloring, a style. "
    "SOURCE is the name of a zoo entry or its folder, a folder of a run with a model.keras, or a "
    ".keras file. IMAGES are image files and folders of them, each cropped about its center and "
    "resized for the network; without any, the examples that came with a zoo entry are translated. "
    "Files that cannot be read are named at the end, with exit status 1.",
    _flags,
    (
        "keras-gans translate my_zoo/photos",
        "keras-gans translate my_zoo/photos holiday/ --out=translated/",
        "keras-gans translate my_zoo/styles face.png --domain=2 --npy=face.npy",
        "keras-gans translate runs/outlines drawing.png --outline",
    ),
    run,
    ("SOURCE", "[IMAGES...]"),
)
