"""CLIP's towers without what does not reach their result; the same vectors up to rounding.

- A text is cut after its end, the token that is read: a causal mask hides from it what is behind.
- The last block is computed for the one token that is read; others give keys and values only.

Towers of another build than OpenAI's CLIP go through open_clip as they are.
"""

from typing import Any

import open_clip
import torch
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import nn
from torch.nn import functional as F


def image_features(model: Any, images: torch.Tensor) -> torch.Tensor:
    """What `model.encode_image` gives, (n, d), of images (n, 3, side, side).

    `encode_image` itself takes 4 to 12 % more CPU time (ViT-B-32, 32 images, fp32) and rounds
    otherwise.
    """
    tower = model.visual
    if not _is_openai_image_tower(tower):
        return model.encode_image(images)
    size, (n, _, height, width) = tower.patch_size[0], images.shape
    grid = images.reshape(n, 3, height // size, size, width // size, size)
    patches = grid.permute(0, 2, 4, 1, 3, 5).reshape(n, -1, 3 * size * size)
    tokens = F.linear(patches, tower.conv1.weight.flatten(1))
    class_token = tower.class_embedding.expand(n, 1, -1)
    x = tower.ln_pre(torch.cat([class_token, tokens], dim=1) + tower.positional_embedding)
    *blocks, last = tower.transformer.resblocks
    for block in blocks:
        x = block(x)
    pooled = _forward_one_token(last, x, x.new_zeros(n, dtype=torch.long))
    return tower.ln_post(pooled) @ tower.proj


def text_features(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """What `model.encode_text` gives, (n, d), of tokens (n, context)."""
    if not _is_openai_text_tower(model):
        return model.encode_text(tokens)
    eot = eot_positions(tokens)
    length = int(eot.max()) + 1
    x = model.token_embedding(tokens[:, :length]) + model.positional_embedding[:length]
    causal_mask = model.attn_mask[:length, :length].to(x.dtype)
    *blocks, last = model.transformer.resblocks
    for block in blocks:
        if x.dtype == torch.bfloat16:
            x = _forward_all_tokens(block, x, causal_mask)
        else:
            x = block(x, attn_mask=causal_mask)
    key_mask = torch.arange(length, device=x.device) <= eot[:, None]
    x = model.ln_final(_forward_one_token(last, x, eot, key_mask))
    projection = model.text_projection
    return projection(x) if isinstance(projection, nn.Linear) else x @ projection


@torch.inference_mode()
def embed_dim(model: Any) -> int:
    """Width of a model's space, by an image of zeros: not every tower knows it."""
    training, parameter = model.training, next(model.parameters())
    size = model.visual.preprocess_cfg["size"]
    height, width = (size, size) if isinstance(size, int) else size
    image = torch.zeros(1, 3, height, width, dtype=parameter.dtype, device=parameter.device)
    try:
        return int(model.eval().encode_image(image).shape[-1])
    finally:
        model.train(training)


def eot_positions(tokens: torch.Tensor) -> torch.Tensor:
    """Position (n,) of each text's end, the token of the highest number, from which CLIP reads."""
    return tokens.argmax(dim=-1)


def _forward_all_tokens(block: Any, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What a block makes of tokens (n, tokens, d) under a mask (tokens, tokens) to be added.

    As the block itself, whose attention transposes its input first: torch then projects text by
    text, in bf16 on a CPU with a copy of the weights for each.
    """
    n, tokens, width = x.shape
    attn = block.attn
    packed = F.linear(block.ln_1(x), attn.in_proj_weight, attn.in_proj_bias)
    split = packed.view(n, tokens, 3, attn.num_heads, width // attn.num_heads)
    query, keys, values = split.permute(2, 0, 3, 1, 4)
    attended = F.scaled_dot_product_attention(query, keys, values, mask)
    return _after_attention(block, x, attended.transpose(1, 2).reshape(n, tokens, width))


def _forward_one_token(
    block: Any, x: torch.Tensor, positions: torch.Tensor, key_mask: torch.Tensor | None = None
) -> torch.Tensor:
    """What a block makes of one token of each row.

    Parameters
    ----------
    block : ResidualAttentionBlock
        A block of a tower.
    x : (n, tokens, d) float
        Its input.
    positions : (n,) int64
        Which token of each row.
    key_mask : (n, tokens) bool, optional
        True where a token may be attended to; None is everywhere.

    Returns
    -------
    (n, d) float
        The tokens after the block.
    """
    n, tokens, width = x.shape
    attn, rows = block.attn, torch.arange(n, device=x.device)
    normed = block.ln_1(x)
    weights, biases = attn.in_proj_weight, attn.in_proj_bias
    query = F.linear(normed[rows, positions], weights[:width], biases[:width])
    packed = F.linear(normed, weights[width:], biases[width:])
    heads, head_width = attn.num_heads, width // attn.num_heads
    keys, values = packed.view(n, tokens, 2, heads, head_width).permute(2, 0, 3, 1, 4)
    mask = None if key_mask is None else key_mask[:, None, None]
    attended = F.scaled_dot_product_attention(
        query.view(n, heads, 1, head_width), keys, values, mask
    )
    return _after_attention(block, x[rows, positions], attended.reshape(n, width))


def _after_attention(block: Any, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
    """The rest of a block, for tokens (..., d) and what attention gives each of them."""
    x = x + block.ls_1(block.attn.out_proj(attended))
    return x + block.ls_2(block.mlp(block.ln_2(x)))


def _is_openai_image_tower(tower: Any) -> bool:
    return (
        type(tower) is VisionTransformer
        and tower.attn_pool is None
        and tower.pool_type == "tok"
        and tower.proj is not None
        and not tower.output_tokens
        and tower.conv1.bias is None
        and isinstance(tower.patch_dropout, nn.Identity)
        and tower.patch_size[0] == tower.patch_size[1]
        and all(side % tower.patch_size[0] == 0 for side in tower.image_size)
        and _has_standard_blocks(tower.transformer)
    )


def _is_openai_text_tower(model: Any) -> bool:
    return (
        type(model) is open_clip.CLIP
        and model.text_pool_type == "argmax"
        and model.attn_mask is not None
        and model.text_projection is not None
        and _has_standard_blocks(model.transformer)
    )


def _has_standard_blocks(transformer: Any) -> bool:
    return len(transformer.resblocks) > 0 and all(
        type(block) is ResidualAttentionBlock and block.attn.in_proj_bias is not None
        for block in transformer.resblocks
    )


class PackedMlp(nn.Module):
    """A block's two layers in bf16 on a CPU, their weights laid out once and not in each call.

    Nothing public is as fast: plain layers and `torch.utils.mkldnn` take 10 % more CPU time on one
    core and 35 % on two, and inductor's freezing 20 s of a C++ compiler in every process.

    Parameters
    ----------
    mlp : nn.Sequential
        The MLP of an open_clip block, in bf16.
    rows : int
        Tokens that a call has, about.
    """

    def __init__(self, mlp: Any, rows: int) -> None:
        super().__init__()
        layers, reorder = (mlp.c_fc, mlp.c_proj), torch.ops.mkldnn._reorder_linear_weight
        self.weights = [reorder(layer.weight.detach(), rows) for layer in layers]
        self.biases = [layer.bias.detach() for layer in layers]
        self.activation: nn.Module = mlp.gelu
        self.fused = isinstance(mlp.gelu, nn.GELU) and mlp.gelu.approximate == "none"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., d) to (..., d)."""
        linear = torch.ops.mkldnn._linear_pointwise
        activation = "gelu" if self.fused else "none"
        x = linear(x, self.weights[0], self.biases[0], activation, [], "none")
        x = x if self.fused else self.activation(x)
        return linear(x, self.weights[1], self.biases[1], "none", [], "none")


def pack_mlps(model: Any, rows: int) -> None:
    """Pack the MLPs of a model in bf16 on a CPU that has it; a call has about so many tokens."""
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return
    if _is_openai_image_tower(model.visual):
        _pack_mlps(model.visual.transformer, rows)
    if _is_openai_text_tower(model):
        _pack_mlps(model.transformer, rows)


def _pack_mlps(transformer: Any, rows: int) -> None:
    for block in transformer.resblocks:
        block.mlp = PackedMlp(block.mlp, rows)
