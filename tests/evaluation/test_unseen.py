"""Folds of classes, accuracy among some of them, and how far unseen ones are raised."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.evaluation.unseen import Outcome, among, calibrate, figures, folds_of, harmonic


@given(st.integers(10, 40), st.integers(2, 5), st.integers(0, 9))
def test_each_class_is_in_one_fold_and_folds_differ_by_one(classes, size, seed):
    folds = folds_of(classes, size, seed)
    assert sorted(c for fold in folds for c in fold) == list(range(classes))
    assert {len(fold) for fold in folds} <= {len(folds[0]), len(folds[0]) - 1}
    assert min(map(len, folds)) >= size
    assert folds == folds_of(classes, size, seed)


def test_27_classes_are_five_folds():
    assert sorted(len(fold) for fold in folds_of(27, 5, 0)) == [5, 5, 5, 6, 6]


def test_among_is_the_mean_over_all_choices_of_classes():
    rng = np.random.default_rng(0)
    scores, fold = rng.normal(size=(40, 9)), [1, 3, 4, 5, 7, 8]
    label = rng.choice(fold, 40)
    found = among(scores, label, fold, 5)
    for row, right, value in zip(scores, label, found, strict=True):
        choices = [c for c in combinations(fold, 5) if right in c]
        hits = [c[int(np.argmax(row[list(c)]))] == right for c in choices]
        assert value == pytest.approx(np.mean(hits))
    plain = among(scores, label, fold, 6)
    np.testing.assert_array_equal(plain, scores[:, fold].argmax(1) == np.searchsorted(fold, label))


def outcome(seed=0, n=400, gap=2.0):
    """Classes 0 to 9, of which 7 to 9 are unseen and told, but at a lower cosine."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 10, n)
    scores = rng.normal(size=(n, 10)) * 0.5
    scores[np.arange(n), label] += 3.0
    scores[:, 7:] -= gap
    take = np.array([f"t{i}" for i in range(n)])
    person = np.array([f"p{i % 6}" for i in range(n)])
    return Outcome(scores, label, (7, 8, 9), person, take, take)


def test_figures_by_hand():
    o = outcome()
    table, recall, unit = figures([o], 3, 50, 0)
    new = o.label >= 7
    guess = o.scores.argmax(1)
    seen, unseen = (guess == o.label)[~new].mean(), (guess == o.label)[new].mean()
    assert table["seen"].value == pytest.approx(seen)
    assert table["unseen"].value == pytest.approx(unseen)
    assert table["harmonic"].value == pytest.approx(2 * seen * unseen / (seen + unseen))
    within = o.scores[new][:, 7:].argmax(1) + 7 == o.label[new]
    assert table["accuracy"].value == pytest.approx(within.mean())
    assert table["accuracy"].low <= table["accuracy"].value <= table["accuracy"].high
    assert set(recall) == {7, 8, 9}
    assert unit == "participants"


def test_windows_without_the_sensor_do_not_count_and_none_at_all_gives_nothing():
    o = outcome()
    scores = o.scores.copy()
    scores[::2] = np.nan
    half = figures([replace(o, scores=scores)], 3, 5, 0)[0]
    rows = np.arange(1, len(o.label), 2)
    columns = {k: getattr(o, k)[rows] for k in ("scores", "label", "participant", "take", "moment")}
    assert half == figures([replace(o, **columns)], 3, 5, 0)[0]
    assert figures([replace(o, scores=scores * np.nan)], 3, 5, 0) == ({}, {}, "")


def test_unseen_classes_are_raised_to_the_best_harmonic_mean():
    o = outcome()
    found = calibrate([o])
    best = max(
        figures([replace(o, raise_by=r)], 3, 1, 0)[0]["harmonic"].value
        for r in np.linspace(-1, 5, 601)
    )
    table = figures([replace(o, raise_by=found)], 3, 1, 0)[0]
    assert table["harmonic"].value == pytest.approx(best, abs=0.01)
    assert table["harmonic"].value > figures([o], 3, 1, 0)[0]["harmonic"].value + 0.1
    assert calibrate([]) == 0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_other_raise_has_a_better_harmonic_mean(seed):
    """Against a search over raises, by counting; a second model knows one class less."""
    one, two = outcome(seed, 30, 0.7), outcome(seed + 5, 25, 1.1)
    scores = two.scores.copy()
    scores[:, 0] = np.nan
    two = replace(two, scores=scores, fold=(8, 9), label=two.label.clip(1))
    outcomes = [one, replace(two, label=np.where(two.label == 7, 6, two.label))]

    def mean_at(value):
        right = {True: [], False: []}
        for o in outcomes:
            for row, label in zip(o.scores, o.label, strict=True):
                raised = [s + value * (c in o.fold) for c, s in enumerate(row)]
                right[bool(label in o.fold)].append(int(np.nanargmax(raised)) == label)
        return harmonic(np.mean(right[False]), np.mean(right[True]))

    found = mean_at(calibrate(outcomes))
    assert found >= max(map(mean_at, np.linspace(-2, 4, 61))) - 1e-9
    only_new = replace(one, label=one.label % 3 + 7)
    only_known = replace(one, label=one.label % 7)
    assert calibrate([only_new]) == calibrate([only_known]) == 0
    assert calibrate([replace(one, scores=one.scores * np.nan)]) == 0
    assert harmonic(0.0, 0.0) == harmonic(0.0, 1.0) == 0
