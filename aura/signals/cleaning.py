"""Samples of an IMU in order of time, without those that are none or of no certain time."""

from dataclasses import dataclass, field

import numpy as np

from aura.config import IMU_RATE_HZ
from aura.signals.clock import overlapped, repeated

_COARSE = 0.2  # share of samples with the stamp of another beyond which stamps tell no time
_ON_GRID = 1e-3  # share of a step of the grid by which stamps may miss it


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
    noted : dict of str to int
        What was mended without a loss: samples that came out of order.
    """

    times: np.ndarray
    values: np.ndarray
    dropped: dict[str, int]
    kept: np.ndarray
    noted: dict[str, int] = field(default_factory=dict)


def clean(times: np.ndarray, values: np.ndarray, ok: np.ndarray, gap_s: float = 0.02) -> Cleaned:
    """Drop samples that are invalid, not finite, duplicate or of no certain time; sort the others.

    Where the clock was set back, all samples of the overlap go; where many share their stamps, so
    that these are coarser than 200 Hz, all go, and so do all where most do.

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
    dropped = {
        "sample flagged invalid": int((~ok).sum()),
        "sample not finite": int((ok & ~finite).sum()),
    }
    keep = ok & finite
    zero = _zeros(values)
    # A sensor that has no accelerometer has zeros there all along; one that lost it has not.
    accel_zero = _zeros(values[:, :3]) if (values[keep, :3] != 0).any() else zero
    for reason, lost in (("sample all zero", zero), ("sample without acceleration", accel_zero)):
        dropped[reason] = int((keep & lost).sum())
        keep &= ~lost
    kept = np.flatnonzero(keep)
    steps = np.diff(times[kept])
    noted = {"sample out of order": int((steps < 0).sum())} if (steps < 0).any() else {}
    if (steps <= 0).any():
        again = repeated(times[kept], values[kept])
        dropped["sample duplicated"] = int(again.sum())
        kept = kept[~again]
        overlap = overlapped(times[kept], gap_s)
        dropped["sample where the clock steps back"] = int(overlap.sum())
        kept = kept[~overlap]
        kept = kept[np.argsort(times[kept], kind="stable")]
        distinct = np.diff(times[kept], prepend=-np.inf) > 0
        shared, kept_of = int((~distinct).sum()), kept[distinct]
        reason, none = "sample with the stamp of another", True
        if shared > _COARSE * len(kept) and _on_coarse_grid(times[kept_of]):
            reason = "stamps have too few digits"
        elif shared > len(kept_of) > 1 and np.median(np.diff(times[kept_of])) > 1 / IMU_RATE_HZ:
            reason = "stamps are those of batches of samples"
        else:
            none = False
        dropped[reason] = len(kept) if none else shared
        kept = kept_of[:0] if none else kept_of
    dropped = {reason: n for reason, n in dropped.items() if n}
    return Cleaned(times[kept], values[kept], dropped, kept, noted)


def _zeros(values: np.ndarray) -> np.ndarray:
    """Samples (N,) in a run of three or more that are 0 on all axes, which no sensor measures."""
    zero: np.ndarray = (values == 0).all(axis=1)
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
