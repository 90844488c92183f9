import itertools
from collections import Counter
from dataclasses import replace

import pytest

from aura.datasets.synthetic import SyntheticSize, plan, planted
from aura.datasets.synthetic.flaws import GROUP_OF, MILD, SEVERE, SOURCES, STRAY, WHOLE_CAPTURE
from tests.datasets.synthetic.roots import FLAWED, KINDS, ONE_EACH, TINY


def test_plan_is_deterministic_and_the_seed_changes_it():
    size = SyntheticSize()
    assert plan(size) == plan(size)
    assert len(plan(size)) == 15 * 8
    other = plan(replace(size, seed=1))
    assert not {t.take_uid for t in plan(size)} & {t.take_uid for t in other}


def test_splits_share_neither_participants_nor_captures():
    plans = plan(SyntheticSize(takes_per_activity=2))
    for key in ("participant_uid", "capture"):
        groups = {}
        for take in plans:
            groups.setdefault(take.split, set()).add(getattr(take, key))
        assert set(groups) == {"teacher", "train", "val", "test"}
        for a, b in itertools.combinations(groups.values(), 2):
            assert not a & b


def test_takes_of_a_capture_do_not_overlap():
    for _, takes in itertools.groupby(plan(SyntheticSize()), key=lambda t: t.capture):
        ordered = list(takes)
        for a, b in itertools.pairwise(ordered):
            assert a.end_idx < b.start_idx
        lost = (ordered[-1].flaw("timesync_short") or {"rows": 0})["rows"]
        assert ordered[-1].end_idx <= ordered[-1].capture.rows + lost


@pytest.mark.parametrize("cameras", [1, 2])
def test_every_flaw_fits_the_default_size_and_most_takes_stay_clean(cameras):
    plans = plan(SyntheticSize(cameras=cameras))
    kinds = Counter(flaw.kind for flaw in planted(plans))
    sources = {STRAY: len(SOURCES), WHOLE_CAPTURE: 8}
    assert kinds == Counter(MILD) + Counter(SEVERE) + Counter(sources)
    flawed = [t for t in plans if t.flaws]
    assert len(flawed) <= sum(t.split != "teacher" for t in plans) / 3
    assert {t.split for t in flawed} == {"train", "val", "test"}
    assert planted(plan(SyntheticSize(flaws=False))) == []


@pytest.mark.parametrize("seed", range(20))
def test_flaws_that_disturb_each_other_share_no_take(seed):
    for size in (SyntheticSize(seed=seed), replace(FLAWED, seed=seed)):
        plans = plan(size)
        assert {flaw.kind for flaw in planted(plans)} == KINDS
        for take in plans:
            kinds = [flaw.kind for flaw in take.flaws]
            groups = [GROUP_OF[kind] for kind in kinds if kind in GROUP_OF]
            assert len(set(groups)) == len(groups)
            assert len(kinds) == 1 or not {*SEVERE} & {*kinds}
        whole = [t for t in plans if t.flaw(WHOLE_CAPTURE) is not None]
        assert len({t.capture.uid for t in whole}) == 1
        assert all(t in whole for t in plans if t.capture == whole[0].capture)


@pytest.mark.parametrize("cameras", [1, 2])
@pytest.mark.parametrize("activities", [1, 2])
def test_small_plans_keep_a_usable_take_in_every_split(cameras, activities):
    size = replace(TINY, cameras=cameras, activities=activities)
    usable = {t.split for t in plan(size) if not any(t.flaw(k) is not None for k in SEVERE)}
    assert usable == set(ONE_EACH)
