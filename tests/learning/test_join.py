"""Windows from tables, and batches of them."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from aura import schema
from aura.errors import AuraError
from aura.learning import mapped
from aura.learning.join import join_tables
from aura.signals.mocap import canonicalize
from pipeline.study.splits import check as check_splits
from tests.small import DIM, tables, windows

VALIDATION = "aura.learning.trainer.validation_mrr"


def test_a_batch_equals_cutting_every_window_by_hand():
    joined, (signals, table, texts, videos), blocks = windows()
    takes = np.array(signals.column("take_id").to_pylist())
    rows = table.to_pylist()
    batch = joined.batch(np.arange(len(rows)))
    text_vector = dict(zip(texts["text"].to_pylist(), texts["embedding"].to_pylist(), strict=True))
    video_vector = dict(
        zip(videos["window_id"].to_pylist(), videos["embedding"].to_pylist(), strict=True)
    )
    for i, row in enumerate(rows):
        in_take = takes == row["take_id"]
        imu = blocks["imu"][in_take].reshape(-1, 6)
        first = round(row["start_s"] * 200)
        inside = imu[first : first + 1000]
        np.testing.assert_array_equal(batch.imu[i, : len(inside)].numpy(), inside)
        assert batch.imu_valid[i].sum() == len(inside)
        pose = blocks["mocap"][in_take].reshape(-1, 17, 3)[round(row["start_s"] * 10) :][:50]
        seen = blocks["mocap_valid"][in_take].reshape(-1, 17)[round(row["start_s"] * 10) :][:50]
        expected = canonicalize(pose[None], seen[None])[0]
        np.testing.assert_allclose(batch.mocap[i, : len(pose)].numpy(), expected, atol=1e-5)
        assert not batch.mocap_valid[i, len(pose) :].any()
        expected_video = video_vector.get(row["window_id"], [0.0] * DIM)
        np.testing.assert_allclose(batch.video[i].numpy(), expected_video)
        assert bool(batch.has["video"][i]) == (row["window_id"] in video_vector)
        assert bool(batch.has["text"][i]) == bool(row["texts"])
        if row["texts"]:
            captions = {text["text"] for text in row["texts"]}
            mean = np.mean([text_vector[t] for t in captions], axis=0)
            np.testing.assert_allclose(batch.text[i], mean / np.linalg.norm(mean), atol=1e-6)


@pytest.mark.parametrize("in_memory_bytes", [0, 1 << 20])
def test_shard_by_shard_into_files_gives_the_arrays_of_whole_tables(
    tmp_path, monkeypatch, in_memory_bytes
):
    monkeypatch.setattr(mapped, "IN_MEMORY_BYTES", in_memory_bytes)
    whole, (signals, table, texts, videos), _ = windows()

    def shards(of, rows):
        def read(columns):
            for start in range(0, of.num_rows, rows):
                yield of.slice(start, rows).select(columns)

        return read

    joined = join_tables(
        shards(signals, 5), table, shards(texts, 2), shards(videos, 3), 5.0, tmp_path
    )
    for name in ("imu", "imu_valid", "mocap", "mocap_valid", "video", "text", "samples"):
        assert torch.equal(getattr(joined, name), getattr(whole, name)), name
    assert joined.texts == whole.texts
    assert all(torch.equal(joined.has[name], whole.has[name]) for name in whole.has)
    rows = np.arange(len(whole))
    assert torch.equal(joined.batch(rows).text, whole.batch(rows).text)
    assert list(tmp_path.iterdir()) == []  # files without a name


def test_a_random_caption_is_one_of_the_windows_own():
    joined, (_, table, texts, _), _ = windows()
    vector = dict(zip(texts["text"].to_pylist(), texts["embedding"].to_pylist(), strict=True))
    rng, picked = np.random.default_rng(0), set()
    for _ in range(20):
        text = joined.batch(np.array([0]), rng).text[0].numpy()
        captions = {text["text"] for text in table.to_pylist()[0]["texts"]}
        (match,) = [t for t in captions if np.allclose(vector[t], text)]
        picked.add(match)
    assert len(picked) == 2


def test_shuffling_breaks_pairs_inside_a_split_and_keeps_what_there_is():
    joined, _, _ = windows(seconds=(40, 30, 30))
    control = joined.shuffled(0)
    rows = joined.rows("train")
    real, shuffled = joined.batch(rows), control.batch(rows)
    assert torch.equal(real.imu, shuffled.imu)
    assert not torch.equal(real.video, shuffled.video)
    assert sorted(map(tuple, real.video.tolist())) == sorted(map(tuple, shuffled.video.tolist()))
    same = (real.mocap == shuffled.mocap).flatten(1).all(dim=1).float().mean()
    assert same < 0.3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s, w, t, v: (s.slice(12), w, t, v), "1 takes of the windows have no signals"),
        (lambda s, w, t, v: (s, w, t.slice(2), v), "was never embedded"),
        (lambda s, w, t, v: (s.take([1, 0, *range(2, 24)]), w, t, v), "not in order"),
    ],
)
def test_tables_that_do_not_join_are_refused(change, sentence):
    study, _ = tables()
    with pytest.raises(AuraError, match=sentence):
        join_tables(*change(*study), window_s=5.0)


def test_a_leaking_split_is_refused_at_the_moment_of_use():
    study, _ = tables()
    signals, table, texts, videos = study
    for column, what in (("participant_id", "participants"), ("capture_id", "captures")):
        index = table.column_names.index(column)
        same = pa.array(["shared"] * table.num_rows)
        leaking = table.set_column(index, schema.WINDOWS.field(column), same)
        joined = join_tables(signals, leaking, texts, videos, 5.0)
        with pytest.raises(AuraError, match=f"shares 1 {what} with training"):
            check_splits(joined)
        (warning,) = check_splits(joined, "warn")[:1]
        assert warning.startswith(f"The test split shares 1 {what}")
    assert check_splits(join_tables(*study, window_s=5.0)) == []


def test_takes_of_one_moment_are_in_one_split():
    kwargs = {"seconds": (12, 9, 12, 9), "splits": ("train", "val", "train", "test")}
    study, _ = tables(**kwargs, moments=["a", "b", "a", "c"], places=["wrist", None, "chest", None])
    joined = join_tables(*study, window_s=5.0)
    assert check_splits(joined) == []
    by_take = dict(zip(joined.take.tolist(), joined.moment.tolist(), strict=True))
    assert by_take == {"take0": "a", "take1": "b", "take2": "a", "take3": "c"}
    assert set(joined.place[joined.moment == "a"]) == {"wrist", "chest"}
    assert set(joined.place[joined.take == "take1"]) == {None}
    batch = joined.batch(np.arange(len(joined)))
    assert torch.equal(
        batch.moment[:, None] == batch.moment,
        torch.from_numpy(joined.moment[:, None] == joined.moment),
    )
    for other in (1, 3):  # validation and test
        moments = ["a", "b", "a", "c"]
        moments[other] = "a"
        study, _ = tables(**kwargs, moments=moments)
        torn = join_tables(*study, window_s=5.0)
        with pytest.raises(AuraError, match=r"1 moments that .* in two splits, e\.g\. a; "):
            check_splits(torn)
        (warning,) = check_splits(torn, "warn")
        assert warning.endswith("e.g. a: its figures are too good by that.")
