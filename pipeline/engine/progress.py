"""Progress on stderr: a bar on a terminal, a line every few seconds in a log."""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(
    items: Iterable[T], label: str, total: int | None = None, unit: str = "it"
) -> Iterator[T]:
    """Yield `items` with a progress display."""
    every = _every()
    yield from tqdm(items, desc=label, total=total, unit=unit, mininterval=every, leave=True)


@contextmanager
def follow(count: Callable[[], int], label: str, total: int, unit: str) -> Iterator[None]:
    """Show how far work is that goes on elsewhere, by asking `count` now and then."""
    over = threading.Event()
    with tqdm(desc=label, total=total, unit=unit, mininterval=_every()) as bar:

        def ask() -> None:
            while not over.wait(max(0.5, _every())):
                bar.update(count() - bar.n)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        try:
            yield
        finally:
            over.set()
            asking.join()
            bar.update(count() - bar.n)


def _every() -> float:
    return 0.2 if sys.stderr.isatty() else 5.0


def say(sentence: str) -> None:
    """Tell the user something in one line, on stderr so that stdout stays for results."""
    print(sentence, file=sys.stderr, flush=True)
