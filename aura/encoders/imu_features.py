"""IMU encoder: statistics and spectra of how a sensor moves, then a small network.

It sees what does not depend on the mounting (`encoders.gravity`), so that it takes a sensor at any
place and turn, and needs little data. Statistics: mean, deviation, extremes, quantiles and
roughness over the window; power in bands; the autocorrelation's extremes; mean and deviation of
each fifth.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from aura import config
from aura.config import IMU_RATE_HZ
from aura.config.base import Model, parse_options
from aura.encoders.base import SIZES, ImuEncoder, Shape
from aura.encoders.gravity import INVARIANTS, OF_GYROSCOPE, invariants, level
from aura.encoders.spans import course, decimate, fill
from aura.encoders.statistics import PARTS, squash, statistics
from aura.errors import AuraError

_FACTOR = 8  # 200 to 25 Hz
_RATE_HZ = IMU_RATE_HZ / _FACTOR
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
    course : int
        Also the views at so many moments over what was measured, however long it took; 0 for none.
    input_dropout : float
        Share of the statistics that is dropped in training.
    """

    view: Literal["invariant", "levelled", "both"] = "invariant"
    layers: int = Field(2, ge=0)
    course: int = Field(0, ge=0)
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
        if steps < 2 * PARTS:
            raise AuraError(
                f"A window of {shape.samples} IMU samples is too short for the encoder "
                f"{settings.name}."
            )
        names = (INVARIANTS if options.view != "levelled" else ()) + (
            ("",) * _LEVELLED if options.view != "invariant" else ()
        )
        count = len(statistics(torch.zeros(1, steps, 1), _RATE_HZ)[0]) + options.course
        count *= len(names)
        width = 2 * SIZES[settings.size].width
        inputs = count + 1  # and whether there is a gyroscope
        projected = width if options.layers else inputs
        super().__init__(projected + (inputs if options.layers else 0), shape, projected)
        self.view, self.course = options.view, options.course
        of_gyroscope = [
            options.view == "levelled" or i in OF_GYROSCOPE or i >= len(INVARIANTS)
            for i in range(len(names))
        ]
        self.register_buffer("of_gyroscope", torch.tensor(of_gyroscope).repeat(count // len(names)))
        self.register_buffer("center", torch.zeros(count))
        self.register_buffer("spread", torch.ones(count))
        self.input_dropout = nn.Dropout(options.input_dropout)
        layers: list[nn.Module] = []
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
        x, measured = decimate(signal.float(), valid, _FACTOR)
        views = []
        if self.view != "levelled":
            views.append(invariants(fill(x, measured), _RATE_HZ))
        if self.view != "invariant":
            views.append(level(x, _RATE_HZ, measured))
        together = torch.cat(views, -1)
        found = statistics(together, _RATE_HZ)
        if not self.course:
            return found
        return torch.cat([found, squash(course(together, measured, self.course)).flatten(1)], 1)

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
        """Features (B, width) of windows; see `SensorEncoder.features`.

        What the layers make of the statistics, then the statistics themselves: training keeps of
        them what its pairs need, and another task may need more.
        """
        has = torch.ones(len(signal), 1, dtype=torch.bool, device=signal.device)
        if channels is not None:
            has = channels[:, 3:].all(1, keepdim=True)
        with torch.autocast(signal.device.type, enabled=False), torch.no_grad():
            found = self.describe(signal, valid, channels)
            x = ((found - self.center) / self.spread).clamp(-_CLAMP, _CLAMP)
            x = x.masked_fill((self.of_gyroscope & ~has) | ~valid.any(1, keepdim=True), 0)
        x = torch.cat([self.input_dropout(x), has.to(x.dtype)], 1)
        return torch.cat([self.layers(x), x], 1) if len(self.layers) else x
