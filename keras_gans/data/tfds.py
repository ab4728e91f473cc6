"""Any data set of TensorFlow Datasets as a `Source`."""

import contextlib
import logging
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from keras_gans import registry
from keras_gans.data.finding import without_images
from keras_gans.data.images import first_line, fit_image
from keras_gans.data.sources import NoSplit, Options, Source
from keras_gans.errors import nearest
from keras_gans.typing import Any, PathLike


def open_tfds(name: str, data_dir: PathLike | None, download: bool, options: Options) -> Source:
    """The `Source` of a data set of TensorFlow Datasets.

    Args:
        name: `"cifar10"`, `"emoji_styles/64"`, `"cifar10:3.0.2"`.
        data_dir: the folder that holds it, or None for tfds's own (`~/tensorflow_datasets`).
        download: bool, whether it may be downloaded where it is missing.
        options: `Options`.

    Raises:
        ImportError: tensorflow-datasets is not installed.
        ValueError: no such data set, split, image or label.
        FileNotFoundError: it is not in `data_dir` and could not be, or was not to be, downloaded.
    """
    builder = open_builder(name, data_dir, download)
    try:
        n = builder.info.splits[options.split].num_examples
    except (KeyError, ValueError):
        splits = ", ".join(sorted(builder.info.splits))
        raise NoSplit(
            f"{name} has no split {options.split!r}; its splits: {splits} "
            '(or a part, such as "train[:80%]").'
        ) from None
    if not n:
        raise ValueError(f"{name}: the split {options.split!r} selects no images.")
    image_key = _image_key(name, builder.info.features, options.image_key)
    label_key = _label_key(name, builder.info, options.labels)
    stored = tuple(builder.info.features[image_key].shape)
    size, channels = options.size or stored[:2], options.channels or stored[-1]
    if None in size or channels is None:
        raise ValueError(f"The images of {name} differ in size: pass image_size= and channels=.")
    if stored[-1] not in (1, 3, None):
        raise ValueError(f"The images of {name} have {stored[-1]} channels; expected 1 or 3.")
    shape = (*size, channels)

    def fit(image):
        return fit_image(image, size, options.resize or "bilinear", channels)

    def stream():
        return _examples(builder, options.split, image_key, label_key, shape, fit)

    feature = builder.info.features[label_key] if label_key else None
    source = Source(name, n, shape, class_names=getattr(feature, "names", None))
    if not options.fits(n, shape):
        source.stream = stream
        return source
    source.images = np.empty((n, *shape), "uint8")
    labels = np.empty(n, "int32")
    end = 0
    for images, some in _in_order(*stream()).batch(256).as_numpy_iterator():
        start, end = end, end + len(images)
        source.images[start:end], labels[start:end] = images, some
    if end != n:
        raise ValueError(f"{name} announces {n} images in {options.split!r} and holds {end}.")
    source.labels = labels if label_key else None
    return source


class TfdsExamples:
    """A data set's features, and its examples one by one, decoded.

    Args:
        builder: of TensorFlow Datasets, prepared.

    Attributes:
        name: its name.
        features: dictionary, name -> feature; that of a label has `names`.
        splits: dictionary, name of a split -> its number of examples.
    """

    def __init__(self, builder: Any):
        self._builder = builder
        self.name: str = builder.name
        self.features: Any = builder.info.features
        splits = builder.info.splits
        self.splits: dict[str, int] = {name: s.num_examples for name, s in splits.items()}

    def examples(self, split: str, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Iterates over the examples of a split, dictionaries of `keys`."""
        if split.partition("[")[0] not in self.splits:
            raise NoSplit(
                f"{self.name} has no split {split!r}; its splits: {', '.join(sorted(self.splits))} "
                '(or a part, such as "train[:80%]").'
            )
        return _decoded(self._builder, split, keys).as_numpy_iterator()

    def describe(self) -> dict[str, Any]:
        """What a packed copy has to say: the kinds of features, and the choices made by default."""
        from tensorflow_datasets.core import features

        kinds = {}
        for key, feature in self.features.items():
            if isinstance(feature, features.Image):
                if feature.np_dtype == np.uint8:
                    kinds[key] = {"kind": "image"}
            elif isinstance(feature, features.ClassLabel):
                kinds[key] = {"kind": "label", "names": list(feature.names)}
            elif isinstance(feature, features.Text):
                kinds[key] = {"kind": "text"}
            elif feature.shape == () and np.issubdtype(feature.np_dtype, np.integer):
                kinds[key] = {"kind": "label"}
        if not any(f["kind"] == "image" for f in kinds.values()):
            raise ValueError(f"{self.name} has no uint8 images: there is nothing to pack.")
        chosen = {"features": kinds, "image": None, "label": None}
        # None where there are several, or none: a reader has to say which.
        with contextlib.suppress(ValueError):
            chosen["image"] = _image_key(self.name, self.features, None)
        with contextlib.suppress(ValueError):
            chosen["label"] = _label_key(self.name, self._builder.info, True)
        return chosen


def _decoded(builder, split, keys, encoded=None):
    """A split as a `tf.data.Dataset` of dictionaries of `keys`, in an order that never changes.

    The image named `encoded` is left as it is stored.
    """
    import tensorflow_datasets as tfds

    left = {encoded: tfds.decode.SkipDecoding()} if encoded else None

    # tfds calls a deprecated name of its own.
    with without_log("`FeatureConnector.dtype` is deprecated"):
        return builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders=tfds.decode.PartialDecoding(dict.fromkeys(keys, True), decoders=left),
            read_config=tfds.ReadConfig(try_autocache=False),
        )


def _examples(builder, split, image_key, label_key, shape, fit):
    """(Encoded examples in an order that never changes, how to decode one).

    Decoded they are (uint8 image, int32 label or 0).
    """
    import tensorflow as tf

    keys = [key for key in (image_key, label_key) if key]
    examples = _decoded(builder, split, keys, encoded=image_key)
    feature = builder.info.features[image_key]

    def decoded(example):
        image = feature.decode_example(example[image_key])
        if tuple(feature.shape) != shape:
            image = tf.numpy_function(fit, [image], tf.uint8, stateful=False)
        label = tf.cast(example[label_key], tf.int32) if label_key else tf.constant(0)
        return tf.ensure_shape(image, shape), label

    return examples, decoded


def _in_order(examples, decoded):
    """The `tf.data.Dataset` of decoded examples."""
    import tensorflow as tf

    return examples.map(decoded, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


@contextlib.contextmanager
def without_log(phrase: str) -> Iterator[None]:
    """Leave out the log lines of tfds that hold `phrase`."""
    logger = logging.getLogger("absl")

    def keep(record):
        return phrase not in record.getMessage()

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


def open_builder(name: str, data_dir: PathLike | None, download: bool = False) -> Any:
    """The prepared builder of a data set; arguments and errors as in `open_tfds`."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            f"{name!r} is no file or folder, and the data sets of TensorFlow Datasets need "
            f"tensorflow-datasets ({first_line(error)}): pip install tensorflow-datasets."
        ) from None
    folder = None if data_dir is None else os.path.abspath(os.path.expanduser(data_dir))
    try:
        # That it is not prepared is for us to say.
        with without_log("has no dataset_info.json"):
            builder = tfds.builder(name, data_dir=folder)
            ready = builder.is_prepared()
    except tfds.core.DatasetNotFoundError:
        raise ValueError(_unknown(name, folder, tfds.list_builders)) from None
    except Exception as error:
        # tfds refuses versions and configs with AssertionError, ValueError and others.
        known = nearest(name, _prepared(folder))
        raise ValueError(f"{name!r} cannot be opened: {first_line(error)}{known}") from None
    if ready:
        return builder
    path = pathlib.Path(builder.data_path)
    where = folder or str(next(p.parent for p in path.parents if p.name == builder.name))
    if not download:
        exists = "" if os.path.isdir(where) else " (there is no such folder)"
        raise FileNotFoundError(
            f"{name} is not in {where}{exists}: pass data_dir= (the folder that holds it), or "
            "download=True to fetch it with TensorFlow Datasets."
        )
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise FileNotFoundError(
            f"{name} is not in {where} and could not be downloaded "
            f"({type(error).__name__}: {first_line(error)}): copy it there, or pass data_dir=."
        ) from None
    return builder


def _unknown(name, folder, list_builders):
    prepared = _prepared(folder)
    own = registry.names("data set")
    known = list(dict.fromkeys([*own, *prepared, *list_builders(with_community_datasets=False)]))
    text = f"Unknown data set {name!r}{nearest(name, known)}: it must be one of the library's own "
    text += f"({', '.join(own)}), a folder of images, an .npz or .npy file, or a name of "
    text += "TensorFlow Datasets"
    if os.path.isdir(name):
        return f"{text}; {without_images(name)}."
    if folder is not None and not os.path.isdir(folder):
        return f"{text}; the folder {folder} does not exist."
    return text + (f"; {folder} holds {', '.join(prepared)}." if prepared else ".")


def _prepared(folder):
    """The names that a data_dir holds, with their configs: "cifar10", "emoji_styles/64"."""
    if folder is None:
        return []
    root = pathlib.Path(folder)
    # name / [config /] version / dataset_info.json
    infos = [*root.glob("*/*/dataset_info.json"), *root.glob("*/*/*/dataset_info.json")]
    return sorted({info.parent.parent.relative_to(root).as_posix() for info in infos})


def _image_key(name, features, wanted):
    from tensorflow_datasets.core.features import Image

    keys = [key for key, feature in features.items() if isinstance(feature, Image)]
    if not keys:
        raise ValueError(f"{name} has no images: its features are {', '.join(features)}.")
    if wanted is None and ("image" in keys or len(keys) == 1):
        wanted = "image" if "image" in keys else keys[0]
    if wanted is None:
        raise ValueError(f"{name} has the images {', '.join(keys)}: choose with image_key=.")
    if wanted not in keys:
        hint = nearest(wanted, keys)
        raise ValueError(f"{name} has no image {wanted!r}{hint}; it has {', '.join(keys)}.")
    if features[wanted].np_dtype != np.uint8:
        dtype = np.dtype(features[wanted].np_dtype).name
        raise ValueError(f"The image {wanted!r} of {name} is {dtype}; expected uint8.")
    return wanted


def _label_key(name, info, wanted):
    if not wanted:
        return None
    features = info.features
    keys = [
        key
        for key, feature in features.items()
        if feature.shape == () and np.issubdtype(feature.np_dtype, np.integer)
    ]
    if not keys:
        raise ValueError(f"{name} has no labels: pass labels=False.")
    if wanted is True:
        supervised = info.supervised_keys or ()
        if len(supervised) > 1 and supervised[1] in keys:
            return supervised[1]
        classes = [key for key in keys if hasattr(features[key], "names")] or keys
        if len(classes) == 1:
            return classes[0]
        choices = " or ".join(f"labels={key!r}" for key in classes)
        raise ValueError(f"{name} has several labels: choose {choices}.")
    if wanted not in keys:
        hint = nearest(wanted, keys)
        raise ValueError(f"{name} has no label {wanted!r}{hint}; it has {', '.join(keys)}.")
    return wanted
