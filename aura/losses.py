"""Bidirectional InfoNCE between pairs of modalities, with a learned, clamped temperature."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MAX_SCALE = 100.0


class InfoNCE(nn.Module):
    """Symmetric InfoNCE (CLIP, Radford et al. 2021, figure 3), the mean over modality pairs.

    The inverse temperature is a parameter in log space: give this module to the optimiser.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))

    @property
    def scale(self) -> Tensor:
        """Inverse temperature, at most 100."""
        return self.log_scale.exp().clamp(max=MAX_SCALE)

    def forward(self, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Mean loss over pairs of unit vectors ((n, d), (n, d)) whose rows correspond.

        Pairs with fewer than two rows have no negatives and are left out; none left gives 0.
        """
        losses = [self.one(a, b) for a, b in pairs if len(a) >= 2]
        return torch.stack(losses).mean() if losses else self.log_scale * 0

    def one(self, a: Tensor, b: Tensor) -> Tensor:
        """Loss of one pair, both directions from one matrix of logits."""
        logits = self.scale * a @ b.T
        target = torch.arange(len(a), device=a.device)
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
