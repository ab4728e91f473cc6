"""Writing a trained model as an entry of the zoo."""

import json
import pathlib
import tempfile

import keras
import numpy as np

from keras_gans import registry, tasks
from keras_gans.files import locked
from keras_gans.models.serving import check_saved_model
from keras_gans.training import AdversarialModel
from keras_gans.typing import Any, PathLike, RecipeLike
from keras_gans.version import __version__
from keras_gans.zoo import cards, exporting, hub, store, weights
from keras_gans.zoo.catalogue import put_in_place
from keras_gans.zoo.entry import CONFIG, REFERENCE, weights_file


def publish(
    model: Any,
    name: str,
    card: dict[str, Any],
    path: PathLike = "zoo/",
    recipe: RecipeLike | None = None,
    discriminator: bool = True,
    half: bool = True,
    saved_model: bool | str = "auto",
    overwrite: bool = False,
    examples: Any = None,
    targets: Any = None,
    nearest: Any = None,
) -> pathlib.Path | str:
    """Write a trained model as the entry `path`/`name`.

    The entry is loaded back, and its images compared with the model's, before it becomes visible
    in one move; a version that was there before is whole until then.

    Args:
        model: a trained model of layers of Keras and this library only: with a generator, such as
            `keras_gans.models.OSGAN`, or one that translates images, such as
            `keras_gans.models.Pix2Pix`. Its averaged network is published where it has one.
        name: letters, digits, "_", "-" and ".".
        card: dictionary of what cannot be read off the model: `summary` and `data` (a dictionary
            with `name` and `licence`; `attribution`, `images`, `url`) are needed; `hardware`,
            `seconds`, `images_per_second`, `scores`, `limits`, `notes` are welcome.
        path: folder of entries; or `hf://user/name`, or `hf://user/name@branch`, the repository of
            this entry on the Hugging Face Hub (see `keras_gans.zoo.push`).
        recipe: the recipe of the training, as `keras_gans.recipes.load` takes it; by default as
            much of it as the model knows.
        discriminator: bool, whether the weights of discriminators, and of a reconstructor, ship,
            for `load(..., training=True)`.
        half: bool, whether kernels are stored as float16; loading restores float32.
        saved_model: bool, whether the network that makes images is written as a SavedModel too,
            for programs without this library; "auto": on the TensorFlow backend, where it takes no
            more than 3 MiB. `keras_gans.zoo.export` writes one at any time.
        overwrite: bool, whether an entry of this name may be replaced.
        examples: for models that translate, what their `translate` takes, a tuple of arrays: images
            (N, H, W, C) in [-1, 1], and domains, labels or guides where the method has them. They
            make the picture (8 rows at most), and a handful of them, rounded to 8 bits, ships with
            the entry.
        targets: images (N, H, W, C) in [-1, 1] for a last column of the picture, or None.
        nearest: what `keras_gans.zoo.nearest` returns, for a second picture; or None.

    Returns:
        Path of the entry's folder; of the hub `hf://user/name@commit`.

    Raises:
        FileExistsError: the entry exists, and `overwrite` is False.
        OSError: another process is writing the entry, which the line names.
        ValueError: a bad name or card; a model whose configuration does not rebuild it; missing
            examples of a model that translates.

    Example:

    >>> g, d = keras_gans.networks.dcgan(image_size=8, width=4)
    >>> model = keras_gans.models.GAN(g, d)
    >>> card = {"summary": "Noise.", "data": {"name": "none", "licence": "none"}}
    >>> keras_gans.zoo.publish(model, "untrained", card, path="runs/zoo", overwrite=True).name
    'untrained'
    """
    if hub.is_hub(path):
        hub.parse(path)
        with tempfile.TemporaryDirectory() as folder:
            given = (recipe, discriminator, half, saved_model, False, examples, targets, nearest)
            return hub.push(publish(model, name, card, folder, *given), path, overwrite=overwrite)
    path = pathlib.Path(path)
    target = path / store.check_name(name)
    cards.check_stated(card)
    subject = _subject_of(model, examples, targets)
    with locked(target, f"writing {target}"):
        if store.find(name, [path]) is not None and not overwrite:
            raise FileExistsError(f"{target} exists: pass overwrite=True to replace it.")
        store.index_of(path)  # a damaged neighbor shows before anything is written
        with store.new_folder(path, name) as folder:
            metadata = _write(subject, name, card, folder, recipe, discriminator, half)
            if nearest is not None:
                save_picture(nearest, folder / cards.NEAREST, len(nearest) // 2)
            _finish(subject, folder, metadata, saved_model)
            put_in_place(folder, target)
    return target


def _subject_of(model, examples, targets):
    """What an entry keeps of a model, of the class that its task has in `keras_gans.zoo.kinds`."""
    if not isinstance(model, AdversarialModel):
        raise ValueError(
            f"{type(model).__name__} is no training method, so it has no entry: publish a model "
            "such as keras_gans.models.OSGAN or keras_gans.models.Pix2Pix."
        )
    kept = registry.get("entry", tasks.of(model).name).value
    return kept(model, examples, targets)


def _write(subject, name, card, folder, recipe, discriminator, half):
    """Configuration, weights, recipe, picture; returns the metadata without the files."""
    from keras_gans import recipes
    from keras_gans.recipes import configs

    main = subject.entry_class.main
    ships = {n: n == main or bool(discriminator) for n in subject.networks}
    stored = {n: configs.network_to_config(x, f"The {n}") for n, x in subject.structures.items()}
    _compare(subject, stored[main])
    networks = {n: {"config": c} for n, c in stored.items()}
    config = {"format": configs.FORMAT, "networks": networks, **subject.config}
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    for n, network in subject.networks.items():
        if ships[n]:
            (folder / weights_file(n)).write_bytes(weights.pack(network, half))
    recipe = _recipe(subject, recipe, recipes)
    (folder / "recipe.yaml").write_text(recipes.dumps(recipe), encoding="utf-8")
    picture = subject.picture()
    save_picture(picture.images, folder / "samples.png", picture.columns)
    model = subject.model
    return {
        "format": store.FORMAT,
        "name": name,
        **card,
        "version": __version__,
        "architecture": {
            "method": type(model).__name__,
            "networks": {
                n: {"parameters": network.count_params(), "weights": ships[n]}
                for n, network in subject.networks.items()
            },
            **subject.architecture(),
            "precision": "float16 kernels, loaded as float32" if half else "float32",
        },
        "steps": model.steps_done if model.compiled else None,
        "recipe": recipe.as_dict(),
    }


def _recipe(subject, recipe, recipes):
    if recipe is None:
        return subject.recipe()
    recipe = recipes.load(recipe)
    # A path of this machine says nothing elsewhere.
    changes = {"data.data_dir": None}
    if recipe["networks"].get("config") is not None:
        changes["networks.config"] = CONFIG
    return recipe.changed(changes)


def _rebuilt(subject, config):
    """The network that makes images, from its configuration, without weights."""
    from keras_gans.recipes import configs

    return configs.network_from_config(config, f"The {subject.entry_class.main}", blank=True)


def _compare(subject, config):
    """The configuration, rebuilt with the model's own weights, must give the model's images."""
    rebuilt = _rebuilt(subject, config)
    main = subject.entry_class.main
    what = f"The {main} rebuilt from its configuration"
    weights.unpack(rebuilt, weights.pack(subject.networks[main], half=False), what)
    inputs = subject.inputs()
    images = subject.images_of(rebuilt, *inputs)
    _check_same(images, subject.wanted(*inputs), what, "model", subject.same)


def _check_same(images, wanted, what, other, same):
    difference = float(np.max(np.abs(images - wanted)))
    if not difference <= same:
        raise ValueError(
            f"{what} gives images that differ from the {other}'s by {difference:.2g} "
            f"({same:g} is the most): its configuration leaves something out."
        )


def save_picture(images: Any, path: pathlib.Path, columns: int | None) -> None:
    """Write a picture of an entry, which all may read."""
    from keras_gans.data.images import save_grid

    save_grid(images, path, columns)
    path.chmod(0o644)  # it was a temporary file, which others may not read


def _finish(subject, folder, metadata, saved_model):
    """Load the weights back, write what is made of them, and the card at the very end."""
    from keras_gans.recipes import configs

    config = configs.read_config((folder / CONFIG).read_bytes(), CONFIG)
    main, task = subject.entry_class.main, tasks.of(subject.model)
    network = _rebuilt(subject, config["networks"][main]["config"])
    half = metadata["architecture"]["precision"].startswith("float16")
    _round_into(network, subject.networks[main], half)
    inputs = subject.inputs()
    images = subject.images_of(network, *inputs)
    (folder / REFERENCE).write_bytes(subject.pack_reference(images, *inputs))
    if saved_model is True:
        check_saved_model()
        exporting.write_saved_model(task, network, folder / exporting.SAVED_MODEL)
    elif saved_model == "auto":
        exporting.write_small_saved_model(task, network, folder / exporting.SAVED_MODEL)
    metadata = {**metadata, "backend": keras.backend.backend()}
    metadata["files"] = store.describe_files(folder)
    readme = cards.render(metadata)
    (folder / cards.README).write_text(readme, encoding="utf-8")
    metadata["files"] = store.describe_files(folder)
    store.write_card(folder, metadata)
    loaded = subject.entry_class(folder, name=metadata["name"])
    found = subject.loaded_images(loaded, *inputs)
    _check_same(found, images, "The entry, loaded back,", "model", subject.same)


def _round_into(network, original, half):
    """The model's weights, as the entry stores them, without going through its file."""
    for target, source in zip(network.weights, original.weights, strict=True):
        target.assign(np.asarray(weights.stored(source.numpy(), half), "float32"))
