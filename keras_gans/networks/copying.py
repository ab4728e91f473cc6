"""Copies of a network: one with its weights, one with new ones; and one network, two names."""

import difflib
from collections.abc import Mapping

import keras
import numpy as np

from keras_gans.typing import Any


def copied(
    network: keras.Model,
    name: str | None = None,
    replace: Mapping[type, type] | None = None,
    float32: bool = False,
) -> keras.Model:
    """A network of its own with the structure and the present weights of `network`.

    Args:
        network: Keras model.
        name: string, the copy's name; None keeps it.
        replace: dictionary, class of layers -> a subclass of it, with the same arguments and maybe
            further weights, that takes its place in the copy.
        float32: bool, whether the copy computes in float32 under whatever policy `network` has.
    """
    config = network.get_config()
    names = {of.__name__: by for of, by in (replace or {}).items()}
    if names or float32:
        config = _changed(config, names, float32)
    copy = network.__class__.from_config(config if name is None else {**config, "name": name})
    if not names:
        copy.set_weights(network.get_weights())
        return copy
    mine = {_place(copy, v): v for v in copy.weights}
    for variable in network.weights:
        mine[_place(network, variable)].assign(variable.numpy())
    return copy


def _place(network, variable):
    """A variable's path within its network."""
    return variable.path.removeprefix(f"{network.name}/")


def _changed(config, names, float32):
    """A configuration with other classes of layers, and without policies but float32."""
    if isinstance(config, (list, tuple)):
        return type(config)(_changed(x, names, float32) for x in config)
    if not isinstance(config, dict):
        return config
    if config.get("class_name") in names and "registered_name" in config:
        by = names[config["class_name"]]
        registered = keras.saving.get_registered_name(by)
        config = {**config, "class_name": by.__name__, "registered_name": registered}
    if float32 and config.get("class_name") == "DTypePolicy":
        return {**config, "config": {"name": "float32"}}
    return {key: _changed(value, names, float32) for key, value in config.items()}


def under_name(network: keras.Model, name: str) -> keras.Model:
    """`network` under a name: itself where it has that name, else a model of the same layers."""
    if network.name == name:
        return network
    inputs, outputs = (x[0] if len(x) == 1 else x for x in (network.inputs, network.outputs))
    return keras.Model(inputs, outputs, name=name)


def take_matching(network: keras.Model, source: keras.Model) -> int:
    """Copy the weights of the layers that two networks have in the same order; returns how many.

    Layers are the same where their weights have the same names and shapes; what `network` has
    besides, or in another shape, is left as it is.
    """
    mine, theirs = _by_layer(network), _by_layer(source)
    kinds = [[tuple((v.name, tuple(v.shape)) for v in x) for x in both] for both in (mine, theirs)]
    matcher = difflib.SequenceMatcher(None, *kinds, autojunk=False)
    pairs = [
        pair
        for i, j, n in matcher.get_matching_blocks()
        for layers in zip(mine[i : i + n], theirs[j : j + n], strict=True)
        for pair in zip(*layers, strict=True)
    ]
    for variable, value in pairs:
        variable.assign(value.numpy())
    return len(pairs)


def _by_layer(network):
    """The weights of a network, a list for every layer that has its own."""
    layers = {}
    for variable in network.weights:
        layers.setdefault(variable.path.rpartition("/")[0], []).append(variable)
    return list(layers.values())


def redrawn(network: keras.Model, seed: int, name: str | None = None) -> keras.Model:
    """A network with the structure of `network` and initial weights drawn anew.

    A plain copy of a network with seeded initializers would start with the weights that `network`
    started with.

    Args:
        network: Keras model.
        seed: integer, 0 or more; it changes every seed that the initializers have.
        name: string, the new network's name; None keeps it.
    """
    config = _reseeded(network.get_config(), seed)
    return network.__class__.from_config(config if name is None else {**config, "name": name})


def _reseeded(config, seed):
    """A network's configuration with other seeds in its initializers."""
    if isinstance(config, (list, tuple)):
        return type(config)(_reseeded(x, seed) for x in config)
    if not isinstance(config, dict):
        return config
    return {
        key: _with_seed(value, seed)
        if key.endswith("_initializer") and isinstance(value, dict)
        else _reseeded(value, seed)
        for key, value in config.items()
    }


def _with_seed(initializer, seed):
    config = initializer.get("config") or {}
    old = config.get("seed")
    if old is None:
        return initializer
    # Behind the old ones, so that the layers keep seeds that differ.
    words = [*np.atleast_1d(old).tolist(), 1 + seed]
    new = words if np.ndim(old) else int(np.random.default_rng(words).integers(2**31))
    return {**initializer, "config": {**config, "seed": new}}


def part_of(network: keras.Model, inputs: Any, outputs: Any) -> keras.Model:
    """A model of the same layers between tensors of a network, which may begin within it.

    Keras 3.15 then gives the network's own inputs another history, and the network could be neither
    saved nor copied any more: they get their own back.
    """
    histories = [x._keras_history for x in network.inputs]
    made = keras.Model(inputs, outputs)
    for x, history in zip(network.inputs, histories, strict=True):
        x._keras_history = history
    return made
