"""The signals of one take of a folder, in our units, each on the clock of its device."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

import numpy as np

from aura import formats
from aura.datasets.delivery import pair_numbers, sample_times
from aura.datasets.folder.schema import Axes, Header, Imu, Time
from aura.datasets.folder.units import ACCEL, ANGLE
from aura.errors import CorruptFile
from aura.formats.base import Stream
from aura.formats.table import Table, read_table, unwrapped
from aura.storage import Storage

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_BRIDGE = 2.5  # periods of a gyroscope between two of whose samples another may lie
NO_CLOCK = "samples have neither stamps nor a rate"


@dataclass(frozen=True)
class Samples:
    """Some columns of a file.

    Attributes
    ----------
    values : np.ndarray
        (N, 3).
    time_s : np.ndarray
        (N,) s after `origin_ns`.
    origin_ns : int
        Of the epoch; of whatever the clock counts from.
    ok : np.ndarray
        (N,) bool, False where nobody measured it.
    numbers : np.ndarray
        (N,) that count samples; may be empty.
    counts : dict of str to int
        What was left out or flagged.
    """

    values: np.ndarray
    time_s: np.ndarray
    origin_ns: int
    ok: np.ndarray
    numbers: np.ndarray
    counts: dict[str, int]


def is_table(path: str) -> bool:
    """Whether a file is one of text or Parquet, whose columns `aura.yaml` names."""
    return PurePosixPath(path).suffix.lower() in formats.READERS["table"]


def load_imu(
    files: Storage, imu: Imu, paths: tuple[str, str | None], tables: dict[str, Table]
) -> Samples:
    """Acceleration in m/s2 and angular rates in rad/s (N, 6); NaN for a gyroscope it has not.

    Parameters
    ----------
    files : Storage
        The folder.
    imu : Imu
        As in `aura.yaml`.
    paths : tuple of str
        Of the accelerometer and of the gyroscope, None where there is none.
    tables : dict of str to Table
        Those that are open; grows.

    Raises
    ------
    CorruptFile
        A file cannot be read, lacks a column, or states another unit than `aura.yaml`.
    """
    accel = _axes(files, paths[0], imu, imu.accel, ACCEL, tables)
    values = np.full((len(accel.values), 6), np.nan)
    values[:, :3] = accel.values
    if imu.gyro is None or paths[1] is None:
        return replace(accel, values=values)
    gyro = _axes(files, paths[1], imu, imu.gyro, ANGLE, tables)
    same = paths[0] == paths[1] and imu.gyro.rows == imu.accel.rows
    counts = {**accel.counts}
    if same and len(gyro.values) == len(values):
        values[:, 3:] = gyro.values
        return replace(accel, values=values, ok=accel.ok & gyro.ok)
    if len(accel.numbers) and len(gyro.numbers):
        a, b = accel.numbers.astype(np.int64), gyro.numbers.astype(np.int64)
        own, other = pair_numbers(a, accel.time_s, b, gyro.time_s)
        values[own, 3:] = gyro.values[other]
        alone = len(a) + len(b) - 2 * len(own)
        counts |= {"IMU row of one sensor alone": alone} if alone else {}
        return Samples(values[own], accel.time_s[own], accel.origin_ns, accel.ok[own],
                       a[own], counts)  # fmt: skip
    shift = (gyro.origin_ns - accel.origin_ns) / 1e9
    values[:, 3:] = _between(gyro.time_s + shift, gyro.values, gyro.ok, accel.time_s)
    alone = int(np.isnan(values[:, 3:]).any(axis=1).sum())
    counts |= {"gyroscope is silent here": alone} if alone else {}
    return replace(accel, values=values, counts=counts)


def _between(times: np.ndarray, values: np.ndarray, ok: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Values (N, 3) at other times, between neighbours that are close; NaN elsewhere."""
    good = ok & np.isfinite(values).all(axis=1) & np.isfinite(times)
    order = np.argsort(times[good], kind="stable")
    t, v = times[good][order], values[good][order]
    if len(t) < 2:
        return np.full((len(at), 3), np.nan)
    right = np.clip(np.searchsorted(t, at, side="right"), 1, len(t) - 1)
    step = t[right] - t[right - 1]
    weight = (at - t[right - 1]) / np.maximum(step, 1e-12)
    out: np.ndarray = v[right - 1] + weight[:, None] * (v[right] - v[right - 1])
    edge = float(np.median(np.diff(t)))
    far = (step > _BRIDGE * edge) | (at < t[0] - edge / 2) | (at > t[-1] + edge / 2)
    out[far] = np.nan
    return out


def _axes(
    files: Storage, path: str, imu: Imu, axes: Axes, units: Mapping[str, float],
    tables: dict[str, Table],
) -> Samples:  # fmt: skip
    unit = getattr(axes, "unit")  # noqa: B009
    factor = units[unit] if isinstance(unit, str) else float(unit)
    if not is_table(path):
        return _of_stream(files, path, imu, axes, factor, unit)
    if path not in tables:
        tables[path] = read_table(files, path)
    table = tables[path]
    missing = [n for n in (*axes.names, *axes.rows, *imu.rows) if n not in table.columns]
    if missing:
        raise CorruptFile(f"{path} has no column {missing[0]}, but {', '.join(table.columns)}.")
    keep = np.ones(table.rows, bool)
    for column, wanted in {**imu.rows, **axes.rows}.items():
        value = table.number_of(wanted.header) if isinstance(wanted, Header) else wanted
        keep &= table.texts(column) == value if isinstance(value, str) else (
            table.numbers(column) == value
        )  # fmt: skip
    values = np.stack([table.numbers(name)[keep] for name in axes.names], axis=1)
    counts = {"row has the wrong number of columns": table.damaged} if table.damaged else {}
    time_s, origin, numbers = table_times(table, path, imu.time, imu.rate_hz, keep, counts)
    if imu.time and imu.time.stamps == "even" and len(time_s):
        first = np.unique(numbers, return_index=True)[1]
        time_s, values, numbers = time_s[first], values[first], numbers[first]
        time_s, lost = sample_times(numbers.astype(np.int64), time_s, 1 / float(imu.rate_hz or 1))
        counts |= {"IMU sample lost on its way": lost} if lost else {}
    values = values * factor * np.array(axes.signs)
    return Samples(values, time_s, origin, np.ones(len(values), bool), numbers, counts)


def table_times(
    table: Table, path: str, time: Time | None, rate_hz: float | None, keep: np.ndarray,
    counts: dict[str, int],
) -> tuple[np.ndarray, int, np.ndarray]:  # fmt: skip
    """Times (N,) in s, the ns that they count from, and numbers of samples where there are any.

    Rows without a stamp have NaN.
    """
    rows = int(keep.sum())
    if time is None:
        if rate_hz is None:
            raise CorruptFile(f"{path}: {NO_CLOCK}; give time or rate_hz in aura.yaml.")
        return np.arange(rows) / rate_hz, 0, np.empty(0)
    if time.column not in table.columns:
        raise CorruptFile(f"{path} has no column {time.column}, but {', '.join(table.columns)}.")
    if time.unit == "date":
        stamps, zoned = table.stamps(time.column)
        stamps = stamps[keep]
        there = stamps != np.iinfo(np.int64).min
        first = int(stamps[there][0]) if there.any() else 0
        seconds = np.where(there, (stamps - first) / 1e9, np.nan)
        origin = first if zoned else to_utc(first, time.zone)
    else:
        raw, again = unwrapped(table.numbers(time.column)[keep], time.wraps)
        counts |= {"clock of 32 bits began again": again} if again else {}
        known = raw[np.isfinite(raw)]
        begin = float(known[0]) if len(known) else 0.0
        seconds = (raw - begin) * _SECONDS[time.unit]
        origin = to_utc(round(begin * _SECONDS[time.unit] * 1e9), time.zone)
    numbers = np.empty(0)
    if time.stamps == "even":
        if rate_hz is None:
            raise CorruptFile("stamps: even needs rate_hz in aura.yaml.")
        numbers = table.numbers(time.number)[keep] if time.number else np.arange(float(rows))
    return seconds, origin, numbers


def to_utc(origin_ns: int, zone: str | None) -> int:
    """Local time of a zone, as if it were UTC, to UTC."""
    if zone is None:
        return origin_ns
    try:
        local = datetime.fromtimestamp(origin_ns // 10**9, UTC).replace(tzinfo=ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        raise CorruptFile(f"there is no time zone '{zone}'; one is called Europe/Vienna.") from None
    offset = local.utcoffset()
    return origin_ns - round((offset.total_seconds() if offset else 0.0) * 1e9)


def pick_stream(streams: tuple[Stream, ...], name: str | None, path: str, body: bool) -> Stream:
    """The stream of that name, or the only one of its kind.

    Raises
    ------
    CorruptFile
        There is none, or there are several and none was named.
    """
    fitting = [s for s in streams if s.is_body == body and (name is None or s.name == name)]
    if len(fitting) == 1:
        return fitting[0]
    there = ", ".join(stream.name for stream in streams)
    what = f"no stream {name}" if name else "no stream" if not fitting else "several streams"
    raise CorruptFile(f"{path} has {what} of that kind, of: {there}; name one in aura.yaml.")


def _of_stream(
    files: Storage, path: str, imu: Imu, axes: Axes, factor: float, unit: str | float
) -> Samples:
    streams = tuple(s for s in formats.read(files, path)
                    if s.is_body or set(axes.names) <= set(s.columns))  # fmt: skip
    stream = pick_stream(streams, axes.stream or imu.stream, path, body=False)
    index = [stream.columns.index(name) for name in axes.names]
    stated = {stream.units[i] for i in index} - {""} if stream.units else set()
    if stated - {unit}:
        raise CorruptFile(f"{path} states {', '.join(sorted(stated))}, and aura.yaml {unit}.")
    values = stream.values[:, index] * factor * np.array(axes.signs)
    zone = imu.time.zone if imu.time else None
    origin = to_utc(stream.origin_ns, zone) if stream.clock == "local" else stream.origin_ns
    return Samples(
        values, stream.time_s, origin, ~stream.invented, np.empty(0), dict(stream.counts)
    )
