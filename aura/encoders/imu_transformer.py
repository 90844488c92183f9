"""IMU encoder: a Transformer over overlapping patches of samples (AURA-MFM, section 3.2).

By default 5 s at 200 Hz are 99 patches of 20 samples, 10 apart.
"""

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from aura import config
from aura.config.base import parse_options
from aura.encoders.base import ImuEncoder, Shape
from aura.encoders.transformer import Trunk, TrunkOptions
from aura.errors import AuraError
from aura.schema import IMU_CHANNELS

CHANNELS = len(IMU_CHANNELS)


class Options(TrunkOptions):
    """What a token is.

    Attributes
    ----------
    patch : int
        Samples of a patch.
    stride : int
        Samples from one patch to the next.
    stem : "linear" or "conv"
        How a patch becomes a token: one linear map, or convolutions.
    """

    patch: int = Field(20, ge=1)
    stride: int = Field(10, ge=1)
    stem: Literal["linear", "conv"] = "linear"


class LinearStem(nn.Linear):
    """All samples of a patch at once, by one linear map."""

    def __init__(self, patch: int, stride: int, width: int) -> None:
        super().__init__(patch * CHANNELS, width)
        self.patch, self.stride = patch, stride

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Tokens (B, L, width)."""
        return super().forward(self.patches(x_BTC))

    def patches(self, x_BTC: Tensor) -> Tensor:
        """Patches (B, L, patch * 6).

        Time-major memory makes a patch contiguous: the patches are a strided view, no copy.
        """
        return x_BTC.flatten(1).unfold(1, self.patch * CHANNELS, self.stride * CHANNELS)


class ConvStem(nn.Sequential):
    """Two strided convolutions in place of the linear map.

    Their strides multiply to `stride` and a token sees `patch` samples, so that the tokens, and
    which of them are masked, are those of the linear stem.
    """

    def __init__(self, patch: int, stride: int, width: int) -> None:
        stride1 = max(s for s in range(1, math.isqrt(stride) + 1) if stride % s == 0)
        kernel = stride1 + patch % stride1
        if kernel + stride1 <= patch:
            kernel += stride1  # neighbours overlap
        inner = max(1, width // 2)
        super().__init__(
            nn.Conv1d(CHANNELS, inner, kernel, stride1),
            nn.GroupNorm(math.gcd(4, inner), inner),
            nn.GELU(),
            nn.Conv1d(inner, width, (patch - kernel) // stride1 + 1, stride // stride1),
            nn.GroupNorm(math.gcd(4, width), width),
            nn.GELU(),
        )

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Tokens (B, L, width)."""
        return super().forward(x_BTC.transpose(1, 2)).transpose(1, 2)


class Encoder(ImuEncoder):
    """Stem, and the trunk over its tokens.

    A patch with less than half of its samples valid is not attended to. A channel that a sensor
    lacks reads zero, and adds a learned vector of its own to every token.
    """

    def __init__(self, settings: config.Encoder, shape: Shape) -> None:
        options = parse_options(Options, settings.options, f"encoder {settings.name}")
        size = options.resolve(settings.size)
        if options.stride > options.patch:
            raise AuraError(
                f"Patches of {options.patch} samples that are {options.stride} apart leave "
                "samples out."
            )
        if shape.samples < options.patch:
            raise AuraError(
                f"A window of {shape.samples} IMU samples holds no patch of {options.patch}."
            )
        positions = torch.arange((shape.samples - options.patch) // options.stride + 1)
        super().__init__(options.feature_width(size, len(positions)), shape)
        self.patch, self.stride = options.patch, options.stride
        stem = LinearStem if options.stem == "linear" else ConvStem
        self.stem = stem(self.patch, self.stride, size.width)
        self.missing = nn.Linear(CHANNELS, size.width, bias=False)
        self.trunk = Trunk(positions, size, options, settings.dropout)

    def features(self, signal: Tensor, valid: Tensor, channels: Tensor | None = None) -> Tensor:
        """Features (B, width) of windows; see `SensorEncoder.features`."""
        x_BLD = self.stem(self.standardize(signal, valid, channels))
        if channels is not None:
            x_BLD = x_BLD + self.missing((~channels).to(x_BLD.dtype))[:, None]
        mask_BL = valid.float().unfold(1, self.patch, self.stride).mean(dim=-1) >= 0.5
        return self.trunk(x_BLD, mask_BL)
