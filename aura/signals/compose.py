"""One recording out of two of the same sensor: what it measures goes on as in another one.

The second is turned so that gravity, as it begins, points where it did as the first ended; over a
short fade the first gives way to the second. Acceleration and angular rate turn by one rotation.
What was measured before the fade stays as it is, and nothing behind it is interpolated.
"""

from typing import NamedTuple

import numpy as np

FADE_S = 0.24
_ENDS_S, _BEGINS_S = 0.52, 0.32  # over which acceleration is averaged to tell gravity
_LEAST = 2.0  # m/s2 of that mean: of a sensor that falls it tells no direction
_ROUNDING_S = 1e-6  # of stamps
_HOLE = 2.5  # periods between samples at the seam


class Samples(NamedTuple):
    """What an IMU measured.

    Attributes
    ----------
    time_s : np.ndarray
        (N,) s, increasing.
    imu : np.ndarray
        (N, 6) m/s2 and rad/s; NaN throughout in a channel that the IMU has not.
    ok : np.ndarray
        (N,) bool, samples that are valid.
    saturated : np.ndarray
        (N,) bool, samples at the end of the range.
    """

    time_s: np.ndarray
    imu: np.ndarray
    ok: np.ndarray
    saturated: np.ndarray

    def between(self, begin_s: float, end_s: float) -> "Samples":
        """Those from `begin_s` on and before `end_s`."""
        inside = (self.time_s >= begin_s) & (self.time_s < end_s)
        return Samples(*(column[inside] for column in self))


def join(before: Samples, after: Samples) -> Samples | str:
    """What is measured where `before` goes over into `after`.

    Parameters
    ----------
    before, after : Samples
        Of one sensor, each on a clock of its own.

    Returns
    -------
    Samples or str
        On the clock of `before`; or why there are none, a fixed phrase.
    """
    if min(_length(before), _length(after)) < max(_ENDS_S, _BEGINS_S):
        return "parts of a composition are too short"
    end_s = float(before.time_s[-1])
    first = int(np.searchsorted(before.time_s, end_s - FADE_S - _ROUNDING_S))
    begin_s = float(before.time_s[first])
    if begin_s == end_s:
        return "parts of a composition are too short"
    after = after._replace(time_s=after.time_s - after.time_s[0] + begin_s)
    period = float(np.median(np.diff(after.time_s)))
    tail, head = before.between(end_s - _ENDS_S, np.inf), after.between(-np.inf, end_s + period)
    if max(np.diff(tail.time_s).max(), np.diff(head.time_s).max()) > _HOLE * period:
        return "samples are lost at a composition's seam"
    down = [_gravity(tail), _gravity(after.between(-np.inf, begin_s + _BEGINS_S))]
    if not all(np.linalg.norm(mean) >= _LEAST for mean in down):  # NaN is none either
        return "gravity is not seen at a composition's seam"
    turn = rotation_between(down[1], down[0])
    turned = np.concatenate([after.imu[:, :3] @ turn.T, after.imu[:, 3:] @ turn.T], axis=1)
    fade_s = before.time_s[first:]
    weight = ((fade_s - begin_s) / (end_s - begin_s))[:, None]
    coming = np.stack([np.interp(fade_s, after.time_s, column) for column in turned.T], axis=1)
    nearest = np.abs(fade_s[:, None] - head.time_s).argmin(axis=1)
    rest = after.time_s > end_s + period / 2
    return Samples(
        np.concatenate([before.time_s, after.time_s[rest]]),
        np.concatenate(
            [before.imu[:first], before.imu[first:] * (1 - weight) + coming * weight, turned[rest]]
        ).astype(np.float32),
        np.concatenate(
            [before.ok[:first], before.ok[first:] & head.ok[nearest], after.ok[rest]]
        ),
        np.concatenate(
            [
                before.saturated[:first],
                before.saturated[first:] | head.saturated[nearest],
                after.saturated[rest],
            ]
        ),
    )  # fmt: skip


def rotation_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The smallest rotation (3, 3) that takes the direction `start` to that of `end`.

    Of opposite ones it is a half turn about some axis across them.
    """
    a, b = (np.asarray(v, float) / np.linalg.norm(v) for v in (start, end))
    cosine = float(a @ b)
    if cosine < -1 + 1e-6:
        across = np.cross(a, np.eye(3)[np.abs(a).argmin()])
        across /= np.linalg.norm(across)
        half: np.ndarray = 2 * np.outer(across, across) - np.eye(3)
        return half
    x, y, z = np.cross(a, b)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn: np.ndarray = np.eye(3) + cross + cross @ cross / (1 + cosine)
    return turn


def _gravity(samples: Samples) -> np.ndarray:
    """Mean acceleration (3,) of what is valid; NaN where nothing is."""
    usable = samples.imu[samples.ok, :3].astype(float)
    usable = usable[np.isfinite(usable).all(axis=1)]
    mean: np.ndarray = usable.mean(axis=0) if len(usable) else np.full(3, np.nan)
    return mean


def _length(samples: Samples) -> float:
    return float(samples.time_s[-1] - samples.time_s[0]) if len(samples.time_s) > 1 else 0.0
