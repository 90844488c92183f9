"""Heads from pretrained and random encoders: which windows, which draws, which differences."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax

from aura.config import Augment, Finetune, Loss
from aura.downstream import tasks
from aura.downstream.classifier import reinitialized
from aura.downstream.compare import compare
from aura.downstream.convolutions import random_convolutions
from aura.downstream.ensemble import average
from aura.downstream.finetune import fine_tune
from aura.downstream.tasks import Head
from aura.learning import training
from tests import small


@pytest.fixture(scope="module")
def study():
    """Windows, and what every head predicts for those of the test split."""
    windows = small.learnable()
    label = (windows.video[:, 0] > 0).long().numpy()  # what the IMU tells
    has = windows.has["imu"].clone()
    rows = windows.rows("test")
    has[rows[0]] = False
    windows = replace(windows, has={**windows.has, "imu": has})
    torch.manual_seed(0)
    shape = training.Shape(windows.window_samples, windows.mocap.shape[1], small.DIM)
    model = training.Model(shape, small.IMU, small.MOCAP, Loss())
    params = Finetune(epochs=2, shots=(1, 3), draws=4)
    train = np.flatnonzero(windows.split != "test")
    args = (windows, label, train, rows, 2, params, Augment(), 0)
    encoders = {"imu": model.imu, "mocap": model.mocap}
    return windows, list(tasks.fit_predict(encoders, *args, draws=4))


def test_every_head_has_a_random_twin_and_the_fused_one_comes_last(study):
    windows, predictions = study
    heads = [p.head for p in predictions]
    half = len(heads) // 2
    assert [h._replace(start="random") for h in heads[:half]] == heads[half:]
    assert [h.name for h in heads[:4]] == [
        "imu fine-tuned", "imu linear probe", "imu 1-shot", "imu 3-shot"
    ]  # fmt: skip
    assert heads[-1].name == "fused fine-tuned, random start"
    tests = len(windows.rows("test"))
    assert {p.predicted.shape for p in predictions if p.head.method == "k-shot"} == {(4, tests)}
    assert {p.predicted.shape for p in predictions if p.head.method != "k-shot"} == {(1, tests)}


def test_a_window_without_the_signal_gets_no_class_but_from_the_fused_head(study):
    for head, predicted in ((p.head, p.predicted) for p in study[1]):
        assert (predicted[:, 0] == -1).all() == (head.modality == "imu")
        assert (predicted[:, 1:] >= 0).all()


@pytest.fixture
def arguments():
    windows = small.learnable()
    label = (windows.video[:, 0] > 0).long().numpy()
    torch.manual_seed(0)
    shape = training.Shape(windows.window_samples, windows.mocap.shape[1], small.DIM)
    model = training.Model(shape, small.IMU, small.MOCAP, Loss())
    train = np.flatnonzero(windows.split != "test")
    rows = windows.rows("test")
    return {"imu": model.imu, "mocap": model.mocap}, (windows, label, train, rows, 2)


def logits_of_heads(monkeypatch, arguments, params):
    """What every head predicts, and the logits that the fused one averages, by start."""
    encoders, args = arguments
    fused = []

    def watched(logits, present=None):
        if present is not None:
            fused.append(logits)
        return average(logits, present)

    monkeypatch.setattr(tasks, "average", watched)
    return list(tasks.fit_predict(encoders, *args, params, Augment(), 5)), fused


def test_members_are_networks_of_seeds_in_a_row_whose_probabilities_are_averaged(
    monkeypatch, arguments
):
    params = Finetune(epochs=2, shots=(), members=2)
    _, (pretrained, random) = logits_of_heads(monkeypatch, arguments, params)
    encoders, args = arguments
    for number, encoder in enumerate(encoders.values()):
        for start, found in (("pretrained", pretrained), ("random", random)):
            odds = []
            for seed in (5, 6):
                first = encoder if start == "pretrained" else reinitialized(encoder, seed)
                odds.append(softmax(fine_tune(first, *args, params, Augment(), seed), axis=1))
            assert np.abs(odds[0] - odds[1]).max() > 1e-3
            np.testing.assert_allclose(
                softmax(found[number], axis=1), np.mean(odds, axis=0), atol=1e-6
            )


def test_one_member_is_the_network_itself(monkeypatch, arguments):
    params = Finetune(epochs=2, shots=())
    _, (pretrained, random) = logits_of_heads(monkeypatch, arguments, params)
    encoders, args = arguments
    for found, encoder in (
        (pretrained, encoders["imu"]),
        (random, reinitialized(encoders["imu"], 5)),
    ):
        np.testing.assert_array_equal(found[0], fine_tune(encoder, *args, params, Augment(), 5))


def test_random_convolutions_are_a_head_of_their_own_and_part_of_the_imu_s(monkeypatch, arguments):
    params = Finetune(epochs=2, shots=(1,))
    before, plain = logits_of_heads(monkeypatch, arguments, params)
    heads, found = logits_of_heads(
        monkeypatch, arguments, params.model_copy(update={"convolutions": 1})
    )
    _, args = arguments
    convolved = random_convolutions(*args, 1, 5)
    assert heads[0].head == Head("imu", "random convolutions", None, "no encoder")
    assert heads[0].head.name == "imu random convolutions"
    np.testing.assert_array_equal(heads[0].predicted[0], convolved.argmax(1))
    assert [p.head for p in heads[1:]] == [p.head for p in before]
    for (imu, mocap), (imu_before, mocap_before) in zip(found, plain, strict=True):
        expected = (softmax(imu_before, axis=1) + softmax(convolved, axis=1)) / 2
        np.testing.assert_allclose(softmax(imu, axis=1), expected, atol=1e-6)
        np.testing.assert_array_equal(mocap, mocap_before)
    rows, gains = tasks.score(
        {p.head: p.predicted for p in heads}, args[1][args[3]], args[3], 2, 9, 0
    )
    assert {r["start"] for r in rows if r["head"] == "random convolutions"} == {"no encoder"}
    assert "random convolutions" not in {g["head"] for g in gains}


def test_scores_and_gains_by_hand():
    label = np.array([0, 0, 1, 1, -1, 1])
    unit = np.array(["a", "a", "b", "b", "c", "c"])
    few = {"modality": "imu", "method": "k-shot", "shots": 1}
    predicted = {
        Head(**few, start="pretrained"): [[0, 0, 1, 1, 0, -1], [0, 0, 1, 0, 0, -1]],
        Head(**few, start="random"): [[0, 1, 1, 0, 0, -1], [0, 1, 1, 0, 0, -1]],
    }
    predicted = {head: np.array(rows) for head, rows in predicted.items()}
    rows, gains = tasks.score(predicted, label, unit, 2, 50, 0)
    first = rows[0]
    assert first["n"] == 4  # one has no label, one no class
    assert first["value"] == pytest.approx((4 + 3) / 8)
    assert rows[2]["value"] == pytest.approx(0.5)
    assert rows[1]["value"] == pytest.approx((1 + (0.8 + 2 / 3) / 2) / 2)
    (gain,) = gains
    assert gain["value"] == pytest.approx(7 / 8 - 1 / 2)
    assert (gain["head"], gain["shots"]) == ("k-shot", 1)


def test_negative_transfer_is_named_only_where_the_interval_says_so():
    gain = {"modality": "imu", "head": "fine-tuned", "shots": None, "value": -0.1}
    worse = {**gain, "low": -0.15, "high": -0.05}
    unclear = {**gain, "low": -0.15, "high": 0.02}
    (warning,) = tasks.negative_transfer([worse, unclear, {**gain, "low": None, "high": None}])
    assert "imu fine-tuned: the pretrained start is worse than a random one by 0.100" in warning


def test_models_are_compared_with_the_first_on_the_same_windows():
    label = np.array([0, 0, 1, 1, -1, 1])
    unit = np.array(["a", "a", "b", "b", "c", "c"])
    predicted = {
        "first": np.array([[0, 1, 1, 0, 0, -1], [0, 1, 1, 0, 0, -1]]),
        "second": np.array([[0, 0, 1, 1, 0, -1], [0, 0, 1, 0, 0, -1]]),
        "none": np.full((2, 6), -1),
    }
    table = compare(predicted, label, unit, 2, 50, 0)
    assert list(table) == ["first", "second"]  # one that says nothing has no row
    assert "gain" not in table["first"]
    first, second = table["first"], table["second"]
    assert first["n"] == second["n"] == 4  # one has no label, one no class
    f1 = (1 + (0.8 + 2 / 3) / 2) / 2  # mean over seeds
    assert first["macro-F1"]["value"] == pytest.approx(0.5)
    assert second["macro-F1"]["value"] == pytest.approx(f1)
    assert second["accuracy"]["value"] == pytest.approx(7 / 8)
    assert second["gain"]["value"] == pytest.approx(f1 - 0.5)
    assert second["gain"]["low"] <= second["gain"]["value"] <= second["gain"]["high"]
    same = compare({"a": predicted["first"], "b": predicted["first"].copy()}, label, unit, 2, 50, 0)
    assert [same["b"]["gain"][key] for key in ("value", "low", "high")] == [0, 0, 0]  # paired


def test_few_labels_for_fine_tuning_are_of_windows_that_have_the_signal(monkeypatch):
    windows = small.learnable()
    label = (windows.video[:, 0] > 0).long().numpy()
    train = np.flatnonzero(windows.split != "test")
    has = windows.has["imu"].clone()
    has[train[::2]] = False
    windows = replace(windows, has={**windows.has, "imu": has})
    torch.manual_seed(0)
    shape = training.Shape(windows.window_samples, windows.mocap.shape[1], small.DIM)
    model = training.Model(shape, small.IMU, small.MOCAP, Loss())
    asked, real = [], tasks.fine_tune_members

    def remember(starts, windows, labels, rows, test, classes, params, *rest):
        asked.append((rows, params.epochs))
        return real(starts, windows, labels, rows, test, classes, params, *rest)

    monkeypatch.setattr(tasks, "fine_tune_members", remember)
    params = Finetune(epochs=1, shots=(1,), tuned_shots=(1, 2), tuned_epochs=2)
    rows = windows.rows("test")
    found = list(
        tasks.fit_predict(
            {"imu": model.imu}, windows, label, train, rows, 2, params, Augment(), 0, 3
        )
    )
    few = [rows for rows, epochs in asked if epochs == 2]
    assert len(few) == 2 * 2 * 3  # numbers of labels, starts, draws
    for rows in few:
        assert has[rows].all()
        assert set(np.bincount(label[rows], minlength=2)) in ({1}, {2})
    starts = np.array_split(np.arange(len(few)), 2)
    for one, two in zip(*starts, strict=True):
        assert np.array_equal(few[one], few[two])  # both starts see the same labels
    tuned = [p.head for p in found if p.head.method == "fine-tuned"]
    assert [(h.shots, h.start) for h in tuned] == [
        (shots, start) for start in ("pretrained", "random") for shots in (None, 1, 2)
    ]
    assert tuned[1].name == "imu fine-tuned on 1 labels a class"
    assert {p.predicted.shape[0] for p in found if p.head.shots} == {3}
