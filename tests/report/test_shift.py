"""The domain-shift table says what the figures are, and the drawing holds every data set."""

import re
from dataclasses import replace
from functools import cache
from xml.etree import ElementTree

import numpy as np

from aura.evaluation.profile import DataSet, Profile, profile
from aura.evaluation.shift import Shift, compare
from aura.report.figures import COLOURS
from aura.report.shift import figure, table


@cache
def sets() -> tuple[Profile, ...]:
    rng = np.random.default_rng(0)
    profiles = []
    for number, (name, place, rate) in enumerate(
        [("home", "head", 800.0), ("a<b|c", "", None), ("far", "wrist", 50.0)]
    ):
        imu = rng.normal(0, 1 + number, (30, 400, 6)).cumsum(axis=1).astype(np.float32)
        vectors = rng.normal(number, 1, (30, 6))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        whole = np.ones((30, 400), bool)
        data = DataSet(name, imu, whole, [f"A person walks {name}"], vectors, None, place, rate)
        profiles.append(profile(data))
    return tuple(profiles)


def pairs() -> list[Shift]:
    return [compare(a, b) for a in sets() for b in sets() if a is not b]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_table_has_a_row_a_pair_with_what_no_shift_looks_like_beside_it():
    shift = compare(sets()[0], sets()[2])
    head, _, row = table([shift], {("home", "far"): -0.0123}).split("\n\n")[0].splitlines()
    cell_of = dict(zip(cells(head), cells(row), strict=True))
    assert cell_of["source → target"] == "home → far"
    assert cell_of["placement"] == "head → wrist"
    assert cell_of["rate, Hz"] == "800 → 50"
    mmd = shift.mmd
    assert cell_of["MMD²"] == f"{mmd.value:.3f} ({mmd.within_source:.3f}, {mmd.within_target:.3f})"
    assert cell_of["gyroscope spectrum"].endswith(f"<br>{shift.gyro_spectrum_shared:.3f}")
    assert cell_of["accelerometer RMS"] == f"{shift.accel_rms_ratio:.2f}"
    assert cell_of["transfer drop"] == "-0.012"


def test_what_is_not_known_is_empty_or_asked_and_a_bar_does_not_break_the_row():
    shift = replace(compare(sets()[0], sets()[1]), mmd=None, unseen_words=None)
    text = table([shift], {})
    head, _, row = text.split("\n\n")[0].splitlines()
    cell_of = dict(zip(cells(head), cells(row), strict=True))
    assert cell_of["source → target"] == r"home → a<b\|c"
    assert (cell_of["placement"], cell_of["rate, Hz"]) == ("head → ?", "800 → ?")
    assert cell_of["MMD²"] == cell_of["words unseen"] == cell_of["transfer drop"] == ""
    assert "Spearman" not in text


def test_correlations_have_their_number_of_pairs_and_none_under_three():
    drops = {("home", "far"): 0.3, ("home", "a<b|c"): 0.1, ("far", "home"): 0.2}
    lines = table(pairs(), drops).split("\n\n")[-1].splitlines()
    rows = {cells(line)[0]: cells(line)[1:] for line in lines[2:]}
    assert rows["embedding MMD²"] == ["+0.87", "3"]  # ranks 2.5 1 2.5 against 3 1 2
    assert rows["placement"][1] == "2"
    assert rows["placement"][0] == "too few pairs"


def test_drawing_is_well_formed_themed_and_the_same_twice():
    for drops in ({}, {("home", "far"): 0.3, ("far", "home"): 0.2}):
        drawing = figure(sets(), pairs(), drops)
        ElementTree.fromstring(drawing.replace("xlink:href", "href"))
        assert drawing == figure(sets(), pairs(), drops)
        assert not any(colour in drawing for colour in COLOURS)
        for name in ("home", "a&lt;b|c", "far"):
            assert name in drawing


def test_drawing_shows_drops_where_known_and_each_distance_once_where_not():
    known = figure(sets(), pairs(), {("home", "far"): 0.3, ("far", "home"): 0.2})
    assert re.findall(r">(\d) +(\w+ → \w+)<", known) == [("1", "home → far"), ("2", "far → home")]
    bars = figure(sets(), pairs(), {})
    assert len(re.findall(r">[^<>]+ – [^<>]+<", bars)) == 3
    assert "embedding MMD²" in bars


def test_drawing_falls_back_to_a_distance_that_all_pairs_have():
    bare = [replace(pairs()[0], mmd=None, frechet=None), *pairs()[1:]]
    assert "accelerometer spectrum" in figure(sets(), bare, {})
    lost = [replace(bare[0], accel_spectrum=None, gyro_spectrum=None)]
    assert "no distance that all pairs have" in figure(sets(), lost, {})
    assert "no distance that all pairs have" in figure(sets(), [], {})
