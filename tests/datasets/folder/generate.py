"""Folders of recordings with a known truth: one body that walks and waves, written in many ways."""

from dataclasses import dataclass

import numpy as np

GRAVITY = 9.80665


@dataclass(frozen=True)
class Truth:
    """What an IMU measured, (N,) s, m/s2 and rad/s."""

    time_s: np.ndarray
    accel: np.ndarray
    gyro: np.ndarray


def motion(seed, rate_hz=100.0, seconds=12.0, still_s=2.0):
    """A sensor that is still, then turns slowly to and fro and shakes: gravity turns as it does."""
    random = np.random.default_rng(seed)
    count = round(seconds * rate_hz)
    t = np.arange(count) / rate_hz
    moving = np.clip((t - still_s) / 0.5, 0, 1)
    rates = np.stack(
        [a * np.sin(2 * np.pi * f * t + p) * moving
         for a, f, p in zip(random.uniform(1, 2.5, 3), random.uniform(0.3, 0.8, 3),
                            random.uniform(0, 6, 3), strict=True)], axis=1,
    )  # fmt: skip
    down = np.empty((count, 3))
    down[0] = random.normal(size=3)
    down[0] /= np.linalg.norm(down[0])
    for i in range(1, count):  # what is fixed in the world turns against the sensor
        down[i] = down[i - 1] - np.cross(rates[i - 1], down[i - 1]) / rate_hz
        down[i] /= np.linalg.norm(down[i])
    shake = 1.5 * np.sin(2 * np.pi * 2.0 * t)[:, None] * random.normal(size=3) * moving[:, None]
    noise = random.normal(0, 0.02, (count, 3))
    return Truth(t, GRAVITY * down + shake + noise, rates + random.normal(0, 0.002, (count, 3)))


def table(names, columns, delimiter=",", above=""):
    rows = [delimiter.join(names)] if names else []
    rows += [
        delimiter.join(f"{v:.6f}" if isinstance(v, float) else str(v) for v in row)
        for row in zip(*columns, strict=True)
    ]
    return above + "\n".join(rows) + "\n"


def plain_csv(truth, accel="m/s2", gyro="rad/s", names=None, time=("time", "s"), start=0.0):
    """A CSV of one IMU in the units that are asked for."""
    scale = {"m/s2": 1.0, "g": 1 / GRAVITY, "mg": 1000 / GRAVITY}[accel]
    turn = {"rad/s": 1.0, "deg/s": 180 / np.pi}[gyro]
    factor = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[time[1]]
    stamps = (truth.time_s + start) * factor
    stamps = [round(s, 4) for s in stamps] if time[1] == "s" else [round(s) for s in stamps]
    names = names or ["acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z"]
    columns = [stamps, *(map(float, c) for c in (truth.accel * scale).T)]
    columns += [map(float, c) for c in (truth.gyro * turn).T]
    return table([time[0], *names], columns)


def skeleton(frames=200, rate_hz=50.0, unit=1.0, names=None, up="z"):
    """A body that walks along x, (F, J, 3) in z up, then in `unit` and with another axis up."""
    base = {
        "nose": (0.1, 0, 1.6), "left-shoulder": (0, 0.2, 1.4), "right-shoulder": (0, -0.2, 1.4),
        "left-elbow": (0, 0.25, 1.1), "right-elbow": (0, -0.25, 1.1),
        "left-wrist": (0.1, 0.25, 0.85), "right-wrist": (0.1, -0.25, 0.85),
        "left-hip": (0, 0.1, 0.9), "right-hip": (0, -0.1, 0.9), "left-knee": (0, 0.1, 0.48),
        "right-knee": (0, -0.1, 0.48), "left-ankle": (0, 0.1, 0.07), "right-ankle": (0, -0.1, 0.07),
    }  # fmt: skip
    t = np.arange(frames) / rate_hz
    points = np.stack([np.tile(place, (frames, 1)) for place in base.values()], axis=1)
    points = points + np.stack([t, 0.02 * np.sin(9 * t), 0.03 * np.sin(12 * t)], axis=1)[:, None]
    swing = 0.2 * np.sin(6 * t)[:, None]
    for joint, sign in (("left-ankle", 1), ("right-ankle", -1), ("left-wrist", -1)):
        points[:, list(base).index(joint), :1] += sign * swing
    if up == "y":
        points = points[..., [1, 2, 0]]
    return points / unit, [(names or {}).get(joint, joint) for joint in base]
