"""UMAFall (Casilari, Santoyo-Ramón & Cano-García, 2017): 12 activities and 3 falls, five places.

A file is a trial of one person and one activity, recorded at once by a phone in a pocket (200 Hz,
accelerometer alone) and by SensorTags at ankle, waist, wrist and chest (20 Hz). Its header says
which sensor sits where. Each sensor is a take; takes of a trial are one moment on the phone's
clock, the trial is their capture, and their text is the activity's wording. The magnetometer is
not read. Stamps are when samples were delivered: see `delivery.py`.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from aura.config.base import parse_options
from aura.datasets.base import Inventory, Recording, Skip, Take
from aura.datasets.compositions import Composer, Composition
from aura.datasets.delivery import pair_numbers, sample_times
from aura.datasets.descriptions.umafall import DESCRIPTIONS, FALLS, HOLDS
from aura.datasets.people import PeopleOptions
from aura.datasets.tables import read_numbers, to_float32
from aura.datasets.trials import Trial, activity_texts, of_imu, usable_trials
from aura.datasets.wording import Wording, described
from aura.errors import AuraError, CorruptFile
from aura.schema import PLACES
from aura.storage import Storage

GRAVITY = 9.80665
ACTIVITIES = {
    "Aplausing": "clapping the hands", "Bending": "bending down and straightening up",
    "GoDownstairs": "walking downstairs", "GoUpstairs": "walking upstairs",
    "HandsUp": "raising both hands", "Hopping": "hopping", "Jogging": "jogging",
    "LyingDown_OnABed": "lying down on a bed and getting up",
    "MakingACall": "making a phone call", "OpeningDoor": "opening a door",
    "Sitting_GettingUpOnAChair": "sitting down on a chair and getting up", "Walking": "walking",
    "backwardFall": "falling backward", "forwardFall": "falling forward",
    "lateralFall": "falling sideways",
}  # fmt: skip
_LABELS = {name.casefold(): label for name, label in ACTIVITIES.items()}
_NAME = re.compile(
    r"(Subject_(\d+)_(?:ADL|Fall)_(\w+?)_\d+(?:_\d+-\d+-\d+_\d+-\d+-\d+)?)\.csv", re.IGNORECASE
)
_SENSOR = re.compile(rb"^%[^;\n]*;[ \t]*(\d+)[ \t]*;[ \t]*([A-Za-z_ -]+?)[ \t]*;([^;\n]*)", re.M)
_FIRST_ROW = re.compile(rb"^[ \t]*-?\d", re.M)
_HEADER = 1 << 14  # bytes, several times what a header has
_MS, _NUMBER, _XYZ, _TYPE, _SENSOR_ID, _ACCEL, _GYRO = 0, 1, slice(2, 5), 5, 6, 0, 1
_ENDS = re.compile(rb";[ \t]*(?=\r?\n|\r?$)")  # of lines with a semicolon behind the last cell
_FAR, _MOST_NUMBER = 1.1, 1 << 31  # of the last stamp, and of a sample within its trial
_SATURATED = 0.98  # of the range; offsets were taken off


class Device(NamedTuple):
    """Nominal rate and ranges as measured; headers say 16 g of both."""

    rate_hz: float
    accel: float = np.inf  # m/s2
    gyro: float = np.deg2rad(256)


_SENSOR_TAG = Device(20.0, accel=8 * GRAVITY)
_PHONE = Device(198.2, accel=4 * GRAVITY)


class Options(PeopleOptions[int]):
    """The split by person, which places are read (null is all), and longer texts or not.

    With `compositions`, falls of those who train are also put behind what they may interrupt, so
    many times. By default people 6, 12 and 18 are tested on, 5, 11 and 17 validate, the rest train.
    """

    val: tuple[int, ...] = (5, 11, 17)
    test: tuple[int, ...] = (6, 12, 18)
    places: tuple[str, ...] | None = None
    descriptions: bool = False
    compositions: int = Field(0, ge=0)


class Adapter:
    """Reads a folder with files such as `UMAFall_Subject_01_ADL_Walking_1_<date>.csv` in it."""

    classes: Mapping[str, Wording] = {label: label for label in ACTIVITIES.values()}

    def __init__(self, root: Storage, options: Mapping[str, Any]) -> None:
        self.files = root
        self.options: Options = parse_options(Options, options, "adapter umafall")
        self.splits = self.options.splits("umafall")
        if self.options.descriptions:
            of_label = {ACTIVITIES[code]: texts for code, texts in DESCRIPTIONS.items()}
            self.classes = described({a: a for a in ACTIVITIES.values()}, of_label)
        falls = {ACTIVITIES[code]: direction for code, direction in FALLS.items()}
        holds = {ACTIVITIES[code]: names for code, names in HOLDS.items()}
        own = self.options
        self.composer = Composer(own.compositions, falls, holds, self.load, own.descriptions)
        self._cached: tuple[str, np.ndarray, int] | None = None

    def inventory(self) -> Inventory:
        """One take a sensor of each trial, by the headers; see `base.Adapter`."""
        trials = []
        for path in self.files.list():
            match = _NAME.search(PurePosixPath(path).name)
            if match:
                label = _LABELS.get(match[3].casefold())
                trials.append(Trial(match[1], int(match[2]), label, path))
        if not trials:
            raise AuraError(
                f"{self.files.root} holds no files such as UMAFall_Subject_01_ADL_Walking_1.csv."
            )
        skips: list[Skip] = []
        takes: list[Take] = []
        for trial, split in usable_trials(trials, self.options, self.splits, skips):
            sensors = read_sensors(self._head(trial.path))
            if not sensors:
                skips.append(Skip("file has no header that names its sensors", trial.path, "file"))
            named = tuple(sensors)  # by its first take what is wrong of a file is told
            for number, (place, device) in sensors.items():
                if place is None:
                    skips.append(Skip("place is not known", f"{trial.name}, sensor {number}"))
                elif self.options.places is None or place in self.options.places:
                    takes.append(
                        Take(
                            take_id=f"{trial.name}_{place}",
                            take_name=f"{trial.name}_{place}",
                            participant_id=f"Subject_{trial.person:02d}",
                            capture_id=trial.name,
                            split=split,
                            label=trial.label,
                            source=(trial.path, number, device, named),
                            place=place,
                            moment_id=trial.name,
                        )
                    )
                    named = ()
        return Inventory((*takes, *self.composer.takes(takes)), tuple(skips))

    def load(self, take: Take) -> Recording:
        """The samples of one sensor; the file stays open for the sensors that follow."""
        if isinstance(take.source, Composition):
            return self.composer.load(take)
        (path, number, device, named), (rows, damaged) = take.source, self._rows(take.source[0])
        duration = float(rows[:, _MS].max()) / 1000
        imu_s, imu, counts = read_sensor(rows[rows[:, _SENSOR_ID] == number], device)
        skips = []
        if named:
            strange = int((~np.isin(rows[:, _SENSOR_ID], named)).sum())
            skips += [Skip("row is damaged", path, "row")] * damaged
            skips += [Skip("row of a sensor that the header does not name", path, "row")] * strange
        if not len(imu):
            skips.append(Skip("sensor has no rows", take.take_name, "imu"))
        ends = _SATURATED * np.repeat([device.accel, device.gyro], 3)
        return of_imu(
            duration,
            imu_s,
            imu,
            np.ones(len(imu), bool),
            (np.abs(imu) >= ends).any(axis=1),
            activity_texts(str(take.label), self.classes, duration),
            tuple(skips),
            counts,
        )

    def _head(self, path: str) -> bytes:
        with self.files.open(path) as file:
            return file.read(_HEADER)

    def _rows(self, path: str) -> tuple[np.ndarray, int]:
        """Rows of a file, and how many are damaged: see `read_rows`."""
        if self._cached is None or self._cached[0] != path:
            self._cached = path, *read_rows(self.files.read(path), path)
        return self._cached[1:]


def read_sensors(head: bytes) -> dict[int, tuple[str | None, Device]]:
    """Place, None where it is not known, and device of each sensor that a header names.

    Places are such as WAIST or RIGHTPOCKET; a place that has two sensors is not known.
    """
    start = _FIRST_ROW.search(head)
    found: dict[int, tuple[str | None, Device]] = {}
    for match in _SENSOR.finditer(head, 0, start.start() if start else len(head)):
        name = match[2].decode().lower()
        side = next((side for side in ("left", "right") if name.startswith(side)), "")
        name = name.removeprefix(side).strip(" _-")
        place = f"{name}-{side}" if side else name
        model = match[3].decode("latin-1").lower()
        device = _SENSOR_TAG if "sensortag" in model.replace(" ", "") else _PHONE
        taken = place in [other for other, _ in found.values()]
        found[int(match[1])] = None if name not in PLACES or taken else place, device
    return found


def read_rows(content: bytes, where: str) -> tuple[np.ndarray, int]:
    """Rows (N, 7) of a file behind its header, and how many lines are damaged.

    Raises
    ------
    CorruptFile
        There is no row.
    """
    start = _FIRST_ROW.search(content)
    if start is None:
        raise CorruptFile(f"{where} holds no rows behind its header.")
    rows, _, damaged = read_numbers(_ENDS.sub(b"", content[start.start() :]).rstrip(), ";", 7)
    whole = np.isfinite(rows).all(axis=1) & (np.abs(rows[:, _NUMBER]) < _MOST_NUMBER)
    whole &= rows[:, _NUMBER] == np.floor(rows[:, _NUMBER])
    stamps = rows[whole, _MS]
    # A digit too many makes a stamp that is far behind all others.
    last = _FAR * np.percentile(stamps, 99) if len(stamps) else 0
    whole[whole] = (stamps >= 0) & (stamps <= last)
    if not whole.any():
        raise CorruptFile(f"{where} holds no rows behind its header.")
    return rows[whole], damaged + int((~whole).sum())


def read_sensor(rows: np.ndarray, device: Device) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Samples of one sensor on an even clock.

    Parameters
    ----------
    rows : np.ndarray
        (N, 7), its rows of all types.
    device : Device
        What it is.

    Returns
    -------
    times : np.ndarray
        (M,) s.
    imu : np.ndarray
        (M, 6) float32, m/s2 and rad/s; NaN for a gyroscope that it has not.
    counts : dict of str to int
        What was left out and lost.
    """
    parts = [rows[rows[:, _TYPE] == kind] for kind in (_ACCEL, _GYRO)]
    accel, gyro = (part[np.unique(part[:, _NUMBER], return_index=True)[1]] for part in parts)
    counts = {"IMU row is there twice": sum(map(len, parts)) - len(accel) - len(gyro)}
    values = np.full((len(accel), 6), np.nan)
    values[:, :3] = accel[:, _XYZ] * GRAVITY
    numbers, stamps = accel[:, _NUMBER].astype(np.int64), accel[:, _MS] / 1000
    times, counts["IMU sample lost on its way"] = sample_times(numbers, stamps, 1 / device.rate_hz)
    if len(gyro):
        own, other = pair_numbers(
            numbers, stamps, gyro[:, _NUMBER].astype(np.int64), gyro[:, _MS] / 1000
        )
        values[own, 3:] = np.deg2rad(gyro[other, _XYZ])
        times, values = times[own], values[own]
        counts["IMU row of one sensor alone"] = len(accel) + len(gyro) - 2 * len(own)
    return times, to_float32(values), {name: count for name, count in counts.items() if count}
