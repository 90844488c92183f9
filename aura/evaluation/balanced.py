"""Classes of a whole test set at once, told that they come about equally often."""

import numpy as np
from numpy.typing import NDArray

ROUNDS = 50


def balance(
    scores: NDArray[np.floating], temperature: float = 1 / 15, strength: float = 0.5
) -> NDArray[np.float64]:
    """Class probabilities after half-balanced Sinkhorn normalisation.

    Rows and columns of exp(score / temperature) are scaled in turn; columns by a power of their
    sum, so that a class that attracts everything loses some of it. This is transductive: what one
    row is given depends on all others, and it assumes that the classes are of about one size.

    Parameters
    ----------
    scores : (N, classes) ndarray
        Cosines of N things to be told apart.
    temperature : float
        Of the softmax.
    strength : float
        From 0, the plain softmax, to 1, where all classes are made equally large.

    Returns
    -------
    (N, classes) ndarray
        float64; each row sums to 1.

    Notes
    -----
    The algorithm is Sinkhorn and Knopp's (1967); Cuturi (2013) relates it to optimal transport.
    """
    if not len(scores):
        return np.zeros(scores.shape)
    kernel = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    for _ in range(ROUNDS):
        kernel /= np.maximum(kernel.sum(axis=0, keepdims=True), 1e-300) ** strength
        kernel /= kernel.sum(axis=1, keepdims=True)
    return kernel


def balanced_classes(
    scores: NDArray[np.floating], group: NDArray[np.generic], valid: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The likeliest class of each row after `balance` within each group.

    Parameters
    ----------
    scores : (N, classes) ndarray
        Cosines.
    group : (N,) ndarray
        Which rows are balanced together, such as those of one body place.
    valid : (N,) bool ndarray
        The rows that have a score.

    Returns
    -------
    (N,) ndarray
        int64, -1 where a row has none.
    """
    classes = np.full(len(scores), -1)
    for name in np.unique(group):
        rows = np.flatnonzero((group == name) & valid)
        classes[rows] = balance(scores[rows]).argmax(axis=1)
    return classes
