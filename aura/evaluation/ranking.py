"""Ranks by counting how much of a gallery scores above the right answer, tile by tile.

Nothing is sorted, and no more than a few tiles of scores are in memory at a time. Both directions
of a pair of modalities come from one product.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from aura.errors import AuraError

TILE = 1024
STRIP = 128  # rows of a tile counted at once: they fit the cache, and a sum over them a byte
HELD = 16  # tiles kept between the two looks at them; others are computed again
TIE = 1e-6
"""Scores this close are tied: a float32 product of 512-d unit vectors is no more exact."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Singles = NDArray[np.float32]
Groups = tuple[NDArray[np.generic], NDArray[np.generic]]
Span = tuple[slice, slice]


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
    groups = np.asarray(query_group), np.asarray(gallery_group)
    return ranks_under(unit_vectors(query), unit_vectors(gallery), [groups], False)[0][0]


def mutual_ranks(a: ArrayLike, b: ArrayLike, group: ArrayLike) -> tuple[Floats, Floats]:
    """:func:`ranks` of `a` in `b` and of `b` in `a`, from one product.

    Parameters
    ----------
    a, b
        (N, d) unit vectors of two modalities; row i of both is one window.
    group
        (N,) integers.
    """
    own = np.asarray(group)
    return ranks_under(unit_vectors(a), unit_vectors(b), [(own, own)], True)[0]


def unit_vectors(values: ArrayLike) -> Singles:
    """As (N, d) float32; `AuraError` if some are not finite."""
    vectors = np.ascontiguousarray(values, dtype=np.float32)
    if vectors.ndim != 2:
        raise ValueError(f"embeddings must be (N, d), got shape {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise AuraError("Some embeddings are not finite; the encoder's training has diverged.")
    return vectors


def ranks_under(
    query: Singles, gallery: Singles, groupings: Sequence[Groups], back: bool
) -> list[tuple[Floats, Floats]]:
    """Ranks under several groupings, each coarser than the one before it, from one product.

    The tiles that hold positives come first, for the score to be beaten. It is of the same product
    as the negatives': a separate dot product rounds differently. Windows lie in the order of their
    groups meanwhile, so that few tiles hold positives.

    Parameters
    ----------
    query, gallery
        From :func:`unit_vectors`.
    groupings
        Groups of the queries and of the gallery.
    back
        Whether the gallery is ranked for each query only, or the queries for each gallery item
        too.

    Returns
    -------
    For each grouping (N,) ranks of the queries, and (M,) of the gallery items, empty without
    `back`.
    """
    coded = [_codes(groups, (len(query), len(gallery)), back) for groups in groupings]
    rows, columns = (np.lexsort([groups[side] for groups in coded]) for side in (0, 1))
    contests = [_Contest(own[rows], other[columns], back) for own, other in coded]
    query, gallery = _in_order(query, rows), _in_order(gallery, columns)
    room = np.empty(TILE * TILE, np.float32)
    held: dict[tuple[int, int], Singles] = {}
    for place, span in _tiles(len(query), len(gallery)):
        if any(contest.meets[place] for contest in contests):
            scores = _product(query, gallery, span, room)
            for contest in contests:
                contest.look(place, span, scores)
            if len(held) < HELD:
                held[place], room = scores, np.empty(TILE * TILE, np.float32)
    for contest in contests:
        contest.bound()
    for place, span in _tiles(len(query), len(gallery)):
        known = held.pop(place, None)
        scores = _product(query, gallery, span, room) if known is None else known
        for contest in contests:
            contest.count(place, span, scores)
    return [contest.ranks(rows, columns) for contest in contests]


@dataclass
class _Side:
    """What the queries, or the gallery items, have to beat, and the count of what they met."""

    best: Singles
    low: Singles = field(init=False)
    high: Singles = field(init=False)
    count: Ints = field(init=False)  # negatives not below, and once more those above

    def bound(self) -> None:
        """Fix the lowest and the highest float32 of a tie, so that no subtraction is needed."""
        best, tie = self.best.astype(np.float64), np.float64(np.float32(TIE))
        low, high = (best - tie).astype(np.float32), (best + tie).astype(np.float32)
        self.low = np.where(low < best - tie, np.nextafter(low, np.float32(np.inf)), low)
        self.high = np.where(high > best + tie, np.nextafter(high, np.float32(-np.inf)), high)
        self.count = np.zeros(len(self.best), np.int64)

    def ranks(self, order: Ints) -> Floats:
        """In the order of the input."""
        found = np.empty(len(order))
        found[order] = 1 + self.count / 2
        return found


class _Contest:
    """Positives against negatives under one grouping, in one direction or in both."""

    def __init__(self, own: Ints, other: Ints, back: bool) -> None:
        self.own, self.other = own, other
        self.meets = _meeting(own, other)
        self.rows = _Side(np.full(len(own), -np.inf, np.float32))
        self.columns = _Side(np.full(len(other) if back else 0, -np.inf, np.float32))
        self.back = back
        self._room = np.empty(STRIP * TILE, bool)

    def look(self, place: tuple[int, int], span: Span, scores: Singles) -> None:
        """Take the best of a tile's positives."""
        if self.meets[place]:
            pairs = _pairs(self.own[span[0]], self.other[span[1]])
            np.maximum.at(self.rows.best[span[0]], pairs[0], scores[pairs])
            if self.back:
                np.maximum.at(self.columns.best[span[1]], pairs[1], scores[pairs])

    def bound(self) -> None:
        """After the last tile with positives."""
        self.rows.bound()
        self.columns.bound()

    def count(self, place: tuple[int, int], span: Span, scores: Singles) -> None:
        """Count a tile's negatives; its positives are out of sight meanwhile."""
        if not self.meets[place]:
            return self._count(span, scores)
        pairs = _pairs(self.own[span[0]], self.other[span[1]])
        hidden = scores[pairs]
        scores[pairs] = -np.inf
        self._count(span, scores)
        scores[pairs] = hidden

    def _count(self, span: Span, scores: Singles) -> None:
        rows, columns = self.rows, self.columns
        begin, end = span[0].start, span[0].stop
        for first in range(begin, end, STRIP):
            some = slice(first, min(first + STRIP, end))
            strip = scores[first - begin : some.stop - begin]
            hit = self._room[: strip.size].reshape(strip.shape)
            for beats, side in ((np.greater_equal, "low"), (np.greater, "high")):
                beats(strip, getattr(rows, side)[some, None], out=hit)
                bits = np.bitwise_count(np.packbits(hit, axis=1))
                rows.count[some] += np.add.reduce(bits, axis=1, dtype=np.uint16)
                if self.back:
                    beats(strip, getattr(columns, side)[span[1]], out=hit)
                    sums = np.add.reduce(hit.view(np.uint8), axis=0, dtype=np.uint8)
                    columns.count[span[1]] += sums

    def ranks(self, rows: Ints, columns: Ints) -> tuple[Floats, Floats]:
        """Of the queries and of the gallery items, in the order of the input."""
        return self.rows.ranks(rows), self.columns.ranks(columns if self.back else columns[:0])


def _codes(groups: Groups, lengths: tuple[int, int], back: bool) -> tuple[Ints, Ints]:
    """Groups of both sides as numbers from 0, after a check that each has its counterpart."""
    if tuple(group.shape for group in groups) != tuple((length,) for length in lengths):
        raise ValueError("groups must have one entry for each embedding")
    _, code = np.unique(np.concatenate(groups), return_inverse=True)
    own, other = code[: lengths[0]], code[lengths[0] :]
    if not np.isin(own, other).all():
        raise ValueError("a query has no positive in the gallery")
    if back and not np.isin(other, own).all():
        raise ValueError("a gallery item has no positive among the queries")
    return own, other


def _in_order(vectors: Singles, order: Ints) -> Singles:
    """The rows in this order; themselves where they are in it."""
    return vectors if (order[1:] > order[:-1]).all() else vectors[order]


def _tiles(rows: int, columns: int) -> Iterator[tuple[tuple[int, int], Span]]:
    """Number and extent of each tile."""
    for i, top in enumerate(range(0, rows, TILE)):
        for j, left in enumerate(range(0, columns, TILE)):
            span = slice(top, min(top + TILE, rows)), slice(left, min(left + TILE, columns))
            yield (i, j), span


def _product(query: Singles, gallery: Singles, span: Span, room: Singles) -> Singles:
    """Scores of a tile, in `room`."""
    some, others = query[span[0]], gallery[span[1]]
    scores = room[: len(some) * len(others)].reshape(len(some), len(others))
    return np.matmul(some, others.T, out=scores)


def _meeting(own: Ints, other: Ints) -> NDArray[np.bool_]:
    """Which tiles hold positives."""
    most = 1 + max(own.max(initial=-1), other.max(initial=-1))

    def members(code: Ints) -> csr_array:
        where = np.arange(len(code)) // TILE, code
        return csr_array((np.ones(len(code), np.int64), where), (-(-len(code) // TILE), most))

    meets: NDArray[np.bool_] = (members(own) @ members(other).T).toarray() > 0
    return meets


def _pairs(own: Ints, other: Ints) -> tuple[Ints, Ints]:
    """Rows and columns where the codes are equal."""
    order = np.argsort(other, kind="stable")
    first = np.searchsorted(other, own, sorter=order)
    count = np.searchsorted(other, own, side="right", sorter=order) - first
    ends = np.cumsum(count)
    step = np.arange(count.sum()) - np.repeat(ends - count, count)
    return np.repeat(np.arange(len(own)), count), order[np.repeat(first, count) + step]
