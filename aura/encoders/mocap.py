"""Mocap encoder: 50 frames of 17 joints, each frame a token of positions and its joint mask."""

import torch
from torch import Tensor, nn

from aura.config import Encoder
from aura.encoders.transformer import Trunk
from aura.schema import JOINTS


class MocapEncoder(nn.Module):
    """Transformer over frames of root- and yaw-normalised poses (`aura.mocap.canonicalize`)."""

    def __init__(self, frames: int, out: int, size: Encoder) -> None:
        super().__init__()
        self.trunk = Trunk(frames, len(JOINTS) * 4, out, size)

    def forward(self, pose_BFJ3: Tensor, valid_BFJ: Tensor) -> Tensor:
        """Unit vectors (B, out).

        Parameters
        ----------
        pose_BFJ3 : (B, F, 17, 3) float32, m; valid_BFJ : (B, F, 17) bool, joint measured.
            x, y and z of a joint that was not measured are zero, and its mask says so.
        """
        mask = valid_BFJ[..., None].to(pose_BFJ3.dtype)
        tokens_BFD = torch.cat([(pose_BFJ3 * mask).flatten(2), mask.flatten(2)], dim=-1)
        return self.trunk(tokens_BFD, valid_BFJ.any(dim=-1))
