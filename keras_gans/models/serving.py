"""Networks as files for other programs: SavedModel and ONNX."""

import importlib.util
import os
import warnings

import keras

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
    if not needed:
        raise ValueError(
            "ONNX is written from the TensorFlow and torch backends: write a .keras file, load it "
            "with KERAS_BACKEND=torch and export there."
        )
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Writing ONNX needs {' and '.join(missing)}: pip install 'keras_gans[onnx]'."
        )
    for layer in network._flatten_layers():
        if layer.compute_dtype != "float32" and not isinstance(layer, keras.Model):
            raise ValueError(
                f"ONNX is written of float32 networks, and {layer.name} computes in "
                f"{layer.compute_dtype}: build the networks under the float32 policy, and load the "
                "weights into them."
            )


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
    backend.prepare_onnx()
    specs = input_specs(network)
    # Keras would ask that the network was called first, though its inputs are known.
    signature = specs if len(specs) == 1 else [specs]
    kwargs = {"verbose": False, "input_signature": signature, **kwargs}
    with replacing(path, suffix=".onnx", size=5 * network.count_params()) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing: sizes are constants
            network.export(os.fspath(temporary), format="onnx", **kwargs)
