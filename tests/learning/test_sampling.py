from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aura.learning import sampling
from tests.small import short

STUDIES = st.lists(st.integers(1, 12), min_size=1, max_size=9)


@pytest.mark.parametrize("how", ["random", "apart", "together"])
@given(sizes=STUDIES, batch=st.integers(2, 9), seed=st.integers(0, 9))
def test_every_window_is_dealt_once_into_batches_of_even_size(how, sizes, batch, seed):
    takes = np.repeat(np.arange(len(sizes)) * 7, sizes)
    rows = np.arange(len(takes)) + 100
    dealt = sampling.deal(rows, takes, batch, how, np.random.default_rng(seed))
    assert sorted(np.concatenate(dealt)) == list(rows)
    lengths = [len(part) for part in dealt]
    assert len(dealt) == -(-len(rows) // batch)
    assert max(lengths) <= batch
    assert max(lengths) - min(lengths) <= 1
    of = dict(zip(rows.tolist(), takes.tolist(), strict=True))
    together = [Counter(of[row] for row in part.tolist()) for part in dealt]
    for take, size in zip(np.unique(takes).tolist(), sizes, strict=True):
        shared = [counts[take] for counts in together if take in counts]
        if how == "apart":  # as even as can be: one a batch where there are enough batches
            assert len(shared) == min(size, len(dealt))
            assert max(shared) - min(counts[take] for counts in together) <= 1
        if how == "together":  # no more batches than a run of so many windows can touch
            assert len(shared) <= 1 + -(-(size - 1) // min(lengths))
    if how == "together":
        assert sum(len(counts) for counts in together) <= len(sizes) + len(dealt) - 1


def test_order_differs_between_epochs_and_not_between_runs():
    rows, takes = np.arange(40), np.repeat(np.arange(8), 5)
    for how in ("random", "apart", "together"):
        one, same, other = (
            sampling.deal(rows, takes, 8, how, sampling.stream(3, sampling.Draw.ORDER, epoch))
            for epoch in (0, 0, 1)
        )
        assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_streams_differ_by_each_part_of_their_key():
    keys = [(s, d, e, n) for s in (0, 1) for d in sampling.Draw for e in (0, 1) for n in (0, 1)]
    assert len({sampling.torch_seed(*key) for key in keys}) == len(keys)
    assert len({sampling.stream(*key).integers(2**60) for key in keys}) == len(keys)


def test_part_of_a_batch_is_the_batch_of_those_rows():
    joined = short()
    rows = joined.rows("train")[:9]
    part = sampling.tensors_of(sampling.part_of(joined.batch(rows), slice(2, 6)))
    expected = sampling.tensors_of(joined.batch(rows[2:6]))
    assert part.keys() == expected.keys()
    assert {"imu", "has.text", "text_id"} <= part.keys()
    for name, tensor in part.items():
        assert torch.equal(tensor, expected[name]), name
