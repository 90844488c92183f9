"""A retriever that looks at nothing but how long two recordings are."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_TIE_S = 1e-6


def length_ranks(query_s: ArrayLike, gallery_s: ArrayLike) -> NDArray[np.float64]:
    """Rank of each query's counterpart when the gallery is sorted by nearness in length.

    Where recordings start and stop together, as short sequences do, length alone may give the
    counterpart away; a learned retriever has to do better than this one.

    Parameters
    ----------
    query_s : array_like
        (N,) seconds of signal in each window.
    gallery_s : array_like
        (N,) the same of the other modality; row i of both is one window.

    Returns
    -------
    ndarray
        (N,) ranks from 1, ties averaged: recordings of one length give everybody (N + 1) / 2.
    """
    query, gallery = np.asarray(query_s, np.float64), np.asarray(gallery_s, np.float64)
    ordered, difference = np.sort(gallery), np.abs(query - gallery)
    low, high = query - difference, query + difference
    nearer = np.searchsorted(ordered, high - _TIE_S) - np.searchsorted(
        ordered, low + _TIE_S, side="right"
    )
    nearer = np.maximum(nearer, 0)
    within = np.searchsorted(ordered, high + _TIE_S, side="right") - np.searchsorted(
        ordered, low - _TIE_S
    )
    ranks: NDArray[np.float64] = 1 + nearer + (within - nearer - 1) / 2
    return ranks
