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
    """What a variant did with every test window, a row a seed; NaN or -1 where it said nothing.

    Attributes
    ----------
    ids, take, participant : (N,) str.
    label : (N,) int64, -1 where there is none.
    predicted : name -> (S, N) int64 classes, -1 for none.
    rank : "query-gallery" -> (S, N) rank of the right answer from 1, NaN for none.
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
    of: Mapping[str, Outcomes],
    wanted: Sequence[tuple[str, str]],
    classes: int,
    draws: int = 1000,
    seed: int = 0,
) -> list[Figure]:
    """Every wanted figure of every variant; differences are from the first variant.

    Parameters
    ----------
    wanted : (name, metric); the metric is accuracy or macro-F1 of a prediction, or R@k or MRR of a
        ranking. What a variant lacks is left out.
    """
    reference = next(iter(of))
    rows = []
    for name, metric in wanted:
        base = _statistics(of[reference], name, metric, classes)
        for variant, outcomes in of.items():
            found = _statistics(outcomes, name, metric, classes)
            if found is None:
                continue
            each, kept = found
            unit, _ = resampling_unit(outcomes.participant[kept], outcomes.take[kept])
            spread = cluster_bootstrap(_mean(each), unit, draws, seed)
            row: dict[str, Any] = {
                "value": spread.value, "low": spread.low, "high": spread.high,
                "seeds": [s(np.ones(len(unit))) for s in each], "n": len(unit),
            }  # fmt: skip
            if variant != reference and base is not None and np.array_equal(base[1], kept):
                gap = paired_bootstrap(_mean(each), _mean(base[0]), unit, draws, seed)
                row |= {
                    "difference": gap.value, "difference_low": gap.low,
                    "difference_high": gap.high,
                }  # fmt: skip
            rows.append(Figure(variant=variant, name=name, metric=metric, **row))
    return rows


def difference(
    outcomes: Outcomes, first: str, second: str, classes: int, draws: int = 1000, seed: int = 0
) -> Figure | None:
    """Accuracy of one head less that of another of the same variant, paired window by window."""
    one = _statistics(outcomes, first, "accuracy", classes)
    two = _statistics(outcomes, second, "accuracy", classes)
    if one is None or two is None or not np.array_equal(one[1], two[1]):
        return None
    unit, _ = resampling_unit(outcomes.participant[one[1]], outcomes.take[one[1]])
    gap = paired_bootstrap(_mean(one[0]), _mean(two[0]), unit, draws, seed)
    each = [a(np.ones(len(unit))) - b(np.ones(len(unit))) for a, b in zip(one[0], two[0])]  # noqa: B905
    return Figure(first, second, "accuracy", gap.value, gap.low, gap.high, each, len(unit))


def per_class(outcomes: Outcomes, name: str, classes: int) -> NDArray[np.int64]:
    """Confusion (C, C) of a prediction over all seeds, true classes in rows."""
    found = outcomes.predicted[name]
    label = np.broadcast_to(outcomes.label, found.shape)
    known = (found >= 0) & (label >= 0)
    cells = np.bincount(label[known] * classes + found[known], minlength=classes * classes)
    return cells.reshape(classes, classes)


def _mean(each: Sequence[Statistic]) -> Statistic:
    return lambda weights: float(np.mean([statistic(weights) for statistic in each]))


def _statistics(
    outcomes: Outcomes, name: str, metric: str, classes: int
) -> tuple[list[Statistic], NDArray[np.int64]] | None:
    """A statistic a seed, and the windows that they are about."""
    if metric in ("accuracy", "macro-F1"):
        found = outcomes.predicted.get(name)
        if found is None:
            return None
        kept = np.flatnonzero((found >= 0).all(axis=0) & (outcomes.label >= 0))
        label = outcomes.label[kept]
        if metric == "accuracy":
            return [weighted_mean(row == label) for row in found[:, kept]], kept
        return [weighted_macro_f1(label, row, classes) for row in found[:, kept]], kept
    rank = outcomes.rank.get(name)
    if rank is None:
        return None
    kept = np.flatnonzero(np.isfinite(rank).all(axis=0))
    if metric == "MRR":
        return [weighted_mean(1 / row) for row in rank[:, kept]], kept
    most = int(metric.removeprefix("R@"))
    return [weighted_mean(row <= most) for row in rank[:, kept]], kept
