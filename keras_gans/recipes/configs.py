"""Networks from stored configurations, of Keras's and this library's classes only."""

import contextlib
import copy
import json
from typing import Annotated

import keras
from pydantic import Field

from keras_gans import layers, losses, models, networks  # noqa: F401  (registers their classes)
from keras_gans.errors import printable
from keras_gans.training.blank import blank_weights
from keras_gans.typing import Any, Config
from keras_gans.validation import Form, parse_json

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


class NetworkConfig(Form):
    """What a `config.json` says of a network."""

    config: Annotated[dict[str, Any], Field(description="a network, serialized by Keras")]


class EntryConfig(Form):
    """`config.json` of an entry of any kind."""

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT, description=f"{FORMAT}")]
    networks: Annotated[dict[str, NetworkConfig], Field(description="a mapping of networks")]


def read_config(data: bytes, what: object, form: type[Form] = EntryConfig) -> Config:
    """The content of an entry's `config.json`, from its bytes.

    Args:
        data: bytes.
        what: how an error calls the file.
        form: what an entry of its kind has to say.

    Raises:
        ValueError: something else, with the key and what is expected there.
    """
    return parse_json(data, form, f"{what} is not what it should be")


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
        if not isinstance(network, keras.Model):
            raise ValueError(f"it makes a {type(network).__name__}, not a model")
    except Exception as error:  # Keras reads another's words: any type may come of it
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{what} does not rebuild from its configuration: {printable(reason)}"
        ) from error
    if not network.built:
        raise ValueError(f"{what} is not built after loading: its layers need a build_config.")
    return network
