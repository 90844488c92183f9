import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aura.datasets.synthetic import ACTIVITIES, SyntheticSize, plan
from aura.datasets.synthetic.imu import GRAVITY, Clock, record, true_motion
from aura.datasets.synthetic.motion import JOINTS, Person
from aura.datasets.vrs import read_imu, to_device_frame
from tests.datasets.synthetic.roots import ORIGIN, TINY, vrs_path


def test_a_person_who_stands_still_reads_gravity_upward():
    person = Person(plan(TINY)[0])
    person._waves = {action: {} for action in person._waves}
    person._wander = {dof: [] for dof in person._wander}
    person.segments = person.segments[:1]
    accel, gyro, axes = true_motion(person, np.linspace(0, 1, 50), ORIGIN)
    np.testing.assert_allclose(
        np.einsum("nij,nj->ni", axes, accel), np.tile(-GRAVITY, (50, 1)), atol=1e-6
    )
    np.testing.assert_allclose(gyro, 0, atol=1e-9)


@pytest.mark.parametrize("activity", range(8))
def test_imu_integrates_back_to_the_motion(activity):
    person = Person(plan(replace(TINY, activities=8))[activity])
    offset, step = np.array([0.01, -0.1, -0.08]), 1e-3
    t = np.arange(0, 2 + step / 2, step)
    accel, gyro, axes = true_motion(person, t, offset)
    _, path = person.device(t, offset)
    world = np.einsum("nij,nj->ni", axes, accel) + GRAVITY
    start = (path[1] - path[0]) / step - world[0] * step / 2
    speed = start + np.vstack([ORIGIN, np.cumsum((world[1:] + world[:-1]) / 2, axis=0) * step])
    moved = path[0] + np.vstack([ORIGIN, np.cumsum((speed[1:] + speed[:-1]) / 2, axis=0) * step])
    assert np.abs(moved - path).max() < 2e-3
    turned = Rotation.from_matrix(axes[0])
    for rate in (gyro[1:] + gyro[:-1]) / 2:
        turned = turned * Rotation.from_rotvec(rate * step)
    assert (turned.inv() * Rotation.from_matrix(axes[-1])).magnitude() < 1e-3


def test_rectified_vrs_is_the_true_motion_at_each_stamp(tiny):
    root, plans = tiny
    take = next(t for t in plans if not t.flaws)
    means = []
    for label, spacing in (("imu-right", (0.93, 1.07)), ("imu-left", (1.17, 1.34))):
        stream = read_imu(vrs_path(root, take), label)
        gaps = np.diff(stream.timestamps_ns) / 1e6
        assert spacing[0] < gaps.min() < gaps.max() < spacing[1]
        accel, gyro = to_device_frame(stream)
        known, person = stream.calibration, Person(take)
        offset = known.transform_device_imu[:3, 3]
        lag = known.gyro_time_offset_s - known.accel_time_offset_s
        assert 0.4e-3 < lag < 1.6e-3
        t = Clock(take).capture_s(stream.timestamps_ns + known.accel_time_offset_s * 1e9)
        t -= take.start_idx / 30
        true_accel, _, _ = true_motion(person, t, offset)
        _, true_gyro, _ = true_motion(person, t + lag, offset)
        assert np.abs(accel - true_accel).std() < 0.1
        assert np.abs(gyro - true_gyro).std() < 0.01
        means.append(accel.mean(axis=0))
    np.testing.assert_allclose(*means, atol=0.3)


def test_jumps_saturate_the_accelerometer():
    size = SyntheticSize({"train": 1}, flaws=False)
    take = next(t for t in plan(size) if t.activity == "Basketball")
    peak = np.abs(record(take, Person(take), "imu-left").accel).max()
    assert peak == pytest.approx(4 * 9.80665, rel=1e-6)


def test_each_sensor_samples_at_its_own_time():
    take = next(t for t in plan(SyntheticSize({"train": 1}, flaws=False)) if t.activity == "Dance")
    person = Person(take)
    stream = record(take, person, "imu-right")
    known = stream.calibration
    gyro = to_device_frame(stream)[1]

    def error(offset_s):
        t = Clock(take).capture_s(stream.timestamps_ns + offset_s * 1e9) - take.start_idx / 30
        true = true_motion(person, t, known.transform_device_imu[:3, 3])[1]
        return (gyro - gyro.mean(0) - true + true.mean(0)).std()

    offset_s = known.gyro_time_offset_s
    assert error(offset_s) < min(error(offset_s - 2e-3), error(offset_s + 2e-3))
    assert error(offset_s) < error(known.accel_time_offset_s)


def test_the_gyroscopes_clip_to_their_ranges(monkeypatch):
    take = plan(SyntheticSize({"train": 1}, flaws=False))[0]

    def fast(person, t, offset):
        return np.zeros((len(t), 3)), np.full((len(t), 3), 100.0), np.tile(np.eye(3), (len(t), 1))

    monkeypatch.setattr("aura.datasets.synthetic.imu.true_motion", fast)
    for label, limit in (("imu-right", 1000.0), ("imu-left", 500.0)):
        peak = np.abs(record(take, Person(take), label).gyro).max()
        assert np.degrees(peak) == pytest.approx(limit, rel=1e-6)


def test_bodies_keep_their_proportions_and_feet_stay_above_the_floor():
    for take in plan(SyntheticSize({"train": 1})):
        joints = Person(take).joints(np.arange(0, take.seconds, 0.1))
        assert joints[..., 2].min() > 0.0
        thigh = np.linalg.norm(
            joints[:, JOINTS.index("left-hip")] - joints[:, JOINTS.index("left-knee")], axis=1
        )
        assert np.ptp(thigh) < 1e-9


def window_features(accel, gyro, rate):
    """Posture, energy and spectrum of a window (samples, 3) of both sensors."""
    power = np.abs(np.fft.rfft(np.hstack([accel - accel.mean(0), gyro]), axis=0)) ** 2
    hz = np.fft.rfftfreq(len(accel), 1 / rate)
    bands = itertools.pairwise((0.1, 0.8, 1.6, 3, 6, 12))
    spectrum = [np.log(power[(hz >= a) & (hz < b)].sum(0) + 1e-3) for a, b in bands]
    return np.concatenate([accel.mean(0), accel.std(0), gyro.std(0), *spectrum])


def test_head_motion_tells_activities_of_unseen_people_apart_but_not_perfectly():
    size = SyntheticSize({"train": 6, "test": 3}, flaws=False)
    rate, features, labels, seen = 50, [], [], []
    for take in plan(size):
        t = np.arange(0, take.seconds, 1 / rate)
        accel, gyro, _ = true_motion(Person(take), t, ORIGIN)
        for start in range(0, len(t) - 5 * rate + 1, 5 * rate):
            part = slice(start, start + 5 * rate)
            features.append(window_features(accel[part], gyro[part], rate))
            labels.append(take.activity)
            seen.append(take.split == "train")
    features, labels, seen = np.array(features), np.array(labels), np.array(seen)
    features = (features - features[seen].mean(0)) / features[seen].std(0)
    centroids = np.array([features[seen & (labels == name)].mean(0) for name in ACTIVITIES])
    distance = np.linalg.norm(features[~seen][:, None] - centroids, axis=2)
    accuracy = (np.array(ACTIVITIES)[distance.argmin(1)] == labels[~seen]).mean()
    assert 0.5 < accuracy < 1.0
