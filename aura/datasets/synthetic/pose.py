"""Body pose annotations as Ego-Exo4D writes them, one JSON file per take."""

import json
from typing import Any

import numpy as np

from aura.datasets.synthetic.camera import Camera
from aura.datasets.synthetic.motion import JOINTS, Person
from aura.datasets.synthetic.plan import FPS, TakePlan, derive_seed

NOISE_M = {"automatic": 0.006, "annotation": 0.003}
STEP = {"automatic": 1, "annotation": 3}


def pose_json(take: TakePlan, person: Person, kind: str, cameras: dict[str, Camera]) -> str:
    """Content of `body/<kind>/<take_uid>.json`; kind is "automatic" or "annotation".

    Keys are frame numbers in no order. 2D keypoints, in pixels of a 3840 x 2160 video, come with
    manual annotations only: in dense ones they would be most of the file.
    """
    rng = np.random.default_rng(derive_seed(take.seed, "pose", kind))
    frames = np.arange(0, take.frames, STEP[kind])
    scene = person.joints(frames / FPS)
    scene = scene + rng.normal(0, NOISE_M[kind], scene.shape)
    points = np.round(person.to_world(scene), 4).tolist()
    views = rng.integers(2, max(3, len(cameras) + 1), scene.shape[:2]).tolist()
    placement = "manual" if kind == "annotation" else "auto"
    flat = {}
    if kind == "annotation":
        for name, camera in cameras.items():
            flat[name] = np.round(camera.project(scene)[0] * (3840 / camera.width), 1).tolist()
    empty, holed, lost = _flaws(take, len(frames), rng)
    out: dict[str, Any] = {}
    for row in rng.permutation(len(frames)):
        key = str(int(frames[row]))
        if row in empty:
            out[key] = []
            continue
        kept = [(j, name) for j, name in enumerate(JOINTS) if not (row in holed and name in lost)]
        joints = {
            name: dict(zip("xyz", points[row][j], strict=True))
            | {"num_views_for_3d": views[row][j]}
            for j, name in kept
        }
        image: dict[str, Any] = {name: {} for name in cameras}
        for view, uv in flat.items():
            image[view] = {
                name: {"x": uv[row][j][0], "y": uv[row][j][1], "placement": placement}
                for j, name in kept
            }
        about = {"take_uid": take.take_uid, "frame_number": int(frames[row])}
        out[key] = [{"metadata": about, "annotation3D": joints, "annotation2D": image}]
    return json.dumps(out, separators=(",", ":"))


def _flaws(
    take: TakePlan, count: int, rng: np.random.Generator
) -> tuple[set[int], set[int], set[str]]:
    empty: set[int] = set()
    holed: set[int] = set()
    lost: set[str] = set()
    if flaw := take.flaw("empty_pose_frames"):
        share = flaw["frames"] / take.frames
        empty = {int(i) for i in rng.choice(count, max(1, round(count * share)), replace=False)}
    if flaw := take.flaw("missing_joints"):
        span = max(1, round(count * flaw["frames"] / take.frames))
        first = int(rng.integers(count - span + 1))
        holed, lost = set(range(first, first + span)), set(flaw["joints"])
    return empty, holed, lost
