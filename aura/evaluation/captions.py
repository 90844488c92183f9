"""Captions and actions as fine-grained classes of windows.

A window is classified zero-shot, by the nearest text vector, among its activity's actions or, where
there are none, its distinct captions; see :mod:`aura.evaluation.hierarchy` for the figures.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from aura.errors import AuraError
from aura.evaluation.hierarchy import Hierarchy, Ints, Tree, confusion, score


def caption_tree(
    captions: Sequence[str | None], activities: Sequence[str | None]
) -> tuple[Tree, Ints]:
    """Make each distinct caption of an activity an action.

    Parameters
    ----------
    captions : sequence of str or None
        (N,) caption of each window. Case, spaces and a full stop do not tell captions apart; the
        same words in two activities are two actions.
    activities : sequence of str or None
        (N,) label of each window.

    Returns
    -------
    tree : Tree
        Named by the first writing of each caption.
    actions : ndarray
        (N,) action of each window, -1 where it has no caption or no activity.
    """
    action_numbers: dict[tuple[str, str], int] = {}
    names: list[str] = []
    activity_numbers: dict[str, int] = {}
    activity_of, actions = [], np.full(len(captions), -1)
    for row, (caption, activity) in enumerate(zip(captions, activities, strict=True)):
        normalized = " ".join((caption or "").casefold().split()).rstrip(". ")
        if not normalized or activity is None:
            continue
        number = action_numbers.setdefault((normalized, activity), len(action_numbers))
        if number == len(names):
            names.append(str(caption))
            activity_of.append(activity_numbers.setdefault(activity, len(activity_numbers)))
        actions[row] = number
    tree = Tree(tuple(names), tuple(activity_numbers), np.array(activity_of, dtype=np.int64))
    return tree, actions


def nearest_action(
    embeddings: ArrayLike,
    vectors: ArrayLike,
    activity_of: ArrayLike | None = None,
    activity: ArrayLike | None = None,
    batch: int = 1024,
) -> Ints:
    """Index of the nearest of (M, d) caption or action vectors for each of (N, d) embeddings.

    Parameters
    ----------
    embeddings : array_like
        (N, d) unit vectors of the windows.
    vectors : array_like
        (M, d) unit vectors. The first of equal ones wins.
    activity_of : array_like or None
        (M,) activity of each vector.
    activity : array_like or None
        (N,) activity of each window; with it only the vectors of that activity compete, and -1 is
        returned where there is none.
    batch : int
        Windows that are compared at a time.
    """
    queries, gallery = np.asarray(embeddings), np.asarray(vectors, np.float64)
    gallery_activity = None if activity_of is None else np.asarray(activity_of)
    query_activity = None if activity is None else np.asarray(activity)
    result = np.full(len(queries), -1)
    for start in range(0, len(queries), batch) if len(gallery) else ():
        rows = slice(start, start + batch)
        similarity = queries[rows].astype(np.float64) @ gallery.T
        if not np.isfinite(similarity).all():
            raise AuraError("Some embeddings are not finite; the encoder's training has diverged.")
        if gallery_activity is not None and query_activity is not None:
            similarity[gallery_activity != query_activity[rows, None]] = -np.inf
        best = similarity.argmax(axis=1)
        result[rows] = np.where(np.isfinite(similarity.max(axis=1)), best, -1)
    return result


def caption_classification(
    embeddings: ArrayLike,
    caption_vectors: ArrayLike,
    caption_of: ArrayLike,
    tree: Tree,
    groups: ArrayLike,
    train: ArrayLike | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[Hierarchy, dict[str, list[list[int]]]]:
    """Zero-shot by the nearest of M captions to a window's embedding.

    Parameters
    ----------
    embeddings : array_like
        (N, d) unit vectors of the windows.
    caption_vectors : array_like
        (M, d) unit vectors of the tree's actions.
    caption_of : array_like
        (N,) action of each window, -1 for none.
    tree : Tree
        Captions under activities.
    groups : array_like
        (N,) participant or take, redrawn whole.
    train : array_like or None
        Actions of the training windows, for the majority baseline.
    draws : int
        Redraws of the bootstrap.
    seed : int
        Of the bootstrap.

    Returns
    -------
    figures : Hierarchy
        All figures.
    confusions : dict of str to list
        For each activity of k > 1 actions (k, k + 1) counts: a row for each true action, a column
        for each predicted one and one for all of other activities.
    """
    true, vectors = np.asarray(caption_of), np.asarray(caption_vectors)
    if len(vectors) != len(tree.action_names):
        raise AuraError(f"{len(vectors)} caption vectors for {len(tree.action_names)} captions.")
    predicted = nearest_action(embeddings, vectors)
    predicted_given = nearest_action(embeddings, vectors, tree.activity_of, tree.activities(true))
    figures = score(true, predicted, tree, groups, predicted_given, train, draws=draws, seed=seed)
    sizes, tested = np.bincount(tree.activity_of), tree.activity_of[true[true >= 0]]
    names = [tree.activity_names[i] for i in np.unique(tested) if sizes[i] > 1]
    counts = {name: confusion(true, predicted, tree, name) for name in names}
    # A caption always names an action, so the column of an activity alone is empty.
    return figures, {name: np.delete(cells, -2, 1).tolist() for name, cells in counts.items()}
