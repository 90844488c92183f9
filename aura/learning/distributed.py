"""What the processes of one training exchange: embeddings, gradients and a metric.

All ranks draw the same global batch, and each encodes its own rows. `gather` gives every rank the
vectors of all, so that each computes the full loss with all the negatives; `average_gradients` then
gives each the gradient that one process would have had for that batch.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Group:
    """A single process, which has nothing to exchange."""

    rank = 0
    world_size = 1

    def local_rows(self, count: int) -> slice:
        """The rows of a batch of `count` that this rank encodes; sizes differ by at most one."""
        return slice(
            self.rank * count // self.world_size,
            (self.rank + 1) * count // self.world_size,
        )

    def gather(self, local: Tensor, count: int) -> Tensor:
        """Rows (count, D) of all ranks in the order of the batch, from this rank's own."""
        return local

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace each gradient by its mean over the ranks."""

    def broadcast(self, value: float) -> float:
        """The value of rank 0."""
        return value


class Ranks(Group):
    """The processes of `torch.distributed`, whose process group has to be set up."""

    def __init__(self) -> None:
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()

    def gather(self, local: Tensor, count: int) -> Tensor:
        """With gradient: see `_Gather`."""
        return _Gather.apply(local, self, count)

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """One message for all; parameters that the loss does not reach have none on any rank."""
        grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(flat)
        flat /= self.world_size
        for grad, mean in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
            grad.copy_(mean.view_as(grad))

    def broadcast(self, value: float) -> float:
        """Bit for bit, so that all ranks choose the same epoch."""
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        buffer = torch.tensor([value], dtype=torch.float64, device=device)
        dist.broadcast(buffer, src=0)
        return float(buffer.item())


class _Gather(torch.autograd.Function):
    """All ranks' rows in order; the gradient is that of the local rows, times the world size.

    Every rank computes the same loss L of all vectors, so that its gradient for its own rows is
    already dL/d(local), and nothing has to be sent. The factor makes up for `average_gradients`:
    the mean over ranks of `world_size * (local rows' share)` is the sum of all rows' shares, which
    is the gradient of an encoder in one process, while the mean of a temperature's gradient, whole
    on every rank, leaves it as it is.
    """

    @staticmethod
    def forward(ctx: Any, local: Tensor, group: Group, count: int) -> Tensor:
        ctx.rows, ctx.world_size = group.local_rows(count), group.world_size
        longest = -(-count // group.world_size)
        padded = local.new_zeros(longest, *local.shape[1:])
        padded[: len(local)] = local
        parts = [torch.empty_like(padded) for _ in range(group.world_size)]
        dist.all_gather(parts, padded)
        cuts = [rank * count // group.world_size for rank in range(group.world_size + 1)]
        sizes = [end - start for start, end in pairwise(cuts)]
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0][ctx.rows] * ctx.world_size, None, None
