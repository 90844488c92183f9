"""What a teacher is computed with, by tag, by file and by folder; no weights are real."""

import json
import warnings
from dataclasses import asdict, replace

import numpy as np
import open_clip
import pytest
import torch
from open_clip import factory
from open_clip.model import QuickGELU
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from aura.errors import AuraError
from aura.teacher import clip, clues
from aura.teacher.identity import same_teacher
from aura.teacher.pixels import preprocess
from aura.teacher.pretrained import activation_of
from aura.teacher.source import find_source
from pipeline import teach
from tests.conftest import tiny_params

NAME = "ViT-S-32-alt"
OPENAI = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}


@pytest.fixture
def no_weights(monkeypatch):
    """Tags without a download: the network stays random."""
    monkeypatch.setattr(factory, "download_pretrained", lambda cfg, **k: "weights")
    monkeypatch.setattr(factory, "load_checkpoint", lambda *a, **k: {})


def small_config(quick_gelu=None, **preprocessing):
    config = clip.stand_in_config(48, 64, 1)
    if quick_gelu is not None:
        config["quick_gelu"] = quick_gelu
    content = {**asdict(PreprocessCfg(size=48)), **preprocessing}
    return {"model_cfg": config, "preprocess_cfg": content}


def write_folder(folder, seed=0, **config):
    """An open_clip folder with a small random model; its state."""
    folder.mkdir()
    (folder / clues.CONFIG).write_text(json.dumps(small_config(**config)))
    state = random_state(f"local-dir:{folder}", seed)
    save_file(state, folder / "open_clip_model.safetensors")
    return state


def random_state(name, seed=0):
    torch.manual_seed(seed)
    network = open_clip.create_model(name, load_weights=False)
    return {k: v.contiguous() for k, v in network.state_dict().items()}


def gelu_of(model, file):
    return activation_of(clip.load_pretrained(model, str(file))[0])


@pytest.mark.parametrize(
    ("model", "tag", "expected"),
    [
        ("ViT-B-32", "openai", "quick_gelu"),
        ("ViT-B/32", "openai", "quick_gelu"),
        ("ViT-B-32-quickgelu", "openai", "quick_gelu"),
        ("ViT-B-16", "metaclip_400m", "quick_gelu"),
        ("RN50", "cc12m", "quick_gelu"),
        ("ViT-B-32", "laion2b_s34b_b79k", "gelu"),
        ("ViT-B-32", "laion2b-s34b-b79k", "gelu"),
        ("ViT-B-16", "dfn2b", "quick_gelu"),
    ],
)
def test_a_tag_is_computed_with_its_activation(no_weights, model, tag, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        network, _ = clip.load_pretrained(model, tag)
    assert activation_of(network) == expected
    assert clip.identify(network, model, tag, False).activation == expected
    mlp = network.transformer.resblocks[0].mlp.gelu
    assert type(mlp) is (QuickGELU if expected == "quick_gelu" else nn.GELU)


def test_every_tag_has_the_activation_that_open_clip_says():
    """Of a tag that says none the model's own holds: roberta-ViT-B-32 is the one that differs."""
    silent = set()
    for model, tag in open_clip.list_pretrained():
        said = open_clip.get_pretrained_cfg(model, tag).get("quick_gelu")
        mine = find_source(model, tag).quick_gelu
        if bool(said) != mine:
            silent.add((model, tag))
            assert said is None
    assert silent == {("roberta-ViT-B-32", "laion2b_s12b_b32k")}


@pytest.mark.parametrize("kind", ["archive", "state", "checkpoint", "safetensors"])
def test_openais_own_weights_are_known_by_what_is_in_them(tmp_path, kind):
    state = random_state(NAME)
    numbers = {key: torch.tensor(value) for key, value in OPENAI.items()}
    file = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pt")
    if kind == "archive":
        torch.jit.save(archive(state, numbers), file)
    elif kind == "safetensors":
        save_file({**state, **numbers}, file)
    else:
        whole = {**state, **numbers}
        torch.save({"state_dict": whole} if kind == "checkpoint" else whole, file)
    network, _ = clip.load_pretrained(NAME, str(file))
    assert activation_of(network) == "quick_gelu"
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert "OpenAI's own archive" in find_source(NAME, str(file)).description


class Part(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def archive(state, numbers):
    """A TorchScript archive of that state, as OpenAI's."""
    root = Part()
    for key, value in {**state, **numbers}.items():
        *path, name = key.split(".")
        part = root
        for step in path:
            if step not in dict(part.named_children()):
                part.add_module(step, Part())
            part = part.get_submodule(step)
        part.register_buffer(name, value)
    return torch.jit.script(root)


def test_a_config_beside_a_file_says_its_activation_and_pixels(tmp_path):
    save_file(random_state(NAME), tmp_path / "w.safetensors")
    assert gelu_of(NAME, tmp_path / "w.safetensors") == "gelu"
    pixels = {"mean": [0.5] * 3, "std": [0.25] * 3, "resize_mode": "squash"}
    model = {**open_clip.get_model_config(NAME), "quick_gelu": True}
    config = {"model_cfg": model, "preprocess_cfg": {**pixels, "interpolation": "bilinear"}}
    (tmp_path / clues.CONFIG).write_text(json.dumps(config))
    network, _ = clip.load_pretrained(NAME, str(tmp_path / "w.safetensors"))
    assert activation_of(network) == "quick_gelu"
    settings = network.visual.preprocess_cfg
    assert {k: settings[k] for k in pixels} == pixels
    assert settings["interpolation"] == "bilinear"
    words = clip.identify(network, NAME, "w", False).preprocess
    assert "resize_mode=squash" in words
    for wrong in ("{", '{"model_cfg": 1}', "[]", json.dumps({"model_cfg": {"embed_dim": 1}})):
        (tmp_path / clues.CONFIG).write_text(wrong)
        with pytest.raises(AuraError, match="is not a config of open_clip"):
            find_source(NAME, str(tmp_path / "w.safetensors"))
    (tmp_path / clues.CONFIG).write_text(json.dumps(small_config()))
    with pytest.raises(AuraError, match=r"its image_size is 48, not 224|its embed_dim is 512"):
        find_source(NAME, str(tmp_path / "w.safetensors"))


def test_the_header_of_safetensors_may_say_the_activation(tmp_path):
    state = random_state(NAME)
    for said, expected in (("true", "quick_gelu"), ("false", "gelu")):
        save_file(state, tmp_path / "w.safetensors", {"quick_gelu": said})
        assert gelu_of(NAME, tmp_path / "w.safetensors") == expected
    save_file(state, tmp_path / "w.safetensors", {"config": json.dumps(small_config(True))})
    assert find_source(NAME, str(tmp_path / "w.safetensors")).quick_gelu


def test_files_that_open_clip_lists_are_known_by_hash_and_by_name(tmp_path, monkeypatch):
    file = tmp_path / "b32_400m.pt"
    file.write_bytes(b"x")
    source = find_source("ViT-B-32", str(file))
    assert source.quick_gelu
    assert "tag metaclip_400m" in source.description
    renamed = file.rename(tmp_path / "mine.pt")
    assert not find_source("ViT-B-32", str(renamed)).quick_gelu
    digest = clues.hashlib.sha256(b"x").hexdigest()
    content = {**open_clip.get_pretrained_cfg("RN50", "openai")}
    content["url"] = f"https://openaipublic.azureedge.net/clip/models/{digest}/RN50.pt"
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED["RN50"], "openai", content)
    assert find_source("RN50", str(renamed)).quick_gelu
    cached = tmp_path / "models--timm--vit_base_patch32_clip_224.openai/snapshots/0/w.safetensors"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"y")
    assert find_source("ViT-B-32", str(cached)).quick_gelu


def test_a_file_that_does_not_say_gets_its_models_activation_and_that_is_said(tmp_path):
    (tmp_path / "w.bin").write_bytes(b"y")
    source = find_source("ViT-B-32", str(tmp_path / "w.bin"))
    assert not source.quick_gelu
    assert "does not say (name ViT-B-32-quickgelu if" in source.description
    assert find_source("ViT-B-32-quickgelu", str(tmp_path / "w.bin")).quick_gelu


@pytest.mark.parametrize(
    "model",
    ["MobileCLIP2-S0", "PE-Core-T-16-384", "ViT-B-16-SigLIP", "ViT-L-14", "ViT-H-14-CLIPA"],
)
def test_a_file_of_a_model_that_is_not_as_openais_needs_its_config(tmp_path, model):
    (tmp_path / "w.safetensors").write_bytes(b"x")
    with pytest.raises(AuraError, match=r"put the open_clip_config\.json of the weights beside"):
        find_source(model, str(tmp_path / "w.safetensors"))


def test_by_file_with_its_config_and_by_tag_pixels_are_the_same(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"x")
    for model, tag in (("MobileCLIP2-S0", "dfndr2b"), ("PE-Core-T-16-384", "meta")):
        by_tag = find_source(model, tag)
        content = {"model_cfg": open_clip.get_model_config(model)}
        content["preprocess_cfg"] = by_tag.preprocess
        (tmp_path / clues.CONFIG).write_text(json.dumps(content))
        by_file = find_source(model, str(tmp_path / "w.safetensors"))
        assert json.dumps(by_file.preprocess) == json.dumps(by_tag.preprocess)


TEN = {
    "OpenAI": {},
    "SigLIP": {"mean": (0.5,) * 3, "std": (0.5,) * 3, "resize_mode": "squash"},
    "PE-Core": {"interpolation": "bilinear", "resize_mode": "squash", "size": (64, 64)},
    "MobileCLIP": {"mean": (0.0,) * 3, "std": (1.0,) * 3, "interpolation": "bilinear"},
    "CLIPA": {"mean": (0.485, 0.456, 0.406), "interpolation": "bilinear", "resize_mode": "squash"},
    "longest": {"resize_mode": "longest"},
    "longest, filled": {"resize_mode": "longest", "fill_color": 127, "interpolation": "bilinear"},
    "wide": {"size": (48, 80), "interpolation": "bilinear"},
    "tall, longest": {"size": (80, 48), "resize_mode": "longest"},
    "random and one number": {"interpolation": "random", "mean": 0.5, "std": 0.25},
    "wide, squash": {"size": [40, 88], "resize_mode": "squash"},
}


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("shape", [(90, 160), (121, 67), (30, 40)])
@pytest.mark.parametrize("name", TEN)
def test_pixels_are_those_of_open_clips_transform(name, shape, exact):
    settings = PreprocessCfg(**{"size": 48, **TEN[name]})
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    checks = (x // 16 + y // 16) % 2 * 255
    frame = np.stack([x * 255 // shape[1], y * 255 // shape[0], checks], -1).astype(np.uint8)
    expected = image_transform_v2(settings, is_train=False)(Image.fromarray(frame))
    visual = type("Visual", (), {"preprocess_cfg": asdict(settings)})
    result = preprocess(frame[None], visual, exact=exact)[0]
    assert result.shape == expected.shape
    std = torch.tensor(settings.std).reshape(-1, 1, 1)
    assert ((result - expected) * std).abs().mean() < (0.5 if exact else 1) / 255


@pytest.mark.parametrize(
    ("key", "value"),
    [("resize_mode", "letterbox"), ("interpolation", "nearest"), ("mode", "L"), ("std", [1, 1])],
)
def test_a_preprocessing_that_open_clip_does_not_have_is_refused(tmp_path, key, value):
    write_folder(tmp_path / "a")
    (tmp_path / "a" / clues.CONFIG).write_text(json.dumps(small_config(**{key: value})))
    with pytest.raises(AuraError, match="The model's preprocess_cfg"):
        clip.load_pretrained(f"local-dir:{tmp_path / 'a'}", None)


def test_a_folder_and_a_weights_file_are_the_folders_model_with_the_files_weights(tmp_path):
    own = write_folder(tmp_path / "base", 0, quick_gelu=True, resize_mode="squash")
    tuned = random_state(f"local-dir:{tmp_path / 'base'}", 1)
    save_file(tuned, tmp_path / "tuned.safetensors")
    name = f"local-dir:{tmp_path / 'base'}"
    for pretrained, state in ((None, own), (str(tmp_path / "tuned.safetensors"), tuned)):
        network, _ = clip.load_pretrained(name, pretrained)
        assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())
        assert activation_of(network) == "quick_gelu"
        assert network.visual.preprocess_cfg["resize_mode"] == "squash"


def test_a_folder_that_cannot_be_a_teacher_is_one_sentence(tmp_path):
    write_folder(tmp_path / "base")
    name = f"local-dir:{tmp_path / 'base'}"
    other = tmp_path / "other"
    write_folder(other, quick_gelu=True)
    for model, pretrained, words in (
        (name, "openai", "'openai' is no file"),
        (name, str(other / "open_clip_model.safetensors"), "differ in activation"),
        ("local-dir:", None, "names nothing"),
        ("local-dir:/nowhere", None, "is not there"),
        (f"local-dir:{tmp_path}", None, r"There is no open_clip_config\.json"),
        ("hub:x/y", "openai", "open_clip has no model 'hub:x-y'"),
        (NAME, str(tmp_path / "base"), "a folder is teacher.model=local-dir:"),
    ):
        with pytest.raises(AuraError, match=words):
            clip.load_pretrained(model, pretrained)
    (tmp_path / "base/open_clip_model.safetensors").unlink()
    with pytest.raises(AuraError, match="There are no weights in"):
        clip.load_pretrained(name, None)
    (tmp_path / "base/open_clip_model.safetensors").write_bytes(b"x")
    with pytest.raises(AuraError, match="does not hold weights"):
        clip.load_pretrained(name, None)


def test_a_model_of_the_hub_takes_a_weights_file_too(tmp_path, monkeypatch):
    own = write_folder(tmp_path / "hub", 0, quick_gelu=True)
    tuned = random_state(f"local-dir:{tmp_path / 'hub'}", 1)
    save_file(tuned, tmp_path / "tuned.safetensors")

    def download(model_id, filename="open_clip_model.safetensors", **kwargs):
        assert model_id == "a/b"
        return str(tmp_path / "hub" / filename)

    monkeypatch.setattr(factory, "download_pretrained_from_hf", download)
    for pretrained, state in ((None, own), (str(tmp_path / "tuned.safetensors"), tuned)):
        network, _ = clip.load_pretrained("hf-hub:a/b", pretrained)
        assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())
        assert activation_of(network) == "quick_gelu"
    assert find_source("hf-hub:a/b", None).own_files == ()
    monkeypatch.undo()
    monkeypatch.setattr(factory, "download_pretrained_from_hf", lambda *a, **k: 1 / 0)
    with pytest.raises(AuraError, match="hf-hub:a/b could not be downloaded; put its"):
        clip.load_pretrained("hf-hub:a/b", None)
    weights = tmp_path / "hub/open_clip_model.safetensors"
    network, _ = clip.load_pretrained("hf-hub:a/b", str(weights))
    assert activation_of(network) == "quick_gelu"
    assert weights in find_source("hf-hub:a/b", str(weights)).own_files


def test_teach_keeps_what_a_folder_said_and_its_place_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "base", quick_gelu=True, resize_mode="squash", mean=[0.5] * 3)
    teach.run(tiny_params("teacher={model: 'local-dir:base', pretrained: null}"))
    (tmp_path / "base").rename(tmp_path / "gone")
    loaded = clip.load(tmp_path / "models/teacher")
    assert activation_of(loaded.model) == loaded.identity.activation == "quick_gelu"
    assert loaded.identity.model == "local-dir:base"
    assert "resize_mode=squash" in loaded.identity.preprocess
    original, _ = clip.load_pretrained("local-dir:gone", None)
    frames = np.random.default_rng(0).integers(0, 255, (2, 60, 90, 3), dtype=np.uint8)
    with torch.inference_mode():
        features = original.eval().encode_image(preprocess(frames, original.visual))
    expected = nn.functional.normalize(features, dim=-1).numpy()
    np.testing.assert_allclose(loaded.encode_frames(frames), expected, atol=1e-5)
    content = json.loads((tmp_path / "models/teacher" / clues.CONFIG).read_text())
    content["model_cfg"]["quick_gelu"] = False
    (tmp_path / "models/teacher" / clues.CONFIG).write_text(json.dumps(content))
    with pytest.raises(AuraError, match="activation or the preprocessing of local-dir:base"):
        clip.load(tmp_path / "models/teacher")


def test_a_teacher_of_before_activations_were_kept_is_refused_but_for_the_stand_in(tmp_path):
    old = {"model": "ViT-B-32", "pretrained": "openai", "weights_sha256": "0", "preprocess": ""}
    old |= {"stand_in": False, "precision": "fp32"}
    (tmp_path / "teacher.json").write_text(json.dumps(old))
    with pytest.raises(AuraError, match="does not say with which activation ViT-B-32 computed"):
        clip.read_identity(tmp_path)
    with pytest.raises(AuraError, match="x does not say with which activation"):
        clip.Identity.from_metadata({b"teacher": json.dumps(old).encode()}, "x")
    stand_in = clip.Identity.from_metadata(
        {b"teacher": json.dumps({**old, "stand_in": True}).encode()}, "x"
    )
    assert stand_in.content() == {**old, "stand_in": True}
    new = clip.Identity(**{**old, "activation": "gelu"})
    assert clip.Identity.from_metadata(new.metadata(), "x") == new
    with pytest.raises(AuraError, match="with gelu and ViT-B-32 in fp32 with quick_gelu"):
        same_teacher([("x", new), ("y", replace(new, activation="quick_gelu"))])


def test_dvc_watches_the_files_that_a_teacher_was_made_of(tmp_path):
    files, links = [tmp_path / "a.pt", tmp_path / "b/a.pt"], tmp_path / "links"
    (tmp_path / "b").mkdir()
    for number, file in enumerate(files):
        file.write_text(str(number))
    links.mkdir()
    (links / ".gitignore").write_text("*")
    teach.watch(files, links)
    found = {path.read_text() for path in links.iterdir() if path.is_symlink()}
    assert found == {"0", "1"}
    teach.watch((), links)
    assert [path.name for path in links.iterdir()] == [".gitignore"]
