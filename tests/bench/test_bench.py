"""`aura bench`: ratios are those of interleaved rounds, gates come first, and each module runs."""

import json
import shutil
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from aura.cli import app
from aura.errors import AuraError
from bench import measure as bench
from bench import peers
from bench import run as runner
from bench.measure import Baseline, Row, Seconds, Setup, measure, require
from bench.run import MODULES
from tests.conftest import ROOT


def row(ours, *baselines, **kwargs):
    named = [Baseline(name, "limit", call, target) for name, call, target in baselines]
    return Row("row", "what", ours, named, dict, 10.0, "things", **kwargs)


def fixed(seconds, log=None, name=""):
    """A call that says how long it took, and is not long."""

    def call():
        if log is not None:
            log.append(name)
        return Seconds(seconds)

    return call


@pytest.fixture
def suite(monkeypatch, tmp_path):
    """Let `aura bench fake` measure the given rows; returns the folder for the results."""

    def install(*rows):
        module = type("Module", (), {"rows": staticmethod(lambda setup: iter(rows))})
        monkeypatch.setattr(runner, "MODULES", ("fake",))
        monkeypatch.setattr(runner, "import_module", lambda name: module)
        return tmp_path / "out/bench"

    return install


def test_a_ratio_is_the_rivals_time_over_ours_by_their_own_clocks(tmp_path):
    found = measure(row(fixed(2.0), ("slow", fixed(3.0), 1.4), ("fast", fixed(1.0), 0.6)),
                    Setup(tmp_path, rounds=3))  # fmt: skip
    slow, fast = found["rivals"]["slow"], found["rivals"]["fast"]
    assert slow["rounds"] == [1.5, 1.5, 1.5]
    assert (slow["min"], slow["median"], slow["max"], slow["met"]) == (1.5, 1.5, 1.5, True)
    assert (fast["median"], fast["met"]) == (0.5, False)
    assert (found["seconds"], found["rate"], found["unit"]) == (2.0, 5.0, "things")


def test_median_min_and_max_are_of_the_ratios_of_each_round(tmp_path):
    times = iter([1.0, 2.0, 4.0])
    found = measure(row(lambda: Seconds(next(times)), ("limit", fixed(2.0), None), rounds=9),
                    Setup(tmp_path, rounds=3))  # fmt: skip
    limit = found["rivals"]["limit"]
    assert limit["rounds"] == [2.0, 1.0, 0.5]
    assert (limit["min"], limit["median"], limit["max"]) == (0.5, 1.0, 2.0)
    assert limit["met"] is None


def test_a_rival_that_does_a_part_of_the_work_counts_as_if_it_did_all(tmp_path):
    baseline = Baseline("1x", "limit", fixed(1.0), 0.9, share=0.25)
    found = measure(
        Row("r", "w", fixed(4.0), [baseline], dict, 1.0, "x"), Setup(tmp_path, rounds=2)
    )
    assert found["rivals"]["1x"]["median"] == 1.0


def test_rounds_are_interleaved_and_another_one_is_first_in_each(tmp_path):
    log = []
    calls = [(name, fixed(1.0, log, name), None) for name in "bc"]
    measure(row(fixed(1.0, log, "a"), *calls, rounds=3), Setup(tmp_path, rounds=5))
    assert "".join(log) == "abc" + "bca" + "cab"


def test_without_a_clock_of_its_own_the_wall_is_taken(tmp_path):
    found = measure(row(lambda: time.sleep(0.02), ("limit", fixed(0.02), None)),
                    Setup(tmp_path, rounds=1, smoke=True))  # fmt: skip
    assert found["seconds"] >= 0.02


def test_short_calls_are_timed_many_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "_MAX_CALLS", 7)
    log = []
    measure(row(fixed(0.001, log, "a")), Setup(tmp_path, rounds=2))
    assert len(log) == 2 + 2 * 7


def test_a_skipped_peer_says_why_and_the_others_are_timed(tmp_path):
    found = measure(row(fixed(1.0), ("gone", "it is not installed", 2.0), ("here", fixed(2.0), 2)),
                    Setup(tmp_path, rounds=1))  # fmt: skip
    assert list(found["rivals"]) == ["gone", "here"]
    assert found["rivals"]["gone"] == {
        "kind": "limit", "target": 2.0, "skipped": "it is not installed",
    }  # fmt: skip
    assert found["rivals"]["here"]["met"]


def test_without_their_environment_peers_are_skipped(monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "PYTHON", tmp_path / "none")
    assert "make peers" in peers.start("torchcodec_windows")


def test_a_peer_answers_by_its_own_clock_and_says_why_it_cannot(monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text(  # the name of a package that others import
        "import time\nimport numpy as np\nVERSION = '1.2'\n"
        "def prepare(count):\n    print('noise')\n    if count < 0: raise ValueError('too few')\n"
        "    def run():\n        time.sleep(0.01)\n        return np.arange(count)\n"
        "    return run\n"
    )
    worker = peers.HERE / "worker.py"
    (tmp_path / "worker.py").write_text(worker.read_text())
    monkeypatch.setattr(peers, "HERE", tmp_path)
    monkeypatch.setattr(peers, "PYTHON", Path(sys.executable))
    peer = peers.start("json", count=3)
    assert isinstance(peer, peers.Peer)
    assert peer.version == "1.2"
    assert peer() >= 0.01
    peer.save(tmp_path / "found.npy")
    assert np.load(tmp_path / "found.npy").tolist() == [0, 1, 2]
    assert peers.start("json", count=-1) == "ValueError: too few"
    assert "No such file" in peers.start("none")


def test_a_gate_that_fails_ends_the_run_with_its_sentence_and_writes_nothing(suite):
    def gate():
        require(True, "fine")
        require(False, "The rows differ.")

    out = suite(Row("r", "w", fixed(1.0), [], gate, 1.0, "x"))
    done = CliRunner().invoke(app, ["bench", "--out", str(out)])
    assert done.exit_code == 1
    assert "aura: The rows differ." in done.output
    assert not out.parent.exists()


def test_an_unknown_row_is_one_sentence_that_lists_the_known(tmp_path):
    with pytest.raises(AuraError, match=r"^There is no row imus; rows: imu_resample, .*\.$"):
        runner.run(["imus"], 1, True, "cpu", tmp_path / "bench")


def test_what_was_measured_before_stays_in_the_files(suite):
    out = suite(row(fixed(1.0), ("limit", fixed(1.0), 0.9)))
    out.parent.mkdir()
    out.with_suffix(".json").write_text(
        json.dumps({"old": measure(row(fixed(1.0)), Setup(out.parent, rounds=1)) | {"machine": {}}})
    )
    assert CliRunner().invoke(app, ["bench", "--out", str(out), "--rounds", "1"]).exit_code == 0
    found = json.loads(out.with_suffix(".json").read_text())
    assert set(found) == {"old", "row"}
    assert found["row"]["machine"]["torch"]
    assert "row" in out.with_suffix(".md").read_text()
    assert out.with_suffix(".svg").is_file()


@pytest.mark.ray
@pytest.mark.parametrize("module", MODULES)
def test_each_module_runs_in_small_and_tidies_up(
    module, tmp_path, monkeypatch, ray_cluster, capsys
):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(peers, "PYTHON", tmp_path / "none")
    runner.run([module], 5, True, "cpu", tmp_path / "bench")
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
    assert " a second; " in capsys.readouterr().err


def test_every_module_is_a_file_of_the_folder():
    for module in MODULES:
        assert find_spec(f"bench.{module}") is not None, module
