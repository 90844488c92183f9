"""Progress on stderr: a bar on a terminal, a line every few seconds in a log."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(
    items: Iterable[T], label: str, total: int | None = None, unit: str = "it"
) -> Iterator[T]:
    """Yield `items` with a progress display."""
    every = 0.2 if sys.stderr.isatty() else 5.0
    yield from tqdm(items, desc=label, total=total, unit=unit, mininterval=every, leave=True)


def say(sentence: str) -> None:
    """Tell the user something in one line, on stderr so that stdout stays for results."""
    print(sentence, file=sys.stderr, flush=True)
