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
from aura.downstream import finetune, heads
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
METRICS = ("accuracy", "macro-F1")


class Head(NamedTuple):
    """A kind of head: on which modality, how trained, on how many labels of each class."""

    modality: str  # imu, mocap or fused
    how: str  # fine-tuned, linear probe or k-shot
    shots: int | None  # labels of a class, None for all
    start: str  # pretrained or random

    @property
    def name(self) -> str:
        """Such as "imu 5-shot, random start"."""
        how = f"{self.shots}-shot" if self.shots else self.how
        return f"{self.modality} {how}{', random start' * (self.start == 'random')}"


@dataclass(frozen=True)
class Answer:
    """What a head says of N test windows: (draws, N) classes, -1 where it has no signal."""

    head: Head
    said: NDArray[np.int64]


def answers(
    encoders: Mapping[str, SensorEncoder], windows: Windows, labels: NDArray[np.int64],
    train: NDArray[np.int64], test: NDArray[np.int64], classes: int, params: Finetune,
    changes: Augment, seed: int, draws: int = 1,
) -> Iterator[Answer]:  # fmt: skip
    """Train every head on the rows `train` and ask it about the rows `test`.

    Parameters
    ----------
    encoders : modality -> pretrained encoder; with two, their fine-tuned heads are averaged too.
    labels : (len(windows),) class numbers, -1 where there is none.
    changes : augmentation of fine-tuning where `params.augment` is null.
    draws : draws of the few labels of a k-shot head.
    """
    has = {modality: windows.has[modality].numpy() for modality in encoders}
    for start in STARTS:
        tuned = []
        for modality, pretrained in encoders.items():
            encoder = pretrained if start == "pretrained" else finetune.twin(pretrained, seed)

            def answer(
                how: str, shots: int | None, logits: NDArray[Any], on: str = modality,
                start: str = start,
            ) -> Answer:  # fmt: skip
                said = np.where(has[on][test], logits.argmax(-1), -1)
                return Answer(Head(on, how, shots, start), np.atleast_2d(said))

            logits = finetune.fine_tune(
                encoder, windows, labels, train, test, classes, params,
                params.augment or changes, seed,
            )  # fmt: skip
            tuned.append(logits)
            yield answer("fine-tuned", None, logits)
            known = train[has[modality][train] & (labels[train] >= 0)]
            frozen, asked = (finetune.embed(encoder, windows, r) for r in (known, test))
            people = windows.participant[known]
            logits = heads.linear_probe(frozen, labels[known], asked, classes, people)
            yield answer("linear probe", None, logits)
            for k in shots_of(params, labels[known], classes):
                few, _ = heads.k_shot(frozen, labels[known], asked, classes, k, draws, seed, people)
                yield answer("k-shot", k, few)
        if len(tuned) > 1:
            present = np.stack([has[modality][test] for modality in encoders])
            fused = heads.average(np.stack(tuned), present).argmax(1)
            said = np.where(present.any(0), fused, -1)
            yield Answer(Head("fused", "fine-tuned", None, start), said[None])


def shots_of(params: Finetune, labels: NDArray[np.int64], classes: int) -> list[int]:
    """Those of `params.shots` that some class has labels for; `labels` are without -1."""
    most = np.bincount(labels, minlength=classes).max()
    return [k for k in params.shots if k <= most]


def figures(
    said: Mapping[Head, NDArray[np.int64]], label: NDArray[np.int64], unit: NDArray[Any],
    classes: int, draws: int, seed: int,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:  # fmt: skip
    """Rows for every head and metric with 95 % intervals, and what pretraining adds, paired.

    Parameters
    ----------
    said : head -> (draws, N) classes, -1 for none; both starts on the same windows.
    label : (N,) class numbers, -1 where there is none; such windows do not count.
    unit : (N,) what the bootstrap redraws.

    Returns
    -------
    Rows with `modality`, `head`, `shots`, `start`, `metric`, `value`, `low`, `high`, `n`; and
    gains with the same keys but `start`, the accuracy from pretrained less that from random.
    """
    rows, gains = [], []
    for head, found in said.items():
        kept = np.flatnonzero((found >= 0).all(axis=0) & (label >= 0))
        if not len(kept):
            continue
        about = {"modality": head.modality, "head": head.how, "shots": head.shots}
        for metric in METRICS:
            statistic = _statistic(found[:, kept], label[kept], classes, metric)
            spread = cluster_bootstrap(statistic, unit[kept], draws, seed)
            row = {"start": head.start, "metric": metric, "value": spread.value}
            rows.append({**about, **row, "low": spread.low, "high": spread.high, "n": len(kept)})
        twin = said.get(head._replace(start="random"))
        if head.start == "pretrained" and twin is not None:
            one, two = (
                _statistic(s[:, kept], label[kept], classes, "accuracy") for s in (found, twin)
            )
            gap = paired_bootstrap(one, two, unit[kept], draws, seed)
            gains.append({**about, "value": gap.value, "low": gap.low, "high": gap.high})
    return rows, gains


def negative(gains: Sequence[Mapping[str, Any]]) -> list[str]:
    """Warn where a pretrained start is worse than a random one (rule 10)."""
    return [
        f"{gain['modality']} {Head('', gain['head'], gain['shots'], '').name.strip()}: the "
        f"pretrained start is worse than a random one by {-gain['value']:.3f} "
        f"({-gain['high']:.3f} to {-gain['low']:.3f}): the domains lie apart."
        for gain in gains
        if gain["high"] is not None and gain["high"] < 0
    ]


def _statistic(
    said: NDArray[np.int64], label: NDArray[np.int64], classes: int, metric: str
) -> Statistic:
    if metric == "accuracy":
        return weighted_mean((said == label).mean(axis=0))
    each = [weighted_macro_f1(label, row, classes) for row in said]
    return lambda weights: float(np.mean([statistic(weights) for statistic in each]))
