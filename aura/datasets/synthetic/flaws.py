"""Which takes get which of the flaws that real recordings have."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SEVERE = ("corrupt_vrs", "corrupt_mp4", "no_pose", "null_task_id", "dropped_take")
MILD = {
    "timesync_nan": 2,
    "imu_gap": 3,
    "imu_duplicates": 2,
    "imu_invalid": 2,
    "missing_joints": 3,
    "empty_pose_frames": 2,
    "camera_path_null": 1,
    "camera_file_missing": 1,
    "best_exo_null": 2,
    "rejected_annotation": 1,
    "unsure_descriptions": 3,
}
CAMERA_FLAWS = {"camera_path_null", "camera_file_missing"}
LARGE = 48  # takes from which each mild flaw is planted as often as `MILD` says


@dataclass(frozen=True)
class Flaw:
    """One planted flaw. `detail` says where it is; its keys depend on `kind`."""

    kind: str
    take_uid: str | None
    detail: dict[str, Any]


def assign_flaws(
    takes: Sequence[tuple[str, str]],
    cameras: Sequence[str],
    best_exo: Sequence[str],
    seconds: float,
    seed: int,
) -> dict[str, list[Flaw]]:
    """Spread the flaws over all takes but the teacher's.

    A severe flaw takes a modality or the whole take away, so it gets a take to itself, and at most
    half of a split's takes have one. Mild flaws go where there are fewest.

    Parameters
    ----------
    takes
        (take_uid, split) of every take.
    cameras, best_exo
        Ids of the cameras, and the best one of every take.
    """
    rng = np.random.default_rng(seed)
    best = {uid: camera for (uid, _), camera in zip(takes, best_exo, strict=True)}
    pools: dict[str, list[str]] = {}
    for uid, split in takes:
        if split != "teacher":
            pools.setdefault(split, []).append(uid)
    for uids in pools.values():
        rng.shuffle(uids)
    found: dict[str, list[Flaw]] = {uid: [] for uids in pools.values() for uid in uids}
    spare = {split: len(uids) // 2 for split, uids in pools.items()}
    for kind in SEVERE:
        splits = [split for split in pools if spare[split]]
        if not splits:
            break
        split = max(splits, key=lambda s: spare[s] / len(pools[s]))
        spare[split] -= 1
        uid = pools[split].pop()
        found[uid].append(Flaw(kind, uid, _detail(kind, cameras, best[uid], seconds, rng)))
    repeat = sum(map(len, pools.values())) >= LARGE
    turn = _cycle(list(pools))
    for kind, count in MILD.items():
        for _ in range(count if repeat else 1):
            free = [u for u in pools[next(turn)] if _fits(kind, found[u])] if pools else []
            if free:
                uid = min(free, key=lambda u: len(found[u]))
                found[uid].append(Flaw(kind, uid, _detail(kind, cameras, best[uid], seconds, rng)))
    return {uid: flaws for uid, flaws in found.items() if flaws}


def _cycle(names: list[str]) -> Iterator[str]:
    index = 0
    while True:
        yield names[index % len(names)]
        index += 1


def _fits(kind: str, present: list[Flaw]) -> bool:
    kinds = {flaw.kind for flaw in present}
    return kind not in kinds and not (kind in CAMERA_FLAWS and kinds & CAMERA_FLAWS)


def _detail(
    kind: str, cameras: Sequence[str], best: str, seconds: float, rng: np.random.Generator
) -> dict[str, Any]:
    frames = int(seconds * 30)
    others = [c for c in cameras if c != best] or list(cameras)
    if kind == "timesync_nan":
        first = int(rng.integers(frames // 4, frames // 2))
        lone = int(rng.integers(frames // 2 + 15, frames - 5))
        return {"frames": [*range(first, first + 6), lone]}
    if kind == "imu_gap":
        start = round(float(rng.uniform(0.2, 0.7) * seconds), 3)
        return {"start_s": start, "duration_s": round(float(rng.uniform(0.08, 0.4)), 3)}
    if kind in ("imu_duplicates", "imu_invalid"):
        return {"samples": int(rng.integers(15, 40))}
    if kind == "missing_joints":
        joints = [["left-wrist", "left-elbow"], ["right-ankle"], ["nose", "left-eye", "right-eye"]]
        return {"frames": frames // 3, "joints": joints[int(rng.integers(len(joints)))]}
    if kind == "empty_pose_frames":
        return {"frames": max(3, frames // 12)}
    if kind in ("corrupt_mp4", "camera_file_missing"):
        return {"camera": best, "keep": 0.4}
    if kind == "camera_path_null":
        return {"camera": others[0]}
    if kind == "corrupt_vrs":
        return {"keep": 0.3}
    return {}
