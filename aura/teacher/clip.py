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
from torchvision.transforms.v2 import functional as T_v2

from aura.errors import AuraError
from aura.teacher.identity import DIM, Identity, LongTexts, Precision
from aura.teacher.tokens import Context, Tokens, load_tokenizer, mean_by_text, warn_of_cut
from aura.teacher.towers import embed_dim, eot_positions, image_features, pack_mlps, text_features

_TYPICAL_TOKENS = 1600  # of 32 images
_TRANSFER_BATCH = 32  # frames sent to a GPU at once
_TEXT_BATCH = {"cpu": 64, "cuda": 512}  # few texts are more alike in length


class Teacher:
    """A loaded, frozen CLIP on one device, in the precision of its identity."""

    def __init__(self, model: Any, tokenizer: Any, identity: Identity) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer, self.context = tokenizer, Context(tokenizer)
        self.identity = identity
        self.device = next(model.parameters()).device
        if identity.precision == "bf16":
            self.model.to(torch.bfloat16)
            if self.device.type == "cpu":
                pack_mlps(self.model, _TYPICAL_TOKENS)

    def encode_text(self, texts: Sequence[str], batch: int | None = None) -> np.ndarray:
        """Unit vectors (len(texts), d) float32; warns of texts that are longer than the context."""
        if not texts:
            return np.empty((0, self.identity.embed_dim), np.float32)
        tokens = self.context.read(texts)
        if self.identity.long_texts == "cut":
            warn_of_cut(texts, tokens)
        return self.encode_tokens(tokens, batch)

    @torch.inference_mode()
    def encode_tokens(self, tokens: Tokens, batch: int | None = None) -> np.ndarray:
        """Unit vectors (N, d) float32 of N texts. Those of like length go through together."""
        rows, text = tokens.rows, None
        if tokens.longer and self.identity.long_texts == "mean":
            rows, text = self.context.windows(tokens)
        order = eot_positions(rows).argsort(stable=True)
        parts = [
            F.normalize(text_features(self.model, rows[some].to(self.device)).float(), dim=-1)
            for some in order.split(batch or _TEXT_BATCH[self.device.type])
        ]
        vectors = torch.cat(parts).cpu()[order.argsort()].numpy()
        return vectors if text is None else mean_by_text(vectors, text)

    @torch.inference_mode()
    def encode_frames(self, frames: np.ndarray) -> np.ndarray:
        """Unit vectors (n, d) float32 of frames (n, H, W, 3) uint8 RGB."""
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
    frames : (n, H, W, 3) uint8
        RGB.
    visual : nn.Module
        The model's image tower, which knows its preprocessing.
    device : torch.device or str
        Where it is done.
    exact : bool
        As for `resize`.

    Returns
    -------
    (n, 3, side, side) float32
        Input of the image tower.
    """
    settings = visual.preprocess_cfg
    side = settings["size"] if isinstance(settings["size"], int) else settings["size"][0]
    images = resize(frames, side, device, exact).float().div_(255)
    mean, std = (torch.tensor(settings[k], device=device)[:, None, None] for k in ("mean", "std"))
    return images.sub_(mean).div_(std)


def resize(
    frames: np.ndarray, side: int, device: torch.device | str = "cpu", exact: bool = True
) -> torch.Tensor:
    """Scale frames bicubically, antialiased, and crop the centre square.

    Parameters
    ----------
    frames : (n, H, W, 3) uint8
        RGB.
    side : int
        Length in px to which the shorter side is scaled.
    device : torch.device or str
        Where it is done.
    exact : bool
        Sum in float; else a CPU sums in integers, as PIL does, many times as fast: most pixels are
        the same, some a few levels off.

    Returns
    -------
    (n, 3, side, side) uint8
        RGB.
    """
    images = torch.from_numpy(np.require(frames, requirements="W"))
    kernel = partial(T.resize if exact else T_v2.resize, antialias=True)
    chunks: Iterable[torch.Tensor] = [images]
    if torch.device(device).type != "cpu":  # which works while it is sent the next
        chunks = (_to_gpu(chunk, device) for chunk in images.split(_TRANSFER_BATCH))
    elif exact:  # in floats, many at once are too large for a processor's cache
        chunks = images.split(1)
    resized = [kernel(c.permute(0, 3, 1, 2), [side], InterpolationMode.BICUBIC) for c in chunks]
    return T.center_crop(torch.cat(resized), [side, side])


def _to_gpu(images: torch.Tensor, device: torch.device | str) -> torch.Tensor:
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

    Parameters
    ----------
    model : str
        Name of the model in open_clip.
    pretrained : str
        A tag of its weights, or the path of a file with them.

    Returns
    -------
    network : nn.Module
        The model.
    tokenizer : callable
        Its tokenizer.

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
                f"{pretrained} does not hold weights of {model}: {_first_line(error)}"
            ) from None
        raise AuraError(
            f"The weights of {model}/{pretrained} could not be downloaded; put open_clip's weights "
            "file on this machine and set teacher.pretrained to its path."
        ) from None
    return network, load_tokenizer(model)


def read_identity(folder: Path) -> Identity:
    """Who the teacher is that the `teach` stage prepared, without loading it."""
    try:
        return Identity(**json.loads((folder / "teacher.json").read_text()))
    except (OSError, TypeError, ValueError):
        raise AuraError(f"There is no teacher at {folder} yet; run `aura teach` first.") from None


def load(
    folder: Path, device: str = "cpu", precision: Precision = "fp32", long_texts: LongTexts = "cut"
) -> Teacher:
    """Load the teacher that the `teach` stage prepared, and check that its weights are the same."""
    if device == "cuda" and not torch.cuda.is_available():
        raise AuraError("embed.gpus asks for a GPU, and torch sees none here.")
    identity = read_identity(folder)
    if identity.stand_in:
        name = f"local-dir:{folder}"
        network, tokenizer = open_clip.create_model(name), open_clip.get_tokenizer(name)
    else:
        file = folder / identity.pretrained
        weights = str(file) if file.is_file() else identity.pretrained
        network, tokenizer = load_pretrained(identity.model, weights)
    if weights_hash(network) != identity.weights_sha256:
        raise AuraError(
            f"The weights of {identity.model} changed since `aura teach`; run it again."
        )
    if embed_dim(network) != identity.embed_dim:
        raise AuraError(
            f"{identity.model} gives vectors of {embed_dim(network)} numbers and {folder} says "
            f"{identity.embed_dim}; run `aura teach` again."
        )
    used = replace(identity, precision=precision, long_texts=long_texts)
    return Teacher(network.to(device), tokenizer, used)


def identify(model: Any, name: str, pretrained: str, stand_in: bool) -> Identity:
    """Identity of a loaded network."""
    settings = model.visual.preprocess_cfg
    keys = ("size", "mean", "std", "interpolation")
    preprocessing = ", ".join(f"{key}={settings[key]}" for key in keys)
    weights = weights_hash(model)
    return Identity(name, pretrained, weights, preprocessing, stand_in, embed_dim=embed_dim(model))


def weights_hash(model: nn.Module) -> str:
    """SHA-256 over names and bytes of all parameters and buffers, in name order."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
