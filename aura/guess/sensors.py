"""IMUs of a family of tables: which columns and which rows are whose."""

import re

import numpy as np

from aura.guess import numbers
from aura.guess.families import Family, above_places
from aura.guess.measure import NO_PLACE, Sensor, keep_rows, measure
from aura.guess.names import place_of
from aura.guess.reason import Guess

_UNNAMED = re.compile(r"column_\d+")
_TYPE = re.compile(r"type|kind|modality", re.I)
_ID = re.compile(r"id$|device|node|place|position", re.I)
_LOOK, _KINDS = 100_000, 12  # rows that are looked at, and the most sensors or types


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
        measure(family, sensor)
        sensors.append(sensor)
    return sensors


def _single(family: Family, names: tuple[str, ...]) -> Sensor:
    """A table of one sensor, as its file is called."""
    sensor = Sensor(names) if family.kind == "accel" else Sensor((), names)
    measure(family, sensor)
    return sensor


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
        measure(family, sensor)
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
    others = [n for n in family.columns if n not in names and n != family.roles.time]
    small = [
        n
        for n in others
        if table.is_numeric(n) and len(np.unique(table.numbers(n)[:_LOOK])) <= _KINDS
    ]
    kind = next((n for n in small if _TYPE.search(n)), None)
    which = next((n for n in small if n != kind and _ID.search(n)), None)
    if kind is None and which is None:
        sensor = Sensor(names)
        measure(family, sensor)
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
            measure(family, sensor)
            sensors.append(sensor)
    even = next((s.even for s in sensors if s.even is not None), None)
    for sensor in sensors if even is not None else ():
        sensor.even = even  # all stamps were written by the same receiver
    return sensors


def _by_kind(family: Family, sensor: Sensor, kind: str, names: tuple[str, ...]) -> None:
    """Which rows are the accelerometer's and which the gyroscope's: as is said, or by gravity."""
    sizes: dict[float, list[np.ndarray]] = {}
    for table in family.tables.values():
        keep = keep_rows(table, sensor.rows)
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
