"""timesync.csv of a capture: when each camera exposed each row's frame."""

import numpy as np

from aura.datasets.synthetic.imu import Clock
from aura.datasets.synthetic.plan import FPS, TakePlan, derive_seed

# Streams of an Aria, with how long after the RGB camera each exposes, in seconds.
STREAMS = {"214-1": 0.0, "1201-1": 0.0021, "1201-2": 0.0021, "211-1": 0.009}


def timesync_csv(take: TakePlan) -> str:
    """Content of the timesync.csv of the take's capture: the same for each of its takes."""
    capture = take.capture
    rng = np.random.default_rng(derive_seed(capture.seed, "timesync"))
    rows = np.arange(capture.rows)
    exposed = rows / FPS + rng.normal(0, 5e-5, capture.rows)
    seconds = [f"{s:.6f}" for s in rows / FPS]
    columns = {"": [str(r) for r in rows]}
    if capture.aria != "aria01":  # glasses of somebody else
        columns |= _aria("aria01", Clock(take, "aria01"), exposed, seconds, set(), set())
    blank = set(capture.blank_rows)
    empty = blank | set(capture.nan_rows)
    columns |= _aria(capture.aria, Clock(take), exposed, seconds, empty, blank)
    for name in capture.cameras:
        first = int(rng.integers(0, 400))
        columns[f"{name}_frame_number"] = [str(first + r) for r in rows]
        columns[f"{name}_global_time"] = seconds
    lines = [",".join(columns), *map(",".join, zip(*columns.values(), strict=True))]
    return "\n".join(lines) + "\n"


def _aria(
    name: str,
    clock: Clock,
    exposed: np.ndarray,
    seconds: list[str],
    empty: set[int],
    blank: set[int],
) -> dict[str, list[str]]:
    """Columns of an Aria; RGB times are absent in the rows `empty`, all of it in those `blank`."""
    columns = {}
    for stream, lag in STREAMS.items():
        missing = blank if lag else empty
        # A column with NaN in it is written as floats, as pandas does.
        ending = ".0" if missing else ""
        stamps = np.rint(clock.device_ns(exposed + lag)).astype(np.int64).tolist()
        columns[f"{name}_{stream}_capture_timestamp_ns"] = [
            "" if row in missing else f"{ns}{ending}" for row, ns in enumerate(stamps)
        ]
    times = ["" if row in blank else time for row, time in enumerate(seconds)]
    return columns | {f"{name}_global_time": times}
