"""Whether the figures of two runs may be compared: only where both were measured on the same test.

An id names a take and a time within it, so that another split, other data and another slicing give
other ids.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any


def fingerprint_test(ids: Sequence[str], labels: Sequence[str | None]) -> dict[str, Any]:
    """Identify a test split by its windows.

    Parameters
    ----------
    ids : sequence of str
        Ids of the test windows, in any order.
    labels : sequence of str or None
        Class of each.

    Returns
    -------
    dict
        `windows`, their number, and `sha256` of ids and classes.
    """
    lines = sorted(f"{name}\t{label or ''}\n" for name, label in zip(ids, labels, strict=True))
    return {
        "windows": len(lines),
        "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
    }


def why_not_comparable(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> str:
    """Reason why figures over two test splits say nothing of each other; empty where they do.

    Parameters
    ----------
    before, now : mapping or None
        What `fingerprint_test` gave; None of a run that kept none.
    """
    if not before or not now:
        return "its test windows are not on record"
    if before["sha256"] != now["sha256"]:
        return f"other test windows ({before['windows']:,} then, {now['windows']:,} now)"
    return ""
