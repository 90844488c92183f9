"""A mixture gives what its sources give, window by window, and its batches are balanced."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aura.errors import AuraError
from aura.learning import mapped, mixture, sampling
from aura.learning.join import join_tables
from tests.small import tables


def source(owner, seconds=(12, 9, 6), seed=0, share=0.5, texts=None, **kwargs):
    (signals, windows, own, videos), _ = tables(seconds=seconds, seed=seed, **kwargs)
    texts = own if texts is None else texts
    joined = join_tables(signals, windows, texts, videos, window_s=5.0)
    return mixture.Source(joined, texts, share, owner)


def test_each_window_is_that_of_its_source(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "IN_MEMORY_BYTES", 1000)  # all arrays have files
    one = source("a")
    order = [4, 2, 0, 1, 3]  # one teacher gives a text one vector, in whatever row
    two = source("b", (20, 7, 5), seed=3, texts=one.texts.take(order))
    sources = {"one": one, "two": two}
    mixed, texts = mixture.mix(sources, tmp_path)
    assert list(tmp_path.iterdir()) == []  # files without a name: nothing stays
    assert mixed.source.tolist() == ["one"] * len(sources["one"].windows) + ["two"] * len(
        sources["two"].windows
    )
    row = 0
    for name, part in sources.items():
        captions, own = texts["text"].to_pylist(), part.texts["text"].to_pylist()
        for i, window in enumerate(part.windows.ids):
            assert mixed.ids[row] == f"{name}/{window}"
            assert mixed.participant[row] == f"{part.owner}/{part.windows.participant[i]}"
            assert [captions[t] for t in mixed.texts[row]] == [
                own[t] for t in part.windows.texts[i]
            ]
            got, expected = mixed.batch(np.array([row])), part.windows.batch(np.array([i]))
            for field in ("imu", "imu_valid", "mocap", "mocap_valid", "video", "text", "start_s"):
                assert torch.equal(getattr(got, field), getattr(expected, field)), field
            assert {m: bool(h) for m, h in got.has.items()} == {
                m: bool(h) for m, h in expected.has.items()
            }
            row += 1


def test_equal_texts_are_one_and_other_windows_are_refused():
    sources = {"one": source("a"), "two": source("b", seed=0)}
    mixed, texts = mixture.mix(sources)
    assert texts.num_rows == sources["one"].texts.num_rows
    assert torch.equal(
        mixed.caption_code[:3], mixed.caption_code[len(sources["one"].windows) :][:3]
    )
    study, _ = tables(seconds=(12, 9, 6))
    short = mixture.Source(join_tables(*study, window_s=4.0), study[2], 0.5, "c")
    with pytest.raises(AuraError, match="Windows of two are 800 samples, 40 poses"):
        mixture.mix({"one": sources["one"], "two": short})
    with pytest.raises(AuraError, match="vectors of 8 numbers"):
        mixture.mix({"one": sources["one"], "two": source("b", dim=8)})


@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    weights=st.lists(st.floats(0.1, 5), min_size=4, max_size=4),
    batch=st.integers(8, 24),
    policy=st.sampled_from(["random", "apart", "together"]),
    seed=st.integers(0, 9),
)
def test_each_source_has_its_share_of_every_batch(sizes, weights, batch, policy, seed):
    names = [f"s{i}" for i in range(len(sizes))]
    total = sum(weights[: len(sizes)])
    shares = {name: w / total for name, w in zip(names, weights, strict=False)}
    sources = np.repeat(names, sizes)
    rows = np.arange(len(sources)) * 3
    batches = sampling.sample_by_source(
        rows, rows // 9, sources, shares, batch, policy, np.random.default_rng(seed)
    )
    assert len(batches) == -(-len(rows) // batch)
    source_of = dict(zip(rows.tolist(), sources.tolist(), strict=True))
    counts = [[sum(source_of[r] == n for r in part.tolist()) for n in names] for part in batches]
    assert all(count == counts[0] for count in counts)  # every batch alike
    for count, name in zip(counts[0], names, strict=True):
        assert count >= 1
        assert abs(count - shares[name] * batch) < len(names) + 1
    # Within an epoch the windows of a source come equally often, to one, where order is random.
    if policy == "random":
        for name in names:
            seen = [
                sum(r == row for part in batches for r in part.tolist())
                for row in rows[sources == name].tolist()
            ]
            assert max(seen) - min(seen) <= 1


def test_a_source_without_training_windows_takes_no_part():
    rows, sources = np.arange(10), np.repeat(["a"], 10)
    batches = sampling.sample_by_source(
        rows, rows, sources, {"a": 0.5, "b": 0.5}, 5, "random", np.random.default_rng(0)
    )
    assert [len(part) for part in batches] == [5, 5]
    assert sorted(np.concatenate(batches)) == list(rows)
