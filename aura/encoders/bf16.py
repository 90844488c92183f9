"""Attention and dropout as ever, but for bfloat16 on a CPU, where torch's own are slow."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_WORD = 64 // 16  # random numbers of 16 bits in one of 64


def split_heads(packed_BL3HD: Tensor) -> tuple[Tensor, ...]:
    """Queries, keys and values (B, H, L, D): views, or where `attend` would copy each, one copy."""
    split_3BHLD = packed_BL3HD.permute(2, 0, 3, 1, 4)
    return (split_3BHLD.contiguous() if _slow(split_3BHLD) else split_3BHLD).unbind(0)


def attend(q_BHQD: Tensor, k_BHLD: Tensor, v_BHLD: Tensor, keys_B11L: Tensor) -> Tensor:
    """Attention (B, H, Q, D) over the keys that are True, of which each window has one.

    In bfloat16 on a CPU by plain matrix products: the gradient of the fused kernel takes several
    times as long there as in float32.
    """
    if not _slow(q_BHQD):
        return F.scaled_dot_product_attention(q_BHQD, k_BHLD, v_BHLD, attn_mask=keys_B11L)
    logits_BHQL = (q_BHQD * q_BHQD.shape[-1] ** -0.5) @ k_BHLD.transpose(-1, -2)
    if not keys_B11L.all():
        logits_BHQL = logits_BHQL.masked_fill(~keys_B11L, -torch.inf)
    return logits_BHQL.softmax(dim=-1) @ v_BHLD


class Dropout(nn.Dropout):
    """Dropout whose chance is a multiple of 1 / 65536 in a pass of bfloat16 on a CPU.

    Torch spends more time on its random numbers there than on a matrix product of the block.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Zeros by chance in training, the rest in proportion larger."""
        low = _slow(input) or (torch.is_autocast_enabled("cpu") and input.device.type == "cpu")
        if not (self.training and 0 < self.p < 1 and low):
            return super().forward(input)
        words = torch.empty(-(-input.numel() // _WORD), dtype=torch.int64).random_(-(2**63), None)
        drawn = words.view(torch.int16)[: input.numel()].view(input.shape)
        kept = (drawn >= round(self.p * 2**16) - 2**15).to(input.dtype)
        return input * kept.mul_(1 / (1 - self.p))


def _slow(x: Tensor) -> bool:
    return x.dtype == torch.bfloat16 and x.device.type == "cpu"
