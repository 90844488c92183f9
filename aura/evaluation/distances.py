"""Distances between samples of two data sets: spectra, Gaussian fits, kernels and words.

Pure functions of arrays; :mod:`aura.evaluation.shift` says what they are taken of.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from scipy.signal import periodogram
from scipy.spatial.distance import pdist
from scipy.special import rel_entr
from sklearn.covariance import ledoit_wolf

from aura.config import IMU_RATE_HZ

Floats = NDArray[np.float64]

SEGMENT = 2 * IMU_RATE_HZ
"""Samples of one spectrum: 2 s, so that a band is 0.5 Hz wide."""
BANDS_HZ: Floats = np.arange(1, SEGMENT // 2 + 1, dtype=np.float64) * (IMU_RATE_HZ / SEGMENT)
"""Centres of the bands, (F,): 0.5 to 100 Hz."""
MIN_VARIANCE = 1e-10
"""Variance, (m/s²)² or (rad/s)², below which a magnitude does not change: float32 rounding."""
_TILE = 1024

_WORD = re.compile(r"[^\W\d_]+")
_FUNCTION_WORDS = frozenset(
    _WORD.findall("""
    a about after again against all also am an and any are as at be because been before being
    between both but by can could did do does doing each for from had has have he her here hers
    him his how if in into is it its itself may me might more most must my no nor not of off on
    one or other our out over own same shall she should so some such than that the their theirs
    them then there these they this those through to too under until up upon very was we were
    what when where which while who whom whose why will with would you your
    """)
)


def window_spectra(imu: NDArray, measured: NDArray[np.bool_]) -> tuple[Floats, int, int]:
    """Welch spectra of the magnitudes of accelerometer and gyroscope, each scaled to sum to 1.

    Parameters
    ----------
    imu : ndarray
        (N, T, 6) m/s² and rad/s, T at least :data:`SEGMENT`.
    measured : ndarray
        (N, T) bool. Only segments (half overlapping, Hann) that are measured throughout count.

    Returns
    -------
    shares : ndarray
        (N, 2, F), NaN where no segment counts or the magnitude does not change.
    partial : int
        Number of segments that do not count.
    motionless : int
        Number of spectra without change.
    """
    segments = sliding_window_view(np.where(measured[..., None], imu, 0), SEGMENT, axis=1)
    segments = segments[:, :: SEGMENT // 2].astype(np.float64)  # (N, S, 6, SEGMENT)
    complete = np.asarray(sliding_window_view(measured, SEGMENT, axis=1).all(axis=-1))
    complete = complete[:, :: SEGMENT // 2]
    magnitude = np.linalg.norm(segments.reshape(*segments.shape[:2], 2, 3, SEGMENT), axis=3)
    power = periodogram(magnitude, IMU_RATE_HZ, "hann", detrend="constant")[1][..., 1:]
    weight = complete[..., None, None]
    mean = (power * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1)
    total = mean.sum(axis=-1, keepdims=True)
    moving = total * BANDS_HZ[0] > MIN_VARIANCE
    shares = np.where(moving, mean / np.where(moving, total, 1), np.nan)
    usable = np.count_nonzero(complete, axis=1) > 0
    motionless = ~moving[..., 0] & usable[:, None]
    return shares, int((~complete).sum()), int(motionless.sum())


def window_rms(imu: NDArray, measured: NDArray[np.bool_]) -> Floats:
    """Root mean square length of what is left without the window's mean vector, hence gravity.

    Parameters
    ----------
    imu : ndarray
        (N, T, 6) m/s² and rad/s.
    measured : ndarray
        (N, T) bool.

    Returns
    -------
    ndarray
        (N, 2) of accelerometer and gyroscope, m/s² and rad/s; NaN where nothing was measured.
    """
    mask = measured[..., None]
    count = measured.sum(axis=1)[:, None]
    values = np.where(mask, imu, 0).astype(np.float64)
    mean = values.sum(axis=1) / np.maximum(count, 1)
    squares = np.square(np.where(mask, values - mean[:, None], 0)).sum(axis=1)
    mean_square = squares.reshape(-1, 2, 3).sum(axis=2) / np.maximum(count, 1)
    return np.where(count > 0, np.sqrt(mean_square), np.nan)


def js_divergence(first: ArrayLike, second: ArrayLike) -> float:
    """Jensen-Shannon divergence of two (F,) distributions, base 2 (Lin 1991): 0 to 1."""
    p, q = (np.asarray(values, dtype=np.float64) for values in (first, second))
    p, q = p / p.sum(), q / q.sum()
    mixture = (p + q) / 2
    divergence = (rel_entr(p, mixture).sum() + rel_entr(q, mixture).sum()) / (2 * np.log(2))
    return float(np.clip(divergence, 0, 1))


def median_distance(*samples: Floats, max_rows: int = 500) -> float:
    """Median Euclidean distance of two rows of the pooled samples, each (n, d).

    Of a sample with more than `max_rows` rows, evenly spaced ones stand for it. Where most rows are
    equal the mean distance, and 1 where all are: a kernel needs a width.
    """
    rows = [
        sample[np.linspace(0, len(sample) - 1, min(len(sample), max_rows)).round().astype(int)]
        for sample in samples
    ]
    pairwise = pdist(np.concatenate(rows))
    return float(np.median(pairwise) or pairwise.mean() or 1.0)


def squared_mmd(first: Floats, second: Floats, width: float) -> float:
    """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) of (m, d) and (n, d).

    The kernel is exp(-|x - y|² / (2 width²)). Near 0 for samples of one distribution, where it may
    fall below 0; at most 2. Memory is that of a tile of 1024 × 1024 pairs.
    """
    m, n = len(first), len(second)
    within_first = (_kernel_sum(first, first, width) - m) / (m * (m - 1))
    within_second = (_kernel_sum(second, second, width) - n) / (n * (n - 1))
    return within_first + within_second - 2 * _kernel_sum(first, second, width) / (m * n)


def _kernel_sum(first: Floats, second: Floats, width: float) -> float:
    total = 0.0
    for top in range(0, len(first), _TILE):
        rows = first[top : top + _TILE]
        norms = np.einsum("nd,nd->n", rows, rows)[:, None]
        for left in range(0, len(second), _TILE):
            columns = second[left : left + _TILE]
            squared = norms + np.einsum("nd,nd->n", columns, columns) - 2 * rows @ columns.T
            total += float(np.exp(-np.maximum(squared, 0) / (2 * width**2)).sum())
    return total


def squared_frechet(first: Floats, second: Floats) -> float:
    """Squared Fréchet distance of Gaussian fits to (m, d) and (n, d) (Heusel et al. 2017, eq. 6).

    Covariances are shrunk after Ledoit and Wolf (2004), so that fewer windows than dimensions do.
    At least 0; at most 4 for unit vectors.
    """
    a, b = ledoit_wolf(first)[0], ledoit_wolf(second)[0]
    values, axes = np.linalg.eigh(a)
    root = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b @ root), 0)).sum()
    means = np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
    return float(max(means + np.trace(a) + np.trace(b) - 2 * cross, 0))


def content_words(texts: Iterable[str], stem: Callable[[str], str] = str.lower) -> Counter[str]:
    """How often each word occurs, without function words, numbers and single letters.

    ``stem`` maps a word to what it counts as; a stemmer makes "chops" and "chop" one word.

    >>> content_words(["A person chops the onion.", "The onion's skin"])
    Counter({'onion': 2, 'person': 1, 'chops': 1, 'skin': 1})
    """
    return Counter(
        stem(word)
        for text in texts
        for word in _WORD.findall(text.lower())
        if len(word) > 1 and word not in _FUNCTION_WORDS
    )


def jaccard(first: Mapping[str, int], second: Mapping[str, int]) -> float | None:
    """Words of both over words of either, 0 to 1; None where either has none."""
    if not first or not second:
        return None
    return len(first.keys() & second.keys()) / len(first.keys() | second.keys())


def unseen(source: Mapping[str, int], target: Mapping[str, int]) -> tuple[float, float] | None:
    """Share of the target's distinct and of its running words that the source lacks.

    None where either has no words.
    """
    if not source or not target:
        return None
    new = target.keys() - source.keys()
    return len(new) / len(target), sum(target[word] for word in new) / sum(target.values())
