"""Fingerprints of recordings, beside a slow loop and on copies, pieces and what is neither."""

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.signals.content import FEWEST, RUN, content_of, fingerprints, same_recordings


def signal(rows=400, seed=0, channels=6):
    return np.random.default_rng(seed).normal(size=(rows, channels)).astype(np.float32)


def shared(a, b, rate=50.0, other=None):
    return len(np.intersect1d(fingerprints(a, rate), fingerprints(b, other or rate)))


MASK = (1 << 64) - 1
BASE = 0x9E3779B97F4A7C15


def mix(value):
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = ((value ^ (value >> shift)) * factor) & MASK
    return value ^ (value >> 31)


def slow(values, window):
    """The same by Python's own integers, run by run."""
    rows = []
    for row in values + np.float32(0):
        bits = [int(b) for b in row.astype(np.float32).view(np.uint32)]
        rows.append(mix(sum(b * BASE ** (n + 1) for n, b in enumerate(bits)) & MASK))
    rows = [r for n, r in enumerate(rows) if n == 0 or r != rows[n - 1]]
    if len(rows) < FEWEST:
        return set()
    run = min(RUN, len(rows))
    hashes = [
        mix(sum(r * BASE**n for n, r in enumerate(rows[i : i + run])) & MASK)
        for i in range(len(rows) - run + 1)
    ]
    while window > len(hashes):
        window //= 2
    return {min(hashes[i : i + window]) for i in range(len(hashes) - window + 1)}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 90), st.integers(1, 3), st.integers(0, 5), st.sampled_from([1, 4, 30, 100]))
def test_they_are_those_of_a_slow_loop(rows, channels, distinct, rate):
    values = signal(rows, rows, channels)
    if distinct:
        values = np.round(values * distinct)
    window = 2 ** max(0, round(np.log2(max(1, rate * 0.25))))
    assert set(fingerprints(values, rate).tolist()) == slow(values, window)


@pytest.mark.parametrize("rate", [20, 50, 100, 1000])
@pytest.mark.parametrize("shift", [0, 1, 7, 111])
def test_a_shifted_piece_shares_one_from_a_certain_length_on(rate, shift):
    whole = signal(4000)
    length = RUN + 2 ** round(np.log2(rate / 4)) - 1
    piece = whole[shift : shift + length]
    assert shared(whole, piece, rate)
    assert shared(np.concatenate([signal(50, 1), piece, signal(50, 2)]), whole, rate)
    # Of half or twice the rate, as stamps of a few samples may tell it, it is found all the same.
    longer = whole[shift : shift + 2 * length]
    assert shared(whole, longer, rate, rate / 2)
    assert shared(whole, longer, rate, rate * 2)


def test_what_is_not_the_same_shares_nothing():
    assert not shared(signal(9000), signal(9000, 1))
    nearly = signal()
    nearly[::RUN] = np.nextafter(nearly[::RUN], np.float32(9))
    assert not shared(nearly, signal())
    assert not shared(signal()[::-1], signal())


def test_what_is_still_held_or_lost_tells_nothing():
    for value in (0.0, 1.5, np.nan):
        assert not len(fingerprints(np.full((500, 6), value, np.float32), 50.0))
    assert not len(fingerprints(np.empty((0, 6), np.float32), np.nan))
    still = np.concatenate([signal(40, 1), np.zeros((300, 6), np.float32)])
    other = np.concatenate([signal(40, 2), np.zeros((300, 6), np.float32)])
    assert not shared(still, other)
    held = np.repeat(signal(100), 4, axis=0)  # 50 Hz, written at 200
    assert shared(held[3:], signal(100), 200.0, 50.0)
    lost = signal()
    lost[60:80] = np.nan
    assert shared(lost[20:120], lost)


def test_a_short_recording_is_one_print_by_all_of_it():
    short = signal(RUN - 5)
    assert len(fingerprints(short, 50.0)) == 1
    assert shared(short, short.copy())
    assert not shared(short, signal(RUN - 5, 1))
    assert not len(fingerprints(signal(FEWEST - 1), 50.0))


def test_pairs_are_those_of_a_slow_loop():
    rng = np.random.default_rng(3)
    sets = [set(rng.integers(0, 60, 12).tolist()) for _ in range(9)]
    take = np.concatenate([[n] * len(s) for n, s in enumerate(sets)])
    prints = np.array([p for s in sets for p in s], np.uint64)
    expected = set()
    for value in set(prints.tolist()):
        having = [n for n, s in enumerate(sets) if value in s]
        expected |= set(pairwise(having))
    order = rng.permutation(len(take))
    assert same_recordings(take[order], prints[order]) == sorted(expected)
    assert same_recordings(np.empty(0, int), np.empty(0, np.uint64)) == []


def test_an_hour_of_an_aria_takes_seconds():
    values = signal(800 * 600)  # ten minutes
    start = time.perf_counter()
    prints = fingerprints(values, 800.0)
    assert (time.perf_counter() - start) * 6 < 10
    assert 600 * 2 < len(prints) < 600 * 16


def test_content_is_that_of_all_sensors_inside_the_take_and_of_nothing_beside_it():
    seconds, values = np.arange(-5, 25) / 10, signal(30)  # a run is one print: each row counts
    other_s, other = np.repeat(np.arange(300), 2) / 50, signal(600, 7, 3)  # each stamp twice
    inside, other_inside = slice(5, 25), other_s <= 1.9
    expected = np.union1d(
        fingerprints(values[inside], 10.0), fingerprints(other[other_inside], 50.0)
    )
    for order in (1, -1):  # a clock that runs backwards tells the rate as well
        tracks = [(seconds[::order], values[::order]), (other_s, other)]
        found = content_of(tracks, 1.9)
        if order == 1:
            np.testing.assert_array_equal(found, expected)
        assert len(found) == len(expected)
    one = content_of([(np.zeros(40), signal(40))], 1.0)
    np.testing.assert_array_equal(one, fingerprints(signal(40), 1.0))
    assert content_of([], 1.0).tolist() == []
