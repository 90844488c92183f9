"""What all sensor encoders share: the protocol, sizes, options and the scaling of IMU channels."""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aura.schema import IMU_CHANNELS

Modality = Literal["imu", "mocap"]


class Size(NamedTuple):
    """Size of a trunk.

    Attributes
    ----------
    width : int
        Numbers of a token.
    layers : int
        Blocks.
    heads : int
        Heads of their attention.
    """

    width: int
    layers: int
    heads: int


SIZES = {"S": Size(128, 4, 4), "B": Size(256, 6, 8), "L": Size(512, 8, 8)}


@dataclass(frozen=True)
class Shape:
    """Sizes that the data gives.

    Attributes
    ----------
    samples : int
        IMU samples of a window.
    frames : int
        Mocap frames of a window.
    dim : int
        Dimension of the teacher's space.
    """

    samples: int
    frames: int
    dim: int


class SensorEncoder(nn.Module):
    """Windows of one sensor to unit vectors of the teacher's space.

    An encoder is one file of this folder with a class `Encoder(settings, shape)` that derives
    from this one, or for IMU from `ImuEncoder`, and defines `features`.

    Parameters
    ----------
    width : int
        Numbers that `features` gives.
    shape : Shape
        Sizes that the data gives.
    projected : int, optional
        How many of them, the first, the vectors are made of; all by default. The others are for
        heads alone.
    """

    modality: ClassVar[Modality]

    def __init__(self, width: int, shape: Shape, projected: int | None = None) -> None:
        super().__init__()
        self.width, self.shape = width, shape
        self.project = nn.Linear(projected or width, shape.dim)

    def fit(self, signal: Tensor, valid: Tensor, channels: Tensor) -> None:
        """Take from training windows what is no weight, such as their mean and deviation.

        Parameters
        ----------
        signal, valid, channels : Tensor
            As for `features`.
        """

    def features(self, signal: Tensor, valid: Tensor, channels: Tensor | None = None) -> Tensor:
        """What a head for another task starts from, (B, width).

        Parameters
        ----------
        signal : (B, T, 6) or (B, F, 17, 3) float
            IMU, m/s2 and rad/s; or mocap, m.
        valid : (B, T) or (B, F, 17) bool
            Which samples or joints were measured. What is not valid has no influence, whatever
            `signal` holds there.
        channels : (B, 6) bool, optional
            Channels that the IMU has; None is all. Mocap ignores it.

        Returns
        -------
        (B, width) float
            Features.
        """
        raise NotImplementedError

    def forward(self, signal: Tensor, valid: Tensor, channels: Tensor | None = None) -> Tensor:
        """Unit vectors (B, dim) float32."""
        features = self.features(signal, valid, channels)[:, : self.project.in_features]
        return F.normalize(self.project(features).float(), dim=-1)


class ImuEncoder(SensorEncoder):
    """An encoder of IMU windows.

    Attributes
    ----------
    scale : (2, 6) float32
        Mean and standard deviation of each channel over the training windows.
    """

    modality = "imu"
    scale: Tensor

    def __init__(self, width: int, shape: Shape, projected: int | None = None) -> None:
        super().__init__(width, shape, projected)
        channels = len(IMU_CHANNELS)
        self.register_buffer("scale", torch.stack([torch.zeros(channels), torch.ones(channels)]))

    def standardize(self, imu_BTC: Tensor, valid_BT: Tensor, channels_BC: Tensor | None) -> Tensor:
        """Each channel with mean 0 and deviation 1, (B, T, 6); zeros where there is no value."""
        missing = ~valid_BT[..., None]
        if channels_BC is not None:
            missing = missing | ~channels_BC[:, None]
        return ((imu_BTC - self.scale[0]) / self.scale[1]).masked_fill(missing, 0)
