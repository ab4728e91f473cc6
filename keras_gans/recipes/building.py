"""From a recipe to a model and its data, and from a model back to a recipe.

Keras is imported on use: the command line reads recipes before it chooses a backend.
"""

import importlib.util
import json
import pathlib

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
    recipe = load(recipe)
    require(recipe, "data.name", "schedule.batch_size")
    data = build_data(recipe)
    num_classes = recipe["model"].get("num_classes")
    classes = getattr(data, "class_names", None) or ()
    if num_classes is not None and classes and len(classes) != num_classes:
        raise ValueError(
            f"model.num_classes is {num_classes}, and {recipe['data']['name']} has {len(classes)} "
            "classes: give that number, or none for a model without labels."
        )
    return build_model(recipe, channels=channels_of(data)), data


def build_data(recipe):
    """The data of a recipe: batches of `batch_size` images for each update in a step.

    Without a `batch_size`, batches as `keras_gans.data.load` makes them by itself.
    """
    from keras_gans import data

    require(recipe, "data.name")
    section = {k: v for k, v in recipe["data"].items() if v is not None}
    name, schedule, model = section.pop("name"), recipe["schedule"], recipe["model"]
    which = section.pop("labels", True)  # where the data has several
    labels = which if model.get("num_classes") is not None else False
    batch_size = schedule.get("batch_size")
    if batch_size is not None:
        batch_size *= model.get("d_steps") or 1
    seed = schedule.get("seed") or 0
    if importlib.util.find_spec("tensorflow") is not None:
        return data.load(name, labels=labels, batch_size=batch_size, seed=seed, **section)
    # Without TensorFlow: the same images in the same order, from memory.
    of_batches = ("shuffle", "augment", "drop_remainder")
    of_batches = {k: section.pop(k) for k in of_batches if k in section}
    folder = pathlib.Path(section.pop("data_dir", None) or ".").expanduser() / name
    for key in ("download", "cache"):
        section.pop(key, None)
    name = folder if folder.exists() and name != "digits" else name
    images, labels = data.load_arrays(name, labels=labels, **section)
    return data.ArrayDataset(images, labels, batch_size=batch_size, seed=seed, **of_batches)


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
    seed = recipe["schedule"].get("seed") or 0
    # For initializers without a seed of their own.
    keras.utils.set_random_seed(seed)
    generator, discriminator = _networks(recipe, channels, seed)
    arguments = {k: v for k, v in recipe["model"].items() if v is not None}
    method = arguments.pop("method")
    if "objective" in arguments:
        arguments["objective"] = registry.make_objective(arguments["objective"])
    if "penalty" in arguments:
        arguments["penalty"] = registry.make_penalty(arguments["penalty"])
    model = registry.method_class(method)(
        generator, discriminator, seed=seed, name=method, **arguments
    )
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
        wanted = ("generator", "discriminator")
        missing = [n for n in wanted if n not in stored]
        if missing:
            raise ValueError(f"networks.config: {path} has no {missing[0]}.")
        return [configs.network_from_config(stored[n]["config"], str(path)) for n in wanted]
    require(recipe, "networks.name", "data.image_size")
    builder = registry.builders()[networks.pop("name")]
    channels = channels or recipe["data"].get("channels")
    if channels is None:
        raise ValueError("The recipe has no channels in its data section: add 1 or 3.")
    arguments = {k: v for k, v in networks.items() if v is not None}
    shared = {k: recipe["model"].get(k) for k in ("latent_dim", "num_classes")}
    arguments |= {k: v for k, v in shared.items() if v is not None}
    size = recipe["data"]["image_size"]
    return builder(image_size=size, channels=channels, seed=seed, **arguments)


def channels_of(data):
    """Channels of the images of a dataset."""
    import keras

    spec = getattr(data, "element_spec", None)
    images = keras.tree.flatten(data[0] if spec is None else spec)[0]
    return int(images.shape[-1])


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
    if type(model) not in names:
        raise ValueError(
            f"{type(model).__name__} is no method of keras_gans.models with a generator of "
            "latents: only those have recipes."
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
    from keras_gans.recipes import registry

    if not (isinstance(value, dict) and "class_name" in value):
        return value
    name, config = registry.snake_case(value["class_name"]), dict(value["config"])
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
