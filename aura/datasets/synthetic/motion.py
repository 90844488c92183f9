"""A 17-joint person who moves: smooth functions of time, exact to float64.

Body axes are x forward, y left, z up. The scene has its floor at z = 0 and the person near its
origin, facing +x; the world of the recording is the scene turned and moved, once per capture.
"""

from dataclasses import dataclass

import numpy as np

from aura.datasets.synthetic.actions import ACTIONS, REST
from aura.datasets.synthetic.plan import TakePlan, derive_seed

JOINTS = ("nose", "left-eye", "right-eye", "left-ear", "right-ear", "left-shoulder",
    "right-shoulder", "left-elbow", "right-elbow", "left-wrist", "right-wrist", "left-hip",
    "right-hip", "left-knee", "right-knee", "left-ankle", "right-ankle")  # fmt: skip
AXES = ("x", "y", "z", "yaw", "twist", "pitch", "roll", "head_yaw", "head_pitch", "head_roll")
SIDES = tuple(
    f"{s}_{d}" for d in ("flex", "abd", "rot", "elbow", "hip", "splay", "knee") for s in "lr"
)
DOFS = AXES + SIDES
# Points of the face in head axes, metres, for a person of 1.75 m.
FACE = {
    "nose": (0.105, 0.0, -0.02),
    "left-eye": (0.085, 0.032, 0.02),
    "right-eye": (0.085, -0.032, 0.02),
    "left-ear": (0.0, 0.075, 0.0),
    "right-ear": (0.0, -0.075, 0.0),
}
BLEND_S = 0.9
THIGH, SHANK = 0.245, 0.246  # of the person's height
# Device axes (Aria's left SLAM camera: x down, z ahead and outward) in head axes.
DEVICE_IN_HEAD = np.array([[-0.042, -0.609, 0.792], [-0.032, 0.793, 0.608], [-0.999, 0.0, -0.052]])


@dataclass(frozen=True)
class Segment:
    """One atomic action from `start_s` to `end_s` on the clock of the take."""

    start_s: float
    end_s: float
    action: int


def segments(take: TakePlan) -> list[Segment]:
    """The actions of a take: segments of 4 to 7 s in seeded order, none again before all."""
    rng = np.random.default_rng(derive_seed(take.seed, "segments"))
    count = max(1, round(take.seconds / 5.3))
    weights = rng.uniform(0.85, 1.2, count)
    edges = np.concatenate([[0.0], np.cumsum(weights) / weights.sum()]) * take.seconds
    order: list[int] = []
    while len(order) < count:
        cycle = [int(a) for a in rng.permutation(len(ACTIONS[take.activity]))]
        if order and cycle[0] == order[-1]:
            cycle.reverse()
        order += cycle
    spans = zip(edges[:-1].tolist(), edges[1:].tolist(), order[:count], strict=True)
    return [Segment(start, end, action) for start, end, action in spans]


def rotation(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (N, 3, 3) about a coordinate axis by `angle` (N,) radians."""
    out = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    cos, sin = np.cos(angle), np.sin(angle)
    out[:, axis, axis] = 1.0
    out[:, i, i], out[:, j, j], out[:, i, j], out[:, j, i] = cos, cos, -sin, sin
    return out


class Person:
    """The person of one take: kinematics of their style and of the take's actions."""

    def __init__(self, take: TakePlan):
        self.take = take
        self.segments = segments(take)
        person_rng = np.random.default_rng(derive_seed(take.capture.seed, "person"))
        self.height = person_rng.uniform(1.55, 1.92)
        self.build = person_rng.uniform(0.88, 1.14)
        tempo, size = np.exp(person_rng.normal(0, 0.13)), np.exp(person_rng.normal(0, 0.15))
        habit = dict(zip(DOFS, person_rng.normal(0, 1, len(DOFS)), strict=True))
        vigour = dict(zip(DOFS, size * np.exp(person_rng.normal(0, 0.12, len(DOFS))), strict=True))
        self.world_rotation = rotation(2, person_rng.uniform(-np.pi, np.pi, 1))[0]
        self.world_translation = person_rng.uniform(-3, 3, 3) * (1, 1, 0.3)
        take_rng = np.random.default_rng(derive_seed(take.seed, "motion"))
        self._waves: dict[int, dict[str, list[tuple[float, ...]]]] = {}
        self._rest: dict[int, dict[str, float]] = {}
        self._tempo: dict[int, tuple[float, ...]] = {}
        for index in sorted({s.action for s in self.segments}):
            action = ACTIONS[take.activity][index]
            self._tempo[index] = (
                action.hz * tempo * np.exp(take_rng.normal(0, 0.04)), take_rng.uniform(),
                take_rng.uniform(0.15, 0.4), take_rng.uniform(0.05, 0.1), take_rng.uniform(0, 7),
            )  # fmt: skip
            self._rest[index], self._waves[index] = {}, {}
            for dof, (rest, *waves) in _both_sides(REST | action.motion).items():
                unit = 1.0 if dof in "xyz" else np.pi / 180
                # A landing is an impact of the body: its size is not a matter of style.
                scale = [1.0 if len(w) > 3 and w[3] > 100 else vigour[dof] for w in waves]
                self._rest[index][dof] = rest * unit
                self._waves[index][dof] = [
                    (w[0] * unit * s, *w[1:]) for w, s in zip(waves, scale, strict=True)
                ]
        spread = {
            dof: 0.03 if dof in "xy" else 0.0 if dof == "z" else np.radians(6) for dof in DOFS
        }
        self._habit = {dof: habit[dof] * spread[dof] for dof in DOFS}
        self._wander = {
            dof: [
                (
                    spread[dof] * 0.3 * take_rng.normal(),
                    take_rng.uniform(0.1, 0.5),
                    take_rng.uniform(0, 7),
                )
                for _ in range(2)
            ]
            for dof in DOFS
        }

    def phase(self, action: int, t: np.ndarray) -> np.ndarray:
        """Cycles of an action since an arbitrary start, at times `t` (N,) in seconds."""
        hz, start, depth, slow_hz, slow_phase = self._tempo[action]
        return start + hz * (t + depth * np.sin(2 * np.pi * slow_hz * t + slow_phase))

    def weights(self, t: np.ndarray) -> dict[int, np.ndarray]:
        """Share (N,) of each action in the motion at times `t`; the shares sum to one."""
        shares: dict[int, np.ndarray] = {}
        before = np.ones_like(t)
        for segment, after in zip(self.segments, [*self.segments[1:], None], strict=True):
            rise = np.zeros_like(t)
            if after is not None:
                rise = _smoothstep((t - after.start_s) / BLEND_S + 0.5)
            shares[segment.action] = shares.get(segment.action, 0.0) + before - rise
            before = rise
        return shares

    def dofs(self, t: np.ndarray, names: tuple[str, ...] = DOFS) -> dict[str, np.ndarray]:
        """Degrees of freedom at times `t` (N,): radians and metres, each (N,)."""
        values = {dof: np.full_like(t, self._habit[dof]) for dof in names}
        for dof, value in values.items():
            for amplitude, hz, phase in self._wander[dof]:
                value += amplitude * np.sin(2 * np.pi * hz * t + phase)
        for action, share in self.weights(t).items():
            rows = np.flatnonzero(share)
            angle = 2 * np.pi * self.phase(action, t[rows])
            for dof, value in values.items():
                total = np.full_like(angle, self._rest[action].get(dof, 0.0))
                for amplitude, harmonic, phase, *sharp in self._waves[action].get(dof, ()):
                    if sharp:  # a pulse peaks at its phase
                        at = harmonic * angle - 2 * np.pi * phase
                        total += amplitude * np.exp(sharp[0] * (np.cos(at) - 1))
                    else:
                        total += amplitude * np.sin(harmonic * angle + 2 * np.pi * phase)
                value[rows] += share[rows] * total
        return values

    def head(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Head axes (N, 3, 3) and centre (N, 3) in the scene at times `t` (N,)."""
        legs = tuple(d for d in SIDES if d[2:] in ("hip", "splay", "knee"))
        q = self.dofs(t, AXES + legs)
        return self._head(q, *self._trunk(q))

    def device(self, t: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Device axes (N, 3, 3), and in the world the point `offset` (3,) metres of the device."""
        axes, centre = self.head(t)
        lever = np.array([0.085, 0.065, 0.03]) + DEVICE_IN_HEAD @ offset
        axes_world = self.world_rotation @ axes
        point = (centre + axes @ lever) @ self.world_rotation.T + self.world_translation
        return axes_world @ _orthonormal(DEVICE_IN_HEAD), point

    def joints(self, t: np.ndarray) -> np.ndarray:
        """COCO-17 joints (N, 17, 3) in the scene, metres, at times `t` (N,)."""
        q = self.dofs(t)
        torso, pelvis = self._trunk(q)
        axes, centre = self._head(q, torso, pelvis)
        pelvis_axes = rotation(2, q["yaw"])
        h, wide = self.height, self.height * self.build
        parts = {}
        for name, at in FACE.items():
            parts[name] = centre + axes @ (np.array(at) * h / 1.75)
        for side, sign in (("left", 1.0), ("right", -1.0)):
            s = side[0]
            shoulder = pelvis + torso @ np.array([0.0, sign * 0.108 * wide, 0.288 * h])
            upper = torso @ rotation(1, -q[f"{s}_flex"]) @ rotation(0, sign * q[f"{s}_abd"])
            upper = upper @ rotation(2, -sign * q[f"{s}_rot"])
            elbow = shoulder - 0.172 * h * upper[:, :, 2]
            fore = upper @ rotation(1, -q[f"{s}_elbow"])
            parts |= {f"{side}-shoulder": shoulder, f"{side}-elbow": elbow}
            parts[f"{side}-wrist"] = elbow - 0.15 * h * fore[:, :, 2]
            hip = pelvis + pelvis_axes @ np.array([0.0, sign * 0.052 * wide, 0.0])
            thigh = pelvis_axes @ rotation(1, -q[f"{s}_hip"]) @ rotation(0, sign * q[f"{s}_splay"])
            knee = hip - THIGH * h * thigh[:, :, 2]
            ankle = knee - SHANK * h * (thigh @ rotation(1, q[f"{s}_knee"]))[:, :, 2]
            parts |= {f"{side}-hip": hip, f"{side}-knee": knee, f"{side}-ankle": ankle}
        return np.stack([parts[name] for name in JOINTS], axis=1)

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Scene points (..., 3) in the world of the recording."""
        return points @ self.world_rotation.T + self.world_translation

    def _trunk(self, q: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Torso axes, and the pelvis at the height that puts the lowest joint on the floor."""
        heights = []
        for s in "lr":
            hip, splay, knee = (q[f"{s}_{axis}"] for axis in ("hip", "splay", "knee"))
            upright = np.cos(hip) * np.cos(splay)
            lower = np.sin(hip) * np.sin(knee) + upright * np.cos(knee)
            at_knee = -THIGH * self.height * upright
            heights += [at_knee - 0.06, at_knee - SHANK * self.height * lower - 0.08]
        low = -np.log(sum(np.exp(-40 * h) for h in heights)) / 40  # a smooth minimum
        pelvis = np.stack([q["x"], q["y"], q["z"] - low], axis=1)
        torso = rotation(2, q["yaw"] + q["twist"]) @ rotation(1, q["pitch"])
        return torso @ rotation(0, q["roll"]), pelvis

    def _head(
        self, q: dict[str, np.ndarray], torso: np.ndarray, pelvis: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        axes = torso @ rotation(2, q["head_yaw"])
        axes = axes @ rotation(1, q["head_pitch"]) @ rotation(0, q["head_roll"])
        neck = pelvis + torso @ np.array([0.0, 0.0, 0.315 * self.height])
        return axes, neck + axes @ (np.array([0.02, 0.0, 0.088]) * self.height)


def _orthonormal(matrix: np.ndarray) -> np.ndarray:
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def _smoothstep(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0.0, 1.0)
    return x**3 * (x * (6 * x - 15) + 10)


def _both_sides(motion: dict) -> dict:
    sides = {f"{s}_{d[2:]}": v for d, v in motion.items() if d[:2] == "b_" for s in "lr"}
    return sides | {d: v for d, v in motion.items() if d[:2] != "b_"}
