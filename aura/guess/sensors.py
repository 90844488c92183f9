"""IMUs of a family of files: which columns, in which units, at which rate, at which place."""

import re
from dataclasses import dataclass, field

import numpy as np

from aura.errors import CorruptFile
from aura.formats.table import Table, unwrapped
from aura.guess import numbers
from aura.guess.families import Family, above_places
from aura.guess.names import place_of
from aura.guess.reason import Guess

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_UNNAMED = re.compile(r"column_\d+")
_TYPE, _ID = (
    re.compile(r"type|kind|modality", re.I),
    re.compile(r"id$|device|node|place|position", re.I),
)
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


def find_sensors(family: Family) -> list[Sensor]:
    """All IMUs of a family of tables; none where it has no acceleration."""
    groups = family.roles.groups
    accels = {prefix: names for (kind, prefix), names in groups.items() if kind == "accel"}
    if not accels and ("", "") in groups and len(groups) == 1:
        if family.kind in ("accel", "gyro"):
            return [_single(family, groups["", ""])]
        return _long(family, groups["", ""])
    if not accels and all(_UNNAMED.fullmatch(name) for name in family.columns):
        return _unnamed(family)
    sensors = []
    for prefix, names in accels.items():
        gyro = groups.get(("gyro", prefix), ())
        sensor = Sensor(names, gyro)
        place = place_of(prefix) if prefix else None
        if place:
            sensor.place = Guess(place, f"the columns are called {names[0]}")
        _measure(family, sensor)
        sensors.append(sensor)
    return sensors


def _single(family: Family, names: tuple[str, ...]) -> Sensor:
    """A table of one sensor, as its file is called."""
    sensor = Sensor(names) if family.kind == "accel" else Sensor((), names)
    _measure(family, sensor)
    return sensor


def times_of(table: Table, sensor: Sensor, keep: np.ndarray) -> np.ndarray | None:
    """Times (N,) in s by what was guessed, None without a column."""
    if not sensor.time.value:
        return None
    column, unit = sensor.time.value
    if unit == "date":
        return (table.stamps(column)[0][keep] - table.stamps(column)[0][0]) / 1e9
    raw, _ = unwrapped(table.numbers(column)[keep], sensor.wraps)
    return (raw - raw[:1]) * _SECONDS[unit]


def _keep(table: Table, rows: dict[str, str]) -> np.ndarray:
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
            [t.numbers(column)[_keep(t, rows)] for t in family.tables.values()]
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


def _measure(family: Family, sensor: Sensor) -> None:
    """Fill in time, rate and units by the numbers of the files that were read."""
    from aura.formats.columns import header_unit

    _find_time(family, sensor)
    accel, seconds, parts = [], [], list[Part]()
    gyros = []
    for table in family.tables.values():
        keep = _keep(table, sensor.rows | sensor.accel_rows)
        if not keep.any():
            continue
        values = family.numbers(table, sensor.accel)[keep[:60_000]] if sensor.accel else None
        times = times_of(table, sensor, keep)
        if times is not None:
            times = times[:60_000]
            seconds.append(times)
        if values is not None:
            accel.append(values)
        if sensor.gyro:
            gyro = family.numbers(table, sensor.gyro)[
                _keep(table, sensor.rows | sensor.gyro_rows)[:60_000]
            ]
            gyros.append(gyro)
            if values is not None and times is not None and len(gyro):
                count = min(len(values), len(gyro), len(times))
                parts.append((times[:count], values[:count], gyro[:count]))
    if seconds:
        sensor.rate = numbers.rate(seconds)
        if numbers.in_bursts(seconds):
            sensor.even = next((n for n in family.columns if re.search(r"sample|count|number|seq", n, re.I)
                                and n not in sensor.rows), "")  # fmt: skip
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
    best, fit, own = numbers.better_axes(parts)
    if fit > 0.6 and own < fit - 0.3:
        why = f"gravity turns as the gyroscope does with its axes as {best} ({fit:.2f}, not {own:.2f})"
        sensor.axes = Guess(best, why, False)
    elif fit > 0.6:
        sensor.axes = Guess("x y z", f"gravity turns with the gyroscope ({own:.2f})")


def _unnamed(family: Family) -> list[Sensor]:
    """Columns without names: threes that feel gravity, each with the three behind it."""
    names, sensors, at = family.columns, [], 0
    tables = list(family.tables.values())
    while at + 3 <= len(names):
        here = names[at : at + 3]
        if not all(_feels_gravity(family.numbers(t, here)) for t in tables):
            at += 1 if at == 0 else 3
            continue
        sensor = Sensor(here)
        behind = names[at + 3 : at + 6]
        if len(behind) == 3 and not all(_feels_gravity(family.numbers(t, behind)) for t in tables):
            sensor.gyro = behind
        _measure(family, sensor)
        sensor.axes = Guess(
            "x y z", "the columns have no names: order and signs are as they stand", False
        )
        sensors.append(sensor)
        at += 6 if sensor.gyro else 3
    return sensors[:1]  # others are the same place once more


def _feels_gravity(values: np.ndarray) -> bool:
    """Whether three columns keep one size while their directions change, as gravity does."""
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 20:
        return False
    norm = np.linalg.norm(values, axis=1)
    middle = float(np.median(norm))
    return middle > 0 and float(np.percentile(np.abs(norm / middle - 1), 50)) < 0.35


def _long(family: Family, names: tuple[str, ...]) -> list[Sensor]:
    """Tables with a row for each sensor's sample, told apart by columns of whole numbers."""
    table = next(iter(family.tables.values()))
    small = [n for n in family.columns if n not in names and n != family.roles.time
             and table.is_numeric(n) and len(np.unique(table.numbers(n)[:_LOOK])) <= 12]  # fmt: skip
    kind = next((n for n in small if _TYPE.search(n)), None)
    which = next((n for n in small if n != kind and _ID.search(n)), None)
    if kind is None and which is None:
        sensor = Sensor(names)
        _measure(family, sensor)
        return [sensor] if sensor.accel_unit.value else []
    sensors = []
    ids = sorted({v for t in family.tables.values() for v in np.unique(t.numbers(which))
                  if np.isfinite(v)}) if which else [0.0]  # fmt: skip
    said = [above_places(t) for t in family.tables.values()]
    by_place: dict[str, list[float]] = {}
    for number in ids if which and all(said) else []:
        for places in said:
            by_place.setdefault(places.get(int(number), ""), []).append(number)
    by_place = {text: found for text, found in by_place.items() if text and place_of(text)}
    choices: list[tuple[dict[str, str], Guess]] = [
        (
            {str(which): f"@{text}"},
            Guess(place_of(text), f"the lines above the table call it {text}"),
        )
        for text in sorted(by_place)
    ] or [({str(which): f"{number:g}"} if which else {}, NO_PLACE) for number in ids]
    for rows, place in choices:
        sensor = Sensor(names, rows=rows, place=place)
        if kind:
            _by_kind(family, sensor, kind, names)
        if sensor.accel:
            _measure(family, sensor)
            sensors.append(sensor)
    even = next((s.even for s in sensors if s.even is not None), None)
    for sensor in sensors if even is not None else ():
        sensor.even = even  # all stamps were written by the same receiver
    return sensors


_LOOK = 100_000


def _by_kind(family: Family, sensor: Sensor, kind: str, names: tuple[str, ...]) -> None:
    """Which rows are the accelerometer's and which the gyroscope's: by gravity, or as it is said."""
    sizes: dict[float, list[np.ndarray]] = {}
    for table in family.tables.values():
        keep = _keep(table, sensor.rows)
        kinds = table.numbers(kind)
        for value in np.unique(kinds[keep & np.isfinite(kinds)]):
            rows = keep & (kinds == value)
            sizes.setdefault(value, []).append(
                np.stack([table.numbers(n)[rows] for n in names], axis=1)
            )
    text = " ".join(" ".join(c) for t in family.tables.values() for c in t.above).lower()
    told = {word: re.search(rf"{word}[a-z]*\s*[=:]\s*(\d+)", text) for word in ("accel", "gyro")}
    accel = float(told["accel"][1]) if told["accel"] else next(
        (v for v, found in sizes.items() if isinstance(numbers.accel_unit(found).value, str)), None
    )  # fmt: skip
    if accel is None or accel not in sizes:
        sensor.accel = ()
        return
    sensor.accel_rows = {kind: f"{accel:g}"}
    gyro = float(told["gyro"][1]) if told["gyro"] else None
    if gyro is not None and gyro in sizes:
        sensor.gyro, sensor.gyro_rows = names, {kind: f"{gyro:g}"}
