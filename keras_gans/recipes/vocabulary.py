"""What the words of a recipe stand for: builders, methods, penalties, optimizers, schedules.

Everything of this library is found in `keras_gans.registry`, everything else in Keras. The keys of
a section are the arguments of what it is handed to.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Literal

import keras
from pydantic import Field, JsonValue

from keras_gans import data, registry
from keras_gans.errors import nearest, printable, quote
from keras_gans.models.encoder_decoder import decoupled_networks
from keras_gans.recipes import fields
from keras_gans.recipes.schema import RecipeError
from keras_gans.training.signatures import parameters
from keras_gans.typing import Any, Config
from keras_gans.validation import Text


def needed(cls: type) -> list[str]:
    """The arguments of a class that have no default: a method's networks."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return [
        p.name for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD and p.default is p.empty
    ]


def arguments(function: Callable[..., Any]) -> list[str]:
    """Names of a function's or class's arguments, those of its base classes included."""
    return list(parameters(function))


def optimizers() -> dict[str, Any]:
    """Dictionary, name in a recipe -> class: those of Keras, and this library's."""
    found = vars(keras.optimizers).values()
    found = [c for c in found if inspect.isclass(c) and issubclass(c, keras.optimizers.Optimizer)]
    # Not the base class, nor those that wrap other optimizers.
    found = [c for c in found if c is not keras.optimizers.Optimizer]
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
            f"Unknown {what} {quote(name)}{nearest(name, known)}: choose one of "
            f"{', '.join(sorted(known))}.",
            key,
        )
    return known[name]


# The keys of each section


def allowed(section: str, recipe: Any) -> list[str]:
    """The keys that the section "data", "networks" or "model" of this recipe may have."""
    if section == "data":
        return list(data_form(recipe).model_fields)
    if section == "networks":
        return list(network_form(recipe, recipe.networks).model_fields)
    return list(model_form(recipe).model_fields)


def data_form(recipe: Any) -> Any:
    """The form of the data section: arguments of what reads the data.

    Some of them come from the schedule and the model.
    """
    if recipe.has_maps:
        return maps_form()
    return pairs_form() if recipe.has_pairs else images_form()


_NOT_DATA = {"name", "name_or_path", "batch_size", "seed", "dtype", "part"}
_NAME = (("name", Text | None),)


def images_form() -> Any:
    """The form of the data section of images, with or without labels."""
    keys = tuple(n for n in arguments(data.load) if n not in _NOT_DATA)
    return fields.form_of("images", (data.load,), keys, "data", own=_NAME)


def pairs_form() -> Any:
    """The form of the data section of pairs of images."""
    keys = tuple(n for n in arguments(data.load_pairs) if n not in _NOT_DATA)
    keys += ("shuffle", "augment", "drop_remainder")
    readers, both = (data.load_pairs, data.load), ("source", "target")
    return fields.form_of("pairs", readers, keys, "data", both, _NAME)


def maps_form() -> Any:
    """The form of the data section of images with label maps."""
    keys = tuple(n for n in arguments(data.load_label_maps) if n not in _OF_NETWORKS)
    keys += ("shuffle", "augment", "drop_remainder")
    readers = (data.load_label_maps, data.load)
    return fields.form_of("label maps", readers, keys, "data", ("maps",), _NAME)


# How many classes there are stands with the networks.
_OF_NETWORKS = {*_NOT_DATA, "num_classes"}


def network_form(recipe: Any, section: Mapping[str, Any]) -> Any:
    """The form of the networks section: arguments of a builder.

    Those that the model has too stand in its section.
    """
    config = ("config", Text | None)
    if section.get("config") is not None:
        return fields.form_of("networks", (), (), "networks", own=(config,))
    name = section.get("name")
    if name is None:
        return fields.form_of("networks", (), (), "networks", own=(("name", None), config))
    builders = {n: x.value for n, x in registry.all("network").items()}
    builder = choose("networks", name, builders, ("networks", "name"))
    return builder_form(name, builder, frozenset(model_form(recipe).model_fields))


def builder_form(
    name: str,
    builder: Any,
    of_model: frozenset[str] = frozenset(),
    discriminator: Any = dict[str, JsonValue],
) -> Any:
    """The form of a builder's arguments, but those that stand in the model section.

    Args:
        name, builder: as declared.
        of_model: the keys of the model section.
        discriminator: type of another builder's discriminator; None where the section is its own.
    """
    own = {"latent_dim", "num_classes"} & of_model
    own |= {"image_size", "channels", "seed"}
    keys = tuple(n for n in arguments(builder) if n not in own)
    more = (("name", Literal[name]),)
    more += () if discriminator is None else (("discriminator", discriminator | None),)
    return fields.form_of(name, (builder,), keys, "networks", ("name",), more)


def discriminator_form(recipe: Any, other: Any) -> Any:
    """The form of the section of another builder's discriminator, within `networks`."""
    key = ("networks", "discriminator")
    if not isinstance(other, dict) or other.get("name") is None:
        raise RecipeError(
            "networks.discriminator has to be a mapping with the name of another builder, such as "
            "{name: dcgan, width: 32, d_norm: group}.",
            key,
        )
    builders = {n: x.value for n, x in registry.all("network").items()}
    builder = choose("networks", other["name"], builders, (*key, "name"))
    of_model = frozenset(model_form(recipe).model_fields)
    return builder_form(other["name"], builder, of_model, None)


def model_form(recipe: Any) -> Any:
    """The form of the model section: arguments of a method but its networks.

    Without those that it settles itself.
    """
    if recipe.method is None:
        # A recipe without a method is for a generator of latents, as far as one can say.
        return fields.form_of("model", (), (), "model", own=(("method", Text | None),))
    return method_form(recipe.method)


def method_form(
    method: registry.Declaration, name: Any = Text, losses: Mapping[str, Any] | None = None
) -> Any:
    """The form of the arguments of a method.

    Args:
        method: its declaration.
        name: type of its name.
        losses: the types of "objective" and "penalty"; by default any name or mapping.
    """
    cls = method.value
    own = {"discriminator_2", "generator", *needed(cls), *getattr(cls, "settled", ()), *_OF_KERAS}
    keys = tuple(n for n in arguments(cls) if n not in own)
    more = [(k, (losses or {}).get(k, _LOSS)) for k in ("objective", "penalty") if k in keys]
    return fields.form_of(method.name, (cls,), keys, "model", own=(("method", name), *more))


_LOSS = Annotated[
    str | dict[str, JsonValue] | None,
    Field(description="a name, or a mapping with a name and arguments"),
]
_OF_KERAS = ("activity_regularizer", "autocast", "self", "args", "kwargs")
_OF_KERAS += ("seed", "name", "dtype", "trainable")


# Objects from their sections


def optimizer_forms(player: Any, optimizer: Any) -> Iterator[tuple[Any, ...]]:
    """Of the optimizer of a player, and of its schedule, what `checking` compares."""
    key = ("optimizers", player)
    if not isinstance(optimizer, dict) or "name" not in optimizer:
        raise RecipeError(
            f"optimizers.{printable(player)} has to be a mapping with a name, such as {{name: "
            "adam, learning_rate: 2e-4}.",
            key,
        )
    cls = choose("optimizer", optimizer["name"], optimizers(), (*key, "name"))
    title = f"the recipe's optimizer of {quote(player)}"
    yield key, optimizer_form(optimizer["name"], cls), optimizer, title
    rate = optimizer.get("learning_rate")
    if isinstance(rate, dict):
        key = (*key, "learning_rate")
        cls = choose("learning rate schedule", rate.get("name"), schedules(), (*key, "name"))
        title = f"the recipe's learning rate of {quote(player)}"
        yield key, schedule_form(rate["name"], cls), rate, title


def optimizer_form(name: str, cls: Any, rate: Any = None) -> Any:
    """The form of an optimizer's section; `rate` is the type of its learning rate."""
    own = (("name", Literal[name]), *([("learning_rate", rate)] if rate else []))
    return fields.form_of(name, (cls,), tuple(arguments(cls)), "optimizers", ("name",), own)


def schedule_form(name: str, cls: Any) -> Any:
    """The form of a learning rate schedule."""
    wanted, own = ("name", *needed(cls)), (("name", Literal[name]),)
    return fields.form_of(name, (cls,), tuple(arguments(cls)), "schedules", wanted, own)


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
    kinds = ("objective", "penalty")
    forms = {kind: loss_form(recipe, kind) for kind in kinds}
    named = [k for k in kinds if forms[k] or isinstance(recipe.model.get(k), str)]
    own = recipe.method and recipe.method.value.objectives
    return {k: make(k, recipe.model[k]) for k in named if k != "objective" or own is None}


def loss_form(recipe: Any, kind: str) -> Any:
    """The form of a penalty or an objective that is written as a mapping; None of a name.

    Raises:
        RecipeError: an unknown name.
    """
    config, own = recipe.model.get(kind), recipe.method and recipe.method.value.objectives
    if config is None:
        return None
    if kind == "objective" and own is not None:
        choose(kind, config, dict.fromkeys(own), ("model", kind))
        return None
    name = config.get("name") if isinstance(config, dict) else config
    key = ("model", kind, "name") if isinstance(config, dict) else ("model", kind)
    known = {name: x.value for name, x in registry.all(kind).items()}
    cls = choose(kind, name, known, key)
    return loss_form_of(name, cls) if isinstance(config, dict) else None


def loss_form_of(name: str, cls: Any) -> Any:
    """The form of a mapping with the name of a penalty or an objective, and its arguments."""
    keys = tuple(n for n in arguments(cls) if n != "reduction")
    return fields.form_of(name, (cls,), keys, "losses", ("name",), (("name", Literal[name]),))


def make(kind: str, config: str | Mapping[str, Any]) -> Any:
    """A penalty or an objective from its name, or from a mapping with a name and its arguments."""
    config = {"name": config} if isinstance(config, str) else dict(config)
    cls = registry.get(kind, config.pop("name")).value
    try:
        return cls(**{k: v for k, v in config.items() if v is not None})
    except (TypeError, ValueError) as error:
        raise RecipeError(str(error), ("model", kind)) from None


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
