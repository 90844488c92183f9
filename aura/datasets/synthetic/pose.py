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
    pixels = {}
    if kind == "annotation":
        for name, camera in cameras.items():
            pixels[name] = np.round(camera.project(scene)[0] * _full_size(camera), 1).tolist()
    empty, lost, weak = _flaws(take)
    out: dict[str, Any] = {}
    for row in rng.permutation(len(frames)):
        frame = int(frames[row])
        if frame in empty:
            out[str(frame)] = []
            continue
        kept = [(j, name) for j, name in enumerate(JOINTS) if (frame, name) not in lost]
        joints = {
            name: dict(zip("xyz", points[row][j], strict=True))
            | {"num_views_for_3d": 1 if (frame, name) in weak else views[row][j]}
            for j, name in kept
        }
        image: dict[str, Any] = {name: {} for name in cameras}
        for view, uv in pixels.items():
            image[view] = {
                name: {"x": uv[row][j][0], "y": uv[row][j][1], "placement": placement}
                for j, name in kept
            }
        about = {"take_uid": take.take_uid, "frame_number": frame}
        out[str(frame)] = [{"metadata": about, "annotation3D": joints, "annotation2D": image}]
    return json.dumps(out, separators=(",", ":"))


def _full_size(camera: Camera) -> float:
    """Pixels of the recorded video, 2160 on its short side, for one of the camera's."""
    return 2160 / min(camera.width, camera.height)


def _flaws(take: TakePlan) -> tuple[set[int], set[tuple[int, str]], set[tuple[int, str]]]:
    """Frames without a person, and (frame, joint) that are absent or seen by one camera only."""
    empty = set((take.flaw("empty_pose_frames") or {"frames": []})["frames"])
    marked = []
    for kind in ("missing_joints", "few_views"):
        flaw = take.flaw(kind) or {"first_frame": 0, "frames": 0, "joints": []}
        frames = range(flaw["first_frame"], flaw["first_frame"] + flaw["frames"])
        marked.append({(frame, joint) for frame in frames for joint in flaw["joints"]})
    return empty, marked[0], marked[1]
