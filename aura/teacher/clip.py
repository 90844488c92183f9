"""Frozen CLIP: text and frames to unit vectors in one space.

A teacher is a folder that the `teach` stage writes: `teacher.json`, its identity, and, unless its
weights are a tag of open_clip, an open_clip folder (`open_clip_config.json` and a weights file).
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn
from torch.nn import functional as F

from aura.errors import AuraError
from aura.teacher import vocabulary
from aura.teacher.identity import DIM, Identity, LongTexts, Precision
from aura.teacher.pixels import describe, preprocess, resize
from aura.teacher.pretrained import activation_of, load_kept, load_pretrained, load_stand_in
from aura.teacher.text_tower import TextTower
from aura.teacher.towers import embed_dim, eot_positions, image_features, pack_mlps, text_features

__all__ = [
    "DIM", "Identity", "Precision", "Teacher", "identify", "load", "load_pretrained", "preprocess",
    "read_identity", "resize", "stand_in_config", "weights_hash",
]  # fmt: skip
_TYPICAL_TOKENS = 1600  # of 32 images


class Teacher(TextTower):
    """A loaded, frozen CLIP on one device, in the precision of its identity."""

    def __init__(self, model: Any, tokenizer: Any, identity: Identity) -> None:
        super().__init__(model, tokenizer, identity)
        if identity.precision == "bf16":
            self.model.to(torch.bfloat16)
            if self.device.type == "cpu":
                pack_mlps(self.model, _TYPICAL_TOKENS)

    def lengths(self, rows: torch.Tensor) -> torch.Tensor:
        """Where the token is that is read, (n,)."""
        return eot_positions(rows)

    def features(self, rows: torch.Tensor) -> torch.Tensor:
        """Vectors (n, d) of texts (n, context), of any length."""
        return text_features(self.model, rows)

    @torch.inference_mode()
    def encode_frames(self, frames: np.ndarray) -> np.ndarray:
        """Unit vectors (n, d) float32 of frames (n, H, W, 3) uint8 RGB."""
        exact = self.identity.precision == "fp32"
        images = preprocess(frames, self.model.visual, self.device, exact)
        features = image_features(self.model, images if exact else images.to(torch.bfloat16))
        return F.normalize(features.float(), dim=-1).cpu().numpy()


def stand_in_config(image_size: int, width: int, layers: int) -> dict[str, Any]:
    """open_clip model config of the small CLIP that `teach` trains."""
    return {
        "embed_dim": DIM,
        "vision_cfg": {
            "image_size": image_size,
            "layers": layers,
            "width": width,
            "head_width": 64,
            "patch_size": 16,
        },
        "text_cfg": {
            "context_length": 24,
            "vocab_size": 49408,
            "width": width,
            "heads": width // 64,
            "layers": layers,
        },
    }


def read_identity(folder: Path) -> Identity:
    """Who the teacher is that the `teach` stage prepared, without loading it."""
    try:
        content = json.loads((folder / "teacher.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise AuraError(f"There is no teacher at {folder} yet; run `aura teach` first.") from None
    return Identity.from_content(content, f"The teacher.json of {folder}")


def load(
    folder: Path, device: str = "cpu", precision: Precision = "fp32", long_texts: LongTexts = "cut"
) -> Teacher:
    """Load the teacher that the `teach` stage prepared, and check that its weights are the same."""
    if device == "cuda" and not torch.cuda.is_available():
        raise AuraError("embed.gpus asks for a GPU, and torch sees none here.")
    identity = read_identity(folder)
    try:
        if identity.stand_in:
            network, tokenizer = load_stand_in(folder)
        else:
            network, tokenizer = load_kept(folder, identity.model, identity.pretrained)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, SafetensorError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":. ")
        raise AuraError(
            f"The teacher at {folder} cannot be loaded: {first}; run `aura teach` again."
        ) from error
    if weights_hash(network) != identity.weights_sha256:
        raise AuraError(
            f"The weights of {identity.model} changed since `aura teach`; run it again."
        )
    computed = identify(network, identity.model, identity.pretrained, identity.stand_in)
    if (computed.activation, computed.preprocess) != (identity.activation, identity.preprocess):
        raise AuraError(
            f"The activation or the preprocessing of {identity.model} is not the one that "
            f"`aura teach` wrote to {folder}; run it again."
        )
    if computed.embed_dim != identity.embed_dim:
        raise AuraError(
            f"{identity.model} gives vectors of {computed.embed_dim} numbers and {folder} says "
            f"{identity.embed_dim}; run `aura teach` again."
        )
    used = replace(identity, precision=precision, long_texts=long_texts)
    teacher = Teacher(network.to(device), tokenizer, used)
    if identity.stand_in:
        teacher.vocabulary = vocabulary.read(folder)
    return teacher


def identify(model: Any, name: str, pretrained: str, stand_in: bool) -> Identity:
    """Identity of a loaded network."""
    preprocessing = describe(model.visual.preprocess_cfg)
    return Identity(
        name, pretrained, weights_hash(model), preprocessing, stand_in,
        activation=None if stand_in else activation_of(model), embed_dim=embed_dim(model),
    )  # fmt: skip


def weights_hash(model: nn.Module) -> str:
    """SHA-256 over names and bytes of all parameters and buffers, in name order."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
