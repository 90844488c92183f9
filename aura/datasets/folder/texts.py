"""Captions of a folder's takes: WebVTT and SubRip files, and tables."""

import re
from collections.abc import Mapping

from aura.datasets.base import Skip, Text
from aura.datasets.folder.patterns import fill
from aura.datasets.folder.schema import Texts
from aura.datasets.headers import read_small_table
from aura.errors import AuraError, CorruptFile
from aura.storage import Storage

_STAMP = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_CUE = re.compile(rf"^\s*{_STAMP}\s*-->\s*{_STAMP}", re.M)
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")
Rows = dict[str, list[tuple[str, float | None, float | None]]]


def read_cues(data: bytes) -> tuple[list[tuple[str, float, float]], int]:
    """Text, start and end in s of each cue of a VTT or SRT file, and how many are none.

    A cue without a text, or one that ends before it starts, is none.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found = list(_CUE.finditer(text))
    cues, bad = [], 0
    for number, match in enumerate(found):
        until = found[number + 1].start() if number + 1 < len(found) else len(text)
        behind = text[match.end() : until].split("\n", 1)
        body = re.split(r"\n\s*\n", behind[1] if len(behind) > 1 else "", maxsplit=1)[0]
        words = " ".join(_TAG.sub("", body).split())
        start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        if words and end >= start:
            cues.append((words, start, end))
        else:
            bad += 1
    return cues, bad


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, rest = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{rest}")


def read_rows(files: Storage, settings: Texts) -> Rows:
    """Texts of a table by its key, with their spans in s.

    Raises
    ------
    AuraError
        There is no such table, or it lacks a column.
    """
    columns = [settings.key, settings.text, settings.start, settings.end]
    wanted = [column for column in columns if column]
    try:
        rows = read_small_table(files.read(str(settings.file)), wanted)
    except (OSError, CorruptFile) as error:
        said = str(error).rstrip(".")
        raise AuraError(f"{files.root}/{settings.file}, of texts in aura.yaml: {said}.") from None
    scale = 0.001 if settings.unit == "ms" else 1.0
    found: Rows = {}
    for _, cells in rows:
        row = dict(zip(wanted, cells, strict=True))
        spans = [_number(row.get(str(name))) for name in (settings.start, settings.end)]
        start, end = (None if value is None else value * scale for value in spans)
        text = row[str(settings.text)]
        if text:
            found.setdefault(row[str(settings.key)], []).append((text, start, end))
    return found


def _number(cell: str | None) -> float | None:
    try:
        return float(cell) if cell else None
    except ValueError:
        return None


def texts_of(
    files: Storage, all_settings: tuple[Texts, ...], tables: Mapping[int, Rows],
    paths: Mapping[int, str], parts: Mapping[str, str], duration_s: float, skips: list[Skip],
) -> tuple[Text, ...]:  # fmt: skip
    """Captions of one take, in the order of `aura.yaml`.

    Parameters
    ----------
    files : Storage
        The folder.
    all_settings : tuple of Texts
        As in `aura.yaml`.
    tables : mapping of int to Rows
        Of those that are tables, by their number.
    paths : mapping of int to str
        The take's own file, of those that are files.
    parts : mapping of str to str
        Of the take's name.
    duration_s : float
        Of the take.
    skips : list of Skip
        Grows by what cannot be used.
    """
    found: list[Text] = []
    for number, settings in enumerate(all_settings):
        if settings.files is not None:
            if number not in paths:
                continue
            try:
                cues, bad = read_cues(files.read(paths[number]))
            except CorruptFile:
                skips.append(Skip("captions cannot be read", paths[number], "text"))
                continue
            skips += [Skip("cue without a text or a span", paths[number], "text")] * bad
            spans: list[tuple[str, float | None, float | None]] = list(cues)
        else:
            spans = tables[number].get(fill(str(settings.value), parts) or "", [])
        for text, start, end in spans:
            at = 0.0 if start is None else start + settings.offset_s
            until = (
                duration_s if start is None else None if end is None else end + settings.offset_s
            )
            if at >= duration_s or (until is not None and until < at):
                skips.append(Skip("text is outside its take", text[:80], "text"))
            else:
                found.append(Text(text, at, "texts", until))
    return tuple(found)
