"""JSON as people's tools write it: read where it is plain, else refused by line and column.

A byte-order mark, UTF-16, NaN, Infinity and numbers beyond a double are in no standard and in many
files. What such a value stands for is not known, so it is read as null.
"""

import json
import math
import re
from typing import Any


def parse(data: bytes) -> Any:
    """The content of a JSON file of any Unicode encoding; null for a number that is not finite.

    Raises
    ------
    ValueError, RecursionError
        It is not JSON; `place_of` says where.
    """
    return json.loads(data, parse_constant=lambda _: None, parse_float=_float, parse_int=_int)


def place_of(data: bytes, error: Exception) -> str:
    """Where a file stops being JSON, and why.

    Parameters
    ----------
    data : bytes
        The file.
    error : Exception
        What `parse` raised for it.

    Returns
    -------
    str
        As in "line 3, column 17: expecting ',' delimiter".
    """
    if isinstance(error, json.JSONDecodeError):
        reason = error.msg[:1].lower() + error.msg[1:]
        if not data.strip(b"\0 \t\r\n"):
            reason = "it is empty"
        elif error.pos >= len(error.doc.rstrip()):
            reason = f"it ends too early, {reason}"
        return f"line {error.lineno}, column {error.colno}: {reason}"
    if isinstance(error, UnicodeDecodeError):
        before = data[: error.start].decode(error.encoding, errors="replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        byte = data[error.start : error.start + 1].hex()
        return f"line {line}, column {column}: byte 0x{byte} is not {error.encoding.upper()}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return re.sub(r"\s+", " ", str(error))[:200]


def _float(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _int(text: str) -> int | float | None:
    """An integer; one that 64 bits do not hold as the nearest double."""
    if len(text) < 19:
        return int(text)
    value = _float(text)
    return int(text) if value is not None and abs(value) < 2**63 else value
