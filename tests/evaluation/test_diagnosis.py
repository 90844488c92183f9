from dataclasses import replace

import numpy as np
import pytest

from aura.evaluation.diagnosis import Headline, diagnose, effective_rank

GOOD = Headline(
    "IMU zero-shot", "macro-F1", "zero-shot", 0.6, 0.12, 500, 0.5, 0.7, 0.08, 0.13, 0.10, 0.16
)
ROW = {
    "query": "imu", "gallery": "text", "pool_kind": "full", "matching": "multi-positive",
    "R@50": 0.9, "R@50_chance": 0.1, "R@1": 0.4, "R@1_chance": 0.002,
}  # fmt: skip


def test_effective_rank_counts_directions():
    assert effective_rank(np.eye(7)) == pytest.approx(7)
    assert effective_rank(np.repeat(np.eye(3), 5, 0)) == pytest.approx(3)
    assert effective_rank(np.ones((50, 16))) == pytest.approx(1)
    spread = effective_rank(np.random.default_rng(0).normal(size=(400, 32)))
    assert 30 < spread <= 32


def test_effective_rank_sees_a_collapse_hidden_in_noise():
    rng = np.random.default_rng(0)
    nearly = np.eye(64)[0] + 1e-4 * rng.normal(size=(300, 64))
    assert effective_rank(nearly) < 1.2


def test_good_figures_raise_nothing():
    assert diagnose([GOOD], [ROW], {"imu": 40.0}, classes=8) == []


@pytest.mark.parametrize(
    ("headline", "words"),
    [
        (replace(GOOD, value=0.14, low=0.11, high=0.18), "near chance (0.120)"),
        (replace(GOOD, value=0.14, low=None, high=None), "near chance"),
        (replace(GOOD, value=0.2, low=0.15, baseline=0.25), "majority class (0.250)"),
        (replace(GOOD, value=0.4, low=0.3, control=0.35), "does not beat the shuffled-pairs"),
        (replace(GOOD, control=0.3, control_low=0.2), "above chance"),
    ],
)
def test_bad_figure_is_named(headline, words):
    assert any(words in sentence for sentence in diagnose([headline]))


def test_right_neighbourhood_in_wrong_order_is_named():
    (sentence,) = diagnose([], [{**ROW, "R@1": 0.01}])
    assert "IMU → text" in sentence
    assert "R@50 is 0.90" in sentence
    assert diagnose([], [{**ROW, "R@1": 0.01, "R@50_chance": 0.8}]) == []


def test_collapse_is_named_relative_to_the_classes():
    (sentence,) = diagnose([], [], {"imu": 1.3, "mocap": 12.0}, classes=8)
    assert sentence.startswith("IMU")
    assert "collapsed" in sentence
