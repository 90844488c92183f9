"""The same figures from the same arrays: scikit-learn and, where it is installed, torchmetrics."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from aura.evaluation.bootstrap import weighted_macro_f1, weighted_mean
from aura.evaluation.chance import CUTOFFS
from aura.evaluation.hierarchy import Tree, score
from aura.evaluation.ranking import mutual_ranks, ranks
from aura.evaluation.recall import recall_curve
from aura.evaluation.retrieval import retrieval_metrics
from aura.evaluation.zeroshot import class_embeddings, predict, zero_shot

SAME = {"rel": 1e-6, "abs": 1e-6}


def unit(rng, n, d=32):
    x = rng.normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def pair():
    """300 windows in two modalities that have something in common, and their captions."""
    rng = np.random.default_rng(0)
    a = unit(rng, 300)
    b = a + 0.6 * unit(rng, 300)
    return a, (b / np.linalg.norm(b, axis=1, keepdims=True)), rng.integers(0, 60, 300)


@pytest.fixture(scope="module")
def classified():
    """Windows, vectors of their classes, labels; of one class there is no window."""
    rng = np.random.default_rng(1)
    classes = class_embeddings(unit(rng, 9 * 3).reshape(9, 3, 32))
    label = rng.choice(8, 400, p=[0.4, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05])
    return classes[label] + 2 * unit(rng, 400), classes, label


def test_strict_retrieval_agrees_with_scikit_learn(pair):
    a, b, _ = pair
    index = np.arange(len(a))
    for rank, scores in zip(mutual_ranks(a, b, index), (a @ b.T, b @ a.T), strict=True):
        result = retrieval_metrics(rank, len(index))
        precision = metrics.label_ranking_average_precision_score(np.eye(len(index)), scores)
        assert result["MRR"] == pytest.approx(precision, **SAME)
        coverage = metrics.coverage_error(np.eye(len(index)), scores)
        assert rank.mean() == pytest.approx(coverage, **SAME)
        for k in CUTOFFS:
            share = metrics.top_k_accuracy_score(index, scores, k=k)
            assert result[f"R@{k}"] == pytest.approx(share, **SAME)


def test_a_recall_curve_agrees_with_scikit_learn(pair):
    a, b, _ = pair
    index = np.arange(len(a))
    curve = recall_curve(ranks(a, b, index, index), index, index // 10, draws=10, seed=0)
    inside = [k for k in curve.k if k < len(index)]
    expected = [metrics.top_k_accuracy_score(index, a @ b.T, k=k) for k in inside]
    np.testing.assert_allclose(curve.share[: len(inside)], expected, atol=1e-6)
    assert curve.share[-1] == 1


def test_the_first_of_several_positives_agrees_with_scikit_learn(pair):
    """A query's other positives are left out, as the definition of a rank has it."""
    a, b, caption = pair
    expected = []
    for scores, label in zip(a @ b.T, caption, strict=True):
        right = caption == label
        candidates = np.append(scores[right].max(), scores[~right])
        target = (np.arange(len(candidates)) == 0)[None]
        expected.append(metrics.label_ranking_average_precision_score(target, candidates[None]))
    result = retrieval_metrics(ranks(a, b, caption, caption), len(a))
    assert result["MRR"] == pytest.approx(np.mean(expected), **SAME)


def test_zero_shot_agrees_with_scikit_learn(classified):
    vectors, classes, label = classified
    result = zero_shot(vectors, classes, label, [str(i) for i in range(9)])
    predictions, present = predict(vectors, classes), np.unique(label)
    assert set(predictions) - set(present), "a class without windows is predicted somewhere"
    options = {"labels": present, "zero_division": 0}
    f1 = {
        how: metrics.f1_score(label, predictions, average=how, **options)
        for how in ("macro", "weighted")
    }
    assert result.macro_f1 == pytest.approx(f1["macro"], **SAME)
    assert result.weighted_f1 == pytest.approx(f1["weighted"], **SAME)
    assert result.accuracy == pytest.approx(metrics.accuracy_score(label, predictions), **SAME)
    recall = metrics.recall_score(label, predictions, average="macro", **options)
    assert result.balanced_accuracy == pytest.approx(recall, **SAME)
    assert (
        result.confusion == metrics.confusion_matrix(label, predictions, labels=range(9)).tolist()
    )
    per_class = metrics.precision_recall_fscore_support(
        label, predictions, labels=range(9), zero_division=0
    )
    for values, expected in zip(
        (result.precision, result.recall, result.f1, result.support), per_class, strict=True
    ):
        np.testing.assert_allclose(values, expected, atol=1e-6)


def test_balanced_accuracy_is_scikit_learns_where_every_prediction_is_a_class_with_windows(
    classified,
):
    vectors, classes, label = classified
    result = zero_shot(vectors, classes[:8], label, [str(i) for i in range(8)])
    expected = metrics.balanced_accuracy_score(label, predict(vectors, classes[:8]))
    assert result.balanced_accuracy == pytest.approx(expected, **SAME)


def test_figures_of_a_bootstrap_draw_agree_with_weighted_ones_of_scikit_learn(classified):
    vectors, classes, label = classified
    predictions = predict(vectors, classes)
    weights = np.random.default_rng(2).integers(0, 4, len(label)).astype(float)
    options = {"labels": np.unique(label[weights > 0]), "zero_division": 0}
    f1 = metrics.f1_score(label, predictions, average="macro", sample_weight=weights, **options)
    assert weighted_macro_f1(label, predictions, 9)(weights) == pytest.approx(f1, **SAME)
    accuracy = metrics.accuracy_score(label, predictions, sample_weight=weights)
    assert weighted_mean(label == predictions)(weights) == pytest.approx(accuracy, **SAME)


def test_hierarchical_figures_are_micro_averages_over_sets_of_classes():
    rng = np.random.default_rng(3)
    tree = Tree(tuple("abcdefg"), tuple("wxyz"), np.array([0, 0, 1, 1, 1, 2, 3]))
    true, predicted = rng.integers(0, 7, 200), rng.integers(-1, 11, 200)

    def sets(classes):
        table = np.zeros((len(classes), 12), int)
        table[np.arange(len(classes)), np.where(classes < 7, classes, 11)] = 1
        table[np.arange(len(classes)), 7 + tree.activities(classes)] = 1
        table[classes < 0] = 0
        return table[:, :11]

    result = score(true, predicted, tree, np.arange(200) % 10, draws=10)
    for name in ("precision", "recall", "f1"):
        expected = getattr(metrics, f"{name}_score")(sets(true), sets(predicted), average="micro")
        assert getattr(result, name).value == pytest.approx(expected, **SAME)
    expected = metrics.accuracy_score(true, tree.actions(predicted))
    assert result.action_right.value == pytest.approx(expected, **SAME)


def test_retrieval_agrees_with_torchmetrics(pair):
    torchmetrics = pytest.importorskip("torchmetrics")
    a, b, caption = pair
    count = len(a)
    scores = torch.from_numpy(a @ b.T).flatten()
    index = torch.arange(count).repeat_interleave(count)
    window = np.arange(count)
    result = retrieval_metrics(ranks(a, b, window, window), count)
    target = torch.eye(count, dtype=torch.bool).flatten()
    mrr = torchmetrics.retrieval.RetrievalMRR()(scores, target, indexes=index)
    assert result["MRR"] == pytest.approx(float(mrr), **SAME)
    for k in CUTOFFS:
        hits = torchmetrics.retrieval.RetrievalHitRate(top_k=k)(scores, target, indexes=index)
        assert result[f"R@{k}"] == pytest.approx(float(hits), **SAME)
    # The first of several positives is at the first place for both, wherever the others are.
    several = torch.from_numpy(caption[:, None] == caption).flatten()
    first = torchmetrics.retrieval.RetrievalHitRate(top_k=1)(scores, several, indexes=index)
    multi = retrieval_metrics(ranks(a, b, caption, caption), count)
    assert multi["R@1"] == pytest.approx(float(first), **SAME)


def test_zero_shot_agrees_with_torchmetrics(classified):
    torchmetrics = pytest.importorskip("torchmetrics")
    vectors, classes, label = classified
    classes = classes[:8]
    result = zero_shot(vectors, classes, label, [str(i) for i in range(8)])
    predictions, truth = torch.from_numpy(predict(vectors, classes)), torch.from_numpy(label)
    kinds = torchmetrics.classification
    for metric, value in (
        (kinds.MulticlassF1Score(8, average="macro"), result.macro_f1),
        (kinds.MulticlassF1Score(8, average="weighted"), result.weighted_f1),
        (kinds.MulticlassAccuracy(8, average="micro"), result.accuracy),
        (kinds.MulticlassAccuracy(8, average="macro"), result.balanced_accuracy),
    ):
        assert value == pytest.approx(float(metric(predictions, truth)), **SAME)
    confusion = kinds.MulticlassConfusionMatrix(8)(predictions, truth)
    assert result.confusion == confusion.tolist()
