"""BVH: a skeleton and its channels, in the file's unit, which the format has no word for.

A joint's rotation is the product of its channels in the order that it names. Position channels are
honoured of every joint, and stand in the place of its OFFSET, as the programs that write them
(MotionBuilder, Axis Neuron, Blender) mean it; a joint may have one channel or none.
"""

import re

import numpy as np

from aura.errors import CorruptFile
from aura.formats.base import Stream, unique
from aura.storage import Storage

SUFFIXES = (".bvh",)
VERSION = "own"
_CHANNEL = re.compile(r"([XYZ])(position|rotation)", re.IGNORECASE)
_MOST_JOINTS = 1000


class _Joint:
    def __init__(self, name: str, parent: int) -> None:
        self.name, self.parent = name, parent
        self.offset = np.zeros(3)
        self.channels: list[tuple[int, bool]] = []  # axis, whether it turns
        self.first = 0


def read(files: Storage, path: str) -> tuple[Stream, ...]:
    """One stream of joints, by the names of the file without a prefix such as `mixamorig:`.

    Raises
    ------
    CorruptFile
        It is no such file, or has no frame that is whole.
    """
    text = files.read(path).decode("latin-1")
    head, found, motion = text.partition("MOTION")
    if not found or not head.lstrip("\ufeff\u00ef\u00bb\u00bf \r\n").startswith("HIERARCHY"):
        raise CorruptFile(f"{path} is no BVH file: it has no HIERARCHY and MOTION.")
    joints, width = _hierarchy(head.split()[1:], path)
    match = re.match(r"\s*Frames:\s*(\d+)\s+Frame Time:\s*([-+.\deE]+)[ \t]*\r?\n?", motion)
    if not match or not 1e-4 <= float(match[2]) <= 1:
        raise CorruptFile(f"{path} does not say how long a frame is.")
    lines = [line.split() for line in motion[match.end() :].splitlines() if line.strip()]
    whole = [line for line in lines if len(line) == width]
    counts = {"frame has the wrong number of values": len(lines) - len(whole),
              "frames are fewer than stated": max(0, int(match[1]) - len(lines))}  # fmt: skip
    if not whole or not width:
        raise CorruptFile(f"{path} has no frame of {width} values.")
    values = np.array(whole, np.float64)
    period = float(match[2])
    numbers = np.array([i for i, line in enumerate(lines) if len(line) == width])
    return (
        Stream(
            "joints", unique([joint.name for joint in joints]), _positions(joints, values),
            numbers * period, (), clock="none", rate_hz=1 / period,
            counts={reason: n for reason, n in counts.items() if n},
        ),
    )  # fmt: skip


def _hierarchy(tokens: list[str], path: str) -> tuple[list[_Joint], int]:
    """Joints, parents first, and how many channels they have; end sites are left out."""
    joints: list[_Joint] = []
    open_: list[int] = []  # number of each joint whose bracket is open; -1 an end site
    at, width, name = 0, 0, None
    while at < len(tokens):
        word = tokens[at].upper()
        if word in ("ROOT", "JOINT", "END"):
            end = at + 1
            while end < len(tokens) and tokens[end] != "{":
                end += 1
            name = None if word == "END" else " ".join(tokens[at + 1 : end])
            at = end
            if name is None:
                open_.append(-1)
            else:
                if len(joints) >= _MOST_JOINTS:
                    raise CorruptFile(f"{path} has more than {_MOST_JOINTS} joints.")
                joints.append(_Joint(name.rpartition(":")[2], open_[-1] if open_ else -1))
                open_.append(len(joints) - 1)
        elif word == "}":
            open_.pop()
        elif word == "OFFSET":
            if open_[-1] >= 0:
                joints[open_[-1]].offset = np.array(tokens[at + 1 : at + 4], np.float64)
            at += 3
        elif word == "CHANNELS":
            joint, count = joints[open_[-1]], int(tokens[at + 1])
            joint.first = width
            for channel in tokens[at + 2 : at + 2 + count]:
                match = _CHANNEL.fullmatch(channel)
                if not match:
                    raise CorruptFile(f"{path} has a channel {channel!r:.30}.")
                turns = match[2].lower() == "rotation"
                joint.channels.append(("XYZ".index(match[1].upper()), turns))
            width, at = width + count, at + 1 + count
        at += 1
    return joints, width


def _positions(joints: list[_Joint], values: np.ndarray) -> np.ndarray:
    """Positions (F, J, 3) of all joints."""
    frames = len(values)
    out = np.empty((frames, len(joints), 3))
    turns: list[np.ndarray] = []
    for number, joint in enumerate(joints):
        place = np.tile(joint.offset, (frames, 1))
        turn = np.tile(np.eye(3), (frames, 1, 1))
        for column, (axis, is_turn) in enumerate(joint.channels, joint.first):
            if is_turn:
                turn = turn @ _rotation(axis, np.deg2rad(values[:, column]))
            else:
                place[:, axis] = values[:, column]
        if joint.parent < 0:
            out[:, number] = place
            turns.append(turn)
        else:
            above = turns[joint.parent]
            out[:, number] = out[:, joint.parent] + (above @ place[..., None])[..., 0]
            turns.append(above @ turn)
    return out


def _rotation(axis: int, angle: np.ndarray) -> np.ndarray:
    """(F, 3, 3) about one axis."""
    matrix = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[:, axis, axis] = 1
    matrix[:, i, i] = matrix[:, j, j] = np.cos(angle)
    matrix[:, j, i] = np.sin(angle)
    matrix[:, i, j] = -np.sin(angle)
    return matrix
