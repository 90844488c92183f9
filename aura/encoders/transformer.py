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
TIMELINE_WIDTH = 16  # numbers of each token in a timeline


class TrunkOptions(Model):
    """Options of every Transformer encoder.

    Attributes
    ----------
    width : int, optional
        Replaces that of the size.
    layers : int, optional
        Replaces those of the size.
    heads : int, optional
        Replaces those of the size.
    position : "learned" or "rotary"
        A learned vector for each position, or a rotation of queries and keys by it (RoFormer, arXiv
        2104.09864).
    pool : "cls", "attention" or "timeline"
        Read a class token; let a learned query attend over all tokens; or read the class token and
        a few numbers of each token in their order (a flattened head, as of PatchTST, arXiv
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
        divisor = 2 * size.heads if self.position == "rotary" else size.heads
        if size.width % divisor:
            raise AuraError(
                f"An encoder's width of {size.width} does not divide into {size.heads} heads"
                + (" of even width, which rotary positions need." if divisor > size.heads else ".")
            )
        return size

    def feature_width(self, size: Size, tokens: int) -> int:
        """Numbers that the trunk makes of so many tokens."""
        return size.width + (TIMELINE_WIDTH * tokens if self.pool == "timeline" else 0)


def rotary_angles(positions_L: Tensor, width: int) -> Tensor:
    """Cosines and sines (2, L, width / 2) of the angles by which a position rotates a head."""
    rates = ROTARY_BASE ** (-torch.arange(0, width, 2) / width)
    angles = positions_L[:, None] * rates
    return torch.stack([angles.cos(), angles.sin()])


def apply_rotary(x_BHLD: Tensor, angles: Tensor) -> Tensor:
    """Rotate the planes (x[i], x[i + D / 2]) by what `rotary_angles` gives."""
    cos, sin = angles.to(x_BHLD.dtype)
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
        key_mask_B11L: Tensor,
        angles: Tensor | None = None,
        queries: int | None = None,
    ) -> Tensor:
        """Tokens after the block.

        Parameters
        ----------
        x_BLD : (B, L, D) float
            Tokens.
        key_mask_B11L : (B, 1, 1, L) bool
            True where a token may be attended to.
        angles : (2, L, D / heads / 2) float, optional
            What `rotary_angles` gives for the positions of the tokens; None is no rotation.
        queries : int, optional
            How many tokens, from the first, the result has; None is all.

        Returns
        -------
        (B, queries or L, D) float
            Tokens.
        """
        B, L, D = x_BLD.shape
        split_BL3HD = self.qkv(self.norm1(x_BLD)).view(B, L, 3, self.heads, D // self.heads)
        q, k, v = split_heads(split_BL3HD)
        if angles is not None:
            q, k = apply_rotary(q, angles), apply_rotary(k, angles)
        if queries is not None:
            q, x_BLD = q[:, :, :queries], x_BLD[:, :queries]
        attended_BHLD = attend(q, k, v, key_mask_B11L)
        attended_BLD = attended_BHLD.transpose(1, 2).reshape(x_BLD.shape)
        x_BLD = x_BLD + self.dropout(self.out(attended_BLD))
        return x_BLD + self.dropout(self.mlp(self.norm2(x_BLD)))


class AttentionPool(nn.Module):
    """Each head takes the mean of its part of the tokens, weighed by a query that it learns."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = _normal_parameter(heads, 1, width // heads)

    def forward(self, x_BLD: Tensor, key_mask_B11L: Tensor) -> Tensor:
        """Pooled tokens (B, D); `key_mask_B11L` is True where a token may be attended to."""
        B, L, _ = x_BLD.shape
        heads, _, head_width = self.query.shape
        x_BHLd = x_BLD.view(B, L, heads, head_width).transpose(1, 2)
        query_BH1d = self.query.expand(B, -1, -1, -1)
        pooled = attend(query_BH1d, x_BHLd, x_BHLd, key_mask_B11L)
        return pooled.flatten(1)


class Trunk(nn.Module):
    """Embedded tokens to one vector.

    Parameters
    ----------
    positions_L : (L,) int64
        Position in time of each token, from 0; tokens may share one.
    size : Size
        Width, blocks and heads.
    options : TrunkOptions
        Position and pooling.
    dropout : float
        Probability, of tokens and in blocks.
    """

    positions: Tensor
    angles: Tensor | None

    def __init__(
        self, positions_L: Tensor, size: Size, options: TrunkOptions, dropout: float
    ) -> None:
        super().__init__()
        width, layers, heads = size
        self.register_buffer("positions", positions_L, persistent=False)
        rotary, cls = options.position == "rotary", options.pool != "attention"
        self.position = None if rotary else _normal_parameter(int(positions_L.max()) + 1, width)
        self.cls = _normal_parameter(width) if cls else None
        self.pool = None if cls else AttentionPool(width, heads)
        self.timeline = nn.Linear(width, TIMELINE_WIDTH) if options.pool == "timeline" else None
        if cls:
            positions_L = F.pad(positions_L + 1, (1, 0))  # the class token stands before the first
        angles = rotary_angles(positions_L, width // heads) if rotary else None
        self.register_buffer("angles", angles, persistent=False)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """Features after the final norm.

        A timeline follows the D numbers, zeros where a token is masked. Where all tokens of a
        window are, the class token stands alone, or all of them are attended to.

        Parameters
        ----------
        x_BLD : (B, L, D) float
            Embedded tokens.
        mask_BL : (B, L) bool
            True where a token may be attended to.

        Returns
        -------
        (B, D) or (B, D + TIMELINE_WIDTH * L) float
            Features.
        """
        if self.position is not None:
            x_BLD = x_BLD + self.position[self.positions]
        if self.cls is not None:
            x_BLD = torch.cat([self.cls.expand(len(x_BLD), 1, -1), x_BLD], dim=1)
            key_mask_BL = F.pad(mask_BL, (1, 0), value=True)
        else:
            key_mask_BL = mask_BL | ~mask_BL.any(dim=1, keepdim=True)
        x_BLD, key_mask_B11L = self.dropout(x_BLD), key_mask_BL[:, None, None]
        for block in self.blocks[:-1]:
            x_BLD = block(x_BLD, key_mask_B11L, self.angles)
        # Where nothing but the class token is read, nothing else leaves the last block.
        queries = 1 if self.pool is None and self.timeline is None else None
        x_BLD = self.norm(self.blocks[-1](x_BLD, key_mask_B11L, self.angles, queries))
        if self.pool is not None:
            return self.pool(x_BLD, key_mask_B11L)
        if self.timeline is None:
            return x_BLD[:, 0]
        timeline_BLF = self.timeline(x_BLD[:, 1:]).masked_fill(~mask_BL[..., None], 0)
        return torch.cat([x_BLD[:, 0], timeline_BLF.flatten(1)], dim=1)


def _normal_parameter(*shape: int) -> nn.Parameter:
    """Learned numbers, normal with deviation 0.02 at first."""
    return nn.Parameter(torch.randn(shape) * 0.02)
