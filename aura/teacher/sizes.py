"""Sizes that an open_clip config may ask for: those of models, and no mistake's or malice's."""

from collections.abc import Mapping
from typing import Any

_MOST = {"width": 1 << 13, "image_size": 1 << 13, "context_length": 1 << 13, "layers": 1 << 10}
_MOST_OF_ANY = 1 << 20  # vocabularies have a quarter of it
_MOST_PATCHES = 1 << 16
_WIDEST = 1 << 16  # space of its vectors


def require_sizes(model: Mapping[str, Any]) -> None:
    """`ValueError` for a size that no model has, `TypeError` for one that is no number.

    Parameters
    ----------
    model : mapping
        The `model_cfg` of a config, with `embed_dim`, `vision_cfg` and `text_cfg`.
    """
    if type(model["embed_dim"]) is not int or not 0 < model["embed_dim"] <= _WIDEST:
        raise ValueError(f"embed_dim is {model['embed_dim']!r:.50}")
    for section in ("vision_cfg", "text_cfg"):
        if not isinstance(model[section], dict):
            raise TypeError("vision_cfg and text_cfg are objects")
        for key, value in model[section].items():
            most = _MOST.get(key, _MOST_OF_ANY)
            for number in value if isinstance(value, list | tuple) else [value]:
                if isinstance(number, int | float) and not abs(number) <= most:
                    raise ValueError(f"{key} of {section} is {number!r:.50}")
    vision = model["vision_cfg"]
    sides = [
        _side(vision.get(key, usual)) for key, usual in (("image_size", 224), ("patch_size", 16))
    ]
    if (sides[0] // max(sides[1], 1)) ** 2 > _MOST_PATCHES:
        raise ValueError(f"patches of {sides[1]} in an image of {sides[0]} are too many")


def _side(value: Any) -> int:
    sides = list(value) if isinstance(value, list | tuple) else [value]
    if not sides or any(type(side) is not int for side in sides):
        return 0 if value is None else int(value)
    return int(max(sides))
