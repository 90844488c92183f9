import itertools
import json

import av
import numpy as np
import pytest

from aura.datasets.synthetic import planted
from aura.datasets.synthetic.flaws import STRAY
from aura.datasets.synthetic.imu import Clock
from aura.datasets.synthetic.motion import JOINTS
from aura.datasets.vrs import read_imu
from aura.errors import CorruptFile
from tests.datasets.synthetic.roots import (
    KINDS,
    load,
    pose_path,
    texts,
    timesync,
    video_path,
    vrs_path,
)


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
    descriptions = [d for a in notes for d in a["descriptions"]]
    if kind == "rejected_annotation":
        return sum(a["rejected"] in (True, "1") for a in notes) == detail["annotations"]
    if kind == "unsure_descriptions":
        return sum(d["unsure"] in (True, "1") for d in descriptions) == detail["descriptions"]
    if kind == "other_subject":
        others = [d.get("subject", d.get("narration_subject")) for d in descriptions]
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
