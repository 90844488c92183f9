"""Progress on stderr: a bar on a terminal, a line every few seconds in a log."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

from pipeline.engine.log import is_quiet, note, show

T = TypeVar("T")
QUIET_S = 45.0  # after which what is waited for is said; then after twice that, and so on


def track(
    items: Iterable[T], label: str, total: int | None = None, unit: str = "it"
) -> Iterator[T]:
    """Yield `items` with a progress display."""
    bar = tqdm(items, label, total, unit=unit, mininterval=_interval_s(), disable=is_quiet())
    done = 0
    with _polling(Silence(label, lambda: f"at work on {unit} {done + 1}"), lambda: done):
        for item in bar:
            yield item
            done += 1


@contextmanager
def follow(
    progress: Callable[[], int],
    label: str,
    total: int,
    unit: str,
    waiting_for: Callable[[], str] = lambda: "at work",
) -> Iterator[None]:
    """Show how far work is that goes on elsewhere, by asking `progress` now and then.

    Where nothing is done for long, a line says what `waiting_for` gives.
    """
    every_s, quiet = _interval_s(), is_quiet()
    with tqdm(desc=label, total=total, unit=unit, mininterval=every_s, disable=quiet) as bar:

        def update() -> int:
            done = progress()
            bar.update(done - bar.n)
            return done

        try:
            with _polling(Silence(label, waiting_for), update):
                yield
        finally:
            update()


@contextmanager
def waiting(label: str, waiting_for: Callable[[], str]) -> Iterator[None]:
    """Say what is waited for, where the block takes long."""
    with _polling(Silence(label, waiting_for), lambda: 0):
        yield


class Silence:
    """Says what is waited for, where nothing happens for long.

    Parameters
    ----------
    label : str
        What the line begins with.
    waiting_for : callable
        Gives the rest of the line.
    """

    def __init__(self, label: str, waiting_for: Callable[[], str]) -> None:
        self.label, self.waiting_for = label, waiting_for
        self._done, self._since, self._quiet_s = 0, time.monotonic(), QUIET_S

    def hear(self, done: int) -> None:
        """Take note of how much is done."""
        quiet_s = time.monotonic() - self._since
        if done != self._done:
            self._done, self._since, self._quiet_s = done, time.monotonic(), QUIET_S
        elif quiet_s >= self._quiet_s:
            self._quiet_s *= 2
            said = f"{self.label}: nothing new for {quiet_s:.0f} s; {self.waiting_for()}."
            note(said)
            if not is_quiet():
                tqdm.write(said, file=sys.stderr)  # on a line of its own, a bar or none


@contextmanager
def _polling(silence: Silence, progress: Callable[[], int]) -> Iterator[None]:
    """Ask `progress` now and then, in a thread, and break the silence."""
    stop = threading.Event()

    def poll() -> None:
        while not stop.wait(max(0.5, _interval_s())):
            silence.hear(progress())

    poller = threading.Thread(target=poll, daemon=True)
    poller.start()
    try:
        yield
    finally:
        stop.set()
        poller.join()


def _interval_s() -> float:
    return 0.2 if sys.stderr.isatty() else 5.0


def say(sentence: str, level: str = "info") -> None:
    """Tell the user something in one line, on stderr and in the log of the stage.

    Parameters
    ----------
    sentence : str
        Nothing is said where it is empty.
    level : {"info", "warning"}
        A warning is printed under `--quiet` too.
    """
    if sentence:
        show(sentence, level)
        note(sentence, level)
