"""C3D, TRC, BVH, MVNX and AMASS: units, unseen and invented positions, and what is no movement."""

import io

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aura import formats
from aura.errors import CorruptFile
from aura.formats import amass
from aura.storage import Storage
from tests.formats import bodies as write
from tests.formats.test_real import REAL, needs_real


def read(folder, name, data):
    (folder / name).write_bytes(data)
    return formats.read(Storage(folder), name)


def walk(frames=40, count=5, seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(size=(frames, count, 3)), axis=0) + 100


# ----------------------------------------------------------------------------------------- C3D


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("real", [True, False])
def test_c3d_marker_that_is_not_seen_has_no_position_and_an_interpolated_one_is_invented(
    tmp_path, real, order
):
    points, residual = walk(), np.full((40, 5), 2)
    residual[10:20, 1] = -1
    residual[5:8, 2] = 0
    (stream,) = read(tmp_path, "a.c3d", write.c3d(points, residual, real=real, order=order))
    assert stream.counts == {"marker is not seen": 10, "position is interpolated": 3}
    assert np.isnan(stream.values[10:20, 1]).all()
    assert np.isfinite(stream.values).sum() == 40 * 5 * 3 - 30
    assert stream.invented.sum() == 3
    seen = residual >= 0
    assert stream.values[seen] == pytest.approx(points[seen], abs=0.1 if not real else 1e-4)
    assert stream.units == ("mm",)
    assert stream.rate_hz == 100
    assert stream.facts["first frame"] == "1"


def test_c3d_without_a_unit_has_none_and_all_residuals_zero_are_no_interpolation(tmp_path):
    (stream,) = read(tmp_path, "a.c3d", write.c3d(walk(), units=""))
    assert stream.units == ()
    assert not stream.invented.any()


def test_c3d_analog_of_unsigned_numbers(tmp_path):
    analog = np.full((40, 10, 2), 40000)
    data = write.c3d(walk(), analog=analog, unsigned=True, real=False)
    _, stream = read(tmp_path, "a.c3d", data)
    assert (stream.values == 40000).all()
    assert stream.rate_hz == 1000
    assert stream.time_s[10] == pytest.approx(0.01)
    _, signed = read(tmp_path, "b.c3d", write.c3d(walk(), analog=analog, real=False))
    assert (signed.values == 40000 - 65536).all()


def test_c3d_that_is_cut_off_keeps_its_whole_frames(tmp_path):
    (stream,) = read(tmp_path, "a.c3d", write.c3d(walk())[:-100])
    assert len(stream.values) == 38
    assert stream.counts == {"frame is cut off": 2}


def test_c3d_agrees_with_two_libraries(tmp_path):
    ezc3d = pytest.importorskip("ezc3d", reason="ezc3d is not installed")
    residual = np.full((40, 5), 2)
    residual[10:20, 1] = -1
    (stream,) = read(tmp_path, "a.c3d", write.c3d(walk(), residual, first=100))
    other = ezc3d.c3d(str(tmp_path / "a.c3d"))
    theirs = other["data"]["points"][:3].transpose(2, 1, 0)
    assert stream.values == pytest.approx(theirs, nan_ok=True)
    assert list(stream.columns) == other["parameters"]["POINT"]["LABELS"]["value"]


# ----------------------------------------------------------------------------------------- TRC


@pytest.mark.parametrize("blank", [True, False])
def test_trc_an_unseen_marker_stays_where_it_is_in_the_table(tmp_path, blank):
    points = walk(30, 3)
    points[5:10, 1] = np.nan
    points[12, 2] = np.nan
    data = write.trc(points, ["heel", "toe", "ankle"], "mm", 50.0, blank, start=2.0)
    (stream,) = read(tmp_path, "a.trc", data)
    assert stream.columns == ("heel", "toe", "ankle")
    assert stream.values == pytest.approx(points, abs=1e-4, nan_ok=True)
    assert stream.units == ("mm",)
    assert stream.rate_hz == 50
    assert stream.time_s[:2].tolist() == [2.0, 2.02]
    assert not stream.counts


def test_trc_counts_rows_of_another_width_and_states_no_unit_that_it_has_not(tmp_path):
    data = write.trc(walk(30, 3), ["a", "b", "c"], units="") + b"31\t0.3\t1\t2\n"
    (stream,) = read(tmp_path, "a.trc", data)
    assert stream.counts == {"row has the wrong number of columns": 1}
    assert stream.units == ()


# ----------------------------------------------------------------------------------------- BVH

HAND = """ROOT hips
{ OFFSET 0 0 0
 CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
 JOINT mixamorig:arm
 { OFFSET 1 0 0
  CHANNELS 4 Xposition Yposition Zposition Yrotation
  JOINT hand
  { OFFSET 2 0 0
   CHANNELS 1 Zrotation
   End Site
   { OFFSET 1 0 0 }
  }
 }
}"""


def test_bvh_honours_positions_of_every_joint_and_joints_of_one_channel(tmp_path):
    motion = np.array([[0, 10, 0, 90, 0, 0, 1, 0, 0, 0, 0], [5, 0, 0, 30, 40, 50, 3, 1, 0, 20, 9]])
    (stream,) = read(tmp_path, "a.bvh", write.bvh(HAND, np.tile(motion, (3, 1))))
    assert stream.columns == ("hips", "arm", "hand")
    assert stream.values[0] == pytest.approx(np.array([[0, 10, 0], [0, 11, 0], [0, 13, 0]]))
    root = Rotation.from_euler("ZXY", [30, 40, 50], degrees=True)
    arm = np.array([5, 0, 0]) + root.apply([3, 1, 0])
    hand = arm + (root * Rotation.from_euler("Y", 20, degrees=True)).apply([2, 0, 0])
    assert stream.values[1] == pytest.approx(np.array([[5, 0, 0], arm, hand]))
    assert stream.units == ()


def test_bvh_frame_of_another_width_is_left_out_and_time_goes_on(tmp_path):
    data = write.bvh(HAND, np.random.default_rng(0).normal(size=(9, 11)), 0.01)
    lines = data.split(b"\n")
    lines[-4] = lines[-4].rpartition(b" ")[0]
    (stream,) = read(tmp_path, "a.bvh", b"\n".join(lines))
    assert stream.counts == {"frame has the wrong number of values": 1}
    assert np.diff(stream.time_s).max() == pytest.approx(0.02)


@needs_real
def test_bvh_of_cmu_agrees_with_a_library():
    pybvh = pytest.importorskip("pybvh", reason="pybvh is not installed")
    name = "cmu-bvh/13_11.bvh"
    (stream,) = formats.read(Storage(REAL), name)
    other = pybvh.read_bvh_file(REAL / name, world_up="+y")
    assert stream.columns == tuple(other.joint_names)
    assert stream.values == pytest.approx(np.asarray(other.joint_positions()), abs=1e-3)


# ---------------------------------------------------------------------------------------- MVNX


def body(frames=30, legs=True):
    random = np.random.default_rng(1)
    turns = Rotation.from_rotvec(np.linspace(0, 1, frames)[:, None] * [0, 0, 1])
    rest = random.normal(size=(23, 3))
    places = np.stack([turn.apply(rest) for turn in turns])
    moving = range(23) if legs else range(1, 15)
    for joint in moving:
        places[:, joint] += 0.1 * np.cumsum(random.normal(size=(frames, 3)), axis=0)
    places += np.linspace(0, 1, frames)[:, None, None]
    quaternions = np.repeat(np.roll(turns.as_quat(), 1, axis=1)[:, None], 23, axis=1)
    return places, quaternions


def test_mvnx_segments_go_by_label_and_poses_are_no_movement(tmp_path):
    places, turns = body()
    order = list(range(22, -1, -1))
    (stream,) = read(tmp_path, "a.mvnx", write.mvnx(places, turns, order=order))
    assert stream.counts == {"frame is a pose for calibration": 3}
    assert stream.column("Head") == pytest.approx(places[:, write.SEGMENTS.index("Head")], abs=1e-5)
    assert stream.time_s[1] == pytest.approx(1 / 60, abs=1e-3)
    assert stream.clock == "utc"
    assert stream.origin_ns == 1_700_000_000_000 * 10**6


def test_mvnx_legs_without_trackers_are_invented(tmp_path):
    (stream,) = read(tmp_path, "a.mvnx", write.mvnx(*body(legs=False)))
    assert stream.counts["joint is a copy of the pelvis"] == 8 * 30
    masked = {n for n, flag in zip(stream.columns, stream.invented[0], strict=True) if flag}
    assert masked == {
        f"{s}{p}" for s in ("Left", "Right") for p in ("UpperLeg", "LowerLeg", "Foot", "Toe")
    }


def test_mvnx_that_is_cut_off_keeps_its_whole_frames(tmp_path):
    data = write.mvnx(*body())
    (stream,) = read(tmp_path, "a.mvnx", data[: len(data) * 2 // 3])
    assert 10 < len(stream.values) < 30
    assert stream.counts["file is cut off or damaged"] == 1


def test_mvnx_with_entities_is_refused(tmp_path):
    bomb = b'<!DOCTYPE m [<!ENTITY a "aaaa">]>' + write.mvnx(*body())
    with pytest.raises(CorruptFile, match="entities"):
        read(tmp_path, "a.mvnx", bomb)


# --------------------------------------------------------------------------------------- AMASS


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def angles(frames=20, width=156):
    return np.random.default_rng(2).normal(0, 0.3, (frames, width))


@pytest.mark.parametrize(("key", "width"), [("mocap_framerate", 156), ("mocap_frame_rate", 165)])
def test_amass_joints_against_a_slow_chain_of_rotations(tmp_path, key, width):
    poses, trans = angles(width=width), np.random.default_rng(3).normal(size=(20, 3))
    (stream,) = read(tmp_path, "a.npz", npz(poses=poses, trans=trans, **{key: 120.0}))
    rest = amass.offsets()

    def place(frame, joint):
        if joint < 0:
            return trans[frame], Rotation.identity()
        if joint == 0:
            return trans[frame], Rotation.from_rotvec(poses[frame, :3])
        above, turn = place(frame, amass._PARENTS[joint])
        own = Rotation.from_rotvec(poses[frame, 3 * joint : 3 * joint + 3])
        return above + turn.apply(rest[joint]), turn * own

    slow = np.array([place(7, joint)[0] for joint in range(22)])
    assert stream.values[7] == pytest.approx(slow)
    assert stream.rate_hz == 120


def test_amass_without_a_rate_is_refused_and_frozen_poses_are_invented(tmp_path):
    poses = angles()
    with pytest.raises(CorruptFile, match="mocap_framerate"):
        read(tmp_path, "a.npz", npz(poses=poses, trans=np.zeros((20, 3))))
    poses[5:15] = poses[5]
    data = npz(poses=poses, trans=np.zeros((20, 3)), mocap_framerate=60.0)
    (stream,) = read(tmp_path, "a.npz", data)
    assert stream.counts == {"pose is frozen": 9}
    assert stream.invented[6:15].all()
    assert stream.invented.all(axis=1).sum() == 9


def test_amass_frames_that_are_no_numbers_are_no_pose(tmp_path):
    poses = angles()
    poses[3, 10] = np.nan
    data = npz(poses=poses, trans=np.zeros((20, 3)), mocap_framerate=60.0)
    (stream,) = read(tmp_path, "a.npz", data)
    assert stream.counts == {"frame has a number that is none": 1}
    assert np.isnan(stream.values[3]).all()


WHOLE = {
    "a.c3d": write.c3d(walk(8)), "a.trc": write.trc(walk(8, 3), ["a", "b", "c"]),
    "a.bvh": write.bvh(HAND, np.ones((5, 11))), "a.mvnx": write.mvnx(*body(12)),
    "a.npz": npz(poses=angles(5), trans=np.zeros((5, 3)), mocap_framerate=60.0),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_whatever_the_bytes_a_file_is_read_or_refused_in_a_sentence(tmp_path, name):
    random = np.random.default_rng(0)
    for data in (b"", b"\0" * 2000, WHOLE[name][:100]):
        with pytest.raises(CorruptFile):
            read(tmp_path, name, data)
    for turn in range(100):
        data = bytearray(WHOLE[name])
        for place in random.integers(0, len(data), 4):
            data[place] = random.integers(256)
        try:
            read(tmp_path, name, bytes(data[: random.integers(1, len(data))] if turn % 2 else data))
        except CorruptFile:
            pass
