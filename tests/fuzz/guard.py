"""What a parser does besides reading: files written elsewhere, connections, programs, pickles."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_DEEDS = ("socket.connect", "socket.getaddrinfo", "os.system", "os.exec", "pickle.find_class")
_watched: list[tuple[tuple[str, ...], list[str]]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched:
        return
    folders, deeds = _watched[-1]
    if event == "open":
        path, mode, flags = arguments
        writes = any(c in mode for c in "wax+") if isinstance(mode, str) else flags & _WRITING
        if writes and isinstance(path, str | bytes) and not _inside(os.fsdecode(path), folders):
            deeds.append(f"wrote {os.fsdecode(path)}")
    elif event == "subprocess.Popen":
        if "ffmpeg" not in Path(os.fsdecode(arguments[0] or arguments[1][0])).name:
            deeds.append(f"started {arguments[0]}")
    elif event in _DEEDS:
        deeds.append(f"{event} {arguments[1:]!r:.200}")


def _inside(path: str, folders: tuple[str, ...]) -> bool:
    path = os.path.realpath(path)
    return path == os.devnull or any(f"{path}/".startswith(f"{folder}/") for folder in folders)


sys.addaudithook(_hook)


@contextmanager
def watch(*folders: Path) -> Iterator[list[str]]:
    """What is done meanwhile beyond reading, and writing to these and to temporary folders."""
    allowed = (*folders, Path(tempfile.gettempdir()), Path("/dev/shm"))
    deeds: list[str] = []
    _watched.append((tuple(str(folder.resolve()) for folder in allowed), deeds))
    try:
        yield deeds
    finally:
        _watched.pop()
