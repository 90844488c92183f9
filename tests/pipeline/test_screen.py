"""Units, axes, lost joints and stamps of a take, of any adapter, before it is resampled."""

from dataclasses import replace

import numpy as np
import pytest

from aura.config import Resample
from aura.datasets.base import Recording, nothing_usable
from aura.datasets.utd_mhad import Adapter
from aura.schema import JOINTS
from aura.signals.units import suspect_imu, suspect_mocap
from aura.storage import Storage
from pipeline.screen import screen

HEIGHTS = {"nose": 1.6, "shoulder": 1.4, "elbow": 1.1, "wrist": 0.85, "hip": 0.9}
HEIGHTS |= {"knee": 0.5, "ankle": 0.1, "eye": 1.65, "ear": 1.62}


def person(frames=150):
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.01, (frames, 17, 3))
    for index, name in enumerate(JOINTS):
        joints[:, index, 2] += HEIGHTS[name.split("-")[-1]]
        joints[:, index, 1] += 0.2 * (name.startswith("left")) - 0.2 * (name.startswith("right"))
    return joints.astype(np.float32)


def sensor(seconds=10.0, rad_s=0.6):
    """Rocking slowly about x: gravity turns in the sensor's axes as the gyroscope says."""
    times = np.arange(round(seconds * 100)) / 100
    angle = rad_s / 2.0 * np.sin(2.0 * times)
    values = np.zeros((len(times), 6))
    values[:, 1], values[:, 2] = 9.81 * np.sin(angle), 9.81 * np.cos(angle)
    values[:, 3] = rad_s * np.cos(2.0 * times)
    return times, (values + np.random.default_rng(1).normal(0, 0.02, values.shape)).astype("f4")


def recording(imu=None, joints=None):
    times, values = sensor()
    values, joints = values if imu is None else imu, person() if joints is None else joints
    return Recording(10.0, times, values, np.ones(len(times), bool), np.arange(len(joints)) / 30,
                     joints, 30.0, np.empty(0), (), (), ())  # fmt: skip


def test_what_is_as_expected_is_the_same_object():
    raw = recording()
    screened, cleaned = screen(raw, "take", Resample())
    assert screened is raw
    np.testing.assert_array_equal(cleaned.values, raw.imu)


@pytest.mark.parametrize(
    ("scale", "told"),
    [
        ((1 / 9.80665, 1), ["acceleration looks like g"]),
        ((1000 / 9.80665, 1), ["acceleration looks like mg"]),
        ((1, 180 / np.pi), ["angular rate looks like degrees"]),
        ((1 / 9.80665, 180 / np.pi),
         ["acceleration looks like g", "angular rate looks like degrees"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rad_s", [0.6, 3.0])
def test_units_of_an_imu_are_refused_converted_or_kept(scale, told, rad_s):
    _, right = sensor(rad_s=rad_s)
    wrong = (right * np.repeat(scale, 3)).astype(np.float32)
    raw = recording(imu=wrong)
    refused, none = screen(raw, "take", Resample())
    assert [s.reason for s in refused.skips] == [f"{what}, refused" for what in told]
    assert {s.modality for s in refused.skips} == {"imu"}
    assert len(refused.imu) == len(refused.imu_s) == len(none.times) == 0
    assert len(refused.mocap) == 150
    converted, cleaned = screen(raw, "take", Resample(units="convert"))
    assert [s.reason for s in converted.skips] == [f"{what}, converted" for what in told]
    np.testing.assert_allclose(converted.imu, right, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(converted.imu, cleaned.values)
    kept, cleaned = screen(raw, "take", Resample(units="keep"))
    assert [s.reason for s in kept.skips] == [f"{what}, kept as it is" for what in told]
    np.testing.assert_array_equal(cleaned.values, wrong)


@pytest.mark.parametrize("scale", [0.02, 40.0])
@pytest.mark.parametrize("units", ["refuse", "convert"])
def test_an_acceleration_of_no_known_unit_is_refused_either_way(scale, units):
    _, values = sensor()
    values[:, :3] *= scale
    screened, _ = screen(recording(imu=values), "take", Resample(units=units))
    reason = "acceleration is not that of a body in m/s2, refused"
    assert [s.reason for s in screened.skips] == [reason]
    assert len(screened.imu) == 0


@pytest.mark.parametrize("units", ["refuse", "convert"])
@pytest.mark.parametrize("scale", [180_000 / np.pi, 1e6])
def test_angular_rates_of_no_known_unit_are_refused_either_way(scale, units):
    """In thousandths of a degree, say, that degrees to radians would not cure."""
    _, values = sensor(rad_s=3.0)
    values[:, 3:] *= scale
    screened, _ = screen(recording(imu=values), "take", Resample(units=units))
    reason = "angular rate is not that of a body in rad/s, refused"
    assert [s.reason for s in screened.skips] == [reason]
    assert len(screened.imu) == 0


def test_acceleration_without_gravity_is_not_taken_for_g():
    times, values = sensor()
    values[:, :3] = np.random.default_rng(0).normal(0, 1, (len(values), 3))
    values[::3, :3] *= 0.05  # still in between
    (found,) = suspect_imu(times, values)
    assert found.matrix is None


TURNED = {
    "y up": lambda j: j[..., [1, 2, 0]],
    "x up": lambda j: j[..., [2, 0, 1]],
    "z down": lambda j: j * [-1, 1, -1],
    "y down": lambda j: np.stack([j[..., 0], -j[..., 2], j[..., 1]], -1),
    "x down": lambda j: np.stack([-j[..., 2], j[..., 1], j[..., 0]], -1),
}


@pytest.mark.parametrize("axis", TURNED)
@pytest.mark.parametrize(("unit", "scale"), [("m", 1), ("cm", 100), ("mm", 1000)])
def test_units_and_axes_of_joints_are_converted_and_never_mirrored(axis, unit, scale):
    right = person()
    raw = recording(joints=(TURNED[axis](right) * scale).astype(np.float32))
    told = ([] if unit == "m" else [f"joints look like {unit}"]) + [f"joints look like {axis}"]
    refused, _ = screen(raw, "take", Resample())
    assert [s.reason for s in refused.skips] == [f"{what}, refused" for what in told]
    assert len(refused.mocap) == len(refused.mocap_s) == 0
    assert len(refused.imu) == 1000
    converted, _ = screen(raw, "take", Resample(units="convert"))
    assert [s.reason for s in converted.skips] == [f"{what}, converted" for what in told]
    assert suspect_mocap(converted.mocap) == []
    np.testing.assert_allclose(converted.mocap[..., 2], right[..., 2], atol=1e-4)
    first = [JOINTS.index(f"left-{name}") for name in ("wrist", "hip", "ear")]
    hand = [np.linalg.det(j[0, first].astype(float)) for j in (converted.mocap, right)]
    assert np.sign(hand[0]) == np.sign(hand[1])


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        (slice(3, 6), "IMU has no gyroscope"),
        (slice(0, 3), "IMU has no accelerometer"),
        (slice(4, 5), "IMU has no value of an axis"),
    ],
)
def test_channels_that_an_imu_has_not_are_said_and_the_others_are_used(lacking, told):
    times, values = sensor()
    without = values.copy()
    without[:, lacking] = np.nan
    without[5] = np.nan  # a sample that is lost, and no channel
    screened, cleaned = screen(recording(imu=without), "take", Resample())
    assert [s.reason for s in screened.skips] == [told]
    has = np.ones(6, bool)
    has[lacking] = False
    np.testing.assert_array_equal(screened.imu_channels, has)
    np.testing.assert_array_equal(cleaned.times, np.delete(times, 5))
    assert cleaned.dropped == {"sample not finite": 1}
    np.testing.assert_array_equal(cleaned.values, np.delete(values * has, 5, axis=0))


def test_an_imu_that_is_nan_throughout_has_no_sample_and_no_lack():
    screened, cleaned = screen(recording(imu=np.full((1000, 6), np.nan)), "take", Resample())
    assert screened.imu_channels.all()
    assert cleaned.dropped == {"sample not finite": 1000}


def test_an_arm_that_swings_is_not_taken_for_degrees():
    """Of few fast turns most go to and fro within a quarter of a second; gravity shows none."""
    times, values = sensor(rad_s=0.05)
    values[:, 3] = 0.05 * np.cos(2.0 * times)
    turns = np.floor(times / 0.25).astype(int)
    for block, seen in ((4, 0.0), (10, 0.0), (16, 0.0), (22, 0.0), (28, 0.5), (34, 0.5)):
        rows = (turns >= block) & (turns <= block + 1)
        values[rows, 3] = 2.0
        angle = seen * (times[rows] - times[rows][0]) / 0.25
        values[rows, 1], values[rows, 2] = 9.81 * np.sin(angle), 9.81 * np.cos(angle)
    assert suspect_imu(times, values.astype("f4")) == []
    values[:, 3:] *= 180 / np.pi
    assert [found.what for found in suspect_imu(times, values)] == [
        "angular rate looks like degrees"
    ]


def test_joints_of_another_adapter_that_were_lost_are_masked():
    joints = person()
    joints[20:30] = 0
    raw = replace(recording(joints=joints), counts={"joint at the origin": 3, "other": 1})
    screened, _ = screen(raw, "take", Resample())
    assert screened.counts == {"joint at the origin": 173, "other": 1}
    assert np.isnan(screened.mocap[20:30]).all()


def test_poses_of_two_moments_are_masked():
    raw = recording()
    times = raw.mocap_s - 1.0 * (np.arange(150) >= 90)
    screened, _ = screen(replace(raw, mocap_s=times), "take", Resample())
    gone = np.isnan(screened.mocap).all(axis=(1, 2))
    assert gone[60:120].all()
    assert np.count_nonzero(gone) == screened.counts["pose where the clock steps back"] <= 64


def test_a_data_set_of_other_units_ends_in_one_sentence_with_what_to_do():
    skips = {"take: neither IMU nor mocap": 9, "imu: acceleration looks like g, refused": 8}
    sentence = nothing_usable("gym", "data/raw/gym", skips)
    assert "mostly 'imu: acceleration looks like g, refused' (8)" in sentence
    assert "--set resample.units=convert" in sentence
    assert "convert" not in nothing_usable("gym", "data/raw/gym", {"take: torn": 1})


@pytest.mark.real
def test_no_real_recording_is_suspected_and_each_is_in_other_units(real_data):
    adapter = Adapter(Storage(real_data / "utd-mhad"), {})
    for take in adapter.inventory().takes[::10]:
        raw = adapter.load(take)
        assert screen(raw, take.take_name, Resample())[0] is raw
        other = raw.imu * np.repeat([1 / 9.80665, 180 / np.pi], 3).astype(np.float32)
        joints = 1000 * raw.mocap[..., [1, 2, 0]]
        assert len(suspect_imu(raw.imu_s, other)) == len(suspect_mocap(joints)) == 2
