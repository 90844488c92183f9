"""Random changes of sensor windows in training that leave their meaning as it is.

Each is a function of tensors and a generator. B windows hold T IMU samples of 6 channels (three
axes of the accelerometer, three of the gyroscope) and F mocap frames of J joints, at the common
rates of `aura.config`; both start at the same moment. A sensor has all of its axes or none.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Augment
from aura.learning.batches import Batch

AXES = 3  # of a sensor; those of the accelerometer come first
FRAME = IMU_RATE_HZ // MOCAP_RATE_HZ  # samples
GRID = 1024  # positions are rounded to this part of a sample, so that whole shifts stay whole


def augment(batch: Batch, params: Augment, scale: Tensor, generator: torch.Generator) -> Batch:
    """Apply what is on: first time, then space and gain, then noise, last what is hidden.

    Noise comes after interpolation, which would smooth it. What is not valid is zero in a signal
    that is changed or hidden; a tensor that nothing changes is that of `batch`, which itself is
    never changed. Each augmentation draws from a generator of its own, whose seed `generator`
    gives whether it is on or not, so that none changes the numbers of another.

    Parameters
    ----------
    scale : (2, 6) mean and standard deviation of the IMU channels.
    """
    names = list(Augment.model_fields)
    seeds = torch.randint(2**63 - 1, (len(names),), generator=generator)
    draw = {
        name: torch.Generator(batch.imu.device).manual_seed(seed)
        for name, seed in zip(names, seeds.tolist(), strict=True)
    }
    moved = _move(batch, params, draw)
    imu, imu_valid, channels = moved.imu, moved.imu_valid, moved.imu_channels
    mocap, mocap_valid = moved.mocap, moved.mocap_valid
    if params.rotation_deg:
        imu = turn_sensors(imu, params.rotation_deg, draw["rotation_deg"])
    if params.yaw_deg:
        mocap = turn_body(mocap, params.yaw_deg, draw["yaw_deg"])
    if params.scale:
        imu = gain(imu, params.scale, draw["scale"])
        mocap = resize_body(mocap, params.scale, draw["scale"])
    if params.jitter:
        imu = jitter(imu, imu_valid, params.jitter * scale[1], draw["jitter"])
    if params.time_mask:
        imu_valid = hide_span(imu_valid, params.time_mask, draw["time_mask"])
        mocap_valid = hide_span(mocap_valid, params.time_mask, draw["time_mask"])
    if params.drop_joints:
        mocap_valid = drop_joints(mocap_valid, params.drop_joints, draw["drop_joints"])
    if params.drop_sensor:
        channels = drop_sensor(channels, params.drop_sensor, draw["drop_sensor"])
    if not (imu is batch.imu and imu_valid is batch.imu_valid and channels is batch.imu_channels):
        imu = imu.masked_fill(~(imu_valid[..., None] & channels[:, None]), 0)
    if mocap is not batch.mocap or mocap_valid is not batch.mocap_valid:
        mocap = mocap.masked_fill(~mocap_valid[..., None], 0)
    return replace(
        batch, imu=imu, imu_valid=imu_valid, imu_channels=channels,
        mocap=mocap, mocap_valid=mocap_valid,
    )  # fmt: skip


def _move(batch: Batch, params: Augment, draw: dict[str, torch.Generator]) -> Batch:
    """Warp and shift time, of IMU and mocap together, and that of the IMU by `desync_s` more.

    One map of time, in samples of the IMU, serves both: frame f is at sample 20 f.
    """
    if not (params.warp or params.shift_s or params.desync_s):
        return batch
    B, T, frames = len(batch), batch.imu.shape[1], batch.mocap.shape[1]
    count = max(T, FRAME * frames)
    place_BN = torch.arange(count, device=batch.imu.device, dtype=torch.float32).expand(B, -1)
    speed_BN = None
    if params.warp:
        place_BN, speed_BN = warped(place_BN, params.warp, draw["warp"])
    if params.shift_s:
        place_BN = shifted(place_BN, params.shift_s, draw["shift_s"])
    if params.warp or params.shift_s:
        place_BF = place_BN[:, ::FRAME][:, :frames] / FRAME
        mocap, mocap_valid = resample(batch.mocap, batch.mocap_valid, place_BF)
        batch = replace(batch, mocap=mocap, mocap_valid=mocap_valid)
    if params.desync_s:
        place_BN = shifted(place_BN, params.desync_s, draw["desync_s"])
    imu, imu_valid = resample(batch.imu, batch.imu_valid, place_BN[:, :T])
    if speed_BN is not None:
        imu = hasten(imu, speed_BN[:, :T])
    return replace(batch, imu=imu, imu_valid=imu_valid)


def uniform(
    shape: tuple[int, ...], low: float, high: float, like: Tensor, generator: torch.Generator
) -> Tensor:
    """Random numbers in [low, high), float32, on the device of `like`."""
    drawn = torch.rand(shape, generator=generator, device=generator.device)
    return (low + (high - low) * drawn).to(like.device)


def warped(place_BN: Tensor, warp: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Where each of N evenly spaced moments comes from, and the speed of time there.

    The speed swings along a random, slow cosine, of half a period to two over the window, between
    1 and at most 1 + warp times that, or as much less. It is then scaled so that the window's two
    ends stay where they are: nothing leaves it, and no length tells which windows belong together.

    Returns
    -------
    (B, N) positions in samples, and (B, N) samples a sample.
    """
    B = len(place_BN)
    swing_B1 = uniform((B, 1), 0, warp / (2 + warp), place_BN, generator)
    periods_B1 = uniform((B, 1), 0.5, 2, place_BN, generator)
    phase_B1 = uniform((B, 1), 0, 1, place_BN, generator)
    first_B1, last_B1 = place_BN[:, :1], place_BN[:, -1:]
    part_BN = (place_BN - first_B1) / (last_B1 - first_B1)
    angle_BN = 2 * math.pi * (periods_B1 * part_BN + phase_B1)
    per_turn_B1 = swing_B1 / (2 * math.pi * periods_B1)
    passed_BN = part_BN + per_turn_B1 * (angle_BN.sin() - angle_BN[:, :1].sin())
    whole_B1 = passed_BN[:, -1:]
    moved_BN = first_B1 + passed_BN * ((last_B1 - first_B1) / whole_B1)
    moved_BN = torch.minimum(moved_BN, last_B1)  # no rounding error leaves the window
    return moved_BN, (1 + swing_B1 * angle_BN.cos()) / whole_B1


def shifted(place_BN: Tensor, most_s: float, generator: torch.Generator) -> Tensor:
    """Positions (B, N) in samples, moved by up to `most_s` either way, each window by its own."""
    most = most_s * IMU_RATE_HZ
    return place_BN + uniform((len(place_BN), 1), -most, most, place_BN, generator)


def resample(signal: Tensor, valid: Tensor, place_BM: Tensor) -> tuple[Tensor, Tensor]:
    """Linear interpolation in time at positions in samples of the signal.

    Parameters
    ----------
    signal : (B, N, ...) float32; valid : (B, N) or (B, N, J) bool.
    place_BM : (B, M), rounded to 1/1024 of a sample.

    Returns
    -------
    (B, M, ...) with zeros where invalid, and (B, M) or (B, M, J). A moment is invalid outside of
    the signal, and where a neighbour that it takes a share of is.
    """
    B, N = signal.shape[:2]
    at_BM = (place_BM * GRID).round_().div_(GRID)
    inside_BM = (at_BM >= 0) & (at_BM <= N - 1)
    at_BM = at_BM.clamp_(0, N - 1)
    left_BM = at_BM.floor().clamp_(max=max(N - 2, 0))
    share_BM = at_BM - left_BM
    first = torch.arange(B, device=signal.device)[:, None] * N
    left = (left_BM.long() + first).flatten()
    right = left + min(1, N - 1)

    def at(x: Tensor, rows: Tensor) -> Tensor:
        return x.flatten(0, 1).index_select(0, rows).view(B, -1, *x.shape[2:])

    def over(x_BM: Tensor, like: Tensor) -> Tensor:
        return x_BM.view(*x_BM.shape, *[1] * (like.ndim - 2))

    known = (at(valid, left) | over(share_BM == 1, valid)) & (
        at(valid, right) | over(share_BM == 0, valid)
    )
    known &= over(inside_BM, valid)
    moved = torch.lerp(at(signal, left), at(signal, right), over(share_BM, signal))
    return moved.masked_fill_(
        ~known.view(*known.shape, *[1] * (signal.ndim - known.ndim)), 0
    ), known


def hasten(imu: Tensor, speed_BT: Tensor) -> Tensor:
    """Turn rates of time that runs at `speed_BT`: the same angle is covered in less time.

    The accelerometer stays as it is: it measures gravity above all, which no speed changes and
    which cannot be told from the rest, whose own change (by the square) is small beside it.
    """
    return torch.cat([imu[..., :AXES], imu[..., AXES:] * speed_BT[..., None]], dim=-1)


def rotations(count: int, most_deg: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Random rotation matrices (count, 3, 3).

    Below 180 degrees the axis is uniform on the sphere and the angle uniform up to `most_deg`. At
    180 they are uniform on SO(3): four normal numbers are a quaternion without any preferred
    direction, so scaled to length 1 it is uniform on the sphere in four dimensions.
    """
    normal = torch.randn((count, 4), generator=generator, device=generator.device).to(like.device)
    if most_deg < 180:
        half = uniform((count, 1), 0, math.radians(most_deg) / 2, like, generator)
        normal = torch.cat([half.cos(), half.sin() * F.normalize(normal[:, 1:], dim=1)], dim=1)
    w, x, y, z = F.normalize(normal, dim=1).unbind(dim=1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=1).view(count, 3, 3)


def turn_sensors(imu: Tensor, most_deg: float, generator: torch.Generator) -> Tensor:
    """Another mounting of the device: one rotation a window, for both of its sensors."""
    return _turn(imu, rotations(len(imu), most_deg, imu, generator))


def turn_body(mocap: Tensor, most_deg: float, generator: torch.Generator) -> Tensor:
    """Another heading: poses turned about the vertical z by up to `most_deg` either way."""
    most = math.radians(most_deg)
    angle = uniform((len(mocap),), -most, most, mocap, generator)
    turn_B33 = torch.zeros(len(mocap), 3, 3, device=mocap.device)
    turn_B33[:, 0, 0] = turn_B33[:, 1, 1] = angle.cos()
    turn_B33[:, 1, 0], turn_B33[:, 0, 1], turn_B33[:, 2, 2] = angle.sin(), -angle.sin(), 1
    return _turn(mocap, turn_B33)


def _turn(vectors: Tensor, turn_B33: Tensor) -> Tensor:
    """Rotate each three numbers that lie together in (B, ..., 3 n)."""
    return (vectors.reshape(len(vectors), -1, 3) @ turn_B33.transpose(1, 2)).view(vectors.shape)


def gain(imu: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Gain of the accelerometer and of the gyroscope, each within 1 - share and 1 + share."""
    factor_B2 = uniform((len(imu), 2), 1 - share, 1 + share, imu, generator)
    return imu * factor_B2.repeat_interleave(AXES, dim=1)[:, None]


def resize_body(mocap: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Another body size, and with it reach and stride, within 1 - share and 1 + share."""
    return mocap * uniform((len(mocap), 1, 1, 1), 1 - share, 1 + share, mocap, generator)


def jitter(imu: Tensor, valid: Tensor, sd_C: Tensor, generator: torch.Generator) -> Tensor:
    """White noise of standard deviations `sd_C` (6,) on valid samples."""
    noise = torch.randn(imu.shape, generator=generator, device=generator.device).to(imu.device)
    return noise.mul_(sd_C).mul_(valid[..., None]).add_(imu)


def hide_span(valid: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """One piece of the time of (B, N) or (B, N, J) made invalid.

    Its length is uniform from nothing to `share` of N, and so is its place within the window.
    """
    B, N = valid.shape[:2]
    length_B1, start_B1 = uniform((2, B, 1), 0, 1, valid, generator)
    length_B1 = (length_B1 * (int(share * N + 1e-6) + 1)).floor_()
    start_B1 = (start_B1 * (N - length_B1 + 1)).floor_()
    time_N = torch.arange(N, device=valid.device)
    hidden = (time_N >= start_B1) & (time_N < start_B1 + length_B1)
    return valid & ~hidden.view(B, N, *[1] * (valid.ndim - 2))


def drop_sensor(channels: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Hide the accelerometer or the gyroscope of (B, 6), with equal odds, where both are there."""
    B = len(channels)
    hit_B1, which_B1 = uniform((2, B, 1), 0, 1, channels, generator)
    both_B1 = channels.reshape(B, 2, AXES).any(dim=2).all(dim=1, keepdim=True)
    accelerometer_6 = torch.arange(2 * AXES, device=channels.device) < AXES
    return channels & ~((hit_B1 < chance) & both_B1 & ((which_B1 < 0.5) == accelerometer_6))


def drop_joints(valid: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Hide each joint of (B, F, J) for the whole window, by chance."""
    B, _, J = valid.shape
    return valid & (uniform((B, 1, J), 0, 1, valid, generator) >= chance)
