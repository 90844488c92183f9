"""Views of IMU windows that do not depend on how the sensor is mounted, but on which way is down.

B windows hold T samples of 6 channels: three axes of the accelerometer in m/s2 with gravity, three
of the gyroscope in rad/s. Views are in units of about 1: g, and `RATE` of angular rate.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from aura.encoders.spans import fill, hold

G, RATE = 9.80665, 3.0  # m/s2, rad/s
INVARIANTS = (
    "vertical acceleration", "horizontal acceleration", "acceleration", "vertical rate",
    "horizontal rate", "rate", "tilt from the mean", "tilt from the start",
)  # fmt: skip
OF_GYROSCOPE = (3, 4, 5)
"""Which of `INVARIANTS` need a gyroscope."""
_TRACK_S = 1.6  # over which the direction of gravity is averaged


def invariants(imu_BTC: Tensor, rate_hz: float) -> Tensor:
    """`INVARIANTS` of complete windows, (B, T, 8): the same however the sensor is turned.

    Down is the mean of the acceleration over `_TRACK_S` around each moment.

    Parameters
    ----------
    imu_BTC : (B, T, 6) float
        m/s2 and rad/s.
    rate_hz : float
        Samples a second.
    """
    accel, rate = imu_BTC[..., :3] / G, imu_BTC[..., 3:] / RATE
    up = F.normalize(_moving_mean(accel, _TRACK_S, rate_hz), dim=-1, eps=1e-4)
    mean_up = F.normalize(accel.mean(1, keepdim=True), dim=-1, eps=1e-4)

    def parts(vector: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        vertical = (vector * up).sum(-1)
        horizontal = (vector - vertical[..., None] * up).norm(dim=-1)
        return vertical, horizontal, vector.norm(dim=-1)

    a_vertical, a_horizontal, a = parts(accel)
    tilt, tilt_start = ((up * other).sum(-1) for other in (mean_up, up[:, :1]))
    return torch.stack(
        [a_vertical - 1, a_horizontal, a - 1, *parts(rate), _arccos(tilt), _arccos(tilt_start)], -1
    )


def _arccos(cosine: Tensor) -> Tensor:
    return torch.acos(cosine.clamp(-1, 1) * 0.9999)


def _moving_mean(x_BTC: Tensor, seconds: float, rate_hz: float) -> Tensor:
    """Mean over an odd number of samples around each; at the ends the first and last repeat."""
    T = x_BTC.shape[1]
    half = min(round(seconds * rate_hz), T - 1) // 2
    padded = F.pad(x_BTC.transpose(1, 2), (half, half), mode="replicate")
    return F.avg_pool1d(padded, 2 * half + 1, 1).transpose(1, 2)


def level(imu_BTC: Tensor, rate_hz: float, valid_BT: Tensor | None = None) -> Tensor:
    """Windows in a frame that stands still, z up, (B, T, 9).

    The turns since the start are integrated from the gyroscope, and up is the median of the
    acceleration in that frame. The heading is that of the sensor at the start.

    Parameters
    ----------
    imu_BTC : (B, T, 6) float
        m/s2 and rad/s.
    rate_hz : float
        Samples a second.
    valid_BT : (B, T) bool, optional
        What was measured; the rest is filled (`spans.fill`) once it is levelled: turns that were
        mirrored before would go on in place of back.

    Returns
    -------
    (B, T, 9) float
        Acceleration less gravity, angular rate, and where the sensor's x axis points.
    """
    if valid_BT is not None:
        imu_BTC = hold(imu_BTC, valid_BT)
    turns = cumulative_turns(imu_BTC[..., 3:] / rate_hz)
    accel = _rotate(turns, imu_BTC[..., :3] / G)
    rate = _rotate(turns, imu_BTC[..., 3:] / RATE)
    forward = torch.zeros_like(accel)
    forward[..., 0] = 1
    axis = _rotate(turns, forward)
    if valid_BT is not None:
        views = fill(torch.cat([accel, rate, axis], -1), valid_BT)
        accel, rate, axis = views[..., :3], views[..., 3:6], views[..., 6:]
    median = accel.median(1).values
    length = median.norm(dim=-1, keepdim=True)
    up = median / length.clamp(min=1e-4)
    z = torch.zeros_like(up)
    z[:, 2] = 1
    upright = torch.cat([1 + up[:, 2:], torch.linalg.cross(up, z)], -1)  # half-way quaternion
    upright = F.normalize(upright, dim=-1, eps=1e-6)[:, None].expand(-1, accel.shape[1], -1)
    accel = _rotate(upright, accel)
    accel = torch.cat([accel[..., :2], accel[..., 2:] - length[:, None]], -1)
    return torch.cat([accel, _rotate(upright, rate), _rotate(upright, axis)], -1)


def cumulative_turns(steps_BT3: Tensor) -> Tensor:
    """Orientation (B, T, 4) before each step: unit quaternions, w first, of all turns before it.

    A prefix product in log2(T) rounds.

    Parameters
    ----------
    steps_BT3 : (B, T, 3) float
        Turn of each step in the sensor's own frame, rad.
    """
    half = steps_BT3.norm(dim=-1, keepdim=True) / 2
    sine = torch.sinc(half / torch.pi) / 2  # sin(|v| / 2) / |v|
    turns = torch.cat([half.cos(), steps_BT3 * sine], -1)
    identity = torch.zeros_like(turns[:, :1])
    identity[..., 0] = 1
    turns = torch.cat([identity, turns[:, :-1]], 1)
    distance = 1
    while distance < turns.shape[1]:
        turns = torch.cat(
            [turns[:, :distance], _multiply(turns[:, :-distance], turns[:, distance:])], 1
        )
        distance *= 2
    return F.normalize(turns, dim=-1, eps=1e-6)


def _multiply(p: Tensor, q: Tensor) -> Tensor:
    """Product of quaternions (..., 4)."""
    pw, pv, qw, qv = p[..., :1], p[..., 1:], q[..., :1], q[..., 1:]
    w = pw * qw - (pv * qv).sum(-1, keepdim=True)
    return torch.cat([w, pw * qv + qw * pv + torch.linalg.cross(pv, qv)], -1)


def _rotate(q: Tensor, v: Tensor) -> Tensor:
    """Vectors (..., 3) turned by unit quaternions (..., 4)."""
    w, u = q[..., :1], q[..., 1:]
    t = 2 * torch.linalg.cross(u, v)
    return v + w * t + torch.linalg.cross(u, t)
