"""Which columns of a table are channels of an IMU, and which is time: by name, never guessed."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aura.datasets.headers import AROUND, DELIMITERS, encoding_of
from aura.errors import AuraError
from aura.schema import IMU_CHANNELS
from aura.signals.imu import median_step

_CLOCKS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_NAMES = {
    "accel": ("accel", "acc", "accelerometer", "acceleration", "a"),
    "gyro": ("gyro", "gyr", "gyroscope", "angular_velocity", "g", "w"),
}
_RATES_HZ = (5.0, 10_000.0)  # of an IMU; beyond them a clock is taken for one in another unit
_AGREE = 0.05  # share by which a rate may differ from the one of the clock


def _known(name: str) -> str | None:
    """Which channel a column is by its name: `accel_x` of "Acc X"; None of another."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    for channel in IMU_CHANNELS:
        sensor, axis = channel.split("_")
        if plain in {f"{p}{gap}{axis}" for p in _NAMES[sensor] for gap in ("_", "")}:
            return channel
    return None


def choose(
    file: Path, names: Sequence[str], columns: Sequence[str] | None, rate_hz: float | None
) -> tuple[list[str], str | None, float]:
    """Find the columns of a recording, or say which are not certain.

    Parameters
    ----------
    file : Path
        The table.
    names : sequence of str
        Of all its columns.
    columns : sequence of str or None
        Those of the channels, where they are named.
    rate_hz : float or None
        Samples a second, for a table without time.

    Returns
    -------
    chosen : list of str
        Six columns, or the three of an accelerometer.
    clock : str or None
        That of time.
    seconds : float
        What its unit is in s.

    Raises
    ------
    AuraError
        A channel has no column or two, or there is neither time nor a rate.
    """
    there = f"its columns are {', '.join(names[:12])}{' …' if len(names) > 12 else ''}"
    if columns:
        chosen = list(columns)
        missing = [name for name in chosen if name not in names]
        if missing or len(chosen) not in (3, 6):
            wrong = f"there is no '{missing[0]}'" if missing else f"{len(chosen)} are named"
            raise AuraError(
                f"--columns names six of {file.name}, or the three of an accelerometer: {wrong}; "
                f"{there}."
            )
    else:
        found: dict[str, list[str]] = {}
        for name in names:
            if channel := _known(name):
                found.setdefault(channel, []).append(name)
        twice = next((where for where in found.values() if len(where) > 1), None)
        wanted = IMU_CHANNELS if any(c.startswith("gyro") for c in found) else IMU_CHANNELS[:3]
        missing = [channel for channel in wanted if channel not in found]
        if twice or missing:
            wrong = f"{' and '.join(twice)} are both" if twice else f"it has no {missing[0]}"
            raise AuraError(
                f"The channels of {file.name} are not certain: {wrong}{' one' if twice else ''}; "
                f"{there}. Name them: --columns ax,ay,az,gx,gy,gz."
            )
        chosen = [found[channel][0] for channel in wanted]
    clocks = {
        name: match[1]
        for name in names
        if (match := re.fullmatch(r"(?:time|timestamp|t)[^a-z0-9]*(s|ms|us|ns)\W*", name.lower()))
    }
    if clocks:
        clock = next(iter(clocks))
        return chosen, clock, _CLOCKS[clocks[clock]]
    if rate_hz is None:
        raise AuraError(
            f"{file.name} has no column time_s, time_ms, time_us or time_ns ({there}); name its "
            "column of time so, or say the samples a second: --rate 100."
        )
    if not 0 < rate_hz < math.inf:
        raise AuraError(f"The rate is a number of samples a second above 0, not {rate_hz}.")
    return chosen, None, 1.0


def check_rate(file: Path, times: np.ndarray, clock: str, rate_hz: float | None) -> None:
    """Refuse a clock that cannot be in its unit, or is not that of the rate that was said."""
    finite = np.sort(times[np.isfinite(times)])
    step = median_step(finite)
    rate = 1 / step if step > 0 else math.inf
    if not _RATES_HZ[0] <= rate <= _RATES_HZ[1]:
        raise AuraError(
            f"By its column {clock}, {file.name} has {rate:.3g} samples a second, as no IMU; "
            "name the column by its unit: time_s, time_ms, time_us or time_ns."
        )
    if rate_hz is not None and not abs(rate - rate_hz) <= _AGREE * rate:
        raise AuraError(
            f"By its column {clock}, {file.name} has {rate:.4g} samples a second, not {rate_hz:g}; "
            "leave out the rate, or the column."
        )


def header(file: Path) -> list[str]:
    """Names in the first line of a table of text."""
    with file.open("rb") as opened:
        head = opened.read(1 << 16)
    lines = head.decode(encoding_of(head, "latin-1"), "replace").splitlines()
    first = next((line for line in lines if line.strip(AROUND)), "")
    delimiter = max(DELIMITERS, key=first.count)
    names = [cell.strip(AROUND) for cell in first.split(delimiter)]
    if len(names) < 3 or all(re.fullmatch(r"[-+.\deE]*", name) for name in names):
        raise AuraError(
            f"The first line of {file.name} does not name its columns; it should be like "
            f"time_s,{','.join(IMU_CHANNELS)}."
        )
    return names
