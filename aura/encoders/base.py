"""What all sensor encoders share: the protocol, sizes, options and the scaling of IMU channels."""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aura.schema import IMU_CHANNELS

Modality = Literal["imu", "mocap"]


class Size(NamedTuple):
    """Width of features, number of blocks, heads of their attention."""

    width: int
    layers: int
    heads: int


SIZES = {"S": Size(128, 4, 4), "B": Size(256, 6, 8), "L": Size(512, 8, 8)}


@dataclass(frozen=True)
class Shape:
    """Sizes that the data gives: samples and frames of a window, and the teacher's dimension."""

    samples: int
    frames: int
    dim: int


class SensorEncoder(nn.Module):
    """Windows of one sensor to unit vectors of the teacher's space.

    An encoder is one file of this folder with a class `Encoder(settings, shape)` that derives
    from this one, or for IMU from `ImuEncoder`, and defines `features`.
    """

    modality: ClassVar[Modality]

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.width, self.shape = width, shape
        self.project = nn.Linear(width, shape.dim)

    def features(self, signal: Tensor, valid: Tensor, channels: Tensor | None = None) -> Tensor:
        """What a head for another task starts from, (B, width).

        Parameters
        ----------
        signal : IMU (B, T, 6) float, m/s2 and rad/s; or mocap (B, F, 17, 3) float, m.
        valid : (B, T) bool, sample measured; or (B, F, 17) bool, joint measured. What is not
            valid has no influence, whatever `signal` holds there.
        channels : (B, 6) bool, channels that the IMU has; None is all. Mocap ignores it.
        """
        raise NotImplementedError

    def forward(self, signal: Tensor, valid: Tensor, channels: Tensor | None = None) -> Tensor:
        """Unit vectors (B, dim) float32."""
        return F.normalize(self.project(self.features(signal, valid, channels)).float(), dim=-1)


class ImuEncoder(SensorEncoder):
    """An encoder of IMU windows.

    `scale` (2, 6) holds the mean and standard deviation of each channel over the training windows.
    """

    modality = "imu"
    scale: Tensor

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__(width, shape)
        count = len(IMU_CHANNELS)
        self.register_buffer("scale", torch.stack([torch.zeros(count), torch.ones(count)]))

    def scaled(self, imu_BTC: Tensor, valid_BT: Tensor, channels_BC: Tensor | None) -> Tensor:
        """Each channel with mean 0 and deviation 1, (B, T, 6); zeros where there is no value."""
        absent = ~valid_BT[..., None]
        if channels_BC is not None:
            absent = absent | ~channels_BC[:, None]
        return ((imu_BTC - self.scale[0]) / self.scale[1]).masked_fill(absent, 0)
