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
    accuracy : Interval
        0 to 1.
    chance : float
        Of a guess among the actions of the window's activity, mean over the same windows.
    gain : Interval
        Accuracy less chance; above chance where ``low`` is above 0.
    majority : float or None
        Accuracy of always predicting the activity's commonest action of training, if given.
    windows : int
        Number of windows.
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
    windows : int
        Windows scored.
    left_out : int
        Windows without a true action.
    action_right, activity_only_right, activity_wrong : Interval
        Shares of windows, which sum to 1; a prediction that names no action but the right activity
        is in the second.
    precision, recall, f1 : Interval
        Hierarchical (Kiritchenko et al. 2006, section 3): each class is replaced by the set of
        itself and its ancestors, here {action, its activity}, without the root; shared members
        over all predicted, and over all true, summed over windows before the ratio. Where every
        prediction names an action the three are one figure: the mean of the accuracies of
        activities and of actions.
    within : Within or None
        Among the windows whose activity is right. They are the model's own choice, so it is not
        a fair ground to compare two models on.
    given : Within or None
        With the true activity given, so that its actions alone compete: the same windows for all.
    activities : dict of str to Within
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
    true : array_like
        (N,) actions; a row of -1 is left out and counted.
    predicted : array_like
        (N,) class numbers of the tree, see :class:`Tree`.
    tree : Tree
        Actions under activities.
    groups : array_like
        (N,) participant or take, redrawn whole (:mod:`aura.evaluation.bootstrap`).
    predicted_given : array_like or None
        (N,) actions that were chosen among those of the true activity.
    train : array_like or None
        Actions of the training windows, for the majority baseline.
    draws : int
        Redraws of the bootstrap.
    seed : int
        Of the bootstrap.
    """
    label, prediction, unit = np.asarray(true), np.asarray(predicted), np.asarray(groups)
    _check(label, prediction, tree)
    scored = label >= 0
    if not scored.any():
        raise AuraError("No test window has an action, so there is nothing to score.")
    label, prediction, unit = label[scored], prediction[scored], unit[scored]
    action, activity = tree.actions(prediction), tree.activities(prediction)
    action_hit = action == label
    activity_hit = activity == tree.activity_of[label]
    predicted_size = (action >= 0).astype(float) + (activity >= 0)
    shared_size = action_hit.astype(float) + activity_hit

    def interval(statistic: Statistic) -> Interval:
        return cluster_bootstrap(statistic, unit, draws, seed)

    def ratio(size: NDArray[np.float64], factor: float = 1.0) -> Interval:
        return interval(lambda w: factor * float(w @ shared_size) / max(float(w @ size), 1e-12))

    majority_of = None if train is None else _majority_actions(np.asarray(train), tree)

    def within(hits: NDArray[np.bool_], rows: NDArray[np.bool_]) -> Within | None:
        rows = rows & (tree.siblings[label] > 1)
        if not rows.any():
            return None
        hit, guess = hits[rows].astype(float), 1 / tree.siblings[label[rows]]
        majority = None if majority_of is None else majority_of[label[rows]]
        return Within(
            accuracy=cluster_bootstrap(weighted_mean(hit), unit[rows], draws, seed),
            chance=float(guess.mean()),
            gain=cluster_bootstrap(weighted_mean(hit - guess), unit[rows], draws, seed),
            majority=None if majority is None else float((majority == label[rows]).mean()),
            windows=int(rows.sum()),
        )

    given_hit = None if predicted_given is None else np.asarray(predicted_given)[scored] == label
    by_activity = {
        name: within(action_hit, activity_hit & (tree.activity_of[label] == number))
        for number, name in enumerate(tree.activity_names)
    }
    return Hierarchy(
        windows=len(label),
        left_out=int((~scored).sum()),
        action_right=interval(weighted_mean(action_hit)),
        activity_only_right=interval(weighted_mean(activity_hit & ~action_hit)),
        activity_wrong=interval(weighted_mean(~activity_hit)),
        precision=ratio(predicted_size),
        recall=ratio(np.full(len(label), 2.0)),
        f1=ratio(predicted_size + 2, 2.0),
        within=within(action_hit, activity_hit),
        given=None if given_hit is None else within(given_hit, np.ones(len(label), bool)),
        activities={name: figures for name, figures in by_activity.items() if figures is not None},
    )


def _check(label: Ints, prediction: Ints, tree: Tree) -> None:
    actions = len(tree.action_names)
    if label.shape != prediction.shape:
        raise AuraError(f"{len(prediction)} predictions for {len(label)} windows.")
    if (label >= actions).any() or (prediction >= actions + len(tree.activity_names)).any():
        raise AuraError("A true or predicted class is not in the tree of actions.")


def _majority_actions(train: Ints, tree: Tree) -> Ints:
    """(A,) for each action, the commonest training action of its activity, -1 if it has none."""
    counts = np.bincount(train[train >= 0], minlength=len(tree.action_names))
    best = np.full(len(tree.activity_names), -1)
    for action in np.argsort(counts, kind="stable"):  # the commonest comes last
        if counts[action]:
            best[tree.activity_of[action]] = action
    return best[tree.activity_of]


def confusion(true: ArrayLike, predicted: ArrayLike, tree: Tree, activity: str) -> Ints:
    """Counts among the k actions of one activity, in the tree's order.

    Parameters
    ----------
    true : array_like
        (N,) actions, -1 for none.
    predicted : array_like
        (N,) class numbers of the tree.
    tree : Tree
        Actions under activities.
    activity : str
        Name of the activity.

    Returns
    -------
    ndarray
        (k, k + 2): a row for each true action; columns are its k actions, the activity alone, and
        anything else.
    """
    number = tree.activity_names.index(activity)
    members = np.flatnonzero(tree.activity_of == number)
    k = len(members)
    label, prediction = np.asarray(true), np.asarray(predicted)
    index = np.full(len(tree.action_names), -1)
    index[members] = np.arange(k)
    rows = np.isin(label, members)
    label, prediction = index[label[rows]], prediction[rows]
    action = tree.actions(prediction)
    column = np.where(tree.activities(prediction) == number, k, k + 1)
    column = np.where(np.isin(action, members), index[action], column)
    cells = np.bincount(label * (k + 2) + column, minlength=k * (k + 2))
    return cells.reshape(k, k + 2)
