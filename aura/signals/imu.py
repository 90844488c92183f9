"""Clocks, gaps and anti-aliased resampling by timestamp.

IMU: drop what is invalid, sort, drop duplicates, split at gaps; in each segment interpolate with a
4-point Lagrange cubic on the true stamps onto a uniform grid at the nearest multiple of 200 Hz
above the native rate, then decimate with a linear-phase Kaiser FIR (pass 80 Hz, stop 120 Hz).
Resampling by index would drift with the sensor's clock and alias what lies above 100 Hz; the
published recipe does so, and `decimate_imu` and `pick_mocap` are here to measure what that costs.
"""

from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise

import numpy as np
from scipy.signal import firwin, kaiserord
from threadpoolctl import ThreadpoolController

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ
from aura.signals.cubic import Cubic, cubic
from aura.signals.cubic import compiled as compiled_cubic

PASS_HZ, STOP_HZ, ATTENUATION_DB = 80.0, 120.0, 85.0
_BLOCK = 16  # samples that a row of a matrix product gives: few zeros among the taps
_PIECE = 16_384  # samples of the grid in work at once, which caches hold


@dataclass(frozen=True)
class Cleaned:
    """Sorted, distinct, finite samples, and how many were dropped for which reason."""

    times: np.ndarray  # (N,) float64, s, strictly increasing
    values: np.ndarray  # (N, C) float32
    dropped: dict[str, int]
    kept: np.ndarray  # (N,) row of each sample in the input


def clean(times: np.ndarray, values: np.ndarray, ok: np.ndarray) -> Cleaned:
    """Drop invalid, non-finite and duplicate samples and sort by time.

    Parameters
    ----------
    times : (N,) s; values : (N, C); ok : (N,) bool, the sensor's own validity flags.
    """
    finite = np.isfinite(times) & np.isfinite(values).all(axis=1)
    keep = ok & finite
    dropped = {
        "sample flagged invalid": int((~ok).sum()),
        "sample not finite": int((ok & ~finite).sum()),
    }
    kept = np.flatnonzero(keep)
    steps = np.diff(times[kept])
    if (steps <= 0).any():
        dropped["sample out of order"] = int((steps < 0).sum())
        kept = kept[np.argsort(times[kept], kind="stable")]
        first = np.concatenate([[True], np.diff(times[kept]) > 0])
        dropped["sample duplicated"] = int((~first).sum())
        kept = kept[first]
    dropped = {reason: n for reason, n in dropped.items() if n}
    return Cleaned(times[kept], values[kept], dropped, kept)


def segments(times: np.ndarray, gap_s: float) -> list[slice]:
    """Runs of sorted samples without a step longer than `gap_s`."""
    cuts = np.flatnonzero(np.diff(times) > gap_s) + 1
    edges = [0, *cuts.tolist(), len(times)]
    return [slice(a, b) for a, b in pairwise(edges) if b > a]


@cache
def decimation_taps(factor: int) -> np.ndarray:
    """Kaiser low-pass (odd length, float32, unit gain at 0 Hz) from `factor` times 200 Hz to it."""
    if factor == 1:
        return np.ones(1, np.float32)
    rate_hz = factor * IMU_RATE_HZ
    length, beta = kaiserord(ATTENUATION_DB, (STOP_HZ - PASS_HZ) / (rate_hz / 2))
    taps = firwin(length | 1, (PASS_HZ + STOP_HZ) / 2, window=("kaiser", beta), fs=rate_hz)
    return taps.astype(np.float32)


def median_step(times: np.ndarray) -> float:
    """Median of the steps between stamps (N,), 0 without one; partitions once, NumPy twice."""
    steps = np.diff(times)
    middle = len(steps) // 2
    if not len(steps):
        return 0.0
    steps.partition(middle)
    below = steps[middle] if len(steps) % 2 else steps[:middle].max()
    return float((below + steps[middle]) / 2)


def bridged_s(period_s: float, gap_s: float) -> float:
    """Longest bridged hole between cleaned samples: `gap_s`, or 2.5 periods of a slower sensor."""
    return max(gap_s, 2.5 * period_s)


def count_gaps(times: np.ndarray, duration_s: float, gap_s: float = 0.02) -> int:
    """Holes longer than what is bridged between cleaned samples (N,) in s, inside the take."""
    inside = (times[1:] > 0) & (times[:-1] < duration_s)
    return int((np.diff(times)[inside] > bridged_s(median_step(times), gap_s)).sum())


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
    times : (N,) s, strictly increasing; values : (N, 6) float32; gap_s : longest bridged hole,
        see `bridged_s`; gyro_lag_s : the last three channels were sampled this much later;
        compiled : interpolate by a loop that numba compiles.

    Returns
    -------
    (T, 6) float32 with zeros where invalid, and (T,) bool, T = round(duration_s * 200).
    """
    work = partial(
        _resample,
        count=round(duration_s * IMU_RATE_HZ),
        period_s=median_step(times),
        gap_s=gap_s,
        interpolate=compiled_cubic() if compiled else cubic,
    )
    with _blas().limit(limits=1, user_api="blas"):  # products this small lose more to threads
        if not gyro_lag_s:
            return work(times, values)
        accel, valid = work(times, values[:, :3])
        gyro, gyro_valid = work(times + gyro_lag_s, values[:, 3:])
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
    interpolate: Cubic,
) -> tuple[np.ndarray, np.ndarray]:
    out, valid = np.zeros((count, values.shape[1]), np.float32), np.zeros(count, bool)
    if len(times) < 4:
        return out, valid
    factor = max(1, int(np.ceil(0.98 / period_s / IMU_RATE_HZ)))
    rate = factor * IMU_RATE_HZ
    half = len(decimation_taps(factor)) // 2
    piece = max(1, _PIECE // factor // _BLOCK) * _BLOCK
    for part in segments(times, bridged_s(period_s, gap_s)):
        t, x = times[part], values[part]
        if len(t) < 4:
            continue
        low, high = int(np.ceil(t[0] * rate - 1e-9)), int(np.floor(t[-1] * rate + 1e-9))
        first = max(0, -(-(low + half) // factor))
        last = min(count - 1, (high - half) // factor)
        for begin in range(first, last + 1, piece):
            end = min(begin + piece, last + 1)
            reach = (end - begin - 1) * factor + 1 + 2 * half
            dense = np.empty((x.shape[1], _padded(end - begin, factor)), np.float32)
            dense[:, reach:] = 0  # no NaN, which would spread by zeros among the taps
            interpolate(t, rate, x, begin * factor - half, reach, dense)
            out[begin:end] = _decimate(dense, factor)[:, : end - begin].T
            valid[begin:end] = True
    return out, valid


def _padded(count: int, factor: int) -> int:
    """Length of what `_decimate` makes `count` samples of: whole blocks, and those reached into."""
    return (-(-count // _BLOCK) + len(_bands(factor)) - 1) * _BLOCK * factor


def _decimate(dense: np.ndarray, factor: int) -> np.ndarray:
    """Low-pass and keep each `factor`-th sample, of many blocks of samples in one matrix product.

    Sample k is what the taps make of the samples from k * factor on. They reach from a block into
    the next ones, which is what the products after the first are of.

    Parameters
    ----------
    dense : (C, G) float32, G of `_padded`.

    Returns
    -------
    (C, G / factor) float32; what `_padded` added means nothing.
    """
    own, *others = _bands(factor)
    blocks = dense.reshape(-1, len(own))
    out = blocks @ own
    for ahead, band in enumerate(others, 1):
        out[:-ahead] += blocks[ahead:, : len(band)] @ band
    return out.reshape(len(dense), -1)


@cache
def _bands(factor: int) -> list[np.ndarray]:
    """Taps as a banded matrix (inputs, _BLOCK), cut after each block of inputs."""
    taps, width = decimation_taps(factor), _BLOCK * factor
    whole = np.zeros((width - factor + len(taps), _BLOCK), np.float32)
    for column in range(_BLOCK):
        whole[column * factor : column * factor + len(taps), column] = taps
    return [whole[begin : begin + width] for begin in range(0, len(whole), width)]


def resample_mocap(
    times: np.ndarray, joints: np.ndarray, duration_s: float, gap_s: float = 0.15
) -> tuple[np.ndarray, np.ndarray]:
    """Joints to 10 FPS on the grid k / 10 s, linear between measured neighbours of each joint.

    Parameters
    ----------
    times : (F,) s, any order; joints : (F, J, 3), NaN where a joint is absent;
        gap_s : a joint is bridged only between measurements closer than this.

    Returns
    -------
    (T, J, 3) float32 with zeros where invalid, and (T, J) bool, T = round(duration_s * 10).
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


def decimate_imu(
    times: np.ndarray, values: np.ndarray, duration_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """The published recipe: every n-th sample as recorded is taken for 200 Hz, without a filter.

    Sample k is the (k * n)-th after the first that is not before the take; where the recording has
    none, zeros stand in and count as measured, as no mask is kept. Clock drift, gaps, duplicates
    and what lies above 100 Hz all end up in the signal.

    Parameters
    ----------
    times : (N,) s as recorded; values : (N, 6) float32.

    Returns
    -------
    (T, 6) float32 and (T,) bool, T = round(duration_s * 200).
    """
    count = round(duration_s * IMU_RATE_HZ)
    out = np.zeros((count, values.shape[1]), np.float32)
    after = np.flatnonzero(times >= 0)
    if len(times) < 2 or not len(after):
        return out, np.zeros(count, bool)
    step = max(1, round(1 / float(np.median(np.abs(np.diff(times)))) / IMU_RATE_HZ))
    taken = values[after[0] :: step][:count]
    out[: len(taken)] = np.nan_to_num(taken, posinf=0, neginf=0)
    return out, np.ones(count, bool)


def pick_mocap(
    frames: np.ndarray, joints: np.ndarray, duration_s: float, frame_rate_hz: float = 30.0
) -> tuple[np.ndarray, np.ndarray]:
    """The published recipe: pose of video frame 3 k for time k / 10 s, zeros where it has none.

    Zeros count as measured, as no mask is kept.

    Parameters
    ----------
    frames : (F,) frame numbers, increasing; joints : (F, J, 3), NaN where a joint is absent.

    Returns
    -------
    (T, J, 3) float32 and (T, J) bool, T = round(duration_s * 10).
    """
    count = round(duration_s * MOCAP_RATE_HZ)
    out = np.zeros((count, *joints.shape[1:]), np.float32)
    valid = np.full((count, joints.shape[1]), len(frames) > 0)
    if len(frames):
        wanted = np.rint(np.arange(count) * frame_rate_hz / MOCAP_RATE_HZ).astype(np.int64)
        place = np.searchsorted(frames, wanted).clip(0, len(frames) - 1)
        found = frames[place] == wanted
        out[found] = np.nan_to_num(joints[place[found]], posinf=0, neginf=0)
    return out, valid
