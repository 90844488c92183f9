"""What the system refuses, at any change; a disk that is full; a shared folder that is away."""

import errno
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from threading import Timer

from tests.faults import kills, study

NUMBERS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.ENOMEM),
    *(errno.EMFILE, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN),
)
AWAY_S = 0.3


def ended_well(code: int, place: Path, wanted: dict[str, str]) -> str:
    """Fault of a run: it is to be done as undisturbed, or to end in a sentence."""
    if code == 0:
        return study.difference(wanted, place)
    if code != 1:
        return f"ended with {code}"
    return study.sentence(place)


def refusals(
    project: Path, place: Path, stages: list[str], sample: int, seed: int = 0
) -> Iterator[tuple[str, str]]:
    """An error of the system before a change, once or from there on."""
    for stage, number, of, wanted, random in _moments(project, place, stages, sample, seed):
        error, lasting = random.choice(NUMBERS), random.random() < 0.5

        def begin(number: int = number, error: int = error, lasting: bool = lasting) -> None:
            def refuse() -> None:
                raise OSError(error, os.strerror(error))

            kills.count_changes(number, place.with_name("refused"), refuse, lasting)

        name = f"{errno.errorcode[error]}{' ever after' * lasting}"
        yield f"{stage}, {name} at change {number} ({of})", _tried(place, stage, begin, wanted)


def _moments(
    project: Path, place: Path, stages: list[str], sample: int, seed: int
) -> Iterator[tuple[str, int, str, dict[str, str], Random]]:
    """Changes of stages, a fresh copy of the project for each: all, or a sample of each stage."""
    for stage in stages:
        changes = kills.changes_of(project, place, stage)
        wanted, random = study.content(place), Random(seed)
        numbers = range(1, len(changes) + 1)
        for number in sorted(random.sample(numbers, min(sample or len(numbers), len(numbers)))):
            study.copy(project, place)
            yield stage, number, changes[number - 1], wanted, random


def _tried(place: Path, stage: str, begin: Callable[[], None], wanted: dict[str, str]) -> str:
    code = study.run(place, stage, overrides=study.STAGES[stage], before=begin)
    return ended_well(code, place, wanted) or study.again(place, stage, wanted)


def late(
    project: Path, place: Path, stages: list[str], sample: int, seed: int = 0
) -> Iterator[tuple[str, str]]:
    """The folder of the data, as shared by a cluster, is away for a moment before a change."""
    for stage, number, of, wanted, _ in _moments(project, place, stages, sample, seed):
        shared, gone = place.with_name("shared"), place.with_name("gone")
        shutil.rmtree(shared, ignore_errors=True)
        (place / "data").rename(shared)
        (place / "data").symlink_to(shared)

        def begin(number: int = number, shared: Path = shared, gone: Path = gone) -> None:
            def leave() -> None:
                shared.rename(gone)
                back = Timer(AWAY_S, gone.rename, [shared])
                back.daemon = True
                back.start()

            kills.count_changes(number, place.with_name("late"), leave)

        code = study.run(place, stage, overrides=study.STAGES[stage], before=begin)
        if gone.exists():
            gone.rename(shared)
        fault = ended_well(code, place, wanted) or study.again(place, stage, wanted)
        (place / "data").unlink()
        yield f"{stage}, away at change {number} ({of})", fault


def mounted(folder: Path, size: int) -> bool:
    """Make a folder a disk of so many bytes; whether that is permitted."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={size},mode=755"]
    command = ["mount", *options, "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def unmount(folder: Path) -> None:
    """Take the disk away again."""
    subprocess.run(["umount", "-l", str(folder)], check=True)


def disk(
    project: Path, place: Path, stages: list[str], sample: int, seed: int = 0
) -> Iterator[tuple[str, str]]:
    """The project on a small disk that a stage fills, and then a full disk as temporary folder.

    Where mounting is not permitted, a bound to the size of files stands for the disk.
    """
    random, needed = Random(seed), sum(f.stat().st_size for f in project.rglob("*") if f.is_file())
    for stage in stages:
        wanted = study.undisturbed(project, place, stage)
        were = study.content(project)
        new = [place / name for name in sorted(wanted) if wanted[name] != were.get(name)]
        made = sum(file.stat().st_size for file in new if file.is_file())
        for number in range(sample or 10):
            shutil.rmtree(place, ignore_errors=True)
            room = int(random.uniform(0, 1) * made)
            small = place.with_name("disk")
            if mounted(small, 3 * needed + 2 * made):
                try:
                    # What a stage says must not be cut short by the disk that it fills.
                    (small / "place.log").symlink_to(place.with_name("disk.log"))
                    yield (
                        f"{stage}, full disk, {room} bytes free",
                        _filled(project, small / "place", stage, room, wanted),
                    )
                    if number:
                        continue
                    study.copy(project, small / "place")
                    yield (
                        f"{stage}, full temporary folder",
                        _no_temporary(small / "place", small / "tmp", stage, wanted),
                    )
                finally:
                    unmount(small)
            else:
                study.copy(project, place)
                bound = random.randrange(1, 20_000)
                fault = _tried(place, stage, lambda bound=bound: limit_files(bound), wanted)
                yield f"{stage}, no mounts here: files of {bound} bytes at most", fault


def limit_files(size: int) -> None:
    """No file grows beyond a size."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _fill(folder: Path, room: int) -> Path:
    """A file that leaves so many bytes of a disk."""
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    file = folder / "filler"
    file.write_bytes(b"x" * max(0, free - room))
    return file


def _filled(project: Path, place: Path, stage: str, room: int, wanted: dict[str, str]) -> str:
    study.copy(project, place)
    filler = _fill(place.parent, room)
    code = study.run(place, stage, overrides=study.STAGES[stage])
    filler.unlink()
    return ended_well(code, place, wanted) or study.again(place, stage, wanted)


def _no_temporary(place: Path, temporary: Path, stage: str, wanted: dict[str, str]) -> str:
    if not mounted(temporary, 4096):
        return "a second disk cannot be mounted"
    try:
        _fill(temporary, 0)

        def begin() -> None:
            import tempfile

            os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)

        return _tried(place, stage, begin, wanted)
    finally:
        unmount(temporary)
