"""Which windows make a batch, and the random numbers of each step.

Every step has random numbers of its own, from the seed, the epoch and the step: what was drawn
before does not matter, so that a resumed run and each of several processes draw the same.
"""

from enum import IntEnum
from typing import Literal

import numpy as np
import torch
from torch import Tensor


class Stream(IntEnum):
    """What random numbers are for; each has a stream of its own."""

    ORDER = 0
    CAPTIONS = 1
    AUGMENT = 2
    VIEW = 3
    DROPOUT = 4


def numpy_generator(*key: int) -> np.random.Generator:
    """NumPy's generator for a key such as (seed, stream, epoch, step)."""
    return np.random.default_rng(np.random.SeedSequence(key))


def torch_seed(*key: int) -> int:
    """Torch's seed for a key, of 63 bits."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


def uniform(
    shape: tuple[int, ...], low: float, high: float, like: Tensor, generator: torch.Generator
) -> Tensor:
    """Random numbers in [low, high), float32, on the device of `like`."""
    unit = torch.rand(shape, generator=generator, device=generator.device)
    return (low + (high - low) * unit).to(like.device)


def sample_batches(
    rows: np.ndarray,
    moments: np.ndarray,
    batch_size: int,
    policy: Literal["random", "apart", "together"],
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Put each window into one of ceil(N / batch_size) batches, whose sizes differ by at most one.

    Parameters
    ----------
    rows : np.ndarray
        (N,) int64 row numbers of the windows.
    moments : np.ndarray
        (N,) int64, the take that each is of; takes that were recorded at once are one.
    batch_size : int
        Windows of a batch at most.
    policy : {"random", "apart", "together"}
        `apart` spreads n windows of a take over min(n, batches) batches, evenly; `together` keeps
        them in one batch, but for those takes that lie across the border of two.
    rng : np.random.Generator
        Decides the order.

    Returns
    -------
    list of np.ndarray
        The row numbers of each batch.
    """
    batches = -(-len(rows) // batch_size)
    if policy == "random":
        return np.array_split(rng.permutation(rows), batches)
    _, take = np.unique(moments, return_inverse=True)
    rank = rng.permutation(take.max(initial=-1) + 1)[take]
    by_take = rows[np.lexsort((rng.random(len(rows)), rank))]
    if policy == "together":
        parts = np.array_split(by_take, batches)
    else:  # a take's windows lie end to end, so that every n-th one never meets it too soon
        parts = [by_take[i::batches] for i in range(batches)]
    return [parts[i] for i in rng.permutation(batches)]
