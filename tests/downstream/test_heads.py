import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict

from aura.downstream import ensemble, heads
from aura.errors import AuraError

CLASSES = 3


def vectors(n, seed, people=6, dims=20, shortcut=0.0):
    """Class in the first `CLASSES` dimensions; with `shortcut`, who it is in the others.

    People prefer a class, so that knowing who it is pays within the training rows only.
    """
    rng = np.random.default_rng(seed)
    person, label = rng.integers(people, size=n), rng.integers(CLASSES, size=n)
    if shortcut:
        label = np.where(rng.random(n) < 0.7, person % CLASSES, label)
    x = rng.normal(size=(n, dims))
    x[np.arange(n), label] += 1.0 if shortcut else 4.0
    x[:, CLASSES:] += shortcut * rng.normal(size=(people, dims - CLASSES))[person]
    return x.astype(np.float32), label, person


def softmax(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# --- probes -----------------------------------------------------------------------------------


def test_a_probe_separates_what_is_linear_and_test_rows_do_not_touch_it():
    x, y, person = vectors(300, 0)
    test, expected, _ = vectors(90, 1)
    logits = heads.linear_probe(x, y, test, CLASSES, person)
    assert logits.dtype == np.float32
    assert (logits.argmax(1) == expected).mean() > 0.95
    poisoned = test.copy()
    poisoned[45:] *= 1e6
    again = heads.linear_probe(x, y, poisoned, CLASSES, person)
    assert np.array_equal(again[:45], logits[:45])


def test_the_penalty_is_the_best_one_on_people_left_out():
    x, y, person = vectors(120, 1, shortcut=2.0)
    probe = heads.fit_probe(x, y, CLASSES, person)
    z = (x - x.mean(0)) / x.std(0)

    def best_c(by_person):
        return min(
            heads.C_GRID,
            key=lambda c: log_loss(
                y,
                cross_val_predict(
                    LogisticRegression(C=c, max_iter=2000),
                    z, y, groups=person if by_person else None, method="predict_proba",
                    cv=GroupKFold(5) if by_person else StratifiedKFold(5),
                ),
            ),
        )  # fmt: skip

    assert probe.c == best_c(by_person=True)
    assert probe.c != best_c(by_person=False)
    assert heads.fit_probe(x, y, CLASSES).c == heads.DEFAULT_C
    alone = heads.fit_probe(x, y, CLASSES, np.zeros(len(y)))
    assert alone.c == heads.DEFAULT_C


@pytest.mark.parametrize("present", [(0, 2), (0, 1, 3)])
def test_probabilities_are_those_of_scikit_learn_and_a_class_never_seen_has_none(present):
    x, y, _ = vectors(200, 5)
    y = np.array([present[c % len(present)] for c in y])
    hidden = np.where(np.arange(len(y)) % 5, y, -1)  # some rows without a label
    p = softmax(heads.linear_probe(x, hidden, x, 5))
    known = hidden >= 0
    z = (x - x[known].mean(0)) / x[known].std(0)
    expected = LogisticRegression(max_iter=2000).fit(z[known], y[known]).predict_proba(z)
    assert np.allclose(p[:, present], expected, atol=1e-4)
    assert p[:, [c for c in range(5) if c not in present]].max() == 0


def test_shots_are_k_of_each_class_or_all_that_there_are():
    x, y, person = vectors(200, 7)
    y = np.where(np.arange(200) % 7 == 0, -1, y)
    rare = np.flatnonzero(y == 1)
    y[rare[2:]] = -1
    logits, counts = heads.k_shot(x, y, x[:9], CLASSES, 5, draws=2, seed=2, groups=person)
    assert logits.shape == (2, 9, CLASSES)
    assert counts.tolist() == [5, 2, 5]
    for draw in range(2):
        rows = heads.draw_shots(y, 5, seed=2, draw=draw)
        assert np.bincount(y[rows]).tolist() == [5, 2, 5]
        assert set(heads.draw_shots(y, 1, seed=2, draw=draw)) < set(rows)
        expected = heads.fit_probe(x[rows], y[rows], CLASSES, person[rows], reference=x)
        assert np.array_equal(expected(x[:9]), logits[draw])
    assert not np.array_equal(logits[0], logits[1])
    assert set(heads.draw_shots(y, 5, seed=3)) != set(heads.draw_shots(y, 5, seed=2))


def test_probes_refuse_what_they_cannot_learn_from():
    x, y, _ = vectors(30, 0)
    with pytest.raises(AuraError, match="two classes"):
        heads.fit_probe(x, np.where(y == 0, 0, -1), CLASSES)
    with pytest.raises(AuraError, match="not one of"):
        heads.fit_probe(x, y, CLASSES - 1)
    x[3, 3] = np.nan
    with pytest.raises(AuraError, match="finite"):
        heads.fit_probe(x, y, CLASSES)


# --- averages ---------------------------------------------------------------------------------


@given(st.integers(1, 4), st.integers(1, 9), st.integers(2, 5), st.integers(0, 2**31))
def test_late_fusion_is_the_plain_mean_over_the_heads_that_count(count, n, classes, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 5, (count, n, classes))
    present = rng.random((count, n)) < 0.5
    p = softmax(logits)
    assert np.allclose(np.exp(ensemble.average(logits)), p.mean(axis=0), atol=1e-6)
    averaged = np.exp(ensemble.average(logits, present))
    for i in range(n):
        counted = [p[h, i] for h in range(count) if present[h, i]]
        expected = np.mean(counted, axis=0) if counted else 1 / classes
        assert np.allclose(averaged[i], expected, atol=1e-6)


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 2**31))
def test_a_vote_is_the_plain_mean_over_the_windows_of_a_take(n, takes, seed):
    rng = np.random.default_rng(seed)
    logits, take = rng.normal(0, 5, (n, 3)), rng.integers(takes, size=n).astype(str)
    first, votes = ensemble.vote(logits, take)
    assert sorted(take[first]) == sorted(set(take))
    for row, vote in zip(first, votes, strict=True):
        assert row == list(take).index(take[row])
        assert np.allclose(np.exp(vote), softmax(logits[take == take[row]]).mean(0), atol=1e-6)


def test_averages_stand_a_class_that_was_never_seen():
    logits = np.array([[[0.0, 1.0, heads.UNSEEN_LOGIT]], [[0.0, 1.0, heads.UNSEEN_LOGIT]]])
    assert np.isfinite(ensemble.average(logits)).all()
    assert np.isfinite(ensemble.vote(logits[:, 0], np.zeros(2))[1]).all()
