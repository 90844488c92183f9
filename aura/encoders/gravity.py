"""Views of IMU windows that do not depend on how the sensor is mounted, but on which way is down.

B windows hold T samples of 6 channels: three axes of the accelerometer in m/s2 with gravity, three
of the gyroscope in rad/s. Views are in units of about 1: g, and `RATE` of angular rate.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

G, RATE = 9.80665, 3.0  # m/s2, rad/s
INVARIANTS = (
    "vertical acceleration", "horizontal acceleration", "acceleration", "vertical rate",
    "horizontal rate", "rate", "tilt from the mean", "tilt from the start",
)  # fmt: skip
OF_GYROSCOPE = (3, 4, 5)
"""Which of `INVARIANTS` need a gyroscope."""
_TRACK_S = 1.6  # over which the direction of gravity is averaged


def decimate(imu_BTC: Tensor, valid_BT: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Mean of the valid samples of each `factor` (B, T // factor, 6), and whether there are any."""
    B, T, C = imu_BTC.shape
    steps = T // factor
    mask = valid_BT[:, : steps * factor].reshape(B, steps, factor, 1).to(imu_BTC.dtype)
    x = imu_BTC[:, : steps * factor].reshape(B, steps, factor, C)
    # What is not valid may hold anything, NaN too.
    total = torch.where(mask > 0, x, torch.zeros_like(x)).sum(2)
    count = mask.sum(2)
    return total / count.clamp(min=1), count[..., 0] > 0


def fill(x_BTC: Tensor, valid_BT: Tensor) -> Tensor:
    """Windows without gaps: a gap repeats what is before it, an end that is missing is mirrored.

    A window that is short and padded becomes movement of the same kind for its whole length, whose
    statistics and spectra are those of what was measured.

    Parameters
    ----------
    x_BTC : (B, T, C) float
        Signal.
    valid_BT : (B, T) bool
        What was measured.

    Returns
    -------
    (B, T, C) float
        Zeros where nothing of a window was measured.
    """
    T = valid_BT.shape[1]
    steps = torch.arange(T, device=valid_BT.device).expand_as(valid_BT)
    any_valid = valid_BT.any(1, keepdim=True)
    first = torch.where(valid_BT, steps, T).amin(1, keepdim=True).clamp(max=T - 1)
    last = torch.where(valid_BT, steps, -1).amax(1, keepdim=True)
    span = (last - first).clamp(min=0)
    # Mirrored at both ends of the measured span, as often as it takes.
    period = (2 * span).clamp(min=1)
    offset = (steps - first).remainder(period)
    inside = first + torch.where(offset > span, period - offset, offset)
    before = torch.where(valid_BT, steps, -1).cummax(1).values.clamp(min=0)
    index = before.gather(1, inside.clamp(0, T - 1))
    filled = x_BTC.gather(1, index[..., None].expand(-1, -1, x_BTC.shape[2]))
    return torch.where(any_valid[..., None], filled, torch.zeros_like(filled))


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


def level(imu_BTC: Tensor, rate_hz: float) -> Tensor:
    """Complete windows in a frame that stands still, z up, (B, T, 9).

    The turns since the start are integrated from the gyroscope, and up is the median of the
    acceleration in that frame. The heading is that of the sensor at the start.

    Parameters
    ----------
    imu_BTC : (B, T, 6) float
        m/s2 and rad/s.
    rate_hz : float
        Samples a second.

    Returns
    -------
    (B, T, 9) float
        Acceleration less gravity, angular rate, and where the sensor's x axis points.
    """
    turns = cumulative_turns(imu_BTC[..., 3:] / rate_hz)
    accel = _rotate(turns, imu_BTC[..., :3] / G)
    rate = _rotate(turns, imu_BTC[..., 3:] / RATE)
    forward = torch.zeros_like(accel)
    forward[..., 0] = 1
    axis = _rotate(turns, forward)
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
