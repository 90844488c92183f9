"""Where a data set's files are: a folder, or an object store by URL, through one small interface.

`s3://bucket/prefix`, `gs://…` and every other URL that pyarrow's filesystems know; options go into
the URL, such as `s3://bucket/prefix?region=eu-west-1`, and credentials into the environment.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from pyarrow import fs

from aura.errors import AuraError, CorruptFile


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
    A missing file is `FileNotFoundError`. A local file that cannot be read is `CorruptFile`, which
    costs one file; a store that does not answer is an `AuraError`, which ends the run, since to
    take its files as missing would lose data without a word.
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
        return f"{self._filesystem[1].rstrip('/')}/{path}" if path else self._filesystem[1]

    def _info(self, path: str) -> fs.FileInfo:
        try:
            return self._filesystem[0].get_file_info(self._full(path))
        except OSError as error:
            raise self._failure(path, error) from None

    def _failure(self, path: str, error: Exception) -> Exception:
        if isinstance(error, FileNotFoundError):
            return FileNotFoundError(f"{self.root}/{path}")
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
        """Paths of all files under a folder, sorted; empty where there is no such folder."""
        selector = fs.FileSelector(self._full(folder), recursive=True, allow_not_found=True)
        try:
            infos = self._filesystem[0].get_file_info(selector)
        except OSError as error:
            raise self._failure(folder, error) from None
        start = len(self._full("").rstrip("/")) + 1
        return sorted(info.path[start:] for info in infos if info.type == fs.FileType.File)

    def read(self, path: str) -> bytes:
        """Content of a file."""
        with self.open(path) as file:
            try:
                return file.read()
            except OSError as error:
                raise self._failure(path, error) from None

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """A file as a stream of bytes."""
        try:
            file = self._filesystem[0].open_input_file(self._full(path))
        except OSError as error:
            raise self._failure(path, error) from None
        with file:
            yield file

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """A file as one on this machine: itself, or a copy that lives as long as the context."""
        if not self.remote:
            yield Path(self.root) / path
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


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")[:300]
