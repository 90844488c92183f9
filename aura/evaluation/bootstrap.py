"""How far a figure would move with other participants: 95 % percentile intervals.

Windows of one person are not independent, so whole participants (or takes) are redrawn. A draw
gives each window a weight, how often its group was drawn, and a statistic is a function of these
weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aura.evaluation.zeroshot import confusion_matrix, scores_of

Statistic = Callable[[NDArray[np.float64]], float]
"""From (N,) non-negative window weights to a figure; weights of one give the plain figure."""


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval.

    Attributes
    ----------
    value : float
        The figure on all windows.
    low : float or None
        2.5 % percentile of the draws; None with a single group, which says nothing about the
        spread between groups.
    high : float or None
        97.5 % percentile of the draws.
    groups : int
        Number of groups that were redrawn.
    """

    value: float
    low: float | None
    high: float | None
    groups: int


def weighted_mean(values: ArrayLike) -> Statistic:
    """The mean of (N,) values, such as reciprocal ranks or hits, as a statistic."""
    array = np.asarray(values, dtype=np.float64)
    return lambda weights: float(weights @ array / weights.sum())


def weighted_macro_f1(labels: ArrayLike, predictions: ArrayLike, classes: int) -> Statistic:
    """The macro-F1 of (N,) integer predictions as a statistic."""
    target, predicted = np.asarray(labels), np.asarray(predictions)
    return lambda weights: scores_of(confusion_matrix(target, predicted, classes, weights)).macro_f1


def resampling_unit(
    participants: ArrayLike,
    takes: ArrayLike,
    moments: ArrayLike | None = None,
    min_participants: int = 5,
) -> tuple[NDArray[Any], str]:
    """Participants, or takes where there are too few participants (rule 9).

    Takes that were recorded at once are not independent, and are redrawn together.

    Parameters
    ----------
    participants : array_like
        (N,) participant of each window.
    takes : array_like
        (N,) take of each window.
    moments : array_like or None
        (N,) moment of each window, the same for takes that were recorded at once.
    min_participants : int
        Fewer participants hand over to takes.

    Returns
    -------
    groups : ndarray
        (N,) groups to redraw.
    unit : str
        What they are: "participants", "takes", or "moments" where some have several takes.
    """
    participant = np.asarray(participants)
    if len(np.unique(participant)) >= min_participants:
        return participant, "participants"
    if moments is not None and len(np.unique(moments)) < len(np.unique(takes)):
        return np.asarray(moments), "moments"
    return np.asarray(takes), "takes"


def _redraw(
    groups: ArrayLike, draws: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group index of each window, and (draws, G) times that each group was drawn."""
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    if not len(names):
        raise ValueError("a bootstrap needs at least one window")
    counts = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=draws
    )
    return index, counts


def _interval(statistic: Statistic, groups: ArrayLike, draws: int, seed: int) -> Interval:
    index, counts = _redraw(groups, draws, seed)
    value = float(statistic(np.ones(len(index))))
    if counts.shape[1] < 2:
        return Interval(value, None, None, 1)
    replicates = [statistic(row[index]) for row in counts.astype(np.float64)]
    low, high = np.percentile(replicates, [2.5, 97.5])
    return Interval(value, float(low), float(high), counts.shape[1])


def cluster_bootstrap(
    statistic: Statistic, groups: ArrayLike, draws: int = 1000, seed: int = 0
) -> Interval:
    """95 % percentile interval of a figure, redrawing whole groups (rule 9).

    Parameters
    ----------
    statistic : Statistic
        From (N,) weights to the figure, see :func:`weighted_mean` and :func:`weighted_macro_f1`.
    groups : array_like
        (N,) participant or take of each window.
    draws : int
        Number of redraws.
    seed : int
        Of the redraws.
    """
    return _interval(statistic, groups, draws, seed)


def paired_bootstrap(
    first: Statistic, second: Statistic, groups: ArrayLike, draws: int = 1000, seed: int = 0
) -> Interval:
    """Interval of ``first - second`` on the same redraws: "A beats B" needs ``low > 0`` (rule 9).

    Parameters
    ----------
    first : Statistic
        Over N windows.
    second : Statistic
        Over the same windows.
    groups : array_like
        (N,) participant or take of each window.
    draws : int
        Number of redraws.
    seed : int
        Of the redraws.
    """
    return _interval(lambda weights: first(weights) - second(weights), groups, draws, seed)
