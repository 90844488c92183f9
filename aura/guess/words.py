"""Tables and captions beside the recordings: labels and texts, by a column of names of takes."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from aura.datasets.folder.patterns import Pattern
from aura.datasets.headers import read_small_table
from aura.errors import CorruptFile
from aura.formats.layout import AROUND, DELIMITERS
from aura.guess.names import Names, find_names
from aura.guess.reason import Guess
from aura.storage import Storage

_LABELS = ("label", "activity", "action", "class", "task", "exercise")
_TEXTS = ("text", "description", "caption", "sentence", "narration", "comment")
_MATCH = 0.5  # of a column's cells that are names of takes


@dataclass
class Words:
    """What is beside the recordings.

    Attributes
    ----------
    phrases : dict of str to str
        What a table says of codes of activities.
    label : Guess or None
        Where a table tells the label of each take.
    tables, texts : list
        As in `aura.yaml`.
    """

    phrases: dict[str, str] = field(default_factory=dict)
    label: Guess | None = None
    tables: list[dict[str, Any]] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)


def find_words(files: Storage, paths: list[str], every: list[Names], out: Any) -> Words:
    """Look at tables that are no recordings, and at captions.

    Parameters
    ----------
    files : Storage
        The folder.
    paths : list of str
        Tables without an IMU or a body.
    every : list of Names
        Of all families of recordings.
    out : Draft
        Its warnings grow.
    """
    words = Words()
    keys = _keys(every[0])
    for path in paths:
        rows = _read(files, path)
        if not rows:
            continue
        header, body = rows
        found = _match(header, body, keys)
        if found is None:
            out.warnings.append(f"{path}: no column of it names recordings; it is left out")
            continue
        key, template = found
        others = [name for name in header if name != key]
        label = next((n for n in others for w in _LABELS if w in n.lower()), None)
        text = next((n for n in others for w in _TEXTS if w in n.lower()), None)
        if template == "{activity}":
            of = text or label or next(iter(others), None)
            if of:
                number, place = header.index(of), header.index(key)
                words.phrases |= {row[place]: row[number] for row in body}
            continue
        if label:
            words.tables.append(
                {"file": path, "key": key, "value": template, "parts": {"label": label}}
            )
            words.label = Guess("{label}", f"column {label} of {path}")
        if text:
            entry: dict[str, Any] = {"file": path, "key": key, "value": template, "text": text}
            for name in ("start", "end"):
                column = next((n for n in others if n.lower().startswith(name)), None)
                entry |= {name: column} if column else {}
            words.texts.append(entry)
    _captions(files, every[0], words)
    return words


def _captions(files: Storage, names: Names, words: Words) -> None:
    for suffix in (".vtt", ".srt"):
        paths = [path for path in files.list() if path.lower().endswith(suffix)]
        own = find_names(paths) if paths else None
        stem = names.pattern.rpartition(".")[0]
        if (
            paths
            and sum(Pattern(stem + suffix).match(p) is not None for p in paths) >= len(paths) / 2
        ):
            words.texts.append({"files": stem + suffix})
        elif own and set(own.parts) <= set(names.parts):
            words.texts.append({"files": own.pattern})


def _keys(names: Names) -> dict[str, set[str]]:
    """Templates of what a column may hold, and their values."""
    count = max((len(values) for values in names.parts.values()), default=0)
    stem = PurePosixPath(names.pattern).name.rpartition(".")[0]
    templates = [stem, *("{" + part + "}" for part in names.parts)]
    every = [[names.parts[p][n] for p in names.parts] for n in range(count)]
    out: dict[str, set[str]] = {}
    for template in templates:
        values = set()
        for row in every:
            text = template
            for part, value in zip(names.parts, row, strict=True):
                text = text.replace("{" + part + "}", value)
            values.add(text)
        out[template] = values
    return out


def _match(
    header: list[str], body: list[list[str]], keys: dict[str, set[str]]
) -> tuple[str, str] | None:
    best, most = None, _MATCH
    for number, name in enumerate(header):
        cells = {row[number] for row in body}
        for template, values in keys.items():
            share = len(cells & values) / max(1, min(len(cells), len(values)))
            if share > most + 1e-9:
                best, most = (name, template), share
    return best


def _read(files: Storage, path: str) -> tuple[list[str], list[list[str]]] | None:
    try:
        data = files.read(path)
        line = data[:4096].decode("utf-8-sig", "replace").splitlines()[0]
        delimiter = max(DELIMITERS[:-1], key=line.count)
        header = [cell.strip(AROUND) for cell in line.split(delimiter)]
        if len(header) < 2 or len(set(header)) < len(header) or not all(header):
            return None
        return header, [row for _, row in read_small_table(data, header)]
    except (OSError, CorruptFile, IndexError):
        return None
