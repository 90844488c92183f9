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
from aura.datasets.base import open_dataset
from aura.datasets.ego_exo4d import Adapter, aria_of, parse_pose, truth
from aura.errors import AuraError, CorruptFile
from aura.schema import JOINTS

SIZE = synthetic.SyntheticSize(
    {"teacher": 1, "train": 2, "val": 1, "test": 1}, take_seconds=6.0, cameras=2, activities=3
)


def write(root, size):
    plans = synthetic.plan(size)
    for plan in plans:
        synthetic.write_take(root, plan, size)
    synthetic.write_metadata(root, plans, size)
    return root, plans


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("ego"), SIZE)


@pytest.fixture(scope="module")
def clean_root(tmp_path_factory):
    size = replace(SIZE, participants={"train": 1}, activities=2, flaws=False)
    return write(tmp_path_factory.mktemp("clean"), size)


def copy_of(clean_root, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(clean_root[0], root)
    return root


def load_first(root, **options):
    adapter = Adapter(root, {"splits": ["train"], **options})
    take = adapter.inventory().takes[0]
    return take, adapter.load(take)


def reasons(recording):
    return Counter(f"{skip.modality}: {skip.reason}" for skip in recording.skips)


def test_every_planted_flaw_is_skipped_for_its_reason(written):
    root, plans = written
    adapter = Adapter(root, {})
    inventory = adapter.inventory()
    found = Counter(skip.reason for skip in inventory.skips)
    loaded = [adapter.load(take) for take in inventory.takes]
    for recording in loaded:
        found.update(skip.reason for skip in recording.skips)
    read = {take.take_id for take in inventory.takes}
    planted = Counter(
        flaw.kind
        for flaw in synthetic.planted(plans)
        if flaw.take_uid in read or flaw.kind in ("unknown_take_annotation", "dropped_take")
    )
    pairs = {
        "corrupt_vrs": "VRS file is corrupt",
        "no_pose": "no body pose",
        "null_task_id": "task_id names no activity",
        "dropped_take": "take is marked as dropped",
        "unknown_take_annotation": "annotation without a take",
        "rejected_annotation": "annotation is rejected",
        "timesync_nan": "timesync.csv has empty times",
        "camera_path_null": "camera has no video path",
        "camera_file_missing": "video file is missing",
    }
    assert sum(kind in planted for kind in pairs) >= 7, planted
    assert {reason: found[reason] for reason in pairs.values()} == {
        reason: planted[kind] for kind, reason in pairs.items()
    }
    assert found["take is in a split that is not read"] == SIZE.activities


def test_a_clean_take_is_complete(clean_root):
    root, plans = clean_root
    take, recording = load_first(root)
    plan = next(p for p in plans if p.take_uid == take.take_id)
    assert (take.split, take.label) == ("train", plan.activity)
    assert recording.skips == ()
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
    adapter = Adapter(root, {})
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
        open_dataset("ego-exo4d", tmp_path, {}).inventory()
    (tmp_path / "takes.json").write_text("[")
    with pytest.raises(AuraError, match="not valid JSON"):
        open_dataset("ego-exo4d", tmp_path, {}).inventory()
    with pytest.raises(AuraError, match="There is no adapter 'nope'"):
        open_dataset("nope", tmp_path, {})
    with pytest.raises(AuraError, match="Options of the adapter ego-exo4d: imu"):
        open_dataset("ego-exo4d", tmp_path, {"imu": "imu-top"})


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
    numbers, joints = parse_pose(content)
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
    assert [truth(v) for v in (True, "1", "true", 1, "True")] == [True] * 5
    assert [truth(v) for v in (False, "0", "false", 0, None, "")] == [False] * 6
    assert aria_of({"vrs_relative_path": "aria02.vrs"}) == "aria02"
    assert aria_of({"frame_aligned_videos": {"cam01": {}, "aria03": {}}}) == "aria03"
