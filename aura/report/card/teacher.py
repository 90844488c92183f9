"""What a model card says of the teacher."""

from collections.abc import Mapping
from typing import Any

Card = Mapping[str, Any]


def reads_texts_alone(card: Card) -> bool:
    """Whether the teacher is a sentence model, which sees no video."""
    return bool(card["teacher"].get("kind", "clip") == "sentence")


def what_it_aligns(card: Card) -> str:
    """What the space is of, and what is compared in it, to end a sentence."""
    if reads_texts_alone(card):
        return "sentence model, so that windows and texts are compared by their cosine"
    return "CLIP, so that windows, texts and video frames are compared by their cosine (AURA-MFM)"


def teacher_section(card: Card) -> str:
    """Which teacher, by its weights, how it reads texts and where `aura.load` takes it from."""
    teacher = card["teacher"]
    kind = "The stand-in" if teacher.get("stand_in") else f"{teacher['model']}"
    text = (
        f"{kind}, {teacher['pretrained']}. SHA-256 of its weights: `{teacher['weights_sha256']}`. "
        "It was not trained further, and texts must be encoded by these very weights."
    )
    if reads_texts_alone(card):
        text += (
            f" It reads {teacher['max_tokens']} tokens of a text, pooled by {teacher['pooling']}, "
            "and no video; pairs with video were left out."
        )
    if teacher.get("prompt"):
        text += f" Before each text it reads `{teacher['prompt']}`."
    if card.get("own_teacher"):
        text += f" `aura.load` takes it from `{card['own_teacher']['model']}`, or from `teacher=`."
    return text
