"""What networks end with: images in [-1, 1] and raw scores do not come from a sigmoid."""

from collections.abc import Iterable

import keras

_RESHAPING = ("Reshape", "Flatten", "Identity")


def ends_in_sigmoid(network: keras.Model) -> bool:
    """Whether the last thing a network does, reshaping aside, is a sigmoid."""
    steps = getattr(network, "operations", None) or network.layers
    for step in reversed(steps):
        if type(step).__name__ in _RESHAPING:
            continue
        if isinstance(step, keras.Model):
            return ends_in_sigmoid(step)
        own = getattr(step, "activation", None) is keras.activations.sigmoid
        return own or type(step).__name__ == "Sigmoid"
    return False


def check_endings(
    makers: Iterable[keras.Model], judges: Iterable[keras.Model], objective: object
) -> None:
    """Raise one line for a network of images or of raw scores that ends with a sigmoid.

    Args:
        makers: networks that make images.
        judges: discriminators.
        objective: `keras_gans.losses.Objective`; one with `takes_logits = False` has judges that
            give probabilities.
    """
    for network in makers:
        if ends_in_sigmoid(network):
            raise ValueError(
                f"The network {network.name!r} ends with a sigmoid, so its images are in [0, 1]; "
                'images here are in [-1, 1]: end it with "tanh".'
            )
    for network in judges:
        if ends_in_sigmoid(network) and getattr(objective, "takes_logits", True):
            raise ValueError(
                f"The network {network.name!r} ends with a sigmoid, and the losses take its raw "
                "scores: leave its last activation out."
            )
