"""The faults of an IMU stream that are planted as flaws of a take."""

import numpy as np

from aura.datasets.synthetic.plan import TakePlan

Columns = dict[str, np.ndarray]  # of vrs.ImuStream, each of N samples


def saturate(
    take: TakePlan,
    accel: np.ndarray,
    limit: float,
    inside: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Push one axis of consecutive samples of `accel` (N, 3) beyond `limit` m/s2, in place.

    `inside` holds the indices of the samples that lie in the take.
    """
    if flaw := take.flaw("imu_saturated"):
        first = inside[int(rng.integers(len(inside) - flaw["samples"]))]
        axis = int(rng.integers(3))
        accel[first : first + flaw["samples"], axis] += np.copysign(3 * limit, accel[first, axis])


def apply_faults(
    take: TakePlan,
    columns: Columns,
    t: np.ndarray,
    inside: np.ndarray,
    rng: np.random.Generator,
) -> Columns:
    """The samples with the take's other IMU flaws, in file order.

    `t` (N,) are seconds on the clock of the take, `inside` the indices of samples in the take.
    """
    index = np.arange(len(t))
    if flaw := take.flaw("imu_invalid"):
        invalid = rng.choice(inside, flaw["samples"], replace=False)
        for sensor in ("accel", "gyro"):
            columns[sensor][invalid] = 0.0
            columns[f"{sensor}_valid"][invalid] = False
    if flaw := take.flaw("imu_nan"):
        columns["accel"][rng.choice(inside, flaw["samples"], replace=False)] = np.nan
    if flaw := take.flaw("imu_duplicates"):
        twice = rng.choice(inside, flaw["samples"], replace=False)
        index = np.sort(np.concatenate([index, twice]))
    if flaw := take.flaw("imu_unsorted"):
        first = rng.choice(inside[:-1:4], flaw["pairs"], replace=False)
        index[first], index[first + 1] = first + 1, first
    if flaw := take.flaw("imu_gap"):
        in_gap = (t >= flaw["start_s"]) & (t < flaw["start_s"] + flaw["duration_s"])
        index = index[~in_gap]
    return {name: values[index] for name, values in columns.items()}
