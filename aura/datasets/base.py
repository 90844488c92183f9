"""What the pipeline knows of a data set: a list of takes, and each take as signals on one clock.

An adapter is one file in this folder, `<adapter>.py` with `-` as `_`, that defines a class
`Adapter(root, options)`, or an entry point `aura.datasets` of another package. The synthetic data
set has none of its own: it is written in Ego-Exo4D's format and read by `ego_exo4d`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from aura import plugins
from aura.errors import AuraError, CorruptFile
from aura.schema import PLACES, is_place
from aura.storage import Storage

VIRTUAL = "aura.datasets.virtual"
"""What the option `virtual` needs; by name, so that only data sets that have it depend on it."""

GUARD = "aura.datasets.guard"
"""What opens adapters of other packages; by name, as it imports this module."""


@dataclass(frozen=True)
class Take:
    """One recording, as the data set's index describes it; nothing has been opened yet.

    Attributes
    ----------
    take_id, take_name : str
        Key in all tables, and what people call it.
    participant_id, capture_id : str
        Who is recorded, and in which session.
    split : str
        One of `schema.SPLITS`, or "teacher".
    label : str or None
        The activity; None where the index names none.
    source : object
        What the adapter needs to open it.
    duration_s : float
        By the index, for shards of even size; 0 where it does not say.
    place : str or None
        Where on the body the IMU sits, one of `schema.PLACES` and its side: `wrist-left`.
    moment_id : str
        The same for takes that were recorded at once, on one clock, by several IMUs; empty where
        there is but this one.
    """

    take_id: str
    take_name: str
    participant_id: str
    capture_id: str
    split: str
    label: str | None
    source: Any = field(repr=False, compare=False, hash=False)
    duration_s: float = 0.0
    place: str | None = None
    moment_id: str = ""


LONGEST_TAKE_S = 24 * 3600.0
"""A take that is said to be longer is refused, before anything of its length is set aside."""


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

    A modality that is missing has no rows.

    Attributes
    ----------
    duration_s : float
        Length of the take.
    imu_s : np.ndarray
        (N,) float64, s, unsorted and unclean as recorded.
    imu : np.ndarray
        (N, 6) float32, m/s2 and rad/s; NaN throughout in a channel that the IMU has not.
    imu_ok : np.ndarray
        (N,) bool, samples that the sensor flags as valid.
    mocap_s : np.ndarray
        (F,) s.
    mocap : np.ndarray
        (F, 17, 3) float32, metres, world frame with z up, NaN where a joint is absent.
    frame_rate_hz : float
        Video frames a second.
    frame_s : np.ndarray
        (V,) s, time of every video frame, NaN where unknown.
    videos : tuple of Video
        Cameras, the best first.
    texts : tuple of Text
        Captions.
    skips : tuple of Skip
        What was dropped, and why.
    actions : tuple of Text
        Steps within the activity and their spans: labels to test on, not captions.
    gyro_lag_s : float
        The gyroscope's samples are this much later than `imu_s` says, by a clock offset of its own.
    imu_saturated : np.ndarray
        (N,) bool, samples at the end of the sensor's range; may be empty.
    mocap_frame : np.ndarray
        (F,) int64, video frame of each pose; may be empty.
    counts : mapping of str to int
        How much of what was masked.
    imu_channels : np.ndarray
        (6,) bool, channels that the IMU has; `pipeline.screen` finds them.
    stretch : float
        Of true time: 2 where every time is twice what it was. Values keep their units.
    rate_stretch : float
        By which angular rates were divided: that of time, where they are to be those of its clock.
    texts_listed : int or None
        How many texts the take has with those that are left out as a skip; None is all of `texts`.
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
    imu_channels: np.ndarray = field(default_factory=lambda: np.ones(6, bool))
    stretch: float = 1.0
    rate_stretch: float = 1.0
    texts_listed: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.duration_s <= LONGEST_TAKE_S:
            raise CorruptFile(f"it is {self.duration_s:.4g} s long, and a take has a day at most.")


@dataclass(frozen=True)
class Inventory:
    """The takes of a data set that can be opened, and the ones that cannot, with reasons."""

    takes: tuple[Take, ...]
    skips: tuple[Skip, ...]
    counts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of what the index files hold beside takes: found, used and dropped, as of a ledger."""


class Adapter(Protocol):
    """Reads one data set."""

    classes: Mapping[str, str | Sequence[str]]
    """Label -> the phrase of prompts, or that and descriptions; see `datasets.wording`."""

    def __init__(self, root: Storage, options: Mapping[str, Any]) -> None: ...

    def inventory(self) -> Inventory:
        """List the takes; opens only the index files. No data at `root` is an `AuraError`."""

    def load(self, take: Take) -> Recording:
        """Open one take. Raises `CorruptFile` only if nothing of the take is usable."""


def open_dataset(adapter: str, root: str, options: Mapping[str, Any]) -> Adapter:
    """Find the adapter by name and point it at `root`.

    Parameters
    ----------
    adapter : str
        Name of a file of this folder, or of an entry point `aura.datasets`.
    root : str
        A folder, or an object store's URL.
    options : mapping of str to object
        What the adapter leaves open; each has its own, but for `virtual` (`datasets.virtual`).

    Returns
    -------
    Adapter
        Nothing has been read yet but for what the adapter needs to know its classes.

    Raises
    ------
    AuraError
        There is no such adapter or no such root, or an option is wrong.
    """
    cls = plugins.find("adapter", adapter).load()
    guard = import_module(GUARD)
    guard.check_class(adapter, cls)
    storage = Storage(root)
    if not storage.exists():
        raise AuraError(f"There is no data at {root}; the adapter {adapter} needs a folder there.")
    own = {name: value for name, value in options.items() if name != "virtual"}
    opened: Adapter = (
        cls(storage, own) if guard.is_ours(cls) else guard.Guarded(adapter, cls, storage, own)
    )
    if options.get("virtual"):
        opened = import_module(VIRTUAL).with_virtual(opened, options["virtual"])
    return opened


def check_places(takes: Sequence[Take], adapter: str) -> None:
    """Raise an `AuraError` if an adapter gives a place that `schema.PLACES` has not."""
    for take in takes:
        if not is_place(take.place):
            raise AuraError(
                f"The adapter {adapter} puts the IMU of {take.take_name} at '{take.place}'; its "
                f"places are {', '.join(PLACES)}, alone or with -left or -right behind them."
            )


def count_skips(skips: Sequence[Skip]) -> dict[str, int]:
    """Count by `modality: reason`, for reports and metrics."""
    return dict(Counter(f"{skip.modality}: {skip.reason}" for skip in skips))


def nothing_usable(
    dataset: str, root: str, skips: Mapping[str, int], where: str = "`aura doctor`"
) -> str:
    """Say that a data set has nothing to use, with the most frequent reason of its skips."""
    sentence = f"Data set {dataset} at {root} has no take that can be used"
    if not skips:
        return f"{sentence}: it lists none."
    refused = {reason: count for reason, count in skips.items() if reason.endswith(", refused")}
    reason, count = max((refused or skips).items(), key=lambda item: item[1])
    then = " To convert units in place of refusing, --set resample.units=convert." * bool(refused)
    return f"{sentence}, mostly '{reason}' ({count}); {where} lists every reason.{then}"


def by_depth(path: str) -> tuple[int, str]:
    """Order of the copies of a file: the one nearest to the root is read, the others are not."""
    return path.count("/"), path


def empty_imu() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, samples and flags of a recording without IMU."""
    return np.empty(0), np.empty((0, 6), np.float32), np.empty(0, bool)


def empty_mocap() -> tuple[np.ndarray, np.ndarray]:
    """Times and joints of a recording without mocap."""
    return np.empty(0), np.empty((0, 17, 3), np.float32)
