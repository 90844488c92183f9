"""projectaria-tools: every sample of an IMU stream of a VRS file."""

from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from projectaria_tools.core import data_provider

VERSION = version("projectaria-tools")
_FIELDS = ("capture_timestamp_ns", "accel_msec2", "gyro_radsec", "accel_valid", "gyro_valid")


def prepare(path: str, label: str) -> Callable[[], np.ndarray]:
    """Open the file and read its samples one by one; there is no way to get many at once."""

    def run() -> np.ndarray:
        provider = data_provider.create_vrs_data_provider(path)
        stream = provider.get_stream_id_from_label(label)
        read = provider.get_imu_data_by_index
        samples = [read(stream, i) for i in range(provider.get_num_data(stream))]
        rows = np.empty(len(samples), "i8, 3f4, 3f4, ?, ?")
        for column, field in zip(rows.dtype.names or (), _FIELDS, strict=True):
            rows[column] = [getattr(sample, field) for sample in samples]
        return rows

    return run
