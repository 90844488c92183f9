"""What a recording holds, as numbers that tell two takes of one recording whatever their names.

A fingerprint is a hash of `RUN` rows in a row, bit by bit. Of each stretch of time the smallest is
kept (winnowing: Schleimer, Wilkerson & Aiken, SIGMOD 2003), so that two takes with a stretch of
`RUN + window - 1` rows in common share one, wherever in either it begins and whatever their clocks.
"""

from collections.abc import Iterable

import numpy as np

RUN = 32  # rows of a fingerprint; of fewer distinct rows than this, all are one
FEWEST = 8  # distinct rows; fewer tell nothing
_WINDOW_S, _MAX_LEVEL = 0.25, 8
# Odd constants for multiplication modulo 2 ** 64 (splitmix64, and the golden ratio).
_MIX = tuple(map(np.uint64, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)))
_BASE = np.uint64(0x9E3779B97F4A7C15)


def fingerprints(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Fingerprints of a signal.

    Rows equal to the one before are left out: a signal that is held or still tells nothing.

    Parameters
    ----------
    values : np.ndarray
        (N, ...) float32 as recorded; NaN is a value like any other.
    rate_hz : float
        Rows a second, more or less: a stretch is a power of two of them.

    Returns
    -------
    np.ndarray
        (K,) uint64, sorted and distinct; some 8 for a second.
    """
    rows = hash_rows(values)
    rows = rows[np.append(True, rows[1:] != rows[:-1])[: len(rows)]]
    if len(rows) < FEWEST:
        return np.empty(0, np.uint64)
    hashes = _mix(_runs(rows, min(RUN, len(rows))))
    level = np.log2(max(1.0, rate_hz * _WINDOW_S)) if np.isfinite(rate_hz) else 0
    for step in (1 << bit for bit in range(min(_MAX_LEVEL, round(level)))):
        if step >= len(hashes):
            break
        hashes = np.minimum(hashes[:-step], hashes[step:])
    # Neighbours share their smallest, so most are gone before the sort.
    return np.unique(hashes[np.append(True, hashes[1:] != hashes[:-1])])


def content_of(tracks: Iterable[tuple[np.ndarray, np.ndarray]], duration_s: float) -> np.ndarray:
    """Fingerprints (K,) uint64 of what was recorded inside a take: times and values of each sensor.

    What lies before and after it is left out, which the take next to it may hold too.
    """
    prints = [np.empty(0, np.uint64)]
    for seconds, values in tracks:
        inside = (seconds >= 0) & (seconds <= duration_s)
        steps = np.abs(np.diff(seconds[inside]))
        steps = steps[steps > 0]
        rate_hz = 1 / np.median(steps) if len(steps) else 1.0
        prints.append(fingerprints(values[inside], rate_hz))
    return np.unique(np.concatenate(prints))


def same_recordings(take: np.ndarray, prints: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of takes that share a fingerprint.

    Parameters
    ----------
    take, prints : np.ndarray
        (K,) number of a take and one of its fingerprints; a take has it once.

    Returns
    -------
    list of (int, int)
        Distinct, the lower number first. Of the takes of one recording each is paired with the next
        one only, so that many copies are few pairs.
    """
    order = np.lexsort((take, prints))
    take, prints = take[order], prints[order]
    again = np.flatnonzero((prints[1:] == prints[:-1]) & (take[1:] != take[:-1]))
    pairs = np.unique(np.stack([take[again], take[again + 1]], axis=1), axis=0)
    return [(int(a), int(b)) for a, b in pairs]


def hash_rows(values: np.ndarray) -> np.ndarray:
    """Hash (N,) uint64 of each row; all NaNs are one, and so are both zeros."""
    width = int(np.prod(values.shape[1:]))
    cells = np.ascontiguousarray(values, np.float32).reshape(len(values), width) + np.float32(0)
    cells[np.isnan(cells)] = np.nan
    bits = cells.view(np.uint32)
    hashes = np.zeros(len(bits), np.uint64)
    for column, factor in zip(bits.T, _powers(bits.shape[1] + 1)[1:], strict=True):
        hashes += column * factor
    return _mix(hashes)


def _runs(rows: np.ndarray, length: int) -> np.ndarray:
    """Hash (N - length + 1,) of each run of rows, by the differences of one cumulative sum.

    It is the sum of row * base ** place, less the place of the run itself: base is odd, so it has
    an inverse modulo 2 ** 64.
    """
    total = np.cumsum(rows * _powers(len(rows)), dtype=np.uint64)
    total = np.append(np.uint64(0), total)
    inverse = np.uint64(pow(int(_BASE), -1, 1 << 64))
    return (total[length:] - total[:-length]) * _powers(len(rows) - length + 1, inverse)


def _powers(count: int, base: np.uint64 = _BASE) -> np.ndarray:
    """(count,) uint64, base ** 0 and on, modulo 2 ** 64."""
    factors = np.full(count, base)
    factors[:1] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: every bit in turns half of the bits out."""
    for shift, factor in zip((30, 27), _MIX, strict=True):
        values = (values ^ (values >> np.uint64(shift))) * factor
    return values ^ (values >> np.uint64(31))
