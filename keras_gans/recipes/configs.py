"""Networks from stored configurations, of Keras's and this library's classes only."""

import contextlib
import copy
import json

import keras

from keras_gans import layers, losses, models, networks  # noqa: F401  (registers their classes)
from keras_gans.training.blank import blank_weights
from keras_gans.typing import Any, Config

FORMAT = 1


def check_config(config: Any, what: object) -> None:
    """Raise `ValueError` where a serialized object needs code that is neither Keras's nor ours.

    Lambda layers (stored code) and custom classes would make an entry that others cannot load.
    """
    if isinstance(config, (list, tuple)):
        for item in config:
            check_config(item, what)
    if not isinstance(config, dict):
        return
    if "class_name" in config:
        name, module = config["class_name"], config.get("module")
        registered = config.get("registered_name") or ""
        ours = registered.startswith("keras_gans>")
        own = module is None or module.split(".")[0] == "keras"
        builtin = module == "builtins" and ">" not in registered
        data = name in ("__tensor__", "__numpy__", "slice", "__ellipsis__", "__tuple__")
        if name in ("Lambda", "__lambda__") or not (ours or own or builtin or data):
            raise ValueError(
                f"{what} is built with {module}.{name}, which is neither a layer of Keras nor of "
                "keras_gans: others could not load it; build it of those layers."
            )
    for value in config.values():
        check_config(value, what)


def read_config(data: bytes, what: object) -> Config:
    """The content of an entry's `config.json`, from its bytes."""
    try:
        config = json.loads(data)
        good = config["format"] == FORMAT and isinstance(config["networks"], dict)
        good = good and all(isinstance(n["config"], dict) for n in config["networks"].values())
    except (ValueError, KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise ValueError(f"{what} is not the config.json of a zoo entry.")
    return config


def network_to_config(network: keras.Model, what: object) -> Config:
    """A network's configuration, checked by `check_config`."""
    config = keras.saving.serialize_keras_object(network)
    check_config(config, what)
    return json.loads(json.dumps(config))


def network_from_config(config: Config, what: object, blank: bool = False) -> keras.Model:
    """A network from its configuration, checked by `check_config`.

    Args:
        config: dictionary.
        what: string, how an error calls the network.
        blank: bool, whether weights are loaded next, so that drawing initial ones may be skipped.
    """
    check_config(config, what)
    try:
        # Keras takes a functional model's configuration apart while it reads it.
        copied = copy.deepcopy(config)
        with blank_weights() if blank else contextlib.nullcontext():
            network = keras.saving.deserialize_keras_object(copied, safe_mode=True)
    except (TypeError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{what} does not rebuild from its configuration: {reason}") from error
    if not network.built:
        raise ValueError(f"{what} is not built after loading: its layers need a build_config.")
    return network
