"""From frames to the input of an image tower: what the transform that open_clip returns gives."""

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from open_clip.transform import PreprocessCfg, center_crop_or_pad
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as T
from torchvision.transforms.v2 import functional as T_v2

from aura.errors import AuraError

_MOST_SIDE = 1 << 13  # px
_TRANSFER_BATCH = 32  # frames sent to a GPU at once
_INTERPOLATIONS = {  # of open_clip's transform, where `random` is bicubic but in training
    "bicubic": InterpolationMode.BICUBIC,
    "bilinear": InterpolationMode.BILINEAR,
    "random": InterpolationMode.BICUBIC,
}
_RESIZE_MODES = ("shortest", "longest", "squash")
_CLIP = PreprocessCfg()


def preprocess(
    frames: np.ndarray, visual: Any, device: torch.device | str = "cpu", exact: bool = True
) -> torch.Tensor:
    """A model's own preprocessing on a batch: its way to resize, its mean and std.

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
    (n, 3, height, width) float32
        Input of the image tower.
    """
    settings = read_settings(visual.preprocess_cfg)
    images = _fit(frames, settings, device, exact).float().div_(255)
    mean, std = (
        torch.tensor(values, device=device, dtype=torch.float32)[:, None, None]
        for values in (settings.mean, settings.std)
    )
    return images.sub_(mean).div_(std)


def read_settings(content: Mapping[str, Any]) -> PreprocessCfg:
    """What a model's `preprocess_cfg` says, read as open_clip's transform reads it.

    Parameters
    ----------
    content : mapping
        The `preprocess_cfg` of an image tower.

    Returns
    -------
    PreprocessCfg
        With a mean and a std for each channel and a size of height and width.

    Raises
    ------
    AuraError
        It asks for what open_clip's transform does not have.
    """
    try:
        return _read(content)
    except (TypeError, ValueError, AttributeError) as error:
        raise AuraError(f"The model's preprocess_cfg has values of other types: {error}.") from None


def _read(content: Mapping[str, Any]) -> PreprocessCfg:
    known = {k: v for k, v in content.items() if k in vars(_CLIP) and v is not None}
    size, mean, std = (known.get(key, vars(_CLIP)[key]) for key in ("size", "mean", "std"))
    mean, std = (tuple(v) if isinstance(v, list | tuple) else (v,) * 3 for v in (mean, std))
    sides = tuple(size) if isinstance(size, list | tuple) else (size,)
    if len(sides) not in (1, 2) or not all(
        type(side) is int and 0 < side <= _MOST_SIDE for side in sides
    ):
        raise ValueError(f"its size is {size!r:.60}")
    if not all(math.isfinite(number) for number in (*mean, *std)):
        raise ValueError("its mean or std is not finite")
    fixed = {
        "size": sides * 2 if len(sides) == 1 else sides,
        "mean": mean,
        "std": std,
        "interpolation": known.get("interpolation", _CLIP.interpolation),
        "resize_mode": known.get("resize_mode", _CLIP.resize_mode),
    }
    for key, allowed in (("interpolation", _INTERPOLATIONS), ("resize_mode", _RESIZE_MODES)):
        if fixed[key] not in list(allowed):
            raise AuraError(
                f"The model's preprocess_cfg has {key} '{fixed[key]}'; "
                f"open_clip has {', '.join(allowed)}."
            )
    if known.get("mode", "RGB") != "RGB" or not len(mean) == len(std) == 3 or 0 in std:
        raise AuraError(
            "The model's preprocess_cfg is not of three RGB channels, each with a mean and a std."
        )
    return PreprocessCfg(**{**known, **fixed})


def describe(content: Mapping[str, Any]) -> str:
    """What a model's `preprocess_cfg` says, in words that are the same for the same pixels."""
    settings = read_settings(content)
    words = {
        "size": content["size"],
        "mean": list(settings.mean),
        "std": list(settings.std),
        "interpolation": settings.interpolation,
    }
    if settings.resize_mode != _CLIP.resize_mode:  # CLIP's own is not said
        words["resize_mode"] = settings.resize_mode
    if settings.resize_mode == "longest":
        words["fill_color"] = settings.fill_color
    return ", ".join(f"{key}={value}" for key, value in words.items())


def resize(
    frames: np.ndarray, side: int, device: torch.device | str = "cpu", exact: bool = True
) -> torch.Tensor:
    """Scale frames bicubically, antialiased, and crop the centre square: what CLIP does.

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
    return _fit(frames, PreprocessCfg(size=(side, side)), device, exact)


def _fit(
    frames: np.ndarray, settings: PreprocessCfg, device: torch.device | str, exact: bool
) -> torch.Tensor:
    """Frames (n, H, W, 3) scaled and cropped or filled to (n, 3, height, width), uint8."""
    height, width = settings.size
    interpolation = _INTERPOLATIONS[settings.interpolation]
    ratios = frames.shape[1] / height, frames.shape[2] / width
    if settings.resize_mode == "squash":
        return _scale(frames, [height, width], interpolation, device, exact)
    if settings.resize_mode == "longest":
        sides = [round(side / max(ratios)) for side in frames.shape[1:3]]
        images = _scale(frames, sides, interpolation, device, exact)
        return center_crop_or_pad(images, [height, width], fill=settings.fill_color)
    sides = [height]
    if height != width:  # where open_clip is always bicubic
        sides = [round(side / min(ratios)) for side in frames.shape[1:3]]
        interpolation = InterpolationMode.BICUBIC
    return T.center_crop(_scale(frames, sides, interpolation, device, exact), [height, width])


def _scale(
    frames: np.ndarray,
    sides: list[int],
    interpolation: InterpolationMode,
    device: torch.device | str,
    exact: bool,
) -> torch.Tensor:
    """Frames (n, H, W, 3), antialiased, to sides, or to one for the shorter; (n, 3, h, w) uint8."""
    images = torch.from_numpy(np.require(frames, requirements="W"))
    kernel = partial(T.resize if exact else T_v2.resize, antialias=True)
    chunks: Iterable[torch.Tensor] = [images]
    if torch.device(device).type != "cpu":  # which works while it is sent the next
        chunks = (_to_gpu(chunk, device) for chunk in images.split(_TRANSFER_BATCH))
    elif exact:  # in floats, many at once are too large for a processor's cache
        chunks = images.split(1)
    return torch.cat([kernel(c.permute(0, 3, 1, 2), sides, interpolation) for c in chunks])


def _to_gpu(images: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """To a GPU by way of pinned memory, which torch keeps for the next call: five times as fast."""
    pinned = torch.empty(images.shape, dtype=images.dtype, pin_memory=True)
    return pinned.copy_(images).to(device, non_blocking=True)
