"""From a recipe to a model and its data, and from a model back to a recipe.

Keras is imported on use: the command line reads recipes before it chooses a backend.
"""

import importlib.util
import json
import pathlib

from keras_gans.recipes.reading import OUTLINE
from keras_gans.recipes.schema import SECTIONS, load, require


def build(recipe):
    """The compiled model and the data of a recipe.

    Args:
        recipe: dictionary, or what `load` takes.

    Returns:
        `(model, data)`: a `keras_gans.training.AdversarialModel` after `compile`, and what to hand
        to its `fit`: a `tf.data.Dataset` where TensorFlow is installed, else a `PyDataset`.

    Raises:
        ValueError: an unknown key or name, a missing one, or parts that do not fit together.

    Example:

    >>> recipe = keras_gans.recipes.load("osgan_digits")
    >>> recipe["networks"]["width"] = 8
    >>> model, data = keras_gans.recipes.build(recipe)
    >>> model.name, len(data) > 0
    ('osgan', True)
    """
    from keras_gans.recipes import registry

    recipe = load(recipe)
    require(recipe, "data.name", "schedule.batch_size")
    _check_pairs(recipe)
    data = build_data(recipe)
    num_classes = registry.classes_of(recipe)
    classes = getattr(data, "class_names", None) or ()
    if num_classes is not None and classes and len(classes) != num_classes:
        raise ValueError(
            f"The recipe has {num_classes} classes, and {recipe['data']['name']} has "
            f"{len(classes)}: give that number, or none for a model without labels."
        )
    model = build_model(recipe, channels=channels_of(data))
    known = [getattr(model, key, None) for key in ("num_domains", "num_classes")]
    known = next((n for n in known if n is not None), None)
    labels = getattr(data, "labels", None)
    if known is not None and labels is not None and labels.ndim == 1 and labels.max() >= known:
        raise ValueError(
            f"{recipe['data']['name']} has labels up to {labels.max()}, and the networks know "
            f"{known} of them, 0 to {known - 1}: give them that many classes or domains."
        )
    return model, data


def _check_pairs(recipe):
    from keras_gans.recipes import registry

    method, learns_from = recipe["model"].get("method"), registry.learns_from(recipe)
    if learns_from == "pairs" and not registry.wants_pairs(recipe):
        raise ValueError(
            f"{method} learns from pairs of images: add source and target to the recipe's data "
            "section, such as source: outline, target: noto (see keras_gans.data.load_pairs)."
        )
    halves = [key for key in ("source", "target") if recipe["data"].get(key) is None]
    if len(halves) == 1:
        raise ValueError(f"The recipe's data are pairs and have no {halves[0]}: add one.")
    if registry.wants_pairs(recipe) and learns_from not in ("pairs", None):
        raise ValueError(
            f"The recipe's data are pairs (source, target), and {method} learns from single images."
        )


def build_data(recipe):
    """The data of a recipe: batches of `batch_size` images for each update in a step.

    Without a `batch_size`, batches as `keras_gans.data.load` makes them by itself.
    """
    from keras_gans import data
    from keras_gans.recipes import reading, registry

    require(recipe, "data.name")
    schedule, section = recipe["schedule"], recipe["data"]
    batch_size = schedule.get("batch_size")
    if batch_size is not None:
        batch_size *= registry.d_steps_of(recipe)
    options = {k: section[k] for k in reading.OF_BATCHES if section.get(k) is not None}
    options |= {"batch_size": batch_size, "seed": schedule.get("seed") or 0}
    split = section.get("split") or "train"
    if not registry.wants_pairs(recipe) and importlib.util.find_spec("tensorflow") is not None:
        settings = {k: v for k, v in section.items() if v is not None and k not in options}
        settings |= {"name_or_path": settings.pop("name"), "labels": reading.labels_of(recipe)}
        return data.load(**settings, **options)
    # Without TensorFlow, the same images in the same order, from memory.
    images, second, class_names = reading.read_arrays(recipe, split, dtype="uint8")
    if registry.wants_pairs(recipe):
        options = {k: v for k, v in options.items() if v is not None}
        return data.PairDataset(images, second, **options)
    dataset = data.ArrayDataset(images, second, **options)
    dataset.class_names = class_names
    return dataset


def build_model(recipe, channels=None):
    """The compiled model of a recipe.

    Args:
        recipe: dictionary, or what `load` takes.
        channels: integer, image channels; None takes the recipe's `data.channels`.

    Raises:
        ValueError: an unknown key or name, a missing one, or parts that do not fit together.
    """
    import keras

    from keras_gans.recipes import registry

    recipe = load(recipe)
    require(recipe, "model.method")
    _check_pairs(recipe)
    seed = recipe["schedule"].get("seed") or 0
    # For initializers without a seed of their own.
    keras.utils.set_random_seed(seed)
    networks = _networks(recipe, channels, seed)
    arguments = {k: v for k, v in recipe["model"].items() if v is not None}
    method = arguments.pop("method")
    if "objective" in arguments:
        arguments["objective"] = registry.make_objective(arguments["objective"])
    if "penalty" in arguments:
        arguments["penalty"] = registry.make_penalty(arguments["penalty"])
    arguments["name"] = method
    model = registry.model_of(registry.method_class(method), networks, seed, arguments)
    optimizers = recipe["optimizers"]
    model.compile({p: registry.make_optimizer(o) for p, o in optimizers.items()} or None)
    return model


def _networks(recipe, channels, seed):
    from keras_gans.recipes import configs, registry

    networks = dict(recipe["networks"])
    if networks.get("config") is not None:
        path = pathlib.Path(networks["config"])
        if not path.is_file():
            raise FileNotFoundError(f"networks.config: there is no file {path}.")
        stored = configs.read_config(path.read_bytes(), path)["networks"]
        return [configs.network_from_config(n["config"], str(path)) for n in stored.values()]
    require(recipe, "networks.name", "data.image_size")
    other = networks.pop("discriminator", None)
    if other is not None:
        # A discriminator of another builder, for the same images and classes.
        built = _networks({**recipe, "networks": networks}, channels, seed)
        judges = _networks({**recipe, "networks": other}, channels, seed)
        judges = [n for n in judges if n.name == "discriminator"]
        return [*(n for n in built if n.name != "discriminator"), *judges]
    builder = registry.builders()[networks.pop("name")]
    channels = channels or recipe["data"].get("channels")
    if channels is None:
        raise ValueError("The recipe has no channels in its data section: add 1 or 3.")
    known = registry.arguments(builder)
    arguments = {k: v for k, v in networks.items() if v is not None}
    shared = {k: recipe["model"].get(k) for k in ("latent_dim", "num_classes")}
    arguments |= {k: v for k, v in shared.items() if v is not None and k in known}
    if recipe["data"].get("source") == OUTLINE and "in_channels" in known:
        arguments.setdefault("in_channels", 1)
    size = recipe["data"]["image_size"]
    return builder(image_size=size, channels=channels, seed=seed, **arguments)


def channels_of(data):
    """Channels of the images of a dataset."""
    import keras

    spec = getattr(data, "element_spec", None)
    arrays = keras.tree.flatten(data[0] if spec is None else spec)
    # Of the targets, where the data are pairs.
    return int([x for x in arrays if len(x.shape) == 4][-1].shape[-1])


def describe(model):
    """The recipe of a model, as far as a model knows it: no data, and no length.

    Its networks are those of a file `config.json` beside the recipe, as `zoo.publish` writes it.

    Args:
        model: a compiled or uncompiled `AdversarialModel`.

    Returns:
        Dictionary, section -> dictionary.
    """
    from keras_gans.recipes import registry

    recipe = {name: {} for name in SECTIONS}
    names = {cls: name for name, cls in registry.methods().items()}
    if type(model) not in names or not hasattr(model, "latent_dim"):
        raise ValueError(
            f"{type(model).__name__} is no method of keras_gans.models with a generator of "
            "latents: of others, give the recipe that they were trained with."
        )
    config = model.get_config()
    known = registry.allowed("model", {**recipe, "model": {"method": names[type(model)]}})
    arguments = {k: _plain(config[k]) for k in known if config.get(k) is not None}
    recipe["networks"] = {"config": "config.json"}
    recipe["model"] = {"method": names[type(model)], **arguments}
    recipe["schedule"] = {"seed": model.seed}
    if model.compiled:
        players = model.optimizer.players
        recipe["optimizers"] = {p: _optimizer(o, registry) for p, o in players.items()}
    return recipe


def _plain(value):
    """A penalty's or objective's serialised form as a recipe writes it."""
    import keras

    from keras_gans import registry as names
    from keras_gans.recipes import registry

    if not (isinstance(value, dict) and "class_name" in value):
        return value
    config = dict(value["config"])
    found = names.of(keras.saving.deserialize_keras_object(value))
    name = registry.snake_case(value["class_name"]) if found is None else found.name
    if name == "diff_augment":
        return config["policy"]
    if config.pop("reduction", None) not in (None, "sum_over_batch_size"):
        raise ValueError(f"A recipe cannot hold the reduction of the {name} objective.")
    return {"name": name, **config} if config else name


def _optimizer(optimizer, registry):
    from keras_gans.training.optimizer import serialize_optimizer

    stored = serialize_optimizer(optimizer)
    names = {cls.__name__: name for name, cls in registry.optimizers().items()}
    if stored["class_name"] not in names:
        raise ValueError(f"A recipe cannot hold the optimizer {stored['class_name']}.")
    plain = type(optimizer)().get_config()
    config = {
        k: _rate(v, registry)
        for k, v in stored["config"].items()
        if k == "learning_rate" or (k != "name" and v != plain.get(k))
    }
    return json.loads(json.dumps({"name": names[stored["class_name"]], **config}))


def _rate(value, registry):
    if isinstance(value, dict):  # a schedule
        config = {k: v for k, v in value["config"].items() if k != "name"}
        return {"name": registry.snake_case(value["class_name"]), **config}
    # Stored as float32: 2e-4 would come back as 0.00019999999494757503.
    return float(f"{value:.7g}") if isinstance(value, float) else value
