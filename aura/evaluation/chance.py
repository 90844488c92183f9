"""What a retriever that ranks the gallery in random order would score, exactly."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

CUTOFFS = (1, 10, 50)


@lru_cache(maxsize=4096)
def _best_rank_tail(pool: int, positives: int) -> NDArray[np.float64]:
    """P(best rank > r) for r = 0 … N, of k positives among N in random order.

    The best positive stands below place r exactly when the first r places all hold negatives:
    P(best > r) = C(N - k, r) / C(N, r) = Π_{i < r} (N - k - i) / (N - i).
    """
    if not 1 <= positives <= pool:
        raise ValueError(f"{positives} positives cannot stand in a pool of {pool}")
    i = np.arange(pool)
    factors = np.maximum(pool - positives - i, 0) / (pool - i)
    return np.concatenate([[1.0], np.cumprod(factors)])


def best_rank_distribution(pool: int, positives: int) -> NDArray[np.float64]:
    """Probability of each best rank 1 … N under random order.

    Parameters
    ----------
    pool : int
        Gallery size N.
    positives : int
        Number k of gallery items that count as right, 1 ≤ k ≤ N.

    Returns
    -------
    ndarray
        (N,) probabilities that sum to 1. Their mean rank is (N + 1) / (k + 1).
    """
    return -np.diff(_best_rank_tail(pool, positives))


def class_prior(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a retriever that knows the query's class and nothing else scores in the whole pool.

    It ranks its class first, in random order, so that its figures are the chance of a pool of that
    class (evaluation protocol, rule 3).

    Parameters
    ----------
    rows : sequence of mapping
        Of :func:`aura.evaluation.retrieval.all_pairs`.

    Returns
    -------
    list of dict
        A row like them for each that is strict and in the full pool, of matching "strict, class
        alone".
    """
    full, within_class = (
        {(r["query"], r["gallery"]): r for r in rows if r["matching"] == "strict"
         and r["pool_kind"] == kind}
        for kind in ("full", "within class")
    )  # fmt: skip
    names = [f"R@{k}" for k in CUTOFFS] + ["MRR", "median_rank"]
    return [
        {
            **{key: None if key.endswith(("_low", "_high")) else value for key, value in r.items()},
            **{name: within_class[pair][f"{name}_chance"] for name in names},
            "matching": "strict, class alone",
        }
        for pair, r in full.items()
        if pair in within_class
    ]


def retrieval_chance(
    pool: int | NDArray[np.int64],
    positives: int | NDArray[np.int64],
    cutoffs: Sequence[int] = CUTOFFS,
) -> dict[str, float]:
    """Expected R@K, MRR and median rank of a random order (evaluation protocol, rule 3).

    Parameters
    ----------
    pool : int or ndarray
        Gallery size of each query, a scalar or (N,).
    positives : int or ndarray
        Number of positives of each query, a scalar or (N,).
    cutoffs : sequence of int
        The K of R@K.

    Returns
    -------
    dict of str to float
        ``R@K`` for each K, ``MRR`` and ``median_rank``. The median is that of the ranks of all
        queries together, the midpoint where two ranks halve the distribution.
    """
    pools, counts = np.broadcast_arrays(np.atleast_1d(pool), np.atleast_1d(positives))
    distinct, queries = np.unique(np.stack([pools, counts]), axis=1, return_counts=True)
    largest = int(distinct[0].max())
    density = np.zeros(largest)
    for (size, k), count in zip(distinct.T.tolist(), queries.tolist(), strict=True):
        density[:size] += best_rank_distribution(size, k) * (count / queries.sum())
    cumulative = np.cumsum(density)
    result = {f"R@{k}": float(min(cumulative[min(k, largest) - 1], 1.0)) for k in cutoffs}
    result["MRR"] = float((density / np.arange(1, largest + 1)).sum())
    # The margin keeps a sum that is one half up to rounding on the half.
    lower, upper = np.searchsorted(cumulative, [0.5 - 1e-9, 0.5 + 1e-9])
    result["median_rank"] = float(lower + upper + 2) / 2
    return result
