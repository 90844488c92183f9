"""The parameters of a C3D file: groups of named numbers and texts, in three processors' numbers."""

from dataclasses import dataclass, field
from math import prod

import numpy as np

from aura.errors import CorruptFile

_INTEL, _DEC, _MIPS = 84, 85, 86
_TYPES = {-1: 1, 1: 1, 2: 2, 4: 4}


@dataclass(frozen=True)
class Parameters:
    """Parameters by group and name, in capitals.

    Attributes
    ----------
    processor : int
        84 Intel, 85 DEC, 86 MIPS.
    values : dict
        (group, name) -> numbers, or texts.
    """

    processor: int
    values: dict[tuple[str, str], list[float] | list[str]] = field(default_factory=dict)

    def numbers(self, group: str, name: str) -> list[float]:
        """All numbers of a parameter; none where there is no such."""
        found = self.values.get((group, name), [])
        return [value for value in found if isinstance(value, float)]

    def number(self, group: str, name: str, default: float) -> float:
        """The first number of a parameter. Integers are not negative, but for scales."""
        found = self.numbers(group, name)
        return found[0] if found else default

    def texts(self, group: str, name: str) -> list[str]:
        """All texts of a parameter."""
        found = self.values.get((group, name), [])
        return [value for value in found if isinstance(value, str)]

    def floats(self, data: bytes) -> np.ndarray:
        """Numbers of four bytes each, as this processor writes them."""
        if self.processor == _DEC:  # words swapped, and an exponent that is larger by 2
            swapped = np.frombuffer(data, "<u2").reshape(-1, 2)[:, ::-1].tobytes()
            values = np.frombuffer(swapped, "<f4").astype(np.float64) / 4
            return np.where(np.frombuffer(swapped, "<u4") == 0, 0, values)
        return np.frombuffer(data, ">f4" if self.processor == _MIPS else "<f4").astype(np.float64)

    def as_float(self, data: bytes) -> float:
        """One such number."""
        return float(self.floats(data)[0])

    def integers(self, data: bytes) -> np.ndarray:
        """Numbers of two bytes each, signed."""
        return np.frombuffer(data, ">i2" if self.processor == _MIPS else "<i2")

    def samples(self, data: bytes, start: int, count: int, real: bool) -> np.ndarray:
        """The values of frames, as they are stored."""
        size = 4 if real else 2
        part = data[start : start + count * size]
        return self.floats(part) if real else self.integers(part)


def read_parameters(data: bytes, start: int) -> Parameters:
    """All parameters of the section that begins there.

    Raises
    ------
    CorruptFile
        It is none, or is cut off.
    """
    if len(data) < start + 4 or data[start + 3] not in (_INTEL, _DEC, _MIPS):
        raise CorruptFile("the C3D file's parameters are not those of a known processor.")
    found = Parameters(data[start + 3])
    order = "big" if found.processor == _MIPS else "little"
    names: dict[int, str] = {}
    loose: list[tuple[int, str, list[float] | list[str]]] = []
    at = start + 4
    while at + 2 < len(data):
        length = abs(int.from_bytes(data[at : at + 1], "little", signed=True))
        group = int.from_bytes(data[at + 1 : at + 2], "little", signed=True)
        if not length or not group:
            break
        name = data[at + 2 : at + 2 + length].decode("latin-1").strip().upper()
        step_at = at + 2 + length
        step = int.from_bytes(data[step_at : step_at + 2], order)  # type: ignore[arg-type]
        if group < 0:
            names[-group] = name
        else:
            loose.append((group, name, _value(found, data, step_at + 2)))
        if not step:
            break
        at = step_at + step
    for group, name, value in loose:
        found.values[names.get(group, str(group)), name] = value
    if not found.values:
        raise CorruptFile("the C3D file has no parameters.")
    return found


def _value(found: Parameters, data: bytes, at: int) -> list[float] | list[str]:
    kind = int.from_bytes(data[at : at + 1], "little", signed=True)
    dims = list(data[at + 2 : at + 2 + data[at + 1]])
    begin = at + 2 + len(dims)
    part = data[begin : begin + prod(dims) * _TYPES.get(kind, 0)]
    if kind not in _TYPES or len(part) < prod(dims) * _TYPES[kind]:
        raise CorruptFile("the C3D file's parameters are cut off.")
    if kind == -1:
        width = dims[0] if dims else 1
        text = part.decode("latin-1")
        count = prod(dims[1:])
        return [text[i * width : (i + 1) * width].rstrip(" \0") for i in range(count)]
    if kind == 4:
        return [float(value) for value in found.floats(part)]
    if kind == 2:
        return [float(value) for value in found.integers(part)]
    return [float(value) for value in part]
