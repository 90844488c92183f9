"""A phase of training as a whole: what it learns, leaves and validates."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from aura import config
from aura.errors import AuraError
from aura.learning import training
from aura.learning.losses import InfoNCE
from tests.small import DIM, fresh, learnable, settings, short, train

VALIDATION = "aura.learning.trainer.validation_mrr"


def fit(joined, seed=0, **more):
    params = settings(
        [("imu", "video")], **{"epochs": 12, "learning_rate": 3e-3, "batch": 16, **more}
    )
    model = fresh(joined, params)
    curve = []
    best = training.train_phase(model, joined, params.imu, params, seed, curve.append)
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


def test_channels_that_an_imu_has_not_do_not_count_for_the_scale():
    """Of half of the takes the gyroscope is missing, of all of them one axis."""
    joined = short()
    rows = joined.rows("train")
    channels = torch.ones(len(joined), 6, dtype=torch.bool)
    channels[:, 5] = False
    channels[rows[::2], 3:] = False
    joined = replace(joined, imu_channels=channels)
    batch = joined.batch(rows)
    assert torch.equal(batch.imu_channels, channels[rows])
    model = fresh(joined, settings())
    training.fit_scale(model, joined, rows)
    for channel in range(5):
        having = batch.imu[channels[rows, channel]][..., channel]
        samples = having[batch.imu_valid[channels[rows, channel]]]
        torch.testing.assert_close(model.imu.scale[0, channel], samples.mean())
        torch.testing.assert_close(model.imu.scale[1, channel], samples.std())
    assert model.imu.scale[:, 5].tolist() == [0.0, 1.0]


def test_without_validation_the_last_weights_are_left():
    joined, params = short(), settings()
    alone = replace(joined, split=np.where(joined.split == "val", "test", joined.split))
    with pytest.raises(AuraError, match="validation split has 0 windows"):
        train(alone, params)
    model, curve, best = train(alone, params, select=False)
    assert [set(row) for row in curve] == [{"epoch", "loss", "temperature"}] * 3
    assert best == curve[-1]
    # The same weights as those of a run whose validation, each time better, is replaced.
    with pytest.MonkeyPatch.context() as patch:
        calls = []
        patch.setattr(VALIDATION, lambda *_: calls.append(1) or len(calls) / 10)
        other, _, _ = train(joined, params)
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
    model, curve, best = train(short(), settings(epochs=4, patience=2))
    assert len(curve) == epochs
    assert best["epoch"] == scores.index(max(scores))
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, seen[best["epoch"]][name]), name


def test_a_phase_leaves_the_encoder_alone_that_its_pairs_do_not_name():
    joined, params = short(), settings([("imu", "text")], epochs=1)
    before = fresh(joined, params)
    model, _, _ = train(joined, params)
    equal(model.mocap, before.mocap)
    with pytest.raises(AssertionError):
        equal(model.imu, before.imu)


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
    _, (plain,), _ = train(joined, settings(**one))
    assert not seen
    augment = config.Augment(jitter=0.5)
    _, (with_views,), _ = train(joined, settings(**one, loss=config.Loss(views=0.25)))
    assert with_views["loss"] == pytest.approx(plain["loss"] + 0.25, abs=1e-6)
    assert len(seen) == 2  # one a sensor
    assert all(torch.equal(a, b) for a, b, _ in seen)
    seen.clear()
    train(joined, settings(**one, loss=config.Loss(views=0.25), augment=augment))
    assert not any(torch.equal(a, b) for a, b, _ in seen[:1])


def test_bf16_is_near_fp32_and_not_the_same():
    joined = short()
    _, (exact,), _ = train(joined, settings(epochs=1, batch=100, precision="fp32"))
    _, (low,), _ = train(joined, settings(epochs=1, batch=100, precision="bf16"))
    _, (auto,), _ = train(joined, settings(epochs=1, batch=100, precision="auto"))
    assert low["loss"] == pytest.approx(exact["loss"], abs=0.05)
    assert low["loss"] != exact["loss"]
    assert auto == exact  # on a CPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_gives_what_the_cpu_gives():
    joined = short()
    _, (cpu,), _ = train(joined, settings(epochs=1, precision="fp32"))
    model, (gpu,), _ = train(joined, settings(epochs=1, precision="fp32", device="cuda"))
    assert gpu["loss"] == pytest.approx(cpu["loss"], abs=1e-3)
    assert next(model.parameters()).device.type == "cpu"
    _, (low,), _ = train(joined, settings(epochs=1, device="auto"))
    assert low["loss"] == pytest.approx(cpu["loss"], abs=0.1)
