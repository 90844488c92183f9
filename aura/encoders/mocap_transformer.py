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

    `frames` is a token with all joints for each span of `frames_per_token` frames, 1 where it is
    null; `joints` one for each joint and span, of 10 frames where it is null. `velocity` adds the
    change of each joint since the frame before.
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
        super().__init__(options.features(size, tokens), shape)
        self.velocity, self.span, self.spans = options.velocity, span, spans
        per_joint = self.span * (7 if options.velocity else 4)
        places = torch.arange(self.spans)
        self.joint: nn.Parameter | None = None
        if options.tokens == "joints":
            self.joint = nn.Parameter(torch.randn(len(JOINTS), size.width) * 0.02)
            self.embed = nn.Linear(per_joint, size.width)
            places = places.repeat_interleave(len(JOINTS))
        else:
            self.embed = nn.Linear(per_joint * len(JOINTS), size.width)
        self.trunk = Trunk(places, size, options, settings.dropout)

    def features(self, signal: Tensor, valid: Tensor, channels: Tensor | None = None) -> Tensor:
        """Features (B, width) of windows; see `SensorEncoder.features`."""
        values_BFJC = self.values(signal, valid)
        B, frames, J, C = values_BFJC.shape
        short = self.spans * self.span - frames
        values_BFJC = F.pad(values_BFJC, (0, 0, 0, 0, 0, short))
        seen_BSFJ = F.pad(valid, (0, 0, 0, short)).view(B, self.spans, self.span, J)
        if self.joint is None:
            tokens_BLF = values_BFJC.reshape(B, self.spans, -1)
            return self.trunk(self.embed(tokens_BLF), seen_BSFJ.flatten(2).any(dim=2))
        spans_BSJ = values_BFJC.view(B, self.spans, self.span, J, C).transpose(2, 3).flatten(3)
        x_BLD = (self.embed(spans_BSJ) + self.joint).flatten(1, 2)
        return self.trunk(x_BLD, seen_BSFJ.any(dim=2).flatten(1))

    def values(self, pose_BFJ3: Tensor, valid_BFJ: Tensor) -> Tensor:
        """Position in m, mask, and with `velocity` m/s, (B, F, 17, 4 or 7); zeros where unseen.

        A joint has a velocity where it is seen in the frame and in the one before.
        """
        mask = valid_BFJ[..., None]
        pose = pose_BFJ3.masked_fill(~mask, 0)
        parts = [pose, mask.to(pose.dtype)]
        if self.velocity:
            moved = (pose[:, 1:] - pose[:, :-1]) * MOCAP_RATE_HZ
            moved = moved.masked_fill(~(mask[:, 1:] & mask[:, :-1]), 0)
            parts.append(F.pad(moved, (0, 0, 0, 0, 1, 0)))
        return torch.cat(parts, dim=-1)
