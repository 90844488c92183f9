"""Classes balanced over a test set."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aura.evaluation.balanced import ROUNDS, balance, balanced_classes


def slowly(scores, temperature, strength):
    """The same in loops."""
    kernel = [[float(np.exp((s - max(row)) / temperature)) for s in row] for row in scores]
    for _ in range(ROUNDS):
        sums = [sum(row[c] for row in kernel) for c in range(len(kernel[0]))]
        kernel = [[k / s**strength for k, s in zip(row, sums, strict=True)] for row in kernel]
        kernel = [[k / sum(row) for k in row] for row in kernel]
    return kernel


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 9), st.sampled_from([0.0, 0.5, 1.0]))
def test_it_is_what_loops_give(count, classes, seed, strength):
    scores = np.random.default_rng(seed).uniform(-1, 1, (count, classes))
    found = balance(scores, 0.2, strength)
    np.testing.assert_allclose(found, slowly(scores, 0.2, strength), rtol=1e-9)
    np.testing.assert_allclose(found.sum(1), 1)


def test_a_class_that_attracts_everything_loses_some_and_equal_classes_are_found():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 50)
    scores = 0.3 * np.eye(4)[truth] + rng.normal(0, 0.05, (200, 4)) + [0.5, 0, 0, 0]
    assert (scores.argmax(1) == truth).mean() < 0.5
    found = balanced_classes(scores, np.zeros(200), np.ones(200, bool))
    assert (found == truth).mean() > 0.8
    np.testing.assert_allclose(balance(scores, strength=0).argmax(1), scores.argmax(1))


def test_groups_are_balanced_apart_and_rows_without_a_score_have_no_class():
    rng = np.random.default_rng(1)
    scores, group = rng.normal(size=(40, 3)), np.array(["a", "b"] * 20)
    valid = np.arange(40) != 7
    found = balanced_classes(scores, group, valid)
    assert found[7] == -1
    for name in "ab":
        rows = (group == name) & valid
        np.testing.assert_array_equal(found[rows], balance(scores[rows]).argmax(1))
    assert balance(np.zeros((0, 3))).shape == (0, 3)


def test_by_itself_it_is_half_balanced_at_a_fifteenth():
    scores = np.random.default_rng(2).uniform(-1, 1, (9, 4))
    np.testing.assert_allclose(balance(scores), slowly(scores, 1 / 15, 0.5), rtol=1e-9)
