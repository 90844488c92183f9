import itertools
import json
from collections import Counter
from dataclasses import replace

import av
import numpy as np
import pytest

from aura.datasets.synthetic import (
    SyntheticSize,
    count_planted,
    expand,
    multiply,
    plan,
    planted,
    write_metadata,
    write_take,
)
from aura.datasets.synthetic.actions import ACTIVITY_NUMBER
from aura.datasets.synthetic.camera import cameras as cameras_of
from aura.datasets.synthetic.flaws import SEVERE
from aura.datasets.synthetic.motion import JOINTS, Person
from aura.datasets.vrs import read_imu
from tests.datasets.synthetic.roots import (
    FLAWED,
    ONE_EACH,
    TINY,
    load,
    pose_path,
    texts,
    timesync,
    video_path,
    vrs_path,
    write,
)
from tests.datasets.synthetic.test_flaws import is_planted


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
