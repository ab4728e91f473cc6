"""Networks as files for other programs: SavedModel, ONNX, LiteRT."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import warnings

import keras
from keras import ops

from keras_gans.files import replacing
from keras_gans.training import backend
from keras_gans.typing import Any, PathLike


class Served:
    """Mixin of what makes images with one network, `_served()`: `export`."""

    def _served(self):
        """The network, images its only output."""
        raise NotImplementedError

    def export(self, filepath: PathLike, format: str = "tf_saved_model", **kwargs: Any) -> None:
        """Write the (averaged) network that makes images for serving, with a dynamic batch.

        Args:
            filepath: folder (SavedModel) or file.
            format: one of Keras's export formats, such as "tf_saved_model" or "onnx".
            **kwargs: of Keras's `export`, such as `verbose=False`.

        Raises:
            ValueError: a format that this backend cannot write, or networks that it cannot hold.
            ImportError: "onnx" without the packages that write it.

        Example:

        >>> g, d = keras_gans.networks.dcgan(image_size=16, channels=1, width=4)
        >>> model = keras_gans.models.GAN(g, d)
        >>> model.export("gan.onnx", format="onnx")  # doctest: +SKIP
        """
        with backend.synced(self):
            network = self._served()
            if format == "onnx":
                write_onnx(network, filepath, **kwargs)
                return
            if format == "tf_saved_model":
                check_saved_model()
            network.export(filepath, format=format, **kwargs)


def images_only(network: keras.Model) -> keras.Model:
    """A translating network with its "output" alone."""
    inputs = network.inputs if len(network.inputs) > 1 else network.inputs[0]
    return keras.Model(inputs, network.output["output"])


def input_specs(network: keras.Model) -> list[keras.InputSpec]:
    """The inputs of a network, with a dynamic batch."""
    return [
        keras.InputSpec(shape=(None, *x.shape[1:]), dtype=x.dtype, name=x.name)
        for x in network.inputs
    ]


def pictures_of_noise(network: keras.Model) -> tuple[list[keras.InputSpec], Any] | None:
    """What `keras_gans.tasks.Task.pictures` says of a generator of latents.

    Its inputs are `seed`, an integer; `labels`, integers (N,), or `count`, an integer, of a
    generator without classes; and `truncation`, a float. The noise of a seed is TensorFlow's: other
    noise than `generate` draws.
    """
    if backend.seeded_normal is None:
        return None
    names = [x.name for x in network.inputs]
    dim, labeled = network.inputs[0].shape[-1], len(names) > 1
    of_whole = ("labels", (None,)) if labeled else ("count", ())
    specs = [
        keras.InputSpec(shape=(), dtype="int32", name="seed"),
        keras.InputSpec(shape=of_whole[1], dtype="int32", name=of_whole[0]),
        keras.InputSpec(shape=(), dtype="float32", name="truncation"),
    ]

    def pictures(seed, labels, truncation):
        count = ops.shape(labels)[0] if labeled else labels
        z = truncation * backend.seeded_normal(seed, (count, dim))
        images = network([z, labels] if labeled else z, training=False)
        return ops.cast(ops.clip(ops.round((images + 1.0) * 127.5), 0.0, 255.0), "uint8")

    return specs, pictures


def check_saved_model() -> None:
    """Raise `ValueError` where Keras cannot write a SavedModel."""
    if keras.backend.backend() == "torch":
        raise ValueError(
            "Keras cannot write a SavedModel from the torch backend: write another format, such as "
            ".keras or ONNX, or load a .keras file with KERAS_BACKEND=tensorflow and export there."
        )


def check_onnx(network: keras.Model) -> None:
    """Raise one line where this backend writes no ONNX, packages lack, or it is not of float32."""
    needed = backend.ONNX_PACKAGES
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Writing ONNX needs {' and '.join(missing)}: pip install 'keras_gans[onnx]'."
        )
    if not needed:
        onnx_writer()
    for layer in network._flatten_layers():
        if layer.compute_dtype != "float32" and not isinstance(layer, keras.Model):
            raise ValueError(
                f"ONNX is written of float32 networks, and {layer.name} computes in "
                f"{layer.compute_dtype}: build the networks under the float32 policy, and load the "
                "weights into them."
            )


def onnx_writer() -> str:
    """The backend that writes ONNX for one that does not, in a process of its own.

    Raises:
        ImportError: none is installed.
    """
    for name, packages in backend.ONNX_WRITERS.items():
        if all(importlib.util.find_spec(package) is not None for package in packages):
            return name
    choices = ", or ".join(" and ".join(packages) for packages in backend.ONNX_WRITERS.values())
    raise ImportError(
        f"For {keras.backend.backend()} another backend writes ONNX, which needs {choices}: "
        "pip install 'keras_gans[onnx,torch]'."
    )


_WRITE = """
import json
import sys
import keras
import keras_gans
from keras_gans.models.serving import write_onnx
write_onnx(keras.saving.load_model(sys.argv[1]), sys.argv[2], **json.loads(sys.argv[3]))
"""


def _write_elsewhere(network, path, options):
    """The ONNX file of a network, by a process on another backend."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "network.keras")
        network.save(file)
        command = [sys.executable, "-c", _WRITE, file, os.path.abspath(path), json.dumps(options)]
        # Where this package was found, the other process finds it.
        own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        search = os.pathsep.join(filter(None, [own, os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "KERAS_BACKEND": onnx_writer(), "PYTHONPATH": search}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it says nothing"]
        raise ValueError(f"ONNX was not written on the {onnx_writer()} backend: {lines[-1]}")


def write_litert(network: keras.Model, path: PathLike) -> None:
    """A LiteRT (TFLite) file, whose inputs have the names of the network's.

    Raises:
        ValueError: another backend than TensorFlow, or a network that it does not convert.
    """
    if backend.write_litert is None:
        raise ValueError(
            "LiteRT is written from the TensorFlow backend: use KERAS_BACKEND=tensorflow, or "
            "--backend=tensorflow."
        )
    with replacing(path, suffix=".tflite", size=5 * network.count_params()) as temporary:
        backend.write_litert(network, input_specs(network), os.fspath(temporary))


def write_onnx(network: keras.Model, path: PathLike, **kwargs: Any) -> None:
    """An ONNX file with a dynamic batch, whose inputs have the names of the network's.

    Args:
        network: Keras model; images are its only output.
        path: path of the file, which appears whole or not at all.
        **kwargs: of Keras's `export`, such as `opset_version`.

    Raises:
        ValueError, ImportError: see `check_onnx`.
    """
    check_onnx(network)
    if not backend.ONNX_PACKAGES:
        _write_elsewhere(network, path, {"verbose": False, **kwargs})
        return
    backend.prepare_onnx()
    specs = input_specs(network)
    # Keras would ask that the network was called first, though its inputs are known.
    signature = specs if len(specs) == 1 else [specs]
    kwargs = {"verbose": False, "input_signature": signature, **kwargs}
    with replacing(path, suffix=".onnx", size=5 * network.count_params()) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing: sizes are constants
            network.export(os.fspath(temporary), format="onnx", **kwargs)
