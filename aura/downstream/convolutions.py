"""Random convolutions: fixed kernels over views of the IMU and a ridge classifier, no encoder.

Of the family of ROCKET (Dempster et al., 1910.13051). The kernels are those of MiniRocket
(2012.08791): nine taps, three of them 2 and six -1, dilated, here on random channels. A feature is
the share of time that a kernel's response is above a bias, over the window and around each of
`MOMENTS` moments of it, so that what happens when is told apart. Views are the signal as it is, and
levelled (`aura.encoders.gravity`): in a frame that stands still, whatever the sensor's mounting.

Each view and each set of kernels has a ridge classifier of its own, and their scores are averaged.
Probabilities are by one rule: a window's scores, standardised over the classes, times the factor
that gives the least log loss on people who took no part in the fit (`temperature`).
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional as F

from aura.config import IMU_RATE_HZ
from aura.downstream.heads import FOLDS, UNSEEN_LOGIT
from aura.encoders.gravity import RATE, G, level
from aura.encoders.spans import decimate, fill
from aura.errors import AuraError
from aura.learning.batches import Windows

TAPS, DILATIONS, BIASES, MOMENTS = 9, (1, 2, 4, 8), 3, 5
FACTOR, MOST_CHANNELS = 10, 4  # 200 to 20 Hz; channels that a kernel sees
ALPHA = 0.05
"""Ridge penalty for each feature, of features of deviation 1."""
TEMPERATURES = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
DEFAULT_TEMPERATURE = 2.0
_SAMPLE = 64  # windows that biases are drawn from


def random_convolutions(
    windows: Windows, labels: np.ndarray, train: np.ndarray, test: np.ndarray, classes: int,
    sets: int, seed: int, batch: int = 256,
) -> NDArray[np.float32]:  # fmt: skip
    """Logits of windows from random convolutions of the IMU, fitted on other windows.

    Parameters
    ----------
    windows : Windows
        All windows.
    labels : (len(windows),) int64
        Class of each window, -1 for none.
    train : (n,) int64
        Windows to fit on; those without a label or an IMU are left out.
    test : (m,) int64
        Windows to classify.
    classes : int
        Number of classes.
    sets : int
        Sets of kernels of each view; a set has 84 of each dilation.
    seed : int
        Of channels and biases.
    batch : int
        Windows that are convolved at once; the logits do not depend on it.

    Returns
    -------
    (m, classes) float32
        Their softmax is the class probability; of a window without an IMU they mean nothing.

    Raises
    ------
    AuraError
        Training windows of fewer than two classes.
    """
    rows = train[windows.has["imu"].numpy()[train] & (labels[train] >= 0)]
    y, groups = labels[rows], windows.participant[rows]
    if len(np.unique(y)) < 2:
        raise AuraError("Random convolutions need training windows of at least two classes.")
    folds = list(_folds(y, groups))
    held_out, scores = np.zeros((len(rows), classes)), np.zeros((len(test), classes))
    of_train, of_test = (_views(windows, r, batch) for r in (rows, test))
    with threadpool_limits(1, "blas"):
        for number, (x_train, x_test) in enumerate(zip(of_train, of_test, strict=True)):
            for k in range(sets):
                kernels = Kernels(x_train, np.random.default_rng([seed, k, number]))
                f_train, f_test = (kernels(x, batch) for x in (x_train, x_test))
                scores += ridge_scores(f_train, y, f_test, classes)
                for fitted, left_out in folds:
                    held_out[left_out] += ridge_scores(
                        f_train[fitted], y[fitted], f_train[left_out], classes
                    )
    factor = temperature(held_out, y, folds)
    return _logits(scores, np.unique(y), factor).astype(np.float32)


def views(imu_BTC: Tensor, valid_BT: Tensor, channels_BC: Tensor) -> list[Tensor]:
    """What kernels see of windows at 200 Hz, each (B, T // `FACTOR`, C), in units of about 1.

    The signal; the levelled one; that with its velocity; and its rates and the sensor's axis alone.
    A channel that a sensor lacks is zero: without a gyroscope the frame does not turn.
    """
    signal = imu_BTC.masked_fill(~channels_BC[:, None], 0)
    x, measured = decimate(signal, valid_BT, FACTOR)
    rate_hz = IMU_RATE_HZ / FACTOR
    levelled = level(x, rate_hz, measured)
    acceleration = levelled[..., :3] * G
    velocity = (acceleration - acceleration.mean(1, keepdim=True)).cumsum(1) / rate_hz
    velocity = velocity - velocity.mean(1, keepdim=True)
    raw = fill(x, measured) / x.new_tensor([G] * 3 + [RATE] * 3)
    return [raw, levelled, torch.cat([levelled, velocity], -1), levelled[..., 3:]]


class Kernels:
    """A set of kernels with its channels and biases.

    Parameters
    ----------
    x : (N, T, C) float32
        Windows that biases are drawn from: quantiles of each kernel's response to some of them.
    rng : numpy.random.Generator
        Draws channels, windows and quantiles.

    Attributes
    ----------
    parts : list of (int, Tensor, Tensor)
        Dilation, weights (84, C, 9) and biases (84, `BIASES`).
    moments : (T, 1 + `MOMENTS`) float32
        Weights of time, each of sum 1: all alike, then around each moment.
    """

    def __init__(self, x: Tensor, rng: np.random.Generator) -> None:
        _, T, C = x.shape
        time = torch.linspace(0, 1, T) * (MOMENTS - 1)
        around = [(1 - (time - moment).abs()).clamp(min=0) for moment in range(MOMENTS)]
        weights = torch.stack([torch.ones(T), *around])
        self.moments = (weights / weights.sum(1, keepdim=True)).T.contiguous()
        taps = torch.full((84, TAPS), -1.0)
        taps[torch.arange(84)[:, None], torch.tensor(list(combinations(range(TAPS), 3)))] = 2.0
        self.parts: list[tuple[int, Tensor, Tensor]] = []
        for dilation in (d for d in DILATIONS if d == 1 or (TAPS - 1) * d < T):
            seen = torch.zeros(84, C)
            for row in seen:
                count = rng.integers(1, min(C, MOST_CHANNELS) + 1)
                row[torch.from_numpy(rng.choice(C, count, replace=False))] = 1
            kernel = taps[:, None] * seen[:, :, None]
            sample = x[torch.from_numpy(rng.permutation(len(x))[:_SAMPLE])]
            found = response(sample, kernel, dilation).transpose(0, 1).flatten(1).numpy()
            quantiles = np.quantile(found, rng.uniform(0.1, 0.9, BIASES), axis=1).T
            biases = torch.from_numpy(np.ascontiguousarray(quantiles, np.float32))
            self.parts.append((dilation, kernel, biases))

    def __call__(self, x: Tensor, batch: int = 256) -> NDArray[np.float32]:
        """Features (N, dilations * 84 * `BIASES` * (1 + `MOMENTS`)) of windows (N, T, C)."""
        rows = []
        for start in range(0, len(x), batch):
            some = x[start : start + batch]
            features = []
            for dilation, kernel, biases in self.parts:
                found = response(some, kernel, dilation)
                for bias in biases.T:
                    above = (found > bias[:, None]).float()
                    features.append((above @ self.moments).flatten(1))
            rows.append(torch.cat(features, 1).numpy())
        width = sum(b.numel() for _, _, b in self.parts) * (1 + MOMENTS)
        return np.concatenate(rows) if rows else np.empty((0, width), np.float32)


def response(x: Tensor, kernel: Tensor, dilation: int) -> Tensor:
    """Responses (N, 84, T) of kernels (84, C, 9) to windows (N, T, C), which end in zeros."""
    padding = dilation * (TAPS // 2)
    return F.conv1d(x.transpose(1, 2), kernel, padding=padding, dilation=dilation)


def ridge_scores(
    train: NDArray[np.float32], labels: NDArray[np.int64], test: NDArray[np.float32], classes: int
) -> NDArray[np.float64]:
    """Scores (m, classes) of a ridge regression to one-hot classes, 0 for one without a label."""
    mean, scale = train.mean(0), train.std(0) + 0.02  # a feature that hardly varies stays small
    known = np.unique(labels)
    target = (labels[:, None] == known).astype(np.float64)
    model = Ridge(alpha=ALPHA * train.shape[1], solver="cholesky")
    model.fit(((train - mean) / scale).astype(np.float64), target)
    scores = np.zeros((len(test), classes))
    if len(test):
        found = model.predict(((test - mean) / scale).astype(np.float64))
        scores[:, known] = found.reshape(len(test), -1)
    return scores


def temperature(
    scores: NDArray[np.float64], labels: NDArray[np.int64],
    folds: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> float:  # fmt: skip
    """Factor of standardised scores with the least log loss on rows that a fold was not fitted on.

    Rows of a class that their fold has not seen do not count; where none counts it is
    `DEFAULT_TEMPERATURE`.

    Parameters
    ----------
    scores : (n, classes) float64
        Of each row, from the fit that left it out.
    labels : (n,) int64
        Their classes.
    folds : list of (fitted, left out)
        Rows of each fold.
    """
    loss, counted = np.zeros(len(TEMPERATURES)), 0
    for fitted, left_out in folds:
        known = np.unique(labels[fitted])
        rows = left_out[np.isin(labels[left_out], known)]
        counted += len(rows)
        for i, factor in enumerate(TEMPERATURES):
            log_p = log_softmax(_logits(scores[rows], known, factor), axis=1)
            loss[i] -= log_p[np.arange(len(rows)), labels[rows]].sum()
    return TEMPERATURES[int(loss.argmin())] if counted else DEFAULT_TEMPERATURE


def _logits(
    scores: NDArray[np.float64], known: NDArray[np.int64], factor: float
) -> NDArray[np.float64]:
    """Scores standardised over the classes with labels, times a factor; no other class has odds."""
    some = scores[:, known]
    deviation = np.maximum(some.std(1, keepdims=True), 1e-9)
    logits = np.full(scores.shape, UNSEEN_LOGIT)
    logits[:, known] = factor * (some - some.mean(1, keepdims=True)) / deviation
    return logits


def _folds(
    labels: NDArray[np.int64], groups: np.ndarray
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to fit on and rows of other people, where the former have two classes."""
    count = min(FOLDS, len(np.unique(groups)))
    pairs = GroupKFold(count).split(labels, labels, groups) if count > 1 else ()
    yield from ((fit, rest) for fit, rest in pairs if len(np.unique(labels[fit])) > 1)


def _views(windows: Windows, rows: NDArray[np.int64], batch: int) -> list[Tensor]:
    """Views of some windows; where there is no IMU, of stillness."""
    parts = []
    for start in range(0, max(len(rows), 1), batch):
        inputs = windows.batch(rows[start : start + batch])
        valid = inputs.imu_valid & inputs.has["imu"][:, None]
        parts.append(views(inputs.imu.float(), valid, inputs.imu_channels))
    return [torch.cat(of_view) for of_view in zip(*parts, strict=True)]
