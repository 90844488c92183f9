"""Which windows make a batch, and the random numbers of each step.

Every step has random numbers of its own, from the seed, the epoch and the step: what was drawn
before does not matter, so that a resumed run and each of several processes draw the same.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Policy = Literal["random", "apart", "together", "balanced"]


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
    policy: Policy,
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


def balanced_weights(captions: np.ndarray, takes: np.ndarray, movement: np.ndarray) -> np.ndarray:
    """How often each window is drawn, (N,), the sum is 1.

    Captions come equally often, and of a caption its takes; of a take each window by the square of
    its movement.

    Parameters
    ----------
    captions, takes : np.ndarray
        (N,) int64, which caption and take each window is of.
    movement : np.ndarray
        (N,) standard deviation of the acceleration, m/s2; windows of 0 come as the least of others.
    """
    _, pair = np.unique(np.stack([captions, takes]), axis=1, return_inverse=True)
    _, first = np.unique(pair, return_index=True)
    _, of_pair, takes_of = np.unique(captions[first], return_inverse=True, return_counts=True)
    energy = np.maximum(movement, movement[movement > 0].min(initial=1)) ** 2
    share = energy / np.bincount(pair, energy)[pair]
    return share / takes_of[of_pair][pair] / len(takes_of)


def limit_unlabelled(
    weights: np.ndarray, labelled: np.ndarray, sources: np.ndarray, most: float
) -> np.ndarray:
    """The same weights with those of windows without a class no more than a share of a source.

    Parameters
    ----------
    weights : np.ndarray
        (N,) of `balanced_weights`.
    labelled : np.ndarray
        (N,) bool, which windows have a class.
    sources : np.ndarray
        (N,) which source each is of; one with no class at all stays as it is.
    most : float
        The share, above 0 and at most 1.

    Returns
    -------
    np.ndarray
        (N,), the sum is 1; that of each source stays what it was.
    """
    _, source = np.unique(sources, return_inverse=True)
    whole, without = (np.bincount(source, w) for w in (weights, weights * ~labelled))
    share = without / np.maximum(whole, np.finfo(float).tiny)
    above = (share > most) & (share < 1)
    down = np.where(above, most / np.maximum(share, most), 1.0)
    up = np.where(above, (1 - most) / np.where(above, 1 - share, 1.0), 1.0)
    limited: np.ndarray = weights * np.where(labelled, up[source], down[source])
    return limited / limited.sum()


def sample_weighted(
    rows: np.ndarray, weights: np.ndarray, batch_size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """As many batches as `sample_batches` makes, drawn by weights, with replacement.

    Parameters
    ----------
    rows : np.ndarray
        (N,) int64 row numbers of the windows.
    weights : np.ndarray
        (N,) of `balanced_weights`.
    batch_size : int
        Windows of a batch.
    rng : np.random.Generator
        Draws them.

    Returns
    -------
    list of np.ndarray
        The row numbers of each batch.
    """
    steps = -(-len(rows) // batch_size)
    drawn = rng.choice(rows, steps * batch_size, p=weights)
    return list(drawn.reshape(steps, batch_size))


def sample_by_source(
    rows: np.ndarray,
    moments: np.ndarray,
    sources: np.ndarray,
    shares: Mapping[str, float],
    batch_size: int,
    policy: Policy,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Batches in which each source has its share, as many as `sample_batches` makes.

    A source that is smaller than its share comes again within the epoch, each window as often as
    the others but for one; of a larger one an epoch has a part.

    Parameters
    ----------
    rows : np.ndarray
        (N,) int64 row numbers of the windows.
    moments : np.ndarray
        (N,) int64, the moment that each is of.
    sources : np.ndarray
        (N,) str, which source each window is of.
    shares : mapping of str to float
        What each source is of a batch; a source without rows has none.
    batch_size : int
        Windows of a batch.
    policy : {"random", "apart", "together", "balanced"}
        As of `sample_batches`, within each source.
    rng : np.random.Generator
        Decides the order.
    weights : np.ndarray, optional
        (N,) of `balanced_weights`, for the policy `balanced`.

    Returns
    -------
    list of np.ndarray
        The row numbers of each batch.
    """
    steps = -(-len(rows) // batch_size)
    present = {name: share for name, share in shares.items() if (sources == name).any()}
    parts = []
    for name, count in zip(present, _apportion(list(present.values()), batch_size), strict=True):
        inside, order = sources == name, np.empty(0, np.int64)
        if weights is not None:
            part = weights[inside] / weights[inside].sum()
            order = rng.choice(rows[inside], steps * count, p=part)
        while len(order) < steps * count:
            batches = sample_batches(rows[inside], moments[inside], count, policy, rng)
            order = np.concatenate([order, *batches])
        parts.append(order[: steps * count].reshape(steps, count))
    return [np.concatenate(batch) for batch in zip(*parts, strict=True)]


def _apportion(shares: Sequence[float], total: int) -> list[int]:
    """Whole numbers of a sum, one at least, by the largest remainders."""
    quotas = np.array(shares) / np.sum(shares) * total
    counts = np.maximum(1, np.floor(quotas).astype(int))
    for index in np.argsort(counts - quotas, kind="stable")[: max(0, total - counts.sum())]:
        counts[index] += 1
    return [int(count) for count in counts]
