"""Cross-modal retrieval: for a window in one modality, find it in another."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aura.errors import AuraError
from aura.evaluation.bootstrap import cluster_bootstrap, weighted_mean
from aura.evaluation.chance import CUTOFFS, retrieval_chance

TILE = 1024
TIE = 1e-6
"""Scores this close are tied: a float32 product of 512-d unit vectors is no more exact."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Groups = tuple[Ints, Ints]


def ranks(
    query: ArrayLike, gallery: ArrayLike, query_group: ArrayLike, gallery_group: ArrayLike
) -> Floats:
    """Rank of each query's best positive in the gallery by dot product, ties averaged.

    The positives of a query are the gallery items of its group, taken as one set. With ``best``
    the highest score among them, the rank is ``1 + higher + tied / 2``: ``higher`` counts the
    negatives that score above ``best``, ``tied`` those within ``TIE`` of it. Other positives
    never count. One positive per query (unique groups) is strict one-to-one retrieval, and a
    gallery of equal vectors then gives every query the average rank (M + 1) / 2.

    Parameters
    ----------
    query, gallery
        (N, d) and (M, d) unit vectors; computed in float32.
    query_group, gallery_group
        (N,) and (M,) integers.

    Returns
    -------
    (N,) ranks from 1 to M, whole or half.

    Raises
    ------
    AuraError
        If an embedding is not finite (it would compare below nothing and rank first).
    ValueError
        If a query has no positive in the gallery, or shapes disagree.
    """
    groups = (np.asarray(query_group), np.asarray(gallery_group))
    return _ranks(_vectors(query), _vectors(gallery), [groups])[0]


def _vectors(values: ArrayLike) -> NDArray[np.float32]:
    vectors = np.ascontiguousarray(values, dtype=np.float32)
    if vectors.ndim != 2:
        raise ValueError(f"embeddings must be (N, d), got shape {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise AuraError("Some embeddings are not finite; the encoder's training has diverged.")
    return vectors


def _ranks(
    query: NDArray[np.float32], gallery: NDArray[np.float32], groupings: Sequence[Groups]
) -> list[Floats]:
    """Ranks under several groupings from one product per tile of at most TILE² scores.

    A tile is a strip of queries against the whole gallery, so that the positives' own scores come
    from the same product as the negatives': a separate dot product rounds differently.
    """
    for query_group, gallery_group in groupings:
        if query_group.shape != (len(query),) or gallery_group.shape != (len(gallery),):
            raise ValueError("groups must have one entry for each embedding")
        if not np.isin(query_group, gallery_group).all():
            raise ValueError("a query has no positive in the gallery")
    found = [np.empty(len(query)) for _ in groupings]
    height = max(16, min(TILE, TILE * TILE // max(len(gallery), 1)))
    for start in range(0, len(query), height):
        strip = slice(start, start + height)
        scores = query[strip] @ gallery.T
        for place, (query_group, gallery_group) in zip(found, groupings, strict=True):
            positive = query_group[strip, None] == gallery_group
            best = np.where(positive, scores, -np.inf).max(axis=1, keepdims=True)
            margin = np.where(positive, -np.inf, scores - best)
            above = np.count_nonzero(margin > TIE, axis=1)
            not_below = np.count_nonzero(margin >= -TIE, axis=1)
            place[strip] = 1 + (above + not_below) / 2
    return found


def retrieval_metrics(
    ranks: ArrayLike, pool: ArrayLike, positives: ArrayLike = 1
) -> dict[str, float]:
    """R@1, R@10, R@50, MRR and median rank, each beside its chance value (rule 3).

    Parameters
    ----------
    ranks
        (N,) from :func:`ranks`.
    pool
        Gallery size, or the (N,) sizes where queries have galleries of their own.
    positives
        Number of positives of each query, a scalar or (N,).

    Returns
    -------
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
    than ``size``. Returns sorted indices into the (N,) labels; ``seed`` names the draw.
    """
    rng = np.random.default_rng(list(seed))
    label = np.asarray(labels)
    classes = rng.permutation(np.unique(label))
    chosen = [
        rng.permutation(np.flatnonzero(label == name))[: size // len(classes) + extra]
        for name, extra in zip(classes, np.arange(len(classes)) < size % len(classes), strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _pair_rows(
    query: NDArray[np.float32],
    gallery: NDArray[np.float32],
    group: Ints,
    label: Ints,
    clusters: NDArray[Any] | None,
    draws: int,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """Every pool of one ordered pair, whose rows correspond one to one."""

    def measure(index: Ints) -> dict[str, tuple[Floats, Ints]]:
        own = np.arange(len(index))
        same = np.unique(group[index], return_inverse=True)[1]
        strict, multi = _ranks(query[index], gallery[index], [(own, own), (same, same)])
        return {
            "strict": (strict, np.ones_like(own)),
            "multi-positive": (multi, np.bincount(same)[same]),
        }

    for matching, (rank, positives) in measure(np.arange(len(query))).items():
        row: dict[str, Any] = retrieval_metrics(rank, len(query), positives)
        if clusters is not None:
            for name, score in (("MRR", 1 / rank), ("R@1", rank <= 1)):
                spread = cluster_bootstrap(weighted_mean(score), clusters, seed=seed)
                row |= {f"{name}_low": spread.low, f"{name}_high": spread.high}
        yield {"pool_kind": "full", "matching": matching, **row}

    pools = [balanced_pool(label, 100, (seed, draw)) for draw in range(draws)]
    drawn = [{m: (len(p), *found) for m, found in measure(p).items()} for p in pools]
    for matching in drawn[0]:
        rows = [retrieval_metrics(d[matching][1], d[matching][0], d[matching][2]) for d in drawn]
        yield {"pool_kind": "balanced 100", "matching": matching, "draws": draws, **_mean(rows)}

    members = [np.flatnonzero(label == name) for name in np.unique(label)]
    if len(members) > 1:
        parts = [(len(index), measure(index)) for index in members]
        for matching in parts[0][1]:
            ranked = np.concatenate([part[matching][0] for _, part in parts])
            positives = np.concatenate([part[matching][1] for _, part in parts])
            sizes = np.repeat([n for n, _ in parts], [n for n, _ in parts])
            metrics = retrieval_metrics(ranked, sizes, positives)
            yield {"pool_kind": "within class", "matching": matching, **metrics}


def all_pairs(
    embeddings: dict[str, NDArray[Any]],
    valid: dict[str, NDArray[np.bool_]],
    group: ArrayLike,
    label: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    draws: int = 20,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Retrieval for every ordered pair of modalities and every pool (rule 3).

    Parameters
    ----------
    embeddings
        (N, d) unit vectors of each modality; row i is window i in all of them.
    valid
        (N,) per modality; a pair uses the windows in which both are valid.
    group
        (N,) integers; windows with identical captions share one.
    label
        (N,) class (scenario) for balanced and within-class pools; ``group`` if not given.
    clusters
        (N,) participant or take of each window; adds ``MRR_low``, ``MRR_high``, ``R@1_low`` and
        ``R@1_high`` to full-pool rows (None with a single cluster).
    draws, seed
        Number and seed of the balanced pools.

    Returns
    -------
    One row for each pair × pool × matching: ``query``, ``gallery``, ``pool_kind`` ("full",
    "balanced 100", "within class"), ``matching`` ("strict", "multi-positive") and
    :func:`retrieval_metrics`. A pair without a common window has no row. The chance columns of
    "within class" are also the full-pool figures of a retriever that knows the class alone.
    """
    rows: list[dict[str, Any]] = []
    groups, labels = np.asarray(group), np.asarray(group if label is None else label)
    for query in embeddings:
        for gallery in embeddings:
            both = np.flatnonzero(valid[query] & valid[gallery])
            if query == gallery or not len(both):
                continue
            found = _pair_rows(
                _vectors(embeddings[query][both]),
                _vectors(embeddings[gallery][both]),
                groups[both],
                labels[both],
                None if clusters is None else np.asarray(clusters)[both],
                draws,
                seed,
            )
            rows += [{"query": query, "gallery": gallery, **row} for row in found]
    return rows
