"""Killed anywhere, a stage's next run ends as if nothing had been; all of it by `make faults`."""

import signal

import pytest

from pipeline.engine import output
from tests.faults import kills, study


@pytest.mark.parametrize("stage", ["resample", "slice", "embed", "train", "evaluate"])
def test_a_rerun_after_a_kill_gives_the_bytes_of_an_undisturbed_run(project, tmp_path, stage):
    outcomes = list(kills.sweep(project, tmp_path / "place", stage, sample=1, seed=3))
    assert len(outcomes) == 1
    assert [outcome for outcome in outcomes if outcome.fault] == []


def test_the_kill_is_one_and_comes_before_the_change(project, tmp_path):
    place, log = tmp_path / "place", tmp_path / "log"
    study.copy(project, place)
    overrides = study.STAGES["slice"]
    code = study.run(
        place, "slice", overrides=overrides, before=lambda: kills.count_changes(3, log)
    )
    assert code == -signal.SIGKILL
    assert len(log.read_text().splitlines()) == 3
    assert study.content(place) != study.content(project)  # it had begun


def _remove_nothing():
    output._remove = lambda path: None


def test_a_sweep_finds_what_is_wrong(project, tmp_path):
    """The harness itself can fail: here by a stage that never takes its old output away."""
    changes = kills.changes_of(project, tmp_path / "place", "slice")
    wanted = study.content(tmp_path / "place")
    swapped = next(n for n, of in enumerate(changes, 1) if of.endswith("windows/one.partial"))
    assert not kills.kill(project, tmp_path / "place", "slice", swapped, wanted)
    assert kills.kill(project, tmp_path / "place", "slice", swapped, wanted, _remove_nothing)
