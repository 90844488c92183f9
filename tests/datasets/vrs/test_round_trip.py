import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from aura.datasets.synthetic.vrs_writer import write_vrs
from aura.datasets.vrs import ImuStream, read_imu, to_device_frame
from tests.datasets.vrs.raw_files import KIND, OURS, REAL, slow_read, walk
from tests.datasets.vrs.streams import LABELS, assert_same, make_stream, rows_of, streams


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
        size, previous_size = struct.unpack_from("<II", raw, position)
        assert previous_size == previous
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


@pytest.mark.real
@pytest.mark.parametrize("label", LABELS)
def test_sequential_walk_agrees_on_a_recording(recording: Path, label: str) -> None:
    assert rows_of(read_imu(recording, label)) == slow_read(recording.read_bytes(), label, REAL)
