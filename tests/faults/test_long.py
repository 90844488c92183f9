"""The figures of a long run, on samples whose answer is known."""

import json

import numpy as np
import pytest

from tests.faults import long_report


def test_the_slope_of_a_line_in_noise_is_within_its_interval():
    seconds = np.arange(0, 7200, 10.0)
    noise = np.random.default_rng(0).normal(size=len(seconds))
    change, low, high = long_report.slope(seconds, 3 * seconds / 3600 + 0.1 * noise)
    assert low < 3 < high
    assert change == pytest.approx(3, abs=0.05)
    change, low, high = long_report.slope(seconds, 5 + noise)
    assert low < 0 < high


def test_figures_and_chart_of_what_there_is_so_far(tmp_path, capsys):
    keys = ("rss", "fds", "processes", "temporary", "shards")
    rows = [{"s": 10.0 * i, **dict.fromkeys(keys, i % 7)} for i in range(90)]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "samples.jsonl").write_text(f'{lines}{{"s": 9')  # it is being written
    events = [
        {"s": 50.0, "event": "killed", "kind": "worker"},
        {"s": 60.0, "event": "disturbed", "code": 0, "hung": False, "traceback": False},
        {"s": 61.0, "event": "settled", "left": 0, "took": 3.0},
        {"s": 70.0, "event": "ran", "code": 0},
        {"s": 80.0, "event": "round", "different": []},
        {"s": 90.0, "event": "round", "different": ["data/signals/x"]},
    ]
    (tmp_path / "events.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in events))
    long_report.main([str(tmp_path), str(tmp_path / "out")])
    told = json.loads((tmp_path / "out.json").read_text())
    assert told == json.loads(capsys.readouterr().out)
    assert (told["rounds"], told["rounds_that_differ"], told["wrong"]) == (2, 1, 0)
    assert told["kills"] == {"worker": 1}
    assert told["rss"]["max"] == pytest.approx(6e-9, abs=1e-3)
    assert (tmp_path / "out.svg").read_text().startswith("<svg ")
