"""What the processes of one training tell each other: embeddings, gradients and a figure.

All ranks draw the same global batch, and each encodes its own rows. `gather` gives every rank the
vectors of all, so that each computes the full loss with all the negatives; `average` then gives
each the gradient that one process would have had for that batch.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Group:
    """A single process, which has nothing to tell."""

    rank = 0
    world = 1

    def part(self, count: int) -> slice:
        """The rows of a batch of `count` that this rank encodes; parts differ by at most one."""
        return slice(
            self.rank * count // self.world,
            (self.rank + 1) * count // self.world,
        )

    def gather(self, own: Tensor, count: int) -> Tensor:
        """Rows (count, D) of all ranks in the order of the batch, from this rank's own part."""
        return own

    def average(self, weights: Sequence[nn.Parameter]) -> None:
        """Replace each gradient by its mean over the ranks."""

    def agree(self, figure: float) -> float:
        """The figure of rank 0."""
        return figure


class Ranks(Group):
    """The processes of `torch.distributed`, whose group has to be set up."""

    def __init__(self) -> None:
        self.rank, self.world = dist.get_rank(), dist.get_world_size()

    def gather(self, own: Tensor, count: int) -> Tensor:
        """With gradient: see `_Gather`."""
        return _Gather.apply(own, self, count)

    def average(self, weights: Sequence[nn.Parameter]) -> None:
        """One message for all of them; weights that the loss does not reach have none anywhere."""
        grads = [weight.grad for weight in weights if weight.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(flat)
        flat /= self.world
        for grad, mean in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
            grad.copy_(mean.view_as(grad))

    def agree(self, figure: float) -> float:
        """Bit for bit, so that all ranks choose the same epoch."""
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        told = torch.tensor([figure], dtype=torch.float64, device=device)
        dist.broadcast(told, src=0)
        return float(told.item())


class _Gather(torch.autograd.Function):
    """All ranks' rows in order; the gradient is that of the own rows, times the number of ranks.

    Every rank computes the same loss L of all vectors, so that its gradient for its own rows is
    already dL/d(own), and nothing has to be sent. The factor makes up for `average`: the mean over
    ranks of `world * (own rows' share)` is the sum of all rows' shares, which is the gradient of
    an encoder in one process, while the mean of a temperature's gradient, whole on every rank,
    leaves it as it is.
    """

    @staticmethod
    def forward(ctx: Any, own: Tensor, group: Group, count: int) -> Tensor:
        ctx.part, ctx.world = group.part(count), group.world
        most = -(-count // group.world)
        padded = own.new_zeros(most, *own.shape[1:])
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in range(group.world)]
        dist.all_gather(parts, padded)
        cuts = [rank * count // group.world for rank in range(group.world + 1)]
        sizes = [end - start for start, end in pairwise(cuts)]
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0][ctx.part] * ctx.world, None, None
