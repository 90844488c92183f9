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


def test_a_vector_of_zeros_has_no_directions():
    with pytest.raises(ValueError, match="not zero"):
        effective_rank(np.zeros((3, 2)))


def test_chance_is_beaten_by_the_interval_and_without_one_by_half_as_much_again():
    line = replace(GOOD, chance=0.25, value=0.375, low=None)
    assert not line.beats_chance
    assert replace(line, value=0.38).beats_chance
    assert not replace(line, value=0.9, low=0.25).beats_chance
    assert replace(line, value=0.3, low=0.26).beats_chance
    assert replace(GOOD, control=None).beats_control is None
    assert replace(GOOD, control=0.5).beats_control is False
    assert replace(GOOD, control=0.49).beats_control is True


LINE = Headline("IMU zero-shot", "macro-F1", "zero-shot", 0.9, 0.25, 500, 0.8, 0.95)
RETRIEVAL = Headline("IMU → mocap", "R@1", "retrieval", 0.9, 0.01, 500, 0.8, 0.95)
LATE = {**ROW, "R@1": 0.01}


@pytest.mark.parametrize(
    ("alarm", "quiet"),
    [
        (replace(LINE, control=0.32, control_low=0.26), {"control": 0.3125}),
        (replace(LINE, control=0.5, control_low=0.26), {"control_low": 0.25}),
        (replace(LINE, baseline=0.9), {"baseline": 0.89}),
        (replace(RETRIEVAL, baseline=0.06), {"baseline": 0.05}),
        (replace(RETRIEVAL, baseline=0.31, chance=0.1), {"baseline": 0.29}),
        (replace(RETRIEVAL, baseline=0.31), {"kind": "zero-shot"}),
    ],
)
def test_a_figure_is_named_from_its_limit_on(alarm, quiet):
    assert len(diagnose([alarm])) == 1
    assert diagnose([replace(alarm, **quiet)]) == []


@pytest.mark.parametrize(
    ("alarm", "quiet"),
    [
        ({"R@50": 0.5}, {"R@50": 0.49}),
        ({"R@50": 0.5, "R@50_chance": 0.24}, {"R@50_chance": 0.25}),
        ({"R@1": 0.049}, {"R@1": 0.05}),
        ({"R@1": 0.059, "R@1_chance": 0.04}, {"R@1": 0.061}),
        ({}, {"pool_kind": "within class"}),
        ({}, {"matching": "strict"}),
    ],
)
def test_an_order_is_named_from_its_limits_on_wherever_its_row_is(alarm, quiet):
    row = {**LATE, **alarm}
    assert diagnose([], [{**row, **quiet}]) == []
    (sentence,) = diagnose([], [{**row, **quiet}, row])
    assert "more capacity" in sentence


def test_a_collapse_is_named_from_two_directions_or_half_of_the_classes_down():
    (sentence,) = diagnose([], effective_ranks={"imu": 1.9, "mocap": 2.0})
    assert sentence.endswith("to about 1.9 directions for 2 classes (effective rank).")
    (sentence,) = diagnose([], effective_ranks={"imu": 4.0, "mocap": 3.9}, classes=8)
    assert sentence.startswith("mocap: ")


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("zero-shot", "look at the learning rate, the batch size and the preprocessing."),
        ("unseen", "What was learned does not reach a class that training never saw."),
        ("retrieval", "IMU zero-shot: macro-F1 0.900 is near chance (0.250)."),
    ],
)
def test_near_chance_the_advice_is_that_of_the_kind(kind, end):
    (sentence,) = diagnose([replace(LINE, kind=kind, low=0.2)])
    assert sentence.startswith("IMU zero-shot: macro-F1 0.900 is near chance (0.250).")
    assert sentence.endswith(end)
