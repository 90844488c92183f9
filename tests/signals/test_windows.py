import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aura.config import Slice
from aura.errors import AuraError
from aura.learning.join import SIGNAL_COLUMNS, concat_takes
from aura.schema import SIGNALS
from aura.signals.windows import (
    Span,
    TakeSignals,
    action_of,
    longest_run,
    slice_take,
    starts,
)
from tests import small


def moment(time, text):
    return Span(text, time, time, "atomic_descriptions")


def texts_of(window):
    return [text.text for text in window.texts]


def signals(seconds=12.0, texts=(), has_video=True, imu=None, mocap=None):
    samples, frames = round(seconds * 200), round(seconds * 10)
    return TakeSignals(
        duration_s=seconds,
        imu_valid=np.ones(samples, bool) if imu is None else imu,
        mocap_valid=np.ones((frames, 17), bool) if mocap is None else mocap,
        imu_saturated=np.arange(int(np.ceil(seconds)), dtype=np.float32) / 100,
        clock_offset_ms=np.arange(int(np.ceil(seconds)), dtype=np.float32),
        texts=[text if isinstance(text, Span) else moment(*text) for text in texts],
        has_video=has_video,
    )


@given(
    cuts=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 60), st.sampled_from("abc"))),
    begin=st.integers(0, 80),
    length=st.integers(1, 60),
)
def test_action_is_what_fills_half_of_the_window_or_more(cuts, begin, length):
    """Oracle: time in tenths of a second, counted one by one."""
    spans = [Span(name, at / 10, (at + n) / 10, "action") for at, n, name in cuts]
    seconds_of = {
        name: sum(
            at <= tenth < at + n
            for at, n, other in cuts
            if other == name
            for tenth in range(begin, begin + length)
        )
        for name in "abc"
    }
    action = action_of(spans, begin / 10, (begin + length) / 10)
    most = max(seconds_of.values())
    if abs(2 * most - length) <= 1e-6 and most:
        return  # exactly half, which rounding decides
    if 2 * most < length or not most:
        assert action is None
    else:
        assert action is not None
        assert seconds_of[action] == most


def test_action_of_half_a_window_counts():
    half = [Span("stir", 1.0, 3.5, "action"), Span("chop", 3.5, 5.9, "action")]
    assert action_of(half, 1.0, 6.0) == "stir"
    assert action_of(half[1:], 1.0, 6.0) is None


@given(
    frames=st.integers(0, 900),
    window=st.integers(1, 100),
    stride=st.integers(1, 100),
    pad=st.booleans(),
)
def test_starts_equal_counting_by_hand(frames, window, stride, pad):
    expected, start = [], 0
    while start + window <= frames:
        expected.append(start / 10)
        start += stride
    if frames < window:
        expected = [0.0] if pad and frames else []
    np.testing.assert_allclose(starts(frames / 10, window / 10, stride / 10, pad), expected)


@given(st.lists(st.booleans(), max_size=60))
def test_longest_run_equals_a_loop(flags):
    best = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        best = max(best, run)
    assert longest_run(np.array(flags, bool)) == best


def test_texts_go_to_the_windows_that_hold_their_time():
    texts = [(0.0, "a"), (4.9, "b"), (5.0, "c"), (5.0, "c"), (11.0, "late")]
    windows, *_ = slice_take(signals(texts=texts), Slice())
    assert [w.start_s for w in windows] == [0, 2.5, 5]
    assert [texts_of(w) for w in windows] == [["a", "b"], ["b", "c", "c"], ["c", "c"]]
    wide, *_ = slice_take(signals(texts=texts), Slice(text_tolerance_s=1.5))
    assert texts_of(wide[2]) == ["b", "c", "c", "late"]
    offsets = [text.offset_s for text in wide[2].texts]
    np.testing.assert_allclose(offsets, [-0.1, 0, 0, 6])  # from the window's start at 5 s


@given(begin=st.floats(-3, 15), length=st.floats(0, 6), tolerance=st.floats(0, 2))
def test_a_text_with_a_span_goes_to_every_window_it_touches(begin, length, tolerance):
    span = Span("step", begin, begin + length, "keystep")
    windows, *_ = slice_take(signals(texts=[span]), Slice(text_tolerance_s=tolerance))
    for window in windows:
        low, high = window.start_s - tolerance, window.start_s + 5 + tolerance
        touches = begin < high and begin + length >= low
        assert texts_of(window) == ["step"] * touches
        assert all(text.source == "keystep" for text in window.texts)


def test_validity_gap_and_clock_offset_are_of_the_window():
    imu = np.ones(2400, bool)
    imu[1000:1100] = False  # 0.5 s from 5.0 s
    windows, rejected, _ = slice_take(signals(imu=imu), Slice(min_imu_valid=0.95))
    assert not rejected
    first, second, third = windows
    assert (first.imu_valid, first.largest_gap_ms, first.has_imu) == (1, 0, True)
    assert (second.imu_valid, second.largest_gap_ms, second.has_imu) == (0.9, 500, False)
    assert third.largest_gap_ms == 500
    assert [w.clock_offset_ms for w in windows] == [4, 7, 9]
    # Of seconds 0 to 4, 2 to 7 and 5 to 9.
    np.testing.assert_allclose([w.imu_saturated for w in windows], [0.02, 0.045, 0.07], rtol=1e-6)


def test_windows_that_pair_nothing_are_rejected_with_the_reason():
    none = np.zeros(2400, bool)
    _, rejected, _ = slice_take(
        signals(imu=none, mocap=np.zeros((120, 17), bool), texts=[(1, "a")]), Slice()
    )
    assert rejected == {"neither IMU nor mocap valid": 3}
    _, rejected, _ = slice_take(signals(imu=none, has_video=False), Slice())
    assert rejected == {"only one modality present": 3}
    windows, rejected, _ = slice_take(signals(seconds=3.0), Slice(pad_short=False))
    assert (windows, rejected) == ([], {})  # none is found, so none is dropped


def test_texts_that_are_in_no_window_that_is_kept_are_known():
    """Oracle: the texts of the windows. One lies behind the last, one in a window of nothing."""
    imu = np.ones(2400, bool)
    imu[:1000] = False
    mocap = np.ones((120, 17), bool)
    mocap[:50] = False
    texts = [(1.0, "alone"), (6.0, "both"), (11.9, "behind")]
    windows, rejected, held = slice_take(
        signals(imu=imu, mocap=mocap, texts=texts), Slice(min_imu_valid=0.6, min_mocap_valid=0.6)
    )
    assert rejected["neither IMU nor mocap valid"] == 2
    kept = {text.text for window in windows for text in window.texts}
    assert held.tolist() == [text in kept for _, text in texts] == [False, True, False]


def test_a_short_recording_becomes_one_window_valid_over_its_own_length():
    windows, *_ = slice_take(signals(seconds=3.0, texts=[(2.9, "a")]), Slice())
    assert len(windows) == 1
    assert windows[0].imu_valid == 1
    assert texts_of(windows[0]) == ["a"]


def in_pieces(table, rows):
    """The same table in chunks of so many rows."""
    return pa.concat_tables(table.slice(at, rows) for at in range(0, len(table), rows))


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_takes_lie_end_to_end_with_room_behind_a_short_one(rows):
    (signals, *_), blocks = small.tables(seconds=(12, 3, 9))
    tracks = concat_takes(in_pieces(signals, rows), 5.0)
    assert tracks.first_s == {"take0": 0, "take1": 12, "take2": 17}
    for name, rate in (("imu", 200), ("imu_valid", 200), ("mocap", 10), ("mocap_valid", 10)):
        got, block = getattr(tracks, name), blocks[name]
        assert len(got) == 26 * rate
        np.testing.assert_array_equal(got[: 15 * rate], block[:15].reshape(-1, *got.shape[1:]))
        assert not got[15 * rate : 17 * rate].any()
        np.testing.assert_array_equal(got[17 * rate :], block[15:].reshape(-1, *got.shape[1:]))
    few = concat_takes(signals.select(list(SIGNAL_COLUMNS)), 5.0)
    np.testing.assert_array_equal(few.imu, tracks.imu)
    for broken in (signals.slice(1), pa.concat_tables([signals, signals])):
        with pytest.raises(AuraError, match="aura resample"):
            concat_takes(broken, 5.0)
    assert signals.schema.equals(SIGNALS)


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_batch_is_its_windows_cut_one_by_one(shuffled):
    windows = small.windows(seconds=(40, 9, 3))[0]
    windows = windows.shuffled(1) if shuffled else windows
    rows = np.random.default_rng(0).permutation(len(windows))[:9]
    batch = windows.batch(rows, np.random.default_rng(2))
    for place, row in enumerate(rows.tolist()):
        other = {m: int(windows.order[m][row]) if shuffled else row for m in ("mocap", "video")}
        span = slice(int(windows.samples[row]), int(windows.samples[row]) + 1000)
        assert torch.equal(batch.imu[place], windows.imu[span])
        assert torch.equal(batch.imu_valid[place], windows.imu_valid[span])
        assert torch.equal(batch.mocap[place], windows.mocap[other["mocap"]])
        assert torch.equal(batch.mocap_valid[place], windows.mocap_valid[other["mocap"]])
        assert torch.equal(batch.video[place], windows.video[other["video"]])
        text_id = int(batch.text_id[place])
        text = windows.text[text_id] if text_id >= 0 else torch.zeros(small.DIM)
        assert torch.equal(batch.text[place], text)
    assert batch.imu.is_contiguous()
    assert batch.imu.data_ptr() != windows.imu.data_ptr()
