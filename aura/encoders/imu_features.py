"""IMU encoder: statistics and spectra of how a sensor moves, then a small network.

It sees what does not depend on the mounting (`encoders.gravity`), so that it takes a sensor at any
place and turn, and needs little data. Statistics: mean, deviation, extremes, quantiles and
roughness over the window; power in bands; the autocorrelation's extremes; mean and deviation of
each fifth.
"""

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from aura import config
from aura.config import IMU_RATE_HZ
from aura.config.base import Model, parse_options
from aura.encoders.base import SIZES, ImuEncoder, Shape
from aura.encoders.gravity import INVARIANTS, OF_GYROSCOPE, decimate, fill, invariants, level
from aura.errors import AuraError

_FACTOR = 8  # 200 to 25 Hz
_RATE_HZ = IMU_RATE_HZ / _FACTOR
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BANDS_HZ = (0.2, 0.7, 1.2, 1.7, 2.2, 2.8, 3.6, 5.0, 7.0, 9.5)
_PARTS = 5
_LAGS_S = (0.24, 1.44)  # of the autocorrelation
_CLAMP = 4.0  # deviations
_LEVELLED = 9


class Options(Model):
    """What is described, and by how large a network.

    Attributes
    ----------
    view : "invariant", "levelled" or "both"
        `invariant` is the same however the sensor is turned, `levelled` however it is mounted but
        for its heading; see `encoders.gravity`. The latter needs a gyroscope.
    layers : int
        Hidden layers.
    input_dropout : float
        Share of the statistics that is dropped in training.
    """

    view: Literal["invariant", "levelled", "both"] = "invariant"
    layers: int = Field(2, ge=0)
    input_dropout: float = Field(0.1, ge=0, lt=1)


class Encoder(ImuEncoder):
    """Statistics, standardised over the training windows, and fully connected layers.

    Attributes
    ----------
    center, spread : (N,) float32
        Mean and standard deviation of each statistic over the training windows.
    """

    center: Tensor
    spread: Tensor
    of_gyroscope: Tensor

    def __init__(self, settings: config.Encoder, shape: Shape) -> None:
        options = parse_options(Options, settings.options, f"encoder {settings.name}")
        steps = shape.samples // _FACTOR
        if steps < 2 * _PARTS:
            raise AuraError(
                f"A window of {shape.samples} IMU samples is too short for the encoder "
                f"{settings.name}."
            )
        names = (INVARIANTS if options.view != "levelled" else ()) + (
            ("",) * _LEVELLED if options.view != "invariant" else ()
        )
        count = len(statistics(torch.zeros(1, steps, 1), _RATE_HZ)[0]) * len(names)
        width = 2 * SIZES[settings.size].width
        super().__init__(width if options.layers else count + 1, shape)
        self.view = options.view
        of_gyroscope = [
            options.view == "levelled" or i in OF_GYROSCOPE or i >= len(INVARIANTS)
            for i in range(len(names))
        ]
        self.register_buffer("of_gyroscope", torch.tensor(of_gyroscope).repeat(count // len(names)))
        self.register_buffer("center", torch.zeros(count))
        self.register_buffer("spread", torch.ones(count))
        self.input_dropout = nn.Dropout(options.input_dropout)
        layers: list[nn.Module] = []
        inputs = count + 1  # and whether there is a gyroscope
        for _ in range(options.layers):
            layers += [
                nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU(),
                nn.Dropout(settings.dropout),
            ]  # fmt: skip
            inputs = width
        self.layers = nn.Sequential(*layers)

    def describe(self, signal: Tensor, valid: Tensor, channels: Tensor | None) -> Tensor:
        """Statistics (B, N) of windows, not yet standardised."""
        if channels is not None:
            signal = signal.masked_fill(~channels[:, None], 0)
        x = fill(*decimate(signal.float(), valid, _FACTOR))
        views = []
        if self.view != "levelled":
            views.append(invariants(x, _RATE_HZ))
        if self.view != "invariant":
            views.append(level(x, _RATE_HZ))
        return statistics(torch.cat(views, -1), _RATE_HZ)

    @torch.no_grad()
    def fit(self, signal: Tensor, valid: Tensor, channels: Tensor) -> None:
        """Take the statistics' mean and deviation from training windows that have a gyroscope."""
        some = channels.all(1) & valid.any(1)
        if not some.any():
            some = valid.any(1)
        found = self.describe(signal[some], valid[some], channels[some])
        self.center.copy_(found.mean(0))
        self.spread.copy_(found.std(0) + 1e-2)

    def features(self, signal: Tensor, valid: Tensor, channels: Tensor | None = None) -> Tensor:
        """Features (B, width) of windows; see `SensorEncoder.features`."""
        has = torch.ones(len(signal), 1, dtype=torch.bool, device=signal.device)
        if channels is not None:
            has = channels[:, 3:].all(1, keepdim=True)
        with torch.autocast(signal.device.type, enabled=False), torch.no_grad():
            found = self.describe(signal, valid, channels)
            x = ((found - self.center) / self.spread).clamp(-_CLAMP, _CLAMP)
            x = x.masked_fill((self.of_gyroscope & ~has) | ~valid.any(1, keepdim=True), 0)
        return self.layers(torch.cat([self.input_dropout(x), has.to(x.dtype)], 1))


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
    for part in x_BTC.tensor_split(_PARTS, dim=1):
        found += [part.mean(1), part.std(1, correction=0)]
    stacked = torch.stack(found, 1)
    return (stacked.sign() * torch.log1p(3 * stacked.abs())).flatten(1)


def _bands(centred_BTC: Tensor, rate_hz: float) -> list[Tensor]:
    """Logarithm of the power in each band, then each band's share, (B, C) each."""
    T = centred_BTC.shape[1]
    taper = torch.hann_window(T, periodic=False, device=centred_BTC.device)[:, None]
    size = 2 ** (2 * T - 1).bit_length()
    spectrum = torch.fft.rfft(centred_BTC * taper, n=size, dim=1).abs().square()
    power = spectrum * 2 / (taper.square().sum() * size)
    hz = torch.fft.rfftfreq(size, 1 / rate_hz, device=centred_BTC.device)
    edges = pairwise(_BANDS_HZ)
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
