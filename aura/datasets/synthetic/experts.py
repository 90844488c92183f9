"""Keysteps and expert commentary of a take, the text sources beside the atomic descriptions."""

from typing import Any

import numpy as np

from aura.datasets.synthetic.actions import ACTIONS, ACTIVITY_NUMBER
from aura.datasets.synthetic.flaws import Flaw
from aura.datasets.synthetic.motion import segments
from aura.datasets.synthetic.plan import TakePlan, derive_seed, derive_uid
from aura.datasets.synthetic.steps import GENERAL, STEPS


def keystep(take: TakePlan) -> dict[str, Any]:
    """The keysteps of a take: one segment for each of its actions."""
    steps = []
    for segment in segments(take):
        action = ACTIONS[take.activity][segment.action].name
        step, _ = STEPS[take.activity][action]
        number = 10 * ACTIVITY_NUMBER[take.activity] + segment.action
        steps.append(_segment(segment.start_s, segment.end_s, step, number))
    return _keystep(take.take_uid, take.take_name, take.activity, steps)


def commentary(take: TakePlan) -> list[dict[str, Any]]:
    """What one or two experts say of a take: of single actions, and of the whole at its end."""
    rng = np.random.default_rng(derive_seed(take.seed, "commentary"))
    commentaries = []
    for expert in range(1 + int(rng.random() < 0.3)):
        entries = []
        for segment in segments(take):
            _, texts = STEPS[take.activity][ACTIONS[take.activity][segment.action].name]
            if rng.random() < 0.7:
                at_s = float(rng.uniform(segment.start_s, segment.end_s))
                entries.append(_entry(at_s, texts[int(rng.integers(len(texts)))], rng))
        texts = GENERAL[take.activity]
        entries.append(_entry(0.95 * take.seconds, texts[int(rng.integers(len(texts)))], rng))
        commentaries.append(_commentary(take.take_uid, expert, entries))
    if flaw := take.flaw("commentary_error"):
        for _ in range(flaw["entries"]):
            at_s = float(rng.uniform(0, take.seconds))
            bad = _entry(at_s, "Sorry, that was the wrong take.", rng) | {"error": True}
            commentaries[0]["commentary_data"].append(bad)
    return commentaries


def stray_keystep(flaw: Flaw) -> dict[str, Any]:
    """Keysteps of a take that takes.json does not have."""
    steps = [_segment(0.5, 2.5, "Walk out of the room", 0)]
    return _keystep(flaw.detail["take_uid"], "synth_unknown", "Cooking", steps)


def stray_commentary(flaw: Flaw) -> list[dict[str, Any]]:
    """Commentary on a take that takes.json does not have."""
    rng = np.random.default_rng(derive_seed(flaw.detail["take_uid"], "commentary"))
    entry = _entry(1.5, "They walk out of the room.", rng)
    return [_commentary(flaw.detail["take_uid"], 0, [entry])]


def _segment(start_s: float, end_s: float, step: str, number: int) -> dict[str, Any]:
    return {
        "start_time": round(start_s, 5),
        "end_time": round(end_s, 5),
        "step_id": number,
        "step_name": step,
        "step_description": f"{step}, as the task asks for",
        "is_essential": True,
    }


def _keystep(uid: str, name: str, scenario: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    about = {"take_uid": uid, "take_name": name, "scenario": scenario}
    return {**about, "annotation_uid": derive_uid(uid, "keystep"), "segments": steps}


def _entry(at_s: float, text: str, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "recording": f"recordings/{int(rng.integers(10**6)):06d}.webm",
        "video_time": round(at_s, 3),
        "text": text,
        "duration_approx": round(float(rng.uniform(2.0, 9.0)), 2),
        "error": False,
    }


def _commentary(uid: str, expert: int, entries: list[dict[str, Any]]) -> dict[str, Any]:
    entries = sorted(entries, key=lambda entry: entry["video_time"])
    return {"commentary_uid": derive_uid(uid, "commentary", expert), "commentary_data": entries}
