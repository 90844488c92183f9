"""Inputs that change or vanish while a stage reads them, clocks set back, and two runs at once."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from aura.storage import Storage
from tests.faults import kills, study
from tests.faults.errors import ended_well

HOW = ("vanish", "truncate", "flip", "empty", "grow")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
READ = ("raw", "data", "models", "reports")


def spoil(file: Path, how: str) -> None:
    """Change a file under whoever reads it."""
    content = bytearray(file.read_bytes())
    if how == "vanish":
        file.unlink()
        return
    if how == "flip" and content:
        content[len(content) // 2] ^= 16
    change = {"truncate": content[: len(content) // 2], "empty": b"", "grow": content + b"\0" * 64}
    new = file.with_name(f"{file.name}.new")
    new.write_bytes(change.get(how, content))
    new.replace(file)


def count_reads(at: int, log: Path, how: str, before: bool) -> None:
    """In this process, from now on, count files below the working folder that are read.

    The one of a number is spoiled as it is opened; else as the next one is, when it has been read
    or its content has been found to be right. Its name is the log's last line.
    """
    here, done, busy, last = Path.cwd(), 0, False, None

    def name_of(path: object) -> Path | None:
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        name = Path(os.fsdecode(path))
        file = name if name.is_absolute() else here / name
        inside = file.is_relative_to(here) and file.relative_to(here).parts[0] in READ
        made = any(part.startswith(".") or part.endswith(".partial") for part in file.parts)
        return file if inside and not made and file.is_file() else None

    def reading(path: object) -> None:
        nonlocal done, busy, last
        file = None if busy else name_of(path)
        if file is None:
            return
        busy, done = True, done + 1
        try:
            victim = file if before else last
            if done == at + (not before) and victim is not None and victim.is_file():
                spoil(victim, how)
                log.write_text(str(victim.relative_to(here)))
            elif at == 0:
                with log.open("a") as lines:
                    lines.write(f"{file.relative_to(here)}\n")
            last = file
        finally:
            busy = False

    def hook(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[2], int) and not arguments[2] & _WRITING:
            reading(arguments[0])

    real_open = Storage.open

    def opened(self, path):  # recordings are read by Arrow's file systems, unknown to Python
        reading(self._full(path))
        return real_open(self, path)

    Storage.open = opened
    sys.addaudithook(hook)


def inputs(
    project: Path, place: Path, stages: list[str], sample: int, seed: int = 0
) -> Iterator[tuple[str, str]]:
    """A file changes or vanishes as it is read or just after, and is put back later.

    Recordings may be left out with a reason; what has a manifest is read as it was, or refused.
    """
    random = Random(seed)
    for stage in stages:
        log = place.with_name("reads")
        log.write_text("")
        study.copy(project, place)
        begin = lambda log=log: count_reads(0, log, "", True)  # noqa: E731
        assert study.run(place, stage, overrides=study.STAGES[stage], before=begin) == 0
        wanted, reads = study.content(place), log.read_text().splitlines()
        numbers = range(1, len(reads) + 1)
        for number in sorted(random.sample(numbers, min(sample or len(numbers), len(numbers)))):
            how, before = random.choice(HOW), random.random() < 0.5
            log.write_text("")
            study.copy(project, place)

            def begin(
                number: int = number, how: str = how, before: bool = before, log: Path = log
            ) -> None:  # fmt: skip
                count_reads(number, log, how, before)

            code = study.run(place, stage, overrides=study.STAGES[stage], before=begin)
            name = log.read_text().strip()
            if not name:
                continue
            fault = _after(code, project, place, stage, name, wanted)
            when = "as it is opened" if before else "after it was opened"
            yield f"{stage}, {name}: {how} {when}", fault


def _after(
    code: int, project: Path, place: Path, stage: str, name: str, wanted: dict[str, str]
) -> str:
    if (project / name).exists():
        (place / name).write_bytes((project / name).read_bytes())
    if code and (fault := ended_well(code, place, wanted)):
        return fault
    raw = name.startswith("raw")  # left out with a reason, or read as it then was
    if not code and not raw and (fault := study.difference(wanted, place)):
        return f"done, and {fault}"
    return study.again(place, stage, wanted)


def clock(
    project: Path, place: Path, stages: list[str], sample: int, seed: int = 0
) -> Iterator[tuple[str, str]]:
    """Between a killed run and the next the clock and the times of all files are set back."""
    random = Random(seed)
    for stage in stages:
        changes = kills.changes_of(project, place, stage)
        wanted = study.content(place)
        for _ in range(sample or 10):
            number, back = random.randint(1, len(changes)), random.choice((3600, 86400 * 700))
            study.copy(project, place)
            log = place.with_name("killed")
            begin = lambda number=number, log=log: kills.count_changes(number, log)  # noqa: E731
            study.run(place, stage, overrides=study.STAGES[stage], before=begin)
            for file in place.rglob("*"):
                moment = time.time() - back * random.uniform(1, 2)
                os.utime(file, (moment, moment), follow_symlinks=False)
            fault = study.again(place, stage, wanted, lambda back=back: set_back(back))
            yield f"{stage}, {back} s back after a kill before change {number}", fault


def set_back(seconds: float) -> None:
    """Let this process believe that it is earlier."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() - seconds
    time.time_ns = lambda: now_ns() - int(seconds * 1e9)


def together(
    project: Path, place: Path, stages: list[str], sample: int, seed: int = 0
) -> Iterator[tuple[str, str]]:
    """Two runs of a stage are started at once, or one a moment after the other."""
    random = Random(seed)
    for stage in stages:
        wanted = study.undisturbed(project, place, stage)
        for _ in range(sample or 5):
            study.copy(project, place)
            delay = random.choice((0.0, 0.0, 0.1, 0.3))
            children = []
            for log in ("-a", "-b"):
                children.append(study.start(place, stage, "", study.STAGES[stage], log=log))
                time.sleep(delay)
            for child in children:
                child.join()
            codes = [child.exitcode for child in children]
            fault = "" if 0 in codes else f"both ended: {codes}"
            for code, log in zip(codes, ("-a", "-b"), strict=True):
                if code == 1:
                    fault = fault or study.sentence(place, log)
                    other = "by another run" not in study.said(place, log)
                    fault = fault or (f"said {study.said(place, log)[-200:]}" if other else "")
                elif code:
                    fault = fault or f"ended with {code}"
            fault = fault or study.difference(wanted, place) or study.again(place, stage, wanted)
            yield f"{stage}, two runs {delay} s apart", fault
