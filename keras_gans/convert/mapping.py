"""Which variable of ours is which weight of a checkpoint, and how its axes are arranged."""

from collections.abc import Iterable, Iterator

import keras
import numpy as np

from keras_gans.convert.architecture import Discriminator, Generator

# PyTorch's shape of a variable of ours, and ours of PyTorch's array. A convolution's kernel is
# (out, in, h, w) there and (h, w, in, out) here, a dense layer's (out, in) and (in, out).
_KINDS = {
    "same": (lambda s: s, lambda x, s: x),
    "dense": (lambda s: s[::-1], lambda x, s: x.T),
    "conv": (lambda s: (s[3], s[2], s[0], s[1]), lambda x, s: x.transpose(2, 3, 1, 0)),
    # What becomes the first feature map: channels first there, (4, 4, channels) here.
    "map": (lambda s: s[::-1], lambda x, s: _map_last(x.T).reshape(s)),
    "map vector": (lambda s: s, lambda x, s: _map_last(x).reshape(s)),
    # Rows of the 3x3 neighborhood: (channel, row, column) there, (row, column, channel) here;
    # the coordinates and the cell stand behind.
    "inr": (lambda s: s[::-1], lambda x, s: _neighborhood(x)),
}
# Records and counters, which no forward pass reads.
_UNUSED = (".sv0", ".num_batches_tracked")


def _map_last(x):
    """(..., 16 C) with C outermost -> (..., 16 C) with C innermost."""
    return np.swapaxes(x.reshape(*x.shape[:-1], -1, 16), -1, -2)


def _neighborhood(x):
    channels = (x.shape[1] - 4) // 9
    taps = x[:, :-4].reshape(-1, channels, 9).transpose(2, 1, 0).reshape(9 * channels, -1)
    return np.concatenate([taps, x[:, -4:].T])


def generator_weights(
    network: keras.Model, form: Generator
) -> Iterator[tuple[keras.Variable, str, str]]:
    """Yield `(variable, name, kind)` of every weight of a generator, in the checkpoint's order."""
    if form.shared_dim is not None:
        yield network.get_layer("shared").kernel, "shared.weight", "same"
    linear = network.get_layer("linear")
    yield linear.kernel, "linear.weight", "map"
    yield linear.bias, "linear.bias", "map vector"
    yield linear.u, "linear.u0", "map vector"
    for i in range(form.blocks):
        yield from _convolutions(network, i, ("conv1", "conv2", "shortcut"))
        for k in (1, 2):
            norm, name = network.get_layer(f"blocks_{i}_norm{k}"), f"blocks.{i}.0.bn{k}"
            for part in ("gain", "bias"):
                layer = getattr(norm, part)
                kind = "same" if form.shared_dim is None else "dense"
                yield layer.kernel, f"{name}.{part}.weight", kind
                if form.shared_dim is not None:
                    yield layer.u, f"{name}.{part}.u0", "same"
            yield from _statistics(norm, name)
        yield from _attention(network, i)
    if form.head == "inr":
        for i, layer in enumerate(network.get_layer("head").linears):
            yield from _layer(layer, f"inr_net.layers.{2 * i}", "dense" if i else "inr")
        return
    norm = network.get_layer("output_norm")
    yield norm.gain, "output_layer.0.gain", "same"
    yield norm.bias, "output_layer.0.bias", "same"
    yield from _statistics(norm, "output_layer.0")
    yield from _layer(network.get_layer("output_conv"), "output_layer.2", "conv")


def discriminator_weights(
    network: keras.Model, form: Discriminator
) -> Iterator[tuple[keras.Variable, str, str]]:
    """Yield `(variable, name, kind)` of every weight of a discriminator."""
    names = {layer.name for layer in network.layers}
    for i in range(form.blocks):
        parts = [p for p in ("conv1", "conv2", "shortcut") if f"blocks_{i}_{p}" in names]
        yield from _convolutions(network, i, parts)
        yield from _attention(network, i)
    yield from _layer(network.get_layer("linear"), "linear", "dense")
    if form.d_head == "projection":
        embed = network.get_layer("embed")
        yield embed.kernel, "embed.weight", "same"
        yield embed.u, "embed.u0", "same"


def assign(
    network: keras.Model,
    weights: Iterable[tuple[keras.Variable, str, str]],
    state: dict[str, np.ndarray],
    where: str,
) -> None:
    """Assign a checkpoint's weights to a network, every one of both.

    Args:
        network: Keras model, what `weights` belong to.
        weights: what `generator_weights` or `discriminator_weights` yield.
        state: dictionary, name -> array.
        where: how to call the file in messages.

    Raises:
        ValueError: the first weight that is missing, has another shape, or is one too many.
    """
    weights, arranged = list(weights), {}
    for variable, name, kind in weights:
        shape = tuple(variable.shape)
        published, ours = _KINDS[kind]
        if name not in state:
            raise ValueError(f"{where} does not fit: it has no weight {name!r}.")
        if state[name].shape != published(shape):
            raise ValueError(
                f"{where} does not fit: {name!r} has shape {state[name].shape}; "
                f"{published(shape)} is wanted."
            )
        arranged[name] = ours(state[name], shape)
    extra = [n for n in state if n not in arranged and not n.endswith(_UNUSED)]
    if extra:
        raise ValueError(f"{where} does not fit: it has a weight too many, {extra[0]!r}.")
    missed = {id(v) for v in network.weights} - {id(v) for v, _, _ in weights}
    if missed or len(arranged) != len(network.weights):
        paths = [v.path for v in network.weights if id(v) in missed]
        raise ValueError(f"{where} says nothing of the network's {', '.join(paths)}.")
    for variable, name, _ in weights:
        variable.assign(np.asarray(arranged[name], "float32"))


def _layer(layer, name, kind):
    yield layer.kernel, f"{name}.weight", kind
    if layer.bias is not None:
        yield layer.bias, f"{name}.bias", "same"
    yield layer.u, f"{name}.u0", "same"


def _convolutions(network, block, parts):
    for part in parts:
        published = "conv_sc" if part == "shortcut" else part
        layer = network.get_layer(f"blocks_{block}_{part}")
        yield from _layer(layer, f"blocks.{block}.0.{published}", "conv")


def _statistics(norm, name):
    yield norm.moving_mean, f"{name}.stored_mean", "same"
    yield norm.moving_variance, f"{name}.stored_var", "same"


def _attention(network, block):
    layers = {layer.name: layer for layer in network.layers}
    layer, name = layers.get(f"blocks_{block}_attention"), f"blocks.{block}.1"
    if layer is None:
        return
    for part in ("theta", "phi", "g", "o"):
        yield from _layer(getattr(layer, part), f"{name}.{part}", "conv")
    yield layer.gain, f"{name}.gamma", "same"
