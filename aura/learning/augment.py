"""Random changes of sensor windows in training that leave their meaning as it is.

Each is a function of tensors and a generator. B windows hold T IMU samples of 6 channels (three
axes of the accelerometer, three of the gyroscope) and F mocap frames of J joints, at the common
rates of `aura.config`; both start at the same moment. A sensor has all of its axes or none.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from aura.config import IMU_RATE_HZ, MOCAP_RATE_HZ, Augment
from aura.learning.batches import Batch
from aura.learning.lowpass import narrow
from aura.learning.rotation import rotate_body, rotate_sensors, turn_sensors
from aura.learning.sampling import uniform
from aura.learning.timewarp import resample, shift_time, warp_time

_AXES = 3  # of a sensor; those of the accelerometer come first
_FRAME = IMU_RATE_HZ // MOCAP_RATE_HZ  # samples
_FIRST = 10  # fields of `Augment` whose seeds come from the common generator itself


def augment(batch: Batch, params: Augment, scale: Tensor, generator: torch.Generator) -> Batch:
    """Apply what is on: first time, then space and gain, then noise, last what is masked.

    Noise comes after interpolation, which would smooth it, and before the bandwidth, which limits a
    sensor's noise too. What is not valid is zero in a signal that is changed or masked; a tensor
    that nothing changes is that of `batch`, which itself is never changed. Each augmentation draws
    from a generator of its own, whose seed `generator` gives whether it is on or not, so that none
    changes the numbers of another.

    Parameters
    ----------
    batch : Batch
        B windows.
    params : Augment
        What is on, and how strong.
    scale : Tensor
        (2, 6) mean and standard deviation of the IMU channels, m/s2 and rad/s.
    generator : torch.Generator
        On the CPU; it moves on by the same whatever is on.

    Returns
    -------
    Batch
        The augmented windows.
    """
    generators = {
        name: torch.Generator(batch.imu.device).manual_seed(seed)
        for name, seed in _seeds(generator).items()
    }
    moved = _change_time(batch, params, generators)
    imu, imu_valid, channels = moved.imu, moved.imu_valid, moved.imu_channels
    mocap, mocap_valid = moved.mocap, moved.mocap_valid
    if params.rotation_deg:
        imu = rotate_sensors(imu, params.rotation_deg, generators["rotation_deg"])
    if params.turn_deg:
        imu = turn_sensors(imu, imu_valid, params.turn_deg, generators["turn_deg"])
    if params.yaw_deg:
        mocap = rotate_body(mocap, params.yaw_deg, generators["yaw_deg"])
    if params.scale:
        imu = gain(imu, params.scale, generators["scale"])
        mocap = scale_body(mocap, params.scale, generators["scale"])
    if params.jitter:
        imu = jitter(imu, imu_valid, params.jitter * scale[1], generators["jitter"])
    if params.bandwidth_hz:
        imu = narrow(imu, imu_valid, params.bandwidth_hz, generators["bandwidth_hz"])
    if params.crop:
        imu_valid, mocap_valid = crop(imu_valid, mocap_valid, params.crop, generators["crop"])
    if params.time_mask:
        imu_valid = mask_span(imu_valid, params.time_mask, generators["time_mask"])
        mocap_valid = mask_span(mocap_valid, params.time_mask, generators["time_mask"])
    if params.drop_joints:
        mocap_valid = drop_joints(mocap_valid, params.drop_joints, generators["drop_joints"])
    if params.drop_sensor:
        channels = drop_sensor(channels, params.drop_sensor, generators["drop_sensor"])
    if params.drop_gyro:
        channels = drop_gyro(channels, params.drop_gyro, generators["drop_gyro"])
    if not (imu is batch.imu and imu_valid is batch.imu_valid and channels is batch.imu_channels):
        imu = imu.masked_fill(~(imu_valid[..., None] & channels[:, None]), 0)
    if mocap is not batch.mocap or mocap_valid is not batch.mocap_valid:
        mocap = mocap.masked_fill(~mocap_valid[..., None], 0)
    return replace(
        batch, imu=imu, imu_valid=imu_valid, imu_channels=channels,
        mocap=mocap, mocap_valid=mocap_valid,
    )  # fmt: skip


def _seeds(generator: torch.Generator) -> dict[str, int]:
    """A seed for each field of `Augment`, by its place among them.

    A field that is added at the end changes no seed of those before it, in this batch or the next:
    those after the first ten are drawn from the last of these.
    """
    names = list(Augment.model_fields)
    seeds = torch.randint(2**63 - 1, (_FIRST,), generator=generator)
    more = torch.randint(
        2**63 - 1,
        (len(names) - _FIRST,),
        generator=torch.Generator().manual_seed(int(seeds[-1])),
    )
    return dict(zip(names, [*seeds.tolist(), *more.tolist()], strict=True))


def _change_time(batch: Batch, params: Augment, generators: dict[str, torch.Generator]) -> Batch:
    """Warp and shift time, of IMU and mocap together, and that of the IMU by `desync_s` more.

    One map of time, in samples of the IMU, serves both: frame f is at sample 20 f.
    """
    if not (params.warp or params.shift_s or params.desync_s):
        return batch
    B, T, frames = len(batch), batch.imu.shape[1], batch.mocap.shape[1]
    count = max(T, _FRAME * frames)
    position_BN = torch.arange(count, device=batch.imu.device, dtype=torch.float32).expand(B, -1)
    speed_BN = None
    if params.warp:
        position_BN, speed_BN = warp_time(position_BN, params.warp, generators["warp"])
    if params.shift_s:
        position_BN = shift_time(position_BN, params.shift_s, generators["shift_s"])
    if params.warp or params.shift_s:
        position_BF = position_BN[:, ::_FRAME][:, :frames] / _FRAME
        mocap, mocap_valid = resample(batch.mocap, batch.mocap_valid, position_BF)
        batch = replace(batch, mocap=mocap, mocap_valid=mocap_valid)
    if params.desync_s:
        position_BN = shift_time(position_BN, params.desync_s, generators["desync_s"])
    imu, imu_valid = resample(batch.imu, batch.imu_valid, position_BN[:, :T])
    if speed_BN is not None:
        imu = scale_turn_rates(imu, speed_BN[:, :T])
    return replace(batch, imu=imu, imu_valid=imu_valid)


def scale_turn_rates(imu: Tensor, speed_BT: Tensor) -> Tensor:
    """Angular rates of time that runs at `speed_BT`: the same angle is covered in less time.

    The accelerometer stays as it is: it measures gravity above all, which no speed changes and
    which cannot be told from the rest, whose own change (by the square) is small beside it.
    """
    return torch.cat([imu[..., :_AXES], imu[..., _AXES:] * speed_BT[..., None]], dim=-1)


def gain(imu: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Gain of the accelerometer and of the gyroscope, each within 1 - strength and 1 + strength."""
    factor_B2 = uniform((len(imu), 2), 1 - strength, 1 + strength, imu, generator)
    return imu * factor_B2.repeat_interleave(_AXES, dim=1)[:, None]


def scale_body(mocap: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Another body size, and with it reach and step, within 1 - strength and 1 + strength."""
    return mocap * uniform((len(mocap), 1, 1, 1), 1 - strength, 1 + strength, mocap, generator)


def jitter(imu: Tensor, valid: Tensor, std_C: Tensor, generator: torch.Generator) -> Tensor:
    """White noise of standard deviations `std_C` (6,) on valid samples."""
    noise = torch.randn(imu.shape, generator=generator, device=generator.device).to(imu.device)
    return noise.mul_(std_C).mul_(valid[..., None]).add_(imu)


def mask_span(valid: Tensor, max_fraction: float, generator: torch.Generator) -> Tensor:
    """One span of the time of (B, N) or (B, N, J) made invalid.

    Its length is uniform from nothing to `max_fraction` of N, and so is its place in the window.
    """
    B, N = valid.shape[:2]
    length_B1, start_B1 = uniform((2, B, 1), 0, 1, valid, generator)
    length_B1 = (length_B1 * (int(max_fraction * N + 1e-6) + 1)).floor_()
    start_B1 = (start_B1 * (N - length_B1 + 1)).floor_()
    time_N = torch.arange(N, device=valid.device)
    masked = (time_N >= start_B1) & (time_N < start_B1 + length_B1)
    return valid & ~masked.view(B, N, *[1] * (valid.ndim - 2))


def crop(
    imu_valid: Tensor, mocap_valid: Tensor, most: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Keep one piece of the time in which something is valid, of IMU and mocap alike.

    Parameters
    ----------
    imu_valid : Tensor
        (B, T) bool.
    mocap_valid : Tensor
        (B, F, J) bool.
    most : float
        The piece is between 1 - `most` and all of that time, and lies anywhere in it.
    generator : torch.Generator
        Draws lengths and places.

    Returns
    -------
    imu_valid : Tensor
        (B, T) bool.
    mocap_valid : Tensor
        (B, F, J) bool.
    """
    (B, T), frames = imu_valid.shape, mocap_valid.shape[1]
    some_BN = mocap_valid.any(dim=2).repeat_interleave(_FRAME, dim=1)
    count = max(T, some_BN.shape[1])
    some_BN = F.pad(some_BN, (0, count - some_BN.shape[1]))
    some_BN = some_BN | F.pad(imu_valid, (0, count - T))
    passed_BN = some_BN.cumsum(dim=1)
    total_B1 = passed_BN[:, -1:]
    share_B1, start_B1 = uniform((2, B, 1), 0, 1, imu_valid, generator)
    length_B1 = (total_B1 * (1 - most * share_B1)).ceil()
    start_B1 = (start_B1 * (total_B1 - length_B1 + 1)).floor()
    kept_BN = (passed_BN > start_B1) & (passed_BN <= start_B1 + length_B1) & some_BN
    return imu_valid & kept_BN[:, :T], mocap_valid & kept_BN[:, ::_FRAME][:, :frames, None]


def drop_sensor(channels: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Mask the accelerometer or the gyroscope of (B, 6), with equal odds, where it has both."""
    B = len(channels)
    hit_B1, which_B1 = uniform((2, B, 1), 0, 1, channels, generator)
    both_B1 = channels.reshape(B, 2, _AXES).any(dim=2).all(dim=1, keepdim=True)
    accelerometer_6 = torch.arange(2 * _AXES, device=channels.device) < _AXES
    return channels & ~((hit_B1 < probability) & both_B1 & ((which_B1 < 0.5) == accelerometer_6))


def drop_gyro(channels: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Mask the gyroscope of (B, 6), as of a cheap device, where there is an accelerometer."""
    hit_B1 = uniform((len(channels), 1), 0, 1, channels, generator) < probability
    has_B1 = channels[:, :_AXES].any(dim=1, keepdim=True)
    gyroscope_6 = torch.arange(2 * _AXES, device=channels.device) >= _AXES
    return channels & ~(hit_B1 & has_B1 & gyroscope_6)


def drop_joints(valid: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Mask each joint of (B, F, J) for the whole window, with this probability."""
    B, _, J = valid.shape
    return valid & (uniform((B, 1, J), 0, 1, valid, generator) >= probability)
