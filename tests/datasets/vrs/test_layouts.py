from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from aura.datasets.synthetic import vrs_writer
from aura.datasets.synthetic.vrs_writer import write_vrs
from aura.datasets.vrs import ImuStream, container, read_imu
from tests.datasets.vrs.official_reader import read_official
from tests.datasets.vrs.raw_files import KIND, assemble, compress, walk
from tests.datasets.vrs.streams import LABELS, assert_same


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
