"""Heads without training of an encoder: linear probes on all labels or on a few.

Their logits, as those of fine-tuning, have the class probability as softmax: they can be averaged.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from aura.errors import AuraError

C_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Inverse L2 penalties that are tried."""
DEFAULT_C = 1.0
FOLDS = 5
UNSEEN_LOGIT = -1e4
"""Logit of a class without a training label."""


@dataclass(frozen=True)
class Probe:
    """Multinomial logistic regression on standardised vectors.

    Attributes
    ----------
    mean : (D,) float64
        Mean of the vectors that the probe was standardised with.
    scale : (D,) float64
        Their standard deviation.
    weight : (classes, D) float64
        Zero where a class had no label.
    bias : (classes,) float64
        `UNSEEN_LOGIT` where a class had no label.
    c : float
        The inverse L2 penalty that was chosen.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    c: float

    def __call__(self, vectors: np.ndarray) -> NDArray[np.float32]:
        """Logits (n, classes) of vectors (n, D)."""
        z_ND = (np.asarray(vectors, np.float64) - self.mean) / self.scale
        return (z_ND @ self.weight.T + self.bias).astype(np.float32)


def fit_probe(
    vectors: np.ndarray,
    labels: np.ndarray,
    classes: int,
    groups: np.ndarray | None = None,
    c_grid: Sequence[float] = C_GRID,
    reference: np.ndarray | None = None,
) -> Probe:
    """Fit a probe on frozen embeddings.

    The penalty is the one with the lowest log loss in a cross-validation whose folds share no
    group. Held-out rows of a class that a fold has not seen say nothing about it and do not
    count; where none counts, or there are fewer than two groups, it is `DEFAULT_C`.

    Parameters
    ----------
    vectors : (n, D) float
        Embeddings.
    labels : (n,) int64
        Class numbers, -1 where there is none (left out).
    classes : int
        Number of classes.
    groups : (n,), optional
        Participant of each row.
    c_grid : Sequence[float]
        Inverse L2 penalties to try.
    reference : (m, D) float, optional
        Vectors that give mean and scale; those with a label if None.

    Returns
    -------
    Probe
        The fitted probe.

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
    c = DEFAULT_C
    with threadpool_limits(1, "blas"):  # the products are small: threads would wait for each other
        if groups is not None:
            c = _select_c(z, y, classes, np.asarray(groups)[known], c_grid)
        weight, bias = _fit_logistic(z, y, classes, c)
    return Probe(mean, scale, weight, bias, c)


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
    labels : (n,) int64
        Class numbers, -1 where there is none.
    k : int
        Most labels of a class.
    seed : int
        Of all draws.
    draw : int
        Number of the draw.

    Returns
    -------
    (m,) int64
        Rows of `labels`.
    """
    order = np.random.default_rng([seed, draw]).permutation(len(labels))
    shots = [order[labels[order] == y][:k] for y in np.unique(labels[labels >= 0])]
    return np.sort(np.concatenate([np.empty(0, np.int64), *shots]))


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

    Parameters
    ----------
    train_vectors : (n, D) float
        Embeddings of the training rows.
    train_labels : (n,) int64
        Class numbers, -1 where there is none.
    test_vectors : (n_test, D) float
        Embeddings to classify.
    classes : int
        Number of classes.
    k : int
        Labels of each class.
    draws : int
        Number of probes, each on labels of its own.
    seed : int
        Of the draws.
    groups : (n,), optional
        Participant of each training row.

    Returns
    -------
    logits : (draws, n_test, classes) float32
        Of each probe.
    counts : (classes,) int64
        How many labels each class had: `k`, or all that there are.
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


def _fit_logistic(
    z_ND: np.ndarray, y_N: np.ndarray, classes: int, c: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight (classes, D) and bias (classes,) of a softmax regression."""
    with warnings.catch_warnings():  # a label or two of each class are meant
        warnings.filterwarnings("ignore", message="The number of unique classes")
        model = LogisticRegression(C=c, max_iter=2000).fit(z_ND, y_N)
    coef, intercept = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn gives their difference only
        coef, intercept = np.concatenate([-coef, coef]) / 2, np.append(-intercept, intercept) / 2
    weight, bias = np.zeros((classes, z_ND.shape[1])), np.full(classes, UNSEEN_LOGIT)
    weight[model.classes_], bias[model.classes_] = coef, intercept
    return weight, bias


def _select_c(
    z_ND: np.ndarray, y_N: np.ndarray, classes: int, groups_N: np.ndarray, c_grid: Sequence[float]
) -> float:
    """The inverse penalty with the lowest log loss on groups that a fold was not fitted on.

    None is tried after two that are worse than the best: weak penalties take longest to fit.
    """
    folds = min(FOLDS, len(np.unique(groups_N)))
    splits = []
    for train, held_out in GroupKFold(folds).split(z_ND, y_N, groups_N) if folds > 1 else ():
        held_out = held_out[np.isin(y_N[held_out], y_N[train])]
        if len(held_out) and len(np.unique(y_N[train])) > 1:
            splits.append((train, held_out))
    if not splits:
        return DEFAULT_C
    losses: dict[float, float] = {}
    for c in sorted(c_grid):
        losses[c] = 0.0
        for train, held_out in splits:
            weight, bias = _fit_logistic(z_ND[train], y_N[train], classes, c)
            log_p_NC = log_softmax(z_ND[held_out] @ weight.T + bias, axis=-1)
            losses[c] -= log_p_NC[np.arange(len(held_out)), y_N[held_out]].sum()
        best = min(losses, key=lambda tried: losses[tried])
        if list(losses).index(best) <= len(losses) - 3:
            break
    return best
