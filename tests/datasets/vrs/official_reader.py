"""What projectaria-tools reads."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aura.datasets.vrs import ImuCalibration, ImuStream, official


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
    pending = list(paths)
    while pending:
        text = "".join(f"{path}\t{label}\n" for path in pending)
        command = [sys.executable, "-c", BATCH, official._READER, str(4 << 30)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, input=text, text=True, timeout=120, **quiet)
        begun = sum(Path(f"{path}.begun").exists() for path in pending)
        assert begun
        pending = pending[begun:]
    found = [Path(f"{path}.npy") for path in paths]
    return [np.load(path) if path.exists() else None for path in found]
