"""Mocap encoder: statistics and spectra of how each part of the body moves, then a small network.

Poses are in the person's own frame (`signals.mocap.canonicalize`) and in lengths of the trunk.
Arms and legs are told from shoulder and hip, so that what a part does is the same whatever the
others do. Statistics are those of `encoders.statistics`, of places and of velocities; and the
course over what was measured, however long it took.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from aura import config
from aura.config import MOCAP_RATE_HZ
from aura.config.base import Model, parse_options
from aura.encoders.base import SIZES, SensorEncoder, Shape
from aura.encoders.spans import course, fill, hold
from aura.encoders.statistics import PARTS, squash, statistics
from aura.errors import AuraError
from aura.schema import JOINTS

_VECTORS = tuple(
    [(f"{side}-{end}", f"{side}-{root}")
     for side in ("right", "left")
     for root, end in (("shoulder", "wrist"), ("shoulder", "elbow"), ("hip", "ankle"),
                       ("hip", "knee"))]
    + [("nose", "shoulders"), ("shoulders", "hips"), ("right-shoulder", "left-shoulder"),
       ("hips", "")]
)  # fmt: skip
"""Which joint as seen from which; `hips` and `shoulders` are middles, nothing is the origin."""
_POINTS = tuple(JOINTS.index(name) for name in (
    "nose", "left-shoulder", "right-shoulder", "left-elbow", "right-elbow", "left-wrist",
    "right-wrist", "left-hip", "right-hip", "left-knee", "right-knee", "left-ankle", "right-ankle",
))  # fmt: skip
_NAMES = [JOINTS[i] for i in _POINTS]
_SPEED = 0.3  # of velocities, lengths a second, to units of about 1
_TRUNK = (0.2, 1.0)  # m, that a trunk is taken to have at least and at most
_CLAMP = 4.0  # deviations


class Options(Model):
    """What is described, and by how large a network.

    Attributes
    ----------
    layers : int
        Hidden layers; without any the encoder is a linear map of the statistics.
    course : int
        Moments of the course; 0 for none.
    input_dropout : float
        Share of the statistics that is dropped in training.
    """

    layers: int = Field(2, ge=0)
    course: int = Field(16, ge=0)
    input_dropout: float = Field(0.1, ge=0, lt=1)


class Encoder(SensorEncoder):
    """Statistics, standardised over the training windows, and fully connected layers.

    Attributes
    ----------
    center, spread : (N,) float32
        Mean and standard deviation of each statistic over the training windows.
    """

    modality = "mocap"
    center: Tensor
    spread: Tensor

    def __init__(self, settings: config.Encoder, shape: Shape) -> None:
        options = parse_options(Options, settings.options, f"encoder {settings.name}")
        if shape.frames < 2 * PARTS:
            raise AuraError(
                f"A window of {shape.frames} mocap frames is too short for the encoder "
                f"{settings.name}."
            )
        channels = 3 * len(_VECTORS)
        each = len(statistics(torch.zeros(1, shape.frames, 1), MOCAP_RATE_HZ)[0])
        count = channels * (2 * each + options.course)
        width = 2 * SIZES[settings.size].width
        projected = width if options.layers else count
        super().__init__(projected + (count if options.layers else 0), shape, projected)
        self.course = options.course
        self.register_buffer("center", torch.zeros(count))
        self.register_buffer("spread", torch.ones(count))
        self.input_dropout = nn.Dropout(options.input_dropout)
        layers: list[nn.Module] = []
        inputs = count
        for _ in range(options.layers):
            layers += [
                nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU(),
                nn.Dropout(settings.dropout),
            ]  # fmt: skip
            inputs = width
        self.layers = nn.Sequential(*layers)

    def describe(self, pose: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Statistics (B, N) of windows, not yet standardised, and which of them (B, N) are known.

        A vector between joints of which one was never measured in the window is not.
        """
        places, known = vectors(pose.float(), valid)
        frames = valid[:, :, _POINTS].any(2)
        filled = fill(places, frames)
        velocity = filled.diff(dim=1) * MOCAP_RATE_HZ * _SPEED
        velocity = torch.cat([velocity[:, :1], velocity], 1)
        found = [statistics(x, MOCAP_RATE_HZ) for x in (filled, velocity)]
        if self.course:
            found.append(squash(course(places, frames, self.course)).flatten(1))
        together = torch.cat(found, 1)
        return together, known.repeat(1, together.shape[1] // known.shape[1])

    @torch.no_grad()
    def fit(self, signal: Tensor, valid: Tensor, channels: Tensor) -> None:
        """Take each statistic's mean and deviation from the training windows that have it."""
        found, known = self.describe(signal, valid)
        count = known.sum(0)
        mean = found.where(known, 0).sum(0) / count.clamp(min=1)
        square = (found - mean).square().where(known, 0).sum(0) / (count - 1).clamp(min=1)
        self.center.copy_(mean)
        self.spread.copy_(square.sqrt() + 1e-2)

    def features(self, signal: Tensor, valid: Tensor, channels: Tensor | None = None) -> Tensor:
        """Features (B, width) of windows; see `SensorEncoder.features`.

        What the layers make of the statistics, then the statistics themselves, for heads.
        """
        with torch.autocast(signal.device.type, enabled=False), torch.no_grad():
            found, known = self.describe(signal, valid)
            x = ((found - self.center) / self.spread).clamp(-_CLAMP, _CLAMP)
            x = x.masked_fill(~known, 0)
        x = self.input_dropout(x)
        return torch.cat([self.layers(x), x], 1) if len(self.layers) else x


def vectors(pose_BFJ3: Tensor, valid_BFJ: Tensor) -> tuple[Tensor, Tensor]:
    """How each part of the body stands, in lengths of the trunk.

    A joint that is missing for some frames is where it was before.

    Parameters
    ----------
    pose_BFJ3 : (B, F, 17, 3) float
        Positions in m; what is not valid has no influence.
    valid_BFJ : (B, F, 17) bool
        Which joints were measured.

    Returns
    -------
    vectors : (B, F, 36) float
        From joint to joint, x, y and z each; zeros of a vector of which nothing is known.
    known : (B, 36) bool
        Whether both ends were measured in the window.
    """
    B, F = valid_BFJ.shape[:2]
    flat_valid = valid_BFJ[:, :, _POINTS].transpose(1, 2).reshape(-1, F)
    flat = pose_BFJ3[:, :, _POINTS].transpose(1, 2).reshape(-1, F, 3)
    held = hold(flat, flat_valid).view(B, -1, F, 3)
    seen = flat_valid.any(1).view(B, -1)
    joint = {name: held[:, i] for i, name in enumerate(_NAMES)}
    there = {name: seen[:, i] for i, name in enumerate(_NAMES)}
    for middle in ("hip", "shoulder"):
        pair = f"left-{middle}", f"right-{middle}"
        joint[f"{middle}s"] = (joint[pair[0]] + joint[pair[1]]) / 2
        there[f"{middle}s"] = there[pair[0]] & there[pair[1]]
    joint[""], there[""] = torch.zeros_like(held[:, 0]), torch.ones_like(seen[:, 0])
    known = torch.stack([there[a] & there[b] for a, b in _VECTORS], 1)
    found = torch.stack([joint[a] - joint[b] for a, b in _VECTORS], 2)  # (B, F, V, 3)
    trunk = (joint["shoulders"] - joint["hips"]).norm(dim=-1).mean(1).clamp(*_TRUNK)
    has_trunk = there["shoulders"] & there["hips"]
    length = torch.where(has_trunk, trunk, torch.full_like(trunk, 0.5))
    found = torch.where(known[:, None, :, None], found / length[:, None, None, None], 0)
    return found.flatten(2), known.repeat_interleave(3, dim=1)
