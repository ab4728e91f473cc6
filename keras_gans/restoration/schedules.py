"""How a generator is tuned, stage by stage: the published schedules, and short ones."""

import dataclasses
import numbers

from keras_gans.errors import nearest, quote
from keras_gans.typing import Any, Self

ALL, ALL_BUT_FIRST = "all", "all_but_first"
_PER_STAGE = (
    "generator_rates",
    "latent_rates",
    "ratios",
    "groups",
    "features",
    "feature_weights",
    "pixel_weights",
)


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The stages of a restoration.

    Pan et al., Exploiting Deep Generative Prior, ECCV 2020, Sec. 3.2: the generator is tuned from
    its shallow to its deep blocks. In stage s, group i of the generator has the rate
    `generator_rates[s] * ratios[s] ** i` where i < `groups[s]`, else 0. What is given as one value
    holds in every stage.

    Args:
        steps: integer or sequence of integers, the steps of each stage.
        generator_rates: Adam's rates of the generator's group 0.
        latent_rates: Adam's rates of the latents.
        ratios: of a group's rate to that of the group before it.
        groups: how many groups are tuned; group 0 is the first linear layer, group i block i.
        features: how many features count, from the discriminator's last one backwards (all, where
            it has fewer); or "all", or "all_but_first".
        feature_weights: of the features' distances in the loss.
        pixel_weights: of the mean squared difference of pixels in the loss.
        latent_weight: of mean(z^2) / 2 in the loss.
        std: standard deviation of the candidates for the latents.
        candidates: integer, how many latents are drawn; the one whose last three features are
            nearest starts.
        norm: "batch", or "instance" for the generator's class-conditional batch norms replaced
            by instance norms with the scale and offset of the first image.
        tune_embedding: bool, whether the class embedding is tuned with group 0.
        tune_head: bool, whether the output layer is tuned as a last group.

    Raises:
        ValueError: stages of another number than those of `steps`, a value out of range.

    Example:

    >>> schedule = keras_gans.restoration.schedule("color")
    >>> schedule.total, schedule.rates(4, 6)[:3]
    (1400, [2e-05, 2e-05, 2e-05])
    >>> schedule.changed(candidates=50).candidates
    50
    """

    steps: Any
    generator_rates: Any
    latent_rates: Any
    ratios: Any = 1.0
    groups: Any = (2, 3, 4, 5, 6)
    features: Any = ALL
    feature_weights: Any = 1.0
    pixel_weights: Any = 0.0
    latent_weight: float = 0.02
    std: float = 0.5
    candidates: int = 500
    norm: str = "batch"
    tune_embedding: bool = False
    tune_head: bool = False

    def __post_init__(self) -> None:
        steps = self.steps if isinstance(self.steps, (list, tuple)) else (self.steps,)
        object.__setattr__(self, "steps", tuple(steps))
        for name in _PER_STAGE:
            value = getattr(self, name)
            several = isinstance(value, (list, tuple))
            value = tuple(value) if several else (value,) * len(steps)
            if len(value) != len(steps):
                raise ValueError(
                    f"{name} has {len(value)} values; expected one, or one for each of the "
                    f"{len(steps)} stages of steps."
                )
            object.__setattr__(self, name, value)
        self._check()

    def _check(self):
        counts = {"steps": self.steps, "groups": self.groups, "candidates": (self.candidates,)}
        for name, values in counts.items():
            least = 0 if name == "groups" else 1
            if not all(_whole(v, least) for v in values):
                raise ValueError(
                    f"{name} is {quote(values)}; expected integers of {least} or more."
                )
        if not all(f in (ALL, ALL_BUT_FIRST) or _whole(f, 1) for f in self.features):
            raise ValueError(
                f"features is {quote(self.features)}; expected integers of 1 or more, {ALL!r} or "
                f"{ALL_BUT_FIRST!r}."
            )
        for name in (*_PER_STAGE[:3], *_PER_STAGE[5:], "latent_weight", "std"):
            values = getattr(self, name)
            for v in values if isinstance(values, tuple) else (values,):
                if not isinstance(v, numbers.Real) or not 0 <= v < float("inf"):
                    raise ValueError(f"{name} has {quote(v)}; expected numbers of 0 or more.")
        if self.norm not in ("batch", "instance"):
            raise ValueError(f'norm is {quote(self.norm)}; expected "batch" or "instance".')

    @property
    def total(self) -> int:
        """The steps of all stages."""
        return sum(self.steps)

    def rates(self, stage: int, groups: int) -> list[float]:
        """The rates of a generator's groups in a stage."""
        rate, ratio, tuned = (x[stage] for x in (self.generator_rates, self.ratios, self.groups))
        return [rate * ratio**i if i < tuned else 0.0 for i in range(groups)]

    def chosen(self, stage: int, count: int) -> list[float]:
        """1 for each of a discriminator's features that counts in a stage, else 0."""
        features = self.features[stage]
        many = {ALL: count, ALL_BUT_FIRST: max(count - 1, 1)}.get(features, features)
        return [float(i >= count - many) for i in range(count)]

    def changed(self, **values: Any) -> Self:
        """A schedule with other values."""
        return dataclasses.replace(self, **values)

    def shortened(self, share: float) -> Self:
        """A schedule of the same stages with a share of the steps, one a stage at least."""
        return self.changed(steps=[max(1, round(n * share)) for n in self.steps])


def _whole(value, least):
    return isinstance(value, numbers.Integral) and value >= least


_MSE_RATES = {
    "generator_rates": (2e-4, 2e-4, 1e-4, 1e-4, 1e-5),
    "latent_rates": (1e-3, 1e-3, 1e-4, 1e-4, 1e-5),
}
_COLOR = Schedule(
    steps=(200, 200, 300, 400, 300),
    generator_rates=(5e-5, 5e-5, 5e-5, 5e-5, 2e-5),
    latent_rates=(2e-3, 1e-3, 5e-4, 5e-5, 2e-5),
    ratios=(0.7, 0.7, 0.8, 0.9, 1.0),
    features=ALL_BUT_FIRST,
)
_SR_D = Schedule(
    steps=(200,) * 5,
    generator_rates=(5e-5, 5e-5, 2e-5, 1e-5, 1e-5),
    latent_rates=(2e-3, 1e-3, 2e-5, 1e-5, 1e-5),
    pixel_weights=1.0,
    std=0.3,
)
_SR_MSE = Schedule(
    steps=(200,) * 5,
    **_MSE_RATES,
    feature_weights=(1, 1, 1, 0.5, 0.1),
    pixel_weights=(10, 10, 10, 50, 100),
    std=0.3,
    norm="instance",
)
_RECONSTRUCTION = _SR_MSE.changed(
    feature_weights=(1, 1, 1, 0.1, 0.1), pixel_weights=(10, 10, 10, 100, 100)
)
_INPAINTING = _RECONSTRUCTION.changed(groups=6, tune_embedding=True)
_INPAINTING_256 = Schedule(
    steps=(200,) * 5,
    generator_rates=(5e-5, 5e-5, 2e-5, 2e-5, 1e-5),
    latent_rates=(2e-3, 1e-3, 2e-5, 2e-5, 1e-5),
    groups=7,
    features=8,
    feature_weights=(1, 1, 1, 1, 0.5),
    pixel_weights=(1, 1, 1, 1, 10),
    std=0.3,
    tune_embedding=True,
)
_COMPACT = Schedule(
    steps=(42,) * 5,
    generator_rates=(1e-3, 1e-3, 1e-3, 1e-3, 4e-4),
    latent_rates=(4e-2, 2e-2, 1e-2, 1e-3, 4e-4),
    ratios=(0.7, 0.7, 0.8, 0.9, 1.0),
    pixel_weights=1.0,
    candidates=100,
)

# The released ones, for BigGANs of 128 and 256 pixels; and short ones for the zoo's small networks.
SCHEDULES: dict[str, Schedule] = {
    "color": _COLOR,
    "color_256": _COLOR.changed(features=7),
    "sr_d": _SR_D,
    "sr_d_256": _SR_D.changed(groups=(2, 3, 4, 5, 7), features=8),
    "sr_mse": _SR_MSE,
    "inpainting": _INPAINTING,
    "inpainting_256": _INPAINTING_256,
    "reconstruction": _RECONSTRUCTION,
    "compact": _COMPACT,
    # What says less of the image leaves the generator nearer to what it was trained to be.
    "compact_sr": _COMPACT.changed(generator_rates=(3e-4, 3e-4, 3e-4, 3e-4, 1.2e-4)),
    "compact_color": _COMPACT.changed(
        generator_rates=(3e-5, 3e-5, 3e-5, 3e-5, 1.2e-5),
        features=ALL_BUT_FIRST,
        pixel_weights=0.0,
    ),
}


def schedule(name: str | Schedule) -> Schedule:
    """A schedule by its name, or itself.

    Args:
        name: one of `keras_gans.restoration.SCHEDULES`, or a `Schedule`.

    Raises:
        ValueError: an unknown name.

    Example:

    >>> keras_gans.restoration.schedule("sr_mse").pixel_weights
    (10, 10, 10, 50, 100)
    """
    if isinstance(name, Schedule):
        return name
    if name not in SCHEDULES:
        raise ValueError(
            f"Unknown schedule {quote(name)}{nearest(name, SCHEDULES)}: choose one of "
            f"{', '.join(SCHEDULES)}, or give a keras_gans.restoration.Schedule."
        )
    return SCHEDULES[name]
