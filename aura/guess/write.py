"""The text of an `aura.yaml`: each guess with its reason behind it, and ?? where it is not sure."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aura.datasets.folder.splits import by_rule
from aura.guess.bodies import Body
from aura.guess.families import Family
from aura.guess.measure import Sensor
from aura.guess.names import Names, device_part, place_of
from aura.guess.reason import Guess
from aura.guess.words import Words


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


def write(out: Draft, bodies: list[tuple[Family, Names, Body]], words: Words) -> str:
    """The text of the file; warnings and what was found go to `out`."""
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
    device = device_part(every[0])
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
        told = f"{body.skeleton.value}, {body.unit.value}, {body.up.value} up"
        out.found.append(f"mocap: {len(family.paths)} files, {told}, {body.rate.value or '?'} Hz")
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
                out.warnings.append(
                    f"time of {names.pattern}: stamps are laid on an even clock, as they come in "
                    "bursts; `recorded` leaves them as they are"
                )
            put("time", Guess(entry, why, sensor.time.sure), "  ", f"time of {names.pattern}")
            if sensor.even is not None:
                put("rate_hz", sensor.rate, "  ", f"rate of {names.pattern}")
            else:
                lines.append(f"  # {sensor.rate.value} Hz: {sensor.rate.why}")
        else:
            put("rate_hz", Guess(None, f"{sensor.time.why}: write it, in Hz", False), "  ",
                f"rate of {names.pattern}")  # fmt: skip
        if shares_clock:
            lines.append("  clock: shared  # stamps of sensors at once overlap")
        else:
            lines.append("  clock: own  # begins with its first sample")
    both = (
        ("accel", sensor.accel, sensor.accel_unit, sensor.accel_rows),
        ("gyro", sensor.gyro, sensor.gyro_unit, sensor.gyro_rows),
    )
    for key, columns, unit, rows in both:
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
    gyro = sensor.gyro_unit.value if sensor.gyro else "no gyroscope"
    place = (
        sensor.place.value or names.place or ("{place}" if "place" in names.parts else "place ?")
    )
    out.found.append(
        f"IMU: {names.pattern}, {len(family.paths)} files, {sensor.accel_unit.value}, {gyro}, "
        f"{sensor.rate.value or '?'} Hz, {place}"
    )


def _rows(rows: dict[str, str]) -> str:
    values = {c: {"header": v[1:]} if v.startswith("@") else float(v) for c, v in rows.items()}
    return json.dumps(values)


def phrase(code: str) -> str:
    """`LyingDown_OnABed` as `lying down on a bed`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", code)
    return " ".join(re.split(r"[\s_]+", words)).strip().lower()


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
    """Whether sensors of one recording have stamps of one clock: one file, or since 1970."""
    tables = [s for f, _, s in out.sensors if f.tables and s.time.value]
    if any(s.rows for s in tables) and len(tables) > 1:
        return True
    return bool(tables) and all(
        "since 1970" in s.time.why or s.time.value[1] == "date" for s in tables
    )
