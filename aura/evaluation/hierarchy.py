"""Fine-grained actions: which action of an activity, where classes are a tree of two levels.

An action belongs to one activity. A prediction names an action, or an activity alone, or nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aura.errors import AuraError
from aura.evaluation.bootstrap import Interval, Statistic, cluster_bootstrap, weighted_mean

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Tree:
    """A actions under C activities.

    A class number below A is an action, A + c is activity c alone, -1 is nothing.
    """

    action_names: tuple[str, ...]  # A
    activity_names: tuple[str, ...]  # C
    activity_of: Ints  # (A,) number of the activity of each action

    def actions(self, classes: Ints) -> Ints:
        """Action of each class number, -1 where it names none."""
        return np.where(classes < len(self.action_names), classes, -1)

    def activities(self, classes: Ints) -> Ints:
        """Activity of each class number, -1 for nothing."""
        count = len(self.action_names)
        return np.concatenate([self.activity_of, np.arange(len(self.activity_names)), [-1]])[
            np.where(classes < 0, count + len(self.activity_names), classes)
        ]

    @property
    def siblings(self) -> Ints:
        """(A,) number of actions that the activity of each action has, itself among them."""
        return np.bincount(self.activity_of, minlength=len(self.activity_names))[self.activity_of]


@dataclass(frozen=True)
class Within:
    """Which action, among those of one activity; activities of a single action are left out.

    Attributes
    ----------
    accuracy : 0 to 1.
    chance : of a guess among the actions of the window's activity, mean over the same windows.
    gain : accuracy less chance; above chance where ``low`` is above 0.
    majority : accuracy of always saying the activity's commonest action of training, if given.
    windows : number of windows.
    """

    accuracy: Interval
    chance: float
    gain: Interval
    majority: float | None
    windows: int


@dataclass(frozen=True)
class Hierarchy:
    """How fine the predictions are right, each figure with its 95 % interval; shares are 0 to 1.

    Attributes
    ----------
    windows, left_out
        Windows scored, and those without a true action.
    action_right, activity_only_right, activity_wrong
        Shares of windows, which sum to 1; a prediction that names no action but the right activity
        is in the second.
    precision, recall, f1
        Hierarchical (Kiritchenko et al. 2006, section 3): each class is replaced by the set of
        itself and its ancestors, here {action, its activity}, without the root; shared members
        over all predicted, and over all true, summed over windows before the ratio. Where every
        prediction names an action the three are one figure: the mean of the accuracies of
        activities and of actions.
    within
        Among the windows whose activity is right. They are the model's own choice, so it is not
        a fair ground to compare two models on.
    given
        With the true activity told, so that its actions alone compete: the same windows for all.
    activities
        ``within`` of each activity that has more than one action and a window in it.
    """

    windows: int
    left_out: int
    action_right: Interval
    activity_only_right: Interval
    activity_wrong: Interval
    precision: Interval
    recall: Interval
    f1: Interval
    within: Within | None
    given: Within | None
    activities: dict[str, Within]


def score(
    true: ArrayLike,
    predicted: ArrayLike,
    tree: Tree,
    groups: ArrayLike,
    predicted_given: ArrayLike | None = None,
    train: ArrayLike | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Hierarchy:
    """All figures of (N,) predicted classes against (N,) true actions.

    Parameters
    ----------
    true
        (N,) actions; a row of -1 is left out and counted.
    predicted
        (N,) class numbers of the tree, see :class:`Tree`.
    groups
        (N,) participant or take, redrawn whole (:mod:`aura.evaluation.bootstrap`).
    predicted_given
        (N,) actions that were chosen among those of the true activity, or None.
    train
        Actions of the training windows, for the majority baseline, or None.
    """
    label, found, unit = np.asarray(true), np.asarray(predicted), np.asarray(groups)
    _check(label, found, tree)
    kept = label >= 0
    if not kept.any():
        raise AuraError("No test window has an action, so there is nothing to score.")
    label, found, unit = label[kept], found[kept], unit[kept]
    hit = tree.actions(found) == label
    near = tree.activities(found) == tree.activity_of[label]
    named = (tree.actions(found) >= 0).astype(float) + (tree.activities(found) >= 0)
    shared = hit.astype(float) + near

    def interval(statistic: Statistic) -> Interval:
        return cluster_bootstrap(statistic, unit, draws, seed)

    def ratio(whole: NDArray[np.float64], factor: float = 1.0) -> Interval:
        return interval(lambda w: factor * float(w @ shared) / max(float(w @ whole), 1e-12))

    commonest = None if train is None else _commonest(np.asarray(train), tree)

    def within(hits: NDArray[np.bool_], rows: NDArray[np.bool_]) -> Within | None:
        rows = rows & (tree.siblings[label] > 1)
        if not rows.any():
            return None
        one, guess = hits[rows].astype(float), 1 / tree.siblings[label[rows]]
        said = None if commonest is None else commonest[label[rows]]
        return Within(
            accuracy=cluster_bootstrap(weighted_mean(one), unit[rows], draws, seed),
            chance=float(guess.mean()),
            gain=cluster_bootstrap(weighted_mean(one - guess), unit[rows], draws, seed),
            majority=None if said is None else float((said == label[rows]).mean()),
            windows=int(rows.sum()),
        )

    told = None if predicted_given is None else np.asarray(predicted_given)[kept] == label
    each = {
        name: within(hit, near & (tree.activity_of[label] == number))
        for number, name in enumerate(tree.activity_names)
    }
    return Hierarchy(
        windows=len(label),
        left_out=int((~kept).sum()),
        action_right=interval(weighted_mean(hit)),
        activity_only_right=interval(weighted_mean(near & ~hit)),
        activity_wrong=interval(weighted_mean(~near)),
        precision=ratio(named),
        recall=ratio(np.full(len(label), 2.0)),
        f1=ratio(named + 2, 2.0),
        within=within(hit, near),
        given=None if told is None else within(told, np.ones(len(label), bool)),
        activities={name: found for name, found in each.items() if found is not None},
    )


def _check(label: Ints, found: Ints, tree: Tree) -> None:
    actions = len(tree.action_names)
    if label.shape != found.shape:
        raise AuraError(f"{len(found)} predictions for {len(label)} windows.")
    if (label >= actions).any() or (found >= actions + len(tree.activity_names)).any():
        raise AuraError("A true or predicted class is not in the tree of actions.")


def _commonest(train: Ints, tree: Tree) -> Ints:
    """(A,) for each action, the commonest training action of its activity, -1 if it has none."""
    counts = np.bincount(train[train >= 0], minlength=len(tree.action_names))
    best = np.full(len(tree.activity_names), -1)
    for action in np.argsort(counts, kind="stable"):  # the commonest comes last
        if counts[action]:
            best[tree.activity_of[action]] = action
    return best[tree.activity_of]


def confusion(true: ArrayLike, predicted: ArrayLike, tree: Tree, activity: str) -> Ints:
    """Counts among the k actions of one activity, in the tree's order.

    Returns
    -------
    (k, k + 2): a row for each true action; columns are its k actions, the activity alone, and
    anything else.
    """
    number = tree.activity_names.index(activity)
    mine = np.flatnonzero(tree.activity_of == number)
    label, found = np.asarray(true), np.asarray(predicted)
    place = np.full(len(tree.action_names), -1)
    place[mine] = np.arange(len(mine))
    rows = np.isin(label, mine)
    label, action = place[label[rows]], tree.actions(found[rows])
    column = np.where(tree.activities(found[rows]) == number, len(mine), len(mine) + 1)
    column = np.where(np.isin(action, mine), place[action], column)
    width = len(mine) + 2
    cells = np.bincount(label * width + column, minlength=len(mine) * width)
    return cells.reshape(len(mine), width)
