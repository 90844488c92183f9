"""Places and moments from an adapter to the figures, through the stages' own functions."""

import json
from dataclasses import replace

import numpy as np
import pytest

from aura.datasets import pamap2
from aura.errors import AuraError
from aura.evaluation.diagnosis import Headline
from aura.report.study import Study, Teacher
from aura.schema import MODALITIES, TAKES, WINDOWS
from pipeline import evaluate, report, resample
from pipeline import slice as slice_stage
from pipeline.engine.output import read_table
from pipeline.study import joined, targets
from tests import small
from tests.conftest import tiny_params
from tests.datasets.test_pamap2 import lines_of, session, write


def sliced(folder, monkeypatch, *overrides):
    """TAKES and WINDOWS of two PAMAP2 sessions."""
    for subject in (101, 106):
        write(folder / "raw", subject, lines_of(session([4, 5], seconds=8.0, seed=subject)))
    monkeypatch.chdir(folder)
    params = tiny_params(f"datasets.pamap2.root={folder / 'raw'}", *overrides)
    resample.run(params, "pamap2")
    slice_stage.run(params, "pamap2")
    takes = read_table(folder / "data/signals/pamap2/takes-*.parquet", TAKES, "resample")
    windows = read_table(folder / "data/windows/pamap2", WINDOWS, "slice")
    return takes.to_pylist(), windows.to_pylist()


def test_both_tables_carry_place_and_moment(tmp_path, monkeypatch):
    overrides = ["datasets.pamap2.options.placement=[hand, ankle]"]
    takes, windows = sliced(tmp_path, monkeypatch, *overrides)
    assert len(takes) == 8
    for take in takes:
        place = "ankle" if "_ankle_" in take["take_id"] else "wrist"
        assert take["place"] == place
        assert take["moment_id"] == take["take_id"].replace("_ankle", "")
        own = [w for w in windows if w["take_id"] == take["take_id"]]
        assert own
        assert {(w["place"], w["moment_id"]) for w in own} == {(place, take["moment_id"])}


def test_a_take_alone_is_its_own_moment(tmp_path, monkeypatch):
    takes, windows = sliced(tmp_path, monkeypatch)
    assert len(takes) == 4
    assert all(row["moment_id"] == row["take_id"] for row in [*takes, *windows])
    assert {row["place"] for row in [*takes, *windows]} == {"wrist"}


def test_a_place_that_is_none_of_the_contract_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(pamap2._PLACES, "hand", "left tail")
    monkeypatch.setattr(pamap2.Adapter, "_sensors", lambda self, place: pamap2.COLUMNS[4:10])
    with pytest.raises(AuraError, match="puts the IMU of protocol101_000 at 'left tail'; its pl"):
        sliced(tmp_path, monkeypatch)
    assert not list(tmp_path.glob("data/signals/*/*.parquet"))


@pytest.fixture(scope="module")
def content():
    """Windows of two places, two takes a moment, and their text table."""
    windows, (_, _, texts, _), _ = small.windows(
        seconds=(30, 30, 60, 60), splits=("train", "val", "test", "test"),
        moments=["a", "b", "c", "c"], places=["wrist", "wrist", "wrist", "chest"],
    )  # fmt: skip
    label = np.array(["walking" if i % 2 else "sitting" for i in range(len(windows))], object)
    rows = texts.to_pylist()
    prompts = [{**rows[-1], "kind": "prompt", "label": name} for name in ("sitting", "walking")]
    texts = texts.from_pylist([*rows[:-1], *prompts], schema=texts.schema)
    return small.with_texts(replace(windows, label=label), texts), texts


def test_evaluate_writes_a_row_a_place_and_nothing_where_there_is_one(
    content, tmp_path, monkeypatch
):
    windows, texts = content
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    vectors = {m: rng.normal(size=(len(windows), small.DIM)) for m in MODALITIES}
    vectors = {m: (v / np.linalg.norm(v, axis=1, keepdims=True)).astype(np.float32)
               for m, v in vectors.items()}  # fmt: skip
    card = {"settings": tiny_params().train.model_dump(mode="json")}
    monkeypatch.setattr(evaluate.trained, "load", lambda *_: (None, card))
    monkeypatch.setattr(evaluate.trained, "twins", lambda *_: {})
    monkeypatch.setattr(evaluate.calibrated, "calibrate", lambda *_: {"reason": "not asked for"})
    monkeypatch.setattr(
        evaluate.training, "embed", lambda model, w, rows, names: {
            m: v[: len(rows)] for m, v in vectors.items()
        },
    )  # fmt: skip
    lines = []
    for places in (2, 1):
        used = windows if places == 2 else replace(windows, place=np.full(len(windows), "wrist"))
        monkeypatch.setattr(joined, "load", lambda *_, used=used: (used, texts, None))
        evaluate.run(tiny_params(), "synthetic")
        details = json.loads((tmp_path / "reports/synthetic/evaluate/details.json").read_text())
        metrics = json.loads((tmp_path / "reports/synthetic/evaluate/metrics.json").read_text())
        chest = {name: figure for name, figure in metrics.items() if name.endswith("_chest")}
        assert ("places" in details) == bool(chest) == (places == 2)
        lines += [Headline(**line) for line in details.get("places", [])]
    assert [line.name for line in lines] == [
        f"IMU {what}, {place}"
        for place in ("chest", "wrist")
        for what in ("zero-shot", "→ text", "→ video", "→ mocap")
    ]
    text = report.summary(Study("x", Teacher("t", True), headlines=lines[:1], places=lines))
    assert all(line.name in text for line in lines)
    assert text.count("| IMU → mocap, wrist") == 1


def test_windows_of_one_instant_are_one_answer(content):
    windows, texts = content
    rows = windows.rows("test")
    test = targets.test_set(windows, texts, rows)
    half = len(rows) // 2
    assert test.instant.tolist() == [*range(half)] * 2
    assert test.unit()[1] == "moments"
    silent = targets.caption_groups([[], [], [3], [3], []], np.array([0, 0, 1, 2, 3]))
    assert silent.tolist() == [0, 0, 1, 1, 2]
