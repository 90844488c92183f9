"""Stages as functions, on small data: what bad input does to them, and what they count."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from aura.datasets import synthetic
from aura.datasets.base import open_dataset
from aura.datasets.synthetic.flaws import CAMERA_FLAWS, SEVERE
from aura.errors import AuraError
from aura.schema import TAKES, WINDOWS, to_numpy
from aura.signals.imu import clean, resample_imu
from pipeline import doctor, embed, evaluate, resample, synthesize, teach, train
from pipeline import slice as slice_stage
from pipeline.engine.output import read_table
from pipeline.study import joined
from tests.conftest import ROOT, tiny_params
from tests.small import seal, seal_tables

SIZE = ("synthesize.cameras=2", "synthesize.participants={teacher: 1, train: 2, val: 1, test: 1}")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with synthetic data and a teacher, stages run up to `embed`, without Ray."""
    folder = tmp_path_factory.mktemp("stages")
    shutil.copy(ROOT / "params.yaml", folder)
    params = tiny_params(*SIZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        synthesize.run(params)
        teach.run(params)
        for stage in (resample, slice_stage, embed):
            stage.run(params, "synthetic")
    return folder, params


@pytest.fixture
def copy(project, tmp_path, monkeypatch):
    """A copy of the project that a test may damage."""
    folder, params = project
    target = tmp_path / "copy"
    shutil.copytree(folder, target)
    monkeypatch.chdir(target)
    return target, params


def healthy(folder, params):
    """Row of `takes-*.parquet` of a take that lost no modality and no camera to a planted flaw."""
    damaging = {*SEVERE, *CAMERA_FLAWS}
    whole = {
        plan.take_uid
        for plan in synthetic.plan(synthesize.size_of(params))
        if not damaging & {flaw.kind for flaw in plan.flaws}
    }
    takes = read_table(folder / "data/signals/synthetic/takes-*.parquet", TAKES, "").to_pylist()
    return next(take for take in takes if take["take_id"] in whole)


def metrics(folder, stage):
    return json.loads((folder / f"reports/synthetic/{stage}/metrics.json").read_text())


def test_counts_of_the_stages_agree_with_what_was_planted(project):
    folder, params = project
    counted = metrics(folder, "resample")
    plans = synthetic.plan(synthesize.size_of(params))
    planted = Counter(flaw.kind for flaw in synthetic.planted(plans))
    takes = counted["takes"]
    assert takes["found"] == len(plans)
    lost = Counter(
        {
            "take is marked as dropped": planted["dropped_take"],
            "take is in no split": planted["no_split"],
            "take cannot be opened": planted["no_frame_range"],
            "take is in a split that is not read": sum(p.split == "teacher" for p in plans),
        }
    )
    assert takes["dropped"] == +lost
    used = pq.read_table(sorted((folder / "data/signals/synthetic").glob("takes-*"))).num_rows
    assert takes["used"] == used == len(plans) - lost.total()
    sliced = metrics(folder, "slice")
    windows = pq.read_table(sorted((folder / "data/windows/synthetic").glob("part-*")))
    kept = sliced["windows"]["used"]
    assert kept == sum(sliced["windows_per_split"].values()) == windows.num_rows


def test_signals_on_disk_equal_the_resampler_on_the_raw_file(project):
    folder, params = project
    settings = params.dataset("synthetic")
    adapter = open_dataset(settings.adapter, str(folder / settings.root), settings.options)
    shard = pq.read_table(folder / "data/signals/synthetic/part-00000.parquet")
    first = shard.column("take_id")[0].as_py()
    take = next(t for t in adapter.inventory().takes if t.take_id == first)
    recording = adapter.load(take)
    cleaned = clean(recording.imu_s, recording.imu, recording.imu_ok)
    expected, valid = resample_imu(
        cleaned.times, cleaned.values, recording.duration_s, gyro_lag_s=recording.gyro_lag_s
    )
    rows = np.array(shard.column("take_id").to_pylist()) == first
    got = to_numpy(shard, "imu")[rows].reshape(-1, 6)[: len(expected)]
    np.testing.assert_array_equal(got, expected)
    got_valid = to_numpy(shard, "imu_valid")[rows].reshape(-1)[: len(expected)]
    np.testing.assert_array_equal(got_valid, valid)


def test_a_corrupt_vrs_and_mp4_are_counted_and_the_rest_goes_on(copy):
    folder, params = copy
    before = {stage: metrics(folder, stage) for stage in ("resample", "embed")}
    root = folder / "data/raw/synthetic"
    take = healthy(folder, params)
    victim = root / "takes" / take["take_name"]
    vrs = victim / "aria01_noimagestreams.vrs"
    vrs.write_bytes(vrs.read_bytes()[:1000])
    for video in (victim / "frame_aligned_videos/downscaled/448").glob("*.mp4"):
        video.write_bytes(b"not a film")
    for stage in (resample, slice_stage, embed):
        stage.run(params, "synthetic")
    new_skips = Counter(metrics(folder, "resample")["skips"]) - Counter(before["resample"]["skips"])
    assert new_skips == {"imu: VRS file is corrupt": 1}
    now, then = metrics(folder, "embed"), before["embed"]
    lost = {
        unit: Counter(now[unit]["dropped"]) - Counter(then[unit]["dropped"])
        for unit in ("cameras", "takes_with_video", "windows_with_video")
    }
    assert lost["cameras"]["video cannot be opened"] == 2
    assert lost["takes_with_video"] == {"no camera of the take can be used": 1}
    windows = pq.read_table(sorted((folder / "data/windows/synthetic").glob("part-*")))
    windows_of_take = [w for w in windows.to_pylist() if w["take_id"] == take["take_id"]]
    assert lost["windows_with_video"] == {"no camera of the take can be used": len(windows_of_take)}
    assert windows_of_take
    assert not any(w["has_imu"] for w in windows_of_take)
    assert all(w["has_mocap"] for w in windows_of_take)


def test_one_corrupt_camera_is_replaced_by_another(copy):
    folder, params = copy
    take = healthy(folder, params)
    first, second = take["videos"]
    (folder / "data/raw/synthetic" / first["path"]).write_bytes(b"x")
    embed.run(params, "synthetic")
    videos = pq.read_table(sorted((folder / "data/embeddings/synthetic").glob("part-*")))
    cameras = {
        row["camera"] for row in videos.to_pylist() if row["window_id"].startswith(take["take_id"])
    }
    assert cameras == {second["camera"]}


def test_embeddings_of_two_teachers_are_refused(copy):
    folder, params = copy
    texts = folder / "data/embeddings/synthetic/texts-00000.parquet"
    table = pq.read_table(texts)
    other = json.loads(table.schema.metadata[b"teacher"])
    other["weights_sha256"] = "another"
    metadata = {**table.schema.metadata, b"teacher": json.dumps(other).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), texts)
    seal_tables(folder, "synthetic")
    with pytest.raises(AuraError, match="were embedded by different teachers"):
        joined.load(params, "synthetic")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_one_sentence(copy, ray_cluster):
    folder, _ = copy
    before = metrics(folder, "embed")
    for executor, sentence in (("local", "torch sees none here"), ("ray", "Ray knows of fewer")):
        asked = tiny_params(*SIZE, "embed.gpus=0.5", f"ray.executor={executor}")
        with pytest.raises(AuraError, match=sentence):
            embed.run(asked, "synthetic")
    assert metrics(folder, "embed") == before
    assert any((folder / "data/embeddings/synthetic").iterdir())


def test_a_model_of_another_teacher_is_not_evaluated(copy):
    folder, params = copy
    train.run(params, "synthetic")
    evaluate.run(params, "synthetic")
    card = folder / "models/synthetic/joint/model.json"
    content = json.loads(card.read_text())
    content["teacher"]["weights_sha256"] = "another"
    card.write_text(json.dumps(content))
    seal(folder / "models/synthetic", "train")
    with pytest.raises(AuraError, match="trained with another teacher"):
        evaluate.run(params, "synthetic")


def test_text_that_names_its_class_is_said(project):
    assert evaluate.naming_warning(0.0) == []
    (sentence,) = evaluate.naming_warning(0.5)
    assert sentence.startswith("50 % of the training texts contain the name of their class")
    folder, params = project
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        windows, texts, _ = joined.load(params, "synthetic")
    # The generator's captions keep class names out; a text that is its label is counted.
    assert evaluate.share_naming_class(windows, texts) == 0
    first = windows.texts[windows.rows("train")[0]][0]
    named = replace(windows, label=np.full(len(windows), texts["text"][first].as_py(), object))
    assert evaluate.share_naming_class(named, texts) > 0


def killed_in_joint(params, monkeypatch):
    """Train until the second phase starts, and die; returns the list of phases started."""
    real, calls = train.training.train_phase, []

    def killed(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(train.training, "train_phase", killed)
    with pytest.raises(KeyboardInterrupt):
        train.run(params, "synthetic")
    return calls


def test_training_resumes_after_the_phase_that_is_done(copy, monkeypatch, capfd):
    folder, params = copy
    calls = killed_in_joint(params, monkeypatch)
    assert not (folder / "models/synthetic").exists()
    train.run(params, "synthetic")
    assert len(calls) == 5  # imu, joint (killed), joint, two twins
    assert "phase imu is done already" in capfd.readouterr().err
    resumed = (folder / "models/synthetic/joint/model.safetensors").read_bytes()
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    train.run(params, "synthetic")
    assert (folder / "models/synthetic/joint/model.safetensors").read_bytes() == resumed


def test_training_does_not_resume_on_other_embeddings(copy, monkeypatch):
    _, params = copy
    calls = killed_in_joint(params, monkeypatch)
    other = tiny_params(*SIZE, "embed.prompts=['another {}']")
    embed.run(other, "synthetic")  # not the vectors that the phase was trained on
    train.run(params, "synthetic")
    assert len(calls) == 6  # imu, joint (killed), and all four again


def test_empty_splits_and_windows_are_one_sentence(copy):
    folder, params = copy
    shards = sorted((folder / "data/windows/synthetic").glob("part-*"))
    tables = {path: pq.read_table(path) for path in shards}
    train.run(params, "synthetic")
    for path, table in tables.items():
        keep = [split != "test" for split in table.column("split").to_pylist()]
        pq.write_table(table.filter(keep).cast(WINDOWS), path)
    with pytest.raises(AuraError, match=r"is damaged.*run `aura slice --dataset synthetic` again"):
        evaluate.run(params, "synthetic")
    seal_tables(folder, "synthetic")
    with pytest.raises(AuraError, match="test split of synthetic has 0 windows"):
        evaluate.run(params, "synthetic")
    with pytest.raises(AuraError, match=r"No window of 60\.0 s fits the signals of synthetic"):
        slice_stage.run(
            tiny_params(*SIZE, "slice.window_s=60", "slice.pad_short=false"), "synthetic"
        )
    assert shards[0].is_file()  # the failed run left the old windows alone


def test_doctor_tells_what_a_run_would_skip_and_writes_nothing(copy):
    folder, params = copy
    before = sorted(folder.rglob("*"))
    table = doctor.run(params, "synthetic")
    assert sorted(folder.rglob("*")) == before
    counted = metrics(folder, "resample")
    takes = {f"take: {reason}": n for reason, n in counted["takes"]["dropped"].items()}
    skips = {**counted["skips"], **takes}
    for name, count in skips.items():
        modality, reason = name.split(": ", 1)
        assert f"{count:>8}  {modality}: {reason}, e.g." in table


def test_doctor_on_nothing_is_one_sentence(tmp_path):
    (tmp_path / "takes.json").write_text("[]")
    (tmp_path / "captures.json").write_text("[]")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/splits.json").write_text("{}")
    with pytest.raises(AuraError, match="has no take that can be used"):
        doctor.run(tiny_params(f"datasets.synthetic.root={tmp_path}"), "synthetic")
