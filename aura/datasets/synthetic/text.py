"""Atomic descriptions of a take, as Ego-Exo4D's annotators deliver them."""

from typing import Any

import numpy as np

from aura.datasets.synthetic.actions import ACTIONS
from aura.datasets.synthetic.captions import CAPTIONS
from aura.datasets.synthetic.motion import segments
from aura.datasets.synthetic.plan import Flaw, TakePlan, derive_seed, derive_uid

EVERY_S = 2.5
JITTER_S = 0.5
OTHERS = ("O walks past behind C.", "O stands beside C and watches.", "O hands something to C.")


def annotations(take: TakePlan) -> list[dict[str, Any]]:
    """The annotations of one take: one or two annotators, each with several descriptions."""
    rng = np.random.default_rng(derive_seed(take.seed, "text"))
    annotated = [_annotation(take, rng, number) for number in range(1 + int(rng.random() < 0.2))]
    for index in range((take.flaw("unsure_descriptions") or {"descriptions": 0})["descriptions"]):
        _insert(take, annotated[0]["descriptions"], index, _text_of_another(take, rng), unsure=True)
    for index in range((take.flaw("other_subject") or {"descriptions": 0})["descriptions"]):
        _insert(take, annotated[0]["descriptions"], index, OTHERS[index % len(OTHERS)], subject="O")
    if take.flaw("rejected_annotation") is not None:
        bad = _annotation(take, rng, len(annotated))
        bad["rejected"] = "1" if isinstance(bad["rejected"], str) else True
        bad["reject_reason"] = "The narration is about another video."
        for entry in bad["descriptions"]:
            entry["text"] = _text_of_another(take, rng)
        annotated.append(bad)
    return annotated


def stray_annotation(flaw: Flaw) -> list[dict[str, Any]]:
    """An annotation of a take that takes.json does not have."""
    uid = flaw.detail["take_uid"]
    entry = {
        "text": "C walks out of the room.",
        "timestamp": 1.5,
        "subject": "C",
        "ego_visible": True,
        "best_exo": None,
        "unsure": False,
    }
    about = {"annotation_uid": derive_uid(uid, "annotation"), "annotator_id": "annotator-0"}
    return [about | {"rejected": False, "reject_reason": None, "descriptions": [entry]}]


def _annotation(take: TakePlan, rng: np.random.Generator, number: int) -> dict[str, Any]:
    as_text = bool(rng.random() < 0.25)
    subject = "narration_subject" if rng.random() < 0.25 else "subject"

    def flag(value: bool) -> bool | str:
        return str(int(value)) if as_text else value

    names = [action.name for action in ACTIONS[take.activity]]
    descriptions = []
    for segment in segments(take):
        texts = CAPTIONS[take.activity][names[segment.action]]
        length = segment.end_s - segment.start_s
        count = max(1, round(length / EVERY_S))
        for index in range(count):
            stamp = segment.start_s + (index + 0.5) * length / count
            stamp += rng.uniform(-JITTER_S, JITTER_S)
            descriptions.append(
                {
                    "text": texts[int(rng.integers(len(texts)))],
                    "timestamp": round(float(np.clip(stamp, 0.0, take.seconds)), 5),
                    subject: "C",
                    "ego_visible": flag(bool(rng.random() < 0.8)),
                    "best_exo": take.best_exo if rng.random() < 0.8 else None,
                    "unsure": flag(False),
                }
            )
    return {
        "annotation_uid": derive_uid(take.take_uid, "annotation", number),
        "annotator_id": f"annotator-{int(rng.integers(1, 9))}",
        "rejected": flag(False),
        "reject_reason": None,
        "descriptions": descriptions,
    }


def _insert(
    take: TakePlan,
    descriptions: list[dict[str, Any]],
    index: int,
    text: str,
    unsure: bool = False,
    subject: str = "C",
) -> None:
    """Insert a description in the way the annotator writes them."""
    first = descriptions[0]
    key = "subject" if "subject" in first else "narration_subject"
    flag = str(int(unsure)) if isinstance(first["unsure"], str) else unsure
    stamp = round((index + 0.5) * take.seconds / 3 % take.seconds, 5)
    changes = {"text": text, "timestamp": stamp, key: subject, "unsure": flag}
    descriptions.append({**first, **changes})
    descriptions.sort(key=lambda entry: entry["timestamp"])


def _text_of_another(take: TakePlan, rng: np.random.Generator) -> str:
    others = [a for a in CAPTIONS if a != take.activity]
    texts = [t for part in CAPTIONS[others[int(rng.integers(len(others)))]].values() for t in part]
    return texts[int(rng.integers(len(texts)))]
