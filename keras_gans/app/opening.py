"""The panels of a trained model, by its name."""

from keras_gans.tasks import Panel
from keras_gans.typing import Any


def open_panels(source: str) -> tuple[Any, list[Panel]]:
    """A trained model, and what a playground shows of it.

    Args:
        source: a zoo entry, by name or folder; a run's folder; a `.keras` file.

    Returns:
        `(model, panels)`: what makes the images, and a list of `keras_gans.tasks.Panel`.

    Raises:
        ValueError, OSError: nothing of that kind.

    Example:

    >>> from keras_gans.app import open_panels
    >>> model, panels = open_panels("osgan_digits")
    >>> [panel.name for panel in panels]
    ['Samples', 'Interpolation', 'Restoration']
    >>> panels[0].show(seed=1, count=4).picture.shape
    (70, 70, 3)
    """
    from keras_gans import tasks
    from keras_gans.runs.opening import class_names_of, open_source

    model = open_source(source, verb=None)
    return model, tasks.of(model).panels(model, class_names_of(source, model))
