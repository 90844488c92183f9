"""The stage `ablate` on the smallest study: cells, resuming, and the shuffled control."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import yaml

from aura.errors import AuraError
from pipeline import ablate
from pipeline.study import cells
from tests import commands
from tests.conftest import tiny_params

CHANGES = (
    "ablate.seeds=[0, 1]",
    "ablate.variants={default: {heads: true}, simultaneous: {train: {schedule: simultaneous}}, "
    "imu2clip: {train: {imu_encoder: {name: imu2clip}}}, shuffled pairs: {control: true}}",
    "finetune.epochs=1",
    "finetune.shots=[1]",
    "ray.workers=1",
)


@pytest.fixture(scope="module")
def place(repro, tmp_path_factory) -> Path:
    """Data of the smallest study, apart from it."""
    folder = tmp_path_factory.mktemp("ablate")
    for name in ("signals", "windows", "embeddings"):
        shutil.copytree(repro / "data" / name, folder / "data" / name)
    return folder


@pytest.fixture
def params(place, monkeypatch):
    monkeypatch.chdir(place)
    yield tiny_params(*CHANGES)
    torch.use_deterministic_algorithms(False)  # which a training turns on for its process


def test_cells_resume_and_the_tables_hold_every_variant(place, params, monkeypatch):
    trained, real = [], cells.train

    def failing(params, dataset, cell, file):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(cell.name)
        real(params, dataset, cell, file)

    monkeypatch.setattr(cells, "train", failing)
    with pytest.raises(KeyboardInterrupt):
        ablate.run(params, "synthetic")
    assert not (place / "reports/synthetic/ablate").exists()
    monkeypatch.setattr(cells, "train", lambda *a: (trained.append(a[2].name), real(*a)))
    ablate.run(params, "synthetic")
    assert len(trained) == len(set(trained)) == 8
    page = (place / "reports/synthetic/ablate/table.md").read_text()
    metrics = json.loads((place / "reports/synthetic/ablate/metrics.json").read_text())
    assert set(metrics) == {"default", "simultaneous", "imu2clip", "shuffled pairs"}
    for name in metrics:
        assert f"| {name} |" in page
    heads = [name for name in metrics["default"] if name.endswith("accuracy")]
    assert {h.split(" ", 1)[0] for h in heads} == {"imu", "mocap", "fused"}
    assert any("random start" in h for h in heads)
    assert "difference" in metrics["imu2clip"]["imu-mocap R@1"]

    files = sorted((place / "models/ablate/synthetic").glob("*.npz"))
    before = [file.read_bytes() for file in files]
    ablate.run(params, "synthetic")  # nothing is trained again
    assert len(trained) == 8
    ablate.run(tiny_params(*CHANGES, "finetune.epochs=2"), "synthetic")
    assert len(trained) == 16  # other settings: all again, and the old cells go
    now = sorted((place / "models/ablate/synthetic").glob("*.npz"))
    assert len(now) == 8
    assert not set(now) & set(files)
    ablate.run(params, "synthetic")
    assert [file.read_bytes() for file in files] == before  # the same bytes


def test_a_killed_run_leaves_no_process_behind(place, params):
    shutil.rmtree(place / "models/ablate", ignore_errors=True)
    raw = params.model_copy(update={"ray": params.ray.model_copy(update={"workers": 2})})
    (place / "params.yaml").write_text(yaml.safe_dump(raw.model_dump(mode="json")))
    slow = ("--set", "train.joint.epochs=100000")
    null = Path(os.devnull)
    started = commands.Started(["ablate", *slow], place, null, null)
    parent, workers = psutil.Process(started.pid), []
    for _ in range(600):
        time.sleep(0.1)
        workers = [p for p in parent.children(recursive=True) if "spawn_main" in str(p.cmdline())]
        if len(workers) == 2 and all(p.cpu_times().user > 4 for p in workers):  # they train
            break
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert len(workers) == 2
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive


def test_leaving_a_participant_out_tests_everyone_once(place, params, tmp_path):
    params = tiny_params(*CHANGES, "ablate.folds=participants", "ablate.seeds=[0]",
                         "ablate.variants={default: {}}")  # fmt: skip
    ablate.run(params, "synthetic")
    files = sorted((place / "models/ablate/synthetic").glob("*.npz"))
    tested = [np.load(file) for file in files]
    assert all(len(set(t["participant"])) == 1 for t in tested)
    ids = np.concatenate([t["ids"] for t in tested])
    assert len(ids) == len(set(ids.tolist()))


def test_a_variant_that_does_not_exist_in_the_parameters_is_one_sentence(params):
    wrong = tiny_params(*CHANGES, "ablate.variants={default: {train: {encoder: big}}}")
    with pytest.raises(AuraError, match=r"ablate.variants.default: .*encoder"):
        ablate.run(wrong, "synthetic")


def test_an_encoder_of_another_name_takes_none_of_the_old_options(params):
    changed = cells.settings_of(params, "imu2clip", 5)
    assert changed.train.imu_encoder.options == {}
    assert changed.train.seed == 5
    assert changed.train.mocap_encoder == params.train.mocap_encoder
