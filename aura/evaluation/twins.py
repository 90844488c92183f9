"""Figures of the twins that are trained beside a model, put beside those of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.evaluation.bootstrap import Statistic, cluster_bootstrap
from aura.evaluation.diagnosis import Headline, display
from aura.evaluation.measure import TestSet
from aura.evaluation.zeroshot import confusion_matrix, predict, scores_of

SENSORS = ("imu", "mocap")


def with_controls(
    headlines: Sequence[Headline], controls: Sequence[Sequence[Headline]]
) -> list[Headline]:
    """Put the mean of the shuffled-pairs controls beside each headline of a trained encoder.

    One control may have the luck of putting a few activities where their names are. `control_low`
    is the lowest end of their intervals: above chance, each of them is.
    """
    result = []
    for headline in headlines:
        twins = [
            twin
            for control in controls
            for twin in control
            if (twin.name, twin.metric) == (headline.name, headline.metric)
            and not headline.name.startswith("video")
        ]
        if twins:
            lows = [twin.low for twin in twins if twin.low is not None]
            highs = [twin.high for twin in twins if twin.high is not None]
            headline = replace(
                headline,
                control=float(np.mean([twin.value for twin in twins])),
                control_low=min(lows, default=None),
                control_high=max(highs, default=None),
            )
        result.append(headline)
    return result


def held_out_class(
    vectors: Mapping[str, NDArray[Any]], test: TestSet, label: str, draws: int, seed: int
) -> tuple[list[Headline], dict[str, dict[str, Any]]]:
    """Zero-shot on a class that the encoders were never trained on (evaluation protocol, rule 5).

    Parameters
    ----------
    vectors : mapping of str to ndarray
        Modality -> (N, d) unit vectors of the twin trained without the class.
    test : TestSet
        The N windows.
    label : str
        The class; its prompts stand among those of all others.
    draws : int
        Redraws of the bootstrap.
    seed : int
        Of the bootstrap.

    Returns
    -------
    headlines : list of Headline
        F1 of the class against the rest. Chance is the F1 of guessing all classes equally often.
    details : dict of str to dict
        Modality -> precision, recall, windows, and `mean_rank` of the right name among all classes.
    """
    headlines: list[Headline] = []
    details: dict[str, dict[str, Any]] = {}
    classes = len(test.class_names)
    target = list(test.class_names).index(label) if label in test.class_names else -1
    unit, unit_name = test.unit()
    for modality in SENSORS:
        rows = np.flatnonzero(test.valid[modality] & (test.label >= 0))
        labels = test.label[rows]
        positive = labels == target
        if modality not in vectors or target < 0 or not positive.any():
            continue
        embeddings = vectors[modality][rows]
        predictions = predict(embeddings, test.class_vectors)
        interval = cluster_bootstrap(
            _one_against_rest(labels, predictions, classes, target), unit[rows], draws, seed
        )
        share = float(positive.mean())
        scores = scores_of(confusion_matrix(labels, predictions, classes))
        similarity = embeddings[positive] @ np.asarray(test.class_vectors).T
        headlines.append(
            Headline(
                name=f"{display(modality)} zero-shot on unseen {label}",
                metric="F1",
                kind="unseen",
                value=interval.value,
                low=interval.low,
                high=interval.high,
                chance=2 * share / (share * classes + 1),
                n=len(rows),
                groups=f"{interval.groups} {unit_name}",
            )
        )
        details[modality] = {
            "class": label,
            "f1": interval.value,
            "precision": scores.precision[target],
            "recall": scores.recall[target],
            "windows": int(positive.sum()),
            "mean_rank": float((similarity > similarity[:, [target]]).sum(axis=1).mean() + 1),
            "classes": classes,
        }
    return headlines, details


def unnamed(headlines: Sequence[Headline]) -> list[Headline]:
    """Zero-shot headlines of the twin whose texts never named a class, under names of their own."""
    return [
        replace(headline, name=f"{headline.name}, classes unnamed")
        for headline in headlines
        if headline.kind == "zero-shot" and not headline.name.startswith("video")
    ]


def _one_against_rest(
    labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int, target: int
) -> Statistic:
    return lambda weights: scores_of(confusion_matrix(labels, predictions, classes, weights)).f1[
        target
    ]
