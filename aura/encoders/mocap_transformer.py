"""Mocap encoder: a Transformer over frames, or over joints in spans of frames (AURA-MFM, 3)."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from aura import config
from aura.config import MOCAP_RATE_HZ
from aura.config.base import parse_options
from aura.encoders.base import SensorEncoder, Shape
from aura.encoders.transformer import Trunk, TrunkOptions
from aura.schema import JOINTS


class Options(TrunkOptions):
    """What a token is.

    Attributes
    ----------
    tokens : "frames" or "joints"
        A token with all joints for each span of frames, or one for each joint and span.
    velocity : bool
        Add the change of each joint since the frame before.
    frames_per_token : int, optional
        Frames of a span; None is 1 for `frames` and 10 for `joints`.
    """

    tokens: Literal["frames", "joints"] = "frames"
    velocity: bool = True
    frames_per_token: int | None = Field(None, ge=1)


class Encoder(SensorEncoder):
    """Trunk over root- and yaw-normalised poses (`aura.signals.mocap.canonicalize`).

    A token without a measured joint is not attended to.
    """

    modality = "mocap"

    def __init__(self, settings: config.Encoder, shape: Shape) -> None:
        options = parse_options(Options, settings.options, f"encoder {settings.name}")
        size = options.resolve(settings.size)
        span = options.frames_per_token or (10 if options.tokens == "joints" else 1)
        spans = -(-shape.frames // span)
        tokens = spans * (len(JOINTS) if options.tokens == "joints" else 1)
        super().__init__(options.feature_width(size, tokens), shape)
        self.velocity, self.span, self.spans = options.velocity, span, spans
        per_joint = self.span * (7 if options.velocity else 4)
        positions = torch.arange(self.spans)
        self.joint: nn.Parameter | None = None
        if options.tokens == "joints":
            self.joint = nn.Parameter(torch.randn(len(JOINTS), size.width) * 0.02)
            self.embed = nn.Linear(per_joint, size.width)
            positions = positions.repeat_interleave(len(JOINTS))
        else:
            self.embed = nn.Linear(per_joint * len(JOINTS), size.width)
        self.trunk = Trunk(positions, size, options, settings.dropout)

    def features(self, signal: Tensor, valid: Tensor, channels: Tensor | None = None) -> Tensor:
        """Features (B, width) of windows; see `SensorEncoder.features`."""
        values_BFJC = self.values(signal, valid)
        B, frames, J, C = values_BFJC.shape
        padding = self.spans * self.span - frames
        values_BFJC = F.pad(values_BFJC, (0, 0, 0, 0, 0, padding))
        valid_BSFJ = F.pad(valid, (0, 0, 0, padding)).view(B, self.spans, self.span, J)
        if self.joint is None:
            tokens_BLF = values_BFJC.reshape(B, self.spans, -1)
            return self.trunk(self.embed(tokens_BLF), valid_BSFJ.flatten(2).any(dim=2))
        spans_BSJ = values_BFJC.view(B, self.spans, self.span, J, C).transpose(2, 3).flatten(3)
        x_BLD = (self.embed(spans_BSJ) + self.joint).flatten(1, 2)
        return self.trunk(x_BLD, valid_BSFJ.any(dim=2).flatten(1))

    def values(self, pose_BFJ3: Tensor, valid_BFJ: Tensor) -> Tensor:
        """Numbers of each joint: position, mask, and velocity if it is asked for.

        A joint has a velocity where it is valid in the frame and in the one before.

        Parameters
        ----------
        pose_BFJ3 : (B, F, 17, 3) float
            Positions in m.
        valid_BFJ : (B, F, 17) bool
            Which joints were measured.

        Returns
        -------
        (B, F, 17, 4 or 7) float
            m, 0 or 1, m/s; zeros where a joint is not valid.
        """
        mask = valid_BFJ[..., None]
        pose = pose_BFJ3.masked_fill(~mask, 0)
        parts = [pose, mask.to(pose.dtype)]
        if self.velocity:
            velocity = (pose[:, 1:] - pose[:, :-1]) * MOCAP_RATE_HZ
            velocity = velocity.masked_fill(~(mask[:, 1:] & mask[:, :-1]), 0)
            parts.append(F.pad(velocity, (0, 0, 0, 0, 1, 0)))
        return torch.cat(parts, dim=-1)
