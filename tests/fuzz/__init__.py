"""Throw mutated, made-up and garbage files at the parsers of what others recorded.

    python -m tests.fuzz --inputs 100000 [--seed N] [--target vrs|timesync|pose]

Each target gets that many inputs. A fault is anything but `CorruptFile` or a sound result: another
exception, over 2 s, or 64 MB more peak memory than after the warm-up. The first fault ends the run
with the input saved. Input `i` of a seed is always the same. The fallback of the VRS reader to
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
from tqdm import tqdm

from aura.datasets.vrs import imu
from aura.errors import CorruptFile
from tests.fuzz.tables import pose_target, timesync_target
from tests.fuzz.target import Target
from tests.fuzz.vrs import vrs_target

SECONDS, GROWTH_BYTES, WARM_UP = 2.0, 64 << 20, 300


class Fault(AssertionError):
    """A parser broke its promise; the message says how and where the input is saved."""


class TooSlow(BaseException):
    """Past the parsers' own `except Exception`."""


TARGETS = {"vrs": vrs_target, "timesync": timesync_target, "pose": pose_target}


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
        for number in tqdm(range(-WARM_UP, inputs), name, disable=None):
            rng = random.Random(f"{name} {seed} {number}")
            data, problem, accepted = make_input(rng, target), "", False
            seconds = SECONDS if number >= 0 else 30.0  # the first inputs pay for late imports
            begun = time.perf_counter()
            try:
                with time_limit(seconds), np.errstate(all="ignore"):
                    target.read(rng, data)
                accepted = True
            except CorruptFile:
                pass
            except TooSlow:
                problem = f"was not done in {seconds:g} s"
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                problem = f"raised {error!r:.300}"
            spent = time.perf_counter() - begun
            if number == -1:
                limit = peak_bytes() + GROWTH_BYTES
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
    parser.add_argument("--inputs", type=int, default=100_000, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS)
    parser.add_argument("--save", type=Path, default=Path(tempfile.gettempdir()) / "aura-fuzz")
    options = parser.parse_args()
    for name in [options.target] if options.target else TARGETS:
        try:
            print(fuzz(name, options.inputs, options.seed, options.save), flush=True)
        except Fault as fault:
            sys.exit(str(fault))
