"""One run at a time writes an output: locks that the system releases when a process ends.

A lock is a byte of one file in the project's folder, by the output's name. Locks of this kind are
a process's own: its workers do not keep them when it is killed.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aura.errors import AuraError
from pipeline.engine.progress import say

FILE = Path(".aura.lock")
_opened: dict[str, int] = {}  # never closed: the system then drops all of a process's locks on it


@contextmanager
def hold(out: Path) -> Iterator[None]:
    """Be the one run that writes `out`.

    Parameters
    ----------
    out : Path
        A folder or file of a stage.

    Raises
    ------
    AuraError
        Another run is at it.
    """
    file = _open()
    name = str(out.parent.resolve() / out.name)
    byte = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
    if file is not None:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise AuraError(
                    f"{out} is being written by another run; wait for its end, or stop it, and "
                    "run the same command again."
                ) from None
            say(f"{FILE} cannot be locked ({error.strerror}); two runs at once are not told apart.")
            file = None
    try:
        yield
    finally:
        if file is not None:
            fcntl.lockf(file, fcntl.LOCK_UN, 1, byte)


def _open() -> int | None:
    """The lock file of this folder; None where the folder may not be written, and so has none."""
    path = str(FILE.absolute())
    if path in _opened:
        there, ours = FILE.stat() if FILE.exists() else None, os.fstat(_opened[path])
        if there is not None and (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino):
            return _opened[path]
    try:
        _opened[path] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return None
    return _opened[path]
