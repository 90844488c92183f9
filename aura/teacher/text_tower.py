"""What teachers of all kinds do with texts: batches of like length, and windows of long ones."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from aura.teacher.identity import Identity
from aura.teacher.tokens import Context, Tokens, mean_by_text, warn_of_cut
from aura.teacher.vocabulary import warn_of_unseen

_BATCH = {"cpu": 64, "cuda": 512}  # few texts are more alike in length


class TextTower(ABC):
    """A frozen teacher of texts, on one device.

    Attributes
    ----------
    vocabulary : frozenset of str or None
        The words that it has met; None of a teacher that has no list of them.
    """

    vocabulary: frozenset[str] | None = None

    def __init__(self, model: Any, tokenizer: Any, identity: Identity) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer, self.context = tokenizer, Context(tokenizer)
        self.identity = identity
        self.device = next(model.parameters()).device

    def encode_text(
        self,
        texts: Sequence[str],
        batch: int | None = None,
        words_of: Sequence[str] | None = None,
    ) -> np.ndarray:
        """Unit vectors (len(texts), d) float32; warns of what it cannot read.

        Parameters
        ----------
        texts : sequence of str
            N texts.
        batch : int or None
            How many at a time.
        words_of : sequence of str or None
            Texts whose words it has to know, such as what was put into templates; all by default.
        """
        if not texts:
            return np.empty((0, self.identity.embed_dim), np.float32)
        warn_of_unseen(texts if words_of is None else words_of, self.vocabulary)
        tokens = self.context.read(texts)
        if self.identity.long_texts == "cut":
            warn_of_cut(texts, tokens)
        return self.encode_tokens(tokens, batch)

    @torch.inference_mode()
    def encode_tokens(self, tokens: Tokens, batch: int | None = None) -> np.ndarray:
        """Unit vectors (N, d) float32 of N texts. Those of like length go through together."""
        rows, text = tokens.rows, None
        if tokens.longer and self.identity.long_texts == "mean":
            rows, text = self.context.windows(tokens)
        order = self.lengths(rows).argsort(stable=True)
        parts = [
            F.normalize(self.features(rows[some].to(self.device)).float(), dim=-1)
            for some in order.split(batch or _BATCH[self.device.type])
        ]
        vectors = torch.cat(parts).cpu()[order.argsort()].numpy()
        return vectors if text is None else mean_by_text(vectors, text)

    @abstractmethod
    def lengths(self, rows: torch.Tensor) -> torch.Tensor:
        """By what texts (n, context) are alike in length, (n,) int."""

    @abstractmethod
    def features(self, rows: torch.Tensor) -> torch.Tensor:
        """Vectors (n, d) of texts (n, context), of any length."""
