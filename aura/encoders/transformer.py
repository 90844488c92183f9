"""The trunk that both sensor encoders share: a pre-norm, residual Transformer over tokens."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aura.config import Encoder


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
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BLD: Tensor, keys_B11L: Tensor) -> Tensor:
        """Same shape as `x_BLD`; `keys_B11L` is True where a token may be attended to."""
        B, L, D = x_BLD.shape
        q, k, v = (
            self.qkv(self.norm1(x_BLD)).view(B, L, 3, self.heads, D // self.heads).unbind(dim=2)
        )
        mixed = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=keys_B11L
        )
        x_BLD = x_BLD + self.dropout(self.out(mixed.transpose(1, 2).reshape(B, L, D)))
        return x_BLD + self.dropout(self.mlp(self.norm2(x_BLD)))


class Trunk(nn.Module):
    """Tokens to one vector: class token, learned positions, pre-norm blocks, final norm, linear."""

    def __init__(self, tokens: int, features: int, out: int, size: Encoder) -> None:
        super().__init__()
        self.embed = nn.Linear(features, size.width)
        self.cls = nn.Parameter(torch.zeros(size.width))
        self.position = nn.Parameter(torch.zeros(tokens + 1, size.width))
        nn.init.normal_(self.cls, std=0.02)
        nn.init.normal_(self.position, std=0.02)
        self.dropout = nn.Dropout(size.dropout)
        self.blocks = nn.ModuleList(
            Block(size.width, size.heads, size.dropout) for _ in range(size.layers)
        )
        self.norm = nn.LayerNorm(size.width)
        self.project = nn.Linear(size.width, out)

    def forward(self, tokens_BLF: Tensor, keep_BL: Tensor) -> Tensor:
        """Unit vectors (B, out) of tokens (B, L, F); attention skips those not in `keep_BL`."""
        B, L, _ = tokens_BLF.shape
        x_BLD = self.embed(tokens_BLF) + self.position[1 : L + 1]
        first = (self.cls + self.position[0]).expand(B, 1, -1)
        x_BLD = self.dropout(torch.cat([first, x_BLD], dim=1))
        keys_B11L = F.pad(keep_BL, (1, 0), value=True)[:, None, None, :]
        for block in self.blocks:
            x_BLD = block(x_BLD, keys_B11L)
        return F.normalize(self.project(self.norm(x_BLD[:, 0])), dim=-1)
