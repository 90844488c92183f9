"""Statistics and spectra of complete windows of any signal, in units of about 1.

B windows hold T samples of C channels.
"""

from itertools import pairwise

import torch
from torch import Tensor

PARTS = 5
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BANDS_HZ = (0.2, 0.7, 1.2, 1.7, 2.2, 2.8, 3.6, 5.0, 7.0, 9.5)
_LAGS_S = (0.24, 1.44)  # of the autocorrelation


def statistics(x_BTC: Tensor, rate_hz: float) -> Tensor:
    """What a signal is like, (B, K * C): all C channels of one statistic after the other.

    Parameters
    ----------
    x_BTC : (B, T, C) float
        Signal, in units of about 1.
    rate_hz : float
        Samples a second.
    """
    T = x_BTC.shape[1]
    mean = x_BTC.mean(1)
    ordered = x_BTC.sort(1).values
    found = [mean, x_BTC.std(1), x_BTC.amin(1), x_BTC.amax(1)]
    found += [ordered[:, round(q * (T - 1))] for q in _QUANTILES]
    found.append(x_BTC.diff(dim=1).abs().mean(1) * 5)
    centred = x_BTC - mean[:, None]
    found += _bands(centred, rate_hz)
    found += _autocorrelation(centred, rate_hz)
    for part in x_BTC.tensor_split(PARTS, dim=1):
        found += [part.mean(1), part.std(1, correction=0)]
    stacked = torch.stack(found, 1)
    return squash(stacked).flatten(1)


def squash(x: Tensor) -> Tensor:
    """Logarithm of large values, of either sign; about linear below 0.3."""
    return x.sign() * torch.log1p(3 * x.abs())


def _bands(centred_BTC: Tensor, rate_hz: float) -> list[Tensor]:
    """Logarithm of the power in each band, then each band's share, (B, C) each."""
    T = centred_BTC.shape[1]
    taper = torch.hann_window(T, periodic=False, device=centred_BTC.device)[:, None]
    size = 2 ** (2 * T - 1).bit_length()
    spectrum = torch.fft.rfft(centred_BTC * taper, n=size, dim=1).abs().square()
    power = spectrum * 2 / (taper.square().sum() * size)
    hz = torch.fft.rfftfreq(size, 1 / rate_hz, device=centred_BTC.device)
    edges = [(low, high) for low, high in pairwise(_BANDS_HZ) if low < rate_hz / 2]
    bands = [power[:, (hz >= low) & (hz < high)].sum(1) for low, high in edges]
    total = torch.stack(bands).sum(0).clamp(min=1e-6)
    return [torch.log(band + 1e-5) for band in bands] + [3 * band / total for band in bands]


def _autocorrelation(centred_BTC: Tensor, rate_hz: float) -> list[Tensor]:
    """Largest, smallest, and the lag of the largest (s), within `_LAGS_S`; (B, C) each."""
    T = centred_BTC.shape[1]
    size = 2 ** (2 * T - 1).bit_length()
    power = torch.fft.rfft(centred_BTC, n=size, dim=1).abs().square()
    lags = torch.fft.irfft(power, n=size, dim=1)
    lags = lags / lags[:, :1].clamp(min=1e-6)
    first, last = (round(seconds * rate_hz) for seconds in _LAGS_S)
    some = lags[:, first : max(first + 1, min(last, T - 2))]
    return [some.amax(1), some.amin(1), (first + some.argmax(1)) / rate_hz]
