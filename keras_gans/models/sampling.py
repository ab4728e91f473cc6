"""Images of a generator: the latents of a seed, classes, truncation, sizes, interpolation."""

import weakref

import keras
import numpy as np
from keras import ops

from keras_gans.models.serving import Served
from keras_gans.networks.copying import part_of
from keras_gans.networks.parts import inr_head
from keras_gans.training import backend
from keras_gans.training.noise import check_integers, check_truncation, class_labels, latents
from keras_gans.typing import Any

_FEW = 8  # images made at once without `predict`, whose compilation takes longer
# Bytes of the feature maps, and of the images, that are rendered at once.
_PART_BYTES = 64 * 2**20


class Sampling(Served):
    """Mixin of what has a `generator`, a `latent_dim` and `num_classes` (or None): its images."""

    task = "noise"

    def generate(
        self,
        n: int,
        seed: int = 0,
        labels: Any = None,
        truncation: float = 1.0,
        size: int | tuple[int, int] | None = None,
        cell: str | None = None,
        batch_size: int = 64,
    ) -> np.ndarray:
        """Sample images, from the averaged generator if there is one.

        The latents come from NumPy's generator: a seed gives the same images on every backend.

        Args:
            n: integer, number of images.
            seed: integer, 0 or more.
            labels: for conditional models: an integer, or integers (n,), or mixtures of
                classes, floats (n, num_classes); by default the classes in turn, 0, 1, 2, ...
            truncation: float of 0 or more, the standard deviation of the latents; below 1 for less
                variety and fewer failures (BigGAN's trade-off; nothing is resampled).
            size: integer or pair (height, width) in pixels, for generators with an INR head; None
                for the size of the training.
            cell: "trained" or "true", see `keras_gans.layers.INRHead`; None for the head's own.
            batch_size: integer, images made at once at most.

        Returns:
            float32 NumPy array (n, H, W, C) in [-1, 1].

        Raises:
            ValueError: n, seed, labels, truncation or batch_size of another type or out of range,
                NaN among them; a size of a generator without an INR head.

        Example:

        >>> g, d = keras_gans.networks.biggan(32, width=4, num_classes=3, head="inr", d_head="omni")
        >>> model = keras_gans.models.OmniINRGAN(g, d, num_classes=3)
        >>> model.generate(2, labels=1, truncation=0.7, size=(40, 50)).shape
        (2, 40, 50, 3)
        """
        z = latents(n, self.latent_dim, seed, truncation)
        return self.images_of(z, labels, batch_size, size, cell)

    def images_of(
        self,
        latents: np.ndarray,
        labels: Any = None,
        batch_size: int | None = 64,
        size: int | tuple[int, int] | None = None,
        cell: str | None = None,
    ) -> np.ndarray:
        """The images of given latents, numbers (N, latent_dim); the rest as in `generate`."""
        given = latents, labels, self.num_classes, batch_size, size, cell
        with backend.synced(self):
            return images_of(self._sampled(), *given)

    def interpolate(
        self,
        steps: int,
        labels: Any = None,
        seed: int | tuple[int, int] = 0,
        truncation: float = 1.0,
        size: int | tuple[int, int] | None = None,
        cell: str | None = None,
        batch_size: int = 64,
    ) -> np.ndarray:
        """Images on the straight way between two classes, two latents, or both.

        Between classes the condition is interpolated: the one-hot vector or the embedding behind
        the labels, and so every linear map of it, as BigGAN's shared embedding.

        Args:
            steps: integer of 2 or more, the number of images, both ends included.
            labels: integer, or a pair of them to go from one class to the other; by default 0.
            seed: integer, or a pair of them: the ends are the images of `generate(1, seed=...)`.
            truncation, size, cell, batch_size: as in `generate`.

        Returns:
            float32 NumPy array (steps, H, W, C) in [-1, 1].

        Raises:
            ValueError: fewer than 2 steps, neither two labels nor two seeds, or what `generate`
                raises.

        Example:

        >>> g, d = keras_gans.networks.biggan(32, width=4, num_classes=3, d_head="omni")
        >>> model = keras_gans.models.OmniGAN(g, d, num_classes=3)
        >>> model.interpolate(5, labels=(0, 2), seed=1).shape
        (5, 32, 32, 3)
        """
        check_integers(2, steps=steps)
        if np.ndim(labels) == 0 and np.ndim(seed) == 0:
            raise ValueError(
                "There is nothing to interpolate between: give labels=(a, b), or seed=(a, b)."
            )
        way = np.linspace(0, 1, steps, dtype="float32")[:, None]
        ends = [latents(1, self.latent_dim, s, truncation) for s in _pair("seed", seed)]
        z = (1 - way) * ends[0] + way * ends[1]
        if self.num_classes is not None:
            labels = 0 if labels is None else labels
            if np.ndim(labels) > 0:
                labels = class_labels(_pair("labels", labels), 2, self.num_classes)
                ends = np.eye(self.num_classes, dtype="float32")[labels]
                labels = (1 - way) * ends[0] + way * ends[1]
        return self.images_of(z, labels, batch_size, size, cell)

    def standing_statistics(
        self, batches: int = 16, batch_size: int = 64, seed: int = 0, truncation: float = 1.0
    ) -> None:
        """Measure the batch norms' statistics of the generator that is sampled from anew.

        See `keras_gans.models.sampling.standing_statistics`. Not for use within `fit`.

        Args:
            batches, batch_size, seed, truncation: as there.
        """
        given = batches, batch_size, seed, truncation
        with backend.synced(self):
            standing_statistics(self._sampled(), self.latent_dim, self.num_classes, *given)

    def _sampled(self):
        return getattr(self, "ema_generator", None) or self.generator

    _served = _sampled


def images_of(
    generator: keras.Model,
    latents: Any,
    labels: Any = None,
    num_classes: int | None = None,
    batch_size: int | None = 64,
    size: int | tuple[int, int] | None = None,
    cell: str | None = None,
) -> np.ndarray:
    """The images of given latents.

    Args:
        generator: Keras model, latents (or [latents, labels]) -> images.
        latents: array (N, latent_dim).
        labels: as in `Sampling.generate`, with `num_classes` only.
        num_classes: integer of a conditional generator, else None.
        batch_size: integer, images made at once, by the compiled generator where they are many;
            None makes all of them at once.
        size, cell: as in `Sampling.generate`. Memory stays bounded at any size, beside the result:
            as many images are rendered at once as fit, and each in chunks of rows.

    Returns:
        float32 NumPy array (N, H, W, C) in [-1, 1].

    Raises:
        ValueError: an argument of another type, shape or range; NaN.
    """
    taken = getattr(generator, "inputs", None)
    inputs = [finite("latents", latents, (None, taken[0].shape[-1] if taken else None))]
    count, mixed = len(inputs[0]), False
    check_batch_size(batch_size)
    if cell not in (None, "trained", "true"):
        raise ValueError(f'cell is {cell!r}; expected "trained", "true" or None.')
    if num_classes is not None:
        mixed = np.ndim(labels) == 2
        given = _mixtures if mixed else class_labels
        inputs.append(given(labels, count, num_classes))
    elif labels is not None:
        raise ValueError("The generator is unconditional: leave labels out.")
    if mixed:
        of_classes = run(_cut(generator, "of labels"), np.arange(num_classes), None)
        inputs[1] = inputs[1] @ of_classes
    head = inr_head(generator)
    if size is None and (cell is None or head is not None):
        network = _cut(generator, "mixed") if mixed else generator
        images = run(network, inputs if len(inputs) > 1 else inputs[0], batch_size)
        # R3GAN's generator is unbounded in training; of the others nothing is cut off.
        return np.clip(images, -1.0, 1.0)
    if head is None:
        what, value = ("size", size) if size is not None else ("cell", repr(cell))
        side = "x".join(str(n) for n in generator.output_shape[1:3])
        raise ValueError(
            f"{what} is {value}, and this generator makes images of {side} only: sizes are for "
            'generators with an INR head, as networks.biggan(head="inr") builds them.'
        )
    height, width = pair_of_sizes(size)
    network = _cut(generator, "mixed features" if mixed else "features")
    part = min(_part(head, height, width), batch_size or count)
    images = np.empty((count, height, width, head.channels), "float32")
    for start in range(0, count, part):
        some = [x[start : start + part] for x in inputs]
        features = run(network, some if len(some) > 1 else some[0], batch_size)
        with backend.no_gradients():
            rendered = head.render(ops.convert_to_tensor(features), (height, width), cell)
        images[start : start + part] = ops.convert_to_numpy(rendered)
    return images


def pair_of_sizes(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of an integer or a pair; raises `ValueError` for anything else."""
    pair = (size, size) if np.ndim(size) == 0 else tuple(size)
    if len(pair) != 2 or not all(isinstance(n, (int, np.integer)) and n > 0 for n in pair):
        raise ValueError(
            f"size is {size}; expected a positive height and width, one integer or a pair."
        )
    return int(pair[0]), int(pair[1])


def label_layer(generator: keras.Model) -> keras.layers.Layer:
    """The layer behind the labels of a conditional generator: one-hot vectors or an embedding."""
    labels = generator.inputs[1]
    found = [
        layer
        for layer in generator.layers
        if not isinstance(layer, keras.layers.InputLayer) and layer.input is labels
    ]
    if len(found) != 1:
        raise ValueError(
            f"The generator's labels enter {len(found)} layers; one (keras_gans.layers.OneHot or "
            "an embedding) is wanted to mix classes behind it."
        )
    return found[0]


def standing_statistics(
    generator: keras.Model,
    latent_dim: int,
    num_classes: int | None = None,
    batches: int = 16,
    batch_size: int = 64,
    seed: int = 0,
    truncation: float = 1.0,
) -> None:
    """Replace a generator's batch norm statistics by their means over fresh batches.

    Brock et al., BigGAN, ICLR 2019, Sec. 3.1 and App. C ("standing statistics"): those that moved
    along in training belong to latents without truncation, and an average of generators has none
    of its own. They are cleared, `batches` batches of samples of random classes pass in training
    mode, and the mean of each batch's statistics is kept. Then an image depends on its own latents
    only, as in evaluation. A batch's variance is estimated as the layer does it, without bias in
    `keras_gans.layers.BatchNorm` (the released code's is (n - 1) / n of it). Nothing else moves.

    Args:
        generator: Keras model, latents (or [latents, labels]) -> images; changed in place.
        latent_dim: integer.
        num_classes: integer of a conditional generator, else None.
        batches, batch_size: integers of 1 or more; an image has `batch_size` companions.
        seed: integer, of latents and classes.
        truncation: float of 0 or more, of the latents that will be sampled.

    Raises:
        ValueError: a generator without batch norm.
    """
    layers = generator._flatten_layers()
    norms = [x for x in layers if hasattr(x, "moving_mean") and hasattr(x, "momentum")]
    if not norms:
        raise ValueError("The generator has no batch norm, and so no statistics to measure.")
    check_integers(batches=batches, batch_size=batch_size)
    check_integers(0, seed=seed)
    check_truncation(truncation)
    random = np.random.default_rng(seed)
    # Power iterations start from the same vectors as in evaluation, in every batch.
    vectors = [(x.u, np.array(ops.convert_to_numpy(x.u))) for x in layers if hasattr(x, "u")]
    moving = [v for x in norms for v in (x.moving_mean, x.moving_variance)]
    before = vectors + [(v, np.array(ops.convert_to_numpy(v))) for v in moving]
    momenta, frozen = [x.momentum for x in norms], [x for x in norms if not x.trainable]
    try:
        for norm in frozen:
            norm.trainable = True  # a frozen one does not measure
        for norm in norms:
            norm.momentum = 0.0  # all of a batch's own
        forward, sums = backend.forward(generator, training=True), [0.0] * len(moving)
        for _ in range(batches):
            z = random.standard_normal((batch_size, latent_dim)).astype("float32")
            inputs = np.float32(truncation) * z
            if num_classes is not None:
                labels = random.integers(0, num_classes, batch_size).astype("int32")
                inputs = [inputs, labels]
            forward(inputs)
            for u, value in vectors:
                u.assign(value)
            sums = [s + ops.convert_to_numpy(v) for s, v in zip(sums, moving, strict=True)]
        for v, total in zip(moving, sums, strict=True):
            v.assign(total / batches)
    except BaseException:  # Ctrl-C, too: a measurement cut off leaves no statistics at all
        for variable, value in before:
            variable.assign(value)
        raise
    finally:
        for norm in frozen:
            norm.trainable = False
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _pair(name, value):
    pair = (value, value) if np.ndim(value) == 0 else tuple(value)
    if len(pair) != 2:
        raise ValueError(f"{name} is {value}; expected one integer, or a pair of them.")
    return pair


def _mixtures(labels, count, num_classes):
    return finite("labels", labels, (count, num_classes), "mixtures of classes have shape")


def finite(name: str, value: Any, shape: Any, expected: str = "expected") -> np.ndarray:
    """An argument as float32 numbers of a shape, whose None stands for any length but 0.

    Raises:
        ValueError: no numbers, another shape, NaN or infinite values.
    """
    try:
        array = np.asarray(value, "float32")
    except (TypeError, ValueError):  # words, rows of several lengths
        raise ValueError(
            f"{name} are {type(value).__name__}; expected an array of numbers."
        ) from None
    same = array.ndim == len(shape)
    if not same or any(n != (m or max(n, 1)) for n, m in zip(array.shape, shape, strict=True)):
        wanted = f"({', '.join('N' if m is None else str(m) for m in shape)})"
        raise ValueError(f"{name} have shape {array.shape}; {expected} {wanted}.")
    if not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise ValueError(f"{name} hold {bad} NaN or infinite values; expected finite numbers.")
    return array


def check_batch_size(batch_size: Any) -> None:
    """Raise `ValueError` unless it is an integer of 1 or more, or None for all at once."""
    if batch_size is not None:
        check_integers(batch_size=batch_size)


def _part(head, height, width):
    """How many images are rendered at once."""
    _, rows, columns, channels = head.input.shape
    values = max(rows * columns * channels, height * width * head.channels)
    return max(1, _PART_BYTES // (4 * values))


def run(network: keras.Model, inputs: Any, batch_size: int | None) -> Any:
    """A network's outputs as float32 NumPy: by a plain call, or in batches when they are many."""
    count = len(keras.tree.flatten(inputs)[0])
    if batch_size is not None and (count > _FEW or count > batch_size):
        outputs = backend.predict(network, inputs, batch_size)
        return keras.tree.map_structure(lambda x: np.asarray(x, "float32"), outputs)
    if network not in _forwards:
        _forwards[network] = backend.forward(network)
    return keras.tree.map_structure(
        lambda x: ops.convert_to_numpy(ops.cast(x, "float32")),
        backend.padded(_forwards[network], inputs),
    )


# Kept for what was compiled: a network's forward, and the parts of a generator by their names.
_forwards, _cuts = weakref.WeakKeyDictionary(), weakref.WeakKeyDictionary()


def _cut(generator, part):
    """A part of a generator, as a model of the same layers."""
    known = _cuts.setdefault(generator, {})
    if part not in known:
        inputs, outputs = list(generator.inputs), generator.output
        if part == "of labels":
            inputs, outputs = inputs[1], label_layer(generator).output
        if part.startswith("mixed"):
            inputs[1] = label_layer(generator).output
        if part.endswith("features"):
            outputs = inr_head(generator).input
        inputs = inputs if part == "of labels" else _one(inputs)
        known[part] = part_of(generator, inputs, outputs)
    return known[part]


def _one(inputs):
    return inputs if len(inputs) > 1 else inputs[0]
