from dataclasses import replace

import numpy as np
import pytest
import torch

from aura import config
from aura.downstream import classifier, finetune, heads, transforms
from aura.errors import AuraError
from tests.downstream.planted import (
    CLASSES,
    SAMPLES,
    encoder,
    equal,
    weights_of,
    windows_of_classes,
)

PARAMS = config.Finetune(epochs=16, learning_rate=3e-3, encoder_rate=1.0)
OFF = config.Augment()


@pytest.mark.parametrize("modality", ["imu", "mocap"])
def test_fine_tuning_learns_a_planted_class_but_not_shuffled_labels(modality):
    windows, label, train, test = windows_of_classes()
    subject = encoder(modality)
    before = weights_of(subject)
    history = []
    params = PARAMS.model_copy(update={"mixup": 0.2})
    augmentation = config.Augment(jitter=0.05)
    logits = finetune.fine_tune(
        subject, windows, label, train, test, CLASSES, params, augmentation, 1, 16, history.append
    )
    assert logits.shape == (len(test), CLASSES)
    assert logits.dtype == np.float32
    assert (logits.argmax(1) == label[test]).mean() > 0.9
    assert equal(before, weights_of(subject))
    assert [s["epoch"] for s in history] == list(range(params.epochs))
    assert history[-1]["loss"] < history[0]["loss"]
    shuffled = label.copy()
    shuffled[train] = np.random.default_rng(0).permutation(label[train])
    logits = finetune.fine_tune(
        subject, windows, shuffled, train, test, CLASSES, params, augmentation, 1, 16
    )
    assert (logits.argmax(1) == label[test]).mean() < 0.6


def test_a_seed_gives_the_same_logits_and_nothing_of_the_test_rows_is_learned():
    windows, label, train, test = windows_of_classes(60)
    params = PARAMS.model_copy(update={"epochs": 2, "mixup": 0.3})
    augmentation = config.Augment(jitter=0.1, rotation_deg=20, shift_s=0.1)
    subject = encoder()

    def logits_of(windows=windows, label=label, seed=4):
        torch.seed()  # whatever was drawn before
        return finetune.fine_tune(
            subject, windows, label, train, test, CLASSES, params, augmentation, seed, 16
        )

    logits = logits_of()
    assert np.array_equal(logits_of(), logits)
    assert not np.array_equal(logits_of(seed=5), logits)
    wrong = label.copy()
    wrong[test] = -1
    imu = windows.imu.clone()
    imu[windows.samples[test[-1]] :] = 1e6
    poisoned = logits_of(replace(windows, imu=imu), wrong)
    assert np.array_equal(poisoned[:-1], logits[:-1])
    assert not np.array_equal(poisoned[-1], logits[-1])


def test_fine_tuning_leaves_the_global_generator_alone():
    windows, label, train, _ = windows_of_classes(30)
    subject = encoder()
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    params = PARAMS.model_copy(update={"epochs": 1})
    finetune.fit([subject], windows, label, train, CLASSES, params, OFF, 0)
    classifier.reinitialized(subject, 3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_encoders_move_at_their_own_rate():
    """The first step of Adam moves each weight by its rate."""
    windows, label, train, _ = windows_of_classes(30)
    for ratio in (0.25, 0.0):
        subject = encoder()
        params = config.Finetune(epochs=1, learning_rate=1e-3, encoder_rate=ratio)
        trained = finetune.fit([subject], windows, label, train, CLASSES, params, OFF, 0)
        moved = trained.encoders["imu"].trunk.norm.bias - subject.trunk.norm.bias
        assert moved.abs().max().item() == pytest.approx(1e-3 * ratio, rel=0.01)
        if ratio == 0:
            assert equal(weights_of(trained.encoders["imu"]), weights_of(subject))


def test_a_head_that_starts_from_a_probe_answers_as_the_probe_before_it_is_trained():
    windows, label, train, test = windows_of_classes(60)
    imu, mocap = encoder("imu"), encoder("mocap")
    subject = classifier.Classifier([imu, mocap], CLASSES + 1)  # no window of the last class
    finetune.start_from_probe(subject, windows, label, train)
    with torch.no_grad():
        features = [subject.features(windows.batch(rows)).numpy() for rows in (train, test)]
    logits = classifier.predict(subject, windows, test)
    people = windows.participant[train]
    expected = heads.linear_probe(features[0], label[train], features[1], CLASSES + 1, people)
    np.testing.assert_allclose(logits[:, :-1], expected[:, :-1], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(logits[:, -1], finetune.MIN_BIAS, atol=1e-3)
    params = PARAMS.model_copy(update={"epochs": 1, "learning_rate": 1e-7, "head": "probe"})
    tuned = finetune.fine_tune(
        [imu, mocap], windows, label, train, test, CLASSES + 1, params, OFF, 0
    )
    assert np.array_equal(tuned.argmax(1), logits.argmax(1))
    random = PARAMS.model_copy(update={"epochs": 1, "learning_rate": 1e-7})
    tuned = finetune.fine_tune(
        [imu, mocap], windows, label, train, test, CLASSES + 1, random, OFF, 0
    )
    assert not np.array_equal(tuned.argmax(1), logits.argmax(1))


def test_a_window_without_a_label_or_the_modality_is_not_trained_on():
    windows, label, train, test = windows_of_classes(60)
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
    windows, label, train, test = windows_of_classes(30)
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


def test_views_are_averaged_plainly():
    windows, label, train, test = windows_of_classes(60)
    params = config.Finetune(epochs=1, views=3)
    augmentation = config.Augment(shift_s=0.1)
    subject = encoder()
    logits = finetune.fine_tune(
        subject, windows, label, train, test, CLASSES, params, augmentation, 0
    )
    trained = finetune.fit([subject], windows, label, train, CLASSES, params, augmentation, 0)
    with torch.no_grad():
        batch = windows.batch(test)
        views = [trained(transforms.shift(batch, s)).softmax(1).numpy() for s in (-0.1, 0.0, 0.1)]
    assert np.allclose(np.exp(logits), np.mean(views, axis=0), atol=1e-5)
    assert not np.allclose(views[0], views[1], atol=1e-3)
    small, whole = (classifier.predict(trained, windows, test, batch=n) for n in (7, 256))
    assert np.allclose(small, whole, atol=1e-5)


def test_joint_fusion_uses_the_modality_that_is_there():
    windows, label, train, test = windows_of_classes(180)
    for offset, modality in enumerate(("imu", "mocap")):
        gone = np.arange(len(windows)) % 4 == offset
        windows.has[modality][torch.from_numpy(gone)] = False
    imu = windows.imu.view(len(windows), SAMPLES, 6)
    imu[~windows.has["imu"]] = np.nan  # never read
    windows.mocap[~windows.has["mocap"]] = np.nan
    both = [encoder("imu"), encoder("mocap")]
    params = PARAMS.model_copy(update={"mixup": 0.1})
    trained = finetune.fit(both, windows, label, train, CLASSES, params, OFF, 0, 16)
    logits = classifier.predict(trained, windows, test)
    correct = logits.argmax(1) == label[test]
    for kind in range(4):
        assert correct[test % 4 == kind].mean() > 0.9, kind
    for modality in ("imu", "mocap"):
        assert trained.absent[modality].abs().max() > 0  # learned
    nothing = replace(windows, has={m: v & False for m, v in windows.has.items()})
    logits = classifier.predict(trained, nothing, test)
    assert np.isfinite(logits).all()
    assert (logits == logits[0]).all()
