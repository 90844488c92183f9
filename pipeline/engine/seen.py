"""Inputs whose content was checked must still be the same files when what was made of them is done.

A file that is replaced between the check of its content and its reading would otherwise be read
without a word. Times and sizes tell; a file whose time is set back after a change of equal length
is not told apart.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aura.errors import AuraError

Stamp = tuple[int, int, int]
_watched: list[dict[Path, Stamp]] = []  # of the blocks at work in this process


def stamp_of(file: Path) -> Stamp:
    """What changes with a file: inode, size and time of its last change, ns."""
    stat = file.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def note(file: Path, stamp: Stamp) -> None:
    """Remember, for the innermost block at work, how a file was when it was checked."""
    if _watched:
        _watched[-1].setdefault(file.absolute(), stamp)


@contextmanager
def watching() -> Iterator[None]:
    """Remember what is checked in the block, for `check`; an error may come of what has changed."""
    _watched.append({})
    try:
        yield
    except AuraError:
        raise
    except Exception:
        check()
        raise
    finally:
        _watched.pop()


def check() -> None:
    """Raise where a file is not as it was when the innermost block had checked it.

    Raises
    ------
    AuraError
        It has changed or gone.
    """
    for file, stamp in _watched[-1].items() if _watched else ():
        try:
            same = stamp_of(file) == stamp
        except OSError:
            same = False
        if not same:
            raise AuraError(
                f"{str(file).removeprefix(f'{Path.cwd()}/')} was changed or removed while it was "
                "read; wait until it is whole, and run the same command again."
            )
