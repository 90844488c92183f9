"""The fast search against the slow, obvious one."""

import time

import numpy as np
import pytest

import aura
from aura.errors import AuraError
from aura.evaluation import search as searching
from aura.evaluation.search import search


def slow(query, gallery, k, ids):
    """Every product in float64, one after the other, and all of them sorted."""
    rows, scores = [], []
    for q in np.asarray(query, np.float32).astype(np.float64):
        exact = [float((q * g).sum()) for g in np.asarray(gallery, np.float32).astype(np.float64)]
        order = sorted(range(len(exact)), key=lambda i: (-exact[i], ids[i]))[:k]
        rows.append(order)
        scores.append([exact[i] for i in order])
    return np.array(rows).reshape(len(query), -1), np.array(scores).reshape(len(query), -1)


def units(rng, *shape):
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
@pytest.mark.parametrize("k", [1, 5, 40, 500])
def test_it_finds_what_the_slow_one_finds(monkeypatch, block, k):
    monkeypatch.setattr(searching, "BLOCK", block)
    rng = np.random.default_rng(k)
    gallery, query = units(rng, 137, 16), units(rng, 3, 16)
    ids = [f"w{i:03d}" for i in rng.permutation(137)]
    rows, scores = slow(query, gallery, k, ids)
    hits = search(query, gallery, k, ids)
    np.testing.assert_array_equal(hits.rows, rows)
    np.testing.assert_array_equal(hits.scores, scores)
    assert hits.ids == [[ids[i] for i in row] for row in rows]


@pytest.mark.parametrize("block", [3, 50])
def test_equal_vectors_are_in_the_order_of_their_ids(monkeypatch, block):
    monkeypatch.setattr(searching, "BLOCK", block)
    rng = np.random.default_rng(0)
    few = units(rng, 4, 512)
    gallery = few[rng.integers(4, size=60)]
    ids = [f"w{i:02d}" for i in rng.permutation(60)]
    query = units(rng, 2, 512)
    for names in (ids, None):
        rows, _ = slow(query, gallery, 25, names or range(60))
        np.testing.assert_array_equal(search(query, gallery, 25, names).rows, rows)


def test_what_float32_cannot_tell_apart_is_told_in_float64():
    """Rows that differ by less than the error of a float32 product are still in order."""
    rng = np.random.default_rng(1)
    query = units(rng, 1, 512)
    gallery = np.repeat(units(rng, 1, 512), 400, axis=0)
    gallery[np.arange(400), rng.integers(512, size=400)] += np.float32(3e-8)
    rows, scores = slow(query, gallery, 30, range(400))
    hits = search(query, gallery, 30)
    np.testing.assert_array_equal(hits.rows, rows)
    np.testing.assert_array_equal(hits.scores, scores)


def test_shapes_that_do_not_go_together_are_one_sentence():
    gallery = np.eye(3, dtype=np.float32)
    assert search(gallery[1], gallery, 1).rows.tolist() == [[1]]
    assert aura.search(gallery, gallery, 9).rows.shape == (3, 3)
    assert search(gallery, gallery[:0]).rows.shape == (3, 0)
    for arguments, sentence in (
        ((np.eye(4), gallery), "vectors of one width"),
        ((gallery, gallery, 0), "at least one"),
        ((gallery, gallery, 1, ["a"]), "3 vectors in the gallery and 1 ids"),
        ((np.full(3, np.nan), gallery), "query is not finite"),
        ((gallery, np.full((2, 3), np.inf)), "gallery has vectors"),
    ):
        with pytest.raises(AuraError, match=sentence):
            search(*arguments)


def test_it_costs_little_beside_the_product():
    rng = np.random.default_rng(0)
    gallery, query = rng.normal(size=(100_000, 128)).astype(np.float32), units(rng, 8, 128)

    def best(function):
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            function()
            times.append(time.perf_counter() - begin)
        return min(times)

    product = best(lambda: query @ gallery.T)
    assert best(lambda: search(query, gallery, 10)) < 10 * product + 0.05
