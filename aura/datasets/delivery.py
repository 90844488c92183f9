"""The clock of samples whose stamps are when they were delivered, in bursts, and some of them lost.

A sample is taken every period and stamped late, by a time that varies and is never negative. The
earliest stamps of each two seconds lie on the sensor's own clock; where they move up and stay
there, samples were lost on the way.
"""

import numpy as np

_BLOCK_S = 2.0  # longer than the beat of a sensor's period with that of its radio
_OFF_NOMINAL = 0.005, 0.02  # share by which a sensor's period may be another one
_NEAR = 0.1  # of the pairs of blocks, to be believed
_LOST_S = 0.04  # a shorter delay that stays is no loss
_ROUND_UP = 0.25  # of what is lost in one piece: delays vary


def sample_times(
    numbers: np.ndarray, stamps: np.ndarray, nominal_s: float
) -> tuple[np.ndarray, int]:
    """When samples were taken: multiples of one period.

    Parameters
    ----------
    numbers : np.ndarray
        (N,) int64, of each sample that was delivered, increasing.
    stamps : np.ndarray
        (N,) s, when it was.
    nominal_s : float
        The period by the data sheet, s.

    Returns
    -------
    times : np.ndarray
        (N,) s, increasing; from one to the next it is a period, or several where samples are lost.
    lost : int
        How many periods have no sample, but for gaps in `numbers`.
    """
    if len(stamps) < 2:
        return stamps.astype(np.float64), 0
    block = max(1, round(_BLOCK_S / nominal_s))
    period = _period(numbers, stamps, nominal_s, block)
    late = stamps - period * numbers
    # What is delivered later was taken later: no sample is later than the earliest to come.
    floor = np.minimum.accumulate(late[::-1])[::-1]
    floor[-block:] = floor[max(0, len(floor) - block)]  # less than a block tells no loss
    piece = int(np.ceil(_LOST_S / period))  # samples, lost in one piece at least
    lost = piece * np.floor((floor - floor[0]) / (piece * period) + _ROUND_UP).astype(np.int64)
    late -= period * lost
    starts = np.arange(0, max(1, len(late) - block // 2), block)
    origin = float(np.median(np.minimum.reduceat(late, starts)))
    return origin + period * (numbers + lost), int(lost[-1])


def _period(numbers: np.ndarray, stamps: np.ndarray, nominal_s: float, block: int) -> float:
    """Median slope between the earliest stamps of all pairs of blocks (Theil-Sen), s.

    Pairs that are far from the nominal period have a loss between them.
    """
    late = stamps - nominal_s * numbers
    starts = range(0, len(late) - block + 1, block)
    first = np.array([start + int(late[start : start + block].argmin()) for start in starts], int)
    a, b = np.triu_indices(len(first), 1)
    slopes = (stamps[first[b]] - stamps[first[a]]) / (numbers[first[b]] - numbers[first[a]])
    for share in _OFF_NOMINAL:
        near = slopes[np.abs(slopes / nominal_s - 1) <= share]
        if len(near) and len(near) >= _NEAR * len(slopes):
            return float(np.median(near))
    return nominal_s


def pair_numbers(
    first: np.ndarray, first_s: np.ndarray, second: np.ndarray, second_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Samples of two sensors of one chip that were delivered together.

    Each counts its samples, from a number of its own.

    Parameters
    ----------
    first : np.ndarray
        (N,) int64, numbers of the one's samples, increasing.
    first_s : np.ndarray
        (N,) their stamps, s.
    second : np.ndarray
        (M,) int64, those of the other.
    second_s : np.ndarray
        (M,) their stamps, s.

    Returns
    -------
    tuple of np.ndarray
        (P,) rows of `first` and of `second`.
    """
    if not len(first) or not len(second):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    after = np.minimum(np.searchsorted(np.maximum.accumulate(second_s), first_s), len(second) - 1)
    offset = round(float(np.median(second[after] - first)))
    _, rows, others = np.intersect1d(first + offset, second, True, True)
    return rows, others
