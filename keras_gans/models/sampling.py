"""Images from a generator by itself: the latents of a seed, labels in turn, batches."""

import numpy as np
from keras import ops


def latents(count, latent_dim, seed):
    """Standard normal latents of a seed, from NumPy: the same on every backend.

    Args:
        count: integer, 1 or more.
        latent_dim: integer.
        seed: integer.

    Returns:
        float32 array (count, latent_dim).
    """
    if count < 1:
        raise ValueError(f"generate() was asked for {count} images; 1 or more is wanted.")
    return np.random.default_rng(seed).standard_normal((count, latent_dim)).astype("float32")


def class_labels(labels, count, num_classes):
    """int32 labels (count,) of one label, an array of them, or None: the classes in turn."""
    if labels is None:
        labels = np.arange(count) % num_classes
    labels = np.asarray(labels)
    if labels.ndim == 0:
        labels = np.full(count, labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels has shape {labels.shape} and dtype {labels.dtype}; one integer, or integers "
            f"of shape ({count},), are wanted."
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"labels run from {labels.min()} to {labels.max()}; 0 to {num_classes - 1} is wanted."
        )
    return labels.astype("int32")


def images_of(generator, latents, labels=None, num_classes=None, batch_size=64):
    """The images of given latents.

    Args:
        generator: Keras model, latents (or [latents, labels]) -> images.
        latents: array (N, latent_dim).
        labels: as in `class_labels`, with `num_classes` only.
        num_classes: integer of a conditional generator, else None.
        batch_size: integer, images made at once by the compiled generator (worth while for many
            images); None makes all of them by one plain call.

    Returns:
        float32 NumPy array (N, H, W, C) in [-1, 1].
    """
    inputs = np.asarray(latents, "float32")
    if num_classes is not None:
        inputs = [inputs, class_labels(labels, len(inputs), num_classes)]
    elif labels is not None:
        raise ValueError("The generator is unconditional: leave labels out.")
    if batch_size is None:
        images = ops.convert_to_numpy(ops.stop_gradient(generator(inputs, training=False)))
    else:
        images = generator.predict(inputs, batch_size, verbose=0)
    return np.asarray(images, "float32")
