"""A teacher that reads texts alone: of all data sets, and of one of them."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import aura
from aura import config
from aura.errors import AuraError
from aura.learning import batches
from aura.teacher import sentence_files, video
from pipeline import (
    ablate,
    doctor,
    embed,
    estimate,
    evaluate,
    export,
    fingerprint,
    footage,
    preprocess,
    report,
    resample,
    synthesize,
    teach,
    train,
)
from pipeline import slice as slice_stage
from pipeline.engine import paths
from pipeline.study import joined
from tests.conftest import ROOT, TINY
from tests.inference.models import motion
from tests.small import seal, seal_tables

pytest.importorskip("sentence_transformers", reason="the extra `text` is not installed")

from tests.teacher.sentence_models import write_sentence_model

SIZE = (
    *TINY,
    "ray.executor=local",
    "synthesize.participants={teacher: 1, train: 2, val: 1, test: 1}",
    "synthesize.video_height=96",
    "synthesize.flaws=false",
    "train.twins={shuffled: 1, held_out: null}",
)
OWN = "datasets.synthetic.params={teacher: {kind: sentence, model: weights/tiny}}"
TEXTS = ["a person is cooking", "a person is dancing"]


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """Synthetic windows with video, and two sentence models."""
    folder = tmp_path_factory.mktemp("sentence")
    shutil.copy(ROOT / "params.yaml", folder)
    write_sentence_model(folder / "weights/tiny", width=48)
    write_sentence_model(folder / "weights/other", width=48, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        params = load()
        synthesize.run(params)
        for stage in (resample, slice_stage):
            stage.run(params, "synthetic")
    return folder


def load(*overrides, dataset="synthetic"):
    return config.load(ROOT / "params.yaml", [*SIZE, *overrides], dataset)


@pytest.fixture
def copy(windows, tmp_path, monkeypatch):
    """A copy of the windows in which a test may go on; no frame of a video can be had in it."""
    shutil.copytree(windows, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")

    def refuse(*arguments, **keywords):
        raise AssertionError("a video was decoded")

    for name in ("decode_frames", "probe"):
        monkeypatch.setattr(video, name, refuse)
    monkeypatch.setattr("pipeline.footage.embed_video", refuse)
    monkeypatch.setattr("pipeline.footage.probe", refuse)
    return tmp_path / "copy"


def read(path):
    return json.loads(Path(path).read_text())


def with_video(folder):
    files = sorted((folder / "data/windows/synthetic").glob("part-*.parquet"))
    return sum(sum(pq.read_table(file)["has_video"].to_pylist()) for file in files)


def test_a_data_set_s_own_teacher_goes_from_fingerprint_to_load(copy, capfd, monkeypatch):
    fingerprint.run(load(OWN, dataset=None))
    found = read("data/fingerprint/synthetic/teacher.json")
    assert found["settings"] == {
        "kind": "sentence", "model": "weights/tiny", "pretrained": None, "prompt": None,
    }  # fmt: skip
    weights = (copy / "weights/tiny/model.safetensors").read_bytes()
    assert found["files"]["model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert {"tokenizer.json", "1_Pooling/config.json", "modules.json"} <= set(found["files"])
    assert read("data/fingerprint/utd-mhad/teacher.json") == {}

    params, count = load(OWN), with_video(copy)
    assert count
    embed.run(params, "synthetic")
    assert not paths.TEACHER.exists()  # that of all is not needed
    metrics = read("reports/synthetic/embed/metrics.json")
    assert metrics["windows_with_video"] == {
        "found": count, "used": 0, "dropped": {"teacher reads texts alone": count},
    }  # fmt: skip
    assert metrics["frames"] == {"found": 0, "used": 0, "dropped": {}}
    assert not list((copy / "data/embeddings/synthetic").glob("part-*"))
    said = f"tiny reads texts alone; the video of {count} windows is left out"
    assert capfd.readouterr().err.count(said) == 1

    for stage in (train, evaluate, report):
        stage.run(params, "synthetic")
    said = capfd.readouterr().err
    assert said.count("tiny reads texts alone; 3 of 7 pairs are with video and left out") == 1
    card = read("models/synthetic/joint/model.json")
    assert card["settings"]["joint"]["pairs"] == [
        ["imu", "text"],
        ["mocap", "text"],
        ["imu", "mocap"],
    ]
    assert card["teacher"]["kind"] == "sentence"
    assert card["own_teacher"]["model"] == "weights/tiny"
    assert card["shape"]["dim"] == 48
    text = Path("models/synthetic/joint/README.md").read_text()
    assert "the 48 dimensions of a frozen sentence model, so that windows and texts" in text
    assert "It reads 16 tokens of a text, pooled by mean, normalize, and no video" in text
    assert 'aura.load("models/synthetic/joint")' in text
    figures = read("reports/synthetic/evaluate/metrics.json")
    assert "imu_to_text" in figures
    assert not [name for name in figures if "video" in name]
    page = Path("reports/synthetic/report/index.html").read_text()
    assert "teacher reads texts alone" in page

    expected = frozen_vectors(copy / "weights/tiny")
    monkeypatch.chdir(copy.parent)  # as params.yaml says it, the folder is not there
    encoders = aura.load(copy / "models/synthetic/joint")
    np.testing.assert_array_equal(encoders.encode_text(TEXTS), expected)
    assert encoders.classify(motion(100), TEXTS, 100).probabilities.shape == (1, 2)
    for name in export.FILES:  # what `aura export` copies is enough
        (copy / "exports/synthetic/joint").mkdir(parents=True, exist_ok=True)
        shutil.copy(copy / "models/synthetic/joint" / name, copy / "exports/synthetic/joint")
    exported = aura.load(copy / "exports/synthetic/joint")
    np.testing.assert_array_equal(exported.encode_text(TEXTS), expected)
    (copy / "weights/tiny").rename(copy.parent / "moved")
    with pytest.raises(AuraError, match=r"names the folder weights/tiny, which is not there"):
        aura.load(copy / "models/synthetic/joint").encode_text(TEXTS)
    moved = aura.load(copy / "models/synthetic/joint", teacher=copy.parent / "moved")
    np.testing.assert_array_equal(moved.encode_text(TEXTS), expected)
    with pytest.raises(AuraError, match="not the one that the model was trained with: tiny"):
        aura.load(copy / "models/synthetic/joint", teacher=copy / "weights/other")


def frozen_vectors(folder):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return model.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)


def test_weights_that_are_replaced_change_the_fingerprint_and_are_not_mixed(copy):
    params = load(OWN)
    fingerprint.run(load(OWN, dataset=None))
    before = read("data/fingerprint/synthetic/teacher.json")

    def watched():  # other data sets of params.yaml have teachers of their own as well
        links = {path.resolve() for path in paths.OWN_WEIGHTS.iterdir() if path.is_symlink()}
        return {path for path in links if path.is_relative_to(copy.resolve())}

    assert watched() == set(sentence_files.own_files((copy / "weights/tiny").resolve()))
    embed.run(params, "synthetic")
    train.run(params, "synthetic")
    texts = next(Path("data/embeddings/synthetic").glob("texts-*.parquet"))
    kept = texts.read_bytes()
    shutil.rmtree("weights/tiny")
    Path("weights/other").rename("weights/tiny")
    fingerprint.run(load(OWN, dataset=None))
    after = read("data/fingerprint/synthetic/teacher.json")
    assert before["settings"] == after["settings"]
    assert {name for name in after["files"] if after["files"][name] != before["files"][name]} == {
        "model.safetensors"
    }
    with pytest.raises(AuraError, match="not the one that the model was trained with"):
        aura.load("models/synthetic/joint").encode_text(TEXTS)
    embed.run(params, "synthetic")
    with pytest.raises(AuraError, match=r"was trained with another teacher \(tiny in fp32"):
        evaluate.run(params, "synthetic")
    (texts.parent / "texts-00009.parquet").write_bytes(kept)
    with pytest.raises(AuraError, match=r"texts-00009\.parquet is of another run"):
        joined.load(params, "synthetic")
    seal_tables(copy, "synthetic")
    with pytest.raises(AuraError, match="were embedded by different teachers"):
        joined.load(params, "synthetic")
    fingerprint.run(load(dataset=None))
    assert read("data/fingerprint/synthetic/teacher.json") == {}
    assert not watched()


def test_the_teacher_of_all_may_be_a_sentence_model(copy, capfd):
    params = load("teacher={kind: sentence, model: weights/tiny, prompt: 'query : '}")
    teach.run(params)
    shutil.rmtree("weights/tiny")  # it is kept
    taught = read("models/teacher/teacher.json")
    assert (taught["model"], taught["prompt"], taught["embed_dim"]) == ("tiny", "query : ", 48)
    assert "teach: tiny, mean, normalize, 16 tokens, no video." in capfd.readouterr().err
    embed.run(params, "synthetic")
    train.run(params, "synthetic")
    card = read("models/synthetic/joint/model.json")
    assert "own_teacher" not in card
    encoders = aura.load("models/synthetic/joint")
    assert encoders.encode_text(TEXTS).shape == (2, 48)
    plain = aura.load("models/synthetic/joint", teacher="models/teacher").encode_text(TEXTS)
    np.testing.assert_array_equal(encoders.encode_text(TEXTS), plain)
    text = Path("models/synthetic/joint/README.md").read_text()
    assert "Before each text it reads `query : `." in text
    assert 'teacher="models/teacher"' in text
    footage.load_teacher.cache_clear()  # as in another process
    file = copy / "models/teacher/tokenizer.json"
    file.write_text(file.read_text().replace("cooking", "kooking"))
    with pytest.raises(AuraError, match=r"tokenizer\.json is damaged.*run `aura teach` again"):
        embed.run(params, "synthetic")
    seal(copy / "models/teacher", "teach")
    with pytest.raises(AuraError, match="is not what it was at `aura teach`; run it again"):
        embed.run(params, "synthetic")


def test_a_long_text_is_counted_as_with_any_teacher(copy):
    prompts = "embed.prompts=['a person is " + "very " * 20 + "{}']"
    embed.run(load(OWN, prompts), "synthetic")
    counts = read("reports/synthetic/embed/metrics.json")["long_texts"]
    assert counts["context_tokens"] == 16
    assert counts["cut"] == counts["longer_than_context"] >= counts["alike_only_because_cut"] >= 2
    embed.run(load(OWN, prompts, "embed.long_texts=mean"), "synthetic")
    read_whole = read("reports/synthetic/embed/metrics.json")["long_texts"]
    assert read_whole == {**counts, "cut": 0, "alike_only_because_cut": 0}


def test_a_phase_with_pairs_of_video_alone_is_one_sentence(copy, capfd):
    seen = "{train: {imu: {pairs: [[imu, video]]}}}"
    variants = f"ablate={{seeds: [0], variants: {{default: {{}}, seen: {seen}}}}}"
    params = load(OWN, "train.imu.pairs=[[imu, video]]", variants)
    embed.run(params, "synthetic")
    with pytest.raises(AuraError, match=r"All pairs of train\.imu are with video, and tiny reads"):
        train.run(params, "synthetic")
    simultaneous = params.train.model_copy(update={"schedule": "simultaneous"})
    train.run(params.model_copy(update={"train": simultaneous}), "synthetic")  # has no such phase
    assert "2 of 5 pairs are with video" in capfd.readouterr().err
    with pytest.raises(AuraError, match=r"All pairs of ablate\.variants\.seen\.train\.imu are"):
        ablate.run(load(OWN, variants), "synthetic")
    assert not list(Path("models").glob("ablate/**/*.npz"))


def test_an_ablation_trains_without_video_and_says_so_once_a_variant(copy, capfd, monkeypatch):
    monkeypatch.setattr(batches.Windows, "shuffled", None)
    params = load(OWN, "ablate={seeds: [0], variants: {default: {}}}", "ray.workers=1")
    embed.run(params, "synthetic")
    ablate.run(params, "synthetic")
    assert capfd.readouterr().err.count("ablate, default: tiny reads texts alone; 3 of 7") == 1
    (file,) = Path("models/ablate/synthetic").glob("*.npz")
    with np.load(file) as content:
        assert "rank/imu-text" in content
        assert "rank/imu-video" not in content


def test_own_teachers_that_cannot_be_are_one_sentence(copy, monkeypatch):
    for own in ("{}", "{kind: clip}", "{model: stand-in}"):
        params = load(f"datasets.synthetic.params={{teacher: {own}}}")
        for stage in (embed, train, preprocess):
            with pytest.raises(AuraError, match="is the stand-in, which `aura teach` trains for"):
                if stage is train:
                    params.own_teacher("synthetic")
                else:
                    stage.run(params, "synthetic")
    gone = load("datasets.synthetic.params={teacher: {kind: sentence, model: nowhere}}")
    with pytest.raises(AuraError, match="names the folder nowhere, which is not there"):
        embed.run(gone, "synthetic")
    fingerprint.run(gone)
    assert read("data/fingerprint/synthetic/teacher.json")["files"] == {}
    with pytest.raises(AuraError, match="measures the towers of a CLIP"):
        estimate.run(load("teacher={kind: sentence, model: weights/tiny}"), "ego-exo4d")
    monkeypatch.setattr(sentence_files, "find_spec", lambda name: None)
    with pytest.raises(AuraError, match=r"pip install .*\[text\]"):
        embed.run(load(OWN), "synthetic")
    with pytest.raises(AuraError, match=r"pip install .*\[text\]"):
        teach.run(load("teacher={kind: sentence, model: weights/tiny}"))


def test_an_own_teacher_may_be_a_clip(windows, tmp_path, monkeypatch):
    """It needs no `teach`; here one that is kept as `teach` keeps those of a folder."""
    from tests.inference.models import write_teacher

    shutil.copytree(windows, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    write_teacher(Path("weights/clip"))
    own = "{kind: clip, model: 'local-dir:weights/clip', pretrained: null}"
    params = load(f"datasets.synthetic.params={{teacher: {own}}}")
    fingerprint.run(params)
    files = read("data/fingerprint/synthetic/teacher.json")["files"]
    assert set(files) == {"open_clip_model.safetensors", "open_clip_config.json"}
    embed.run(params, "synthetic")
    metrics = read("reports/synthetic/embed/metrics.json")
    assert metrics["teacher"]["model"] == "local-dir:clip"
    assert metrics["frames"]["used"] > 0
    train.run(params, "synthetic")
    encoders = aura.load("models/synthetic/joint")
    assert encoders.encode_text(TEXTS).shape == (2, 512)
    shutil.rmtree("weights/clip")
    write_teacher(Path("weights/clip"), seed=5)
    with pytest.raises(AuraError, match="not the one that the model was trained with"):
        aura.load("models/synthetic/joint").encode_text(TEXTS)


def test_the_doctor_says_what_is_missing(copy, capfd, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(copy)
    doctor.run(load(OWN), "synthetic")
    said = capfd.readouterr().err
    assert "doctor: the teacher reads texts alone; video and pairs with it are left out." in said
    assert "pip install" not in said
    monkeypatch.setattr(sentence_files, "find_spec", lambda name: None)
    doctor.run(load(OWN), "synthetic")
    assert "pip install -c constraints.txt -e '.[text]'" in capfd.readouterr().err
    monkeypatch.undo()
    monkeypatch.chdir(copy)
    package = "datasets.synthetic.params={teacher: {kind: sentence, model: 'package:absent-one'}}"
    doctor.run(load(package), "synthetic")
    assert "doctor: teacher.model names the package absent-one: pip install absent-one" in (
        capfd.readouterr().err
    )


def test_a_teacher_of_a_data_set_stands_alone(tmp_path):
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["teacher"] = {"kind": "clip", "model": "ViT-B-32", "pretrained": "openai"}
    raw["datasets"]["pamap2"]["params"]["teacher"] = {"kind": "sentence", "model": "x"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    own = config.load(tmp_path / "params.yaml", dataset="pamap2")
    assert own.own_teacher("pamap2") == config.Teacher(kind="sentence", model="x")
    other = config.load(tmp_path / "params.yaml", dataset="utd-mhad")
    assert other.own_teacher("utd-mhad") is None
    assert other.teacher.model == "ViT-B-32"
    prompt = "datasets.pamap2.params.teacher.prompt='query: '"
    changed = config.load(tmp_path / "params.yaml", [prompt], "pamap2")
    assert changed.own_teacher("pamap2").prompt == "query: "
