"""Files of a training: what it resumes from, the model that it ends with, and a bad batch."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from aura.errors import AuraError
from aura.learning.batches import Batch
from aura.schema.weights import read_checkpoint


@dataclass(frozen=True)
class Files:
    """Where a phase keeps what it resumes from, and a batch that it could not go on with."""

    checkpoint: Path
    bad_batch: Path


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors, numbers and containers of them, whole or not at all."""
    _atomically(path, lambda scratch: torch.save(dict(state), scratch))


def read_state(path: Path) -> dict[str, Any] | None:
    """Read what `write_state` wrote, on the CPU; None where there is nothing.

    Raises
    ------
    AuraError
        The file is damaged.
    """
    try:
        state = read_checkpoint(path)
        if not isinstance(state, dict):
            raise TypeError
    except FileNotFoundError:
        return None
    except Exception:  # torch and pickle raise anything for a damaged file
        raise AuraError(
            f"The checkpoint {path} cannot be read; delete it to train this phase anew."
        ) from None
    return state


def write_model(folder: Path, state: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write `model.safetensors`, and then `model.json`, which says that both are complete."""
    write_tensors(folder / "model.safetensors", state)
    text = json.dumps(card, indent=1, sort_keys=True) + "\n"
    _atomically(folder / "model.json", lambda scratch: scratch.write_text(text))


def write_batch(path: Path, batch: Batch, window_ids: list[str]) -> None:
    """Write all tensors of a batch, with the ids of its windows in the metadata."""
    write_tensors(path, batch.tensors(), {"window_ids": json.dumps(window_ids)})


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file, whole or not at all; equal tensors give equal bytes."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    _atomically(path, lambda scratch: save_file(plain, scratch, metadata))


def _atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """One left half-written by a killed process is overwritten by the next."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.partial")
    write(scratch)
    with scratch.open("rb+") as file:
        os.fsync(file.fileno())
    scratch.replace(path)
