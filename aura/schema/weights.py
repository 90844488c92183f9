"""Files of weights, which may come from anywhere: numbers and their names, and nothing that runs.

Pickles are read by torch's own list of what is harmless. A file may not stand for more than it has
bytes, nor a network be larger than the weights that it is for.
"""

import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook


def read_safetensors(file: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file; `ValueError` where a number in it is not finite."""
    with safe_open(file, "pt") as opened:
        state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    require_finite(state)
    return state


def read_checkpoint(file: Path, device: str = "cpu") -> Any:
    """What `torch.save` wrote of tensors and plain values; for all else torch's own errors.

    Parameters
    ----------
    file : Path
        The file; `FileNotFoundError` where it is not there.
    device : str
        Where its tensors go; "meta" reads none of their numbers.
    """
    require_stored(file)
    return torch.load(file, map_location=device, weights_only=True)


def require_stored(file: Path) -> None:
    """`ValueError` for an archive that is packed, since it may hold many times what it has bytes.

    Archives of torch are not packed, but for the code of TorchScript.
    """
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            entries = [e for e in archive.infolist() if "/code/" not in e.filename]
        packed = [entry.filename for entry in entries if entry.compress_type]
        if packed:
            raise ValueError(f"{packed[0]} in it is packed, and archives of torch are not")


def require_finite(state: Mapping[str, Tensor]) -> None:
    """`ValueError` where a number of weights is not finite."""
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError(f"{name} holds numbers that are not finite")


@contextmanager
def no_larger_than(numbers: int) -> Iterator[None]:
    """`ValueError` as soon as this thread makes a network of more parameters.

    It comes when a parameter is added, which is before its memory is written to.
    """
    left, thread = numbers, threading.get_ident()

    def count(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        if parameter is not None and threading.get_ident() == thread:
            left -= parameter.numel()
            if left < 0:
                raise ValueError("the network that is described is larger than these weights")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()
