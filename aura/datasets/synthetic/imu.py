"""What the head-mounted IMUs measure: the physics of the motion, then the faults of the sensor."""

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from aura.datasets.synthetic.imu_faults import apply_faults, saturate
from aura.datasets.synthetic.motion import Person
from aura.datasets.synthetic.plan import TakePlan, derive_seed
from aura.datasets.vrs import ImuCalibration, ImuStream

GRAVITY = np.array([0.0, 0.0, -9.81])
STEP_S = 1e-3  # of the central differences
MARGIN_S = 0.25  # recorded before and after the take
GYRO_RANGE_DPS = {"imu-right": 1000.0, "imu-left": 500.0}
ACCEL_RANGE_G = {"imu-right": 8.0, "imu-left": 4.0}
RATE_HZ = {"imu-right": 1000.0, "imu-left": 800.0}
ACCEL_NOISE, GYRO_NOISE = 0.04, 0.003  # standard deviations of one sample, m/s2 and rad/s
# T_device_imu of the two IMUs: (x, y, z, w) and metres, as on a Gen1 device.
MOUNT = {
    "imu-right": ([-0.787, -0.078, 0.062, 0.609], [0.0047, -0.1019, -0.0861]),
    "imu-left": ([-0.704, -0.709, 0.035, 0.022], [0.0004, 0.0001, -0.0064]),
}


def true_motion(
    person: Person, t: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Specific force and angular rate of a point of the device, in device axes.

    Parameters
    ----------
    person : Person
        The person who wears the device.
    t : np.ndarray
        (N,) s on the clock of the take.
    offset : np.ndarray
        (3,) metres, the point in device axes.

    Returns
    -------
    accel : np.ndarray
        (N, 3) m/s2, specific force.
    gyro : np.ndarray
        (N, 3) rad/s.
    axes : np.ndarray
        (N, 3, 3), the device's in the world.
    """
    before, p0 = person.device(t - STEP_S, offset)
    axes, p1 = person.device(t, offset)
    after, p2 = person.device(t + STEP_S, offset)
    acceleration = (p0 - 2 * p1 + p2) / STEP_S**2
    accel = np.einsum("nji,nj->ni", axes, acceleration - GRAVITY)
    step = np.einsum("nji,njk->nik", before, after)
    # sin(angle) * axis of the step; the angle is far below pi/2 in two milliseconds.
    sine = np.stack([step[:, 2, 1], step[:, 0, 2], step[:, 1, 0]], axis=1)
    sine = (sine - np.stack([step[:, 1, 2], step[:, 2, 0], step[:, 0, 1]], axis=1)) / 2
    size = np.linalg.norm(sine, axis=1, keepdims=True)
    angle = np.arcsin(np.minimum(size, 1.0)) / np.maximum(size, 1e-12)
    return accel, sine * np.where(size > 1e-9, angle, 1.0) / (2 * STEP_S), axes


class Clock:
    """The clock of an Aria in a capture: starts anywhere and drifts against the cameras'.

    It is the participant's own device, unless `device` names another.
    """

    def __init__(self, take: TakePlan, device: str = ""):
        parts = [device] if device else []
        rng = np.random.default_rng(derive_seed(take.capture.seed, "clock", *parts))
        self.start_ns = int(rng.integers(400, 20_000)) * 1_000_000_000 + int(rng.integers(10**9))
        self.speed = 1.0 + rng.uniform(-40e-6, 40e-6)
        self.imu_speed = {label: 1.0 + rng.uniform(-2e-3, 2e-3) for label in RATE_HZ}

    def device_ns(self, capture_s: np.ndarray) -> np.ndarray:
        """Device time in ns (float64 holds it to 4 ns) of seconds since the capture's row 0."""
        return self.start_ns + np.asarray(capture_s) * self.speed * 1e9

    def capture_s(self, device_ns: np.ndarray) -> np.ndarray:
        """Seconds since the capture's row 0 of device times in ns."""
        return (device_ns - self.start_ns) / (self.speed * 1e9)


def calibration(take: TakePlan, label: str) -> ImuCalibration:
    """Factory calibration of one IMU of the participant's device."""
    rng = np.random.default_rng(derive_seed(take.capture.seed, "calibration", label))
    quaternion, translation = MOUNT[label]
    mount = np.eye(4)
    tilt = Rotation.from_rotvec(np.radians(rng.normal(0, 0.5, 3)))
    mount[:3, :3] = (tilt * Rotation.from_quat(quaternion)).as_matrix()
    mount[:3, 3] = translation
    offset_s = round(float(rng.uniform(1e-3, 4e-3)), 6)
    gyro_lag_s = np.random.default_rng(derive_seed(take.capture.seed, "gyro", label)).uniform(
        0.5e-3, 1.5e-3
    )
    return ImuCalibration(
        accel_rectification=np.eye(3) + np.triu(rng.normal(0, 0.003, (3, 3))),
        accel_bias=rng.normal(0, 0.1, 3),
        gyro_rectification=np.eye(3) + rng.normal(0, 0.003, (3, 3)),
        gyro_bias=rng.normal(0, 0.003, 3),
        transform_device_imu=mount,
        accel_time_offset_s=offset_s,
        gyro_time_offset_s=round(offset_s + float(gyro_lag_s), 6),
    )


def record(take: TakePlan, person: Person, label: str) -> ImuStream:
    """The raw stream of one IMU over the take and a margin, with the take's IMU flaws in it."""
    rng = np.random.default_rng(derive_seed(take.seed, "imu", label))
    clock, factory = Clock(take), calibration(take, label)
    first = take.start_idx / 30 - MARGIN_S
    period = 1.0 / (RATE_HZ[label] * clock.imu_speed[label])
    count = round((take.seconds + 2 * MARGIN_S) / period)
    steps = period * (1.0 + rng.uniform(-0.058, 0.058, count))
    stamps = np.rint(clock.device_ns(first + np.cumsum(steps))).astype(np.int64)
    # Time offsets follow the naming of T_device_imu: device time = the sensor's stamp + offset.
    accel_t = clock.capture_s(stamps + factory.accel_time_offset_s * 1e9) - take.start_idx / 30
    gyro_t = clock.capture_s(stamps + factory.gyro_time_offset_s * 1e9) - take.start_idx / 30
    to_imu, offset = factory.transform_device_imu[:3, :3], factory.transform_device_imu[:3, 3]
    accel, _, _ = true_motion(person, accel_t, offset)
    _, gyro, _ = true_motion(person, gyro_t, offset)
    raw_accel = accel @ to_imu @ factory.accel_rectification.T + factory.accel_bias
    raw_gyro = gyro @ to_imu @ factory.gyro_rectification.T + factory.gyro_bias
    raw_accel += _drift(rng, accel_t, 0.03) + rng.normal(0, ACCEL_NOISE, raw_accel.shape)
    raw_gyro += _drift(rng, gyro_t, 0.002) + rng.normal(0, GYRO_NOISE, raw_gyro.shape)
    limits = ACCEL_RANGE_G[label] * 9.80665, np.radians(GYRO_RANGE_DPS[label])
    inside = np.flatnonzero((accel_t > 0.1) & (accel_t < take.seconds - 0.1))
    faults = np.random.default_rng(derive_seed(take.seed, label))
    saturate(take, raw_accel, limits[0], inside, faults)
    samples = {
        "timestamps_ns": stamps,
        "accel": np.clip(raw_accel, -limits[0], limits[0]).astype(np.float32),
        "gyro": np.clip(raw_gyro, -limits[1], limits[1]).astype(np.float32),
        "accel_valid": np.ones(count, bool),
        "gyro_valid": np.ones(count, bool),
    }
    columns: dict[str, Any] = {**apply_faults(take, samples, accel_t, inside, faults)}
    return ImuStream(label=label, nominal_rate_hz=RATE_HZ[label], calibration=factory, **columns)


def _drift(rng: np.random.Generator, t: np.ndarray, size: float) -> np.ndarray:
    """Bias (N, 3) since the factory: a constant and a slow wave on each axis."""
    constant, swing = rng.normal(0, size, 3), rng.normal(0, size / 2, 3)
    return constant + swing * np.sin(2 * np.pi * rng.uniform(0.01, 0.05, 3) * t[:, None])
