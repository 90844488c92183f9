"""Which takes get which flaws, and the details of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aura.datasets.synthetic.flaws import (
    GROUP_OF,
    JUMPING,
    LARGE,
    MILD,
    SEVERE,
    TEXT_FLAWS,
    TIMESYNC_LOST_ROWS,
    WHOLE_CAPTURE,
    Flaw,
)

JOINT_SETS = (["left-wrist", "left-elbow"], ["right-ankle"], ["nose", "left-eye", "right-eye"])


@dataclass
class Slot:
    """What the assignment needs to know of a take, and the flaws that it has got."""

    uid: str
    split: str
    capture: str
    activity: str
    last: bool  # of its capture
    cameras: tuple[str, ...]
    best: str
    flaws: list[Flaw] = field(default_factory=list)

    def fits(self, kind: str, textless: set[str]) -> bool:
        """Whether a mild flaw may be planted here, beside the others."""
        kinds = {flaw.kind for flaw in self.flaws}
        return not (
            kinds & {*SEVERE}
            or any(GROUP_OF.get(k) == GROUP_OF[kind] for k in kinds)
            or (kind == "timesync_short" and not self.last)
            or (kind == "imu_saturated" and self.activity in JUMPING)
            or (kind in TEXT_FLAWS and self.split in textless)
        )


def assign_flaws(
    slots: Sequence[Slot], frames: int, seed: int, textless: set[str]
) -> dict[str, list[Flaw]]:
    """Spread the flaws over all takes but the teacher's.

    A severe flaw takes a modality or the whole take away, so it gets a take to itself, and at most
    half of a split's takes have one. Mild flaws share takes, those of the capture without a
    participant first, so that two thirds of a split's takes stay clean where there are enough.

    Parameters
    ----------
    slots : sequence of Slot
        Every take of the data set; those that get flaws are changed.
    frames : int
        Frames of each take, at 30 FPS.
    seed : int
        Decides which take gets what.
    textless : set of str
        Splits without text files.

    Returns
    -------
    dict of str to list of Flaw
        The flaws of each take that has any, by its uid.
    """
    rng = np.random.default_rng(seed)
    pools: dict[str, list[Slot]] = {}
    for slot in slots:
        if slot.split != "teacher":
            pools.setdefault(slot.split, []).append(slot)
    for split, pool in pools.items():
        pools[split] = [pool[i] for i in rng.permutation(len(pool))]
    eligible = [slot for pool in pools.values() for slot in pool]

    def plant(kind: str, slot: Slot) -> None:
        slot.flaws.append(Flaw(kind, slot.uid, _detail(kind, slot, frames, rng)))

    captures = sorted({slot.capture for slot in pools.get("train", [])})
    if len(captures) > 1:
        chosen = captures[int(rng.integers(len(captures)))]
        for slot in pools["train"]:
            if slot.capture == chosen:
                plant(WHOLE_CAPTURE, slot)
    large = len(eligible) >= LARGE
    counts = {kind: count if large else 1 for kind, count in MILD.items()}
    for _ in range(counts.pop("timesync_short")):  # it fits few takes, so it comes first
        candidates = [s for s in eligible if not s.flaws and s.fits("timesync_short", textless)]
        if candidates:
            plant("timesync_short", candidates[int(rng.integers(len(candidates)))])
    _plant_severe(pools, plant)
    preferred = [slot for pool in pools.values() for slot in _mild_pool(pool)]
    for kind, count in counts.items():
        for _ in range(count):
            free = [s for s in preferred if s.fits(kind, textless)]
            free = free or [s for s in eligible if s.fits(kind, textless)]
            if free:
                plant(kind, min(free, key=lambda s: len(s.flaws)))
    return {slot.uid: slot.flaws for slot in eligible if slot.flaws}


def _plant_severe(pools: dict[str, list[Slot]], plant: Callable[[str, Slot], None]) -> None:
    """Each severe flaw once, where the share of takes that may still get one is largest."""
    clean = {split: [s for s in pool if not s.flaws] for split, pool in pools.items()}
    spare = {split: min(len(pool) // 2, len(clean[split])) for split, pool in pools.items()}
    for kind in SEVERE:
        splits = [split for split in pools if spare[split]]
        if splits:
            split = max(splits, key=lambda s: spare[s] / len(pools[s]))
            spare[split] -= 1
            plant(kind, clean[split].pop())


def _mild_pool(pool: list[Slot]) -> list[Slot]:
    """Takes of a split that mild flaws go to: flawed mildly already, and a few clean ones."""
    flawed = [s for s in pool if s.flaws]
    mild = [s for s in flawed if s.flaws[0].kind not in SEVERE]
    room = max(len(pool) // 3 - len(flawed), 2 - len(mild), 0)
    return mild + [s for s in pool if not s.flaws][:room]


def _detail(kind: str, slot: Slot, frames: int, rng: np.random.Generator) -> dict[str, Any]:
    """Where the flaw is; see `Flaw`."""
    seconds = frames / 30
    others = [c for c in slot.cameras if c != slot.best] or [slot.best]
    if kind == "timesync_nan":
        first = int(rng.integers(frames // 4, frames // 2))
        lone = int(rng.integers(frames // 2 + 15, frames - 5))
        return {"frames": [*range(first, first + 6), lone]}
    if kind == "timesync_blank":
        return {"frames": frames}
    if kind == "timesync_short":
        return {"rows": TIMESYNC_LOST_ROWS}
    if kind == "imu_gap":
        start = round(float(rng.uniform(0.2, 0.7) * seconds), 3)
        return {"start_s": start, "duration_s": round(float(rng.uniform(0.08, 0.4)), 3)}
    if kind in ("imu_duplicates", "imu_invalid", "imu_nan", "imu_saturated"):
        return {"samples": int(rng.integers(15, 40))}
    if kind == "imu_unsorted":
        return {"pairs": int(rng.integers(8, 20))}
    if kind in ("missing_joints", "few_views"):
        first = int(rng.integers(frames - frames // 3 + 1))
        joints = JOINT_SETS[int(rng.integers(len(JOINT_SETS)))]
        return {"first_frame": first, "frames": frames // 3, "joints": joints}
    if kind == "empty_pose_frames":
        empty = rng.choice(frames, max(3, frames // 12), replace=False)
        return {"frames": sorted(empty.tolist())}
    if kind == "corrupt_mp4":
        return {"camera": slot.best, "keep": 0.4}
    if kind in ("camera_file_missing", "full_resolution_only", "portrait_video"):
        return {"camera": slot.best}
    if kind == "camera_path_null":
        return {"camera": others[0]}
    if kind == "frames_off_by_one":
        return {"camera": slot.best, "frames": frames - 1}
    if kind == "frames_missing":
        return {"camera": slot.best, "frames": int(0.6 * frames)}
    return {**_FIXED.get(kind, {})}


_FIXED: dict[str, dict[str, Any]] = {
    "corrupt_vrs": {"keep": 0.3},
    "pose_corrupt": {"keep": 0.5},
    "unsure_descriptions": {"descriptions": 2},
    "other_subject": {"descriptions": 2},
    "rejected_annotation": {"annotations": 1},
    "commentary_error": {"entries": 1},
}
