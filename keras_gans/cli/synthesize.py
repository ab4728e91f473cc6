"""`keras-gans synthesize`: images of label maps by a zoo entry, a run, or a .keras file."""

import pathlib

from keras_gans.cli import startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.typing import Any


def _flags():
    return [
        Flag("samples", "integer", "images of each map, of networks that have latents", 1),
        Flag("seed", "integer", "seed of the latents", 0),
        Flag(
            "ignore_label",
            "integer",
            'the index that stands for "don\'t care" in the MAPS, such as 255',
            value="N",
        ),
        Flag(
            "repaint",
            "integer",
            "draw the latents of this class of the maps anew, with --seed + 1; of networks that "
            "have latents",
            value="CLASS",
        ),
        Flag(
            "out",
            "string",
            "the picture to write, FILE.png with a row for each map; or a folder, for a PNG file "
            "of each image",
            "synthesized.png",
            value="PATH",
        ),
        Flag("npy", "string", "write the images here too, as float32 (N, H, W, C)", value="FILE"),
        Flag("batch_size", "integer", "images at once", 16),
    ]


def run(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run the command."""
    source, *paths = positional
    out = pathlib.Path(values.out)
    if out.suffix.lower() not in ("", ".png"):
        raise ValueError(f"--out is {values.out!r}; expected FILE.png or a folder.")
    if values.repaint is not None and values.samples != 1:
        raise ValueError("--repaint shows one image of each map: leave --samples out.")
    startup.choose_backend(values.backend)
    import numpy as np

    from keras_gans import tasks
    from keras_gans.cli.translate import find_images, unique_names, write_pictures
    from keras_gans.files import replacing
    from keras_gans.runs.opening import open_source

    model = open_source(source, "synthesize")
    task = tasks.of(model)
    maker = task.wrap(task.network(model))
    if paths:
        files = find_images(paths)
        names, inputs = unique_names(files), (read_maps(files, maker, values.ignore_label),)
    else:
        inputs = _given(task, model, source)
        names = [f"example_{n}" for n in range(len(inputs[0]))]
    options = {"seed": values.seed, "batch_size": values.batch_size}
    panels = maker.panels(*inputs, samples=values.samples, **options)
    if values.repaint is not None:
        options["new_seed"] = options["seed"] + 1
        panels["repainted"] = maker.repaint(inputs[0], values.repaint, *inputs[1:], **options)
    made = {n: x for n, x in panels.items() if n.startswith(("output", "repainted"))}
    made = {"": made["output"]} if list(made) == ["output"] else made
    write_pictures(out, panels, made, names, source)
    if values.npy:
        with replacing(values.npy, suffix=".npy") as temporary:
            array = np.stack(list(made.values()), axis=1) if len(made) > 1 else made[""]
            np.save(temporary, array)
        print(f"Wrote {values.npy}: {array.dtype} {array.shape}, in units of [-1, 1].")
    return 0


def read_maps(files: list[pathlib.Path], maker: Any, ignore_label: int | None = None) -> Any:
    """Label maps of PNG files for a maker of images, cropped and resized to the nearest pixel."""
    import numpy as np

    from keras_gans.data.images import fit_image
    from keras_gans.data.map_files import read_indices

    if maker.has_instances:
        raise ValueError(
            "The network takes ids of instances beside the maps: synthesize from Python, with "
            "entry.synthesize(maps, instances); without MAPS its stored examples are used."
        )
    size = maker.image_shape[:2]
    maps = [fit_image(read_indices(f)[..., None], size, "nearest")[..., 0] for f in files]
    maps = np.stack(maps)
    return maps if ignore_label is None else np.where(maps == ignore_label, maker.num_classes, maps)


def _given(task, model, source):
    """The maps that an entry brings along, or those that a run's data hold out."""
    from keras_gans import recipes

    examples = task.stored_examples(model)
    recipe = pathlib.Path(source) / "recipe.yaml"
    if examples is None and recipe.is_file():
        examples = task.examples(recipes.load(recipe))["examples"]
    if examples is None:
        raise ValueError(
            "Give maps to make images of, PNG files or folders: only zoo entries and runs bring "
            f"some along, and {source} is none."
        )
    return examples


COMMAND = Command(
    "synthesize",
    "make images of label maps with a trained model",
    "Make images of label maps with a trained model. SOURCE is the name of a zoo entry or its "
    "folder, a folder of a run with a model.keras, or a .keras file. MAPS are PNG files and "
    "folders of them, whose gray values or places in the palette are the classes' indices, "
    "each cropped about its center and resized for the network; without any, the maps that came "
    "with a zoo entry are taken, or held-out ones of the run's data.",
    _flags,
    (
        "keras-gans synthesize my_zoo/faces",
        "keras-gans synthesize my_zoo/faces maps/ --out=faces/ --samples=4",
        "keras-gans synthesize my_zoo/faces maps/ --repaint=2",
        "keras-gans synthesize runs/faces map.png --ignore_label=255 --npy=faces.npy",
    ),
    run,
    ("SOURCE", "[MAPS...]"),
)
