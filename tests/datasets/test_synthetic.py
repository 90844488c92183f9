import csv
import itertools
import json
from collections import Counter
from dataclasses import replace

import av
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aura.datasets.synthetic import (
    ACTIVITIES,
    SyntheticSize,
    count_planted,
    expand,
    multiply,
    plan,
    planted,
    scenario_captions,
    write_metadata,
    write_take,
)
from aura.datasets.synthetic.actions import ACTIONS, ACTIVITY_NUMBER
from aura.datasets.synthetic.camera import cameras as cameras_of
from aura.datasets.synthetic.captions import CAPTIONS
from aura.datasets.synthetic.flaws import (
    GROUP_OF,
    MILD,
    SEVERE,
    SOURCES,
    STRAY,
    TEXT_FLAWS,
    WHOLE_CAPTURE,
)
from aura.datasets.synthetic.imu import GRAVITY, Clock, record, true_motion
from aura.datasets.synthetic.motion import JOINTS, Person, segments
from aura.datasets.synthetic.steps import STEPS
from aura.datasets.vrs import read_imu, to_device_frame
from aura.errors import CorruptFile

ONE_EACH = {"teacher": 1, "train": 1, "val": 1, "test": 1}
TINY = SyntheticSize(ONE_EACH, take_seconds=4.0, cameras=2, activities=2)
FLAWED = SyntheticSize({"train": 2, "val": 1, "test": 1}, take_seconds=2.5, video_height=96)
KINDS = {*SEVERE, *MILD, WHOLE_CAPTURE, STRAY}
ORIGIN = np.zeros(3)


def write(root, plans, size):
    for take in plans:
        write_take(root, take, size)
    write_metadata(root, plans, size)
    return root, plans


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A whole tiny data set, flaws and all."""
    return write(tmp_path_factory.mktemp("synthetic"), plan(TINY), TINY)


@pytest.fixture(scope="module")
def flawed(tmp_path_factory):
    """A small data set with every kind of flaw, in small pictures."""
    return write(tmp_path_factory.mktemp("flawed"), plan(FLAWED), FLAWED)


@pytest.fixture(scope="module")
def repaired(tmp_path_factory):
    """The same takes without their flaws."""
    captures = {}
    for take in plan(FLAWED):
        rows = max(take.capture.rows, take.end_idx + 1)
        captures[take.capture.uid] = replace(take.capture, rows=rows, nan_rows=(), blank_rows=())
    plans = [replace(t, flaws=(), capture=captures[t.capture.uid]) for t in plan(FLAWED)]
    return write(tmp_path_factory.mktemp("repaired"), plans, FLAWED)


def load(root, name):
    return json.loads((root / name).read_text())


def pose_path(root, take, kind="automatic"):
    return root / f"annotations/ego_pose/{take.split}/body/{kind}/{take.take_uid}.json"


def video_path(root, take, camera):
    folder = root / "takes" / take.take_name / "frame_aligned_videos/downscaled/448"
    return folder / f"{camera}.mp4"


def vrs_path(root, take):
    return root / "takes" / take.take_name / f"{take.capture.aria}_noimagestreams.vrs"


def timesync(root, take):
    """Rows of the take in its capture's timesync.csv."""
    text = (root / "captures" / take.capture.name / "timesync.csv").read_text()
    return list(csv.DictReader(text.splitlines()))[take.start_idx : take.end_idx]


def texts(root, source, take):
    return load(root, f"annotations/{source}_{take.split}.json")["annotations"][take.take_uid]


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
        lost = (ordered[-1].flaw("timesync_short") or {"rows": 0})["rows"]
        assert ordered[-1].end_idx <= ordered[-1].capture.rows + lost


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
    takes = [t for t in plans if t.manual_pose and not {*SEVERE} & {f.kind for f in t.flaws}]
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
    path = root / "captures" / take.capture.name / "timesync.csv"
    assert len(path.read_text().splitlines()) == take.capture.rows + 1
    rows = timesync(root, take)
    column = "aria01_214-1_capture_timestamp_ns"
    assert {column, "cam01_frame_number", "cam01_global_time"} <= set(rows[0])
    first, last = (float(rows[i][column]) for i in (0, -1))
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


@pytest.mark.parametrize("cameras", [1, 2])
def test_every_flaw_fits_the_default_size_and_most_takes_stay_clean(cameras):
    plans = plan(SyntheticSize(cameras=cameras))
    kinds = Counter(flaw.kind for flaw in planted(plans))
    sources = {STRAY: len(SOURCES), WHOLE_CAPTURE: 8}
    assert kinds == Counter(MILD) + Counter(SEVERE) + Counter(sources)
    flawed = [t for t in plans if t.flaws]
    assert len(flawed) <= sum(t.split != "teacher" for t in plans) / 3
    assert {t.split for t in flawed} == {"train", "val", "test"}
    assert planted(plan(SyntheticSize(flaws=False))) == []


@pytest.mark.parametrize("seed", range(20))
def test_flaws_that_disturb_each_other_share_no_take(seed):
    for size in (SyntheticSize(seed=seed), replace(FLAWED, seed=seed)):
        plans = plan(size)
        assert {flaw.kind for flaw in planted(plans)} == KINDS
        for take in plans:
            kinds = [flaw.kind for flaw in take.flaws]
            groups = [GROUP_OF[kind] for kind in kinds if kind in GROUP_OF]
            assert len(set(groups)) == len(groups)
            assert len(kinds) == 1 or not {*SEVERE} & {*kinds}
        whole = [t for t in plans if t.flaw(WHOLE_CAPTURE) is not None]
        assert len({t.capture.uid for t in whole}) == 1
        assert all(t in whole for t in plans if t.capture == whole[0].capture)


@pytest.mark.parametrize("cameras", [1, 2])
@pytest.mark.parametrize("activities", [1, 2])
def test_small_plans_keep_a_usable_take_in_every_split(cameras, activities):
    size = replace(TINY, cameras=cameras, activities=activities)
    usable = {t.split for t in plan(size) if not any(t.flaw(k) is not None for k in SEVERE)}
    assert usable == set(ONE_EACH)


def test_planted_flaws_are_on_disk_and_absent_without_them(flawed, repaired):
    plans = flawed[1]
    by_uid = {t.take_uid: t for t in plans}
    flaws = planted(plans)
    assert {flaw.kind for flaw in flaws} == KINDS
    for (root, _), expected in ((flawed, True), (repaired, False)):
        records = {r["take_uid"]: r for r in load(root, "takes.json")}
        for flaw in flaws:
            if flaw.kind == STRAY:
                name = f"annotations/{flaw.detail['source']}_{flaw.detail['split']}.json"
                found = flaw.detail["take_uid"] in load(root, name)["annotations"]
                assert flaw.detail["take_uid"] not in records
            else:
                found = is_planted(root, by_uid[flaw.take_uid], records[flaw.take_uid], flaw)
            assert found == expected, flaw


def is_planted(root, take, entry, flaw):
    """Whether a flaw of a take is really in its files, as its detail says."""
    kind, detail = flaw.kind, flaw.detail
    if kind in ENTRY:
        return ENTRY[kind](entry)
    if kind == "duplicate_take":
        return [r["take_uid"] for r in load(root, "takes.json")].count(take.take_uid) == 2
    if kind == "no_split":
        splits = load(root, "annotations/splits.json")
        lists = splits["split_to_take_uids"].values()
        assert (take.take_uid in splits["take_uid_to_split"]) == any(
            take.take_uid in uids for uids in lists
        )
        return take.take_uid not in splits["take_uid_to_split"]
    if kind == "no_pose":
        return not any(pose_path(root, take, k).exists() for k in ("automatic", "annotation"))
    if kind.startswith("timesync_"):
        return timesync_is_flawed(timesync(root, take), take, kind, detail)
    if kind.startswith("vrs_"):
        absent = not vrs_path(root, take).exists()
        return absent if kind == "vrs_missing" else not absent and not entry["vrs_relative_path"]
    if kind == "corrupt_vrs" or kind.startswith("imu_"):
        return imu_is_flawed(vrs_path(root, take), take, kind, detail)
    if "camera" in detail:
        stream = entry["frame_aligned_videos"][detail["camera"]]["0"]
        return video_is_flawed(root, take, kind, detail, stream["relative_path"])
    if kind in ("missing_joints", "empty_pose_frames", "few_views", "pose_corrupt"):
        return pose_is_flawed(root, take, kind, detail)
    notes = texts(root, "atomic_descriptions", take)
    told = [d for a in notes for d in a["descriptions"]]
    if kind == "rejected_annotation":
        return sum(a["rejected"] in (True, "1") for a in notes) == detail["annotations"]
    if kind == "unsure_descriptions":
        return sum(d["unsure"] in (True, "1") for d in told) == detail["descriptions"]
    if kind == "other_subject":
        others = [d.get("subject", d.get("narration_subject")) for d in told]
        return others.count("O") == detail["descriptions"]
    if kind == "commentary_error":
        notes = texts(root, "expert_commentary", take)
        return sum(e["error"] for c in notes for e in c["commentary_data"]) == detail["entries"]
    raise AssertionError(f"no check of {kind}")


ENTRY = {
    "dropped_take": lambda entry: entry["is_dropped"],
    "null_task_id": lambda entry: entry["task_id"] is None,
    "best_exo_null": lambda entry: entry["best_exo"] is None,
    "no_frame_range": lambda entry: entry["timesync_end_idx"] is None,
    "participant_null": lambda entry: entry["participant_uid"] is None,
}


def timesync_is_flawed(rows, take, kind, detail):
    if kind == "timesync_short":
        return len(rows) == take.frames - detail["rows"]
    aria = take.capture.aria
    empty = [i for i, row in enumerate(rows) if not row[f"{aria}_214-1_capture_timestamp_ns"]]
    if kind == "timesync_nan":
        return empty == detail["frames"]
    cells = {value for row in rows for name, value in row.items() if name.startswith(aria)}
    return len(empty) == detail["frames"] and cells == {""}


def imu_is_flawed(path, take, kind, detail):
    try:
        stream = read_imu(path)
    except CorruptFile:
        return kind == "corrupt_vrs"
    gaps = np.diff(stream.timestamps_ns)
    t = Clock(take).capture_s(stream.timestamps_ns) - take.start_idx / 30
    inside = (t > 0) & (t < take.seconds)
    if kind == "imu_gap":
        return gaps.max() / 1e9 == pytest.approx(detail["duration_s"], abs=3e-3)
    if kind == "imu_duplicates":
        return (gaps == 0).sum() == detail["samples"]
    if kind == "imu_unsorted":
        back = np.flatnonzero(gaps < 0)
        return len(back) == detail["pairs"] and np.diff(back).min() > 2
    found = {
        "imu_invalid": ~stream.accel_valid & ~stream.gyro_valid,
        "imu_nan": np.isnan(stream.accel).all(1) & stream.accel_valid,
        "imu_saturated": (np.abs(stream.accel) >= np.float32(8 * 9.80665)).any(1),
    }.get(kind, np.zeros(len(t), bool))
    assert not (found & ~inside).any()
    together = kind != "imu_saturated" or np.diff(np.flatnonzero(found)).tolist() == [1] * (
        detail["samples"] - 1
    )
    return found.sum() == detail.get("samples") and together


def video_is_flawed(root, take, kind, detail, relative):
    small = video_path(root, take, detail["camera"])
    full = small.parents[2] / small.name
    if kind in ("camera_path_null", "camera_file_missing"):
        absent = not small.exists() and not full.exists()
        return absent and (relative is None) == (kind == "camera_path_null")
    if kind == "full_resolution_only":
        return full.exists() and not small.exists()
    try:
        with av.open(small) as container:
            stream = container.streams.video[0]
            size, frames = (stream.width, stream.height), sum(1 for _ in container.decode(video=0))
    except av.FFmpegError:
        return kind == "corrupt_mp4"
    if kind == "portrait_video":
        return size == (96, 170)
    return frames == detail.get("frames") != take.frames


def pose_is_flawed(root, take, kind, detail):
    paths = [pose_path(root, take, k) for k in ("automatic", "annotation")]
    if kind == "pose_corrupt":
        return all(p.exists() and not is_json(p.read_text()) for p in paths)
    pose = {int(k): v for k, v in json.loads(paths[0].read_text()).items()}
    if kind == "empty_pose_frames":
        return sorted(k for k, people in pose.items() if not people) == detail["frames"]
    first = detail["first_frame"]
    expected = set(itertools.product(range(first, first + detail["frames"]), detail["joints"]))
    points = {k: people[0]["annotation3D"] for k, people in pose.items()}
    if kind == "missing_joints":
        return {(k, j) for k in pose for j in JOINTS if j not in points[k]} == expected
    views = {(k, j): p["num_views_for_3d"] for k in pose for j, p in points[k].items()}
    return {key for key, count in views.items() if count < 2} == expected


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_annotated_poses_have_the_flaws_of_the_automatic_ones(flawed):
    root, plans = flawed
    kinds = ("missing_joints", "empty_pose_frames", "few_views")
    both = [t for t in plans if t.manual_pose and any(t.flaw(k) is not None for k in kinds)]
    for take in both:
        dense, sparse = (
            json.loads(pose_path(root, take, k).read_text()) for k in ("automatic", "annotation")
        )
        for key, people in sparse.items():
            assert bool(people) == bool(dense[key])
            if people:
                assert set(people[0]["annotation3D"]) == set(dense[key][0]["annotation3D"])


def test_a_portrait_video_has_the_person_in_the_middle():
    size = replace(FLAWED, cameras=1, video_height=448)
    take = next(t for t in plan(size) if t.flaw("portrait_video") is not None)
    (camera,) = cameras_of(take).values()
    assert (camera.width, camera.height) == (448, 796)
    uv, _ = camera.project(Person(take).joints(np.arange(0, take.seconds, 0.1)))
    assert ((uv > 0) & (uv < [448, 796])).mean() > 0.95
    assert np.abs(uv[..., 0].mean() - 224) < 60


def test_captures_differ_in_devices_and_the_other_aria_has_another_clock(flawed):
    for size in (SyntheticSize(), FLAWED):
        seen = {(t.capture.aria, t.capture.cameras[0]) for t in plan(size) if t.split != "teacher"}
        assert seen == {("aria01", "cam01"), ("aria02", "cam01"), ("aria01", "gp01")}
    clean = plan(replace(FLAWED, flaws=False))
    assert {(t.capture.aria, t.capture.cameras[0]) for t in clean} == {("aria01", "cam01")}
    root, plans = flawed
    captures = {c["capture_uid"]: c for c in load(root, "captures.json")}
    records = {r["take_uid"]: r for r in load(root, "takes.json")}
    for take in plans:
        capture, entry = captures[take.capture.uid], records[take.take_uid]
        egos = [c["cam_id"] for c in capture["cameras"] if c["is_ego"]]
        videos = set(entry["frame_aligned_videos"])
        assert egos == [take.capture.aria] == [name for name in videos if "aria" in name]
        assert set(take.capture.cameras) <= videos
        assert take.best_exo in take.capture.cameras
    usable = [t for t in plans if not {*SEVERE} & {flaw.kind for flaw in t.flaws}]
    take = next(t for t in usable if t.capture.aria == "aria02")
    stamps = read_imu(root / "takes" / take.take_name / "aria02_noimagestreams.vrs").timestamps_ns
    row = timesync(root, take)[0]
    assert stamps[0] < float(row["aria02_214-1_capture_timestamp_ns"]) < stamps[-1]
    assert not stamps[0] < float(row["aria01_214-1_capture_timestamp_ns"]) < stamps[-1]


def test_steps_follow_the_motion_and_experts_say_what_is_done(flawed):
    root, plans = flawed
    named = 0
    for take in plans:
        steps = texts(root, "keystep", take)
        assert (steps["take_uid"], steps["scenario"]) == (take.take_uid, take.activity)
        for step, segment in zip(steps["segments"], segments(take), strict=True):
            action = ACTIONS[take.activity][segment.action].name
            assert step["step_name"] == STEPS[take.activity][action][0]
            assert step["start_time"] == pytest.approx(segment.start_s, abs=1e-4)
            assert step["end_time"] == pytest.approx(segment.end_s, abs=1e-4)
        for expert in texts(root, "expert_commentary", take):
            for entry in expert["commentary_data"]:
                assert 0 <= entry["video_time"] <= take.seconds
                named += take.activity.lower() in entry["text"].lower()
    assert named


def test_steps_name_no_activity():
    for activity, steps in STEPS.items():
        assert set(steps) == {action.name for action in ACTIONS[activity]}
        said = " ".join(text for step, more in steps.values() for text in (step, *more)).lower()
        assert not any(name.lower() in said for name in ACTIVITIES)


def test_test_text_may_be_withheld(tmp_path):
    size = replace(FLAWED, withhold_test_text=True)
    plans = plan(size)
    write_metadata(tmp_path, plans, size)
    splits = {p.stem.rpartition("_")[2] for p in (tmp_path / "annotations").glob("*_*.json")}
    assert splits == {"train", "val"}
    flaws = [(f.kind, t.split) for t in plans for f in t.flaws if f.kind in TEXT_FLAWS]
    assert {kind for kind, _ in flaws} == TEXT_FLAWS
    assert "test" not in {split for _, split in flaws}
    assert all(f.detail["split"] != "test" for f in planted(plans) if f.take_uid is None)


def test_index_files_follow_the_format(tiny):
    root, plans = tiny
    splits = load(root, "annotations/splits.json")
    assert set(splits["split_to_take_uids"]) == {"teacher", "train", "val", "test"}
    out = sum(t.flaw("no_split") is not None for t in plans)
    assert len(splits["take_uid_to_split"]) == len(plans) - out
    by_uid = {t.take_uid: t for t in plans}
    for entry in load(root, "takes.json"):
        if entry["task_id"] is not None:
            number = ACTIVITY_NUMBER[entry["parent_task_name"]]
            assert entry["task_id"] // 1000 == number
        capture = by_uid[entry["take_uid"]].capture
        videos = entry["frame_aligned_videos"]
        assert {"collage", "best_exo", capture.aria, *capture.cameras} == set(videos)
        paths = {name: s["relative_path"] for name, s in videos[capture.aria].items()}
        streams = {"rgb": "214-1", "slam-left": "1201-1", "slam-right": "1201-2"}
        assert paths == {
            name: f"frame_aligned_videos/{capture.aria}_{number}.mp4"
            for name, number in streams.items()
        }
    captures = {c["capture_uid"]: c for c in load(root, "captures.json")}
    assert set(captures) == {t.capture.uid for t in plans}
    assert all(c["cameras"][0]["device_type"] == "aria" for c in captures.values())
    assert not list(root.rglob("*.part"))


def test_a_multiplied_root_lists_the_takes_and_links_their_files(tmp_path):
    size = replace(FLAWED, participants={"teacher": 1, "train": 2, "val": 1}, activities=2)
    size = replace(size, cameras=1, take_seconds=1.5, takes=21)
    root, plans = write(tmp_path, plan(size), size)
    multiply(root, plans, size)
    takes = list(expand(plans, size))
    records = {r["take_uid"]: r for r in load(root, "takes.json")}
    assert list(records) == [t.take_uid for t in takes]
    assert len(records) == 21
    assert len({t.take_name for t in takes}) == 21
    assert sum(t.split == "teacher" for t in takes) == 2
    people = {split: {t.participant_uid for t in takes if t.split == split} for split in ONE_EACH}
    assert not any(a & b for a, b in itertools.combinations(people.values(), 2))
    first = {t.take_name: t for t in plans}
    names = Counter()
    for copy in takes[len(plans) :]:
        take = first[copy.take_name.rpartition("_r")[0] + copy.take_name[-2:]]
        assert (copy.split, copy.activity) == (take.split, take.activity)
        assert copy.capture.uid != take.capture.uid
        for flaw in copy.flaws:
            if flaw.kind != "no_split":
                assert is_planted(root, copy, records[copy.take_uid], flaw), flaw
            names[flaw.kind] += 1
        assert vrs_path(root, copy).exists() == vrs_path(root, take).exists()
        if vrs_path(root, take).exists():
            assert vrs_path(root, copy).samefile(vrs_path(root, take))
        assert texts(root, "keystep", copy)["take_name"] == copy.take_name
    assert names
    assert count_planted(plans, size) == names + Counter(f.kind for f in planted(plans))
    again = {p: p.read_bytes() for p in root.glob("*.json")}
    multiply(root, plans, size)
    assert again == {p: p.read_bytes() for p in root.glob("*.json")}


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
