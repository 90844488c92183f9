"""A pretrained teacher, as it was trained: loaded, and kept in a folder of its own."""

import json
import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
from open_clip import factory
from open_clip.model import QuickGELU
from torch import nn

from aura.errors import AuraError
from aura.schema.weights import no_larger_than, require_finite
from aura.teacher import clues
from aura.teacher.clues import CONFIG
from aura.teacher.configs import tokenizer_files
from aura.teacher.pixels import read_settings
from aura.teacher.source import Source, find_source
from aura.teacher.state import count_numbers, load_weights
from aura.teacher.tokens import load_tokenizer, no_remote_code

_SLACK = 2  # a network may be larger than its weights by what is made of them
_OF_FOLDER = (
    "put its files (tokenizer.json and others) beside its open_clip_config.json and its weights in "
    "a folder and set teacher.model=local-dir:FOLDER"
)


def load_pretrained(model: str, pretrained: str | None) -> tuple[nn.Module, Any]:
    """Load a pretrained model with the activation and preprocessing it was trained with.

    Parameters
    ----------
    model : str
        A name of open_clip, `local-dir:FOLDER` or `hf-hub:OWNER/NAME`.
    pretrained : str or None
        A tag, or the path of a weights file; None is the weights in the folder or on the hub.

    Returns
    -------
    network : nn.Module
        The model, on the CPU in fp32.
    tokenizer : callable
        Its tokenizer.

    Raises
    ------
    AuraError
        As `find_source`, or the download fails or the file does not fit.
    """
    return build(find_source(model, pretrained))


def keep(source: Source, folder: Path) -> None:
    """Copy the files of a source to a folder, with a config that says all that is known of it.

    Parameters
    ----------
    source : Source
        Where the teacher comes from; of a tag nothing is kept, open_clip does that.
    folder : Path
        Where to; `load_kept` reads it.
    """
    if source.weights is None:
        return
    if source.config is None:
        model = open_clip.get_model_config(source.model)
    else:
        model = clues.of_config(source.config)[0]
    content = {
        "model_cfg": {**model, "quick_gelu": source.quick_gelu},
        "preprocess_cfg": source.preprocess,
    }
    for file in (source.weights, *tokenizer_files(source.config)):
        shutil.copyfile(file, folder / file.name)
    (folder / CONFIG).write_text(json.dumps(content, indent=1) + "\n")


def load_kept(folder: Path, model: str, weights: str) -> tuple[nn.Module, Any]:
    """Load what `keep` wrote; without such, by name and tag.

    Parameters
    ----------
    folder : Path
        Where it was kept.
    model : str
        Its name.
    weights : str
        The name of its weights file, or a tag.

    Returns
    -------
    network : nn.Module
        The model.
    tokenizer : callable
        Its tokenizer.

    Raises
    ------
    AuraError
        As `load_pretrained`.
    """
    if Path(weights).name != weights:
        raise AuraError(f"The teacher.json of {folder} names weights that are not in it.")
    file, config = folder / weights, folder / CONFIG
    if not (file.is_file() and config.is_file()):
        return load_pretrained(model, weights)
    clue = clues.of_config(config)[1]
    name = f"local-dir:{folder}" if model.startswith("local-dir:") else model
    preprocess = clue.preprocess or {}
    return build(Source(name, None, file, config, (), bool(clue.quick_gelu), preprocess, "", ""))


def build(source: Source) -> tuple[nn.Module, Any]:
    """Load the model of a source, and its tokenizer."""
    name = f"local-dir:{source.config.parent}" if source.config else source.model
    settings: dict[str, Any] = {
        "quick_gelu": source.quick_gelu,
        "force_preprocess_cfg": source.preprocess,
    }
    try:
        with _quiet(), no_remote_code():
            if source.weights is None:
                network = open_clip.create_model(name, pretrained=source.tag, **settings)
            else:
                with no_larger_than(_SLACK * count_numbers(source.weights)):
                    network = open_clip.create_model(
                        name, load_weights=False, pretrained_text=False, **settings
                    )
                load_weights(network, source.weights)
        require_finite(dict(network.named_parameters()))
    except Exception as error:  # the hub's client, torch and safetensors each raise their own
        if source.weights is not None:
            raise AuraError(
                f"{source.weights} does not hold weights of {source.model}: {_first_lines(error)}"
            ) from None
        raise AuraError(
            f"The weights of {source.model}/{source.tag} could not be downloaded; put open_clip's "
            "weights file on this machine and set teacher.pretrained to its path."
        ) from None
    read_settings(network.visual.preprocess_cfg)
    return network, _tokenizer(source)


def load_stand_in(folder: Path) -> tuple[nn.Module, Any]:
    """Load the small CLIP that `aura teach` trained, and its tokenizer.

    Parameters
    ----------
    folder : Path
        Where it was written.

    Returns
    -------
    network : nn.Module
        The model.
    tokenizer : callable
        Its tokenizer.

    Raises
    ------
    AuraError
        The folder does not hold it.
    """
    name, (model, _) = f"local-dir:{folder}", clues.of_config(folder / CONFIG)
    try:
        weights = factory._find_checkpoint_in_dir(folder)
        if weights is None:
            raise FileNotFoundError("it has no weights")
        with no_remote_code(), no_larger_than(_SLACK * count_numbers(Path(weights))):
            network = open_clip.create_model(name)
        require_finite(dict(network.named_parameters()))
    except Exception as error:  # torch and safetensors each raise their own
        raise AuraError(
            f"The teacher at {folder} cannot be loaded: {_first_lines(error).rstrip('.')}; run "
            "`aura teach` again."
        ) from None
    read_settings(network.visual.preprocess_cfg)
    return network, load_tokenizer(name, name, _OF_FOLDER, model["text_cfg"])


def activation_of(network: nn.Module) -> str:
    """What its towers compute with; no weight tells."""
    quick = any(isinstance(module, QuickGELU) for module in network.modules())
    return "quick_gelu" if quick else "gelu"


def _tokenizer(source: Source) -> Any:
    """By open_clip's name, or from the folder of the config where it has the files."""
    name = source.model
    if source.config is None:
        text = (open_clip.get_model_config(name) or {}).get("text_cfg", {})
    else:
        text = clues.of_config(source.config)[0]["text_cfg"]
    if source.config is not None and ":" in source.model:
        in_folder = tokenizer_files(source.config) or not text.get("hf_tokenizer_name")
        if in_folder or source.model.startswith("local-dir:"):
            name = f"local-dir:{source.config.parent}"
    with _quiet():
        return load_tokenizer(name, source.model, _OF_FOLDER, text)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without open_clip's own warnings, of random weights that are loaded a moment later."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _first_lines(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:300] or type(error).__name__
