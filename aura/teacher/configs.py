"""The `open_clip_config.json` of weights: what lies beside it, and whether two agree."""

from pathlib import Path
from typing import Any

import open_clip

from aura.errors import AuraError
from aura.teacher import clues
from aura.teacher.clues import Clue
from aura.teacher.pixels import read_settings

_TOKENIZER_FILES = (
    "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json",
    "spiece.model", "sentencepiece*", "config.json",
)  # fmt: skip


def same_architecture(
    architecture: dict[str, Any], built_in: str | None, config: Path | None, beside: Path
) -> None:
    """Refuse a config beside the weights that is of another model than the one that is built."""
    if config is not None:
        mine = clues.of_config(config)[0]
    else:
        mine = open_clip.get_model_config(built_in) or {}
    for section, key in ((None, "embed_dim"), ("vision_cfg", "image_size")):
        a, b = (
            c.get(key) if section is None else c[section].get(key) for c in (mine, architecture)
        )
        if a is not None and b is not None and a != b:
            raise AuraError(
                f"{beside} is not of {built_in or config}: its {key} is {b}, not {a}; name the "
                f"model that it is of, as teacher.model=local-dir:{beside.parent}."
            )


def agree(named: Clue, beside: Clue) -> None:
    """Refuse two configs that say different things of the same weights."""
    different = named.quick_gelu != beside.quick_gelu
    if named.preprocess and beside.preprocess:
        a, b = ({**clues.clips_own(), **c.preprocess} for c in (named, beside) if c.preprocess)
        a, b = (vars(read_settings({**c, "size": 1})) for c in (a, b))
        different |= a != b
    if different:
        raise AuraError(
            f"{named.source} and {beside.source} differ in activation or preprocessing; "
            "remove the one that is not of the weights."
        )


def tokenizer_files(config: Path | None) -> list[Path]:
    """Files of a tokenizer beside the config of a folder."""
    if config is None:
        return []
    found = {path for name in _TOKENIZER_FILES for path in config.parent.glob(name)}
    return sorted(path for path in found if path.is_file())
