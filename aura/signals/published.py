"""The published recipe: resampling by index and frame number, here to measure what that costs."""

import numpy as np

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ


def decimate_imu(
    times: np.ndarray, values: np.ndarray, duration_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Every n-th sample as recorded is taken for 200 Hz, without a filter.

    Sample k is the (k * n)-th after the first that is not before the take; where the recording has
    none, zeros stand in and count as measured, as no mask is kept. Clock drift, gaps, duplicates
    and what lies above 100 Hz all end up in the signal.

    Parameters
    ----------
    times : np.ndarray
        (N,) s, as recorded.
    values : np.ndarray
        (N, C) float32.
    duration_s : float
        Length of the take.

    Returns
    -------
    signal : np.ndarray
        (T, C) float32, T = round(duration_s * 200).
    valid : np.ndarray
        (T,) bool.
    """
    count = round(duration_s * IMU_RATE_HZ)
    out = np.zeros((count, values.shape[1]), np.float32)
    rows = decimated_rows(times, duration_s)
    if not len(rows):
        return out, np.zeros(count, bool)
    out[: len(rows)] = np.nan_to_num(values[rows], posinf=0, neginf=0)
    return out, np.ones(count, bool)


def decimated_rows(times: np.ndarray, duration_s: float) -> np.ndarray:
    """Which samples of (N,) in s `decimate_imu` takes, (n,) int."""
    inside = np.flatnonzero(times >= 0)
    if len(times) < 2 or not len(inside):
        return np.empty(0, np.int64)
    step = max(1, round(1 / float(np.median(np.abs(np.diff(times)))) / IMU_RATE_HZ))
    return np.arange(inside[0], len(times), step)[: round(duration_s * IMU_RATE_HZ)]


def pick_mocap(
    frames: np.ndarray, joints: np.ndarray, duration_s: float, frame_rate_hz: float = 30.0
) -> tuple[np.ndarray, np.ndarray]:
    """Pose of video frame 3 k for time k / 10 s, zeros where it has none.

    Zeros count as measured, as no mask is kept.

    Parameters
    ----------
    frames : np.ndarray
        (F,) frame numbers, increasing.
    joints : np.ndarray
        (F, J, 3), NaN where a joint is absent.
    duration_s : float
        Length of the take.
    frame_rate_hz : float
        Frames of the video a second.

    Returns
    -------
    signal : np.ndarray
        (T, J, 3) float32, T = round(duration_s * 10).
    valid : np.ndarray
        (T, J) bool.
    """
    count = round(duration_s * MOCAP_RATE_HZ)
    out = np.zeros((count, *joints.shape[1:]), np.float32)
    valid = np.full((count, joints.shape[1]), len(frames) > 0)
    if len(frames):
        targets = np.rint(np.arange(count) * frame_rate_hz / MOCAP_RATE_HZ).astype(np.int64)
        rows = np.searchsorted(frames, targets).clip(0, len(frames) - 1)
        present = frames[rows] == targets
        out[present] = np.nan_to_num(joints[rows[present]], posinf=0, neginf=0)
    return out, valid
