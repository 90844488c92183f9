"""Which way a body faces, from its poses, and where it turns around."""

import numpy as np
from scipy.ndimage import uniform_filter1d

from aura.schema import JOINTS

_PAIRS = (("left-hip", "right-hip"), ("left-shoulder", "right-shoulder"))
_SMOOTH_S = 0.3
_TURNING, _SHORTEST_S = 0.9, 0.6  # rad/s, and for how long


def heading_rate(mocap_s: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Rate (T,) of turning about the vertical, rad/s, to the left above 0; NaN where hips hide.

    Parameters
    ----------
    mocap_s : np.ndarray
        (T,) s, rising.
    joints : np.ndarray
        (T, 17, 3) m, z up; NaN where a joint is absent.
    """
    index = [[JOINTS.index(name) for name in pair] for pair in _PAIRS]
    across = sum(joints[:, left, :2] - joints[:, right, :2] for left, right in index)
    seen = np.isfinite(across).all(1)
    rate = np.full(len(joints), np.nan)
    if seen.sum() < 3:
        return rate
    heading = np.unwrap(np.arctan2(across[seen, 1], across[seen, 0]))
    window = max(1, round(_SMOOTH_S / float(np.median(np.diff(mocap_s[seen])))))
    rate[seen] = np.gradient(uniform_filter1d(heading, window), mocap_s[seen])
    return rate


def longest_turn(mocap_s: np.ndarray, joints: np.ndarray) -> tuple[float, float] | None:
    """Begin and end, s, of the longest stretch of turning around; None where there is none."""
    rate = heading_rate(mocap_s, joints)
    turning = np.abs(np.nan_to_num(rate)) > _TURNING
    edges = np.flatnonzero(np.diff(np.concatenate([[0], turning.view(np.int8), [0]])))
    spans = mocap_s[np.minimum(edges, len(mocap_s) - 1)].reshape(-1, 2)
    if not len(spans):
        return None
    begin, end = spans[np.argmax(spans[:, 1] - spans[:, 0])]
    return (float(begin), float(end)) if end - begin >= _SHORTEST_S else None
