from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.datasets.ego_exo4d import Adapter
from aura.datasets.ego_exo4d.splits import split_by_person
from aura.storage import Storage
from tests.datasets.ego_exo4d.roots import SIZE, write


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=60), st.randoms())
def test_a_split_by_person_shares_neither_people_nor_captures(takes, random):
    people, captures = [f"p{p}" for p, _ in takes], [f"c{c}" for _, c in takes]
    split = split_by_person(people, captures)
    for ids in (people, captures):
        found = {}
        for name, where in zip(ids, split, strict=True):
            assert found.setdefault(name, where) == where
    order = list(range(len(takes)))
    random.shuffle(order)
    again = split_by_person([people[i] for i in order], [captures[i] for i in order])
    assert again == [split[i] for i in order]


def test_a_split_by_person_has_its_shares():
    people = [f"p{i // 6}" for i in range(3000)]
    split = Counter(split_by_person(people, [f"c{i // 3}" for i in range(3000)]))
    assert split["test"] == pytest.approx(600, abs=6)
    assert split["val"] == pytest.approx(300, abs=6)


def test_a_split_by_person_finds_pose_where_the_official_split_put_it(tmp_path):
    size = replace(SIZE, participants={"train": 2, "val": 2}, activities=1, take_seconds=2.0)
    write(tmp_path, size)
    options = {"split": "participant", "splits": ["train", "val"]}
    adapter = Adapter(Storage(tmp_path), options)
    takes = adapter.inventory().takes
    assert {take.split for take in takes} > {"test"}
    assert {take.source["official_split"] for take in takes} == {"train", "val"}
    assert all(len(adapter.load(take).mocap) == 60 for take in takes)
