"""`aura stats`: the numbers of the tables, of the stages' metrics and of the page are the same."""

import json
import shutil
from collections import Counter

import pyarrow.parquet as pq
import pytest

from aura.errors import AuraError
from pipeline import stats
from pipeline.engine import paths


@pytest.fixture
def counted(flawed, tmp_path, monkeypatch):
    folder, params = flawed
    (tmp_path / "data").symlink_to(folder / "data")
    shutil.copytree(folder / "reports", tmp_path / "reports")
    monkeypatch.chdir(tmp_path)
    return params, json.loads(stats.run(params, "synthetic", as_json=True))


def metrics(stage):
    return json.loads((paths.report("synthetic", stage) / "metrics.json").read_text())


def test_its_numbers_are_those_of_the_stages(counted):
    _, held = counted
    resample, sliced, embed = (metrics(stage) for stage in ("resample", "slice", "embed"))
    assert held["takes"] == resample["takes"]["used"]
    assert held["hours"] == pytest.approx(resample["hours"], rel=0.02)
    assert held["windows"] == sliced["windows"]["used"]
    assert {s: row["windows"] for s, row in held["splits"].items()} == sliced["windows_per_split"]
    assert held["text_sources"] == sliced["texts_by_source"]
    assert held["texts"] == sliced["texts"]["found"]
    with_ = sliced["windows_with"]
    assert held["modalities"] == {m: with_[m] for m in ("imu", "mocap", "video", "text")}
    assert sum(held["actions"].values()) == with_["action"]
    assert held["rejects"]["resample"]["takes"] == resample["takes"]["dropped"]
    assert held["skips"]["resample"] == resample["skips"]
    assert held["skips"]["resample, masked"] == resample["masked"]
    assert held["rejects"]["embed"].get("cameras", {}) == embed["cameras"]["dropped"]


def test_its_numbers_are_those_of_a_plain_count_of_the_tables(counted):
    _, held = counted
    takes = pq.read_table(sorted(paths.SIGNALS.glob("synthetic/takes-*.parquet"))).to_pylist()
    windows = pq.read_table(sorted(paths.WINDOWS.glob("synthetic/part-*.parquet"))).to_pylist()
    assert held["people"] == len({t["participant_id"] for t in takes})
    assert held["labels"] == Counter(w["label"] or "no class" for w in windows)
    assert held["places"] == Counter(t["place"] or "not known" for t in takes)
    for name in ("takes", "windows"):
        assert sum(row[name] for row in held["splits"].values()) == held[name]


def test_page_picture_and_tables_say_the_same(counted):
    params, held = counted
    text = stats.run(params, "synthetic")
    folder = paths.report("synthetic", "stats")
    page, picture = (folder / "index.html").read_text(), (folder / "picture.png").read_bytes()
    for label, count in held["labels"].items():
        assert f"{count:,}  {label}" in text
        assert f"<tr><th>{label.replace('&', '&amp;')}</th>" in page
    for reason in held["rejects"]["resample"]["takes"]:
        assert reason in text
        assert reason in page
    assert picture.startswith(b"\x89PNG")
    stats.run(params, "synthetic")
    assert (folder / "picture.png").read_bytes() == picture
    assert (folder / "index.html").read_text() == page


def test_metrics_of_other_tables_are_refused(counted):
    params, _ = counted
    path = paths.report("synthetic", "slice") / "metrics.json"
    content = json.loads(path.read_text())
    content["windows"]["used"] += 1
    content["windows"]["found"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(AuraError, match=r"The tables hold \d+ windows and .* says \d+; run"):
        stats.run(params, "synthetic")


def test_before_the_stages_it_names_the_first(tmp_path, monkeypatch, flawed):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AuraError, match="run `aura resample"):
        stats.run(flawed[1], "synthetic")
