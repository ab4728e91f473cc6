"""Networks as files for serving: SavedModel, `.keras`, ONNX, LiteRT. Keras is imported on use."""

import pathlib
import shutil

from keras_gans import tasks
from keras_gans.files import locked, replacing
from keras_gans.typing import Any, PathLike
from keras_gans.zoo import store

FORMATS = ("saved_model", "keras", "onnx", "litert")
SAVED_MODEL = "saved_model"
SMALL = 3 * 2**20  # bytes of a SavedModel that ships without being asked for, at most


def export(
    entry: Any, out: PathLike | None = None, format: str = "saved_model", overwrite: bool = False
) -> pathlib.Path:
    """Write the network of an entry that makes images in a format that other programs read.

    Args:
        entry: `keras_gans.zoo.ZooEntry` or `keras_gans.zoo.ZooTranslator`, or the name of one.
        out: path to write: a folder for "saved_model", a file for the others. None for a place in
            the user's cache, where it is built once for each version of an entry; a SavedModel that
            came with the entry is taken where it lies.
        format: "saved_model", with the signature `generate(latents)` or `generate(latents,
            labels)`, or of an entry that translates `translate(images)` or `translate(images,
            domains)`, which give the output images, for `tf.saved_model.load` without this library;
            of an entry that generates, written on TensorFlow, `pictures(seed, labels, truncation)`
            too (`pictures(seed, count, truncation)` without classes), which gives uint8 images;
            "keras", which loads on every backend where this library is installed; "onnx", with
            the extra `keras_gans[onnx]`, for ONNX Runtime and others (on JAX another backend has to
            be installed, which writes it); "litert", a `.tflite` file for phones, from TensorFlow,
            of networks that it converts.
        overwrite: bool, whether what is at `out` may be replaced.

    Returns:
        Path of what was written, or was there.

    Raises:
        FileExistsError: there is something at `out`, and `overwrite` is False.
        ValueError: an unknown format, or one that this backend cannot write; without `out`, an
            entry that was loaded with `training=True` or `weights=None`.
        ImportError: "onnx" without the packages that write it.

    Example:

    >>> keras_gans.zoo.export("osgan_digits", "runs/digits.keras", "keras", overwrite=True).name
    'digits.keras'
    """
    if format not in FORMATS:
        raise ValueError(f"Unknown format {format!r}: choose one of {', '.join(FORMATS)}.")
    if isinstance(entry, str):
        from keras_gans.zoo.catalogue import load

        entry = load(entry)
    task = tasks.of(entry)
    network = task.network(entry)
    if out is None:
        if network.trainable:
            raise ValueError(
                "The cache keeps entries as they were published, and this one was loaded for "
                "training or without weights: say where to write it with out=PATH."
            )
        if format == "saved_model" and "saved_model/saved_model.pb" in entry.metadata["files"]:
            return entry.folder / "saved_model"
        out = _cached(entry, format)
        if out.exists() and not overwrite:
            return out
    out = pathlib.Path(out)
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists: pass overwrite=True to replace it.")
    from keras_gans.models import serving

    if format == "saved_model":
        serving.check_saved_model()
        with locked(out, f"writing {out}"), store.new_folder(out.parent, out.name) as folder:
            write_saved_model(task, network, folder)
            store.move_into_place(folder, out)
        return out
    if format == "onnx":
        serving.write_onnx(task.served(network), out)
        return out
    if format == "litert":
        serving.write_litert(task.served(network), out)
        return out
    with replacing(out, suffix=".keras", size=5 * network.count_params()) as temporary:
        network.save(temporary)
    return out


_SUFFIX = {"saved_model": "", "keras": ".keras", "onnx": ".onnx", "litert": ".tflite"}


def _cached(entry, format):
    """Where an entry's export is kept; another version of the entry has another place."""
    version = store.EntryFolder(entry.folder, entry.name).card_digest[:12]
    folder = store.cache_folder().parent / "exported"
    return folder / f"{entry.name}-{version}{_SUFFIX[format]}"


def write_small_saved_model(task: Any, network: Any, folder: pathlib.Path) -> None:
    """A SavedModel where the backend is TensorFlow and it takes `SMALL` bytes at most, else none.

    Four bytes a weight, and a program: a large one would double the size of an entry, for those few
    who serve it.
    """
    import keras

    if keras.backend.backend() != "tensorflow" or 4 * network.count_params() > SMALL:
        return
    write_saved_model(task, network, folder)
    if sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) > SMALL:
        shutil.rmtree(folder)


def write_saved_model(task: Any, network: Any, folder: PathLike) -> None:
    """A SavedModel with a dynamic batch, whose signature is the task's verb.

    Args:
        task: `keras_gans.tasks.Task`.
        network: its network that makes images, which alone are given.
        folder: path.
    """
    import keras

    from keras_gans.models.serving import input_specs

    network = task.served(network)
    archive = keras.export.ExportArchive()
    archive.track(network)
    signature = input_specs(network)

    def endpoint(*inputs):
        return network(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

    archive.add_endpoint(task.verb, endpoint, input_signature=signature)
    # Keras's own name, which takes several inputs as one list.
    nested = signature if len(signature) == 1 else [signature]
    archive.add_endpoint("serve", lambda x: network(x, training=False), input_signature=nested)
    pictures = task.pictures(network)
    if pictures is not None:
        specs, of_people = pictures
        archive.add_endpoint("pictures", of_people, input_signature=specs)
    archive.write_out(str(folder), verbose=False)
