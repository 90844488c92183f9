"""The adapter on the synthetic root: what it reads is what was written, flaws counted."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.datasets import synthetic
from aura.datasets.base import Text, open_dataset
from aura.datasets.ego_exo4d import Adapter
from aura.datasets.ego_exo4d.index import aria_name, frame_count, is_true
from aura.datasets.ego_exo4d.pose import read_pose
from aura.datasets.ego_exo4d.splits import split_by_person
from aura.datasets.ego_exo4d.texts import name_wearer
from aura.datasets.ego_exo4d.timesync import read_timesync, take_clock
from aura.datasets.vrs import read_imu
from aura.errors import AuraError, CorruptFile
from aura.schema import JOINTS
from aura.storage import Storage

SIZE = synthetic.SyntheticSize({"train": 1}, take_seconds=6.0, cameras=2, activities=2, flaws=False)


def write_takes(root, plans, size):
    for plan in plans:
        synthetic.write_take(root, plan, size)
    synthetic.write_metadata(root, plans, size)


def write(root, size):
    plans = synthetic.plan(size)
    write_takes(root, plans, size)
    return root, plans


@pytest.fixture(scope="module")
def clean_root(tmp_path_factory):
    return write(tmp_path_factory.mktemp("clean"), SIZE)


def copy_of(clean_root, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(clean_root[0], root)
    return root


def load_first(root, **options):
    adapter = Adapter(Storage(root), {"splits": ["train"], **options})
    take = adapter.inventory().takes[0]
    return take, adapter.load(take)


def reasons(recording):
    return Counter(f"{skip.modality}: {skip.reason}" for skip in recording.skips)


def test_a_clean_take_is_complete(clean_root):
    root, plans = clean_root
    take, recording = load_first(root)
    plan = next(p for p in plans if p.take_uid == take.take_id)
    assert (take.split, take.label) == ("train", plan.activity)
    assert (recording.skips, recording.counts) == ((), {})
    assert recording.duration_s == pytest.approx(6.0)
    assert recording.imu_s.min() < 0.01
    assert recording.imu_s.max() > 5.99
    assert np.median(np.diff(recording.imu_s)) == pytest.approx(1e-3, rel=0.05)
    # Gravity: the mean specific force of a person on the spot is about 1 g.
    assert np.linalg.norm(recording.imu[:, :3].mean(axis=0)) == pytest.approx(9.81, abs=0.8)
    assert recording.mocap.shape == (180, 17, 3)
    assert recording.frame_rate_hz == pytest.approx(30, rel=1e-3)
    assert [video.camera for video in recording.videos] in (["cam01", "cam02"], ["cam02", "cam01"])
    assert all((root / video.path).is_file() for video in recording.videos)
    assert recording.texts
    assert all(0 <= text.time_s <= 6 for text in recording.texts)


def test_imu_and_mocap_share_one_clock(clean_root):
    """Head acceleration from mocap and from the IMU line up best at no lag."""
    _, recording = load_first(clean_root[0])
    nose = recording.mocap[:, 0].astype(float)
    rate = 30.0
    grid = np.arange(0.3, 5.7, 1 / rate)
    height = np.interp(grid, recording.mocap_s, nose[:, 2])
    smooth = np.convolve(height, np.hanning(7) / np.hanning(7).sum(), "same")
    from_mocap = np.gradient(np.gradient(smooth)) * rate**2
    force = np.linalg.norm(recording.imu[:, :3], axis=1) - 9.81
    window = np.hanning(230) / np.hanning(230).sum()
    order = np.argsort(recording.imu_s)
    from_imu = np.interp(grid, recording.imu_s[order], np.convolve(force[order], window, "same"))
    inner = slice(20, -20)
    scores = {
        lag: np.corrcoef(np.roll(from_imu, lag)[inner], from_mocap[inner])[0, 1]
        for lag in range(-12, 13)
    }
    best = max(scores, key=lambda lag: scores[lag])
    assert abs(best) <= 2, scores


def test_the_best_camera_comes_first_and_another_stands_in(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    takes = json.loads((root / "takes.json").read_text())
    for take in takes:
        take["best_exo"] = "cam02"
    (root / "takes.json").write_text(json.dumps(takes))
    take, recording = load_first(root)
    assert [v.camera for v in recording.videos] == ["cam02", "cam01"]
    (root / recording.videos[0].path).unlink()
    _, recording = load_first(root)
    assert [v.camera for v in recording.videos] == ["cam01"]
    assert reasons(recording) == {"video: video file is missing": 1}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda root, take: vrs(root, take).write_bytes(b"x" * 500), "imu: VRS file is corrupt"),
        (lambda root, take: vrs(root, take).unlink(), "imu: no VRS file"),
        (lambda root, take: pose(root, take).write_text("{"), "mocap: body pose is corrupt"),
        (lambda root, take: pose(root, take).write_text('{"a": 1}'), "mocap: body pose is corrupt"),
        (lambda root, take: timesync(root).write_text("a,b\n"), "clock: timesync.csv is corrupt"),
        (lambda root, take: timesync(root).unlink(), "clock: no timesync.csv"),
    ],
)
def test_damage_is_a_skip_of_its_modality(clean_root, tmp_path, damage, reason):
    root = copy_of(clean_root, tmp_path)
    take, _ = load_first(root)
    shutil.rmtree(root / "annotations/ego_pose/train/body/annotation", ignore_errors=True)
    damage(root, take)
    _, recording = load_first(root)
    assert reasons(recording)[reason] == 1
    assert recording.texts


def vrs(root, take):
    return root / "takes" / take.take_name / "aria01_noimagestreams.vrs"


def pose(root, take):
    return root / f"annotations/ego_pose/train/body/automatic/{take.take_id}.json"


def timesync(root):
    return next(root.glob("captures/*/timesync.csv"))


def test_rows_past_the_end_of_timesync_are_counted(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    takes = json.loads((root / "takes.json").read_text())
    last = max(takes, key=lambda take: take["timesync_end_idx"])
    lines = timesync(root).read_text().splitlines()[: last["timesync_end_idx"] - 20]
    timesync(root).write_text("\n".join(lines) + "\n")
    adapter = Adapter(Storage(root), {})
    take = next(t for t in adapter.inventory().takes if t.take_id == last["take_uid"])
    recording = adapter.load(take)
    assert reasons(recording)["clock: timesync.csv ends before the take"] == 1
    assert np.isnan(recording.frame_s[-20:]).all()
    assert np.isfinite(recording.mocap_s).all()


@pytest.mark.parametrize("end", [None, "x", 0])
def test_a_take_without_a_range_of_frames_cannot_be_opened(clean_root, tmp_path, end):
    root = copy_of(clean_root, tmp_path)
    takes = json.loads((root / "takes.json").read_text())
    for take in takes:
        take["timesync_end_idx"] = end
    (root / "takes.json").write_text(json.dumps(takes))
    with pytest.raises(CorruptFile, match="no range of frames"):
        load_first(root)


def test_no_download_is_one_sentence(tmp_path):
    with pytest.raises(AuraError, match=r"takes\.json is missing"):
        open_dataset("ego-exo4d", str(tmp_path), {}).inventory()
    (tmp_path / "takes.json").write_text("[")
    (tmp_path / "captures.json").write_text("[]")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/splits.json").write_text("{}")
    with pytest.raises(AuraError, match="not valid JSON"):
        open_dataset("ego-exo4d", str(tmp_path), {}).inventory()
    with pytest.raises(AuraError, match="There is no adapter 'nope'"):
        open_dataset("nope", str(tmp_path), {})
    with pytest.raises(AuraError, match="Options of the adapter ego-exo4d: imu"):
        open_dataset("ego-exo4d", str(tmp_path), {"imu": "imu-top"})


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


def test_booleans_and_names_as_the_annotations_write_them():
    assert [is_true(v) for v in (True, "1", "true", 1, "True")] == [True] * 5
    assert [is_true(v) for v in (False, "0", "false", 0, None, "")] == [False] * 6
    assert aria_name({"vrs_relative_path": "aria02.vrs"}) == "aria02"
    assert aria_name({"frame_aligned_videos": {"cam01": {}, "aria03": {}}}) == "aria03"


def edit(root, name, change):
    """Change a JSON file of the root in place."""
    path = root / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


# Names, paths and index


def test_a_second_aria_is_read_by_its_own_column(tmp_path):
    """aria01 of such a capture is another device, with another clock."""
    size = replace(SIZE, participants={"train": 6}, flaws=True, take_seconds=3.0)
    plan = next(p for p in synthetic.plan(size) if p.capture.aria == "aria02")
    clean = replace(plan, flaws=(), capture=replace(plan.capture, nan_rows=(), blank_rows=()))
    write_takes(tmp_path, [clean], size)
    header = timesync(tmp_path).read_text().splitlines()[0]
    assert {"aria01_214-1_capture_timestamp_ns", "aria02_214-1_capture_timestamp_ns"} <= {
        *header.split(",")
    }
    take, recording = load_first(tmp_path)
    assert take.source["aria"] == "aria02"
    assert recording.skips == ()
    assert recording.imu_s.min() < 0.01
    assert recording.imu_s.max() > 2.99


def test_go_pros_are_cameras_and_pseudo_cameras_and_arias_are_not(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    folder = root / "takes" / load_first(root)[0].take_name / "frame_aligned_videos"
    for path in folder.rglob("cam01.mp4"):
        path.rename(path.with_name("gp01.mp4"))

    def rename(takes):
        for take in takes:
            streams = take["frame_aligned_videos"].pop("cam01")
            streams["0"]["relative_path"] = "frame_aligned_videos/gp01.mp4"
            take["frame_aligned_videos"]["gp01"] = streams
            take["frame_aligned_videos"]["collage"]["0"]["relative_path"] = "collage.mp4"

    edit(root, "takes.json", rename)
    _, recording = load_first(root)
    assert {video.camera for video in recording.videos} == {"gp01", "cam02"}


def test_448_pixels_are_preferred_and_full_size_stands_in(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    _, recording = load_first(root)
    small = root / recording.videos[0].path
    assert "/downscaled/448/" in recording.videos[0].path
    full = small.parents[2] / small.name
    shutil.copy(small, full)
    assert load_first(root)[1].videos == recording.videos
    small.unlink()
    _, other = load_first(root)
    assert root / other.videos[0].path == full
    assert other.skips == ()


def test_vrs_is_found_with_and_without_its_name_in_the_index(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    take, before = load_first(root)
    for name in ("aria01.vrs", "aria01_noimagestreams.vrs", None):
        edit(root, "takes.json", lambda ts, n=name: [t.update(vrs_relative_path=n) for t in ts])
        np.testing.assert_array_equal(load_first(root)[1].imu_s, before.imu_s)
    vrs(root, take).rename(vrs(root, take).with_name("aria01.vrs"))  # with image streams
    np.testing.assert_array_equal(load_first(root)[1].imu_s, before.imu_s)


def test_a_take_without_a_person_is_its_captures(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    edit(root, "takes.json", lambda takes: [t.update(participant_uid=None) for t in takes])
    take, _ = load_first(root)
    assert take.participant_id == take.capture_id == clean_root[1][0].capture.uid


def test_a_capture_that_captures_json_lacks_is_taken_from_the_take(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    (root / "captures.json").write_text("[]")
    assert load_first(root)[1].skips == ()


def test_withheld_test_text_is_said_once_a_source(tmp_path):
    size = replace(SIZE, participants={"train": 1, "test": 1}, activities=1, take_seconds=2.0,
                   withhold_test_text=True)  # fmt: skip
    write(tmp_path, size)
    adapter = Adapter(Storage(tmp_path), {"splits": ["train", "test"], "texts": ["keystep"]})
    inventory = adapter.inventory()
    assert [(s.reason, s.where) for s in inventory.skips] == [("split has no keystep", "test")]
    test = next(take for take in inventory.takes if take.split == "test")
    assert reasons(adapter.load(test)) == {"text: take has no usable text": 1}


@pytest.mark.parametrize(
    ("start", "end", "frames"), [(3, 9, 6), ("3", 9.0, 6), (9, 3, 0), (None, 3, 0), (-2, 3, 0)]
)
def test_ranges_of_frames(start, end, frames):
    assert frame_count({"start": start, "end": end}) == frames
    assert frame_count({"start": 0, "end": float("inf")}) == 0


# The clock


def column(stamps):
    return ("i,x\n" + "".join(f"{i},{s}\n" for i, s in enumerate(stamps))).encode()


def test_the_clock_of_a_take_by_hand():
    true = 5e12 + np.arange(100) * 1e9 / 30 * 1.0001
    cells = [f"{t:.0f}" for t in true]
    cells[20] = cells[25] = ""
    cells[40] = "NaN"
    cells[50] = f"{true[50] + 4e8:.0f}"  # 0.4 s off its neighbours
    times = read_timesync(column(cells), "x")
    assert np.isnan(times[[20, 25, 40]]).all()
    clock = take_clock(times, 20, 85)
    assert (clock.missing, clock.empty, clock.stray) == (5, 3, 1)
    # Frame 0 is row 20, whose cell is empty: the line through the others gives it.
    assert clock.origin_ns == pytest.approx(true[20], abs=50)
    assert clock.rate_hz == pytest.approx(30 / 1.0001, rel=1e-7)
    known = np.isfinite(clock.frame_s)
    assert np.flatnonzero(~known).tolist() == [0, 5, 20, 30, *range(80, 85)]
    np.testing.assert_allclose(
        clock.frame_s[known], (true[20:] - true[20])[known[:80]] / 1e9, atol=1e-7
    )


@pytest.mark.parametrize("times", [[np.nan] * 9, [5.0], np.arange(9)[::-1] * 1e9 / 30, np.zeros(9)])
def test_a_clock_that_is_none_is_refused(times):
    assert take_clock(np.array(times, float), 0, 9) is None


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"a,b\n1,2\n", b"x\nfive\n", b"x,y\n1\n2,3,4\n"]
)
def test_a_timesync_that_is_no_table_of_times_is_refused(data):
    with pytest.raises(CorruptFile, match=r"timesync\.csv cannot be read"):
        read_timesync(data, "x")


def test_frame_0_may_be_the_row_after_the_start(clean_root):
    """The option moves the origin by one row of timesync.csv, and nothing else."""
    take, zero = load_first(clean_root[0])
    _, one = load_first(clean_root[0], first_row=1)
    times = read_timesync(timesync(clean_root[0]).read_bytes(), "aria01_214-1_capture_timestamp_ns")
    start = int(take.source["start"])
    step = (times[start + 1] - times[start]) / 1e9
    assert 0.03 < step < 0.04
    shift = np.interp(one.imu_s, one.imu_s, one.imu_s) + step
    inside = (shift > zero.imu_s.min()) & (shift < zero.imu_s.max())
    nearest = zero.imu_s[np.searchsorted(zero.imu_s, shift[inside] - 1e-4)]
    np.testing.assert_allclose(nearest, shift[inside], atol=1e-6)


# The IMU


def test_calibration_frame_and_time_offsets_can_be_switched(clean_root):
    root, _ = clean_root
    take, device = load_first(root)
    stream = read_imu(vrs(root, take), "imu-right")
    known = stream.calibration
    _, raw = load_first(root, rectify=False, frame="sensor", time_offsets=False)
    _, rectified = load_first(root, frame="sensor")
    _, turned = load_first(root, rectify=False)
    first = int(np.flatnonzero(stream.accel[:, 0] == raw.imu[0, 0])[0])
    sample = stream.accel[first].astype(float)
    np.testing.assert_array_equal(raw.imu[0], [*stream.accel[first], *stream.gyro[first]])
    fixed = np.linalg.solve(known.accel_rectification, sample - known.accel_bias)
    rotation = known.transform_device_imu[:3, :3]

    def near(recording):
        """The same sample elsewhere: time offsets move which samples are near the take."""
        at = raw.imu_s[0] + (recording.imu_s[0] != raw.imu_s[0]) * known.accel_time_offset_s
        return recording.imu[np.argmin(np.abs(recording.imu_s - at)), :3]

    np.testing.assert_allclose(near(rectified), fixed, rtol=1e-5)
    np.testing.assert_allclose(near(turned), rotation @ sample, rtol=1e-5)
    np.testing.assert_allclose(near(device), rotation @ fixed, rtol=1e-5)
    assert raw.gyro_lag_s == 0
    assert device.gyro_lag_s == pytest.approx(known.gyro_time_offset_s - known.accel_time_offset_s)
    assert abs(device.gyro_lag_s) > 4e-4


# Pose


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


# Texts


def test_the_wearer_gets_a_name():
    assert name_wearer("C lifts C's cup.", "a person") == "A person lifts a person's cup."
    assert name_wearer("C lifts a CD.", "the climber") == "The climber lifts a CD."
    assert name_wearer("Then C waits.", "a person") == "Then a person waits."
    assert name_wearer("C lifts a cup.", None) == "C lifts a cup."


def test_every_source_of_text_and_who_it_is_about(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    take, _ = load_first(root)
    uid = take.take_id
    sure = {"unsure": "0", "ego_visible": "1"}
    atomic = {
        uid: [
            {"rejected": "0", "descriptions": [
                {"text": "C  sits.", "timestamp": 2.5, "subject": "C", **sure},
                {"text": "C nods.", "timestamp": "1.5", "narration_subject": "C", **sure},
                {"text": "O stands.", "timestamp": 1.5, "subject": "O", **sure},
                {"text": "C thinks.", "timestamp": 1.5, "subject": "C", "unsure": "1"},
                {"text": "C flies.", "timestamp": 400.0, "subject": "C", **sure},
                {"text": "", "timestamp": 1.0, "subject": "C", **sure},
                {"text": "C waits.", "timestamp": None, "subject": "C", **sure}]},
            {"rejected": False, "descriptions": [
                {"text": "C is seated.", "timestamp": 2.6, "subject": "C", "unsure": False}]},
            {"rejected": "1", "descriptions": [
                {"text": "C jumps.", "timestamp": 2.0, "subject": "C", "unsure": "0"}]}],
        "a-stranger": [],
    }  # fmt: skip
    keystep = {uid: {"scenario": "x", "segments": [
        {"start_time": 1.0, "end_time": 4.0, "step_name": "Sit down"},
        {"start_time": 4.0, "end_time": 1.0, "step_name": "Backwards"}]}}  # fmt: skip
    experts = {
        uid: [{"commentary_data": [
        {"text": "Good posture.", "video_time": 3.0, "duration_approx": 2.0, "error": ""},
        {"text": "Noise.", "video_time": 3.0, "duration_approx": 2.0, "error": "silent"},
        {"text": "Fine.", "video_time": 3.5, "duration_approx": 2.0, "error": False}]}],
    }  # fmt: skip
    for name, content in (
        ("atomic_descriptions", atomic), ("keystep", keystep), ("expert_commentary", experts)
    ):  # fmt: skip
        path = root / f"annotations/{name}_train.json"
        path.write_text(json.dumps({"annotations": content}))
    sources = ["atomic_descriptions", "keystep", "expert_commentary", "activity"]
    adapter = Adapter(Storage(root), {"splits": ["train"], "texts": sources})
    inventory = adapter.inventory()
    take = next(take for take in inventory.takes if take.take_id == uid)
    recording = adapter.load(take)
    phrase = Adapter.classes[take.label]
    assert recording.texts == (
        Text("Sit down", 1.0, "keystep", 4.0),
        Text("A person nods.", 1.5, "atomic_descriptions"),
        Text("A person sits.", 2.5, "atomic_descriptions"),
        Text("A person is seated.", 2.6, "atomic_descriptions"),
        Text("Good posture.", 3.0, "expert_commentary"),
        Text("Fine.", 3.5, "expert_commentary"),
        Text(f"A person is {phrase}.", 0.0, "activity", 6.0),
    )
    assert recording.actions == (Text("Sit down", 1.0, "action", 4.0),)
    alone = Adapter(Storage(root), {"splits": ["train"]})
    found = alone.load(next(t for t in alone.inventory().takes if t.take_id == uid))
    assert found.actions == recording.actions  # labels, whether keysteps are texts or not
    assert {text.source for text in found.texts} == {"atomic_descriptions"}
    assert Counter(skip.reason for skip in inventory.skips) == {
        "text is about another person": 1,
        "text is unsure": 1,
        "text or its time is empty": 3,
        "annotation is rejected": 1,
        "annotation without a take": 1,
        "commentary is marked as an error": 1,
    }
    assert reasons(recording) == {"text: text is outside the take": 1}
    both = Adapter(Storage(root), {"splits": ["train"], "subjects": ["C", "O"], "person": None})
    loaded = both.load(next(t for t in both.inventory().takes if t.take_id == uid))
    assert "O stands." in {text.text for text in loaded.texts}


# The split by person


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=60), st.randoms())
def test_a_split_by_person_shares_neither_people_nor_captures(takes, random):
    people, captures = [f"p{p}" for p, _ in takes], [f"c{c}" for _, c in takes]
    split = split_by_person(people, captures)
    for ids in (people, captures):
        found = {}
        for name, where in zip(ids, split, strict=True):
            assert found.setdefault(name, where) == where
    order = list(range(len(takes)))
    random.shuffle(order)
    again = split_by_person([people[i] for i in order], [captures[i] for i in order])
    assert again == [split[i] for i in order]


def test_a_split_by_person_has_its_shares():
    people = [f"p{i // 6}" for i in range(3000)]
    split = Counter(split_by_person(people, [f"c{i // 3}" for i in range(3000)]))
    assert split["test"] == pytest.approx(600, abs=6)
    assert split["val"] == pytest.approx(300, abs=6)


def test_a_split_by_person_finds_pose_where_the_official_split_put_it(tmp_path):
    size = replace(SIZE, participants={"train": 2, "val": 2}, activities=1, take_seconds=2.0)
    write(tmp_path, size)
    options = {"split": "participant", "splits": ["train", "val"]}
    adapter = Adapter(Storage(tmp_path), options)
    takes = adapter.inventory().takes
    assert {take.split for take in takes} > {"test"}
    assert {take.source["official_split"] for take in takes} == {"train", "val"}
    assert all(len(adapter.load(take).mocap) == 60 for take in takes)
