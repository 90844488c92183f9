"""The ledger: what was found is what was used and dropped, over any shards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.counts import Ledger, by_count, name_of
from aura.errors import AuraError

UNITS = ("takes", "imu_samples")
REASONS = ("no split", "no IMU")
ENTRIES = st.lists(
    st.tuples(st.sampled_from(UNITS), st.sampled_from(("", *REASONS)), st.integers(0, 1000))
)


def fill(ledger, entries):
    """Each entry is found, and used or dropped by its reason."""
    for unit, reason, count in entries:
        ledger.find(unit, count)
        if reason:
            ledger.drop(unit, reason, count)
        else:
            ledger.use(unit, count)
    return ledger


@given(ENTRIES, st.lists(st.integers(0, 3)), st.randoms(use_true_random=False))
def test_shards_in_any_order_make_the_ledger_of_the_whole(entries, shard_of, random):
    whole = fill(Ledger("slice", *UNITS), entries)
    shards = [
        fill(
            Ledger("slice", *UNITS),
            [e for i, e in enumerate(entries) if (shard_of[i] if i < len(shard_of) else 0) == k],
        )
        for k in range(4)
    ]
    random.shuffle(shards)
    merged = Ledger("slice", *UNITS)
    for shard in shards:
        merged.add(shard.check())
    assert merged.check() == whole.check()
    for unit in UNITS:  # oracle: a plain sum
        of_unit = [(reason, count) for name, reason, count in entries if name == unit]
        assert whole.found(unit) == sum(count for _, count in of_unit)
        assert whole.used(unit) == sum(count for reason, count in of_unit if not reason)
        assert whole.dropped(unit) == {
            r: total for r in sorted(REASONS) if (total := sum(c for x, c in of_unit if x == r))
        }


@given(ENTRIES, st.sampled_from(UNITS), st.integers(1, 1000), st.booleans())
def test_whatever_goes_without_a_reason_or_comes_twice_is_told(entries, unit, count, lost):
    ledger = fill(Ledger("slice", *UNITS), entries)
    if lost:
        ledger.find(unit, count)
    else:
        ledger.use(unit, count)
    with pytest.raises(AuraError, match=f"^slice: {name_of(unit)} do not add up: "):
        ledger.check()


def test_what_is_no_count_or_no_unit_is_refused():
    ledger = Ledger("slice", *UNITS)
    for wrong in (-1, 0.5):
        with pytest.raises(ValueError, match="is no count"):
            ledger.use("takes", wrong)
    with pytest.raises(KeyError):
        ledger.find("windows")
    with pytest.raises(KeyError):
        ledger.add(Ledger("embed", "windows").content())


def test_a_line_tells_the_most_frequent_reasons_first():
    ledger = fill(
        Ledger("resample", *UNITS),
        [("takes", "", 9), *(("takes", f"reason {i}", i) for i in range(1, 7))],
    )
    assert ledger.describe() == [
        "takes: 30 found, 9 used, 21 dropped (reason 6 6, reason 5 5, reason 4 4, reason 3 3, …)",
        "IMU samples: 0 found, 0 used",
    ]
    assert by_count({"b": 1, "a": 1, "c": 2}) == [("c", 2), ("a", 1), ("b", 1)]
