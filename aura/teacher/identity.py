"""Which teacher made an embedding; light, so that what reads embeddings need not load CLIP."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from aura.errors import AuraError

DIM = 512  # of the shared space; the encoders project to it (AURA-MFM, section 3)
Precision = Literal["fp32", "bf16"]
_IMPLIED = {"activation": None}  # left unsaid: older tables do not say it


@dataclass(frozen=True)
class Identity:
    """What makes two sets of embeddings comparable; it travels in their Parquet metadata.

    Attributes
    ----------
    model : str
        Name of the model in open_clip, or of the stand-in.
    pretrained : str
        Tag or file of its weights.
    weights_sha256 : str
        `clip.weights_hash` of the model.
    preprocess : str
        Size, mean, deviation and interpolation of its frames, and how they are resized if not as
        CLIP's.
    stand_in : bool
        Whether it is the small CLIP that `teach` trains.
    precision : "fp32" or "bf16"
        In which it embeds.
    activation : str or None
        What its towers compute with, `quick_gelu` or `gelu`: no weight tells. None is `gelu`, the
        stand-in's.
    """

    model: str
    pretrained: str
    weights_sha256: str
    preprocess: str
    stand_in: bool
    precision: Precision = "fp32"
    activation: str | None = None

    @property
    def description(self) -> str:
        """Model, precision and activation, for a sentence."""
        activation = f" with {self.activation}" if self.activation else ""
        return f"{self.model} in {self.precision}{activation}"

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
            identity = cls(**json.loads((metadata or {})[b"teacher"]))
        except (KeyError, TypeError, ValueError):
            raise AuraError(f"{table} does not say which teacher made it.") from None
        return identity.checked(table)

    def checked(self, where: str) -> "Identity":
        """Itself; an `AuraError` if it is of before activations were kept, and so could be either.

        The stand-in has only ever had one.
        """
        if self.activation is None and not self.stand_in:
            raise AuraError(
                f"{where} does not say with which activation {self.model} computed, and weights do "
                "not tell; run `aura teach` and `aura embed` again."
            )
        return self


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
