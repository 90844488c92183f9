import pytest
import torch

from aura.config import Encoder
from aura.encoders.imu import CHANNELS, PATCH, STRIDE, ImuEncoder
from aura.encoders.mocap import MocapEncoder
from aura.losses import MAX_SCALE, InfoNCE

SMALL = Encoder(width=32, layers=2, heads=4, dropout=0.0)


def imu_encoder(seed=0):
    torch.manual_seed(seed)
    return ImuEncoder(1000, 512, SMALL).eval()


def test_the_papers_arithmetic_gives_99_patches():
    assert imu_encoder().trunk.position.shape == (99 + 1, 32)


def test_patches_equal_cutting_by_hand():
    encoder, seen = imu_encoder(), []
    encoder.trunk.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    imu = torch.randn(2, 1000, CHANNELS)
    valid = torch.ones(2, 1000, dtype=torch.bool)
    valid[1, 200:320] = False
    encoder(imu, valid)
    tokens, keep = seen[0]
    for patch in range(99):
        cut = slice(patch * STRIDE, patch * STRIDE + PATCH)
        expected = (imu * valid[..., None])[:, cut].reshape(2, PATCH * CHANNELS)
        torch.testing.assert_close(tokens[:, patch], expected)
        torch.testing.assert_close(keep[:, patch], valid[:, cut].float().mean(dim=1) >= 0.5)


def test_outputs_are_unit_vectors_of_the_shared_space():
    out = imu_encoder()(torch.randn(3, 1000, 6), torch.ones(3, 1000, dtype=torch.bool))
    torch.testing.assert_close(out.norm(dim=1), torch.ones(3))
    assert out.shape == (3, 512)
    torch.manual_seed(0)
    pose = MocapEncoder(50, 512, SMALL).eval()
    out = pose(torch.randn(3, 50, 17, 3), torch.ones(3, 50, 17, dtype=torch.bool))
    torch.testing.assert_close(out.norm(dim=1), torch.ones(3))


def test_what_is_not_valid_does_not_matter():
    encoder = imu_encoder()
    imu, valid = torch.randn(2, 1000, 6), torch.ones(2, 1000, dtype=torch.bool)
    valid[:, 700:] = False
    other = imu.clone()
    other[:, 700:] = 1e4
    torch.testing.assert_close(encoder(imu, valid), encoder(other, valid))
    torch.manual_seed(0)
    pose = MocapEncoder(50, 512, SMALL).eval()
    joints, seen = torch.randn(2, 50, 17, 3), torch.rand(2, 50, 17) > 0.3
    changed = torch.where(seen[..., None], joints, torch.tensor(99.0))
    torch.testing.assert_close(pose(joints, seen), pose(changed, seen))


def test_a_window_without_any_valid_sample_gives_numbers():
    out = imu_encoder()(torch.zeros(1, 1000, 6), torch.zeros(1, 1000, dtype=torch.bool))
    assert torch.isfinite(out).all()


def test_z_and_the_mask_of_mocap_reach_the_encoder():
    torch.manual_seed(0)
    pose = MocapEncoder(50, 512, SMALL).eval()
    joints, seen = torch.randn(1, 50, 17, 3), torch.ones(1, 50, 17, dtype=torch.bool)
    base = pose(joints, seen)
    for axis in range(3):
        moved = joints.clone()
        moved[..., axis] += 1
        assert not torch.allclose(pose(moved, seen), base, atol=1e-4)
    at_origin = torch.zeros_like(joints)
    hidden = seen.clone()
    hidden[..., 3] = False
    assert not torch.allclose(pose(at_origin, seen), pose(at_origin, hidden), atol=1e-5)


def test_the_blocks_are_residual_and_pre_norm():
    """With the branches' last layers at zero a residual block is the identity."""
    block = imu_encoder().trunk.blocks[0]
    for layer in (block.out, block.mlp[-1]):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    x = torch.randn(2, 5, 32) * 7 + 3
    torch.testing.assert_close(block(x, torch.ones(2, 1, 1, 5, dtype=torch.bool)), x)


def test_attention_equals_the_plain_formula():
    block = imu_encoder().trunk.blocks[0]
    x, keep = torch.randn(2, 7, 32), torch.rand(2, 7) > 0.3
    keep[:, 0] = True
    q, k, v = block.qkv(block.norm1(x)).chunk(3, dim=-1)
    mixed = torch.zeros(2, 7, 32)
    for b in range(2):
        for h in range(4):
            part = slice(8 * h, 8 * h + 8)
            for i in range(7):
                logits = torch.stack([q[b, i, part] @ k[b, j, part] / 8**0.5 for j in range(7)])
                share = logits.masked_fill(~keep[b], -torch.inf).softmax(0)
                mixed[b, i, part] = sum(share[j] * v[b, j, part] for j in range(7))
    expected = x + block.out(mixed)
    expected = expected + block.mlp(block.norm2(expected))
    torch.testing.assert_close(block(x, keep[:, None, None, :]), expected, atol=1e-5, rtol=1e-4)


def test_info_nce_equals_the_formula_in_both_directions():
    torch.manual_seed(0)
    a = torch.nn.functional.normalize(torch.randn(5, 8), dim=1)
    b = torch.nn.functional.normalize(torch.randn(5, 8), dim=1)
    loss = InfoNCE(0.07)
    similarity = (a @ b.T) / 0.07
    total = 0.0
    for i in range(5):
        total -= float(similarity[i, i] - torch.logsumexp(similarity[i], 0)) / 10
        total -= float(similarity[i, i] - torch.logsumexp(similarity[:, i], 0)) / 10
    assert loss([(a, b)]).item() == pytest.approx(total, rel=1e-5)
    assert loss([(a, b), (a, a)]).item() == pytest.approx(
        (loss([(a, b)]) + loss([(a, a)])).item() / 2, rel=1e-5
    )


def test_the_temperature_is_learned_and_clamped():
    loss = InfoNCE(0.07)
    a = torch.eye(4)
    loss([(a, a)]).backward()
    assert loss.log_scale.grad is not None
    assert loss.log_scale.grad.item() < 0  # perfect pairs ask for a colder softmax
    with torch.no_grad():
        loss.log_scale.fill_(50.0)
    assert loss.scale.item() == MAX_SCALE


def test_pairs_without_negatives_are_left_out():
    loss = InfoNCE(0.07)
    one = torch.ones(1, 4)
    assert loss([(one, one)]).item() == 0
    assert loss([(one, one), (torch.eye(4), torch.eye(4))]) == loss([(torch.eye(4), torch.eye(4))])
