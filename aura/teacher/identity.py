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
    """What makes two sets of embeddings comparable; it travels in their Parquet metadata."""

    model: str
    pretrained: str
    weights_sha256: str
    preprocess: str
    stand_in: bool
    precision: Precision = "fp32"  # in which it embeds

    @property
    def named(self) -> str:
        """For a sentence."""
        return f"{self.model} in {self.precision}"

    def metadata(self) -> dict[bytes, bytes]:
        """As Arrow schema metadata."""
        return {b"teacher": json.dumps(asdict(self), sort_keys=True).encode()}

    @classmethod
    def of(cls, metadata: dict[bytes, bytes] | None, where: str) -> "Identity":
        """Read back from Arrow schema metadata."""
        try:
            return cls(**json.loads((metadata or {})[b"teacher"]))
        except (KeyError, TypeError, ValueError):
            raise AuraError(f"{where} does not say which teacher made it.") from None


def same_teacher(identities: Iterable[tuple[str, Identity]]) -> Identity:
    """Return the one teacher of several tables, or refuse to mix them."""
    named = list(identities)
    for where, identity in named[1:]:
        if identity != named[0][1]:
            raise AuraError(
                f"{named[0][0]} and {where} were embedded by different teachers "
                f"({named[0][1].named} and {identity.named}); embed both again with one."
            )
    return named[0][1]
