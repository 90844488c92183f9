"""The tables and the figure of data sets that are left out: each number where its heading says."""

from xml.etree import ElementTree

import pytest

from aura.report.figures import COLOURS
from aura.report.transfer import figure, headline_metrics, page


def figures(value, spread=0.1):
    bounds = {"low": None, "high": None} if spread is None else {
        "low": value - spread, "high": value + spread
    }  # fmt: skip
    return {"value": value, **bounds}


def head(method, shots, start, metric, value):
    keys = {"modality": "imu", "head": method, "shots": shots, "start": start, "metric": metric}
    return {**keys, **figures(value), "n": 9}


def details():
    """A target with places, heads and warnings, and one with a single row."""
    gains = [
        {"modality": "imu", "head": "fine-tuned", "shots": None, **figures(-0.02)},
        {"modality": "imu", "head": "fine-tuned", "shots": 5, **figures(0.2)},
        {"modality": "imu", "head": "linear probe", "shots": None, **figures(0.3)},
    ]
    rows = [
        head("length alone", None, "no encoder", "accuracy", 0.11),
        head("length alone", None, "no encoder", "macro-F1", 0.12),
        head("fine-tuned", None, "pretrained", "accuracy", 0.91),
        head("fine-tuned", None, "pretrained", "macro-F1", 0.92),
        head("fine-tuned", None, "random", "accuracy", 0.93),
        head("fine-tuned", None, "random", "macro-F1", 0.94),
        head("fine-tuned", 5, "pretrained", "accuracy", 0.71),
        head("fine-tuned", 5, "random", "accuracy", 0.51),
    ]
    first = {"n": 9, "macro-F1": figures(0.41), "accuracy": figures(0.42)}
    second = {
        "n": 9, "macro-F1": figures(0.31), "accuracy": figures(0.32), "gain": figures(-0.1, 0.05)
    }  # fmt: skip
    common = {
        "seeds": [0, 1], "participants": 3, "windows": 9, "classes": ["a", "b"],
        "errors": [{"label": "a", "n": 7, "recall": 0.25, "taken_for": "b", "of": 0.75},
                   {"label": "b", "n": 2, "recall": 1.0}],
        "baselines": {"uniform": {"macro_f1": 0.25}, "majority": {"accuracy": 0.55}},
    }  # fmt: skip
    return {
        "gym": {
            **common, "sources": ["home", "street"],
            "zero_shot": {"all of it": first, "alone: home": second},
            "takes": {"all of it": {**first, "macro-F1": figures(0.51)}},
            "takes_at_places": {"waist": {"all of it": {"macro-F1": figures(0.71)}}},
            "places": {"waist": {"all of it": {"macro-F1": figures(0.61)}},
                       "wrist": {"all of it": {"macro-F1": figures(0.62)},
                                 "alone: home": {"macro-F1": figures(0.63)}}},
            "rows": rows, "gains": gains, "warnings": ["Two takes are copies."],
        },
        "home": {
            **common, "sources": ["street"], "warnings": [],
            "places": {}, "takes_at_places": {}, "takes": {"all of it": first},
            "zero_shot": {"all of it": {"n": 9, "macro-F1": figures(0.2, None),
                                        "accuracy": figures(0.3, None)}},
        },
    }  # fmt: skip


def tables_of(text):
    """Target -> its tables -> rows of cells."""
    parts = {}
    for section in text.split("\n## ")[1:]:
        name, _, rest = section.partition("\n")
        blocks = [b for b in rest.split("\n\n") if b.startswith("|")]
        parts[name] = [
            [[c.strip() for c in line.split("|")[1:-1]] for line in block.splitlines()]
            for block in blocks
        ]
    return parts


def test_each_figure_stands_under_its_heading():
    text = page("all", details())
    found = tables_of(text)
    zero_shot, takes, errors, labels = found["gym"]
    assert zero_shot[0] == [
        "zero-shot, by window", "macro-F1", "difference to the first", "accuracy", "waist", "wrist"
    ]  # fmt: skip
    assert zero_shot[2] == [
        "all of it", "0.410 (0.310 to 0.510)", "", "0.420 (0.320 to 0.520)", "0.610", "0.620"
    ]  # fmt: skip
    assert zero_shot[3] == [
        "alone: home", "0.310 (0.210 to 0.410)", "-0.100 (-0.150 to -0.050)",
        "0.320 (0.220 to 0.420)", "", "0.630",
    ]  # fmt: skip
    assert takes[0][0] == "zero-shot, by take"
    assert takes[0][4:] == ["waist"]
    assert takes[2][:2] == ["all of it", "0.510 (0.410 to 0.610)"]
    assert takes[2][4:] == ["0.710"]
    assert errors[2:] == [["a", "7", "0.25", "b (0.75)"], ["b", "2", "1.00", ""]]
    by_head = {row[0]: row[1:] for row in labels[2:]}
    assert list(by_head) == ["length alone", "fine-tuned", "fine-tuned, 5 labels a class"]
    assert [cell[:6].strip() for cell in by_head["fine-tuned"]] == [
        "0.910", "0.920", "0.930", "0.940", "-0.020"
    ]  # fmt: skip
    assert [cell[:5] for cell in by_head["length alone"]] == ["0.110", "0.120", "", "", ""]
    few = by_head["fine-tuned, 5 labels a class"]
    assert [cell[:6].strip() for cell in few] == ["0.710", "", "0.510", "", "+0.200"]
    assert "3 people, 9 windows, 2 classes, seeds 0, 1; of home, street." in text
    assert "macro-F1 0.250" in text
    assert "accuracy 0.550" in text
    assert "\n- Two takes are copies.\n" in text


def test_a_target_without_places_heads_or_intervals_has_neither():
    zero_shot, _takes, _errors = tables_of(page("all", details()))["home"]
    assert zero_shot[0] == [
        "zero-shot, by window",
        "macro-F1",
        "difference to the first",
        "accuracy",
    ]
    assert zero_shot[2] == ["all of it", "0.200", "", "0.300"]
    assert all(len(row) == len(zero_shot[0]) for row in zero_shot)


def test_metrics_are_of_the_first_row_and_of_fine_tuning():
    metrics = headline_metrics(details())
    assert metrics["gym"] == {
        "zero_shot": {"value": 0.41, "low": 0.31, "high": 0.51},
        "takes": {"value": 0.51, "low": 0.41, "high": 0.61},
        "gain_fine_tuned": {"value": -0.02, "low": -0.12, "high": 0.08},
        "gain_fine_tuned_5": {"value": 0.2, "low": 0.1, "high": 0.3},
    }
    assert metrics["home"]["zero_shot"] == {"value": 0.2}


@pytest.mark.parametrize("targets", [("gym", "home"), ("home",)])
def test_drawing_is_well_formed_themed_and_has_all_rows(targets):
    content = {name: details()[name] for name in targets}
    drawing = figure(content)
    ElementTree.fromstring(drawing.replace("xlink:href", "href"))
    assert drawing == figure(content)
    assert not any(colour in drawing for colour in COLOURS)
    for name, target in content.items():
        assert f">{name}<" in drawing
        for row in target["zero_shot"]:
            assert f">{row}<" in drawing
