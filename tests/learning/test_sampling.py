from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aura.learning import sampling
from aura.learning.feed import Feed
from tests.conftest import tiny_params
from tests.small import short

STUDIES = st.lists(st.integers(1, 12), min_size=1, max_size=9)


@pytest.mark.parametrize("policy", ["random", "apart", "together"])
@given(sizes=STUDIES, batch=st.integers(2, 9), seed=st.integers(0, 9))
def test_every_window_is_in_one_batch_and_batches_are_of_even_size(policy, sizes, batch, seed):
    takes = np.repeat(np.arange(len(sizes)) * 7, sizes)
    rows = np.arange(len(takes)) + 100
    batches = sampling.sample_batches(rows, takes, batch, policy, np.random.default_rng(seed))
    assert sorted(np.concatenate(batches)) == list(rows)
    lengths = [len(part) for part in batches]
    assert len(batches) == -(-len(rows) // batch)
    assert max(lengths) <= batch
    assert max(lengths) - min(lengths) <= 1
    take_of = dict(zip(rows.tolist(), takes.tolist(), strict=True))
    together = [Counter(take_of[row] for row in part.tolist()) for part in batches]
    for take, size in zip(np.unique(takes).tolist(), sizes, strict=True):
        shared = [counts[take] for counts in together if take in counts]
        if policy == "apart":  # as even as can be: one a batch where there are enough batches
            assert len(shared) == min(size, len(batches))
            assert max(shared) - min(counts[take] for counts in together) <= 1
        if policy == "together":  # no more batches than a run of so many windows can touch
            assert len(shared) <= 1 + -(-(size - 1) // min(lengths))
    if policy == "together":
        assert sum(len(counts) for counts in together) <= len(sizes) + len(batches) - 1


def test_order_differs_between_epochs_and_not_between_runs():
    rows, takes = np.arange(40), np.repeat(np.arange(8), 5)
    for policy in ("random", "apart", "together"):
        one, same, other = (
            sampling.sample_batches(
                rows, takes, 8, policy, sampling.numpy_generator(3, sampling.Stream.ORDER, epoch)
            )
            for epoch in (0, 0, 1)
        )
        assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_streams_differ_by_each_part_of_their_key():
    keys = [(s, d, e, n) for s in (0, 1) for d in sampling.Stream for e in (0, 1) for n in (0, 1)]
    assert len({sampling.torch_seed(*key) for key in keys}) == len(keys)
    assert len({sampling.numpy_generator(*key).integers(2**60) for key in keys}) == len(keys)


def test_part_of_a_batch_is_the_batch_of_those_rows():
    joined = short()
    rows = joined.rows("train")[:9]
    part = joined.batch(rows).select(slice(2, 6)).tensors()
    expected = joined.batch(rows[2:6]).tensors()
    assert part.keys() == expected.keys()
    assert {"imu", "has.text", "text_id"} <= part.keys()
    for name, tensor in part.items():
        assert torch.equal(tensor, expected[name]), name


@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.booleans(), st.integers(0, 3)), min_size=1),
    st.floats(0.01, 1),
)
def test_windows_without_a_class_have_no_more_than_their_share(windows, most):
    """Against a loop over the sources."""
    weights, labelled, sources = (np.array(column) for column in zip(*windows, strict=True))
    weights = weights / weights.sum()
    got = sampling.limit_unlabelled(weights, labelled, sources, most)
    assert got.sum() == pytest.approx(1)
    for source in set(sources.tolist()):
        own = sources == source
        whole, share = weights[own].sum(), weights[own & ~labelled].sum() / weights[own].sum()
        expected = min(share, most) if labelled[own].any() else share
        assert got[own].sum() == pytest.approx(whole)
        assert got[own & ~labelled].sum() / whole == pytest.approx(expected)
        for kind in (own & labelled, own & ~labelled):  # among themselves as before
            if kind.any():
                np.testing.assert_allclose(
                    got[kind] / got[kind].sum(), weights[kind] / weights[kind].sum()
                )


def test_batches_hold_as_many_windows_without_a_class_as_the_settings_say():
    joined = short()
    labels = joined.label.copy()
    labels[: len(labels) // 2] = None
    joined = replace(joined, label=labels)
    train = tiny_params().train
    shares = []
    for most in (1.0, 0.25):
        changed = train.model_copy(update={"batch": 16, "batches": "balanced", "unlabelled": most})
        feed = Feed(joined, changed, seed=0, scale=torch.ones(2, 6))
        rows = [feed.rows(e, n) for e in range(200) for n in range(feed.steps_per_epoch)]
        shares.append(float(np.mean(labels[np.concatenate(rows)] == None)))  # noqa: E711
    assert shares[0] > 0.4
    assert shares[1] == pytest.approx(0.25, abs=0.02)
