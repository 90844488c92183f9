"""Parts of file names: which of them is the person, the activity, the trial and the place."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from aura.schema import PLACES

_TOKEN = re.compile(r"[/_ ]+")
_PERSON = re.compile(r"(s|p|u|id|sa|se|sub|subj|subject|person|participant|user|volunteer|pp|vp|"
                     r"proband|patient)[ -]?\d+", re.I)  # fmt: skip
_BEFORE_PERSON = re.compile(r"sub|subj|subject|person|participant|user|volunteer|patient|id", re.I)
_TRIAL = re.compile(r"(t|r|trial|take|rep|run|seq|rec|session|try|file)[ -]?\d+", re.I)
_BEFORE_TRIAL = re.compile(r"trial|take|rep|run|seq|rec|session", re.I)
_ACTIVITY = re.compile(r"(a|d|f|act|activity|action|task|class|adl|exercise|ex)[ -]?\d+", re.I)
_DATE = re.compile(r"\d{4}-?\d\d-?\d\d([T_-]?\d\d-?\d\d(-?\d\d)?)?|\d\d-\d\d-\d\d")
_SYNONYMS = {
    "lefthand": "hand-left", "righthand": "hand-right", "belt": "waist", "hips": "hip",
    "pelvis": "waist", "lowerback": "back", "sternum": "chest", "torso": "chest", "trunk": "chest",
    "leg": "thigh", "upperleg": "thigh", "lowerleg": "shank", "shin": "shank", "arm": "upper-arm",
    "lowerarm": "forearm", "upperarm": "upper-arm", "watch": "wrist", "pockets": "pocket",
}  # fmt: skip
_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}


class Names(NamedTuple):
    """How the files of a family are called.

    Attributes
    ----------
    pattern : str
        Of their paths.
    parts : dict of str to list of str
        The values of each part, one a file.
    roles : dict of str to str
        `person`, `activity`, `trial`, `place` -> the part that it is.
    why : dict of str to str
        The reason of each role.
    place : str or None
        The place that all names have in them, where it is no part that varies.
    """

    pattern: str
    parts: dict[str, list[str]]
    roles: dict[str, str]
    why: dict[str, str]
    place: str | None


def place_of(text: str) -> str | None:
    """The place on the body that a text names, in our spelling, None where it names none."""
    bare = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    words = [word.lower() for word in re.split(r"[^A-Za-z]+", bare) if word]
    joined = "".join(words)
    side = next((_SIDES[word] for word in words if word in _SIDES), "")
    for word in ("left", "right"):
        if not side and joined != word and (joined.startswith(word) or joined.endswith(word)):
            side = word
    rest = joined.removeprefix(side).removesuffix(side) if side else joined
    known = {place.replace("-", ""): place for place in PLACES} | _SYNONYMS
    options = [
        rest,
        *(word for word in words if len(word) > 2),
        *(r for r in [rest[1:]] if rest[:1] in "lr"),
    ]
    for option in options:
        if option in known:
            place = known[option]
            if option == rest[1:] and option != rest and not side:
                side = _SIDES[rest[0]]
            return place if not side or place.endswith(("-left", "-right")) else f"{place}-{side}"
    return None


def find_names(paths: Sequence[str]) -> Names:
    """Find the parts of the paths of a family of files: what varies from one to the next."""
    split = [_tokens(path) for path in paths]
    tokens, seps = _aligned([s[0] for s in split], [s[1] for s in split])
    merged = len({len(s[0]) for s in split}) > 1  # a part may have a separator in it
    suffix = paths[0][len(paths[0]) - len(split[0][2]) :]
    columns = list(zip(*tokens, strict=True))
    roles: dict[str, str] = {}
    why: dict[str, str] = {}
    names: list[str | None] = []
    parts: dict[str, list[str]] = {}
    for number, column in enumerate(columns):
        if len(set(column)) == 1:
            names.append(None)
            continue
        twin = next((n for n, c in enumerate(columns[:number]) if c == column), None)
        if twin is not None:
            names.append(names[twin])
            continue
        names.append(f"part{number}")
        parts[f"part{number}"] = list(column)
    _assign(columns, names, seps, roles, why)
    renamed = {part: role for role, part in roles.items()}
    pattern = ""
    for number, column in enumerate(columns):
        name = names[number]
        of = ":\\d+" if merged and all(v.isdecimal() for v in column) else ""
        pattern += column[0] if name is None else "{" + renamed.get(name, name) + of + "}"
        pattern += seps[number] if number < len(seps) else ""
    found = {renamed.get(name, name): values for name, values in parts.items()}
    place = None if "place" in roles else _fixed_place(columns, names)
    return Names(pattern + suffix, found, {role: role for role in roles}, why, place)


def _fixed_place(columns: list[tuple[str, ...]], names: list[str | None]) -> str | None:
    """Of tokens that never vary: two on end, or one, that name a place; the last such."""
    for count in (2, 1):
        for start in range(len(columns) - count, -1, -1):
            if all(name is None for name in names[start : start + count]):
                place = place_of(" ".join(column[0] for column in columns[start : start + count]))
                if place:
                    return place
    return None


def _tokens(path: str) -> tuple[list[str], list[str], str]:
    stem, dot, suffix = path.rpartition(".")
    return _TOKEN.split(stem), _TOKEN.findall(stem), dot + suffix


def _aligned(tokens: list[list[str]], seps: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    """Tokens of one number each: of longer paths those in the middle are one."""
    least = min(map(len, tokens))
    if all(len(t) == least for t in tokens):
        return tokens, seps[0]
    best, most = 0, (-1, 0)
    for left in range(least):
        merged = [_merge(t, s, left, least) for t, s in zip(tokens, seps, strict=True)]
        columns = list(zip(*merged, strict=True))
        alike = sum(len({_shape(v) for v in column}) == 1 for column in columns)
        score = alike, -sum(len(set(column)) for column in columns)
        if score > most:
            best, most = left, score
    merged = [_merge(t, s, best, least) for t, s in zip(tokens, seps, strict=True)]
    shortest = min(range(len(tokens)), key=lambda n: len(tokens[n]))
    return merged, seps[shortest]


def _merge(tokens: list[str], seps: list[str], left: int, count: int) -> list[str]:
    more = len(tokens) - count
    middle = tokens[left]
    for n in range(left, left + more):
        middle += seps[n] + tokens[n + 1]
    return [*tokens[:left], middle, *tokens[left + more + 1 :]]


def _shape(token: str) -> str:
    if _DATE.fullmatch(token):
        return "date"
    return re.sub(r"\d+", "0", token) if re.search(r"\d", token) else "word"


def _assign(
    columns: list[tuple[str, ...]], names: list[str | None], seps: list[str],
    roles: dict[str, str], why: dict[str, str],
) -> None:  # fmt: skip
    """Give roles to the parts that vary."""
    order = [n for n, name in enumerate(names) if name and name not in names[:n]]
    free = [n for n in order if not all(_DATE.fullmatch(v) for v in columns[n])]

    def give(role: str, number: int, reason: str) -> None:
        if role not in roles and number in free:
            roles[role], why[role] = str(names[number]), f"{reason}, such as {columns[number][0]}"
            free.remove(number)

    def before(number: int) -> str:
        return columns[number - 1][0] if number and len(set(columns[number - 1])) == 1 else ""

    for number in list(free):
        if all(place_of(v) for v in set(columns[number])):
            give("place", number, "it names places of the body")
    for number in list(free):
        column = set(columns[number])
        if all(_PERSON.fullmatch(v) for v in column) or _BEFORE_PERSON.fullmatch(before(number)):
            give("person", number, "it is written as people are")
    for number in list(free):
        if all(_TRIAL.fullmatch(v) for v in columns[number]) or _BEFORE_TRIAL.fullmatch(
            before(number)
        ):
            give("trial", number, "it is written as repetitions are")
    words = [n for n in free if not any(v.isdigit() for v in columns[n])]
    coded = [n for n in words if all(_ACTIVITY.fullmatch(v) for v in columns[n])]
    plain = [n for n in words if all(re.search("[A-Za-z]{3}", v) for v in columns[n])]
    for group in (coded, plain):
        group = [n for n in group if n in free]
        if group and "activity" not in roles:
            number = max(group, key=lambda n: len(set(columns[n])))
            values = Counter(columns[number])
            if len(values) <= max(2, 0.7 * len(columns[number])):
                give("activity", number, "it has the most words of those that come again")
    for number in list(free):
        values = Counter(columns[number])
        again = max(values.values()) > 1 or "/" in seps[number : number + 1]
        if "person" not in roles and len(values) > 1 and again:
            give("person", number, "it comes again from file to file")
    for number in list(free):
        if "trial" not in roles and any(re.search(r"\d", v) for v in columns[number]):
            give("trial", number, "it is what is left of the numbers")


def device_part(names: Names) -> str | None:
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
