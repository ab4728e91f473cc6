"""FreezeD: the lowest layers of a discriminator, those next to the image, stay as they are."""

import re

import keras

_UNIT = re.compile(r"(stages|blocks)_\d+")


def freeze_lowest(discriminator: keras.Model, count: int) -> list[str]:
    """Freeze a discriminator's `count` lowest stages, from the image on.

    Mo, Cho and Shin, Freeze the Discriminator, CVPR Workshops 2020: to learn from few images, start
    from trained networks and train G and the upper layers of D only. What is frozen is not updated
    at all, no weight decay and no moments; gradients flow through it. Call it before `compile`.

    A stage is what a builder names one (of R3GAN all blocks of a size, of BigGAN a block), else a
    layer with weights; a convolution from the image goes with the first one. The last two, the
    lowest resolution and the scores, always train.

    Args:
        discriminator: a built Keras model of this library's builders.
        count: integer, 1 or more.

    Returns:
        Names of the frozen layers.

    Raises:
        ValueError: more stages than can be frozen.

    Example:

    >>> _, d = keras_gans.networks.r3gan(32, width=8)
    >>> len(keras_gans.networks.freeze_lowest(d, 2))  # the 1x1 convolution, 2 stages of 2 blocks
    13
    """
    stages = {}
    for layer in discriminator._flatten_layers(include_self=False):
        if layer.weights and not isinstance(layer, keras.Model):
            found = _UNIT.match(layer.name)
            stages.setdefault(found.group() if found else layer.name, []).append(layer)
    named = any(_UNIT.fullmatch(name) for name in stages)
    if named:  # what stands before the first stage goes with it, what stands behind is the head
        units, before = [], []
        for name, found in stages.items():
            if _UNIT.fullmatch(name):
                units.append([*before, *found])
                before = []
            else:
                before += found
        most = len(units) - 1
    else:
        units = list(stages.values())
        most = len(units) - 2
    if not 1 <= count <= most:
        raise ValueError(
            f"{count} stages of the discriminator cannot be frozen: it has {len(units)}, of which "
            f"1 to {most} can be."
        )
    frozen = [layer for unit in units[:count] for layer in unit]
    for layer in frozen:
        layer.trainable = False
    return [layer.name for layer in frozen]
