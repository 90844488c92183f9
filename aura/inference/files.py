"""A recording from a file of one's own: VRS, CSV or Parquet, in m/s2 and rad/s on its own clock.

Columns are known by their names: `accel_x` to `gyro_z`, with some other names that are common, and
`time_s`, `time_ms`, `time_us` or `time_ns`. What is not certain is asked for, never guessed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aura.config import Resample
from aura.datasets.tables import read_columns
from aura.datasets.vrs import read_imu, to_device_frame
from aura.errors import AuraError, CorruptFile
from aura.inference.columns import check_rate, choose, header
from aura.signals.imu import clean, median_step, resample_imu
from aura.signals.inputs import Signals
from aura.signals.published import decimate_imu
from aura.signals.units import GRAVITY, suspect_imu
from aura.storage import Storage

TABLES, PARQUET, VRS = (".csv", ".tsv", ".txt"), (".parquet", ".pq"), (".vrs",)
UNITS = {
    "m/s2": (slice(0, 3), 1.0), "g": (slice(0, 3), GRAVITY), "mg": (slice(0, 3), GRAVITY / 1000),
    "rad/s": (slice(3, 6), 1.0), "deg/s": (slice(3, 6), math.pi / 180),
}  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """Samples of one IMU.

    Attributes
    ----------
    times : np.ndarray
        (N,) s from the first sample, increasing.
    values : np.ndarray
        (N, 6) float32, m/s2 and rad/s, zeros in a channel that it lacks.
    channels : np.ndarray
        (6,) bool, those that it has.
    notes : list of str
        What was dropped or converted, in sentences.
    """

    times: np.ndarray
    values: np.ndarray
    channels: np.ndarray
    notes: list[str] = field(default_factory=list)

    @property
    def duration_s(self) -> float:
        """From the first sample to one step behind the last."""
        return float(self.times[-1] + median_step(self.times))

    def resample(self, recipe: Resample) -> Signals:
        """At 200 Hz, by the resampler of the pipeline."""
        if recipe.clock == "authors":
            values, valid = decimate_imu(self.times, self.values, self.duration_s)
        else:
            gap_s = recipe.gap_ms / 1000
            values, valid = resample_imu(self.times, self.values, self.duration_s, gap_s)
        return Signals("imu", values[None], valid[None], self.channels[None])


def read_recording(
    path: Path | str,
    rate_hz: float | None = None,
    units: str | None = None,
    columns: Sequence[str] | None = None,
    imu: str = "imu-right",
) -> Recorded:
    """Read a recording.

    Parameters
    ----------
    path : Path or str
        A VRS, CSV or Parquet file.
    rate_hz : float or None
        Samples a second of a table without a column of time.
    units : str or None
        Units of a table that are not m/s2 and rad/s, such as "g,deg/s"; they are converted.
    columns : sequence of str or None
        Names of the six channels of a table, or of the three of an accelerometer, in the order of
        `IMU_CHANNELS`; by default those that are known.
    imu : str
        Which IMU of a VRS file.

    Returns
    -------
    Recorded
        Sorted, without samples that are not finite or of no certain time.

    Raises
    ------
    AuraError
        The file cannot be read, or its columns, units or rate are not certain.
    """
    file = Path(path)
    if not file.is_file():
        raise AuraError(f"There is no recording at {file}; name a VRS, CSV or Parquet file.")
    kind = file.suffix.lower()
    if kind in VRS:
        stream = read_imu(file, imu)
        accel, gyro = to_device_frame(stream)
        # From whole nanoseconds: a float64 of them has steps of more than a microsecond.
        times = (stream.timestamps_ns - stream.timestamps_ns[:1]) / 1e9
        values = np.hstack([accel, gyro])
        ok = stream.accel_valid & stream.gyro_valid
        return _checked(file, times, values, ok, np.ones(6, bool), _factors(None))
    if kind not in (*TABLES, *PARQUET):
        raise AuraError(
            f"{file.name} is no recording that can be read: it ends in '{file.suffix}', and "
            f"{', '.join((*VRS, *TABLES, *PARQUET))} are known."
        )
    table = _parquet if kind in PARQUET else _text
    names = header(file) if kind in TABLES else _schema(file)
    chosen, clock, scale = choose(file, names, columns, rate_hz)
    numbers, notes = table(file, [*chosen, *([clock] if clock else [])])
    values = np.zeros((len(numbers), 6), np.float32)
    with np.errstate(over="ignore"):
        values[:, : len(chosen)] = numbers[:, : len(chosen)]
    channels = np.arange(6) < len(chosen)
    channels[: len(chosen)] &= np.isfinite(values[:, : len(chosen)]).any(axis=0)
    values[:, ~channels] = 0
    if clock:
        times = numbers[:, -1] * scale
        check_rate(file, times, clock, rate_hz)
    else:
        times = np.arange(len(numbers)) / float(rate_hz or 1)
    ok = np.ones(len(times), bool)
    return _checked(file, times, values, ok, channels, _factors(units), notes)


def _checked(
    file: Path,
    times: np.ndarray,
    values: np.ndarray,
    ok: np.ndarray,
    channels: np.ndarray,
    factors: Mapping[str, tuple[slice, float]],
    notes: Sequence[str] = (),
) -> Recorded:
    """Convert, clean and refuse what is in other units."""
    notes = list(notes)
    if not channels[:3].all():
        raise AuraError(
            f"{file.name} has no acceleration on three axes; there is nothing to go by."
        )
    if not channels[3:].all():
        channels = channels & (np.arange(6) < 3)
        notes.append("it has no gyroscope, which is masked: expect less than of both sensors")
    values = np.where(channels, values, np.float32(0))
    for span, factor in factors.values():
        values[:, span] *= np.float32(factor)
    if factors:
        notes.append(f"converted from {' and '.join(factors)}")
    cleaned = clean(times, values, ok)
    notes += [f"{count} samples dropped: {why}" for why, count in cleaned.dropped.items() if count]
    notes += [f"{count} samples: {why}" for why, count in cleaned.noted.items() if count]
    if len(cleaned.times) < 4:
        raise AuraError(f"{file.name} holds {len(cleaned.times)} samples that can be used.")
    for found in suspect_imu(cleaned.times, cleaned.values):
        raise AuraError(
            f"In {file.name} the {found.what}, and m/s2 and rad/s are expected; say its units, "
            "which are converted: --units g,deg/s, for example."
        )
    return Recorded(cleaned.times - cleaned.times[0], cleaned.values, channels, notes)


def _factors(units: str | None) -> dict[str, tuple[slice, float]]:
    """What each unit named means."""
    named = [part.strip() for part in (units or "").split(",") if part.strip()]
    unknown = [name for name in named if name not in UNITS]
    if unknown or len({UNITS[name][0].start for name in named}) < len(named):
        wrong = f"'{unknown[0]}' is none" if unknown else "two are of one sensor"
        raise AuraError(
            f"Units are one of m/s2, g, mg and one of rad/s, deg/s, by a comma; {wrong}."
        )
    return {name: UNITS[name] for name in named if UNITS[name][1] != 1}


def _schema(file: Path) -> list[str]:
    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CorruptFile(f"{file} cannot be read as Parquet: {error}.") from None


def _text(file: Path, columns: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    files = Storage(file.absolute().parent)
    numbers, _, ragged = read_columns(files, file.name, columns, None, None, None)
    return numbers, [f"{ragged} lines with too few or too many cells left out"] * bool(ragged)


def _parquet(file: Path, columns: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    try:
        table = pq.read_table(file, columns=list(columns))
        parts = [table[name].cast(pa.float64()).to_numpy() for name in columns]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CorruptFile(
            f"{file} cannot be read as columns of numbers: {' '.join(str(error).split())[:200]}."
        ) from None
    return np.stack(parts, axis=1), []
