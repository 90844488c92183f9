"""A clock that is set back: its stamps are there twice, and two moments lie between each other.

Sorting would interleave them. A late packet also makes a step back, but it fills a hole; where the
clock was set back no hole is left to fill and the stamps lie too close. Which of the two moments a
stamp means is not known, so both are masked.
"""

import numpy as np

from aura.signals.content import hash_rows

_SHUFFLED = 0.1  # share of steps back beyond which the order of the file tells nothing
_AHEAD = 10  # periods; a longer step ahead ends a run of late samples
_HOLE = 2.5  # periods; a longer hole is not bridged
_BURST_S = 0.25  # samples that are delivered late come no further apart
_SET_BACK = 1.9  # periods; a clock set back by less is not told from jitter
_CROWDED = 0.5  # samples too many, as a share of those that have room


def repeated(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Samples that are in the file once more before, stamp and values, (N,) bool.

    Parameters
    ----------
    times : np.ndarray
        (N,) s, finite.
    values : np.ndarray
        (N, ...); NaN equals NaN.
    """
    order = np.argsort(times, kind="stable")
    equal = np.diff(times[order]) == 0
    result = np.zeros(len(times), bool)
    shared = order[np.append(equal, False) | np.append(False, equal)] if len(equal) else order[:0]
    prints, stamps = hash_rows(values[shared]), times[shared]
    order = np.lexsort((prints, stamps))  # stable: the first in the file stays
    again = (np.diff(stamps[order]) == 0) & (np.diff(prints[order]) == 0)
    result[shared[order[1:][again]]] = True
    return result


def overlapped(times: np.ndarray, hole_s: float = 0.0) -> np.ndarray:
    """Samples whose stamp another moment has as well, because the clock was set back.

    Parameters
    ----------
    times : np.ndarray
        (N,) s, finite, in the order of recording, none of them `repeated`.
    hole_s : float
        A shorter overlap is widened to this, so that the hole it leaves is not bridged.

    Returns
    -------
    np.ndarray
        (N,) bool.
    """
    masked, steps = np.zeros(len(times), bool), np.diff(times)
    backward = int(np.count_nonzero(steps < 0))
    if not backward or backward > max(1, _SHUFFLED * len(steps)):
        return masked
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    period = _period(steps, ordered)
    low, high, top = _suspects(times, steps, order, period)
    a, b = np.searchsorted(ordered, low), np.searchsorted(ordered, high, side="right")
    # One step more on either side; where that is a hole, as if it were none.
    edges = np.concatenate([[-np.inf], ordered, [np.inf]])
    left, right = edges[a + 1] - edges[a], edges[b + 1] - edges[b]
    room = (high - low + np.minimum(left, period) + np.minimum(right, period)) / period
    excess = b - a + 1 - room
    crowded = (excess >= _SET_BACK) & (excess >= _CROWDED * room) & (low < top)
    low, high = low[crowded], np.minimum(high + _HOLE * period, np.maximum(top, high))[crowded]
    wider = np.maximum(1.01 * max(hole_s, _HOLE * period) - (high - low), 0) / 2
    begins = np.searchsorted(ordered, low - wider)
    ends = np.searchsorted(ordered, high + wider, side="right")
    depth = np.bincount(begins, minlength=len(times) + 1).astype(int)
    depth -= np.bincount(ends, minlength=len(times) + 1)
    masked[order] = np.cumsum(depth[:-1]) > 0
    return masked


def _period(steps: np.ndarray, ordered: np.ndarray) -> float:
    """Time from one sample to the next, s: what is usual in the file, in bursts on the whole."""
    gaps = np.diff(ordered)
    gaps = gaps[gaps > 0]
    usual = gaps[gaps <= max(_BURST_S, _AHEAD * float(np.median(gaps)))].mean()
    forward = steps[steps > 0]
    return float(max(usual, np.median(forward) if len(forward) else 0))


def _suspects(
    times: np.ndarray, steps: np.ndarray, order: np.ndarray, period: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First and last stamps of what may be an overlap, and the latest stamp before it in the file.

    Samples that come after a later stamp are in rising runs. Suspects are whole runs, and the parts
    of a run that have others' samples between its own.
    """
    top = np.maximum.accumulate(times)[:-1]
    late = times[1:] <= top
    follows = late & np.concatenate([[False], late[:-1]])
    follows &= (steps >= 0) & (steps <= _AHEAD * period)
    begin = np.flatnonzero(late & ~follows)
    end = np.flatnonzero(late & ~np.append(follows[1:], False))
    rank = np.empty(len(times), np.int64)
    rank[order] = np.arange(len(times))
    between = np.diff(rank) - np.maximum(np.rint(steps / period), 1)
    mixed = np.flatnonzero(follows & (between > 0))
    run = np.cumsum(late & ~follows)[mixed]
    if not len(mixed):
        return times[1:][begin], times[1:][end], top[end]
    apart = (np.diff(mixed) > _AHEAD) | (np.diff(run) > 0)
    cuts = np.flatnonzero(apart)
    first, last = mixed[np.append([0], cuts + 1)], mixed[np.append(cuts, [-1])]
    return (
        np.concatenate([times[1:][begin], times[first]]),
        np.concatenate([times[1:][end], times[last + 1]]),
        np.concatenate([top[end], top[last]]),
    )
