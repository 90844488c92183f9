"""MVNX (Xsens): positions of 23 segments in metres, z up, w first in quaternions.

Segments go by their labels, not their place in the list. The first frames are poses for
calibration (identity, tpose, tpose-isb) and no movement; they are left out. Where a suit has no
trackers on the legs, the file has legs all the same: rigid copies of the pelvis. They are invented.
"""

import io
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.parsers.expat import ExpatError

import numpy as np

from aura.errors import CorruptFile
from aura.formats.base import Stream, nonzero, unique
from aura.storage import Storage

SUFFIXES = (".mvnx",)
VERSION = "own"
_RIGID_M = 1e-5  # by which a limb's place may move about the pelvis, to be no movement of its own
_LEAST = 10  # frames that show it
_LEGS = tuple(f"{s}{p}" for s in ("Right", "Left") for p in ("LowerLeg", "Foot", "Toe"))


def read(files: Storage, path: str) -> tuple[Stream, ...]:
    """One stream of the origins of the segments, each named by its label.

    Raises
    ------
    CorruptFile
        It is no such file, or has no frame of movement.
    """
    data = files.read(path)
    if b"<!ENTITY" in data[:100_000]:
        raise CorruptFile(f"{path} defines entities, which no MVNX file does.")
    labels, rate, epoch_ms = [], 0.0, 0
    rows: list[np.ndarray] = []
    turns: list[np.ndarray] = []
    stamps: list[float] = []
    counts = dict.fromkeys(("frame is a pose for calibration", "frame is not whole"), 0)
    try:
        for element in _elements(data):
            tag = element.tag.rpartition("}")[2]
            if tag == "subject" and not rows:
                rate = float(element.get("frameRate") or 0)
                epoch_ms = int(element.get("recDateMSecSinceEpoch") or 0)
            elif tag == "segment":
                labels.append((int(element.get("id") or 0), element.get("label") or ""))
            elif tag == "frame":
                if (element.get("type") or "normal") != "normal":
                    counts["frame is a pose for calibration"] += 1
                else:
                    _frame(element, rows, turns, stamps, len(labels), counts)
                element.clear()
    except (ElementTree.ParseError, ExpatError):
        counts["file is cut off or damaged"] = 1
    if not rows or not labels:
        raise CorruptFile(f"{path} has no frame of movement.")
    names = unique([name for _, name in sorted(labels)])
    points = np.stack(rows)
    time_s = np.array(stamps)
    invented = _copied(points, np.stack(turns), names)
    counts["joint is a copy of the pelvis"] = int(invented.sum())
    return (
        Stream(
            "segments", names, points, time_s, ("m",), epoch_ms * 10**6,
            "utc" if epoch_ms else "device", rate or None, invented, nonzero(counts), {"up": "z"},
        ),
    )  # fmt: skip


def _elements(data: bytes) -> Iterator[ElementTree.Element]:
    """Starts of the subject, ends of all else, as they come."""
    parsed = ElementTree.iterparse(io.BytesIO(data), events=("start", "end"))  # noqa: S314
    for event, element in parsed:
        if (event == "start") == (element.tag.rpartition("}")[2] == "subject"):
            yield element


def _frame(
    element: ElementTree.Element, rows: list[np.ndarray], turns: list[np.ndarray],
    stamps: list[float], count: int, counts: dict[str, int],
) -> None:  # fmt: skip
    parts = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
    try:
        place = np.array(parts.get("position", "").split(), np.float64).reshape(count, 3)
        turn = np.array(parts.get("orientation", "").split(), np.float64).reshape(count, 4)
        time = float(element.get("time") or "nan") / 1000
    except ValueError:
        counts["frame is not whole"] += 1
        return
    if not np.isfinite(time):
        counts["frame is not whole"] += 1
        return
    norm = np.linalg.norm(turn, axis=1)
    place[norm < 0.5] = np.nan  # no orientation, no pose
    rows.append(place)
    turns.append(turn / np.maximum(norm, 1e-9)[:, None])
    stamps.append(time)


def _copied(points: np.ndarray, turns: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Joints (N, J) of legs that never move about the pelvis while it moves."""
    invented = np.zeros(points.shape[:2], bool)
    if "Pelvis" not in names or len(points) < _LEAST:
        return invented
    root = names.index("Pelvis")
    own = _to_frame(turns[:, root], points - points[:, root : root + 1])
    for name in _LEGS:
        if name in names:
            spread = np.ptp(own[:, names.index(name)], axis=0)
            invented[:, names.index(name)] = bool((spread < _RIGID_M).all())
    for side in ("Right", "Left"):  # a hip joint never moves about it; it goes with its knee
        hip, knee = f"{side}UpperLeg", f"{side}LowerLeg"
        if {hip, knee} <= set(names):
            invented[:, names.index(hip)] = invented[:, names.index(knee)]
    return invented


def _to_frame(quaternions: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, J, 3) in the frame that quaternions (N, 4), w first, turn."""
    w, axis = quaternions[:, :1, None], -quaternions[:, None, 1:]
    cross = 2 * np.cross(axis, vectors)
    return vectors + w * cross + np.cross(axis, cross)
