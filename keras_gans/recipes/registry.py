"""What the names in a recipe stand for: builders, methods, penalties, optimizers, schedules.

Found by looking at the library, so that a new network or method has a recipe without a line here.
"""

import inspect
import re

import keras

from keras_gans import losses, training
from keras_gans import registry as names
from keras_gans.errors import nearest
from keras_gans.models.encoder_decoder import decoupled_networks
from keras_gans.recipes.schema import check_keys


def snake_case(name):
    """`GradientPenalty` -> `gradient_penalty`, `OSGAN` -> `osgan`, `R1` -> `r1`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _subclasses(module, base):
    found = {k: v for k, v in vars(module).items() if inspect.isclass(v) and issubclass(v, base)}
    return {snake_case(k): v for k, v in found.items() if v is not base}


def methods():
    """Dictionary, name in a recipe -> class in `keras_gans.models`."""
    return {name: x.value for name, x in names.all("method").items() if x.preset is not None}


def method_class(name):
    """The class of a method's name, or a `ValueError` that says why it has no recipe."""
    found = names.get("method", name)
    if found.preset is None:
        raise ValueError(
            f"{name} has no recipe: no recipe can name its data. Train it from Python, as its page "
            f"docs/{found.page} shows."
        )
    return found.value


def builders():
    """Dictionary, name in a recipe -> builder in `keras_gans.networks`."""
    return {name: x.value for name, x in names.all("network").items()}


def wants_pairs(recipe):
    """Whether a recipe's data are pairs of images, (inputs, targets)."""
    return any(recipe["data"].get(key) is not None for key in ("source", "target"))


def d_steps_of(recipe):
    """Updates of D in a step of the recipe's method."""
    section = recipe["model"]
    if section.get("d_steps") is not None or section.get("method") is None:
        return section.get("d_steps") or 1
    return method_class(section["method"]).default_d_steps(section.get("objective"))


def learns_from(recipe):
    """What the recipe's method learns from: "images", "labels" beside them, "pairs", or None."""
    method = recipe["model"].get("method")
    return None if method is None else method_class(method).learns_from


def classes_of(recipe):
    """The number of labels that a recipe's networks know, or None."""
    stated = [recipe["model"].get("num_classes")]
    stated += [recipe["networks"].get(key) for key in ("num_classes", "num_domains")]
    return next((n for n in stated if n is not None), None)


def model_of(cls, built, seed, options):
    """A method with the networks of a builder, which are its arguments of the same names.

    Args:
        cls: class of the method.
        built: sequence of Keras models.
        seed: integer, of the run.
        options: dictionary, the method's other arguments.

    Raises:
        ValueError: a network that the method needs is not among them.
    """
    found = {network.name: network for network in built}
    missing = [name for name in needed(cls) if name not in found]
    coupled = next((c for c in methods().values() if getattr(c, "decoupled_class", 0) is cls), None)
    if missing and coupled is not None and set(needed(coupled)) <= set(found):
        found = decoupled_networks(coupled, {n: found[n] for n in needed(coupled)}, seed + 1)
        missing = [name for name in needed(cls) if name not in found]
    if missing:
        raise ValueError(
            f"{names.of(cls).name} needs the networks {', '.join(needed(cls))}, and there "
            f"is no {missing[0]}: the recipe's networks are {', '.join(found)}."
        )
    taken = {name: network for name, network in found.items() if name in arguments(cls)}
    return cls(**taken, seed=seed, **options)


def needed(cls):
    """The arguments of a class that have no default: a method's networks."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return [
        p.name for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD and p.default is p.empty
    ]


def penalties():
    """Dictionary, name in a recipe -> class in `keras_gans.losses`."""
    return _subclasses(losses, losses.Penalty)


def optimizers():
    """Dictionary, name in a recipe -> class in `keras.optimizers`, and `adam_l2`."""
    found = _subclasses(keras.optimizers, keras.optimizers.Optimizer).values()
    # Not those that wrap other optimizers.
    own = {c.__name__.lower(): c for c in found if "learning_rate" in arguments(c)[:1]}
    return {**own, "adam_l2": training.AdamL2}


def schedules():
    """Dictionary, name in a recipe -> class in `keras.optimizers.schedules`, and `late_decay`."""
    module = keras.optimizers.schedules
    known = _subclasses(module, module.LearningRateSchedule)
    return {**known, "late_decay": training.LateDecay}


def choose(what, name, known):
    """The value of `name` in `known`, or a `ValueError` with the nearest names."""
    if name not in known:
        raise ValueError(
            f"Unknown {what} {name!r}{nearest(name, known)}: choose one of "
            f"{', '.join(sorted(known))}."
        )
    return known[name]


def arguments(function):
    """Names of a function's or class's arguments, those of its base classes included."""
    names, classes = [], function.__mro__ if inspect.isclass(function) else [None]
    for cls in classes:
        signature = inspect.signature(cls.__init__ if cls else function)
        parameters = list(signature.parameters.values())[1 if cls else 0 :]
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        names += [p.name for p in named if p.name not in names]
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return names


def allowed(section, recipe):
    """The keys that a section of this recipe may have."""
    return _ALLOWED[section](recipe)


def _in_data(recipe):
    from keras_gans import data

    # The rest of the arguments come from the schedule and the model.
    own = {"name", "name_or_path", "batch_size", "seed", "dtype"}
    if not wants_pairs(recipe):
        return ["name", *(n for n in arguments(data.load) if n not in own)]
    of_batches = ("shuffle", "augment", "drop_remainder")
    return ["name", *(n for n in arguments(data.load_pairs) if n not in own), *of_batches]


def _in_networks(recipe):
    if recipe["networks"].get("config") is not None:
        return ["config"]
    name = recipe["networks"].get("name")
    if name is None:
        return ["name", "config"]
    # These the model's section has, for methods that know them too.
    own = {"latent_dim", "num_classes"} & set(_in_model(recipe))
    own |= {"image_size", "channels", "seed"}
    known = arguments(choose("networks", name, builders()))
    return ["name", *(n for n in known if n not in own), "discriminator"]


def _in_model(recipe):
    method = recipe["model"].get("method")
    if method is None:
        # A recipe without a method is for a generator of latents, as far as one can say.
        return ["method"]
    cls = method_class(method)
    players = {"discriminator_2", "generator", *needed(cls)}
    own = players | {"seed", "name", "dtype", "trainable"} | set(getattr(cls, "settled", ()))
    return ["method", *(n for n in arguments(cls) if n not in own and n not in _OF_KERAS)]


_OF_KERAS = ("activity_regularizer", "autocast", "self", "args", "kwargs")
_ALLOWED = {"data": _in_data, "networks": _in_networks, "model": _in_model}


def check_optimizer(player, optimizer):
    """Check the name and the keys of a player's optimizer."""
    if not isinstance(optimizer, dict) or "name" not in optimizer:
        raise ValueError(
            f"optimizers.{player} has to be a mapping with a name, such as {{name: adam, "
            "learning_rate: 2e-4}."
        )
    cls = choose("optimizer", optimizer["name"], optimizers())
    check_keys(f"optimizer of {player!r}", optimizer, arguments(cls))
    rate = optimizer.get("learning_rate")
    if isinstance(rate, dict):
        known = schedules()
        schedule = choose("learning rate schedule", rate.get("name"), known)
        check_keys(f"learning rate of {player!r}", rate, [*arguments(schedule), "name"])


def make_optimizer(config):
    """A new optimizer from its section of a recipe."""
    config = dict(config)
    cls = optimizers()[config.pop("name")]
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        rate = dict(rate)
        config["learning_rate"] = schedules()[rate.pop("name")](**rate)
    return cls(**config)


def make_penalty(config):
    """A penalty from its name, or from a mapping with a name and its arguments."""
    if config is None:
        return None
    config = {"name": config} if isinstance(config, str) else dict(config)
    cls = choose("penalty", config.pop("name", None), penalties())
    check_keys("penalty", config, arguments(cls))
    return cls(**config)


def make_objective(config):
    """An objective from its name, or from a mapping with a name and its arguments."""
    if not isinstance(config, dict):
        return losses.get(config)
    config = dict(config)
    cls = names.get("objective", config.pop("name", None)).value
    check_keys("objective", config, [n for n in arguments(cls) if n != "reduction"])
    return cls(**config)
