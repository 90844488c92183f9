"""CLIP's towers cut short, against open_clip's own forward passes."""

import copy
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from aura.teacher import clip
from aura.teacher.towers import PackedMlp, eot_positions, image_features, text_features

SIDE = 48
IDENTITY = clip.Identity("tiny", "random", "", "", True)


def network(**overrides):
    torch.manual_seed(0)
    config = clip.stand_in_config(SIDE, 64, 2)
    vision = {**config["vision_cfg"], **overrides.pop("vision", {})}
    text = {**config["text_cfg"], **overrides.pop("text", {})}
    model = (
        open_clip.CLIP(config["embed_dim"], vision, text, **overrides).eval().requires_grad_(False)
    )
    for parameter in model.parameters():  # so that biases and scales are no zeros and ones
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def tokens_of(lengths, context=24):
    rng = np.random.default_rng(1)
    tokens = torch.from_numpy(rng.integers(1, 49406, (len(lengths), context)))
    for row, length in enumerate(lengths):
        tokens[row, 0], tokens[row, length - 1], tokens[row, length:] = 49406, 49407, 0
    return tokens


KINDS = {
    "plain": {},
    "quick GELU": {"quick_gelu": True},
    "scaled layers": {"vision": {"ls_init_value": 0.3}, "text": {"ls_init_value": 0.3}},
    "one block": {"vision": {"layers": 1}, "text": {"layers": 1}},
    "norm after pooling": {"vision": {"final_ln_after_pool": True}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_towers_cut_short_give_what_open_clip_gives(kind):
    model = network(**KINDS[kind])
    images = torch.randn(5, 3, SIDE, SIDE)
    tokens = tokens_of([3, 24, 9, 2, 17])
    with torch.inference_mode():
        torch.testing.assert_close(
            image_features(model, images), model.encode_image(images), atol=1e-5, rtol=1e-4
        )
        torch.testing.assert_close(
            text_features(model, tokens), model.encode_text(tokens), atol=1e-5, rtol=1e-4
        )


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(2, 24), min_size=1, max_size=6))
def test_what_is_behind_the_end_of_a_text_does_not_matter(lengths):
    model, tokens = network(), tokens_of(lengths)
    with torch.inference_mode():
        result = F.normalize(text_features(model, tokens), dim=-1)
        expected = F.normalize(model.encode_text(tokens), dim=-1)
    assert (result - expected).abs().max() <= 1e-5
    assert eot_positions(tokens).tolist() == [length - 1 for length in lengths]


@pytest.mark.parametrize("kind", KINDS)
def test_texts_in_bf16_are_near_those_of_open_clip(kind):
    model, tokens = network(**KINDS[kind]), tokens_of([3, 24, 9, 2, 17])
    with torch.inference_mode():
        expected = F.normalize(model.encode_text(tokens), dim=-1)
        result = F.normalize(text_features(model.to(torch.bfloat16), tokens).float(), dim=-1)
    assert (result * expected).sum(dim=-1).min() > 0.999


OTHERS = {
    "average of patches": {"vision": {"pool_type": "avg"}},
    "attention pooling": {"vision": {"attentional_pool": True}},
    "a ResNet": {"vision": {"layers": (1, 1, 1, 1), "image_size": 64}},
    "texts without a mask": {"text": {"no_causal_mask": True}},
    "texts read at their last token": {"text": {"pool_type": "last"}},
    "blocks of another kind": {"vision": {"qk_norm": True}, "text": {"qk_norm": True}},
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_other_towers_go_through_open_clip_as_they_are(kind, precision):
    model = network(**copy.deepcopy(OTHERS[kind]))
    side = model.visual.image_size
    images = torch.randn(3, 3, *(side if isinstance(side, tuple) else (side, side)))
    tokens = tokens_of([3, 20, 9])
    model.visual.preprocess_cfg = {}
    teacher = clip.Teacher(copy.deepcopy(model), None, replace(IDENTITY, precision=precision))
    if precision == "bf16":
        model, images = model.to(torch.bfloat16), images.to(torch.bfloat16)
    with torch.inference_mode():
        for result, expected in (
            (image_features(teacher.model, images), model.encode_image(images)),
            (text_features(teacher.model, tokens), model.encode_text(tokens)),
        ):
            error = 1 - F.cosine_similarity(result.float(), expected.float()).min()
            assert error < (1e-5 if precision == "fp32" else 5e-3)


@pytest.mark.parametrize("quick", [False, True])
def test_a_packed_mlp_does_what_it_replaces(quick):
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bf16")
    mlp = network(quick_gelu=quick).visual.transformer.resblocks[0].mlp.to(torch.bfloat16)
    for rows in (1, 7, 64):
        x = torch.randn(2, rows, 64, dtype=torch.bfloat16)
        with torch.inference_mode():
            result, expected = PackedMlp(mlp, 64)(x), mlp(x)
        torch.testing.assert_close(result, expected, atol=0.02, rtol=0.02)


def test_packing_is_for_bf16(monkeypatch):
    blocks = clip.Teacher(network(), None, IDENTITY).model.visual.transformer.resblocks
    assert all(isinstance(block.mlp, nn.Sequential) for block in blocks)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    half = replace(IDENTITY, precision="bf16")
    blocks = clip.Teacher(network(), None, half).model.visual.transformer.resblocks
    assert all(isinstance(block.mlp, nn.Sequential) for block in blocks)
