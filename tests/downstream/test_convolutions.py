"""Random convolutions against slow loops, closed forms and planted classes."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.special import softmax

from aura.downstream import convolutions
from aura.downstream.convolutions import Kernels, random_convolutions, ridge_scores, temperature
from aura.errors import AuraError
from tests.downstream.planted import CLASSES, windows_of_classes

STEPS = 70


def signal(n=12, steps=40, channels=6, seed=0):
    return torch.randn(n, steps, channels, generator=torch.Generator().manual_seed(seed))


def test_features_are_those_of_a_loop_over_windows_kernels_and_moments():
    x = signal(steps=STEPS)
    kernels = Kernels(x, np.random.default_rng(3))
    features = kernels(x, batch=5)
    assert features.shape == (12, 4 * 84 * 3 * 6)
    taps_of = list(combinations(range(9), 3))
    column = 0
    for dilation, weights, biases in kernels.parts:
        for b in range(3):
            for k in range(84):
                seen = np.flatnonzero(weights[k].abs().sum(1).numpy())
                assert 1 <= len(seen) <= 4
                expected = np.full(9, -1.0)
                expected[list(taps_of[k])] = 2
                np.testing.assert_array_equal(weights[k, seen], [expected] * len(seen))
                if k % 29:  # a few kernels of each bias are looped over
                    column += 6
                    continue
                for n in (0, 7):
                    above = np.zeros(STEPS)
                    for t in range(STEPS):
                        total = sum(
                            float(expected[i]) * float(x[n, t + (i - 4) * dilation, c])
                            for i in range(9)
                            for c in seen
                            if 0 <= t + (i - 4) * dilation < STEPS
                        )
                        above[t] = total > float(biases[k, b])
                    shares = [above.mean()]
                    for moment in range(5):
                        around = [
                            max(0.0, 1 - abs(t / (STEPS - 1) * 4 - moment)) for t in range(STEPS)
                        ]
                        shares.append(np.average(above, weights=around))
                    np.testing.assert_allclose(features[n, column : column + 6], shares, atol=1e-5)
                column += 6
    assert column == features.shape[1]


def test_biases_lie_within_the_responses_and_the_seed_decides_them():
    x = signal()
    one, same, other = (Kernels(x, np.random.default_rng(s)) for s in (1, 1, 2))
    for (dilation, weights, biases), again, differs in zip(
        one.parts, same.parts, other.parts, strict=True
    ):
        found = convolutions.response(x, weights, dilation)
        assert (biases.amin(1) > found.amin((0, 2))).all()
        assert (biases.amax(1) < found.amax((0, 2))).all()
        assert torch.equal(biases, again[2])
        assert not torch.equal(biases, differs[2])
    short = Kernels(signal(steps=20), np.random.default_rng(0))
    assert [dilation for dilation, *_ in short.parts] == [1, 2]  # 9 taps 4 apart are 33 steps


@pytest.mark.parametrize("features", [7, 50])
def test_ridge_scores_are_those_of_the_normal_equations(features):
    rng = np.random.default_rng(0)
    train, test = (rng.normal(size=(n, features)).astype(np.float32) for n in (20, 5))
    label = np.repeat([0, 2, 3], [8, 7, 5])  # class 1 has no label
    scores = ridge_scores(train, label, test, 4)
    scale = train.std(0) + 0.02
    z, q = (train - train.mean(0)) / scale, (test - train.mean(0)) / scale
    target = np.eye(4)[label] - np.eye(4)[label].mean(0)
    penalty = convolutions.ALPHA * features * np.eye(features)
    slow = q @ np.linalg.solve(z.T @ z + penalty, z.T @ target) + np.eye(4)[label].mean(0)
    np.testing.assert_allclose(scores, slow, atol=1e-4)
    assert (scores[:, 1] == 0).all()


def test_the_temperature_is_the_one_that_explains_other_people_best():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3000, 4))
    z = (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)
    rows = np.arange(3000)
    folds = [(rows[:1500], rows[1500:]), (rows[1500:], rows[:1500])]
    for factor in (0.75, 1.5, 3.0):
        odds = softmax(factor * z, axis=1).cumsum(1)
        label = (odds < rng.random((3000, 1))).sum(1)
        assert temperature(scores, label, folds) == factor
    assert temperature(scores, label, []) == convolutions.DEFAULT_TEMPERATURE
    # Rows of a class that their fold has not seen say nothing: here no row is left.
    apart = (rows >= 1500).astype(np.int64)
    assert temperature(scores, apart, folds) == convolutions.DEFAULT_TEMPERATURE


def test_planted_classes_are_found_but_not_shuffled_ones():
    windows, label, train, test = windows_of_classes()
    logits = random_convolutions(windows, label, train, test, CLASSES, 1, 0)
    assert logits.shape == (len(test), CLASSES)
    assert logits.dtype == np.float32
    assert (logits.argmax(1) == label[test]).mean() > 0.9
    shuffled = label.copy()
    shuffled[train] = np.random.default_rng(0).permutation(label[train])
    logits = random_convolutions(windows, shuffled, train, test, CLASSES, 1, 0)
    assert (logits.argmax(1) == label[test]).mean() < 0.6


def test_nothing_depends_on_the_batch_on_test_rows_or_on_what_is_not_valid():
    windows, label, train, test = windows_of_classes(60)
    unknown = np.where(np.isin(np.arange(60), train), label, -1)
    logits = random_convolutions(windows, label, train, test, CLASSES, 1, 0)
    again = random_convolutions(windows, unknown, train, test[:3], CLASSES, 1, 0, batch=7)
    np.testing.assert_allclose(again, logits[:3], atol=1e-4)
    valid, imu = windows.imu_valid.clone(), windows.imu.clone()
    valid[50:80], imu[50:80] = False, torch.nan
    holes = replace(windows, imu=imu, imu_valid=valid)
    assert np.isfinite(random_convolutions(holes, label, train, test, CLASSES, 1, 0)).all()


def test_windows_without_a_label_or_an_imu_are_left_out_and_a_class_without_one_has_no_odds():
    windows, label, train, test = windows_of_classes(60)
    label = np.where(label == 1, -1, label)
    has = windows.has["imu"].clone()
    has[train[:3]] = has[test[0]] = False
    windows = replace(windows, has={**windows.has, "imu": has})
    logits = random_convolutions(windows, label, train, test, CLASSES, 1, 0)
    assert np.isfinite(logits).all()
    assert softmax(logits, axis=1)[:, 1].max() == 0
    fewer = random_convolutions(windows, label, train[3:], test, CLASSES, 1, 0)
    np.testing.assert_array_equal(fewer, logits)
    with pytest.raises(AuraError, match="at least two classes"):
        random_convolutions(windows, np.full(60, 2), train, test, CLASSES, 1, 0)


def test_one_person_alone_gets_the_default_temperature():
    windows, label, train, test = windows_of_classes(60)
    alone = replace(windows, participant=np.full(60, "person"))
    logits = random_convolutions(alone, label, train, test, CLASSES, 1, 0)
    # Standardised scores have deviation 1, and the factor is theirs.
    np.testing.assert_allclose(logits.std(1), convolutions.DEFAULT_TEMPERATURE, rtol=1e-3)


def test_a_sensor_that_turns_in_place_is_at_rest_once_levelled():
    steps = torch.arange(1000) / 200
    angle = 1.5 * steps  # about the sensor's x axis, which is level
    still, g = torch.zeros(1000), 9.80665
    imu = torch.stack(
        [still, g * angle.sin(), g * angle.cos(), still + 1.5, still, still], 1
    )[None]  # fmt: skip
    every = torch.ones(1, 1000, dtype=torch.bool), torch.ones(1, 6, dtype=torch.bool)
    raw, levelled, moving, turn = convolutions.views(imu, *every)
    assert raw.shape == (1, 100, 6)
    assert raw[0, :, 1].abs().max() > 0.9  # gravity goes round
    assert levelled[0, :, :3].abs().max() < 0.1
    np.testing.assert_allclose(levelled[0, :, 6].numpy(), 1, atol=1e-2)  # the x axis stays
    assert moving.shape == (1, 100, 12)
    assert turn.shape == (1, 100, 6)
    # The trap of a stretched clock: at another rate the angles are wrong, and gravity leaks in.
    wrong = convolutions.views(imu * torch.tensor([1, 1, 1, 2, 2, 2]), *every)[1]
    assert wrong[0, :, :3].abs().max() > 1
