"""Watch and phone IMU, 23 people (Matey-Sanz, Casteleyn & Granell, Data in Brief 2023, 109809).

An execution is standing up, walking, turning, walking back, turning and sitting down, recorded with
a watch (`sw`) and a phone (`sp`), one file each, with an activity a row. A take is a bout:
consecutive rows of one activity. Its text is the activity in a sentence; the execution is the
capture. Most bouts are shorter than 3 s, so their windows are padded.

The stamps are when samples were delivered and not when they were taken: they come in bursts, 0 to
1 ms apart and up to 133 ms after one another, about a line that is the same in all files of a
device (9.59 and 9.76 ms a sample). `clock: even` puts each sample of an execution on that line.

Both devices stamp by one clock: over the executions of three people the activities change within
40 ms of each other in watch and phone, and the turns, seen by the gyroscopes, within 0.2 s.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from aura.config.base import parse_options
from aura.datasets.base import Inventory, Recording, Skip, Take
from aura.datasets.bouts import (
    BoutOptions,
    RowCache,
    Rows,
    Session,
    bout_recording,
    list_bouts,
    sort_rows,
)
from aura.datasets.descriptions.sp_sw_har import DESCRIPTIONS
from aura.datasets.tables import read_columns, to_float32
from aura.datasets.wording import Wording, captions, described, phrases
from aura.errors import AuraError
from aura.storage import Storage

ACTIVITIES = {
    name: name.replace("_", " ").lower()
    for name in ("SEATED", "STANDING_UP", "WALKING", "TURNING", "SITTING_DOWN")
}
_SENSORS = ("x_acc", "y_acc", "z_acc", "x_gyro", "y_gyro", "z_gyro")
_NAME = re.compile(r"(?:.*/)?s(\d+)_(\d+)_(sw|sp)\.csv")
_BLOCK = 32  # samples, more than the 14 of the longest burst of deliveries
_DRIFT_S = 0.04  # by which the earliest stamps of blocks may leave an even clock


Device = Literal["sw", "sp"]
_PLACES: dict[str, str] = {"sw": "wrist", "sp": "pocket"}


class Options(BoutOptions):
    """Device, or both as takes of one moment; whether samples get an even clock; longer texts."""

    val: tuple[int, ...] = (2, 8, 14, 20)
    test: tuple[int, ...] = (3, 6, 9, 12, 15, 18, 21)
    min_bout_s: float = Field(0.5, gt=0)
    device: Device | Annotated[tuple[Device, ...], Field(min_length=1)] = "sw"
    clock: Literal["even", "stamps"] = "even"
    descriptions: bool = False


_PHRASES = {label: label for label in ACTIVITIES.values()} | {
    "seated": "sitting still",
    "turning": "turning around",
}


class Adapter:
    """Reads a folder with files `sXX_YY_sw.csv` and `sXX_YY_sp.csv` in it, at any depth."""

    classes: Mapping[str, Wording] = _PHRASES

    def __init__(self, root: Storage, options: Mapping[str, Any]) -> None:
        self.files = root
        self.options: Options = parse_options(Options, options, "adapter sp-sw-har")
        self.splits = self.options.splits("sp-sw-har")
        if self.options.descriptions:
            of_label = {ACTIVITIES[name]: texts for name, texts in DESCRIPTIONS.items()}
            self.classes = described(_PHRASES, of_label)
        self._cache = RowCache()

    def inventory(self) -> Inventory:
        """Cut every execution into bouts; see `base.Adapter`."""
        sessions = []
        given = self.options.device
        devices = {given} if isinstance(given, str) else set(given)
        for path in self.files.list():
            match = _NAME.fullmatch(path)
            if match and match[3] in devices:
                person, execution = f"s{match[1]}", f"s{match[1]}_{match[2]}"
                about = int(match[1]), person, execution, f"{execution}_{match[3]}", path
                moment = execution if len(devices) > 1 else ""
                sessions.append(Session(*about, _PLACES[match[3]], moment))
        if not sessions:
            names = " or ".join(f"sXX_YY_{device}.csv" for device in sorted(devices))
            raise AuraError(f"{self.files.root} holds no {names} files.")
        return list_bouts(sessions, self.options, self.splits, self._rows, _label)

    def load(self, take: Take) -> Recording:
        """The rows of a bout; the file it is in stays open for the bouts that follow."""
        _, first, end = take.source
        times, _, imu = self._cache.rows(take, self._rows)
        wording = self.classes[str(take.label)]
        text = f"A person is {phrases(wording)[0]}."
        recording = bout_recording(times[first:end], imu[first:end], text)
        more = captions(wording, 0.0, recording.duration_s)
        return replace(recording, texts=recording.texts + more)

    def _rows(self, path: str, _: str | None) -> tuple[Rows, list[Skip]]:
        """Rows by time, and what was dropped; a file is of one place."""
        columns = (*_SENSORS, "timestamp")
        table, labels, ragged = read_columns(self.files, path, columns, "label", None, None)
        rows = Rows(table[:, 6] / 1000, labels, to_float32(table[:, :6]))
        rows, dropped = sort_rows(rows, labels != "", path, ragged)
        if self.options.clock == "even":
            times = even_clock(rows.time)
            if times is None:
                dropped.append(Skip("stamps do not follow an even clock and are kept", path, "imu"))
            else:
                rows = rows._replace(time=times)
        return rows, dropped


def _label(activity: str) -> tuple[str | None, str]:
    return ACTIVITIES.get(activity), "activity is not known"


def even_clock(stamps: np.ndarray) -> np.ndarray | None:
    """Times of samples taken at one rate and stamped late by a varying time, as a line.

    A stamp is late and never early, so that the earliest of each block of 32 tells the clock. None
    where these leave a line by more than 40 ms: samples were lost, or the rate is not constant.

    Parameters
    ----------
    stamps : np.ndarray
        (N,) s, sorted.

    Returns
    -------
    np.ndarray or None
        (N,) s, evenly spaced, the least squares line through the stamps.
    """
    blocks = len(stamps) // _BLOCK
    if blocks < 4:
        return None
    index = np.arange(len(stamps))
    slope, origin = np.polyfit(index, stamps, 1)
    line: np.ndarray = origin + slope * index
    late = (stamps - line)[: blocks * _BLOCK].reshape(blocks, _BLOCK)
    if slope <= 0 or np.ptp(late.min(axis=1)) > _DRIFT_S:
        return None
    return line
