"""From a recipe to a model and its data, and from a model back to a recipe."""

import contextlib
import importlib.util
import json
import pathlib

import keras

from keras_gans import data, registry
from keras_gans.data.checks import TooFewImages
from keras_gans.data.pairs import OUTLINE
from keras_gans.networks import freeze_lowest
from keras_gans.recipes import configs, reading, vocabulary
from keras_gans.recipes.recipe import Recipe, load
from keras_gans.recipes.schema import RecipeError
from keras_gans.training import backend
from keras_gans.training.optimizer import serialize_optimizer
from keras_gans.typing import Any, RecipeLike


def build(recipe: RecipeLike) -> tuple[keras.Model, Any]:
    """The compiled model and the data of a recipe.

    Args:
        recipe: dictionary, or what `load` takes.

    Returns:
        `(model, data)`: a `keras_gans.training.AdversarialModel` after `compile`, and what to hand
        to its `fit`: a `tf.data.Dataset` where TensorFlow is installed, else a `PyDataset`. Of
        several processes that train together each gets its own part of every batch, where images
        are read batch by batch.

    Raises:
        ValueError: an unknown key or name, a missing one, or parts that do not fit together.

    Example:

    >>> recipe = keras_gans.recipes.load("osgan_digits").changed({"networks.width": 8})
    >>> model, data = keras_gans.recipes.build(recipe)
    >>> model.name, len(data) > 0
    ('osgan', True)
    """
    recipe = load(recipe)
    recipe.require("data.name", "schedule.batch_size")
    _check_data(recipe)
    dataset = build_data(recipe, backend.process())
    classes = getattr(dataset, "class_names", None) or ()
    if recipe.num_classes is not None and classes and len(classes) != recipe.num_classes:
        raise RecipeError(
            f"The recipe has {recipe.num_classes} classes, and {recipe.data['name']} has "
            f"{len(classes)}: give that number (--num_classes={len(classes)}), or none for a model "
            "without labels."
        )
    labels = getattr(dataset, "labels", None)
    if labels is not None and labels.ndim == 2:
        raise RecipeError(
            f"{recipe.data['name']} has {labels.shape[1]} labels for each image, and "
            f"{recipe.method.name} learns from one: give each image the number of its class, or "
            "leave the labels out (--num_classes=0)."
        )
    model = build_model(recipe, channels=channels_of(dataset))
    # Networks that come from a file know the number themselves.
    known = [getattr(model, key, None) for key in ("num_domains", "num_classes")]
    known = next((n for n in known if n is not None), None)
    if known is not None and labels is not None and labels.max() >= known:
        raise RecipeError(
            f"{recipe.data['name']} has labels up to {labels.max()}, and the networks know "
            f"{known} of them, 0 to {known - 1}: give them that many classes or domains."
        )
    return model, dataset


def _check_data(recipe):
    """Compare the kind of the data with what the method learns from."""
    if recipe.method is not None and recipe.method.value.needs_classes and not recipe.num_classes:
        raise RecipeError(
            f"{recipe.method.name} learns from labels, and the recipe does not say how many "
            "classes they have: add num_classes to its model section (--num_classes=N)."
        )
    if recipe.learns_from == "pairs" and not recipe.has_pairs:
        raise RecipeError(
            f"{recipe.method.name} learns from pairs of images: add source and target to the "
            "recipe's data section, such as source: outline, target: noto (see "
            "keras_gans.data.load_pairs)."
        )
    if recipe.learns_from == "label_maps" and not recipe.has_maps:
        raise RecipeError(
            f"{recipe.method.name} learns from images with label maps: add maps to the recipe's "
            "data section, such as maps: segmentation (--maps=segmentation; see "
            "keras_gans.data.load_label_maps)."
        )
    if recipe.has_maps and recipe.learns_from not in ("label_maps", None):
        raise RecipeError(
            f"The recipe's data are images with label maps, and {recipe.method.name} does not "
            "learn from maps: leave data.maps out."
        )
    if recipe.has_pairs and recipe.learns_from not in ("pairs", None):
        raise RecipeError(
            f"The recipe's data are pairs (source, target), and {recipe.method.name} learns from "
            "single images."
        )


def build_data(recipe: RecipeLike, part: tuple[int, int] = (0, 1)) -> Any:
    """The data of a recipe: batches of `batch_size` images for each update in a step.

    Without a `batch_size`, batches as `keras_gans.data.load` makes them by itself. `part`: as
    there, where the images can be shared so.
    """
    recipe = load(recipe)
    recipe.require("data.name")
    section = recipe.data
    options = {k: section[k] for k in reading.OF_BATCHES if section.get(k) is not None}
    options |= {"batch_size": recipe.images_per_step, "seed": recipe.seed}
    try:
        return _batches(recipe, options, part)
    except TooFewImages as error:
        size = recipe.schedule["batch_size"]
        batches = recipe.images_per_step // size
        if batches < 2 or error.count < batches:
            raise
        raise RecipeError(
            f"A step of {recipe.method.name} takes {batches} batches of {size} images, and "
            f"{recipe.data['name']} has only {error.count}: choose --batch_size="
            f"{error.count // batches} or less.",
            ("schedule", "batch_size"),
        ) from None


def _batches(recipe, options, part):
    section = recipe.data
    if recipe.has_maps:
        options = {k: v for k, v in options.items() if v is not None}
        arrays = reading.read_maps(recipe, dtype="uint8")
        return data.LabelMapDataset(*arrays, **options)
    if not recipe.has_pairs and importlib.util.find_spec("tensorflow") is not None:
        settings = {k: v for k, v in section.items() if v is not None and k not in options}
        settings |= {"name_or_path": settings.pop("name"), "labels": recipe.labels}
        whole = options["batch_size"] and options["batch_size"] % part[1] == 0
        if whole and options.get("drop_remainder") is not False:
            options["part"] = part
        return data.load(**settings, **options)
    # Without TensorFlow, the same images in the same order, from memory.
    split = section.get("split") or "train"
    images, second, class_names = reading.read_arrays(recipe, split, dtype="uint8")
    if recipe.has_pairs:
        options = {k: v for k, v in options.items() if v is not None}
        return data.PairDataset(images, second, **options)
    dataset = data.ArrayDataset(images, second, **options)
    dataset.class_names = class_names
    return dataset


def build_model(recipe: RecipeLike, channels: int | None = None) -> keras.Model:
    """The compiled model of a recipe.

    Args:
        recipe: dictionary, or what `load` takes.
        channels: integer, image channels; None takes the recipe's `data.channels`.

    Raises:
        ValueError: an unknown key or name, a missing one, or parts that do not fit together.
    """
    recipe = load(recipe)
    recipe.require("model.method")
    _check_data(recipe)
    # For initializers without a seed of their own.
    keras.utils.set_random_seed(recipe.seed)
    with _precision(recipe.schedule.get("precision")):
        return _build_model(recipe, channels)


@contextlib.contextmanager
def _precision(policy):
    """Keras's dtype policy for what is made meanwhile; None leaves it alone."""
    before = keras.config.dtype_policy()
    if policy is not None:
        keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _build_model(recipe, channels):
    networks = _networks(recipe, recipe.networks, channels)
    options = {k: v for k, v in recipe.model.items() if v is not None and k != "method"}
    options |= vocabulary.losses_of(recipe)
    options["name"] = recipe.method.name
    model = vocabulary.model_of(recipe.method, networks, recipe.seed, options)
    if recipe.schedule.get("freeze_d"):
        if not recipe.schedule.get("init"):
            raise RecipeError(
                "schedule.freeze_d keeps stages of the discriminator as they are, which helps a "
                "trained one only: say in schedule.init what to start from.",
                ("schedule", "freeze_d"),
            )
        freeze_lowest(model.players["discriminator"], recipe.schedule["freeze_d"])
    made = {p: vocabulary.make_optimizer(o) for p, o in recipe.optimizers.items()}
    model.compile(made or None)
    return model


def _networks(recipe, section, channels):
    """The networks of a section of the recipe's form, a list."""
    if section.get("config") is not None:
        path = pathlib.Path(section["config"])
        if not path.is_file():
            raise FileNotFoundError(f"networks.config: there is no file {path}.")
        stored = configs.read_config(path.read_bytes(), path)["networks"]
        return [configs.network_from_config(n["config"], str(path)) for n in stored.values()]
    section = {k: v for k, v in section.items() if v is not None}
    if "name" not in section:
        raise RecipeError("The recipe has no name in its networks section: add one.")
    recipe.require("data.image_size")
    other = section.pop("discriminator", None)
    if other is not None:
        # A discriminator of another builder, for the same images and classes.
        built = _networks(recipe, section, channels)
        judges = [n for n in _networks(recipe, other, channels) if n.name == "discriminator"]
        return [*(n for n in built if n.name != "discriminator"), *judges]
    builder = registry.get("network", section.pop("name")).value
    channels = channels or recipe.data.get("channels")
    if channels is None:
        raise RecipeError("The recipe has no channels in its data section: add 1 or 3.")
    known = vocabulary.arguments(builder)
    shared = {k: recipe.model.get(k) for k in ("latent_dim", "num_classes")}
    section |= {k: v for k, v in shared.items() if v is not None and k in known}
    if recipe.data.get("source") == OUTLINE and "in_channels" in known:
        section.setdefault("in_channels", 1)
    size = recipe.data["image_size"]
    return builder(image_size=size, channels=channels, seed=recipe.seed, **section)


def channels_of(data: Any) -> int:
    """Channels of the images of a dataset."""
    spec = getattr(data, "element_spec", None)
    arrays = keras.tree.flatten(data[0] if spec is None else spec)
    # Of the targets, where the data are pairs.
    return int([x for x in arrays if len(x.shape) == 4][-1].shape[-1])


def describe(model: keras.Model) -> Recipe:
    """The recipe of a model, as far as a model knows it: no data, and no length.

    Its networks are those of a file `config.json` beside the recipe, as `zoo.publish` writes it.

    Args:
        model: a compiled or uncompiled `AdversarialModel`.

    Returns:
        `Recipe`.
    """
    method = registry.of(model)
    if method is None or method.value is not type(model) or method.task != "noise":
        raise ValueError(
            f"{type(model).__name__} is no declared method with a generator of latents: of others, "
            "give the recipe that they were trained with."
        )
    config, recipe = model.get_config(), Recipe({"model": {"method": method.name}})
    known = vocabulary.allowed("model", recipe)
    options = {k: _plain(config[k]) for k in known if config.get(k) is not None}
    sections = {
        "networks": {"config": "config.json"},
        "model": {"method": method.name, **options},
        "schedule": {"seed": model.seed},
    }
    if model.compiled:
        players = model.optimizer.players
        sections["optimizers"] = {p: _optimizer(o) for p, o in players.items()}
    return Recipe(sections)


def _plain(value):
    """A penalty's, objective's or augmentation's serialized form as a recipe writes it."""
    if not (isinstance(value, dict) and "class_name" in value):
        return value
    made, config = keras.saving.deserialize_keras_object(value), dict(value["config"])
    if "policy" in config:
        return config["policy"]  # a DiffAugment
    if "multipliers" in config:  # an AdaptiveAugment
        if made.text is None:
            raise ValueError("A recipe can hold augment: ada, ada=P and r3gan=P only.")
        return made.text
    if registry.of(made) is None:
        raise ValueError("A recipe cannot hold a sum of penalties, but zero_centered (R1 and R2).")
    name = registry.of(made).name
    if config.pop("reduction", None) not in (None, "sum_over_batch_size"):
        raise ValueError(f"A recipe cannot hold the reduction of the {name} objective.")
    return {"name": name, **config} if config else name


def _optimizer(optimizer):
    stored = serialize_optimizer(optimizer)
    names = {cls.__name__: name for name, cls in vocabulary.optimizers().items()}
    if stored["class_name"] not in names:
        raise ValueError(f"A recipe cannot hold the optimizer {stored['class_name']}.")
    plain = type(optimizer)().get_config()
    config = {
        k: _rate(v)
        for k, v in stored["config"].items()
        if k == "learning_rate" or (k != "name" and v != plain.get(k))
    }
    return json.loads(json.dumps({"name": names[stored["class_name"]], **config}))


def _rate(value):
    if isinstance(value, dict):  # a schedule
        names = {cls.__name__: name for name, cls in vocabulary.schedules().items()}
        config = {k: v for k, v in value["config"].items() if k != "name"}
        return {"name": names[value["class_name"]], **config}
    # Stored as float32: 2e-4 would come back as 0.00019999999494757503.
    return float(f"{value:.7g}") if isinstance(value, float) else value
