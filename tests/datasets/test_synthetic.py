import csv
import itertools
import json
from dataclasses import replace

import av
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aura.datasets.synthetic import (
    ACTIVITIES,
    SyntheticSize,
    plan,
    planted,
    scenario_captions,
    write_metadata,
    write_take,
)
from aura.datasets.synthetic.actions import ACTIONS, ACTIVITY_NUMBER
from aura.datasets.synthetic.captions import CAPTIONS
from aura.datasets.synthetic.flaws import MILD, SEVERE
from aura.datasets.synthetic.imu import GRAVITY, Clock, record, true_motion
from aura.datasets.synthetic.motion import JOINTS, Person, segments
from aura.datasets.vrs import read_imu, to_device_frame
from aura.errors import CorruptFile

ONE_EACH = {"teacher": 1, "train": 1, "val": 1, "test": 1}
TINY = SyntheticSize(ONE_EACH, take_seconds=4.0, cameras=2, activities=2)
ORIGIN = np.zeros(3)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A whole tiny data set, flaws and all."""
    root = tmp_path_factory.mktemp("synthetic")
    plans = plan(TINY)
    for take in plans:
        write_take(root, take, TINY)
    write_metadata(root, plans, TINY)
    return root, plans


def load(root, name):
    return json.loads((root / name).read_text())


def pose_path(root, take, kind="automatic"):
    return root / f"annotations/ego_pose/{take.split}/body/{kind}/{take.take_uid}.json"


def video_path(root, take, camera):
    folder = root / "takes" / take.take_name / "frame_aligned_videos/downscaled/448"
    return folder / f"{camera}.mp4"


def vrs_path(root, take):
    return root / "takes" / take.take_name / "aria01_noimagestreams.vrs"


def test_plan_is_deterministic_and_the_seed_changes_it():
    size = SyntheticSize()
    assert plan(size) == plan(size)
    assert len(plan(size)) == 15 * 8
    other = plan(replace(size, seed=1))
    assert not {t.take_uid for t in plan(size)} & {t.take_uid for t in other}


def test_splits_share_neither_participants_nor_captures():
    plans = plan(SyntheticSize(takes_per_activity=2))
    for key in ("participant_uid", "capture"):
        groups = {}
        for take in plans:
            groups.setdefault(take.split, set()).add(getattr(take, key))
        assert set(groups) == {"teacher", "train", "val", "test"}
        for a, b in itertools.combinations(groups.values(), 2):
            assert not a & b


def test_takes_of_a_capture_do_not_overlap():
    for _, takes in itertools.groupby(plan(SyntheticSize()), key=lambda t: t.capture):
        ordered = list(takes)
        for a, b in itertools.pairwise(ordered):
            assert a.end_idx < b.start_idx
        assert ordered[-1].end_idx < ordered[-1].capture.rows


def test_writing_twice_gives_the_same_bytes(tmp_path):
    size = replace(TINY, take_seconds=1.5, flaws=False)
    take = plan(size)[0]
    contents = []
    for name in ("a", "b"):
        root = tmp_path / name
        write_take(root, take, size)
        write_metadata(root, [take], size)
        files = sorted(p for p in root.rglob("*") if p.is_file())
        contents.append({str(p.relative_to(root)): p.read_bytes() for p in files})
    assert any(name.endswith("cam02.mp4") for name in contents[0])
    assert contents[0] == contents[1]


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
        at = stream.timestamps_ns + stream.calibration.accel_time_offset_s * 1e9
        t = Clock(take).capture_s(at) - take.start_idx / 30
        offset = stream.calibration.transform_device_imu[:3, 3]
        true_accel, true_gyro, _ = true_motion(Person(take), t, offset)
        assert np.abs(accel - true_accel).std() < 0.1
        assert np.abs(gyro - true_gyro).std() < 0.01
        means.append(accel.mean(axis=0))
    np.testing.assert_allclose(*means, atol=0.3)


def test_jumps_saturate_the_accelerometer():
    size = SyntheticSize({"train": 1}, flaws=False)
    take = next(t for t in plan(size) if t.activity == "Basketball")
    peak = np.abs(record(take, Person(take), "imu-left").accel).max()
    assert peak == pytest.approx(4 * 9.80665, rel=1e-6)


def test_pose_follows_the_format_and_the_motion(tiny):
    root, plans = tiny
    take = next(t for t in plans if not t.flaws)
    pose = json.loads(pose_path(root, take).read_text())
    keys = list(pose)
    assert sorted(map(int, keys)) == list(range(take.frames))
    assert keys != sorted(keys, key=int)
    assert keys != sorted(keys)
    person = Person(take)
    for frame in (0, 17):
        (entry,) = pose[str(frame)]
        assert set(entry) == {"metadata", "annotation3D", "annotation2D"}
        assert set(entry["annotation3D"]) == set(JOINTS)
        assert set(entry["annotation3D"]["nose"]) == {"x", "y", "z", "num_views_for_3d"}
        true = person.to_world(person.joints(np.array([frame / 30])))[0]
        found = [[entry["annotation3D"][j][axis] for axis in "xyz"] for j in JOINTS]
        assert np.abs(np.array(found) - true).max() < 0.03


def test_manual_poses_step_by_three_frames(tiny):
    root, plans = tiny
    takes = [t for t in plans if t.manual_pose and t.flaw("no_pose") is None]
    assert takes
    pose = json.loads(pose_path(root, takes[0], "annotation").read_text())
    assert sorted(map(int, pose)) == list(range(0, takes[0].frames, 3))
    entry = next(p[0] for p in pose.values() if p)
    assert set(entry["annotation2D"]["cam01"]["left-hip"]) == {"x", "y", "placement"}


def test_bodies_keep_their_proportions_and_feet_stay_above_the_floor():
    for take in plan(SyntheticSize({"train": 1})):
        joints = Person(take).joints(np.arange(0, take.seconds, 0.1))
        assert joints[..., 2].min() > 0.0
        thigh = np.linalg.norm(
            joints[:, JOINTS.index("left-hip")] - joints[:, JOINTS.index("left-knee")], axis=1
        )
        assert np.ptp(thigh) < 1e-9


def test_videos_have_one_frame_a_row_and_show_a_moving_person(tiny):
    root, plans = tiny
    take = next(t for t in plans if not t.flaws)
    with av.open(video_path(root, take, "cam01")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.codec_context.pix_fmt) == (796, 448, "yuv420p")
        assert stream.average_rate == 30
        frames = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
    assert len(frames) == take.end_idx - take.start_idx
    change = np.abs(frames[0].astype(int) - frames[-1])[:, 174:622]
    assert change.max() > 60


def test_timesync_has_the_columns_and_a_clock_that_imu_stamps_share(tiny):
    root, plans = tiny
    take = next(t for t in plans if not t.flaws)
    text = (root / "captures" / take.capture.name / "timesync.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == take.capture.rows
    column = "aria01_214-1_capture_timestamp_ns"
    assert {column, "cam01_frame_number", "cam01_global_time"} <= set(rows[0])
    first, last = (float(rows[i][column]) for i in (take.start_idx, take.end_idx - 1))
    assert (last - first) / 1e9 == pytest.approx((take.frames - 1) / 30, abs=2e-3)
    stamps = read_imu(vrs_path(root, take)).timestamps_ns
    assert stamps[0] < first < last < stamps[-1]


def test_texts_say_what_is_done_at_their_time(tiny):
    root, plans = tiny
    for take in plans:
        if take.flaws:
            continue
        notes = load(root, f"annotations/atomic_descriptions_{take.split}.json")["annotations"]
        for annotation in notes[take.take_uid]:
            assert len(annotation["descriptions"]) >= 1
            for entry in annotation["descriptions"]:
                assert entry.get("subject") == "C" or entry["narration_subject"] == "C"
                near = {
                    s.action
                    for s in segments(take)
                    if s.start_s - 0.5 <= entry["timestamp"] <= s.end_s + 0.5
                }
                names = [ACTIONS[take.activity][action].name for action in near]
                assert any(entry["text"] in CAPTIONS[take.activity][name] for name in names)


def test_captions_name_no_activity_and_general_captions_do():
    classes = [name.lower() for name in ACTIVITIES]
    texts = [t for part in CAPTIONS.values() for group in part.values() for t in group]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert text.startswith("C ")
        assert text.endswith(".")
        assert not any(name in text.lower() for name in classes)
    words = {"Cooking": "cook", "Bike Repair": "bik", "Rock Climbing": "climb", "Dance": "danc"}
    for activity in ACTIVITIES:
        assert {a.name for a in ACTIONS[activity]} == set(CAPTIONS[activity])
        assert all(4 <= len(group) <= 6 for group in CAPTIONS[activity].values())
        general = scenario_captions(activity)
        assert 4 <= len(general) <= 6
        named = words.get(activity, activity.lower())
        assert sum(named in text.lower() for text in general) >= len(general) - 1


def test_every_flaw_fits_the_default_size_and_most_takes_stay_clean():
    plans = plan(SyntheticSize())
    kinds = [flaw.kind for flaw in planted(plans)]
    assert set(kinds) == {*SEVERE, *MILD, "unknown_take_annotation"}
    assert all(kinds.count(kind) == count for kind, count in MILD.items())
    flawed = [t for t in plans if t.flaws]
    assert len(flawed) < len(plans) / 3
    assert {t.split for t in flawed} == {"train", "val", "test"}
    assert planted(plan(SyntheticSize(flaws=False))) == []


@pytest.mark.parametrize("cameras", [1, 2])
@pytest.mark.parametrize("activities", [1, 2])
def test_small_plans_keep_a_usable_take_in_every_split(cameras, activities):
    size = replace(TINY, cameras=cameras, activities=activities)
    usable = {t.split for t in plan(size) if not any(t.flaw(k) is not None for k in SEVERE)}
    assert usable == set(ONE_EACH)


def test_planted_flaws_are_on_disk(tiny):
    root, plans = tiny
    records = {r["take_uid"]: r for r in load(root, "takes.json")}
    by_uid = {t.take_uid: t for t in plans}
    seen = set()
    for flaw in planted(plans):
        seen.add(flaw.kind)
        if flaw.take_uid is None:
            notes = load(root, f"annotations/atomic_descriptions_{flaw.detail['split']}.json")
            assert flaw.detail["take_uid"] in notes["annotations"]
            assert flaw.detail["take_uid"] not in records
        else:
            take = by_uid[flaw.take_uid]
            assert is_planted(root, take, records[flaw.take_uid], flaw), flaw
    assert set(MILD) <= seen
    assert len(seen & set(SEVERE)) == 3


def test_each_severe_flaw_is_on_disk(tmp_path):
    size = SyntheticSize({"train": 1}, take_seconds=2.0, cameras=1, activities=8)
    plans = [t for t in plan(size) if any(t.flaw(kind) is not None for kind in SEVERE)]
    write_metadata(tmp_path, plans, size)
    records = {r["take_uid"]: r for r in load(tmp_path, "takes.json")}
    kinds = set()
    for take in plans:
        write_take(tmp_path, take, size)
        for flaw in take.flaws:
            kinds.add(flaw.kind)
            assert is_planted(tmp_path, take, records[take.take_uid], flaw), flaw
    assert kinds >= {"corrupt_vrs", "corrupt_mp4", "no_pose"}


def is_planted(root, take, entry, flaw):
    """Whether a flaw of a take is really in its files."""
    kind, detail = flaw.kind, flaw.detail
    if kind == "dropped_take":
        return entry["is_dropped"]
    if kind == "null_task_id":
        return entry["task_id"] is None
    if kind == "best_exo_null":
        return entry["best_exo"] is None
    if kind == "no_pose":
        return not pose_path(root, take).exists()
    if kind == "corrupt_vrs":
        with pytest.raises(CorruptFile):
            read_imu(vrs_path(root, take))
        return True
    if kind == "corrupt_mp4":
        with pytest.raises(av.FFmpegError), av.open(video_path(root, take, detail["camera"])):
            pass
        return True
    if kind in ("camera_path_null", "camera_file_missing"):
        path = entry["frame_aligned_videos"][detail["camera"]]["0"]["relative_path"]
        absent = not video_path(root, take, detail["camera"]).exists()
        return absent and (path is None) == (kind == "camera_path_null")
    if kind == "timesync_nan":
        text = (root / "captures" / take.capture.name / "timesync.csv").read_text()
        rows = list(csv.DictReader(text.splitlines()))[take.start_idx : take.end_idx]
        column = "aria01_214-1_capture_timestamp_ns"
        return [i for i, row in enumerate(rows) if not row[column]] == detail["frames"]
    if kind.startswith("imu_"):
        stream = read_imu(vrs_path(root, take))
        gaps = np.diff(stream.timestamps_ns)
        if kind == "imu_gap":
            return gaps.max() / 1e9 == pytest.approx(detail["duration_s"], abs=3e-3)
        if kind == "imu_duplicates":
            return (gaps == 0).sum() == detail["samples"]
        stamps = np.unique(stream.timestamps_ns[~stream.accel_valid])
        return detail["samples"] - 3 <= len(stamps) <= detail["samples"]
    if kind in ("missing_joints", "empty_pose_frames"):
        pose = json.loads(pose_path(root, take).read_text())
        if kind == "empty_pose_frames":
            return sum(not p for p in pose.values()) == detail["frames"]
        lost = [not set(detail["joints"]) & set(p[0]["annotation3D"]) for p in pose.values() if p]
        return detail["frames"] * 0.8 < sum(lost) <= detail["frames"]
    notes = load(root, f"annotations/atomic_descriptions_{take.split}.json")["annotations"]
    flags = notes[take.take_uid]
    if kind == "rejected_annotation":
        return sum(a["rejected"] in (True, "1") for a in flags) == 1
    return any(d["unsure"] in (True, "1") for a in flags for d in a["descriptions"])


def test_index_files_follow_the_format(tiny):
    root, plans = tiny
    splits = load(root, "annotations/splits.json")
    assert set(splits["split_to_take_uids"]) == {"teacher", "train", "val", "test"}
    assert len(splits["take_uid_to_split"]) == len(plans)
    for entry in load(root, "takes.json"):
        if entry["task_id"] is not None:
            number = ACTIVITY_NUMBER[entry["parent_task_name"]]
            assert entry["task_id"] // 1000 == number
        assert {"collage", "best_exo", "cam01", "cam02"} == set(entry["frame_aligned_videos"])
    captures = {c["capture_uid"]: c for c in load(root, "captures.json")}
    assert set(captures) == {t.capture.uid for t in plans}
    assert all(c["cameras"][0]["device_type"] == "aria" for c in captures.values())
    assert not list(root.rglob("*.part"))


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
