"""The processes of a run, whoever their parents are: those with its mark in their environment."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

MARK = "AURA_FAULTS_RUN"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_AGENTS = ("ray::IDLE_Spill", "ray::IDLE_Restore", "ray::DashboardAgent", "ray::RuntimeEnvAgent")


def pids(mark: str) -> list[int]:
    """Those that run, without this one; what has ended and is not waited for is not among them."""
    return list(_find(f"{MARK}={mark}".encode()))


def _find(entry: bytes) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with suppress(OSError):
                if entry in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)


def name(pid: int) -> str:
    """The title of a process, "" if it has gone."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return " ".join(word.rpartition("/")[2] for word in words[:4]).strip()[:80]
    return ""


def measure(mark: str) -> dict[str, int]:
    """Resident bytes in sum and shared ones, open files, processes; shared pages count again."""
    found = {"rss": 0, "shared": 0, "fds": 0, "processes": 0}
    for pid in pids(mark):
        with suppress(OSError):
            _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
            found["fds"] += len(list(Path(f"/proc/{pid}/fd").iterdir()))
            found["rss"] += int(resident) * _PAGE
            found["shared"] += int(shared) * _PAGE
            found["processes"] += 1
    return found


def sizes(folder: Path) -> tuple[int, int]:
    """Bytes below a folder: without Ray's sessions, which it keeps for their logs, and of those."""
    left = logs = 0
    for path, _, files in os.walk(folder):
        for file in files:
            with suppress(OSError):
                size = (Path(path) / file).lstat().st_blocks * 512
                if "/ray/session" in path:
                    logs += size
                else:
                    left += size
    return left, logs


def victim(mark: str, kind: str, random: Random) -> int | None:
    """A worker of Ray's, one at work if there is any; or its raylet, or gcs."""
    titles = {pid: name(pid) for pid in sorted(pids(mark))}
    if kind == "process":
        found = [pid for pid, title in titles.items() if "multiprocessing.spawn" in title]
    elif kind != "worker":
        found = [pid for pid, title in titles.items() if title.startswith(kind)]
    else:
        workers = {
            pid: title for pid, title in titles.items()
            if title.startswith("ray::") and not title.startswith(_AGENTS)
        }  # fmt: skip
        busy = [pid for pid, title in workers.items() if not title.startswith("ray::IDLE")]
        found = busy or list(workers)
    return random.choice(found) if found else None


def kill(pid: int) -> None:
    """SIGKILL, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def end_all(mark: str) -> None:
    """Kill all of them."""
    for pid in pids(mark):
        kill(pid)


def yielding() -> None:
    """Make this process the first of a session, and give way to others."""
    os.setsid()
    os.nice(19 - os.nice(0))
