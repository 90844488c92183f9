import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.datasets.ego_exo4d.pose import numbers_a_frame, pose_times, read_pose
from aura.errors import CorruptFile
from aura.schema import JOINTS
from tests.datasets.ego_exo4d.roots import copy_of, edit, load_first, pose, reasons


@settings(deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 5000).map(str),
        st.lists(
            st.fixed_dictionaries(
                {
                    "annotation3D": st.dictionaries(
                        st.sampled_from(JOINTS),
                        st.fixed_dictionaries(dict.fromkeys("xyz", st.floats(-5, 5, width=32))),
                    )
                }
            ),
            max_size=2,
        ),
        max_size=20,
    )
)
def test_pose_frames_are_sorted_as_numbers_and_absent_joints_are_nan(content):
    pose = read_pose(json.dumps(content).encode())
    numbers, joints = pose.frames, pose.joints
    assert numbers.tolist() == sorted(int(key) for key in content)
    for row, number in enumerate(numbers):
        people = content[str(number)]
        points = people[0]["annotation3D"] if people else {}
        for index, name in enumerate(JOINTS):
            if name in points:
                assert joints[row, index].tolist() == [points[name][axis] for axis in "xyz"]
            else:
                assert np.isnan(joints[row, index]).all()


def test_joints_of_too_few_cameras_are_masked_and_counted(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    shutil.rmtree(root / "annotations/ego_pose/train/body/annotation", ignore_errors=True)
    take, _ = load_first(root)

    def weaken(content):
        for frame in range(10):
            content[str(frame)][0]["annotation3D"]["nose"]["num_views_for_3d"] = 1
            del content[str(frame)][0]["annotation3D"]["left-ear"]["num_views_for_3d"]

    edit(root, f"annotations/ego_pose/train/body/automatic/{take.take_id}.json", weaken)
    _, recording = load_first(root)
    nose = np.isnan(recording.mocap[:, JOINTS.index("nose")]).all(axis=1)
    assert np.flatnonzero(nose).tolist() == list(range(10))
    assert recording.counts == {"joint seen by too few cameras": 10}
    assert np.isfinite(load_first(root, min_views=1)[1].mocap).all()


def test_the_kind_of_pose_is_a_choice_and_the_other_stands_in(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    take, dense = load_first(root)
    automatic = root / f"annotations/ego_pose/train/body/automatic/{take.take_id}.json"
    manual = automatic.parents[1] / "annotation" / automatic.name
    if not manual.exists():
        manual.parent.mkdir(exist_ok=True)
        content = json.loads(automatic.read_text())
        manual.write_text(json.dumps({k: v for k, v in content.items() if int(k) % 3 == 0}))
    _, sparse = load_first(root, pose=["annotation", "automatic"])
    assert (len(dense.mocap), len(sparse.mocap)) == (180, 60)
    assert (np.diff(sparse.mocap_frame) == 3).all()
    automatic.write_text("{")
    _, fallen = load_first(root)
    assert len(fallen.mocap) == 60
    assert reasons(fallen) == {"mocap: body pose is corrupt, the other kind is read": 1}


@pytest.mark.parametrize(
    "content",
    [b"", b"[]x", b'{"a": []}', b'{"1": [], "01": []}', b'{"-1": []}', b'{"1": 7}',
     b'{"99999999": []}', b'{"1": [{"annotation3D": []}]}',
     b'{"1": [{"annotation3D": {"nose": {"x": 1, "y": 2}}}]}',
     b'{"1": [{"annotation3D": {"nose": {"x": "a", "y": 2, "z": 3}}}]}', b"[" * 100_000],
)  # fmt: skip
def test_a_pose_file_of_another_form_is_refused(content):
    with pytest.raises(CorruptFile, match="body pose cannot be read"):
        read_pose(content)


def test_joints_out_of_this_world_are_absent():
    points = {"nose": {"x": 1e300, "y": 0, "z": 0}, "left-eye": {"x": 1, "y": float("nan"), "z": 2}}
    pose = read_pose(json.dumps({"0": [{"annotation3D": points}], "1": []}).encode(), min_views=2)
    assert np.isnan(pose.joints).all()
    assert (pose.empty, pose.absent, pose.few_views) == (1, 17, 0)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (range(180), 1),
        (range(0, 180, 3), 1),  # annotated by hand
        (range(194), 1),  # a few poses past the end are counted, as before
        (range(360), 2),
        (range(0, 360, 6), 2),
        (range(3, 340), 2),
        (range(366), 2),
        (range(720), 4),
        (range(250), None),  # no rate explains it
        (range(540), None),
        (range(7170, 7350), None),  # numbered as the capture is
        (range(180, 360), None),
        ([], 1),
    ],
)
def test_how_pose_is_numbered_is_told_by_its_last_number(numbers, expected):
    assert numbers_a_frame(np.array(numbers, np.int64), 180) == expected


def test_times_of_poses_lie_on_and_between_the_frames():
    frame_s = np.array([0.0, 0.1, np.nan, 0.31])
    position = np.arange(8) / 2
    expected = [0, 0.05, 0.1, 0.15, 0.2, 0.255, 0.31, 0.36]
    np.testing.assert_allclose(pose_times(position, frame_s, 10.0), expected)
    assert pose_times(np.empty(0), frame_s, 10.0).shape == (0,)


@pytest.mark.parametrize("multiple", [2, 4])
def test_pose_numbered_at_a_multiple_of_the_rate_keeps_its_clock(clean_root, tmp_path, multiple):
    """Every pose of before is at its time of before, and those between lie between."""
    root = copy_of(clean_root, tmp_path)
    take, before = load_first(root)
    path = pose(root, take)
    content = json.loads(path.read_text())
    people = [content[str(frame)] for frame in range(180)]
    path.write_text(json.dumps({str(n): people[n // multiple] for n in range(180 * multiple)}))
    shutil.rmtree(path.parents[1] / "annotation", ignore_errors=True)
    _, after = load_first(root)
    assert reasons(after) == {
        f"mocap: body pose is numbered at {multiple} times the video's rate": 1
    }
    assert len(after.mocap) == 180 * multiple
    np.testing.assert_allclose(after.mocap_s[::multiple], before.mocap_s, atol=1e-9)
    np.testing.assert_array_equal(after.mocap[::multiple], before.mocap)
    np.testing.assert_allclose(np.diff(after.mocap_s), 1 / 30 / multiple, atol=2e-4)
    np.testing.assert_array_equal(after.mocap_frame, np.arange(180 * multiple) // multiple)


def test_pose_past_the_end_at_no_known_rate_is_left_out(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    take, _ = load_first(root)
    path = pose(root, take)
    content = json.loads(path.read_text())
    manual = path.parents[1] / "annotation" / path.name
    manual.parent.mkdir(exist_ok=True)
    manual.write_text(json.dumps({k: v for k, v in content.items() if int(k) % 3 == 0}))
    path.write_text(json.dumps({str(int(k) + 7170): v for k, v in content.items()}))
    _, other = load_first(root)
    told = "mocap: body pose is numbered past the video's end"
    assert reasons(other) == {f"{told}, the other kind is read": 1}
    assert len(other.mocap) == 60
    manual.unlink()
    _, without = load_first(root)
    assert reasons(without) == {told: 1}
    assert len(without.mocap) == 0
