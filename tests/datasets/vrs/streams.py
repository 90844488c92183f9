"""IMU streams made up, and when two are the same."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from aura.datasets.vrs import ImuCalibration, ImuStream

LABELS = ("imu-right", "imu-left")
ARRAYS = ("timestamps_ns", "accel", "gyro", "accel_valid", "gyro_valid")
DTYPES = (np.int64, np.float32, np.float32, np.bool_, np.bool_)


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


def assert_same(actual: ImuStream, expected: ImuStream) -> None:
    assert (actual.label, actual.nominal_rate_hz) == (expected.label, expected.nominal_rate_hz)
    for name, dtype in zip(ARRAYS, DTYPES, strict=True):
        values = getattr(actual, name)
        assert values.dtype == dtype, name
        assert values.flags.c_contiguous, name
        assert values.shape == getattr(expected, name).shape, name
        assert values.tobytes() == getattr(expected, name).tobytes(), name
    assert (actual.calibration is None) == (expected.calibration is None)
    if actual.calibration is None or expected.calibration is None:
        return
    for field in fields(ImuCalibration):
        a, b = getattr(actual.calibration, field.name), getattr(expected.calibration, field.name)
        # A rotation goes through a quaternion; everything else is written digit by digit.
        tolerance = 1e-14 if field.name == "transform_device_imu" else 0.0
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance, err_msg=field.name)


def rows_of(stream: ImuStream) -> list[tuple[Any, ...]]:
    columns = [getattr(stream, name).tolist() for name in ARRAYS]
    return [(t, tuple(a), tuple(g), av, gv) for t, a, g, av, gv in zip(*columns, strict=True)]


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
