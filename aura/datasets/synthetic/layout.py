"""The files of the data set: Ego-Exo4D v2's layout, under one root.

    takes.json  captures.json  participants.json
    takes/<take_name>/aria01_noimagestreams.vrs
    takes/<take_name>/frame_aligned_videos/downscaled/448/cam01.mp4 ...
    captures/<capture_name>/timesync.csv
    annotations/splits.json
    annotations/atomic_descriptions_{train,val,test,teacher}.json
    annotations/ego_pose/{train,val,test,teacher}/body/{annotation,automatic}/<take_uid>.json

It deviates in two ways. The official test text is withheld, and here it is written, since models
are to be evaluated on it. The split "teacher", of participants of its own, is not an official one.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from aura.datasets.synthetic.actions import TASK_NAMES
from aura.datasets.synthetic.camera import cameras
from aura.datasets.synthetic.imu import RATE_HZ, Clock, record
from aura.datasets.synthetic.motion import Person
from aura.datasets.synthetic.plan import (
    FPS,
    SyntheticSize,
    TakePlan,
    derive_seed,
    derive_uid,
    planted,
)
from aura.datasets.synthetic.pose import pose_json
from aura.datasets.synthetic.render import write_video
from aura.datasets.synthetic.text import annotations, stray_annotation
from aura.datasets.synthetic.vrs_writer import write_vrs

VRS_NAME = "aria01_noimagestreams.vrs"
VIDEOS = "frame_aligned_videos"


def write_take(root: Path, plan: TakePlan, size: SyntheticSize) -> None:
    """Write VRS, videos, poses and timesync.csv of one take. Takes may be written in parallel."""
    root = Path(root)
    person, views = Person(plan), cameras(plan, size.camera_ids)
    folder = root / "takes" / plan.take_name
    with _replacing(folder / VRS_NAME) as path:
        write_vrs(path, [record(plan, person, label) for label in RATE_HZ])
        _truncate(path, plan.flaw("corrupt_vrs"))
    for name, camera in views.items():
        missing = plan.flaw("camera_path_null") or plan.flaw("camera_file_missing")
        if missing is not None and missing["camera"] == name:
            continue
        with _replacing(folder / VIDEOS / "downscaled" / "448" / f"{name}.mp4") as path:
            write_video(path, plan, person, camera)
            broken = plan.flaw("corrupt_mp4")
            _truncate(path, broken if broken and broken["camera"] == name else None)
    if plan.flaw("no_pose") is None:
        body = root / "annotations" / "ego_pose" / plan.split / "body"
        for kind in ("automatic", "annotation") if plan.manual_pose else ("automatic",):
            with _replacing(body / kind / f"{plan.take_uid}.json") as path:
                path.write_text(pose_json(plan, person, kind, views))
    with _replacing(root / "captures" / plan.capture.name / "timesync.csv") as path:
        path.write_text(timesync_csv(plan, size))


def write_metadata(root: Path, plans: Sequence[TakePlan], size: SyntheticSize) -> None:
    """Write takes.json, captures.json, participants.json, the splits and the texts."""
    root, notes = Path(root), Path(root) / "annotations"
    captures = {take.capture.uid: take for take in plans}
    _write_json(root / "takes.json", [take_record(take, size) for take in plans])
    _write_json(root / "captures.json", [_capture(take, size) for take in captures.values()])
    _write_json(
        root / "participants.json",
        [{"participant_uid": take.participant_uid} for take in captures.values()],
    )
    by_split: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for take in plans:
        by_split.setdefault(take.split, []).append(take.take_uid)
    split_of = {uid: split for split, uids in by_split.items() for uid in uids}
    splits = {"take_uid_to_split": split_of, "split_to_take_uids": by_split}
    _write_json(notes / "splits.json", splits)
    texts: dict[str, dict[str, Any]] = {split: {} for split in by_split}
    for take in plans:
        texts[take.split][take.take_uid] = annotations(take)
    for flaw in planted(list(plans)):
        if flaw.kind == "unknown_take_annotation":
            texts[flaw.detail["split"]][flaw.detail["take_uid"]] = stray_annotation(flaw)
    for split, content in texts.items():
        _write_json(
            notes / f"atomic_descriptions_{split}.json",
            {"ds": "synthetic", "annotations": content},
        )


def take_record(take: TakePlan, size: SyntheticSize) -> dict[str, Any]:
    """The take's entry in takes.json."""
    known = take.flaw("null_task_id") is None
    lost = take.flaw("camera_path_null") or {}
    videos: dict[str, Any] = {}
    for name in size.camera_ids:
        stream = {
            "cam_id": name,
            "stream_id": "0",
            "readable_stream_id": "0",
            "clip_uid": derive_uid(take.take_uid, name),
            "relative_path": None if lost.get("camera") == name else f"{VIDEOS}/{name}.mp4",
        }
        videos[name] = {"0": stream}
    for pseudo in ("collage", "best_exo"):
        stream = {
            "cam_id": pseudo,
            "stream_id": "0",
            "readable_stream_id": "0",
            "clip_uid": derive_uid(take.take_uid, pseudo),
            "relative_path": None,
        }
        videos[pseudo] = {"0": stream}
    return {
        "root_dir": f"takes/{take.take_name}",
        "take_name": take.take_name,
        "take_uid": take.take_uid,
        "capture_uid": take.capture.uid,
        "participant_uid": take.participant_uid,
        "is_dropped": take.flaw("dropped_take") is not None,
        "task_id": take.task_id if known else None,
        "task_name": TASK_NAMES[take.activity] if known else None,
        "parent_task_id": take.task_id // 1000 * 1000 if known else None,
        "parent_task_name": take.activity if known else None,
        "take_idx": take.take_idx,
        "duration_sec": round(take.seconds, 6),
        "best_exo": None if take.flaw("best_exo_null") is not None else take.best_exo,
        "task_start_sec": 0.0,
        "task_end_sec": round(take.seconds, 6),
        "is_narrated": True,
        "timesync_start_idx": take.start_idx,
        "timesync_end_idx": take.end_idx,
        "validated": True,
        "university_name": "synthetic",
        "capture": _capture(take, size),
        "frame_aligned_videos": videos,
        "has_trimmed_vrs": True,
        "vrs_relative_path": VRS_NAME,
    }


def timesync_csv(take: TakePlan, size: SyntheticSize) -> str:
    """Content of the timesync.csv of the take's capture: the same for each of its takes."""
    capture, clock = take.capture, Clock(take)
    rng = np.random.default_rng(derive_seed(capture.seed, "timesync"))
    rows = np.arange(capture.rows)
    exposed = rows / FPS + rng.normal(0, 5e-5, capture.rows)
    missing = set(capture.nan_rows)
    columns: dict[str, list[str]] = {"": [str(r) for r in rows]}
    # A column with NaN in it is written as floats, as pandas does.
    ending = ".0" if missing else ""
    stamps = np.rint(clock.device_ns(exposed)).astype(np.int64)
    columns["aria01_214-1_capture_timestamp_ns"] = [
        "" if r in missing else f"{ns}{ending}" for r, ns in zip(rows, stamps, strict=True)
    ]
    for stream, lag in (("1201-1", 0.0021), ("1201-2", 0.0021), ("211-1", 0.009)):
        other = np.rint(clock.device_ns(exposed + lag)).astype(np.int64)
        columns[f"aria01_{stream}_capture_timestamp_ns"] = [str(ns) for ns in other]
    columns["aria01_global_time"] = [f"{s:.6f}" for s in rows / FPS]
    for name in size.camera_ids:
        first = int(rng.integers(0, 400))
        columns[f"{name}_frame_number"] = [str(first + r) for r in rows]
        columns[f"{name}_global_time"] = [f"{s:.6f}" for s in rows / FPS]
    lines = [",".join(columns), *map(",".join, zip(*columns.values(), strict=True))]
    return "\n".join(lines) + "\n"


def _capture(take: TakePlan, size: SyntheticSize) -> dict[str, Any]:
    aria = {"cam_id": "aria01", "is_ego": True, "device_type": "aria", "has_walkaround": False}
    gopros = [
        {"cam_id": name, "is_ego": False, "device_type": "hero10", "has_walkaround": False}
        for name in size.camera_ids
    ]
    return {
        "capture_name": take.capture.name,
        "capture_uid": take.capture.uid,
        "cameras": [aria, *gopros],
        "timesync_validated": True,
        "university_name": "synthetic",
    }


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place once it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _truncate(path: Path, flaw: dict[str, Any] | None) -> None:
    if flaw is not None:
        os.truncate(path, int(path.stat().st_size * flaw["keep"]))


def _write_json(path: Path, content: Any) -> None:
    with _replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=1))
