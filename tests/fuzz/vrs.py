"""Recordings, mutated and made up."""

import json
import random
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from aura.datasets.synthetic import vrs_writer
from aura.datasets.vrs import ImuStream, container, imu
from tests.datasets.vrs.raw_files import VERSION, assemble, compress, walk
from tests.datasets.vrs.streams import LABELS, make_stream
from tests.fuzz.mutate import any_json, mutate_bytes, mutate_text
from tests.fuzz.target import Target


def tags_of(description: bytes) -> tuple[dict, dict]:
    return container.parse_tags(memoryview(description))


def describe(streams: dict, tags: dict) -> bytes:
    body = struct.pack("<I", len(streams))
    for key, stream_tags in streams.items():
        body += struct.pack("<iH", *key) + vrs_writer._tags({}) + vrs_writer._tags(stream_tags)
    return body + vrs_writer._tags(tags)


def with_tag(rng: random.Random, raw: bytes, value: Callable[[str], bytes]) -> bytes:
    """A sound file of which one tag has a new value."""
    description, records, _ = walk(raw)
    streams, tags = tags_of(description)
    chosen = rng.choice([tags, *streams.values()])
    name = rng.choice(sorted(chosen))
    chosen[name] = value(chosen[name]).decode("utf-8", "replace")
    return assemble(describe(streams, tags), records, None)


def vrs_bases(folder: Path) -> list[bytes]:
    """Recordings of 10 to 20 samples: layouts, versions and codecs that the reader knows."""
    path = folder / "base.vrs"
    both = [
        make_stream(label, 10, rate) for label, rate in zip(LABELS, (1000.0, 800.0), strict=True)
    ]

    def written(streams: list[ImuStream]) -> bytes:
        vrs_writer.write_vrs(path, streams)
        return path.read_bytes()

    plain = written(both)
    description, records, _ = walk(plain)
    streams, tags = tags_of(description)
    gen2 = describe(streams, {"device_type": "Oatmeal"})
    newer = {
        key: stream_tags | {k.replace("Data:2", "Data:3"): v for k, v in stream_tags.items()}
        for key, stream_tags in streams.items()
    }
    mixed = [
        ([*h[:VERSION], 2 + (h[6] == 3 and i % 2), *h[VERSION + 1 :]], p)
        for i, (h, p) in enumerate(records)
    ]
    return [
        plain,
        written([replace(both[1], calibration=None)]),
        assemble(gen2, records, None),
        assemble(description, records, lambda raw: pa.compress(raw, "zstd", asbytes=True)),
        assemble(description, [compress(r, "lz4") if r[0][6] == 2 else r for r in records], None),
        assemble(description, [compress(r, "zstd") for r in records], None),
        assemble(describe(newer, tags), mixed, None),
    ]


def vrs_sites(raw: bytes) -> list[tuple[int, str]]:
    """Offsets and sizes of the numbers of a sound file's headers, description start and index."""

    def numbers(dtype: np.dtype, start: int) -> list[tuple[int, str]]:
        letters = {1: "B", 2: "H", 4: "I", 8: "Q"}
        found = (dtype.fields or {}).values()
        return [
            (start + at, letters[kind.itemsize])
            for kind, at, *_ in found
            if kind.itemsize in letters
        ]

    sites = numbers(container.FILE_HEADER, 0) * 4
    position = 80
    while position < len(raw):
        header = struct.unpack_from("<IIi", raw, position)
        special = header[2] in (container.INDEX_TYPE_ID, container.DESCRIPTION_TYPE_ID)
        sites += numbers(container.RECORD_HEADER, position) * (8 if special else 1)
        if header[2] == container.DESCRIPTION_TYPE_ID:
            sites += [(position + at, "I") for at in (32, 36, 42, 46)] * 8
        if header[2] == container.INDEX_TYPE_ID:
            sites += [(position + at, "I") for at in (32, 36, 42, 44, 48)] * 8
            for at in range(position + 52, len(raw) - 19, 19):
                sites += numbers(container.INDEX_ENTRY, at)
        position += header[0]
    return sites


def vrs_target(folder: Path) -> Target:
    path, bases = folder / "input.vrs", vrs_bases(folder)
    sites = {raw: vrs_sites(raw) for raw in bases}
    keys = (
        "data_layout",
        "name",
        "type",
        "offset",
        "size",
        "ImuCalibrations",
        "Label",
        "imu-right",
    )
    keys += ("Accelerometer", "Gyroscope", "Model", "RectificationMatrix", "Bias", "Offset")
    keys += ("T_Device_Imu", "Translation", "UnitQuaternion", "gyroscope", "DataPieceArray<float>")

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        if rng.random() < 0.3:
            return with_tag(rng, raw, lambda text: mutate_text(rng, text.encode()))
        return mutate_bytes(rng, raw, rng.choice(bases), sites[raw])

    def make(rng: random.Random) -> bytes:
        raw = with_tag(rng, rng.choice(bases), lambda _: json.dumps(any_json(rng, keys)).encode())
        description, records, _ = walk(raw)
        records = rng.choices(records, k=rng.randrange(1, 25))
        pack = rng.choice((None, None, lambda raw: pa.compress(raw, "zstd", asbytes=True)))
        return assemble(description, [([*h], p) for h, p in records], pack)

    def read(rng: random.Random, data: bytes) -> None:
        path.write_bytes(data)
        label = rng.choice(LABELS)
        stream = imu.read_imu(path, label)
        count = len(stream.timestamps_ns)
        assert stream.label == label
        assert count > 0
        assert stream.timestamps_ns.dtype == np.int64
        for vectors in (stream.accel, stream.gyro):
            assert (vectors.shape, vectors.dtype) == ((count, 3), np.float32)
        for mask in (stream.accel_valid, stream.gyro_valid, stream.saturated):
            assert (mask.shape, mask.dtype) == ((count,), np.bool_)
        for vectors in imu.to_device_frame(stream):
            assert (vectors.shape, vectors.dtype) == ((count, 3), np.float32)

    return Target(bases, mutate, make, read)
