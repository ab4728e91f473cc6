"""Data sets of TensorFlow Datasets packed as plain arrays, for machines without TensorFlow.

A packed data set is one `.npz` of an array per feature and split, such as `image_train` (uint8),
`style_train` (int32), `codepoint_train` (text), and a JSON text, `packed`, that says what they are.
It lies at `DATA_DIR/NAME.npz`, where `keras_gans.data.load` finds it by the data set's name.
"""

import json
import pathlib
import sys
from collections.abc import Iterable, Iterator, Sequence

import keras
import numpy as np

from keras_gans.data.checks import check_labels, check_size
from keras_gans.data.images import first_line, fit_image
from keras_gans.data.sources import Options, Source, in_memory, split_slice
from keras_gans.data.tfds import TfdsExamples, open_builder
from keras_gans.errors import nearest
from keras_gans.files import replacing
from keras_gans.typing import Any, PathLike

FORMAT = 1
PACKED = "packed"


def packed_file(name: object, data_dir: PathLike | None) -> pathlib.Path | None:
    """The path of a packed data set, or None where there is none."""
    if data_dir is None:
        return None
    path = _file_of(name, pathlib.Path(data_dir).expanduser())
    return path if path.is_file() else None


def _file_of(name, folder):
    """Without the version: "cifar10:3.0.2" is in cifar10.npz."""
    return folder / f"{str(name).partition(':')[0]}.npz"


def pack(
    name: str,
    out: PathLike,
    data_dir: PathLike | None = None,
    image_size: int | tuple[int, int] | None = None,
    num: int | None = None,
    overwrite: bool = False,
    download: bool = False,
) -> pathlib.Path:
    """Write a data set of TensorFlow Datasets as one file of arrays.

    Every split and every feature that is an image, a label or a text; images in full, as uint8.

    Args:
        name: its name, such as `"cifar10"` or `"emoji_styles/128"`.
        out: folder; the file is `out/NAME.npz`.
        data_dir, download: see `keras_gans.data.load`.
        image_size: integer or (height, width) to crop and resize to; None keeps the images' own.
        num: integer, images of each split at most; None for all.
        overwrite: bool, whether a file that is there may be replaced.

    Returns:
        Path of the file.

    Raises:
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: no such data set, or images of several sizes without `image_size`.
        FileNotFoundError, ImportError: as `keras_gans.data.load`.
    """
    size = check_size(image_size)
    if num is not None and num < 1:
        raise ValueError(f"num is {num}; expected 1 or more.")
    path = _file_of(name, pathlib.Path(out))
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: pass overwrite=True to replace it.")
    source = TfdsExamples(open_builder(name, data_dir, download))
    about = {"format": FORMAT, "name": name, **source.describe()}
    about["splits"], arrays = {}, {}
    for split, count in source.splits.items():
        if not count:
            continue
        count = min(count, num or count)
        verbose = 1 if sys.stdout.isatty() else 2  # 2: a line at the end
        bar = keras.utils.Progbar(count, unit_name=f"{split} image", verbose=verbose)
        found = {key: [] for key in about["features"]}
        for i, example in enumerate(source.examples(f"{split}[:{count}]", list(found))):
            for key, feature in about["features"].items():
                found[key].append(_value(example[key], feature["kind"], size))
            if i % 100 == 99 or i + 1 == count:
                bar.update(i + 1)
        for key, values in found.items():
            arrays[f"{key}_{split}"] = _stacked(values, key, name)
        about["splits"][split] = count
    arrays[PACKED] = np.array(json.dumps(about))
    size = sum(a.nbytes for a in arrays.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, suffix=".npz", size=size) as temporary:
        np.savez_compressed(temporary, **arrays)
    return path


def _value(value, kind, size):
    if kind == "text":
        return value.decode() if isinstance(value, bytes) else str(value)
    if kind == "label":
        return int(value)
    return fit_image(value, size) if size is not None else value


def _stacked(values, key, name):
    if isinstance(values[0], np.ndarray):
        if len({v.shape for v in values}) > 1:
            raise ValueError(f"The images {key!r} of {name} differ in size: give an image_size.")
        return np.stack(values)
    array = np.array(values)
    if array.dtype.kind == "i" and np.abs(array).max() < 2**31:
        return array.astype("int32")
    return array


class PackedExamples:
    """A packed data set, read; what `keras_gans.data.tfds.TfdsExamples` is for an unpacked one.

    Args:
        path: the `.npz`.

    Raises:
        ValueError: it is damaged, or no packed data set.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        try:
            # A pickle could run code: never allowed.
            self._file = np.load(path, allow_pickle=False)
            self.about: dict[str, Any] = json.loads(str(self._file[PACKED]))
            self.splits: dict[str, int] = self.about["splits"]
            self.name: str = self.about["name"]
            features = self.about["features"]
            self.features: dict[str, Any] = {k: _Feature(**f) for k, f in features.items()}
            self._check()
        except Exception as error:  # NumPy, zipfile and json raise many types over damaged bytes
            raise ValueError(
                f"{path} is not a packed data set ({first_line(error)}): write it with keras-gans "
                "pack."
            ) from None
        if self.about.get("format") != FORMAT:
            raise ValueError(
                f"{path} has format {self.about.get('format')!r}, this version of keras_gans reads "
                f"{FORMAT}: pack the data again."
            )

    def _check(self):
        """Raise where the description, which anyone may have written, contradicts itself."""
        for split, count in self.splits.items():
            if not isinstance(count, int) or count < 1:
                raise ValueError(f"{count!r} examples in {split!r}")
        for kind in ("image", "label"):
            key = self.about[kind]
            if key is not None and self.features[key].kind != kind:
                raise ValueError(f"{key!r} is no {kind}")

    def array(self, key: str, split: str) -> np.ndarray:
        """A feature's array in a split such as "train" or "test[:100]"."""
        name, part = split_slice(split, self.splits, self.path)
        try:
            array = self._file[f"{key}_{name}"]
            self.features[key].check(array, self.splits[name])
        except Exception as error:
            raise ValueError(
                f"{self.path} is damaged ({first_line(error)}): pack it again."
            ) from None
        return array[part]

    def examples(self, split: str, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Iterates over the examples of a split, dictionaries of `keys`."""
        columns = [self.array(key, split) for key in keys]
        for values in zip(*columns, strict=True):
            pairs = zip(keys, values, strict=True)
            yield {k: v.encode() if isinstance(v, str) else v for k, v in pairs}


class _Feature:
    def __init__(self, kind: str, names: Iterable[Any] | None = None):
        self.kind = kind
        if names is not None:
            self.names = [str(name) for name in names]

    def check(self, array: np.ndarray, count: int) -> None:
        """Raise `ValueError` where an array is not `count` values of this kind."""
        kinds, ndim = {"image": ("u", 4), "label": ("iu", 1), "text": ("U", 1)}[self.kind]
        good = array.dtype.kind in kinds and array.ndim == ndim and len(array) == count
        if good and self.kind == "image":
            good = array.dtype == np.uint8 and array.shape[-1] in (1, 3) and 0 not in array.shape
        if not good:
            raise ValueError(
                f"{array.dtype} of shape {array.shape} where {count} values of the kind "
                f"{self.kind!r} are announced"
            )
        # -1: tfds's mark of an image without a label.
        if hasattr(self, "names") and not -1 <= array.min() <= array.max() < len(self.names):
            raise ValueError(f"labels beyond the {len(self.names)} names")


def packed_source(path: pathlib.Path, options: Options) -> Source:
    """The `Source` of a packed data set; the same choices as for an unpacked one."""
    packed = PackedExamples(path)
    of_kind = {
        kind: [k for k, f in packed.features.items() if f.kind == kind]
        for kind in ("image", "label")
    }
    chosen = {}
    for kind, default, wanted in (
        ("image", packed.about["image"], options.image_key),
        ("label", packed.about["label"], options.label_name),
    ):
        known = of_kind[kind]
        if wanted is not None and wanted not in known:
            raise ValueError(
                f"{path} has no {kind} {wanted!r}{nearest(wanted, known)}; it has "
                f"{', '.join(known)}."
            )
        chosen[kind] = wanted or default
    if chosen["image"] is None:
        raise ValueError(
            f"{path} has the images {', '.join(of_kind['image'])}: choose with image_key=."
        )
    label = chosen["label"] if options.labels else None
    if options.labels is True and label is None:
        choices = " or ".join(f"labels={key!r}" for key in of_kind["label"])
        raise ValueError(
            f"{path} has several labels: choose {choices}." if choices else f"{path} has no labels."
        )
    images, labels = packed.array(chosen["image"], options.split), None
    if label is not None:
        labels = packed.array(label, options.split)
        labels = check_labels(labels, len(images), f"The labels in {path}")
    return in_memory(
        packed.name,
        images,
        options,
        labels=labels,
        class_names=None if label is None else getattr(packed.features[label], "names", None),
    )
