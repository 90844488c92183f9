"""What models say of a data set that took no part in their training, by its classes' prompts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aura.config import Params
from aura.downstream.tasks import statistic_of
from aura.errors import AuraError
from aura.evaluation.measure import TestSet
from aura.learning import training
from aura.learning.batches import Windows
from pipeline.study import joined, targets


def similarities(
    folders: Sequence[Path], windows: Windows, test: TestSet, rows: np.ndarray, teacher: Any,
    target: str,
) -> np.ndarray:  # fmt: skip
    """Cosines (models, N, classes) float32 of `rows` of the target to its classes' prompts."""
    found = []
    for folder in folders:
        model, card = training.load(folder)
        joined.check_model(card, teacher, card["dataset"], target)
        if card["shape"]["samples"] != windows.window_samples:
            raise AuraError(
                f"The model of {card['dataset']} takes windows of {card['shape']['samples']} "
                f"samples and those of {target} have {windows.window_samples}; slice.window_s must "
                "be the same."
            )
        vectors = training.embed(model, windows, rows, ["imu"])["imu"]
        found.append((vectors @ test.class_vectors.T).astype(np.float32))
    return np.stack(found)


def vote(scores: np.ndarray, takes: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Classes (models, takes) of whole takes, in the order of their names: by summed cosines.

    Parameters
    ----------
    scores : ndarray
        (models, N, classes) of windows.
    takes : ndarray
        (N,) take of each.
    valid : ndarray
        (N,) bool, which windows have an IMU.

    Returns
    -------
    ndarray
        (models, takes) int64, -1 where no window says anything.
    """
    total, heard = of_takes(scores, takes, valid)
    return np.where(heard, total.argmax(2), -1)


def of_takes(
    scores: np.ndarray, takes: np.ndarray, valid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean scores (models, takes, classes) of takes, in the order of names, and which have any.

    The arguments are those of `vote`.
    """
    names, code = np.unique(takes, return_inverse=True)
    total = np.zeros((len(scores), len(names), scores.shape[2]))
    for sums, rows in zip(total, scores, strict=True):
        np.add.at(sums, code, rows * valid[:, None])
    count = np.bincount(code, valid, len(names))
    return total / np.maximum(count, 1)[:, None], count > 0


def macro_f1(
    params: Params, dataset: str, folders: Sequence[Path], split: str | None = None,
    by_take: bool = False,
) -> float | None:  # fmt: skip
    """Zero-shot macro-F1 on labelled windows or takes of a data set, the mean of some models.

    Parameters
    ----------
    params : Params
        The whole of params.yaml.
    dataset : str
        Its name.
    folders : sequence of Path
        The models.
    split : str, optional
        Windows of that split alone.
    by_take : bool
        Give each take one class, as of `vote`.

    Returns
    -------
    float or None
        None where no window has a label and an IMU.
    """
    own = params.changed(params.dataset(dataset).params, f"datasets.{dataset}.params")
    windows, texts, teacher = joined.load(own, dataset, check=False)
    test = targets.test_set(windows, texts, np.arange(len(windows)))
    inside = np.ones(len(windows), bool) if split is None else windows.split == split
    rows = np.flatnonzero((test.label >= 0) & inside & test.valid["imu"])
    if not len(rows):
        return None
    found = similarities(folders, windows, test, rows, teacher, dataset)
    predicted, labels = found.argmax(2), test.label[rows]
    if by_take:
        predicted = vote(found, windows.take[rows], np.ones(len(rows), bool))
        labels = labels[np.unique(windows.take[rows], return_index=True)[1]]
    statistic = statistic_of(predicted, labels, len(test.class_names), "macro-F1")
    return float(statistic(np.ones(len(labels))))
