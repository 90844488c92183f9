"""Random changes of time in sensor windows: warps, shifts, and the interpolation they need.

A map of time is a tensor of positions (B, N), in samples: output sample n comes from there.
"""

import math

import torch
from torch import Tensor

from aura.config import IMU_RATE_HZ
from aura.learning.sampling import uniform

_GRID = 1024  # positions are rounded to this part of a sample, so that whole shifts stay whole


def warp_time(
    position_BN: Tensor, strength: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Let time run slower and faster within each window.

    The speed swings along a random, slow cosine, of half a period to two over the window, between
    1 and at most 1 + strength times that, or as much less. It is then scaled so that the window's
    two ends stay where they are: nothing leaves it, and no length tells which windows belong
    together.

    Parameters
    ----------
    position_BN : Tensor
        (B, N) evenly spaced positions, samples.
    strength : float
        How much faster the fastest part may run than the slowest, less 1.
    generator : torch.Generator
        Draws the cosines.

    Returns
    -------
    position_BN : Tensor
        (B, N) where each moment comes from, samples.
    speed_BN : Tensor
        (B, N) the speed of time there.
    """
    B = len(position_BN)
    swing_B1 = uniform((B, 1), 0, strength / (2 + strength), position_BN, generator)
    periods_B1 = uniform((B, 1), 0.5, 2, position_BN, generator)
    phase_B1 = uniform((B, 1), 0, 1, position_BN, generator)
    first_B1, last_B1 = position_BN[:, :1], position_BN[:, -1:]
    fraction_BN = (position_BN - first_B1) / (last_B1 - first_B1)
    angle_BN = 2 * math.pi * (periods_B1 * fraction_BN + phase_B1)
    amplitude_B1 = swing_B1 / (2 * math.pi * periods_B1)
    passed_BN = fraction_BN + amplitude_B1 * (angle_BN.sin() - angle_BN[:, :1].sin())
    total_B1 = passed_BN[:, -1:]
    warped_BN = first_B1 + passed_BN * ((last_B1 - first_B1) / total_B1)
    warped_BN = torch.minimum(warped_BN, last_B1)  # no rounding error leaves the window
    return warped_BN, (1 + swing_B1 * angle_BN.cos()) / total_B1


def shift_time(position_BN: Tensor, max_s: float, generator: torch.Generator) -> Tensor:
    """Positions (B, N) in samples, moved by up to `max_s` either way, each window by its own."""
    limit = max_s * IMU_RATE_HZ
    return position_BN + uniform((len(position_BN), 1), -limit, limit, position_BN, generator)


def resample(signal: Tensor, valid: Tensor, position_BM: Tensor) -> tuple[Tensor, Tensor]:
    """Linear interpolation in time.

    Parameters
    ----------
    signal : Tensor
        (B, N, ...) float32.
    valid : Tensor
        (B, N) or (B, N, J) bool.
    position_BM : Tensor
        (B, M) in samples of the signal, rounded to 1/1024 of one.

    Returns
    -------
    signal : Tensor
        (B, M, ...) float32, zero where invalid.
    valid : Tensor
        (B, M) or (B, M, J) bool. A moment is invalid outside of the signal, and where a neighbour
        of which it takes a share is.
    """
    B, N = signal.shape[:2]
    at_BM = (position_BM * _GRID).round_().div_(_GRID)
    inside_BM = (at_BM >= 0) & (at_BM <= N - 1)
    at_BM = at_BM.clamp_(0, N - 1)
    left_BM = at_BM.floor().clamp_(max=max(N - 2, 0))
    weight_BM = at_BM - left_BM
    offset_B1 = torch.arange(B, device=signal.device)[:, None] * N
    left = (left_BM.long() + offset_B1).flatten()
    right = left + min(1, N - 1)

    def gather(x: Tensor, rows: Tensor) -> Tensor:
        return x.flatten(0, 1).index_select(0, rows).view(B, -1, *x.shape[2:])

    def expand(x: Tensor, like: Tensor) -> Tensor:
        return x.view(*x.shape, *[1] * (like.ndim - x.ndim))

    known = (gather(valid, left) | expand(weight_BM == 1, valid)) & (
        gather(valid, right) | expand(weight_BM == 0, valid)
    )
    known &= expand(inside_BM, valid)
    moved = torch.lerp(gather(signal, left), gather(signal, right), expand(weight_BM, signal))
    return moved.masked_fill_(~expand(known, signal), 0), known
