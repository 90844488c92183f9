"""The clock of a take: the Aria's device time of each frame, from the capture's timesync.csv.

    t_ns[i] = timesync[f"{aria}_214-1_capture_timestamp_ns"].iloc[start + i], i in [0, end - start)

Cells may be empty, rows may be missing at the end, and a stamp may be far from its neighbours, or
that of its neighbour; what is not known stays NaN, and a line through the known stamps stands in
for it. A clock that was set in the take, or of which a spreadsheet kept few digits, is none.
"""

import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.stride_tricks import sliding_window_view
from pyarrow import csv

from aura.datasets.ego_exo4d.index import FPS
from aura.datasets.headers import AROUND, encoding_of, find_header
from aura.errors import CorruptFile

_STRAY_S = 0.05  # one and a half frames off the line is no jitter
_COARSE_NS = 10_000_000  # stamps in multiples of this are as a spreadsheet shows them, 1.30512E+12
_COARSE_STRAY_S = 0.003  # one such stamp among others is wrong if it is this far off their line
_FEW = 0.1  # share of frames with the stamp of the one before that is too many
_STRAYS = 0.05  # share of frames out of line that are more than strays
_SET_FRAMES = 15  # before and after a clock is set, whose medians differ


@dataclass(frozen=True)
class TakeClock:
    """When each frame of a take was recorded, on the Aria's clock.

    Attributes
    ----------
    origin_ns : float
        Device time of frame 0.
    frame_s : np.ndarray
        (V,) s from it, NaN where unknown.
    rate_hz : float
        Frames a second.
    missing, empty, stray : int
        Frames past the file's end, without a time, and with a wrong one.
    """

    origin_ns: float
    frame_s: np.ndarray
    rate_hz: float
    missing: int
    empty: int
    stray: int


def read_timesync(data: bytes, column: str) -> np.ndarray:
    """Device times of one column.

    Parameters
    ----------
    data : bytes
        The file.
    column : str
        Name of the column.

    Returns
    -------
    np.ndarray
        (rows,) ns, NaN where the cell is empty; float64 is exact for 104 days.

    Raises
    ------
    CorruptFile
        The file is no table, has no such column, or has a cell in it that is not a number.
    """
    try:
        header = find_header(data[: 1 << 16], [column])
        table = csv.read_csv(
            io.BytesIO(data),
            read_options=csv.ReadOptions(
                use_threads=False,
                skip_rows=header.line + 1,
                column_names=header.names,
                encoding=encoding_of(data[:4], "utf-8").removesuffix("-sig"),
            ),
            parse_options=csv.ParseOptions(delimiter=header.delimiter),
            convert_options=csv.ConvertOptions(
                include_columns=[column], column_types={column: pa.string()}
            ),
        )
        cells = pc.utf8_trim(table.column(column), AROUND)
        if header.delimiter != ",":
            cells = pc.replace_substring(cells, ",", ".")
        empty = pc.is_in(cells, pa.array(["", "nan", "NaN", "NAN", "null", "None"]))
        times = pc.cast(pc.if_else(empty, None, cells), pa.float64()).to_numpy().astype(np.float64)
    except CorruptFile as error:
        raise CorruptFile(f"timesync.csv cannot be read: {error}.") from None
    except (pa.ArrowException, ValueError, OSError) as error:
        raise CorruptFile(f"timesync.csv cannot be read: {str(error).splitlines()[0]}.") from None
    times[~np.isfinite(times)] = np.nan
    return times


def take_clock(times: np.ndarray, start: int, frames: int) -> TakeClock | None:
    """The clock of the take in rows [start, start + frames); None where fewer than two are known.

    Parameters
    ----------
    times : np.ndarray
        (rows,) of the capture, ns, NaN where unknown.
    start : int
        Row of frame 0.
    frames : int
        Frames of the take.
    """
    rows = times[start : start + frames].copy()
    known = np.flatnonzero(np.isfinite(rows))
    if len(known) < 2:
        return None
    stray = _strays(known, rows[known])
    slope, _ = _line(known, rows[known])
    rows[known[stray]] = np.nan
    kept = known[~stray]
    if len(kept) < 2 or not slope > 0:
        return None
    slope, intercept = np.polyfit(kept, rows[kept] - rows[kept[0]], 1)
    if not 0.5 < 1e9 / slope / FPS < 2:  # not the 30 FPS that every take has
        return None
    # The line gives frame 0 even where its own cell is empty.
    first = rows[0] if np.isfinite(rows[0]) else rows[kept[0]] + intercept
    frame_s = np.full(frames, np.nan)
    frame_s[: len(rows)] = (rows - first) / 1e9
    return TakeClock(
        float(first),
        frame_s,
        1e9 / slope,
        missing=frames - len(rows),
        empty=len(rows) - len(known),
        stray=int(stray.sum()),
    )


def clock_fault(times: np.ndarray, start: int, frames: int) -> str | None:
    """Why stamps tell no clock although they are there, or None.

    Parameters
    ----------
    times : np.ndarray
        (rows,) of the capture, ns, NaN where unknown.
    start : int
        Row of frame 0.
    frames : int
        Frames of the take.
    """
    rows = times[start : start + frames]
    known = np.flatnonzero(np.isfinite(rows))
    stamps = rows[known]
    if len(known) < 2:
        return None
    equal = np.count_nonzero(np.diff(stamps) == 0) > _FEW * (len(known) - 1)
    if equal or np.count_nonzero(stamps % _COARSE_NS == 0) > len(known) / 2:
        return "timesync.csv has times with too few digits"
    if _is_set(known, stamps) or _strays(known, stamps).sum() > max(_STRAYS * len(known), 2):
        return "timesync.csv has a clock that was set in the take"
    return None


def _is_set(known: np.ndarray, stamps: np.ndarray) -> bool:
    """Whether stamps (K,) in ns jump for good between two frames."""
    if len(known) < 2 * _SET_FRAMES:
        return False
    offset = stamps - stamps[0] - np.median(np.diff(stamps) / np.diff(known)) * (known - known[0])
    level = np.median(sliding_window_view(offset, _SET_FRAMES), axis=1)
    return bool(np.abs(level[_SET_FRAMES:] - level[:-_SET_FRAMES]).max() > _STRAY_S * 1e9)


def _strays(known: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    """Stamps (K,) in ns that cannot be those of their frames, (K,) bool."""
    slope, intercept = _line(known, stamps)
    off_s = np.abs(stamps - (slope * known + intercept)) / 1e9
    stray = off_s > _STRAY_S
    stray |= (stamps % _COARSE_NS == 0) & (off_s > _COARSE_STRAY_S)
    back = np.flatnonzero(np.diff(stamps) <= 0)  # one of the two is wrong: the one further off
    stray[back + (off_s[back + 1] >= off_s[back])] = True
    return stray


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and intercept by medians, which strays do not move: of pairs half the length apart."""
    half = max(1, len(x) // 2)
    slope = float(np.median((y[half:] - y[:-half]) / (x[half:] - x[:-half])))
    return slope, float(np.median(y - slope * x))
