"""What a restoration gives: pictures, latents, tuned generators, and how well they fit."""

import json
import pathlib
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops, tree

from keras_gans.data.images import image_grid, save_grid
from keras_gans.errors import quote
from keras_gans.files import replacing
from keras_gans.networks.copying import copied
from keras_gans.networks.parts import inr_head
from keras_gans.restoration.schedules import Schedule
from keras_gans.training import backend
from keras_gans.typing import Any, PathLike


class Restoration:
    """Restored images, and what made them. Made by a model's `restore`.

    Attributes:
        images: float32 (N, H, W, C) in [-1, 1]; of the task "color" the light of what was given,
            with the colors of `raw`, merged in CIE Lab.
        raw: the same without the merge: what the generator made.
        given: float32 (N, H, W, C), what the discriminator saw of the images that were given.
        latents: float32 (N, latent_dim), tuned.
        labels: int32 (N,), or None: the classes, those that were chosen where none were given.
        residual: float32 (N,), root of the mean squared difference of `given` and the degraded
            `raw`, images in [-1, 1].
        history: list of N dictionaries, "loss", "feature" and "pixel" -> float32 (steps,): the
            objective, the features' distance and the pixels' mean squared difference before every
            step.
        moments: float32 (N, M, H, W, C), the generator's image after equal shares of the steps.
        seconds: list of N floats, how long each took, the first one with its compilation.
        task: as given. `seed`: a list of N. `schedule`: the `Schedule`.
    """

    def __init__(
        self,
        raw: np.ndarray,
        images: np.ndarray,
        given: np.ndarray,
        latents: np.ndarray,
        labels: np.ndarray | None,
        history: list[dict[str, np.ndarray]],
        moments: np.ndarray,
        seconds: list[float],
        weights: list[list[np.ndarray]],
        network: keras.Model,
        **about: Any,
    ):
        self.raw: np.ndarray = raw
        self.images: np.ndarray = images
        self.given: np.ndarray = given
        self.latents: np.ndarray = latents
        self.labels: np.ndarray | None = labels
        self.history: list[dict[str, np.ndarray]] = history
        self.moments: np.ndarray = moments
        self.seconds: list[float] = seconds
        self.residual: np.ndarray = np.sqrt([h["pixel"][-1] for h in history]).astype("float32")
        self.task: Any = about["task"]
        self.seed: Any = about["seed"]
        self.schedule: Schedule = about["schedule"]
        self.cell: str = about["cell"]
        self._weights, self._network = weights, network

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        size = "x".join(str(n) for n in self.images.shape[1:3])
        return (
            f"<Restoration {self.task!r}: {len(self)} of {size}, residual "
            f"{', '.join(f'{r:.3f}' for r in self.residual[:8])}>"
        )

    def generator(self, index: int) -> keras.Model:
        """The generator that was tuned to an image, a network of its own.

        It is one step further than the image of `raw`, which is that of the last forward.

        Args:
            index: integer, the image's.
        """
        network = copied(self._network)
        network.set_weights(self._weights[self._index(index)])
        return network

    def _index(self, index):
        if not isinstance(index, (int, np.integer)) or not -len(self) <= index < len(self):
            raise ValueError(f"index is {quote(index)}; expected 0 to {len(self) - 1}.")
        return int(index)

    def render(
        self,
        size: int | tuple[int, int] | None = None,
        cell: str | None = None,
        indices: Sequence[int] | None = None,
    ) -> np.ndarray:
        """The tuned generators' images at any size, made anew; nothing is optimized there.

        An INR head draws what the generator's last feature map holds: beyond that size, edges
        get sharper, and no detail is added. Memory stays bounded, beside the result.

        Args:
            size: integer or pair (height, width) in pixels; None for that of `images`.
            cell: "trained" or "true", see `keras_gans.layers.INRHead`; None for that of the tuning.
            indices: the images'; None for all.

        Returns:
            float32 (N, height, width, C) in [-1, 1].

        Raises:
            ValueError: another size than its own, of a generator without an INR head.
        """
        pair = self.images.shape[1:3] if size is None else size
        pair = (pair, pair) if np.ndim(pair) == 0 else tuple(pair)
        if len(pair) != 2 or not all(isinstance(n, (int, np.integer)) and n > 0 for n in pair):
            raise ValueError(
                f"size is {quote(size)}; expected a positive height and width, one integer or two."
            )
        chosen = range(len(self)) if indices is None else [self._index(i) for i in indices]
        return np.concatenate([self._render(i, pair, cell or self.cell) for i in chosen])

    def _render(self, index, size, cell):
        network = self.generator(index)
        head, own = inr_head(network), tuple(network.output_shape[1:3])
        if head is None and size != own:
            raise ValueError(
                f"size is {size[0]}x{size[1]}, and this generator makes images of "
                f"{own[0]}x{own[1]} only: other sizes need an INR head."
            )
        inputs = [self.latents[index : index + 1]]
        if self.labels is not None:
            inputs.append(self.labels[index : index + 1])
        with backend.no_gradients():
            inputs = tree.map_structure(ops.convert_to_tensor, inputs)
            if head is None:
                made = network(inputs if len(inputs) > 1 else inputs[0], training=False)
            else:
                body = keras.Model(network.inputs, head.input)
                made = head.render(body(inputs, training=False), size, cell)
            return ops.convert_to_numpy(ops.cast(made, "float32"))

    def strip(self, truth: np.ndarray | None = None) -> np.ndarray:
        """One picture, a row for each image: given, the moments, the result, and the truth.

        Args:
            truth: float (N, H, W, C) in [-1, 1], a last column; or None.

        Returns:
            uint8 array (height, width, 3).
        """
        columns = [self.given, *np.swapaxes(self.moments, 0, 1), self.images]
        columns += [] if truth is None else [np.asarray(truth, "float32")]
        return image_grid(np.stack(columns, 1).reshape(-1, *self.images.shape[1:]), len(columns))

    def save(self, path: PathLike, generators: bool = False) -> None:
        """Write a folder: a PNG file of each image, the strip, and `restoration.npz`.

        Args:
            path: the folder.
            generators: bool, whether the tuned generators are written too, as `.keras` files.
        """
        folder = pathlib.Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(len(self)):
            save_grid(self.images[i : i + 1], folder / f"image_{i}.png", pad=0)
            if generators:
                self.generator(i).save(folder / f"generator_{i}.keras")
        save_grid(self.strip()[None], folder / "strip.png", pad=0)
        arrays = {n: getattr(self, n) for n in ("images", "raw", "given", "latents", "residual")}
        if self.labels is not None:
            arrays["labels"] = self.labels
        for name in self.history[0]:
            arrays[name] = _filled([h[name] for h in self.history])
        about = {"task": str(self.task), "seed": self.seed, "seconds": self.seconds}
        arrays["about"] = np.array(json.dumps(about))
        with replacing(folder / "restoration.npz", suffix=".npz") as temporary:
            np.savez_compressed(temporary, **arrays)


def _filled(rows):
    """Rows of maybe several lengths as one array, with NaN behind the shorter ones."""
    made = np.full((len(rows), max(map(len, rows))), np.nan, "float32")
    for row, values in zip(made, rows, strict=True):
        row[: len(values)] = values
    return made
