"""The log of a stage, what it prints at the end, and a log that cannot be written."""

import json
from pathlib import Path

import pytest

from aura.counts import Ledger
from aura.datasets.base import Skip
from aura.errors import AuraError
from pipeline.engine.log import VERBOSITY, group_skips, logged, note, tell
from pipeline.engine.progress import say, track

PLACE = Path("logs/tiny/test_log.jsonl")  # a stage is called what its module is


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VERBOSITY, raising=False)


def lines():
    return [json.loads(line) for line in PLACE.read_text().splitlines()]


@logged("data/signals/{dataset}")
def run(params, dataset, fails=None):
    ledger = Ledger("resample", "takes")
    ledger.find("takes", 4)
    ledger.use("takes")
    ledger.drop("takes", "no split", 2)
    ledger.drop("takes", "no IMU")
    skips = [Skip("no split", "a.mp4"), Skip("no split", "b"), Skip("no split", "b")]
    say("reading")
    say("a person is in two splits", "warning")
    tell(ledger, group_skips(skips, "b"), [["c", "take: no IMU", 1, ""]])
    for _ in track(range(3), "takes"):
        pass
    if fails:
        raise fails
    return "result"


def test_each_line_is_json_and_says_what_was_left_out(capsys):
    assert run(None, "tiny") == "result"
    start, reading, warning, *skipped, done = lines()
    for line in lines():
        assert (line["stage"], line["dataset"]) == ("test_log", "tiny")
        assert line["time"].endswith("+00:00")
    assert (start["message"], start["out"]) == ("start", "data/signals/tiny")
    assert (reading["level"], warning["level"]) == ("info", "warning")
    assert [(s["take"], s["reason"], s["count"]) for s in skipped] == [
        ("b", "take: no split", 1), ("b", "take: no split", 2), ("c", "take: no IMU", 1),
    ]  # fmt: skip
    assert skipped[0]["message"] == "b, take: no split: a.mp4"
    assert done["counts"] == {
        "takes": {"found": 4, "used": 1, "dropped": {"no IMU": 1, "no split": 2}}
    }
    assert (done["message"], done["level"], done["seconds"] >= 0) == ("done", "info", True)
    printed = capsys.readouterr().err.splitlines()
    assert printed[-1] == "  takes: 4 found, 1 used, 3 dropped (no split 2, no IMU 1)"
    assert printed[-2].startswith("test_log tiny: done in ")
    assert printed[-2].endswith(f"data/signals/tiny, log {PLACE}")
    run(None, "tiny")
    assert len(lines()) == 7  # written anew


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (AuraError("No take is left."), "No take is left."),
        (KeyboardInterrupt(), "interrupted"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
    ],
    ids=["sentence", "interrupt", "fault"],
)
def test_a_run_that_fails_says_why_and_how_far_it_came(error, told, capsys):
    with pytest.raises(type(error)):
        run(None, "tiny", error)
    end = lines()[-1]
    assert (end["level"], end["message"]) == ("error", told)
    assert end["counts"]["takes"]["used"] == 1
    assert "done in" not in capsys.readouterr().err
    note("nobody is at work")
    assert lines()[-1] == end


def test_a_stage_within_a_stage_has_a_log_of_its_own():
    @logged("data/{dataset}")
    def outer(params, dataset):
        note("before")
        run(params, "other")
        note("after")

    outer(None, "tiny")
    assert [line["message"] for line in lines()] == ["start", "before", "after", "done"]
    inner = Path("logs/other/test_log.jsonl").read_text()
    assert "reading" in inner


@pytest.mark.parametrize(
    ("verbosity", "shown", "hidden"),
    [
        ("quiet", ["two splits"], ["reading", "done in", "no IMU", "takes:"]),
        ("", ["two splits", "reading", "done in", "takes:"], ["c, take: no IMU"]),
        ("verbose", ["two splits", "reading", "done in", "c, take: no IMU"], []),
    ],
)
def test_how_much_is_printed(verbosity, shown, hidden, monkeypatch, capsys):
    monkeypatch.setenv(VERBOSITY, verbosity)
    run(None, "tiny")
    out, err = capsys.readouterr()
    assert out == ""
    assert all(words in err for words in shown)
    assert not any(words in err for words in hidden)
    assert len(lines()) == 7  # the log is the same


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full here")
def test_a_full_disk_ends_the_log_and_not_the_run(capsys):
    PLACE.parent.mkdir(parents=True)
    PLACE.symlink_to("/dev/full")
    assert run(None, "tiny") == "result"
    err = capsys.readouterr().err
    assert err.count("cannot be written: No space left on device.") == 1
    assert "done in" in err
    assert f"log {PLACE}" not in err


def test_a_folder_that_cannot_be_made_ends_the_log_and_not_the_run(capsys):
    Path("logs").write_text("a file")
    assert run(None, "tiny") == "result"
    assert capsys.readouterr().err.count("test_log: no log, logs/tiny/test_log.jsonl cannot") == 1


def test_counts_that_do_not_add_up_end_the_stage():
    @logged("data/{dataset}")
    def wrong(params, dataset):
        ledger = Ledger("slice", "windows")
        ledger.find("windows", 3)
        tell(ledger)

    with pytest.raises(AuraError, match="windows do not add up: 3 found, but 0 used"):
        wrong(None, "tiny")
    assert "do not add up" in lines()[-1]["message"]
