import os
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest

from aura.datasets.synthetic import vrs_writer
from aura.datasets.synthetic.vrs_writer import write_vrs
from aura.datasets.vrs import ImuStream, container, read_imu
from aura.errors import CorruptFile
from tests.datasets.vrs.official_reader import read_official
from tests.datasets.vrs.raw_files import assemble, at_index, at_sample, drop, patch, swap, walk
from tests.datasets.vrs.streams import ARRAYS, LABELS, assert_same

HUGE = b"\xff" * 4
DAMAGE = {
    "empty": (lambda raw: b"", "malformed"),
    "header only": (lambda raw: raw[:80], "malformed"),
    "text": (lambda raw: b"time,accel\n" * 40, "not a VRS file"),
    "header size": (patch(20, b"\x40"), "not a VRS file"),
    "description far away": (patch(32, struct.pack("<q", 1 << 40)), "malformed"),
    "index far away": (patch(24, struct.pack("<q", 1 << 62)), "malformed"),
    "records before the start": (patch(40, struct.pack("<q", -1 << 50)), "records overlap"),
    "records past the end": (patch(40, struct.pack("<q", 1 << 50)), "cut short"),
    "description size": (patch(80, HUGE), "description is missing, incomplete"),
    "stream count": (patch(112, HUGE), "malformed"),
    "tag count": (patch(122, HUGE), "malformed"),
    "tag length": (patch(126, HUGE), "malformed"),
    "index record size": (at_index(60, HUGE), "cut short"),
    "empty record": (at_index(60, bytes(4)), "records overlap"),
    "cut in the samples": (lambda raw: raw[:6000], "malformed"),
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
def test_damage_is_one_sentence(path: Path, name: str, fallback: mock.Mock) -> None:
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
    assert not fallback.called


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
        if count > len(records):  # it cannot be the index, so the records are asked
            assert read_imu(path).index_lost
        else:
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


def _without_index(raw: bytes) -> bytes:
    return raw[: struct.unpack_from("<q", raw, 24)[0]]


LOST = {
    "never written": lambda raw: patch(24, bytes(8))(_without_index(raw)),
    "never written, space set aside": lambda raw: patch(24, bytes(8))(
        _without_index(raw) + bytes(700)
    ),
    "not found": patch(24, bytes(8)),
    "before the file": patch(24, struct.pack("<q", -5)),
    "gone": _without_index,
    "cut": lambda raw: raw[:-1],
    "cut in its header": lambda raw: _without_index(raw) + raw[-20:],
    "of no size": at_index(0, HUGE),
    "of another version": at_index(12, b"\3"),
    "of too many streams": at_index(32, HUGE),
    "of too many records": at_index(48, HUGE),
    "compressed by nobody": at_index(27, b"\2"),
    "and the first record's place": lambda raw: patch(40, bytes(8))(patch(24, bytes(8))(raw)),
}


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("label", LABELS)
def test_a_lost_index_is_rebuilt_as_by_the_official_reader(
    path: Path, pair: dict[str, ImuStream], name: str, label: str
) -> None:
    path.write_bytes(LOST[name](path.read_bytes()))
    ours = read_imu(path, label)
    assert ours.index_lost
    assert_same(ours, pair[label])
    if name != "never written, space set aside":  # there it loses the last record
        assert_same(ours, read_official(path, label)[0])


def test_an_index_that_is_there_is_not_lost(path: Path) -> None:
    assert not read_imu(path).index_lost


@pytest.mark.parametrize("cut", [1, 31, 40, 94])
def test_a_recording_that_broke_off_keeps_its_whole_records(
    path: Path, pair: dict[str, ImuStream], cut: int
) -> None:
    whole = LOST["never written"](path.read_bytes())
    path.write_bytes(whole[:-cut])
    found = [read_imu(path, label) for label in LABELS]
    counts = [len(stream.accel) for stream in found]
    assert sum(counts) == 40 + 31 - 1
    for stream, count in zip(found, counts, strict=True):
        first = {name: getattr(pair[stream.label], name)[:count] for name in ARRAYS}
        assert_same(stream, replace(pair[stream.label], **first))
        assert_same(stream, read_official(path, stream.label)[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:-1],  # copies of a finished recording that broke off
        lambda raw: raw[:-95],
        patch(24, struct.pack("<q", 1 << 62)),
        lambda raw: patch(24, bytes(8))(raw + b"\xff" * 60),
        lambda raw: patch(24, bytes(8))(at_sample(3, 4, b"\x07")(raw)),
        lambda raw: patch(24, bytes(8))(at_sample(3, 0, b"\x20")(raw)),
        lambda raw: patch(24, bytes(8))(at_sample(3, 26, b"\x09")(raw)),
        lambda raw: patch(24, bytes(8))(raw[:150]),
    ],
)
def test_broken_records_without_an_index_are_refused(
    path: Path, change: Callable[[bytes], bytes]
) -> None:
    path.write_bytes(change(_without_index(path.read_bytes())))
    with pytest.raises(CorruptFile):
        read_imu(path)


@pytest.mark.real
@pytest.mark.parametrize("label", LABELS)
def test_a_real_recording_without_its_index(recording: Path, tmp_path: Path, label: str) -> None:
    raw = recording.read_bytes()
    path = tmp_path / "x.vrs"
    for name in ("not found", "of another version"):
        path.write_bytes(LOST[name](raw))
        found = read_imu(path, label)
        assert found.index_lost
        assert_same(found, read_imu(recording, label))
        if name == "not found":  # of the other, whose index comes first, they find no record
            assert_same(found, read_official(path, label)[0])
