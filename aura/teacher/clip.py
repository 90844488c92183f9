"""Frozen CLIP: text and frames to unit vectors in one space.

A teacher is a folder that the `teach` stage writes: `teacher.json`, its identity, and for the
stand-in also an open_clip folder (`open_clip_config.json`, `open_clip_model.safetensors`).
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as T
from torchvision.transforms.v2 import functional as in_integers

from aura.errors import AuraError
from aura.teacher.identity import DIM, Identity, Precision
from aura.teacher.towers import image_features, pack, text_ends, text_features

_USUAL_ROWS = 1600  # tokens of 32 images
_SENT = 32  # frames sent to a GPU at once
_TEXTS = {"cpu": 64, "cuda": 512}  # at once: few are more alike in length


class Teacher:
    """A loaded, frozen CLIP on one device, in the precision of its identity."""

    def __init__(self, model: Any, tokenizer: Any, identity: Identity) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.identity = identity
        self.device = next(model.parameters()).device
        if identity.precision == "bf16":
            self.model.to(torch.bfloat16)
            if self.device.type == "cpu":
                pack(self.model, _USUAL_ROWS)

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str], batch: int | None = None) -> np.ndarray:
        """Unit vectors (len(texts), 512) float32. Texts of like length go through together."""
        batch = batch or _TEXTS[self.device.type]
        if not texts:
            return np.empty((0, DIM), np.float32)
        tokens = self.tokenizer(list(texts))
        order = text_ends(tokens).argsort(stable=True)
        parts = [
            F.normalize(text_features(self.model, tokens[rows].to(self.device)).float(), dim=-1)
            for rows in order.split(batch)
        ]
        return torch.cat(parts).cpu()[order.argsort()].numpy()

    @torch.inference_mode()
    def encode_frames(self, frames: np.ndarray) -> np.ndarray:
        """Unit vectors (n, 512) float32 of frames (n, H, W, 3) uint8 RGB."""
        exact = self.identity.precision == "fp32"
        images = preprocess(frames, self.model.visual, self.device, exact)
        features = image_features(self.model, images if exact else images.to(torch.bfloat16))
        return F.normalize(features.float(), dim=-1).cpu().numpy()


def preprocess(
    frames: np.ndarray, visual: Any, device: torch.device | str = "cpu", exact: bool = True
) -> torch.Tensor:
    """CLIP's own preprocessing on a batch: bicubic resize, centre crop, its mean and std.

    The same as the transform that open_clip returns, up to the rounding of its PIL resize.

    Parameters
    ----------
    frames : (n, H, W, 3) uint8; visual : the model's image tower, which knows its preprocessing.
    device : where it is done; exact : as for `resize`.
    """
    settings = visual.preprocess_cfg
    side = settings["size"] if isinstance(settings["size"], int) else settings["size"][0]
    images = resize(frames, side, device, exact).float().div_(255)
    mean, std = (torch.tensor(settings[k], device=device)[:, None, None] for k in ("mean", "std"))
    return images.sub_(mean).div_(std)


def resize(
    frames: np.ndarray, side: int, device: torch.device | str = "cpu", exact: bool = True
) -> torch.Tensor:
    """Shorter side to `side` px (bicubic, antialiased), centre square: (n, 3, side, side) uint8.

    `exact` sums in float; else a CPU sums in integers, as PIL does, many times as fast: most pixels
    are the same, some a few levels off.
    """
    images = torch.from_numpy(np.require(frames, requirements="W"))
    kernel = partial(T.resize if exact else in_integers.resize, antialias=True)
    parts: Iterable[torch.Tensor] = [images]
    if torch.device(device).type != "cpu":  # which works while it is sent the next
        parts = (_send(part, device) for part in images.split(_SENT))
    elif exact:  # in floats, many at once are too large for a processor's cache
        parts = images.split(1)
    resized = [kernel(p.permute(0, 3, 1, 2), [side], InterpolationMode.BICUBIC) for p in parts]
    return T.center_crop(torch.cat(resized), [side, side])


def _send(images: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """To a GPU by way of pinned memory, which torch keeps for the next call: five times as fast."""
    pinned = torch.empty(images.shape, dtype=images.dtype, pin_memory=True)
    return pinned.copy_(images).to(device, non_blocking=True)


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


def load_pretrained(model: str, pretrained: str) -> tuple[nn.Module, Any]:
    """Load an open_clip model by name, with a tag or a local weights file, on CPU in fp32.

    Raises
    ------
    AuraError
        The name or tag is unknown, the download fails or the file does not fit; the sentence says
        what to put where.
    """
    known = open_clip.list_models()
    if model not in known and ":" not in model:
        raise AuraError(f"open_clip has no model '{model}'; for example: ViT-B-32, ViT-B-16.")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if not Path(pretrained).is_file() and pretrained not in tags:
        raise AuraError(
            f"teacher.pretrained '{pretrained}' is neither a file nor a tag of {model}; "
            f"its tags: {', '.join(tags)}."
        )
    try:
        network = open_clip.create_model(model, pretrained=pretrained)
    except Exception as error:  # the hub's client, torch and safetensors each raise their own
        if Path(pretrained).is_file():
            raise AuraError(
                f"{pretrained} does not hold weights of {model}: {_line(error)}"
            ) from None
        raise AuraError(
            f"The weights of {model}/{pretrained} could not be downloaded; put open_clip's weights "
            "file on this machine and set teacher.pretrained to its path."
        ) from None
    return network, open_clip.get_tokenizer(model)


def read_identity(folder: Path) -> Identity:
    """Who the teacher is that the `teach` stage prepared, without loading it."""
    try:
        return Identity(**json.loads((folder / "teacher.json").read_text()))
    except (OSError, TypeError, ValueError):
        raise AuraError(f"There is no teacher at {folder} yet; run `aura teach` first.") from None


def load(folder: Path, device: str = "cpu", precision: Precision = "fp32") -> Teacher:
    """Load the teacher that the `teach` stage prepared, and check that its weights are the same."""
    if device == "cuda" and not torch.cuda.is_available():
        raise AuraError("embed.gpus asks for a GPU, and torch sees none here.")
    identity = read_identity(folder)
    if identity.stand_in:
        name = f"local-dir:{folder}"
        network, tokenizer = open_clip.create_model(name), open_clip.get_tokenizer(name)
    else:
        kept = folder / identity.pretrained
        weights = str(kept) if kept.is_file() else identity.pretrained
        network, tokenizer = load_pretrained(identity.model, weights)
    if weights_hash(network) != identity.weights_sha256:
        raise AuraError(
            f"The weights of {identity.model} changed since `aura teach`; run it again."
        )
    return Teacher(network.to(device), tokenizer, replace(identity, precision=precision))


def identify(model: Any, name: str, pretrained: str, stand_in: bool) -> Identity:
    """Identity of a loaded network."""
    settings = model.visual.preprocess_cfg
    shown = ", ".join(f"{key}={settings[key]}" for key in ("size", "mean", "std", "interpolation"))
    return Identity(name, pretrained, weights_hash(model), shown, stand_in)


def weights_hash(model: nn.Module) -> str:
    """SHA-256 over names and bytes of all parameters and buffers, in name order."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
