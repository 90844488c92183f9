"""Captions and actions as fine-grained classes: which of them is a window's own?

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
    captions, activities
        (N,) caption and label of each window. Case, spaces and a full stop do not tell captions
        apart; the same words in two activities are two actions.

    Returns
    -------
    The tree, named by the first writing of each caption, and the (N,) action of each window, -1
    where it has no caption or no activity.
    """
    numbers: dict[tuple[str, str], int] = {}
    names: list[str] = []
    activity_numbers: dict[str, int] = {}
    activity_of, found = [], np.full(len(captions), -1)
    for row, (caption, activity) in enumerate(zip(captions, activities, strict=True)):
        plain = " ".join((caption or "").casefold().split()).rstrip(". ")
        if not plain or activity is None:
            continue
        number = numbers.setdefault((plain, activity), len(numbers))
        if number == len(names):
            names.append(str(caption))
            activity_of.append(activity_numbers.setdefault(activity, len(activity_numbers)))
        found[row] = number
    tree = Tree(tuple(names), tuple(activity_numbers), np.array(activity_of, dtype=np.int64))
    return tree, found


def nearest_action(
    embeddings: ArrayLike,
    vectors: ArrayLike,
    activity_of: ArrayLike | None = None,
    given: ArrayLike | None = None,
    batch: int = 1024,
) -> Ints:
    """Index of the nearest of (M, d) caption or action vectors for each of (N, d) embeddings.

    Parameters
    ----------
    embeddings, vectors
        Unit vectors. The first of equal vectors wins.
    activity_of, given
        (M,) activity of each vector and (N,) activity of each window; with them only the vectors
        of the window's activity compete. -1 is returned where there is none.
    """
    queries, gallery = np.asarray(embeddings), np.asarray(vectors, np.float64)
    owner = None if activity_of is None else np.asarray(activity_of)
    told = None if given is None else np.asarray(given)
    found = np.full(len(queries), -1)
    for start in range(0, len(queries), batch) if len(gallery) else ():
        some = slice(start, start + batch)
        likeness = queries[some].astype(np.float64) @ gallery.T
        if not np.isfinite(likeness).all():
            raise AuraError("Some embeddings are not finite; the encoder's training has diverged.")
        if owner is not None and told is not None:
            likeness[owner != told[some, None]] = -np.inf
        best = likeness.argmax(axis=1)
        found[some] = np.where(np.isfinite(likeness.max(axis=1)), best, -1)
    return found


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
    """Zero-shot: which of the M captions does a window's embedding lie nearest?

    Parameters
    ----------
    embeddings : (N, d) unit vectors of the windows.
    caption_vectors : (M, d) unit vectors of the tree's actions. caption_of : (N,), -1 for none.
    groups, train, draws, seed : see :func:`score`.

    Returns
    -------
    The figures, and for each activity of k > 1 actions (k, k + 1) counts: a row for each true
    action, a column for each predicted one and one for all of other activities.
    """
    true, vectors = np.asarray(caption_of), np.asarray(caption_vectors)
    if len(vectors) != len(tree.action_names):
        raise AuraError(f"{len(vectors)} caption vectors for {len(tree.action_names)} captions.")
    free = nearest_action(embeddings, vectors)
    told = nearest_action(embeddings, vectors, tree.activity_of, tree.activities(true))
    found = score(true, free, tree, groups, told, train, draws=draws, seed=seed)
    sizes, asked = np.bincount(tree.activity_of), tree.activity_of[true[true >= 0]]
    names = [tree.activity_names[i] for i in np.unique(asked) if sizes[i] > 1]
    counts = {name: confusion(true, free, tree, name) for name in names}
    # A caption always names an action, so the column of an activity alone is empty.
    return found, {name: np.delete(cells, -2, 1).tolist() for name, cells in counts.items()}
