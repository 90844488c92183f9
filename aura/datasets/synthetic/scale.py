"""More takes from few: captures repeated under new names, with hard links to the same files."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, groupby
from pathlib import Path

from aura.datasets.synthetic.flaws import Flaw
from aura.datasets.synthetic.layout import write_index
from aura.datasets.synthetic.plan import SyntheticSize, TakePlan, derive_uid, planted

POSES = ("automatic", "annotation")


def expand(plans: Sequence[TakePlan], size: SyntheticSize) -> Iterator[TakePlan]:
    """The takes, then copies of those outside the teacher split until there are `size.takes`.

    A copy of a capture has a name, uid and participant of its own and the flaws of the original.
    The last one may lack takes.
    """
    for take, _ in _with_copies(plans, size):
        yield take


def multiply(root: Path, plans: Sequence[TakePlan], size: SyntheticSize) -> None:
    """Give a written root the copies of `expand`: links to files, and index and text files anew.

    Does nothing where `size.takes` asks for no more than there are. Poses keep the uid of the
    original in their metadata. A take that is listed twice counts as one.
    """
    if (size.takes or 0) <= len(plans):
        return
    root = Path(root)
    for copy, take in _with_copies(plans, size):
        if copy is not take:
            _link_take(root, take, copy)
    strays = [flaw for flaw in planted(plans) if flaw.take_uid is None]
    write_index(root, lambda: expand(plans, size), strays, size)


def count_planted(plans: Sequence[TakePlan], size: SyntheticSize) -> Counter[str]:
    """How often each kind of flaw is planted in the root, copies included."""
    return Counter(flaw.kind for flaw in planted(expand(plans, size)))


def _with_copies(
    plans: Sequence[TakePlan], size: SyntheticSize
) -> Iterator[tuple[TakePlan, TakePlan]]:
    """Every take of the root with its original."""
    yield from zip(plans, plans, strict=True)
    captures = [
        list(takes)
        for _, takes in groupby(
            (t for t in plans if t.split != "teacher"), key=lambda t: t.capture.uid
        )
    ]
    remaining = (size.takes or 0) - len(plans)
    for number in count(1) if captures else ():
        for takes in captures:
            if remaining <= 0:
                return
            yield from zip(_copies(takes[:remaining], number, size.seed), takes, strict=False)
            remaining -= len(takes)


def _copies(takes: list[TakePlan], number: int, seed: int) -> Iterator[TakePlan]:
    old = takes[0].capture
    name = f"{old.name}_r{number:04d}"
    person = old.participant_uid + 10_000 * number
    capture = replace(old, name=name, uid=derive_uid(seed, name), participant_uid=person)
    for take in takes:
        take_name = f"{name}_{take.take_idx}"
        uid = derive_uid(seed, take_name)
        flaws = tuple(Flaw(flaw.kind, uid, flaw.detail) for flaw in take.flaws)
        yield replace(take, take_name=take_name, take_uid=uid, capture=capture, flaws=flaws)


def _link_take(root: Path, take: TakePlan, copy: TakePlan) -> None:
    """Put a take's files under the names of its copy."""
    old, new = root / "takes" / take.take_name, root / "takes" / copy.take_name
    for file in sorted(path for path in old.rglob("*") if path.is_file()):
        _link(file, new / file.relative_to(old))
    body = root / "annotations" / "ego_pose" / take.split / "body"
    for kind in POSES:
        file = body / kind / f"{take.take_uid}.json"
        if file.is_file():
            _link(file, body / kind / f"{copy.take_uid}.json")
    times = root / "captures" / copy.capture.name / "timesync.csv"
    if not times.exists():
        _link(root / "captures" / take.capture.name / "timesync.csv", times)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
