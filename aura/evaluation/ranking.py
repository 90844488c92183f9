"""Ranks by counting how much of a gallery scores above the right answer, tile by tile.

Nothing is sorted, and no more than a few tiles of scores are in memory at a time. Both directions
of a pair of modalities come from one product.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aura.errors import AuraError
from aura.evaluation.relevance import Groups, Ints, group_codes, positive_pairs, positive_tiles

TILE = 1024
STRIP = 128  # rows of a tile counted at once: they fit the cache, and a sum over them a byte
CACHED_TILES = 16  # kept between the two passes over the scores; others are computed again
TIE = 1e-6
"""Scores this close are tied: a float32 product of unit vectors is no more exact at any width."""

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Index = tuple[int, int]  # row and column of a tile
Span = tuple[slice, slice]  # queries and gallery items of a tile


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
    query : array_like
        (N, d) unit vectors; computed in float32.
    gallery : array_like
        (M, d) unit vectors.
    query_group : array_like
        (N,) integers.
    gallery_group : array_like
        (M,) integers.

    Returns
    -------
    ndarray
        (N,) ranks from 1 to M, whole or half.

    Raises
    ------
    AuraError
        If an embedding is not finite (it would compare below nothing and rank first).
    ValueError
        If a query has no positive in the gallery, or shapes disagree.
    """
    groups = np.asarray(query_group), np.asarray(gallery_group)
    return grouped_ranks(unit_vectors(query), unit_vectors(gallery), [groups], False)[0][0]


def mutual_ranks(a: ArrayLike, b: ArrayLike, group: ArrayLike) -> tuple[Floats, Floats]:
    """:func:`ranks` of `a` in `b` and of `b` in `a`, from one product.

    Parameters
    ----------
    a : array_like
        (N, d) unit vectors of one modality.
    b : array_like
        (N, d) of another; row i of both is one window.
    group : array_like
        (N,) integers.
    """
    groups = np.asarray(group)
    return grouped_ranks(unit_vectors(a), unit_vectors(b), [(groups, groups)], True)[0]


def unit_vectors(values: ArrayLike) -> Singles:
    """As (N, d) float32; `AuraError` if some are not finite."""
    vectors = np.ascontiguousarray(values, dtype=np.float32)
    if vectors.ndim != 2:
        raise ValueError(f"embeddings must be (N, d), got shape {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise AuraError("Some embeddings are not finite; the encoder's training has diverged.")
    return vectors


def grouped_ranks(
    query: Singles, gallery: Singles, groupings: Sequence[Groups], mutual: bool
) -> list[tuple[Floats, Floats]]:
    """Ranks under several groupings, each coarser than the one before it, from one product.

    The tiles that hold positives come first, for the score to be beaten. It is of the same product
    as the negatives': a separate dot product rounds differently. Windows lie in the order of their
    groups meanwhile, so that few tiles hold positives.

    Parameters
    ----------
    query : ndarray
        (N, d) from :func:`unit_vectors`.
    gallery : ndarray
        (M, d) from :func:`unit_vectors`.
    groupings : sequence of Groups
        (N,) and (M,) groups of each grouping.
    mutual : bool
        Whether the queries are ranked for each gallery item too.

    Returns
    -------
    list of (ndarray, ndarray)
        For each grouping (N,) ranks of the queries, and (M,) of the gallery items, empty without
        `mutual`.
    """
    lengths = len(query), len(gallery)
    coded = [group_codes(groups, lengths, mutual) for groups in groupings]
    query_order, gallery_order = (np.lexsort([codes[side] for codes in coded]) for side in (0, 1))
    rankings = [_Ranking(q[query_order], g[gallery_order], mutual) for q, g in coded]
    query, gallery = _reordered(query, query_order), _reordered(gallery, gallery_order)
    buffer = np.empty(TILE * TILE, np.float32)
    cache: dict[Index, Singles] = {}
    for tile, span in _tiles(*lengths):
        if any(ranking.has_positives[tile] for ranking in rankings):
            scores = _scores(query, gallery, span, buffer)
            for ranking in rankings:
                ranking.update_best(tile, span, scores)
            if len(cache) < CACHED_TILES:
                cache[tile], buffer = scores, np.empty(TILE * TILE, np.float32)
    for ranking in rankings:
        ranking.set_tie_bounds()
    for tile, span in _tiles(*lengths):
        cached = cache.pop(tile, None)
        scores = _scores(query, gallery, span, buffer) if cached is None else cached
        for ranking in rankings:
            ranking.count_negatives(tile, span, scores)
    return [ranking.ranks(query_order, gallery_order) for ranking in rankings]


@dataclass
class _Counter:
    """For each query, or each gallery item: its best positive, and the negatives counted so far.

    Attributes
    ----------
    best : ndarray
        (N,) float32, highest score of a positive.
    tie_low, tie_high : ndarray
        (N,) float32, lowest and highest score that is tied with it.
    count : ndarray
        (N,) int64, negatives not below the tie, and once more those above it.
    """

    best: Singles
    tie_low: Singles = field(init=False)
    tie_high: Singles = field(init=False)
    count: Ints = field(init=False)

    def set_tie_bounds(self) -> None:
        """Fix the lowest and the highest float32 of a tie, so that no subtraction is needed."""
        best, tie = self.best.astype(np.float64), np.float64(np.float32(TIE))
        low, high = (best - tie).astype(np.float32), (best + tie).astype(np.float32)
        self.tie_low = np.where(low < best - tie, np.nextafter(low, np.float32(np.inf)), low)
        self.tie_high = np.where(high > best + tie, np.nextafter(high, np.float32(-np.inf)), high)
        self.count = np.zeros(len(self.best), np.int64)

    def ranks(self, order: Ints) -> Floats:
        """In the order of the input."""
        result = np.empty(len(order))
        result[order] = 1 + self.count / 2
        return result


class _Ranking:
    """Ranks under one grouping, in one direction or in both, from tiles of scores."""

    def __init__(self, query_codes: Ints, gallery_codes: Ints, mutual: bool) -> None:
        self.query_codes, self.gallery_codes = query_codes, gallery_codes
        self.has_positives = positive_tiles(query_codes, gallery_codes, TILE)
        self.queries = _Counter(np.full(len(query_codes), -np.inf, np.float32))
        item_count = len(gallery_codes) if mutual else 0
        self.items = _Counter(np.full(item_count, -np.inf, np.float32))
        self.mutual = mutual
        self._buffer = np.empty(STRIP * TILE, bool)

    def update_best(self, tile: Index, span: Span, scores: Singles) -> None:
        """Take the best of a tile's positives."""
        if self.has_positives[tile]:
            pairs = positive_pairs(self.query_codes[span[0]], self.gallery_codes[span[1]])
            np.maximum.at(self.queries.best[span[0]], pairs[0], scores[pairs])
            if self.mutual:
                np.maximum.at(self.items.best[span[1]], pairs[1], scores[pairs])

    def set_tie_bounds(self) -> None:
        """After the last tile with positives."""
        self.queries.set_tie_bounds()
        self.items.set_tie_bounds()

    def count_negatives(self, tile: Index, span: Span, scores: Singles) -> None:
        """Count a tile's negatives; its positives are masked meanwhile."""
        if not self.has_positives[tile]:
            return self._count(span, scores)
        pairs = positive_pairs(self.query_codes[span[0]], self.gallery_codes[span[1]])
        masked = scores[pairs]
        scores[pairs] = -np.inf
        self._count(span, scores)
        scores[pairs] = masked

    def _count(self, span: Span, scores: Singles) -> None:
        queries, items = self.queries, self.items
        start, stop = span[0].start, span[0].stop
        for first in range(start, stop, STRIP):
            rows = slice(first, min(first + STRIP, stop))
            strip = scores[first - start : rows.stop - start]
            mask = self._buffer[: strip.size].reshape(strip.shape)
            for compare, bound in ((np.greater_equal, "tie_low"), (np.greater, "tie_high")):
                compare(strip, getattr(queries, bound)[rows, None], out=mask)
                bits = np.bitwise_count(np.packbits(mask, axis=1))
                queries.count[rows] += np.add.reduce(bits, axis=1, dtype=np.uint16)
                if self.mutual:
                    compare(strip, getattr(items, bound)[span[1]], out=mask)
                    sums = np.add.reduce(mask.view(np.uint8), axis=0, dtype=np.uint8)
                    items.count[span[1]] += sums

    def ranks(self, query_order: Ints, gallery_order: Ints) -> tuple[Floats, Floats]:
        """Of the queries and of the gallery items, in the order of the input."""
        item_order = gallery_order if self.mutual else gallery_order[:0]
        return self.queries.ranks(query_order), self.items.ranks(item_order)


def _reordered(vectors: Singles, order: Ints) -> Singles:
    """The rows in this order; themselves where they are in it."""
    return vectors if (order[1:] > order[:-1]).all() else vectors[order]


def _tiles(queries: int, items: int) -> Iterator[tuple[Index, Span]]:
    """Number and extent of each tile."""
    for i, top in enumerate(range(0, queries, TILE)):
        for j, left in enumerate(range(0, items, TILE)):
            span = slice(top, min(top + TILE, queries)), slice(left, min(left + TILE, items))
            yield (i, j), span


def _scores(query: Singles, gallery: Singles, span: Span, buffer: Singles) -> Singles:
    """Scores of a tile, in `buffer`."""
    rows, columns = query[span[0]], gallery[span[1]]
    scores = buffer[: len(rows) * len(columns)].reshape(len(rows), len(columns))
    return np.matmul(rows, columns.T, out=scores)
