"""Classes that training left out: accuracy among them, and among all classes.

Windows are scored with their cosine to each class. Among all classes, that of the left-out ones
is the generalised zero-shot accuracy, and its harmonic mean with that of the seen ones tells
whether a model can do both (Xian et al. 2017).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
    raise_by : float
        What is added to the cosines of unseen classes where all classes compete; see `calibrate`.
    """

    scores: Floats
    label: NDArray[np.int64]
    fold: tuple[int, ...]
    participant: NDArray[np.str_]
    take: NDArray[np.str_]
    moment: NDArray[np.str_]
    raise_by: float = 0.0

    @property
    def raised(self) -> Floats:
        """Scores with those of unseen classes raised."""
        scores = self.scores.copy()
        scores[:, list(self.fold)] += self.raise_by
        return scores


def calibrate(outcomes: Sequence[Outcome]) -> float:
    """What to raise unseen classes by, for the best harmonic mean on these windows.

    A model says the classes that it knows too often (calibrated stacking, Chao et al. 2016). To be
    found with other classes and other people than those it is used on.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of models that left out pseudo-unseen classes.

    Returns
    -------
    float
        In cosine; 0 where there are no windows of either kind.
    """
    gaps, right = [], []
    for o in map(_usable, outcomes):
        inside = np.zeros(o.scores.shape[1], bool)
        inside[list(o.fold)] = True
        known = np.where(inside | np.isnan(o.scores), -np.inf, o.scores)
        new = np.where(inside, o.scores, -np.inf)
        gaps.append(known.max(1) - new.max(1))  # a window is said to be new if raised by more
        is_new = inside[o.label]
        best = np.where(is_new, new.argmax(1), known.argmax(1))
        right.append(np.stack([best == o.label, is_new]))
    if not gaps or not sum(map(len, gaps)):
        return 0.0
    gap, (hit, is_new) = np.concatenate(gaps), np.concatenate(right, 1)
    if is_new.all() or not is_new.any():
        return 0.0
    edges = np.unique(gap)
    candidates = np.concatenate([edges[:1] - 1e-3, (edges[1:] + edges[:-1]) / 2, edges[-1:] + 1e-3])
    said_new = candidates[:, None] > gap
    unseen = (said_new & hit & is_new).sum(1) / is_new.sum()
    seen = (~said_new & hit & ~is_new).sum(1) / (~is_new).sum()
    scores = [harmonic(a, b) for a, b in zip(seen, unseen, strict=True)]
    return float(candidates[int(np.argmax(scores))])


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
    hit = np.concatenate([np.nanargmax(o.raised, 1) == o.label for o in kept]).astype(float)
    within = np.zeros(len(hit))
    within[is_unseen] = np.concatenate([
        among(o.scores[rows], o.label[rows], o.fold, size)
        for o in kept
        for rows in [np.isin(o.label, o.fold)]
    ])  # fmt: skip
    label = np.concatenate([o.label for o in kept])
    groups, unit = resampling_unit(
        np.concatenate([o.participant for o in kept]),
        np.concatenate([o.take for o in kept]),
        np.concatenate([o.moment for o in kept]),
    )

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
    columns = {
        name: getattr(outcome, name)[rows]
        for name in ("scores", "label", "participant", "take", "moment")
    }
    return replace(outcome, **columns)
