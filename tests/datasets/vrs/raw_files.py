"""VRS files by hand: walked record after record, put together anew, and damaged."""

import struct
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from aura.datasets.synthetic import vrs_writer
from aura.datasets.vrs import container
from tests.datasets.vrs.streams import LABELS

# Offsets of capture time, accelerometer, gyroscope in the payloads of the two known layouts;
# the accelerometer's and the gyroscope's validity are bytes 0 and 1 of both.
OURS, REAL = (11, 27, 39), (11, 43, 55)
Record = tuple[list[Any], bytes]  # the fields of a record header, and the payload
HEADER = "<IIiIdHBBI"
SIZE, PREVIOUS, TYPE, VERSION, INSTANCE, KIND, COMPRESSION, UNPACKED = 0, 1, 2, 3, 5, 6, 7, 8


def walk(raw: bytes) -> tuple[bytes, list[Record], bytes]:
    """Description, user records and index body, by walking record after record."""
    position, description, records, index = 80, b"", [], b""
    while position < len(raw):
        header = list(struct.unpack_from(HEADER, raw, position))
        payload = raw[position + 32 : position + header[SIZE]]
        assert header[SIZE] >= 32
        position += header[SIZE]
        if header[TYPE] == 1:
            index = payload
        elif header[TYPE] == 2:
            description = payload
        else:
            records.append((header, payload))
    return description, records, index


def slow_read(raw: bytes, label: str, offsets: tuple[int, int, int]) -> list[tuple[Any, ...]]:
    """Samples of a Gen1 recording, one `struct` call at a time and without its index."""
    rows = []
    for header, payload in walk(raw)[1]:
        if (header[TYPE], header[INSTANCE], header[KIND]) == (1202, LABELS.index(label) + 1, 3):
            (time,) = struct.unpack_from("<q", payload, offsets[0])
            vectors = [struct.unpack_from("<3f", payload, at) for at in offsets[1:]]
            rows.append((time, *vectors, bool(payload[0]), bool(payload[1])))
    return rows


def assemble(
    description: bytes, records: Iterable[Record], pack_index: Callable[[bytes], bytes] | None
) -> bytes:
    """A VRS file of these records; `pack_index` compresses the index entries."""
    records = list(records)
    ids = {(header[TYPE], header[INSTANCE]) for header, _ in records}
    blocks = [struct.pack(HEADER, 32 + len(description), 0, 2, 2, 1e300, 0, 3, 0, 0) + description]
    entries = b""
    for header, payload in records:
        header[SIZE], header[PREVIOUS] = 32 + len(payload), len(blocks[-1])
        blocks.append(struct.pack(HEADER, *header) + payload)
        stamp, order = header[4], (header[SIZE], header[KIND], header[TYPE], header[INSTANCE])
        entries += struct.pack("<dIBiH", stamp, *order)
    prelude = struct.pack("<I", len(ids)) + b"".join(struct.pack("<iH", *i) for i in sorted(ids))
    prelude += struct.pack("<I", len(records))
    packed = pack_index(entries) if pack_index else entries
    size, unpacked = 32 + len(prelude + packed), len(prelude + entries) if pack_index else 0
    codec = 2 if pack_index else 0
    index = struct.pack(HEADER, size, len(blocks[-1]), 1, 2, 1e300, 0, 3, codec, unpacked)
    at = 80 + sum(map(len, blocks))
    header = struct.pack("<8sQIIqqq24x4s4s", b"VisionRe", 7, 80, 32, at, 80, 0, b"cord", b"VRS1")
    return header + b"".join(blocks) + index + prelude + packed


def described(
    description: bytes,
    change: Callable[[dict[str, str]], object] = len,
    file_tags: dict[str, str] | None = None,
) -> bytes:
    """The description with the tags of each stream changed, and those of the file replaced."""
    streams, tags = container.parse_tags(memoryview(description))
    body = struct.pack("<I", len(streams))
    for key, stream_tags in streams.items():
        change(stream_tags)
        body += struct.pack("<iH", *key) + vrs_writer._tags({}) + vrs_writer._tags(stream_tags)
    return body + vrs_writer._tags(tags if file_tags is None else file_tags)


def compress(record: Record, codec: str) -> Record:
    header, payload = list(record[0]), record[1]
    header[COMPRESSION], header[UNPACKED] = {"lz4": 1, "zstd": 2}[codec], len(payload)
    return header, pa.compress(payload, codec, asbytes=True)


def patch(at: int, new: bytes) -> Callable[[bytes], bytes]:
    return lambda raw: raw[:at] + new + raw[at + len(new) :]


def at_index(offset: int, new: bytes) -> Callable[[bytes], bytes]:
    return lambda raw: patch(struct.unpack_from("<q", raw, 24)[0] + offset, new)(raw)


def at_sample(number: int, offset: int, new: bytes) -> Callable[[bytes], bytes]:
    """Overwrite part of the n-th data record of imu-right, header included."""

    def change(raw: bytes) -> bytes:
        description, records, _ = walk(raw)
        position, starts = 80 + 32 + len(description), []
        for header, _ in records:
            if (header[KIND], header[INSTANCE]) == (3, 1):
                starts.append(position)
            position += header[SIZE]
        return patch(starts[number] + offset, new)(raw)

    return change


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(raw: bytes) -> bytes:
        assert old in raw
        assert len(old) == len(new)
        return raw.replace(old, new)

    return change


def drop(kind: int) -> Callable[[bytes], bytes]:
    def change(raw: bytes) -> bytes:
        description, records, _ = walk(raw)
        return assemble(description, [r for r in records if r[0][KIND] != kind], None)

    return change
