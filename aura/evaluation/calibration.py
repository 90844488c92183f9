"""How sure a zero-shot answer is, and when it is none: fitted on validation, told on test.

Each window is asked twice, with its class among the prompts and without it, where "none of these"
is right; both count the same. Probabilities are a softmax of `scale` times the cosines, with
`scale * threshold` for none: two numbers, and a convex fit of the log loss.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from aura.evaluation.bootstrap import cluster_bootstrap

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_SCALE = 100.0  # as CLIP's own; validation windows that are all right would ask for any
FEWEST = 20  # windows with a class, below which nothing is fitted
BINS = 10


@dataclass(frozen=True)
class Calibration:
    """What turns cosines into probabilities.

    Attributes
    ----------
    scale : float
        1 / temperature, what cosines are multiplied by.
    threshold : float
        Cosine that a prompt must have so that it is not none of these.
    """

    scale: float
    threshold: float


def log_probabilities(cosines: ArrayLike, calibration: Calibration) -> Floats:
    """Log-probabilities (N, C + 1) of (N, C) cosines, -inf where no prompt is; the last is none."""
    scores = np.asarray(cosines, np.float64)
    none = np.full((len(scores), 1), calibration.threshold)
    logits = calibration.scale * np.hstack([scores, none])
    result: Floats = logits - logsumexp(logits, axis=1, keepdims=True)
    return result


def smooth(cosines: ArrayLike, start_s: ArrayLike, stride_s: float, windows: int) -> Floats:
    """Mean cosines (N, C) over the windows about each one: the mean of log-probabilities, too.

    All logits are a multiple of cosines, so the mean of log-probabilities over windows is that of
    the mean cosine, up to what all classes share.

    Parameters
    ----------
    cosines : array_like
        (N, C) of the windows of one recording, in order.
    start_s : array_like
        (N,) s; windows further away than those asked for, behind a gap, do not count.
    stride_s : float
        From one window to the next.
    windows : int
        How many, odd: the window itself and as many before as after it.
    """
    scores, start = np.asarray(cosines, np.float64), np.asarray(start_s, np.float64)
    reach = (windows // 2) * stride_s + 1e-6
    low, high = (
        np.searchsorted(start, start - reach),
        np.searchsorted(start, start + reach, "right"),
    )
    total = np.vstack([np.zeros((1, scores.shape[1])), np.cumsum(scores, axis=0)])
    mean: Floats = (total[high] - total[low]) / (high - low)[:, None]
    return mean


def twice(cosines: ArrayLike, label: ArrayLike) -> tuple[Floats, Ints]:
    """Each window with its class and without: (2N, C) cosines, (2N,) right answers, C of none."""
    scores, right = np.asarray(cosines, np.float64), np.asarray(label)
    without = scores.copy()
    without[np.arange(len(right)), right] = -np.inf
    return np.vstack([scores, without]), np.concatenate(
        [right, np.full_like(right, scores.shape[1])]
    )


def fit(cosines: ArrayLike, label: ArrayLike) -> Calibration | None:
    """Scale and threshold with the least log loss, of windows with and without their class.

    Parameters
    ----------
    cosines : array_like
        (N, C) to the vectors of C classes.
    label : array_like
        (N,) int, the class of each.

    Returns
    -------
    Calibration or None
        None of fewer than 20 windows or two classes.
    """
    scores, right = twice(cosines, label)
    count, classes = scores.shape
    if count < 2 * FEWEST or classes < 2:
        return None
    finite = np.where(np.isfinite(scores), scores, 0)
    rows = np.arange(count)

    def loss(x: Floats) -> tuple[float, Floats]:
        """Mean log loss at logits x[0] * cosine and x[1] for none, and its gradient."""
        logits = np.hstack([np.where(np.isfinite(scores), x[0] * finite, -np.inf),
                            np.full((count, 1), x[1])])  # fmt: skip
        log_p = logits - logsumexp(logits, axis=1, keepdims=True)
        p = np.exp(log_p)
        p[rows, right] -= 1
        return float(-log_p[rows, right].mean()), np.array(
            [(p[:, :classes] * finite).sum() / count, p[:, classes].sum() / count]
        )

    start = np.array([10.0, 10.0 * float(np.median(np.max(scores, axis=1)))])
    bounds = [(0.1, MOST_SCALE), (-MOST_SCALE, MOST_SCALE)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return Calibration(float(found.x[0]), float(found.x[1] / found.x[0]))


def expected_error(confidence: Floats, right: NDArray[np.bool_], weights: Floats) -> float:
    """Expected calibration error of (N,) answers with weights: |accuracy - confidence| by bins."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, weights * (right - confidence), BINS)
    return float(np.abs(gap).sum() / weights.sum())


def reliability(confidence: Floats, right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Answers by how sure they are, in ten bins: n, mean confidence and accuracy."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        {
            "low": b / BINS,
            "high": (b + 1) / BINS,
            "n": int((bins == b).sum()),
            "confidence": float(confidence[bins == b].mean()),
            "accuracy": float(right[bins == b].mean()),
        }
        for b in range(BINS)
        if (bins == b).any()
    ]


def assess(
    cosines: ArrayLike,
    label: ArrayLike,
    clusters: Sequence[Any] | NDArray[Any],
    calibration: Calibration,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """How honest a calibration is on windows that it was not fitted on.

    Parameters
    ----------
    cosines : array_like
        (N, C).
    label : array_like
        (N,) int.
    clusters : array_like
        (N,) participant or take that the bootstrap redraws.
    calibration : Calibration
        What was fitted elsewhere.
    draws, seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        `answers` (2N), the expected calibration error `ece` with `low` and `high`, `log_loss`,
        `accuracy`, `accepted`, the share of windows with their class that are not called none,
        `refused`, that of those without it that are, and the `bins` of `reliability`.
    """
    scores, right = twice(cosines, label)
    log_p = log_probabilities(scores, calibration)
    answer, classes = log_p.argmax(axis=1), scores.shape[1]
    confidence, correct = np.exp(log_p.max(axis=1)), answer == right
    none = right == classes
    interval = cluster_bootstrap(
        lambda weights: expected_error(confidence, correct, weights),
        np.tile(np.asarray(clusters), 2), draws, seed,
    )  # fmt: skip
    return {
        "answers": len(right),
        "ece": interval.value,
        "low": interval.low,
        "high": interval.high,
        "log_loss": float(-log_p[np.arange(len(right)), right].mean()),
        "accuracy": float(correct.mean()),
        "accepted": float((answer != classes)[~none].mean()),
        "refused": float((answer == classes)[none].mean()),
        "bins": reliability(confidence, correct),
    }


def content(calibration: Calibration) -> dict[str, float]:
    """As JSON holds it."""
    return asdict(calibration)
