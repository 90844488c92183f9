"""Averages of class probabilities: over heads, over views of a window, over windows of a take."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp


def average(logits: np.ndarray, present: np.ndarray | None = None) -> NDArray[np.float32]:
    """Mean class probability of several heads (late fusion) or views, as its logarithm.

    Parameters
    ----------
    logits : (heads, n, classes) float
        Of each head.
    present : (heads, n) bool, optional
        Which heads count on a row (None: all); none gives even odds.

    Returns
    -------
    (n, classes) float32
        Logits whose softmax is that mean.
    """
    log_p_HNC = log_softmax(np.asarray(logits, np.float64), axis=-1)
    if present is None:
        present = np.ones(log_p_HNC.shape[:2])
    weight_HN1 = np.asarray(present)[..., None] * 1.0
    none_N1 = weight_HN1.sum(axis=0) == 0
    log_p_HNC = np.where(none_N1, -np.log(log_p_HNC.shape[-1]), log_p_HNC)
    weight_HN1 = np.where(none_N1, 1.0, weight_HN1)
    total_NC = logsumexp(log_p_HNC, axis=0, b=weight_HN1)
    return (total_NC - np.log(weight_HN1.sum(axis=0))).astype(np.float32)


def vote(logits: np.ndarray, take: np.ndarray) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Mean class probability over the windows of each take, as its logarithm.

    Parameters
    ----------
    logits : (n, classes) float
        Of each window.
    take : (n,)
        The same for windows of one take.

    Returns
    -------
    first : (takes,) int64
        Row of each take's first window.
    logits : (takes, classes) float32
        Of each take.
    """
    _, first, index, counts = np.unique(
        take, return_index=True, return_inverse=True, return_counts=True
    )
    total_TC = np.full((len(first), logits.shape[1]), -np.inf)
    np.logaddexp.at(total_TC, index, log_softmax(np.asarray(logits, np.float64), axis=-1))
    return first, (total_TC - np.log(counts)[:, None]).astype(np.float32)
