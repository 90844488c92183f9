"""The index and the annotations of an Ego-Exo4D root."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

from aura.datasets import synthetic
from aura.datasets.base import open_dataset
from aura.errors import AuraError, CorruptFile
from tests.fuzz.mutate import any_json, mutate_bytes, mutate_text
from tests.fuzz.target import Target

KEYS = (
    "take_uid", "take_name", "root_dir", "capture_uid", "capture_name", "participant_uid",
    "task_id", "timesync_start_idx", "timesync_end_idx", "frame_aligned_videos", "relative_path",
    "vrs_relative_path", "is_dropped", "best_exo", "take_uid_to_split", "annotations", "segments",
    "descriptions", "text", "timestamp", "step_name", "start_time", "end_time", "capture", "0",
)  # fmt: skip
PATHS = ("../../secret", "/etc/hostname", "a\0b", "..", ".", "", "takes/../..", "x" * 300, "\ud800")
NAMES = (
    "takes.json", "captures.json", "annotations/splits.json",
    "annotations/atomic_descriptions_train.json", "annotations/keystep_train.json",
)  # fmt: skip


def with_path(rng: random.Random, value: Any) -> Any:
    """The same content with one text replaced by a path, or one number by a huge one."""
    if isinstance(value, dict) and value:
        key = rng.choice(sorted(value))
        return value | {key: with_path(rng, value[key])}
    if isinstance(value, list) and value:
        place = rng.randrange(len(value))
        return [*value[:place], with_path(rng, value[place]), *value[place + 1 :]]
    if isinstance(value, int | float):
        return rng.choice((10**9, 10**18, -1, 1.5, 2591999, float("nan")))
    return rng.choice(PATHS)


def index_target(folder: Path) -> Target:
    size = synthetic.SyntheticSize({"train": 1}, take_seconds=6.0, cameras=1, activities=2,
                                   flaws=False, video_height=96)  # fmt: skip
    root = folder / "root"
    plans = synthetic.plan(size)
    for plan in plans:
        synthetic.write_take(root, plan, size)
    synthetic.write_metadata(root, plans, size)
    for video in root.rglob("*.mp4"):
        video.write_bytes(b"")
    shutil.copytree(root / "takes", folder / "secret")
    names = [name for name in NAMES if (root / name).is_file()]
    bases = {(root / name).read_bytes(): name for name in names}

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        kind = rng.random()
        if kind < 0.4:
            return mutate_text(rng, raw)
        if kind < 0.7:
            return json.dumps(with_path(rng, json.loads(raw))).encode()
        return mutate_bytes(rng, raw, raw, [])

    def make(rng: random.Random) -> bytes:
        content = any_json(rng, KEYS)
        return json.dumps(rng.choice(([content], {"annotations": content}, content))).encode()

    def read(rng: random.Random, data: bytes) -> None:
        path = root / rng.choice(names)
        sound = path.read_bytes()
        path.write_bytes(data)
        try:
            adapter = open_dataset("ego-exo4d", str(root), {"splits": ["train"]})
            inventory = adapter.inventory()
            for take in inventory.takes:
                try:
                    recording = adapter.load(take)
                except CorruptFile:
                    continue
                for video in recording.videos:
                    assert (root / video.path).resolve().is_relative_to(root.resolve())
        finally:
            path.write_bytes(sound)

    return Target(list(bases), mutate, make, read, AuraError, 5.0, 128 << 20)
