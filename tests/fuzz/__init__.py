"""Throw mutated, made-up and garbage files at all parsers of what others recorded or trained.

    python -m tests.fuzz [--inputs 2000] [--seed N] [--target vrs timesync pose …]

Each target gets that many inputs. A fault is anything but a refusal (`CorruptFile` of recordings,
`AuraError` of what the user names) or a sound result: another exception, more seconds or more peak
memory over that after the warm-up than its target states, a file written outside its own folder, a
connection, a program but ffmpeg, a pickle. The first fault of a target ends it with the input
saved. Input `i` of a seed is always the same. The fallback of the VRS reader to
projectaria-tools is replaced by a refusal, so that no input starts a process; its own tests are in
tests/datasets/vrs/test_fallback.py.
"""

import argparse
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
from tqdm import tqdm

from aura.datasets.vrs import imu
from aura.errors import CorruptFile
from tests.fuzz.guard import watch
from tests.fuzz.index import index_target
from tests.fuzz.recordings import (
    actions_target,
    bvh_target,
    mat_target,
    pamap2_target,
    sisfall_target,
    sp_sw_har_target,
    texts_target,
    umafall_target,
)
from tests.fuzz.settings import (
    checkpoint_target,
    model_target,
    params_target,
    shard_target,
    teacher_target,
)
from tests.fuzz.tables import pose_target, timesync_target
from tests.fuzz.target import Target
from tests.fuzz.videos import mp4_target
from tests.fuzz.vrs import vrs_target

SECONDS: float | None = None  # in place of the targets' own
WARM_UP, SLOW_WARM_UP = 300, 5


class Fault(AssertionError):
    """A parser broke its promise; the message says how and where the input is saved."""


class TooSlow(BaseException):
    """Past the parsers' own `except Exception`."""


TARGETS: dict[str, Callable[[Path], Target]] = {
    "vrs": vrs_target, "timesync": timesync_target, "pose": pose_target, "index": index_target,
    "mat": mat_target, "actions": actions_target, "pamap2": pamap2_target, "bvh": bvh_target,
    "texts": texts_target, "sp-sw-har": sp_sw_har_target, "sisfall": sisfall_target,
    "umafall": umafall_target, "mp4": mp4_target, "params": params_target, "model": model_target,
    "checkpoint": checkpoint_target, "teacher": teacher_target, "shard": shard_target,
}  # fmt: skip
QUICK = ("vrs", "timesync", "pose")


def make_input(rng: random.Random, target: Target) -> bytes:
    kind = rng.random()
    if kind < 0.01:
        return rng.choice(target.bases)
    if kind < 0.75:
        return target.mutate(rng, rng.choice(target.bases))
    if kind < 0.95:
        return target.make(rng)
    start = rng.choice(target.bases)[: rng.choice((0, 80, 112))]
    return start + rng.randbytes(rng.randrange(400))


def peak_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    def expire(_signal: int, _frame: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def refuse(*_: object) -> list[np.ndarray]:
    raise CorruptFile("projectaria-tools is not asked here")


def fuzz(name: str, inputs: int, seed: int, save: Path) -> str:
    """Throw `inputs` inputs at a target; the closing line, or a `Fault` with the input saved."""
    counts, worst, limit, started = [0, 0], 0.0, 0, time.monotonic()
    shm = Path("/dev/shm")
    where = shm if shm.is_dir() else None
    with (
        tempfile.TemporaryDirectory(dir=where) as folder,
        mock.patch.object(imu, "official_columns", refuse),
    ):
        target = TARGETS[name](Path(folder))
        allowed = SECONDS or target.seconds
        warm_up = WARM_UP if name in QUICK else SLOW_WARM_UP
        for number in tqdm(range(-warm_up, inputs), name, disable=None):
            rng = random.Random(f"{name} {seed} {number}")
            data, problem, accepted = make_input(rng, target), "", False
            seconds = allowed if number >= 0 else 60.0  # the first inputs pay for late imports
            begun = time.perf_counter()
            try:
                with (
                    time_limit(seconds),
                    np.errstate(all="ignore"),
                    warnings.catch_warnings(action="ignore"),
                    watch(Path(folder)) as deeds,
                ):
                    target.read(rng, data)
                accepted = True
            except target.refusal:
                pass
            except TooSlow:
                problem = f"was not done in {seconds:g} s"
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                problem = f"raised {error!r:.300}"
            spent = time.perf_counter() - begun
            if number == -1:
                limit = peak_bytes() + target.growth_bytes
            if deeds and not problem:
                problem = f"did more than read: {deeds[0]}"
            if spent > seconds and not problem:
                problem = f"took {spent:.1f} s"
            elif number >= 0 and peak_bytes() > limit:
                problem = f"raised peak memory to {peak_bytes() >> 20} MB, over {limit >> 20} MB"
            if problem:
                save.mkdir(parents=True, exist_ok=True)
                saved = save / f"{name}-{seed}-{number}.bin"
                saved.write_bytes(data)
                raise Fault(
                    f"{name}: input {number} of seed {seed} {problem}; it is saved in {saved}"
                )
            if number >= 0:
                counts[accepted] += 1
                worst = max(worst, spent)
    return (
        f"{name}: {inputs} inputs, {counts[1]} accepted, {counts[0]} refused, "
        f"{time.monotonic() - started:.0f} s, worst {1e3 * worst:.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=2000, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS, nargs="+", default=list(TARGETS))
    parser.add_argument("--save", type=Path, default=Path(tempfile.gettempdir()) / "aura-fuzz")
    options = parser.parse_args()
    faults = []
    for name in options.target:
        try:
            print(fuzz(name, options.inputs, options.seed, options.save), flush=True)
        except Fault as fault:
            print(fault, flush=True)
            faults.append(str(fault))
    if faults:
        sys.exit("\n".join(faults))
