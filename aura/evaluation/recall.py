"""Recall against the cutoff: how many queries find the right one among the first k."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aura.evaluation.bootstrap import cluster_bootstrap, weighted_mean
from aura.evaluation.chance import retrieval_chance
from aura.evaluation.retrieval import ranks

Floats = NDArray[np.float64]
_POINTS = 40


@dataclass(frozen=True)
class RecallCurve:
    """R@k of one ordered pair over the whole pool.

    Attributes
    ----------
    k
        Cutoffs from 1 to the size of the pool, evenly spread on a logarithmic axis.
    share, low, high
        Share of queries with rank ≤ k and its 95 % interval; None with a single group.
    chance
        The same of a random order.
    pool
        Size of the pool.
    """

    k: list[int]
    share: list[float]
    low: list[float] | None
    high: list[float] | None
    chance: list[float]
    pool: int


def recall_curve(rank: ArrayLike, group: ArrayLike, clusters: ArrayLike, draws: int, seed: int
                 ) -> RecallCurve:  # fmt: skip
    """R@k for k up to the pool's size.

    Parameters
    ----------
    rank
        (N,) from :func:`aura.evaluation.retrieval.ranks` in a pool of the N windows themselves.
    group
        (N,) windows of one group are each other's right answers; all distinct for strict matching.
    clusters
        (N,) participant or take that the bootstrap redraws.
    draws, seed
        Of the bootstrap.
    """
    rank = np.asarray(rank, np.float64)
    pool = len(rank)
    _, code, count = np.unique(np.asarray(group), return_inverse=True, return_counts=True)
    cutoffs = np.unique(np.rint(np.geomspace(1, pool, _POINTS)).astype(int)).tolist()
    by_chance = retrieval_chance(np.full(pool, pool), count[code], cutoffs)
    spreads = [cluster_bootstrap(weighted_mean(rank <= k), clusters, draws, seed) for k in cutoffs]
    lows, highs = [s.low for s in spreads], [s.high for s in spreads]
    return RecallCurve(
        k=cutoffs,
        share=[spread.value for spread in spreads],
        low=[low for low in lows if low is not None] or None,
        high=[high for high in highs if high is not None] or None,
        chance=[by_chance[f"R@{k}"] for k in cutoffs],
        pool=pool,
    )


def pair_ranks(
    query: ArrayLike, gallery: ArrayLike, both: ArrayLike, group: ArrayLike
) -> tuple[NDArray[np.int64], Floats]:
    """Rows valid in both modalities, and the rank of each one's right answer among them.

    Parameters
    ----------
    query, gallery
        (N, d) unit vectors of the two modalities, row by row the same windows.
    both
        (N,) bool, windows that have both.
    group
        (N,) as in :func:`recall_curve`.
    """
    rows = np.flatnonzero(both)
    own = np.asarray(group)[rows]
    if not len(rows):
        return rows, np.empty(0)
    return rows, ranks(np.asarray(query)[rows], np.asarray(gallery)[rows], own, own)
