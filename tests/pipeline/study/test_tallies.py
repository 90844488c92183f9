"""Ledgers of the stages after evaluation: they add up, and cannot where a window is lost."""

from dataclasses import replace

import numpy as np
import pytest

from aura.errors import AuraError
from pipeline.study import tallies
from tests import small


@pytest.fixture(scope="module")
def windows():
    return small.windows(seconds=(60, 35, 20))[0]  # of three people: train, val and test


def labels(windows):
    """Two windows without a class, one with a class that has no prompt."""
    label = np.zeros(len(windows), np.int64)
    names = np.array(windows.label, object)
    test = windows.rows("test")
    for row in (0, test[0]):
        label[row], names[row] = -1, None
    label[1] = -1
    return replace(windows, label=names), label


def test_labelled_tasks_count_what_teaches_and_what_is_answered(windows):
    windows, label = labels(windows)
    sensors = ("imu", "mocap")
    rows, others = windows.rows("test"), np.flatnonzero(windows.split != "test")
    learnt = others[label[others] >= 0]
    predicted = [np.zeros((2, len(rows)), np.int64)]
    content = tallies.labelled(windows, label, sensors, learnt, predicted).check()
    assert content["windows"] == {"found": len(windows), "used": len(windows), "dropped": {}}
    assert content["windows_to_learn_from"]["dropped"] == {
        "class without a prompt": 1,
        "no class": 1,
    }
    assert content["windows_to_test"] == {
        "found": len(rows), "used": len(rows) - 1, "dropped": {"no class": 1},
    }  # fmt: skip
    predicted[0][:, 3] = -1  # a head has lost one
    with pytest.raises(AuraError, match="windows to test do not add up"):
        tallies.labelled(windows, label, sensors, learnt, predicted).check()


def test_a_grid_counts_each_training_and_what_it_tests(windows):
    windows, label = labels(windows)
    ids = np.array(windows.ids)
    people = sorted(set(windows.participant))
    tested = [(person, ids[windows.participant == person]) for person in people]
    content = tallies.cells("ablate", windows, label, tested).check()
    assert content["trainings"]["used"] == len(people)
    assert content["tests"]["used"] == len(windows)
    some = [("test", ids[[r for r in windows.rows("test") if label[r] >= 0]])]
    content = tallies.cells("unseen", windows, label, some, [()], only_labelled=True).check()
    assert content["tests"]["dropped"] == {"no class": 1}
    none = tallies.cells("unseen", windows, label, [("test", ids[:0])], [(0,)], only_labelled=True)
    with pytest.raises(AuraError, match="unseen: trainings do not add up"):
        none.check()
    twice = [*tested[:1], (people[1], tested[0][1])]  # the windows of another person
    with pytest.raises(AuraError, match="ablate: tests do not add up"):
        tallies.cells("ablate", windows, label, twice).check()


def test_classes_that_take_no_part_are_not_tested(windows):
    label = np.arange(len(windows)) % 3
    rows = windows.rows("test")
    kept = np.array(windows.ids)[[row for row in rows if label[row] != 2]]
    ledger = tallies.cells("unseen", windows, label, [("test", kept)], [(2,)])
    assert ledger.check()["tests"]["dropped"] == {
        "of a class that takes no part": int((label[rows] == 2).sum())
    }


def test_targets_and_shifts(windows):
    windows, label = labels(windows)
    found = {"a": (windows, label, int((label >= 0).sum()))}
    assert tallies.targets(found).check()["windows_of_a"]["dropped"] == {
        "class without a prompt": 1,
        "no class": 2,
    }
    has, whole = np.ones(len(windows), bool), np.ones(len(windows), bool)
    has[:2], whole[1:4] = False, False
    ledger = tallies.compared("a", windows, whole, has, 10, 10)
    assert ledger.check()["windows_of_a"]["dropped"] == {
        "IMU lacks channels": 2, "beside a random sample": len(windows) - 14, "no IMU": 2,
    }  # fmt: skip
