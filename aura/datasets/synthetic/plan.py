"""What the data set will hold: every take, its clock, its flaws. Cheap, and the ground truth."""

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aura.datasets.synthetic.actions import ACTIVITIES, ACTIVITY_NUMBER
from aura.datasets.synthetic.assign import Slot, assign_flaws
from aura.datasets.synthetic.flaws import SOURCES, STRAY, Flaw

FPS = 30


@dataclass(frozen=True)
class SyntheticSize:
    """How much to synthesise. The split "teacher" is kept outside train, val and test.

    `takes` multiplies the takes by hard links (see `scale`), `video_height` is in pixels and even,
    and `withhold_test_text` leaves out the text files of the test split, as officially.
    """

    participants: dict[str, int] = field(
        default_factory=lambda: {"teacher": 3, "train": 7, "val": 2, "test": 3}
    )
    takes_per_activity: int = 1
    take_seconds: float = 20.0
    cameras: int = 2
    activities: int = 8
    flaws: bool = True
    seed: int = 0
    withhold_test_text: bool = False
    takes: int | None = None
    video_height: int = 448

    @property
    def textless(self) -> set[str]:
        """Splits without text files."""
        return {"test"} if self.withhold_test_text else set()


@dataclass(frozen=True)
class CapturePlan:
    """One recording session of one participant; its timesync.csv has `rows` rows at 30 FPS.

    `aria` names the participant's glasses and `cameras` the exo cameras. Where the glasses are not
    aria01, that is another device with a clock of its own. The Aria's cells are empty in
    `blank_rows`, and its RGB time alone in `nan_rows`.
    """

    name: str
    uid: str
    participant_uid: int
    aria: str
    cameras: tuple[str, ...]
    rows: int
    nan_rows: tuple[int, ...]
    blank_rows: tuple[int, ...]
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
    """Every take that is synthesised, in the order of takes.json. Cheap and deterministic."""
    names = [(split, f"synth_p{101 + i}_01") for i, split in enumerate(_participant_splits(size))]
    devices = _devices(size, [name for split, name in names if split != "teacher"])
    takes: list[dict[str, Any]] = []
    for number, (split, name) in enumerate(names):
        aria, prefix = devices.get(name, ("aria01", "cam"))
        cameras = tuple(f"{prefix}{i + 1:02d}" for i in range(size.cameras))
        takes += _session(size, split, 101 + number, name, {"aria": aria, "cameras": cameras})
    flaws: dict[str, list[Flaw]] = {}
    if size.flaws:
        flaws = assign_flaws(
            _slots(takes),
            round(size.take_seconds * FPS),
            derive_seed(size.seed, "flaws"),
            size.textless,
        )
    for take in takes:
        take["flaws"] = tuple(flaws.get(take["take_uid"], ()))
        rows, session = range(take["start_idx"], take["end_idx"]), take["session"]
        for flaw in take["flaws"]:
            if flaw.kind == "timesync_nan":
                session["nan_rows"] += tuple(rows[frame] for frame in flaw.detail["frames"])
            elif flaw.kind == "timesync_blank":
                session["blank_rows"] += tuple(rows)
            elif flaw.kind == "timesync_short":
                session["rows"] = rows.stop - flaw.detail["rows"]
            elif flaw.kind == "pose_corrupt":
                take["manual_pose"] = True  # both of its files are corrupt
    return [TakePlan(capture=CapturePlan(**take.pop("session")), **take) for take in takes]


def planted(plans: Iterable[TakePlan]) -> list[Flaw]:
    """Every planted flaw. Pose keys are unsorted in every file, and that is not listed.

    `take_uid` is None where the flaw belongs to no take of takes.json.
    """
    plans = list(plans)
    flaws = [flaw for take in plans for flaw in take.flaws]
    # The test split may have no text files.
    home = min((t for t in plans if t.flaws), key=lambda t: t.split == "test", default=None)
    if home is not None:
        about = {"take_uid": derive_uid(home.take_uid, "stray"), "split": home.split}
        flaws += [Flaw(STRAY, None, {**about, "source": source}) for source in SOURCES]
    return flaws


def _participant_splits(size: SyntheticSize) -> list[str]:
    """The split of each participant."""
    return [split for split, count in size.participants.items() for _ in range(count)]


def _devices(size: SyntheticSize, names: list[str]) -> dict[str, tuple[str, str]]:
    """The glasses and the prefix of the exo cameras of those captures that have unusual ones."""
    count = max(1, len(names) // 6)
    if not size.flaws or len(names) < 2 * count:
        return {}
    order = np.random.default_rng(derive_seed(size.seed, "devices")).permutation(len(names))
    second = {names[i]: ("aria02", "cam") for i in order[:count]}
    return second | {names[i]: ("aria01", "gp") for i in order[count : 2 * count]}


def _slots(takes: list[dict[str, Any]]) -> list[Slot]:
    last = {take["session"]["uid"]: take["take_uid"] for take in takes}
    return [
        Slot(
            uid=take["take_uid"],
            split=take["split"],
            capture=take["session"]["uid"],
            activity=take["activity"],
            last=last[take["session"]["uid"]] == take["take_uid"],
            cameras=take["session"]["cameras"],
            best=take["best_exo"],
        )
        for take in takes
    ]


def _session(
    size: SyntheticSize, split: str, participant: int, name: str, devices: dict[str, Any]
) -> list[dict[str, Any]]:
    """Fields of the takes of one capture, each with those of the capture as `session`."""
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
            "best_exo": devices["cameras"][int(rng.integers(size.cameras))],
            "manual_pose": bool(rng.random() < 0.4),
            "seed": derive_seed(size.seed, take_uid),
        }
        takes.append(take)
        row += frames + int(rng.integers(45, 120))
    session = {
        "name": name,
        "uid": uid,
        "participant_uid": participant,
        **devices,
        "rows": row,
        "nan_rows": (),
        "blank_rows": (),
        "seed": derive_seed(size.seed, uid),
    }
    for take in takes:
        take["session"] = session
    return takes
