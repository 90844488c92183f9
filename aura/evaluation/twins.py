"""Figures of the twins that are trained beside a model, put beside those of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.evaluation.bootstrap import Statistic, cluster_bootstrap, resampling_unit
from aura.evaluation.diagnosis import Headline, display
from aura.evaluation.measure import TestSet
from aura.evaluation.zeroshot import confusion_matrix, predict, scores_of

SENSORS = ("imu", "mocap")


def with_controls(
    lines: Sequence[Headline], controls: Sequence[Sequence[Headline]]
) -> list[Headline]:
    """Put the mean of the shuffled-pairs controls beside each headline of a trained encoder.

    One control may have the luck of putting a few activities where their names are. `control_low`
    is the lowest end of their intervals: above chance, each of them is.
    """
    result = []
    for line in lines:
        twins = [
            twin
            for control in controls
            for twin in control
            if (twin.name, twin.metric) == (line.name, line.metric)
            and not line.name.startswith("video")
        ]
        if twins:
            lows = [twin.low for twin in twins if twin.low is not None]
            highs = [twin.high for twin in twins if twin.high is not None]
            line = replace(
                line,
                control=float(np.mean([twin.value for twin in twins])),
                control_low=min(lows, default=None),
                control_high=max(highs, default=None),
            )
        result.append(line)
    return result


def held_out_class(
    vectors: Mapping[str, NDArray[Any]], test: TestSet, label: str, draws: int, seed: int
) -> tuple[list[Headline], dict[str, dict[str, Any]]]:
    """Zero-shot on a class that the encoders were never trained on (evaluation protocol, rule 5).

    Parameters
    ----------
    vectors : modality -> (N, d) unit vectors of the twin trained without the class.
    label : the class; its prompts stand among those of all others.

    Returns
    -------
    Headlines of the F1 of the class against the rest, and of each modality its precision, recall,
    windows, and `mean_rank` of the right name among all classes. Chance is the F1 of guessing all
    classes equally often.
    """
    lines: list[Headline] = []
    details: dict[str, dict[str, Any]] = {}
    classes = len(test.class_names)
    target = list(test.class_names).index(label) if label in test.class_names else -1
    unit, unit_name = resampling_unit(test.participant, test.take)
    for modality in SENSORS:
        rows = np.flatnonzero(test.valid[modality] & (test.label >= 0))
        own = test.label[rows] == target
        if modality not in vectors or target < 0 or not own.any():
            continue
        found = vectors[modality][rows]
        said = predict(found, test.class_vectors)
        spread = cluster_bootstrap(
            _one_against_rest(test.label[rows], said, classes, target), unit[rows], draws, seed
        )
        share = float(own.mean())
        scores = scores_of(confusion_matrix(test.label[rows], said, classes))
        similar = found[own] @ np.asarray(test.class_vectors).T
        lines.append(
            Headline(
                name=f"{display(modality)} zero-shot on unseen {label}",
                metric="F1",
                kind="unseen",
                value=spread.value,
                low=spread.low,
                high=spread.high,
                chance=2 * share / (share * classes + 1),
                n=len(rows),
                groups=f"{spread.groups} {unit_name}",
            )
        )
        details[modality] = {
            "class": label,
            "f1": spread.value,
            "precision": scores.precision[target],
            "recall": scores.recall[target],
            "windows": int(own.sum()),
            "mean_rank": float((similar > similar[:, [target]]).sum(axis=1).mean() + 1),
            "classes": classes,
        }
    return lines, details


def unnamed(lines: Sequence[Headline]) -> list[Headline]:
    """Zero-shot headlines of the twin whose texts never named a class, under names of their own."""
    return [
        replace(line, name=f"{line.name}, classes unnamed")
        for line in lines
        if line.kind == "zero-shot" and not line.name.startswith("video")
    ]


def _one_against_rest(
    label: NDArray[np.int64], said: NDArray[np.int64], classes: int, target: int
) -> Statistic:
    return lambda weights: scores_of(confusion_matrix(label, said, classes, weights)).f1[target]
