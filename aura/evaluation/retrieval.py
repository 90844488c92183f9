"""Cross-modal retrieval: for a window in one modality, find it in another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aura.evaluation.bootstrap import cluster_bootstrap, weighted_mean
from aura.evaluation.chance import CUTOFFS, retrieval_chance
from aura.evaluation.ranking import grouped_ranks, mutual_ranks, ranks, unit_vectors

__all__ = ["all_pairs", "balanced_pool", "mutual_ranks", "ranks", "retrieval_metrics"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def retrieval_metrics(
    ranks: ArrayLike, pool: ArrayLike, positives: ArrayLike = 1
) -> dict[str, float]:
    """R@1, R@10, R@50, MRR and median rank, each beside its chance value (rule 3).

    Parameters
    ----------
    ranks : array_like
        (N,) from :func:`ranks`.
    pool : array_like
        Gallery size, or the (N,) sizes where queries have galleries of their own.
    positives : array_like
        Number of positives of each query, a scalar or (N,).

    Returns
    -------
    dict of str to float
        ``R@K``, ``MRR``, ``median_rank``, the same keys with ``_chance``, ``queries``, ``pool`` and
        ``positives`` (the latter two as means over the queries).
    """
    rank = np.asarray(ranks, dtype=np.float64)
    if not rank.size:
        raise ValueError("retrieval needs at least one query")
    result = {f"R@{k}": float((rank <= k).mean()) for k in CUTOFFS}
    result["MRR"] = float((1 / rank).mean())
    result["median_rank"] = float(np.median(rank))
    sizes = np.broadcast_to(np.asarray(pool, dtype=np.int64), rank.shape)
    counts = np.broadcast_to(np.asarray(positives, dtype=np.int64), rank.shape)
    chance = retrieval_chance(sizes, counts)
    result |= {f"{name}_chance": value for name, value in chance.items()}
    result |= {"queries": rank.size, "pool": sizes.mean(), "positives": counts.mean()}
    return {name: float(value) for name, value in result.items()}


def balanced_pool(labels: ArrayLike, size: int, seed: Sequence[int]) -> Ints:
    """Indices of a seeded pool in which no class has more than its equal share of ``size``.

    Each of the C classes may give ⌊size / C⌋ windows and ``size mod C`` random ones may give one
    more; a class with fewer gives all it has and nobody fills the gap, so the pool can be smaller
    than ``size``.

    Parameters
    ----------
    labels : array_like
        (N,) class of each window.
    size : int
        Most windows of the pool.
    seed : sequence of int
        Names the draw.

    Returns
    -------
    ndarray
        Sorted indices into the labels.
    """
    rng = np.random.default_rng(list(seed))
    label = np.asarray(labels)
    classes = rng.permutation(np.unique(label))
    members = [
        rng.permutation(np.flatnonzero(label == name))[: size // len(classes) + extra]
        for name, extra in zip(classes, np.arange(len(classes)) < size % len(classes), strict=True)
    ]
    return np.sort(np.concatenate(members))


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _pair_rows(
    query: NDArray[np.float32],
    gallery: NDArray[np.float32],
    group: Ints,
    label: Ints,
    instant: Ints,
    clusters: NDArray[Any] | None,
    draws: int,
    seed: int,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every pool of a pair, whose rows correspond one to one, and of the pair the other way."""

    def measure(index: Ints) -> _Pool:
        window, caption = (np.unique(g[index], return_inverse=True)[1] for g in (instant, group))
        groupings = [(window, window), (caption, caption)]
        strict, multi = grouped_ranks(query[index], gallery[index], groupings, True)
        counts = {
            name: np.bincount(codes)[codes]
            for name, codes in (("strict", window), ("multi-positive", caption))
        }
        return _Pool(len(index), {"strict": strict, "multi-positive": multi}, counts)

    full = measure(np.arange(len(query)))
    balanced = [measure(balanced_pool(label, 100, (seed, draw))) for draw in range(draws)]
    members = [np.flatnonzero(label == name) for name in np.unique(label)]
    within_class = [measure(index) for index in members] if len(members) > 1 else []
    forward, backward = (
        list(_direction_rows(full, balanced, within_class, direction, clusters, seed))
        for direction in (0, 1)
    )
    return forward, backward


@dataclass(frozen=True)
class _Pool:
    """Ranks of the windows of one pool in both directions, and their positives, by matching."""

    size: int
    ranks: dict[str, tuple[Floats, Floats]]
    positives: dict[str, Ints]


def _direction_rows(
    full: _Pool,
    balanced: list[_Pool],
    within_class: list[_Pool],
    direction: int,
    clusters: NDArray[Any] | None,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """The rows of one direction, 0 or 1."""
    for matching, ranks_of in full.ranks.items():
        rank = ranks_of[direction]
        row: dict[str, Any] = retrieval_metrics(rank, full.size, full.positives[matching])
        if clusters is not None:
            for name, score in (("MRR", 1 / rank), ("R@1", rank <= 1)):
                interval = cluster_bootstrap(weighted_mean(score), clusters, seed=seed)
                row |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
        yield {"pool_kind": "full", "matching": matching, **row}
    for matching in balanced[0].ranks if balanced else ():
        rows = [
            retrieval_metrics(pool.ranks[matching][direction], pool.size, pool.positives[matching])
            for pool in balanced
        ]
        yield {"pool_kind": "balanced 100", "matching": matching, "draws": len(rows), **_mean(rows)}
    for matching in within_class[0].ranks if within_class else ():
        rank = np.concatenate([pool.ranks[matching][direction] for pool in within_class])
        positives = np.concatenate([pool.positives[matching] for pool in within_class])
        sizes = [pool.size for pool in within_class]
        metrics = retrieval_metrics(rank, np.repeat(sizes, sizes), positives)
        yield {"pool_kind": "within class", "matching": matching, **metrics}


def all_pairs(
    embeddings: dict[str, NDArray[Any]],
    valid: dict[str, NDArray[np.bool_]],
    group: ArrayLike,
    label: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    draws: int = 20,
    seed: int = 0,
    instant: ArrayLike | None = None,
) -> list[dict[str, Any]]:
    """Retrieval for every ordered pair of modalities and every pool (rule 3).

    Parameters
    ----------
    embeddings : dict of str to ndarray
        (N, d) unit vectors of each modality; row i is window i in all of them.
    valid : dict of str to ndarray
        (N,) bool of each modality; a pair uses the windows in which both are valid.
    group : array_like
        (N,) integers; windows with identical captions share one.
    label : array_like or None
        (N,) class (scenario) for balanced and within-class pools; ``group`` if not given.
    clusters : array_like or None
        (N,) participant or take of each window; adds ``MRR_low``, ``MRR_high``, ``R@1_low`` and
        ``R@1_high`` to full-pool rows (None with a single cluster).
    draws : int
        Number of balanced pools.
    seed : int
        Of the balanced pools and of the intervals.
    instant : array_like or None
        (N,) integers; windows that several IMUs recorded over the same seconds share one, and are
        each other's right answer under strict matching too.

    Returns
    -------
    list of dict
        One row for each pair × pool × matching: ``query``, ``gallery``, ``pool_kind`` ("full",
        "balanced 100", "within class"), ``matching`` ("strict", "multi-positive") and
        :func:`retrieval_metrics`. A pair without a common window has no row. The chance columns of
        "within class" are also the full-pool figures of a retriever that knows the class alone.
    """
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    groups, labels = np.asarray(group), np.asarray(group if label is None else label)
    instants = np.arange(len(groups)) if instant is None else np.asarray(instant)
    for query, gallery in combinations(embeddings, 2):
        common = np.flatnonzero(valid[query] & valid[gallery])
        if len(common):
            rows[query, gallery], rows[gallery, query] = _pair_rows(
                unit_vectors(embeddings[query][common]),
                unit_vectors(embeddings[gallery][common]),
                groups[common],
                labels[common],
                instants[common],
                None if clusters is None else np.asarray(clusters)[common],
                draws,
                seed,
            )
    return [
        {"query": query, "gallery": gallery, **row}
        for query, gallery in permutations(embeddings, 2)
        for row in rows.get((query, gallery), ())
    ]
