"""Clocks, gaps and anti-aliased resampling by timestamp.

IMU: drop what is invalid, duplicate or, where the clock was set back, of two moments, sort, split
at gaps; in each segment interpolate with a 4-point Lagrange cubic on the true stamps onto a uniform
grid at the nearest multiple of 200 Hz above the native rate, then decimate with a linear-phase
Kaiser FIR (pass 80 Hz, stop 120 Hz).
Resampling by index would drift with the sensor's clock and alias what lies above 100 Hz; the
published recipe does so, see `published.py`.
"""

from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise

import numpy as np
from threadpoolctl import ThreadpoolController

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.signals.clock import overlapped, repeated
from aura.signals.cubic import Interpolator, compiled_cubic, cubic
from aura.signals.decimation import BLOCK, decimate, decimation_taps, padded_length

_COARSE = 0.2  # share of samples with the stamp of another beyond which stamps tell no time
_ON_GRID = 1e-3  # share of a step of the grid by which stamps may miss it
_CHUNK = 16_384  # samples of the grid in work at once, which caches hold


@dataclass(frozen=True)
class Cleaned:
    """Sorted, distinct, finite samples, and how many were dropped for which reason.

    Attributes
    ----------
    times : np.ndarray
        (N,) float64, s, strictly increasing.
    values : np.ndarray
        (N, C) float32.
    dropped : dict of str to int
        Samples dropped, by reason.
    kept : np.ndarray
        (N,) row of each sample in the input.
    """

    times: np.ndarray
    values: np.ndarray
    dropped: dict[str, int]
    kept: np.ndarray


def clean(times: np.ndarray, values: np.ndarray, ok: np.ndarray, gap_s: float = 0.02) -> Cleaned:
    """Drop samples that are invalid, not finite, duplicate or of no certain time; sort the others.

    Where the clock was set back, all samples of the overlap go; where many share their stamps, so
    that these are coarser than 200 Hz, all go.

    Parameters
    ----------
    times : np.ndarray
        (N,) s, in the order of recording.
    values : np.ndarray
        (N, C).
    ok : np.ndarray
        (N,) bool, the sensor's own validity flags.
    gap_s : float
        Longest bridged hole, which the hole left by an overlap exceeds.

    Returns
    -------
    Cleaned
        What is left, and what was dropped.
    """
    finite = np.isfinite(times) & np.isfinite(values).all(axis=1)
    keep = ok & finite & ~_zeros(values)
    dropped = {
        "sample flagged invalid": int((~ok).sum()),
        "sample not finite": int((ok & ~finite).sum()),
        "sample all zero": int((ok & finite & ~keep).sum()),
    }
    kept = np.flatnonzero(keep)
    steps = np.diff(times[kept])
    if (steps <= 0).any():
        dropped["sample out of order"] = int((steps < 0).sum())
        again = repeated(times[kept], values[kept])
        dropped["sample duplicated"] = int(again.sum())
        kept = kept[~again]
        overlap = overlapped(times[kept], gap_s)
        dropped["sample where the clock steps back"] = int(overlap.sum())
        kept = kept[~overlap]
        kept = kept[np.argsort(times[kept], kind="stable")]
        distinct = np.diff(times[kept], prepend=-np.inf) > 0
        shared, kept_of = int((~distinct).sum()), kept[distinct]
        coarse = shared > _COARSE * len(kept) and _on_coarse_grid(times[kept_of])
        reason = "stamps have too few digits" if coarse else "sample with the stamp of another"
        dropped[reason] = len(kept) if coarse else shared
        kept = kept_of[:0] if coarse else kept_of
    dropped = {reason: n for reason, n in dropped.items() if n}
    return Cleaned(times[kept], values[kept], dropped, kept)


def _zeros(values: np.ndarray) -> np.ndarray:
    """Samples (N,) in a run of three or more that are 0 on all axes, which no sensor measures."""
    zero = ~values.any(axis=1)
    if not zero.any():
        return zero
    middle = zero[:-2] & zero[1:-1] & zero[2:]
    runs = np.zeros(len(zero), bool)
    for k in range(3):
        runs[k : k + len(middle)] |= middle
    return runs


def _on_coarse_grid(times: np.ndarray) -> bool:
    """Whether stamps (N,) in s, increasing, are multiples of a step that 200 Hz does not allow."""
    steps = np.diff(times)
    counts = steps / steps.min(initial=np.inf)
    coarse = steps.min(initial=np.inf) > 1 / IMU_RATE_HZ
    return bool(coarse and (np.abs(counts - np.rint(counts)) < _ON_GRID).all())


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
