import os
import struct
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.datasets.vrs import read_imu
from aura.errors import CorruptFile
from tests.datasets.vrs.streams import LABELS


def read_or_refuse(path: Path, label: str) -> bool:
    """Whether the file could be read; anything but a stream or `CorruptFile` fails the test."""
    try:
        stream = read_imu(path, label)
    except CorruptFile as error:
        reason = str(error)
    else:
        count = len(stream.timestamps_ns)
        assert stream.accel.shape == stream.gyro.shape == (count, 3)
        assert stream.accel_valid.shape == stream.gyro_valid.shape == (count,)
        return True
    assert str(path) in reason
    return False


def test_every_truncation_of_the_records_is_refused(
    tmp_path: Path, raw: bytes, fallback: mock.Mock
) -> None:
    path = tmp_path / "x.vrs"
    path.write_bytes(raw)
    cuts = range(len(raw) - 1, -1, -17)
    index = struct.unpack_from("<q", raw, 24)[0]
    for size in cuts:
        os.truncate(path, size)
        assert read_or_refuse(path, "imu-right") == (size >= index), size
    assert len(cuts) > 500
    assert not fallback.called


FLIP = st.tuples(
    st.sampled_from(["header", "description", "records", "index"]),
    st.integers(0, 1 << 20),
    st.integers(1, 255),
)


@given(st.lists(FLIP, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_flipped_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes, flips: list[tuple[str, int, int]]
) -> None:
    description = 80 + struct.unpack_from("<I", raw, 80)[0]
    index = struct.unpack_from("<q", raw, 24)[0]
    bounds = {"header": (0, 80), "description": (80, description), "index": (index, len(raw))}
    bounds["records"] = (description, index)
    damaged = bytearray(raw)
    for region, at, change in flips:
        start, stop = bounds[region]
        damaged[start + at % (stop - start)] ^= change
    path = tmp_path_factory.getbasetemp() / "flipped.vrs"
    path.write_bytes(damaged)
    for label in LABELS:
        read_or_refuse(path, label)


@given(st.binary(max_size=300), st.booleans())
@settings(max_examples=100, deadline=None)
def test_garbage_is_refused(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes, start_well: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage.vrs"
    start = struct.pack("<8sQIIqqq24x4s4s", b"VisionRe", 7, 80, 32, 90, 80, 0, b"cord", b"VRS1")
    path.write_bytes(start * start_well + garbage)
    assert not read_or_refuse(path, "imu-right")


@pytest.mark.real
def test_flipped_bytes_of_a_recording_are_read_or_refused(recording: Path, tmp_path: Path) -> None:
    raw = recording.read_bytes()
    first_record = struct.unpack_from("<q", raw, 40)[0]
    rng = np.random.default_rng(0)
    path = tmp_path / "x.vrs"
    path.write_bytes(raw)
    readable = 0
    with path.open("r+b", buffering=0) as file:
        for at in [*rng.integers(0, 200, 50), *rng.integers(200, first_record, 150)]:
            file.seek(at)
            file.write(bytes([raw[at] ^ int(rng.integers(1, 256))]))
            readable += read_or_refuse(path, "imu-left")
            file.seek(at)
            file.write(raw[at : at + 1])
    assert 0 < readable < 200
    assert read_or_refuse(path, "imu-left")
