"""Images of noise: a generator's samples."""

import numpy as np

from keras_gans import registry
from keras_gans.tasks import noise_panels
from keras_gans.tasks.base import Picture, Task, View
from keras_gans.tasks.playing import Panel
from keras_gans.typing import Any, PathLike, Tensor

GRID = 64  # images in the grid of a run, at most


@registry.task("noise")
class Noise(Task):
    """Images of noise, and of a class where there are classes: `generate`."""

    verb, command, makes = "generate", "sample", "images of noise"
    pipeline = "unconditional-image-generation"
    from_noise = True

    def wrap(self, network: Any) -> Any:
        from keras_gans.models import Sampler

        return Sampler(network)

    def network(self, source: Any) -> Any:
        return getattr(source, "ema_generator", None) or source.generator

    def pictures(self, network: Any) -> tuple[list[Any], Any] | None:
        from keras_gans.models.serving import pictures_of_noise

        return pictures_of_noise(network)

    def view(self, model: Any, recipe: dict[str, Any], seed: int = 0) -> View:
        return Samples(whole_rows(model, GRID), seed)

    def real(self, model: Any, data: Any, count: int) -> Any:
        from keras.ops import convert_to_numpy

        images, labels, found = [], [], 0
        for batch in data:
            some, of_some = model.unpack(batch)
            images.append(convert_to_numpy(some))
            labels.append(None if of_some is None else convert_to_numpy(of_some))
            found += len(images[-1])
            if found >= count:
                break
        of_images = None if labels[0] is None else np.concatenate(labels)[:count]
        return np.concatenate(images)[:count], of_images

    def panels(self, source: Any, names: list[str] | None = None) -> list[Panel]:
        return noise_panels.panels(source, names or [])

    def usage(self, architecture: dict[str, Any]) -> str:
        labels = "" if architecture.get("num_classes") is None else ", labels=0"
        size = ", truncation=0.7, size=(200, 300)" if architecture.get("any_size") else ""
        return f"entry.generate(16, seed=0{labels}{size})  # float32 in [-1, 1]"

    def facts(self, architecture: dict[str, Any]) -> list[str]:
        (images,) = super().facts(architecture)
        classes = architecture.get("num_classes")
        latents = f"; latents of {architecture['latent_dim']}"
        lines = [images + latents + (f", {classes} classes" if classes else "")]
        if architecture.get("any_size"):
            lines.append(
                "- Other sizes: any, `generate(size=(height, width))`; it was trained at one"
            )
        return lines

    def next_command(self, folder: PathLike) -> str:
        return f"keras-gans sample {folder} --num=100 --seed=1 --out=grid.png"


class Samples(View):
    """Samples of fixed noise; of a conditional model a column of each class.

    Args:
        n: integer, how many.
        seed: integer, of the noise.
        columns: integer; None for a square grid, or a column of each class.
    """

    def __init__(self, n: int = GRID, seed: int = 0, columns: int | None = None):
        self.n = n
        self.seed = seed
        self.columns = columns

    def draw(self, model: Any) -> Picture:
        images, labels = fixed_samples(model, self.n, self.seed)
        return Picture(images, grid_columns(self.n, labels, self.columns), f"{self.n} samples")

    def maps(self, model: Any, images: Tensor) -> dict[str, Any]:
        score_maps = getattr(model, "score_maps", None)
        return {} if score_maps is None else score_maps(images, labels_in_turn(model, self.n))


def labels_in_turn(model: Any, n: int, run: int = 1) -> np.ndarray | None:
    """The labels 0 .. num_classes - 1, each `run` times, repeated: ints (n,), or None."""
    num_classes = getattr(model, "num_classes", None)
    return None if num_classes is None else (np.arange(n) // run) % num_classes


def fixed_samples(
    model: Any, n: int, seed: int, run: int = 1
) -> tuple[np.ndarray, np.ndarray | None]:
    """Draw `n` images with fixed noise, as float32 of shape (n, H, W, C) in [-1, 1].

    Args:
        model: has `generate(n, seed=...)`; a conditional one has a `num_classes` too.
        n: number of images.
        seed: int, the seed of the noise.
        run: number of neighbors that share a label.

    Returns:
        A pair: the images, and their labels (an int array of shape (n,), or None).
    """
    labels = labels_in_turn(model, n, run)
    given = {} if labels is None else {"labels": labels}
    return np.asarray(model.generate(n, seed=seed, **given)), labels


def whole_rows(model: Any, n: int) -> int:
    """`n`, or less: with fewer classes than that, as many images as fill rows of one per class."""
    num_classes = getattr(model, "num_classes", None)
    return n - n % num_classes if num_classes and num_classes <= n else n


def grid_columns(n: int, labels: Tensor, columns: int | None = None) -> int:
    """Columns of a grid of `n` images: one per class where every class is in it."""
    if columns is None and labels is not None and labels.max() + 1 < n:
        return int(labels.max()) + 1
    return columns
