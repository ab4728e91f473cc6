"""Metrics of images of label maps: what a segmentation network, the judge, sees in them."""

import pathlib

import keras
import numpy as np

from keras_gans import registry
from keras_gans.data.images import from_uint8
from keras_gans.data.label_maps import check_maps
from keras_gans.metrics.base import GenerativeMetric
from keras_gans.metrics.features import checksum, to_host, to_images
from keras_gans.metrics.scores import Score
from keras_gans.metrics.sources import Batch
from keras_gans.metrics.statistics import Sums
from keras_gans.typing import Any, PathLike, Self, Tensor


class Judge:
    """A segmentation network that says the class of every pixel, for metrics to ask.

    It should be trained on real images only. Scores are named after it, because those of two judges
    say nothing about each other: `examples/train_judge.py` makes one, and names it after its data
    and its size.

    Args:
        model: Keras model, images (B, H, W, channels) in [-1, 1] -> scores (B, H, W, C), one for
            each class in the order of the maps' ids; or the path of the `.keras` file of one.
        name: str, part of the names of the scores; None for the model's own name.
        batch_size: integer, images at once.

    Attributes:
        size: (H, W) of the images.
        num_classes: integer C; it tells the ids 0 to C - 1 apart.
        checksum: SHA-256 of the weights.

    Raises:
        ValueError: a model of other inputs or outputs; a file that holds no model.
        FileNotFoundError: no such file.

    Example:

    >>> x = keras.Input((8, 8, 1))
    >>> light = keras.layers.Concatenate()([-x, x])  # class 0 is dark, class 1 bright
    >>> judge = keras_gans.metrics.Judge(keras.Model(x, light, name="light_8"))
    >>> judge.num_classes, judge(np.full((1, 8, 8, 1), 255, "uint8"))[0, 0, :3]
    (2, array([1, 1, 1], dtype=int32))
    """

    resize = None

    def __init__(
        self, model: keras.Model | PathLike, name: str | None = None, batch_size: int = 64
    ):
        self.model: keras.Model = model if isinstance(model, keras.Model) else _loaded(model)
        self.name: str = name or self.model.name
        self.batch_size: int = batch_size
        # A model that was never called has neither.
        ends = (getattr(self.model, side, None) or () for side in ("inputs", "outputs"))
        shapes = [x.shape for end in ends for x in end]
        if len(shapes) != 2 or any(len(s) != 4 or None in s[1:] for s in shapes):
            raise ValueError(
                f"The judge {self.name} has inputs and outputs of shapes {shapes}; one of images "
                "(B, H, W, channels) and one of scores (B, H, W, C) are wanted."
            )
        if shapes[0][1:3] != shapes[1][1:3]:
            raise ValueError(
                f"The judge {self.name} takes images of {_sized(shapes[0][1:3])} and gives scores "
                f"of {_sized(shapes[1][1:3])}: a score of each class at every pixel is wanted."
            )
        self.size: tuple[int, int] = tuple(shapes[0][1:3])
        self.num_classes: int = int(shapes[1][-1])
        self._channels = shapes[0][-1]
        self._checksum: str | None = None

    @property
    def checksum(self) -> str:
        if self._checksum is None:
            self._checksum = checksum(self.model)
        return self._checksum

    def __call__(self, images: Tensor) -> np.ndarray:
        """The class of each pixel, int32 (B, H, W), of images: uint8, or floats in [-1, 1].

        Raises:
            ValueError: images of another size or number of channels, or outside their range.
        """
        found = to_images(images)
        if found.shape[1:] != (*self.size, self._channels):
            raise ValueError(
                f"The judge {self.name} sees images of {_sized(self.size)} with {self._channels} "
                f"channels, and got {_sized(found.shape[1:3])} with {found.shape[-1]}: train one "
                "of that size."
            )
        found = from_uint8(found) if found.dtype == np.uint8 else found
        starts = range(0, len(found), self.batch_size)
        parts = [self._seen(found[i : i + self.batch_size]) for i in starts]
        return np.concatenate(parts or [np.zeros((0, *self.size), "int32")])

    def _seen(self, images):
        return to_host(self.model.predict_on_batch(images)).argmax(axis=-1).astype("int32")


def find_judge(judge: Any, num_classes: int | None = None) -> Judge:
    """A `Judge` as it is, or of a model or a path.

    Raises:
        ValueError: it tells another number of classes apart than `num_classes`, where one is given.
    """
    judge = judge if isinstance(judge, Judge) else Judge(judge)
    if num_classes is not None and judge.num_classes != num_classes:
        raise ValueError(
            f"The judge {judge.name} tells {judge.num_classes} classes apart, and the maps have "
            f"{num_classes}: train one on the same maps."
        )
    return judge


def _loaded(path):
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no judge {path}: give the .keras file of a segmentation network, as "
            "examples/train_judge.py makes it."
        )
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} holds no Keras model: {first}") from None
    if not isinstance(model, keras.Model):
        raise ValueError(f"{path} holds a {type(model).__name__}, and no Keras model.")
    return model


def _sized(size):
    return "x".join(map(str, size))


def confusion(maps: np.ndarray, seen: np.ndarray, num_classes: int) -> np.ndarray:
    """How many pixels of each class were seen as each class.

    Args:
        maps: integers, the classes as they are; pixels with another index than 0 to
            `num_classes` - 1 are left out.
        seen: integers of the same shape, 0 to `num_classes` - 1.
        num_classes: integer C.

    Returns:
        int64 (C, C): the row is the class that it is, the column the one that was seen.

    Example:

    >>> confusion(np.array([0, 0, 1, 255]), np.array([0, 1, 1, 0]), 2)
    array([[1, 1],
           [0, 1]])
    """
    known = (maps >= 0) & (maps < num_classes)
    pairs = num_classes * maps[known].astype("int64") + seen[known]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


class _JudgedMetric(GenerativeMetric):
    """Base of what is computed of the pixels that a judge saw, over all images together."""

    def __init__(self, judge: Any = None, split: str | None = None, name: str | None = None):
        if judge is None:
            raise ValueError(
                f"{self.kind} needs a judge, a segmentation network trained on real images: give "
                "judge= a keras_gans.metrics.Judge, a Keras model or a .keras file, such as "
                "examples/train_judge.py makes."
            )
        super().__init__(find_judge(judge), split, name)
        self.parts: dict[str, Any] = {"fake": Sums()}

    @classmethod
    def measuring(cls, network: Any, split: str | None, samples: int, classes: Any) -> Self:
        return cls(network, split=split)

    def update_state(self, maps: Tensor, fake: Tensor) -> None:
        """Take in label maps, integers (B, H, W), and the images that were made of them."""
        self._add(maps, self.network(fake))

    def _add(self, maps, seen):
        maps = check_maps(to_host(maps), self.network.size)
        if len(seen) != len(maps):
            raise ValueError(f"{self.name} got {len(maps)} maps and {len(seen)} images.")
        found = confusion(maps, seen, self.network.num_classes)
        self.parts["fake"].add(len(maps), confusion=found)

    def see(self, side: str, batch: Batch, outputs: Tensor) -> None:
        self._add(batch.maps, outputs)

    def update_real(self, images: Tensor) -> None:
        raise ValueError(f"{self.name} needs label maps: call update_state(maps, fake).")

    update_fake = update_real

    def result(self) -> Score:
        """`Score` from 0 to 1; `details` has the share or IoU of each class, None where the class
        is nowhere."""
        self.need("fake")
        table = self.parts["fake"].arrays["confusion"]
        if not table.sum():
            raise ValueError(f"{self.name}: no pixel of the maps has a class that the judge knows.")
        value, key, each = self.measure(table)
        size = _sized(self.network.size)
        details = {key: each, "judge": f"{self.network.name}, {size}", "ids": len(table)}
        return self.score(value, details=details)

    def measure(self, table: np.ndarray) -> tuple[float, str, list[float | None]]:
        """The value, and the name and values of what is known of each class."""
        raise NotImplementedError

    def protocol(self) -> str:
        size = _sized(self.network.size)
        return f"{super().protocol()} at {size}, ids 0 to {self.network.num_classes - 1}"

    def get_config(self) -> Any:
        return {"judge": self.network, "split": self.split, "name": self.name}


@registry.metric(
    "mean_iou",
    lower_is_better=False,
    real=False,
    needs=("maps", "judge"),
    says="mean over classes of what a judge sees right, intersection over union",
    how="mean intersection over union of the maps and of what a judge sees in the images",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class MeanIoU(_JudgedMetric):
    """Mean over the classes of intersection over union of maps and what a judge sees in images.

    Everingham et al., The PASCAL VOC Challenge, IJCV 2010; as of images of maps in Park et al.,
    SPADE, CVPR 2019, Sec. 4. Pixels of all images are counted together. A class that neither the
    maps nor the judge name anywhere does not count. Pixels of no class ("don't care") are left out.

    Args:
        judge: `Judge`, Keras model, or the path of its `.keras` file.
        split, name: see `GenerativeMetric`; the name is "mean_iou_<judge>".

    Example:

    >>> x = keras.Input((1, 4, 1))
    >>> model = keras.Model(x, keras.layers.Concatenate()([-x, x]), name="light")
    >>> iou = keras_gans.metrics.MeanIoU(model)
    >>> iou.update_state([[[0, 0, 1, 1]]], np.array([[[[-1], [1], [1], [1]]]], "float32"))
    >>> iou.result().details["iou"]
    [0.5, 0.6667]
    """

    kind = "mean_iou"

    def measure(self, table: np.ndarray) -> tuple[float, str, list[float | None]]:
        hits = np.diag(table)
        union = table.sum(axis=0) + table.sum(axis=1) - hits
        there = union > 0
        each = hits[there] / union[there]
        return float(each.mean()), "iou", _of_classes(each, there)


@registry.metric(
    "pixel_accuracy",
    lower_is_better=False,
    real=False,
    needs=("maps", "judge"),
    says="share of pixels in which a judge sees the class of the map",
    how="share of pixels in which a judge sees the class of the map",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class PixelAccuracy(_JudgedMetric):
    """Share of the pixels in which a judge sees the class that the map asks for.

    Pixels of no class ("don't care") are left out; `details["accuracy"]` has that of each class.

    Args:
        judge, split, name: see `MeanIoU`; the name is "pixel_accuracy_<judge>".
    """

    kind = "pixel_accuracy"

    def measure(self, table: np.ndarray) -> tuple[float, str, list[float | None]]:
        pixels, hits = table.sum(axis=1), np.diag(table)
        there = pixels > 0
        each = hits[there] / pixels[there]
        return float(hits.sum() / table.sum()), "accuracy", _of_classes(each, there)


def _of_classes(values, there):
    """A rounded value of each class that is there, None of the others."""
    found = iter(values)
    return [round(float(next(found)), 4) if is_there else None for is_there in there]
