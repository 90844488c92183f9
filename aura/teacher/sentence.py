"""Frozen sentence-transformers models: texts to unit vectors, no frames.

The library loads the folder, and its modules pool, project and normalise; batches and long texts
are those of all teachers. It asks no hub.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from aura.errors import AuraError
from aura.teacher import sentence_files
from aura.teacher.identity import Identity, LongTexts, Precision
from aura.teacher.text_tower import TextTower

_PADDING = -1  # no tokenizer's own, so that a text may end in what it pads with
_LONGEST_CONTEXT = 1 << 16


class Tokenizer:
    """A tokenizer of Hugging Face, called as open_clip's are.

    Parameters
    ----------
    tokenizer : callable
        The library's.
    length : int
        Tokens that the model reads.
    prompt : str
        What is put before each text.
    """

    def __init__(self, tokenizer: Any, length: int, prompt: str) -> None:
        self._tokenizer, self._length, self._prompt = tokenizer, length, prompt

    def __call__(self, texts: Sequence[str], context_length: int | None = None) -> torch.Tensor:
        """Tokens (n, context) int64, cut at the context and padded with -1."""
        length = context_length or self._length
        prompted = [self._prompt + text for text in texts]
        encoded = self._tokenizer(prompted, truncation=True, max_length=length, padding=False)
        rows = torch.full((len(texts), length), _PADDING, dtype=torch.long)
        for row, tokens in zip(rows, encoded["input_ids"], strict=True):
            row[: len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        return rows

    def prompt_length(self) -> int:
        """Tokens of the prompt, with what the tokenizer puts before it."""
        tokens = self._tokenizer([self._prompt], padding=False)["input_ids"][0]
        ends = bool(tokens) and tokens[-1] in self._tokenizer.all_special_ids
        return len(tokens) - ends


class SentenceTeacher(TextTower):
    """A loaded, frozen sentence model on one device, in the precision of its identity."""

    def __init__(self, model: Any, identity: Identity) -> None:
        tokenizer = Tokenizer(model.tokenizer, int(identity.max_tokens or 0), identity.prompt)
        super().__init__(model, tokenizer, identity)
        self._pad = model.tokenizer.pad_token_id or 0
        self._prompt_length = tokenizer.prompt_length() if identity.prompt else 0
        if identity.precision == "bf16":
            self.model.to(torch.bfloat16)

    def lengths(self, rows: torch.Tensor) -> torch.Tensor:
        """Tokens of each text, (n,)."""
        return (rows != _PADDING).sum(1)

    def features(self, rows: torch.Tensor) -> torch.Tensor:
        """Vectors (n, d) of texts (n, context), of any length."""
        lengths = self.lengths(rows).clamp(min=1)  # one without tokens is one of padding
        rows = rows[:, : int(lengths.max())]
        mask = torch.arange(rows.shape[1], device=rows.device) < lengths[:, None]
        inputs = {
            "input_ids": rows.masked_fill(rows == _PADDING, self._pad),
            "attention_mask": mask.long(),
        }
        if self._prompt_length:
            inputs["prompt_length"] = torch.tensor([self._prompt_length])
        vectors: torch.Tensor = self.model(inputs)["sentence_embedding"]
        return vectors


def load_folder(
    folder: Path,
    name: str,
    prompt: str | None = None,
    device: str = "cpu",
    precision: Precision = "fp32",
    long_texts: LongTexts = "cut",
) -> SentenceTeacher:
    """Load a sentence model, and say what it is.

    Parameters
    ----------
    folder : Path
        Its folder.
    name : str
        Its name in the identity.
    prompt : str or None
        What is put before each text; None is what the folder says.
    device : str
        Of torch.
    precision : {"fp32", "bf16"}
        In which it embeds.
    long_texts : {"cut", "mean"}
        What becomes of texts longer than its context.

    Returns
    -------
    SentenceTeacher
        With an identity of its own files.

    Raises
    ------
    AuraError
        The library cannot load it, or it is of a kind that is not read.
    """
    files = sentence_files.list_files(folder)
    model = _load(folder, device)
    if list(model[0].modality_config) != ["text"] or model.tokenizer is None:
        raise AuraError(f"{folder} does not read plain texts alone, and cannot be a teacher.")
    length = model.max_seq_length
    if not length or length > _LONGEST_CONTEXT:
        raise AuraError(
            f"{folder} does not say how many tokens it reads; write max_seq_length into its "
            "sentence_bert_config.json."
        )
    identity = Identity(
        model=name,
        pretrained=", ".join(files.weights),
        weights_sha256=sentence_files.weights_hash(folder),
        preprocess="",
        stand_in=False,
        precision=precision,
        embed_dim=int(model.get_embedding_dimension()),
        long_texts=long_texts,
        kind="sentence",
        pooling=_pooling(model),
        prompt=sentence_files.read_prompt(folder) if prompt is None else prompt,
        max_tokens=int(length),
        settings_sha256=sentence_files.settings_hash(folder),
    )
    return SentenceTeacher(model, identity)


def _load(folder: Path, device: str) -> Any:
    from sentence_transformers import SentenceTransformer

    try:
        with _quiet():
            return SentenceTransformer(
                str(folder.absolute()),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True, "dtype": torch.float32},
            )
    except Exception as error:  # the library, transformers and safetensors each raise their own
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = " ".join(lines[:2])[:300].rstrip(".") or type(error).__name__
        raise AuraError(
            f"sentence-transformers cannot load the teacher at {folder}: {reason}."
        ) from None


def _pooling(model: Any) -> str:
    """What follows the transformer, such as "mean, normalize"."""
    parts = []
    for module in list(model)[1:]:
        kind = type(module).__name__
        if kind == "Pooling":
            mode = module.pooling_mode
            text = mode if isinstance(mode, str) else " and ".join(mode)
            parts.append(text if module.include_prompt else f"{text} without the prompt")
        else:
            parts.append(f"dense to {module.out_features}" if kind == "Dense" else kind.lower())
    return ", ".join(parts)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' reports and progress bars of loading."""
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
        if bars:
            transformers_logging.enable_progress_bar()
