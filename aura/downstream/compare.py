"""Models that answer the same question on the same windows, beside the first of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.downstream.tasks import METRICS, statistic_of
from aura.evaluation.bootstrap import cluster_bootstrap, paired_bootstrap


def compare(
    predicted: Mapping[str, NDArray[np.int64]], labels: NDArray[np.int64], unit: NDArray[Any],
    classes: int, draws: int, seed: int,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Macro-F1 and accuracy of several models on the same windows, and against the first of them.

    Parameters
    ----------
    predicted : Mapping[str, (draws, N) int64]
        By name, class numbers, -1 for none; a row a seed.
    labels : (N,) int64
        Class numbers, -1 where there is none.
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
    dict of str to dict
        By name, `n`, for each of the metrics its `value`, `low` and `high`, `each` macro-F1 of the
        draws, and after the first `gain`, the paired difference to the first in macro-F1 with `low`
        and `high`.
    """
    table: dict[str, dict[str, Any]] = {}
    reference = next(iter(predicted.values()))
    for name, predicted_DN in predicted.items():
        scored = np.flatnonzero((predicted_DN >= 0).all(axis=0) & (labels >= 0))
        if not len(scored):
            continue
        row: dict[str, Any] = {"n": len(scored)}
        for metric in METRICS:
            statistic = statistic_of(predicted_DN[:, scored], labels[scored], classes, metric)
            interval = cluster_bootstrap(statistic, unit[scored], draws, seed)
            row[metric] = {"value": interval.value, "low": interval.low, "high": interval.high}
        row["each"] = [
            float(
                statistic_of(one[None], labels[scored], classes, "macro-F1")(np.ones(len(scored)))
            )
            for one in predicted_DN[:, scored]
        ]
        if predicted_DN is not reference:
            one, two = (
                statistic_of(p_DN[:, scored], labels[scored], classes, "macro-F1")
                for p_DN in (predicted_DN, reference)
            )
            gain = paired_bootstrap(one, two, unit[scored], draws, seed)
            row["gain"] = {"value": gain.value, "low": gain.low, "high": gain.high}
        table[name] = row
    return table
