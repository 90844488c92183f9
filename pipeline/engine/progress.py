"""Progress on stderr: a bar on a terminal, a line every few seconds in a log."""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(
    items: Iterable[T], label: str, total: int | None = None, unit: str = "it"
) -> Iterator[T]:
    """Yield `items` with a progress display."""
    interval = _interval_s()
    yield from tqdm(items, desc=label, total=total, unit=unit, mininterval=interval, leave=True)


@contextmanager
def follow(progress: Callable[[], int], label: str, total: int, unit: str) -> Iterator[None]:
    """Show how far work is that goes on elsewhere, by asking `progress` now and then."""
    stop = threading.Event()
    with tqdm(desc=label, total=total, unit=unit, mininterval=_interval_s()) as bar:

        def poll() -> None:
            while not stop.wait(max(0.5, _interval_s())):
                bar.update(progress() - bar.n)

        poller = threading.Thread(target=poll, daemon=True)
        poller.start()
        try:
            yield
        finally:
            stop.set()
            poller.join()
            bar.update(progress() - bar.n)


def _interval_s() -> float:
    return 0.2 if sys.stderr.isatty() else 5.0


def say(sentence: str) -> None:
    """Tell the user something in one line, on stderr so that stdout stays for results.

    Nobody reading any more, as behind `| head`, is no reason to end.
    """
    with suppress(BrokenPipeError):
        print(sentence, file=sys.stderr, flush=True)
