"""The one error family that users see as a sentence instead of a traceback."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class AuraError(Exception):
    """A problem the user can act on. The message is one clear sentence; commands exit with 1."""


class CorruptFile(AuraError):
    """A recording's file cannot be read; the message says which file and why."""


class MissingFile(CorruptFile, FileNotFoundError):
    """A file is not there."""


class OutsideRoot(CorruptFile):
    """A path that a data set's own files give leads out of its root, or names no file at all."""


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_KNOWN = {*_FULL, *_REFUSED, errno.ENOMEM}
# What libraries that are not Python's say in errors of their own kinds: safetensors, torch, Arrow.
_SAID = {
    "inline_container.cc": errno.ENOSPC,  # of torch, which does not say why it could not write
    **dict.fromkeys(
        (
            *("can't allocate memory", "not enough memory", "out of memory", "bad_alloc"),
            *("unable to allocate", "can't start new thread"),
        ),
        errno.ENOMEM,
    ),
}
_MEMORY = "ray.workers=1, smaller shards and smaller batches need less. The same command resumes."


def explain(error: BaseException, where: str = "") -> str | None:
    """Say in a sentence what the machine refused: space, a right to write, memory or a file.

    Parameters
    ----------
    error : BaseException
        Of whatever kind; those that it came from count as well.
    where : str
        What was being written, where the error names no file.

    Returns
    -------
    str or None
        None for an error that is not the machine's, and so is a fault of the program.
    """
    seen: BaseException | None = error
    while seen is not None:
        if sentence := _explain(seen, where):
            return sentence
        seen = seen.__cause__ or seen.__context__
    return None


def _explain(error: BaseException, where: str) -> str | None:
    number, said = _number(error), " ".join(str(error).split())
    named = getattr(error, "filename", None)
    place = os.fsdecode(named) if isinstance(named, str | bytes) else where
    place = place.removeprefix(f"{Path.cwd()}/")
    at = f" at {place}" if place else ""
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return f"There is not enough memory{f' for {where}' if where else ''}: {_MEMORY}"
    if number is None:
        return None
    reason = os.strerror(number).lower()
    if number in _FULL:
        step = "free some" if number != errno.EFBIG else "raise the limit"
        if place.startswith(tempfile.gettempdir()):
            step += ", or name another folder by TMPDIR,"
        return f"Nothing more can be written{at}: {reason}; {step} and run the same command again."
    if number in _REFUSED:
        return (
            f"There is no access{at}: {reason}. Make it readable and writable, or work in a copy "
            "of the project, and run the same command again."
        )
    if isinstance(error, FileNotFoundError) and "temporary directory" in said:
        return (
            f"{error.strerror}: they are full or may not be written; name another folder by TMPDIR "
            "and run the same command again."
        )
    return f"The system fails{at}: {reason}; mend that and run the same command again."


def _number(error: BaseException) -> int | None:
    """The system's number of an error, also where a library has it in its message alone."""
    if isinstance(error, BrokenPipeError | ConnectionError | InterruptedError):
        return None
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    said = str(error)
    for number in _KNOWN:
        if os.strerror(number) in said or f"(os error {number})" in said:
            return number
    found = (number for words, number in _SAID.items() if words in said.lower())
    return next(found, None)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Raise what `explain` can say of an error of the block as an `AuraError`."""
    try:
        yield
    except AuraError:
        raise
    except Exception as error:
        sentence = explain(error, where)
        if sentence is None:
            raise
        raise AuraError(sentence) from error
