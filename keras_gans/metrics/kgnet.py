"""kgnet: a small feature network that ships with the package, where no download is possible."""

import hashlib
import pathlib
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from keras_gans.data.checks import check_choice
from keras_gans.files import check_finite, read_npz
from keras_gans.metrics.features import FeatureNetwork
from keras_gans.typing import PathLike

# Of the file in the package. Scores "..._kgnet" are comparable because it is one and the same.
SHA256 = "bd7b85e9d05014635ab86f259f6f7ec93ae4d1c74fba36da843d0fd768b2aff7"
SIZE = 32
RESIZE = "bilinear_antialias"
_BYTES = 16 * 2**20  # of weights, unpacked
# Of each 3x3 convolution: filters, and whether a 2x2 max pooling follows.
STAGES = ((24, True), (64, True), (128, True), (192, False), (128, False))
# What it was trained to tell apart, in the order of its logits.
CLASSES = {
    "cifar10": (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    "emoji_styles": ("noto", "twemoji", "openmoji", "fluent-emoji-flat"),
    "digits": tuple("0123456789"),
}
N_CLASSES = sum(map(len, CLASSES.values()))


def kgnet(
    classes: Sequence[str] | None = None, batch_size: int = 128, weights: PathLike | None = None
) -> FeatureNetwork:
    """The feature network that ships with keras_gans: for tests, and where nothing can be fetched.

    A small convolutional classifier of cifar10, emoji_styles and digits, trained by
    `examples/train_kgnet.py`; `kgnet.json` beside the weights says how, and what it reaches. Images
    of other sizes are resized to 32 x 32 by an antialiased bilinear filter. Floats are rounded to
    the 256 levels of a picture file first, so that arrays and files of the same images score alike.

    Scores are called after it ("fd_kgnet", "is_kgnet", ...): they are not comparable with FIDs, and
    say little about images unlike those it knows.

    Args:
        classes: "cifar10", "emoji_styles" or "digits": only that data set's logits, in the order of
            its labels, for accuracies of conditional generators. The network is then called
            "kgnet_<classes>". By default all 24.
        batch_size: int, images that run at once.
        weights: path of a `kgnet.npz` of your own training. The network is then called after the
            first 8 digits of its SHA-256.

    Returns:
        `FeatureNetwork` on uint8 images or floats in [-1, 1], (B, H, W, 1 or 3), with features
        (B, 128), 0 or more, and logits (B, 24), (B, 10) or (B, 4). Its `checksum` is the SHA-256 of
        the file of weights.

    Raises:
        ValueError: unknown classes; a file of weights that is damaged or another network's.
        FileNotFoundError: no such file.

    Example:

    >>> fd = keras_gans.metrics.FrechetDistance(keras_gans.metrics.kgnet())
    >>> fd.name
    'fd_kgnet'
    """
    check_choice("classes", classes, (None, *CLASSES))
    arrays, checksum = _read(weights)
    model = kgnet_model()
    _set_weights(model, arrays, _path(weights))
    name = "kgnet" if weights is None else f"kgnet_{checksum[:8]}"
    if classes is not None:
        name += f"_{classes}"
        start = sum(len(CLASSES[c]) for c in list(CLASSES)[: list(CLASSES).index(classes)])
        logits = model.output["logits"][:, start : start + len(CLASSES[classes])]
        model = keras.Model(model.input, {**model.output, "logits": logits}, name="kgnet")
    return FeatureNetwork(
        model,
        name,
        size=SIZE,
        resize=RESIZE,
        quantize=True,
        channels=3,
        batch_size=batch_size,
        checksum=checksum,
    )


def class_numbers(data: str, names: Sequence[str]) -> np.ndarray:
    """kgnet's classes of a data set's labels.

    Args:
        data: name of the data set; what follows a "/" does not count.
        names: names of the data set's classes, in the order of its labels, or None.

    Returns:
        Integers (K,) among the logits of `kgnet()`; None where it does not know these classes.

    Example:

    >>> class_numbers("emoji_styles/64", ["twemoji", "noto"])
    array([11, 10])
    """
    data = str(data).partition("/")[0]
    if not names or not set(names) <= set(CLASSES.get(data, ())):
        return None
    every = [(group, name) for group, known in CLASSES.items() for name in known]
    return np.array([every.index((data, name)) for name in names])


def kgnet_model() -> keras.Model:
    """The network with weights of zero: images in [-1, 1], (B, 32, 32, 3).

    Five 3x3 convolutions, batch norms folded into them, each with ReLU; the mean over space is the
    features, a dense layer on them the logits.

    Returns:
        `keras.Model` in float32 -> {"features": (B, 128), "logits": (B, 24)}.

    Example:

    >>> kgnet_model().output["features"].shape
    (None, 128)
    """
    # Whatever the global policy and layout are.
    common = {"dtype": "float32", "data_format": "channels_last"}
    x = inputs = keras.Input((SIZE, SIZE, 3), name="images", dtype="float32")
    for i, (filters, pool) in enumerate(STAGES, 1):
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            activation="relu",
            kernel_initializer="zeros",
            name=f"conv{i}",
            **common,
        )(x)
        if pool:
            x = layers.MaxPooling2D(2, name=f"pool{i}", **common)(x)
    features = layers.GlobalAveragePooling2D(name="features", **common)(x)
    logits = layers.Dense(N_CLASSES, kernel_initializer="zeros", dtype="float32", name="logits")(
        features
    )
    return keras.Model(inputs, {"features": features, "logits": logits}, name="kgnet")


def _path(weights):
    if weights is None:
        return pathlib.Path(__file__).with_name("kgnet.npz")
    return pathlib.Path(weights).expanduser()


def _read(weights):
    """Arrays and SHA-256 of a file of weights; nothing is opened that has another SHA-256."""
    path = _path(weights)
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        hint = "a kgnet.npz of examples/train_kgnet.py is wanted."
        if weights is None:
            hint = "install keras_gans again, the file is part of it."
        raise FileNotFoundError(f"{path} does not exist: {hint}") from None
    checksum = hashlib.sha256(data).hexdigest()
    if weights is None and checksum != SHA256:
        raise ValueError(
            f"{path} has the SHA-256 {checksum[:12]}..., not {SHA256[:12]}...: it is damaged or "
            "was changed; install keras_gans again (weights=FILE takes a network of your own)."
        )
    try:
        arrays = read_npz(data, _BYTES)
    except ValueError as error:
        raise ValueError(f"{path} is not what examples/train_kgnet.py writes ({error}).") from None
    check_finite(path, arrays.items())
    return arrays, checksum


def _set_weights(model, arrays, path):
    wanted = {
        f"{layer.name}.{variable.name}": variable
        for layer in model.layers
        for variable in layer.weights
    }
    if set(arrays) != set(wanted):
        name = min(set(arrays) ^ set(wanted))
        missing = "misses" if name in wanted else "has too much"
        raise ValueError(f"{path} is not of this network: it {missing} {name!r}.")
    for name, variable in wanted.items():
        value = arrays[name]
        if value.shape != tuple(variable.shape) or value.dtype.kind != "f":
            raise ValueError(
                f"{path} is not of this network: {name!r} is {value.dtype} {value.shape}; floats "
                f"of shape {tuple(variable.shape)} are wanted."
            )
        variable.assign(value.astype("float32"))
