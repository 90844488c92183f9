"""Tables of text and the bouts in them, beside slow loops."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.datasets.bouts import split_bouts
from aura.datasets.tables import to_numbers


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("0123456789.eE+- naifNx", max_size=8), max_size=6))
def test_a_bad_cell_does_not_change_the_others(cells):
    together = to_numbers(pa.array([*cells, "bad"], pa.string()))
    alone = [to_numbers(pa.array([cell], pa.string()))[0] for cell in cells]
    finite = np.isfinite(np.array(alone, float))
    np.testing.assert_array_equal(np.isfinite(together[:-1]), finite)
    np.testing.assert_array_equal(together[:-1][finite], np.array(alone, float)[finite])
    for cell, value in zip(cells, alone, strict=True):
        if np.isfinite(value):
            assert value == float(cell)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.5, 1.0, 1.5]), st.integers(0, 2)), max_size=40)
)
def test_bouts_are_those_of_a_slow_loop(steps):
    times = np.cumsum([step for step, _ in steps])
    labels = np.array([label for _, label in steps], np.int64)
    expected = []
    for row in range(len(steps)):
        same = row > 0 and labels[row] == labels[row - 1] and times[row] - times[row - 1] <= 1.0
        if same:
            expected[-1] = (expected[-1][0], row + 1)
        else:
            expected.append((row, row + 1))
    assert split_bouts(times, labels, 1.0) == expected
