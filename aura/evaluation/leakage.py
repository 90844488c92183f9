"""Texts that give their own class away: how often, and with the words taken out.

Evaluation protocol, rule 4: where training texts name the class, "zero-shot" is supervised. A word
counts whatever its ending: of "Rock Climbing", "climbs" and "rocks" count.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+")
_ENDINGS = ("ings", "ing", "ers", "ies", "ed", "er", "es", "s", "e", "y")
_STOP_WORDS = {"a", "an", "and", "at", "for", "from", "in", "of", "on", "or", "the", "to", "with"}
MASK = "something"


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A word without its case and common English ending; at least three letters stay.

    >>> {stem(word) for word in ("dance", "Dancing", "dances", "dancer")}
    {'danc'}
    """
    word = word.lower()
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


@lru_cache(maxsize=1 << 10)
def class_stems(label: str) -> frozenset[str]:
    """Stems of the words of a class name, without stop words and without letters alone."""
    words = (word.lower() for word in _WORD.findall(label))
    return frozenset(stem(word) for word in words if word not in _STOP_WORDS and len(word) > 1)


def names_class(text: str, label: str | None) -> bool:
    """Whether the whole class name stands in the text, in any case."""
    return label is not None and label.lower() in text.lower()


def hints_at_class(text: str, label: str | None) -> bool:
    """Whether any word of the class name stands in the text, with any ending."""
    if label is None:
        return False
    stems = class_stems(label)
    return any(stem(word) in stems for word in _WORD.findall(text))


def mask_class(text: str, label: str | None) -> str:
    """The text with "something" for each word of its class, or "" where nothing else is left.

    >>> mask_class("C dances with a dancer.", "Dance")
    'C something with a something.'
    """
    if label is None:
        return text
    stems = class_stems(label)
    masked = _WORD.sub(lambda m: MASK if stem(m[0]) in stems else m[0], text)
    rest = {word.lower() for word in _WORD.findall(masked)} - {MASK} - _STOP_WORDS
    return masked if rest else ""


def shares(pairs: Iterable[tuple[str, str | None]]) -> dict[str, int]:
    """Count texts with a class, those that name it in full, and those that hint at it."""
    counts = {"texts": 0, "name their class": 0, "hint at their class": 0}
    for text, label in pairs:
        if label is not None:
            counts["texts"] += 1
            counts["name their class"] += names_class(text, label)
            counts["hint at their class"] += hints_at_class(text, label)
    return counts
