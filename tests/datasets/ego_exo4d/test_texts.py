import json
from collections import Counter
from dataclasses import replace

import pytest

from aura.counts import Ledger
from aura.datasets.base import Text
from aura.datasets.ego_exo4d import Adapter
from aura.datasets.ego_exo4d.texts import name_wearer
from aura.errors import AuraError
from aura.storage import Storage
from pipeline.resample import count_texts
from tests.datasets.ego_exo4d.roots import SIZE, copy_of, load_first, reasons, write


def test_withheld_test_text_is_said_once_a_source(tmp_path):
    size = replace(SIZE, participants={"train": 1, "test": 1}, activities=1, take_seconds=2.0,
                   withhold_test_text=True)  # fmt: skip
    write(tmp_path, size)
    adapter = Adapter(Storage(tmp_path), {"splits": ["train", "test"], "texts": ["keystep"]})
    inventory = adapter.inventory()
    assert [(s.reason, s.where) for s in inventory.skips] == [("split has no keystep", "test")]
    test = next(take for take in inventory.takes if take.split == "test")
    assert reasons(adapter.load(test)) == {"text: take has no usable text": 1}


def test_the_wearer_gets_a_name():
    assert name_wearer("C lifts C's cup.", "a person") == "A person lifts a person's cup."
    assert name_wearer("C lifts a CD.", "the climber") == "The climber lifts a CD."
    assert name_wearer("Then C waits.", "a person") == "Then a person waits."
    assert name_wearer("C lifts a cup.", None) == "C lifts a cup."


def test_every_source_of_text_and_who_it_is_about(clean_root, tmp_path):
    root = copy_of(clean_root, tmp_path)
    take, _ = load_first(root)
    uid = take.take_id
    sure = {"unsure": "0", "ego_visible": "1"}
    atomic = {
        uid: [
            {"rejected": "0", "descriptions": [
                {"text": "C  sits.", "timestamp": 2.5, "subject": "C", **sure},
                {"text": "C nods.", "timestamp": "1.5", "narration_subject": "C", **sure},
                {"text": "O stands.", "timestamp": 1.5, "subject": "O", **sure},
                {"text": "C thinks.", "timestamp": 1.5, "subject": "C", "unsure": "1"},
                {"text": "C flies.", "timestamp": 400.0, "subject": "C", **sure},
                {"text": "", "timestamp": 1.0, "subject": "C", **sure},
                {"text": "C waits.", "timestamp": None, "subject": "C", **sure}]},
            {"rejected": False, "descriptions": [
                {"text": "C is seated.", "timestamp": 2.6, "subject": "C", "unsure": False}]},
            {"rejected": "1", "descriptions": [
                {"text": "C jumps.", "timestamp": 2.0, "subject": "C", "unsure": "0"}]}],
        "a-stranger": [],
    }  # fmt: skip
    keystep = {uid: {"scenario": "x", "segments": [
        {"start_time": 1.0, "end_time": 4.0, "step_name": "Sit down"},
        {"start_time": 4.0, "end_time": 1.0, "step_name": "Backwards"}]}}  # fmt: skip
    experts = {
        uid: [{"commentary_data": [
        {"text": "Good posture.", "video_time": 3.0, "duration_approx": 2.0, "error": ""},
        {"text": "Noise.", "video_time": 3.0, "duration_approx": 2.0, "error": "silent"},
        {"text": "Fine.", "video_time": 3.5, "duration_approx": 2.0, "error": False}]}],
    }  # fmt: skip
    for name, content in (
        ("atomic_descriptions", atomic), ("keystep", keystep), ("expert_commentary", experts)
    ):  # fmt: skip
        path = root / f"annotations/{name}_train.json"
        path.write_text(json.dumps({"annotations": content}))
    sources = ["atomic_descriptions", "keystep", "expert_commentary", "activity"]
    adapter = Adapter(Storage(root), {"splits": ["train"], "texts": sources})
    inventory = adapter.inventory()
    take = next(take for take in inventory.takes if take.take_id == uid)
    recording = adapter.load(take)
    phrase = Adapter.classes[take.label]
    assert recording.texts == (
        Text("Sit down", 1.0, "keystep", 4.0),
        Text("A person nods.", 1.5, "atomic_descriptions"),
        Text("A person sits.", 2.5, "atomic_descriptions"),
        Text("A person is seated.", 2.6, "atomic_descriptions"),
        Text("Good posture.", 3.0, "expert_commentary"),
        Text("Fine.", 3.5, "expert_commentary"),
        Text(f"A person is {phrase}.", 0.0, "activity", 6.0),
    )
    assert recording.actions == (Text("Sit down", 1.0, "action", 4.0),)
    alone = Adapter(Storage(root), {"splits": ["train"]})
    found = alone.load(next(t for t in alone.inventory().takes if t.take_id == uid))
    assert found.actions == recording.actions  # labels, whether keysteps are texts or not
    assert {text.source for text in found.texts} == {"atomic_descriptions"}
    assert Counter(skip.reason for skip in inventory.skips) == {
        "text is about another person": 1,
        "text is unsure": 1,
        "text or its time is empty": 3,
        "annotation is rejected": 1,
        "annotation without a take": 1,
        "commentary is marked as an error": 1,
    }
    assert reasons(recording) == {"text: text is outside the take": 1}
    # 9 descriptions and 3 comments; a keystep is a text and a label.
    assert inventory.counts == {
        "texts_listed": {
            "found": 9 + 3 + 2 * 2,
            "used": 4 + 2 + 2,
            "dropped": {
                "annotation is rejected": 1,
                "commentary is marked as an error": 1,
                "text is about another person": 1,
                "text is unsure": 1,
                "text or its time is empty": 2 + 2,
            },
        }
    }
    ledger = Ledger("resample", "texts")
    count_texts(ledger, recording)
    dropped = {"text is outside the take": 1}
    assert ledger.check()["texts"] == {"found": 8, "used": 7, "dropped": dropped}
    with pytest.raises(AuraError, match="texts do not add up"):
        ledger = Ledger("resample", "texts")
        count_texts(ledger, replace(recording, texts=recording.texts[1:]))
        ledger.check()
    both = Adapter(Storage(root), {"splits": ["train"], "subjects": ["C", "O"], "person": None})
    loaded = both.load(next(t for t in both.inventory().takes if t.take_id == uid))
    assert "O stands." in {text.text for text in loaded.texts}
