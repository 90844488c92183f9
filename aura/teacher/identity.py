"""Which teacher made an embedding; light, so that what reads embeddings need not load CLIP."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from aura.errors import AuraError

DIM = 512  # of the shared space; the encoders project to it (AURA-MFM, section 3)
Precision = Literal["fp32", "bf16"]


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
        Size, mean, deviation and interpolation of its frames.
    stand_in : bool
        Whether it is the small CLIP that `teach` trains.
    precision : "fp32" or "bf16"
        In which it embeds.
    """

    model: str
    pretrained: str
    weights_sha256: str
    preprocess: str
    stand_in: bool
    precision: Precision = "fp32"

    @property
    def description(self) -> str:
        """Model and precision, for a sentence."""
        return f"{self.model} in {self.precision}"

    def metadata(self) -> dict[bytes, bytes]:
        """As Arrow schema metadata."""
        return {b"teacher": json.dumps(asdict(self), sort_keys=True).encode()}

    @classmethod
    def from_metadata(cls, metadata: dict[bytes, bytes] | None, table: str) -> "Identity":
        """Read back from Arrow schema metadata."""
        try:
            return cls(**json.loads((metadata or {})[b"teacher"]))
        except (KeyError, TypeError, ValueError):
            raise AuraError(f"{table} does not say which teacher made it.") from None


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
