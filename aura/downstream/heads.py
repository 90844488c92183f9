"""Heads without training of an encoder: linear probes, few labels, and averages of heads.

All of them give logits whose softmax is the class probability, so they can be mixed freely.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from aura.errors import AuraError

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Inverse L2 penalties that are tried."""
DEFAULT_STRENGTH = 1.0
FOLDS = 5
NEVER = -1e4
"""Logit of a class without a training label."""


@dataclass(frozen=True)
class Probe:
    """Multinomial logistic regression on standardised vectors.

    Attributes
    ----------
    mean, scale : (D,) of the vectors that the probe was standardised with.
    weight : (classes, D); bias : (classes,), `NEVER` where a class had no label.
    strength : the inverse L2 penalty that was chosen.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    strength: float

    def __call__(self, vectors: np.ndarray) -> NDArray[np.float32]:
        """Logits (n, classes) of vectors (n, D)."""
        z_ND = (np.asarray(vectors, np.float64) - self.mean) / self.scale
        return (z_ND @ self.weight.T + self.bias).astype(np.float32)


def fit_probe(
    vectors: np.ndarray,
    labels: np.ndarray,
    classes: int,
    groups: np.ndarray | None = None,
    strengths: Sequence[float] = STRENGTHS,
    reference: np.ndarray | None = None,
) -> Probe:
    """Fit a probe on frozen embeddings.

    The penalty is the one with the lowest log loss in a cross-validation whose folds share no
    group. Held-out rows of a class that a fold has not seen say nothing about it and do not
    count; where none counts, or there are fewer than two groups, it is `DEFAULT_STRENGTH`.

    Parameters
    ----------
    vectors : (n, D); labels : (n,) class numbers, -1 where there is none (left out).
    groups : (n,) participant of each row.
    reference : (m, D) vectors that give mean and scale; those with a label if None.

    Raises
    ------
    AuraError
        Labels of fewer than two classes, or a vector that is not finite.
    """
    known = labels >= 0
    x, y = np.asarray(vectors, np.float64)[known], labels[known]
    if len(np.unique(y)) < 2:
        raise AuraError("A probe needs training labels of at least two classes.")
    if y.max() >= classes:
        raise AuraError(f"The label {y.max()} is not one of the {classes} classes.")
    base = x if reference is None else np.asarray(reference, np.float64)
    if not (np.isfinite(x).all() and np.isfinite(base).all()):
        raise AuraError("The embeddings that a probe is fitted on are not all finite.")
    mean, scale = base.mean(axis=0), base.std(axis=0)
    scale = np.where(scale > 1e-8, scale, 1.0)
    z = (x - mean) / scale
    strength = DEFAULT_STRENGTH
    with threadpool_limits(1, "blas"):  # the products are small: threads would wait for each other
        if groups is not None:
            strength = _choose(z, y, classes, np.asarray(groups)[known], strengths)
        weight, bias = _regress(z, y, classes, strength)
    return Probe(mean, scale, weight, bias, strength)


def linear_probe(
    train_vectors: np.ndarray,
    train_labels: np.ndarray,
    test_vectors: np.ndarray,
    classes: int,
    groups: np.ndarray | None = None,
) -> NDArray[np.float32]:
    """Logits (n_test, classes) of a probe on the training rows, see `fit_probe`."""
    return fit_probe(train_vectors, train_labels, classes, groups)(test_vectors)


def draw_shots(labels: np.ndarray, k: int, seed: int, draw: int = 0) -> NDArray[np.int64]:
    """Rows of up to `k` random labels of each class, sorted.

    The rows depend on the labels alone, so that all encoders get the same ones, and those for a
    smaller `k` are among those for a larger.

    Parameters
    ----------
    labels : (n,) class numbers, -1 where there is none; draw : number of the draw.
    """
    order = np.random.default_rng([seed, draw]).permutation(len(labels))
    found = [order[labels[order] == c][:k] for c in np.unique(labels[labels >= 0])]
    return np.sort(np.concatenate([np.empty(0, np.int64), *found]))


def k_shot(
    train_vectors: np.ndarray,
    train_labels: np.ndarray,
    test_vectors: np.ndarray,
    classes: int,
    k: int,
    draws: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Probes on `k` labels of each class, several times.

    Vectors are standardised over all training rows; no label but the drawn ones is used.

    Returns
    -------
    Logits (draws, n_test, classes), and (classes,) how many labels each class had: `k`, or all
    that there are.
    """
    if k < 1 or draws < 1:
        raise AuraError("A few-shot probe needs at least one label and one draw.")
    logits = []
    for draw in range(draws):
        rows = draw_shots(train_labels, k, seed, draw)
        probe = fit_probe(
            train_vectors[rows],
            train_labels[rows],
            classes,
            None if groups is None else groups[rows],
            reference=train_vectors,
        )
        logits.append(probe(test_vectors))
    return np.stack(logits), np.bincount(train_labels[rows], minlength=classes)


def average(logits: np.ndarray, has: np.ndarray | None = None) -> NDArray[np.float32]:
    """Mean class probability of several heads (late fusion) or views, as its logarithm.

    Parameters
    ----------
    logits : (heads, n, classes).
    has : (heads, n) bool, which heads have a say on a row (None: all); none gives even odds.

    Returns
    -------
    (n, classes) logits whose softmax is that mean.
    """
    log_p_HNC = log_softmax(np.asarray(logits, np.float64), axis=-1)
    say_HN1 = (
        np.ones((*log_p_HNC.shape[:2], 1)) if has is None else np.asarray(has)[..., None] * 1.0
    )
    nobody_N1 = say_HN1.sum(axis=0) == 0
    log_p_HNC = np.where(nobody_N1, -np.log(log_p_HNC.shape[-1]), log_p_HNC)
    say_HN1 = np.where(nobody_N1, 1.0, say_HN1)
    total_NC = logsumexp(log_p_HNC, axis=0, b=say_HN1)
    return (total_NC - np.log(say_HN1.sum(axis=0))).astype(np.float32)


def vote(logits: np.ndarray, take: np.ndarray) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Mean class probability over the windows of each take, as its logarithm.

    Parameters
    ----------
    logits : (n, classes); take : (n,) the same for windows of one take.

    Returns
    -------
    (takes,) row of each take's first window, and (takes, classes) logits.
    """
    _, first, index, windows = np.unique(
        take, return_index=True, return_inverse=True, return_counts=True
    )
    total_TC = np.full((len(first), logits.shape[1]), -np.inf)
    np.logaddexp.at(total_TC, index, log_softmax(np.asarray(logits, np.float64), axis=-1))
    return first, (total_TC - np.log(windows)[:, None]).astype(np.float32)


def _regress(
    z_ND: np.ndarray, y_N: np.ndarray, classes: int, strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight (classes, D) and bias (classes,) of a softmax regression."""
    with warnings.catch_warnings():  # a label or two of each class are meant
        warnings.filterwarnings("ignore", message="The number of unique classes")
        model = LogisticRegression(C=strength, max_iter=2000).fit(z_ND, y_N)
    coef, intercept = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn gives their difference only
        coef, intercept = np.concatenate([-coef, coef]) / 2, np.append(-intercept, intercept) / 2
    weight, bias = np.zeros((classes, z_ND.shape[1])), np.full(classes, NEVER)
    weight[model.classes_], bias[model.classes_] = coef, intercept
    return weight, bias


def _choose(
    z_ND: np.ndarray,
    y_N: np.ndarray,
    classes: int,
    groups_N: np.ndarray,
    strengths: Sequence[float],
) -> float:
    """The strength with the lowest log loss on groups that a fold was not fitted on."""
    folds = min(FOLDS, len(np.unique(groups_N)))
    loss, scored = np.zeros(len(strengths)), 0
    for train, held in GroupKFold(folds).split(z_ND, y_N, groups_N) if folds > 1 else ():
        held = held[np.isin(y_N[held], y_N[train])]
        if not len(held) or len(np.unique(y_N[train])) < 2:
            continue
        scored += len(held)
        for i, strength in enumerate(strengths):
            weight, bias = _regress(z_ND[train], y_N[train], classes, strength)
            log_p_NC = log_softmax(z_ND[held] @ weight.T + bias, axis=-1)
            loss[i] -= log_p_NC[np.arange(len(held)), y_N[held]].sum()
    return float(strengths[int(loss.argmin())]) if scored else DEFAULT_STRENGTH
