"""The trunk of the Transformer encoders against plain formulas."""

import pytest
import torch
from torch import nn

from aura.encoders.bf16 import Dropout, attend
from aura.encoders.transformer import (
    AttentionPool,
    Block,
    Trunk,
    TrunkOptions,
    apply_rotary,
    rotary_angles,
)

TINY = {"width": 32, "layers": 2, "heads": 4}


def test_the_blocks_are_residual_and_pre_norm():
    """With the branches' last layers at zero a residual block is the identity."""
    block = Block(32, 4, 0.0)
    for layer in (block.out, block.mlp[-1]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    x = torch.randn(2, 5, 32) * 7 + 3
    torch.testing.assert_close(block(x, torch.ones(2, 1, 1, 5, dtype=torch.bool)), x)


def test_attention_equals_the_plain_formula():
    torch.manual_seed(0)
    block = Block(32, 4, 0.0)
    x, mask = torch.randn(2, 7, 32), torch.rand(2, 7) > 0.3
    mask[:, 0] = True
    q, k, v = block.qkv(block.norm1(x)).chunk(3, dim=-1)
    attended = torch.zeros(2, 7, 32)
    for b in range(2):
        for h in range(4):
            part = slice(8 * h, 8 * h + 8)
            for i in range(7):
                logits = torch.stack([q[b, i, part] @ k[b, j, part] / 8**0.5 for j in range(7)])
                weights = logits.masked_fill(~mask[b], -torch.inf).softmax(0)
                attended[b, i, part] = sum(weights[j] * v[b, j, part] for j in range(7))
    expected = x + block.out(attended)
    expected = expected + block.mlp(block.norm2(expected))
    keys = mask[:, None, None]
    torch.testing.assert_close(block(x, keys), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(block(x, keys, queries=2), expected[:, :2], atol=1e-5, rtol=1e-4)


def test_attention_pooling_equals_the_plain_formula():
    torch.manual_seed(0)
    pool = AttentionPool(8, 2)
    nn.init.normal_(pool.query)
    x, mask = torch.randn(3, 5, 8), torch.rand(3, 5) > 0.4
    mask[:, 1] = True
    expected = torch.zeros(3, 8)
    for b in range(3):
        for h in range(2):
            part = slice(4 * h, 4 * h + 4)
            logits = x[b, :, part] @ pool.query[h, 0] / 4**0.5
            weights = logits.masked_fill(~mask[b], -torch.inf).softmax(0)
            expected[b, part] = weights @ x[b, :, part]
    torch.testing.assert_close(pool(x, mask[:, None, None]), expected)


@pytest.mark.parametrize("position", ["learned", "rotary"])
@pytest.mark.parametrize("pool", ["cls", "attention"])
def test_a_trunk_sees_positions_but_not_what_is_masked_nor_the_order_in_memory(position, pool):
    torch.manual_seed(0)
    options = TrunkOptions(**TINY, position=position, pool=pool)
    positions = torch.tensor([0, 0, 1, 2, 2, 3])
    trunk = Trunk(positions, options.resolve("S"), options, 0.0)
    x, mask = torch.randn(2, 6, 32), torch.tensor([True, True, True, False, False, True])
    mask = mask.expand(2, 6)
    base = trunk(x, mask)
    hidden = x.clone()
    hidden[:, 3:5] = 50.0
    torch.testing.assert_close(trunk(hidden, mask), base)
    torch.testing.assert_close(trunk(x[:, [1, 0, 2, 3, 4, 5]], mask), base)  # both at position 0
    assert not torch.allclose(trunk(x[:, [0, 2, 1, 3, 4, 5]], mask), base, atol=1e-4)


def test_rotary_logits_depend_on_distance_alone():
    torch.manual_seed(0)
    q, k, positions = torch.randn(1, 2, 9, 16), torch.randn(1, 2, 9, 16), torch.arange(9)

    def logits(shift):
        angles = rotary_angles(positions + shift, 16)
        return apply_rotary(q, angles) @ apply_rotary(k, angles).transpose(-1, -2)

    torch.testing.assert_close(logits(1), logits(0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(logits(300), logits(0), atol=1e-3, rtol=1e-3)
    assert not torch.allclose(logits(0), q @ k.transpose(-1, -2), atol=0.1)


def test_a_rotation_is_a_product_with_complex_numbers():
    torch.manual_seed(0)
    x, positions = torch.randn(1, 1, 4, 6), torch.tensor([0, 3, 1, 70])
    rotated = apply_rotary(x, rotary_angles(positions, 6))
    for i, position in enumerate(positions.tolist()):
        for plane in range(3):
            number = complex(x[0, 0, i, plane], x[0, 0, i, plane + 3])
            angle = torch.tensor(position * 10_000 ** (-2 * plane / 6))
            number *= complex(angle.cos(), angle.sin())
            result = complex(rotated[0, 0, i, plane], rotated[0, 0, i, plane + 3])
            assert result == pytest.approx(number, abs=1e-4)


def test_the_last_block_is_spared_what_nobody_reads():
    torch.manual_seed(0)
    options = TrunkOptions(**TINY)
    trunk = Trunk(torch.arange(5), options.resolve("S"), options, 0.0)
    x, mask = torch.randn(2, 5, 32), torch.rand(2, 5) > 0.3
    tokens = torch.cat([trunk.cls.expand(2, 1, -1), x + trunk.position], dim=1)
    keys = nn.functional.pad(mask, (1, 0), value=True)[:, None, None]
    for block in trunk.blocks:
        tokens = block(tokens, keys)
    torch.testing.assert_close(trunk(x, mask), trunk.norm(tokens)[:, 0])


@pytest.mark.parametrize("pool", ["cls", "attention"])
def test_without_any_token_the_class_token_stands_alone_or_all_are_attended_to(pool):
    torch.manual_seed(0)
    options = TrunkOptions(**TINY, pool=pool)
    trunk = Trunk(torch.arange(5), options.resolve("S"), options, 0.0)
    x, none = torch.randn(2, 5, 32), torch.zeros(2, 5, dtype=torch.bool)
    if pool == "attention":
        torch.testing.assert_close(trunk(x, none), trunk(x, ~none))
    else:
        torch.testing.assert_close(trunk(x, none)[0], trunk(x, none)[1])


def test_a_timeline_holds_each_token_in_its_place_and_nothing_of_a_masked_one():
    torch.manual_seed(0)
    options = TrunkOptions(**TINY, pool="timeline")
    size = options.resolve("S")
    trunk = Trunk(torch.arange(5), size, options, 0.0).eval()
    x, mask = torch.randn(2, 5, 32), torch.ones(2, 5, dtype=torch.bool)
    mask[1, 3] = False
    normed = []
    trunk.norm.register_forward_hook(lambda module, inputs, out: normed.append(out))
    features = trunk(x, mask)
    assert features.shape == (2, options.feature_width(size, 5)) == (2, 32 + 5 * 16)
    torch.testing.assert_close(features[:, :32], normed[0][:, 0])
    for row, position in ((0, 0), (0, 3), (1, 4)):
        expected = trunk.timeline(normed[0][row, 1 + position])
        torch.testing.assert_close(features[row, 32:].view(5, 16)[position], expected)
    assert (features[1, 32:].view(5, 16)[3] == 0).all()


@pytest.mark.parametrize("masked", [False, True])
def test_attention_in_bfloat16_and_its_gradient_equal_those_in_double(masked):
    torch.manual_seed(0)
    exact = [torch.randn(3, 2, n, 8, dtype=torch.float64) for n in (4, 9, 9)]
    exact = [x.bfloat16().double().requires_grad_() for x in exact]
    low = [x.detach().bfloat16().requires_grad_() for x in exact]
    keys = torch.ones(3, 1, 1, 9, dtype=torch.bool)
    if masked:
        keys[0, :, :, 3:] = keys[1, :, :, 0] = False
    weight = torch.randn(3, 2, 4, 8).bfloat16()
    results = [attend(*inputs, keys) for inputs in (exact, low)]
    torch.testing.assert_close(results[1].double(), results[0], atol=0.03, rtol=0.03)
    for out in results:
        (out * weight.to(out.dtype)).sum().backward()
    for a, b in zip(exact, low, strict=True):
        torch.testing.assert_close(b.grad.double(), a.grad, atol=0.06, rtol=0.03)
    if masked:
        assert not low[2].grad[0, :, 3:].any()


def test_dropout_in_bfloat16_zeroes_its_share_and_keeps_the_mean():
    torch.manual_seed(0)
    dropout, x = Dropout(0.3), torch.ones(333, 1001, dtype=torch.bfloat16, requires_grad=True)
    out = dropout(x)
    kept = out != 0
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.004)
    assert out[kept].unique().tolist() == pytest.approx([1 / 0.7], rel=2**-8)
    for other in (dropout(x), out.roll(1, 0), out.roll(1, 1)):  # nothing repeats
        both = (kept & (other != 0)).float().mean().item()
        assert both == pytest.approx(0.49, abs=0.006)
    out.sum().backward()
    assert torch.equal(x.grad, out)
    torch.manual_seed(0)
    assert torch.equal(dropout(x), out)
    with torch.autocast("cpu", torch.bfloat16):  # what is still in float32 there is done alike
        torch.manual_seed(0)
        assert torch.equal(dropout(x.float()) != 0, kept)
    assert torch.equal(dropout.eval()(x), x)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_dropout_is_torchs_own_elsewhere(probability):
    for x in (torch.randn(5, 7), torch.randn(5, 7).double()):
        torch.manual_seed(0)
        expected = nn.functional.dropout(x, probability)
        torch.manual_seed(0)
        assert torch.equal(Dropout(probability)(x), expected)
    x = torch.ones(5, 7).bfloat16()
    assert torch.equal(Dropout(1.0)(x), x * 0)
    assert torch.equal(Dropout(0.0)(x), x)
