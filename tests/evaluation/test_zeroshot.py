import numpy as np
import pytest
from sklearn import metrics

from aura.errors import AuraError
from aura.evaluation.zeroshot import (
    ZeroShot,
    baselines,
    class_embeddings,
    classification,
    confusion_matrix,
    errors,
    zero_shot,
)

NAMES = ["walk", "cook", "dance", "climb", "never seen"]


@pytest.fixture
def guesses():
    rng = np.random.default_rng(0)
    labels = rng.choice(4, size=500, p=[0.6, 0.25, 0.1, 0.05])
    return labels, np.where(rng.random(500) < 0.5, labels, rng.integers(0, 5, 500))


def test_every_figure_agrees_with_scikit_learn(guesses):
    labels, predictions = guesses
    result = classification(labels, predictions, NAMES)
    present = np.unique(labels)

    def f1(average):
        return metrics.f1_score(
            labels, predictions, labels=present, average=average, zero_division=0
        )

    assert result.macro_f1 == pytest.approx(f1("macro"), abs=1e-6)
    assert result.weighted_f1 == pytest.approx(f1("weighted"), abs=1e-6)
    assert result.accuracy == pytest.approx(metrics.accuracy_score(labels, predictions), abs=1e-6)
    balanced = metrics.recall_score(labels, predictions, labels=present, average="macro")
    assert result.balanced_accuracy == pytest.approx(balanced, abs=1e-6)
    per_class = metrics.precision_recall_fscore_support(
        labels, predictions, labels=range(5), zero_division=0
    )
    figures = (result.precision, result.recall, result.f1, result.support)
    for values, expected in zip(figures, per_class, strict=True):
        np.testing.assert_allclose(values, expected, atol=1e-6)
    expected = metrics.confusion_matrix(labels, predictions, labels=range(5))
    np.testing.assert_array_equal(result.confusion, expected)


def test_class_without_test_windows_does_not_pull_the_mean_down():
    assert classification([0, 1], [0, 1], NAMES).macro_f1 == 1.0


def test_prediction_out_of_range_is_refused():
    with pytest.raises(ValueError, match="number of classes"):
        confusion_matrix(np.array([0, 0]), np.array([0, 3]), 3)


def test_class_embedding_is_the_renormalised_mean_of_its_prompts():
    prompts = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    expected = [[np.sqrt(0.5), np.sqrt(0.5)], [0, 1]]
    np.testing.assert_allclose(class_embeddings(prompts), expected)
    with pytest.raises(ValueError, match="cancel"):
        class_embeddings(np.array([[[1.0, 0.0], [-1.0, 0.0]]]))


def test_nearest_class_wins():
    result = zero_shot([[1, 0.1], [0.1, 1], [1, 0]], np.eye(2), [0, 1, 1], ["a", "b"])
    assert result.confusion == [[1, 0], [1, 1]]


def test_embeddings_that_are_not_finite_are_refused():
    with pytest.raises(AuraError, match="not finite"):
        zero_shot([[np.nan, 0.0]], np.eye(2), [0], ["a", "b"])


def test_result_survives_json(guesses):
    result = classification(*guesses, NAMES)
    assert ZeroShot.from_json(result.to_json()) == result


def test_majority_follows_training_and_uniform_is_the_expectation():
    test = np.repeat([0, 1, 2, 3], [70, 20, 5, 5])
    table = baselines([1, 1, 1, 0], test, 4, seed=0)
    assert table["majority"]["accuracy"] == 0.2
    assert table["majority"]["balanced_accuracy"] == 0.25
    assert table["majority"]["macro_f1"] == pytest.approx((2 * 20 / 120) / 4)
    assert table["uniform"]["accuracy"] == pytest.approx(0.25, abs=0.02)
    guesses = np.random.default_rng(9).integers(0, 4, (400, 100))
    expected = np.mean([metrics.f1_score(test, guess, average="macro") for guess in guesses])
    assert table["uniform"]["macro_f1"] == pytest.approx(expected, abs=0.01)


def test_errors_by_class_are_shares_of_its_own_and_the_mean_of_models():
    labels = np.array([0, 0, 0, 0, 1, 1, -1, 3])
    one, two = np.array([0, 0, 1, 2, 1, 1, 0, -1]), np.array([0, 2, 2, 2, 1, 1, 1, 3])
    assert errors(labels, np.stack([one, two]), ["a", "b", "c", "d"]) == [
        {"label": "a", "n": 4, "recall": 3 / 8, "taken_for": "c", "of": 4 / 8},
        {"label": "b", "n": 2, "recall": 1.0},
    ]  # the last is no answer of both
