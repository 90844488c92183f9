import json
import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from aura import batches, schema, training
from aura.config import Encoder, Phase, Train
from aura.errors import AuraError
from aura.mocap import canonicalize
from pipeline import study

SMALL = Encoder(width=32, layers=1, heads=2, dropout=0.0)
DIM = 16


def tables(seconds=(12, 9, 3), splits=("train", "val", "test"), seed=0):
    """Signals, windows, texts and videos of some takes, and the raw blocks."""
    rng = np.random.default_rng(seed)
    takes = [f"take{i}" for i in range(len(seconds))]
    total = sum(seconds)
    blocks = {
        "imu": rng.normal(size=(total, 200, 6)).astype(np.float32),
        "imu_valid": np.ones((total, 200), bool),
        "mocap": rng.normal(size=(total, 10, 17, 3)).astype(np.float32),
        "mocap_valid": rng.random((total, 10, 17)) > 0.1,
    }
    signals = pa.table(
        [
            pa.array(np.repeat(takes, seconds)),
            pa.array(np.concatenate([np.arange(s) for s in seconds]).astype(np.int32)),
            *(schema.from_numpy(v, schema.SIGNALS.field(k)) for k, v in blocks.items()),
            *[pa.array(np.zeros(total, np.float32))] * 2,
        ],
        schema=schema.SIGNALS,
    )
    rows = []
    for take, length, split in zip(takes, seconds, splits, strict=True):
        for start in np.arange(0, max(length - 5, 0) + 0.1, 2.5):
            said = [f"text {len(rows) % 4}", f"text {(len(rows) + 1) % 4}"]
            said.append(said[0])  # a text said twice counts once
            texts = [{"text": t, "offset_s": 1.0, "source": "keystep"} for t in said]
            rows.append(
                {
                    "window_id": f"{take}@{start}", "take_id": take, "participant_id": f"p {take}",
                    "capture_id": f"c {take}", "split": split, "label": "x", "start_s": start,
                    "imu_valid": 1.0, "mocap_valid": 1.0, "has_imu": True, "has_mocap": True,
                    "has_video": True, "texts": texts if len(rows) != 1 else [],
                    "imu_saturated": 0.0, "clock_offset_ms": 0.0, "largest_gap_ms": 0.0,
                }
            )  # fmt: skip
    vectors = rng.normal(size=(len(rows) + 5, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [
        {
            "text_id": str(i),
            "text": f"text {i}",
            "kind": kind,
            "label": None,
            "embedding": vectors[i],
        }
        for i, kind in enumerate(["caption"] * 4 + ["prompt"])
    ]
    videos = [
        {"window_id": row["window_id"], "camera": "cam01", "frames": 8, "embedding": vectors[5 + i]}
        for i, row in enumerate(rows)
        if i != 2
    ]
    return (
        signals,
        schema.from_rows(rows, schema.WINDOWS),
        schema.from_rows(texts, schema.texts_schema(DIM)),
        schema.from_rows(videos[::-1], schema.videos_schema(DIM)),  # join by id, not by position
    ), blocks


def windows(**kwargs):
    found, blocks = tables(**kwargs)
    return batches.build(*found, window_s=5.0), found, blocks


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
        mine = takes == row["take_id"]
        imu = blocks["imu"][mine].reshape(-1, 6)
        first = round(row["start_s"] * 200)
        inside = imu[first : first + 1000]
        np.testing.assert_array_equal(batch.imu[i, : len(inside)].numpy(), inside)
        assert batch.imu_valid[i].sum() == len(inside)
        pose = blocks["mocap"][mine].reshape(-1, 17, 3)[round(row["start_s"] * 10) :][:50]
        seen = blocks["mocap_valid"][mine].reshape(-1, 17)[round(row["start_s"] * 10) :][:50]
        expected = canonicalize(pose[None], seen[None])[0]
        np.testing.assert_allclose(batch.mocap[i, : len(pose)].numpy(), expected, atol=1e-5)
        assert not batch.mocap_valid[i, len(pose) :].any()
        expected_video = video_vector.get(row["window_id"], [0.0] * DIM)
        np.testing.assert_allclose(batch.video[i].numpy(), expected_video)
        assert bool(batch.has["video"][i]) == (row["window_id"] in video_vector)
        assert bool(batch.has["text"][i]) == bool(row["texts"])
        if row["texts"]:
            own = {text["text"] for text in row["texts"]}
            mean = np.mean([text_vector[t] for t in own], axis=0)
            np.testing.assert_allclose(batch.text[i], mean / np.linalg.norm(mean), atol=1e-6)


def test_a_random_caption_is_one_of_the_windows_own():
    joined, (_, table, texts, _), _ = windows()
    vector = dict(zip(texts["text"].to_pylist(), texts["embedding"].to_pylist(), strict=True))
    rng, picked = np.random.default_rng(0), set()
    for _ in range(20):
        text = joined.batch(np.array([0]), rng).text[0].numpy()
        own = {text["text"] for text in table.to_pylist()[0]["texts"]}
        (match,) = [t for t in own if np.allclose(vector[t], text)]
        picked.add(match)
    assert len(picked) == 2


def test_shuffling_breaks_pairs_inside_a_split_and_keeps_what_there_is():
    joined, _, _ = windows(seconds=(40, 30, 30))
    control = joined.shuffled(0)
    rows = joined.rows("train")
    real, dealt = joined.batch(rows), control.batch(rows)
    assert torch.equal(real.imu, dealt.imu)
    assert not torch.equal(real.video, dealt.video)
    assert sorted(map(tuple, real.video.tolist())) == sorted(map(tuple, dealt.video.tolist()))
    same = (real.mocap == dealt.mocap).flatten(1).all(dim=1).float().mean()
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
    found, _ = tables()
    with pytest.raises(AuraError, match=sentence):
        batches.build(*change(*found), window_s=5.0)


def test_a_leaking_split_is_refused_at_the_moment_of_use():
    found, _ = tables()
    signals, table, texts, videos = found
    for column, what in (("participant_id", "participants"), ("capture_id", "captures")):
        index = table.column_names.index(column)
        same = pa.array(["shared"] * table.num_rows)
        leaking = table.set_column(index, schema.WINDOWS.field(column), same)
        joined = batches.build(signals, leaking, texts, videos, 5.0)
        with pytest.raises(AuraError, match=f"shares 1 {what} with training"):
            study.check_splits(joined)
        (warning,) = study.check_splits(joined, "warn")[:1]
        assert warning.startswith(f"The test split shares 1 {what}")
    assert study.check_splits(batches.build(*found, window_s=5.0)) == []


def learnable(seed=0):
    """Windows whose video vector can be read off the mean of the IMU's first channels."""
    joined, _, _ = windows(seconds=(130, 60, 60), seed=seed)
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(len(joined), 6)).astype(np.float32)
    imu = joined.imu.clone()
    for i, start in enumerate(joined.samples.tolist()):
        imu[start : start + 500] += torch.from_numpy(codes[i]) * 2
    mixing = rng.normal(size=(6, DIM)).astype(np.float32)
    video = codes @ mixing
    video /= np.linalg.norm(video, axis=1, keepdims=True)
    has = {**joined.has, "video": torch.ones(len(joined), dtype=torch.bool)}
    from dataclasses import replace

    return replace(joined, imu=imu, video=torch.from_numpy(video), has=has)


def fit(joined, epochs=12, pairs=(("imu", "video"),), seed=0):
    torch.manual_seed(0)
    model = training.Model(training.Shape(1000, 50, DIM), SMALL, SMALL, 0.07)
    settings = Train(
        imu=Phase(pairs=list(pairs), epochs=epochs, learning_rate=3e-3),
        joint=Phase(pairs=list(pairs), epochs=epochs, learning_rate=3e-3),
        batch=16,
    )
    training.fit_scale(model, joined, joined.rows("train"))
    curve = []
    best = training.train_phase(model, joined, settings.imu, settings, seed, curve.append)
    return model, best, curve


@pytest.fixture(scope="module")
def fitted():
    joined = learnable()
    return joined, *fit(joined)


def test_training_learns_what_there_is_and_the_temperature_moves(fitted):
    joined, _, best, curve = fitted
    chance = float(np.mean(1 / np.arange(1, len(joined.rows("val")) + 1)))
    assert best["val_mrr"] > 2 * chance
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert abs(curve[-1]["temperature"] - 0.07) > 1e-4


def test_the_best_epoch_is_what_is_left_in_the_model(fitted):
    joined, model, best, curve = fitted
    assert best == max(curve, key=lambda row: row["val_mrr"])
    again = training.validation_mrr(model, joined, joined.rows("val"), [("imu", "video")])
    assert again == pytest.approx(best["val_mrr"], abs=1e-6)


def test_the_same_seed_gives_the_same_bytes(fitted, tmp_path):
    _, model, _, _ = fitted
    other, _, _ = fit(learnable())
    for name, one in (("a", model), ("b", other)):
        training.save(one, tmp_path / name, {"x": 1})
    first, second = (tmp_path / n / "model.safetensors" for n in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_shuffled_pairs_stay_at_chance():
    joined = learnable()
    model, _, _ = fit(joined.shuffled(1))
    mrr = training.validation_mrr(model, joined, joined.rows("test"), [("imu", "video")])
    n = len(joined.rows("test"))
    chance = float(np.mean(1 / np.arange(1, n + 1)))
    # The spread of a mean of n reciprocal ranks at chance, generously.
    assert mrr < chance + 4 * 0.25 / math.sqrt(2 * n)


def test_a_saved_model_is_the_same_model(fitted, tmp_path):
    joined, model, best, _ = fitted
    settings = Train(
        imu=Phase(pairs=[("imu", "video")], epochs=1, learning_rate=1e-3),
        joint=Phase(pairs=[("imu", "video")], epochs=1, learning_rate=1e-3),
        imu_encoder=SMALL,
        mocap_encoder=SMALL,
    )
    shape = {"samples": 1000, "frames": 50, "dim": DIM}
    card = {"shape": shape, "settings": settings.model_dump(mode="json"), "best": best}
    training.save(model, tmp_path, card)
    loaded, read = training.load(tmp_path)
    assert read["best"] == best
    rows = joined.rows("test")
    for modality in ("imu", "mocap"):
        np.testing.assert_array_equal(
            training.embed(model, joined, rows, [modality])[modality],
            training.embed(loaded, joined, rows, [modality])[modality],
        )
    assert {p.suffix for p in tmp_path.iterdir()} == {".safetensors", ".json"}
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(AuraError, match="cannot be loaded"):
        training.load(tmp_path)
    with pytest.raises(AuraError, match="run `aura train` first"):
        training.load(tmp_path / "nowhere")
    assert json.loads((tmp_path / "model.json").read_text()) == card


@pytest.mark.parametrize(
    ("splits", "sentence"),
    [
        (("test", "val", "test"), "training split has 0 windows"),
        (("train", "train", "test"), "validation split has 0 windows"),
    ],
)
def test_an_empty_split_is_one_sentence(splits, sentence):
    joined, _, _ = windows(splits=splits)
    model = training.Model(training.Shape(1000, 50, DIM), SMALL, SMALL, 0.07)
    phase = Phase(pairs=[("imu", "video")], epochs=1, learning_rate=1e-3)
    with pytest.raises(AuraError, match=sentence):
        training.train_phase(model, joined, phase, Train(imu=phase, joint=phase), 0, print)


def test_a_learning_rate_that_explodes_stops_with_a_sentence():
    joined, _, _ = windows(seconds=(40, 20, 10))
    model = training.Model(training.Shape(1000, 50, DIM), SMALL, SMALL, 0.07)
    with torch.no_grad():
        model.imu.trunk.project.weight.fill_(float("nan"))
    phase = Phase(pairs=[("imu", "video")], epochs=1, learning_rate=1e-3)
    with pytest.raises(AuraError, match="loss is not finite"):
        training.train_phase(model, joined, phase, Train(imu=phase, joint=phase), 0, print)


def test_warm_up_then_cosine():
    factors = [training.warmup_cosine(step, 100, 0.1) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == 1
    assert factors[9:] == sorted(factors[9:], reverse=True)
    assert factors[-1] < 0.01
