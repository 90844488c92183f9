"""Teachers of other widths, from `teach` to `aura.load`; tables and models that do not fit."""

import json
import shutil

import numpy as np
import open_clip
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

import aura
from aura.errors import AuraError
from aura.schema import embedding_dim
from aura.teacher import clip
from pipeline import (
    embed,
    evaluate,
    export,
    finetune,
    report,
    resample,
    shift,
    synthesize,
    teach,
    train,
)
from pipeline import slice as slice_stage
from pipeline.study import joined
from tests.conftest import ROOT, tiny_params
from tests.inference.models import motion, pose
from tests.small import seal, seal_tables

SIZE = (
    "synthesize.participants={teacher: 1, train: 2, val: 1, test: 1}",
    "synthesize.video_height=96",
    "synthesize.flaws=false",
    "report.example=0",
)
WIDTHS = (384, 768, 1024)


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """Synthetic windows, and weights files of small open_clip models of several widths."""
    folder = tmp_path_factory.mktemp("widths")
    shutil.copy(ROOT / "params.yaml", folder)
    configs = folder / "configs"
    configs.mkdir()
    for dim in WIDTHS:
        shape = clip.stand_in_config(32, 64, 1) | {"embed_dim": dim}
        (configs / f"tiny-{dim}.json").write_text(json.dumps(shape))
    open_clip.add_model_config(configs)
    for dim in WIDTHS:
        torch.manual_seed(dim)
        network = open_clip.create_model(f"tiny-{dim}")
        state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
        save_file(state, folder / f"tiny-{dim}.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        params = tiny_params(*SIZE)
        synthesize.run(params)
        for stage in (resample, slice_stage):
            stage.run(params, "synthetic")
    return folder


def of_width(dim, *more):
    teacher = f"teacher={{model: tiny-{dim}, pretrained: tiny-{dim}.safetensors}}"
    return tiny_params(*SIZE, teacher, *more)


@pytest.fixture
def copy(windows, tmp_path, monkeypatch):
    """A copy of the windows in which a test may go on."""
    shutil.copytree(windows, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def embedded(params):
    teach.run(params)
    embed.run(params, "synthetic")


def widths(folder, pattern):
    files = sorted(folder.glob(pattern))
    assert files
    return {embedding_dim(pq.read_schema(file), str(file)) for file in files}


@pytest.mark.parametrize("dim", WIDTHS)
def test_a_teacher_of_another_width_goes_from_teach_to_load(copy, dim):
    params = of_width(dim)
    embedded(params)
    for stage in (train, evaluate, finetune, report):
        stage.run(params, "synthetic")
    assert json.loads((copy / "models/teacher/teacher.json").read_text())["embed_dim"] == dim
    assert widths(copy, "data/embeddings/synthetic/*.parquet") == {dim}
    for file in (copy / "data/embeddings/synthetic").glob("*.parquet"):
        vectors = np.array(pq.read_table(file).column("embedding").to_pylist())
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert json.loads((copy / "models/synthetic/joint/model.json").read_text())["shape"]["dim"] == (
        dim
    )
    space = pq.read_schema(copy / "reports/synthetic/evaluate/embeddings.parquet")
    assert {space.field(name).type.list_size for name in ("imu", "mocap", "text")} == {dim}
    encoders = aura.load(copy / "models/synthetic/joint")
    assert encoders.encode_imu(motion(100), 100).shape == (1, dim)
    assert encoders.encode_mocap(pose(30), 30).shape == (1, dim)
    assert encoders.encode_text(["a person walks"]).shape == (1, dim)
    assert encoders.encode_text([]).shape == (0, dim)
    names = ["a person is cooking", "a person is dancing"]
    assert encoders.classify(motion(100), names, 100).probabilities.shape == (1, 2)
    assert f"the {dim}" in (copy / "models/synthetic/joint/README.md").read_text()


def test_a_model_of_another_width_is_refused_by_what_meets_it(copy):
    embedded(of_width(384))
    train.run(of_width(384), "synthetic")
    params = of_width(768)
    embedded(params)
    sentence = "was trained with another teacher .*to 384 numbers.* to 768 numbers"
    for stage in (evaluate, finetune):
        with pytest.raises(AuraError, match=sentence):
            stage.run(params, "synthetic")
    with pytest.raises(AuraError, match="is not the one that the model was trained with"):
        aura.load(copy / "models/synthetic/joint", teacher=copy / "models/teacher")


def test_tables_of_several_widths_or_teachers_are_refused(copy):
    folder = copy / "data/embeddings/synthetic"
    params = of_width(384)
    embedded(params)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert "part-00001.parquet" in kept
    embedded(of_width(768))
    for name in ("texts-00000.parquet", "part-00001.parquet"):
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(kept[name])
        seal_tables(copy, "synthetic")
        with pytest.raises(AuraError, match=r"different teachers .*(384|768) numbers"):
            joined.load(params, "synthetic")
        (folder / name).write_bytes(before)
    seal_tables(copy, "synthetic")
    joined.load(params, "synthetic")
    # The same width, and one shard of another teacher.
    table = pq.read_table(folder / "part-00001.parquet")
    card = json.loads(table.schema.metadata[b"teacher"])
    for changed, sentence in (
        ({"weights_sha256": "another"}, "different teachers"),
        ({"embed_dim": 384}, r"part-00001\.parquet holds vectors of 768 .* gives 384; run"),
    ):
        metadata = {b"teacher": json.dumps(card | changed).encode()}
        pq.write_table(table.replace_schema_metadata(metadata), folder / "part-00001.parquet")
        seal_tables(copy, "synthetic")
        with pytest.raises(AuraError, match=sentence):
            joined.load(params, "synthetic")


def test_what_evaluate_wrote_of_another_width_is_refused_by_the_report(copy):
    embedded(of_width(384))
    train.run(of_width(384), "synthetic")
    evaluate.run(of_width(384), "synthetic")
    embedded(of_width(768))
    with pytest.raises(AuraError, match=r"another width than 768; run `aura evaluate` again"):
        report.run(of_width(768), "synthetic")


def test_a_teacher_that_was_prepared_before_widths_were_said_is_taught_again(copy):
    teach.run(of_width(384))
    file = copy / "models/teacher/teacher.json"
    content = json.loads(file.read_text())
    content.pop("embed_dim")
    file.write_text(json.dumps(content))
    seal(copy / "models/teacher", "teach")
    with pytest.raises(AuraError, match=r"384 numbers and .* says 512; run `aura teach` again"):
        embed.run(of_width(384), "synthetic")


def test_an_export_and_a_shift_are_of_the_models_width(copy):
    params = of_width(1024, "shift.study=[synthetic, twin]", "shift.source=synthetic")
    embedded(params)
    train.run(params, "synthetic")
    for part in ("signals", "windows", "embeddings"):
        shutil.copytree(copy / f"data/{part}/synthetic", copy / f"data/{part}/twin")
    both = {**params.datasets, "twin": params.dataset("synthetic")}
    shift.run(params.model_copy(update={"datasets": both}))
    assert (copy / "reports/shift/table.md").is_file()
    if not all(map(export.find_spec, export.PACKAGES)):
        pytest.skip("the ONNX packages are not here")
    export.run(params, "synthetic")


def test_the_width_of_a_tower_is_measured_without_changing_it():
    for name in ("RN50", "ViT-S-32-alt", "coca_ViT-B-32", "convnext_tiny"):
        known = open_clip.get_model_config(name)["embed_dim"]
        network = open_clip.create_model(name)
        before = clip.weights_hash(network.train())
        assert clip.embed_dim(network) == known
        assert network.training
        assert clip.weights_hash(network) == before  # a batch norm's statistics among them


def long_prompts(params, **changes):
    """Prompts of 40 words before the class, of which the tiny teacher reads 22."""
    prompts = ["a person who is " + "very " * 40 + "{}"]
    changed = params.embed.model_copy(update={"prompts": prompts, **changes})
    return params.model_copy(update={"embed": changed})


def prompt_vectors(folder):
    files = sorted((folder / "data/embeddings/synthetic").glob("texts-*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    return {r["label"]: np.array(r["embedding"]) for r in rows if r["kind"] == "prompt"}, rows


def test_texts_that_are_cut_are_counted_and_their_windows_tell_them_apart(copy, capfd):
    params = of_width(384)
    plain = long_prompts(params, texts_per_shard=3)  # so that they meet across shards
    teach.run(plain)
    embed.run(plain, "synthetic")
    classes, rows = prompt_vectors(copy)
    first = next(iter(classes.values()))
    assert len(classes) > 1
    assert all((vector == first).all() for vector in classes.values())
    metrics = json.loads((copy / "reports/synthetic/embed/metrics.json").read_text())
    assert metrics["long_texts"] == {
        "context_tokens": 24,
        "longer_than_context": len(classes),
        "cut": len(classes),
        "alike_only_because_cut": len(classes),
    }
    said = f"{len(classes)} texts are longer than the teacher's 24 tokens and are cut, by which"
    assert said in capfd.readouterr().err
    train.run(plain, "synthetic")
    evaluate.run(plain, "synthetic")
    shown = report.fill(plain, "synthetic").skips["embed"]
    assert shown["text: longer than 24 tokens, cut"] == len(classes)
    assert shown["text: has the vector of another only because it is cut"] == len(classes)
    whole = long_prompts(params, long_texts="mean", texts_per_shard=3)
    embed.run(whole, "synthetic")
    classes, read_whole = prompt_vectors(copy)
    assert len({vector.tobytes() for vector in classes.values()}) == len(classes)
    metrics = json.loads((copy / "reports/synthetic/embed/metrics.json").read_text())
    assert metrics["long_texts"]["longer_than_context"] == len(classes)
    assert metrics["long_texts"]["cut"] == metrics["long_texts"]["alike_only_because_cut"] == 0
    short = [i for i, row in enumerate(rows) if row["kind"] != "prompt"]
    for i in short:  # a text that fits is what it was
        assert read_whole[i]["text"] == rows[i]["text"]
        np.testing.assert_allclose(read_whole[i]["embedding"], rows[i]["embedding"], atol=1e-6)
    train.run(whole, "synthetic")
    encoders = aura.load(copy / "models/synthetic/joint")  # reads texts as its training did
    texts = {row["label"]: row["text"] for row in read_whole if row["kind"] == "prompt"}
    for label, vector in classes.items():
        np.testing.assert_allclose(encoders.encode_text([texts[label]])[0], vector, atol=1e-6)
    evaluate.run(whole, "synthetic")
    assert not any(
        reason.startswith("text") for reason in report.fill(whole, "synthetic").skips["embed"]
    )
    embed.run(plain, "synthetic")
    with pytest.raises(AuraError, match=r"trained with another teacher .*long texts as means"):
        evaluate.run(plain, "synthetic")
