"""A teacher's folder from anywhere: none of it runs anything, and what is wrong is told."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from aura import config
from aura.errors import AuraError
from aura.teacher import clip, frozen
from aura.teacher.identity import Identity
from tests.inference.models import write_teacher

MARK = "aura_ran_code_of_a_folder"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher") / "teacher"
    write_teacher(folder)
    return folder


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "teacher")


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def own_settings(folder):
    return config.Teacher(model=f"local-dir:{folder}")


CODE = f"""
import sys
sys.modules['{MARK}'] = sys
from transformers import PreTrainedTokenizerFast
class Own(PreTrainedTokenizerFast): pass
"""


@pytest.mark.parametrize("ask", [True, None])
def test_code_of_a_folder_is_not_run_though_its_config_asks_for_it(folder, ask, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked whether to run code"))
    (folder / "own.py").write_text(CODE)
    auto = {"AutoTokenizer": ["own.Own", "own.Own"], "AutoConfig": "own.Own"}
    (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": auto}))
    (folder / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": auto}))

    def change(content):
        text = content["model_cfg"]["text_cfg"]
        text["hf_tokenizer_name"] = "own"
        text["tokenizer_kwargs"] = {} if ask is None else {"trust_remote_code": ask}

    edit(folder / "open_clip_config.json", change)
    for place in (folder, own_settings(folder)):
        with pytest.raises(AuraError, match="tokenizer"):
            frozen.load(place)
    assert MARK not in sys.modules


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": 3},
        {"stand_in": "yes"},
        {"embed_dim": "512"},
        {"prompt": None},
        {"kind": "oracle"},
        {"run": "me"},
        {"model": ["x"]},
    ],
    ids=str,
)
def test_an_identity_of_other_values_is_one_sentence(folder, change):
    edit(folder / "teacher.json", lambda content: content.update(change))
    with pytest.raises(AuraError, match="does not say which teacher made it"):
        clip.read_identity(folder)


@pytest.mark.parametrize("content", ["", "[]", "3", "null", "[" * 10**5, "\xff"])
def test_an_identity_that_is_none_is_one_sentence(folder, content):
    (folder / "teacher.json").write_text(content, encoding="latin-1")
    with pytest.raises(AuraError):
        clip.read_identity(folder)
    with pytest.raises(AuraError, match="does not say which teacher made it"):
        Identity.from_metadata({b"teacher": content.encode()}, "a table")


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/hostname", "a/b.pt"])
def test_weights_are_named_inside_the_folder(folder, name):
    change = {"pretrained": name, "stand_in": False, "activation": "gelu", "model": "ViT-B-32"}
    edit(folder / "teacher.json", lambda content: content.update(change))
    with pytest.raises(AuraError, match="names weights that are not in it"):
        frozen.load(folder)


def set_in(section, **values):
    return lambda content: content[section].update(values)


def set_vision(**values):
    return lambda content: content["model_cfg"]["vision_cfg"].update(values)


def set_text(**values):
    return lambda content: content["model_cfg"]["text_cfg"].update(values)


WRONG = {
    "layers": set_vision(layers=10**9),
    "width": set_vision(width=1 << 22),
    "text layers": set_text(layers=10**9),
    "width of text": set_text(width="x"),
    "image": set_vision(image_size=10**7),
    "patch": set_vision(patch_size=0),
    "vocabulary": set_text(vocab_size=10**11),
    "context": set_text(context_length=10**7),
    "dim": set_in("model_cfg", embed_dim=[1]),
    "unknown": set_in("model_cfg", run="me"),
    "mean": set_in("preprocess_cfg", mean=["a", "b", "c"]),
    "std": set_in("preprocess_cfg", std=[0.0, 1.0, 1.0]),
    "how": set_in("preprocess_cfg", interpolation=["bicubic"]),
    "mode": set_in("preprocess_cfg", resize_mode={"a": 1}),
    "text": set_in("model_cfg", text_cfg=[]),
}
PIXELS = [{"size": []}, {"size": {"a": 1}}, {"size": 10**6}, {"size": [32, 0]}, {"size": "32"}]
PIXELS += [{"mean": []}, {"mean": [0.5] * 4}, {"std": [float("nan")] * 3}, {"resize_mode": []}]


@pytest.mark.parametrize("change", PIXELS, ids=str)
def test_pixels_of_other_values_are_one_sentence(folder, change):
    edit(folder / "open_clip_config.json", set_in("preprocess_cfg", **change))
    with pytest.raises(AuraError, match="preprocess_cfg"):
        frozen.load(own_settings(folder))


@pytest.mark.parametrize("name", WRONG)
def test_a_config_of_other_values_is_one_sentence(folder, name):
    edit(folder / "open_clip_config.json", WRONG[name])
    for place in (folder, own_settings(folder)):
        with pytest.raises(AuraError) as error:
            frozen.load(place).encode_text(["a person"])
        assert "\n" not in str(error.value)


def test_weights_that_are_not_finite_or_not_there_are_one_sentence(folder):
    file = folder / "open_clip_model.safetensors"
    state = load_file(file)
    name = next(iter(state))
    save_file({**state, name: torch.full_like(state[name], float("inf"))}, file)
    for place in (folder, own_settings(folder)):
        with pytest.raises(AuraError, match="not finite"):
            frozen.load(place)
    for content in (b"", b"x" * 100, file.read_bytes()[:-50]):
        file.write_bytes(content)
        for place in (folder, own_settings(folder)):
            with pytest.raises(AuraError):
                frozen.load(place)
    Path(file).unlink()
    for place in (folder, own_settings(folder)):
        with pytest.raises(AuraError, match="no weights"):
            frozen.load(place)
