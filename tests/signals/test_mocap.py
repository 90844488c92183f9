import numpy as np

from aura.schema import JOINTS
from aura.signals.mocap import canonicalize

RNG = np.random.default_rng(0)


def poses(windows=3, frames=50):
    pose = RNG.normal(size=(windows, frames, 17, 3)).astype(np.float32)
    for side, y in (("left", 0.3), ("right", -0.3)):
        for part, z in (("hip", 1.0), ("shoulder", 1.5)):
            pose[:, :, JOINTS.index(f"{side}-{part}")] = (0.1, y, z)
    return pose, RNG.random((windows, frames, 17)) > 0.1


def test_place_and_heading_do_not_matter():
    pose, valid = poses()
    angle = 2.1
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]],
        np.float32,
    )
    moved = pose @ turn.T + np.float32([10, -4, 2])
    np.testing.assert_allclose(canonicalize(moved, valid), canonicalize(pose, valid), atol=2e-5)


def test_distances_up_and_handedness_are_kept():
    pose, valid = poses()
    valid[:] = True
    got = canonicalize(pose, valid)
    before, after = pose[:, :, 5] - pose[:, :, 9], got[:, :, 5] - got[:, :, 9]
    np.testing.assert_allclose(
        np.linalg.norm(before, axis=-1), np.linalg.norm(after, axis=-1), rtol=1e-4
    )
    np.testing.assert_allclose(before[..., 2], after[..., 2], atol=1e-5)
    left = got[:, :, JOINTS.index("left-hip")] - got[:, :, JOINTS.index("right-hip")]
    np.testing.assert_allclose(left, np.broadcast_to([0, 0.6, 0], left.shape), atol=1e-5)


def test_motion_inside_a_window_stays():
    pose, valid = poses(windows=1)
    valid[:] = True
    pose[0, :, :, 0] += np.arange(50)[:, None] * 0.1  # walking
    got = canonicalize(pose, valid)
    hip = JOINTS.index("left-hip")
    assert np.ptp(got[0, :, hip, 0]) > 4.5


def test_what_is_not_seen_is_zero_and_does_not_leak():
    pose, valid = poses()
    changed = pose.copy()
    changed[~valid] = 1e6
    got = canonicalize(changed, valid)
    np.testing.assert_allclose(
        got, canonicalize(np.where(valid[..., None], pose, 0), valid), atol=1e-4
    )
    assert (got[~valid] == 0).all()
    nothing = canonicalize(pose, np.zeros_like(valid))
    assert (nothing == 0).all()
