"""NRDS: rank generators by how long one classifier takes to tell their fakes from real samples."""

import dataclasses
import math
import operator

import keras
import numpy as np
from keras import layers, ops

from keras_gans.data.checks import check_image_array
from keras_gans.data.images import from_uint8
from keras_gans.data.order import check_seed
from keras_gans.layers.initializers import SeededNormal
from keras_gans.typing import Any, PathLike, Tensor

LEAST = 10  # samples of a set, below which a mean output says nothing
EPOCHS = {"vectors": 300, "images": 100}
_LARGEST_BATCH = 64
_STEPS = 10  # an epoch, at least, where the sets are large enough
_PREDICTED = 256  # samples of one forward pass between the epochs


@dataclasses.dataclass(frozen=True)
class NRDSResult:
    """What `nrds` found; the numbers of a model are Python floats, its curve float64 (epochs,).

    Attributes:
        scores: dictionary, name -> NRDS; they sum to 1, and the highest is the best.
        areas: dictionary, name -> area under the curve, in epochs.
        curves: dictionary, name -> mean output on the model's fakes after each epoch, in [0, 1].
        real_curve: the mean output on the real samples.
        settings: dictionary: numbers of samples, epochs, batch size, steps an epoch, seed, network.
    """

    scores: dict[str, float]
    areas: dict[str, float]
    curves: dict[str, np.ndarray]
    real_curve: np.ndarray
    settings: dict[str, Any]

    @property
    def ranking(self) -> list[str]:
        """The names, best first."""
        return sorted(self.scores, key=self.scores.get, reverse=True)

    def table(self) -> str:
        """Scores, areas and the curves' ends as text, best first."""
        width = max(5, *(len(name) for name in self.scores))
        lines = [f"{'model':<{width}}  {'NRDS':>6}  {'area':>8}  {'first':>6}  {'last':>6}"]
        for name in self.ranking:
            curve = self.curves[name]
            lines.append(
                f"{name:<{width}}  {self.scores[name]:6.4f}  {self.areas[name]:8.3f}  "
                f"{curve[0]:6.3f}  {curve[-1]:6.3f}"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as what `json.dump` takes."""
        return {
            "metric": "nrds",
            "scores": self.scores,
            "areas": self.areas,
            "settings": self.settings,
            "curves": {name: curve.tolist() for name, curve in self.curves.items()},
            "real_curve": self.real_curve.tolist(),
        }

    def plot(self, path: PathLike) -> None:
        """Draw the curves as a PNG file; see `keras_gans.plots.line_plot`."""
        from keras_gans.plots import line_plot

        curves = {
            f"{name} (NRDS {self.scores[name]:.3f})": self.curves[name] for name in self.ranking
        }
        line_plot(
            {**curves, "real samples": self.real_curve},
            path,
            title="NRDS: mean output of one classifier",
            x_label="epoch",
            y_label="mean output (1 = real)",
            x_start=1,
            y_range=(0, 1),
        )


def nrds(
    real: np.ndarray,
    fakes: dict[str, np.ndarray],
    epochs: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    num: int | None = None,
    network: Any = None,
    verbose: bool = False,
) -> NRDSResult:
    """Normalized relative discriminative score of several generators.

    Zhang, Song, Qi: Decoupled Learning for Conditional Adversarial Networks, WACV 2018, Sec. 3,
    Eq. 11: ONE classifier learns to tell real samples (1) from the fakes of ALL models (0). The
    closer a model's fakes are to the real samples, the slower its mean output falls. Its score is
    the area under that curve (trapezoid rule over the epochs), divided by the sum of all areas.

    As the authors' released code trains: equal batches of real samples and of the shuffled union of
    all fakes, binary cross entropy on both, Adam(2e-4, beta_1=0.5); outputs are those on the
    training samples, after each epoch. A score ranks the models of one comparison and means nothing
    beside the scores of another.

    Args:
        real: images, uint8 or floats in [-1, 1], (N, H, W, C) or (N, H, W); or vectors (N, F).
        fakes: dictionary, name of a model -> its samples, of the same shape but for N. All models
            need the same number: in a union, the larger set would weigh more.
        epochs: integer, 2 or more, passes over the smaller of real set and union of fakes; by
            default 300 for vectors, 100 for images.
        seed: integer, of the weights and of the order. Both are drawn by NumPy: a seed gives the
            same score on every backend, up to float32 rounding.
        batch_size: integer, real samples of a step, beside as many fakes; by default as many as
            make 10 steps an epoch, at most 64.
        num: integer, use this many samples of each set, drawn by `seed`; by default all.
        network: `keras.Model`, samples -> raw scores (B, 1), trained in place; by default two
            hidden layers of 32 ReLU for vectors (as in Fig. 6), and for images 4x4 convolutions of
            stride 2 down to 4 pixels with LeakyReLU 0.2 and no norm, a DCGAN discriminator.
        verbose: bool, whether to show a progress bar.

    Returns:
        `NRDSResult`.

    Raises:
        ValueError: fewer than two models, shapes or numbers that differ, fewer than 10 samples in a
            set, samples that are not finite.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> near, far = (rng.normal((x, 0), 1, (100, 2)) for x in (0.5, 1.5))
    >>> fakes = {"near": near, "far": far}
    >>> keras_gans.metrics.nrds(rng.normal(size=(100, 2)), fakes, epochs=30).ranking
    ['near', 'far']
    """
    seed = check_seed(seed)
    if not (network is None or isinstance(network, keras.Model)):
        raise ValueError(f"network is {network!r}; expected a keras.Model of scores (B, 1).")
    real, fakes = _check_sets(real, fakes)
    if num is not None:
        real, fakes = _draw(real, fakes, _integer("num", num, LEAST), seed)
    sizes = {name: len(x) for name, x in fakes.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(
            f"The numbers of fakes differ ({_listed(sizes)}), and the larger set would weigh more: "
            f"use num={min(sizes.values())}, or as many of each."
        )
    union = np.concatenate(list(fakes.values()))
    kind = "vectors" if real.ndim == 2 else "images"
    epochs = EPOCHS[kind] if epochs is None else _integer("epochs", epochs, 2)
    fewer = min(len(real), len(union))
    if batch_size is None:
        batch_size = max(1, min(_LARGEST_BATCH, fewer // _STEPS))
    batch_size = _integer("batch_size", batch_size, 1)
    if batch_size > fewer:
        raise ValueError(f"batch_size is {batch_size}; {fewer} samples allow {fewer} at most.")

    classifier = _Classifier(network or _default_network(real.shape[1:], seed))
    classifier.compile(keras.optimizers.Adam(2e-4, beta_1=0.5))
    steps = fewer // batch_size
    curves, real_curve = {name: [] for name in fakes}, []
    progress = keras.utils.Progbar(epochs, unit_name="epoch") if verbose else None
    for epoch in range(epochs):
        _train(classifier, real, union, batch_size, steps, np.random.default_rng((seed, epoch, 1)))
        for name, samples in fakes.items():
            curves[name].append(_mean_output(classifier, samples))
        real_curve.append(_mean_output(classifier, real))
        if progress:
            progress.update(epoch + 1)
    curves = {name: np.array(curve) for name, curve in curves.items()}
    settings = {
        "real": len(real),
        "fakes": sizes,
        "sample_shape": list(real.shape[1:]),
        "epochs": epochs,
        "batch_size": batch_size,
        "steps_per_epoch": steps,
        "seed": seed,
        "network": classifier.network.name,
        "parameters": classifier.network.count_params(),
        "optimizer": "adam(2e-4, beta_1=0.5)",
        "backend": keras.backend.backend(),
    }
    return summarize(curves, np.array(real_curve), settings)


def summarize(
    curves: dict[str, np.ndarray], real_curve: np.ndarray, settings: dict[str, Any]
) -> NRDSResult:
    """Areas and scores of curves, dictionary name -> (epochs,), as an `NRDSResult` (Eq. 11)."""
    areas = {name: float(np.trapezoid(curve)) for name, curve in curves.items()}
    total = sum(areas.values())
    if not (math.isfinite(total) and total > 0):
        raise ValueError(
            f"The areas under the curves sum to {total}: the classifier diverged, or saw through "
            "every fake at once. Scale vectors to unit variance, or use a smaller network."
        )
    scores = {name: area / total for name, area in areas.items()}
    return NRDSResult(scores, areas, curves, real_curve, settings)


class _Classifier(keras.Model):
    """A network and its loss: half the sum of the mean cross entropies of real and fake samples."""

    def __init__(self, network: Any):
        super().__init__(name="nrds_classifier")
        self.network = network

    def call(self, x: Tensor) -> Tensor:
        return self.network(x)

    # `compile(loss=...)` would wrap the same in bookkeeping that costs as much as a small network.
    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        scores, y = ops.cast(y_pred, "float32"), ops.cast(y, "float32")
        return ops.mean(ops.softplus(scores) - scores * y)


def _train(classifier, real, union, batch_size, steps, rng):
    """One epoch over equal batches of both sets, each in an order of its own."""
    real_order, fake_order = rng.permutation(len(real)), rng.permutation(len(union))
    labels = np.repeat(np.array([[1], [0]], "float32"), batch_size, axis=0)
    for i in range(steps):
        part = slice(i * batch_size, (i + 1) * batch_size)
        both = (_batch(real, real_order[part]), _batch(union, fake_order[part]))
        classifier.train_on_batch(np.concatenate(both), labels)


def _mean_output(classifier, samples):
    """The mean of sigmoid(score) over a set, in float64."""
    outputs = []
    size = min(len(samples), _PREDICTED)
    for start in range(0, len(samples), size):
        # The last batch is filled up: one shape, one compilation.
        indices = np.arange(start, start + size) % len(samples)
        scores = np.asarray(classifier.predict_on_batch(_batch(samples, indices)), "float64")
        outputs.append(0.5 + 0.5 * np.tanh(0.5 * scores[: len(samples) - start, 0]))
    return float(np.mean(np.concatenate(outputs)))


def _batch(samples, indices):
    return _floats(samples[indices])


def _floats(x):
    return from_uint8(x) if x.dtype == np.uint8 else x


def _default_network(shape, seed):
    if len(shape) == 1:
        units = [shape[0], 32, 32, 1]
        stack = [
            layers.Dense(n, "relu" if i < 2 else None, **_weights(units[i], n, (seed, i)))
            for i, n in enumerate(units[1:])
        ]
        return keras.Sequential([keras.Input(shape), *stack], name="mlp_32_32")
    return _convolutions(shape, seed)


def _convolutions(shape, seed):
    stages = min(5, max(1, round(math.log2(max(2, min(shape[:2]) / 4)))))
    x = inputs = keras.Input(shape)
    for i in range(stages):
        filters = min(32 * 2**i, 256)
        weights = _weights(16 * x.shape[-1], 16 * filters, (seed, i))
        x = layers.Conv2D(filters, 4, 2, padding="same", **weights)(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    scores = layers.Dense(1, **_weights(x.shape[-1], 1, (seed, stages)))(x)
    return keras.Model(inputs, scores, name=f"dcgan_{stages}_convolutions")


def _weights(fan_in, fan_out, seed):
    """Glorot's standard deviation, drawn by NumPy; float32 under any policy."""
    stddev = math.sqrt(2 / (fan_in + fan_out))
    return {"kernel_initializer": SeededNormal(stddev, seed), "dtype": "float32"}


def _check_sets(real, fakes):
    """The sets as arrays of one sample shape: all uint8, or all float32."""
    if not isinstance(fakes, dict) or not all(isinstance(name, str) and name for name in fakes):
        raise ValueError('fakes has to be a dictionary, name -> samples: {"a": fakes_a, ...}.')
    if len(fakes) < 2:
        raise ValueError(
            f"NRDS compares models, and fakes has {len(fakes)}: give the samples of 2 or more."
        )
    sets = {"real": real, **{f"fakes[{name!r}]": x for name, x in fakes.items()}}
    sets = {where: _check_set(x, where) for where, x in sets.items()}
    real = sets["real"]
    for where, x in sets.items():
        if x.shape[1:] != real.shape[1:]:
            raise ValueError(
                f"{where} holds samples of shape {x.shape[1:]}, and real of {real.shape[1:]}: all "
                "have to agree, or the classifier would learn the difference."
            )
        if len(x) < LEAST:
            raise ValueError(f"{where} holds {len(x)} samples; expected {LEAST} or more.")
    if len({x.dtype for x in sets.values()}) > 1:
        # Joined with floats, uint8 images would keep their 0 .. 255, which tells models apart.
        sets = {where: _floats(x) for where, x in sets.items()}
    real, *checked = sets.values()
    return real, dict(zip(fakes, checked, strict=True))


def _check_set(x, where):
    x = ops.convert_to_numpy(x)
    if x.ndim != 2:
        return check_image_array(x, where, max_channels=8)
    if x.dtype.kind not in "fiu" or 0 in x.shape:
        raise ValueError(f"{where} has dtype {x.dtype}, shape {x.shape}; expected numbers (N, F).")
    # Whatever their dtype: vectors have no range, and uint8 would be taken for pixels.
    x = x.astype("float32")
    bad = int(x.size - np.isfinite(x).sum())
    if bad:
        raise ValueError(f"{where} holds {bad} NaN or infinite values; clean it first.")
    return x


def _draw(real, fakes, num, seed):
    """`num` samples of each set, in their order."""
    drawn = []
    for i, (where, x) in enumerate([("real", real), *fakes.items()]):
        if len(x) < num:
            raise ValueError(f"num is {num}, but {where} holds {len(x)} samples: choose fewer.")
        chosen = np.random.default_rng((seed, i, 2)).permutation(len(x))[:num]
        drawn.append(x[np.sort(chosen)])
    return drawn[0], dict(zip(fakes, drawn[1:], strict=True))


def _integer(name, value, least):
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} is {value!r}; expected an integer of {least} or more.")
    return number


def _listed(sizes):
    return ", ".join(f"{name}: {n}" for name, n in sizes.items())
