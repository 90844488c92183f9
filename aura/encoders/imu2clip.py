"""Baseline IMU encoder: convolutions and a GRU, as IMU2CLIP has it (Moon et al., 2210.14395).

Group norm of the accelerometer and of the gyroscope, each over its channels and the window; three
convolutions of kernel 10, 5 and 5, dilation 2 and no bias, each followed by a max-pool of 3; group
norm; and the last state of a GRU. Size B has the published 32 channels and state of 512; S has
half and L twice of both. Three things differ: channels are scaled first, so that what is not
valid can be zero, the last state has dropout, and `project` follows it as in every encoder here.
"""

from typing import Literal

from torch import Tensor, nn

from aura import config
from aura.config.base import Model, parse_options
from aura.encoders.base import SIZES, ImuEncoder, Shape
from aura.errors import AuraError
from aura.schema import IMU_CHANNELS

KERNELS, DILATION, POOL = (10, 5, 5), 2, 3


class Options(Model):
    """What the GRU runs over.

    Attributes
    ----------
    recurs : "time" or "channels"
        `time` is the recurrence that the paper describes; `channels` is that of the published code,
        whose convolutions leave channels before time, so that the GRU takes each channel for a step
        and the whole window for its input.
    """

    recurs: Literal["time", "channels"] = "time"


class Encoder(ImuEncoder):
    """Group norm, three convolutions with max-pooling, group norm, GRU."""

    def __init__(self, settings: config.Encoder, shape: Shape) -> None:
        options = parse_options(Options, settings.options, f"encoder {settings.name}")
        state, channels = 2 * SIZES[settings.size].width, SIZES[settings.size].width // 8
        super().__init__(state, shape)
        self.recurs = options.recurs
        steps, inputs, layers = shape.samples, len(IMU_CHANNELS), []
        for kernel in KERNELS:
            steps = (steps - DILATION * (kernel - 1)) // POOL
            layers += [
                nn.Conv1d(inputs, channels, kernel, dilation=DILATION, bias=False),
                nn.MaxPool1d(POOL),
            ]
            inputs = channels
        if steps < 1:
            raise AuraError(
                f"A window of {shape.samples} IMU samples is too short for the encoder imu2clip."
            )
        self.convolve = nn.Sequential(
            nn.GroupNorm(2, len(IMU_CHANNELS)), *layers, nn.GroupNorm(4, channels)
        )
        self.gru = nn.GRU(channels if self.recurs == "time" else steps, state, batch_first=True)
        self.dropout = nn.Dropout(settings.dropout)

    def features(self, signal: Tensor, valid: Tensor, channels: Tensor | None = None) -> Tensor:
        """Features (B, width) of windows; see `SensorEncoder.features`."""
        x_BCT = self.convolve(self.standardize(signal, valid, channels).transpose(1, 2))
        _, state_1BD = self.gru(x_BCT.transpose(1, 2) if self.recurs == "time" else x_BCT)
        return self.dropout(state_1BD[0])
