"""Motion capture as BVH files with a description each, such as the CMU database.

A folder of `NN_MM.bvh`, NN being the person, and `texts.csv` with the columns `id` (NN_MM) and
`text`, and `label` where there is one; a take may have several rows. There is no IMU: the option
`virtual` makes some (`datasets.virtual`).

The files are read by pybvh, `pip install "aura[mocap]"`; see `bvh_files` for units and joints.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from aura.config.base import parse_options
from aura.datasets.base import Inventory, Recording, Skip, Take, Text, by_depth, empty_imu
from aura.datasets.bvh_files import read_bvh, to_coco
from aura.datasets.headers import read_small_table
from aura.datasets.people import PeopleOptions
from aura.errors import AuraError, CorruptFile
from aura.schema import JOINTS
from aura.signals.heading import longest_turn
from aura.storage import Storage

NOT_A_NUMBER = "joint whose angles are not numbers"
_TURN, _TURNING = ".turn", "turning around"
_NAME = re.compile(r"(\d+)_(\d+)\.bvh")


class Options(PeopleOptions[int]):
    """The split by person, and what the files leave open.

    `scale_m` is metres a unit, null finds it; `up` is the axis that is up. The first `rest_frames`
    frames are left out: in CMU's, a T-pose and five that are blended with it. `joints` names a
    file's joint for one of COCO-17, in place of the usual names. With `turns` the longest stretch
    of a file in which somebody turns around is a take of its own, with that text.
    """

    val: tuple[int, ...] = ()
    test: tuple[int, ...] = ()
    scale_m: float | None = Field(None, gt=0, allow_inf_nan=False)
    up: Literal["y", "z"] = "y"
    rest_frames: int = Field(8, ge=0)
    joints: dict[str, str] = Field(default_factory=dict)
    turns: bool = False

    @field_validator("joints")
    @classmethod
    def _known(cls, joints: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(joints) - set(JOINTS))
        if unknown:
            raise ValueError(f"no joint {unknown[0]}; there are {', '.join(JOINTS)}")
        return joints


class Adapter:
    """Reads a folder with `texts.csv`, and with files `NN_MM.bvh` in it at any depth."""

    def __init__(self, root: Storage, options: Mapping[str, Any]) -> None:
        self.files = root
        self.options: Options = parse_options(Options, options, "adapter bvh")
        self.splits = self.options.splits("bvh")
        self.texts, self.labels = read_texts(root)
        self.classes: Mapping[str, str] = {
            label: label for label in sorted(set(self.labels.values()))
        }
        try:
            import pybvh  # noqa: F401
        except ImportError:
            raise AuraError(
                'The adapter bvh needs the package pybvh: pip install "aura[mocap]".'
            ) from None

    def inventory(self) -> Inventory:
        """Match files and descriptions by name; see `base.Adapter`."""
        takes, skips = dict[str, Take](), list[Skip]()
        paths = [path for path in self.files.list() if path.lower().endswith(".bvh")]
        if not paths:
            raise AuraError(f"{self.files.root} holds no NN_MM.bvh files.")
        for path in sorted(paths, key=by_depth):
            match = _NAME.fullmatch(PurePosixPath(path).name)
            if not match:
                skips.append(Skip("file name is not NN_MM.bvh", path))
                continue
            person, name = match[1], f"{match[1]}_{match[2]}"
            split = self.splits.get(int(person), "train" if self.options.train is None else None)
            if name in takes:
                skips.append(Skip("file is there twice", path, "file"))
            elif split is None:
                skips.append(Skip("subject is in no split", name))
            else:
                label = self.labels.get(name)
                takes[name] = Take(name, name, person, name, split, label, path)
                if self.options.turns:
                    turn = f"{name}{_TURN}"
                    takes[turn] = Take(turn, turn, person, name, split, None, path)
                if name not in self.texts:
                    skips.append(Skip("no description in texts.csv", name, "text"))
        there = {PurePosixPath(path).stem for path in paths}
        skips += [Skip("no BVH file", name) for name in self.texts if name not in there]
        return Inventory(tuple(takes[name] for name in sorted(takes)), tuple(skips))

    def load(self, take: Take) -> Recording:
        """Read a file; one that is damaged, or has no body's joints, is `CorruptFile`.

        Of a take for its turn that stretch alone, and nothing where nobody turns around.
        """
        motion = read_bvh(self.files, take.source)
        joints = to_coco(motion, self.options.scale_m, self.options.up, self.options.joints)
        joints = joints[self.options.rest_frames :]
        finite = np.isfinite(joints).all(axis=2)
        if not finite.any():
            raise CorruptFile("the BVH file has no pose.")
        mocap_s = np.arange(len(joints)) * motion.frame_s
        texts, skips = self.texts.get(take.take_id, ()), tuple[Skip, ...]()
        if take.take_id.endswith(_TURN):
            span = longest_turn(mocap_s, joints)
            inside = (mocap_s >= span[0]) & (mocap_s < span[1]) if span else mocap_s < 0
            joints, finite, mocap_s = joints[inside], finite[inside], mocap_s[inside]
            mocap_s = mocap_s - (span[0] if span else 0)
            texts = (_TURNING,) if span else ()
            skips = () if span else (Skip("nobody turns around", take.take_name, "mocap"),)
        lost = int((~finite & finite.any(axis=0)).sum())
        duration = len(joints) * motion.frame_s
        imu_s, imu, imu_ok = empty_imu()
        return Recording(
            duration_s=duration,
            imu_s=imu_s,
            imu=imu,
            imu_ok=imu_ok,
            mocap_s=mocap_s,
            mocap=joints,
            frame_rate_hz=1 / motion.frame_s,
            frame_s=np.empty(0),
            videos=(),
            texts=tuple(Text(text, 0.0, "texts", duration) for text in texts),
            skips=skips,
            counts={NOT_A_NUMBER: lost} if lost else {},
        )


def read_texts(files: Storage) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Descriptions of each take, in the order of the table, and its label where it has one.

    Raises
    ------
    AuraError
        There is no such table, or a take has two labels.
    """
    where = f"{files.root}/texts.csv"
    try:
        data = files.read("texts.csv")
        try:
            rows = read_small_table(data, ("id", "text", "label"))
        except CorruptFile:
            rows = read_small_table(data, ("id", "text"))
    except (OSError, CorruptFile) as error:
        reason = f": {str(error).rstrip('.')}" if isinstance(error, CorruptFile) else ""
        raise AuraError(
            f"{files.root} has no readable texts.csv with columns id, text{reason}."
        ) from None
    texts, labels = defaultdict[str, list[str]](list), dict[str, str]()
    for line, (name, text, *rest) in rows:
        name = name.removesuffix(".bvh")
        if text and text not in texts[name]:
            texts[name].append(text)
        label = rest[0] if rest else ""
        if label and labels.setdefault(name, label) != label:
            raise AuraError(
                f"{where}, line {line}: {name} is both '{labels[name]}' and '{label}'; keep one."
            )
    return {name: tuple(found) for name, found in texts.items() if found}, labels
