"""UTD-MHAD (Chen et al., ICIP 2015): wrist or thigh IMU and a Kinect skeleton, 27 actions.

The files have no clock. IMU and skeleton of a sequence start and stop together, so both are laid
over the duration that the IMU's 50 Hz give: frame f of F is at f / (F - 1) of it, or, with
`stretch_s`, over a duration that is the same for all. Depth video is not RGB and is left out. A
sequence is its own capture; its text is the action's wording.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from aura.config.base import parse_options
from aura.datasets.base import (
    Inventory,
    Recording,
    Skip,
    Take,
    Text,
    by_depth,
    empty_imu,
    empty_mocap,
)
from aura.datasets.descriptions.utd_mhad import DESCRIPTIONS
from aura.datasets.headers import read_small_table
from aura.datasets.matlab import read_matrix
from aura.datasets.wording import captions, described
from aura.errors import AuraError, CorruptFile
from aura.schema import JOINTS
from aura.signals.lost import mask_lost
from aura.storage import Storage

IMU_HZ = 50.0
GRAVITY = 9.80665

# Kinect's order; the neck, spine, hands and feet have no counterpart in COCO-17.
_KINECT = {
    "nose": 0,
    "left-shoulder": 4, "left-elbow": 5, "left-wrist": 6,
    "right-shoulder": 8, "right-elbow": 9, "right-wrist": 10,
    "left-hip": 12, "left-knee": 13, "left-ankle": 14,
    "right-hip": 16, "right-knee": 17, "right-ankle": 18,
}  # fmt: skip
_WRIST_ACTIONS = 21  # those above are done with the IMU on the thigh
_NAME = re.compile(r"a(\d+)_s(\d+)_t(\d+)_(inertial|skeleton)\.mat")


class Options(BaseModel):
    """Leave-subjects-out split: subjects for training and test, and the trials validation takes.

    `stretch_s` lays every sequence over so many seconds. IMU and skeleton of a sequence are of one
    length, and few sequences of a person share theirs: by length alone a sequence's counterpart
    is found. Stretched, they have to be matched by what happens in them. Values keep their units;
    virtual IMUs measure true time. With `stretch_rates` angular rates are per second of the
    stretched clock, as when time is warped: integrated over it they give the angles that the sensor
    turned by, which the true ones do not. The accelerometer measures gravity above all and stays.
    `descriptions` adds texts of what the body does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    train: tuple[int, ...] = (1, 2, 5)
    test: tuple[int, ...] = (6,)
    validation_trials: tuple[int, ...] = (4,)
    stretch_s: float | None = Field(None, gt=0)
    stretch_rates: bool = False
    descriptions: bool = False


class Adapter:
    """Reads a folder with `Inertial/`, `Skeleton/` and `actions.csv`."""

    def __init__(self, root: Storage, options: Mapping[str, Any]) -> None:
        self.files = root
        self.options: Options = parse_options(Options, options, "adapter utd-mhad")
        if self.options.stretch_rates and self.options.stretch_s is None:
            raise AuraError("The option stretch_rates of utd-mhad needs stretch_s.")
        shared = set(self.options.train) & set(self.options.test)
        if shared:
            raise AuraError(f"Subjects {sorted(shared)} are both in train and test of utd-mhad.")
        self.actions = read_actions(root)
        of_label = {a: DESCRIPTIONS.get(number, ()) for number, a in self.actions.items()}
        self.classes = described(
            {a: a for a in self.actions.values()}, of_label, self.options.descriptions
        )

    def inventory(self) -> Inventory:
        """Pair inertial and skeleton files by name; see `base.Adapter`."""
        sequences: dict[tuple[int, int, int], dict[str, str]] = {}
        skips = []
        for path in sorted(self.files.list(), key=_by_folder):
            match = _NAME.fullmatch(PurePosixPath(path).name)
            if match:
                action, subject, trial = (int(match[k]) for k in (1, 2, 3))
                files = sequences.setdefault((action, subject, trial), {})
                if files.setdefault(match[4], path) != path:
                    skips.append(Skip("file is there twice", path, "file"))
        if not sequences:
            raise AuraError(
                f"{self.files.root} holds no aN_sN_tN_inertial.mat or …_skeleton.mat files."
            )
        takes = []
        for (action, subject, trial), files in sorted(sequences.items()):
            name = f"a{action}_s{subject}_t{trial}"
            split = self._split(subject, trial)
            if split is None or action not in self.actions:
                reason = (
                    "subject is in no split" if split is None else "action is not in actions.csv"
                )
                skips.append(Skip(reason, name))
                continue
            takes.append(
                Take(
                    take_id=name,
                    take_name=name,
                    participant_id=f"s{subject}",
                    capture_id=name,
                    split=split,
                    label=self.actions[action],
                    source=files,
                    place="wrist-right" if action <= _WRIST_ACTIONS else "thigh-right",
                )
            )
        return Inventory(tuple(takes), tuple(skips))

    def load(self, take: Take) -> Recording:
        """Read both files; a missing or damaged one becomes a skip of its modality."""
        skips: list[Skip] = []
        inertial = self._matrix(take, "inertial", "d_iner", skips)
        skeleton = self._matrix(take, "skeleton", "d_skel", skips)
        imu_s, imu, imu_ok = empty_imu()
        _, mocap = empty_mocap()
        counts: dict[str, int] = {}
        if inertial is not None and (inertial.ndim != 2 or inertial.shape[1] != 6):
            skips.append(Skip("inertial file has the wrong shape", take.take_name, "imu"))
            inertial = None
        if skeleton is not None and (skeleton.ndim != 3 or skeleton.shape[:2] != (20, 3)):
            skips.append(Skip("skeleton file has the wrong shape", take.take_name, "mocap"))
            skeleton = None
        if inertial is not None:
            units = np.array([GRAVITY] * 3 + [np.pi / 180] * 3, np.float32)
            imu = inertial.astype(np.float32) * units
            imu_s, imu_ok = np.arange(len(imu)) / IMU_HZ, np.ones(len(imu), bool)
        if skeleton is not None:
            mocap, counts = mask_lost(to_coco(skeleton.transpose(2, 0, 1)))
            if not np.isfinite(mocap).any():
                skips.append(Skip("skeleton file has no joint", take.take_name, "mocap"))
        duration, stretch = len(imu) / IMU_HZ or len(mocap) / 30.0, 1.0
        rate_stretch = 1.0
        if self.options.stretch_s and duration:
            duration, stretch = self.options.stretch_s, self.options.stretch_s / duration
            imu_s = np.linspace(0, duration, len(imu))
            if self.options.stretch_rates:
                rate_stretch = stretch
                imu[:, 3:] /= rate_stretch
        mocap_s = np.linspace(0, duration, len(mocap))
        return Recording(
            duration_s=duration,
            imu_s=imu_s,
            imu=imu,
            imu_ok=imu_ok,
            mocap_s=mocap_s,
            mocap=mocap,
            frame_rate_hz=30.0,
            frame_s=np.empty(0),
            videos=(),
            texts=(
                Text(str(take.label), duration / 2, "actions"),
                *captions(self.classes[str(take.label)], duration / 2),
            ),
            skips=tuple(skips),
            counts=counts,
            stretch=stretch,
            rate_stretch=rate_stretch,
        )

    def _split(self, subject: int, trial: int) -> str | None:
        if subject in self.options.test:
            return "test"
        if subject in self.options.train:
            return "val" if trial in self.options.validation_trials else "train"
        return None

    def _matrix(self, take: Take, kind: str, key: str, skips: list[Skip]) -> np.ndarray | None:
        modality = "imu" if kind == "inertial" else "mocap"
        path = take.source.get(kind)
        if path is None:
            skips.append(Skip(f"no {kind} file", take.take_name, modality))
            return None
        try:
            return read_matrix(self.files.read(path), key)
        except CorruptFile:
            skips.append(Skip(f"{kind} file is corrupt", take.take_name, modality))
            return None


def read_actions(files: Storage) -> dict[int, str]:
    """The wording of each action, from actions.csv in any of the forms that spreadsheets write.

    Raises
    ------
    AuraError
        There is no such table, or an action has no number, no wording, or two.
    """
    where = f"{files.root}/actions.csv"
    try:
        rows = read_small_table(files.read("actions.csv"), ("id", "action"))
    except (OSError, CorruptFile) as error:
        reason = f": {str(error).rstrip('.')}" if isinstance(error, CorruptFile) else ""
        raise AuraError(
            f"{files.root} has no readable actions.csv with columns id, action{reason}."
        ) from None
    actions: dict[int, str] = {}
    for line, (number, action) in rows:
        if not action or not re.fullmatch(r"[0-9]+([.,]0*)?", number):
            raise AuraError(f"{where}, line {line}: give a whole number as id, and an action.")
        key = int(re.split("[.,]", number)[0])
        if actions.setdefault(key, action) != action:
            raise AuraError(
                f"{where}, line {line}: action {key} is there twice, as '{actions[key]}' and as "
                f"'{action}'; keep one of them."
            )
    return actions


def _by_folder(path: str) -> tuple[bool, int, str]:
    """Order of the copies of a file: those in the data set's own folders are read first."""
    own = PurePosixPath(path).parent.name in ("Inertial", "Skeleton")
    return not own, *by_depth(path)


def to_coco(kinect: np.ndarray) -> np.ndarray:
    """Kinect skeleton (F, 20, 3), y up, to COCO-17 (F, 17, 3) with z up; absent joints are NaN."""
    joints = np.full((len(kinect), len(JOINTS), 3), np.nan, np.float32)
    for name, index in _KINECT.items():
        x, y, z = kinect[:, index].T
        joints[:, JOINTS.index(name)] = np.stack([x, -z, y], axis=1)
    return joints
