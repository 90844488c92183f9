"""Falls out of what a data set has no fall out of: the option `compositions` of `sisfall, umafall`.

A composed take is a piece of one activity and then a fall, by the same sensor on the same person:
"falling forward while jogging", where the data set has falling forward, and jogging. The fall goes
on in the way of the sensor as the piece ended (`aura.signals.compose`). Its texts are composed too,
of where the fall goes to and of what it interrupts, which is all that the data set says of either.
It is made of people who train, and has no class: validation and test hold what was measured.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from aura.datasets.base import Recording, Skip, Take, Text, empty_imu
from aura.datasets.trials import of_imu
from aura.errors import CorruptFile
from aura.signals.bursts import activity, around_two, bursts
from aura.signals.compose import FADE_S, Samples, join

CLAUSES = {
    "walking": "walking",
    "jogging": "jogging",
    "standing": "standing",
    "sitting-down": "sitting down on a chair",
    "seated": "sitting on a chair",
    "standing-up": "getting up from a chair",
}
"""What a fall may interrupt, and how it is worded."""
_CHAIR = "standing", "sitting-down", "seated", "standing-up"
_BEFORE_IMPACT_S, _BEHIND_IMPACT_S = (0.6, 1.0), (1.0, 2.5)
_PREFIX_S, _SHARE_OF_MOVE, _OF_MOVE_S = (1.5, 3.0), (0.5, 0.9), 0.32
_LONGEST_S = 5.0  # of a composed take: the begin is cut off
_MARGIN_S, _SHORTEST_S = 0.24, 0.8
_KEPT = 48  # recordings that stay open, the last used; of one person and place there are as many


class Composition(NamedTuple):
    """What a composed take is made of."""

    fall: Take
    prefix: Take
    interrupts: str  # of `CLAUSES`
    direction: str
    files: tuple[Any, Any]  # of both; the takes' own repr leaves them out


class Composer:
    """Lists and opens the composed takes of an adapter.

    Parameters
    ----------
    count : int
        Takes of each fall and of each thing that it may interrupt.
    falls : mapping of str to str
        Label -> where the fall goes to.
    holds : mapping of str to sequence of str
        Label -> what is done, of `CLAUSES`.
    load : callable
        Opens a take that was measured.
    described : bool
        Whether further wordings stand beside the phrase.
    """

    def __init__(
        self,
        count: int,
        falls: Mapping[str, str],
        holds: Mapping[str, Sequence[str]],
        load: Callable[[Take], Recording],
        described: bool,
    ) -> None:
        self.count, self.falls, self.holds = count, falls, holds
        self.load_measured, self.described = load, described
        self._opened: OrderedDict[str, Recording | None] = OrderedDict()

    def takes(self, takes: Sequence[Take]) -> list[Take]:
        """Composed takes by person, place and fall; which pieces is decided by their ids."""
        if not self.count:
            return []
        pieces: dict[tuple[str, str | None, str], list[Take]] = {}
        falls = []
        for take in takes:
            if take.label is None or take.split != "train":
                continue
            for name in self.holds.get(take.label, ()):
                pieces.setdefault((take.participant_id, take.place, name), []).append(take)
            if take.label in self.falls:
                falls.append(take)
        falls.sort(key=lambda fall: (fall.participant_id, fall.place or "", fall.take_id))
        return [
            _composed(fall, name, number, pieces[person_and_place], self.falls[str(fall.label)])
            for fall in falls
            for name in CLAUSES
            if (person_and_place := (fall.participant_id, fall.place, name)) in pieces
            for number in range(self.count)
        ]

    def load(self, take: Take) -> Recording:
        """Compose a take; where that cannot be, one without samples that says why."""
        source: Composition = take.source
        fall, prefix = self._open(source.fall), self._open(source.prefix)
        found: Samples | str
        if fall is None:
            found = "fall of a composition cannot be opened"
        elif prefix is None:
            found = "prefix of a composition cannot be opened"
        else:
            rng = np.random.default_rng([*take.take_id.encode()])
            found = compose(_samples(prefix), source.interrupts, _samples(fall), rng)
        if isinstance(found, str):
            return _recording(Samples(*empty_imu(), np.empty(0, bool)), (), take, found)
        texts = wordings(source.direction, source.interrupts)
        return _recording(found, texts if self.described else texts[:1], take)

    def _open(self, take: Take) -> Recording | None:
        """A measured take, None where it cannot be opened or has no IMU."""
        if take.take_id in self._opened:
            self._opened.move_to_end(take.take_id)
            return self._opened[take.take_id]
        try:
            recording = self.load_measured(take)
        except (CorruptFile, FileNotFoundError):
            recording = None
        opened = recording if recording is not None and len(recording.imu) else None
        self._opened[take.take_id] = opened
        if len(self._opened) > _KEPT:
            self._opened.popitem(last=False)
        return opened


def wordings(direction: str, interrupts: str) -> tuple[str, ...]:
    """The phrase of a composed take, and further wordings of it."""
    what = CLAUSES[interrupts]
    return (
        f"falling {direction} while {what}",
        f"A person falls {direction} while {what}.",
        f"Someone who is {what} falls {direction} to the floor.",
        f"A {'lateral' if direction == 'sideways' else direction} fall while {what}.",
    )


def compose(
    prefix: Samples, interrupts: str, fall: Samples, rng: np.random.Generator
) -> Samples | str:
    """A piece of one recording and then the fall of another, from 0 s on.

    Parameters
    ----------
    prefix : Samples
        A whole recording.
    interrupts : str
        What of `prefix` the piece is, of `CLAUSES`.
    fall : Samples
        Another one, of the same sensor.
    rng : np.random.Generator
        Where pieces begin and end.

    Returns
    -------
    Samples or str
        5 s at most; or why there are none, a fixed phrase.
    """
    drawn = rng.random(5)  # whichever are used

    def between(of: tuple[float, float], draw: int) -> float:
        return of[0] + (of[1] - of[0]) * float(drawn[draw])

    force = np.where(fall.ok, np.linalg.norm(fall.imu[:, :3], axis=1), np.nan)
    if not np.isfinite(force).any():
        return "fall of a composition cannot be opened"
    impact_s = float(fall.time_s[np.nanargmax(force)])
    event = fall.between(
        impact_s - between(_BEFORE_IMPACT_S, 0), impact_s + between(_BEHIND_IMPACT_S, 1)
    )
    span = _span(prefix, interrupts)
    if span is None:
        return "prefix of a composition is not found"
    begin, end = span
    if interrupts in ("sitting-down", "standing-up"):  # from its begin, and not to its end
        length = min(end - begin, between(_SHARE_OF_MOVE, 2) * (end - begin) + _OF_MOVE_S)
    else:
        length = min(end - begin, between(_PREFIX_S, 3))
        begin += float(drawn[4]) * (end - begin - length)
    end = begin + length
    event_s = float(event.time_s[-1] - event.time_s[0])
    begin = max(begin, end - (_LONGEST_S - event_s + FADE_S))
    joined = join(prefix.between(begin, end), event)
    if isinstance(joined, str):
        return joined
    return joined._replace(time_s=joined.time_s - joined.time_s[0])


def _span(samples: Samples, name: str) -> tuple[float, float] | None:
    """Where in a recording somebody does what it holds, s; None where that is not found."""
    usable = samples.ok & np.isfinite(samples.imu[:, :3]).all(axis=1)
    times = samples.time_s[usable]
    if len(times) < 2:
        return None
    period = float(np.median(np.diff(times)))
    clock = np.arange(times[0], times[-1], period)
    values = np.nan_to_num(samples.imu[usable])  # no gyroscope: as if it did not turn
    even = np.stack([np.interp(clock, times, column) for column in values.T], axis=1)
    moves = bursts(activity(even, 1 / period), 1 / period) * period
    spans: Mapping[str, tuple[float, float]] = {}
    if name not in _CHAIR and len(moves):
        begin, end = moves[(moves[:, 1] - moves[:, 0]).argmax()].tolist()
        spans = {name: (begin, end)}
    elif len(moves) == 2:
        spans = dict(zip(_CHAIR, around_two(moves, len(clock) * period, _MARGIN_S), strict=True))
    begin, end = spans.get(name, (0.0, 0.0))
    return (times[0] + begin, times[0] + end) if end - begin >= _SHORTEST_S else None


def _composed(fall: Take, name: str, number: int, pieces: Sequence[Take], direction: str) -> Take:
    """One composed take; its piece is that whose hash with the take's id is the least."""
    names = f"{fall.take_id}.{name}.{number}"

    def rank(piece: Take) -> bytes:
        return hashlib.sha256(f"{names} {piece.take_id}".encode()).digest()

    prefix = min(pieces, key=rank)
    files = fall.source, prefix.source
    return replace(
        fall, take_id=names, take_name=names, label=None, moment_id=names,
        source=Composition(fall, prefix, name, direction, files),
    )  # fmt: skip


def _samples(recording: Recording) -> Samples:
    saturated = recording.imu_saturated
    if not len(saturated):
        saturated = np.zeros(len(recording.imu), bool)
    return Samples(recording.imu_s, recording.imu, recording.imu_ok, saturated)


def _recording(samples: Samples, texts: Sequence[str], take: Take, why: str = "") -> Recording:
    length = len(samples.time_s)
    end_s = float(samples.time_s[-1]) * length / (length - 1) if length > 1 else 0.0
    return of_imu(
        end_s, samples.time_s, samples.imu, samples.ok, samples.saturated,
        tuple(Text(text, 0.0, "composition", end_s) for text in texts),
        (Skip(why, take.take_name, "imu"),) if why else (),
    )  # fmt: skip
