"""Virtual IMUs against mechanics whose answer is known, and against a sensor on a real foot."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aura.errors import AuraError
from aura.schema import JOINTS
from aura.signals.smooth import lowpass
from aura.signals.virtual import (
    BODY_PLACES,
    GRAVITY,
    marker_imu,
    measure,
    virtual_imu,
)

RATE = 200.0


def standing(seconds=4.0, rate=100.0):
    """Joints (T, 17, 3) of a person upright, arms hanging, who looks along +x."""
    heights = {"nose": 1.6, "eye": 1.63, "ear": 1.6, "shoulder": 1.4, "elbow": 1.1, "wrist": 0.85}
    heights |= {"hip": 0.95, "knee": 0.5, "ankle": 0.1}
    widths = {"nose": 0.0, "eye": 0.03, "ear": 0.07, "hip": 0.1, "knee": 0.1, "ankle": 0.1}
    pose = np.zeros((17, 3))
    for index, name in enumerate(JOINTS):
        side, _, part = name.rpartition("-")
        y = widths.get(part, 0.2) * (-1 if side == "right" else 1)
        pose[index] = (0.1 if part in ("nose", "eye") else 0.0, y, heights[part])
    times = np.arange(int(seconds * rate)) / rate
    return times, np.repeat(pose[None], len(times), axis=0)


def inner(imu, ok):
    assert ok.mean() > 0.9
    return imu[ok]


def test_who_stands_still_measures_gravity_upwards_and_no_turn():
    times, joints = standing()
    sensors = virtual_imu(times, joints, BODY_PLACES)
    assert sensors.imu.shape == (len(BODY_PLACES), len(sensors.time_s), 6)
    assert sensors.bandwidth_hz == 12.0
    for imu, ok in zip(sensors.imu, sensors.ok, strict=True):
        still = inner(imu, ok)
        np.testing.assert_allclose(np.linalg.norm(still[:, :3], axis=1), GRAVITY, rtol=1e-4)
        # x is down along the segment, so that the force that carries it is along -x.
        assert (still[:, 0] < -0.85 * GRAVITY).all()
        np.testing.assert_allclose(still[:, 3:], 0, atol=1e-4)


def test_free_fall_is_no_force():
    times, joints = standing(1.0)
    fall = np.array([0, 0, -GRAVITY / 2]) * times[:, None] ** 2
    sensors = virtual_imu(times, joints + fall[:, None], ("waist", "wrist-left"))
    for imu, ok in zip(sensors.imu, sensors.ok, strict=True):
        np.testing.assert_allclose(inner(imu, ok)[:, :3][20:-20], 0, atol=0.05)


def turn_about_z(joints, angle):
    cos, sin, zero, one = np.cos(angle), np.sin(angle), 0 * angle, 0 * angle + 1
    turn = np.array([[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]]).transpose(2, 0, 1)
    return np.einsum("tij,tkj->tki", turn, joints)


def test_a_body_on_a_turntable_feels_its_turn_and_the_centripetal_force():
    times, joints = standing()
    spin, radius = 3.0, 0.5
    turned = turn_about_z(joints + np.array([radius, 0, 0]), spin * times)
    sensors = virtual_imu(times, turned, ("chest", "wrist-left", "thigh-right"))
    for row, place in enumerate(sensors.places):
        imu = inner(sensors.imu[row], sensors.ok[row])[20:-20]
        # z is up in the world and x down in the sensor: a turn to the left is about -x.
        np.testing.assert_allclose(imu[:, 3:], [[-spin, 0, 0]] * len(imu), atol=2e-3)
        distance = {"chest": (0.6, 0), "wrist-left": (0.5, 0.23), "thigh-right": (0.58, 0.1)}
        expected = spin**2 * np.hypot(*distance[place])
        across = np.linalg.norm(imu[:, 1:3], axis=1)
        np.testing.assert_allclose(across, expected, rtol=0.01)


def test_a_pendulum():
    """A rigid rod that swings about one end: rate, tangential and centripetal force in its axes."""
    times = np.arange(0, 8, 0.01)
    length, amplitude, omega = 0.7, 0.6, 2 * np.pi * 1.2

    def angle(t):
        return amplitude * np.sin(omega * t)

    def rod(t):
        down = np.stack([np.sin(angle(t)), 0 * t, -np.cos(angle(t))], axis=1)
        return np.stack([0 * down, length * down, 0 * down + np.array([0, -0.1, 0])], axis=1)

    sensor = marker_imu(times, rod(times), (0, 1, 0))
    t = sensor.time_s[sensor.ok[0]]
    imu = sensor.imu[0][sensor.ok[0]]
    rate = amplitude * omega * np.cos(omega * t)
    push = -amplitude * omega**2 * np.sin(omega * t)
    along = -length * rate**2 - GRAVITY * np.cos(angle(t))
    across = length * push + GRAVITY * np.sin(angle(t))
    middle = slice(40, -40)
    np.testing.assert_allclose(imu[middle, 0], along[middle], atol=0.15)
    # The third marker lies to -y of the world, so that z is across the swing.
    forces = imu[middle, 1:3]
    np.testing.assert_allclose(np.abs(forces).max(axis=1), np.abs(across[middle]), atol=0.15)
    np.testing.assert_allclose(
        np.linalg.norm(imu[middle, 3:], axis=1), np.abs(rate[middle]), atol=0.02
    )


def test_measure_against_plain_differences_one_sample_at_a_time():
    t = np.arange(0, 2, 1 / RATE)
    position = np.stack([np.sin(5 * t), t**2, np.cos(3 * t)], axis=1)
    turns = Rotation.from_rotvec(np.stack([np.sin(4 * t), 0.7 * t, np.cos(2 * t)], axis=1))
    axes = turns.as_matrix()
    imu = measure(position, axes, RATE)
    for k in range(5, len(t) - 5, 7):
        second = (position[k + 1] - 2 * position[k] + position[k - 1]) * RATE**2
        force = axes[k].T @ (second + np.array([0, 0, GRAVITY]))
        rate = (turns[k - 1].inv() * turns[k + 1]).as_rotvec() * RATE / 2
        np.testing.assert_allclose(imu[k, :3], force, atol=0.02)
        np.testing.assert_allclose(imu[k, 3:], rate, atol=0.02)


def test_above_the_bandwidth_nothing_is_left_and_below_it_nothing_is_lost():
    times = np.arange(0, 10, 1 / 100)
    gains = {}
    for hz in (2.0, 12.0, 30.0):
        gains[hz] = np.ptp(lowpass(np.sin(2 * np.pi * hz * times), 100.0, 12.0)[200:-200]) / 2
    assert gains[2.0] == pytest.approx(1, abs=0.01)
    assert gains[12.0] == pytest.approx(0.5, abs=0.02)
    assert gains[30.0] < 0.02
    for rate, carried in ((30.0, 6.0), (60.0, 12.0), (120.0, 12.0), (10.0, 2.0)):
        times, joints = standing(4.0, rate)
        assert virtual_imu(times, joints, ["head"]).bandwidth_hz == pytest.approx(carried)


def test_unknown_places_and_feet_are_one_sentence():
    times, joints = standing()
    with pytest.raises(AuraError, match="No place 'tail'"):
        virtual_imu(times, joints, ["tail"])
    with pytest.raises(AuraError, match="markers of heel and toe"):
        virtual_imu(times, joints, ["foot-left"])
