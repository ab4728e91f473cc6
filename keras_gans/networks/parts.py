"""The parts of a network that others look for: the head, the groups of a generator, features."""

import re

import keras

from keras_gans.typing import Any, Tensor

_BLOCK = re.compile(r"blocks_(\d+)_")
_POOLS = ("GlobalSumPooling2D", "GlobalAveragePooling2D")


def inr_head(generator: keras.Model) -> keras.layers.Layer | None:
    """The layer "head" of a generator that can `render` any size, or None."""
    heads = [layer for layer in getattr(generator, "layers", ()) if layer.name == "head"]
    return heads[0] if heads and callable(getattr(heads[0], "render", None)) else None


def generator_groups(
    generator: keras.Model, embedding: bool = False, head: bool = False
) -> list[list[keras.Variable]]:
    """The weights of a generator from shallow to deep.

    Args:
        generator: Keras model of `keras_gans.networks`: residual blocks with names "blocks_N_...",
            or DCGAN's chain of norms, activations and transposed convolutions.
        embedding: bool, whether the class embedding that all blocks share stands in group 0.
        head: bool, whether the output layer (its norm and convolution, or the INR head) is a last
            group; else it is in none.

    Returns:
        List of lists of trainable variables: group 0 the first linear layer, group i block i with
        its norms and its attention.

    Raises:
        ValueError: a network of another kind.
    """
    layers = [x for x in generator.layers if x.weights]
    residual = any(_BLOCK.match(x.name) for x in layers)
    place = _residual_places(layers) if residual else _chain_places(layers)
    wanted = {"output": head, "embedding": embedding}
    last = max((p for p in place if isinstance(p, int)), default=-1)
    groups = [[] for _ in range(last + 1 + head)]
    for layer, where in zip(layers, place, strict=True):
        if isinstance(where, int) or wanted[where]:
            index = {"output": -1, "embedding": 0}.get(where, where)
            # A copy of a frozen network trains again: its variables' own flags are asked.
            groups[index] += [v for v in layer.trainable_variables if v.trainable]
    if not groups or not all(groups):
        raise ValueError(
            f"The generator {generator.name!r} has no blocks that could be tuned one after the "
            "other: build it with networks.biggan, dcgan or a ResNet."
        )
    return groups


def _residual_places(layers):
    places = []
    for layer in layers:
        block = _BLOCK.match(layer.name)
        if block:
            places.append(1 + int(block[1]))
        else:
            output = layer.name.startswith("output") or layer.name == "head"
            places.append({"linear": 0}.get(layer.name, "output" if output else "embedding"))
    return places


def _chain_places(layers):
    """A block is what leads up to a transposed convolution and that: norm, ReLU, convolution."""
    ups = [x for x in layers if isinstance(x, keras.layers.Conv2DTranspose)]
    # Without another head the last one makes the image.
    blocks = ups if layers and layers[-1].name == "head" else ups[:-1]
    places, block = [], 0
    for layer in layers:
        if isinstance(layer, keras.layers.Embedding):
            places.append("embedding")
        elif isinstance(layer, keras.layers.Dense):
            places.append(0)
            block = 1
        else:
            places.append(block if block <= len(blocks) else "output")
            block += layer in blocks
    return places


def image_features(discriminator: keras.Model) -> tuple[keras.Model, list[str]]:
    """A discriminator's features of images of any size that it can take, and what they are.

    With residual blocks: the output of every block and of every attention layer, from the first to
    the last, each before the activation that follows it, except for the last map, which is taken
    behind its ReLU; then the pooled vector, where there is one. Else: the output of every block of
    DCGAN, behind its LeakyReLU. Heads, classes and projections take no part.

    Args:
        discriminator: Keras model of `keras_gans.networks`.

    Returns:
        `(network, names)`: a model of the same layers, images (B, H, W, C) -> list of features;
        their names, "pooled" the last one where there is a pooled vector.

    Raises:
        ValueError: a network of another kind.
    """
    images = discriminator.inputs[0]
    tensors = _residual_features(discriminator)
    if not tensors:
        images, tensors = _chain_features(discriminator)
    if not tensors:
        raise ValueError(
            f"The discriminator {discriminator.name!r} has no blocks whose outputs could be "
            "compared: build it with networks.biggan, dcgan or a ResNet."
        )
    return keras.Model(images, list(tensors.values()), name="features"), list(tensors)


def _residual_features(discriminator):
    found: dict[str, Any] = {}
    for layer in discriminator.layers:
        block = _BLOCK.match(layer.name)
        if block and layer.name.endswith("_add"):
            found[f"block {block[1]}"] = layer.output
        elif block and layer.name.endswith("_attention"):
            found[f"attention {block[1]}"] = layer.output
        elif found and layer.name == "relu":
            # The released activation works in place: the last map is seen behind it.
            found[list(found)[-1]] = layer.output
        elif found and type(layer).__name__ in _POOLS:
            found["pooled"] = layer.output
    return found


def _chain_features(discriminator):
    """The same layers on images of any size; the head, which has one size, is left out."""
    images: Tensor = keras.Input((None, None, discriminator.inputs[0].shape[-1]), name="images")
    x, found = images, {}
    for layer in discriminator.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if isinstance(layer, (keras.layers.Flatten, keras.layers.Reshape)):
            break
        if len(getattr(layer, "output", x).shape) != 4:
            return images, {}
        x = layer(x)
        if isinstance(layer, keras.layers.LeakyReLU):
            found[f"block {len(found)}"] = x
    return images, found
