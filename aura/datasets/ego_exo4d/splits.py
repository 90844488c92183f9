"""A split by person, for claims about new people: the official one shares captures between splits.

Evaluation protocol, rule 1.
"""

import hashlib
from collections.abc import Sequence

from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SHARES = {"test": 0.2, "val": 0.1}  # of the takes; the rest is for training


def split_by_person(participants: Sequence[str], captures: Sequence[str]) -> list[str]:
    """Split of each take, such that no person and no capture is in two splits.

    People who share a capture stay together. Groups of such people are taken in the order of a hash
    of their names, so that the split depends on who is there and on nothing else.

    Parameters
    ----------
    participants, captures : sequence of str
        Ids of each take.

    Returns
    -------
    list of str
        "train", "val" or "test" for each take.
    """
    nodes: dict[tuple[str, str], int] = {}
    ends = [
        [nodes.setdefault((kind, name), len(nodes)) for name in names]
        for kind, names in (("person", participants), ("capture", captures))
    ]
    if not nodes:
        return []
    ones = [True] * len(ends[0])
    graph = coo_array((ones, (ends[0], ends[1])), shape=(len(nodes), len(nodes)))
    component = connected_components(graph, directed=False)[1][ends[0]].tolist()
    people: dict[int, set[str]] = {}
    for group, person in zip(component, participants, strict=True):
        people.setdefault(group, set()).add(person)
    order = sorted(people, key=lambda g: hashlib.sha256(min(people[g]).encode()).digest())
    sizes = {group: component.count(group) for group in people}
    split_of: dict[int, str] = {}
    for split, share in SHARES.items():
        filled = 0
        for group in order:
            if group not in split_of and filled + sizes[group] / 2 <= share * len(component):
                split_of[group] = split
                filled += sizes[group]
    return [split_of.get(group, "train") for group in component]
