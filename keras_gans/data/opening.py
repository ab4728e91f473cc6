"""From what a caller names to what opens it: the one table of the kinds of data there are."""

import functools
import pathlib
from collections.abc import Callable

from keras_gans import registry
from keras_gans.data.array_files import array_file
from keras_gans.data.finding import IMAGE_SUFFIXES, has_images, without_images
from keras_gans.data.image_folders import image_folder
from keras_gans.data.packing import PackedExamples, packed_file
from keras_gans.data.sources import Options, Source, with_class_names
from keras_gans.data.tfds import TfdsExamples, open_builder, open_tfds
from keras_gans.typing import PathLike


def opener(
    name_or_path: PathLike, data_dir: PathLike | None = None
) -> Callable[[Options], Source] | None:
    """A function of `Options` that gives the `Source` of what is named.

    Args:
        name_or_path: a declared data set, an array file or a folder of images.
        data_dir: folder where files and folders are looked for too.

    Returns:
        The function; None for any other name, which may be one of TensorFlow Datasets.

    Raises:
        ValueError, FileNotFoundError: a file of another kind, a path that does not exist.
    """
    name = str(name_or_path)
    if name in registry.all("data set"):
        return registry.get("data set", name).value
    path = path_of(name, data_dir)
    if path.suffix.lower() in (".npz", ".npy"):
        return functools.partial(array_file, path)
    if path.suffix.lower() == ".zip" or has_images(path):
        return functools.partial(image_folder, path)
    if path.exists() and not path.is_dir():
        raise ValueError(
            f"{path} is no data set: it must be a folder of images, a .zip of one, an .npz or an "
            ".npy file."
        )
    if path.is_absolute() or name.startswith((".", "~")) or name.endswith(("/", "\\")):
        found = without_images(path) if path.is_dir() else f"{path} does not exist"
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise FileNotFoundError(
            f"{found}: expected a folder of images ({kinds}), .zip, .npz or .npy."
        )
    return None


def open_source(name: str, data_dir: PathLike | None, download: bool, options: Options) -> Source:
    """The `Source` of a name, a file or a folder; arguments as in `load`, and `Options`."""
    found = opener(name, data_dir)
    source = found(options) if found else open_tfds(name, data_dir, download, options)
    return with_class_names(source, options.class_names)


def open_examples(
    name: str, data_dir: PathLike | None, download: bool = False
) -> PackedExamples | TfdsExamples:
    """The examples of a data set, packed or not; arguments and errors as in `open_builder`."""
    packed = packed_file(name, data_dir)
    if packed is not None:
        return PackedExamples(packed)
    return TfdsExamples(open_builder(name, data_dir, download))


def path_of(name: str, data_dir: PathLike | None) -> pathlib.Path:
    """The file or folder that a name stands for, should it be one; in `data_dir`, or here."""
    return pathlib.Path(_in_data_dir(name, data_dir)).expanduser()


def _in_data_dir(name, data_dir):
    """`data_dir/name` where that is an array file, a packed data set or a folder, else `name`."""
    if data_dir is None:
        return name
    path = pathlib.Path(data_dir).expanduser() / name
    if path.is_file() or has_images(path):
        return str(path)
    return str(packed_file(name, data_dir) or name)
