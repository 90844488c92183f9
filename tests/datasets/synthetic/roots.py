"""Roots that are written once, and the files in them."""

import csv
import json

import numpy as np

from aura.datasets.synthetic import SyntheticSize, write_metadata, write_take
from aura.datasets.synthetic.flaws import MILD, SEVERE, STRAY, WHOLE_CAPTURE

ONE_EACH = {"teacher": 1, "train": 1, "val": 1, "test": 1}
TINY = SyntheticSize(ONE_EACH, take_seconds=4.0, cameras=2, activities=2)
FLAWED = SyntheticSize({"train": 2, "val": 1, "test": 1}, take_seconds=2.5, video_height=96)
KINDS = {*SEVERE, *MILD, WHOLE_CAPTURE, STRAY}
ORIGIN = np.zeros(3)


def write(root, plans, size):
    for take in plans:
        write_take(root, take, size)
    write_metadata(root, plans, size)
    return root, plans


def load(root, name):
    return json.loads((root / name).read_text())


def pose_path(root, take, kind="automatic"):
    return root / f"annotations/ego_pose/{take.split}/body/{kind}/{take.take_uid}.json"


def video_path(root, take, camera):
    folder = root / "takes" / take.take_name / "frame_aligned_videos/downscaled/448"
    return folder / f"{camera}.mp4"


def vrs_path(root, take):
    return root / "takes" / take.take_name / f"{take.capture.aria}_noimagestreams.vrs"


def timesync(root, take):
    """Rows of the take in its capture's timesync.csv."""
    text = (root / "captures" / take.capture.name / "timesync.csv").read_text()
    return list(csv.DictReader(text.splitlines()))[take.start_idx : take.end_idx]


def texts(root, source, take):
    return load(root, f"annotations/{source}_{take.split}.json")["annotations"][take.take_uid]
