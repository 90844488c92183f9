"""Which windows make a batch, on which device it lies, and the random numbers of each step.

Every step has random numbers of its own, from the seed, the epoch and the step: what was drawn
before does not matter, so that a resumed run and each of several processes draw the same.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from enum import IntEnum
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from aura.learning.batches import Batch, Windows


class Draw(IntEnum):
    """What random numbers are for; each has a stream of its own."""

    ORDER = 0
    CAPTIONS = 1
    AUGMENT = 2
    VIEW = 3
    DROPOUT = 4


def stream(*key: int) -> np.random.Generator:
    """NumPy's generator for a key such as (seed, purpose, epoch, step)."""
    return np.random.default_rng(np.random.SeedSequence(key))


def torch_seed(*key: int) -> int:
    """Torch's seed for a key, of 63 bits."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


def deal(
    rows: np.ndarray,
    takes: np.ndarray,
    batch: int,
    how: Literal["random", "apart", "together"],
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Deal each of the windows `rows` (N,) into one of ceil(N / batch) batches.

    Their sizes differ by at most one. `takes` (N,) int64 says which take a window is of: `apart`
    spreads n windows of a take over min(n, batches) batches, evenly; `together` keeps them in one
    batch, but for those takes that lie across the border of two.
    """
    count = -(-len(rows) // batch)
    if how == "random":
        return np.array_split(rng.permutation(rows), count)
    _, take = np.unique(takes, return_inverse=True)
    rank = rng.permutation(take.max(initial=-1) + 1)[take]
    by_take = rows[np.lexsort((rng.random(len(rows)), rank))]
    if how == "together":
        split = np.array_split(by_take, count)
    else:  # a take's windows lie end to end, so that dealing one by one never meets it too soon
        split = [by_take[i::count] for i in range(count)]
    return [split[i] for i in rng.permutation(count)]


def on_device(windows: Windows, device: torch.device) -> Windows:
    """The same windows with their signals and vectors, which are large, on `device`."""
    large = ("imu", "imu_valid", "mocap", "mocap_valid", "video", "text")
    return replace(windows, **{name: getattr(windows, name).to(device) for name in large})


def move(batch: Batch, device: torch.device) -> Batch:
    """The same batch on `device`, but for `has`: what the host asks shall not wait for a GPU."""
    return replace(_each(batch, lambda t: t.to(device, non_blocking=True)), has=batch.has)


def part_of(batch: Batch, rows: slice) -> Batch:
    """Consecutive rows of a batch."""
    return _each(batch, lambda tensor: tensor[rows])


def tensors_of(batch: Batch) -> dict[str, Tensor]:
    """The fields of a batch by name, `has` as `has.imu` and so on."""
    named = {f.name: getattr(batch, f.name) for f in fields(batch) if f.name != "has"}
    return named | {f"has.{name}": value for name, value in batch.has.items()}


def _each(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    whole = {f.name: getattr(batch, f.name) for f in fields(batch) if f.name != "has"}
    return Batch(
        **{name: change(value) for name, value in whole.items()},
        has={name: change(value) for name, value in batch.has.items()},
    )
