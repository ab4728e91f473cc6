"""The task of a model, an entry, a wrapper, a class, a card."""

import contextlib

from keras_gans import registry
from keras_gans.tasks.base import Task
from keras_gans.typing import Any


def get(name: str) -> Task:
    """The `Task` of a name.

    Raises:
        ValueError: an unknown name, with the nearest ones.

    Example:

    >>> keras_gans.tasks.get("images").verb
    'translate'
    """
    return registry.get("task", name).value()


def every() -> list[Task]:
    """List of all tasks, by name."""
    return [found.value() for found in registry.all("task").values()]


def find(source: Any) -> Task | None:
    """The `Task` of what makes images; None where nothing says that it does.

    Args:
        source: a model, an entry, a wrapper such as `keras_gans.models.Sampler`, or a class. What
            counts is the nearest `task` among its classes, which a declared method has; of a class
            that says none, the verb that it has.
    """
    name = getattr(source if isinstance(source, type) else type(source), "task", None)
    if name is not None:
        return get(name)
    return next((task for task in every() if hasattr(source, task.verb)), None)


def of(source: Any) -> Task:
    """The `Task` of what makes images; arguments as in `find`.

    Raises:
        ValueError: nothing says what it makes.

    Example:

    >>> keras_gans.tasks.of(keras_gans.zoo.load("osgan_digits")).command
    'sample'
    """
    task = find(source)
    if task is None:
        cls = source if isinstance(source, type) else type(source)
        verbs = " nor ".join(f"{task.verb}()" for task in every())
        names = ", ".join(repr(task.name) for task in every())
        raise ValueError(
            f"{cls.__name__} has neither {verbs}, so its task is not known: give its class an "
            f"attribute task, one of {names}."
        )
    return task


def of_kind(kind: str) -> Task | None:
    """The `Task` of what an entry's `config.json` calls its kind; None where it is unknown."""
    return next((task for task in every() if task.kind == kind), None)


def of_card(card: dict[str, Any]) -> Task:
    """The `Task` of an entry's card, a dictionary."""
    kind = card["architecture"].get("kind")
    task = of_kind(kind)
    if task is None:
        raise ValueError(f"The card is of the kind {kind!r}, which this version does not know.")
    return task


def wrapped(model: Any) -> Any:
    """What makes images: a model that does, or a bare network in the wrapper that it fits.

    Raises:
        ValueError: a network that no task has a wrapper for.
    """
    if find(model) is not None:
        return model
    for task in every():
        with contextlib.suppress(ValueError, AttributeError):
            return task.wrap(model)
    makes = " or ".join(task.makes for task in every())
    raise ValueError(
        f"A {type(model).__name__} generates no images: expected a model of keras_gans, or a "
        f"network that makes {makes}."
    )
