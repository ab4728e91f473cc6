"""What the words of a recipe stand for: builders, methods, penalties, optimizers, schedules.

Everything of this library is found in `keras_gans.registry`, everything else in Keras. The keys of
a section are the arguments of what it is handed to.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping

import keras

from keras_gans import data, registry
from keras_gans.errors import nearest
from keras_gans.models.encoder_decoder import decoupled_networks
from keras_gans.recipes.schema import RecipeError, check_keys
from keras_gans.typing import Any, Config


def needed(cls: type) -> list[str]:
    """The arguments of a class that have no default: a method's networks."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return [
        p.name for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD and p.default is p.empty
    ]


def arguments(function: Callable[..., Any]) -> list[str]:
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


def optimizers() -> dict[str, Any]:
    """Dictionary, name in a recipe -> class: those of Keras, and this library's."""
    found = vars(keras.optimizers).values()
    found = [c for c in found if inspect.isclass(c) and issubclass(c, keras.optimizers.Optimizer)]
    # Not those that wrap other optimizers.
    own = {c.__name__.lower(): c for c in found if "learning_rate" in arguments(c)[:1]}
    return {**own, **{name: x.value for name, x in registry.all("optimizer").items()}}


def schedules() -> dict[str, Any]:
    """Dictionary, name in a recipe -> learning rate schedule, Keras's or this library's."""
    module = keras.optimizers.schedules
    found = [c for c in vars(module).values() if inspect.isclass(c)]
    known = {snake_case(c.__name__): c for c in found if c is not module.LearningRateSchedule}
    own = registry.all("learning rate schedule")
    return {**known, **{name: x.value for name, x in own.items()}}


def snake_case(name: str) -> str:
    """Keras's `ExponentialDecay` -> `exponential_decay`."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def choose(
    what: str, name: Any, known: Mapping[str, Any], key: tuple[str, ...] | None = None
) -> Any:
    """The value of `name` in `known`, or a `RecipeError` with the nearest names."""
    if not isinstance(name, str) or name not in known:
        raise RecipeError(
            f"Unknown {what} {name!r}{nearest(str(name), known)}: choose one of "
            f"{', '.join(sorted(known))}.",
            key,
        )
    return known[name]


# The keys of each section


def allowed(section: str, recipe: Any) -> list[str]:
    """The keys that the section "data", "networks" or "model" of this recipe may have."""
    if section == "data":
        return data_keys(recipe)
    return network_keys(recipe, recipe.networks) if section == "networks" else model_keys(recipe)


def data_keys(recipe: Any) -> list[str]:
    """The arguments of what reads the data; some come from the schedule and the model."""
    own = {"name", "name_or_path", "batch_size", "seed", "dtype"}
    if not recipe.has_pairs:
        return ["name", *(n for n in arguments(data.load) if n not in own)]
    of_batches = ("shuffle", "augment", "drop_remainder")
    return ["name", *(n for n in arguments(data.load_pairs) if n not in own), *of_batches]


def network_keys(recipe: Any, section: Mapping[str, Any]) -> list[str]:
    """The arguments of a builder; those that the model has too stand in its section."""
    if section.get("config") is not None:
        return ["config"]
    name = section.get("name")
    if name is None:
        return ["name", "config"]
    own = {"latent_dim", "num_classes"} & set(model_keys(recipe))
    own |= {"image_size", "channels", "seed"}
    builders = {n: x.value for n, x in registry.all("network").items()}
    known = arguments(choose("networks", name, builders, ("networks", "name")))
    return ["name", *(n for n in known if n not in own), "discriminator"]


def model_keys(recipe: Any) -> list[str]:
    """The arguments of a method but its networks and what it settles itself."""
    if recipe.method is None:
        # A recipe without a method is for a generator of latents, as far as one can say.
        return ["method"]
    cls = recipe.method.value
    own = {"discriminator_2", "generator", *needed(cls), *getattr(cls, "settled", ()), *_OF_KERAS}
    return ["method", *(n for n in arguments(cls) if n not in own)]


_OF_KERAS = ("activity_regularizer", "autocast", "self", "args", "kwargs")
_OF_KERAS += ("seed", "name", "dtype", "trainable")


# Objects from their sections


def check_optimizer(player: str, optimizer: Any) -> None:
    """Check the name and the keys of a player's optimizer."""
    key = ("optimizers", player)
    if not isinstance(optimizer, dict) or "name" not in optimizer:
        raise RecipeError(
            f"optimizers.{player} has to be a mapping with a name, such as {{name: adam, "
            "learning_rate: 2e-4}.",
            key,
        )
    cls = choose("optimizer", optimizer["name"], optimizers(), (*key, "name"))
    check_keys(f"optimizer of {player!r}", optimizer, arguments(cls), key)
    rate = optimizer.get("learning_rate")
    if isinstance(rate, dict):
        key = (*key, "learning_rate")
        schedule = choose("learning rate schedule", rate.get("name"), schedules(), (*key, "name"))
        check_keys(f"learning rate of {player!r}", rate, [*arguments(schedule), "name"], key)


def make_optimizer(config: Mapping[str, Any]) -> keras.optimizers.Optimizer:
    """A new optimizer from its section of a recipe."""
    config = dict(config)
    cls = optimizers()[config.pop("name")]
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        rate = dict(rate)
        config["learning_rate"] = schedules()[rate.pop("name")](**rate)
    return cls(**config)


def losses_of(recipe: Any) -> dict[str, Any]:
    """Dictionary, "objective" and "penalty" -> what the recipe's model section says of them."""
    found = {}
    for kind in ("objective", "penalty"):
        config, own = recipe.model.get(kind), recipe.method and recipe.method.value.objectives
        if kind == "objective" and own is not None:
            if config is not None:
                choose(kind, config, dict.fromkeys(own), ("model", kind))
        elif config is not None:
            found[kind] = make(kind, config)
    return found


def make(kind: str, config: str | Mapping[str, Any]) -> Any:
    """A penalty or an objective from its name, or from a mapping with a name and its arguments."""
    config = {"name": config} if isinstance(config, str) else dict(config)
    key = ("model", kind)
    known = {name: x.value for name, x in registry.all(kind).items()}
    cls = choose(kind, config.pop("name", None), known, key)
    check_keys(kind, config, [n for n in arguments(cls) if n != "reduction"], key)
    return cls(**config)


def model_of(
    method: registry.Declaration, built: Iterable[keras.Model], seed: int, options: Config
) -> keras.Model:
    """A method with the networks of a builder, which are its arguments of the same names.

    Args:
        method: its declaration.
        built: sequence of Keras models.
        seed: integer, of the run.
        options: dictionary, the method's other arguments.

    Raises:
        RecipeError: a network that the method needs is not among them.
    """
    cls, found = method.value, {network.name: network for network in built}
    if not set(needed(cls)) <= set(found):
        found = _decoupled(cls, found, seed) or found
    missing = [name for name in needed(cls) if name not in found]
    if missing:
        raise RecipeError(
            f"{method.name} needs the networks {', '.join(needed(cls))}, and there is no "
            f"{missing[0]}: the recipe's networks are {', '.join(found)}.",
            ("networks", "name"),
        )
    taken = {name: network for name, network in found.items() if name in arguments(cls)}
    return cls(**taken, seed=seed, **options)


def _decoupled(cls, found, seed):
    """The networks of a decoupled form from those of its coupled one, where they are those."""
    for other in registry.all("method").values():
        coupled = other.value
        if getattr(coupled, "decoupled_class", None) is cls and set(needed(coupled)) <= set(found):
            networks = {name: found[name] for name in needed(coupled)}
            return decoupled_networks(coupled, networks, seed + 1)
    return None
