"""What every reader of a format gives: streams of samples as the file has them.

Nothing is filtered, calibrated, filled or straightened. Time is that of the sensor; units are those
that the file states, and none where it states none. Samples that nobody measured (a sensor that
slept, a limb that is a copy of another) are flagged as `invented` and counted by their reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from aura.errors import AuraError, CorruptFile
from aura.storage import Storage

Clock = Literal["utc", "local", "device", "none"]
"""What time 0 of a stream's clock is: an epoch, one in local time, the device's own start, or not
known as the file has no stamps at all and samples are counted by its rate."""


@dataclass(frozen=True)
class Stream:
    """Samples of one sensor, or points of one body.

    Attributes
    ----------
    name : str
        What the file calls it.
    columns : tuple of str
        Of a sensor (C,) `accel_x` … `gyro_z` and whatever else there is; of a body (J,) the names
        of its joints or markers.
    values : np.ndarray
        (N, C) or (N, J, 3) float64; NaN where there is no value.
    time_s : np.ndarray
        (N,) float64, s after `origin_ns`, in the order of the file.
    units : tuple of str
        (C,) of each column, or (1,) of all points; empty where the file does not say.
    origin_ns : int
        Of the clock, ns; 0 where it is the device's own.
    clock : Clock
        Which clock it is.
    rate_hz : float or None
        As the file states it, None where it does not.
    invented : np.ndarray
        (N,) or (N, J) bool, samples that nobody measured.
    counts : mapping of str to int
        What was left out or flagged, by a fixed phrase.
    facts : mapping of str to str
        What the file says besides: place, device, which axis is up.
    """

    name: str
    columns: tuple[str, ...]
    values: np.ndarray
    time_s: np.ndarray
    units: tuple[str, ...]
    origin_ns: int = 0
    clock: Clock = "device"
    rate_hz: float | None = None
    invented: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    counts: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.invented):
            object.__setattr__(self, "invented", np.zeros(self.values.shape[: self.ndim - 1], bool))
        if len(self.values) != len(self.time_s) or self.values.shape[1] != len(self.columns):
            raise CorruptFile(f"the stream {self.name} has columns of different lengths.")

    @property
    def ndim(self) -> int:
        """Axes of the values: 2 of a sensor, 3 of a body."""
        return self.values.ndim

    @property
    def is_body(self) -> bool:
        """Whether it has points in space."""
        return self.ndim == 3

    def column(self, name: str) -> np.ndarray:
        """One column (N,) or joint (N, 3), by name."""
        return self.values[:, self.columns.index(name)]


class Reader(Protocol):
    """A module of this package: one format."""

    SUFFIXES: tuple[str, ...]
    VERSION: str
    """What reads it: `own`, or a package and its version."""

    def read(self, files: Storage, path: str) -> tuple[Stream, ...]:
        """All streams of a file; `CorruptFile` whatever is wrong with it."""


def missing(package: str, extra: str, what: str) -> AuraError:
    """Say which package is not installed, and the command that installs it."""
    return AuraError(f'{what} needs the package {package}: pip install "aura[{extra}]".')


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with a number behind those that are there again."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return tuple(result)


def nonzero(counts: Mapping[str, int]) -> dict[str, int]:
    """The reasons that occurred."""
    return {reason: int(count) for reason, count in counts.items() if count}


_STILL_FRAMES = 4  # alike on end; a tracker's noise makes no two of a body alike


def frozen(points: np.ndarray) -> np.ndarray:
    """Poses (N,) that repeat the one before to the last digit, of four alike and more.

    Parameters
    ----------
    points : np.ndarray
        (N, J, 3).
    """
    alike = ((points[1:] == points[:-1]) | (np.isnan(points[1:]) & np.isnan(points[:-1]))).all(
        axis=(1, 2)
    )
    alike &= np.isfinite(points[1:]).any(axis=(1, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], alike.astype(np.int8), [0]])))
    result = np.zeros(len(points), bool)
    for begin, end in edges.reshape(-1, 2):
        result[begin + 1 : end + 1] = end - begin >= _STILL_FRAMES - 1
    return result
