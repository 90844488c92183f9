"""dvc.yaml against the code, and a real `dvc repro` of the smallest study, end to end."""

import hashlib
import itertools
import json
import re
import shlex
import shutil
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from aura import plugins, schema
from aura.teacher import clip
from pipeline.engine.code import source_files
from pipeline.fingerprint import fingerprint
from tests.conftest import ROOT, run

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
CODE = ("aura", "pipeline")


def module_of(stage: str) -> str:
    """The same for a stage over data sets and for the one over mixtures."""
    return stage.removesuffix("_mixture")


def sources(stage: str) -> list[Path]:
    """Source files of a stage, without those that a fingerprint among its deps stands for."""
    prints = {
        "adapter.json": fingerprint("adapter", "ego-exo4d"),
        "encoders.json": fingerprint("encoder", "imu-transformer", "mocap-transformer"),
    }
    named = {Path(dep).name for dep in STAGES[stage]["deps"]} & set(prints)
    covered = {file for name in named for file in prints[name]["files"]}
    modules = [f"pipeline.{module_of(stage)}"]
    if stage == "teach":  # which is of one data set, whose adapter stands in its deps itself
        modules.append(plugins.find("adapter", "ego-exo4d").module)
    files = [p.relative_to(ROOT) for module in modules for p in source_files(module)]
    return [file for file in files if file.as_posix() not in covered]


def is_of(file: Path, dep: str) -> bool:
    return file == Path(dep) or Path(dep) in file.parents


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_the_first_party_imports(stage):
    files = sources(stage)
    assert Path(f"pipeline/{module_of(stage)}.py") in files
    assert not [f for f in files if not any(is_of(f, dep) for dep in STAGES[stage]["deps"])]


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_depends_on_a_room_that_it_does_not_import(stage):
    deps = [dep for dep in STAGES[stage]["deps"] if dep.startswith(CODE)]
    if stage == "fingerprint":  # these two it reads, and does not import
        deps = [dep for dep in deps if dep not in plugins_rooms()]
    assert not [dep for dep in deps if not any(is_of(f, dep) for f in sources(stage))]


def plugins_rooms() -> set[str]:
    return {group.replace(".", "/") for group in plugins.GROUPS.values()}


@pytest.mark.parametrize("stage", STAGES)
def test_deps_exist_and_are_sorted_by_package(stage):
    deps = STAGES[stage]["deps"]
    groups = [list(group) for _, group in itertools.groupby(deps, lambda dep: dep.split("/")[0])]
    code = [group for group in groups if group[0].startswith(CODE)]
    assert [group[0].split("/")[0] for group in code] == sorted(
        {dep.split("/")[0] for dep in deps} & set(CODE)
    )
    assert all(group == sorted(group) for group in groups)
    assert all((ROOT / dep).exists() for group in code for dep in group)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_module_a_command_and_a_section(stage):
    name = module_of(stage)
    assert STAGES[stage]["cmd"].split()[:2] == ["aura", name]
    section = "mixtures" if name == "mix" else name
    if stage != "fingerprint":  # it has no settings: it reads which code all others name
        assert any(str(p).split(".")[0] == section for p in STAGES[stage]["params"])
    assert callable(import_module(f"pipeline.{name}").run)


def lock(folder: Path) -> str:
    return (folder / "dvc.lock").read_text()


def test_a_second_repro_finds_nothing_to_do(repro):
    before = lock(repro)
    done = run("dvc", "repro", cwd=repro)
    assert done.returncode == 0
    assert "Data and pipelines are up to date." in done.stdout + done.stderr
    assert lock(repro) == before


NEW_ADAPTER = """
class Adapter:
    def __init__(self, root, options): ...
    def inventory(self): ...
    def load(self, take): ...
"""


def test_a_new_adapter_and_a_new_encoder_leave_nothing_to_do(repro):
    """Of all the stages only `fingerprint` looks; what it finds is the same for each data set."""
    before = lock(repro)
    added = repro / "aura/datasets/another.py", repro / "aura/encoders/another.py"
    added[0].write_text(NEW_ADAPTER)
    added[1].write_text("class Encoder: ...\n")
    try:
        done = run("dvc", "repro", cwd=repro)
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
        assert set(re.findall(r"Running stage '([^']+)'", output)) <= {"fingerprint"}
        assert output.count("didn't change, skipping") == len(yaml.safe_load(before)["stages"]) - 1
    finally:
        for path in added:
            path.unlink()
        (repro / "dvc.lock").write_text(before)


def test_every_boundary_keeps_the_contract(repro):
    data = repro / "data"
    tables = {
        data / "signals/synthetic": schema.SIGNALS,
        data / "windows/synthetic": schema.WINDOWS,
        data / "embeddings/synthetic": schema.videos_schema(clip.DIM),
    }
    for folder, expected in tables.items():
        files = sorted(folder.glob("part-*.parquet"))
        assert files, folder
        for file in files:
            schema.validate(pq.read_table(file), expected, str(file))
    takes = pq.read_table(sorted((data / "signals/synthetic").glob("takes-*.parquet")))
    schema.validate(takes, schema.TAKES, "takes")
    texts = pq.read_table(data / "embeddings/synthetic/texts-00000.parquet")
    schema.validate(texts, schema.texts_schema(clip.DIM), "texts")
    identity = clip.Identity.from_metadata(texts.schema.metadata, "texts")
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


def test_every_stage_gives_the_same_bytes_again(repro):
    """All commands of dvc.yaml once more, without DVC, which then looks at the bytes.

    Outputs are removed before a stage, as `dvc repro --force` does.
    """
    made = yaml.safe_load(lock(repro))["stages"]
    again = [stage for name in STAGES for stage in made if stage.split("@")[0] == name]
    assert set(again) == set(made)
    for stage in again:
        if stage in ("synthesize", "fingerprint"):
            continue
        for out in made[stage]["outs"]:
            path = repro / out["path"]
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        program, *arguments = shlex.split(made[stage]["cmd"])
        done = run(program, *arguments, cwd=repro)
        assert done.returncode == 0, f"{stage}: {done.stderr[-2000:]}"
    done = run("dvc", "status", cwd=repro)
    assert "Data and pipelines are up to date." in done.stdout, done.stdout + done.stderr


@pytest.mark.ray
def test_ray_and_the_plain_loop_write_the_same_bytes(repro, tmp_path):
    """`dvc repro` ran in a loop; here the same stages run in a Ray of their own."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/raw").symlink_to(repro / "data/raw")
    (tmp_path / "models").symlink_to(repro / "models")
    shutil.copy(repro / "params.yaml", tmp_path)
    ray = ("--set", "ray.executor=ray", "--set", "ray.workers=2")
    done = run("aura", "preprocess", "--dataset", "synthetic", *ray, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Starting Ray" in done.stderr
    found = hashes(tmp_path / "data")
    assert {name.split("/")[0] for name in found} == {"signals", "windows", "embeddings"}
    assert found == hashes(repro / "data")


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.parquet"))
    }
