"""What is known of a recording second by second, as the rows of SIGNALS hold it."""

import numpy as np


def blocks(values: np.ndarray, seconds: int, rate: int) -> np.ndarray:
    """Signal (N, ...) as (seconds, rate, ...), zeros behind its end."""
    padded = np.zeros((seconds * rate, *values.shape[1:]), values.dtype)
    padded[: len(values)] = values
    return padded.reshape(seconds, rate, *values.shape[1:])


def saturation(times: np.ndarray, flags: np.ndarray, seconds: int) -> np.ndarray:
    """Fraction of the samples of each second at the end of the range.

    Parameters
    ----------
    times : np.ndarray
        (N,) s.
    flags : np.ndarray
        (N,) bool, at the end of the range.
    seconds : int
        How many there are.

    Returns
    -------
    np.ndarray
        (seconds,) float32.
    """
    inside = (times >= 0) & (times < seconds)
    second = times[inside].astype(int)
    total = np.bincount(second, minlength=seconds)
    hits = np.bincount(second, weights=flags[inside], minlength=seconds)
    return (hits / np.maximum(total, 1)).astype(np.float32)


def clock_offsets(frame_s: np.ndarray, seconds: int) -> np.ndarray:
    """Worst |device time - frame number / nominal rate| of each second, ms.

    Parameters
    ----------
    frame_s : np.ndarray
        (V,) s, time of every video frame, NaN where unknown.
    seconds : int
        How many there are.

    Returns
    -------
    np.ndarray
        (seconds,) float32.
    """
    known = np.isfinite(frame_s)
    times = frame_s[known]
    offset = np.abs(times - np.flatnonzero(known) / 30.0) * 1000
    worst = np.zeros(seconds, np.float32)
    np.maximum.at(worst, np.clip(times, 0, seconds - 1).astype(int), offset.astype(np.float32))
    return worst
