"""PAMAP2 (Reiss & Stricker, ISWC 2012; UCI 231): IMUs on hand, chest and ankle, 12 activities.

A file is one session of one subject, 54 columns at 100 Hz with an activity a row. A take is a bout:
consecutive rows of one activity. Its text is the activity in a sentence; the file is the capture.
Rows that the radio lost have NaN and become masked gaps. Orientation, which the authors call
invalid, magnetometer, temperature and heart rate are not read.
"""

import re
from collections.abc import Mapping
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
from aura.datasets.tables import read_columns, to_float32
from aura.errors import AuraError
from aura.storage import Storage

ACTIVITIES = {
    1: "lying", 2: "sitting", 3: "standing", 4: "walking", 5: "running", 6: "cycling",
    7: "Nordic walking", 12: "ascending stairs", 13: "descending stairs", 16: "vacuum cleaning",
    17: "ironing", 24: "rope jumping",
}  # fmt: skip
TRANSIENT = 0
COLUMNS = tuple(f"{number}" for number in range(1, 55))  # as numbered in the data set's own guide
_FIRST_COLUMN = {"hand": 4, "chest": 21, "ankle": 38}  # temperature, of each IMU
_ACCEL = {"16g": 1, "6g": 4}  # columns after it
_GYRO = 7
_ACCEL_RANGE = {"16g": 16 * 9.80665, "6g": 6 * 9.80665}  # m/s2
_GYRO_RANGE = np.deg2rad(1500)
_SATURATED = 0.98  # of the range; the ends are those before calibration
_NAME = re.compile(r"(?:.*/)?(Protocol|Optional)/subject(\d+)\.dat")


Placement = Literal["hand", "chest", "ankle"]
_PLACES: dict[Placement, str] = {"hand": "wrist", "chest": "chest", "ankle": "ankle"}


class Options(BoutOptions):
    """Which IMU, or several as takes of one moment.

    The 6 g accelerometer saturates when running, and the authors advise 16 g.
    """

    val: tuple[int, ...] = (105,)
    test: tuple[int, ...] = (106,)
    placement: Placement | Annotated[tuple[Placement, ...], Field(min_length=1)] = "hand"
    accelerometer: Literal["16g", "6g"] = "16g"
    parts: tuple[Literal["Protocol", "Optional"], ...] = ("Protocol",)


class Adapter:
    """Reads a folder with `Protocol/subjectN.dat` in it, at any depth."""

    classes: Mapping[str, str] = {label: label for label in ACTIVITIES.values()} | {
        "lying": "lying down",
        "rope jumping": "jumping rope",
    }

    def __init__(self, root: Storage, options: Mapping[str, Any]) -> None:
        self.files = root
        self.options: Options = parse_options(Options, options, "adapter pamap2")
        self.splits = self.options.splits("pamap2")
        self._cache = RowCache()

    def inventory(self) -> Inventory:
        """Cut every file into bouts by its times and activities; see `base.Adapter`."""
        sessions = []
        given = self.options.placement
        placements = list(dict.fromkeys((given,) if isinstance(given, str) else given))
        for path in self.files.list():
            match = _NAME.fullmatch(path)
            if match and match[1] in self.options.parts:
                capture = f"{match[1].lower()}{match[2]}"
                names = [capture, *(f"{capture}_{placement}" for placement in placements[1:])]
                about = int(match[2]), f"subject{match[2]}", capture
                moment = capture if len(placements) > 1 else ""
                sessions += [
                    Session(*about, name, path, _PLACES[placement], moment)
                    for name, placement in zip(names, placements, strict=True)
                ]
        if not sessions:
            raise AuraError(
                f"{self.files.root} holds no {' or '.join(self.options.parts)}/subjectN.dat files."
            )
        return list_bouts(sessions, self.options, self.splits, self._rows, _label)

    def load(self, take: Take) -> Recording:
        """The rows of a bout; the file it is in stays open for the bouts that follow."""
        _, first, end = take.source
        times, _, imu = self._cache.rows(take, self._rows)
        ranges = np.array([_ACCEL_RANGE[self.options.accelerometer]] * 3 + [_GYRO_RANGE] * 3)
        return bout_recording(
            times[first:end],
            imu[first:end],
            f"A person is {self.classes[str(take.label)]}.",
            (np.abs(imu[first:end]) >= _SATURATED * ranges).any(axis=1),
        )

    def _sensors(self, place: str | None) -> list[str]:
        """The columns of accelerometer and gyroscope of the IMU at a place."""
        (placement,) = (name for name, at in _PLACES.items() if at == place)
        first_column = _FIRST_COLUMN[placement]
        starts = first_column + _ACCEL[self.options.accelerometer], first_column + _GYRO
        return [COLUMNS[start - 1 + axis] for start in starts for axis in range(3)]

    def _rows(self, path: str, place: str | None) -> tuple[Rows, list[Skip]]:
        """Rows by time, and what was dropped; by the samples, copies are told from overlaps."""
        columns = ("1", "2", *self._sensors(place))
        table, _, ragged = read_columns(self.files, path, columns, None, " ", COLUMNS)
        has_activity = np.isin(table[:, 1], np.arange(256))
        codes = np.where(has_activity, table[:, 1], 0).astype(int)
        return sort_rows(
            Rows(table[:, 0], codes, to_float32(table[:, 2:])), has_activity, path, ragged
        )


def _label(code: int) -> tuple[str | None, str]:
    """Label of an activity, or None and why its bouts are skipped."""
    if code == TRANSIENT:
        return None, "transient between activities"
    return ACTIVITIES.get(code), "activity is not of the protocol"
