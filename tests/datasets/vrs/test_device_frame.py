from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aura.datasets.synthetic.vrs_writer import write_vrs
from aura.datasets.vrs import ImuStream, read_imu, to_device_frame
from tests.datasets.vrs.raw_files import assemble, described, walk
from tests.datasets.vrs.streams import LABELS, make_stream


def test_device_frame_is_rectified_then_rotated(pair: dict[str, ImuStream]) -> None:
    stream = pair["imu-left"]
    calibration = stream.calibration
    assert calibration is not None
    accel, gyro = to_device_frame(stream)
    assert (accel.dtype, gyro.dtype) == (np.float32, np.float32)
    rotation = calibration.transform_device_imu[:3, :3]
    for i in range(len(accel)):
        raw = stream.accel[i].astype(float) - calibration.accel_bias
        expected = rotation @ np.linalg.solve(calibration.accel_rectification, raw)
        np.testing.assert_allclose(accel[i], expected, rtol=1e-6, atol=1e-6)
        raw = stream.gyro[i].astype(float) - calibration.gyro_bias
        expected = rotation @ np.linalg.solve(calibration.gyro_rectification, raw)
        np.testing.assert_allclose(gyro[i], expected, rtol=1e-6, atol=1e-6)


def test_device_frame_without_calibration_is_raw(pair: dict[str, ImuStream]) -> None:
    stream = replace(pair["imu-right"], calibration=None)
    accel, gyro = to_device_frame(stream)
    assert accel is stream.accel
    assert gyro is stream.gyro


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
    expected = np.zeros(len(raw), np.bool_)
    row = 0
    for sensor in range(2):
        for axis in range(3):
            for part in (0.998, -0.998, 0.9992, -1.0):
                raw[row, sensor, axis] = part * full[sensor]
                expected[row] = abs(part) > 0.999
                row += 1
    raw[row] = np.nan  # row + 1 stays at rest
    other = LABELS[1 - LABELS.index(label)] if gen2 else label  # Gen2 swaps them
    stream = replace(make_stream(other, len(raw), 1000.0), accel=raw[:, 0], gyro=raw[:, 1])
    write_vrs(tmp_path / "x.vrs", [stream])
    if gen2:
        description, records, _ = walk((tmp_path / "x.vrs").read_bytes())
        description = described(description, file_tags={"device_type": "Oatmeal"})
        (tmp_path / "x.vrs").write_bytes(assemble(description, records, None))
    assert read_imu(tmp_path / "x.vrs", label).saturated.tolist() == expected.tolist()


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


@pytest.mark.real
def test_both_imus_of_a_recording_agree_in_the_device_frame(recording: Path) -> None:
    right, left = (to_device_frame(read_imu(recording, label)) for label in LABELS)
    np.testing.assert_allclose(right[0].mean(0), left[0].mean(0), atol=0.2)  # 20 cm apart
    np.testing.assert_allclose(right[1].mean(0), left[1].mean(0), atol=0.02)
