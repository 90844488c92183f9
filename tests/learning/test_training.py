import json
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors import safe_open

from aura import config, schema
from aura.errors import AuraError
from aura.learning import device, optim, training
from aura.learning.join import join_tables
from aura.learning.losses import MAX_SCALE, InfoNCE
from aura.signals.mocap import canonicalize
from pipeline.study.joined import check_splits
from tests.small import DIM, fresh, learnable, settings, short, tables, windows

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
        join_tables(*change(*found), window_s=5.0)


def test_a_leaking_split_is_refused_at_the_moment_of_use():
    found, _ = tables()
    signals, table, texts, videos = found
    for column, what in (("participant_id", "participants"), ("capture_id", "captures")):
        index = table.column_names.index(column)
        same = pa.array(["shared"] * table.num_rows)
        leaking = table.set_column(index, schema.WINDOWS.field(column), same)
        joined = join_tables(signals, leaking, texts, videos, 5.0)
        with pytest.raises(AuraError, match=f"shares 1 {what} with training"):
            check_splits(joined)
        (warning,) = check_splits(joined, "warn")[:1]
        assert warning.startswith(f"The test split shares 1 {what}")
    assert check_splits(join_tables(*found, window_s=5.0)) == []


def fit(joined, seed=0, **more):
    chosen = settings(
        [("imu", "video")], **{"epochs": 12, "learning_rate": 3e-3, "batch": 16, **more}
    )
    model = fresh(joined, chosen)
    curve = []
    best = training.train_phase(model, joined, chosen.imu, chosen, seed, curve.append)
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
    shape = {"samples": 1000, "frames": 50, "dim": DIM}
    card = {"shape": shape, "settings": settings().model_dump(mode="json"), "best": best}
    training.save(model, tmp_path, card)
    loaded, read = training.load(tmp_path)
    assert read["best"] == best
    rows = joined.rows("test")
    for modality in ("imu", "mocap"):
        np.testing.assert_array_equal(
            training.embed(model, joined, rows, [modality])[modality],
            training.embed(loaded, joined, rows, [modality])[modality],
        )
    assert {p.name for p in tmp_path.iterdir()} == {"model.safetensors", "model.json"}
    assert json.loads((tmp_path / "model.json").read_text()) == card
    whole = (tmp_path / "model.safetensors").read_bytes()
    for damaged in (b"x", whole[:-100], whole.replace(b"trunk", b"drunk")):
        (tmp_path / "model.safetensors").write_bytes(damaged)
        with pytest.raises(AuraError, match="cannot be loaded"):
            training.load(tmp_path)
    for text in ("{", "[]", json.dumps({**card, "shape": {"samples": 1000}})):
        (tmp_path / "model.json").write_text(text)
        with pytest.raises(AuraError, match="cannot be loaded"):
            training.load(tmp_path)
    with pytest.raises(AuraError, match="run `aura train` first"):
        training.load(tmp_path / "nowhere")


def test_the_scale_is_that_of_windows_from_all_of_the_split():
    joined = short()
    rows = joined.rows("train")
    last = rows[-len(rows) // 3 :]
    for start in joined.samples[last].tolist():
        joined.imu[start : start + 200] += 50.0
    model = fresh(joined, settings())
    training.fit_scale(model, joined, rows, max_windows=10)
    assert model.imu.scale[0].min() > 10
    training.fit_scale(model, joined, rows)
    samples = torch.cat([joined.batch(np.array([row])).imu[0] for row in rows])
    torch.testing.assert_close(model.imu.scale[0], samples.mean(0))
    torch.testing.assert_close(model.imu.scale[1], samples.std(0))


def run(joined, chosen, **kwargs):
    """Train from the first weights; returns the model, the curve and the figures."""
    model, curve = fresh(joined, chosen), []
    best = training.train_phase(model, joined, chosen.joint, chosen, 0, curve.append, **kwargs)
    return model, curve, best


def test_without_validation_the_last_weights_are_left():
    joined, chosen = short(), settings()
    alone = replace(joined, split=np.where(joined.split == "val", "test", joined.split))
    with pytest.raises(AuraError, match="validation split has 0 windows"):
        run(alone, chosen)
    model, curve, best = run(alone, chosen, select=False)
    assert [set(row) for row in curve] == [{"epoch", "loss", "temperature"}] * 3
    assert best == curve[-1]
    # The same weights as those of a run whose validation, each time better, is replaced.
    with pytest.MonkeyPatch.context() as patch:
        calls = []
        patch.setattr(VALIDATION, lambda *_: calls.append(1) or len(calls) / 10)
        other, _, _ = run(joined, chosen)
    equal(model, other)


def equal(model, other):
    for (name, a), b in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize(
    ("scores", "epochs"), [((3, 2, 1, 1), 3), ((1, 2, 2, 2), 4), ((1, 2, 3, 4), 4)]
)
def test_patience_ends_a_phase_after_so_many_epochs_without_a_better_one(
    monkeypatch, scores, epochs
):
    given, seen = iter(scores), []

    def validated(model, *_):
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return next(given) / 10

    monkeypatch.setattr(VALIDATION, validated)
    model, curve, best = run(short(), settings(epochs=4, patience=2))
    assert len(curve) == epochs
    assert best["epoch"] == scores.index(max(scores))
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, seen[best["epoch"]][name]), name


def test_averaged_weights_are_what_is_validated_and_kept(monkeypatch):
    """Against an average kept by hand after each step of the optimizer."""
    joined, chosen = short(), settings(epochs=2, ema=0.9, patience=None)
    by_hand, steps, validated = {}, 0, []
    real = torch.optim.AdamW.step

    def step(self, *args, **kwargs):
        nonlocal steps, by_hand
        first = {k: v.detach().clone() for k, v in live.named_parameters()}
        by_hand = by_hand or first
        real(self, *args, **kwargs)
        steps += 1
        decay = min(0.9, (1 + steps) / (10 + steps))
        for name, weight in live.named_parameters():
            by_hand[name] = decay * by_hand[name] + (1 - decay) * weight.detach()

    live = fresh(joined, chosen)
    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    scored = training.validation_mrr
    monkeypatch.setattr(
        VALIDATION,
        lambda model, *rest: validated.append(model) or scored(model, *rest),
    )
    training.train_phase(live, joined, chosen.joint, chosen, 0, lambda _: None, select=False)
    for name, weight in live.named_parameters():
        torch.testing.assert_close(weight.detach(), by_hand[name], atol=1e-6, rtol=1e-5)
    again = fresh(joined, chosen)
    training.train_phase(again, joined, chosen.joint, chosen, 0, lambda _: None)
    assert len(validated) == 2
    assert again not in validated


def test_a_phase_leaves_the_encoder_alone_that_its_pairs_do_not_name():
    joined, chosen = short(), settings([("imu", "text")], epochs=1)
    before = fresh(joined, chosen)
    model, _, _ = run(joined, chosen)
    equal(model.mocap, before.mocap)
    with pytest.raises(AssertionError):
        equal(model.imu, before.imu)


def test_norms_biases_and_the_temperature_do_not_decay():
    """One step with a learning rate and no gradient moves what decays, and nothing else."""
    joined = short()
    chosen = settings(epochs=1, weight_decay=0.5, batch=100)
    trainer = trainer_of(joined, chosen)
    for weight in trainer.parameters:
        weight.grad = torch.zeros_like(weight)
    trainer.model.loss.log_scale.grad.zero_()
    before = {name: w.detach().clone() for name, w in trainer.model.named_parameters()}
    trainer.optimizer.step()
    moved = {n for n, w in trainer.model.named_parameters() if not torch.equal(w, before[n])}
    matrices = {n for n, w in before.items() if w.ndim > 1 and w.any()}
    assert moved == matrices
    assert "loss.log_scale" in before


def test_the_views_term_has_its_weight(monkeypatch):
    """Without augmentation and dropout both views are the same; the term is there nevertheless."""
    joined, seen = short(), []
    loss = training.Model(
        training.Shape(200, 10, DIM),
        settings().imu_encoder,
        settings().mocap_encoder,
        config.Loss(),
    ).loss
    real = type(loss).view_loss

    def view_loss(self, a, b, batch, has=None):
        seen.append((a.detach(), b.detach(), has))
        return real(self, a, b, batch, has) * 0 + 1.0

    monkeypatch.setattr(InfoNCE, "view_loss", view_loss)
    one = {"epochs": 1, "batch": 100}
    _, (plain,), _ = run(joined, settings(**one))
    assert not seen
    augment = config.Augment(jitter=0.5)
    _, (with_views,), _ = run(joined, settings(**one, loss=config.Loss(views=0.25)))
    assert with_views["loss"] == pytest.approx(plain["loss"] + 0.25, abs=1e-6)
    assert len(seen) == 2  # one a sensor
    assert all(torch.equal(a, b) for a, b, _ in seen)
    seen.clear()
    run(joined, settings(**one, loss=config.Loss(views=0.25), augment=augment))
    assert not any(torch.equal(a, b) for a, b, _ in seen[:1])


def test_bf16_is_near_fp32_and_not_the_same():
    joined = short()
    _, (exact,), _ = run(joined, settings(epochs=1, batch=100, precision="fp32"))
    _, (low,), _ = run(joined, settings(epochs=1, batch=100, precision="bf16"))
    _, (auto,), _ = run(joined, settings(epochs=1, batch=100, precision="auto"))
    assert low["loss"] == pytest.approx(exact["loss"], abs=0.05)
    assert low["loss"] != exact["loss"]
    assert auto == exact  # on a CPU


def trainer_of(joined, chosen):
    model = fresh(joined, chosen)
    return training.Trainer(model, joined, chosen.joint, chosen, 0)


def test_bf16_follows_fp32_for_some_steps():
    """On a CPU its attention, dropout and optimizer are other ones; dropout is off here."""
    joined, losses = short(), {}
    for precision in ("fp32", "bf16"):
        trainer = trainer_of(joined, settings(batch=100, precision=precision))
        for _ in range(3):
            trainer.step()
        losses[precision] = trainer.losses
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=1e-3)
    assert losses["bf16"] != losses["fp32"]


def test_the_fused_optimizer_does_what_the_plain_one_does():
    joined, chosen = short(), settings(precision="bf16", weight_decay=0.3)
    trainers = [trainer_of(joined, chosen) for _ in range(2)]
    assert trainers[0].optimizer.defaults["fused"]
    assert not trainer_of(joined, settings()).optimizer.defaults["fused"]
    for group in trainers[1].optimizer.param_groups:
        group["fused"] = None
    for trainer in trainers:
        for _ in range(3):
            trainer.step()
    for a, b in zip(trainers[0].parameters, trainers[1].parameters, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


def test_a_temperature_at_its_limit_comes_back():
    """Beyond the limit it has no gradient; a step puts it back to where it has one."""
    trainer = trainer_of(short(), settings([("imu", "video")], learning_rate=1e-2))
    with torch.no_grad():
        trainer.model.loss.log_scale.fill_(9.0)
    trainer.step()
    at_limit = trainer.model.loss.scale.item()
    assert 99.9 < at_limit < MAX_SCALE
    trainer.step()
    gradient = trainer.model.loss.log_scale.grad.item()
    assert gradient > 0  # nothing is learned yet: it asks for warmth
    assert trainer.model.loss.scale.item() < at_limit


def test_where_there_is_no_glibc_memory_is_left_alone(monkeypatch):
    monkeypatch.setattr(device.ctypes, "CDLL", lambda _: object())
    device.keep_freed_memory()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_one_sentence():
    with pytest.raises(AuraError, match=r"train\.device is cuda, and torch sees none here"):
        run(short(), settings(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_gives_what_the_cpu_gives():
    joined = short()
    _, (cpu,), _ = run(joined, settings(epochs=1, precision="fp32"))
    model, (gpu,), _ = run(joined, settings(epochs=1, precision="fp32", device="cuda"))
    assert gpu["loss"] == pytest.approx(cpu["loss"], abs=1e-3)
    assert next(model.parameters()).device.type == "cpu"
    _, (low,), _ = run(joined, settings(epochs=1, device="auto"))
    assert low["loss"] == pytest.approx(cpu["loss"], abs=0.1)


@pytest.mark.parametrize(
    ("splits", "sentence"),
    [
        (("test", "val", "test"), "training split has 0 windows"),
        (("train", "train", "test"), "validation split has 0 windows"),
    ],
)
def test_an_empty_split_is_one_sentence(splits, sentence):
    joined, _, _ = windows(splits=splits)
    chosen = settings()
    model = training.Model(
        training.Shape(1000, 50, DIM), chosen.imu_encoder, chosen.mocap_encoder, chosen.loss
    )
    with pytest.raises(AuraError, match=sentence):
        training.train_phase(model, joined, chosen.imu, chosen, 0, print)


def test_a_pair_that_no_window_has_is_one_sentence():
    joined = short()
    none = torch.zeros(len(joined), dtype=torch.bool)
    deaf = replace(joined, has={**joined.has, "text": none})
    with pytest.raises(AuraError, match="No training window has both modalities"):
        run(deaf, settings([("imu", "text")]))


def test_a_loss_that_is_not_finite_stops_and_keeps_the_batch(tmp_path):
    """A sample that is not a number, in one window: that batch is named, and is on disk."""
    joined, chosen = short(), settings(epochs=2)
    bad = joined.rows("train")[5]
    joined.imu[joined.samples[bad] + 7] = float("nan")
    files = training.Files(tmp_path / "joint/checkpoint.pt", tmp_path / "bad.safetensors")
    model = fresh(learn_from(joined, bad), chosen)
    with pytest.raises(AuraError, match=r"not finite in epoch 1, step \d of 5") as stopped:
        training.train_phase(model, joined, chosen.joint, chosen, 0, print, files=files)
    assert str(files.bad_batch) in str(stopped.value)
    assert all(weight.isfinite().all() for weight in model.parameters())
    with safe_open(files.bad_batch, "pt") as kept:
        ids = json.loads(kept.metadata()["window_ids"])
        imu = kept.get_tensor("imu")
        assert {"mocap", "text", "has.video", "take"} <= set(kept.keys())
    assert joined.ids[bad] in ids
    assert len(imu) == len(ids)
    assert imu[ids.index(joined.ids[bad])].isnan().any()
    assert imu.isnan().flatten(1).any(1).sum() == 1


def learn_from(joined, bad):
    """The same windows without one, to fit the scale on."""
    return replace(joined, split=np.where(np.arange(len(joined)) == bad, "none", joined.split))


def test_a_gradient_that_is_not_finite_stops_as_well(monkeypatch):
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: torch.tensor(float("inf")))
    with pytest.raises(AuraError, match="gradient is not finite in epoch 1, step 1 of 5"):
        run(short(), settings())


def test_warm_up_then_cosine():
    factors = [optim.warmup_cosine(step, 100, 0.1) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == 1
    assert factors[9:] == sorted(factors[9:], reverse=True)
    assert factors[-1] < 0.01


def test_compiling_changes_neither_the_losses_nor_the_names_of_the_weights(monkeypatch):
    """Through torch's tracer, with the kernels left as they are."""
    whole = torch.nn.Module.compile
    called = []

    def traced(module, **kwargs):
        called.append(type(module).__name__)
        whole(module, backend="eager", **kwargs)

    monkeypatch.setattr(torch.nn.Module, "compile", traced)
    joined, found = short(), {}
    for compiled in (False, True):
        trainer = trainer_of(joined, settings(batch=100, compile=compiled))
        for _ in range(2):
            trainer.step()
        found[compiled] = trainer.losses, list(trainer.model.state_dict())
    assert len(called) == 2
    assert found[True][0] == pytest.approx(found[False][0], rel=1e-5)
    assert found[True][1] == found[False][1]
