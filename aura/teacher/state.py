"""Weights of a file into a network of open_clip, whichever of its forms the file has."""

import math
import tempfile
from pathlib import Path

import torch
from open_clip import factory
from open_clip.model import convert_to_custom_text_state_dict
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from aura.schema.weights import read_checkpoint, require_stored
from aura.teacher import clues
from aura.teacher.torchscript import is_torchscript, read_torchscript

_ARRAYS = (".npz", ".npy")


def count_numbers(file: Path) -> int:
    """How many numbers a file of weights holds, by its header where it has one."""
    if file.suffix == ".safetensors":
        with safe_open(file, "pt") as opened:
            shapes = [opened.get_slice(name).get_shape() for name in opened.keys()]  # noqa: SIM118
        return sum(math.prod(shape) for shape in shapes)
    if is_torchscript(file):
        return sum(tensor.numel() for tensor in read_torchscript(file).values())
    if file.suffix in _ARRAYS:
        return file.stat().st_size
    content = read_checkpoint(file, "meta")
    state = content.get("state_dict", content)
    return sum(value.numel() for value in state.values() if isinstance(value, torch.Tensor))


def load_weights(network: nn.Module, file: Path) -> None:
    """Load a file into a network that it is of; open_clip's and torch's own errors otherwise."""
    if is_torchscript(file):
        state = {k: v for k, v in read_torchscript(file).items() if k not in clues.OPENAI_KEYS}
        with tempfile.TemporaryDirectory(prefix="aura-weights-") as folder:
            plain = Path(folder) / "weights.safetensors"
            save_file({k: v.contiguous().clone() for k, v in state.items()}, plain)
            factory.load_checkpoint(network, str(plain))
        return
    if file.suffix not in (".safetensors", *_ARRAYS):
        require_stored(file)
    if clues.has_openai_keys(file):
        state = factory.load_state_dict(str(file))
        kept = {k: v for k, v in state.items() if k not in clues.OPENAI_KEYS}
        if not hasattr(network, "positional_embedding"):
            kept = convert_to_custom_text_state_dict(kept)
        network.load_state_dict(kept)
        return
    factory.load_checkpoint(network, str(file))
