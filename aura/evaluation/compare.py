"""Variants of a training side by side: seeds averaged, intervals, and paired differences.

A cell is one variant, seed and fold; its outcomes are joined by window id, so that a difference is
taken on the same windows (evaluation protocol, rules 8 and 9).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.errors import AuraError
from aura.evaluation.bootstrap import (
    Statistic,
    cluster_bootstrap,
    paired_bootstrap,
    resampling_unit,
    weighted_macro_f1,
    weighted_mean,
)


@dataclass(frozen=True)
class Outcomes:
    """Predictions and ranks of a variant on N test windows under S seeds.

    Attributes
    ----------
    ids : ndarray
        (N,) str.
    take : ndarray
        (N,) str; takes that were recorded at once are one.
    participant : ndarray
        (N,) str.
    label : ndarray
        (N,) int64, -1 where there is none.
    predicted : mapping of str to ndarray
        Name -> (S, N) int64 classes, -1 for none.
    rank : mapping of str to ndarray
        "query-gallery" -> (S, N) rank of the right answer from 1, NaN for none.
    """

    ids: NDArray[Any]
    take: NDArray[Any]
    participant: NDArray[Any]
    label: NDArray[np.int64]
    predicted: Mapping[str, NDArray[np.int64]]
    rank: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Figure:
    """A figure of a variant, its 95 % interval, and its difference from the reference."""

    variant: str
    name: str
    metric: str
    value: float
    low: float | None
    high: float | None
    seeds: list[float]
    n: int
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None


def gather(cells: Sequence[Sequence[Mapping[str, NDArray[Any]]]]) -> Outcomes:
    """Outcomes of one variant from its cells, `cells[seed][fold]`; a window is tested in one fold.

    A cell holds `ids`, `take`, `participant`, `label`, and arrays `predicted/...` and `rank/...`.
    """

    def joined(folds: Sequence[Mapping[str, NDArray[Any]]], key: str) -> NDArray[Any]:
        return np.concatenate([fold[key] for fold in folds])

    orders = [np.argsort(joined(folds, "ids"), kind="stable") for folds in cells]
    ids = [joined(folds, "ids")[order] for folds, order in zip(cells, orders, strict=True)]
    if any(not np.array_equal(ids[0], other) for other in ids) or len(set(ids[0])) < len(ids[0]):
        raise AuraError("The cells of a comparison were not tested on the same windows.")

    def stacked(key: str) -> NDArray[Any]:
        return np.stack([joined(f, key)[o] for f, o in zip(cells, orders, strict=True)])

    keys = [k for k in cells[0][0] if "/" in k and all(k in f for folds in cells for f in folds)]
    tables: dict[str, dict[str, NDArray[Any]]] = {"predicted": {}, "rank": {}}
    for key in keys:
        kind, _, name = key.partition("/")
        tables[kind][name] = stacked(key)
    first = {k: stacked(k)[0] for k in ("ids", "take", "participant", "label")}
    return Outcomes(**first, predicted=tables["predicted"], rank=tables["rank"])


def figures(
    variants: Mapping[str, Outcomes],
    metrics: Sequence[tuple[str, str]],
    classes: int,
    draws: int = 1000,
    seed: int = 0,
) -> list[Figure]:
    """Every figure of every variant; differences are from the first variant.

    Parameters
    ----------
    variants : mapping of str to Outcomes
        By name, the reference first.
    metrics : sequence of (str, str)
        (name, metric); the metric is accuracy or macro-F1 of a prediction, or R@k or MRR of a
        ranking. What a variant lacks is left out.
    classes : int
        Number of classes.
    draws : int
        Redraws of the bootstrap.
    seed : int
        Of the bootstrap.
    """
    reference = next(iter(variants))
    result = []
    for name, metric in metrics:
        baseline = _statistics(variants[reference], name, metric, classes)
        for variant, outcomes in variants.items():
            measured = _statistics(outcomes, name, metric, classes)
            if measured is None:
                continue
            statistics, rows = measured
            unit, _ = resampling_unit(outcomes.participant[rows], outcomes.take[rows])
            interval = cluster_bootstrap(_mean(statistics), unit, draws, seed)
            fields: dict[str, Any] = {
                "value": interval.value, "low": interval.low, "high": interval.high,
                "seeds": [s(np.ones(len(unit))) for s in statistics], "n": len(unit),
            }  # fmt: skip
            if variant != reference and baseline is not None and np.array_equal(baseline[1], rows):
                paired = paired_bootstrap(_mean(statistics), _mean(baseline[0]), unit, draws, seed)
                fields |= {
                    "difference": paired.value, "difference_low": paired.low,
                    "difference_high": paired.high,
                }  # fmt: skip
            result.append(Figure(variant=variant, name=name, metric=metric, **fields))
    return result


def difference(
    outcomes: Outcomes, first: str, second: str, classes: int, draws: int = 1000, seed: int = 0
) -> Figure | None:
    """Accuracy of one head less that of another of the same variant, paired window by window."""
    a = _statistics(outcomes, first, "accuracy", classes)
    b = _statistics(outcomes, second, "accuracy", classes)
    if a is None or b is None or not np.array_equal(a[1], b[1]):
        return None
    rows = a[1]
    unit, _ = resampling_unit(outcomes.participant[rows], outcomes.take[rows])
    paired = paired_bootstrap(_mean(a[0]), _mean(b[0]), unit, draws, seed)
    ones = np.ones(len(unit))
    seeds = [x(ones) - y(ones) for x, y in zip(a[0], b[0], strict=True)]
    return Figure(
        first, second, "accuracy", paired.value, paired.low, paired.high, seeds, len(unit)
    )


def confusion(outcomes: Outcomes, name: str, classes: int) -> NDArray[np.int64]:
    """Counts (C, C) of a prediction over all seeds, true classes in rows."""
    predicted = outcomes.predicted[name]
    label = np.broadcast_to(outcomes.label, predicted.shape)
    known = (predicted >= 0) & (label >= 0)
    cells = np.bincount(label[known] * classes + predicted[known], minlength=classes * classes)
    return cells.reshape(classes, classes)


def _mean(statistics: Sequence[Statistic]) -> Statistic:
    return lambda weights: float(np.mean([statistic(weights) for statistic in statistics]))


def _statistics(
    outcomes: Outcomes, name: str, metric: str, classes: int
) -> tuple[list[Statistic], NDArray[np.int64]] | None:
    """A statistic a seed, and the windows that they are about."""
    if metric in ("accuracy", "macro-F1"):
        predicted = outcomes.predicted.get(name)
        if predicted is None:
            return None
        rows = np.flatnonzero((predicted >= 0).all(axis=0) & (outcomes.label >= 0))
        label = outcomes.label[rows]
        if metric == "accuracy":
            return [weighted_mean(p == label) for p in predicted[:, rows]], rows
        return [weighted_macro_f1(label, p, classes) for p in predicted[:, rows]], rows
    rank = outcomes.rank.get(name)
    if rank is None:
        return None
    rows = np.flatnonzero(np.isfinite(rank).all(axis=0))
    if metric == "MRR":
        return [weighted_mean(1 / r) for r in rank[:, rows]], rows
    cutoff = int(metric.removeprefix("R@"))
    return [weighted_mean(r <= cutoff) for r in rank[:, rows]], rows
