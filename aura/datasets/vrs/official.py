"""Fallback to projectaria-tools, for records of a VRS file that `container.py` does not read."""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from aura.errors import CorruptFile

# The official reader crashes its process, hangs or fills memory on some damage, so it gets a
# process of its own with limits. Where it fails at a record it returns zeros, or a record it read
# before. So rows of zeros or all alike are refused, and both directions have to read the same.
_TIMEOUT_S, _ROWS_PER_S, _MAX_BYTES = 60.0, 20_000, 4 << 30
_READER = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[4]),) * 2)
import numpy as np
from projectaria_tools.core import data_provider
names = "capture_timestamp_ns accel_msec2 gyro_radsec accel_valid gyro_valid".split()
provider = data_provider.create_vrs_data_provider(sys.argv[1])
stream = provider.get_stream_id_from_label(sys.argv[2])
count = provider.get_num_data(stream)
forwards, backwards = sweeps = np.zeros((2, count), "i8, 3f4, 3f4, ?, ?")
for rows, order in zip(sweeps, (range(count), [0, *reversed(range(count))])):
    for i in order:
        sample = provider.get_imu_data_by_index(stream, i)
        rows[i] = tuple(getattr(sample, name) for name in names)
first, second = sweeps.view(np.uint8).reshape(2, count, -1)
alike = count > 1 and (first == first[0]).all()
if (first != second).any() or alike or not first.any(1).all():
    sys.exit("some records could not be read")
np.save(sys.argv[3], forwards)
"""


def official_columns(path: Path, label: str, count: int) -> list[np.ndarray]:
    """The data fields of `count` records as projectaria-tools reads them, by record time."""
    if importlib.util.find_spec("projectaria_tools") is None:
        raise CorruptFile(
            "its IMU records are compressed or of several layouts; install projectaria-tools to "
            "read them"
        )
    seconds = _TIMEOUT_S + count / _ROWS_PER_S
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.npy"
        script = [sys.executable, "-c", _READER]
        command = [*script, str(path.resolve()), label, str(out), str(_MAX_BYTES)]
        try:  # its output is not kept: a hostile file decides how long that gets
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                check=True,
            )
            rows = np.load(out)
        except subprocess.TimeoutExpired:
            raise CorruptFile(f"projectaria-tools took over {seconds:.0f} s") from None
        except (subprocess.CalledProcessError, OSError, ValueError):
            raise CorruptFile("projectaria-tools cannot read its IMU records") from None
    if rows.shape != (count,):
        raise CorruptFile(f"projectaria-tools reads {rows.size} of its {count} records")
    return [np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()]
