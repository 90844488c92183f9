"""What the published clock does to a take of Ego-Exo4D's mean length, against the true motion."""

import numpy as np

from aura.datasets.synthetic import SyntheticSize, plan
from aura.datasets.synthetic.imu import Clock, record, true_motion
from aura.datasets.synthetic.motion import Person
from aura.datasets.vrs import to_device_frame
from aura.signals.imu import resample_imu
from aura.signals.published import decimate_imu

SECONDS = 158.0  # 221 h in 5,035 takes


def errors(take):
    """RMS error of the angular rate (rad/s) in the last 20 s, by each clock, and the true RMS."""
    person = Person(take)
    stream = record(take, person, "imu-right")
    known = stream.calibration
    accel, gyro = to_device_frame(stream)
    stamps = stream.timestamps_ns + known.accel_time_offset_s * 1e9
    times = Clock(take).capture_s(stamps) - take.start_idx / 30
    values = np.hstack([accel, gyro])
    lag = known.gyro_time_offset_s - known.accel_time_offset_s
    last = slice(round((SECONDS - 21) * 200), round((SECONDS - 1) * 200))
    _, true, _ = true_motion(person, np.arange(last.start, last.stop) / 200, np.zeros(3))
    found = {
        "timestamps": resample_imu(times, values, SECONDS, gyro_lag_s=lag)[0],
        "authors": decimate_imu(times, values, SECONDS)[0],
    }
    size = np.sqrt(np.mean(true**2))
    return {k: np.sqrt(np.mean((v[last, 3:] - true) ** 2)) for k, v in found.items()}, size


def test_by_timestamps_the_signal_is_the_motion_and_by_index_it_drifts_off():
    size = SyntheticSize({"train": 2}, take_seconds=SECONDS, activities=1, flaws=False)
    found, sizes = zip(*(errors(take) for take in plan(size)), strict=True)
    by_stamp = np.array([row["timestamps"] for row in found])
    by_index = np.array([row["authors"] for row in found])
    print("\nRMS error of the angular rate after 2.5 minutes, as a share of its RMS")
    print("timestamps:", np.round(by_stamp / sizes, 3), "authors:", np.round(by_index / sizes, 3))
    assert (by_stamp < 0.05 * np.array(sizes)).all()
    assert np.median(by_index / by_stamp) > 5
