"""Weights out of an archive of TorchScript, as OpenAI's own are, without running its code.

`torch.jit.load` runs what an archive brings along, and `torch.load` without `weights_only` does so
with any pickle. Here the pickle is taken apart by a reader that knows tensors, lists of numbers and
modules as bare holders of names, and nothing else.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aura.schema.weights import require_stored

_MOST_PICKLE_BYTES = 64 << 20  # of names and sizes; the numbers are beside it
_DEEPEST = 100
_DTYPES = {
    "FloatStorage": torch.float32, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}  # fmt: skip


class _Module:
    """Stands for a module or any other class of the archive: the names of its parts."""


def is_torchscript(file: Path) -> bool:
    """Whether a file is an archive of torch.jit."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(file: Path) -> dict[str, Tensor]:
    """Names and tensors of a module in an archive, as its `state_dict` would give them.

    Parameters
    ----------
    file : Path
        For which `is_torchscript` holds.

    Raises
    ------
    ValueError, KeyError, pickle.UnpicklingError and others
        It is not such an archive, or holds anything but modules, tensors and plain values.
    """
    require_stored(file)
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.count("/") == 1]
        (pickled,) = [name for name in names if name.endswith("/data.pkl")]
        if archive.getinfo(pickled).file_size > _MOST_PICKLE_BYTES:
            raise ValueError("its data.pkl is too large")
        with archive.open(pickled) as stream:
            root = _Unpickler(stream, archive, pickled.removesuffix("data.pkl")).load()
    if not isinstance(root, _Module):
        raise ValueError("it holds no module")
    return dict(_tensors(root, "", 0))


def code_of(file: Path) -> str:
    """The code that an archive brings along, as text."""
    with zipfile.ZipFile(file) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.endswith(".py")]
        if sum(entry.file_size for entry in entries) > _MOST_PICKLE_BYTES:
            raise ValueError("its code is too large")
        names = [entry.filename for entry in entries]
        return "\n".join(archive.read(name).decode(errors="replace") for name in names)


def _tensors(module: _Module, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if depth > _DEEPEST:
        raise ValueError("its modules are nested too deeply")
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.", depth + 1)


class _Unpickler(pickle.Unpickler):
    """Knows a few names, and calls nothing else."""

    def __init__(self, stream: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(stream)
        self._archive, self._folder = archive, folder
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for; `UnpicklingError` for one that is not known."""
        if module.split(".")[0] == "__torch__":
            return _Module
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
            ("torch.jit._pickle", "restore_type_tag"): _untagged,
            **{("torch.jit._pickle", f"build_{kind}list"): _as_list
               for kind in ("int", "double", "bool", "tensor")},
        }  # fmt: skip
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not read")
        return known[module, name]

    def persistent_load(self, pid: Any) -> Tensor:
        """Numbers that lie beside the pickle, as one row."""
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError("it holds something that is no storage")
        name = f"{self._folder}data/{key}"
        if name not in self._storages:
            content = bytearray(self._archive.read(name))
            if len(content) != count * dtype.itemsize:
                raise ValueError(f"{name} has {len(content)} bytes, and not {count} numbers")
            numbers = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0)
            self._storages[name] = numbers.to(dtype)
        return self._storages[name]


def _rebuild(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    return torch.as_strided(storage, size, stride, offset)  # within the storage, or an error


def _untagged(value: Any, _type: str) -> Any:
    return value


def _as_list(values: Any) -> list[Any]:
    return list(values)
