"""The files of the data set: Ego-Exo4D v2's layout, under one root.

    takes.json  captures.json  participants.json
    takes/<take_name>/aria01_noimagestreams.vrs
    takes/<take_name>/frame_aligned_videos/downscaled/448/cam01.mp4 ...
    captures/<capture_name>/timesync.csv
    annotations/splits.json
    annotations/{atomic_descriptions,keystep,expert_commentary}_{train,val,test,teacher}.json
    annotations/ego_pose/{train,val,test,teacher}/body/{annotation,automatic}/<take_uid>.json

Some captures have aria02 in place of aria01, or gp01 in place of cam01. The Aria's own videos are
listed in takes.json and not written. With flaws, files may be absent, elsewhere or damaged: see
`Flaw`.

It deviates in two ways. The official test text is withheld, and here it is written (unless
`withhold_test_text`), since models are to be evaluated on it. The split "teacher", of participants
of its own, is not an official one.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from aura.datasets.synthetic.camera import cameras
from aura.datasets.synthetic.experts import commentary, keystep, stray_commentary, stray_keystep
from aura.datasets.synthetic.flaws import Flaw
from aura.datasets.synthetic.imu import RATE_HZ, record
from aura.datasets.synthetic.motion import Person
from aura.datasets.synthetic.plan import SyntheticSize, TakePlan, planted
from aura.datasets.synthetic.pose import pose_json
from aura.datasets.synthetic.records import VIDEOS, capture_record, take_record, vrs_name
from aura.datasets.synthetic.render import write_video
from aura.datasets.synthetic.text import annotations, stray_annotation
from aura.datasets.synthetic.timesync import timesync_csv
from aura.datasets.synthetic.vrs_writer import write_vrs

# Each text source: what it says of a take, and of one that takes.json does not have.
TEXTS: dict[str, tuple[Callable[[TakePlan], Any], Callable[[Flaw], Any]]] = {
    "atomic_descriptions": (annotations, stray_annotation),
    "keystep": (keystep, stray_keystep),
    "expert_commentary": (commentary, stray_commentary),
}


def write_take(root: Path, plan: TakePlan, size: SyntheticSize) -> None:
    """Write VRS, videos, poses and timesync.csv of one take. Takes may be written in parallel."""
    root = Path(root)
    person, views = Person(plan), cameras(plan, size.video_height)
    if plan.flaw("vrs_missing") is None:
        with _atomic(root / "takes" / plan.take_name / vrs_name(plan)) as path:
            write_vrs(path, [record(plan, person, label) for label in RATE_HZ])
            _truncate(path, plan.flaw("corrupt_vrs"))
    for name, camera in views.items():
        flaws = {f.kind: f.detail for f in plan.flaws if f.detail.get("camera") == name}
        if flaws.keys() & {"camera_path_null", "camera_file_missing"}:
            continue
        folder = root / "takes" / plan.take_name / VIDEOS
        if "full_resolution_only" not in flaws:
            folder = folder / "downscaled" / "448"
        short = flaws.get("frames_off_by_one") or flaws.get("frames_missing")
        with _atomic(folder / f"{name}.mp4") as path:
            write_video(path, plan, person, camera, short["frames"] if short else plan.frames)
            _truncate(path, flaws.get("corrupt_mp4"))
    if plan.flaw("no_pose") is None:
        body = root / "annotations" / "ego_pose" / plan.split / "body"
        for kind in ("automatic", "annotation") if plan.manual_pose else ("automatic",):
            with _atomic(body / kind / f"{plan.take_uid}.json") as path:
                path.write_text(pose_json(plan, person, kind, views))
                _truncate(path, plan.flaw("pose_corrupt"))
    with _atomic(root / "captures" / plan.capture.name / "timesync.csv") as path:
        path.write_text(timesync_csv(plan))


def write_metadata(root: Path, plans: Sequence[TakePlan], size: SyntheticSize) -> None:
    """Write takes.json, captures.json, participants.json, the splits and the texts."""
    write_index(root, lambda: plans, planted(plans), size)


def write_index(
    root: Path, plans: Callable[[], Iterable[TakePlan]], flaws: Iterable[Flaw], size: SyntheticSize
) -> None:
    """As `write_metadata`, one take at a time; `plans` gives the takes anew on each call.

    Takes of one capture come one after another. `flaws` are all that are planted.
    """
    root, annotations_folder = Path(root), Path(root) / "annotations"
    _write_list(root / "takes.json", (entry for take in plans() for entry in _entries(take)))
    _write_list(root / "captures.json", map(capture_record, _first_of_captures(plans())))
    people = ({"participant_uid": take.participant_uid} for take in _first_of_captures(plans()))
    _write_list(root / "participants.json", people)
    by_split: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for take in plans():
        uids = by_split.setdefault(take.split, [])
        if take.flaw("no_split") is None:
            uids.append(take.take_uid)
    split_of = {uid: split for split, uids in by_split.items() for uid in uids}
    splits = {"take_uid_to_split": split_of, "split_to_take_uids": by_split}
    with _atomic(annotations_folder / "splits.json") as path:
        path.write_text(json.dumps(splits, indent=1))
    strays = {(f.detail["split"], f.detail["source"]): f for f in flaws if f.take_uid is None}
    for split in [name for name in by_split if name not in size.textless]:
        for source, (of_take, of_stray) in TEXTS.items():
            entries = ((t.take_uid, of_take(t)) for t in plans() if t.split == split)
            stray = strays.get((split, source))
            stray_entries = [(stray.detail["take_uid"], of_stray(stray))] if stray else []
            _write_texts(annotations_folder / f"{source}_{split}.json", entries, stray_entries)


def _entries(take: TakePlan) -> list[dict[str, Any]]:
    return [take_record(take)] * (1 if take.flaw("duplicate_take") is None else 2)


def _first_of_captures(plans: Iterable[TakePlan]) -> Iterator[TakePlan]:
    for _, takes in groupby(plans, key=lambda take: take.capture.uid):
        yield next(takes)


def _write_list(path: Path, entries: Iterable[Any]) -> None:
    """A JSON list, one entry a line."""
    with _atomic(path) as partial, partial.open("w") as file:
        _write_joined(file.write, "[", (json.dumps(entry) for entry in entries), "]\n")


def _write_texts(path: Path, *parts: Iterable[tuple[str, Any]]) -> None:
    """A text file, one take a line."""
    lines = (f"{json.dumps(uid)}: {json.dumps(text)}" for part in parts for uid, text in part)
    with _atomic(path) as partial, partial.open("w") as file:
        _write_joined(file.write, '{"ds": "synthetic", "annotations": {', lines, "}}\n")


def _write_joined(write: Callable[[str], Any], start: str, lines: Iterable[str], end: str) -> None:
    write(start)
    for number, line in enumerate(lines):
        write(f"{',' if number else ''}\n{line}")
    write(f"\n{end}")


@contextmanager
def _atomic(path: Path) -> Iterator[Path]:
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
