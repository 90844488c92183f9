"""Zero-shot classification: the nearest class name in the teacher's text space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import TypeAdapter

from aura.errors import AuraError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Figures of one confusion matrix; means run over the classes that have test windows."""

    macro_f1: float
    accuracy: float
    balanced_accuracy: float
    weighted_f1: float
    precision: list[float]
    recall: list[float]
    f1: list[float]
    support: list[float]


@dataclass(frozen=True)
class ZeroShot(Scores):
    """Zero-shot result of one modality (evaluation protocol, rule 4).

    Attributes
    ----------
    macro_f1, accuracy, balanced_accuracy, weighted_f1 : float
        From 0 to 1, over the classes that have test windows. Equal to scikit-learn's with
        ``labels`` set to these classes and ``zero_division=0``.
    precision, recall, f1, support : list of float
        One entry for each of the C classes.
    class_names : list of str
        C names.
    confusion : list of list of int
        C × C counts, a row for each true class.
    """

    class_names: list[str]
    confusion: list[list[int]]

    def to_json(self) -> str:
        """Return the result as one JSON object."""
        return _ADAPTER.dump_json(self, indent=2).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "ZeroShot":
        """Read what :meth:`to_json` wrote."""
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(ZeroShot)


def confusion_matrix(
    labels: NDArray[np.int64],
    predictions: NDArray[np.int64],
    classes: int,
    weights: Floats | None = None,
) -> Floats:
    """(C, C) counts, or sums of (N,) weights, with a row for each true class."""
    if len(labels) and max(labels.max(), predictions.max()) >= classes:
        raise ValueError(f"a label or prediction is not below the number of classes, {classes}")
    cells = np.bincount(labels * classes + predictions, weights, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.float64)


def scores_of(confusion: Floats) -> Scores:
    """Figures of a (C, C) confusion matrix with true classes in rows; 0 / 0 counts as 0."""

    def ratio(numerator: Floats, denominator: Floats) -> Floats:
        return numerator / np.where(denominator > 0, denominator, 1)

    hits, support, predicted = np.diagonal(confusion), confusion.sum(1), confusion.sum(0)
    precision, recall = ratio(hits, predicted), ratio(hits, support)
    f1 = ratio(2 * hits, support + predicted)
    present, total = support > 0, support.sum()
    if not total:
        raise ValueError("no test windows to score")
    return Scores(
        macro_f1=float(f1[present].mean()),
        accuracy=float(hits.sum() / total),
        balanced_accuracy=float(recall[present].mean()),
        weighted_f1=float(f1 @ support / total),
        precision=precision.tolist(),
        recall=recall.tolist(),
        f1=f1.tolist(),
        support=support.tolist(),
    )


def class_embeddings(prompt_embeddings: ArrayLike) -> Floats:
    """One unit vector for each class from its prompts: their mean, renormalised.

    Parameters
    ----------
    prompt_embeddings : array_like
        (C, K, d) unit vectors of K templates filled with C class names.

    Returns
    -------
    ndarray
        (C, d) unit vectors.

    Raises
    ------
    ValueError
        If the prompts of a class cancel out, so that there is no direction.
    """
    mean = np.asarray(prompt_embeddings, dtype=np.float64).mean(axis=1)
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    if not (length > 1e-6).all():
        raise ValueError("the prompt embeddings of a class cancel out")
    return mean / length


def predict(embeddings: ArrayLike, class_vectors: ArrayLike) -> NDArray[np.int64]:
    """Index of the nearest of (C, d) class vectors for each of (N, d) embeddings."""
    similarity = np.asarray(embeddings, np.float64) @ np.asarray(class_vectors, np.float64).T
    if not np.isfinite(similarity).all():
        raise AuraError("Some embeddings are not finite; the encoder's training has diverged.")
    return similarity.argmax(axis=1)


def classification(
    labels: ArrayLike, predictions: ArrayLike, class_names: Sequence[str]
) -> ZeroShot:
    """All figures of (N,) integer predictions against (N,) integer labels."""
    matrix = confusion_matrix(np.asarray(labels), np.asarray(predictions), len(class_names))
    counts = matrix.astype(int).tolist()
    return ZeroShot(**vars(scores_of(matrix)), class_names=list(class_names), confusion=counts)


def zero_shot(
    embeddings: ArrayLike,
    class_vectors: ArrayLike,
    labels: ArrayLike,
    class_names: Sequence[str],
) -> ZeroShot:
    """Classify each window by its nearest class vector and score it (rule 4).

    Parameters
    ----------
    embeddings : array_like
        (N, d) unit vectors of the test windows in one modality.
    class_vectors : array_like
        (C, d) from :func:`class_embeddings`.
    labels : array_like
        (N,) integers, 0 to C - 1.
    class_names : sequence of str
        C names, in the order of ``class_vectors``.
    """
    return classification(labels, predict(embeddings, class_vectors), class_names)


def baselines(
    train_labels: ArrayLike, test_labels: ArrayLike, classes: int, seed: int = 0, draws: int = 200
) -> dict[str, dict[str, float]]:
    """Score two guessers that see no signal on the metrics of :func:`zero_shot` (rule 4).

    Parameters
    ----------
    train_labels : array_like
        Integers, 0 to C - 1, of which the commonest is the majority class.
    test_labels : array_like
        (N,) integers, 0 to C - 1.
    classes : int
        Number C of classes.
    seed : int
        Of the uniform guesses.
    draws : int
        Uniform guesses are averaged over so many draws.

    Returns
    -------
    dict of str to dict
        ``majority`` and ``uniform``, each with ``macro_f1``, ``accuracy``, ``balanced_accuracy``
        and ``weighted_f1``. The chance level of macro-F1 is ``uniform``'s.
    """
    labels = np.asarray(test_labels)
    majority = np.bincount(np.asarray(train_labels), minlength=classes).argmax()
    rng = np.random.default_rng(seed)
    predictions = {
        "majority": [np.full_like(labels, majority)],
        "uniform": [rng.integers(classes, size=len(labels)) for _ in range(draws)],
    }
    names = ("macro_f1", "accuracy", "balanced_accuracy", "weighted_f1")
    table = {}
    for guesser, drawn in predictions.items():
        scores = [scores_of(confusion_matrix(labels, guess, classes)) for guess in drawn]
        table[guesser] = {
            name: float(np.mean([getattr(score, name) for score in scores])) for name in names
        }
    return table


def errors(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], names: Sequence[str]
) -> list[dict[str, Any]]:
    """For each class that there is, how often it is found, and what it is mostly taken for.

    Parameters
    ----------
    labels : (N,) int64
        Class numbers, -1 where there is none.
    predicted : (models, N) int64
        Class numbers of each model, -1 for none.
    names : Sequence[str]
        Of the classes.

    Returns
    -------
    list of dict
        `label`, `n`, `recall`, and where there are errors `taken_for` and its share `of` all; the
        mean of the models, classes in order.
    """
    known = (predicted >= 0).all(0) & (labels >= 0)
    total = sum(confusion_matrix(labels[known], row[known], len(names)) for row in predicted)
    table = []
    for number, cells in enumerate(np.asarray(total) / len(predicted)):
        if not cells.sum():
            continue
        share = cells / cells.sum()
        row = {"label": names[number], "n": round(cells.sum()), "recall": float(share[number])}
        others = np.where(np.arange(len(share)) == number, 0, share)
        if others.any():
            row |= {"taken_for": names[int(others.argmax())], "of": float(others.max())}
        table.append(row)
    return table
