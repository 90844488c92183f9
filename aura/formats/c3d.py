"""C3D: optical markers and analog channels; the unit of points is that of POINT:UNITS, or unknown.

A marker that was not seen has a negative residual, and no position whatever is stored there. A
residual of 0 among others that are not is a position that was interpolated: it is invented. All
three processors' numbers are read. Layout: the C3D user guide of c3d.org.
"""

import numpy as np

from aura.errors import CorruptFile
from aura.formats.base import Stream, nonzero, unique
from aura.formats.c3d_parameters import Parameters, read_parameters
from aura.storage import Storage

SUFFIXES = (".c3d",)
VERSION = "own"
_MOST = 1 << 31  # bytes of samples


def read(files: Storage, path: str) -> tuple[Stream, ...]:
    """Points, and analog channels where there are any.

    Raises
    ------
    CorruptFile
        It is no such file, or is cut off before its first frame.
    """
    data = files.read(path)
    if len(data) < 1024 or data[1] != 0x50 or data[0] < 2:
        raise CorruptFile(f"{path} is no C3D file.")
    group = read_parameters(data, (data[0] - 1) * 512)
    order = ">" if group.processor == 86 else "<"
    header = np.frombuffer(data, f"{order}u2", 10)
    points = int(group.number("POINT", "USED", float(header[1])))
    scale = group.number("POINT", "SCALE", group.as_float(data[12:16]))
    rate = group.number("POINT", "RATE", group.as_float(data[20:24]))
    per_frame = int(header[2])  # analog values of a frame
    start = (int(group.number("POINT", "DATA_START", float(header[8]))) - 1) * 512
    first, last = int(header[3]), int(header[4])
    size = (4 * points + per_frame) * (4 if scale < 0 else 2)
    if not (
        rate > 0 and points + per_frame > 0 and scale != 0 and np.isfinite(scale) and start > 0
    ):
        raise CorruptFile(f"{path} states {points} points at {rate} Hz with a scale of {scale}.")
    there = max(0, (len(data) - start) // size)
    stated = _frames(group, first, last)
    frames = min(there, stated) if stated else there
    if not frames or frames * size > _MOST:
        raise CorruptFile(f"{path} is cut off before its first frame.")
    counts = {"frame is cut off": max(0, stated - there)}
    words = group.samples(data, start, frames * (4 * points + per_frame), scale < 0)
    words = words.reshape(frames, 4 * points + per_frame)
    time_s = np.arange(frames) / rate
    streams = []
    if points:
        streams.append(_points(words[:, : 4 * points], group, scale, rate, time_s, counts, first))
    if per_frame:
        streams += _analog(words[:, 4 * points :], group, rate)
    return tuple(streams)


def _frames(group: Parameters, first: int, last: int) -> int:
    """Number of frames: 65,535 is as much as the header can say, TRIAL has the rest."""
    begin, end = (group.numbers("TRIAL", f"ACTUAL_{w}_FIELD") for w in ("START", "END"))
    if len(begin) == 2 and len(end) == 2:
        low, high = ((int(p[0]) & 0xFFFF) + ((int(p[1]) & 0xFFFF) << 16) for p in (begin, end))
        if high >= low > 0:
            return high - low + 1
    if last == 0xFFFF:
        return int(group.number("POINT", "LONG_FRAMES", 0))
    return max(0, last - first + 1)


def _points(
    words: np.ndarray, group: Parameters, scale: float, rate: float, time_s: np.ndarray,
    counts: dict[str, int], first: int,
) -> Stream:  # fmt: skip
    frames, count = len(words), words.shape[1] // 4
    words = words.reshape(frames, count, 4)
    values = words[..., :3].astype(np.float64) * (1.0 if scale < 0 else scale)
    # The fourth word: cameras in its upper byte, the residual in its lower, negative where unseen.
    fourth = np.nan_to_num(words[..., 3].astype(np.float64), nan=-1.0, posinf=-1.0, neginf=-1.0)
    unseen = fourth < 0
    residual = np.where(unseen, -1, np.clip(fourth, 0, 65535).astype(np.int64) & 0xFF)
    values[unseen] = np.nan
    invented = np.zeros((frames, count), bool)
    if (residual > 0).any():
        invented = residual == 0
    counts["marker is not seen"] = int(unseen.sum())
    counts["position is interpolated"] = int(invented.sum())
    names = [name for n in ("", *range(2, 9)) for name in group.texts("POINT", f"LABELS{n}")]
    names = [*names[:count], *(f"marker_{n}" for n in range(len(names), count))]
    unit = next(iter(group.texts("POINT", "UNITS")), "").strip()
    axes = {name: next(iter(group.texts("POINT", f"{name}_SCREEN")), "") for name in "XY"}
    facts = {f"{name} on the screen": text for name, text in axes.items() if text}
    return Stream(
        "points", unique([n.strip() or f"marker_{i}" for i, n in enumerate(names)]), values, time_s,
        (unit,) if unit else (), rate_hz=rate, invented=invented, counts=nonzero(counts),
        facts={"first frame": str(first), **facts},
    )  # fmt: skip


def _analog(words: np.ndarray, group: Parameters, rate: float) -> list[Stream]:
    """Analog channels, (raw - offset) times both scales."""
    count = int(group.number("ANALOG", "USED", 0))
    if not count or words.shape[1] % count:
        return []
    raw = words.reshape(-1, count).astype(np.float64)
    if next(iter(group.texts("ANALOG", "FORMAT")), "").strip().upper() == "UNSIGNED":
        raw = np.where(raw < 0, raw + 65536, raw)
    offsets = np.resize(np.append(group.numbers("ANALOG", "OFFSET")[:count], [])
                        if group.numbers("ANALOG", "OFFSET") else [0.0], count)  # fmt: skip
    scales = np.resize(group.numbers("ANALOG", "SCALE")[:count] or [1.0], count)
    raw = (raw - offsets) * scales * group.number("ANALOG", "GEN_SCALE", 1.0)
    names = [name.strip() for name in group.texts("ANALOG", "LABELS")][:count]
    names += [f"analog_{n}" for n in range(len(names), count)]
    units = [unit.strip() for unit in group.texts("ANALOG", "UNITS")][:count]
    units += [""] * (count - len(units))
    own = rate * words.shape[1] / count
    return [
        Stream(
            "analog", unique(names), raw, np.arange(len(raw)) / own,
            tuple(units) if any(units) else (), rate_hz=own,
        )
    ]  # fmt: skip
