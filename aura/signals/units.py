"""Units and axes of a recording that cannot be right for a body, and what they look like.

Gravity tells the unit of an accelerometer. The gyroscope's is told by its range, and, of slow
movement, by how far gravity turns in the sensor's axes. Limbs tell the unit of joints, and the way
from knees to head tells up.
"""

from typing import NamedTuple

import numpy as np

from aura.schema import JOINTS

GRAVITY = 9.80665
_MS2 = (3.0, 50.0)  # median norm of the acceleration of a body in m/s2
_ACCEL_UNITS = (("g", 0.5, 2.0, GRAVITY), ("mg", 500.0, 2000.0, GRAVITY / 1000))
_STILL_G = 0.2  # tenth percentile of the norm to its median: less where gravity was taken away
_FAST = 35.0  # rad/s, 2000 degrees a second, the end of a common gyroscope's range
_BLOCK_S = 0.25
_TURN = 0.3  # turns of a block that are large enough to be told, in the gyroscope's unit
_BLOCKS = 3
_TOO_FAR = 8.0  # of the turn that gravity shows; degrees give 57
_QUARTER = 25  # percentile of that: half of the turns of an arm may go to and fro within a block
_LIMBS = tuple(
    (JOINTS.index(f"{side}-{a}"), JOINTS.index(f"{side}-{b}"))
    for side in ("left", "right")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)
_LIMB_M = (0.1, 0.9)  # median length of these
_LENGTH_UNITS = (("cm", 0.01), ("mm", 0.001))
_UPRIGHT = tuple(
    (JOINTS.index(f"{side}-{a}"), JOINTS.index(f"{side}-{b}"))
    for side in ("left", "right")
    for a, b in (("knee", "hip"), ("hip", "shoulder"))
)
_ALONG = 0.8  # cosine to an axis from which on it is taken for up
_AXES = {  # rotations that make it z
    "y up": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "y down": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "x up": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    "x down": ((0, 0, 1), (0, 1, 0), (-1, 0, 0)),
    "z down": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
}


class Suspicion(NamedTuple):
    """What a signal looks like, and the matrix that makes it what is expected.

    Attributes
    ----------
    what : str
        A phrase: "acceleration looks like g".
    channels : slice
        Of the last axis.
    matrix : np.ndarray or None
        (C, C) for these channels; None where nothing is known to cure it.
    """

    what: str
    channels: slice
    matrix: np.ndarray | None


def suspect_imu(times: np.ndarray, values: np.ndarray) -> list[Suspicion]:
    """What of an IMU recording is not in m/s2 and rad/s.

    Parameters
    ----------
    times : np.ndarray
        (N,) s, increasing.
    values : np.ndarray
        (N, 6), acceleration with gravity, then angular rates.
    """
    found: list[Suspicion] = []
    accel, gyro = values[:, :3], values[:, 3:]
    if not len(values):
        return found
    norm = np.linalg.norm(accel, axis=1)
    size = float(np.median(norm))
    if size > 0 and not _MS2[0] <= size <= _MS2[1]:
        steady = float(np.percentile(norm, 10)) > _STILL_G * size
        unit = [u for u in _ACCEL_UNITS if u[1] < size < u[2] and steady]
        what = f"looks like {unit[0][0]}" if unit else "is not that of a body in m/s2"
        cure = np.eye(3) * unit[0][3] if unit else None
        found.append(Suspicion(f"acceleration {what}", slice(0, 3), cure))
    fast = float(np.percentile(np.abs(gyro), 95))
    if np.radians(fast) > _FAST:  # in degrees too: thousandths of them, or a sensor's own counts
        what = "angular rate is not that of a body in rad/s"
        found.append(Suspicion(what, slice(3, 6), None))
    elif gyro.any() and (fast > _FAST or _turns_too_far(times, accel, gyro)):
        cure = np.eye(3) * np.pi / 180
        found.append(Suspicion("angular rate looks like degrees", slice(3, 6), cure))
    return found


def _turns_too_far(times: np.ndarray, accel: np.ndarray, gyro: np.ndarray) -> bool:
    """Whether the gyroscope turns the sensor many times as far as gravity turns in its axes."""
    block = np.floor((times - times[0]) / _BLOCK_S).astype(np.int64)
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    sizes = np.diff(starts, append=len(times))
    down = np.add.reduceat(accel, starts, axis=0) / sizes[:, None]
    rate = np.add.reduceat(gyro, starts, axis=0) / sizes[:, None]
    length = np.linalg.norm(down, axis=1, keepdims=True)
    down = down / np.maximum(length, 1e-9)
    # From the middle of one block to the middle of the next.
    turn = (rate[1:] + rate[:-1]) / 2 * _BLOCK_S
    middle = down[1:] + down[:-1]
    middle /= np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-9)
    across = np.linalg.norm(np.cross(turn, middle), axis=1)
    seen = np.arccos(np.clip((down[1:] * down[:-1]).sum(axis=1), -1, 1))
    use = (np.diff(block[starts]) == 1) & (across > _TURN) & (across < 30 * np.pi)
    if np.count_nonzero(use) < _BLOCKS:
        return False
    ratio = across[use] / np.maximum(seen[use], 1e-3)
    return bool(np.percentile(ratio, _QUARTER, method="lower") > _TOO_FAR)


def suspect_mocap(joints: np.ndarray) -> list[Suspicion]:
    """What of poses is not in metres with z up.

    Parameters
    ----------
    joints : np.ndarray
        (F, 17, 3), NaN where absent.
    """
    found: list[Suspicion] = []
    limbs = np.stack([joints[:, a] - joints[:, b] for a, b in _LIMBS])
    lengths = np.linalg.norm(limbs, axis=2)
    lengths = lengths[np.isfinite(lengths)]
    if len(lengths):
        size = float(np.median(lengths))
        if not _LIMB_M[0] <= size <= _LIMB_M[1]:
            # In cm a limb is 10 to 90 long: what is far from there is neither.
            unit = [u for u in _LENGTH_UNITS if 0.2 <= size * u[1] <= 0.6]
            what = f"look like {unit[0][0]}" if unit else "are not those of a body in metres"
            cure = np.eye(3) * unit[0][1] if unit else None
            found.append(Suspicion(f"joints {what}", slice(0, 3), cure))
    parts = np.stack([joints[:, b] - joints[:, a] for a, b in _UPRIGHT])
    parts = parts[np.isfinite(parts).all(axis=2)]
    if len(parts):
        parts = parts / np.maximum(np.linalg.norm(parts, axis=1, keepdims=True), 1e-9)
        up = np.median(parts, axis=0)
        axis = int(np.abs(up).argmax())
        name = f"{'xyz'[axis]} {'up' if up[axis] > 0 else 'down'}"
        if abs(up[axis]) >= _ALONG and name != "z up":
            what = f"joints look like {name}"
            found.append(Suspicion(what, slice(0, 3), np.array(_AXES[name], float)))
    return found


def cured(values: np.ndarray, suspicions: list[Suspicion]) -> np.ndarray:
    """A copy of values (..., C) in the units and axes that are expected."""
    values = values.copy()
    for _, channels, matrix in suspicions:
        if matrix is not None:
            values[..., channels] = values[..., channels] @ matrix.T.astype(values.dtype)
    return values
