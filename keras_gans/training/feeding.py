"""What stands between the data of a `fit` and its steps: the same checks, whatever brings them."""

import collections
from collections.abc import Callable

import keras
import numpy as np
from absl import logging
from keras import ops, tree

from keras_gans.data.checks import ENOUGH, check_values
from keras_gans.data.images import from_uint8
from keras_gans.data.order import EpochKey
from keras_gans.training import backend
from keras_gans.typing import Any

_IMAGES_ONLY = ("pairs", "quadruples")  # what is learned from where all of a batch are images


class Feed:
    """Looks at batches on the host, and leaves out images that cannot be shared.

    The images of the first batches are looked at until there were enough to tell their range,
    labels in every batch.

    Args:
        model: the model that trains.
        key: the `keras_gans.data.EpochKey` of data that this library made, whose images need no
            look; None for others.

    Raises:
        ValueError: the data are a part of each batch, and not that of this process.
    """

    def __init__(self, model: Any, key: EpochKey | None = None):
        self.model: Any = model
        self.own: bool = key is not None
        # Of each image of a batch (a pair has two), what was seen of its range, while not enough.
        self.spans: dict[int, list[tuple[float, float, int]]] = collections.defaultdict(list)
        self.parts, self.shares = backend.devices(model)
        # Of how many processes the data hold one's part of each batch.
        self.processes: int = 1 if key is None else key.part[1]
        if self.processes > 1:
            place, count = backend.process()
            if key.part != (place, count) or self.parts * self.shares % count:
                raise ValueError(
                    f"The data hold part {key.part[0]} of {key.part[1]} of each batch, and the "
                    f"model trains on {self.parts * self.shares} devices of {count} processes, of "
                    f"which this is number {place}: load the data with part=(0, 1)."
                )
        self.first: bool = True
        self.told: bool = False
        self.whole = False  # whether batches go to the compiled loop of several steps unseen
        self.logs: Any = {}  # of the last step, for one that is left out
        # Where batches are looked at before the step draws them: whether each is to be trained on.
        self.ahead: collections.deque[bool] | None = None

    def foresee(self, data: Any, size: int) -> None:
        """Compare batches of `size`, of all processes, with the devices; say what is left out."""
        check_batch_size(self.model, size, self.parts * self.shares)
        images = getattr(data, "images", None)
        if isinstance(images, np.ndarray) and not getattr(data, "drop_remainder", True):
            rest = len(images) % size
            share, odd = divmod(rest, self.parts * self.shares)
            self._tell(rest, rest - odd if share >= least_batch(self.model) else 0)

    def __call__(self, batch: Any) -> Any:
        """What is trained on, of a global batch or of a process's part; None where it is nothing.

        Raises:
            ValueError: images or labels that the model cannot learn from.
        """
        return backend.of_replicas(self.model, self._cut, batch)

    def draw(self, batches: list[Any]) -> list[Any]:
        """`batches`, without what cannot be trained on."""
        if self.ahead is not None:
            return [batch for batch in batches if self.ahead.popleft()]
        return [batch for batch in map(self, batches) if batch is not None]

    def _cut(self, parts):
        parts = [self._plain(part) for part in parts]
        flat = [[x for x in keras.tree.flatten(part) if x is not None] for part in parts]
        sizes = [self._look(some) for some in flat]
        count, share = sum(sizes), min(sizes) // self.shares
        size = share * self.shares
        kept = size * len(parts) if share >= least_batch(self.model) else 0
        if self.first:
            check_batch_size(self.model, count, len(parts) * self.shares)
            self.first, self.model.images_per_step = False, count
        self._tell(count, kept)
        if not kept or kept == count:
            return parts if kept else None
        return [
            keras.tree.map_structure(
                lambda x: None if x is None else x[: size // self.processes], part
            )
            for part in parts
        ]

    def _plain(self, part):
        """A batch as the model takes it: images of TensorFlow Datasets in [-1, 1], then labels."""
        entries = chosen(self.model, part)
        return part if entries is part else tuple(map(_scaled, entries.values()))

    def _look(self, flat):
        """The number of images of one replica's batch, whose values are compared too."""
        model, count = self.model, flat[0].shape[0] if len(flat[0].shape) else 0
        model.check_image_shape(flat[0].shape)
        if any(x.shape[:1] != flat[0].shape[:1] for x in flat):
            raise ValueError(
                f"A batch of the data has parts of {', '.join(str(tuple(x.shape)) for x in flat)}; "
                "one entry an image is wanted in each."
            )
        paired = model.learns_from in _IMAGES_ONLY
        if count and not self.own and sum(n for *_, n in self.spans[0]) < ENOUGH:
            for i, x in enumerate(flat if paired else flat[:1]):
                check_values(host(x), spans=self.spans[i])
        if count and len(flat) > 1 and not paired and model.label_count is not None:
            model.check_labels(host(flat[1]))
        return int(count) * self.processes

    def _tell(self, count, kept):
        if kept == count or self.told:
            return
        self.told = True
        least, devices = least_batch(self.model), self.parts * self.shares
        who = [f"{least} updates of D"] if least > 1 else []
        who += [f"{devices} devices"] if devices > 1 else []
        logging.warning(
            "%d images of the last batch of %d are left out, in each epoch others where it is "
            "shuffled: %s cannot share them.",
            count - kept,
            count,
            " on ".join(who) or "a step",
        )


def least_batch(model: Any) -> int:
    """How many images each device needs in a step: one for each update of D."""
    return getattr(model, "d_steps", 1) * getattr(model, "batches_per_update", 1)


def check_batch_size(model: Any, size: int, devices: int) -> None:
    """Raise `ValueError` for batches that the devices, or the updates of a step, cannot share."""
    least = least_batch(model)
    if not size:
        raise ValueError("The first batch of the data holds no images.")
    if size < least:
        raise ValueError(
            f"A batch of {size} cannot be split for {_updates(model, least)}: load the data with "
            f"the batch size of one update times {least}."
        )
    if size % devices or size < least * devices:
        raise ValueError(
            f"A batch of {size} cannot be shared among {devices} devices: use a batch size that is "
            f"a multiple of {least * devices}."
        )


def _updates(model, least):
    return f"d_steps={least}" if getattr(model, "batches_per_update", 1) == 1 else "D and G"


class Collated:
    """The `collate_fn` of a torch DataLoader whose dictionaries Keras takes: tuples of one.

    Args:
        collate: the loader's own.
    """

    def __init__(self, collate: Callable[[Any], Any]):
        self.collate = collate

    def __call__(self, samples: Any) -> Any:
        batch = self.collate(samples)
        if not isinstance(batch, dict):
            return batch
        return ({key: x for key, x in batch.items() if hasattr(x, "shape")},)


def chosen(model: Any, batch: Any) -> Any:
    """The entries for the model, of a batch (or its form) that is a dictionary; others as they are.

    Returns:
        A dictionary of "image", and "label" for models that take labels.
    """
    found = batch[0] if isinstance(batch, (tuple, list)) and len(batch) == 1 else batch
    if not isinstance(found, dict):
        return batch
    if model.learns_from in _IMAGES_ONLY:
        raise ValueError(
            f"The batches are dictionaries of {', '.join(found)}, and the model learns from "
            f"{model.learns_from}: map them to tuples of images first."
        )
    entries = {"image": _entry(found, "image", 4)}
    if model.label_count is not None:
        entries["label"] = _entry(found, "label", 1)
    return entries


def _entry(batch, name, rank):
    """The entry of a name, or the only one of its rank (labels: of integers)."""
    found = [key for key, x in batch.items() if len(getattr(x, "shape", ())) == rank]
    found = [key for key in found if rank > 1 or "int" in str(batch[key].dtype)]
    named = [key for key in found if key in (name, f"{name}s")] or found
    if len(named) != 1:
        raise ValueError(
            f"The batches are dictionaries of {', '.join(map(str, batch))}, of which "
            f"{' and '.join(map(str, named)) or 'none'} may be the {name}s: map them to (images, "
            "labels) first."
        )
    return batch[named[0]]


def _scaled(x):
    """uint8 images in [-1, 1]; all else as it is."""
    return from_uint8(host(x)) if len(x.shape) == 4 and "uint8" in str(x.dtype) else x


def host(x: Any) -> np.ndarray:
    """A tensor of a batch, of whatever library, as a NumPy array."""
    return x if isinstance(x, np.ndarray) else np.asarray(ops.convert_to_numpy(x))


def as_fit_gives_it(batch: Any) -> Any:
    """A batch of tensors without empty parts at its end.

    Keras's `train_on_batch` hands over arrays of NumPy, and None for labels and sample weights
    that there are not.
    """
    if isinstance(batch, (tuple, list)):
        batch = tuple(batch)
        while len(batch) > 1 and batch[-1] is None:
            batch = batch[:-1]
    return tree.map_structure(lambda x: x if x is None else ops.convert_to_tensor(x), batch)
