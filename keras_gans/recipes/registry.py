"""What the names in a recipe stand for: builders, methods, penalties, optimizers, schedules.

Found by looking at the library, so that a new network or method has a recipe without a line here.
"""

import inspect
import re

import keras

from keras_gans import losses, models, networks, training
from keras_gans.errors import nearest
from keras_gans.models.latent import LatentModel
from keras_gans.recipes.schema import check_keys

# Names whose capitals do not say where a word ends.
_SPELLED = {
    "BigGAN": "biggan",
    "DecoupledPix2Pix": "decoupled_pix2pix",
    "ImACGAN": "imacgan",
    "OmniINRGAN": "omni_inr_gan",
    "Pix2Pix": "pix2pix",
}
_NO_RECIPE = (
    "{} has no recipe: recipes are for methods with a generator of latents and a discriminator of "
    "images. Train it from Python, as its page in docs/ and its example in examples/ do."
)


def snake_case(name):
    """`GradientPenalty` -> `gradient_penalty`, `OSGAN` -> `osgan`, `R1` -> `r1`."""
    return _SPELLED.get(name) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _subclasses(module, base):
    found = {k: v for k, v in vars(module).items() if inspect.isclass(v) and issubclass(v, base)}
    return {snake_case(k): v for k, v in found.items() if v is not base}


def methods():
    """Dictionary, name in a recipe -> class in `keras_gans.models` that samples from latents."""
    return _subclasses(models, LatentModel)


def method_class(name):
    """The class of a method's name, or a `ValueError` that says why it has no recipe."""
    if name in _subclasses(models, training.AdversarialModel) and name not in methods():
        raise ValueError(_NO_RECIPE.format(name))
    return choose("method", name, methods())


def builders():
    """Dictionary, name in a recipe -> builder in `keras_gans.networks`, of latents and images."""
    return {name: getattr(networks, name) for name in networks.LATENT}


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
    if section == "data":
        from keras_gans import data

        # The rest of the arguments come from the schedule and the model.
        own = {"name_or_path", "batch_size", "seed"}
        return ["name", *(n for n in arguments(data.load) if n not in own)]
    if section == "networks":
        if recipe["networks"].get("config") is not None:
            return ["config"]
        name = recipe["networks"].get("name")
        if name is None:
            return ["name", "config"]
        own = {"image_size", "channels", "latent_dim", "num_classes", "seed"}
        if name in networks.__all__ and name not in networks.LATENT:
            raise ValueError(_NO_RECIPE.format(name))
        known = arguments(choose("networks", name, builders()))
        return ["name", *(n for n in known if n not in own)]
    method = recipe["model"].get("method")
    if method is None:
        return ["method"]
    own = {"generator", "discriminator", "seed", "name", "dtype", "trainable"}
    cls = method_class(method)
    known = arguments(cls)
    own |= set(getattr(cls, "settled", ()))
    return ["method", *(n for n in known if n not in own and n not in _OF_KERAS)]


_OF_KERAS = ("activity_regularizer", "autocast", "self", "args", "kwargs")


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
    cls = choose("objective", config.pop("name", None), losses.OBJECTIVES)
    check_keys("objective", config, [n for n in arguments(cls) if n != "reduction"])
    return cls(**config)
