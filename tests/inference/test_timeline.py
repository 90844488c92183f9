"""Answers over time against the slow, obvious way."""

import numpy as np
import pytest

from aura.errors import AuraError
from aura.evaluation.calibration import Calibration
from aura.inference.timeline import NONE, timeline

NAMES = ["run", "sit"]
CLASSES = np.eye(2, 3, dtype=np.float32)


def line(cosines, start, smoothed=1, threshold=0.3):
    vectors = np.hstack([cosines, np.zeros((len(cosines), 1))]).astype(np.float32)
    return timeline(NAMES, CLASSES, np.asarray(start, float), vectors,
                    Calibration(20, threshold), 5.0, 2.5, smoothed)  # fmt: skip


def test_each_window_has_the_nearest_prompt_or_none():
    told = line([[0.8, 0.1], [0.2, 0.1], [0.1, 0.9]], [0, 2.5, 5])
    assert told.names == ["run", "sit", NONE]
    assert told.best == ["run", NONE, "sit"]
    np.testing.assert_allclose(told.probabilities.sum(axis=1), 1)
    expected = np.exp(20 * np.array([0.8, 0.1, 0.3]))
    np.testing.assert_allclose(told.probabilities[0], expected / expected.sum(), rtol=1e-5)


def test_segments_meet_half_way_between_middles_and_end_at_a_gap():
    told = line([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0]], [0, 2.5, 5, 20, 22.5])
    found = [(s.begin_s, s.end_s, s.name, s.windows) for s in told.segments()]
    assert found == [
        (0, 6.25, "run", 2),
        (6.25, 10, "sit", 1),
        (20, 23.75, "sit", 1),
        (23.75, 27.5, "run", 1),
    ]
    begin, end = found[0][0], found[-1][1]
    assert (begin, end) == (0, 27.5), "nothing is said of what no window holds"


def test_overlapping_windows_about_one_that_is_missing_do_not_overlap():
    told = line([[1, 0], [1, 0]], [0, 4])
    assert [(s.begin_s, s.end_s) for s in told.segments()] == [(0, 4.5), (4.5, 9)]


def test_smoothing_takes_out_one_window_among_others():
    cosines = [[0.8, 0.1], [0.3, 0.4], [0.8, 0.1]]
    assert line(cosines, [0, 2.5, 5]).best == ["run", "sit", "run"]
    assert line(cosines, [0, 2.5, 5], smoothed=3).best == ["run"] * 3


def test_what_cannot_be_told_is_one_sentence():
    with pytest.raises(AuraError, match="over 1, 3, 5 … windows, not 2"):
        line([[1, 0]], [0], smoothed=2)
    with pytest.raises(AuraError, match="nothing to tell"):
        line(np.empty((0, 2)), [])
