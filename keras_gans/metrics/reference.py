"""The real side of metrics: one pass over any form of data, and a cache of it on the disk."""

import hashlib
import json
import pathlib
import re
import sys
from collections.abc import Iterator, Sequence

import keras
import numpy as np
from absl import logging

from keras_gans.data.order import epoch_key_of
from keras_gans.files import user_folder
from keras_gans.metrics.features import Features
from keras_gans.metrics.sources import Batch
from keras_gans.typing import Any, PathLike, Tensor

_FORMAT = 2  # of the cache: files of another one are never looked at
_SEED = 0  # of which real images are looked at, where not all are


def cache_folder(cache_dir: PathLike | None = None) -> pathlib.Path:
    """The folder of cached references: `cache_dir`, or `statistics` in `files.user_folder()`."""
    if cache_dir is not None:
        return pathlib.Path(cache_dir).expanduser()
    return user_folder() / "statistics"


class RealImages:
    """Real images batch by batch, from an array or a dataset, the same ones at every pass.

    Args:
        data: images (N, H, W, C), uint8 or floats in [-1, 1], or a pair of them and their labels,
            integers (N,); or a finite `tf.data.Dataset` or `keras.utils.PyDataset` of such batches,
            or of tuples that begin with them. Of a `keras_gans.data.ArrayDataset` all
            images are read, without augmentation; other datasets should have none, and be loaded
            with `drop_remainder=False`.
        batch_size: integer, images of a batch from an array.

    Attributes:
        shape: (H, W, C) of the images.
        count: number of images, or None where only a pass can tell.

    Raises:
        ValueError: another form of data, or a dataset without an end.
    """

    def __init__(self, data: Any, batch_size: int = 64):
        self.data = data
        self.batch_size = batch_size
        self.images = self.count = None
        self.labels = getattr(data, "labels", None)
        if isinstance(data, (tuple, list)) and len(data) == 2:
            data, self.labels = data
        self.labels: np.ndarray | None = _integers(self.labels)
        images = getattr(data, "images", data)
        if getattr(images, "ndim", None) in (3, 4):
            self.images: np.ndarray = np.asarray(images)
            self.count: int = len(self.images)
            self.shape = self.images.shape[1:]
        elif hasattr(data, "element_spec"):
            if int(data.cardinality()) == -1:
                raise ValueError("The real images have no end: use the dataset before .repeat().")
            self.shape = tuple(_first(data.element_spec).shape[1:])
        elif isinstance(data, keras.utils.PyDataset) and len(data):
            self.shape = np.shape(_first(data[0]))[1:]
        else:
            raise ValueError(
                f"The real images are a {type(data).__name__}; an array (N, H, W, C), a "
                "tf.data.Dataset or a PyDataset is wanted."
            )
        key = epoch_key_of(data)
        if key is not None and key.part[1] > 1:
            raise ValueError(
                "The real images are one process's part of each batch: load them with part=(0, 1)."
            )
        self.shape = tuple(int(n) if n else None for n in self.shape)
        if len(self.shape) == 2:
            self.shape = (*self.shape, 1)

    def __iter__(self) -> Iterator[Any]:
        """Pairs of images and labels, or of images and None."""
        if self.images is not None:
            for start in range(0, len(self.images), self.batch_size):
                part = slice(start, start + self.batch_size)
                yield self.images[part], None if self.labels is None else self.labels[part]
            return
        # A dataset whose order is keyed by the epoch counts its passes: this is none of training's.
        key = epoch_key_of(self.data)
        epoch = None if key is None else key.epoch
        if key is not None:
            key.epoch = 0
        try:
            indices = isinstance(self.data, keras.utils.PyDataset)
            batches = (self.data[i] for i in range(len(self.data))) if indices else self.data
            for batch in batches:
                images, *beside = (np.asarray(x) for x in keras.tree.flatten(batch))
                yield images, _integers(beside[0]) if len(beside) == 1 else None
        finally:
            if key is not None:
                key.epoch = epoch

    def fingerprint(self) -> str:
        """SHA-256 over all images with their labels, whatever their order and batches."""
        total, count, kind = 0, 0, ""
        for images, labels in self:
            labels = [b""] * len(images) if labels is None else [b"%d" % n for n in labels]
            for image, label in zip(np.ascontiguousarray(images), labels, strict=True):
                digest = hashlib.sha256(image.tobytes() + label).digest()
                total += int.from_bytes(digest, "big")
            count, kind = count + len(images), f"{images.dtype.str}{self.shape}"
        text = f"{total % 2**256:x} {count} {kind}"
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def length(self) -> int | None:
        """Images, or batches of a dataset; None where not even these are known."""
        try:
            return self.count or len(self.data)
        except TypeError:
            return None


def _integers(labels):
    """Labels that are the class of each image, integers (N,), or None."""
    if labels is None:
        return None
    labels = np.asarray(labels)
    return labels if labels.ndim == 1 and labels.dtype.kind in "iu" else None


def _first(batch):
    return keras.tree.flatten(batch)[0]


def fill(
    metrics: Sequence[Any],
    network: Any,
    data: Any,
    side: str = "real",
    samples: int | None = None,
    name: str | None = None,
    split: str | None = None,
    batch_size: int = 64,
    cache_dir: PathLike | None = None,
    progress: Any = None,
) -> list[str]:
    """Give metrics a side of real images: from the cache where it is there, else in one pass.

    Args:
        metrics: list of metrics over `network`, without images of that side yet.
        network: `FeatureNetwork`; nothing is cached of one without a checksum, or whose
            `preprocess` has no name of its own: a lambda, a partial, a function of a script.
        data: see `RealImages`.
        side: "real" or "held_out".
        samples: integer, how many images will be generated. A metric that needs no more real images
            beside so many (`most_real`) gets some that are drawn with a fixed seed; None for all.
        name: name of the data that the cache goes by, such as "cifar10"; it is trusted. None goes
            by the images themselves, which takes a look at all of them each time (the network,
            which takes longer, runs only once).
        split: name of the reference set; part of the key.
        batch_size: integer, images of a batch from an array.
        cache_dir: see `cache_folder`; False for no cache.
        progress: function of the number of images done, or None.

    Returns:
        Names of the metrics whose real side came from the cache.
    """
    images = RealImages(data, batch_size)
    paths = {}
    if cache_dir is not False and _name_of(network.preprocess) and network.checksum is not None:
        folder = cache_folder(cache_dir)
        paths = _paths(metrics, network, images, side, samples, name, split, folder)
    cached = [metric for metric in metrics if _load(metric, side, paths.get(metric))]
    missing = [metric for metric in metrics if metric not in cached]
    if missing:
        logging.info("Measuring the real images for %s.", ", ".join(m.name for m in missing))
        _measure(missing, network, images, side, samples, progress)
    for metric in missing:
        if metric in paths:
            try:
                metric.save(paths[metric], (side,))
            except OSError as error:
                logging.warning("The statistics of the real images are not cached. %s", error)
    return [metric.name for metric in cached]


def _most(metric, samples):
    return None if samples is None else metric.most_real(samples)


def _measure(metrics, network, images, side, samples, progress):
    drawn = {m: _Sample(_most(m, samples)) for m in metrics if _most(m, samples) is not None}
    done = 0
    for batch, labels in images:
        if not len(batch):
            continue
        outputs = network(batch)
        for metric in metrics:
            if metric in drawn:
                drawn[metric].add(outputs, labels)
            else:
                metric.see(side, Batch(batch, labels, None, done), outputs)
        done += len(batch)
        if progress is not None:
            progress(done)
    if not done:
        raise ValueError("There are no real images in the data: the reference needs some.")
    for metric, sample in drawn.items():
        labels = None if None in sample.labels else np.asarray(sample.labels)
        outputs = Features(np.stack(sample.rows), None, sample.lowest)
        metric.see(side, Batch(None, labels), outputs)


class _Sample:
    """Rows of features drawn uniformly from a stream of unknown length.

    Vitter, Random Sampling with a Reservoir, ACM TOMS 1985, Algorithm R.
    """

    def __init__(self, size: int):
        self.size, self.seen, self.rows, self.labels, self.lowest = size, 0, [], [], None
        self.random = np.random.default_rng(_SEED)

    def add(self, outputs: Tensor, labels: Tensor) -> None:
        if outputs.lowest is not None:
            self.lowest = min(outputs.lowest, np.inf if self.lowest is None else self.lowest)
        for i, row in enumerate(outputs.features):
            label = None if labels is None else labels[i]
            self.seen += 1
            if len(self.rows) < self.size:
                self.rows.append(row.copy())
                self.labels.append(label)
                continue
            place = int(self.random.integers(self.seen))
            if place < self.size:
                self.rows[place], self.labels[place] = row.copy(), label


def _paths(metrics, network, images, side, samples, name, split, folder):
    """Metric -> path of its file, whose name is a digest of all that the numbers depend on."""
    outputs = getattr(network.model, "output", None)
    of_network = {
        "network": network.name,
        "checksum": network.checksum,
        "size": network.size,
        "resize": network.resize,
        "range": network.input_range,
        "quantize": network.quantize,
        "channels": network.channels,
        "preprocess": _name_of(network.preprocess),
        "outputs": [str(tuple(x.shape)) for x in keras.tree.flatten(outputs) if x is not None],
    }
    of_data = {"images": images.shape, "split": split, "side": side}
    if name is None:
        of_data["fingerprint"] = images.fingerprint()
    else:
        of_data |= {"name": name, "length": images.length}
    paths = {}
    for metric in metrics:
        of_metric = {"metric": type(metric).__name__, "format": _FORMAT}
        of_metric["most"] = _most(metric, samples)
        key = json.dumps({**of_network, **of_data, **of_metric}, sort_keys=True)
        digest = hashlib.sha256(key.encode()).hexdigest()[:24]
        readable = "-".join(str(v) for v in (name or split or "images", metric.name))
        readable = re.sub(r"[^A-Za-z0-9_]+", "-", readable)[:80]
        paths[metric] = folder / f"{readable}-{digest}.npz"
    return paths


def _name_of(function):
    """What tells a function from all others in every process, or None; "None" of None."""
    if function is None:
        return "None"
    module, name = (getattr(function, key, None) for key in ("__module__", "__name__"))
    # Lambdas, closures and the results of decorators may share a name, and scripts a module.
    found = getattr(sys.modules.get(module), name or "", None)
    return f"{module}.{name}" if found is function and module != "__main__" else None


def _load(metric, side, path):
    """Whether a side of a metric could be read."""
    if path is None or not path.is_file():
        return False
    try:
        metric.load(path)
        metric.need(side)
        return True
    except Exception as error:  # whatever is wrong with the file, the images are there
        metric.reset_side(side)
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        logging.warning(
            "The cached statistics %s cannot be used (%s): the real images are measured again.",
            path,
            reason,
        )
        return False
