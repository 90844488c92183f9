import pytest
import torch

from aura.downstream import classifier
from tests.downstream.planted import encoder, equal, weights_of


@pytest.mark.parametrize(
    ("modality", "options"),
    [
        ("imu", {}),
        ("imu", {"stem": "conv", "position": "rotary", "pool": "attention"}),
        ("imu", {"name": "imu2clip"}),
        ("mocap", {}),
        ("mocap", {"tokens": "joints"}),
    ],
)
def test_a_reinitialized_encoder_has_the_shapes_and_scale_but_weights_as_new(modality, options):
    original = encoder(modality, seed=1, **options)
    with torch.no_grad():
        for weight in original.parameters():  # trained far from its start
            weight.mul_(7).add_(3)
        if modality == "imu":
            original.scale.uniform_(1, 2)
    before = weights_of(original)
    fresh, built = classifier.reinitialized(original, 5), encoder(modality, seed=2, **options)
    assert equal(before, weights_of(original))
    assert {k: v.shape for k, v in weights_of(fresh).items()} == {
        k: v.shape for k, v in before.items()
    }
    for name, buffer in original.named_buffers():
        assert torch.equal(buffer, fresh.get_buffer(name)), name
    for name, weight in fresh.named_parameters():
        reference = built.get_parameter(name)
        if reference.std(correction=0) == 0:  # gains of 1, biases of 0
            assert torch.equal(weight, reference), name
            continue
        assert not torch.equal(weight, reference), name
        if reference.numel() >= 64:
            assert weight.std().item() == pytest.approx(reference.std().item(), rel=0.35), name
    assert equal(weights_of(classifier.reinitialized(original, 5)), weights_of(fresh))
    assert not equal(weights_of(classifier.reinitialized(original, 6)), weights_of(fresh))
