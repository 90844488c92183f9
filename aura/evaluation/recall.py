"""Recall against the cutoff: share of queries whose right one is among the first k."""

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
    k : list of int
        Cutoffs from 1 to the size of the pool, evenly spread on a logarithmic axis.
    share : list of float
        Share of queries with rank ≤ k.
    low, high : list of float, or None
        Its 95 % interval; None with a single group.
    chance : list of float
        The share in a random order.
    pool : int
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
    rank : array_like
        (N,) from :func:`aura.evaluation.retrieval.ranks` in a pool of the N windows themselves.
    group : array_like
        (N,) windows of one group are each other's right answers; all distinct for strict matching.
    clusters : array_like
        (N,) participant or take that the bootstrap redraws.
    draws : int
        Redraws of the bootstrap.
    seed : int
        Of the bootstrap.
    """
    rank = np.asarray(rank, np.float64)
    pool = len(rank)
    _, index, count = np.unique(np.asarray(group), return_inverse=True, return_counts=True)
    cutoffs = np.unique(np.rint(np.geomspace(1, pool, _POINTS)).astype(int)).tolist()
    chance = retrieval_chance(np.full(pool, pool), count[index], cutoffs)
    intervals = [
        cluster_bootstrap(weighted_mean(rank <= k), clusters, draws, seed) for k in cutoffs
    ]
    return RecallCurve(
        k=cutoffs,
        share=[interval.value for interval in intervals],
        low=[i.low for i in intervals if i.low is not None] or None,
        high=[i.high for i in intervals if i.high is not None] or None,
        chance=[chance[f"R@{k}"] for k in cutoffs],
        pool=pool,
    )


def pair_ranks(
    query: ArrayLike, gallery: ArrayLike, valid: ArrayLike, group: ArrayLike
) -> tuple[NDArray[np.int64], Floats]:
    """Rows valid in both modalities, and the rank of each one's right answer among them.

    Parameters
    ----------
    query : array_like
        (N, d) unit vectors of one modality.
    gallery : array_like
        (N, d) unit vectors of the other, row by row the same windows.
    valid : array_like
        (N,) bool, windows that have both.
    group : array_like
        (N,) as in :func:`recall_curve`.

    Returns
    -------
    rows : ndarray
        Rows of the windows that have both.
    rank : ndarray
        Of each of them.
    """
    rows = np.flatnonzero(valid)
    groups = np.asarray(group)[rows]
    if not len(rows):
        return rows, np.empty(0)
    return rows, ranks(np.asarray(query)[rows], np.asarray(gallery)[rows], groups, groups)
