"""The real side of metrics: one pass over any form of data, and a cache of it on the disk."""

import hashlib
import json
import pathlib
import re

import keras
import numpy as np
from absl import logging

from keras_gans.data.order import epoch_key_of
from keras_gans.metrics.features import Features
from keras_gans.metrics.neighbours import PRDC

_FORMAT = 1  # of the cache: files of another one are never looked at
_SEED = 0  # of which real images PRDC looks at


def cache_folder(cache_dir=None):
    """The folder of cached references: `cache_dir`, or `statistics` in the user's folder.

    The user's folder is `KERAS_GANS_HOME`, or `keras_gans` in `KERAS_HOME` or `~/.keras`.
    """
    from keras_gans.zoo import store

    if cache_dir is not None:
        return pathlib.Path(cache_dir).expanduser()
    return store.cache_folder().parent / "statistics"


class RealImages:
    """Real images batch by batch, from an array or a dataset, the same ones at every pass.

    Args:
        data: images (N, H, W, C), uint8 or floats in [-1, 1]; or a finite `tf.data.Dataset` or
            `keras.utils.PyDataset` of such batches, or of tuples that begin with them. Of a
            `keras_gans.data.ArrayDataset` all images are read, without augmentation; other
            datasets should have none, and be loaded with `drop_remainder=False`.
        batch_size: integer, images of a batch from an array.

    Attributes:
        shape: (H, W, C) of the images.
        count: number of images, or None where only a pass can tell.

    Raises:
        ValueError: another form of data, or a dataset without an end.
    """

    def __init__(self, data, batch_size=64):
        self.data, self.batch_size = data, batch_size
        self.images = self.count = None
        if isinstance(data, (tuple, list)) and len(data) == 2:
            data = data[0]  # (images, labels)
        images = getattr(data, "images", data)
        if getattr(images, "ndim", None) in (3, 4):
            self.images = np.asarray(images)
            self.count = len(self.images)
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
        self.shape = tuple(int(n) if n else None for n in self.shape)
        if len(self.shape) == 2:
            self.shape = (*self.shape, 1)

    def __iter__(self):
        if self.images is not None:
            for start in range(0, len(self.images), self.batch_size):
                yield self.images[start : start + self.batch_size]
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
                yield np.asarray(_first(batch))
        finally:
            if key is not None:
                key.epoch = epoch

    def fingerprint(self):
        """SHA-256 over all images, whatever their order and batches."""
        total, count, kind = 0, 0, ""
        for batch in self:
            for image in np.ascontiguousarray(batch):
                total += int.from_bytes(hashlib.sha256(image.tobytes()).digest(), "big")
            count, kind = count + len(batch), f"{batch.dtype.str}{self.shape}"
        text = f"{total % 2**256:x} {count} {kind}"
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def length(self):
        """Images, or batches of a dataset; None where not even these are known."""
        try:
            return self.count or len(self.data)
        except TypeError:
            return None


def _first(batch):
    return keras.tree.flatten(batch)[0]


def fill(
    metrics,
    network,
    data,
    keep=None,
    name=None,
    split=None,
    batch_size=64,
    cache_dir=None,
    progress=None,
):
    """Give metrics their real side: from the cache where it is there, else in one pass.

    Args:
        metrics: list of metrics over `network`, without real images yet.
        network: `FeatureNetwork`; one without a checksum is not cached.
        data: see `RealImages`.
        keep: integer, real images that `PRDC` looks at, drawn with a fixed seed: the balls of its
            two sides are comparable only where there are as many. None for all.
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
    if cache_dir is not False and network.checksum is not None:
        paths = _paths(metrics, network, images, keep, name, split, cache_folder(cache_dir))
    cached = [metric for metric in metrics if _load(metric, paths.get(metric))]
    missing = [metric for metric in metrics if metric not in cached]
    if missing:
        logging.info("Measuring the real images for %s.", ", ".join(m.name for m in missing))
        _measure(missing, network, images, keep, progress)
    for metric in missing:
        if metric in paths:
            try:
                metric.save(paths[metric], ("real",))
            except OSError as error:
                logging.warning("The statistics of the real images are not cached. %s", error)
    return [metric.name for metric in cached]


def _measure(metrics, network, images, keep, progress):
    samples = {m: _Sample(keep) for m in metrics if isinstance(m, PRDC) and keep is not None}
    done = 0
    for batch in images:
        if not len(batch):
            continue
        outputs = network(batch)
        for metric in metrics:
            if metric in samples:
                samples[metric].add(outputs)
            else:
                metric.take("real", outputs)
        done += len(batch)
        if progress is not None:
            progress(done)
    if not done:
        raise ValueError("There are no real images in the data: the reference needs some.")
    for metric, sample in samples.items():
        metric.take("real", Features(np.stack(sample.rows), None, sample.lowest))


class _Sample:
    """Rows of features drawn uniformly from a stream of unknown length.

    Vitter, Random Sampling with a Reservoir, ACM TOMS 1985, Algorithm R.
    """

    def __init__(self, size):
        self.size, self.seen, self.rows, self.lowest = size, 0, [], None
        self.random = np.random.default_rng(_SEED)

    def add(self, outputs):
        if outputs.lowest is not None:
            self.lowest = min(outputs.lowest, np.inf if self.lowest is None else self.lowest)
        for row in outputs.features:
            self.seen += 1
            if len(self.rows) < self.size:
                self.rows.append(row.copy())
                continue
            place = int(self.random.integers(self.seen))
            if place < self.size:
                self.rows[place] = row.copy()


def _paths(metrics, network, images, keep, name, split, folder):
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
        "preprocess": getattr(network.preprocess, "__qualname__", str(network.preprocess)),
        "outputs": [str(tuple(x.shape)) for x in keras.tree.flatten(outputs) if x is not None],
    }
    of_data = {"images": images.shape, "split": split}
    if name is None:
        of_data["fingerprint"] = images.fingerprint()
    else:
        of_data |= {"name": name, "length": images.length}
    paths = {}
    for metric in metrics:
        of_metric = {"metric": type(metric).__name__, "format": _FORMAT}
        if isinstance(metric, PRDC):
            of_metric["keep"] = keep
        key = json.dumps({**of_network, **of_data, **of_metric}, sort_keys=True)
        digest = hashlib.sha256(key.encode()).hexdigest()[:24]
        readable = "-".join(str(v) for v in (name or split or "images", metric.name))
        readable = re.sub(r"[^A-Za-z0-9_]+", "-", readable)[:80]
        paths[metric] = folder / f"{readable}-{digest}.npz"
    return paths


def _load(metric, path):
    """Whether the real side of a metric could be read."""
    if path is None or not path.is_file():
        return False
    try:
        metric.load(path)
        metric.need("real")
        return True
    except Exception as error:  # whatever is wrong with the file, the images are there
        metric.reset_state()
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        logging.warning(
            "The cached statistics %s cannot be used (%s): the real images are measured again.",
            path,
            reason,
        )
        return False
