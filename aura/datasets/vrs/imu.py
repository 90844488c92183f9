"""The stream of one IMU of an Aria recording: samples, calibration, and the device's axes."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from aura.datasets.vrs.container import StreamFile, StreamId, Tags, packed_dtype
from aura.datasets.vrs.official import official_columns
from aura.errors import CorruptFile

IMU_TYPE_ID = 1202
INSTANCES = {"imu-right": (1, 2), "imu-left": (2, 1)}  # in Gen1 and in Gen2 recordings
SAMPLE_FIELDS = packed_dtype(
    "capture_timestamp_ns:<i8 accelerometer:3<f4 gyroscope:3<f4 accelerometer_valid:u1 "
    "gyroscope_valid:u1"
)
# Where the sensors saturate, in g and deg/s, in Gen1 and in Gen2 recordings. Source: "Sensor
# Measurement Models" of the Project Aria docs, for Gen1 and for Gen2. That page gives 5000 deg/s
# for imu-left of Gen1, taken here as a slip: its recordings step by 0.01525 deg/s, 500 / 2**15.
RANGES = {"imu-right": ((8, 1000), (16, 2000)), "imu-left": ((4, 500), (8, 2000))}
_STANDARD_GRAVITY = 9.80665  # m/s2


@dataclass(frozen=True)
class ImuCalibration:
    """Factory calibration of one IMU: rectified = inv(rectification) @ (raw - bias).

    All arrays are float64.

    Attributes
    ----------
    accel_rectification, gyro_rectification : np.ndarray
        (3, 3), scale and misalignment.
    accel_bias, gyro_bias : np.ndarray
        (3,) m/s2 and rad/s.
    transform_device_imu : np.ndarray
        (4, 4), from the sensor's axes to the device's, with a translation in metres.
    accel_time_offset_s, gyro_time_offset_s : float
        Time on the device's clock less the sensor's stamp.
    """

    accel_rectification: np.ndarray
    accel_bias: np.ndarray
    gyro_rectification: np.ndarray
    gyro_bias: np.ndarray
    transform_device_imu: np.ndarray
    accel_time_offset_s: float
    gyro_time_offset_s: float


@dataclass(frozen=True)
class ImuStream:
    """Raw samples of one IMU, in file order (of record time where projectaria-tools read them).

    Attributes
    ----------
    label : str
        "imu-right" or "imu-left".
    nominal_rate_hz : float
        Samples a second, as the recording says.
    timestamps_ns : np.ndarray
        (N,) int64, capture time in DEVICE_TIME.
    accel, gyro : np.ndarray
        (N, 3) float32, m/s2 and rad/s in the sensor's own axes.
    accel_valid, gyro_valid : np.ndarray
        (N,) bool, the sensor's own validity flags.
    calibration : ImuCalibration or None
        None where the recording has none.
    ranges : tuple of float, optional
        The largest accel (m/s2) and gyro (rad/s) that the sensor can give, where they are known.
    index_lost : bool
        The file has lost its index; these are all the samples that its records hold.
    """

    label: str
    nominal_rate_hz: float
    timestamps_ns: np.ndarray
    accel: np.ndarray
    gyro: np.ndarray
    accel_valid: np.ndarray
    gyro_valid: np.ndarray
    calibration: ImuCalibration | None
    ranges: tuple[float, float] | None = None
    index_lost: bool = False

    @property
    def saturated(self) -> np.ndarray:
        """(N,) bool: some raw axis is at 0.999 of its range or beyond; none if it is not known."""
        masks = [np.zeros(len(self.accel), np.bool_)]
        for values, limit in zip((self.accel, self.gyro), self.ranges or (), strict=False):
            masks.append((np.abs(values) >= 0.999 * limit).any(1))
        return np.logical_or.reduce(masks)


def read_imu(path: Path, label: str = "imu-right") -> ImuStream:
    """Read one IMU stream of an Aria recording.

    Parameters
    ----------
    path : Path
        A VRS file.
    label : str
        "imu-right" or "imu-left".

    Returns
    -------
    ImuStream
        Its samples as recorded, and its calibration.

    Raises
    ------
    CorruptFile
        If the file is absent, damaged, without that stream, or needs projectaria-tools (for IMU
        records that are compressed or of several layouts) and that is absent or fails.
    """
    try:
        file = open_stream(Path(path), label)
        calibration = _calibration(file.file_tags.get("calib_json", ""), label)
        rate = float(file.columns("Configuration", packed_dtype("nominal_rate:<f8"), 1)[0][0])
        if not 0 < rate < 1e6:
            raise CorruptFile("its nominal rate is implausible")
        columns = file.columns("Data", SAMPLE_FIELDS)
        columns = columns or official_columns(Path(path), label, file.count("Data"))
    except Exception as error:  # hostile bytes make struct, numpy, json and pyarrow raise anything
        reason = error if isinstance(error, CorruptFile) else f"it is malformed ({error!r:.90})"
        raise CorruptFile(f"Cannot read the {label} stream of {path}: {reason}.") from error
    times, accel, gyro, accel_valid, gyro_valid = columns
    masks = accel_valid != 0, gyro_valid != 0
    accel_g, gyro_deg_s = RANGES[label][_is_gen2(file.file_tags)]
    ranges = accel_g * _STANDARD_GRAVITY, float(np.radians(gyro_deg_s))
    return ImuStream(
        label, rate, times, accel, gyro, masks[0], masks[1], calibration, ranges, file.index_lost
    )


def open_stream(path: Path, label: str) -> StreamFile:
    """The records of one IMU; which one it is depends on the device's generation."""

    def stream_of(file_tags: Tags) -> StreamId:
        return IMU_TYPE_ID, INSTANCES.get(label, (-1, -1))[_is_gen2(file_tags)]

    return StreamFile(path, stream_of)


def _is_gen2(file_tags: Tags) -> bool:
    return file_tags.get("device_type", "").lower() == "oatmeal"


def to_device_frame(
    stream: ImuStream, rectify: bool = True, rotate: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Accel and gyro by the stream's calibration; raw without one.

    Parameters
    ----------
    stream : ImuStream
        N samples.
    rectify : bool
        Apply bias, scale and misalignment.
    rotate : bool
        Turn the sensor's axes into the device's.

    Returns
    -------
    accel : np.ndarray
        (N, 3) float32, m/s2.
    gyro : np.ndarray
        (N, 3) float32, rad/s.
    """
    calibration = stream.calibration
    if calibration is None or not (rectify or rotate):
        return stream.accel, stream.gyro
    rotation = calibration.transform_device_imu[:3, :3] if rotate else np.eye(3)
    accel, gyro = stream.accel, stream.gyro
    matrices = np.broadcast_to(rotation, (2, 3, 3))
    if rectify:
        rectifications = [calibration.accel_rectification, calibration.gyro_rectification]
        matrices = rotation @ np.linalg.inv(rectifications)
        accel, gyro = accel - calibration.accel_bias, gyro - calibration.gyro_bias
    accel, gyro = accel @ matrices[0].T, gyro @ matrices[1].T
    return accel.astype(np.float32), gyro.astype(np.float32)


def _calibration(text: str, label: str) -> ImuCalibration | None:
    """The calibration of `label` in the recording's calibration JSON, where there is one."""
    imus = json.loads(text)["ImuCalibrations"] if text else []
    imu = next((imu for imu in imus if imu["Label"] == label), None)
    if imu is None:
        return None
    sensors, pose = (imu["Accelerometer"], imu["Gyroscope"]), imu["T_Device_Imu"]
    rows = [[*part["Model"]["RectificationMatrix"], part["Bias"]["Offset"]] for part in sensors]
    accel, gyro = models = np.array(rows, np.float64).reshape(2, 4, 3)
    np.linalg.inv(models[:, :3])  # a singular one is malformed
    transform, (real, imaginary) = np.eye(4), pose["UnitQuaternion"]
    transform[:3, :3] = Rotation.from_quat([*imaginary, real]).as_matrix()
    transform[:3, 3] = np.reshape(pose["Translation"], 3)
    names = ("TimeOffsetSec_Device_Accel", "TimeOffsetSec_Device_Gyro")
    offsets = [float(part.get(name, 0.0)) for part, name in zip(sensors, names, strict=True)]
    if not all(np.isfinite(values).all() for values in (models, transform, offsets)):
        raise ValueError("the calibration is not finite")
    return ImuCalibration(accel[:3], accel[3], gyro[:3], gyro[3], transform, *offsets)
