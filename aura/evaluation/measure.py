"""All figures of one set of encoders on the test windows: a pure function of embeddings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    moment : ndarray or None
        (N,) str, the same for takes that were recorded at once; None where there are no such.
    instant : ndarray or None
        (N,) int64, the same for windows of several IMUs over the same seconds, which are one
        right answer; None where there are no such.
    place : ndarray or None
        (N,) object, where the IMU sits, None where that is not known.
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
    moment: NDArray[Any] | None = None
    instant: NDArray[np.int64] | None = None
    place: NDArray[Any] | None = None

    def select(self, rows: NDArray[np.int64]) -> "TestSet":
        """Some of the windows, by number."""
        optional = {
            name: value[rows]
            for name in ("split", "moment", "instant", "place")
            if (value := getattr(self, name)) is not None
        }
        return replace(
            self,
            participant=self.participant[rows],
            take=self.take[rows],
            label=self.label[rows],
            group=self.group[rows],
            valid={modality: valid[rows] for modality, valid in self.valid.items()},
            length_s={modality: seconds[rows] for modality, seconds in self.length_s.items()},
            **optional,
        )

    def unit(self) -> tuple[NDArray[Any], str]:
        """What a bootstrap redraws, (N,), and what these are called."""
        return resampling_unit(self.participant, self.take, self.moment)

    def matching(self, rows: NDArray[np.int64], multi_positive: bool) -> NDArray[np.int64]:
        """Groups of some windows: those of one are the right answers to each other in retrieval."""
        if multi_positive:
            return self.group[rows]
        return np.arange(len(rows)) if self.instant is None else self.instant[rows]


@dataclass(frozen=True)
class Figures:
    """Headline figures and the zero-shot results behind them."""

    headlines: list[Headline]
    zero_shot: dict[str, ZeroShot]
    baselines: dict[str, dict[str, float]]


def measure(
    vectors: Mapping[str, NDArray[Any]],
    test: TestSet,
    draws: int,
    seed: int,
    queries: Collection[str] = ("imu", "mocap", "video"),
) -> Figures:
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
    queries : collection of str
        The modalities that are classified and that search.

    Raises
    ------
    AuraError
        A window is not of the test split: a figure on what was trained on would mean nothing.
    """
    if test.split is not None and (foreign := set(test.split.tolist()) - {"test"}):
        raise AuraError(f"The windows to measure are not all of the test split: {min(foreign)}.")
    unit, unit_name = test.unit()
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
        if modality not in vectors or modality not in queries or not len(rows):
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
        if query not in vectors or query not in queries or gallery not in vectors:
            continue
        rows = np.flatnonzero(test.valid[query] & test.valid[gallery])
        if len(rows) < 2:
            continue
        group = test.matching(rows, multi_positive)
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
