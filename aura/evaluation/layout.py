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
_LEAST = 12  # points; fewer have no neighbourhoods to speak of


@dataclass(frozen=True)
class Layout:
    """Places of some windows.

    Attributes
    ----------
    rows
        (n,) the windows drawn, as rows of what was given.
    points
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
    vectors, valid
        Modality → (N, d) unit vectors, and (N,) where they count.
    label
        (N,) class of each window.
    size, seed
        Most windows drawn, and the seed of the draw and of t-SNE.

    Returns
    -------
    None where fewer than 12 vectors are left, which t-SNE cannot lay out.
    """
    some = np.flatnonzero(np.any(list(valid.values()), axis=0)) if valid else np.empty(0, np.int64)
    if not len(some):
        return None
    rows = some[balanced_pool(np.asarray(label)[some], size, (seed,))]
    owner = [(m, np.flatnonzero(valid[m][rows])) for m in vectors]
    cloud = np.concatenate([vectors[m][rows[places]] for m, places in owner]).astype(np.float64)
    if len(cloud) < _LEAST:
        return None
    perplexity = min(PERPLEXITY, (len(cloud) - 1) / 3)
    with threadpool_limits(1):  # sums over threads would depend on how many there are
        flat = TSNE(
            2, perplexity=perplexity, metric="cosine", init="pca", method="exact", random_state=seed
        ).fit_transform(cloud)
    flat = (flat - flat.min(axis=0)) / max(float(np.ptp(flat, axis=0).max()), 1e-12)
    points, start = {}, 0
    for modality, places in owner:
        points[modality] = np.full((len(rows), 2), np.nan)
        points[modality][places] = flat[start : start + len(places)]
        start += len(places)
    return Layout(rows, points)
