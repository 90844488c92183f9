"""Joints that a tracker lost and filled in: no measured joint is exactly where these are."""

import numpy as np

AT_ORIGIN = "joint at the origin"
ALL_ALIKE = "joint whose coordinates are one number"
AT_ANOTHER = "joint in the place of another"
FROZEN = "joint that does not move at all"
_STILL_FRAMES = 4  # copies made by a change of frame rate are of 3 at most


def mask_lost(joints: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
    """Joints without those that a tracker wrote for want of better, and how many by reason.

    A joint at the origin itself, where several devices put what they lost, or at -1 or -9999 on all
    axes, whatever their signs, since axes may have been turned; joints of a frame that share one
    place to the last digit; and all but the first of four or more frames in which a joint does not
    move by the last digit.

    Parameters
    ----------
    joints : np.ndarray
        (F, J, 3) in the order of time, NaN where a joint is absent.

    Returns
    -------
    joints : np.ndarray
        The same, or a copy with NaN in place of lost joints.
    counts : dict of str to int
        Joints by reason.
    """
    counts = {}
    for reason, find in _FAULTS.items():
        lost = find(joints)
        if lost.any():
            counts[reason] = int(lost.sum())
            joints = np.where(lost[..., None], joints.dtype.type(np.nan), joints)
    return joints, counts


def _at_origin(joints: np.ndarray) -> np.ndarray:
    found: np.ndarray = (joints == 0).all(axis=2)
    return found


def _alike(joints: np.ndarray) -> np.ndarray:
    x, y, z = np.moveaxis(np.abs(joints), 2, 0)
    found: np.ndarray = (x == y) & (y == z)
    return found


def _shared(joints: np.ndarray) -> np.ndarray:
    found = np.zeros(joints.shape[:2], bool)
    x = np.sort(joints[..., 0], axis=1)
    frames = np.flatnonzero((x[:, 1:] == x[:, :-1]).any(axis=1))  # few: only these in full
    places = joints[frames]
    for joint in range(joints.shape[1]):
        same = (places == places[:, joint, None]).all(axis=2)
        same[:, joint] = False
        found[frames, joint] = same.any(axis=1)
    return found


def _frozen(joints: np.ndarray) -> np.ndarray:
    found = np.zeros(joints.shape[:2], bool)
    copies = (joints[1:] == joints[:-1]).all(axis=2)
    count = len(joints) - _STILL_FRAMES + 1
    if count > 0:
        spans = [copies[k : k + count] for k in range(_STILL_FRAMES - 1)]
        still = np.logical_and.reduce(spans)
        for k in range(1, _STILL_FRAMES):
            found[k : k + count] |= still
    return found


_FAULTS = {AT_ORIGIN: _at_origin, AT_ANOTHER: _shared, ALL_ALIKE: _alike, FROZEN: _frozen}
