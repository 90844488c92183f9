"""The suite's table and chart say what the results say."""

import re
from xml.etree import ElementTree

from aura.report.bench import chart, table


def result(**rivals):
    about = {"what": "a copy", "gate": {"error": "0 dB"}, "rate": 2e6, "unit": "samples"}
    return {**about, "notes": ["Nothing else ran."], "machine": {"cpu": "x"}, "rivals": rivals}


def rival(kind, median, target=None):
    met = None if target is None else median >= target
    spread = {"min": 0.9 * median, "median": median, "max": 1.2 * median}
    return {"kind": kind, "target": target, "met": met, **spread}


RESULTS = {
    "one": result(
        memcpy=rival("limit", 0.4, 0.5),
        slow=rival("peer", 30.0, 14),
        other={"kind": "peer", "target": 2.0, "skipped": "it does not install"},
    ),
    "two": result(memcpy=rival("limit", 0.96)),
}


def test_table_says_what_was_met_missed_and_skipped():
    lines = table(RESULTS).splitlines()
    assert "| **one** | memcpy | limit | 0.40 (0.36 to 0.48) | 0.5 | **missed** |" in lines
    assert "|  | slow | peer | 30.0 (27.0 to 36.0) | 14 | met |" in lines
    assert "|  | other | peer | skipped | 2 | |" in lines
    assert "  other is skipped: it does not install." in lines
    assert "| **two** | memcpy | limit | 0.96 (0.86 to 1.15) |  |  |" in lines
    assert lines.count("- cpu x") == 1


def test_chart_is_a_drawing_by_itself_with_a_bar_for_each_ratio():
    drawing = chart(RESULTS)
    assert chart(RESULTS) == drawing
    root = ElementTree.fromstring(drawing)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    for label in ("one · memcpy", "one · slow", "two · memcpy", "0.40", "30.0", "0.96"):
        assert label in words
    assert "one · other" not in words
    colours = set(re.findall(r"var\((--[a-z0-9]+)\)", drawing))
    assert {f"{name}" for name in colours} <= set(re.findall(r"(--[a-z0-9]+):", drawing))
    assert chart({}) == ""
