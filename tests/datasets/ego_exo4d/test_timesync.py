import json
from dataclasses import replace

import numpy as np
import pytest

from aura.datasets import synthetic
from aura.datasets.ego_exo4d import Adapter
from aura.datasets.ego_exo4d.timesync import clock_fault, read_timesync, take_clock
from aura.errors import CorruptFile
from aura.storage import Storage
from tests.datasets.ego_exo4d.roots import SIZE, copy_of, load_first, reasons, timesync, write_takes


def test_rows_past_the_end_of_timesync_are_counted(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    takes = json.loads((root / "takes.json").read_text())
    last = max(takes, key=lambda take: take["timesync_end_idx"])
    lines = timesync(root).read_text().splitlines()[: last["timesync_end_idx"] - 20]
    timesync(root).write_text("\n".join(lines) + "\n")
    adapter = Adapter(Storage(root), {})
    take = next(t for t in adapter.inventory().takes if t.take_id == last["take_uid"])
    recording = adapter.load(take)
    assert reasons(recording)["clock: timesync.csv ends before the take"] == 1
    assert np.isnan(recording.frame_s[-20:]).all()
    assert np.isfinite(recording.mocap_s).all()


def test_a_second_aria_is_read_by_its_own_column(tmp_path):
    """aria01 of such a capture is another device, with another clock."""
    size = replace(SIZE, participants={"train": 6}, flaws=True, take_seconds=3.0)
    plan = next(p for p in synthetic.plan(size) if p.capture.aria == "aria02")
    clean = replace(plan, flaws=(), capture=replace(plan.capture, nan_rows=(), blank_rows=()))
    write_takes(tmp_path, [clean], size)
    header = timesync(tmp_path).read_text().splitlines()[0]
    assert {"aria01_214-1_capture_timestamp_ns", "aria02_214-1_capture_timestamp_ns"} <= {
        *header.split(",")
    }
    take, recording = load_first(tmp_path)
    assert take.source["aria"] == "aria02"
    assert recording.skips == ()
    assert recording.imu_s.min() < 0.01
    assert recording.imu_s.max() > 2.99


def column(stamps):
    return ("i,x\n" + "".join(f"{i},{s}\n" for i, s in enumerate(stamps))).encode()


def test_the_clock_of_a_take_by_hand():
    true = 5e12 + np.arange(100) * 1e9 / 30 * 1.0001
    cells = [f"{t:.0f}" for t in true]
    cells[20] = cells[25] = ""
    cells[40] = "NaN"
    cells[50] = f"{true[50] + 4e8:.0f}"  # 0.4 s off its neighbours
    times = read_timesync(column(cells), "x")
    assert np.isnan(times[[20, 25, 40]]).all()
    clock = take_clock(times, 20, 85)
    assert (clock.missing, clock.empty, clock.stray) == (5, 3, 1)
    # Frame 0 is row 20, whose cell is empty: the line through the others gives it.
    assert clock.origin_ns == pytest.approx(true[20], abs=50)
    assert clock.rate_hz == pytest.approx(30 / 1.0001, rel=1e-7)
    known = np.isfinite(clock.frame_s)
    assert np.flatnonzero(~known).tolist() == [0, 5, 20, 30, *range(80, 85)]
    np.testing.assert_allclose(
        clock.frame_s[known], (true[20:] - true[20])[known[:80]] / 1e9, atol=1e-7
    )


@pytest.mark.parametrize("times", [[np.nan] * 9, [5.0], np.arange(9)[::-1] * 1e9 / 30, np.zeros(9)])
def test_a_clock_that_is_none_is_refused(times):
    assert take_clock(np.array(times, float), 0, 9) is None


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"a,b\n1,2\n", b"x\nfive\n", b"x,y\n1\n2,3,4\n"]
)
def test_a_timesync_that_is_no_table_of_times_is_refused(data):
    with pytest.raises(CorruptFile, match=r"timesync\.csv cannot be read"):
        read_timesync(data, "x")


def test_frame_0_may_be_the_row_after_the_start(clean_root):
    """The option moves the origin by one row of timesync.csv, and nothing else."""
    take, zero = load_first(clean_root[0])
    _, one = load_first(clean_root[0], first_row=1)
    times = read_timesync(timesync(clean_root[0]).read_bytes(), "aria01_214-1_capture_timestamp_ns")
    start = int(take.source["start"])
    step = (times[start + 1] - times[start]) / 1e9
    assert 0.03 < step < 0.04
    shift = np.interp(one.imu_s, one.imu_s, one.imu_s) + step
    inside = (shift > zero.imu_s.min()) & (shift < zero.imu_s.max())
    nearest = zero.imu_s[np.searchsorted(zero.imu_s, shift[inside] - 1e-4)]
    np.testing.assert_allclose(nearest, shift[inside], atol=1e-6)


def true_ns(frames=600, seed=0):
    jitter = np.random.default_rng(seed).normal(0, 5e4, frames)
    return np.rint(1.3e12 + np.arange(frames) * 1e9 / 30 * 1.00002 + jitter)


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5])
def test_times_with_few_digits_are_no_clock(digits):
    """1.3E+12, as a spreadsheet writes 1300033334667: digits after the point of the mantissa."""
    times = read_timesync(column([f"{t:.{digits}E}" for t in true_ns()]), "x")
    assert clock_fault(times, 0, 600) == "timesync.csv has times with too few digits"


def test_a_few_more_digits_are_a_clock():
    times = read_timesync(column([f"{t:.6E}" for t in true_ns()]), "x")  # ms
    assert clock_fault(times, 0, 600) is None
    clock = take_clock(times, 0, 600)
    np.testing.assert_allclose(clock.frame_s, (true_ns() - true_ns()[0]) / 1e9, atol=1.1e-3)


def test_times_that_are_equal_in_any_base_are_no_clock():
    times = np.floor(true_ns() / 2**27) * 2**27  # 134 ms
    assert clock_fault(times, 0, 600) == "timesync.csv has times with too few digits"


def test_single_cells_that_lost_digits_or_repeat_are_masked():
    times, true = true_ns(), true_ns()
    times[100] = float(f"{times[100]:.3E}")  # up to 0.5 s off
    times[200] = round(times[200] / 1e8) * 1e8
    times[300] = times[299]
    times[400], times[401] = times[401], times[400]
    assert clock_fault(times, 0, 600) is None
    clock = take_clock(times, 0, 600)
    gone = np.flatnonzero(np.isnan(clock.frame_s))
    assert {100, 300} <= set(gone.tolist()) <= {100, 200, 300, 400, 401}
    kept = np.isfinite(clock.frame_s)
    kept[[400, 401]] = False
    np.testing.assert_allclose(clock.frame_s[kept], ((true - true[0]) / 1e9)[kept], atol=3.1e-3)
    assert (np.diff(clock.frame_s[np.isfinite(clock.frame_s)]) > 0).all()


def test_thirty_frames_a_second_to_the_nanosecond_are_no_few_digits():
    times = np.rint(1.3e12 + np.arange(600) * 1e9 / 30)  # each third is a multiple of 0.1 s
    assert clock_fault(times, 0, 600) is None
    assert take_clock(times, 0, 600).stray == 0


@pytest.mark.parametrize("at", [20, 100, 300, 500, 580])
@pytest.mark.parametrize("seconds", [0.1, 0.4, 3.0, 3600.0, -0.4])
def test_a_clock_that_is_set_in_the_take_is_none(at, seconds):
    times = true_ns() - seconds * 1e9 * (np.arange(600) >= at)
    assert clock_fault(times, 0, 600) == "timesync.csv has a clock that was set in the take"


@pytest.mark.parametrize("digits", [1, 3, 5])
def test_a_take_of_few_digits_says_so_and_keeps_its_pose(clean_root, tmp_path, digits):
    root = copy_of(clean_root, tmp_path)
    for path in root.glob("captures/*/timesync.csv"):
        head, *lines = [line.split(",") for line in path.read_text().splitlines()]
        at = head.index("aria01_214-1_capture_timestamp_ns")
        for line in lines:
            line[at] = f"{float(line[at]):.{digits}E}" if line[at] else ""
        path.write_text("\n".join(map(",".join, [head, *lines])) + "\n")
    _, recording = load_first(root)
    assert reasons(recording) == {
        "clock: timesync.csv has times with too few digits": 1,
        "imu: IMU cannot be aligned without timesync": 1,
    }
    assert len(recording.imu) == 0
    assert len(recording.mocap) == 180
