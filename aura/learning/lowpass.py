"""Random low-passes of IMU windows: a slow sensor has nothing above half its rate."""

import math

import torch
from torch import Tensor

from aura.config import IMU_RATE_HZ
from aura.learning.sampling import uniform

_ORDER = 4  # of a Butterworth filter, run forwards and backwards


def narrow(imu: Tensor, valid: Tensor, lowest_hz: float, generator: torch.Generator) -> Tensor:
    """Low-pass half of the windows, each below a frequency of its own.

    Parameters
    ----------
    imu : Tensor
        (B, T, 6) float32.
    valid : Tensor
        (B, T) bool.
    lowest_hz : float
        The cut-off is between this and half of `IMU_RATE_HZ`, uniform on a logarithmic scale.
    generator : torch.Generator
        Draws which windows, and their cut-offs.

    Returns
    -------
    Tensor
        (B, T, 6) float32; what is not valid holds no meaning.
    """
    B = len(imu)
    hit_B = uniform((B,), 0, 1, imu, generator) < 0.5
    ends = math.log(lowest_hz), math.log(IMU_RATE_HZ / 2)
    cutoff_B = uniform((B,), *ends, imu, generator).exp()
    return torch.where(hit_B[:, None, None], low_pass(imu, valid, cutoff_B), imu)


def low_pass(imu: Tensor, valid: Tensor, cutoff_hz_B: Tensor) -> Tensor:
    """A Butterworth low-pass without delay, in the frequencies of each whole window.

    Before it, a sample that is not valid is given the value of the last one that is, or of the
    first where none came before, so that no zero leaks into others; the window is mirrored at its
    ends.

    Parameters
    ----------
    imu : Tensor
        (B, T, C) float32.
    valid : Tensor
        (B, T) bool.
    cutoff_hz_B : Tensor
        (B,) where half of the amplitude is left, Hz.

    Returns
    -------
    Tensor
        (B, T, C) float32.
    """
    T = imu.shape[1]
    time_T = torch.arange(T, device=imu.device)
    last_BT = torch.where(valid, time_T, -1).cummax(dim=1).values
    first_B1 = valid.int().argmax(dim=1, keepdim=True)
    from_BT = torch.where(last_BT < 0, first_B1, last_BT)
    filled = imu.gather(1, from_BT[..., None].expand_as(imu))
    spectrum = torch.fft.rfft(torch.cat([filled, filled.flip(1)], dim=1), dim=1)
    frequency_F = torch.fft.rfftfreq(2 * T, 1 / IMU_RATE_HZ, device=imu.device)
    gain_BF = 1 / (1 + (frequency_F / cutoff_hz_B[:, None]) ** (2 * _ORDER))
    return torch.fft.irfft(spectrum * gain_BF[..., None], n=2 * T, dim=1)[:, :T]
