"""Texts as tokens: which are longer than the teacher's context, and windows of those that are.

Works with any tokenizer of open_clip, by what it makes of texts: it is called with the texts and,
where more than a context is wanted, with `context_length`.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray

from aura.errors import AuraError

Ints = NDArray[np.int64]
Tokenizer = Callable[..., torch.Tensor]
_MOST_TOKENS = 1 << 24  # of a text; what is behind is cut
_OF_CACHE = "copy the hub's cache of another machine here and set HF_HOME to it"


def load_tokenizer(
    name: str, model: str = "", remedy: str = _OF_CACHE, text_cfg: Mapping[str, Any] | None = None
) -> Any:
    """Tokenizer of a model of open_clip.

    Parameters
    ----------
    name : str
        By which open_clip finds it.
    model : str
        What an error calls it; by default the same.
    remedy : str
        What to do where it cannot be loaded, for an error.
    text_cfg : mapping or None
        What its config says of texts; by default that of the model inside open_clip.

    Raises
    ------
    AuraError
        A package that it needs is missing, or it cannot be had here.
    """
    if text_cfg is None:
        text_cfg = (open_clip.get_model_config(name) or {}).get("text_cfg", {})
    # A config could say otherwise in its `tokenizer_kwargs`, which these override.
    safe = {"trust_remote_code": False} if text_cfg.get("hf_tokenizer_name") else {}
    try:
        with no_remote_code():
            return open_clip.get_tokenizer(name, **safe)
    except ImportError as error:
        raise AuraError(
            f"The tokenizer of {model or name} needs {error.name}; `pip install {error.name}`."
        ) from None
    except Exception as error:  # the hub's client and the tokenizers each raise their own
        first = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise AuraError(
            f"The tokenizer of {model or name} cannot be loaded: {first}. Where nothing can be "
            f"downloaded, {remedy}."
        ) from None


@contextmanager
def no_remote_code() -> Iterator[None]:
    """Keep transformers, where it is installed, from asking whether to run a model's own code."""
    try:
        from transformers import dynamic_module_utils as asking
    except ImportError:
        yield
        return
    seconds, asking.TIME_OUT_REMOTE_CODE = asking.TIME_OUT_REMOTE_CODE, 0
    try:
        yield
    finally:
        asking.TIME_OUT_REMOTE_CODE = seconds


class Frame(NamedTuple):
    """What a tokenizer puts around a text, and how many tokens of text fit between."""

    prefix: list[int]
    suffix: list[int]
    room: int


@dataclass(frozen=True)
class Tokens:
    """Tokens of some texts.

    Attributes
    ----------
    rows : Tensor
        (N, context) int64, as the tokenizer gives them: cut at the context.
    ends : ndarray
        (N,) where the padding of each begins.
    whole : dict of int to ndarray
        By row, all tokens of each text that fills the context, whether it is cut or just fits.
    """

    rows: torch.Tensor
    ends: Ints
    whole: dict[int, Ints]

    @cached_property
    def longer(self) -> list[int]:
        """Rows of the texts that are longer than the context."""
        return [row for row in self.whole if not np.array_equal(self.kept(row), self.whole[row])]

    def kept(self, row: int) -> Ints:
        """What the context holds of a text, without padding."""
        kept: Ints = self.rows[row, : int(self.ends[row])].numpy()
        return kept

    def digests(self) -> dict[int, tuple[str, str]]:
        """By row of `whole`, a hash of what is kept and one of the whole; equal if it fits."""
        return {row: (_digest(self.kept(row)), _digest(text)) for row, text in self.whole.items()}


def _digest(tokens: Ints) -> str:
    return hashlib.sha256(np.ascontiguousarray(tokens, "<i8").tobytes()).hexdigest()[:16]


class Context:
    """A tokenizer and the number of tokens that its model reads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @cached_property
    def length(self) -> int:
        """Tokens that the model reads, with those that the tokenizer puts around a text."""
        return int(self._tokenizer([""]).shape[1])

    @cached_property
    def _pad(self) -> int:
        return int(self._tokenizer([""], context_length=2 * self.length)[0, -1])

    def read(self, texts: Sequence[str]) -> Tokens:
        """Tokens of texts, of which there is at least one."""
        rows = self._tokenizer(list(texts))
        ends = self._ends(rows)
        # Where the end of a text is a padding token itself, a full row has one place less.
        todo, whole = np.flatnonzero(ends >= self.length - 1), {}
        length = 2 * self.length
        while len(todo):
            longer = self._tokenizer([texts[row] for row in todo.tolist()], context_length=length)
            reach = self._ends(longer)
            seen = (reach < length - 1) | (length >= _MOST_TOKENS)
            for row, tokens, end in zip(todo[seen], longer[seen], reach[seen], strict=True):
                whole[int(row)] = tokens[: int(end)].numpy()
            todo, length = todo[~seen], 2 * length
        return Tokens(rows, ends, dict(sorted(whole.items())))

    def windows(self, tokens: Tokens) -> tuple[torch.Tensor, Ints]:
        """Rows that leave nothing out: a text that is too long has several, of like length.

        Parameters
        ----------
        tokens : Tokens
            Of N texts.

        Returns
        -------
        rows : Tensor
            (M, context) int64, those of a text one after the other; a text that fits has its own.
        text : ndarray
            (M,) number of the text that each is of, ascending.
        """
        parts = {row: self._windows(tokens.whole[row]) for row in tokens.longer}
        rows = [parts.get(row, tokens.rows[row : row + 1]) for row in range(len(tokens.rows))]
        return torch.cat(rows), np.repeat(np.arange(len(rows)), [len(part) for part in rows])

    def _windows(self, whole: Ints) -> torch.Tensor:
        prefix, suffix, room = self._frame
        text = whole[len(prefix) : len(whole) - len(suffix)]
        parts = np.array_split(text, -(-len(text) // room))
        rows = torch.full((len(parts), self.length), self._pad, dtype=torch.long)
        for row, part in zip(rows, parts, strict=True):
            framed = [*prefix, *part.tolist(), *suffix]
            row[: len(framed)] = torch.tensor(framed)
        return rows

    @cached_property
    def _frame(self) -> Frame:
        tokens = self.read(["", "a", "a " * 2 * self.length])
        nothing, one, full = (tokens.kept(row).tolist() for row in range(3))
        same = [a == b for a, b in zip(nothing, one, strict=False)]
        split = same.index(False) if False in same else len(same)
        return Frame(nothing[:split], nothing[split:], len(full) - len(nothing))

    def _ends(self, rows: torch.Tensor) -> Ints:
        """Where the padding of each row (N, length) begins."""
        filled = (rows != self._pad).numpy()
        ends: Ints = np.where(filled.any(1), filled.shape[1] - filled[:, ::-1].argmax(1), 0)
        return ends


def warn_of_cut(texts: Sequence[str], tokens: Tokens) -> None:
    """Warn the caller's caller of texts that are longer than the context."""
    if tokens.longer:
        warnings.warn(
            f"{len(tokens.longer)} of {len(texts)} texts are longer than the teacher's "
            f"{tokens.rows.shape[1]} tokens, e.g. '{texts[tokens.longer[0]][:40]}...'; what is "
            "behind is not read.",
            stacklevel=3,
        )


def count_long(shards: Iterable[Mapping[str, Any]], cut: bool) -> dict[str, int]:
    """How many distinct texts are longer than the context, and what that did to them.

    Two texts share a vector only because they are cut where what is kept of them is the same and
    what they are is not. One that just fits may be among them.

    Parameters
    ----------
    shards : iterable of mapping
        Each with `context`, its tokens, and with `fill_context`, by text the `Tokens.digests`;
        texts of one may meet those of another.
    cut : bool
        Whether only the beginning of a text that is too long was read.

    Returns
    -------
    dict of str to int
        Tokens of the context, and numbers of texts.
    """
    shards = list(shards)
    texts = {text: hashes for shard in shards for text, hashes in shard["fill_context"].items()}
    longer = sum(kept != whole for kept, whole in texts.values())
    by_kept: dict[str, list[str]] = {}
    for kept, whole in texts.values():
        by_kept.setdefault(kept, []).append(whole)
    alike = sum(len(wholes) for wholes in by_kept.values() if len(set(wholes)) > 1)
    return {
        "context_tokens": max((shard["context"] for shard in shards), default=0),
        "longer_than_context": longer,
        "cut": longer * cut,
        "alike_only_because_cut": alike * cut,
    }


def describe_long(counts: Mapping[str, int]) -> str:
    """What happened to the texts of `count_long`, in a sentence; nothing where all fit."""
    longer, alike = counts["longer_than_context"], counts["alike_only_because_cut"]
    if not longer:
        return ""
    sentence = f"{longer} texts are longer than the teacher's {counts['context_tokens']} tokens"
    if not counts["cut"]:
        return f"{sentence}; each is the mean of windows of its tokens."
    return (
        f"{sentence} and are cut, by which {alike} texts share a vector with another; "
        "embed.long_texts=mean reads all of them."
    )


def mean_by_text(vectors: np.ndarray, text: Ints) -> np.ndarray:
    """Unit vectors of texts, each the mean of its windows'; of a single one its own, bit for bit.

    Parameters
    ----------
    vectors : ndarray
        (M, d) unit vectors of windows.
    text : ndarray
        (M,) number of the text of each, ascending, none left out.

    Returns
    -------
    ndarray
        (N, d) float32.
    """
    _, first, count = np.unique(text, return_index=True, return_counts=True)
    result = vectors[first]
    several = np.flatnonzero(count > 1)
    total = np.add.reduceat(vectors, first)[several]
    result[several] = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return result
