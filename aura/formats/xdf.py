"""XDF (Lab Streaming Layer), by pyxdf: the stamps of each stream as its sender gave them.

pyxdf straightens stamps unless told not to, and then lays one line over a gap. Here stamps stay; to
the clock of the computer that recorded they are brought by one offset, the median of those that
were measured, and only where these agree.
"""

from typing import Any

import numpy as np

from aura.errors import CorruptFile
from aura.formats.base import Stream, missing, nonzero, unique
from aura.storage import Storage

SUFFIXES = (".xdf", ".xdfz")
VERSION = "pyxdf 1.17.5"
_AGREE_S = 0.01  # by which measured offsets of two clocks may differ, to be one offset


def read(files: Storage, path: str) -> tuple[Stream, ...]:
    """One stream for each stream of numbers; those of texts are markers and left out.

    Raises
    ------
    CorruptFile
        It is no such file, or has no stream of numbers.
    """
    try:
        import pyxdf
    except ImportError:
        raise missing("pyxdf", "wearables", "XDF") from None
    with files.local(path) as local:
        with local.open("rb") as file:
            if file.read(4) != b"XDF:" and local.suffix.lower() != ".xdfz":
                raise CorruptFile(f"{path} is no XDF file.")
        found, _ = pyxdf.load_xdf(
            str(local), dejitter_timestamps=False, synchronize_clocks=False, verbose=False
        )
    all_streams = (_stream(raw) for raw in found if isinstance(raw["time_series"], np.ndarray))
    streams = [stream for stream in all_streams if stream is not None and len(stream.values)]
    if not streams:
        raise CorruptFile(f"{path} has no stream of numbers with samples.")
    names = unique([stream.name for stream in streams])
    origin = float(min(stream.time_s[0] for stream in streams))
    return tuple(_shifted(s, name, origin) for s, name in zip(streams, names, strict=True))


def _stream(raw: dict[str, Any]) -> Stream | None:
    """A stream on the clock of the recorder, s."""
    info = raw["info"]
    values = np.asarray(raw["time_series"], np.float64)
    if values.ndim != 2:
        return None
    labels, units = [], []
    for number, channel in enumerate(_channels(info, values.shape[1])):
        labels.append(_text(channel, "label") or f"channel_{number}")
        units.append(_text(channel, "unit"))
    offsets = np.array([float(value) for value in raw.get("clock_values", ())])
    offset = float(np.median(offsets)) if len(offsets) else 0.0
    agree = not len(offsets) or float(np.ptp(offsets)) <= _AGREE_S
    counts = {"clock of the stream jumps or drifts, not set": int(not agree)}
    rate = float(_text(info, "nominal_srate") or 0)
    return Stream(
        _text(info, "name") or "stream",
        unique(labels),
        values,
        np.asarray(raw["time_stamps"], np.float64) + (offset if agree else 0.0),
        tuple(units) if any(units) else (),
        clock="device",
        rate_hz=rate or None,
        counts=nonzero(counts),
        facts={"type": _text(info, "type"), "host": _text(info, "hostname")},
    )


def _shifted(stream: Stream, name: str, origin: float) -> Stream:
    nanoseconds = round(origin * 1e9)
    time_s = stream.time_s - nanoseconds / 1e9
    return Stream(
        name, stream.columns, stream.values, time_s, stream.units, nanoseconds, stream.clock,
        stream.rate_hz, stream.invented, stream.counts, stream.facts,
    )  # fmt: skip


def _text(element: Any, key: str) -> str:
    """Text of a field: pyxdf has each as a list of one."""
    found = element.get(key) if isinstance(element, dict) else None
    first = found[0] if isinstance(found, list) and found else found
    return first.strip() if isinstance(first, str) else ""


def _channels(info: Any, count: int) -> list[Any]:
    try:
        channels = info["desc"][0]["channels"][0]["channel"]
    except (KeyError, IndexError, TypeError):
        channels = []
    return list(channels) if len(channels) == count else [{}] * count
