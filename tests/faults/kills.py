"""A SIGKILL at every change of a stage to the file system, and what a plain re-run leaves."""

import builtins
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pyarrow.parquet as pq

from tests.faults import study

CHANGES = {
    "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate",
}  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Outcome(NamedTuple):
    """What came of a kill before the change of that number."""

    stage: str
    change: int
    of: str
    fault: str


def die() -> None:
    """By a signal that cannot be caught."""
    os.kill(os.getpid(), signal.SIGKILL)


def count_changes(
    at: int, log: Path, act: Callable[[], None] = die, ever_after: bool = False
) -> None:
    """In this process, from now on, count changes below the working folder; act before one.

    What `act` raises is the change's error; `ever_after` it comes before all later ones too.

    Each goes to the log as a line. Opening to write counts twice, so that the file is met as it was
    and empty; so does a Parquet file, which no event of Python's tells of.
    """
    here, done, busy = f"{Path.cwd()}/", 0, False
    lines = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def change(of: str) -> None:
        nonlocal done
        done += 1
        os.write(lines, f"{of}\n".encode())
        if done == at or (ever_after and 0 < at < done):
            act()

    def ours(path: object) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        name = os.fsdecode(path)
        if name.removeprefix(here).startswith("logs"):  # no output
            return False
        return not name.endswith(".aura.lock") and (not name.startswith("/") or here in name)

    def hook(event: str, arguments: tuple) -> None:
        nonlocal busy
        if busy:
            return
        busy = True
        try:
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
            if (event in CHANGES or writes) and ours(arguments[0]):
                change(f"{event} {os.fsdecode(arguments[0])}")
        finally:
            busy = False

    sys.addaudithook(hook)
    real_open = io.open

    def opened(file, mode="r", *args, **kwargs):
        stream = real_open(file, mode, *args, **kwargs)
        if set(mode) & set("wax+") and ours(file):
            change(f"opened {os.fsdecode(file)}")
        return stream

    io.open = builtins.open = opened

    class Writer(pq.ParquetWriter):
        def __init__(self, where, *args, **kwargs):
            super().__init__(where, *args, **kwargs)
            change(f"table {where}")

        def close(self):
            if self.is_open:
                super().close()
                change("table is written")

    pq.ParquetWriter = Writer


def changes_of(project: Path, place: Path, stage: str) -> list[str]:
    """All changes of an undisturbed run of a stage, in a copy of a project at `place`."""
    study.copy(project, place)
    log = place.with_name("changes")
    code = study.run(
        place, stage, overrides=study.STAGES.get(stage, ()), before=lambda: count_changes(0, log)
    )
    assert code == 0, study.said(place)[-2000:]
    return log.read_text().splitlines()


def kill(
    project: Path, place: Path, stage: str, number: int, wanted: dict[str, str],
    before: Callable[[], None] = lambda: None,
) -> str:  # fmt: skip
    """Kill a stage before a change, run it again, and say what is not as it would have been."""
    study.copy(project, place)
    overrides = study.STAGES.get(stage, ())
    log = place.with_name("killed")

    def begin() -> None:
        before()
        count_changes(number, log)

    code = study.run(place, stage, overrides=overrides, before=begin)
    if code != -signal.SIGKILL:
        return f"was to be killed and ended with {code}"
    return study.again(place, stage, wanted, before)


def sweep(
    project: Path, place: Path, stage: str, sample: int = 0, seed: int = 0
) -> Iterator[Outcome]:
    """Kill a stage before each of its changes, or before a random sample of them.

    The last number stands for the end: before change n is after change n - 1.
    """
    changes = changes_of(project, place, stage)
    wanted = study.content(place)
    numbers = range(1, len(changes) + 1)
    chosen = sorted(Random(seed).sample(numbers, min(sample or len(numbers), len(numbers))))
    for number in chosen:
        fault = kill(project, place, stage, number, wanted)
        yield Outcome(stage, number, changes[number - 1], fault)
