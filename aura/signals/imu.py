"""Gaps and anti-aliased resampling by timestamp.

IMU: drop what is invalid, duplicate or, where the clock was set back, of two moments, sort, split
at gaps; in each segment interpolate with a 4-point Lagrange cubic on the true stamps onto a uniform
grid at the nearest multiple of 200 Hz above the native rate, then decimate with a linear-phase
Kaiser FIR (pass 80 Hz, stop 120 Hz).
Resampling by index would drift with the sensor's clock and alias what lies above 100 Hz; the
published recipe does so, see `published.py`.
"""

from functools import cache, partial
from itertools import pairwise

import numpy as np
from threadpoolctl import ThreadpoolController

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.signals.cleaning import Cleaned, clean
from aura.signals.cubic import Interpolator, compiled_cubic, cubic
from aura.signals.decimation import BLOCK, decimate, decimation_taps, padded_length

__all__ = ["Cleaned", "clean", "count_gaps", "resample_imu", "resample_mocap"]
_CHUNK = 16_384  # samples of the grid in work at once, which caches hold


def segments(times: np.ndarray, gap_s: float) -> list[slice]:
    """Runs of sorted samples without a step longer than `gap_s`."""
    cuts = np.flatnonzero(np.diff(times) > gap_s) + 1
    edges = [0, *cuts.tolist(), len(times)]
    return [slice(a, b) for a, b in pairwise(edges) if b > a]


def median_step(times: np.ndarray) -> float:
    """Median of the steps between stamps (N,), 0 without one; partitions once, NumPy twice."""
    steps = np.diff(times)
    middle = len(steps) // 2
    if not len(steps):
        return 0.0
    steps.partition(middle)
    below = steps[middle] if len(steps) % 2 else steps[:middle].max()
    return float((below + steps[middle]) / 2)


def max_gap_s(period_s: float, gap_s: float) -> float:
    """Longest bridged hole between cleaned samples: `gap_s`, or 2.5 periods of a slower sensor."""
    return max(gap_s, 2.5 * period_s)


def count_gaps(times: np.ndarray, duration_s: float, gap_s: float = 0.02) -> int:
    """Holes longer than what is bridged between cleaned samples (N,) in s, inside the take."""
    inside = (times[1:] > 0) & (times[:-1] < duration_s)
    return int((np.diff(times)[inside] > max_gap_s(median_step(times), gap_s)).sum())


def resample_imu(
    times: np.ndarray,
    values: np.ndarray,
    duration_s: float,
    gap_s: float = 0.02,
    gyro_lag_s: float = 0.0,
    compiled: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Cleaned samples to 200 Hz on the grid k / 200 s of the take's clock.

    Parameters
    ----------
    times : np.ndarray
        (N,) s, strictly increasing.
    values : np.ndarray
        (N, C) float32.
    duration_s : float
        Length of the take.
    gap_s : float
        Longest bridged hole, see `max_gap_s`.
    gyro_lag_s : float
        The channels after the first three were sampled this much later.
    compiled : bool
        Interpolate by a loop that numba compiles.

    Returns
    -------
    signal : np.ndarray
        (T, C) float32, T = round(duration_s * 200), zeros where invalid.
    valid : np.ndarray
        (T,) bool.
    """
    resample = partial(
        _resample,
        count=round(duration_s * IMU_RATE_HZ),
        period_s=median_step(times),
        gap_s=gap_s,
        interpolate=compiled_cubic() if compiled else cubic,
    )
    with _blas().limit(limits=1, user_api="blas"):  # products this small lose more to threads
        if not gyro_lag_s:
            return resample(times, values)
        accel, valid = resample(times, values[:, :3])
        gyro, gyro_valid = resample(times + gyro_lag_s, values[:, 3:])
    valid &= gyro_valid
    return np.where(valid[:, None], np.hstack([accel, gyro]), np.float32(0)), valid


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _resample(
    times: np.ndarray,
    values: np.ndarray,
    count: int,
    period_s: float,
    gap_s: float,
    interpolate: Interpolator,
) -> tuple[np.ndarray, np.ndarray]:
    out, valid = np.zeros((count, values.shape[1]), np.float32), np.zeros(count, bool)
    if len(times) < 4:
        return out, valid
    factor = max(1, int(np.ceil(0.98 / period_s / IMU_RATE_HZ)))
    rate = factor * IMU_RATE_HZ
    delay = len(decimation_taps(factor)) // 2
    chunk = max(1, _CHUNK // factor // BLOCK) * BLOCK
    for segment in segments(times, max_gap_s(period_s, gap_s)):
        t, x = times[segment], values[segment]
        if len(t) < 4:
            continue
        low, high = int(np.ceil(t[0] * rate - 1e-9)), int(np.floor(t[-1] * rate + 1e-9))
        first = max(0, -(-(low + delay) // factor))
        last = min(count - 1, (high - delay) // factor)
        for begin in range(first, last + 1, chunk):
            end = min(begin + chunk, last + 1)
            points = (end - begin - 1) * factor + 1 + 2 * delay
            upsampled = np.empty((x.shape[1], padded_length(end - begin, factor)), np.float32)
            upsampled[:, points:] = 0  # no NaN, which would spread by zeros among the taps
            interpolate(t, rate, x, begin * factor - delay, points, upsampled)
            out[begin:end] = decimate(upsampled, factor)[:, : end - begin].T
            valid[begin:end] = True
    return out, valid


def resample_mocap(
    times: np.ndarray, joints: np.ndarray, duration_s: float, gap_s: float = 0.15
) -> tuple[np.ndarray, np.ndarray]:
    """Joints to 10 FPS on the grid k / 10 s, linear between measured neighbours of each joint.

    Parameters
    ----------
    times : np.ndarray
        (F,) s, in any order.
    joints : np.ndarray
        (F, J, 3), NaN where a joint is absent.
    duration_s : float
        Length of the take.
    gap_s : float
        A joint is bridged only between measurements no further apart.

    Returns
    -------
    signal : np.ndarray
        (T, J, 3) float32, T = round(duration_s * 10), zeros where invalid.
    valid : np.ndarray
        (T, J) bool.
    """
    count = round(duration_s * MOCAP_RATE_HZ)
    grid = np.arange(count) / MOCAP_RATE_HZ
    out = np.zeros((count, joints.shape[1], 3), np.float32)
    valid = np.zeros((count, joints.shape[1]), bool)
    order = np.argsort(times, kind="stable")
    order = order[np.isfinite(times[order])]
    times, joints = times[order], joints[order]
    for joint in range(joints.shape[1]):
        seen = np.isfinite(joints[:, joint]).all(axis=1)
        t, x = times[seen], joints[seen, joint]
        if len(t) == 0:
            continue
        right = np.searchsorted(t, grid - 1e-6)
        exact = np.abs(t[np.minimum(right, len(t) - 1)] - grid) < 1e-6
        before, after = np.clip(right - 1, 0, None), np.minimum(right, len(t) - 1)
        inside = (right > 0) & (right < len(t)) & (t[after] - t[before] <= gap_s)
        valid[:, joint] = exact | inside
        for axis in range(3):
            out[:, joint, axis] = np.interp(grid, t, x[:, axis])
    out[~valid] = 0
    return out, valid
