"""Windows of a recording that was resampled whole."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from aura.signals.inputs import Signals

Ints = NDArray[np.int64]


def valid_share(valid: NDArray[np.bool_], first: Ints, length: int) -> NDArray[np.float64]:
    """Share of each window's samples, or joints and frames, that were measured.

    A window that goes on beyond the end is as valid as the part of it that was recorded.

    Parameters
    ----------
    valid : ndarray
        (T,) or (T, 17) bool, of the recording.
    first : ndarray
        (W,) first sample or frame of each window.
    length : int
        Samples or frames of a window.

    Returns
    -------
    ndarray
        (W,) from 0 to 1.
    """
    total = len(valid)
    end = np.minimum(first + length, total)
    by_sample = valid.reshape(total, -1).mean(axis=1)
    cumulative = np.concatenate([[0.0], np.cumsum(by_sample, dtype=np.float64)])
    share: NDArray[np.float64] = (cumulative[end] - cumulative[first]) / np.maximum(end - first, 1)
    return share


def cut(recording: Signals, first: Ints, length: int, batch: int) -> Iterator[Signals]:
    """Windows of the recording, padded beyond its end, `batch` at a time.

    Parameters
    ----------
    recording : Signals
        Of N = 1.
    first : ndarray
        (W,) first sample or frame of each window.
    length : int
        Samples or frames of a window.
    batch : int
        Most windows at a time.
    """
    padded = recording.fit(max(recording.valid.shape[1], int(first.max(initial=0)) + length))
    for start in range(0, len(first), batch):
        index = first[start : start + batch, None] + np.arange(length)
        channels = np.repeat(padded.channels, len(index), axis=0)
        yield Signals(padded.modality, padded.values[0][index], padded.valid[0][index], channels)
