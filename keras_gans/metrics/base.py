"""What the metrics share: sides of images, a feature network, results that say all of it."""

import json
from collections.abc import Sequence

import keras
import numpy as np

from keras_gans import registry
from keras_gans.metrics.features import Features, to_host
from keras_gans.metrics.scores import Score, protocol
from keras_gans.metrics.sources import Batch
from keras_gans.metrics.statistics import Sums, load_arrays, save_arrays
from keras_gans.typing import Any, Config, PathLike, Self, Tensor

SIDES = ("real", "fake", "held_out")
_WORDS = {"real": "real", "fake": "generated", "held_out": "held-out real"}


def facts(metric: Any) -> dict[str, Any]:
    """What the declaration of a metric says (see `keras_gans.registry.metric`), a dictionary.

    - needs: what it cannot do without, of "classifier" (a feature network with logits), "labels"
      (of the images), "classes" (which of the network's classes the labels are), "targets" (an
      image of its own for each generated one), "held_out" (real images that nobody trained on),
      "maps" (the label map of each image) and "judge" (a segmentation network);
    - real: bool, whether it compares with real images;
    - scores: aliases of its scores, by default its name alone;
    - lower_is_better: bool, or None where the class declares nothing;
    - default: bool, whether `keras-gans evaluate` measures it where nobody names metrics;
    - slow: bool, whether it is left out there for several truncations;
    - says, how: what it says, and how it is measured, in a few words.

    Args:
        metric: a metric, its class, or its declaration.
    """
    given = isinstance(metric, registry.Declaration)
    declared = metric if given else registry.of(metric)
    plain = {
        "needs": (),
        "real": True,
        "default": False,
        "slow": False,
        "says": "",
        "lower_is_better": None,
    }
    if declared is None:
        cls = metric if isinstance(metric, type) else type(metric)
        return {**plain, "how": cls.__name__, "scores": (cls.kind,)}
    plain |= {"how": declared.summary, "scores": (declared.name,)}
    return {**plain, **declared.about}


class GenerativeMetric(keras.metrics.Metric):
    """Base of the metrics of generators.

    Real and generated images arrive in batches of any size, on either side, in any order; all
    numbers live on the host in float64, so that every backend gives the same. Call metrics from a
    callback or a loop of your own; inside a compiled step they refuse.

    Args:
        network: `FeatureNetwork`; None where `update_*` get features (B, F) in place of images.
        split: str, name of the reference set, which the results repeat ("cifar10/test").
        name: str; by default the protocol's, such as "fid" or "fd_kgnet".

    Subclasses define `kind` and `wants`, make the parts (`Statistics`, `Sums` or `Rows`), take
    features into them in `add`, and compute in `result`. `keras_gans.registry.metric` gives them a
    name for `evaluate --metrics` and says what else they need; see `facts`.
    """

    kind = None
    wants = "features"

    @classmethod
    def measuring(cls, network: Any, split: str | None, samples: int, classes: Any) -> Self:
        """The metric as a `Measurement` makes it, which knows more than a name.

        Args:
            network, split: see the class.
            samples: integer, generated images to come.
            classes: the feature network's class of each label, integers (K,), or None.
        """
        return cls(network, split=split)

    @property
    def names(self) -> dict[str, str]:
        """Dictionary, alias -> name of each score that `result` gives."""
        return {self.kind: self.name}

    def most_real(self, samples: int) -> int | None:
        """How many real images are enough, beside `samples` generated ones; None for all."""
        return None

    def __init__(self, network: Any = None, split: str | None = None, name: str | None = None):
        if not (network is None or callable(network)):
            raise ValueError(
                f"network is {network!r}; a FeatureNetwork, such as keras_gans.metrics.kgnet(), or "
                "None (features are given) is wanted."
            )
        super().__init__(name=name or protocol(self.kind, getattr(network, "name", None)))
        self.network = network
        self.split = split
        self.parts: dict[str, Any] = {}
        self.lowest: dict[str, float] = {}

    def update_state(self, real: Tensor = None, fake: Tensor = None) -> None:
        """Take in a batch of each side, or of one: `metric.update_state(real, fake)`."""
        if real is not None:
            self.update_real(real)
        if fake is not None:
            self.update_fake(fake)

    def update_real(self, images: Tensor) -> None:
        """Take in real images: uint8, or floats in [-1, 1], (B, H, W, C); features without network.

        Raises:
            ValueError: another shape, dtype or range; NaN.
        """
        self.take("real", self.look(images))

    def update_fake(self, images: Tensor) -> None:
        """Take in generated images, as `update_real`."""
        self.take("fake", self.look(images))

    def look(self, images: Tensor) -> Features:
        """`Features` of images through the network, or of features as they are."""
        if self.network is not None:
            return self.network(images)
        x = to_host(images)
        return Features(x, x, None)

    def see(self, side: str, batch: Batch, outputs: Tensor) -> None:
        """Take in a batch of a source of images (`keras_gans.metrics.sources.Batch`).

        Args:
            side: "real", "fake" or "held_out".
            batch: images, and what goes with them.
            outputs: `Features` of the images.
        """
        self.take(side, outputs)

    def take(self, side: str, outputs: Tensor, *labels: Any) -> None:
        """Take in the `Features` of one side's images (see `look`), however they were computed."""
        x = getattr(outputs, self.wants)
        if x is None:
            raise ValueError(
                f"{self.name} needs {self.wants}, which the feature network "
                f"{self.network.name} does not give."
            )
        if outputs.lowest is not None:
            self.lowest[side] = min(self.lowest.get(side, np.inf), outputs.lowest)
        self.add(side, x, *labels)

    def add(self, side: str, x: Tensor) -> None:
        """Take (B, F) features or logits of one side into the parts."""
        raise NotImplementedError

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides whose images this metric takes."""
        return tuple(self.parts)

    def count(self, side: str) -> int:
        """Number of images seen on a side."""
        return self.parts[side].count if side in self.parts else 0

    def reset_state(self) -> None:
        """Forget all images."""
        for side in SIDES:
            self.reset_side(side)

    def reset_fake(self) -> None:
        """Forget the generated images, keep the real ones: for the next checkpoint."""
        self.reset_side("fake")

    def reset_side(self, side: str) -> None:
        """Forget the images of a side."""
        self.lowest.pop(side, None)
        if side in self.parts:
            self.parts[side].reset()

    def identity(self) -> dict[str, Any]:
        """What two halves of a measurement must share, as a dict of plain values."""
        network = self.network
        return {
            "metric": type(self).__name__,
            "network": getattr(network, "name", None),
            "checksum": getattr(network, "checksum", None),
            "resize": getattr(network, "resize", None),
            "split": self.split,
        }

    def state(self, sides: Sequence[str] = SIDES) -> dict[str, np.ndarray]:
        """All that was accumulated, as a flat dict of arrays `"side/name"`."""
        state = {"identity": np.asarray(json.dumps(self.identity()))}
        for side in sides:
            if side in self.parts:
                arrays = self.parts[side].state()
                state |= {f"{side}/{key}": np.asarray(value) for key, value in arrays.items()}
            if side in self.lowest:
                state[f"{side}_lowest"] = np.asarray(self.lowest[side])
        return state

    def merge(self, other: Any) -> None:
        """Add what another replica's metric saw (the metric itself, or its `state()`).

        Raises:
            ValueError: another metric, network or reference set.
        """
        state = dict(other if isinstance(other, dict) else other.state())
        theirs, ours = json.loads(str(state.pop("identity"))), self.identity()
        for key, value in theirs.items():
            if value != ours.get(key):
                raise ValueError(
                    f"The state to merge into {self.name} has {key} {value!r}, this has "
                    f"{ours.get(key)!r}: they do not belong together."
                )
        for side in SIDES:
            lowest = state.pop(f"{side}_lowest", None)
            if lowest is not None:
                self.lowest[side] = min(self.lowest.get(side, np.inf), float(lowest))
            arrays = {k.partition("/")[2]: v for k, v in state.items() if k.startswith(f"{side}/")}
            if arrays:
                self.parts[side].merge(arrays)

    def save(self, path: PathLike, sides: Sequence[str] = SIDES) -> None:
        """Write `state(sides)` as an `.npz` of plain arrays: `("real",)` caches a reference."""
        save_arrays(path, self.state(sides), {})

    def load(self, path: PathLike) -> None:
        """Merge a file that `save` wrote.

        Raises:
            ValueError: not such a file, or of another metric, network or reference set.
        """
        self.merge(load_arrays(path, ("identity",))[0])

    def need(self, side: str, least: int = 1, why: str = "") -> None:
        """Raise `ValueError` unless a side has that many images."""
        if self.count(side) < least:
            raise ValueError(
                f"{self.name} has {self.count(side)} {_WORDS[side]} images; {least} or more are "
                f"needed{why}."
            )

    def score(
        self,
        value: float,
        kind: str | None = None,
        warnings: Sequence[str] = (),
        details: dict[str, Any] | None = None,
    ) -> Score:
        """A `Score` with this metric's protocol."""
        name = self.name if kind is None else protocol(kind, getattr(self.network, "name", None))
        network = self.network
        warnings = list(warnings)
        for side, lowest in self.lowest.items():
            if lowest >= 0:
                warnings.append(
                    f"no {_WORDS[side]} image has a value below 0: expected [-1, 1], not [0, 1]"
                )
        return Score(
            value,
            name,
            network=getattr(network, "name", None),
            checksum=getattr(network, "checksum", None),
            resize=getattr(network, "resize", None),
            n_real=self.count("real"),
            n_fake=self.count("fake"),
            split=self.split,
            warnings=warnings,
            details=details,
            protocol=self.protocol(),
        )

    def protocol(self) -> str:
        """How the score is measured, in words for a card."""
        known = facts(self)
        text = known["how"]
        if known["real"] and self.count("real"):
            text += f", against {self.count('real'):,} real images"
            text += f" of {self.split}" if self.split else ""
        if self.network is not None:
            text += f", through {self.network.name}"
        return text

    def get_config(self) -> Config:
        return {"network": self.network, "split": self.split, "name": self.name}


class PairedMetric(GenerativeMetric):
    """Base of the metrics of pairs: the i-th generated image stands for the i-th real one."""

    def __init__(self, network: Any = None, split: str | None = None, name: str | None = None):
        super().__init__(network, split, name)
        self.parts: dict[str, Any] = {"fake": Sums()}

    def update_state(self, real: Tensor, fake: Tensor) -> None:
        """Take in pairs: two batches of one size, real (the truth) and generated."""
        real, fake = self.look(real), self.look(fake)
        for side, outputs in zip(("real", "fake"), (real, fake), strict=True):
            if outputs.lowest is not None:
                self.lowest[side] = min(self.lowest.get(side, np.inf), outputs.lowest)
        real, fake = getattr(real, self.wants), getattr(fake, self.wants)
        if real.shape != fake.shape:
            raise ValueError(
                f"{self.name} got real {real.shape} and generated {fake.shape}; pairs of one shape "
                "are wanted."
            )
        if len(real):
            values = self.measure(real, fake)
            self.parts["fake"].add(len(real), total=values.sum(), squares=np.square(values).sum())

    def see(self, side: str, batch: Batch, outputs: Tensor) -> None:
        self.update_state(batch.targets, batch.images)

    def update_real(self, images: Tensor) -> None:
        raise ValueError(f"{self.name} compares pairs: call update_state(real, fake).")

    update_fake = update_real

    def measure(self, real: Tensor, fake: Tensor) -> np.ndarray:
        """One value a pair, float64 (B,)."""
        raise NotImplementedError

    def count(self, side: str) -> int:
        return self.parts["fake"].count

    def reset_fake(self) -> None:
        self.reset_state()

    def result(self) -> Score:
        """`Score`: the mean over the pairs; `details["std"]` is their standard deviation."""
        self.need("fake")
        sums = self.parts["fake"]
        mean = sums.arrays["total"] / sums.count
        details = dict(self.details())
        if np.isfinite(mean):
            variance = sums.arrays["squares"] / sums.count - mean**2
            details["std"] = float(np.sqrt(max(variance, 0.0)))
        return self.score(mean, warnings=self.warnings(), details=details)

    def details(self) -> dict[str, Any]:
        return {}

    def warnings(self) -> list[str]:
        return []
