"""Every stage accounts for what it found, and fails where something goes without a reason."""

import json
import os
import re
import shutil
from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from aura.config import Resample
from aura.counts import Ledger, name_of
from aura.datasets import synthetic
from aura.datasets.base import open_dataset
from aura.errors import AuraError
from aura.schema import SIGNALS, TAKES, from_numpy, to_numpy
from pipeline import embed, evaluate, report, resample, synthesize, train
from pipeline import slice as slice_stage
from pipeline.engine.output import read_table, write_table
from pipeline.screen import count_kept, screen
from pipeline.study import counts, joined
from tests import small
from tests.conftest import FLAWED, tiny_params
from tests.pipeline.test_screen import recording

STRIDE = (
    "slice.window_s=2.0",
    "slice.stride_s=1.0",
    "slice.min_imu_valid=1.0",
    "slice.min_mocap_valid=1.0",
)


def metrics(folder, stage, dataset="synthetic"):
    return json.loads((folder / f"reports/{dataset}/{stage}/metrics.json").read_text())


@pytest.fixture
def place(flawed, tmp_path, monkeypatch):
    """What `resample`, `slice` and `embed` read of the root with every flaw; none is changed."""
    source, params = flawed
    (tmp_path / "data").mkdir()
    for name in ("data/raw", "models"):
        (tmp_path / name).symlink_to(source / name)
    for name in ("data/signals", "data/windows"):  # whose files a test may replace
        shutil.copytree(source / name, tmp_path / name, copy_function=os.link)
    monkeypatch.chdir(tmp_path)
    return tmp_path, params


def test_takes_samples_and_poses_are_those_of_the_recordings(flawed):
    """Oracle: the planted flaws, and each recording opened once more."""
    folder, params = flawed
    counted = metrics(folder, "resample")
    plans = synthetic.plan(synthesize.size_of(params))
    planted = Counter(flaw.kind for flaw in synthetic.planted(plans))
    takes = counted["takes"]
    assert takes["found"] == len(plans)
    assert takes["dropped"] == {
        "take is marked as dropped": planted["dropped_take"],
        "take is in no split": planted["no_split"],
        "take cannot be opened": planted["no_frame_range"],
        "take is in a split that is not read": sum(plan.split == "teacher" for plan in plans),
    }
    settings = params.dataset("synthetic")
    adapter = open_dataset(settings.adapter, str(folder / settings.root), settings.options)
    loaded = []
    for take in adapter.inventory().takes:
        try:
            loaded.append(adapter.load(take))
        except AuraError:
            continue
    assert takes["used"] == len(loaded)
    samples, poses = counted["imu_samples"], counted["poses"]
    assert samples["found"] == sum(len(recording.imu_s) for recording in loaded)
    assert poses["found"] == sum(len(recording.mocap_s) for recording in loaded)
    detail = {flaw.kind: flaw.detail for flaw in synthetic.planted(plans)}
    assert samples["dropped"].pop("before or after the take") > 0
    assert samples["dropped"] == {
        "sample flagged invalid": detail["imu_invalid"]["samples"],
        "sample not finite": detail["imu_nan"]["samples"],
        "sample duplicated": detail["imu_duplicates"]["samples"],
    }
    inside = [(r.imu_s >= 0) & (r.imu_s < r.duration_s) for r in loaded]
    assert samples["used"] <= sum(int(mask.sum()) for mask in inside)
    seen = [np.isfinite(r.mocap).all(axis=2).any(axis=1).sum() for r in loaded]
    assert poses["used"] == sum(map(int, seen))


def test_each_stage_finds_what_the_one_before_used(flawed):
    folder, _ = flawed
    resampled, sliced, embedded = (metrics(folder, s) for s in ("resample", "slice", "embed"))
    rows = read_table(folder / "data/signals/synthetic/takes-*.parquet", TAKES, "resample")
    assert sliced["takes"]["found"] == resampled["takes"]["used"] == rows.num_rows
    assert sliced["texts"]["found"] == resampled["texts"]["used"] > 0
    assert resampled["texts_listed"]["dropped"]  # of flaws
    assert sliced["texts"]["found"] == sum(len(texts) for texts in rows["texts"].to_pylist())
    assert embedded["windows_with_video"]["found"] == sliced["windows_with"]["video"]
    videos = pq.read_table(sorted((folder / "data/embeddings/synthetic").glob("part-*")))
    texts = pq.read_table(sorted((folder / "data/embeddings/synthetic").glob("texts-*")))
    assert embedded["windows_with_video"]["used"] == videos.num_rows
    assert embedded["texts"]["used"] == texts.num_rows
    assert sum(embedded["texts_by_kind"].values()) == embedded["texts"]["found"]
    assert embedded["cameras"]["used"] == embedded["takes_with_video"]["used"]
    assert embedded["cameras"]["dropped"]["video cannot be opened"] == 1  # planted once
    assert embedded["cameras"]["dropped"]["video has another number of frames than the take"] == 1


def silence(file, take_id, seconds):
    """Make nothing of a take valid before a second."""
    table = pq.read_table(file)
    rows = np.array(table["take_id"].to_pylist()) == take_id
    rows &= table["second"].to_numpy() < seconds
    for name in ("imu_valid", "mocap_valid"):
        valid = to_numpy(table, name).copy()
        valid[rows] = False
        column = from_numpy(valid, SIGNALS.field(name))
        table = table.set_column(table.schema.get_field_index(name), SIGNALS.field(name), column)
    file.unlink()  # a link to what others read
    write_table(file, table, SIGNALS)


def test_windows_and_texts_that_are_dropped_have_their_reason(place):
    """Oracle: windows of 2 s each second, laid by hand on two takes that are silent in part."""
    folder, _ = place
    file = folder / "data/signals/synthetic/part-00000.parquet"
    takes = read_table(file.with_name("takes-00000.parquet"), TAKES, "").to_pylist()
    part, whole = takes[:2]
    silence(file, part["take_id"], 3)
    silence(file, whole["take_id"], 9)
    small.seal(file.parent, "resample")
    slice_stage.run(tiny_params(*FLAWED, *STRIDE), "synthetic")
    counted = metrics(folder, "slice")
    rows = read_table(folder / "data/signals/synthetic/takes-*.parquet", TAKES, "").to_pylist()
    laid = {take["take_id"]: int(np.floor(take["duration_s"] - 2 + 1e-6)) + 1 for take in rows}
    kept = pq.read_table(sorted((folder / "data/windows/synthetic").glob("part-*"))).to_pylist()
    lost = 3 + laid[whole["take_id"]]
    assert counted["windows"] == {
        "found": sum(laid.values()),
        "used": len(kept),
        "dropped": {"neither IMU nor mocap valid": lost},
    }
    assert len(kept) == sum(laid.values()) - lost == sum(counted["windows_per_split"].values())
    assert counted["takes"]["dropped"] == {"no window is kept": 1}
    outside = len(whole["texts"]) + sum((t["end_s"] or t["time_s"]) < 2.5 for t in part["texts"])
    assert outside > len(whole["texts"])
    assert counted["texts"]["dropped"] == {"in no window that is kept": outside}
    log = [json.loads(line) for line in Path("logs/synthetic/slice.jsonl").read_text().splitlines()]
    told = {(line["take"], line["reason"]): line["count"] for line in log if "reason" in line}
    assert told[part["take_name"], "window: neither IMU nor mocap valid"] == 3
    assert told[whole["take_name"], "take: no window is kept"] == 1


def lose_a_window(real):
    def losing(*args):
        windows, dropped, held = real(*args)
        return windows[:-1], dropped, held

    return losing


def lose_a_sample(real):
    def losing(*args, **kwargs):
        cleaned = real(*args, **kwargs)
        return replace(
            cleaned, times=cleaned.times[:-1], values=cleaned.values[:-1], kept=cleaned.kept[:-1]
        )

    return losing


def lose_a_text(real):
    def losing(take, mask):
        spans, mute = real(take, mask)
        return spans[1:], mute

    return losing


def lose_a_vector(real):
    def losing(identity, ids, camera, counts, means):
        return real(identity, ids[1:], camera, counts[1:], means[1:])

    return losing


def lose_a_chunk(real):
    def losing(wanted, rows, add):
        return real(wanted, rows[1:], add)

    return losing


@pytest.mark.parametrize(
    ("stage", "module", "name", "losing", "unit"),
    [
        (resample, "pipeline.screen", "clean", lose_a_sample, "IMU samples"),
        (slice_stage, "pipeline.slice", "slice_take", lose_a_window, "takes|windows"),
        (slice_stage, "pipeline.slice", "texts_of", lose_a_text, "texts"),
        (embed, "pipeline.footage", "_videos_table", lose_a_vector, "windows with video"),
        (embed, "pipeline.embed", "embed_texts", lose_a_chunk, "texts"),
    ],
    ids=["samples", "windows", "texts", "videos", "embedded texts"],
)
def test_what_is_lost_without_a_reason_fails_the_stage(
    place, monkeypatch, stage, module, name, losing, unit
):
    """One row less, nowhere counted: the stage ends, and the output of before stays."""
    folder, params = place
    monkeypatch.setattr(f"{module}.{name}", losing(getattr(import_module(module), name)))
    stage_name = stage.__name__.rpartition(".")[2]
    with pytest.raises(AuraError, match=rf"^{stage_name}: ({unit}) do not add up: \d+ found, but"):
        stage.run(params, "synthetic")
    assert not (folder / f"reports/synthetic/{stage_name}/metrics.json").exists()


def test_a_take_that_no_shard_heard_of_fails_resample(place, monkeypatch):
    _, params = place
    real = resample.group_takes
    monkeypatch.setattr(resample, "group_takes", lambda takes, p: real(takes[1:], p))
    with pytest.raises(AuraError, match=r"^resample: takes do not add up: 40 found, but"):
        resample.run(params, "synthetic")


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = small.write_study(tmp_path, small.settings(epochs=1).model_dump(mode="json"))
    return params, joined.load(params, "tiny")[0]


def test_training_and_evaluation_account_for_every_window(study):
    """Oracle: a loop over the windows."""
    _, windows = study
    has = {m: present.clone() for m, present in windows.has.items()}
    rows = windows.rows("train")
    for modality in ("text", "mocap", "video"):
        has[modality][rows[:3]] = False
    alone = replace(windows, has=has)
    phase = small.settings().joint
    split = np.where(windows.label == windows.label[0], windows.split, counts.LEFT_OUT)
    ledger = counts.learned(alone, {"imu": alone, "held": replace(alone, split=split)},
                            {"imu": phase, "held": phase})  # fmt: skip
    content = ledger.check()
    assert content["windows"] == {
        "found": len(windows),
        "used": sum(split in ("train", "val") for split in windows.split),
        "dropped": {"kept for the test": sum(split == "test" for split in windows.split)},
    }
    learning = [
        row for row in rows
        if any(has[a][row] and has[b][row] for a, b in phase.pairs)
    ]  # fmt: skip
    assert content["windows_in_imu"]["used"] == len(learning) == len(rows) - 3
    assert content["windows_in_imu"]["dropped"] == {"no pair of modalities to learn from": 3}
    assert content["windows_in_held"] == content["windows_in_imu"]  # all are of one class
    other = replace(alone, split=np.where(np.arange(len(windows)) == rows[0], "x", windows.split))
    with pytest.raises(AuraError, match=r"^train: windows do not add up"):
        counts.learned(other, {"imu": other}, {"imu": phase}).check()


def test_a_split_that_nobody_reads_fails_train_and_evaluate(study, monkeypatch):
    params, _ = study
    train.run(params, "tiny")
    evaluate.run(params, "tiny")
    real = joined.load

    def strange(*args, **kwargs):
        windows, texts, teacher = real(*args, **kwargs)
        split = windows.split.astype(object)
        split[windows.rows("train")[0]] = "nowhere"
        return replace(windows, split=split), texts, teacher

    monkeypatch.setattr(joined, "load", strange)
    for stage in (train, evaluate):
        with pytest.raises(AuraError, match="windows do not add up"):
            stage.run(params, "tiny")


def test_the_page_and_its_summary_show_the_ledger_of_each_stage(flawed, tmp_path, monkeypatch):
    folder, _ = flawed
    monkeypatch.chdir(tmp_path)
    params = small.write_study(tmp_path, small.settings(epochs=1).model_dump(mode="json"))
    for stage in ("resample", "slice", "embed"):
        target = tmp_path / f"reports/tiny/{stage}/metrics.json"
        target.parent.mkdir(parents=True)
        target.write_text((folder / f"reports/synthetic/{stage}/metrics.json").read_text())
    train.run(params, "tiny")
    evaluate.run(params, "tiny")
    monkeypatch.setattr(report.Space, "load", lambda *_: _Nothing())
    report.run(params, "tiny")
    page = (tmp_path / "reports/tiny/report/index.html").read_text()
    shown = page.split('<table id="counts">')[1].split("</table>")[0]
    summary = (tmp_path / "reports/tiny/report/summary.md").read_text()
    for stage in ("resample", "slice", "embed", "train"):
        for unit, n in metrics(tmp_path, stage, "tiny").items():
            if not isinstance(n, dict) or "found" not in n:
                continue
            figures = (n["found"], n["used"], sum(n["dropped"].values()))
            cells = "".join(f"<td>{figure:,}</td>" for figure in figures)
            assert f"{name_of(unit)}</td>{cells}" in shown
            for reason, count in n["dropped"].items():
                assert f"{reason} {count:,}" in shown
                assert f"{reason} {count:,}" in summary
    assert re.search(r"\| evaluate +\| windows +\|", summary)


class _Nothing:
    """No joint space to look at."""

    def recall(self):
        return []

    queries = recall

    def map(self):
        return None


def test_metrics_of_before_are_refused_in_one_sentence(place):
    folder, _ = place
    for stage in ("resample", "slice", "embed"):
        target = folder / f"reports/synthetic/{stage}/metrics.json"
        target.parent.mkdir(parents=True)
        target.write_text(json.dumps({"takes_found": 3, "skips": {}, "masked": {}}))
    with pytest.raises(AuraError, match="run `aura resample` again"):
        counts.preprocessing(["synthetic"])


def test_samples_are_counted_with_the_clock_of_the_authors_too():
    """Oracle: the recipe's own rows; what it does not take is dropped, cleaned or not."""
    raw = recording()
    params = Resample(clock="authors")
    ledger = Ledger("resample", *resample.UNITS)
    screened, cleaned = screen(raw, "take", params)
    count_kept(ledger, raw, screened, cleaned, params)
    content = ledger.check()["imu_samples"]
    assert content == {"found": 1000, "used": 1000, "dropped": {}}
    late = replace(raw, imu_s=raw.imu_s - 0.5)
    ledger = Ledger("resample", *resample.UNITS)
    count_kept(ledger, late, *screen(late, "take", params), params)
    assert ledger.check()["imu_samples"]["dropped"] == {"not every n-th sample": 50}
