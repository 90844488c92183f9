"""How much a sensor moves in each window, which tells where in a recording something happens."""

import numpy as np

from aura.learning.batches import Windows


def movement(windows: Windows, rows: np.ndarray, batch: int = 512) -> np.ndarray:
    """Standard deviation (N,) of the acceleration's magnitude in windows, m/s2; 0 without IMU."""
    parts = [np.zeros(0)]
    for start in range(0, len(rows), batch):
        some = windows.batch(rows[start : start + batch])
        size, valid = some.imu[..., :3].norm(dim=2), some.imu_valid.to(some.imu.dtype)
        count = valid.sum(1).clamp(min=1)
        mean = (size * valid).sum(1) / count
        deviation = (((size - mean[:, None]) * valid).square().sum(1) / count).sqrt()
        parts.append(np.where(some.has["imu"].numpy(), deviation.numpy() + 1e-3, 0))
    return np.concatenate(parts)
