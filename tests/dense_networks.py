"""Encoder-decoder GANs of dense layers, for images of 4x4 pixels: nothing to compile for long."""

import keras
from keras import layers

from keras_gans.layers import OneHot, SeededNormal


def dense(x, units, activation=None, seed=0):
    options = {"kernel_initializer": SeededNormal(0.5, seed), "activation": activation}
    return layers.Dense(units, bias_initializer=SeededNormal(0.3, (seed, 1)), **options)(x)


def to_image(inputs, x, name, seed):
    x = layers.Reshape((4, 4, 1))(dense(x, 16, "tanh", seed))
    return keras.Model(inputs, x, name=name)


def judge(name, inputs, x, seed):
    return keras.Model(inputs, dense(dense(x, 5, "tanh", seed), 1, None, seed + 1), name=name)


def small(family):
    """Networks of dense layers: {player: network} of the decoupled form."""
    x = keras.Input((4, 4, 1))
    flat = layers.Flatten()(x)
    if family == "pix2pix":
        other = keras.Input((4, 4, 1))
        both = layers.Flatten()(layers.Concatenate()([x, other]))
        return {
            "translator": to_image(x, dense(flat, 3, "tanh", 1), "translator", 2),
            "generator": to_image(x, dense(flat, 3, "tanh", 3), "generator", 4),
            "discriminator": judge("discriminator", [x, other], both, 5),
        }
    codes = keras.Input((3,))
    found = {"encoder": keras.Model(x, dense(flat, 3, "tanh", 1), name="encoder")}
    if family == "gan":
        found["decoder"] = to_image(codes, codes, "decoder", 2)
        found["generator"] = to_image(codes, codes, "generator", 3)
        found["discriminator"] = judge("discriminator", x, flat, 5)
        return found
    label = keras.Input((), dtype="int32")
    one_hot = OneHot(3)(label)
    for name, seed in (("decoder", 2), ("generator", 3)):
        found[name] = to_image([codes, label], layers.Concatenate()([codes, one_hot]), name, seed)
    both = layers.Concatenate()([flat, one_hot])
    found["discriminator"] = judge("discriminator", [x, label], both, 5)
    found["code_discriminator"] = judge("code_discriminator", codes, codes, 7)
    return found
