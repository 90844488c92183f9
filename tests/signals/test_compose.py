"""Two recordings joined: gravity at the seam, what is before it, and what is turned."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from aura.signals.compose import FADE_S, Samples, join, rotation_between

G = 9.80665
RATES = st.sampled_from([20.0, 50.0, 198.2, 200.0])
SEEDS = st.integers(0, 2**32 - 1)
# What is turned is float32 of some 10 m/s2.
CLOSE = {"rtol": 1e-5, "atol": 1e-4}


def measured(seed, rate_hz, seconds=2.0, start_s=0.0, noise=0.5):
    """A sensor that is held in some way, with some noise."""
    rng = np.random.default_rng(seed)
    count = round(seconds * rate_hz)
    imu = rng.normal(0, noise, (count, 6))
    imu[:, :3] += Rotation.random(rng=rng).apply([0, 0, G])
    ok, saturated = np.ones(count, bool), np.zeros(count, bool)
    return Samples(start_s + np.arange(count) / rate_hz, imu, ok, saturated)


def parts(before, joined):
    """How many samples are before the fade, in it, and behind it."""
    fade = int((before.time_s >= before.time_s[-1] - FADE_S - 1e-9).sum())
    return len(before.time_s) - fade, fade, len(joined.time_s) - len(before.time_s)


@settings(max_examples=200, deadline=None)
@given(SEEDS, RATES, st.floats(0.98, 1.02), st.floats(-5, 50))
def test_gravity_is_continuous_and_both_sensors_turn_alike(seed, rate_hz, drift, start_s):
    before = measured(seed, rate_hz, start_s=start_s)
    after = measured(seed + 1, rate_hz * drift, start_s=3.0)
    joined = join(before, after)
    plain, fade, rest = parts(before, joined)
    np.testing.assert_allclose(joined.imu[:plain], before.imu[:plain], **CLOSE)
    np.testing.assert_array_equal(joined.time_s[: plain + fade], before.time_s)
    # What is behind the fade is the other one by one rotation, and gravity agrees.
    tail = before.imu[before.time_s >= before.time_s[-1] - 0.52, :3].mean(axis=0)
    head = after.imu[after.time_s < after.time_s[0] + 0.32, :3].mean(axis=0)
    turn, _ = Rotation.align_vectors(joined.imu[-rest:, :3], after.imu[-rest:, :3])
    np.testing.assert_allclose(turn.apply(after.imu[-rest:, :3]), joined.imu[-rest:, :3], **CLOSE)
    np.testing.assert_allclose(turn.apply(after.imu[-rest:, 3:]), joined.imu[-rest:, 3:], **CLOSE)
    cosine = turn.apply(head) @ tail / np.linalg.norm(head) / np.linalg.norm(tail)
    assert cosine == pytest.approx(1, abs=1e-3)
    # Even but for half a period at the seam.
    steps = np.diff(joined.time_s) * rate_hz
    assert 0.45 < steps.min() <= steps.max() < 1.6
    assert steps[: plain + fade - 2] == pytest.approx(1, abs=1e-6)
    lasts = before.time_s[-1] - before.time_s[0] + after.time_s[-1] - after.time_s[0]
    assert joined.time_s[-1] - joined.time_s[0] == pytest.approx(lasts - FADE_S, abs=1.1 / rate_hz)


@settings(max_examples=100, deadline=None)
@given(SEEDS, RATES)
def test_nothing_of_behind_the_seam_is_known_before_it(seed, rate_hz):
    before, after = measured(seed, rate_hz), measured(seed + 1, rate_hz)
    late = after.time_s > 0.5
    other = after._replace(imu=np.where(late[:, None], 7 * after.imu[:, ::-1], after.imu))
    one, two = join(before, after), join(before, other)
    seam = len(before.time_s)
    np.testing.assert_array_equal(one.imu[:seam], two.imu[:seam])
    assert np.abs(one.imu[seam:] - two.imu[seam:]).max() > 1
    early = before.time_s < before.time_s[-1] - 0.6
    other = before._replace(imu=np.where(early[:, None], 5.0, before.imu))
    np.testing.assert_array_equal(join(other, after).imu[early.sum() :], one.imu[early.sum() :])


@given(SEEDS)
def test_the_fade_is_a_mean_that_goes_from_one_to_the_other(seed):
    """Against a loop over the samples of one rate."""
    before, after = measured(seed, 50.0), measured(seed + 1, 50.0)
    joined = join(before, after)
    plain, fade, rest = parts(before, joined)
    assert fade == 13
    turn = rotation_between(after.imu[:16, :3].mean(axis=0), before.imu[-27:, :3].mean(axis=0))
    for k in range(fade):
        coming = np.concatenate([turn @ after.imu[k, :3], turn @ after.imu[k, 3:]])
        expected = before.imu[plain + k] * (1 - k / 12) + coming * k / 12
        np.testing.assert_allclose(joined.imu[plain + k], expected, **CLOSE)
    assert rest == len(after.time_s) - fade


def test_a_phone_without_gyroscope_has_none_afterwards():
    before, after = measured(1, 198.2), measured(2, 198.2)
    for part in before, after:
        part.imu[:, 3:] = np.nan
    joined = join(before, after)
    assert np.isfinite(joined.imu[:, :3]).all()
    assert np.isnan(joined.imu[:, 3:]).all()


def test_flags_stay_with_their_samples():
    before, after = measured(1, 50.0), measured(2, 50.0)
    before.ok[[10, 95]], after.ok[[2, 60]] = False, False  # 95 and 2 are in the fade, from 87 on
    before.saturated[20], after.saturated[[5, 80]] = True, True
    joined = join(before, after)
    np.testing.assert_array_equal(np.flatnonzero(~joined.ok), [10, 89, 95, 87 + 60])
    np.testing.assert_array_equal(np.flatnonzero(joined.saturated), [20, 92, 87 + 80])


def test_what_cannot_be_joined_says_why():
    good = measured(1, 50.0)
    assert "too short" in join(good, measured(2, 50.0, seconds=0.4))
    assert "too short" in join(Samples(*(column[:1] for column in good)), good)
    assert "too short" in join(Samples(*(column[:0] for column in good)), good)
    assert "too short" in join(measured(1, 2.0), measured(2, 2.0))
    falling = good._replace(imu=good.imu - np.append(good.imu[:, :3].mean(axis=0), [0, 0, 0]))
    assert "gravity" in join(falling, good)
    assert "gravity" in join(good, falling)
    assert "gravity" in join(good, good._replace(ok=np.zeros(100, bool)))
    lost = Samples(*(np.delete(column, range(4, 8), axis=0) for column in good))
    assert "lost" in join(good, lost)
    assert "lost" in join(Samples(*(np.delete(c, range(80, 84), axis=0) for c in good)), good)
    assert isinstance(join(lost, good), Samples)  # far from the seam


VECTORS = st.tuples(*[st.floats(-20, 20)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1)


@given(VECTORS, VECTORS, st.booleans())
def test_the_smallest_rotation(start, end, opposite):
    end = np.multiply(start, -1.5) if opposite else np.array(end)
    turn = rotation_between(start, end)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(turn) == pytest.approx(1)  # and not a reflection
    unit = [np.asarray(v) / np.linalg.norm(v) for v in (start, end)]
    np.testing.assert_allclose(turn @ unit[0], unit[1], atol=2e-3)
    angle = np.arccos(np.clip(unit[0] @ unit[1], -1, 1))
    assert Rotation.from_matrix(turn).magnitude() == pytest.approx(angle, abs=2e-3)
