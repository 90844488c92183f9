"""Fixed pinhole cameras around the person, one set per take."""

from dataclasses import dataclass, replace

import numpy as np

from aura.datasets.synthetic.plan import TakePlan, derive_seed

HEIGHT, FOCAL = 448, 575.0  # pixels
# Side of the scene from which each camera looks (degrees from the person's front), and for all of
# them the distance in metres and the height they aim at.
VIEWS = {
    "Cooking": ((112, -118, 150, -96), 3.3, 1.05),
    "Health": ((74, -108, 128, -62), 3.2, 0.72),
    "Bike Repair": ((116, -126, 150, -98), 3.3, 0.98),
    "Music": ((104, -122, 142, -90), 3.2, 0.95),
    "Basketball": ((140, -144, 116, -110), 3.9, 1.32),
    "Rock Climbing": ((146, -140, 122, -116), 4.1, 1.62),
    "Soccer": ((140, -142, 118, -114), 3.8, 1.08),
    "Dance": ((36, -44, 70, -80), 3.8, 1.14),
}


@dataclass(frozen=True)
class Camera:
    """A pinhole camera in scene coordinates; `axes` rows are right, down and forward."""

    centre: np.ndarray
    axes: np.ndarray
    focal: float
    width: int
    height: int

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (..., 2) and depths (...,) in metres of scene points (..., 3)."""
        local = (points - self.centre) @ self.axes.T
        depth = np.maximum(local[..., 2], 0.05)
        middle = np.array([self.width / 2, self.height / 2])
        return local[..., :2] * (self.focal / depth[..., None]) + middle, local[..., 2]

    def rays(self, shrink: int) -> np.ndarray:
        """Directions (height / shrink, width / shrink, 3) through pixel centres."""
        u = (np.arange(self.width // shrink) + 0.5) * shrink - self.width / 2
        v = (np.arange(self.height // shrink) + 0.5) * shrink - self.height / 2
        ray = np.stack(
            np.broadcast_arrays(u[None, :] / self.focal, v[:, None] / self.focal, 1.0), -1
        )
        return ray @ self.axes


def look_at(centre: np.ndarray, target: np.ndarray, focal: float, height: int = HEIGHT) -> Camera:
    """A level 16:9 camera at `centre` that looks at `target`; even numbers of pixels."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward])
    return Camera(centre, axes, focal, 2 * round(height * 8 / 9), height)


def cameras(take: TakePlan, height: int = HEIGHT) -> dict[str, Camera]:
    """The exo cameras of a take: where the activity is best seen, moved a little per capture.

    `height` is in pixels, and the short side of a portrait video.
    """
    portrait = take.flaw("portrait_video") or {"camera": None}
    rng = np.random.default_rng(derive_seed(take.capture.seed, "cameras", take.activity))
    angles, distance, aim = VIEWS[take.activity]
    made = {}
    for index, name in enumerate(take.capture.cameras):
        angle = np.radians(angles[index % len(angles)] + rng.uniform(-8, 8))
        away = distance * rng.uniform(0.95, 1.05)
        up = rng.uniform(1.35, 1.75)
        target = np.array([0.12, 0.0, aim]) + rng.uniform(-0.06, 0.06, 3)
        centre = np.array([away * np.cos(angle), away * np.sin(angle), up])
        focal = FOCAL * rng.uniform(0.97, 1.03) * height / HEIGHT
        camera = look_at(centre, target, focal, height)
        if name == portrait["camera"]:
            camera = replace(camera, width=camera.height, height=camera.width)
        made[name] = camera
    return made
