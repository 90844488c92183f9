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
from aura import config
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
    transfer,
)
from pipeline import slice as slice_stage
from pipeline.study import joined
from tests.conftest import ROOT, tiny_params
from tests.inference.models import motion, pose

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
    params = of_width(768, "transfer.source=synthetic", "transfer.phase=joint")
    embedded(params)
    sentence = "was trained with another teacher .*to 384 numbers.* to 768 numbers"
    for stage in (evaluate, finetune, transfer):
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
        with pytest.raises(AuraError, match=r"different teachers .*(384|768) numbers"):
            joined.load(params, "synthetic")
        (folder / name).write_bytes(before)
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
    with pytest.raises(AuraError, match=r"384 numbers and .* says 512; run `aura teach` again"):
        embed.run(of_width(384), "synthetic")


def test_an_export_and_a_shift_are_of_the_models_width(copy):
    params = of_width(1024, "shift.study=[synthetic, twin]", "transfer.source=synthetic")
    embedded(params)
    train.run(params, "synthetic")
    for part in ("signals", "windows", "embeddings"):
        shutil.copytree(copy / f"data/{part}/synthetic", copy / f"data/{part}/twin")
    both = {name: params.dataset("synthetic") for name in ("synthetic", "twin")}
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


def test_params_of_the_tiny_study_are_those_of_the_project():
    assert config.load(ROOT / "params.yaml").embed.long_texts == "cut"
