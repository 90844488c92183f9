"""Axivity CWA (AX3 and AX6): blocks of 512 bytes, each with a stamp of one of its samples.

A block is 80, 120 or 40 samples that were taken without a break, and one stamp to 1/32768 s; where
blocks are lost or the clock jumps, a run ends, and time is never drawn across it. Within a run it
is straight from stamp to stamp, as the sensor's own oscillator is some per cent off its rate.
Layout: the openmovement project's description of the AX3 format. Stamps are local time.
"""

from itertools import pairwise

import numpy as np

from aura.errors import CorruptFile
from aura.formats.base import Stream, nonzero
from aura.storage import Storage

SUFFIXES = (".cwa",)
VERSION = "own"

_BLOCK = np.dtype(
    [
        *(("mark", "S2"), ("length", "<u2"), ("fraction", "<u2"), ("session", "<u4")),
        *(("sequence", "<u4"), ("stamp", "<u4"), ("light", "<u2"), ("temperature", "<u2")),
        *(("events", "u1"), ("battery", "u1"), ("rate", "u1"), ("layout", "u1")),
        *(("offset", "<i2"), ("count", "<u2"), ("data", "V480"), ("checksum", "<u2")),
    ]
)
_DRIFT = 0.05  # by which an oscillator may be off its rate
_SLACK = 1.5  # samples, and no more, by which stamps of blocks that follow each other may miss


def read(files: Storage, path: str) -> tuple[Stream, ...]:
    """One stream, `accel` in g and of an AX6 `gyro` in deg/s.

    Raises
    ------
    CorruptFile
        It is no such file, or has no block that is whole.
    """
    data = files.read(path)
    if data[:2] != b"MD" or len(data) < 1024:
        raise CorruptFile(f"{path} is no CWA file: it does not begin with MD.")
    start = 1024  # the header is as long as two blocks
    count = (len(data) - start) // 512
    blocks = np.frombuffer(data, _BLOCK, count, start)
    words = np.frombuffer(data, "<u2", count * 256, start).reshape(count, 256)
    marked = (blocks["mark"] == b"AX") & (blocks["length"] == 508)
    sound = marked & ((words.sum(axis=1, dtype=np.uint64) & 0xFFFF) == 0)
    counts = {
        "block is no block of data": int((~marked).sum()),
        "block with a wrong checksum": int((marked & ~sound).sum()),
        "block is cut off": int((len(data) - start) % 512 > 0),
    }
    blocks = blocks[sound]
    if len(blocks):
        usual = np.bincount(blocks["layout"]).argmax(), np.bincount(blocks["rate"]).argmax()
        alike = (blocks["layout"] == usual[0]) & (blocks["rate"] == usual[1])
        one = blocks["session"] == blocks["session"][0]
        counts["block of another rate or layout"] = int((~alike).sum())
        counts["block of another session"] = int((alike & ~one).sum())
        blocks = blocks[alike & one]
    if not len(blocks):
        raise CorruptFile(f"{path} has no block that is whole.")
    axes, packing = int(blocks["layout"][0]) >> 4, int(blocks["layout"][0]) & 15
    rate_hz = 3200 / (1 << (15 - (int(blocks["rate"][0]) & 15)))
    if axes not in (3, 6, 9) or packing not in (0, 2) or (packing == 0 and axes != 3):
        raise CorruptFile(f"{path} has blocks of {axes} axes, packed by {packing}.")
    again = _repeated(blocks)
    counts["block is there twice"] = int(again.sum())
    blocks = blocks[~again]
    values, rows = _unpack(blocks, axes, packing)
    anchors, origin = _stamps(blocks, rate_hz)
    time_s, counts["hole between blocks"] = _times(blocks, anchors, rows, rate_hz)
    columns, units = _columns(axes)
    device = "AX6" if axes > 3 else "AX3"
    return (
        Stream(
            device, columns, values, time_s, units, origin, "local", rate_hz,
            counts=nonzero(counts), facts={"device": device},
        ),
    )  # fmt: skip


def _columns(axes: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    kinds = (("accel", "g"), ("gyro", "deg/s"), ("mag", "uT"))[: axes // 3]
    columns = tuple(f"{kind}_{axis}" for kind, _ in kinds for axis in "xyz")
    return columns, tuple(unit for _, unit in kinds for _ in "xyz")


def _unpack(blocks: np.ndarray, axes: int, packing: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples (N, axes), acceleration first, and how many each block has."""
    room = 120 if packing == 0 else 480 // (2 * axes)
    rows = np.minimum(blocks["count"].astype(np.int64), room)
    raw = np.frombuffer(blocks["data"].tobytes(), np.uint8).reshape(len(blocks), 480)
    light = blocks["light"].astype(np.int64)
    accel = (1 / (1 << (8 + (light >> 13)))).astype(np.float64)
    if packing == 0:
        packed = raw.view("<u4").astype(np.int64)
        parts = [((packed >> shift) & 0x3FF) for shift in (0, 10, 20)]
        signed = np.stack([np.where(p > 511, p - 1024, p) for p in parts], axis=2)
        values = (signed << (packed >> 30)[..., None]) / 256
    else:
        values = raw.view("<i2").reshape(len(blocks), -1)[:, : room * axes]
        values = values.reshape(len(blocks), room, axes).astype(np.float64)
        if axes == 3:
            values *= accel[:, None, None]
        else:
            span = 8000 / (1 << ((light >> 10) & 7))  # deg/s at full scale
            gyro = values[..., :3] * (span / 32768)[:, None, None]
            scaled = [values[..., 3:6] * accel[:, None, None], gyro, values[..., 6:] / 16]
            values = np.concatenate(scaled[: axes // 3], axis=2)
    inside = np.arange(room) < rows[:, None]
    return values[inside], rows


def _stamps(blocks: np.ndarray, rate_hz: float) -> tuple[np.ndarray, int]:
    """When the first sample of each block was taken, s after the first stamp, by its own stamp."""
    packed = blocks["stamp"].astype(np.int64)
    months = (30 + (packed >> 26 & 63)) * 12 + (packed >> 22 & 15) - 1
    days = months.astype("M8[M]").astype("M8[D]").astype(np.int64) + (packed >> 17 & 31) - 1
    seconds = ((days * 24 + (packed >> 12 & 31)) * 60 + (packed >> 6 & 63)) * 60 + (packed & 63)
    has = (blocks["fraction"] & 0x8000) > 0
    fraction = np.where(has, (blocks["fraction"] & 0x7FFF).astype(np.int64) << 1, 0)
    # The firmware moved the offset by the fraction, for readers that know of none: move it back.
    offset = blocks["offset"].astype(np.int64) + (fraction * int(rate_hz) >> 16)
    anchors = (seconds - seconds[0]) + fraction / 65536 - offset / rate_hz
    return anchors, int(seconds[0]) * 10**9


def _times(
    blocks: np.ndarray, anchors: np.ndarray, rows: np.ndarray, rate_hz: float
) -> tuple[np.ndarray, int]:
    """Time of each sample, and how many holes there are between blocks."""
    nominal = rows[:-1] / rate_hz
    step = np.diff(anchors)
    follows = np.diff(blocks["sequence"].astype(np.int64)) == 1
    follows &= np.abs(step - nominal) <= _DRIFT * nominal + _SLACK / rate_hz
    first = np.concatenate([[0], np.cumsum(rows)])[:-1]
    time_s = np.empty(int(rows.sum()))
    edges = np.concatenate([[0], np.flatnonzero(~follows) + 1, [len(anchors)]])
    for begin, end in pairwise(edges):
        span, samples = anchors[end - 1] - anchors[begin], first[end - 1] - first[begin]
        period = span / samples if samples else 1 / rate_hz
        behind = int(rows[end - 1])
        known = np.append(first[begin:end], first[end - 1] + behind)
        at = np.append(anchors[begin:end], anchors[end - 1] + behind * period)
        rows_of_run = np.arange(first[begin], first[end - 1] + behind)
        time_s[rows_of_run] = np.interp(rows_of_run, known, at)
    return time_s, int((~follows).sum())


def _repeated(blocks: np.ndarray) -> np.ndarray:
    """Blocks that are in the file once more before."""
    _, first = np.unique(blocks["sequence"], return_index=True)
    again = np.ones(len(blocks), bool)
    again[first] = False
    return again
