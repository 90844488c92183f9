import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from aura import config, encoders
from aura.downstream import finetune
from aura.errors import AuraError
from aura.learning.batches import Windows

CLASSES = 3
SAMPLES, FRAMES = 200, 10
SHAPE = encoders.Shape(SAMPLES, FRAMES, 8)
TINY = {"width": 32, "layers": 1, "heads": 2}
PARAMS = config.Finetune(epochs=16, learning_rate=3e-3, encoder_rate=1.0)
OFF = config.Augment()


# --- planted problems -------------------------------------------------------------------------


def planted(n=120, seed=0):
    """Windows whose class is the rate of a gyroscope's swing, and the height of the arms."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % CLASSES
    t = np.arange(SAMPLES) / config.IMU_RATE_HZ
    imu = rng.normal(0, 0.3, (n, SAMPLES, 6)).astype(np.float32)
    phase = rng.random((n, 1)) * 2 * np.pi
    imu[:, :, 4] += np.sin(2 * np.pi * np.array([3, 7, 15])[label][:, None] * t + phase)
    mocap = rng.normal(0, 0.05, (n, FRAMES, 17, 3)).astype(np.float32)
    mocap[:, :, 7:11, 2] += (label[:, None, None] - 1) / 2
    none = torch.zeros(n, dtype=torch.bool)
    windows = Windows(
        ids=[str(i) for i in range(n)],
        take=np.array([f"take {i // 2}" for i in range(n)]),
        participant=np.array([f"person {i % 5}" for i in range(n)]),
        capture=np.array(["capture"] * n),
        split=np.array(["train"] * n),
        label=label.astype(object),
        action=np.full(n, None),
        imu=torch.from_numpy(imu.reshape(-1, 6)),
        imu_valid=torch.ones(n * SAMPLES, dtype=torch.bool),
        samples=torch.arange(n) * SAMPLES,
        mocap=torch.from_numpy(mocap),
        mocap_valid=torch.ones(n, FRAMES, 17, dtype=torch.bool),
        video=torch.zeros(n, 8),
        text=torch.zeros(1, 8),
        texts=[[] for _ in range(n)],
        has={"imu": ~none, "mocap": ~none, "video": none, "text": none},
        window_samples=SAMPLES,
        start_s=torch.zeros(n, dtype=torch.float64),
    )
    return windows, label, np.arange(n)[: n * 2 // 3], np.arange(n)[n * 2 // 3 :]


def encoder(modality="imu", seed=0, dropout=0.1, name=None, **options):
    torch.manual_seed(seed)
    name = name or f"{modality}-transformer"
    options = {**(TINY if "transformer" in name else {}), **options}
    if name == "imu-transformer":
        options = {"patch": 20, "stride": 20, **options}
    settings = config.Encoder(name=name, dropout=dropout, options=options)
    return encoders.build(modality, settings, SHAPE)


def state(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# --- fine-tuning ------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["imu", "mocap"])
def test_fine_tuning_learns_a_planted_class_but_not_shuffled_labels(modality):
    windows, label, train, test = planted()
    subject = encoder(modality)
    before = state(subject)
    seen = []
    params = PARAMS.model_copy(update={"mixup": 0.2})
    changes = config.Augment(jitter=0.05)
    logits = finetune.fine_tune(
        subject, windows, label, train, test, CLASSES, params, changes, 1, 16, seen.append
    )
    assert logits.shape == (len(test), CLASSES)
    assert logits.dtype == np.float32
    assert (logits.argmax(1) == label[test]).mean() > 0.9
    assert same(before, state(subject))
    assert [s["epoch"] for s in seen] == list(range(params.epochs))
    assert seen[-1]["loss"] < seen[0]["loss"]
    shuffled = label.copy()
    shuffled[train] = np.random.default_rng(0).permutation(label[train])
    logits = finetune.fine_tune(
        subject, windows, shuffled, train, test, CLASSES, params, changes, 1, 16
    )
    assert (logits.argmax(1) == label[test]).mean() < 0.6


def test_a_seed_gives_the_same_logits_and_nothing_of_the_test_rows_is_learned():
    windows, label, train, test = planted(60)
    params = PARAMS.model_copy(update={"epochs": 2, "mixup": 0.3})
    changes = config.Augment(jitter=0.1, rotation_deg=20, shift_s=0.1)

    subject = encoder()

    def run(windows=windows, label=label, seed=4):
        torch.seed()  # whatever was drawn before
        return finetune.fine_tune(
            subject, windows, label, train, test, CLASSES, params, changes, seed, 16
        )

    logits = run()
    assert np.array_equal(run(), logits)
    assert not np.array_equal(run(seed=5), logits)
    wrong = label.copy()
    wrong[test] = -1
    imu = windows.imu.clone()
    imu[windows.samples[test[-1]] :] = 1e6
    poisoned = run(replace(windows, imu=imu), wrong)
    assert np.array_equal(poisoned[:-1], logits[:-1])
    assert not np.array_equal(poisoned[-1], logits[-1])


def test_fine_tuning_leaves_the_global_generator_alone():
    windows, label, train, _ = planted(30)
    subject = encoder()
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    params = PARAMS.model_copy(update={"epochs": 1})
    finetune.fit([subject], windows, label, train, CLASSES, params, OFF, 0)
    finetune.twin(subject, 3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_encoders_move_at_their_own_rate():
    """The first step of Adam moves each weight by its rate."""
    windows, label, train, _ = planted(30)
    for ratio in (0.25, 0.0):
        subject = encoder()
        params = config.Finetune(epochs=1, learning_rate=1e-3, encoder_rate=ratio)
        found = finetune.fit([subject], windows, label, train, CLASSES, params, OFF, 0)
        moved = found.encoders["imu"].trunk.norm.bias - subject.trunk.norm.bias
        assert moved.abs().max().item() == pytest.approx(1e-3 * ratio, rel=0.01)
        if ratio == 0:
            assert same(state(found.encoders["imu"]), state(subject))


def test_a_window_without_a_label_or_the_modality_is_not_trained_on():
    windows, label, train, test = planted(60)
    label = label.copy()
    label[train[:5]] = -1
    windows.has["imu"][train[5:9]] = False
    params = PARAMS.model_copy(update={"epochs": 1})
    args = CLASSES, params, OFF, 0, 16
    assert np.array_equal(
        finetune.fine_tune(encoder(), windows, label, train, test, *args),
        finetune.fine_tune(encoder(), windows, label, train[9:], test, *args),
    )


def test_what_cannot_be_trained_on_is_a_sentence():
    windows, label, train, test = planted(30)
    args = CLASSES, PARAMS, OFF, 0
    with pytest.raises(AuraError, match="two classes"):
        finetune.fine_tune(encoder(), windows, label * 0, train, test, *args)
    with pytest.raises(AuraError, match="labels for"):
        finetune.fine_tune(encoder(), windows, label[:-1], train, test, *args)
    with pytest.raises(AuraError, match="not one of"):
        finetune.fine_tune(encoder(), windows, label + 1, train, test, *args)
    with pytest.raises(AuraError, match="one each"):
        finetune.fine_tune([encoder(), encoder()], windows, label, train, test, *args)
    windows.imu[300] = np.nan
    with pytest.raises(AuraError, match="not finite in epoch 0"):
        finetune.fine_tune(encoder(), windows, label, train, test, *args)


@pytest.mark.parametrize(
    ("modality", "options"),
    [
        ("imu", {}),
        ("imu", {"stem": "conv", "position": "rotary", "pool": "attention"}),
        ("imu", {"name": "imu2clip"}),
        ("mocap", {}),
        ("mocap", {"tokens": "joints"}),
    ],
)
def test_a_twin_has_the_shapes_and_scale_but_weights_as_new(modality, options):
    subject = encoder(modality, seed=1, **options)
    with torch.no_grad():
        for weight in subject.parameters():  # trained far from its start
            weight.mul_(7).add_(3)
        if modality == "imu":
            subject.scale.uniform_(1, 2)
    before = state(subject)
    fresh, born = finetune.twin(subject, 5), encoder(modality, seed=2, **options)
    assert same(before, state(subject))
    assert {k: v.shape for k, v in state(fresh).items()} == {k: v.shape for k, v in before.items()}
    for name, buffer in subject.named_buffers():
        assert torch.equal(buffer, fresh.get_buffer(name)), name
    for name, weight in fresh.named_parameters():
        like = born.get_parameter(name)
        if like.std(correction=0) == 0:  # gains of 1, biases of 0
            assert torch.equal(weight, like), name
            continue
        assert not torch.equal(weight, like), name
        if like.numel() >= 64:
            assert weight.std().item() == pytest.approx(like.std().item(), rel=0.35), name
    assert same(state(finetune.twin(subject, 5)), state(fresh))
    assert not same(state(finetune.twin(subject, 6)), state(fresh))


# --- mixup and views --------------------------------------------------------------------------


def test_mixup_equals_mixing_every_window_by_hand():
    windows, label, *_ = planted(9)
    rng = np.random.default_rng(0)
    batch = windows.batch(np.arange(9))
    batch = replace(
        batch,
        imu_valid=torch.from_numpy(rng.random((9, SAMPLES)) < 0.7),
        imu_channels=torch.from_numpy(rng.random((9, 6)) < 0.7),
        mocap_valid=torch.from_numpy(rng.random((9, FRAMES, 17)) < 0.7),
        has={**batch.has, "imu": torch.arange(9) % 3 > 0, "mocap": torch.arange(9) % 4 > 0},
    )
    batch.imu[~batch.has["imu"]] = np.nan  # never read
    kept = copy.deepcopy(batch)
    share, other = rng.beta(0.4, 0.4, 9).astype(np.float32), rng.permutation(9)
    target = torch.eye(CLASSES)[label]
    mixed, wanted = finetune.mixup(batch, target, torch.from_numpy(share), torch.from_numpy(other))
    assert torch.equal(batch.imu.nan_to_num(7), kept.imu.nan_to_num(7))

    def parts(i):
        imu_valid = kept.imu_valid[i] if kept.has["imu"][i] else kept.imu_valid[i] & False
        channels = kept.imu_channels[i] if kept.has["imu"][i] else kept.imu_channels[i] & False
        mocap_valid = kept.mocap_valid[i] if kept.has["mocap"][i] else kept.mocap_valid[i] & False
        imu = torch.where(imu_valid[:, None] & channels, kept.imu[i], 0)
        return imu, imu_valid, channels, kept.mocap[i] * mocap_valid[..., None], mocap_valid

    for i, (s, j) in enumerate(zip(share, other, strict=True)):
        a, b = parts(i), parts(j)
        assert torch.allclose(mixed.imu[i], s * a[0] + (1 - s) * b[0], atol=1e-6)
        assert torch.equal(mixed.imu_valid[i], a[1] | b[1])
        assert torch.equal(mixed.imu_channels[i], a[2] | b[2])
        assert torch.allclose(mixed.mocap[i], s * a[3] + (1 - s) * b[3], atol=1e-6)
        assert torch.equal(mixed.mocap_valid[i], a[4] | b[4])
        assert mixed.has["imu"][i] == (kept.has["imu"][i] | kept.has["imu"][j])
        assert mixed.has["mocap"][i] == (kept.has["mocap"][i] | kept.has["mocap"][j])
        assert torch.allclose(wanted[i], s * target[i] + (1 - s) * target[j], atol=1e-6)
    assert torch.allclose(wanted.sum(1), torch.ones(9))


def test_shifts_are_even_and_move_both_modalities_by_the_same_time():
    assert finetune.shifts(5, 0.2) == pytest.approx([-0.2, -0.1, 0.0, 0.1, 0.2])
    assert finetune.shifts(1, 0.2) == [0.0]
    assert finetune.shifts(4, 0.0) == [0.0]
    windows, *_ = planted(3)
    batch = windows.batch(np.arange(3))
    assert finetune.shift(batch, 0.0) is batch
    for seconds in (0.2, -0.2, 0.04, 0.125, 9.0):
        moved = finetune.shift(batch, seconds)
        for name, rate in (("imu", config.IMU_RATE_HZ), ("mocap", config.MOCAP_RATE_HZ)):
            x, y = getattr(batch, name), getattr(moved, name)
            t = np.arange(x.shape[1])
            inside = (t - seconds * rate > -1e-6) & (t - seconds * rate < t[-1] + 1e-6)
            valid = getattr(moved, f"{name}_valid").numpy()
            assert (valid.reshape(*valid.shape[:2], -1) == inside[:, None]).all()
            flat, found = x.flatten(2).numpy(), y.flatten(2).numpy()
            for window, series in np.ndindex(len(x), flat.shape[2]):
                wanted = np.interp(t - seconds * rate, t, flat[window, :, series]) * inside
                assert np.allclose(found[window, :, series], wanted, atol=2e-3)


def test_views_are_averaged_plainly():
    windows, label, train, test = planted(60)
    params = config.Finetune(epochs=1, views=3)
    changes = config.Augment(shift_s=0.1)
    subject = encoder()
    logits = finetune.fine_tune(subject, windows, label, train, test, CLASSES, params, changes, 0)
    found = finetune.fit([subject], windows, label, train, CLASSES, params, changes, 0)
    with torch.no_grad():
        batch = windows.batch(test)
        views = [found(finetune.shift(batch, s)).softmax(1).numpy() for s in (-0.1, 0.0, 0.1)]
    assert np.allclose(np.exp(logits), np.mean(views, axis=0), atol=1e-5)
    assert not np.allclose(views[0], views[1], atol=1e-3)
    assert np.allclose(
        finetune.predict(found, windows, test, batch=7), finetune.predict(found, windows, test),
        atol=1e-5,
    )  # fmt: skip


# --- joint fusion -----------------------------------------------------------------------------


def test_joint_fusion_uses_the_modality_that_is_there():
    windows, label, train, test = planted(180)
    for offset, modality in enumerate(("imu", "mocap")):
        gone = np.arange(len(windows)) % 4 == offset
        windows.has[modality][torch.from_numpy(gone)] = False
    imu = windows.imu.view(len(windows), SAMPLES, 6)
    imu[~windows.has["imu"]] = np.nan  # never read
    windows.mocap[~windows.has["mocap"]] = np.nan
    both = [encoder("imu"), encoder("mocap")]
    params = PARAMS.model_copy(update={"mixup": 0.1})
    found = finetune.fit(both, windows, label, train, CLASSES, params, OFF, 0, 16)
    logits = finetune.predict(found, windows, test)
    right = logits.argmax(1) == label[test]
    for kind in range(4):
        assert right[test % 4 == kind].mean() > 0.9, kind
    for modality in ("imu", "mocap"):
        assert found.absent[modality].abs().max() > 0  # learned
    nothing = replace(windows, has={m: v & False for m, v in windows.has.items()})
    logits = finetune.predict(found, nothing, test)
    assert np.isfinite(logits).all()
    assert (logits == logits[0]).all()
