"""What a training runs on: its device, its precision, and how memory is kept there."""

import ctypes

import torch

from aura import config
from aura.errors import AuraError

_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1  # of malloc.h


def select_device(name: str) -> torch.device:
    """Device by its name in params.yaml; `auto` is a GPU where torch sees one."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise AuraError("train.device is cuda, and torch sees none here.")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def uses_bf16(params: config.Train, device: torch.device) -> bool:
    """Whether encoders run in bfloat16; `auto` is so on a GPU."""
    return params.precision == "bf16" or (params.precision == "auto" and device.type == "cuda")


def keep_freed_memory() -> None:
    """Have glibc keep freed memory for what comes next.

    It would hand large tensors back to the system, and get each as new pages to be zeroed: a fifth
    of a step in bfloat16.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
