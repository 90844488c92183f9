"""The trunk of the Transformer encoders: pre-norm residual blocks over tokens, pooled to one."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from aura.config.base import Model
from aura.encoders.base import SIZES, Size
from aura.encoders.bf16 import Dropout, attend, split_heads
from aura.errors import AuraError

ROTARY_BASE = 10_000.0  # longest wavelength is 2 pi times this many positions
TIMELINE = 16  # numbers of each token in a timeline


class TrunkOptions(Model):
    """Options of every Transformer encoder.

    `width`, `layers` and `heads` replace those of the size. `position` is a learned vector for
    each place, or a rotation of queries and keys by it (RoFormer, arXiv 2104.09864). `pool` reads
    a class token, lets a learned query attend over all tokens, or reads the class token and, as
    `timeline`, a few numbers of each token in their order (a flattened head, as of PatchTST, arXiv
    2211.14730): what happened, and when.
    """

    width: int | None = Field(None, ge=1)
    layers: int | None = Field(None, ge=1)
    heads: int | None = Field(None, ge=1)
    position: Literal["learned", "rotary"] = "learned"
    pool: Literal["cls", "attention", "timeline"] = "cls"

    def resolve(self, name: str) -> Size:
        """The size of this name with what the options replace; `AuraError` if heads do not fit."""
        size = SIZES[name]
        size = Size(self.width or size.width, self.layers or size.layers, self.heads or size.heads)
        parts = 2 * size.heads if self.position == "rotary" else size.heads
        if size.width % parts:
            raise AuraError(
                f"An encoder's width of {size.width} does not divide into {size.heads} heads"
                + (" of even width, which rotary positions need." if parts > size.heads else ".")
            )
        return size

    def features(self, size: Size, tokens: int) -> int:
        """Numbers that the trunk makes of so many tokens."""
        return size.width + (TIMELINE * tokens if self.pool == "timeline" else 0)


def rotation(places_L: Tensor, width: int) -> Tensor:
    """Cosines and sines (2, L, width / 2) of the angles by which a place turns a head."""
    rates = ROTARY_BASE ** (-torch.arange(0, width, 2) / width)
    angles = places_L[:, None] * rates
    return torch.stack([angles.cos(), angles.sin()])


def rotate(x_BHLD: Tensor, turn: Tensor) -> Tensor:
    """Turn the planes (x[i], x[i + D / 2]) by the angles of `rotation`."""
    cos, sin = turn.to(x_BHLD.dtype)
    a, b = x_BHLD.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)), with masked keys."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x_BLD: Tensor,
        keys_B11L: Tensor,
        turn: Tensor | None = None,
        queries: int | None = None,
    ) -> Tensor:
        """Tokens after the block, (B, L, D).

        Parameters
        ----------
        keys_B11L : True where a token may be attended to.
        turn : what `rotation` gives for the places of the tokens; None is no rotation.
        queries : how many tokens, from the first, are wanted of the result; None is all.
        """
        B, L, D = x_BLD.shape
        split_BL3HD = self.qkv(self.norm1(x_BLD)).view(B, L, 3, self.heads, D // self.heads)
        q, k, v = split_heads(split_BL3HD)
        if turn is not None:
            q, k = rotate(q, turn), rotate(k, turn)
        if queries is not None:
            q, x_BLD = q[:, :, :queries], x_BLD[:, :queries]
        mixed_BHLD = attend(q, k, v, keys_B11L)
        mixed_BLD = mixed_BHLD.transpose(1, 2).reshape(x_BLD.shape)
        x_BLD = x_BLD + self.dropout(self.out(mixed_BLD))
        return x_BLD + self.dropout(self.mlp(self.norm2(x_BLD)))


class AttentionPool(nn.Module):
    """Each head takes the mean of its part of the tokens, weighed by a query that it learns."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = _vectors(heads, 1, width // heads)

    def forward(self, x_BLD: Tensor, keys_B11L: Tensor) -> Tensor:
        """Pooled tokens (B, D); `keys_B11L` is True where a token may be attended to."""
        B, L, _ = x_BLD.shape
        heads, _, part = self.query.shape
        x_BHLd = x_BLD.view(B, L, heads, part).transpose(1, 2)
        query_BH1d = self.query.expand(B, -1, -1, -1)
        pooled = attend(query_BH1d, x_BHLd, x_BHLd, keys_B11L)
        return pooled.flatten(1)


class Trunk(nn.Module):
    """Embedded tokens to one vector.

    Parameters
    ----------
    places_L : (L,) int64, place in time of each token from 0; tokens may share one.
    """

    places: Tensor
    turn: Tensor | None

    def __init__(self, places_L: Tensor, size: Size, options: TrunkOptions, dropout: float) -> None:
        super().__init__()
        width, layers, heads = size
        self.register_buffer("places", places_L, persistent=False)
        rotary, cls = options.position == "rotary", options.pool != "attention"
        self.position = None if rotary else _vectors(int(places_L.max()) + 1, width)
        self.cls = _vectors(width) if cls else None
        self.pool = None if cls else AttentionPool(width, heads)
        self.timeline = nn.Linear(width, TIMELINE) if options.pool == "timeline" else None
        if cls:
            places_L = F.pad(places_L + 1, (1, 0))  # the class token stands before the first
        turn = rotation(places_L, width // heads) if rotary else None
        self.register_buffer("turn", turn, persistent=False)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x_BLD: Tensor, keep_BL: Tensor) -> Tensor:
        """Features (B, D) after the final norm; only tokens in `keep_BL` are attended to.

        A timeline follows the D numbers, zeros where no token is kept. Where a window keeps none,
        the class token stands alone, or all tokens are attended to.
        """
        kept_BL = keep_BL
        if self.position is not None:
            x_BLD = x_BLD + self.position[self.places]
        if self.cls is not None:
            x_BLD = torch.cat([self.cls.expand(len(x_BLD), 1, -1), x_BLD], dim=1)
            keep_BL = F.pad(keep_BL, (1, 0), value=True)
        else:
            keep_BL = keep_BL | ~keep_BL.any(dim=1, keepdim=True)
        x_BLD, keys_B11L = self.dropout(x_BLD), keep_BL[:, None, None]
        for block in self.blocks[:-1]:
            x_BLD = block(x_BLD, keys_B11L, self.turn)
        # Where nothing but the class token is read, nothing else leaves the last block.
        wanted = 1 if self.pool is None and self.timeline is None else None
        x_BLD = self.norm(self.blocks[-1](x_BLD, keys_B11L, self.turn, wanted))
        if self.pool is not None:
            return self.pool(x_BLD, keys_B11L)
        if self.timeline is None:
            return x_BLD[:, 0]
        when_BLF = self.timeline(x_BLD[:, 1:]).masked_fill(~kept_BL[..., None], 0)
        return torch.cat([x_BLD[:, 0], when_BLF.flatten(1)], dim=1)


def _vectors(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) * 0.02)
