"""Which windows to look at, and what lies nearest to them in another modality."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]


def nearest(query: ArrayLike, gallery: ArrayLike, k: int) -> tuple[Ints, NDArray[np.float64]]:
    """The k gallery rows with the highest dot product for each query; ties in order of the rows.

    Parameters
    ----------
    query, gallery
        (Q, d) and (M, d) unit vectors.

    Returns
    -------
    (Q, min(k, M)) row numbers, best first, and their dot products.
    """
    scores = np.asarray(query, np.float64) @ np.asarray(gallery, np.float64).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


def choose(misses: ArrayLike, label: Sequence[str], count: int, seed: int) -> tuple[Ints, bool]:
    """Draw windows to look at: each of another class as far as there are, the last a failure.

    Parameters
    ----------
    misses
        (N,) in how many galleries the right one is not among the first; NaN is never drawn.
    label
        (N,) class of each window.
    count, seed
        How many to draw, and the seed.

    Returns
    -------
    Row numbers, and whether the last is a failure: one of those with the most misses, if any.
    """
    missed = np.asarray(misses, np.float64)
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.flatnonzero(np.isfinite(missed)))
    if not len(order) or count < 1:
        return np.empty(0, np.int64), False
    worst = missed[order].max()
    failure = [int(order[missed[order] == worst][0])] if worst > 0 else []
    taken = {label[row] for row in failure}
    picked: list[int] = []
    rest = [int(row) for row in order if int(row) not in failure]
    for fresh in (True, False):  # a class once, then any
        for row in rest:
            if len(picked) + len(failure) == count:
                break
            if row not in picked and (not fresh or label[row] not in taken):
                picked.append(row)
                taken.add(label[row])
    return np.array(picked + failure, np.int64), bool(failure)
