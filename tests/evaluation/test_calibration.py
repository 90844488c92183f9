"""Probabilities that are what they say, and when the answer is none of these."""

import numpy as np
import pytest

from aura.evaluation.calibration import (
    Calibration,
    assess,
    expected_error,
    fit,
    log_probabilities,
    reliability,
    smooth,
    twice,
)


def drawn(rng, count, classes, scale):
    """Windows whose class is the likelier the nearer its prompt is."""
    cosines = rng.normal(0.2, 0.1, size=(count, classes))
    p = np.exp(scale * cosines)
    p /= p.sum(axis=1, keepdims=True)
    return cosines, np.array([rng.choice(classes, p=row) for row in p])


def loss(cosines, label, calibration):
    scores, right = twice(cosines, label)
    return -log_probabilities(scores, calibration)[np.arange(len(right)), right].mean()


def test_log_probabilities_are_those_of_a_plain_softmax():
    cosines = np.array([[0.5, 0.1], [0.0, -0.2]])
    got = np.exp(log_probabilities(cosines, Calibration(10, 0.3)))
    for row, scores in zip(got, cosines, strict=True):
        plain = np.exp([10 * scores[0], 10 * scores[1], 10 * 0.3])
        np.testing.assert_allclose(row, plain / plain.sum())
    assert got[0].argmax() == 0
    assert got[1].argmax() == 2, "all prompts are below the threshold: none of these"


def test_the_fit_is_the_best_of_a_grid():
    rng = np.random.default_rng(0)
    cosines, label = drawn(rng, 100, 5, 12)
    found = fit(cosines, label)
    best = min(
        loss(cosines, label, Calibration(scale, threshold))
        for scale in np.geomspace(1, 100, 20)
        for threshold in np.linspace(-0.2, 0.8, 30)
    )
    assert loss(cosines, label, found) <= best + 1e-6


def test_a_fit_on_some_is_honest_on_others_and_an_invented_one_is_not():
    rng = np.random.default_rng(1)
    cosines, label = drawn(rng, 3000, 6, 15)
    found = fit(cosines[:1500], label[:1500])
    clusters = np.arange(1500) % 20
    honest = assess(cosines[1500:], label[1500:], clusters, found, 50, 0)
    bold = assess(cosines[1500:], label[1500:], clusters, Calibration(90, found.threshold), 50, 0)
    assert honest["ece"] < 0.06 < 0.2 < bold["ece"]
    assert honest["low"] <= honest["ece"] <= honest["high"]
    assert honest["log_loss"] < bold["log_loss"]
    assert honest["answers"] == 3000 == sum(row["n"] for row in honest["bins"])


def test_too_few_windows_give_no_fit():
    rng = np.random.default_rng(2)
    cosines, label = drawn(rng, 19, 3, 10)
    assert fit(cosines, label) is None
    assert fit(rng.normal(size=(50, 1)), np.zeros(50, int)) is None


def test_windows_that_are_all_right_do_not_make_it_certain():
    label = np.arange(60) % 3
    cosines = np.eye(3)[label]
    found = fit(cosines, label)
    assert found.scale <= 100
    assert 0 < found.threshold < 1


def test_each_window_is_asked_with_its_class_and_without_it():
    scores, right = twice([[0.1, 0.2], [0.3, 0.4]], [0, 1])
    assert right.tolist() == [0, 1, 2, 2]
    np.testing.assert_array_equal(scores[2:], [[-np.inf, 0.2], [0.3, -np.inf]])


def test_the_error_by_bins_is_that_of_a_loop():
    rng = np.random.default_rng(3)
    confidence = rng.random(200)
    right = rng.random(200) < confidence**2
    weights = rng.integers(0, 3, size=200).astype(float)
    total = 0.0
    for low in np.arange(10) / 10:
        inside = [i for i in range(200) if low <= confidence[i] < low + 0.1 - 1e-12]
        if inside:
            w = weights[inside]
            total += abs((w * right[inside]).sum() - (w * confidence[inside]).sum())
    assert expected_error(confidence, right, weights) == pytest.approx(total / weights.sum())
    rows = reliability(confidence, right)
    assert sum(row["n"] for row in rows) == 200
    assert all(row["low"] <= row["confidence"] <= row["high"] for row in rows)
    assert reliability(np.ones(3), np.ones(3, bool))[0]["low"] == 0.9


@pytest.mark.parametrize("windows", [1, 3, 5])
def test_smoothing_is_the_mean_over_windows_near_by_and_stops_at_a_gap(windows):
    rng = np.random.default_rng(4)
    start = np.array([0, 2.5, 5, 7.5, 20, 22.5, 25])
    cosines = rng.normal(size=(7, 3))
    reach = (windows // 2) * 2.5
    expected = [
        np.mean([c for s, c in zip(start, cosines, strict=True) if abs(s - at) <= reach], axis=0)
        for at in start
    ]
    np.testing.assert_allclose(smooth(cosines, start, 2.5, windows), expected)


def test_the_mean_of_log_probabilities_is_that_of_mean_cosines():
    rng = np.random.default_rng(5)
    cosines, calibration = rng.normal(size=(3, 4)), Calibration(7, 0.1)
    by_windows = log_probabilities(cosines, calibration).mean(axis=0)
    mean = log_probabilities(smooth(cosines, [0, 1, 2], 1, 3)[[1]], calibration)[0]
    np.testing.assert_allclose(by_windows - by_windows.max(), mean - mean.max())
