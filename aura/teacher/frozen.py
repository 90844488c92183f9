"""A frozen teacher of either kind, from the folder of `teach` or straight from settings."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from aura import processor
from aura.config import Teacher as Settings
from aura.errors import AuraError
from aura.teacher import clip, pretrained, sentence_files
from aura.teacher.identity import Identity, LongTexts, Precision
from aura.teacher.source import find_source

if TYPE_CHECKING:  # transformers takes seconds to import, and is an extra
    from aura.teacher.sentence import SentenceTeacher

Place = Path | Settings


def load(
    place: Place,
    device: str = "cpu",
    precision: Precision = "fp32",
    long_texts: LongTexts = "cut",
) -> "clip.Teacher | SentenceTeacher":
    """Load a teacher.

    Parameters
    ----------
    place : Path or Settings
        The folder that `aura teach` wrote, whose weights must be the same still; or settings of a
        pretrained one.
    device : str
        Of torch.
    precision : {"fp32", "bf16"}
        In which it embeds.
    long_texts : {"cut", "mean"}
        What becomes of texts longer than its context.

    Returns
    -------
    clip.Teacher or SentenceTeacher
        With its identity.

    Raises
    ------
    AuraError
        It is not there, is not what it was, or needs a package or a GPU that is not here.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise AuraError("embed.gpus asks for a GPU, and torch sees none here.")
    used: dict[str, Any] = {"precision": precision, "long_texts": long_texts}
    if isinstance(place, Settings):
        if place.kind == "sentence":
            return _sentence(place.model, place.prompt, device, **used)
        source = find_source(place.model, place.pretrained)
        network, tokenizer = pretrained.build(source)
        identity = clip.identify(network, source.name, source.weights_name, False)
        return clip.Teacher(network.to(device), tokenizer, replace(identity, **used))
    taught = clip.read_identity(place)
    if taught.kind == "clip":
        return clip.load(place, device, **used)
    loaded = _sentence(str(place), taught.prompt, device, taught.model, **used)
    if loaded.identity != replace(taught, **used):
        raise AuraError(
            f"{taught.model} at {place} is not what it was at `aura teach`; run it again."
        )
    return loaded


def chosen_precision(asked: Literal["auto"] | Precision, on_gpu: bool) -> Precision:
    """In which a teacher embeds: as asked, or bf16 where that is fast."""
    if asked != "auto":
        return asked
    return "bf16" if on_gpu or processor.has_bf16() else "fp32"


def identify(place: Place, precision: Precision, long_texts: LongTexts) -> Identity:
    """Who a teacher is, as it is used; one that `teach` prepared is not loaded for it."""
    if isinstance(place, Settings):
        return load(place, "cpu", precision, long_texts).identity
    return replace(clip.read_identity(place), precision=precision, long_texts=long_texts)


def _sentence(
    model: str, prompt: str | None, device: str, name: str | None = None, **used: Any
) -> "SentenceTeacher":
    sentence_files.require_library()
    from aura.teacher.sentence import load_folder

    folder = sentence_files.find_folder(model)
    name = name or sentence_files.name_of(model)
    return load_folder(folder, name, prompt, device, **used)
