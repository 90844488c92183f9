"""Linear-phase low-pass and decimation to 200 Hz, as products of a banded matrix."""

from functools import cache

import numpy as np
from scipy.signal import firwin, kaiserord

from aura.config import IMU_RATE_HZ

PASS_HZ, STOP_HZ, ATTENUATION_DB = 80.0, 120.0, 85.0
BLOCK = 16  # samples that a row of a matrix product gives: few zeros among the taps


@cache
def decimation_taps(factor: int) -> np.ndarray:
    """Kaiser low-pass (odd length, float32, unit gain at 0 Hz) from `factor` times 200 Hz to it."""
    if factor == 1:
        return np.ones(1, np.float32)
    rate_hz = factor * IMU_RATE_HZ
    length, beta = kaiserord(ATTENUATION_DB, (STOP_HZ - PASS_HZ) / (rate_hz / 2))
    taps = firwin(length | 1, (PASS_HZ + STOP_HZ) / 2, window=("kaiser", beta), fs=rate_hz)
    return taps.astype(np.float32)


def padded_length(count: int, factor: int) -> int:
    """Length of what `decimate` makes `count` samples of: whole blocks, and those reached into."""
    return (-(-count // BLOCK) + len(_banded_taps(factor)) - 1) * BLOCK * factor


def decimate(signal: np.ndarray, factor: int) -> np.ndarray:
    """Low-pass and keep each `factor`-th sample, of many blocks of samples in one matrix product.

    Sample k is what the taps make of the samples from k * factor on. They reach from a block into
    the next ones, which is what the products after the first are of.

    Parameters
    ----------
    signal : np.ndarray
        (C, G) float32, G of `padded_length`.
    factor : int
        Samples of `signal` for one of the result.

    Returns
    -------
    np.ndarray
        (C, G / factor) float32; what `padded_length` added means nothing.
    """
    first, *rest = _banded_taps(factor)
    blocks = signal.reshape(-1, len(first))
    out = blocks @ first
    for offset, band in enumerate(rest, 1):
        out[:-offset] += blocks[offset:, : len(band)] @ band
    return out.reshape(len(signal), -1)


@cache
def _banded_taps(factor: int) -> list[np.ndarray]:
    """Taps as a banded matrix (inputs, BLOCK), cut after each block of inputs."""
    taps, width = decimation_taps(factor), BLOCK * factor
    matrix = np.zeros((width - factor + len(taps), BLOCK), np.float32)
    for column in range(BLOCK):
        matrix[column * factor : column * factor + len(taps), column] = taps
    return [matrix[begin : begin + width] for begin in range(0, len(matrix), width)]
