import struct
from dataclasses import fields, replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.datasets.synthetic import vrs_writer
from aura.datasets.synthetic.vrs_writer import write_vrs
from aura.datasets.vrs import ImuCalibration, ImuStream, container, imu, read_imu, to_device_frame
from aura.errors import CorruptFile
from tests.datasets.vrs.official_reader import official_batch, official_device_frame, read_official
from tests.datasets.vrs.streams import ARRAYS, LABELS, assert_same, streams

NAMES = imu.SAMPLE_FIELDS.names or ()


@pytest.mark.parametrize("label", LABELS)
def test_official_reader_agrees_on_synthetic(
    path: Path, pair: dict[str, ImuStream], label: str
) -> None:
    theirs, factory = read_official(path, label)
    assert_same(theirs, pair[label])
    assert_same(read_imu(path, label), theirs)
    for actual, expected in zip(
        to_device_frame(read_imu(path, label)), official_device_frame(theirs, factory), strict=True
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


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
    for actual, expected in zip(
        to_device_frame(ours), official_device_frame(theirs, factory), strict=True
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


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


def assert_equal(actual: ImuStream, expected: ImuStream) -> None:
    """Equal values; through Python's floats the bits of a NaN need not stay."""
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name), err_msg=name)
    numbers = (fields(ImuCalibration), actual.calibration, expected.calibration)
    assert (actual.calibration is None) == (expected.calibration is None)
    for field in numbers[0] if actual.calibration else ():
        a, b = getattr(actual.calibration, field.name), getattr(expected.calibration, field.name)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-14, err_msg=field.name)


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
    - An index that they do not know for one: they leave out the whole record before it.
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
            if ours.index_lost and len(theirs) == len(ordered) - 1:
                ordered = ordered[:-1]
            np.testing.assert_array_equal(ordered, theirs[column], err_msg=f"{path}: {name}")
    assert both > 120
