"""Which gallery items are relevant to which queries: those of the same group."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Ints = NDArray[np.int64]
Groups = tuple[NDArray[np.generic], NDArray[np.generic]]
"""Groups of the queries and of the gallery items."""


def instants(moments: NDArray[np.str_], start_s: NDArray[np.float64]) -> Ints:
    """(N,) numbers, the same for windows of one moment that start together: several IMUs at once.

    They are numbered as they come first, so that windows of N instants are 0 to N - 1.
    """
    _, moment = np.unique(moments, return_inverse=True)
    keys = np.stack([moment, np.rint(start_s * 1000).astype(np.int64)], axis=1)
    _, first, code = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[code.reshape(-1)]


def group_codes(groups: Groups, lengths: tuple[int, int], mutual: bool) -> tuple[Ints, Ints]:
    """Groups of both sides as numbers from 0, after a check that each query has a positive.

    Parameters
    ----------
    groups : Groups
        (N,) and (M,) groups of the queries and of the gallery items.
    lengths : tuple[int, int]
        N and M.
    mutual : bool
        Whether each gallery item needs a positive among the queries too.

    Raises
    ------
    ValueError
        Other lengths, or a query without a positive.
    """
    if tuple(group.shape for group in groups) != tuple((length,) for length in lengths):
        raise ValueError("groups must have one entry for each embedding")
    _, codes = np.unique(np.concatenate(groups), return_inverse=True)
    query_codes, gallery_codes = codes[: lengths[0]], codes[lengths[0] :]
    if not np.isin(query_codes, gallery_codes).all():
        raise ValueError("a query has no positive in the gallery")
    if mutual and not np.isin(gallery_codes, query_codes).all():
        raise ValueError("a gallery item has no positive among the queries")
    return query_codes, gallery_codes


def positive_tiles(query_codes: Ints, gallery_codes: Ints, tile: int) -> NDArray[np.bool_]:
    """Which tiles of `tile` queries by `tile` gallery items hold a positive."""
    code_count = 1 + max(query_codes.max(initial=-1), gallery_codes.max(initial=-1))

    def membership(codes: Ints) -> csr_array:
        entries = np.arange(len(codes)) // tile, codes
        shape = (-(-len(codes) // tile), code_count)
        return csr_array((np.ones(len(codes), np.int64), entries), shape)

    shared = (membership(query_codes) @ membership(gallery_codes).T).toarray()
    positive: NDArray[np.bool_] = shared > 0
    return positive


def positive_pairs(query_codes: Ints, gallery_codes: Ints) -> tuple[Ints, Ints]:
    """Rows and columns of the score matrix where query and gallery item are of one group."""
    order = np.argsort(gallery_codes, kind="stable")
    first = np.searchsorted(gallery_codes, query_codes, sorter=order)
    count = np.searchsorted(gallery_codes, query_codes, side="right", sorter=order) - first
    ends = np.cumsum(count)
    offset = np.arange(count.sum()) - np.repeat(ends - count, count)
    rows = np.repeat(np.arange(len(query_codes)), count)
    return rows, order[np.repeat(first, count) + offset]
