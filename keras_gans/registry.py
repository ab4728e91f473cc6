"""Every name that users can type, declared once, where the thing itself stands.

A decorator for each kind of thing puts a class or function under its name, and keeps what else has
to be known of it:

    @register.method("lga_gan", task="noise", paper="...", networks=("wgan_gp_resnet",), ...)
    class LGAGAN(GAN): ...

Recipes, the command line, error messages, tables in the documentation and the contract test ask
here; there is no second list. Classes of your own are found in the same way once their module is
imported.
"""

import ast
import dataclasses
import importlib
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar

from keras_gans.errors import nearest, quote

T = TypeVar("T")

# The package whose import declares what this library has of each kind.
_HOMES = {
    "method": "keras_gans.models",
    "network": "keras_gans.networks",
    "objective": "keras_gans.losses",
    "penalty": "keras_gans.losses",
    "metric": "keras_gans.metrics",
    "data set": "keras_gans.data",
    "task": "keras_gans.tasks",
    "entry": "keras_gans.zoo.kinds",
    "optimizer": "keras_gans.training",
    "learning rate schedule": "keras_gans.training",
}


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What is known of a name.

    Attributes:
        kind: "method", "network", "objective", ...
        name: as users type it, snake_case.
        value: the class or function.
        about: dictionary of what the declaration says beside the name; also read as attributes.
    """

    kind: str
    name: str
    value: Any
    about: dict[str, Any]

    def __getattr__(self, key: str) -> Any:
        try:
            return self.__dict__["about"][key]
        except KeyError:
            raise AttributeError(f"The {self.kind} {self.name!r} declares no {key!r}.") from None

    @property
    def summary(self) -> str:
        """The first line of the docstring, without its full stop."""
        return (self.value.__doc__ or "").strip().partition("\n")[0].rstrip(".")


_DECORATORS = {
    **{kind: kind for kind in ("method", "network", "objective", "penalty", "metric", "task")},
    "dataset": "data set",
    "entry": "entry",
    "optimizer": "optimizer",
    "schedule": "learning rate schedule",
}
_declared: dict[str, dict[str, Declaration]] = {kind: {} for kind in _HOMES}
_former: dict[str, dict[str, str]] = {kind: {} for kind in _HOMES}


def declare(kind: str, name: str, former: tuple[str, ...] = (), **about: Any) -> Callable[[T], T]:
    """Decorator that declares a class or function; the functions below say what each kind needs.

    Args:
        kind: one of the kinds above.
        name: snake_case; declaring it again replaces it (a module that is imported anew).
        former: names that it had in earlier versions; they go on being understood.
        **about: what else is known.
    """

    def declared(value: T) -> T:
        _declared[kind][name] = Declaration(kind, name, value, about)
        _former[kind].update(dict.fromkeys(former, name))
        return value

    return declared


def method(
    name: str,
    *,
    task: str,
    paper: str,
    networks: tuple[str, ...],
    preset: str | None = None,
    image_preset: str | None = None,
    page: str | None = None,
    former: tuple[str, ...] = (),
) -> Callable[[T], T]:
    """Declare a training method, a subclass of `keras_gans.training.AdversarialModel`.

    Args:
        name: snake_case of the paper's name for it.
        task: the kind of task it learns, a name of `keras_gans.tasks`.
        paper: authors, venue and year.
        networks: names of the builders in `keras_gans.networks` that it goes with.
        preset: the recipe that `keras-gans train --method=NAME` starts from; None where no recipe
            can name its data.
        image_preset: the recipe it starts from with other data than that, which may be another
            method's; None for the same.
        page: its page in `docs/`, or None.
    """
    about = {"paper": paper, "networks": networks, "page": page}
    about |= {"preset": preset, "image_preset": image_preset or preset}

    def declared(cls: Any) -> Any:
        cls.task = task
        return declare("method", name, former, task=task, **about)(cls)

    return declared


def network(name: str, **about: Any) -> Callable[[T], T]:
    """Declare a function that builds all networks of a method, and returns Keras models."""
    return declare("network", name, **about)


def objective(name: str, **about: Any) -> Callable[[T], T]:
    """Declare a subclass of `keras_gans.losses.Objective`, and give it its `name`."""

    def declared(cls: T) -> T:
        cls.name = name
        return declare("objective", name, **about)(cls)

    return declared


def penalty(name: str, **about: Any) -> Callable[[T], T]:
    """Declare a subclass of `keras_gans.losses.Penalty`."""
    return declare("penalty", name, **about)


def metric(name: str, *, lower_is_better: bool, **about: Any) -> Callable[[T], T]:
    """Declare a subclass of `keras_gans.metrics.GenerativeMetric`.

    Args:
        name: the alias that `evaluate --metrics` and logs use, such as "fd".
        lower_is_better: which way is better.
    """
    return declare("metric", name, lower_is_better=lower_is_better, **about)


def dataset(name: str, **about: Any) -> Callable[[T], T]:
    """Declare a data set that comes with the library: a function of `Options` -> `Source`."""
    return declare("data set", name, **about)


def task(name: str, **about: Any) -> Callable[[Any], Any]:
    """Declare a kind of task, a subclass of `keras_gans.tasks.Task`, and give it its `name`."""

    def declared(cls: Any) -> Any:
        cls.name = name
        return declare("task", name, **about)(cls)

    return declared


def entry(task: str, **about: Any) -> Callable[[T], T]:
    """Declare what the zoo keeps of the methods of a task."""
    return declare("entry", task, **about)


def optimizer(name: str, **about: Any) -> Callable[[T], T]:
    """Declare an optimizer beside those of Keras."""
    return declare("optimizer", name, **about)


def schedule(name: str, **about: Any) -> Callable[[T], T]:
    """Declare a learning rate schedule beside those of Keras."""
    return declare("learning rate schedule", name, **about)


def all(kind: str) -> dict[str, Declaration]:
    """The declarations of a kind, by name, sorted.

    Args:
        kind: "method", "network", "objective", "penalty", "metric", "data set", "task", "entry".
    """
    importlib.import_module(_HOMES[kind])
    return dict(sorted(_declared[kind].items()))


def names(kind: str) -> list[str]:
    """The names of a kind, sorted."""
    return list(all(kind))


def all_names_of(declaration: Declaration) -> list[str]:
    """The name of a declaration, and those that it had in earlier versions."""
    former = _former[declaration.kind].items()
    return [declaration.name, *(old for old, name in former if name == declaration.name)]


def in_source(kind: str) -> dict[str, dict[str, Any]]:
    """What this library declares of a kind, without importing Keras: name -> what is said of it.

    For help texts, which a person reads before a backend is chosen: the decorators are read from
    the source files of the package that declares the kind.
    """
    decorator = next(name for name, of in _DECORATORS.items() if of == kind)
    folder = pathlib.Path(__file__).parent / _HOMES[kind].removeprefix("keras_gans.")
    found = {}
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for call in getattr(node, "decorator_list", ()):
                if ast.unparse(call).startswith(f"registry.{decorator}("):
                    plain = [x for x in call.keywords if isinstance(x.value, ast.Constant)]
                    said = {x.arg: x.value.value for x in plain}
                    found[call.args[0].value] = said
    return dict(sorted(found.items()))


def get(kind: str, name: str) -> Declaration:
    """The declaration of a name.

    Raises:
        ValueError: an unknown name, with the nearest ones.
    """
    known = all(kind)
    found = known.get(_former[kind].get(name, name)) if isinstance(name, str) else None
    if found is None:
        raise ValueError(
            f"Unknown {kind} {quote(name)}{nearest(name, known)}: choose one of {', '.join(known)}."
        )
    return found


def of(value: Any) -> Declaration | None:
    """The declaration of a class, function or object; None where it has none.

    A subclass that declares nothing itself is what its nearest declared base is.
    """
    classes = value.__mro__ if isinstance(value, type) else (value, *type(value).__mro__)
    for cls in classes:
        for declared in _declared.values():
            for declaration in declared.values():
                if declaration.value is cls:
                    return declaration
    return None
