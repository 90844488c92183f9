"""Attention and dropout as ever, but for bfloat16 on a CPU, where torch's own are slow."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_DRAWS_PER_WORD = 64 // 16  # random numbers of 16 bits in one of 64


def split_heads(packed_BL3HD: Tensor) -> tuple[Tensor, ...]:
    """Queries, keys and values (B, H, L, D): views, or where `attend` would copy each, one copy."""
    split_3BHLD = packed_BL3HD.permute(2, 0, 3, 1, 4)
    return (split_3BHLD.contiguous() if _is_bf16_on_cpu(split_3BHLD) else split_3BHLD).unbind(0)


def attend(q_BHQD: Tensor, k_BHLD: Tensor, v_BHLD: Tensor, key_mask_B11L: Tensor) -> Tensor:
    """Attention over the keys that a mask leaves.

    In bfloat16 on a CPU by plain matrix products: the gradient of the fused kernel takes several
    times as long there as in float32.

    Parameters
    ----------
    q_BHQD : (B, H, Q, D) float
        Queries.
    k_BHLD : (B, H, L, D) float
        Keys.
    v_BHLD : (B, H, L, D) float
        Values.
    key_mask_B11L : (B, 1, 1, L) bool
        True where a key may be attended to; each window has one.

    Returns
    -------
    (B, H, Q, D) float
        Weighted means of the values.
    """
    if not _is_bf16_on_cpu(q_BHQD):
        return F.scaled_dot_product_attention(q_BHQD, k_BHLD, v_BHLD, attn_mask=key_mask_B11L)
    logits_BHQL = (q_BHQD * q_BHQD.shape[-1] ** -0.5) @ k_BHLD.transpose(-1, -2)
    if not key_mask_B11L.all():
        logits_BHQL = logits_BHQL.masked_fill(~key_mask_B11L, -torch.inf)
    return logits_BHQL.softmax(dim=-1) @ v_BHLD


class Dropout(nn.Dropout):
    """Dropout whose probability is a multiple of 1 / 65536 in a pass of bfloat16 on a CPU.

    Torch spends more time on its random numbers there than on a matrix product of the block.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Zeros by chance in training, the rest in proportion larger."""
        autocast = torch.is_autocast_enabled("cpu") and input.device.type == "cpu"
        low_precision = _is_bf16_on_cpu(input) or autocast
        if not (self.training and 0 < self.p < 1 and low_precision):
            return super().forward(input)
        count = -(-input.numel() // _DRAWS_PER_WORD)
        words = torch.empty(count, dtype=torch.int64).random_(-(2**63), None)
        draws = words.view(torch.int16)[: input.numel()].view(input.shape)
        mask = (draws >= round(self.p * 2**16) - 2**15).to(input.dtype)
        return input * mask.mul_(1 / (1 - self.p))


def _is_bf16_on_cpu(x: Tensor) -> bool:
    """Whether torch's own kernels are slow for it."""
    return x.dtype == torch.bfloat16 and x.device.type == "cpu"
