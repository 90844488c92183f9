"""What the pipeline knows of a data set: a list of takes, and each take as signals on one clock.

An adapter is one file in this folder, `<adapter>.py` with `-` as `_`, that defines a class
`Adapter(root, options)`, or an entry point `aura.datasets` of another package. The synthetic data
set has none of its own: it is written in Ego-Exo4D's format and read by `ego_exo4d`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from aura import plugins
from aura.errors import AuraError
from aura.storage import Storage


@dataclass(frozen=True)
class Take:
    """One recording, as the data set's index describes it; nothing has been opened yet."""

    take_id: str
    take_name: str
    participant_id: str
    capture_id: str
    split: str
    label: str | None
    source: Any = field(repr=False, compare=False, hash=False)  # what the adapter needs to open it
    duration_s: float = 0.0  # by the index, for shards of even size; 0 where it does not say


@dataclass(frozen=True)
class Skip:
    """Something that was dropped or masked, and why. `reason` is a fixed phrase, for counting."""

    reason: str
    where: str
    modality: str = "take"


@dataclass(frozen=True)
class Text:
    """One caption: its span in seconds on the clock of the take, and its kind of annotation.

    A text about a moment has no `end_s` of its own.
    """

    text: str
    time_s: float
    source: str
    end_s: float | None = None


@dataclass(frozen=True)
class Video:
    """One third-person camera; `path` is relative to the data set's root."""

    camera: str
    path: str


@dataclass(frozen=True)
class Recording:
    """A take, opened: native-rate signals on the clock of the take (seconds from frame 0).

    A modality that is missing has no rows. `imu` is (N, 6) float32 in m/s2 and rad/s at `imu_s`
    (N,) float64, unsorted and unclean as recorded; `imu_ok` (N,) marks samples flagged valid.
    `mocap` is (F, 17, 3) float32 in metres, world frame, z up, NaN where a joint is absent, at
    `mocap_s` (F,). `frame_s` (V,) is the time of every video frame, NaN where unknown. Where the
    gyroscope has a clock offset of its own, its samples are `gyro_lag_s` later than `imu_s` says.
    `imu_saturated` (N,) marks samples at the end of the sensor's range; `mocap_frame` (F,) is the
    video frame of each pose. Both may be left empty. `counts` tells how much of what was masked.
    `actions` are steps within the activity and their spans: labels to test on, not captions.
    """

    duration_s: float
    imu_s: np.ndarray
    imu: np.ndarray
    imu_ok: np.ndarray
    mocap_s: np.ndarray
    mocap: np.ndarray
    frame_rate_hz: float
    frame_s: np.ndarray
    videos: tuple[Video, ...]
    texts: tuple[Text, ...]
    skips: tuple[Skip, ...]
    actions: tuple[Text, ...] = ()
    gyro_lag_s: float = 0.0
    imu_saturated: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    mocap_frame: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Inventory:
    """The takes of a data set that can be opened, and the ones that cannot, with reasons."""

    takes: tuple[Take, ...]
    skips: tuple[Skip, ...]


class Adapter(Protocol):
    """Reads one data set."""

    classes: Mapping[str, str]  # label -> the phrase that a prompt uses for it

    def __init__(self, root: Storage, options: Mapping[str, Any]) -> None: ...

    def inventory(self) -> Inventory:
        """List the takes; opens only the index files. No data at `root` is an `AuraError`."""

    def load(self, take: Take) -> Recording:
        """Open one take. Raises `CorruptFile` only if nothing of the take is usable."""


def open_dataset(adapter: str, root: str, options: Mapping[str, Any]) -> Adapter:
    """Find the adapter by name and point it at `root`.

    Parameters
    ----------
    adapter : name of a file of this folder, or of an entry point `aura.datasets`.
    root : a folder, or an object store's URL.
    options : what the adapter leaves open; each has its own.

    Raises
    ------
    AuraError
        There is no such adapter or no such root, or an option is wrong.
    """
    found = plugins.find("adapter", adapter).load()
    if not (isinstance(found, type) and all(hasattr(found, n) for n in ("inventory", "load"))):
        raise AuraError(f"The adapter '{adapter}' has not the methods `inventory` and `load`.")
    storage = Storage(root)
    if not storage.exists():
        raise AuraError(f"There is no data at {root}; the adapter {adapter} needs a folder there.")
    opened: Adapter = found(storage, options)
    return opened


def count_skips(skips: Sequence[Skip]) -> dict[str, int]:
    """Count by `modality: reason`, for reports and metrics."""
    return dict(Counter(f"{skip.modality}: {skip.reason}" for skip in skips))


def empty_imu() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, samples and flags of a recording without IMU."""
    return np.empty(0), np.empty((0, 6), np.float32), np.empty(0, bool)


def empty_mocap() -> tuple[np.ndarray, np.ndarray]:
    """Times and joints of a recording without mocap."""
    return np.empty(0), np.empty((0, 17, 3), np.float32)
