"""The joint space in two dimensions: t-SNE of a class-balanced draw of windows.

After van der Maaten and Hinton, "Visualizing data using t-SNE" (JMLR 9, 2008). All modalities share
one map, so that windows whose modalities lie apart can be seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from aura.evaluation.retrieval import balanced_pool

PERPLEXITY = 30
_MIN_POINTS = 12  # fewer have no neighbourhoods to speak of


@dataclass(frozen=True)
class Layout:
    """Places of some windows.

    Attributes
    ----------
    rows : ndarray
        (n,) int64, the windows drawn, as rows of the input.
    points : dict of str to ndarray
        Modality → (n, 2) within the unit square, NaN where the window lacks it.
    """

    rows: NDArray[np.int64]
    points: dict[str, NDArray[np.float64]]


def joint_layout(
    vectors: Mapping[str, NDArray[Any]],
    valid: Mapping[str, NDArray[np.bool_]],
    label: ArrayLike,
    size: int = 150,
    seed: int = 0,
) -> Layout | None:
    """Lay out at most `size` windows, no class with more than its equal share.

    Parameters
    ----------
    vectors : mapping of str to ndarray
        Modality → (N, d) unit vectors.
    valid : mapping of str to ndarray
        Modality → (N,) bool, where they count.
    label : array_like
        (N,) class of each window.
    size : int
        Most windows drawn.
    seed : int
        Of the draw and of t-SNE.

    Returns
    -------
    Layout or None
        None where fewer than 12 vectors are left, which t-SNE cannot lay out.
    """
    pool = np.flatnonzero(np.any(list(valid.values()), axis=0)) if valid else np.empty(0, np.int64)
    if not len(pool):
        return None
    rows = pool[balanced_pool(np.asarray(label)[pool], size, (seed,))]
    present = [(m, np.flatnonzero(valid[m][rows])) for m in vectors]
    stacked = np.concatenate([vectors[m][rows[index]] for m, index in present]).astype(np.float64)
    if len(stacked) < _MIN_POINTS:
        return None
    perplexity = min(PERPLEXITY, (len(stacked) - 1) / 3)
    with threadpool_limits(1):  # sums over threads would depend on how many there are
        embedding = TSNE(
            2, perplexity=perplexity, metric="cosine", init="pca", method="exact", random_state=seed
        ).fit_transform(stacked)
    extent = max(float(np.ptp(embedding, axis=0).max()), 1e-12)
    embedding = (embedding - embedding.min(axis=0)) / extent
    points, start = {}, 0
    for modality, index in present:
        points[modality] = np.full((len(rows), 2), np.nan)
        points[modality][index] = embedding[start : start + len(index)]
        start += len(index)
    return Layout(rows, points)
