"""Writing a trained model as an entry of the zoo."""

import io
import json
import pathlib

import numpy as np

from keras_gans.version import __version__
from keras_gans.zoo import cards, exporting, store, weights
from keras_gans.zoo.catalogue import write_index
from keras_gans.zoo.entry import CONFIG, REFERENCE, SCALE, ZooEntry, weights_file

_SAME = 1e-5  # two computations of the same images
_GRID, _PIXELS = 64, 2**20  # images and pixels in samples.png, at most


def publish(
    model,
    name,
    card,
    path="zoo/",
    recipe=None,
    discriminator=True,
    half=True,
    saved_model="auto",
    overwrite=False,
):
    """Write a trained model as the entry `path`/`name`.

    The entry is loaded back, and its images compared with the model's, before it becomes visible
    in one move; a version that was there before is whole until then.

    Args:
        model: a trained model with a generator, such as `keras_gans.models.OSGAN`, of layers of
            Keras and this library only. Its averaged generator is published where it has one.
        name: letters, digits, "_", "-" and ".".
        card: dictionary of what cannot be read off the model: `summary` and `data` (a dictionary
            with `name` and `licence`; `attribution`, `images`, `url`) are needed; `hardware`,
            `seconds`, `images_per_second`, `scores`, `limits`, `notes` are welcome.
        path: folder of entries.
        recipe: the recipe of the training, as `keras_gans.recipes.load` takes it; by default as
            much of it as the model knows.
        discriminator: bool, whether its weights ship, for `load(..., training=True)`.
        half: bool, whether kernels are stored as float16; loading restores float32.
        saved_model: bool, whether the generator is written as a SavedModel too; "auto": on the
            TensorFlow backend.
        overwrite: bool, whether an entry of this name may be replaced.

    Returns:
        Path of the entry's folder.

    Raises:
        FileExistsError: the entry exists, and `overwrite` is False.
        ValueError: a bad name or card; a model whose configuration does not rebuild it.

    Example:

    >>> g, d = keras_gans.networks.dcgan(image_size=8, width=4)
    >>> model = keras_gans.models.GAN(g, d)
    >>> card = {"summary": "Noise.", "data": {"name": "none", "licence": "none"}}
    >>> keras_gans.zoo.publish(model, "untrained", card, path="runs/zoo", overwrite=True).name
    'untrained'
    """
    path = pathlib.Path(path)
    target = path / store.check_name(name)
    cards.check_stated(card)
    if not hasattr(model, "generator") or not hasattr(model, "latent_dim"):
        raise ValueError(
            f"{type(model).__name__} has no generator of latents: publish a model such as "
            "keras_gans.models.OSGAN."
        )
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} exists: pass overwrite=True to replace it.")
    store.index_of(path)  # a damaged neighbour shows before anything is written
    with store.new_folder(path, name) as folder:
        metadata = _write(model, name, card, folder, recipe, discriminator, half)
        _finish(model, folder, metadata, saved_model)
        store.move_into_place(folder, target)
    write_index(path)
    return target


def _write(model, name, card, folder, recipe, discriminator, half):
    """Configuration, weights, recipe, pictures; returns the metadata without the files."""
    from keras_gans import recipes
    from keras_gans.callbacks.sample_grid import fixed_samples, grid_columns, whole_rows
    from keras_gans.data.images import save_grid
    from keras_gans.models import sampling
    from keras_gans.recipes import configs

    networks = {"generator": getattr(model, "ema_generator", None) or model.generator}
    if getattr(model, "discriminator", None) is not None:
        networks["discriminator"] = model.discriminator
    ships = {n: n != "discriminator" or discriminator for n in networks}
    # Of the network in training where there is an average of it: an average is frozen.
    stored = {n: configs.network_to_config(getattr(model, n), f"The {n}") for n in networks}
    _compare(model, stored["generator"], configs)
    config = {
        "format": configs.FORMAT,
        "networks": {n: {"config": c} for n, c in stored.items()},
        "latent_dim": model.latent_dim,
        "num_classes": model.num_classes,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    for n, network in networks.items():
        if ships[n]:
            (folder / weights_file(n)).write_bytes(weights.pack(network, half))
    recipe = _recipe(model, recipe, recipes)
    (folder / "recipe.yaml").write_text(recipes.dumps(recipe), encoding="utf-8")
    height, width = model.generator.output_shape[1:3]
    grid = whole_rows(model, min(_GRID, max(_PIXELS // (height * width), 1)))
    images, labels = fixed_samples(model, grid, 0)
    save_grid(images, folder / "samples.png", columns=grid_columns(grid, labels))
    (folder / "samples.png").chmod(0o644)
    return {
        "format": store.FORMAT,
        "name": name,
        **card,
        "version": __version__,
        "architecture": {
            "method": type(model).__name__,
            "networks": {
                n: {"parameters": network.count_params(), "weights": ships[n]}
                for n, network in networks.items()
            },
            "image_shape": list(model.generator.output_shape[1:]),
            "latent_dim": model.latent_dim,
            "num_classes": model.num_classes,
            **({"any_size": True} if sampling.inr_head(model.generator) is not None else {}),
            "precision": "float16 kernels, loaded as float32" if half else "float32",
        },
        "steps": model.steps_done if model.compiled else None,
        "recipe": recipe,
    }


def _recipe(model, recipe, recipes):
    if recipe is None:
        return recipes.describe(model)
    recipe = recipes.load(recipe)
    if recipe["networks"].get("config") is not None:
        recipe["networks"]["config"] = CONFIG
    # A path of this machine, which says nothing elsewhere.
    recipe["data"].pop("data_dir", None)
    return recipe


def _inputs(model, count):
    from keras_gans.models import sampling

    labels = None if model.num_classes is None else np.arange(count) % model.num_classes
    return sampling.latents(count, model.latent_dim, seed=0), labels


def _compare(model, config, configs):
    """The configuration, rebuilt with the model's own weights, must give the model's images."""
    from keras_gans.models import sampling

    rebuilt = configs.network_from_config(config, "The generator", blank=True)
    what = "The generator rebuilt from its configuration"
    original = getattr(model, "ema_generator", None) or model.generator
    weights.unpack(rebuilt, weights.pack(original, half=False), what)
    latents, labels = _inputs(model, 8)
    wanted = model.images_of(latents, labels)
    rebuilt_images = sampling.images_of(rebuilt, latents, labels, model.num_classes, None)
    _check_same(rebuilt_images, wanted, what, "model")


def _check_same(images, wanted, what, other):
    difference = float(np.max(np.abs(images - wanted)))
    if not difference <= _SAME:
        raise ValueError(
            f"{what} gives images that differ from the {other}'s by {difference:.2g} "
            f"({_SAME:g} is the most): its configuration leaves something out."
        )


def _finish(model, folder, metadata, saved_model):
    """Load the weights back, write what is made of them, and the card at the very end."""
    import keras

    from keras_gans.models import sampling
    from keras_gans.recipes import configs

    config = configs.read_config((folder / CONFIG).read_bytes(), CONFIG)
    generator = configs.network_from_config(
        config["networks"]["generator"]["config"], "The generator", blank=True
    )
    _round_into(generator, model, metadata["architecture"]["precision"].startswith("float16"))
    size = metadata["architecture"]["image_shape"][0]
    latents, labels = _inputs(model, 8 if size <= 64 else 4)
    images = sampling.images_of(generator, latents, labels, model.num_classes, None)
    arrays = {"latents": latents, "images": np.rint(images * SCALE).astype("int16")}
    if labels is not None:
        arrays["labels"] = labels
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    (folder / REFERENCE).write_bytes(file.getvalue())
    if saved_model is True or (saved_model == "auto" and keras.backend.backend() == "tensorflow"):
        exporting.check_backend()
        exporting.write_saved_model(generator, folder / "saved_model")
    metadata = {**metadata, "backend": keras.backend.backend()}
    metadata["files"] = store.describe_files(folder)
    readme = cards.render(metadata)
    (folder / cards.README).write_text(readme, encoding="utf-8")
    metadata["files"] = store.describe_files(folder)
    store.write_card(folder, metadata)
    loaded = ZooEntry(folder, name=metadata["name"])
    found = loaded.images_of(latents, labels, batch_size=None)
    _check_same(found, images, "The entry, loaded back,", "model")


def _round_into(generator, model, half):
    """The model's weights, as the entry stores them, without going through its file."""
    original = getattr(model, "ema_generator", None) or model.generator
    for target, source in zip(generator.weights, original.weights, strict=True):
        target.assign(np.asarray(weights.stored(source.numpy(), half), "float32"))
