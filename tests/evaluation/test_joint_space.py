"""The map, the neighbours and the recall curves, against slow and obvious versions."""

import numpy as np
import pytest

from aura.evaluation.layout import joint_layout
from aura.evaluation.neighbours import choose, nearest
from aura.evaluation.recall import pair_ranks, recall_curve
from aura.evaluation.retrieval import all_pairs


def unit(rng, *shape):
    x = rng.normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_nearest_is_a_sorted_list_of_dot_products():
    rng = np.random.default_rng(0)
    query, gallery = unit(rng, 5, 8), unit(rng, 30, 8)
    gallery[7] = gallery[3]  # a tie: the earlier row comes first
    order, score = nearest(query, gallery, 6)
    for q, rows, values in zip(query, order, score, strict=True):
        slow = sorted(range(30), key=lambda i: (-float(q @ gallery[i]), i))[:6]
        assert rows.tolist() == slow
        np.testing.assert_allclose(values, [q @ gallery[i] for i in slow])
    assert nearest(query, gallery[:2], 6)[0].shape == (5, 2)


def test_windows_drawn_are_of_different_classes_and_the_last_fails():
    label = list("aaaabbbbccccdddd")
    misses = np.zeros(16)
    misses[[1, 6]] = 2
    misses[9] = 3
    misses[12] = np.nan
    for seed in range(20):
        rows, fails = choose(misses, label, 4, seed)
        assert fails
        assert rows[-1] == 9
        assert 12 not in rows
        assert sorted(label[row] for row in rows) == list("abcd")
        assert choose(misses, label, 4, seed)[0].tolist() == rows.tolist()
    assert len({tuple(choose(misses, label, 4, seed)[0]) for seed in range(20)}) > 5


def test_without_a_failure_none_is_claimed_and_few_windows_are_enough():
    rows, fails = choose(np.zeros(3), ["a", "a", "a"], 4, 0)
    assert sorted(rows) == [0, 1, 2]
    assert not fails
    assert choose(np.full(3, np.nan), ["a"] * 3, 4, 0)[0].size == 0


def test_recall_curve_meets_the_tables_and_the_slow_count():
    rng = np.random.default_rng(1)
    text = unit(rng, 60, 16)
    vectors = {"imu": text + 0.8 * unit(rng, 60, 16), "text": text}
    vectors["imu"] /= np.linalg.norm(vectors["imu"], axis=1, keepdims=True)
    group, people = np.arange(60) // 2, np.arange(60) // 6
    valid = {m: np.ones(60, bool) for m in vectors}
    valid["imu"][:4] = False
    rows, rank = pair_ranks(vectors["imu"], vectors["text"], valid["imu"] & valid["text"], group)
    assert rows.tolist() == list(range(4, 60))
    curve = recall_curve(rank, group[rows], people[rows], 200, 0)
    assert curve.pool == curve.k[-1] == 56
    assert curve.share[-1] == 1
    assert curve.share == [float(np.mean([r <= k for r in rank])) for k in curve.k]
    table = next(
        r
        for r in all_pairs(vectors, valid, group)
        if (r["query"], r["pool_kind"], r["matching"]) == ("imu", "full", "multi-positive")
    )
    at = dict(zip(curve.k, zip(curve.share, curve.chance, strict=True), strict=True))
    for k in (1, 10):
        assert at[k] == pytest.approx((table[f"R@{k}"], table[f"R@{k}_chance"]))
    assert curve.low is not None
    assert all(a <= b <= c for a, b, c in zip(curve.low, curve.share, curve.high, strict=True))
    assert recall_curve(rank, group[rows], np.zeros(56), 10, 0).low is None


def test_map_is_balanced_repeatable_and_keeps_clusters_together():
    rng = np.random.default_rng(2)
    label = np.repeat(["a", "b"], [60, 15])
    middle = {"a": unit(rng, 32), "b": unit(rng, 32)}
    vectors = {
        m: np.stack([middle[name] for name in label]) + 0.05 * rng.normal(size=(75, 32))
        for m in ("imu", "text")
    }
    valid = {"imu": np.arange(75) % 5 > 0, "text": np.ones(75, bool)}
    layout = joint_layout(vectors, valid, label, size=40, seed=3)
    again = joint_layout(vectors, valid, label, size=40, seed=3)
    assert layout.rows.tolist() == again.rows.tolist()
    names, counts = np.unique(label[layout.rows], return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {"a": 20, "b": 15}
    for modality, points in layout.points.items():
        np.testing.assert_array_equal(points, again.points[modality])
        np.testing.assert_array_equal(np.isfinite(points[:, 0]), valid[modality][layout.rows])
        assert np.nanmin(points) >= 0
        assert np.nanmax(points) <= 1
    places = np.concatenate([p[np.isfinite(p[:, 0])] for p in layout.points.values()])
    owner = np.concatenate(
        [label[layout.rows][np.isfinite(p[:, 0])] for p in layout.points.values()]
    )
    gap = np.linalg.norm(places[:, None] - places, axis=-1)
    np.fill_diagonal(gap, np.inf)
    assert (owner[gap.argmin(axis=1)] == owner).all()


def test_too_few_vectors_have_no_map():
    few = {"imu": np.eye(5)}
    assert joint_layout(few, {"imu": np.ones(5, bool)}, list("abcde")) is None
    assert joint_layout({}, {}, []) is None
