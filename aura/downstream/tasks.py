"""Labelled tasks on top of the encoders, from pretrained and from random weights, fold by fold.

Evaluation protocol, rules 6 and 7: a few labels, a linear probe and full fine-tuning, each beside
the same network from random initialisation, so that negative transfer shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aura.config import Augment, Finetune
from aura.downstream import heads
from aura.downstream.classifier import embed, reinitialized
from aura.downstream.convolutions import random_convolutions
from aura.downstream.ensemble import average
from aura.downstream.finetune import fine_tune_members
from aura.downstream.heads import draw_shots
from aura.encoders import SensorEncoder
from aura.evaluation.bootstrap import (
    Statistic,
    cluster_bootstrap,
    paired_bootstrap,
    weighted_macro_f1,
    weighted_mean,
)
from aura.learning.batches import Windows

STARTS = ("pretrained", "random")
NO_ENCODER = "no encoder"
METRICS = ("accuracy", "macro-F1")


class Head(NamedTuple):
    """A kind of head: on which modality, by which method, on how many labels of each class."""

    modality: str  # imu, mocap or fused
    method: str  # fine-tuned, linear probe, k-shot or random convolutions
    shots: int | None  # labels of a class, None for all
    start: str  # pretrained, random or no encoder

    @property
    def name(self) -> str:
        """Such as "imu 5-shot, random start"."""
        method = f"{self.shots}-shot" if self.method == "k-shot" else self.method
        if self.shots and self.method != "k-shot":
            method = f"{self.method} on {self.shots} labels a class"
        return f"{self.modality} {method}{', random start' * (self.start == 'random')}"


@dataclass(frozen=True)
class Predictions:
    """Classes that a head predicts for N test windows.

    Attributes
    ----------
    head : Head
        Which head.
    predicted : (draws, N) int64
        Class numbers, -1 where the head has no signal.
    """

    head: Head
    predicted: NDArray[np.int64]


def fit_predict(
    encoders: Mapping[str, SensorEncoder], windows: Windows, labels: NDArray[np.int64],
    train: NDArray[np.int64], test: NDArray[np.int64], classes: int, params: Finetune,
    augmentation: Augment, seed: int, draws: int = 1,
) -> Iterator[Predictions]:  # fmt: skip
    """Train every head on some windows and predict the classes of others.

    Parameters
    ----------
    encoders : Mapping[str, SensorEncoder]
        Modality -> pretrained encoder; with two, their fine-tuned heads are averaged too.
    windows : Windows
        All windows.
    labels : (len(windows),) int64
        Class numbers, -1 where there is none.
    train : (n_train,) int64
        Rows to train on.
    test : (n_test,) int64
        Rows to predict.
    classes : int
        Number of classes.
    params : Finetune
        Training of the heads, and the few-shot numbers.
    augmentation : Augment
        Augmentation of fine-tuning where `params.augment` is null.
    seed : int
        Of random encoders, of training and of draws.
    draws : int
        Draws of the few labels of a k-shot head.

    Yields
    ------
    Predictions
        Of each head, those from pretrained encoders first; random convolutions before all.
    """
    has = {modality: windows.has[modality].numpy() for modality in encoders}
    convolved = None
    if params.convolutions and "imu" in encoders:
        convolved = random_convolutions(
            windows, labels, train, test, classes, params.convolutions, seed
        )
        predicted = np.where(has["imu"][test], convolved.argmax(-1), -1)
        yield Predictions(Head("imu", "random convolutions", None, NO_ENCODER), predicted[None])
    for start in STARTS:
        tuned = []
        for modality, pretrained in encoders.items():
            starts = [pretrained] * params.members
            if start == "random":
                starts = [reinitialized(pretrained, seed + i) for i in range(params.members)]
            encoder = starts[0]

            def predictions(
                method: str, shots: int | None, logits: NDArray[Any], modality: str = modality,
                start: str = start,
            ) -> Predictions:  # fmt: skip
                predicted = np.where(has[modality][test], logits.argmax(-1), -1)
                return Predictions(Head(modality, method, shots, start), np.atleast_2d(predicted))

            logits = fine_tune_members(
                starts, windows, labels, train, test, classes, params,
                params.augment or augmentation, seed,
            )  # fmt: skip
            if convolved is not None and modality == "imu":
                logits = average(np.stack([logits, convolved]))
            tuned.append(logits)
            yield predictions("fine-tuned", None, logits)
            rows = train[has[modality][train] & (labels[train] >= 0)]
            for k in params.tuned_shots:
                few_logits = [
                    fine_tune_members(
                        starts, windows, labels, rows[draw_shots(labels[rows], k, seed, draw)],
                        test, classes, params.model_copy(update={"epochs": params.tuned_epochs}),
                        params.augment or augmentation, seed,
                    )
                    for draw in range(draws)
                ]  # fmt: skip
                yield predictions("fine-tuned", k, np.stack(few_logits))
            x_train, x_test = (embed(encoder, windows, r) for r in (rows, test))
            y_train, groups = labels[rows], windows.participant[rows]
            logits = heads.linear_probe(x_train, y_train, x_test, classes, groups)
            yield predictions("linear probe", None, logits)
            for k in shots_of(params, y_train, classes):
                few, _ = heads.k_shot(x_train, y_train, x_test, classes, k, draws, seed, groups)
                yield predictions("k-shot", k, few)
        if len(tuned) > 1:
            present = np.stack([has[modality][test] for modality in encoders])
            fused = average(np.stack(tuned), present).argmax(1)
            predicted = np.where(present.any(0), fused, -1)
            yield Predictions(Head("fused", "fine-tuned", None, start), predicted[None])


def shots_of(params: Finetune, labels: NDArray[np.int64], classes: int) -> list[int]:
    """Those of `params.shots` that some class has labels for; `labels` are without -1."""
    most = np.bincount(labels, minlength=classes).max()
    return [k for k in params.shots if k <= most]


def score(
    predicted: Mapping[Head, NDArray[np.int64]], labels: NDArray[np.int64], unit: NDArray[Any],
    classes: int, draws: int, seed: int,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:  # fmt: skip
    """Metrics of every head with 95 % intervals, and what pretraining adds, paired.

    Parameters
    ----------
    predicted : Mapping[Head, (draws, N) int64]
        Class numbers, -1 for none; both starts on the same windows.
    labels : (N,) int64
        Class numbers, -1 where there is none; such windows do not count.
    unit : (N,)
        What the bootstrap redraws.
    classes : int
        Number of classes.
    draws : int
        Draws of the bootstrap.
    seed : int
        Of the bootstrap.

    Returns
    -------
    rows : list of dict
        With `modality`, `head`, `shots`, `start`, `metric`, `value`, `low`, `high` and `n`.
    gains : list of dict
        The same keys but `start`: the accuracy from pretrained less that from random.
    """
    rows, gains = [], []
    for head, predicted_DN in predicted.items():
        scored = np.flatnonzero((predicted_DN >= 0).all(axis=0) & (labels >= 0))
        if not len(scored):
            continue
        keys = {"modality": head.modality, "head": head.method, "shots": head.shots}
        for metric in METRICS:
            statistic = statistic_of(predicted_DN[:, scored], labels[scored], classes, metric)
            interval = cluster_bootstrap(statistic, unit[scored], draws, seed)
            row = {"start": head.start, "metric": metric, "value": interval.value}
            bounds = {"low": interval.low, "high": interval.high}
            rows.append({**keys, **row, **bounds, "n": len(scored)})
        random_DN = predicted.get(head._replace(start="random"))
        if head.start == "pretrained" and random_DN is not None:
            one, two = (
                statistic_of(p_DN[:, scored], labels[scored], classes, "accuracy")
                for p_DN in (predicted_DN, random_DN)
            )
            gain = paired_bootstrap(one, two, unit[scored], draws, seed)
            gains.append({**keys, "value": gain.value, "low": gain.low, "high": gain.high})
    return rows, gains


def negative_transfer(gains: Sequence[Mapping[str, Any]]) -> list[str]:
    """Warn where a pretrained start is worse than a random one (rule 10)."""
    return [
        f"{gain['modality']} {Head('', gain['head'], gain['shots'], '').name.strip()}: the "
        f"pretrained start is worse than a random one by {-gain['value']:.3f} "
        f"({-gain['high']:.3f} to {-gain['low']:.3f}): the domains lie apart."
        for gain in gains
        if gain["high"] is not None and gain["high"] < 0
    ]


def statistic_of(
    predicted_DN: NDArray[np.int64], labels: NDArray[np.int64], classes: int, metric: str
) -> Statistic:
    """A metric of weighted windows, its mean over draws."""
    if metric == "accuracy":
        return weighted_mean((predicted_DN == labels).mean(axis=0))
    by_draw = [weighted_macro_f1(labels, row, classes) for row in predicted_DN]
    return lambda weights: float(np.mean([statistic(weights) for statistic in by_draw]))
