"""No stage stands still for long without a word."""

import time

import pytest

from pipeline.engine import progress


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(progress, "QUIET_S", 0.2)
    monkeypatch.setattr(progress, "_interval_s", lambda: 0.1)


def lines(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if "nothing new" in line]


def test_work_elsewhere_that_stands_still_says_what_it_waits_for(capsys):
    with progress.follow(lambda: 0, "embed", 5, "take", lambda: "no worker has begun"):
        time.sleep(2.2)
    said = lines(capsys)
    assert 2 <= len(said) <= 4  # each after twice the silence of the one before
    assert said[0].endswith("no worker has begun.")
    assert said[0].startswith("embed: nothing new for")


def test_work_that_goes_on_says_nothing(capsys, monkeypatch):
    monkeypatch.setattr(progress, "QUIET_S", 1.5)
    began = time.monotonic()
    with progress.follow(lambda: int(2 * (time.monotonic() - began)), "embed", 5, "take"):
        time.sleep(2.2)
    assert lines(capsys) == []


def test_an_item_that_takes_long_is_named(capsys):
    for item in progress.track([0.0, 1.2], "synthesize", unit="take"):
        time.sleep(item)
    assert "synthesize: nothing new for" in lines(capsys)[0]
    assert lines(capsys) == []


def test_a_block_that_takes_long_says_so(capsys):
    with progress.waiting("Ray", lambda: "it has not started"):
        time.sleep(0.8)
    assert "it has not started." in lines(capsys)[0]


def test_what_raises_goes_through():
    with pytest.raises(ValueError, match="x"), progress.follow(lambda: 0, "l", 1, "take"):
        raise ValueError("x")
