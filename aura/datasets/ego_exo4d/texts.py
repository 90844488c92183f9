"""The text sources of Ego-Exo4D: atomic descriptions, expert commentary, keysteps.

Keysteps are also labels, whether they are among the chosen texts or not: what is done, and when.

Times are seconds from the take's start. What is about another person, marked as rejected, unsure or
an error, or has no time, is dropped with a reason. All texts of a root are hundreds of MB as Python
objects, so each take's are kept packed until the take is opened.
"""

import json
import re
import zlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeGuard

import numpy as np

from aura.counts import Ledger
from aura.datasets.base import Skip, Text
from aura.datasets.ego_exo4d.index import is_true, stream_annotations
from aura.datasets.ego_exo4d.options import Options
from aura.storage import Storage

_WEARER = re.compile(r"\bC\b")
ACTION = "action"  # source of a keystep as a label
LISTED = "texts_listed"
"""Unit of the counts: texts of the takes that are read, in the files; a keystep's label is one."""

_FILES = ("atomic_descriptions", "expert_commentary", "keystep")


class _Lost:
    """What is dropped of the texts of takes."""

    def __init__(self) -> None:
        self.skips: list[Skip] = []
        self.ledger = Ledger("resample", LISTED)

    def lose(self, reason: str, uid: str, texts: int = 1) -> None:
        """Drop an entry, which would have been so many texts."""
        self.skips.append(Skip(reason, uid, "text"))
        self.ledger.drop(LISTED, reason, texts)

    def entries(self, values: Any, uid: str, texts: int = 1) -> Iterator[Mapping[str, Any]]:
        """Count the entries of a list, each so many texts, and yield those that are objects."""
        for value in values if isinstance(values, list) else ():
            self.ledger.find(LISTED, texts)
            if isinstance(value, Mapping):
                yield value
            else:
                self.lose("text is no object", uid, texts)


def read_texts(
    files: Storage, options: Options, take_uids: Collection[str]
) -> tuple[dict[str, bytes], list[Skip], Ledger]:
    """Packed texts and actions by take_uid, of the chosen splits, what was dropped, and counts."""
    packed: dict[str, bytes] = {}
    lost = _Lost()
    skips = lost.skips
    seen: set[tuple[str, str]] = set()
    for source in (s for s in _FILES if s in options.texts or s == "keystep"):
        for split in options.splits:
            path = f"annotations/{source}_{split}.json"
            if not files.is_file(path):
                if source in options.texts:
                    skips.append(Skip(f"split has no {source}", split, "text"))
                continue
            for uid, annotations in stream_annotations(files, path):
                if uid not in take_uids:
                    skips.append(Skip("annotation without a take", f"{source} {uid}", "text"))
                    continue
                texts = [
                    [" ".join(t.text.split()), t.time_s, t.source, t.end_s]
                    for t in _PARSERS[source](annotations, uid, options, lost)
                ]
                if texts:
                    earlier = _unpack(packed[uid]) if uid in packed else []
                    if (source, uid) in seen:  # in the file of another split, or again in this one
                        known = {tuple(text) for text in earlier}
                        fresh = [text for text in texts if tuple(text) not in known]
                        for _ in range(len(texts) - len(fresh)):
                            lost.lose("text is there twice", uid)
                        texts = fresh
                    seen.add((source, uid))
                    lost.ledger.use(LISTED, len(texts))
                    packed[uid] = zlib.compress(json.dumps(earlier + texts).encode(), 1)
    return packed, skips, lost.ledger


def unpack_texts(packed: bytes | None, person: str | None) -> list[Text]:
    """Texts and actions of one take by time; C, the wearer of the camera, becomes `person`."""
    texts = [
        Text(name_wearer(text, person), time, source, end)
        for text, time, source, end in (_unpack(packed) if packed else [])
    ]
    return sorted(texts, key=lambda text: (text.time_s, text.source, text.text))


def name_wearer(text: str, person: str | None) -> str:
    """Say "a person" for "C", with a capital where a sentence starts.

    >>> name_wearer("C lifts C's cup.", "a person")
    "A person lifts a person's cup."
    """
    if person is None:
        return text
    named = _WEARER.sub(person, text)
    return named[:1].upper() + named[1:] if named != text and text[0] == "C" else named


def _unpack(packed: bytes) -> list[list[Any]]:
    return json.loads(zlib.decompress(packed))


def _atomic(annotations: Any, uid: str, options: Options, lost: _Lost) -> Iterator[Text]:
    for annotation in _objects(annotations):
        entries = annotation.get("descriptions")
        if is_true(annotation.get("rejected")):
            count = len(entries) if isinstance(entries, list) else 0
            lost.ledger.find(LISTED, count)
            lost.lose("annotation is rejected", uid, count)
            continue
        for entry in lost.entries(entries, uid):
            subject = entry.get("subject", entry.get("narration_subject"))
            text, time = entry.get("text"), to_seconds(entry.get("timestamp"))
            if subject is not None and subject not in options.subjects:
                lost.lose("text is about another person", uid)
            elif is_true(entry.get("unsure")) and not options.unsure_texts:
                lost.lose("text is unsure", uid)
            elif not _is_text(text) or time is None:
                lost.lose("text or its time is empty", uid)
            else:
                yield Text(text, time, "atomic_descriptions")


def _commentary(annotations: Any, uid: str, options: Options, lost: _Lost) -> Iterator[Text]:
    for annotation in _objects(annotations):
        for entry in lost.entries(annotation.get("commentary_data"), uid):
            text, time = entry.get("text"), to_seconds(entry.get("video_time"))
            # Real entries hold an empty error, or its message.
            if entry.get("error") and str(entry["error"]).strip().lower() not in ("0", "false"):
                lost.lose("commentary is marked as an error", uid)
            elif not _is_text(text) or time is None:
                lost.lose("text or its time is empty", uid)
            else:
                yield Text(text, time, "expert_commentary")


def _keystep(annotation: Any, uid: str, options: Options, lost: _Lost) -> Iterator[Text]:
    segments = annotation.get("segments") if isinstance(annotation, Mapping) else None
    texts = 1 + ("keystep" in options.texts)  # the label too
    for entry in lost.entries(segments, uid, texts):
        name, description = entry.get("step_name"), entry.get("step_description")
        text = description or name
        start, end = to_seconds(entry.get("start_time")), to_seconds(entry.get("end_time"))
        if not _is_text(text) or start is None or end is None or end < start:
            lost.lose("text or its time is empty", uid, texts)
            continue
        yield Text(name if _is_text(name) else text, start, ACTION, end)
        if "keystep" in options.texts:
            yield Text(text, start, "keystep", end)


_PARSERS = {"atomic_descriptions": _atomic, "expert_commentary": _commentary, "keystep": _keystep}


def _objects(values: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(values, list):
        yield from (value for value in values if isinstance(value, Mapping))


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())


def to_seconds(value: Any) -> float | None:
    """A finite number of seconds, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if np.isfinite(number) else None
