"""Columns of tables by their names: which is time, which are the axes of which sensor.

Names of programs that people record with, each as it writes them; and what their documentation
says of a column that its name does not: of Sensor Logger's `Accelerometer`, phyphox' `Linear
Acceleration` and Movella's `FreeAcc` gravity is taken away. Units are taken from a name that has
one in it, and not from knowing the program: most can be set to another.
"""

import re
from typing import NamedTuple

_KINDS = {
    "accel": ("acceleration", "accelerometer", "accel", "acc", "total acceleration"),
    "gyro": ("gyroscope", "gyro", "gyr", "angular velocity", "angular rate", "angularvelocity",
             "rotation rate", "rotationrate", "angvel", "gyr0"),
    "mag": ("magnetometer", "magnetic field", "mag", "magn"),
    "linear": ("linear acceleration", "linearacceleration", "free acceleration", "freeacc",
               "user acceleration", "useracceleration", "linacc", "motionuseracceleration"),
    "gravity": ("gravity", "grav"),
}  # fmt: skip
_KIND_OF = {alias.replace(" ", ""): kind for kind, group in _KINDS.items() for alias in group}
_TIMES = re.compile(
    r"(time|timestamp|time ?stamp|t|seconds?[_ ]elapsed|elapsed|sampletimefine|epoch|"
    r"sensor ?time|datetime|date|unix|clock|logging ?time)", re.I,
)  # fmt: skip
_SECONDS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0, "second": 1.0, "ms": 1e-3, "msec": 1e-3,
    "milliseconds": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "usec": 1e-6, "microseconds": 1e-6,
    "ns": 1e-9, "nsec": 1e-9, "nanoseconds": 1e-9,
}  # fmt: skip
_UNIT = re.compile(r"[\(\[{]\s*([^\)\]}]+?)\s*[\)\]}]")
_UNITS = {
    "g": "g", "gs": "g", "g's": "g", "mg": "mg", "m/s2": "m/s2", "m/s^2": "m/s2", "m/s²": "m/s2",
    "m/s/s": "m/s2", "ms-2": "m/s2", "m.s-2": "m/s2", "rad/s": "rad/s", "rads": "rad/s",
    "rps": "rad/s", "°/s": "deg/s", "deg/s": "deg/s", "dps": "deg/s", "degs/s": "deg/s",
    "degrees/s": "deg/s", "mdps": "mdeg/s", "ut": "uT", "µt": "uT", "mm": "mm", "cm": "cm",
    "m": "m", "inch": "inch", "inches": "inch", "in": "inch",
}  # fmt: skip


class Roles(NamedTuple):
    """What the columns of a table are.

    Attributes
    ----------
    time : str or None
        The column of time.
    time_s : float or None
        Its unit in seconds, None where its name does not say.
    wraps : float
        After how many of that unit it begins again; 0 where it does not.
    groups : dict
        (kind, prefix) -> names of its x, y and z, whatever their order in the file; kind is empty
        of a marker or joint, and of axes that say no more.
    app : str
        The program whose names they are, empty where it is not known.
    """

    time: str | None
    time_s: float | None
    wraps: float
    groups: dict[tuple[str, str], tuple[str, str, str]]
    app: str


def header_unit(name: str) -> str:
    """The unit that a name has in brackets, in our spelling; empty where it has none."""
    match = _UNIT.search(name)
    return known_unit(match[1]) if match else ""


def known_unit(text: str) -> str:
    """Our spelling of a unit, empty where it is none that we know."""
    return _UNITS.get(text.strip().lower().replace(" ", ""), "")


def find_roles(names: tuple[str, ...]) -> Roles:
    """What the columns are, by their names."""
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        kind, prefix, axis = _parse(name)
        if axis:
            groups.setdefault((kind, prefix), {}).setdefault(axis, name)
    whole = {key: (g["x"], g["y"], g["z"]) for key, g in groups.items() if len(g) == 3}
    time, seconds = _time(names)
    app, wraps = _app(names), 0.0
    if app == "Movella DOT" and time:
        seconds, wraps = 1e-6, 2.0**32
    if app == "Sensor Logger" and time:
        time, seconds = next((n, 1e-9) for n in names if n.lower() == "time")
    return Roles(time, seconds, wraps, whole, app)


def _parse(name: str) -> tuple[str, str, str]:
    """Kind of sensor, what is before it in the name, and axis; empty where there is none.

    `Acc_X`, `acc.x`, `x_acc`, `accelX`, `Acceleration x (m/s^2)`, `left_sensor.acc_x`, `X-Axis`.
    """
    bare = _UNIT.sub("", name).strip().strip("_ .")
    bare = re.sub(r"(?<=[a-z])(?=[XYZ]$)", " ", bare)
    words = [word for word in re.split(r"[\s_.\-:/]+", bare.lower()) if word]
    words = [word for word in words if word not in ("axis", "value", "data", "calibrated")]
    axes = [i for i, word in enumerate(words) if word in ("x", "y", "z")]
    if not axes and words and re.fullmatch(r"(a|g|w|acc|gyr|gyro|accel|mag)[xyz]", words[-1]):
        stem, axis = words[-1][:-1], words[-1][-1]
        words = [*words[:-1], {"a": "acc", "g": "gyr", "w": "gyr"}.get(stem, stem), axis]
        axes = [len(words) - 1]
    if not axes:
        return "", "", ""
    axis = words.pop(axes[-1])
    for count in (3, 2, 1):
        for start in range(len(words) - count, -1, -1):
            kind = _KIND_OF.get("".join(words[start : start + count]))
            if kind:
                rest = words[:start] + words[start + count :]
                return kind, " ".join(rest), axis
    return "", " ".join(words), axis


def _time(names: tuple[str, ...]) -> tuple[str | None, float | None]:
    found: list[tuple[int, str, float | None]] = []
    for name in names:
        bare = _UNIT.sub("", name).strip()
        unit = _UNIT.search(name)
        tail = re.split(r"[_ .]", bare.lower())
        scale = _SECONDS.get(unit[1].lower()) if unit else None
        if scale is None and len(tail) > 1 and tail[-1] in _SECONDS:
            scale, bare = _SECONDS[tail[-1]], bare[: -len(tail[-1]) - 1]
        if scale is None and tail[-1] == "elapsed" and "second" in bare.lower():
            scale = 1.0
        if bare.lower() in ("ms", "us", "ns") and not unit:
            found.append((0, name, _SECONDS[bare.lower()]))
        elif _TIMES.fullmatch(bare):
            found.append((0 if scale else 1, name, scale))
    found.sort(key=lambda item: item[0])
    return (found[0][1], found[0][2]) if found else (None, None)


def _app(names: tuple[str, ...]) -> str:
    lower = {name.lower() for name in names}
    if {"time", "seconds_elapsed"} <= lower:
        return "Sensor Logger"
    if "sampletimefine" in lower:
        return "Movella DOT"
    if any(n.startswith(("acceleration x (", "linear acceleration x (", "gyroscope x (",
                         "absolute acceleration (")) for n in lower):  # fmt: skip
        return "phyphox"
    return ""


def kind_of_text(text: str) -> tuple[str, str]:
    """The sensor that a text such as the name of a file speaks of, and its words for it.

    Both are empty where it names none.
    """
    bare = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    words = [word for word in re.split(r"[^a-z]+", bare.lower()) if word]
    for count in (2, 1):
        for start in range(len(words) - count, -1, -1):
            said = "".join(words[start : start + count])
            if said in _KIND_OF:
                return _KIND_OF[said], said
    return "", ""
