"""The clock and the body pose of a take, mutated and made up."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aura.datasets.ego_exo4d import pose, timesync
from aura.schema import JOINTS
from tests.fuzz.mutate import NASTY, any_json, mutate_bytes, mutate_text
from tests.fuzz.target import Target

COLUMN = "aria01_214-1_capture_timestamp_ns"


def timesync_target(folder: Path) -> Target:
    names = [
        COLUMN,
        "aria01_1201-1_capture_timestamp_ns",
        "cam01_frame_number",
        "cam01_global_time",
    ]

    def table(rng: random.Random, columns: list[str], cell: Callable[[int], str]) -> bytes:
        rows = [",".join(columns)]
        rows += [",".join(cell(i) for _ in columns) for i in range(rng.randrange(30))]
        return rng.choice(("\n", "\n", "\r\n")).join(rows).encode() + b"\n"

    base = random.Random(0)
    stamp = lambda i: str(10**12 + 33_333_333 * i)  # noqa: E731
    bases = [
        table(base, names, stamp),
        table(base, [COLUMN], lambda i: stamp(i) + ".0"),
        table(base, names, lambda i: base.choice(("", "NaN", f'"{stamp(i)}"', stamp(i)))),
    ]

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        if rng.random() < 0.6:
            return mutate_text(rng, raw)
        return mutate_bytes(rng, raw, rng.choice(bases), [])

    def make(rng: random.Random) -> bytes:
        columns = rng.choices(
            [*names, "", '"a,b"', "\u00e9", COLUMN.upper()], k=rng.randrange(1, 6)
        )
        nasty = [text.decode("latin-1") for text in NASTY if len(text) < 500]
        return table(rng, columns, lambda i: rng.choice((stamp(i), stamp(i), rng.choice(nasty))))

    def read(rng: random.Random, data: bytes) -> None:
        times = timesync.read_timesync(data, COLUMN)
        assert (times.ndim, times.dtype) == (1, np.float64)
        assert not np.isinf(times).any()

    return Target(bases, mutate, make, read)


def pose_target(folder: Path) -> Target:
    keys = (
        *JOINTS,
        "annotation3D",
        "annotation2D",
        "metadata",
        "x",
        "y",
        "z",
        "num_views_for_3d",
        "0",
        "12",
    )
    base = random.Random(0)

    def person(joints: int) -> dict[str, Any]:
        return {
            name: {axis: base.uniform(-3, 3) for axis in "xyz"} | {"num_views_for_3d": 3}
            for name in base.sample(JOINTS, joints)
        }

    frames = {str(3 * i): [{"metadata": {}, "annotation3D": person(i % 18)}] for i in range(5)}
    bases = [json.dumps(content).encode() for content in (frames, frames | {"7": []}, {})]

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        if rng.random() < 0.7:
            return mutate_text(rng, raw)
        return mutate_bytes(rng, raw, rng.choice(bases), [])

    def make(rng: random.Random) -> bytes:
        content = {
            str(
                rng.choice((rng.randrange(50), rng.randrange(50), -1, "x", 1 << 63, "\u0663"))
            ): rng.choice((any_json(rng, keys), [{"annotation3D": any_json(rng, keys, 2)}]))
            for _ in range(rng.randrange(6))
        }
        return json.dumps(rng.choice((content, content, content, any_json(rng, keys)))).encode()

    def read(rng: random.Random, data: bytes) -> None:
        found = pose.read_pose(data, rng.randrange(4))
        assert (found.frames.ndim, found.frames.dtype) == (1, np.int64)
        assert (np.diff(found.frames) > 0).all()
        assert found.joints.shape == (len(found.frames), 17, 3)
        assert found.joints.dtype == np.float32
        assert not np.isinf(found.joints).any()

    return Target(bases, mutate, make, read)
