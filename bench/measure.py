"""What a row of the suite is, and how it is timed: interleaved, and as ratios only.

In each round the project's function, its limit and its peers run one after the other, the first of
them another one each round, so that a machine that slows down slows all of them. A ratio is of one
round. Absolute rates are written down too; they say something about the machine.
"""

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aura.errors import AuraError

_LEAST_S = 0.2  # a timed stretch is of as many calls as take this long
_MOST_CALLS = 10_000


class Seconds(float):
    """What a call took by its own clock, returned where its start and end are not its work."""


@dataclass(frozen=True)
class Rival:
    """What a function is compared with.

    `run` does the work of one call of ours, or is a sentence that says why it is skipped. `target`
    is the least ratio hoped for, ours being that many times as fast; None is for the record only.
    `share` is how much of the work of one call of ours a call of the rival does.
    """

    name: str
    kind: Literal["limit", "peer"]
    run: Callable[[], object] | str
    target: float | None = None
    share: float = 1.0


@dataclass(frozen=True)
class Row:
    """One function of the project.

    `gate` is called first: it raises `AuraError` where the results are not right, and returns what
    it measured of them by name. `work` is how many of `unit` a call does. Where a call takes long,
    `rounds` is the most there shall be, and there is no warm-up.
    """

    name: str
    what: str
    ours: Callable[[], object]
    rivals: Sequence[Rival]
    gate: Callable[[], dict[str, str]]
    work: float
    unit: str
    notes: Sequence[str] = field(default_factory=tuple)
    rounds: int | None = None


@dataclass(frozen=True)
class Scene:
    """Where and how large: a scratch folder, the device, and whether all is to be tiny."""

    folder: Path
    rounds: int = 5
    smoke: bool = False
    device: str = "cpu"
    threads: int = 2

    def size(self, full: int, smoke: int) -> int:
        """The first, or the second in a smoke run."""
        return smoke if self.smoke else full


def require(holds: bool, sentence: str) -> None:
    """A gate's check: `AuraError` with the sentence where it does not hold."""
    if not holds:
        raise AuraError(sentence)


def measure(row: Row, scene: Scene) -> dict[str, Any]:
    """Gate, warm up, and time a row; ready for JSON."""
    gate = row.gate()
    there = [rival for rival in row.rivals if not isinstance(rival.run, str)]
    runs: list[Callable[[], object]] = [row.ours]
    runs += [rival.run for rival in there if not isinstance(rival.run, str)]
    if row.rounds is None:
        calls = [_calls(run, scene) for run in runs]
    else:
        calls = [1] * len(runs)
    rounds = 1 if scene.smoke else min(scene.rounds, row.rounds or scene.rounds)
    seconds = np.empty((rounds, len(runs)))
    for number in range(rounds):
        for place in range(len(runs)):
            which = (place + number) % len(runs)
            seconds[number, which] = _timed(runs[which], calls[which])
    ours = seconds[:, 0]
    rivals: dict[str, Any] = {
        rival.name: {"kind": rival.kind, "target": rival.target, "skipped": rival.run}
        for rival in row.rivals
        if isinstance(rival.run, str)
    }
    for column, rival in enumerate(there, 1):
        ratios = seconds[:, column] / rival.share / ours
        middle = float(np.median(ratios))
        rivals[rival.name] = {
            "kind": rival.kind,
            "target": rival.target,
            "min": float(ratios.min()),
            "median": middle,
            "max": float(ratios.max()),
            "rounds": [float(ratio) for ratio in ratios],
            "met": None if rival.target is None else bool(middle >= rival.target),
        }
    return {
        "what": row.what,
        "gate": gate,
        "rate": row.work / float(np.median(ours)),
        "unit": row.unit,
        "seconds": float(np.median(ours)),
        "rivals": {rival.name: rivals[rival.name] for rival in row.rivals},
        "notes": list(row.notes),
    }


def _calls(run: Callable[[], object], scene: Scene) -> int:
    """How many calls make a timed stretch; warms up on the way."""
    once = _timed(run, 1)
    if scene.smoke or once >= _LEAST_S:
        return 1
    once = min(once, _timed(run, 1))
    return min(_MOST_CALLS, max(1, math.ceil(_LEAST_S / max(once, 1e-7))))


def _timed(run: Callable[[], object], calls: int) -> float:
    """Seconds of one of so many calls."""
    collected = gc.isenabled()
    gc.disable()
    try:
        own = 0.0
        begin = time.perf_counter()
        for _ in range(calls):
            result = run()
            if isinstance(result, Seconds):
                own += result
        wall = time.perf_counter() - begin
    finally:
        if collected:
            gc.enable()
    return (own or wall) / calls
