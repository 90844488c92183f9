import time

import numpy as np
import pytest
from sklearn.metrics import f1_score

from aura.evaluation.bootstrap import (
    cluster_bootstrap,
    paired_bootstrap,
    resampling_unit,
    weighted_macro_f1,
    weighted_mean,
)


def test_intervals_of_clustered_data_cover_the_truth_and_window_intervals_do_not():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(25), 20)
    hits = {"people": 0, "windows": 0}
    for trial in range(120):
        scores = rng.normal(0, 1, 25)[people] + rng.normal(0, 0.5, 500)
        for unit, groups in (("people", people), ("windows", np.arange(500))):
            interval = cluster_bootstrap(weighted_mean(scores), groups, draws=200, seed=trial)
            hits[unit] += interval.low <= 0 <= interval.high
    assert hits["people"] / 120 > 0.86
    assert hits["windows"] / 120 < 0.6


def test_weights_mean_repetition():
    rng = np.random.default_rng(1)
    labels, predictions = rng.integers(0, 3, (2, 60))
    times = rng.integers(0, 3, 60)
    index = np.repeat(np.arange(60), times)
    macro_f1 = weighted_macro_f1(labels, predictions, 3)(times.astype(float))
    assert macro_f1 == pytest.approx(f1_score(labels[index], predictions[index], average="macro"))
    assert weighted_mean(labels)(times) == pytest.approx(labels[index].mean())


def test_value_is_the_plain_figure_and_the_seed_decides_the_interval():
    values, groups = np.arange(12.0), list("aabbccddeeff")
    first = cluster_bootstrap(weighted_mean(values), groups, seed=4)
    assert first.value == values.mean()
    assert first.low < first.value < first.high
    assert first.groups == 6
    assert first == cluster_bootstrap(weighted_mean(values), groups, seed=4)
    assert first != cluster_bootstrap(weighted_mean(values), groups, seed=5)


def test_single_group_has_no_interval():
    interval = cluster_bootstrap(weighted_mean([0.0, 1.0]), ["a", "a"])
    assert (interval.value, interval.low, interval.high) == (0.5, None, None)


def test_pairing_finds_a_difference_that_separate_intervals_hide():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(15), 10)
    base = rng.normal(0, 1, 15)[groups]
    better = base + 0.05 + rng.normal(0, 0.05, 150)
    alone = [cluster_bootstrap(weighted_mean(x), groups) for x in (base, better)]
    assert alone[1].low < alone[0].high
    assert paired_bootstrap(weighted_mean(better), weighted_mean(base), groups).low > 0
    same = paired_bootstrap(weighted_mean(base), weighted_mean(base), groups)
    assert (same.low, same.high) == (0, 0)


def test_few_participants_hand_over_to_takes():
    takes = np.arange(12)
    assert resampling_unit(np.arange(12) % 6, takes)[1] == "participants"
    groups, unit = resampling_unit(np.arange(12) % 2, takes)
    assert unit == "takes"
    np.testing.assert_array_equal(groups, takes)


def test_takes_of_one_moment_are_redrawn_together():
    people, takes = np.zeros(12), np.arange(12)
    groups, unit = resampling_unit(people, takes, takes // 2)
    assert unit == "moments"
    np.testing.assert_array_equal(groups, takes // 2)
    groups, unit = resampling_unit(people, takes, takes)  # none has two takes
    assert unit == "takes"
    np.testing.assert_array_equal(groups, takes)
    assert resampling_unit(takes % 6, takes, takes // 2)[1] == "participants"


def test_a_thousand_draws_over_five_thousand_windows_take_less_than_a_second():
    rng = np.random.default_rng(3)
    labels, predictions = rng.integers(0, 8, (2, 5000))
    for statistic in (weighted_macro_f1(labels, predictions, 8), weighted_mean(labels)):
        start = time.process_time()
        cluster_bootstrap(statistic, rng.integers(0, 20, 5000))
        assert time.process_time() - start < 1


def test_an_interval_is_the_percentiles_of_figures_over_redrawn_groups():
    values, groups = np.arange(12.0) ** 2, np.repeat(np.arange(4), [1, 2, 4, 5])
    statistic = weighted_mean(values)
    found = cluster_bootstrap(statistic, groups, draws=80, seed=7)
    times = np.random.default_rng(7).multinomial(4, [0.25] * 4, size=80)
    means = [np.repeat(values, drawn[groups]).mean() for drawn in times]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))
    assert cluster_bootstrap(statistic, groups) == cluster_bootstrap(statistic, groups, 1000, 0)
    zero = weighted_mean(values * 0)
    paired = paired_bootstrap(statistic, zero, groups)
    assert paired == cluster_bootstrap(statistic, groups, 1000, 0)
    assert paired_bootstrap(statistic, zero, groups, 80, 7) == found


def test_one_group_is_counted_and_no_window_is_refused():
    assert cluster_bootstrap(weighted_mean([0.0, 1.0]), ["a", "a"]).groups == 1
    with pytest.raises(ValueError, match="at least one window"):
        cluster_bootstrap(weighted_mean([]), [])


def test_five_participants_are_enough():
    takes = np.arange(20)
    assert resampling_unit(takes % 5, takes)[1] == "participants"
    assert resampling_unit(takes % 4, takes)[1] == "takes"
