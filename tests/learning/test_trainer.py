"""A training step by step, and what stops one."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from aura.errors import AuraError
from aura.learning import device, optim, training
from aura.learning.losses import MAX_SCALE
from tests.small import DIM, fresh, settings, short, train, windows

VALIDATION = "aura.learning.trainer.validation_mrr"


def trainer_of(joined, params):
    model = fresh(joined, params)
    return training.Trainer(model, joined, params.joint, params, 0)


def test_averaged_weights_are_what_is_validated_and_kept(monkeypatch):
    """Against an average kept by hand after each step of the optimizer."""
    joined, params = short(), settings(epochs=2, ema=0.9, patience=None)
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

    live = fresh(joined, params)
    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    scored = training.validation_mrr
    monkeypatch.setattr(
        VALIDATION,
        lambda model, *rest: validated.append(model) or scored(model, *rest),
    )
    training.train_phase(live, joined, params.joint, params, 0, lambda _: None, select=False)
    for name, weight in live.named_parameters():
        torch.testing.assert_close(weight.detach(), by_hand[name], atol=1e-6, rtol=1e-5)
    again = fresh(joined, params)
    training.train_phase(again, joined, params.joint, params, 0, lambda _: None)
    assert len(validated) == 2
    assert again not in validated


def test_norms_biases_and_the_temperature_do_not_decay():
    """One step with a learning rate and no gradient moves what decays, and nothing else."""
    joined = short()
    params = settings(epochs=1, weight_decay=0.5, batch=100)
    trainer = trainer_of(joined, params)
    for weight in trainer.parameters:
        weight.grad = torch.zeros_like(weight)
    trainer.model.loss.log_scale.grad.zero_()
    before = {name: w.detach().clone() for name, w in trainer.model.named_parameters()}
    trainer.optimizer.step()
    moved = {n for n, w in trainer.model.named_parameters() if not torch.equal(w, before[n])}
    matrices = {n for n, w in before.items() if w.ndim > 1 and w.any()}
    assert moved == matrices
    assert "loss.log_scale" in before


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
    joined, params = short(), settings(precision="bf16", weight_decay=0.3)
    trainers = [trainer_of(joined, params) for _ in range(2)]
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
        train(short(), settings(device="cuda"))


@pytest.mark.parametrize(
    ("splits", "sentence"),
    [
        (("test", "val", "test"), "training split has 0 windows"),
        (("train", "train", "test"), "validation split has 0 windows"),
    ],
)
def test_an_empty_split_is_one_sentence(splits, sentence):
    joined, _, _ = windows(splits=splits)
    params = settings()
    model = training.Model(
        training.Shape(1000, 50, DIM), params.imu_encoder, params.mocap_encoder, params.loss
    )
    with pytest.raises(AuraError, match=sentence):
        training.train_phase(model, joined, params.imu, params, 0, print)


def test_a_pair_that_no_window_has_is_one_sentence():
    joined = short()
    none = torch.zeros(len(joined), dtype=torch.bool)
    deaf = replace(joined, has={**joined.has, "text": none})
    with pytest.raises(AuraError, match="No training window has both modalities"):
        train(deaf, settings([("imu", "text")]))


def test_a_loss_that_is_not_finite_stops_and_keeps_the_batch(tmp_path):
    """A sample that is not a number, in one window: that batch is named, and is on disk."""
    joined, params = short(), settings(epochs=2)
    bad = joined.rows("train")[5]
    joined.imu[joined.samples[bad] + 7] = float("nan")
    files = training.Files(tmp_path / "joint/checkpoint.pt", tmp_path / "bad.safetensors")
    model = fresh(without_row(joined, bad), params)
    with pytest.raises(AuraError, match=r"not finite in epoch 1, step \d of 5") as stopped:
        training.train_phase(model, joined, params.joint, params, 0, print, files=files)
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


def without_row(joined, row):
    """The same windows without one, to fit the scale on."""
    return replace(joined, split=np.where(np.arange(len(joined)) == row, "none", joined.split))


def test_a_gradient_that_is_not_finite_stops_as_well(monkeypatch):
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: torch.tensor(float("inf")))
    with pytest.raises(AuraError, match="gradient is not finite in epoch 1, step 1 of 5"):
        train(short(), settings())


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
