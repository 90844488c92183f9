"""The protocol, errors and costs of every encoder in the folder."""

import importlib

import pytest
import torch
from torch import nn

from aura.config import Encoder
from aura.encoders import SIZES, SensorEncoder, Shape, build, cost
from aura.errors import AuraError
from tests.conftest import ROOT

SHAPE = Shape(samples=1000, frames=50, dim=24)
TINY = {"width": 32, "layers": 2, "heads": 4}
VARIANTS = {
    "imu-transformer": [
        TINY,
        TINY | {"stem": "conv", "patch": 41, "stride": 40},
        TINY | {"position": "rotary", "pool": "attention"},
    ],
    "imu2clip": [{}, {"recurs": "channels"}],
    "mocap-transformer": [
        TINY,
        TINY | {"velocity": False, "pool": "attention"},
        TINY | {"frames_per_token": 7, "pool": "timeline"},
        TINY | {"tokens": "joints", "position": "rotary", "frames_per_token": 7},
    ],
}


def encoder_files():
    """Name and class of every encoder in the folder."""
    for path in sorted((ROOT / "aura" / "encoders").glob("*.py")):
        module = importlib.import_module(f"aura.encoders.{path.stem}")
        encoder_class = getattr(module, "Encoder", None)
        if isinstance(encoder_class, type) and issubclass(encoder_class, SensorEncoder):
            yield path.stem.replace("_", "-"), encoder_class


FILES = dict(encoder_files())
CASES = [(name, options) for name in FILES for options in VARIANTS.get(name, [{}])]


def make(name, options, seed=0, shape=SHAPE, size="S"):
    torch.manual_seed(seed)
    settings = Encoder(name=name, size=size, options=options)
    return build(FILES[name].modality, settings, shape).eval()


def inputs(encoder, batch=2):
    torch.manual_seed(1)
    if encoder.modality == "imu":
        valid = torch.ones(batch, SHAPE.samples, dtype=torch.bool)
        return torch.randn(batch, SHAPE.samples, 6), valid
    return torch.randn(batch, SHAPE.frames, 17, 3), torch.rand(batch, SHAPE.frames, 17) > 0.2


@pytest.fixture(params=CASES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CASES)])
def encoder(request):
    return make(*request.param)


def test_the_folder_holds_the_encoders_that_the_parameters_name():
    assert {"imu-transformer", "imu2clip", "mocap-transformer"} <= set(FILES)


def test_every_encoder_gives_features_and_unit_vectors(encoder):
    signal, valid = inputs(encoder, batch=3)
    features = encoder.features(signal, valid)
    assert features.shape == (3, encoder.width)
    assert isinstance(encoder.project, nn.Linear)
    projected = encoder.project.in_features
    assert encoder.project.weight.shape == (SHAPE.dim, projected)
    assert projected <= encoder.width
    out = encoder(signal, valid)
    expected = nn.functional.normalize(encoder.project(features[:, :projected]), dim=1)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(out.norm(dim=1), torch.ones(3))
    alone = torch.cat([encoder(signal[i : i + 1], valid[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(out, alone, atol=1e-5, rtol=1e-4)  # windows do not mix
    assert not torch.allclose(out[0], out[1], atol=1e-4)


def test_what_is_not_valid_does_not_matter(encoder):
    signal, valid = inputs(encoder)
    valid[:, valid.shape[1] * 7 // 10 :] = False
    hidden = ~valid.view(*valid.shape, *[1] * (signal.ndim - valid.ndim))
    base = encoder(signal, valid)
    torch.testing.assert_close(encoder(signal.masked_fill(hidden, torch.nan), valid), base)
    shuffled = signal[:, torch.randperm(signal.shape[1])]
    torch.testing.assert_close(encoder(torch.where(hidden, shuffled, signal), valid), base)
    assert not torch.allclose(encoder(torch.where(hidden, signal, shuffled), valid), base)


def test_a_window_without_anything_valid_gives_numbers_and_gradients(encoder):
    signal, valid = inputs(encoder)
    valid[0] = False
    out = encoder(signal, valid)
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


def test_every_parameter_is_used(encoder):
    signal, valid = inputs(encoder)
    channels = torch.ones(2, 6, dtype=torch.bool)
    channels[0, :3] = False
    encoder(signal, valid, channels)[:, 0].sum().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(("name", "options"), CASES)
def test_weights_alone_restore_an_encoder(name, options):
    encoder, other = make(name, options), make(name, options, seed=5)
    signal, valid = inputs(encoder)
    assert not torch.equal(other(signal, valid), encoder(signal, valid))
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(other(signal, valid), encoder(signal, valid))


@pytest.mark.parametrize("name", FILES)
def test_names_modalities_and_options_are_checked_in_one_sentence(name):
    other = {"imu": "mocap", "mocap": "imu"}[FILES[name].modality]
    with pytest.raises(AuraError, match=rf"^The encoder {name} is for \w+, not for {other}\.$"):
        build(other, Encoder(name=name), SHAPE)
    with pytest.raises(AuraError, match=rf"^Options of the encoder {name}: colour: .+\.$"):
        make(name, {"colour": 3})


@pytest.mark.parametrize("name", ["nothing", "transformer", "base", "../imu2clip", "", "__init__"])
def test_an_unknown_name_is_one_sentence(name):
    with pytest.raises(AuraError, match=f"^There is no encoder '{name}'; known: .*imu2clip"):
        build("imu", Encoder(name=name), SHAPE)


@pytest.mark.parametrize(
    ("name", "options", "shape", "message"),
    [
        ("imu-transformer", {"width": 30, "heads": 4}, SHAPE, "width of 30 does not divide into 4"),
        ("imu-transformer", {"width": 36, "position": "rotary"}, SHAPE, "4 heads of even width"),
        ("imu-transformer", {"patch": 8}, SHAPE, "Patches of 8 samples that are 10 apart leave"),
        ("imu-transformer", {}, Shape(19, 50, 24), "window of 19 IMU samples holds no patch of 20"),
        ("imu2clip", {}, Shape(140, 50, 24), "window of 140 IMU samples is too short"),
        ("mocap-transformer", {"tokens": "bones"}, SHAPE, "tokens: Input should be 'frames'"),
    ],
)
def test_sizes_that_do_not_fit_are_one_sentence(name, options, shape, message):
    with pytest.raises(AuraError, match=message):
        make(name, options, shape=shape)


def test_the_shortest_windows_that_fit_are_encoded():
    for name, samples in (("imu-transformer", 20), ("imu2clip", 141)):
        encoder = make(name, {}, shape=Shape(samples, 50, 24))
        out = encoder(torch.randn(1, samples, 6), torch.ones(1, samples, dtype=torch.bool))
        assert torch.isfinite(out).all()


# Costs


def trunk_parameters(width, layers):
    """Two norms, qkv, output, MLP of 4 widths for each block; the final norm."""
    attention = 3 * (width * width + width) + width * width + width
    mlp = 4 * width * width + 4 * width + 4 * width * width + width
    return layers * (4 * width + attention + mlp) + 2 * width


@pytest.mark.parametrize("size", SIZES)
def test_parameters_equal_the_hand_formula(size):
    width, layers, heads = SIZES[size]
    dim, trunk = SHAPE.dim, trunk_parameters(width, layers)
    project = width * dim + dim
    stem, missing, table, cls = 120 * width + width, 6 * width, 99 * width, width
    count = sum(p.numel() for p in make("imu-transformer", {}, size=size).parameters())
    assert count == trunk + project + stem + missing + table + cls
    joints = 17 * width + 70 * width + width  # embedding and map; rotary has no table
    options = {"tokens": "joints", "position": "rotary", "pool": "attention", "heads": heads}
    count = sum(p.numel() for p in make("mocap-transformer", options, size=size).parameters())
    assert count == trunk + project + joints + width
    c, state = width // 8, 2 * width
    convolutions = 6 * c * 10 + 2 * c * c * 5 + 2 * 6 + 2 * c
    gru = 3 * state * (c + state) + 6 * state
    count = sum(p.numel() for p in make("imu2clip", {}, size=size).parameters())
    assert count == convolutions + gru + state * dim + dim


def test_size_b_of_imu2clip_is_the_published_model():
    """32 channels, state of 512, and at 5 s as many steps left as channels."""
    encoder = make("imu2clip", {}, size="B")
    assert (encoder.gru.input_size, encoder.gru.hidden_size) == (32, 512)
    assert sum(p.numel() for n, p in encoder.named_parameters() if "project" not in n) == 850_892
    assert make("imu2clip", {"recurs": "channels"}, size="B").gru.input_size == 32


@pytest.mark.parametrize("pool", ["cls", "attention"])
def test_operations_of_the_transformer_equal_a_hand_count(pool):
    shape = Shape(60, 50, 24)  # 5 patches
    encoder = make("imu-transformer", TINY | {"pool": pool}, shape=shape)
    D, tokens = 32, 5 + (pool == "cls")
    stem, missing = 2 * 5 * 120 * D, 2 * 6 * D

    def block(queries):
        qkv, mixing = 2 * tokens * D * 3 * D, 2 * 2 * queries * tokens * D
        return qkv + mixing + 2 * queries * D * D + 2 * 2 * queries * D * 4 * D

    if pool == "cls":
        trunk = block(tokens) + block(1)
    else:
        trunk = 2 * block(tokens) + 2 * 2 * tokens * D
    expected = stem + missing + trunk + 2 * D * 24
    assert cost(encoder)[1] == cost(encoder, batch=3)[1] == expected
    assert cost(encoder)[0] == sum(p.numel() for p in encoder.parameters())


@pytest.mark.parametrize("recurs", ["time", "channels"])
def test_operations_of_imu2clip_equal_a_hand_count(recurs):
    encoder = make("imu2clip", {"recurs": recurs})
    encoder.train()
    operations = 2 * (982 * 16 * 60 + 319 * 16 * 80 + 98 * 16 * 80)
    steps, width = (32, 16) if recurs == "time" else (16, 32)
    operations += 2 * steps * 3 * 256 * (width + 256) + 2 * 256 * 24
    assert cost(encoder)[1] == operations
    assert encoder.training  # left as it was
