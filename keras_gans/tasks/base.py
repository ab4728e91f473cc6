"""What a kind of task has to say, and the pictures that a run of it shows."""

from typing import NamedTuple

import numpy as np

from keras_gans.tasks.playing import Panel
from keras_gans.typing import Any, PathLike, Tensor


class Picture(NamedTuple):
    """A grid of images, and what it shows in a few words."""

    images: np.ndarray  # float32 (N, H, W, C) in [-1, 1]
    columns: int | None  # of the grid; None for a square one
    text: str


class View:
    """What is looked at again and again while a model trains: the same latents, the same inputs."""

    def draw(self, model: Any) -> Picture:
        """The `Picture` of a model as it is now."""
        raise NotImplementedError

    def maps(self, model: Any, images: Tensor) -> dict[str, Any]:
        """Dictionary, name -> maps (N, h, w) of drawn images that are worth a look beside them."""
        return {}


class Task:
    """What a kind of method has to say; everything around a method asks it, and not the method.

    Declared with `keras_gans.registry.task(name)` in a module of `keras_gans.tasks`. What the zoo
    keeps of its models is declared with `keras_gans.registry.entry(name)` in a module of
    `keras_gans.zoo.kinds`, and its command stands in a module of `keras_gans.cli` of that name.

    Attributes:
        name: as methods state it, such as "noise".
        verb: the function of models, entries and bare networks that makes images, and the
            signature of a SavedModel.
        command: the command of `keras-gans` that calls it.
        makes: what it makes of what, such as "images of noise".
        kind: what `config.json` and the card of an entry call it.
        pipeline: what the Hugging Face Hub calls the task.
        from_noise: bool, whether images come of noise, so that they have to differ when it does.
    """

    name = verb = command = makes = kind = pipeline = None
    from_noise = False

    def wrap(self, network: Any) -> Any:
        """What makes images with a bare network, such as a loaded `.keras` file holds.

        Raises:
            ValueError: a network of another task.
        """
        raise NotImplementedError

    def network(self, source: Any) -> Any:
        """The one network that makes the images of a model, an entry or a wrapper."""
        raise NotImplementedError

    def served(self, network: Any) -> Any:
        """That network with images as its only output, for programs without this library."""
        return network

    def pictures(self, network: Any) -> tuple[list[Any], Any] | None:
        """A second signature of a SavedModel, of what people say instead of what networks take.

        Args:
            network: what `served` gives.

        Returns:
            `(specs, function)`: a list of `keras.InputSpec` with names, and the function of such
            tensors -> uint8 images; None where there is none, or on a backend that has none.
        """
        return None

    def view(self, model: Any, recipe: dict[str, Any], seed: int = 0) -> View:
        """The `View` that a run of `keras-gans train` is watched by.

        Args:
            model: the run's model.
            recipe: its recipe, as `keras_gans.recipes` has it.
            seed: integer, of noise.
        """
        raise NotImplementedError

    def real(self, model: Any, data: Any, count: int) -> Any:
        """Of a task from noise: real images of a run's data to compare with, and labels or None.

        Args:
            model: the run's model.
            data: what its `fit` takes.
            count: integer, images at most.
        """
        raise NotImplementedError

    def examples(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """Dictionary of the arguments of `keras_gans.zoo.publish` that a recipe's data give."""
        return {}

    def stored_examples(self, source: Any) -> Any:
        """What a loaded entry brings along to try it with, a tuple of arrays, or None."""
        return None

    def panels(self, source: Any, names: list[str] | None = None) -> list[Panel]:
        """What `keras-gans playground` shows: a list of `keras_gans.tasks.Panel`.

        Args:
            source: a model, an entry or a wrapper.
            names: those of its classes or domains, in order, as far as they are known.
        """
        raise NotImplementedError

    def usage(self, architecture: dict[str, Any]) -> str:
        """The Python expression that makes images with `entry`, and its comment.

        Args:
            architecture: what a card says of the networks, a dictionary.
        """
        raise NotImplementedError

    def facts(self, architecture: dict[str, Any]) -> list[str]:
        """List of a card's lines on the images that go in and come out."""
        return [f"- Images: {shapes(architecture)} (height, width, channels)"]

    def next_command(self, folder: PathLike) -> str:
        """The command that makes images with the model in a folder."""
        raise NotImplementedError


def shapes(architecture: dict[str, Any]) -> str:
    """The size of the images as text: of what goes in, where that is another, and comes out."""
    sizes = [architecture["image_shape"], architecture.get("output_shape")]
    texts = [" x ".join(str(n) for n in size) for size in sizes if size]
    return " to ".join(dict.fromkeys(texts))
