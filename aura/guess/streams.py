"""IMUs of files in formats that have streams of their own: their units and rate are the file's."""

import numpy as np

from aura.formats.base import Stream
from aura.formats.columns import find_roles
from aura.guess import numbers
from aura.guess.families import Family
from aura.guess.measure import Sensor, check_axes
from aura.guess.names import place_of
from aura.guess.reason import Guess

_SPELLED = {"g": "g", "mg": "mg", "m/s2": "m/s2", "rad/s": "rad/s", "deg/s": "deg/s"}


def stream_sensors(family: Family) -> list[Sensor]:
    """One for each stream, by name, that has an acceleration."""
    found: dict[str, list[Stream]] = {}
    for streams in family.streams.values():
        for stream in streams:
            if not stream.is_body and _group(stream, "accel"):
                found.setdefault(stream.name, []).append(stream)
    several = any(len(streams) > 1 for streams in family.streams.values())
    return [_sensor(streams, name if several else None) for name, streams in found.items()]


def _group(stream: Stream, kind: str) -> tuple[str, ...]:
    groups = find_roles(stream.columns).groups
    return next((names for (k, _), names in groups.items() if k == kind), ())


def _sensor(streams: list[Stream], name: str | None) -> Sensor:
    first = streams[0]
    sensor = Sensor(_group(first, "accel"), _group(first, "gyro"), stream=name, table=False)
    parts = []
    for stream in streams:
        accel, gyro = (stream.values[:, [stream.columns.index(n) for n in names]]
                       for names in (sensor.accel, sensor.gyro or sensor.accel))  # fmt: skip
        good = (
            np.isfinite(stream.time_s)
            & np.isfinite(accel).all(axis=1)
            & np.isfinite(gyro).all(axis=1)
        )
        order = np.argsort(stream.time_s[good], kind="stable")
        parts.append((stream.time_s[good][order], accel[good][order], gyro[good][order]))
    sensor.accel_unit = _stated(first, sensor.accel) or numbers.accel_unit([p[1] for p in parts])
    if sensor.gyro:
        sensor.gyro_unit = _stated(first, sensor.gyro) or numbers.gyro_unit(parts)
        check_axes(sensor, parts)
    sensor.rate = (
        Guess(first.rate_hz, "the file states it")
        if first.rate_hz
        else numbers.rate([p[0] for p in parts])
    )
    text = first.facts.get("place", "")
    place = place_of(text) if text else None
    if place:
        sensor.place = Guess(place, f"the device was set to {text}")
    return sensor


def _stated(stream: Stream, names: tuple[str, ...]) -> Guess | None:
    if not stream.units:
        return None
    units = {stream.units[stream.columns.index(name)] for name in names}
    unit = _SPELLED.get(units.pop()) if len(units) == 1 else None
    return Guess(unit, "the file says so") if unit else None
