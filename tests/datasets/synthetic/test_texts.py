from dataclasses import replace

import pytest

from aura.datasets.synthetic import ACTIVITIES, plan, planted, scenario_captions, write_metadata
from aura.datasets.synthetic.actions import ACTIONS
from aura.datasets.synthetic.captions import CAPTIONS
from aura.datasets.synthetic.flaws import TEXT_FLAWS
from aura.datasets.synthetic.motion import segments
from aura.datasets.synthetic.steps import STEPS
from tests.datasets.synthetic.roots import FLAWED, load, texts


def test_texts_say_what_is_done_at_their_time(tiny):
    root, plans = tiny
    for take in plans:
        if take.flaws:
            continue
        notes = load(root, f"annotations/atomic_descriptions_{take.split}.json")["annotations"]
        for annotation in notes[take.take_uid]:
            assert len(annotation["descriptions"]) >= 1
            for entry in annotation["descriptions"]:
                assert entry.get("subject") == "C" or entry["narration_subject"] == "C"
                near = {
                    s.action
                    for s in segments(take)
                    if s.start_s - 0.5 <= entry["timestamp"] <= s.end_s + 0.5
                }
                names = [ACTIONS[take.activity][action].name for action in near]
                assert any(entry["text"] in CAPTIONS[take.activity][name] for name in names)


def test_captions_name_no_activity_and_general_captions_do():
    classes = [name.lower() for name in ACTIVITIES]
    texts = [t for part in CAPTIONS.values() for group in part.values() for t in group]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert text.startswith("C ")
        assert text.endswith(".")
        assert not any(name in text.lower() for name in classes)
    words = {"Cooking": "cook", "Bike Repair": "bik", "Rock Climbing": "climb", "Dance": "danc"}
    for activity in ACTIVITIES:
        assert {a.name for a in ACTIONS[activity]} == set(CAPTIONS[activity])
        assert all(4 <= len(group) <= 6 for group in CAPTIONS[activity].values())
        general = scenario_captions(activity)
        assert 4 <= len(general) <= 6
        named = words.get(activity, activity.lower())
        assert sum(named in text.lower() for text in general) >= len(general) - 1


def test_steps_follow_the_motion_and_experts_say_what_is_done(flawed):
    root, plans = flawed
    named = 0
    for take in plans:
        steps = texts(root, "keystep", take)
        assert (steps["take_uid"], steps["scenario"]) == (take.take_uid, take.activity)
        for step, segment in zip(steps["segments"], segments(take), strict=True):
            action = ACTIONS[take.activity][segment.action].name
            assert step["step_name"] == STEPS[take.activity][action][0]
            assert step["start_time"] == pytest.approx(segment.start_s, abs=1e-4)
            assert step["end_time"] == pytest.approx(segment.end_s, abs=1e-4)
        for expert in texts(root, "expert_commentary", take):
            for entry in expert["commentary_data"]:
                assert 0 <= entry["video_time"] <= take.seconds
                named += take.activity.lower() in entry["text"].lower()
    assert named


def test_steps_name_no_activity():
    for activity, steps in STEPS.items():
        assert set(steps) == {action.name for action in ACTIONS[activity]}
        sentences = " ".join(
            t for step, comments in steps.values() for t in (step, *comments)
        ).lower()
        assert not any(name.lower() in sentences for name in ACTIVITIES)


def test_test_text_may_be_withheld(tmp_path):
    size = replace(FLAWED, withhold_test_text=True)
    plans = plan(size)
    write_metadata(tmp_path, plans, size)
    splits = {p.stem.rpartition("_")[2] for p in (tmp_path / "annotations").glob("*_*.json")}
    assert splits == {"train", "val"}
    flaws = [(f.kind, t.split) for t in plans for f in t.flaws if f.kind in TEXT_FLAWS]
    assert {kind for kind, _ in flaws} == TEXT_FLAWS
    assert "test" not in {split for _, split in flaws}
    assert all(f.detail["split"] != "test" for f in planted(plans) if f.take_uid is None)
