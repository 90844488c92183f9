import json
import os
import re
import struct
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from aura.datasets.synthetic import vrs_writer
from aura.datasets.synthetic.vrs_writer import write_vrs
from aura.datasets.vrs import (
    ImuCalibration,
    ImuStream,
    container,
    imu,
    official,
    read_imu,
    to_device_frame,
)
from aura.errors import CorruptFile

LABELS = ("imu-right", "imu-left")
ARRAYS = ("timestamps_ns", "accel", "gyro", "accel_valid", "gyro_valid")
DTYPES = (np.int64, np.float32, np.float32, np.bool_, np.bool_)
# Offsets of capture time, accelerometer, gyroscope in the payloads of the two known layouts;
# the accelerometer's and the gyroscope's validity are bytes 0 and 1 of both.
OURS, REAL = (11, 27, 39), (11, 43, 55)
NAMES = imu.SAMPLE_FIELDS.names or ()
Record = tuple[list[Any], bytes]  # the fields of a record header, and the payload
HEADER = "<IIiIdHBBI"
SIZE, PREVIOUS, TYPE, VERSION, INSTANCE, KIND, COMPRESSION, UNPACKED = 0, 1, 2, 3, 5, 6, 7, 8


def make_calibration(rng: np.random.Generator) -> ImuCalibration:
    transform = np.eye(4)
    transform[:3, :3] = Rotation.random(rng=rng).as_matrix()
    transform[:3, 3] = rng.normal(0, 0.1, 3)
    return ImuCalibration(
        accel_rectification=np.eye(3) + rng.normal(0, 0.01, (3, 3)),
        accel_bias=rng.normal(0, 0.1, 3),
        gyro_rectification=np.eye(3) + rng.normal(0, 0.01, (3, 3)),
        gyro_bias=rng.normal(0, 0.01, 3),
        transform_device_imu=transform,
        accel_time_offset_s=float(rng.normal(0, 0.003)),
        gyro_time_offset_s=float(rng.normal(0, 0.003)),
    )


def make_stream(label: str, count: int, rate_hz: float, seed: int = 0) -> ImuStream:
    rng = np.random.default_rng([seed, LABELS.index(label)])
    return ImuStream(
        label=label,
        nominal_rate_hz=rate_hz,
        timestamps_ns=10**12 + np.cumsum(rng.integers(940_000, 1_060_000, count)),
        accel=rng.normal(0, 9.8, (count, 3)).astype(np.float32),
        gyro=rng.normal(0, 2, (count, 3)).astype(np.float32),
        accel_valid=rng.random(count) < 0.9,
        gyro_valid=rng.random(count) < 0.8,
        calibration=make_calibration(rng),
    )


@pytest.fixture(scope="module")
def pair() -> dict[str, ImuStream]:
    counts = zip(LABELS, (40, 31), (1000.0, 800.0), strict=True)
    return {label: make_stream(label, count, rate) for label, count, rate in counts}


@pytest.fixture
def path(tmp_path: Path, pair: dict[str, ImuStream]) -> Path:
    write_vrs(tmp_path / "pair.vrs", list(pair.values()))
    return tmp_path / "pair.vrs"


@pytest.fixture(scope="module")
def recording() -> Path:
    if "AURA_REAL_DATA" not in os.environ:
        pytest.skip("AURA_REAL_DATA is not set")
    folder = Path(os.environ["AURA_REAL_DATA"]) / "aria-samples"
    found = folder / "aria_everyday_activities_test_data" / "recording.vrs"
    if not found.is_file():
        pytest.skip(f"{found} is absent")
    return found


def assert_same(got: ImuStream, want: ImuStream) -> None:
    assert (got.label, got.nominal_rate_hz) == (want.label, want.nominal_rate_hz)
    for name, dtype in zip(ARRAYS, DTYPES, strict=True):
        values = getattr(got, name)
        assert values.dtype == dtype, name
        assert values.flags.c_contiguous, name
        assert values.shape == getattr(want, name).shape, name
        assert values.tobytes() == getattr(want, name).tobytes(), name
    assert (got.calibration is None) == (want.calibration is None)
    if got.calibration is None or want.calibration is None:
        return
    for field in fields(ImuCalibration):
        a, b = getattr(got.calibration, field.name), getattr(want.calibration, field.name)
        # A rotation goes through a quaternion; everything else is written digit by digit.
        tolerance = 1e-14 if field.name == "transform_device_imu" else 0.0
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance, err_msg=field.name)


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


def rows_of(stream: ImuStream) -> list[tuple[Any, ...]]:
    columns = [getattr(stream, name).tolist() for name in ARRAYS]
    return [(t, tuple(a), tuple(g), av, gv) for t, a, g, av, gv in zip(*columns, strict=True)]


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
    for key, mine in streams.items():
        change(mine)
        body += struct.pack("<iH", *key) + vrs_writer._tags({}) + vrs_writer._tags(mine)
    return body + vrs_writer._tags(tags if file_tags is None else file_tags)


def compress(record: Record, codec: str) -> Record:
    header, payload = list(record[0]), record[1]
    header[COMPRESSION], header[UNPACKED] = {"lz4": 1, "zstd": 2}[codec], len(payload)
    return header, pa.compress(payload, codec, asbytes=True)


def read_official(path: Path, label: str) -> tuple[ImuStream, Any]:
    """What projectaria-tools reads, sample by sample, and its own calibration object."""
    data_provider = pytest.importorskip("projectaria_tools.core.data_provider")
    provider = data_provider.create_vrs_data_provider(str(path))
    stream = provider.get_stream_id_from_label(label)
    count = provider.get_num_data(stream)
    samples = [provider.get_imu_data_by_index(stream, i) for i in range(count)]
    device = provider.get_device_calibration()
    factory = device.get_imu_calib(label) if device is not None else None
    calibration = None
    if factory is not None:
        accel, gyro = factory.get_accel_model(), factory.get_gyro_model()
        calibration = ImuCalibration(
            accel.get_rectification(),
            accel.get_bias(),
            gyro.get_rectification(),
            gyro.get_bias(),
            factory.get_transform_device_imu().to_matrix(),
            factory.get_time_offset_sec_device_accel(),
            factory.get_time_offset_sec_device_gyro(),
        )
    return (
        ImuStream(
            label,
            provider.get_imu_configuration(stream).nominal_rate_hz,
            np.array([s.capture_timestamp_ns for s in samples], np.int64),
            np.array([s.accel_msec2 for s in samples], np.float32).reshape(-1, 3),
            np.array([s.gyro_radsec for s in samples], np.float32).reshape(-1, 3),
            np.array([s.accel_valid for s in samples], np.bool_),
            np.array([s.gyro_valid for s in samples], np.bool_),
            calibration,
        ),
        factory,
    )


def official_device_frame(stream: ImuStream, factory: Any) -> tuple[np.ndarray, np.ndarray]:
    rotation = factory.get_transform_device_imu().to_matrix()[:3, :3]
    accel = [rotation @ factory.raw_to_rectified_accel(v) for v in stream.accel.astype(float)]
    gyro = [rotation @ factory.raw_to_rectified_gyro(v) for v in stream.gyro.astype(float)]
    return np.array(accel), np.array(gyro)


# Round trip


@st.composite
def streams(draw: st.DrawFn) -> list[ImuStream]:
    chosen = []
    for label in draw(st.permutations(LABELS))[: draw(st.integers(1, 2))]:
        count = draw(st.integers(1, 12))
        stream = make_stream(label, count, draw(st.floats(1, 2000)), draw(st.integers(0, 99)))
        vectors = arrays(np.float32, (count, 3), elements=st.floats(width=32))
        flags = arrays(np.bool_, count)
        chosen.append(
            replace(
                stream,
                timestamps_ns=draw(arrays(np.int64, count)),  # unordered, repeated, negative
                accel=draw(vectors),
                gyro=draw(vectors),
                accel_valid=draw(flags),
                gyro_valid=draw(flags),
                calibration=draw(st.sampled_from([stream.calibration, None])),
            )
        )
    return chosen


@given(streams())
@settings(max_examples=60, deadline=None)
def test_round_trip_keeps_every_bit(
    tmp_path_factory: pytest.TempPathFactory, written: list[ImuStream]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.vrs"
    write_vrs(path, written)
    for stream in written:
        assert_same(read_imu(path, stream.label), stream)


def test_reader_agrees_with_a_sequential_walk(path: Path) -> None:
    for label in LABELS:
        assert rows_of(read_imu(path, label)) == slow_read(path.read_bytes(), label, OURS)


def test_data_records_are_in_time_order(path: Path) -> None:
    stamps = [header[4] for header, _ in walk(path.read_bytes())[1] if header[KIND] == 3]
    assert stamps == sorted(stamps)
    assert len(stamps) == 71


def test_each_record_names_the_size_of_the_one_before(path: Path) -> None:
    raw, position, previous = path.read_bytes(), 80, 0
    while position < len(raw):
        size, told = struct.unpack_from("<II", raw, position)
        assert told == previous
        position, previous = position + size, size


def test_same_streams_give_the_same_bytes(tmp_path: Path, pair: dict[str, ImuStream]) -> None:
    write_vrs(tmp_path / "a.vrs", list(pair.values()))
    write_vrs(tmp_path / "b.vrs", list(reversed(pair.values())))
    assert (tmp_path / "a.vrs").read_bytes() == (tmp_path / "b.vrs").read_bytes()
    other = replace(pair["imu-left"], gyro=pair["imu-left"].gyro + 1)
    write_vrs(tmp_path / "c.vrs", [pair["imu-right"], other])
    ids = {(tmp_path / name).read_bytes()[8:16] for name in ("a.vrs", "b.vrs", "c.vrs")}
    assert len(ids) == 2  # readers may cache by this id, so other samples need another one


def test_interrupted_write_leaves_the_old_file(
    path: Path, pair: dict[str, ImuStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        write_vrs(path, [pair["imu-left"]])
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "imu-top"}, "distinct labels"),
        ({"label": "imu-left"}, "distinct labels"),
        ({"accel": np.zeros((1, 3), np.float32)}, "accelerometer is"),
        ({"gyro_valid": np.ones(41, np.bool_)}, "gyroscope_valid is"),
    ],
)
def test_writer_refuses(
    tmp_path: Path, pair: dict[str, ImuStream], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_vrs(tmp_path / "x.vrs", [pair["imu-left"], replace(pair["imu-right"], **change)])
    assert not list(tmp_path.iterdir())


def test_writer_refuses_a_transform_that_scales(tmp_path: Path, pair: dict[str, ImuStream]) -> None:
    stream = pair["imu-right"]
    assert stream.calibration is not None
    scaled = replace(stream.calibration, transform_device_imu=np.diag([2.0, 2.0, 2.0, 1.0]))
    with pytest.raises(ValueError, match="not rigid"):
        write_vrs(tmp_path / "x.vrs", [replace(stream, calibration=scaled)])


def test_cost_in_python_does_not_grow_with_samples(tmp_path: Path) -> None:
    def calls(work: Callable[[], object]) -> int:
        count = 0

        def event(_frame: object, _kind: str, _argument: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(event)
        try:
            work()
        finally:
            sys.setprofile(None)
        return count

    def cost(samples: int) -> tuple[int, int, int]:
        path, written = tmp_path / "x.vrs", [make_stream("imu-right", samples, 1000.0)]
        write = calls(lambda: write_vrs(path, written))
        read = calls(lambda: read_imu(path))
        stream = read_imu(path)
        return write, read, calls(lambda: to_device_frame(stream))

    cost(10)
    assert np.abs(np.subtract(cost(10), cost(20_000))).max() < 100


# Device frame


def test_device_frame_is_rectified_then_rotated(pair: dict[str, ImuStream]) -> None:
    stream = pair["imu-left"]
    calibration = stream.calibration
    assert calibration is not None
    accel, gyro = to_device_frame(stream)
    assert (accel.dtype, gyro.dtype) == (np.float32, np.float32)
    rotation = calibration.transform_device_imu[:3, :3]
    for i in range(len(accel)):
        raw = stream.accel[i].astype(float) - calibration.accel_bias
        want = rotation @ np.linalg.solve(calibration.accel_rectification, raw)
        np.testing.assert_allclose(accel[i], want, rtol=1e-6, atol=1e-6)
        raw = stream.gyro[i].astype(float) - calibration.gyro_bias
        want = rotation @ np.linalg.solve(calibration.gyro_rectification, raw)
        np.testing.assert_allclose(gyro[i], want, rtol=1e-6, atol=1e-6)


def test_device_frame_without_calibration_is_raw(pair: dict[str, ImuStream]) -> None:
    stream = replace(pair["imu-right"], calibration=None)
    accel, gyro = to_device_frame(stream)
    assert accel is stream.accel
    assert gyro is stream.gyro


# Saturation

RANGES = {  # g and deg/s, of Gen1 and of Gen2
    "imu-right": ((8.0, 1000.0), (16.0, 2000.0)),
    "imu-left": ((4.0, 500.0), (8.0, 2000.0)),
}


@pytest.mark.parametrize("gen2", [False, True])
@pytest.mark.parametrize("label", LABELS)
def test_an_axis_at_its_range_is_saturated(tmp_path: Path, label: str, gen2: bool) -> None:
    accel_g, gyro_deg_s = RANGES[label][gen2]
    full = np.array([accel_g * 9.80665, np.radians(gyro_deg_s)])
    raw = np.zeros((4 * 2 * 3 + 2, 2, 3), np.float32)
    want = np.zeros(len(raw), np.bool_)
    row = 0
    for sensor in range(2):
        for axis in range(3):
            for part in (0.998, -0.998, 0.9992, -1.0):
                raw[row, sensor, axis] = part * full[sensor]
                want[row] = abs(part) > 0.999
                row += 1
    raw[row] = np.nan  # row + 1 stays at rest
    other = LABELS[1 - LABELS.index(label)] if gen2 else label  # Gen2 swaps them
    stream = replace(make_stream(other, len(raw), 1000.0), accel=raw[:, 0], gyro=raw[:, 1])
    write_vrs(tmp_path / "x.vrs", [stream])
    if gen2:
        description, records, _ = walk((tmp_path / "x.vrs").read_bytes())
        description = described(description, file_tags={"device_type": "Oatmeal"})
        (tmp_path / "x.vrs").write_bytes(assemble(description, records, None))
    assert read_imu(tmp_path / "x.vrs", label).saturated.tolist() == want.tolist()


def test_a_stream_of_unknown_range_is_never_saturated(pair: dict[str, ImuStream]) -> None:
    stream = replace(pair["imu-left"], accel=np.full((31, 3), np.inf, np.float32))
    assert stream.ranges is None
    assert stream.saturated.tolist() == [False] * 31


@pytest.mark.real
@pytest.mark.parametrize("label", LABELS)
def test_a_recording_steps_by_its_range_in_16_bits(recording: Path, label: str) -> None:
    """Confirms the table of ranges, with the 500 deg/s that the documentation has as 5000."""
    stream = read_imu(recording, label)
    assert stream.ranges is not None
    assert not stream.saturated.any()
    for values, limit in zip((stream.accel, stream.gyro), stream.ranges, strict=True):
        for axis in values.T.astype(np.float64):
            steps = np.diff(np.unique(axis))
            step = np.median(steps[steps < 1.5 * np.quantile(steps, 0.02)])
            assert step * 2**15 == pytest.approx(limit, rel=2e-3)


# The official reader


@pytest.mark.parametrize("label", LABELS)
def test_official_reader_agrees_on_synthetic(
    path: Path, pair: dict[str, ImuStream], label: str
) -> None:
    theirs, factory = read_official(path, label)
    assert_same(theirs, pair[label])
    assert_same(read_imu(path, label), theirs)
    for got, want in zip(
        to_device_frame(read_imu(path, label)), official_device_frame(theirs, factory), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


def test_official_reader_opens_a_recording_without_calibration(
    tmp_path: Path, pair: dict[str, ImuStream]
) -> None:
    stream = replace(pair["imu-left"], calibration=None)
    write_vrs(tmp_path / "x.vrs", [stream])
    assert_same(read_official(tmp_path / "x.vrs", "imu-left")[0], stream)


@pytest.mark.real
@pytest.mark.parametrize("label", LABELS)
def test_official_reader_agrees_on_a_recording(recording: Path, label: str) -> None:
    ours = read_imu(recording, label)
    theirs, factory = read_official(recording, label)
    assert len(ours.accel) > 300
    assert_same(ours, theirs)
    for got, want in zip(
        to_device_frame(ours), official_device_frame(theirs, factory), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


@pytest.mark.real
@pytest.mark.parametrize("label", LABELS)
def test_sequential_walk_agrees_on_a_recording(recording: Path, label: str) -> None:
    assert rows_of(read_imu(recording, label)) == slow_read(recording.read_bytes(), label, REAL)


@pytest.mark.real
def test_both_imus_of_a_recording_agree_in_the_device_frame(recording: Path) -> None:
    right, left = (to_device_frame(read_imu(recording, label)) for label in LABELS)
    np.testing.assert_allclose(right[0].mean(0), left[0].mean(0), atol=0.2)  # 20 cm apart
    np.testing.assert_allclose(right[1].mean(0), left[1].mean(0), atol=0.02)


# Layouts and variants of the container


def test_offsets_come_from_the_layout(
    tmp_path: Path, pair: dict[str, ImuStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    shuffled = container.packed_dtype(
        "gyroscope:3<f4 arrival_timestamp_ns:<i8 gyroscope_valid:u1 accelerometer:3<f4 "
        "temperature_deg_c:<f8 capture_timestamp_ns:<i8 accelerometer_valid:u1"
    )
    monkeypatch.setattr(vrs_writer, "_SAMPLE", shuffled)
    write_vrs(tmp_path / "x.vrs", list(pair.values()))
    for label in LABELS:
        assert_same(read_imu(tmp_path / "x.vrs", label), pair[label])


def test_gen2_recordings_swap_the_streams(
    tmp_path: Path, pair: dict[str, ImuStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = vrs_writer._tags
    monkeypatch.setattr(
        vrs_writer, "_tags", lambda t: tags({k: v.replace("Aria", "Oatmeal") for k, v in t.items()})
    )
    written = [replace(stream, calibration=None) for stream in pair.values()]
    write_vrs(tmp_path / "x.vrs", written)
    assert_same(read_imu(tmp_path / "x.vrs", "imu-left"), replace(written[0], label="imu-left"))
    assert_same(read_imu(tmp_path / "x.vrs", "imu-right"), replace(written[1], label="imu-right"))


def test_gen2_labels_are_the_official_ones(
    tmp_path: Path, pair: dict[str, ImuStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = vrs_writer._tags
    monkeypatch.setattr(
        vrs_writer, "_tags", lambda t: tags({k: v.replace("Aria", "Oatmeal") for k, v in t.items()})
    )
    path = tmp_path / "x.vrs"
    write_vrs(path, [replace(stream, calibration=None) for stream in pair.values()])
    for label in LABELS:
        assert_same(read_imu(path, label), read_official(path, label)[0])


@pytest.mark.parametrize("slack", [b"", b"\0" * 40, b"left over from before"])
def test_compressed_index_with_room_to_spare(
    path: Path, pair: dict[str, ImuStream], slack: bytes
) -> None:
    description, records, _ = walk(path.read_bytes())
    pack = lambda raw: pa.compress(raw, "zstd", asbytes=True) + slack  # noqa: E731
    path.write_bytes(assemble(description, records, pack))
    for label in LABELS:
        assert_same(read_imu(path, label), pair[label])


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_configuration(path: Path, pair: dict[str, ImuStream], codec: str) -> None:
    description, records, _ = walk(path.read_bytes())
    records = [compress(record, codec) if record[0][KIND] == 2 else record for record in records]
    path.write_bytes(assemble(description, records, None))
    assert_same(read_imu(path, "imu-left"), pair["imu-left"])


# The fallback to the official reader


def compress_samples(path: Path) -> None:
    description, records, _ = walk(path.read_bytes())
    records = [compress(record, "zstd") if record[0][KIND] == 3 else record for record in records]
    path.write_bytes(assemble(description, records, None))


def second_version(path: Path, layout_too: bool = True) -> None:
    """Every other data record gets format version 3, with fields in another order."""
    description, records, _ = walk(path.read_bytes())

    def change(tags: dict[str, str]) -> None:
        pieces = json.loads(tags["DL:Data:2:0"])["data_layout"]
        turned, at = [], 0
        for piece in reversed(pieces):
            turned.append(piece | {"offset": at})
            at = 63 - piece["offset"]
        if layout_too:
            tags["DL:Data:3:0"] = json.dumps({"data_layout": turned})
            tags["RF:Data:3"] = tags["RF:Data:2"]

    cuts = [0, 1, 2, 3, 11, 19, 27, 39, 51, 63]  # between the fields that the writer puts there
    for number, (header, payload) in enumerate(records):
        if header[KIND] == 3 and number % 2:
            header[VERSION] = 3
            parts = [payload[start:stop] for start, stop in pairwise(cuts)]
            records[number] = header, b"".join(reversed(parts))
    path.write_bytes(assemble(described(description, change), records, None))


NEEDS = {"compressed": compress_samples, "two layouts": second_version}


@pytest.mark.parametrize("need", NEEDS)
def test_what_the_official_reader_is_for(path: Path, pair: dict[str, ImuStream], need: str) -> None:
    pytest.importorskip("projectaria_tools")
    NEEDS[need](path)
    for label in LABELS:
        assert_same(read_imu(path, label), pair[label])


@pytest.mark.parametrize("need", NEEDS)
def test_without_the_official_reader(
    path: Path, monkeypatch: pytest.MonkeyPatch, need: str
) -> None:
    NEEDS[need](path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CorruptFile, match="install projectaria-tools") as error:
        read_imu(path)
    assert str(path) in str(error.value)


FAILURES = {
    "crash": ("import os; os.abort()", "projectaria-tools cannot read"),
    "refusal": ("raise SystemExit(1)", "projectaria-tools cannot read"),
    "no rows": ("", "projectaria-tools cannot read"),
    "objects": ("import sys, numpy as np; np.save(sys.argv[3], [{}])", "cannot read"),
    "few rows": (
        "import sys, numpy as np; np.save(sys.argv[3], np.zeros(3, 'i8, 3f4, 3f4, ?, ?'))",
        "projectaria-tools reads 3 of its 40 records",
    ),
    "hang": ("while True: pass", "projectaria-tools took over 1 s"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_of_the_official_reader_is_a_sentence(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    script, message = FAILURES[name]
    compress_samples(path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr(official, "_READER", script)
    monkeypatch.setattr(official, "_TIMEOUT_S", 1.0)
    started = time.monotonic()
    with pytest.raises(CorruptFile, match=f"{re.escape(str(path))}: .*{message}") as error:
        read_imu(path)
    assert time.monotonic() - started < 10
    assert "\n" not in str(error.value)


def test_memory_of_the_official_reader_is_bounded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("projectaria_tools")
    compress_samples(path)
    read_imu(path)
    monkeypatch.setattr(official, "_MAX_BYTES", 128 << 20)  # less than it needs
    with pytest.raises(CorruptFile, match="projectaria-tools cannot read"):
        read_imu(path)


@pytest.mark.parametrize("number", [0, 17, 39])
def test_a_damaged_compressed_record_is_not_filled_in(path: Path, number: int) -> None:
    pytest.importorskip("projectaria_tools")
    compress_samples(path)
    path.write_bytes(at_sample(number, 32, b"\0\0\0\0")(path.read_bytes()))
    theirs = read_official(path, "imu-right")[0].timestamps_ns
    assert len(theirs) == 40
    assert len(np.unique(theirs)) == 39  # another record stands in for it
    with pytest.raises(CorruptFile, match="projectaria-tools cannot read"):
        read_imu(path)


def test_what_a_layout_lacks_is_not_filled_in(path: Path, pair: dict[str, ImuStream]) -> None:
    """The official reader gives zeros for an absent field, and old rows for an absent layout."""
    intact = path.read_bytes()
    path.write_bytes(swap(b'"gyroscope"', b'"gyroscape"')(intact))
    assert not read_official(path, "imu-left")[0].gyro.any()
    with pytest.raises(CorruptFile, match="no usable gyroscope"):
        read_imu(path, "imu-left")
    path.write_bytes(intact)
    second_version(path, layout_too=False)
    assert len(np.unique(read_official(path, "imu-left")[0].timestamps_ns)) < 31
    with pytest.raises(CorruptFile, match="data records have no DataLayout"):
        read_imu(path, "imu-left")


# The official reader on made-up and on damaged files

FORMS = ("<i8", "3<f4", "3<f4", "u1", "u1")
SIZES = {  # further element types of a DataLayout, by a numpy type of their size
    **{"i1": "Value<int8_t>", "u2": "Value<uint16_t>", "i4": "Value<int32_t>"},
    **{"V8": "Value<Point2Di>", "V12": "Value<Point3Df>", "V32": "Value<Point4Dd>"},
    **{"V16": "Value<Matrix2Df>", "V72": "Value<Matrix3Dd>", "V64": "Value<Matrix4Di>"},
}
EXTRA = ["<i8", "<f8", "<u4", "<u8", "u1", "3<f4", "7<f4", *(k.replace("i4", "<i4") for k in SIZES)]


@st.composite
def layouts(draw: st.DrawFn) -> np.dtype:
    """The fields that a reader takes in any order, with others between them."""
    spec = [f"{name}:{form}" for name, form in zip(NAMES, FORMS, strict=True)]
    spec += ["temperature_deg_c:<f8", "arrival_timestamp_ns:<i8"]
    extra = draw(st.lists(st.sampled_from(EXTRA), max_size=4))
    spec += [f"extra{number}:{form}" for number, form in enumerate(extra)]
    return container.packed_dtype(" ".join(draw(st.permutations(spec))))


def by_record_time(stream: ImuStream, stamps: np.ndarray) -> ImuStream:
    order = np.argsort(stamps, kind="stable")
    return replace(stream, **{name: getattr(stream, name)[order] for name in ARRAYS})


@given(streams(), layouts())
@settings(max_examples=80, deadline=None)
def test_official_reader_agrees_on_any_stream_and_layout(
    tmp_path_factory: pytest.TempPathFactory, written: list[ImuStream], layout: np.dtype
) -> None:
    """The same samples, theirs ordered by record time (stamp * 1e-9) and then by place."""
    path = tmp_path_factory.getbasetemp() / "any.vrs"
    with (
        mock.patch.object(vrs_writer, "_SAMPLE", layout),
        mock.patch.object(vrs_writer, "_PIECES", vrs_writer._PIECES | SIZES),
    ):
        write_vrs(path, written)
    for stream in written:
        ours = read_imu(path, stream.label)
        assert_same(ours, stream)
        theirs, _ = read_official(path, stream.label)
        if not any(stream.calibration for stream in written):
            assert theirs.calibration is None
        assert_equal(by_record_time(ours, ours.timestamps_ns * 1e-9), theirs)


def assert_equal(got: ImuStream, want: ImuStream) -> None:
    """Equal values; through Python's floats the bits of a NaN need not stay."""
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name), err_msg=name)
    numbers = (fields(ImuCalibration), got.calibration, want.calibration)
    assert (got.calibration is None) == (want.calibration is None)
    for field in numbers[0] if got.calibration else ():
        a, b = getattr(got.calibration, field.name), getattr(want.calibration, field.name)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-14, err_msg=field.name)


BATCH = """
import sys
code = compile(sys.argv[1], "reader", "exec")
for line in sys.stdin.read().splitlines():
    path, label = line.split("\\t")
    open(path + ".begun", "w").close()
    sys.argv = ["", path, label, path + ".npy", sys.argv[-1]]
    try:
        exec(code, {})
    except (Exception, SystemExit):
        pass
"""


def official_batch(paths: list[Path], label: str) -> list[np.ndarray | None]:
    """Rows that the fallback's script reads of each file, in as few processes as crashes allow."""
    todo = list(paths)
    while todo:
        text = "".join(f"{path}\t{label}\n" for path in todo)
        command = [sys.executable, "-c", BATCH, official._READER, str(4 << 30)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, input=text, text=True, timeout=120, **quiet)
        begun = sum(Path(f"{path}.begun").exists() for path in todo)
        assert begun
        todo = todo[begun:]
    found = [Path(f"{path}.npy") for path in paths]
    return [np.load(path) if path.exists() else None for path in found]


@pytest.mark.parametrize("label", LABELS)
def test_official_reader_agrees_where_both_accept_damage(
    tmp_path: Path, raw: bytes, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    """No sample differs in a file with flipped bytes that both readers accept.

    Three kinds of damage made them differ. We refuse all three now.
    - A stamp in the index that is not the record's: they leave zeros there, which is wrong; we
      read the sample and passed over the damage. A type in the index that is not the record's:
      they build the index anew, which is right; we lost the sample.
    - A field whose "offset" is not the sum of sizes before it: they go by the sum, we went by the
      offset, and which is right depends on the byte that was hit.
    - A damaged RF tag: they give the first row over and over.
    A row that they fill in counts as refused here, as in the fallback.
    """
    pytest.importorskip("projectaria_tools")
    monkeypatch.setattr(imu, "official_columns", mock.Mock(side_effect=CorruptFile("not asked")))
    description = 80 + struct.unpack_from("<I", raw, 80)[0]
    index = struct.unpack_from("<q", raw, 24)[0]
    first_layout = raw.index(b"DL:Data")
    regions = [(0, 80), (80, description), (description, index), (index, len(raw))]
    regions += [(first_layout, first_layout + 900), (raw.rindex(b"DL:Data"), description)]
    rng = np.random.default_rng(LABELS.index(label))
    paths = []
    for number in range(450):
        damaged = bytearray(raw)
        for _ in range(rng.integers(1, 3)):
            at = int(rng.integers(*regions[number % len(regions)]))
            digit = chr(raw[at]).isdigit() and rng.random() < 0.8  # stays one
            damaged[at] = (
                int(rng.integers(48, 58)) if digit else raw[at] ^ int(rng.integers(1, 256))
            )
        paths.append(tmp_path / f"{number}.vrs")
        paths[-1].write_bytes(damaged)
    both = 0
    for path, theirs in zip(paths, official_batch(paths, label), strict=True):
        try:
            ours = read_imu(path, label)
        except CorruptFile:
            continue
        if theirs is None:
            continue
        both += 1
        headers = imu.open_stream(path, label).headers
        stamps = headers["timestamp"][headers["record_type"] == 3]
        for name, column in zip(ARRAYS, theirs.dtype.names, strict=True):
            ordered = getattr(by_record_time(ours, stamps), name)
            np.testing.assert_array_equal(ordered, theirs[column], err_msg=f"{path}: {name}")
    assert both > 120


# Damage


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


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    """Stands in for the fallback, and tells whether it was asked."""
    stub = mock.Mock(side_effect=CorruptFile("the official reader was asked"))
    monkeypatch.setattr(imu, "official_columns", stub)
    return stub


HUGE = b"\xff" * 4
DAMAGE = {
    "empty": (lambda raw: b"", "malformed"),
    "header only": (lambda raw: raw[:80], "malformed"),
    "text": (lambda raw: b"time,accel\n" * 40, "not a VRS file"),
    "header size": (patch(20, b"\x40"), "not a VRS file"),
    "no index": (patch(24, bytes(8)), "its index is missing"),
    "negative index": (patch(24, struct.pack("<q", -5)), "malformed"),
    "index far away": (patch(24, struct.pack("<q", 1 << 62)), "malformed"),
    "description far away": (patch(32, struct.pack("<q", 1 << 40)), "malformed"),
    "records before the start": (patch(40, struct.pack("<q", -1 << 50)), "records overlap"),
    "records past the end": (patch(40, struct.pack("<q", 1 << 50)), "cut short"),
    "description size": (patch(80, HUGE), "description is missing, incomplete"),
    "stream count": (patch(112, HUGE), "malformed"),
    "tag count": (patch(122, HUGE), "malformed"),
    "tag length": (patch(126, HUGE), "malformed"),
    "index size": (at_index(0, HUGE), "index is missing, incomplete"),
    "index version": (at_index(12, b"\3"), "unsupported version"),
    "index stream count": (at_index(32, HUGE), "malformed"),
    "index record count": (at_index(48, HUGE), "malformed"),
    "index compression": (at_index(27, b"\2"), "malformed"),
    "index record size": (at_index(60, HUGE), "cut short"),
    "empty record": (at_index(60, bytes(4)), "records overlap"),
    "cut in the samples": (lambda raw: raw[:6000], "malformed"),
    "cut in the index": (lambda raw: raw[:-1], "index is missing, incomplete"),
    "samples gone": (lambda raw: drop(3)(raw), "no data records"),
    "configuration gone": (lambda raw: drop(2)(raw), "no configuration records"),
    "record size": (at_sample(0, 0, b"\x20"), "index disagrees"),
    "record stream": (at_sample(3, 24, b"\7"), "index disagrees"),
    "compression alone": (at_sample(0, 27, b"\1"), "shorter than their DataLayout"),
    "record stamp": (at_sample(3, 16, b"\7"), "index disagrees"),
    "index stamp": (at_index(32 + 20 + 5 * 19, b"\7"), "index disagrees"),
    "index record type": (at_index(32 + 20 + 5 * 19 + 12, b"\1"), "index disagrees"),
    "index stream": (at_index(32 + 20 + 5 * 19 + 17, b"\7"), "index disagrees"),
    "mixed formats": (at_sample(5, 12, b"\1"), "records have no DataLayout"),
    "no layout": (swap(b"DL:Data:2:0", b"DL:Date:2:0"), "records have no DataLayout"),
    "no record format": (swap(b"RF:Data:2", b"RF:Date:2"), "records have no DataLayout"),
    "another record format": (
        swap(b"data_layout/size=63", b"datalayout//size=63"),
        "records have no DataLayout",
    ),
    "layout not JSON": (swap(b'{"data_layout"', b'["data_layout"'), "malformed"),
    "layout without a field": (swap(b'"gyroscope"', b'"gyroscape"'), "no usable gyroscope"),
    "layout of another type": (swap(b"Value<int64_t>", b"Value<uint8_t>"), "no usable capture"),
    "layout of no type": (swap(b"Value<int64_t>", b"Value<intXX_t>"), "of unknown size"),
    "layout with a field twice": (swap(b'"magnetometer"', b'"gyroscope"   '), "no usable gyro"),
    "field of another size": (
        swap(b'"offset": 39, "size": 3', b'"offset": 39, "size": 4'),
        "usable",
    ),
    "field without a size": (
        swap(b'"offset": 39, "size": 3', b'"offset": 39, "sise": 3'),
        "usable",
    ),
    "negative offset": (swap(b'"offset": 27', b'"offset": -7'), "contradicts itself"),
    "offset of its neighbour": (swap(b'"offset": 27', b'"offset": 39'), "contradicts itself"),
    "offset past the record": (swap(b'"offset": 51', b'"offset": 52'), None),
    "gyroscope past the record": (swap(b'"offset": 39', b'"offset": 52'), "contradicts itself"),
    "calibration not JSON": (swap(b'"ImuCalibrations"', b'"ImuCalibrations '), "malformed"),
    "bias not a number": (swap(b'"Offset": [', b'"Offset": {'), "malformed"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_one_sentence(path: Path, name: str, asked: mock.Mock) -> None:
    change, message = DAMAGE[name]
    path.write_bytes(change(path.read_bytes()))
    if message is None:  # the field that moved is not one that is read
        read_imu(path)
        return
    tracemalloc.start()
    try:
        with pytest.raises(CorruptFile, match=message) as error:
            read_imu(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")
    assert peak < 2 << 20
    assert not asked.called


def test_rate_that_is_not_one(tmp_path: Path, pair: dict[str, ImuStream]) -> None:
    for rate in (0.0, -1.0, np.nan, np.inf):
        write_vrs(tmp_path / "x.vrs", [replace(pair["imu-right"], nominal_rate_hz=rate)])
        with pytest.raises(CorruptFile, match="nominal rate"):
            read_imu(tmp_path / "x.vrs")


def test_singular_or_infinite_calibration(tmp_path: Path, pair: dict[str, ImuStream]) -> None:
    stream = pair["imu-right"]
    assert stream.calibration is not None
    for change in ({"accel_rectification": np.ones((3, 3))}, {"gyro_bias": np.full(3, np.inf)}):
        bad = replace(stream, calibration=replace(stream.calibration, **change))
        write_vrs(tmp_path / "x.vrs", [bad])
        with pytest.raises(CorruptFile, match="malformed"):
            read_imu(tmp_path / "x.vrs")


def test_deeply_nested_layout(
    path: Path, pair: dict[str, ImuStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vrs_writer, "_layout", lambda dtype: "[" * 200_000)
    write_vrs(path, [pair["imu-right"]])
    with pytest.raises(CorruptFile, match="malformed"):
        read_imu(path)


@pytest.mark.parametrize("label", ["imu-left", "imu-top", ""])
def test_missing_stream(tmp_path: Path, pair: dict[str, ImuStream], label: str) -> None:
    write_vrs(tmp_path / "x.vrs", [pair["imu-right"]])
    with pytest.raises(CorruptFile, match="no such stream"):
        read_imu(tmp_path / "x.vrs", label)


def test_absent_file_folder_and_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.vrs")  # opening it would wait for a writer
    for path in (tmp_path / "none.vrs", tmp_path, tmp_path / "pipe.vrs"):
        with pytest.raises(CorruptFile, match="no such file"):
            read_imu(path)


def test_index_packed_into_a_bomb(path: Path) -> None:
    description, records, _ = walk(path.read_bytes())
    bomb = pa.compress(bytes(32 << 20), "zstd", asbytes=True)
    packed = assemble(description, records, lambda raw: bomb)
    for count in (len(records), (32 << 20) // 19):
        path.write_bytes(at_index(32 + 4 + 2 * 6, struct.pack("<I", count))(packed))
        tracemalloc.start()
        with pytest.raises(CorruptFile, match="malformed"):
            read_imu(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 << 20


def test_endless_tags_are_cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, records, _ = walk(path.read_bytes())
    pairs = 20_000  # of empty strings, all of them there
    tags = struct.pack("<IiHI", 1, 7, 1, pairs) + bytes(8 * pairs) + bytes(8)
    path.write_bytes(assemble(tags, records, None))
    with pytest.raises(CorruptFile, match="no such stream"):
        read_imu(path)
    monkeypatch.setattr(container, "_MAX_TAG_BYTES", 1 << 16)
    with pytest.raises(CorruptFile, match="malformed"):
        read_imu(path)


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


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory, pair: dict[str, ImuStream]) -> bytes:
    path = tmp_path_factory.mktemp("raw") / "x.vrs"
    write_vrs(path, list(pair.values()))
    return path.read_bytes()


def test_every_truncation_is_refused(tmp_path: Path, raw: bytes, asked: mock.Mock) -> None:
    path = tmp_path / "x.vrs"
    path.write_bytes(raw)
    cuts = range(len(raw) - 1, -1, -17)
    for size in cuts:
        os.truncate(path, size)
        assert not read_or_refuse(path, "imu-right"), size
    assert len(cuts) > 500
    assert not asked.called


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
