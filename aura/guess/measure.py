"""One IMU of a family of files, and what the numbers of its columns tell: time, rate and units."""

import re
from dataclasses import dataclass, field

import numpy as np

from aura.errors import CorruptFile
from aura.formats.columns import header_unit
from aura.formats.table import Table, unwrapped
from aura.guess import numbers
from aura.guess.axes import better_axes
from aura.guess.families import Family
from aura.guess.reason import Guess

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_ROWS = 60_000  # of a file, that are looked at
_COUNTS = re.compile(r"sample|count|number|seq", re.I)  # names of columns that count samples
_NOTHING = Guess(None, "it is not told", False)
_NO_TIME = Guess(None, "no column is time", False)
NO_PLACE = Guess(None, "no name of a file, column or device tells it", False)
Part = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass
class Sensor:
    """One IMU as it would stand in `aura.yaml`.

    Attributes
    ----------
    accel, gyro : tuple of str
        Columns, none where there is none.
    accel_unit, gyro_unit, time, rate, place, axes, clock : Guess
        Each with its reason; `time` is column and unit.
    rows, accel_rows, gyro_rows : dict
        The rows that are this sensor's, of tables of several.
    wraps : float
        Of its counter.
    even : str or None
        Column that counts samples, where stamps are those of delivery; empty for the rows' order.
    stream : str or None
        Of a file with several.
    table : bool
        Whether its time is a column to be named.
    """

    accel: tuple[str, ...]
    gyro: tuple[str, ...] = ()
    accel_unit: Guess = _NOTHING
    gyro_unit: Guess = _NOTHING
    time: Guess = _NO_TIME
    rate: Guess = _NOTHING
    place: Guess = NO_PLACE
    axes: Guess = _NOTHING
    rows: dict[str, str] = field(default_factory=dict)
    accel_rows: dict[str, str] = field(default_factory=dict)
    gyro_rows: dict[str, str] = field(default_factory=dict)
    wraps: float = 0.0
    even: str | None = None
    stream: str | None = None
    table: bool = True


def times_of(table: Table, sensor: Sensor, keep: np.ndarray) -> np.ndarray | None:
    """Times (N,) in s by what was guessed, None without a column."""
    if not sensor.time.value:
        return None
    column, unit = sensor.time.value
    if unit == "date":
        return (table.stamps(column)[0][keep] - table.stamps(column)[0][0]) / 1e9
    raw, _ = unwrapped(table.numbers(column)[keep], sensor.wraps)
    return (raw - raw[:1]) * _SECONDS[unit]


def keep_rows(table: Table, rows: dict[str, str]) -> np.ndarray:
    """Rows (N,) bool where each column has its value; `@TEXT` is what the lines above say of it."""
    keep = np.ones(table.rows, bool)
    for column, value in rows.items():
        try:
            number = table.number_of(value[1:]) if value.startswith("@") else float(value)
        except CorruptFile:  # the file has no such sensor
            return np.zeros(table.rows, bool)
        keep &= table.numbers(column) == number
    return keep


def _find_time(family: Family, sensor: Sensor) -> None:
    """The column of time, its unit, and whether its stamps come in bursts."""
    roles = family.roles
    column = roles.time
    if column is None:
        column = next(
            (n for n in family.columns if all(_is_clock(t, n) for t in family.tables.values())),
            None,
        )
        if column is None:
            return
    first = next(iter(family.tables.values()))
    if not first.is_numeric(column):
        sensor.time = Guess((column, "date"), "it holds dates")
    elif roles.time_s:
        unit = next(u for u, s in _SECONDS.items() if s == roles.time_s)
        sensor.time, sensor.wraps = Guess((column, unit), "its name says so"), roles.wraps
        if roles.app:
            sensor.time = Guess((column, unit), f"{roles.app} counts it so")
    else:
        rows = sensor.rows | sensor.accel_rows
        unit_guess = numbers.time_unit(
            [t.numbers(column)[keep_rows(t, rows)] for t in family.tables.values()]
        )
        if unit_guess.value:
            sensor.time = Guess((column, unit_guess.value), unit_guess.why, unit_guess.sure)
        else:
            sensor.time = Guess(None, f"{column}: {unit_guess.why}", False)


def _is_clock(table: Table, name: str) -> bool:
    """Whether a column without a name of time rises steadily and is no count of rows."""
    if not table.is_numeric(name):
        return False
    values = table.numbers(name)[:20_000]
    steps = np.diff(values)
    if len(steps) < 10 or not np.isfinite(steps).all() or not (steps > 0).all():
        return False
    return not bool((steps == 1).all())


def measure(family: Family, sensor: Sensor) -> None:
    """Fill in time, rate and units by the numbers of the files that were read."""
    _find_time(family, sensor)
    accel, seconds, parts = [], [], list[Part]()
    gyros = []
    for table in family.tables.values():
        keep = keep_rows(table, sensor.rows | sensor.accel_rows)
        if not keep.any():
            continue
        values = family.numbers(table, sensor.accel)[keep[:_ROWS]] if sensor.accel else None
        times = times_of(table, sensor, keep)
        if times is not None:
            times = times[:_ROWS]
            seconds.append(times)
        if values is not None:
            accel.append(values)
        if sensor.gyro:
            gyro = family.numbers(table, sensor.gyro)[
                keep_rows(table, sensor.rows | sensor.gyro_rows)[:_ROWS]
            ]
            gyros.append(gyro)
            if values is not None and times is not None and len(gyro):
                count = min(len(values), len(gyro), len(times))
                parts.append((times[:count], values[:count], gyro[:count]))
    if seconds:
        sensor.rate = numbers.rate(seconds)
        if numbers.in_bursts(seconds):
            sensor.even = next(
                (n for n in family.columns if _COUNTS.search(n) and n not in sensor.rows), ""
            )
    stated = {header_unit(name) for name in sensor.accel}
    if len(stated) == 1 and stated & {"g", "mg", "m/s2"}:
        sensor.accel_unit = Guess(stated.pop(), "the columns say so")
    elif accel:
        sensor.accel_unit = numbers.accel_unit(accel)
    stated = {header_unit(name) for name in sensor.gyro}
    if len(stated) == 1 and stated & {"rad/s", "deg/s", "mdeg/s"}:
        sensor.gyro_unit = Guess(stated.pop(), "the columns say so")
    elif sensor.gyro:
        clean = [_clean(part) for part in parts]
        if not parts:  # without a clock nothing is told of turns
            still = np.zeros((len(gyros[0]), 3))
            clean = [(np.arange(len(g)) * 1e9, np.resize(still, g.shape), g) for g in gyros]
        sensor.gyro_unit = numbers.gyro_unit(clean)
    if parts:
        check_axes(sensor, [_clean(part) for part in parts])


def refine_gyro(family: Family, sensor: Sensor, other: Family, gyro: Sensor) -> None:
    """Unit of a gyroscope in files of its own, beside an accelerometer's in the same order."""
    parts = []
    for one, two in zip(family.tables.values(), other.tables.values(), strict=False):
        at, of = (times_of(t, s, np.ones(t.rows, bool)) for t, s in ((one, sensor), (two, gyro)))
        if at is None or of is None:
            continue
        rates = family.numbers(two, gyro.gyro)
        accel = family.numbers(one, sensor.accel)
        at, of = at[: len(accel)], of[: len(rates)]
        parts.append((at, accel, np.stack([np.interp(at, of, r) for r in rates.T], axis=1)))
    if parts:
        sensor.gyro_unit = numbers.gyro_unit([_clean(part) for part in parts])
        check_axes(sensor, [_clean(part) for part in parts])


def _clean(part: Part) -> Part:
    good = (
        np.isfinite(part[0]) & np.isfinite(part[1]).all(axis=1) & np.isfinite(part[2]).all(axis=1)
    )
    times, accel, gyro = (values[good] for values in part)
    order = np.argsort(times, kind="stable")
    return times[order], accel[order], gyro[order]


def check_axes(sensor: Sensor, parts: list[Part]) -> None:
    """Say whether the gyroscope's axes go with the accelerometer's, as gravity turns."""
    best, fit, own = better_axes(parts)
    if fit > 0.6 and own < fit - 0.3:
        why = f"gravity turns as the gyroscope does with axes {best} ({fit:.2f}, not {own:.2f})"
        sensor.axes = Guess(best, why, False)
    elif fit > 0.6:
        sensor.axes = Guess("x y z", f"gravity turns with the gyroscope ({own:.2f})")
