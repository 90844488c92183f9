"""What the processor computes fast."""

from functools import cache

import torch


@cache
def has_bf16() -> bool:
    """Whether it multiplies in bfloat16: AVX-512 BF16 or AMX; others would be slower than fp32."""
    ask = getattr(torch.cpu, "get_capabilities", dict)  # torch before 2.10 does not tell
    features: dict[str, object] = ask()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))
