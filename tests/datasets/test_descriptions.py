"""Descriptions of classes: for every class, and only where they are asked for."""

import pytest

from aura.datasets import sisfall, sp_sw_har, umafall
from aura.datasets.descriptions import sisfall as of_sisfall
from aura.datasets.descriptions import sp_sw_har as of_sp_sw_har
from aura.datasets.descriptions import umafall as of_umafall
from aura.datasets.descriptions import utd_mhad as of_utd_mhad
from aura.datasets.utd_mhad import Adapter
from aura.datasets.wording import captions, described, phrases, prompts_of
from aura.storage import Storage
from tests.datasets.test_utd_mhad import write

OTHERS = [(sisfall, of_sisfall), (umafall, of_umafall), (sp_sw_har, of_sp_sw_har)]


@pytest.mark.parametrize(("adapter", "texts"), OTHERS, ids=lambda module: module.__name__[-12:])
def test_every_class_is_described_where_that_is_asked_for(adapter, texts, tmp_path):
    assert set(texts.DESCRIPTIONS) == set(adapter.ACTIVITIES)
    plain = adapter.Adapter(Storage(str(tmp_path)), {}).classes
    full = adapter.Adapter(Storage(str(tmp_path)), {"descriptions": True}).classes
    assert all(isinstance(wording, str) for wording in plain.values())
    assert {label: phrases(wording)[0] for label, wording in full.items()} == plain
    assert all(len(phrases(wording)[1]) == 3 for wording in full.values())


def test_each_of_the_27_actions_has_sentences_and_parts():
    assert set(of_utd_mhad.DESCRIPTIONS) == set(range(1, 28))
    assert {len(texts) for texts in of_utd_mhad.DESCRIPTIONS.values()} == {9}
    whole = [tuple(sorted(texts)) for texts in of_utd_mhad.DESCRIPTIONS.values()]
    assert len(set(whole)) == 27


def test_takes_carry_them_as_captions(tmp_path):
    root = Storage(str(write(tmp_path)))
    plain, full = Adapter(root, {}), Adapter(root, {"descriptions": True})
    assert plain.classes == {"wave": "wave", "draw x": "draw x"}
    take = full.inventory().takes[0]
    texts = full.load(take).texts
    assert [t.text for t in texts] == ["wave", *of_utd_mhad.DESCRIPTIONS[1]]
    assert {t.source for t in texts} == {"actions", "descriptions"}
    assert {t.time_s for t in texts} == {full.load(take).duration_s / 2}
    assert plain.load(take).texts == texts[:1]


def test_prompts_take_the_phrase_and_descriptions_stand_as_they_are():
    assert prompts_of("walk", ["a {}", "to {}"]) == ("a walk", "to walk")
    assert prompts_of(("walk", "legs step", "a walk"), ["a {}"]) == ("a walk", "legs step")
    assert captions("walk", 0.0) == ()
    assert described({"w": "walk", "r": "run"}, {"w": ["legs step"]}) == {
        "w": ("walk", "legs step"),
        "r": ("run",),
    }
