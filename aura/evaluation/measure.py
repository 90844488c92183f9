"""All figures of one set of encoders on the test windows: a pure function of embeddings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.errors import AuraError
from aura.evaluation.bootstrap import (
    Interval,
    cluster_bootstrap,
    resampling_unit,
    weighted_macro_f1,
    weighted_mean,
)
from aura.evaluation.chance import retrieval_chance
from aura.evaluation.diagnosis import Headline, display
from aura.evaluation.retrieval import ranks
from aura.evaluation.shortcuts import length_ranks
from aura.evaluation.zeroshot import ZeroShot, baselines, predict, zero_shot

# What the first screen shows: query, gallery, metric, and whether identical captions count as one.
RETRIEVALS = (
    ("imu", "text", "MRR", True),
    ("imu", "video", "MRR", False),
    ("imu", "mocap", "R@1", False),
    ("mocap", "text", "MRR", True),
)


@dataclass(frozen=True)
class TestSet:
    """The test windows, row by row.

    Attributes
    ----------
    participant : ndarray
        (N,) str.
    take : ndarray
        (N,) str.
    label : ndarray
        (N,) int64, index of the class, -1 where there is none.
    group : ndarray
        (N,) int64, windows with identical captions share one.
    valid : mapping of str to ndarray
        Modality -> (N,) bool.
    class_names : sequence of str
        C names.
    class_vectors : ndarray
        (C, d) unit vectors.
    train_labels : ndarray
        int64, of the training windows, for the majority baseline.
    length_s : mapping of str to ndarray
        Modality -> (N,) seconds of signal.
    split : ndarray or None
        (N,) str, which split each window is of, where that is known.
    """

    participant: NDArray[Any]
    take: NDArray[Any]
    label: NDArray[np.int64]
    group: NDArray[np.int64]
    valid: Mapping[str, NDArray[np.bool_]]
    class_names: Sequence[str]
    class_vectors: NDArray[Any]
    train_labels: NDArray[np.int64]
    length_s: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    split: NDArray[Any] | None = None


@dataclass(frozen=True)
class Figures:
    """Headline figures and the zero-shot results behind them."""

    headlines: list[Headline]
    zero_shot: dict[str, ZeroShot]
    baselines: dict[str, dict[str, float]]


def measure(vectors: Mapping[str, NDArray[Any]], test: TestSet, draws: int, seed: int) -> Figures:
    """Zero-shot and retrieval headlines with 95 % intervals (evaluation protocol, rules 3, 4, 9).

    Parameters
    ----------
    vectors : mapping of str to ndarray
        Modality -> (N, d) unit vectors; rows where the modality is not valid are ignored.
    test : TestSet
        The N windows.
    draws : int
        Redraws of the bootstrap.
    seed : int
        Of the bootstrap and of the uniform baseline.

    Raises
    ------
    AuraError
        A window is not of the test split: a figure on what was trained on would mean nothing.
    """
    if test.split is not None and (foreign := set(test.split.tolist()) - {"test"}):
        raise AuraError(f"The windows to measure are not all of the test split: {min(foreign)}.")
    unit, unit_name = resampling_unit(test.participant, test.take)
    headlines: list[Headline] = []
    results: dict[str, ZeroShot] = {}
    first_baseline: dict[str, dict[str, float]] = {}

    def add(name: str, metric: str, kind: Any, interval: Interval, n: int, **levels: Any) -> None:
        headlines.append(
            Headline(
                name=name,
                metric=metric,
                kind=kind,
                value=interval.value,
                low=interval.low,
                high=interval.high,
                n=n,
                groups=f"{interval.groups} {unit_name}",
                **levels,
            )
        )

    classes = len(test.class_names)
    for modality in ("imu", "mocap", "video"):
        rows = np.flatnonzero(test.valid[modality] & (test.label >= 0))
        if modality not in vectors or not len(rows):
            continue
        embeddings, label = vectors[modality][rows], test.label[rows]
        results[modality] = zero_shot(embeddings, test.class_vectors, label, test.class_names)
        baseline = baselines(test.train_labels, label, classes, seed)
        first_baseline = first_baseline or baseline
        statistic = weighted_macro_f1(label, predict(embeddings, test.class_vectors), classes)
        interval = cluster_bootstrap(statistic, unit[rows], draws, seed)
        add(
            f"{display(modality)} zero-shot",
            "macro-F1",
            "zero-shot",
            interval,
            len(rows),
            chance=baseline["uniform"]["macro_f1"],
            baseline=baseline["majority"]["macro_f1"],
        )
    for query, gallery, metric, multi_positive in RETRIEVALS:
        if query not in vectors or gallery not in vectors:
            continue
        rows = np.flatnonzero(test.valid[query] & test.valid[gallery])
        if len(rows) < 2:
            continue
        group = test.group[rows] if multi_positive else np.arange(len(rows))
        rank = ranks(vectors[query][rows], vectors[gallery][rows], group, group)
        _, index, count = np.unique(group, return_inverse=True, return_counts=True)
        chance = retrieval_chance(np.full(len(rows), len(rows)), count[index])
        interval = cluster_bootstrap(weighted_mean(_score(rank, metric)), unit[rows], draws, seed)
        by_length = None
        if query in test.length_s and gallery in test.length_s:
            length_rank = length_ranks(test.length_s[query][rows], test.length_s[gallery][rows])
            by_length = float(_score(length_rank, metric).mean())
        name = f"{display(query)} → {display(gallery)}"
        levels = {"chance": chance[metric], "baseline": by_length}
        add(name, metric, "retrieval", interval, len(rows), **levels)
    return Figures(headlines, results, first_baseline)


def _score(rank: NDArray[np.float64], metric: str) -> NDArray[Any]:
    return 1 / rank if metric == "MRR" else rank <= 1
