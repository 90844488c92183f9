"""An `aura.yaml` of all guesses, each with its reason as a comment, and what is not sure as a warning."""

import json
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from aura.datasets.folder.splits import by_rule
from aura.errors import AuraError
from aura.guess.bodies import Body, find_body
from aura.guess.families import Family, find_families
from aura.guess.names import Names, find_names, place_of
from aura.guess.reason import Guess
from aura.guess.sensors import Sensor, find_sensors, refine_gyro
from aura.guess.streams import stream_sensors
from aura.guess.words import Words, find_words
from aura.storage import Storage

_TIME = "time"


@dataclass
class Draft:
    """What was found.

    Attributes
    ----------
    text : str
        Of `aura.yaml`.
    warnings : list of str
        What somebody has to look at.
    found : list of str
        One line for each IMU and mocap.
    sensors, bodies : list
        For those who want the guesses themselves.
    """

    text: str = ""
    warnings: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    sensors: list[tuple[Family, Names, Sensor]] = field(default_factory=list)
    bodies: list[tuple[Family, Names, Body]] = field(default_factory=list)


def draft(root: str) -> Draft:
    """Look at a folder.

    Raises
    ------
    AuraError
        It is none, or has no file with an IMU or motion capture.
    """
    files = Storage(root)
    if not files.exists():
        raise AuraError(f"There is no folder {root}.")
    out = Draft()
    families, loose = find_families(files, out.warnings)
    rest: list[str] = list(loose)
    for family in families:
        body = find_body(family)
        sensors = [] if body else find_sensors(family) if family.tables else stream_sensors(family)
        names = find_names(family.paths)
        if body:
            out.bodies.append((family, names, body))
        for sensor in sensors:
            out.sensors.append((family, names, sensor))
        if not body and not sensors:
            rest += family.paths if len(family.paths) <= 20 else []
            if len(family.paths) > 20:
                example = family.paths[0]
                out.warnings.append(
                    f"{len(family.paths)} files such as {example} have no acceleration"
                )
    _drop_second(out)
    usable = [b for b in out.bodies if b[2].skeleton.value]
    for family, _, body in out.bodies:
        if not body.skeleton.value:
            out.warnings.append(
                f"{family.paths[0]}: {body.skeleton.why}; give a skeleton of your own"
            )
    if not out.sensors and not usable:
        said = f": {out.warnings[0]}" if out.warnings else ""
        raise AuraError(f"{root} has no file in which an IMU or a body is to be seen{said}.")
    words = find_words(files, rest, [names for _, names, _ in (*out.sensors, *usable)], out)
    out.text = _write(out, usable, words)
    return out


def _drop_second(out: Draft) -> None:
    """Of the same sensor written several ways keep one: a gyroscope alone joins its accelerometer."""
    accel = [item for item in out.sensors if item[2].accel]
    for family, names, sensor in [item for item in out.sensors if not item[2].accel]:
        mates = [a for a in accel if set(a[1].parts) == set(names.parts) and not a[2].gyro
                 and len(a[0].paths) == len(family.paths)]  # fmt: skip
        if not mates:
            out.warnings.append(f"{family.paths[0]}: a gyroscope without an accelerometer")
        for mate in mates:
            mate[2].gyro, mate[2].gyro_unit = sensor.gyro, sensor.gyro_unit
            mate[2].gyro_rows = {"files": names.pattern}
            if not mate[2].gyro_unit.sure:
                refine_gyro(mate[0], mate[2], family, sensor)
    best: dict[tuple[str, ...], tuple[Family, Names, Sensor]] = {}
    for item in accel:
        key = tuple(sorted(item[1].parts)), item[2].stream, item[2].accel, item[0].kind == "accel"
        family = item[0]
        if family.kind != "accel":
            best[(family.paths[0], str(item[2].accel), str(item[2].rows), str(item[2].stream))] = (
                item
            )
            continue
        # The same sensor with and without gravity, or calibrated twice: one that feels gravity.
        again = (str(key[0]), "accel")
        old = best.get(again)
        if old is None or (item[2].accel_unit.sure, len(item[2].gyro)) > (
            old[2].accel_unit.sure,
            len(old[2].gyro),
        ):
            if old is not None:
                out.warnings.append(f"{old[0].paths[0]}: left out, it is {old[2].accel_unit.why}")
            best[again] = item
        else:
            out.warnings.append(f"{item[0].paths[0]}: left out, {item[2].accel_unit.why}")
    out.sensors = list(best.values())


def _write(out: Draft, bodies: list[tuple[Family, Names, Body]], words: Words) -> str:
    every = [names for _, names, _ in (*out.sensors, *bodies)]
    lines = [
        "# Written by `aura init`: what the files seem to be. Each guess has its reason behind it;",
        "# those with ?? need a look. Keys: aura/datasets/folder/schema.py.",
        "version: 1",
    ]

    def put(key: str, guess: Guess, indent: str = "", named: str = "") -> None:
        mark = "" if guess.sure else "?? "
        value = json.dumps(guess.value, ensure_ascii=False)
        lines.append(f"{indent}{key}: {value}  # {mark}{guess.why}")
        if not guess.sure:
            out.warnings.append(f"{named or key}: {guess.why}")

    shared = [p for p in every[0].parts if all(p in n.parts for n in every) and p != "place"]
    roles = every[0].roles
    why = every[0].why
    device = _device_part(every[0])
    if "person" in shared:
        put("person", Guess("{person}", why["person"]))
    else:
        put(
            "person",
            Guess("1", "no part of the names is a person: all is taken to be of one", False),
        )
    keys = [p for p in shared if p != device]
    take = "_".join("{" + part + "}" for part in keys) or "recording"
    put("take", Guess(take, "files with the same are one recording"))
    bouts = _bouts_column(out)
    if words.label:
        put("label", words.label)
    elif "activity" in roles and "activity" in shared:
        put("label", Guess("{activity}", why["activity"]))
        codes = sorted({v for n in every for v in n.parts.get("activity", [])})
        phrases = {code: words.phrases.get(code, phrase(code)) for code in codes}
        unclear = [c for c in codes if c not in words.phrases and not re.search("[A-Za-z]{3}", c)]
        mark = (
            f"  # ?? say what {unclear[0]} and its like mean"
            if unclear
            else "  # their names in words"
        )
        lines.append(f"labels:{mark}")
        lines += [f"  {json.dumps(c)}: {json.dumps(p)}" for c, p in phrases.items()]
        if unclear:
            out.warnings.append(f"labels: {', '.join(unclear[:3])} are codes; write what they mean")
    elif bouts:
        lines.append("label: null  # each row has its own, see bouts below")
    else:
        put("label", Guess(None, "no part of the names is an activity", not words.texts))
    shares_clock = _share_clock(out)
    lines.append("imu:" if out.sensors else "imu: []")
    for family, names, sensor in out.sensors:
        _sensor(lines, put, out, family, names, sensor, device, bouts, shares_clock)
    if bodies:
        lines.append("mocap:")
    for family, names, body in bodies:
        lines.append(f"- files: {json.dumps(names.pattern)}  # {len(family.paths)} files")
        for key, guess in (("skeleton", body.skeleton), ("unit", body.unit), ("up", body.up),
                           ("rest_frames", body.rest)):  # fmt: skip
            put(key, guess, "  ", f"mocap {key}")
        if family.tables:
            put("rate_hz", body.rate, "  ", "mocap rate_hz")
        out.found.append(f"mocap: {len(family.paths)} files, {body.skeleton.value}, {body.unit.value}, "
                         f"{body.up.value} up, {body.rate.value or '?'} Hz")  # fmt: skip
    for key, group in (("tables", words.tables), ("texts", words.texts)):
        if group:
            lines.append(f"{key}:")
            lines += [f"- {json.dumps(item, ensure_ascii=False)}" for item in group]
    people = (
        sorted({p for n in every for p in n.parts.get("person", [])})
        if "person" in shared
        else ["1"]
    )
    split = by_rule(people)
    lines.append(f"# {len(people)} people, split by the rule of aura/datasets/folder/splits.py:")
    for kind in ("val", "test"):
        who = [p for p in people if split[p] == kind]
        lines.append(f"#   {kind}: {', '.join(who) or 'nobody, as there are too few'}")
    lines.append("split: null")
    return "\n".join(lines) + "\n"


def _sensor(
    lines: list[str], put: Any, out: Draft, family: Family, names: Names, sensor: Sensor,
    device: str | None, bouts: str | None, shares_clock: bool,
) -> None:  # fmt: skip
    lines.append(f"- files: {json.dumps(names.pattern)}  # {len(family.paths)} files")
    if sensor.stream:
        lines.append(f"  stream: {json.dumps(sensor.stream)}")
    if "place" in names.parts:
        lines.append(f'  place: "{{place}}"  # {names.why["place"]}')
        codes = sorted(set(names.parts["place"]))
        lines.append(f"  places: {json.dumps({c: place_of(c) for c in codes})}")
    elif device in names.parts and device:
        codes = sorted(set(names.parts[device]))
        lines.append(
            f'  place: "{{{device}}}"  # ?? two sensors at once, {" and ".join(codes)}: where?'
        )
        lines.append(f"  places: {json.dumps(dict.fromkeys(codes, ''))}")
        out.warnings.append(f"places: {', '.join(codes)} are no places of the body; write them")
    else:
        known = Guess(names.place, "all names have it in them") if names.place else None
        put("place", known or sensor.place, "  ", f"place of {names.pattern}")
    if sensor.rows:
        lines.append(f"  rows: {_rows(sensor.rows)}")
    if sensor.table:
        if sensor.time.value:
            column, unit = sensor.time.value
            entry: dict[str, Any] = {"column": column, "unit": unit}
            if sensor.wraps:
                entry["wraps"] = sensor.wraps
            why = sensor.time.why
            if sensor.even is not None:
                entry |= {"stamps": "even"} | ({"number": sensor.even} if sensor.even else {})
                why += "; stamps come in bursts, as samples were delivered: laid on an even clock"
                out.warnings.append(f"time of {names.pattern}: stamps are laid on an even clock, as they "
                                    "come in bursts; `recorded` leaves them as they are")  # fmt: skip
            put("time", Guess(entry, why, sensor.time.sure), "  ", f"time of {names.pattern}")
            if sensor.even is not None:
                put("rate_hz", sensor.rate, "  ", f"rate of {names.pattern}")
            else:
                lines.append(f"  # {sensor.rate.value} Hz: {sensor.rate.why}")
        else:
            put("rate_hz", Guess(None, f"{sensor.time.why}: write it, in Hz", False), "  ",
                f"rate of {names.pattern}")  # fmt: skip
        lines.append(f"  clock: {'shared' if shares_clock else 'own'}  # "
                     + ("stamps of sensors at once overlap" if shares_clock else "begins with its first sample"))  # fmt: skip
    for key, columns, unit, rows in (("accel", sensor.accel, sensor.accel_unit, sensor.accel_rows),
                                     ("gyro", sensor.gyro, sensor.gyro_unit, sensor.gyro_rows)):  # fmt: skip
        if not columns:
            lines.append(f"  {key}: null  # there is none")
            continue
        lines.append(f"  {key}:")
        if "files" in rows:
            lines.append(f"    files: {json.dumps(rows['files'])}")
            rows = {}
        lines.append(f"    columns: {json.dumps(list(columns), ensure_ascii=False)}")
        if rows:
            lines.append(f"    rows: {_rows(rows)}")
        put("unit", unit, "    ", f"unit of {key} of {names.pattern}")
    if sensor.axes.value:
        lines.append(f"    # {'' if sensor.axes.sure else '?? '}axes: {sensor.axes.why}")
        if not sensor.axes.sure:
            out.warnings.append(f"axes of {names.pattern}: {sensor.axes.why}")
    if bouts and bouts in family.columns:
        lines.append(f"  bouts: {json.dumps(bouts)}  # its rows have an activity each")
    out.found.append(f"IMU: {names.pattern}, {len(family.paths)} files, {sensor.accel_unit.value}, "
                     f"{sensor.gyro_unit.value if sensor.gyro else 'no gyroscope'}, "
                     f"{sensor.rate.value or '?'} Hz, {sensor.place.value or 'place ?'}")  # fmt: skip


def _rows(rows: dict[str, str]) -> str:
    values = {c: {"header": v[1:]} if v.startswith("@") else float(v) for c, v in rows.items()}
    return json.dumps(values)


def phrase(code: str) -> str:
    """`LyingDown_OnABed` as `lying down on a bed`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", code)
    return " ".join(re.split(r"[\s_]+", words)).strip().lower()


def _device_part(names: Names) -> str | None:
    """A part without a role that tells sensors of one recording apart: all its values each time."""
    for part, values in names.parts.items():
        distinct = set(values)
        if (
            part in names.roles
            or not 2 <= len(distinct) <= 6
            or any(re.search(r"\d", v) for v in distinct)
        ):
            continue
        others = [p for p in names.parts if p != part]
        groups: dict[tuple[str, ...], set[str]] = {}
        for number, value in enumerate(values):
            groups.setdefault(tuple(names.parts[p][number] for p in others), set()).add(value)
        whole = sum(group == distinct for group in groups.values())
        if whole >= 0.7 * len(groups):
            return part
    return None


def _bouts_column(out: Draft) -> str | None:
    """A column of words, few and in long runs: the activity of each row."""
    for family, _, _ in out.sensors:
        for name in family.columns:
            tables = list(family.tables.values())
            if any(table.is_numeric(name) for table in tables):
                continue
            runs, kinds = 0, set()
            for table in tables:
                texts = table.texts(name)
                runs += int((texts[1:] != texts[:-1]).sum()) + 1
                kinds |= set(np.unique(texts).tolist())
            if 1 < len(kinds) <= 60 and runs < 0.02 * sum(t.rows for t in tables) + 2 * len(tables):
                return name
    return None


def _share_clock(out: Draft) -> bool:
    """Whether sensors of one recording have stamps of one clock: a file of several, or since 1970."""
    tables = [s for f, _, s in out.sensors if f.tables and s.time.value]
    if any(s.rows for s in tables) and len(tables) > 1:
        return True
    return bool(tables) and all(
        "since 1970" in s.time.why or s.time.value[1] == "date" for s in tables
    )


def files_of(paths: list[str]) -> str:
    """An example of paths, for a sentence."""
    return PurePosixPath(paths[0]).name
