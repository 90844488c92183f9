"""Which teacher made an embedding; light, so that what reads embeddings need not load CLIP."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from pydantic import TypeAdapter

from aura.errors import AuraError

DIM = 512  # width of the stand-in's space, and of a teacher that does not say its own
Precision = Literal["fp32", "bf16"]
LongTexts = Literal["cut", "mean"]
Kind = Literal["clip", "sentence"]
_IMPLIED = {
    "embed_dim": DIM, "long_texts": "cut", "activation": None, "kind": "clip", "pooling": None,
    "prompt": "", "max_tokens": None, "settings_sha256": None,
}  # fmt: skip
"""Left unsaid where so: older tables do not say it."""


@dataclass(frozen=True)
class Identity:
    """What makes two sets of embeddings comparable; it travels in their Parquet metadata.

    Attributes
    ----------
    model : str
        Name of the model in open_clip, of the stand-in, or of a sentence model's folder or package.
    pretrained : str
        Tag or file of its weights.
    weights_sha256 : str
        `clip.weights_hash` of the model, or `sentence_files.weights_hash`.
    preprocess : str
        Size, mean, deviation and interpolation of its frames, and how they are resized if not as
        CLIP's; empty where it sees none.
    stand_in : bool
        Whether it is the small CLIP that `teach` trains.
    precision : "fp32" or "bf16"
        In which it embeds.
    activation : str or None
        What its towers compute with, `quick_gelu` or `gelu`: no weight tells. None is `gelu`, the
        stand-in's.
    embed_dim : int
        Width of its space, which the encoders project to.
    long_texts : "cut" or "mean"
        Of a text longer than its context it embeds the beginning, or the mean of windows.
    kind : "clip" or "sentence"
        Whether it has an image tower; what follows is said of a sentence model only.
    pooling : str or None
        How the vectors of its tokens become that of the text.
    prompt : str
        What it reads before each text.
    max_tokens : int or None
        Its context.
    settings_sha256 : str or None
        `sentence_files.settings_hash`: its tokenizer, and all else that the weights do not say.
    """

    model: str
    pretrained: str
    weights_sha256: str
    preprocess: str
    stand_in: bool
    precision: Precision = "fp32"
    activation: str | None = None
    embed_dim: int = DIM
    long_texts: LongTexts = "cut"
    kind: Kind = "clip"
    pooling: str | None = None
    prompt: str = ""
    max_tokens: int | None = None
    settings_sha256: str | None = None

    @property
    def sees_video(self) -> bool:
        """Whether it has an image tower."""
        return self.kind == "clip"

    @property
    def description(self) -> str:
        """Model, precision and what else is not as usual, for a sentence."""
        activation = f" with {self.activation}" if self.activation else ""
        width = f" to {self.embed_dim} numbers" if self.embed_dim != DIM else ""
        long_texts = ", long texts as means" if self.long_texts == "mean" else ""
        prompt = f", after '{self.prompt}'" if self.prompt else ""
        return f"{self.model} in {self.precision}{activation}{width}{long_texts}{prompt}"

    def content(self) -> dict[str, Any]:
        """As JSON holds it; what older identities do not say is left out where it is as there."""
        return {k: v for k, v in asdict(self).items() if k not in _IMPLIED or _IMPLIED[k] != v}

    def metadata(self) -> dict[bytes, bytes]:
        """As Arrow schema metadata."""
        return {b"teacher": json.dumps(self.content(), sort_keys=True).encode()}

    @classmethod
    def from_metadata(cls, metadata: dict[bytes, bytes] | None, table: str) -> "Identity":
        """Read back from Arrow schema metadata."""
        try:
            content = json.loads((metadata or {})[b"teacher"])
        except (KeyError, ValueError, RecursionError):
            content = None
        return cls.from_content(content, table)

    @classmethod
    def from_content(cls, content: Any, owner: str) -> "Identity":
        """Read back what `content` gave; the owner is what an error names."""
        try:
            if unknown := set(content) - {field.name for field in fields(cls)}:
                raise ValueError(unknown)
            identity = _CONTENT.validate_json(json.dumps(content), strict=True)
        except (TypeError, ValueError):
            raise AuraError(f"{owner} does not say which teacher made it.") from None
        return identity.checked(owner)

    def checked(self, where: str) -> "Identity":
        """Itself; an `AuraError` if it is of before activations were kept, and so could be either.

        The stand-in has only ever had one.
        """
        if self.activation is None and not self.stand_in and self.sees_video:
            raise AuraError(
                f"{where} does not say with which activation {self.model} computed, and weights do "
                "not tell; run `aura teach` and `aura embed` again."
            )
        return self


_CONTENT = TypeAdapter(Identity)


def same_teacher(identities: Iterable[tuple[str, Identity]]) -> Identity:
    """Return the one teacher of several tables, or refuse to mix them."""
    (first_table, first), *others = identities
    for table, identity in others:
        if identity != first:
            raise AuraError(
                f"{first_table} and {table} were embedded by different teachers "
                f"({first.description} and {identity.description}); embed both again with one."
            )
    return first
