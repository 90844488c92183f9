"""The IMU of a take: its VRS file, its axes, and its stamps on the clock of the take."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from aura.datasets.base import Skip, Take, empty_imu
from aura.datasets.ego_exo4d.options import Options
from aura.datasets.ego_exo4d.timesync import TakeClock
from aura.datasets.vrs import read_imu, to_device_frame
from aura.errors import CorruptFile, OutsideRoot
from aura.storage import Storage

_MARGIN_S = 0.5  # IMU samples before and after the take that the resampling filter can use


class TakeImu(NamedTuple):
    """Samples of one IMU on the clock of the take.

    Attributes
    ----------
    seconds : np.ndarray
        (N,) s from frame 0.
    values : np.ndarray
        (N, 6) float32, m/s2 and rad/s.
    valid : np.ndarray
        (N,) bool, the sensor's own flags.
    saturated : np.ndarray
        (N,) bool, some axis is at the end of its range.
    gyro_lag_s : float
        By how much the gyroscope's samples are later than `seconds`.
    """

    seconds: np.ndarray
    values: np.ndarray
    valid: np.ndarray
    saturated: np.ndarray
    gyro_lag_s: float


def read_take_imu(
    files: Storage,
    options: Options,
    take: Take,
    clock: TakeClock | None,
    duration_s: float,
    skips: list[Skip],
) -> TakeImu:
    """Samples in and about a take; without any, the reason is added to `skips`.

    Parameters
    ----------
    files : Storage
        The root.
    options : Options
        In which axes.
    take : Take
        One of the index; its place says which IMU.
    clock : TakeClock or None
        None where timesync.csv does not give it.
    duration_s : float
        Length of the take.
    skips : list of Skip
        Is added to.
    """
    nothing = TakeImu(*empty_imu(), np.empty(0, bool), 0.0)
    try:
        with _vrs_file(files, take) as path:
            if path is None:
                skips.append(Skip("no VRS file", take.take_name, "imu"))
                return nothing
            if clock is None:
                skips.append(Skip("IMU cannot be aligned without timesync", take.take_name, "imu"))
                return nothing
            stream = read_imu(path, str(take.place).replace("head", "imu"))
    except OutsideRoot:
        skips.append(Skip("path of VRS file leads out of the root", take.take_name, "imu"))
        return nothing
    except CorruptFile:
        skips.append(Skip("VRS file is corrupt", take.take_name, "imu"))
        return nothing
    if stream.index_lost:
        skips.append(
            Skip("VRS file has lost its index, all its records are read", take.take_name, "imu")
        )
    if stream.calibration is None and (options.rectify or options.frame == "device"):
        skips.append(Skip("IMU has no calibration, read as it is", take.take_name, "imu"))
    accel, gyro = to_device_frame(stream, options.rectify, options.frame == "device")
    offset_s = gyro_lag_s = 0.0
    if options.time_offsets and stream.calibration:
        # As in T_device_imu, the offset leads from the sensor to the device.
        offset_s = stream.calibration.accel_time_offset_s
        gyro_lag_s = stream.calibration.gyro_time_offset_s - offset_s
    seconds = (stream.timestamps_ns - np.int64(round(clock.origin_ns))) / 1e9 + offset_s
    near = (seconds > -_MARGIN_S) & (seconds < duration_s + _MARGIN_S)
    valid = stream.accel_valid & stream.gyro_valid
    values = np.hstack([accel, gyro])[near]
    return TakeImu(seconds[near], values, valid[near], stream.saturated[near], gyro_lag_s)


@contextmanager
def _vrs_file(files: Storage, take: Take) -> Iterator[Path | None]:
    """A local path of the take's recording, the one without images first; None without one."""
    path = PurePosixPath(take.source["folder"], take.source["vrs"] or f"{take.source['aria']}.vrs")
    small = path.parent / f"{path.stem}_noimagestreams.vrs"
    candidates = [str(small), str(path)]
    found = next((candidate for candidate in candidates if files.is_file(candidate)), None)
    if found is None:
        yield None
        return
    with files.local(found) as local:
        yield local
