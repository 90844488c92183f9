"""Virtual IMUs against mechanics whose answer is known, and against a sensor on a real foot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from aura.errors import AuraError
from aura.schema import JOINTS
from aura.signals.segments import settle_twist
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
    for rate, carried in ((30.0, 5.0), (60.0, 10.0), (120.0, 12.0), (12.0, 2.0)):
        times, joints = standing(4.0, rate)
        assert virtual_imu(times, joints, ["head"]).bandwidth_hz == pytest.approx(carried)


def test_unknown_places_and_feet_are_one_sentence():
    times, joints = standing()
    with pytest.raises(AuraError, match="No place 'tail'"):
        virtual_imu(times, joints, ["tail"])
    with pytest.raises(AuraError, match="markers of heel and toe"):
        virtual_imu(times, joints, ["foot-left"])


def test_a_raised_straight_arm_turns_smoothly_and_keeps_its_twist():
    """Straight arms tell no twist: no jump may come from noise where the elbow's plane is lost."""
    rng = np.random.default_rng(0)
    times, joints = standing(6.0)
    angle = 1.2 * np.sin(2 * np.pi * 0.5 * times)
    shoulder = JOINTS.index("right-shoulder")
    for name, length in (("right-elbow", 0.3), ("right-wrist", 0.55)):
        reach = np.stack([np.sin(angle), 0 * angle, -np.cos(angle)], axis=1)
        joints[:, JOINTS.index(name)] = joints[:, shoulder] + length * reach
    joints += rng.normal(scale=1e-3, size=joints.shape)
    sensor = virtual_imu(times, joints, ["forearm"])
    t, imu = sensor.time_s[sensor.ok[0]], sensor.imu[0][sensor.ok[0]]
    swing = 1.2 * np.pi * np.cos(2 * np.pi * 0.5 * t)
    assert np.abs(imu[:, 3]).max() < 1.0  # about the arm
    # To the front is a turn about the body's right, which is the sensor's z.
    np.testing.assert_allclose(imu[:, 5], swing, atol=0.6)


def slow_twist(x, towards):
    """Parallel transport of the first direction, one frame at a time."""
    direction = towards[0] / np.linalg.norm(towards[0])
    found = [direction]
    for k in range(1, len(x)):
        axis = np.cross(x[k - 1], x[k])
        turn = np.arcsin(np.clip(np.linalg.norm(axis), 0, 1))
        if turn > 0:
            rotation = Rotation.from_rotvec(axis / np.linalg.norm(axis) * turn)
            direction = rotation.apply(direction)
        found.append(direction)
    return np.array(found)


def test_where_nothing_is_known_the_frame_is_carried_along_as_one_step_at_a_time():
    t = np.linspace(0, 2, 400)
    x = np.stack([np.cos(2 * t), np.sin(2 * t) * np.cos(t), np.sin(2 * t) * np.sin(t)], axis=1)
    towards = np.zeros_like(x)
    towards[0] = np.cross(x[0], [0.3, 0.4, 1.0])
    expected = slow_twist(x, towards)
    np.testing.assert_allclose(settle_twist(x, towards, RATE), expected, atol=1e-3)


def test_a_bent_limb_is_followed_and_its_full_turns_do_not_jump():
    t = np.linspace(0, 3, 600)
    x = np.tile([0.0, 0.0, 1.0], (len(t), 1))
    angle = 2 * np.pi * t / 1.5  # two turns
    towards = np.stack([np.cos(angle), np.sin(angle), 0 * t], axis=1)
    found = settle_twist(x, towards, RATE)
    assert (np.einsum("ni,ni->n", found, towards) > np.cos(0.1)).all()


def test_random_mounting_is_one_rotation_by_seed_and_place():
    times, joints = standing()
    joints = turn_about_z(joints, 2 * times)
    plain = virtual_imu(times, joints, ["wrist-left", "wrist"])
    one, again, other = (
        virtual_imu(times, joints, ["wrist-left", "wrist"], seed=s) for s in (1, 1, 2)
    )
    alone = virtual_imu(times, joints, ["wrist"], seed=1)
    np.testing.assert_array_equal(one.imu, again.imu)
    np.testing.assert_array_equal(one.imu[1], alone.imu[0])
    assert np.abs(one.imu - other.imu).max() > 1
    for row in range(2):
        turn, _ = Rotation.align_vectors(plain.imu[row, :, :3], one.imu[row, :, :3])
        for part in (slice(3), slice(3, 6)):
            np.testing.assert_allclose(
                turn.apply(one.imu[row, :, part]), plain.imu[row, :, part], atol=1e-3
            )
    assert np.linalg.det(turn.as_matrix()) == pytest.approx(1)


def test_lost_joints_are_not_measured_and_short_gaps_are_bridged():
    times, joints = standing(6.0)
    wrist, elbow = JOINTS.index("right-wrist"), JOINTS.index("right-elbow")
    whole = virtual_imu(times, joints, ["wrist", "waist"])
    joints = joints.copy()
    joints[100:105, wrist] = np.nan  # 50 ms
    joints[300:400, elbow] = np.nan  # 1 s
    sensors = virtual_imu(times, joints, ["wrist", "waist"])
    np.testing.assert_array_equal(sensors.ok[1], whole.ok[1])
    lost = sensors.time_s[whole.ok[0] & ~sensors.ok[0]]
    assert 2.9 < lost.min() < 3.0
    assert 3.99 < lost.max() < 4.1
    assert (np.diff(lost) < 0.006).all()
    assert not sensors.imu[0][~sensors.ok[0]].any()
    np.testing.assert_allclose(
        sensors.imu[0][sensors.ok[0]], whole.imu[0][sensors.ok[0]], atol=1e-3
    )
    joints[:, wrist] = np.nan
    never = virtual_imu(times, joints, ["wrist", "waist"])
    assert not never.ok[0].any()
    assert never.ok[1].any()


def test_a_joint_that_jumps_to_another_s_place_is_not_measured_there():
    times, joints = standing(4.0)
    swapped = joints.copy()
    knees = [JOINTS.index(f"{side}-knee") for side in ("left", "right")]
    swapped[200, knees] = joints[200, knees] + np.array([0, 0.4, 0.0])
    sensors = virtual_imu(times, swapped, ["thigh", "chest"])
    before = virtual_imu(times, joints, ["thigh", "chest"])
    lost = sensors.time_s[before.ok[0] & ~sensors.ok[0]]
    assert 1.8 < lost.min() < 1.95
    assert 2.05 < lost.max() < 2.2
    np.testing.assert_allclose(
        sensors.imu[0][sensors.ok[0]], before.imu[0][sensors.ok[0]], atol=0.01
    )
    np.testing.assert_array_equal(sensors.ok[1], before.ok[1])


@pytest.mark.parametrize("count", [0, 1, 2, 15])
def test_too_few_poses_are_no_samples(count):
    times, joints = standing()
    sensors = virtual_imu(times[:count], joints[:count], ["head", "wrist"])
    assert sensors.imu.shape == (2, 0, 6)
    assert sensors.ok.shape == (2, 0)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_whatever_the_clock_and_the_joints_samples_are_finite_and_flagged(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    times, joints = standing(1.0, data.draw(st.sampled_from([15.0, 30.0, 120.0])))
    times = times + rng.normal(scale=data.draw(st.sampled_from([0, 1e-3, 1.0])), size=len(times))
    joints[rng.random(joints.shape[:2]) < data.draw(st.sampled_from([0, 0.2, 1.0]))] = np.nan
    if data.draw(st.booleans()):
        times[rng.random(len(times)) < 0.2] = data.draw(st.sampled_from([np.nan, np.inf, 1e12]))
    if data.draw(st.booleans()):
        joints[:] = joints[:, :1]  # all in one place
    sensors = virtual_imu(times, joints, BODY_PLACES, seed=data.draw(st.none() | st.just(3)))
    assert np.isfinite(sensors.imu).all()
    assert not sensors.imu[~sensors.ok].any()
    assert sensors.imu.shape[:2] == sensors.ok.shape == (len(BODY_PLACES), len(sensors.time_s))


def foot(folder, side):
    """Sensor (N, 6) in m/s2 and rad/s at 204.8 Hz; heel, toe and forefoot (T, 3, 3), m, 100 Hz."""
    imu = np.genfromtxt(folder / f"imu_{side}.csv", delimiter=",", skip_header=2)[:, 1:]
    path = folder / f"mocap_{side}.csv"
    names = path.read_text().splitlines()[0].split(",")[1::3]
    table = np.genfromtxt(path, delimiter=",", skip_header=2)[:, 1:].reshape(-1, len(names), 3)
    order = [names.index(f"{side[0].upper()}_{marker}") for marker in ("FCC", "TOE", "FM5")]
    return imu * ([1] * 3 + [np.pi / 180] * 3), table[:, order] / 1000


def compare(folder, side):
    """Virtual against measured sensor, both up to the mocap's bandwidth.

    Fitted are a lag, within 2 s, and one rotation, on the accelerometer alone.

    Returns
    -------
    dict
        Correlations: `force`, of the magnitude; `forces` and `rates`, of the axes.
    """
    imu, markers = foot(folder, side)
    # In the plane of the markers, 30 % of the way from heel to forefoot.
    sensor = marker_imu(np.arange(len(markers)) / 100, markers, (0.7, 0.15, 0.15))
    virtual, t = sensor.imu[0][sensor.ok[0]].astype(float), sensor.time_s[sensor.ok[0]]
    measured, clock = lowpass(imu, 204.8, sensor.bandwidth_hz), np.arange(len(imu)) / 204.8
    strength = np.linalg.norm(virtual[:, :3], axis=1)

    def at(lag):
        inside = (t + lag >= 0) & (t + lag <= clock[-1])
        found = [np.interp(t[inside] + lag, clock, channel) for channel in measured.T]
        return inside, np.stack(found, axis=1)

    def agreement(lag):
        inside, found = at(lag)
        return np.corrcoef(strength[inside], np.linalg.norm(found[:, :3], axis=1))[0, 1]

    lag = max(np.arange(-2, 2, 0.01), key=agreement)
    lag = max(lag + np.arange(-0.01, 0.01, 0.0005), key=agreement)
    inside, found = at(lag)
    turn, _ = Rotation.align_vectors(found[:, :3], virtual[inside, :3])
    forces, rates = (turn.apply(virtual[inside, part]) for part in (slice(3), slice(3, 6)))
    pairs = zip(np.hstack([forces, rates]).T, found.T, strict=True)
    axes = [float(np.corrcoef(a, b)[0, 1]) for a, b in pairs]
    return {"lag": lag, "force": agreement(lag), "forces": axes[:3], "rates": axes[3:]}


@pytest.mark.real
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_real_foot(real_data, side):
    folder = real_data / "gait-foot"
    if not (folder / f"imu_{side}.csv").exists():
        pytest.skip(f"the {side} foot is not at hand")
    found = compare(folder, side)
    print(side, found)
    assert found["force"] >= 0.94
    assert min(found["forces"]) >= 0.90
    assert sorted(found["rates"])[1] >= 0.95
    assert min(found["rates"]) >= 0.85  # about the foot's length, where the markers are narrow
