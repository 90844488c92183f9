"""What a tracker wrote for joints that it lost is masked and counted, whatever it wrote."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.signals.lost import ALL_ALIKE, AT_ANOTHER, AT_ORIGIN, FROZEN, mask_lost


def walk(frames=60):
    joints = np.random.default_rng(0).normal(size=(frames, 17, 3)).astype(np.float32)
    joints[5:6, 3] = np.nan
    return joints


def test_what_was_measured_is_not_touched():
    joints = walk()
    joints[20:23] = joints[20]  # a frame three times, as from 10 to 30 frames a second
    kept, counts = mask_lost(joints)
    assert kept is joints
    assert counts == {}


@pytest.mark.parametrize(
    ("fill", "count", "reason"),
    [
        (0.0, 10 * 17, AT_ORIGIN),
        (-0.0, 10 * 17, AT_ORIGIN),
        (-1.0, 10 * 17, AT_ANOTHER),
        (-9999.0, 10 * 17, AT_ANOTHER),
    ],
)
def test_frames_that_are_one_number_are_lost(fill, count, reason):
    joints = walk()
    joints[20:30] = fill
    kept, counts = mask_lost(joints)
    assert counts == {reason: count}
    assert np.isnan(kept[20:30]).all()
    others = np.delete(np.arange(60), np.s_[20:30])
    np.testing.assert_array_equal(kept[others], joints[others])


def test_single_joints_are_lost_by_themselves():
    joints = walk()
    joints[10, 2] = 0
    joints[11, 2, :2] = 0  # on the line over the origin, not at it
    joints[12, [4, 7]] = joints[12, 4]
    joints[30:40, 9] = joints[30, 9]
    kept, counts = mask_lost(joints)
    assert counts == {AT_ORIGIN: 1, AT_ANOTHER: 2, FROZEN: 9}
    assert np.isfinite(kept[30, 9]).all()
    assert np.isnan(kept[31:40, 9]).all()
    assert np.isfinite(kept[11, 2]).all()


@pytest.mark.parametrize("place", [(-1, -1, -1), (-9999, -9999, -9999), (-1, 1, -1)])
def test_a_joint_at_one_number_is_lost_by_itself(place):
    """As a tracker writes it, and after y up was turned into z up."""
    joints = walk()
    joints[[10, 17, 40], 6] = place
    joints[11, 6] = 1, 1, 2
    kept, counts = mask_lost(joints)
    assert counts == {ALL_ALIKE: 3}
    assert np.isnan(kept[[10, 17, 40], 6]).all()
    assert np.isfinite(kept[11, 6]).all()


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 4, 30])
def test_a_pose_that_is_held_is_lost_but_for_its_first_frame(frames):
    joints = np.repeat(walk(1), frames, axis=0)
    kept, counts = mask_lost(joints)
    assert counts == ({FROZEN: 17 * (frames - 1)} if frames >= 4 else {})
    assert np.isfinite(kept[:1]).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), max_size=24))
def test_masking_equals_a_loop_and_changes_nothing_the_second_time(codes):
    places = np.array([(0, 0, 0), (1, 5, 2), (2, 1, 7), (-1, 2, 3), (3, -3, 3)], np.float32)
    joints = places[np.array(codes, int).reshape(-1, 3)]
    expected = joints.copy()
    for frame in expected:
        frame[(frame == 0).all(axis=1)] = np.nan
    for frame in expected:
        places = [tuple(place) for place in frame]
        for j, place in enumerate(places):
            if (places.count(place) > 1 and np.isfinite(place).all()) or len(
                {abs(number) for number in place}
            ) == 1:
                frame[j] = np.nan
    for j in range(3):
        start = 0
        while start < len(expected):
            end = start + 1
            while end < len(expected) and (expected[end, j] == expected[start, j]).all():
                end += 1
            if end - start >= 4:
                expected[start + 1 : end, j] = np.nan
            start = end
    kept, _ = mask_lost(joints)
    np.testing.assert_array_equal(kept, expected)
    again, counts = mask_lost(kept)
    np.testing.assert_array_equal(again, kept)
    assert counts == {}
