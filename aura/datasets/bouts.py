"""Recordings with an activity a row, cut into bouts: what their adapters share.

A take is a bout, consecutive rows of one activity; a file is a session of one subject.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from aura.datasets.base import Inventory, Recording, Skip, Take, Text, by_depth, empty_mocap
from aura.errors import AuraError, CorruptFile
from aura.signals.clock import overlapped, repeated

_AT_ONCE_S = 0.1  # by which bouts of one moment may begin apart
_OVERLAP_S = 0.1  # the least hole that a clock set back leaves, wider than what is bridged


class SplitOptions(BaseModel):
    """The split by subject; `train: null` is every subject not in val or test."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    train: tuple[int, ...] | None = None
    val: tuple[int, ...]
    test: tuple[int, ...]

    def splits(self, adapter: str) -> dict[int, str]:
        """Split of each subject that is named; one in two of them is an `AuraError`."""
        groups = {"train": self.train or (), "val": self.val, "test": self.test}
        named = [(s, split) for split, group in groups.items() for s in sorted(set(group))]
        split_of = dict(named)
        if len(split_of) < len(named):
            shared = sorted(s for s in split_of if sum(s == other for other, _ in named) > 1)
            raise AuraError(f"Subjects {shared} are in more than one split of {adapter}.")
        return split_of


class BoutOptions(SplitOptions):
    """The split, and what a bout is.

    A bout shorter than `min_bout_s` is skipped, and one with a hole longer than `hole_s` between
    two stamps is two.
    """

    min_bout_s: float = Field(1.0, gt=0)
    hole_s: float = Field(1.0, gt=0)


class Rows(NamedTuple):
    """Rows of a file.

    Attributes
    ----------
    time : np.ndarray
        (N,) s.
    activity : np.ndarray
        (N,), a number or a name.
    imu : np.ndarray
        (N, C) float32.
    """

    time: np.ndarray
    activity: np.ndarray
    imu: np.ndarray

    def select(self, rows: np.ndarray) -> "Rows":
        """Some of the rows, by number or by mask."""
        return Rows(self.time[rows], self.activity[rows], self.imu[rows])


class Session(NamedTuple):
    """What one IMU recorded in a file of bouts; `name` begins the names of its takes.

    Sessions of one `moment` were recorded at once; it is empty where there is but one of them.
    """

    subject: int
    participant: str
    capture: str
    name: str
    path: str
    place: str | None = None
    moment: str = ""


class RowCache:
    """The rows of the file that was asked for last: bouts of one file come one after another."""

    def __init__(self) -> None:
        self._cached: tuple[tuple[str, str | None], Rows] | None = None

    def rows(self, take: Take, read: Callable[[str, str | None], tuple[Rows, Any]]) -> Rows:
        """All rows of the IMU and file of a take; `CorruptFile` where its last one is not there."""
        path, _, end = take.source
        key = path, take.place
        if self._cached is None or self._cached[0] != key:
            self._cached = None  # not two files at once
            self._cached = key, read(*key)[0]
        if len(self._cached[1].time) < end:
            raise CorruptFile(f"{path} has fewer rows than when it was listed.")
        return self._cached[1]


def list_bouts(
    sessions: Sequence[Session],
    options: BoutOptions,
    splits: Mapping[int, str],
    read: Callable[[str, str | None], tuple[Rows, list[Skip]]],
    label_of: Callable[[Any], tuple[str | None, str]],
) -> Inventory:
    """One take a bout, in the order of the sessions' names and of time, and all that is skipped.

    Bouts of sessions of one moment that begin within 0.1 s of each other, with one label, are takes
    of one moment.

    Parameters
    ----------
    sessions : sequence of Session
        The files.
    options : BoutOptions
        The split, and what a bout is.
    splits : mapping of int to str
        Split of each subject that `options` names.
    read : callable
        path and place -> rows sorted by time, and what was dropped of them.
    label_of : callable
        activity -> label, or None and why it is skipped.
    """
    takes: list[Take] = []
    absent = sorted(set(splits) - {session.subject for session in sessions})
    skips = [Skip("subject has no file", f"subject {subject}", "file") for subject in absent]
    seen: set[str] = set()
    begun: dict[tuple[str, str], list[tuple[float, str]]] = {}  # moment, label -> bouts of each
    for session in sorted(sessions, key=lambda s: (_key(s), *by_depth(s.path))):
        split = splits.get(session.subject, "train" if options.train is None else None)
        if split is None:
            skips.append(Skip("subject is in no split", session.path, "file"))
            continue
        if _key(session) in seen:
            skips.append(Skip("file is there twice", session.path, "file"))
            continue
        try:
            rows, dropped = read(session.path, session.place)
        except CorruptFile:
            skips.append(Skip("file cannot be read", session.path, "file"))
            continue
        seen.add(_key(session))  # the first that can be read
        skips += dropped
        spans = split_bouts(rows.time, rows.activity, options.hole_s)
        for number, (first, end) in enumerate(spans):
            name = f"{session.name}_{number:03d}"
            duration = float(rows.time[end - 1] - rows.time[first])
            label, reason = label_of(rows.activity[first])
            if label is None or duration < options.min_bout_s:
                skips.append(Skip("bout shorter than min_bout_s" if label else reason, name))
                continue
            at_s = float(rows.time[first])
            others = begun.setdefault((session.moment, label), []) if session.moment else []
            moment = next((of for s, of in others if abs(s - at_s) <= _AT_ONCE_S), "")
            if not moment:
                others.append((at_s, name))
            takes.append(
                Take(
                    take_id=name,
                    take_name=name,
                    participant_id=session.participant,
                    capture_id=session.capture,
                    split=split,
                    label=label,
                    source=(session.path, first, end),
                    duration_s=duration,
                    place=session.place,
                    moment_id=moment,
                )
            )
    return Inventory(tuple(takes), tuple(skips))


def _key(session: Session) -> str:
    """What copies of a file share, in the order of their numbers: s01 is s1."""
    return re.sub("[0-9]+", lambda digits: digits[0].zfill(9), session.name)


def sort_rows(
    rows: Rows, has_activity: np.ndarray, path: str, ragged: int
) -> tuple[Rows, list[Skip]]:
    """Sort by time and drop rows without one, of two moments, or without an activity.

    Parameters
    ----------
    rows : Rows
        N rows in the order of the file.
    has_activity : np.ndarray
        (N,) bool.
    path : str
        Their file.
    ragged : int
        Lines of the file that are not among the rows.

    Returns
    -------
    rows : Rows
        What is left.
    skips : list of Skip
        One for each row that was dropped or moved, and for each ragged line.
    """
    kept = rows.select(has_activity & np.isfinite(rows.time))
    counts = {
        "row has the wrong number of columns": ragged,
        "row without a time or an activity": len(rows.time) - len(kept.time),
    }
    backward = int((np.diff(kept.time) < 0).sum())
    if backward:
        distinct = np.flatnonzero(~repeated(kept.time, kept.imu))
        overlap = distinct[overlapped(kept.time[distinct], _OVERLAP_S)]
        kept = kept.select(np.delete(np.arange(len(kept.time)), overlap))
        kept = kept.select(np.argsort(kept.time, kind="stable"))
        counts["row out of order"] = backward
        counts["row where the clock steps back"] = len(overlap)
    return kept, [skip for reason, n in counts.items() for skip in [Skip(reason, path, "row")] * n]


def split_bouts(times: np.ndarray, labels: np.ndarray, hole_s: float) -> list[tuple[int, int]]:
    """Runs of one label without a step longer than `hole_s`.

    Parameters
    ----------
    times : np.ndarray
        (N,) s, sorted.
    labels : np.ndarray
        (N,).
    hole_s : float
        Longest step inside a bout.

    Returns
    -------
    list of tuple of int
        First row, and last row + 1.
    """
    if not len(times):
        return []
    cuts = np.flatnonzero((labels[1:] != labels[:-1]) | (np.diff(times) > hole_s)) + 1
    edges = [0, *cuts.tolist(), len(times)]
    return list(pairwise(edges))


def bout_recording(
    times: np.ndarray, imu: np.ndarray, text: str, saturated: np.ndarray | None = None
) -> Recording:
    """A bout with its first sample at 0 and one text for all of it.

    Parameters
    ----------
    times : np.ndarray
        (N,) s, sorted.
    imu : np.ndarray
        (N, 6), m/s2 and rad/s.
    text : str
        What is done.
    saturated : np.ndarray, optional
        (N,) bool, None where not known.
    """
    mocap_s, mocap = empty_mocap()
    duration = float(times[-1] - times[0])
    return Recording(
        duration_s=duration,
        imu_s=times - times[0],
        imu=np.ascontiguousarray(imu, np.float32),
        imu_ok=np.ones(len(times), bool),
        mocap_s=mocap_s,
        mocap=mocap,
        frame_rate_hz=30.0,
        frame_s=np.empty(0),
        videos=(),
        texts=(Text(text, 0.0, "activity", duration),),
        skips=(),
        imu_saturated=np.empty(0, bool) if saturated is None else saturated,
    )
