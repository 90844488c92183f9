"""IMU encoder: 5 s at 200 Hz as 99 overlapping patches of 20 samples, stride 10 (AURA-MFM, 3.2)."""

import torch
from torch import Tensor, nn

from aura.config import Encoder
from aura.encoders.transformer import Trunk

CHANNELS, PATCH, STRIDE = 6, 20, 10


class ImuEncoder(nn.Module):
    """Transformer over patches of time-major samples.

    `scale` holds the mean and standard deviation of each channel over the training windows.
    """

    scale: Tensor

    def __init__(self, samples: int, out: int, size: Encoder) -> None:
        super().__init__()
        self.register_buffer("scale", torch.stack([torch.zeros(CHANNELS), torch.ones(CHANNELS)]))
        self.trunk = Trunk((samples - PATCH) // STRIDE + 1, PATCH * CHANNELS, out, size)

    def forward(self, imu_BTC: Tensor, valid_BT: Tensor) -> Tensor:
        """Unit vectors (B, out).

        Parameters
        ----------
        imu_BTC : (B, T, 6) float32, m/s2 and rad/s; valid_BT : (B, T) bool, sample measured.
            A patch with less than half of its samples is not attended to.
        """
        x_BTC = (imu_BTC - self.scale[0]) / self.scale[1] * valid_BT[..., None]
        # Time-major memory makes a patch contiguous: the patches are a strided view, no copy.
        patches_BLF = x_BTC.flatten(1).unfold(1, PATCH * CHANNELS, STRIDE * CHANNELS)
        keep_BL = valid_BT.float().unfold(1, PATCH, STRIDE).mean(dim=-1) >= 0.5
        return self.trunk(patches_BLF, keep_BL)
