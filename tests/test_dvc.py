"""dvc.yaml against the code, and a real `dvc repro` of the smallest study, end to end."""

import hashlib
import json
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from aura import schema, teacher
from pipeline.output import first_party_files
from tests.conftest import ROOT, run

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_the_first_party_imports(stage):
    deps = [Path(dep) for dep in STAGES[stage]["deps"]]
    import_module(f"pipeline.{stage}")
    files = [path.relative_to(ROOT) for path in first_party_files(f"pipeline.{stage}")]
    assert Path(f"pipeline/{stage}.py") in files
    missing = [f for f in files if not any(f == dep or dep in f.parents for dep in deps)]
    assert not missing


@pytest.mark.parametrize("stage", STAGES)
def test_deps_exist_and_are_sorted(stage):
    deps = STAGES[stage]["deps"]
    assert deps == sorted(deps)
    for dep in deps:
        if dep.startswith(("aura", "pipeline")):
            assert (ROOT / dep).exists(), dep


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_module_a_command_and_a_section(stage):
    assert STAGES[stage]["cmd"].split()[:2] == ["aura", stage]
    assert any(str(p).split(".")[0] == stage for p in STAGES[stage]["params"])
    assert callable(import_module(f"pipeline.{stage}").run)


def lock(folder: Path) -> str:
    return (folder / "dvc.lock").read_text()


def test_a_second_repro_finds_nothing_to_do(repro):
    before = lock(repro)
    done = run("dvc", "repro", cwd=repro)
    assert done.returncode == 0
    assert "Data and pipelines are up to date." in done.stdout + done.stderr
    assert lock(repro) == before


def test_a_forced_repro_gives_the_same_bytes(repro):
    before = lock(repro)
    done = run("dvc", "repro", "--force", "--downstream", "teach", "resample@synthetic", cwd=repro)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Running stage 'train@synthetic'" in done.stdout + done.stderr
    assert lock(repro) == before


def test_every_boundary_keeps_the_contract(repro):
    data = repro / "data"
    tables = {
        data / "signals/synthetic": schema.SIGNALS,
        data / "windows/synthetic": schema.WINDOWS,
        data / "embeddings/synthetic": schema.videos_schema(teacher.DIM),
    }
    for folder, expected in tables.items():
        files = sorted(folder.glob("part-*.parquet"))
        assert files, folder
        for file in files:
            schema.validate(pq.read_table(file), expected, str(file))
    takes = pq.read_table(sorted((data / "signals/synthetic").glob("takes-*.parquet")))
    schema.validate(takes, schema.TAKES, "takes")
    texts = pq.read_table(data / "embeddings/synthetic/texts-00000.parquet")
    schema.validate(texts, schema.texts_schema(teacher.DIM), "texts")
    identity = teacher.Identity.of(texts.schema.metadata, "texts")
    assert identity.stand_in
    assert identity.weights_sha256 in (repro / "models/teacher/teacher.json").read_text()
    assert not list(repro.rglob("*.partial"))


def test_nothing_of_another_split_reaches_the_teacher_or_the_test(repro):
    splits = json.loads((repro / "data/raw/synthetic/annotations/splits.json").read_text())
    uids = splits["split_to_take_uids"]
    assert set(uids) == {"teacher", "train", "val", "test"}
    takes = pq.read_table(sorted((repro / "data/signals/synthetic").glob("takes-*"))).to_pylist()
    assert takes
    for take in takes:
        assert take["take_id"] in uids[take["split"]]
        assert take["split"] != "teacher"
    people = {s: {t["participant_id"] for t in takes if t["split"] == s} for s in schema.SPLITS}
    assert not people["test"] & (people["train"] | people["val"])


def test_metrics_and_the_page_are_there(repro):
    metrics = json.loads((repro / "reports/synthetic/evaluate/metrics.json").read_text())
    for name, figure in (("imu_zero_shot", "macro_f1"), ("imu_to_mocap", "r@1")):
        assert {figure} <= set(metrics[name]) <= {figure, "low", "high"}
    details = json.loads((repro / "reports/synthetic/evaluate/details.json").read_text())
    headlines = {line["name"]: line for line in details["headlines"]}
    assert len(headlines) == len(metrics)
    assert None not in (headlines["IMU → text"]["chance"], headlines["IMU → text"]["control"])
    page = (repro / "reports/synthetic/report/index.html").read_text()
    summary = (repro / "reports/synthetic/report/summary.md").read_text()
    for line in ("IMU → text", "IMU zero-shot"):
        assert line in summary
    assert f"{headlines['IMU → text']['value']:.3f}" in summary
    assert "stand-in" in page.lower()
    shown = run("dvc", "metrics", "show", "--md", cwd=repro)
    assert "imu_to_text" in shown.stdout
    assert "takes_used" not in shown.stdout


def test_ray_and_the_plain_loop_write_the_same_bytes(repro, tmp_path):
    """`dvc repro` ran in Ray; here the same stages run in a loop."""
    before = hashes(repro / "data")
    kept = tmp_path / "kept"
    (repro / "data/windows").rename(kept)
    for stage in ("resample", "slice", "embed"):
        done = run("aura", stage, "--set", "ray.executor=local", cwd=repro)
        assert done.returncode == 0, done.stderr
    assert hashes(repro / "data") == before


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.parquet"))
    }
