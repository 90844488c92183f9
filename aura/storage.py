"""Where a data set's files are: a folder, or an object store by URL, through one small interface.

`s3://bucket/prefix`, `gs://…` and every other URL that pyarrow's filesystems know; options go into
the URL, such as `s3://bucket/prefix?region=eu-west-1`, and credentials into the environment.

Paths come from a data set's own index files, which are not to be trusted: `..` may not lead out of
the root, and a path that is absolute leads nowhere. Links on the disk are followed wherever they
lead: whoever made them could write there, and large data sets are kept so, by DVC's cache and the
hub's among others.
"""

import os
import posixpath
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from pyarrow import fs

from aura.errors import AuraError, CorruptFile, MissingFile, OutsideRoot

_MOST_BYTES = 2 << 30  # of a file that is read whole; videos and recordings are not
_UNREADABLE = (OSError, ValueError)  # ValueError: of a name that no file can have


def is_url(root: str) -> bool:
    """Whether a root is an object store's URL and not a path."""
    return "://" in root


class Storage:
    """Read-only files under one root, by their path relative to it with `/` between its parts.

    Parameters
    ----------
    root : str or Path
        A folder, or the URL of an object store.

    Notes
    -----
    A missing file is `MissingFile`, which is a `FileNotFoundError` too, and a path out of the root
    `OutsideRoot`; these and a local file that cannot be read are `CorruptFile`, which costs one
    file. A store that does not answer is an `AuraError`, which ends the run, since to take its
    files as missing would lose data without a word.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root)
        self.remote = is_url(self.root)

    def __reduce__(self) -> tuple[Any, ...]:
        return Storage, (self.root,)

    @cached_property
    def _filesystem(self) -> tuple[fs.FileSystem, str]:
        if not self.remote:
            return fs.LocalFileSystem(), self.root
        try:
            return fs.FileSystem.from_uri(self.root)
        except (OSError, ValueError) as error:
            raise AuraError(f"{self.root} is not a usable URL: {_line(error)}.") from None

    def _full(self, path: str) -> str:
        if not path:
            return self._filesystem[1]
        return f"{self._filesystem[1].rstrip('/')}/{self._inside(path)}"

    def _inside(self, path: str) -> str:
        """The path without `..`, so that no link decides what is above it."""
        inner = posixpath.normpath(path)
        if inner.startswith("/") or inner.split("/")[0] == ".." or not _is_a_name(inner):
            raise OutsideRoot(f"{path!r:.200} leads out of {self.root}.")
        return inner

    def _info(self, path: str) -> fs.FileInfo:
        try:
            return self._filesystem[0].get_file_info(self._full(path))
        except _UNREADABLE as error:
            raise self._failure(path, error) from None

    def _failure(self, path: str, error: Exception) -> Exception:
        if isinstance(error, FileNotFoundError):
            return MissingFile(f"{self.root}/{path}")
        if self.remote:
            return AuraError(f"{self.root} does not answer for {path}: {_line(error)}.")
        return CorruptFile(f"{self.root}/{path} cannot be read: {_line(error)}.")

    def exists(self) -> bool:
        """Whether there is a folder, or anything under the URL."""
        return self._info("").type == fs.FileType.Directory

    def is_file(self, path: str) -> bool:
        """Whether there is such a file."""
        return self._info(path).type == fs.FileType.File

    def list(self, folder: str = "") -> list[str]:
        """Paths of all files under a folder, sorted; empty where there is no such folder.

        A folder that links show at several places is listed at the one nearest to the root.
        """
        if not self.remote:
            try:
                return sorted(_walk(Path(self.root), self._inside(folder) if folder else ""))
            except OSError as error:
                raise self._failure(folder, error) from None
        selector = fs.FileSelector(self._full(folder), recursive=True, allow_not_found=True)
        try:
            infos = self._filesystem[0].get_file_info(selector)
        except OSError as error:
            raise self._failure(folder, error) from None
        start = len(self._full("").rstrip("/")) + 1
        return sorted(info.path[start:] for info in infos if info.type == fs.FileType.File)

    def read(self, path: str) -> bytes:
        """Content of a file; one that is too large to be held is `CorruptFile`."""
        with self.open(path) as file:
            try:
                size = file.seek(0, os.SEEK_END)
                if size > _MOST_BYTES:
                    raise CorruptFile(
                        f"{self.root}/{path} has {size} bytes; what is read whole has "
                        f"{_MOST_BYTES} at most."
                    )
                file.seek(0)
                return file.read()
            except OSError as error:
                raise self._failure(path, error) from None

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """A file as a stream of bytes."""
        try:
            file = self._filesystem[0].open_input_file(self._full(path))
        except _UNREADABLE as error:
            raise self._failure(path, error) from None
        with file:
            yield file

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """A file as one on this machine: itself, or a copy that lives as long as the context."""
        if not self.remote:
            yield Path(self.root) / self._inside(path)
            return
        with tempfile.TemporaryDirectory(prefix="aura-") as folder:
            copy = Path(folder) / Path(path).name
            with self.open(path) as source, copy.open("wb") as target:
                try:
                    while block := source.read(8 << 20):
                        target.write(block)
                except OSError as error:
                    raise self._failure(path, error) from None
            yield copy


def _is_a_name(path: str) -> bool:
    try:
        return b"\0" not in path.encode()
    except UnicodeEncodeError:
        return False


def _walk(root: Path, start: str) -> Iterator[str]:
    """Files under a folder, each real folder once: the nearest, and rather itself than a link.

    A name that is not UTF-8 has its bytes spelled out; it is listed and cannot be opened.
    """
    seen: set[tuple[int, int]] = set()
    level = [start]
    while level:
        below: list[tuple[bool, str]] = []
        for folder in level:
            path = root / folder
            if not path.is_dir():
                continue
            stat = path.stat()
            if (stat.st_dev, stat.st_ino) in seen:
                continue
            seen.add((stat.st_dev, stat.st_ino))
            with os.scandir(path) as entries:
                for entry in entries:
                    name = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir():
                        below.append((entry.is_symlink(), name))
                    elif entry.is_file():
                        yield os.fsencode(name).decode("utf-8", "backslashreplace")
        level = [name for _, name in sorted(below)]


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")[:300]
