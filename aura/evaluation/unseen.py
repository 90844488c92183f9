"""Classes that training left out: accuracy among them, and among all classes.

Windows are scored with their cosine to each class. Among all classes, that of the left-out ones
is the generalised zero-shot accuracy, and its harmonic mean with that of the seen ones tells
whether a model can do both (Xian et al. 2017).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from aura.evaluation.bootstrap import Interval, cluster_bootstrap, resampling_unit

Floats = NDArray[np.float64]


def folds_of(classes: int, size: int, seed: int | Sequence[int]) -> list[list[int]]:
    """Classes in random folds of `size`; what remains is spread over them, one more each.

    Parameters
    ----------
    classes : int
        Number of classes, at least `size` of which there must be.
    size : int
        Classes of a fold.
    seed : int or sequence of int
        Of their order.

    Returns
    -------
    list of list of int
        Sorted numbers of classes, each in one fold.
    """
    order = np.random.default_rng(seed).permutation(classes)
    return [sorted(fold.tolist()) for fold in np.array_split(order, max(1, classes // size))]


def among(scores: Floats, label: NDArray[np.int64], fold: Sequence[int], size: int) -> Floats:
    """Accuracy of each window among `size` classes of its fold, (N,) from 0 to 1.

    Of a larger fold it is the mean over all choices of `size` classes with the right one among
    them, so that folds of any size have the chance level 1 / `size`.

    Parameters
    ----------
    scores : (N, C) float
        Of all classes.
    label : (N,) int
        Numbers of classes of the fold.
    fold : sequence of int
        F classes.
    size : int
        How many of them to choose from; all of a smaller fold.
    """
    inside = scores[:, list(fold)]
    own = np.take_along_axis(scores, label[:, None], 1)
    above = (inside > own).sum(1)
    size = min(size, len(fold))
    others = len(fold) - 1
    ways = [comb(others - int(n), size - 1) / comb(others, size - 1) for n in range(len(fold))]
    return np.array(ways)[above]


@dataclass(frozen=True)
class Outcome:
    """What a model says of test windows.

    Attributes
    ----------
    scores : (N, C) float
        Cosine with each class; NaN of a class that takes no part, and of a window without the
        sensor.
    label : (N,) int
        Classes.
    fold : tuple of int
        The classes that are tested as unseen.
    participant, take, moment : (N,) str
        Of each window.
    """

    scores: Floats
    label: NDArray[np.int64]
    fold: tuple[int, ...]
    participant: NDArray[np.str_]
    take: NDArray[np.str_]
    moment: NDArray[np.str_]


def harmonic(a: float, b: float) -> float:
    """Harmonic mean; 0 if either is."""
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def figures(
    outcomes: Sequence[Outcome], size: int, draws: int, seed: int
) -> tuple[dict[str, Interval], dict[int, float], str]:
    """Figures over the windows of several models, each of which left out classes of its own.

    Parameters
    ----------
    outcomes : sequence of Outcome
        One a model; a window may be in several.
    size : int
        Unseen classes to choose from, see `among`.
    draws, seed : int
        Of the bootstrap.

    Returns
    -------
    table : dict of str to Interval
        `accuracy` among `size` unseen classes; among all classes `seen`, `unseen`, and their
        `harmonic` mean. Empty where no window has the sensor.
    recall : dict of int to float
        Of each unseen class among `size`.
    unit : str
        What was redrawn for the intervals.
    """
    kept = [_usable(outcome) for outcome in outcomes]
    kept = [outcome for outcome in kept if len(outcome.label)]
    if not kept:
        return {}, {}, ""
    is_unseen = np.concatenate([np.isin(o.label, o.fold) for o in kept])
    if not is_unseen.any():
        return {}, {}, ""
    hit = np.concatenate([np.nanargmax(o.scores, 1) == o.label for o in kept]).astype(float)
    within = np.zeros(len(hit))
    within[is_unseen] = np.concatenate([
        among(o.scores[rows], o.label[rows], o.fold, size)
        for o in kept
        for rows in [np.isin(o.label, o.fold)]
    ])  # fmt: skip
    label = np.concatenate([o.label for o in kept])
    participant, take, moment = (
        np.concatenate([getattr(o, name) for o in kept])
        for name in ("participant", "take", "moment")
    )
    groups, unit = resampling_unit(participant, take, moment)

    def mean(values: Floats, rows: NDArray[np.bool_]) -> Callable[[Floats], float]:
        def statistic(weights: Floats) -> float:
            total = weights[rows].sum()
            return float(weights[rows] @ values[rows] / total) if total else 0.0

        return statistic

    seen, unseen = mean(hit, ~is_unseen), mean(hit, is_unseen)
    statistics = {
        "accuracy": mean(within, is_unseen),
        "seen": seen,
        "unseen": unseen,
        "harmonic": lambda weights: harmonic(seen(weights), unseen(weights)),
    }
    table = {name: cluster_bootstrap(s, groups, draws, seed) for name, s in statistics.items()}
    classes = np.unique(label[is_unseen])
    recall = {int(c): float(within[is_unseen & (label == c)].mean()) for c in classes}
    return table, recall, unit


def _usable(outcome: Outcome) -> Outcome:
    """The windows that have the sensor."""
    rows = np.flatnonzero(np.isfinite(outcome.scores).any(1))
    columns = {name: getattr(outcome, name)[rows]
               for name in ("scores", "label", "participant", "take", "moment")}  # fmt: skip
    return Outcome(fold=outcome.fold, **columns)
