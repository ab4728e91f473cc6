"""Generators as files for serving: SavedModel, `.keras`, ONNX. Keras is imported on use."""

import pathlib

from keras_gans.files import replacing
from keras_gans.zoo import store

FORMATS = ("saved_model", "keras", "onnx")


def export(entry, out, format="saved_model", overwrite=False):
    """Write the generator of an entry in a format that other programs read.

    Args:
        entry: `keras_gans.zoo.ZooEntry`, or the name of one.
        out: path to write: a folder for "saved_model", a file for the others.
        format: "saved_model", with the signature `generate(latents)` or `generate(latents,
            labels)`, for `tf.saved_model.load` without this library; "keras", which loads on every
            backend where this library is installed; "onnx" (needs the packages of Keras's ONNX
            export).
        overwrite: bool, whether what is at `out` may be replaced.

    Returns:
        Path of what was written.

    Raises:
        FileExistsError: there is something at `out`, and `overwrite` is False.
        ValueError: an unknown format, or one that this backend cannot write.

    Example:

    >>> keras_gans.zoo.export("osgan_digits", "runs/digits.keras", "keras", overwrite=True).name
    'digits.keras'
    """
    if format not in FORMATS:
        raise ValueError(f"Unknown format {format!r}: choose one of {', '.join(FORMATS)}.")
    if isinstance(entry, str):
        from keras_gans.zoo.catalogue import load

        entry = load(entry)
    out = pathlib.Path(out)
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists: pass overwrite=True to replace it.")
    if format == "saved_model":
        check_backend()
        with store.new_folder(out.parent, out.name) as folder:
            write_saved_model(entry.generator, folder)
            store.move_into_place(folder, out)
        return out
    suffix = ".keras" if format == "keras" else ".onnx"
    size = 5 * entry.generator.count_params()
    with replacing(out, suffix=suffix, size=size) as temporary:
        if format == "keras":
            entry.generator.save(temporary)
        else:
            entry.generator.export(temporary, format="onnx", verbose=False)
    return out


def check_backend():
    """Raise `ValueError` where Keras cannot write a SavedModel."""
    import keras

    if keras.backend.backend() == "torch":
        raise ValueError(
            "Keras cannot write a SavedModel from the torch backend: choose another format, or start "
            "with KERAS_BACKEND=tensorflow."
        )


def write_saved_model(generator, folder):
    """A SavedModel of a generator, with a dynamic batch and the signature "generate"."""
    import keras

    archive = keras.export.ExportArchive()
    archive.track(generator)
    signature = [
        keras.InputSpec(shape=(None, *x.shape[1:]), dtype=x.dtype, name=x.name)
        for x in generator.inputs
    ]

    def generate(*inputs):
        return generator(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

    archive.add_endpoint("generate", generate, input_signature=signature)
    # Keras's own name, which takes several inputs as one list.
    nested = signature if len(signature) == 1 else [signature]
    archive.add_endpoint("serve", lambda x: generator(x, training=False), input_signature=nested)
    archive.write_out(str(folder), verbose=False)
