"""Who trains, validates and tests where nobody says: a rule, by people in the order of their names.

    people   test              val                     train
    1        nobody            nobody                  the one
    2, 3     the last          nobody                  the others
    4 …      the last fifth    the fifth before them   the others

Fifths are rounded, and are one person at least. The order is that of numbers in names: p2, p10.
"""

import re
from collections.abc import Iterable


def order(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts p2 before p10."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)


def by_rule(people: Iterable[str]) -> dict[str, str]:
    """Split of each person, by the rule above."""
    names = sorted(set(people), key=lambda name: (order(name), name))
    fifth = max(1, round(len(names) / 5))
    test = fifth if len(names) > 1 else 0
    val = fifth if len(names) > 3 else 0
    first = len(names) - test - val
    kinds = ["train"] * first + ["val"] * val + ["test"] * test
    return dict(zip(names, kinds, strict=True))
