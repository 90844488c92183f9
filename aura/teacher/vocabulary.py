"""Words that the stand-in teacher has met: what it makes of others means nothing.

A pretrained teacher has met more words than anyone lists, and has no such list.
"""

import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

FILE = "words.txt"  # beside the weights of the stand-in, a word a line
_MOST_BYTES = 1 << 20
_NAMED = 5  # words that a warning names


def words_of(texts: Iterable[str]) -> set[str]:
    """The distinct words of texts, in lower case, without marks and numbers."""
    return {word for text in texts for word in re.findall(r"[^\W\d_]+", text.lower())}


def write(folder: Path, texts: Iterable[str]) -> None:
    """Write the words of the texts that a teacher was trained on."""
    (folder / FILE).write_text("".join(f"{word}\n" for word in sorted(words_of(texts))))


def read(folder: Path) -> frozenset[str] | None:
    """The words of a teacher's folder; None where it has no list."""
    try:
        with (folder / FILE).open(encoding="utf-8") as file:
            return frozenset(words_of([file.read(_MOST_BYTES)]))
    except (OSError, UnicodeError):
        return None


def unseen(texts: Sequence[str], known: frozenset[str] | None) -> list[str]:
    """Words of texts that are not in a list, in the order of the texts; none without a list."""
    if known is None:
        return []
    words = (word for text in texts for word in re.findall(r"[^\W\d_]+", text.lower()))
    return [word for word in dict.fromkeys(words) if word not in known]


def warn_of_unseen(texts: Sequence[str], known: frozenset[str] | None) -> None:
    """Warn the caller's caller of words that the teacher has never seen."""
    words = unseen(texts, known)
    if words:
        named = ", ".join(f"'{word}'" for word in words[:_NAMED])
        more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
        warnings.warn(
            f"The teacher has never seen {named}{more}; what it finds by such words means nothing.",
            stacklevel=3,
        )
