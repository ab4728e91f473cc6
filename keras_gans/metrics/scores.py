"""Results of metrics: numbers that say how they were measured."""

import math
from collections.abc import Sequence

from keras_gans.typing import Any, Self

# What the literature calls a measure over the Inception network of 2015, and only over that one.
INCEPTION = "inception_2015"
_PUBLISHED = {"fd": "fid", "kd": "kid", "intra_fd": "intra_fid"}


def protocol(kind: str, network: Any) -> str:
    """Name of a measure over a feature network.

    >>> protocol("fd", "inception_2015"), protocol("fd", "kgnet"), protocol("fd", None)
    ('fid', 'fd_kgnet', 'fd')

    Args:
        kind: "fd", "kd", "intra_fd", "is", "precision", ...
        network: name of the feature network, or None where features were given.
    """
    if network == INCEPTION:
        return _PUBLISHED.get(kind, kind)
    return f"{kind}_{network}" if network else kind


class Score(float):
    """A float that carries the protocol behind it; it logs, compares and formats as a float.

    Attributes:
        name: of the protocol, such as "fid" or "fd_kgnet".
        network: name of the feature network; None where features were given or none is involved.
        checksum: SHA-256 of the network's weights, or None.
        resize: how the images reached the network's size, or None.
        n_real: number of real images (0 where none take part).
        n_fake: number of generated images.
        split: the reference set, such as "cifar10/test", or None where nobody said.
        warnings: tuple of lines on what makes the number weak, usually empty.
        details: dict of further numbers (standard deviations, subsets, seeds).
        protocol: text, how it was measured, as cards say it.

    Raises:
        ValueError: the value is not a number.
    """

    def __new__(
        cls,
        value: float,
        name: str,
        network: Any = None,
        checksum: str | None = None,
        resize: str | None = None,
        n_real: int = 0,
        n_fake: int = 0,
        split: str | None = None,
        warnings: Sequence[str] = (),
        details: dict[str, Any] | None = None,
        protocol: str = "",
    ) -> Self:
        self = super().__new__(cls, value)
        if math.isnan(self):
            raise ValueError(
                f"{name} came out as NaN, which only features beyond the range of floats cause: "
                "check the generator and the feature network."
            )
        self.name = name
        self.network = network
        self.checksum = checksum
        self.resize = resize
        self.n_real = int(n_real)
        self.n_fake = int(n_fake)
        self.split = split
        self.warnings = tuple(warnings)
        self.details = dict(details or {})
        self.protocol = protocol
        return self

    @property
    def value(self) -> float:
        """The number as a plain float."""
        return float(self)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON: {"name": ..., "value": ..., "network": ..., ...}."""
        fields = dict(self.__dict__)
        return {"name": fields.pop("name"), "value": self.value, **fields}

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.value, self.__dict__)

    def __repr__(self) -> str:
        about = [f"network {self.network} {(self.checksum or 'of unknown weights')[:8]}"]
        about = about if self.network else []
        about += [f"resize {self.resize}"] if self.resize else []
        reference = f" ({self.split})" if self.split else ""
        about += [f"{self.n_real} real{reference}"] if self.n_real else []
        about += [f"{self.n_fake} fake", *self.warnings]
        return f"{self.name} {self.value:.6g} ({', '.join(about)})"


def _restore(value, fields):
    return Score(value, **fields)
