"""Windows to look at, and their nearest neighbours in another modality."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]


def nearest(query: ArrayLike, gallery: ArrayLike, k: int) -> tuple[Ints, NDArray[np.float64]]:
    """The k gallery rows with the highest dot product for each query; ties in order of the rows.

    Parameters
    ----------
    query : array_like
        (Q, d) unit vectors.
    gallery : array_like
        (M, d) unit vectors.
    k : int
        Neighbours of each query.

    Returns
    -------
    rows : ndarray
        (Q, min(k, M)) row numbers of the gallery, best first.
    scores : ndarray
        (Q, min(k, M)) dot products.
    """
    scores = np.asarray(query, np.float64) @ np.asarray(gallery, np.float64).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


def choose(misses: ArrayLike, label: Sequence[str], count: int, seed: int) -> tuple[Ints, bool]:
    """Draw windows to look at: each of another class as far as there are, the last a failure.

    Parameters
    ----------
    misses : array_like
        (N,) in how many galleries the right one is not among the first; NaN is never drawn.
    label : sequence of str
        (N,) class of each window.
    count : int
        How many to draw.
    seed : int
        Of the draw.

    Returns
    -------
    rows : ndarray
        Row numbers.
    fails : bool
        Whether the last is a failure: one of those with the most misses, if any.
    """
    missed = np.asarray(misses, np.float64)
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.flatnonzero(np.isfinite(missed)))
    if not len(order) or count < 1:
        return np.empty(0, np.int64), False
    worst = missed[order].max()
    failure = [int(order[missed[order] == worst][0])] if worst > 0 else []
    drawn_labels = {label[row] for row in failure}
    drawn: list[int] = []
    candidates = [int(row) for row in order if int(row) not in failure]
    for new_label_only in (True, False):
        for row in candidates:
            if len(drawn) + len(failure) == count:
                break
            if row not in drawn and (not new_label_only or label[row] not in drawn_labels):
                drawn.append(row)
                drawn_labels.add(label[row])
    return np.array(drawn + failure, np.int64), bool(failure)
