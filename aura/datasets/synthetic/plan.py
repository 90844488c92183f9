"""What the data set will hold: every take, its clock, its flaws. Cheap, and the ground truth."""

import hashlib
import uuid
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aura.datasets.synthetic.actions import ACTIVITIES, ACTIVITY_NUMBER
from aura.datasets.synthetic.flaws import Flaw, assign_flaws

FPS = 30


@dataclass(frozen=True)
class SyntheticSize:
    """How much to synthesise. The split "teacher" is kept outside train, val and test."""

    participants: dict[str, int] = field(
        default_factory=lambda: {"teacher": 3, "train": 7, "val": 2, "test": 3}
    )
    takes_per_activity: int = 1
    take_seconds: float = 20.0
    cameras: int = 2
    activities: int = 8
    flaws: bool = True
    seed: int = 0

    @property
    def camera_ids(self) -> tuple[str, ...]:
        """Names of the exo cameras: cam01, cam02, ..."""
        return tuple(f"cam{i + 1:02d}" for i in range(self.cameras))


@dataclass(frozen=True)
class CapturePlan:
    """One recording session of one participant; its timesync.csv has `rows` rows at 30 FPS."""

    name: str
    uid: str
    participant_uid: int
    rows: int
    nan_rows: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class TakePlan:
    """One take: rows [start_idx, end_idx) of its capture's timesync.csv."""

    take_name: str
    take_uid: str
    take_idx: int
    capture: CapturePlan
    split: str
    activity: str
    task_id: int
    start_idx: int
    end_idx: int
    best_exo: str
    manual_pose: bool
    seed: int
    flaws: tuple[Flaw, ...] = ()

    @property
    def participant_uid(self) -> int:
        """Who is recorded."""
        return self.capture.participant_uid

    @property
    def frames(self) -> int:
        """Frames of every video of the take."""
        return self.end_idx - self.start_idx

    @property
    def seconds(self) -> float:
        """Length of the take."""
        return self.frames / FPS

    def flaw(self, kind: str) -> dict[str, Any] | None:
        """Detail of the flaw of this kind, or None where the take does not have it."""
        return next((f.detail for f in self.flaws if f.kind == kind), None)


def derive_seed(*parts: object) -> int:
    """64-bit seed from the text of `parts`: the same in every process and on every machine."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "little")


def derive_uid(*parts: object) -> str:
    """UUID from the text of `parts`."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def plan(size: SyntheticSize) -> list[TakePlan]:
    """Every take of the data set, in the order of takes.json. Cheap and deterministic."""
    takes: list[dict[str, Any]] = []
    participant = 100
    for split, count in size.participants.items():
        for _ in range(count):
            participant += 1
            takes += _session(size, split, participant)
    flaws: dict[str, list[Flaw]] = {}
    if size.flaws:
        flaws = assign_flaws(
            [(t["take_uid"], t["split"]) for t in takes],
            size.camera_ids,
            [t["best_exo"] for t in takes],
            size.take_seconds,
            derive_seed(size.seed, "flaws"),
        )
    nan_rows: dict[str, list[int]] = {}
    for take in takes:
        take["flaws"] = tuple(flaws.get(take["take_uid"], ()))
        rows = nan_rows.setdefault(take["session"]["uid"], [])
        for flaw in take["flaws"]:
            if flaw.kind == "timesync_nan":
                rows.extend(take["start_idx"] + frame for frame in flaw.detail["frames"])
    plans = []
    for take in takes:
        session = take.pop("session")
        capture = CapturePlan(**session, nan_rows=tuple(sorted(nan_rows[session["uid"]])))
        plans.append(TakePlan(capture=capture, **take))
    return plans


def planted(plans: list[TakePlan]) -> list[Flaw]:
    """Every planted flaw. Pose keys are unsorted in every file, and that is not listed.

    `take_uid` is None where the flaw belongs to no take of takes.json.
    """
    found = [flaw for take in plans for flaw in take.flaws]
    home = next((t for t in plans if t.flaws), None)
    if home is not None:
        stray = derive_uid(home.take_uid, "stray")
        found.append(
            Flaw("unknown_take_annotation", None, {"take_uid": stray, "split": home.split})
        )
    return found


def _session(size: SyntheticSize, split: str, participant: int) -> list[dict[str, Any]]:
    name = f"synth_p{participant}_01"
    uid = derive_uid(size.seed, name)
    rng = np.random.default_rng(derive_seed(uid, "session"))
    activities = [a for a in ACTIVITIES[: size.activities] for _ in range(size.takes_per_activity)]
    frames = round(size.take_seconds * FPS)
    row = int(rng.integers(40, 90))
    takes = []
    for index, order in enumerate(rng.permutation(len(activities))):
        activity = activities[order]
        take_name = f"{name}_{index + 1}"
        take_uid = derive_uid(size.seed, take_name)
        take = {
            "take_name": take_name,
            "take_uid": take_uid,
            "take_idx": index + 1,
            "split": split,
            "activity": activity,
            "task_id": 1000 * ACTIVITY_NUMBER[activity] + 1,
            "start_idx": row,
            "end_idx": row + frames,
            "best_exo": size.camera_ids[int(rng.integers(size.cameras))],
            "manual_pose": bool(rng.random() < 0.4),
            "seed": derive_seed(size.seed, take_uid),
        }
        takes.append(take)
        row += frames + int(rng.integers(45, 120))
    session = {
        "name": name,
        "uid": uid,
        "participant_uid": participant,
        "rows": row,
        "seed": derive_seed(size.seed, uid),
    }
    for take in takes:
        take["session"] = session
    return takes
