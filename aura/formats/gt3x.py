"""ActiGraph GT3X: a ZIP with `info.txt` and records of a second each in `log.bin`.

While the device sleeps (idle sleep mode) it writes no records, and here none are made up: its
seconds are missing, and counted. A second that is some samples short, or long, keeps what it has on
the rate of its device. Layout: ActiGraph's description of the format. Stamps are local time.
"""

import io
import re
import zipfile

import numpy as np

from aura.errors import CorruptFile
from aura.formats.base import Stream, nonzero
from aura.storage import Storage

SUFFIXES = (".gt3x", ".agdc")
VERSION = "own"

_ACTIVITY, _EVENT, _ACTIVITY2, _ACTIVITY3 = 0, 3, 26, 27
_SLEEPS, _WAKES = b"\x08", b"\x09"
_MOST_BYTES = 1 << 30  # of log.bin; a month at 100 Hz is a sixth of it
_SCALES = (("NEO", 341.0), ("CLE", 341.0), ("MOS", 256.0), ("TAS", 256.0))


def read(files: Storage, path: str) -> tuple[Stream, ...]:
    """One stream, `accel` in g.

    Raises
    ------
    CorruptFile
        It is no such file, has no scale, or no second that is whole.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(files.read(path))) as archive:
            info = _info(archive.read("info.txt"))
            log = archive.getinfo("log.bin")
            if log.file_size > _MOST_BYTES:
                raise CorruptFile(
                    f"{path} has {log.file_size} bytes of records, which is too much."
                )
            records = archive.read("log.bin")
    except KeyError:
        raise CorruptFile(f"{path} has no info.txt or log.bin in it.") from None
    except zipfile.BadZipFile:
        raise CorruptFile(f"{path} is no GT3X file: it is no whole ZIP.") from None
    rate_hz, scale = _number(info, "Sample Rate"), _scale(info)
    if not rate_hz or not scale:
        raise CorruptFile(f"{path} does not say its rate and what 1 g is, in info.txt.")
    seconds, counts = _seconds(records)
    counts["second is not one of the rate"] = sum(len(v) != rate_hz for _, v in seconds)
    if not seconds:
        raise CorruptFile(f"{path} has no second of samples that is whole.")
    origin = seconds[0][0]
    time_s = np.concatenate([at - origin + np.arange(len(v)) / rate_hz for at, v in seconds])
    values = np.concatenate([v for _, v in seconds]) / scale
    side, limb = info.get("Side", "").lower(), info.get("Limb", "").lower()
    facts = {"device": info.get("Device Type", "ActiGraph"), "place": f"{side} {limb}".strip()}
    return (
        Stream(
            "accelerometer", ("accel_x", "accel_y", "accel_z"), values, time_s, ("g",) * 3,
            origin * 10**9, "local", rate_hz, counts=nonzero(counts),
            facts={name: text for name, text in facts.items() if text},
        ),
    )  # fmt: skip


def _info(text: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.decode("utf-8-sig", "replace").splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _number(info: dict[str, str], name: str) -> float:
    match = re.fullmatch(r"\d+([.,]\d+)?", info.get(name, ""))
    return float(match[0].replace(",", ".")) if match else 0.0


def _scale(info: dict[str, str]) -> float:
    """Counts of 1 g: as stated, or, of old files, by the beginning of the serial number."""
    serial = info.get("Serial Number", "")
    known = next((scale for begin, scale in _SCALES if serial.startswith(begin)), 0.0)
    return _number(info, "Acceleration Scale") or known


def _seconds(records: bytes) -> tuple[list[tuple[int, np.ndarray]], dict[str, int]]:
    """Stamp and samples (n, 3) of each second, in the order of the file, each stamp once."""
    found: dict[int, np.ndarray] = {}
    counts = dict.fromkeys(
        ("record with a wrong checksum", "record is there twice", "second of idle sleep",
         "records end in the middle", "record is lost in other bytes"), 0
    )  # fmt: skip
    at, asleep, size = 0, None, len(records)
    while at < size:
        if records[at] != 0x1E:  # look for the next record
            counts["record is lost in other bytes"] += 1
            at = records.find(b"\x1e", at)
            if at < 0:
                break
        if at + 9 > size:
            counts["records end in the middle"] += 1
            break
        kind, length = records[at + 1], int.from_bytes(records[at + 6 : at + 8], "little")
        stamp = int.from_bytes(records[at + 2 : at + 6], "little")
        end = at + 8 + length
        if end >= size:
            counts["records end in the middle"] += 1
            break
        body = np.frombuffer(records, np.uint8, 8 + length, at)
        if ~int(np.bitwise_xor.reduce(body)) & 0xFF != records[end]:
            counts["record with a wrong checksum"] += 1
            at += 1 if records[end + 1 : end + 2] not in (b"\x1e", b"") else length + 9
            continue
        payload = records[at + 8 : end]
        at = end + 1
        if kind == _EVENT and payload == _SLEEPS:
            asleep = stamp
        elif kind == _EVENT and payload == _WAKES and asleep is not None:
            counts["second of idle sleep"] += max(0, stamp - asleep)
            asleep = None
        elif kind in (_ACTIVITY, _ACTIVITY2, _ACTIVITY3) and length > 1:  # 1: a cable is plugged in
            if stamp in found:
                counts["record is there twice"] += 1
            else:
                found[stamp] = _samples(payload, kind)
    return list(found.items()), counts


def _samples(payload: bytes, kind: int) -> np.ndarray:
    """Samples (n, 3) in counts, x, y, z."""
    if kind == _ACTIVITY2:
        whole = len(payload) // 6 * 6
        return np.frombuffer(payload[:whole], "<i2").reshape(-1, 3).astype(np.float64)
    pairs = np.frombuffer(payload + bytes(-len(payload) % 3), np.uint8).reshape(-1, 3)
    first, middle, last = pairs.astype(np.int64).T
    packed = np.stack([first << 4 | middle >> 4, (middle & 15) << 8 | last], axis=1).ravel()
    count = len(payload) * 8 // 36
    signed = np.where(packed > 2047, packed - 4096, packed)[: 3 * count].reshape(-1, 3)
    order = [1, 0, 2] if kind == _ACTIVITY else [0, 1, 2]  # the older kind has y before x
    return signed[:, order].astype(np.float64)
