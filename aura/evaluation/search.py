"""What of many vectors lies nearest to some: exact, block by block, in the time of a product.

    hits = aura.search(encoders.encode_text(["a person runs"]), vectors, k=10, ids=window_ids)
    hits.ids[0], hits.scores[0]

A float32 product tells the few that can be among the first; these are scored again in float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aura.errors import AuraError

BLOCK = 1 << 12  # rows of a product at a time: in the cache for the second look at them
_EPSILON = float(np.finfo(np.float32).eps)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Nearest:
    """Result of `search`.

    Attributes
    ----------
    rows : ndarray
        (Q, K) row numbers of the gallery, best first.
    scores : ndarray
        (Q, K) float64 dot products; cosines, of unit vectors.
    ids : list of list of str
        The ids of these rows; empty where none were given.
    """

    rows: Ints
    scores: Floats
    ids: list[list[str]]


def search(
    query: ArrayLike, gallery: ArrayLike, k: int = 10, ids: Sequence[str] | None = None
) -> Nearest:
    """The `k` vectors of a gallery with the highest dot product to each query.

    Parameters
    ----------
    query : array_like
        (Q, d) or (d,) vectors; a single one is a batch of one.
    gallery : array_like
        (M, d) vectors; float32 in rows is read where it lies, also from a memory map.
    k : int
        How many of each; all of a smaller gallery.
    ids : sequence of str or None
        Names of the M rows. Equal scores are in the order of these, or of the rows without them.

    Returns
    -------
    Nearest
        Of each query K = min(k, M).

    Raises
    ------
    AuraError
        Shapes do not go together, k is below 1, ids are not M, or a vector is not finite.
    """
    queries, rows = np.atleast_2d(np.asarray(query, np.float32)), np.asarray(gallery, np.float32)
    if queries.ndim != 2 or rows.ndim != 2 or queries.shape[1] != rows.shape[1]:
        raise AuraError(
            f"A search needs vectors of one width: queries (Q, d) and a gallery (M, d), not "
            f"{np.shape(query)} and {np.shape(gallery)}."
        )
    if k < 1:
        raise AuraError(f"A search is for at least one of the gallery, not {k}.")
    if ids is not None and len(ids) != len(rows):
        raise AuraError(f"There are {len(rows)} vectors in the gallery and {len(ids)} ids.")
    if not np.isfinite(queries).all():
        raise AuraError("A query is not finite.")
    wanted = min(k, len(rows))
    found, scores = np.empty((len(queries), wanted), np.int64), np.empty((len(queries), wanted))
    if wanted:
        for number, candidates in enumerate(_candidates(queries, rows, wanted)):
            exact = _products(rows[candidates], queries[number])
            tie: NDArray[Any] = candidates
            if ids is not None:
                tie = np.array([ids[row] for row in candidates])
            order = np.lexsort((tie, -exact))[:wanted]
            found[number], scores[number] = candidates[order], exact[order]
    names = [] if ids is None else [[ids[row] for row in of_query] for of_query in found]
    return Nearest(found, scores, names)


def _products(rows: Singles, query: Singles) -> Floats:
    """Dot products in float64, row by row: equal rows have equal ones, wherever they lie."""
    products: Floats = (rows.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    return products


def _candidates(queries: Singles, gallery: Singles, k: int) -> list[Ints]:
    """For each query the rows that can be among its first `k`, as far as float32 can tell."""
    best = [np.empty(0, np.float32)] * len(queries)
    rows: list[Ints] = [np.empty(0, np.int64)] * len(queries)
    size = np.linalg.norm(queries.astype(np.float64), axis=1)
    largest = 0.0
    for begin in range(0, len(gallery), BLOCK):
        block = gallery[begin : begin + BLOCK]
        with np.errstate(invalid="ignore", over="ignore"):
            scores = queries @ block.T
        if not np.isfinite(scores).all():
            raise AuraError("The gallery has vectors that are not finite.")
        largest = max(largest, float(np.sqrt(np.einsum("nd,nd->n", block, block).max())))
        # No sum of d products is further from the exact one, in whatever order it is made.
        margins = 2 * queries.shape[1] * _EPSILON * size * largest
        for number, (row, margin) in enumerate(zip(scores, margins, strict=True)):
            floor = -np.inf
            if len(best[number]) >= k:
                floor = _kth(best[number], k) - margin
            elif len(row) > k:
                floor = _kth(row, k) - margin
            near = np.flatnonzero(row >= floor)
            if not len(near):
                continue
            joined = np.concatenate([best[number], row[near]])
            places = np.concatenate([rows[number], near + begin])
            if len(joined) > k:
                keep = joined >= _kth(joined, k) - margin
                joined, places = joined[keep], places[keep]
            best[number], rows[number] = joined, places
    return rows


def _kth(scores: Singles, k: int) -> float:
    """The k-th highest of at least k scores."""
    return float(np.partition(scores, len(scores) - k)[len(scores) - k])
