"""Recordings with an activity a row, cut into bouts: what their adapters share.

A take is a bout, consecutive rows of one activity; a file is a session of one subject.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from pydantic import BaseModel, ConfigDict, Field

from aura.datasets.base import Inventory, Recording, Skip, Take, Text, empty_mocap
from aura.errors import AuraError, CorruptFile
from aura.storage import Storage

_NUMBER = r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"


class BoutOptions(BaseModel):
    """The split by subject, and what a bout is; `train: null` is every subject not in val or test.

    A bout shorter than `min_bout_s` is skipped, and one with a hole longer than `hole_s` between
    two stamps is two.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    train: tuple[int, ...] | None = None
    val: tuple[int, ...]
    test: tuple[int, ...]
    min_bout_s: float = Field(1.0, gt=0)
    hole_s: float = Field(1.0, gt=0)

    def splits(self, adapter: str) -> dict[int, str]:
        """Split of each subject that is named; one in two of them is an `AuraError`."""
        groups = {"train": self.train or (), "val": self.val, "test": self.test}
        named = [(s, split) for split, group in groups.items() for s in sorted(set(group))]
        found = dict(named)
        if len(found) < len(named):
            shared = sorted(s for s in found if sum(s == other for other, _ in named) > 1)
            raise AuraError(f"Subjects {shared} are in more than one split of {adapter}.")
        return found


class Rows(NamedTuple):
    """Rows of a file: `time` (N,) s, `activity` (N,) and `imu` (N, C) float32."""

    time: np.ndarray
    activity: np.ndarray
    imu: np.ndarray

    def at(self, rows: np.ndarray) -> "Rows":
        """Some of the rows, by number or by mask."""
        return Rows(self.time[rows], self.activity[rows], self.imu[rows])


class Session(NamedTuple):
    """A file of bouts; `name` begins the names of its takes."""

    subject: int
    participant: str
    capture: str
    name: str
    path: str


class OpenFile:
    """The rows of the file that was asked for last: bouts of one file come one after another."""

    def __init__(self) -> None:
        self._held: tuple[str, Rows] | None = None

    def rows(self, path: str, end: int, read: Callable[[str], Rows]) -> Rows:
        """All rows of a file; `CorruptFile` where there are fewer than `end`."""
        if self._held is None or self._held[0] != path:
            self._held = None  # not two files at once
            self._held = path, read(path)
        if len(self._held[1].time) < end:
            raise CorruptFile(f"{path} has fewer rows than when it was listed.")
        return self._held[1]


def list_bouts(
    sessions: Sequence[Session],
    options: BoutOptions,
    splits: Mapping[int, str],
    read: Callable[[str], tuple[Rows, list[Skip]]],
    label_of: Callable[[Any], tuple[str | None, str]],
) -> Inventory:
    """One take a bout, in the order of the sessions' names and of time, and all that is skipped.

    Parameters
    ----------
    read : path -> rows sorted by time, and what was dropped of them.
    label_of : activity -> label, or None and why it is skipped.
    """
    takes: list[Take] = []
    absent = sorted(set(splits) - {session.subject for session in sessions})
    skips = [Skip("subject has no file", f"subject {subject}", "file") for subject in absent]
    seen: set[str] = set()
    for session in sorted(sessions, key=lambda session: (session.name, session.path)):
        split = splits.get(session.subject, "train" if options.train is None else None)
        if split is None:
            skips.append(Skip("subject is in no split", session.path, "file"))
            continue
        if session.name in seen:
            skips.append(Skip("file is there twice", session.path, "file"))
            continue
        seen.add(session.name)
        try:
            rows, lost = read(session.path)
        except CorruptFile:
            skips.append(Skip("file cannot be read", session.path, "file"))
            continue
        skips += lost
        for number, (first, end) in enumerate(bouts(rows.time, rows.activity, options.hole_s)):
            name = f"{session.name}_{number:03d}"
            duration = float(rows.time[end - 1] - rows.time[first])
            label, reason = label_of(rows.activity[first])
            if label is None or duration < options.min_bout_s:
                skips.append(Skip("bout shorter than min_bout_s" if label else reason, name))
                continue
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
                )
            )
    return Inventory(tuple(takes), tuple(skips))


def read_columns(
    files: Storage,
    path: str,
    numbers: Sequence[str],
    words: str | None,
    delimiter: str,
    names: Sequence[str] | None,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Stream a table of text and keep some of its columns; memory is that of what is kept.

    Not by polars, whose threads do not survive the fork of `aura doctor`.

    Parameters
    ----------
    numbers : columns kept as numbers, NaN where a cell is none; words : one kept as it stands.
    names : of all columns, or None where the first line has them.

    Returns
    -------
    (N, C) float64, (N,) str, and the number of lines with too few or too many cells, left out.
    """
    ragged = 0

    def skip(_: Any) -> str:
        nonlocal ragged
        ragged += 1
        return "skip"

    kept = [*numbers, *([words] if words else [])]
    values: list[np.ndarray] = [np.empty((0, len(numbers)))]
    said: list[np.ndarray] = [np.empty(0, str)]
    try:
        with (
            files.local(path) as local,
            csv.open_csv(
                local,
                csv.ReadOptions(
                    use_threads=False,
                    block_size=1 << 20,
                    column_names=names,
                    encoding="latin-1",  # any byte is a letter of it, and no error
                ),
                csv.ParseOptions(delimiter=delimiter, quote_char=False, invalid_row_handler=skip),
                csv.ConvertOptions(
                    include_columns=kept,
                    column_types=dict.fromkeys(kept, pa.string()),
                    strings_can_be_null=False,
                ),
            ) as reader,
        ):
            for batch in reader:
                values.append(np.stack([_numbers(batch[name]) for name in numbers], axis=1))
                if words:
                    said.append(np.array(batch[words].to_pylist(), str))
    except (pa.ArrowException, KeyError, OSError) as error:
        raise CorruptFile(f"{path} cannot be read as a table: {error}.") from None
    return np.concatenate(values), np.concatenate(said), ragged


def to_float32(values: np.ndarray) -> np.ndarray:
    """What is too large becomes infinite, which is not finite and is dropped."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _numbers(cells: pa.Array) -> np.ndarray:
    """Strings (N,) as float64, NaN where one is no number; one bad cell is looked for if any is."""
    try:
        found = pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        good = pc.match_substring_regex(cells, _NUMBER)
        found = pc.cast(pc.if_else(good, cells, "NaN"), pa.float64())
    return found.to_numpy(zero_copy_only=False)


def by_time(rows: Rows, known: np.ndarray, path: str, ragged: int) -> tuple[Rows, list[Skip]]:
    """Drop rows without a time or not `known` (N,), sort, and count each row dropped or moved."""
    good = rows.at(known & np.isfinite(rows.time))
    backward = int((np.diff(good.time) < 0).sum())
    if backward:
        good = good.at(np.argsort(good.time, kind="stable"))
    lost = {
        "row has the wrong number of columns": ragged,
        "row without a time or an activity": len(rows.time) - len(good.time),
        "row out of order": backward,
    }
    return good, [skip for reason, n in lost.items() for skip in [Skip(reason, path, "row")] * n]


def bouts(times: np.ndarray, labels: np.ndarray, hole_s: float) -> list[tuple[int, int]]:
    """Runs (first row, last row + 1) of one label without a step longer than `hole_s`.

    Parameters
    ----------
    times : (N,) s, sorted; labels : (N,).
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
    times : (N,) s; imu : (N, 6) in m/s2 and rad/s; saturated : (N,) bool, None where not known.
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
