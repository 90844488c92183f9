"""Where in a recording somebody moves: bursts of movement between stretches of rest."""

import numpy as np
from scipy.ndimage import uniform_filter1d

_TREND_S, _SMOOTH_S = 0.52, 1.0  # over which acceleration is steady, and activity is averaged
_LEAST, _SHARE = 0.25, 0.22  # of activity that is movement: at least, and of the strongest
_JOIN_S, _SHORTEST_S = 0.6, 0.4


def activity(imu: np.ndarray, rate_hz: float) -> np.ndarray:
    """How much is going on at each sample, (N,).

    Parameters
    ----------
    imu : np.ndarray
        (N, 6) m/s2 and rad/s.
    rate_hz : float
        Samples a second.

    Returns
    -------
    np.ndarray
        Root of the mean over a second of half the acceleration's deviation from its trend, squared,
        and of the angular rate squared.
    """
    accel, rate = np.asarray(imu[:, :3], float), np.asarray(imu[:, 3:], float)
    trend = uniform_filter1d(accel, _odd(_TREND_S * rate_hz), axis=0, mode="nearest")
    power = ((accel - trend) ** 2).sum(1) / 4 + (rate**2).sum(1)
    smooth = uniform_filter1d(power, _odd(_SMOOTH_S * rate_hz), mode="constant")
    return np.sqrt(np.maximum(smooth, 0))


def bursts(level: np.ndarray, rate_hz: float) -> np.ndarray:
    """First sample and end of each burst of movement, (K, 2) int64, in order.

    Parameters
    ----------
    level : np.ndarray
        (N,) of `activity`.
    rate_hz : float
        Samples a second.
    """
    if not len(level):
        return np.empty((0, 2), np.int64)
    moving = level > max(_LEAST, _SHARE * float(np.percentile(level, 98)))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], moving.view(np.int8), [0]]))).reshape(-1, 2)
    if len(edges):
        apart = edges[1:, 0] - edges[:-1, 1] >= _JOIN_S * rate_hz
        first = np.append(True, apart)
        edges = np.stack([edges[first, 0], edges[np.append(apart, True), 1]], 1)
    return edges[edges[:, 1] - edges[:, 0] >= _SHORTEST_S * rate_hz]


def around_two(moves_s: np.ndarray, end_s: float, margin_s: float) -> list[tuple[float, float]]:
    """Spans of rest, movement, rest and movement of a recording of two bursts, s.

    Parameters
    ----------
    moves_s : np.ndarray
        (2, 2) begin and end of both, s.
    end_s : float
        Of the recording.
    margin_s : float
        By which movements begin earlier and end later than their bursts.
    """
    (a, b), (c, d) = moves_s.tolist()
    return [
        (0.0, a - margin_s),
        (max(0.0, a - margin_s), b + margin_s),
        (b + margin_s, c - margin_s),
        (c - margin_s, min(end_s, d + margin_s)),
    ]


def _odd(samples: float) -> int:
    return 2 * round(samples / 2) + 1
