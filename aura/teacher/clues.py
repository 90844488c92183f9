"""What a weights file says of how its model was trained: which activation, which preprocessing.

Weights computed with another activation, or on other pixels, give vectors that look sound and are
wrong; the file's shapes do not tell. OpenAI's models have QuickGELU, most others GELU.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
from open_clip.transform import PreprocessCfg
from safetensors import safe_open

from aura.errors import AuraError
from aura.schema.weights import read_checkpoint
from aura.teacher.sizes import require_sizes
from aura.teacher.torchscript import code_of, is_torchscript, read_torchscript

CONFIG = "open_clip_config.json"
OPENAI_KEYS = {"input_resolution", "context_length", "vocab_size"}  # not weights: they go
PREPROCESS_KEYS = ("mean", "std", "interpolation", "resize_mode", "fill_color")


@dataclass(frozen=True)
class Clue:
    """What is known of weights.

    Attributes
    ----------
    quick_gelu : bool or None
        Whether they were trained with QuickGELU; None is not known.
    preprocess : dict or None
        What open_clip calls `preprocess_cfg`; None is not known.
    source : str
        What says so, for a sentence.
    """

    quick_gelu: bool | None = None
    preprocess: dict[str, Any] | None = None
    source: str = ""


def of_tag(model: str, tag: str) -> Clue:
    """What open_clip's own list says of a tag; one that does not say an activation has its model's.

    Parameters
    ----------
    model : str
        Name of the model in open_clip.
    tag : str
        A tag of it.

    Returns
    -------
    Clue
        Never without a preprocessing.
    """
    content = open_clip.get_pretrained_cfg(model, tag)
    preprocess = {key: content[key] for key in PREPROCESS_KEYS if key in content}
    return Clue(content.get("quick_gelu"), preprocess, f"open_clip's tag {tag} of {model}")


def of_config(file: Path) -> tuple[dict[str, Any], Clue]:
    """Read an `open_clip_config.json`.

    Parameters
    ----------
    file : Path
        The file.

    Returns
    -------
    model_cfg : dict
        Its architecture.
    clue : Clue
        What it says; without `preprocess_cfg`, no preprocessing.

    Raises
    ------
    AuraError
        It cannot be read, or is not one.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        model = content["model_cfg"]
        quick_gelu = bool(model.get("quick_gelu", False))
        preprocess = content.get("preprocess_cfg") or None
        require_sizes(model)
        return model, Clue(quick_gelu, dict(preprocess) if preprocess else None, str(file))
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise AuraError(
            f"{file} is not a config of open_clip with model_cfg and preprocess_cfg "
            f"({type(error).__name__}: {error}); take it from where the weights come from."
        ) from None


def of_content(file: Path) -> Clue:
    """What is in a file, whatever it is called; one that cannot be read says nothing.

    Parameters
    ----------
    file : Path
        A weights file.

    Returns
    -------
    Clue
        Of OpenAI's own weights both are known; of a TorchScript archive the activation that its
        code names; of safetensors what their metadata says.
    """
    try:
        if is_torchscript(file):
            keys, code = set(read_torchscript(file)), code_of(file)
            if keys >= OPENAI_KEYS:
                return _openai(file)
            return Clue("QuickGELU" in code, None, f"the code in {file}") if code else Clue()
        keys, metadata = _keys(file)
    except Exception:  # torch, pickle and safetensors each raise their own; loading will say it
        return Clue()
    return _openai(file) if keys >= OPENAI_KEYS else _of_metadata(metadata, file)


def of_known_files(file: Path, model: str | None) -> Clue:
    """What open_clip's list says of a file that is one of those it names.

    Parameters
    ----------
    file : Path
        A weights file.
    model : str or None
        Name of the model in open_clip; None is none of its own.

    Returns
    -------
    Clue
        By SHA-256, which the list has of OpenAI's and of its own early weights, or by the name of
        the file or of the hub's folder, of this model's tags only.
    """
    digest = ""
    for name, tag in open_clip.list_pretrained():
        content = open_clip.get_pretrained_cfg(name, tag)
        url, hub = content.get("url", ""), content.get("hf_hub", "").rstrip("/")
        expected = _sha256_in(url)
        if expected and not digest:
            with file.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
        same = bool(expected) and digest.startswith(expected)
        if not same and name == model:
            folder = f"models--{hub.replace('/', '--')}"  # in the hub's cache
            same = file.name == url.rpartition("/")[2] or bool(hub and folder in file.parts)
        if same:
            clue = of_tag(name, tag)
            gelu = _of_model(name) if clue.quick_gelu is None else clue.quick_gelu
            return Clue(gelu, clue.preprocess, f"{file} being {clue.source}")
    return Clue()


def clips_own() -> dict[str, Any]:
    """CLIP's preprocessing, OpenAI's."""
    return {key: getattr(PreprocessCfg(), key) for key in PREPROCESS_KEYS}


def has_openai_keys(file: Path) -> bool:
    """Whether a file that is no archive holds OpenAI's three numbers, which are no weights."""
    try:
        return bool(_keys(file)[0] & OPENAI_KEYS)
    except Exception:  # as in `of_content`
        return False


def _openai(file: Path) -> Clue:
    return Clue(True, clips_own(), f"{file} being OpenAI's own archive")


def _keys(file: Path) -> tuple[set[str], dict[str, str]]:
    """Names of what is in safetensors or a checkpoint of torch, and the metadata of the former."""
    if file.suffix == ".safetensors":
        with safe_open(file, "pt") as opened:
            return set(opened.keys()), opened.metadata() or {}
    content = read_checkpoint(file, "meta")
    state = content.get("state_dict", content)
    return {str(key).removeprefix("module.") for key in state}, {}


def _of_metadata(metadata: dict[str, str], file: Path) -> Clue:
    """What the header of safetensors says: `quick_gelu`, or an open_clip config as text."""
    source = f"the metadata of {file}"
    for text in metadata.values():
        try:
            content = json.loads(text)
            model = content.get("model_cfg", content)
            if {"embed_dim", "vision_cfg", "text_cfg"} <= set(model):
                preprocess = content.get("preprocess_cfg") or None
                return Clue(bool(model.get("quick_gelu", False)), preprocess, source)
        except (ValueError, AttributeError, TypeError):
            continue
    said = metadata.get("quick_gelu", "").lower()
    if said in ("true", "1", "false", "0"):
        return Clue(said in ("true", "1"), None, source)
    return Clue()


def _of_model(model: str) -> bool:
    return bool((open_clip.get_model_config(model) or {}).get("quick_gelu", False))


def _sha256_in(url: str) -> str:
    """The hash, or its beginning, that open_clip itself reads from the address of weights."""
    if "openaipublic" in url:
        return url.split("/")[-2]
    if "mlfoundations" in url:
        return Path(url).stem.rpartition("-")[2]
    return ""
