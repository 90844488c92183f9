"""What a retriever scores that knows the class alone, against a simulation of it."""

import numpy as np
import pytest

from aura.evaluation.chance import class_prior
from aura.evaluation.retrieval import all_pairs


def test_a_retriever_that_knows_the_class_alone_is_a_row_of_its_own():
    """Oracle: rank a shuffled gallery with the query's class first, many times."""
    rng = np.random.default_rng(0)
    label = np.array([0] * 12 + [1] * 5 + [2] * 3)
    vectors = {m: rng.normal(size=(20, 8)) for m in ("imu", "text")}
    valid = {m: np.ones(20, bool) for m in vectors}
    rows = class_prior(all_pairs(vectors, valid, np.arange(20), label, np.arange(20) % 4, 2, 0))
    assert [(r["query"], r["gallery"]) for r in rows] == [("imu", "text"), ("text", "imu")]
    ranks = []
    for _ in range(4000):
        for query in range(20):
            order = rng.permutation(20)
            order = np.concatenate([order[label[order] == label[query]],
                                    order[label[order] != label[query]]])  # fmt: skip
            ranks.append(int(np.flatnonzero(order == query)[0]) + 1)
    ranks = np.array(ranks)
    for row in rows:
        assert row["pool"] == 20
        assert row["matching"] == "strict, class alone"
        assert row["R@1_low"] is None
        assert row["R@1"] == pytest.approx((ranks <= 1).mean(), abs=0.01)
        assert row["R@10"] == pytest.approx((ranks <= 10).mean(), abs=0.01)
        assert row["MRR"] == pytest.approx((1 / ranks).mean(), abs=0.01)
