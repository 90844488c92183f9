import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from aura.errors import AuraError
from aura.report.pictures import Plot, draw
from aura.report.review import Figure, Report, comment, moved, read, section

share = st.floats(0, 1)


@given(share, share, st.tuples(share, share).map(sorted))
def test_a_figure_is_marked_just_where_the_old_one_lies_outside_the_interval(old, new, bounds):
    low, high = bounds
    mark = moved(Figure(old), Figure(new, low, high))
    assert (mark == "") == (low <= old <= high)
    assert mark != "▲" or old < low
    assert mark != "▼" or old > high


def test_an_interval_that_is_not_known_marks_nothing():
    assert moved(Figure(0.1), Figure(0.9)) == ""
    assert moved(None, Figure(0.9, 0.8, 1.0)) == ""


def test_figures_of_every_stage_come_with_their_own_interval():
    files = {
        "evaluate/metrics.json": {"imu_zero_shot": {"macro_f1": 0.5, "low": 0.4, "high": 0.6}},
        "ablate/metrics.json": {
            "imu2clip": {
                "imu-mocap R@1": {
                    "value": 0.3, "low": 0.2, "high": 0.4,
                    "difference": -0.1, "difference_low": -0.2, "difference_high": 0.0,
                }
            }
        },
        # Whose are the bounds? Not to be guessed.
        "transfer/metrics.json": {"imu": {"accuracy": 0.7, "mrr": 0.2, "low": 0.1, "high": 0.9}},
    }  # fmt: skip
    assert read(files).figures == {
        "IMU zero-shot, macro-F1": Figure(0.5, 0.4, 0.6),
        "ablate: imu2clip, IMU-mocap R@1": Figure(0.3, 0.2, 0.4),
        "ablate: imu2clip, IMU-mocap R@1, difference": Figure(-0.1, -0.2, 0.0),
        "transfer: IMU, accuracy": Figure(0.7),
        "transfer: IMU, MRR": Figure(0.2),
    }


def test_the_names_of_older_reports_are_the_same_figures():
    old = {"imu_zero-shot": {"macro-F1": 0.5, "low": 0.4, "high": 0.6, "chance": 0.1}}
    new = {"imu_zero_shot": {"macro_f1": 0.5, "low": 0.4, "high": 0.6}}
    before, now = (read({"evaluate/metrics.json": side}) for side in (old, new))
    assert before.figures == now.figures


def test_a_warning_with_other_numbers_is_no_new_one():
    before = Report(warnings=["The control scores 0.235.", "R@1 is low."])
    now = Report(warnings=["The control scores 0.19.", "3 people | <b>shared</b>."])
    text = section(before, now)
    assert "control" not in text
    new, gone = text.split("**Warnings that are gone**")
    assert "- 3 people \\| &lt;b>shared&lt;/b>." in new
    assert "- R@1 is low." in gone


def test_nothing_changed_is_one_line_for_all_data_sets():
    same = Report({"a": Figure(0.5, 0.4, 0.6)}, {"slice: windows": 9}, ["w"], "hash")
    text = comment("main", {name: section(same, same) for name in ("one", "two")})
    assert text.splitlines()[2:] == [
        "### Figures and plots against main", "",
        "Of one, two: no figure, warning, count or plot changed.",
    ]  # fmt: skip


def test_figures_under_another_teacher_are_not_compared_in_silence():
    figures = {"a": Figure(0.5)}
    text = section(Report(figures, teacher="x"), Report(figures, teacher="y"))
    assert text.startswith("**The teacher has other weights than before**")
    assert text.endswith("Unchanged figures: 1 (a).")


@pytest.mark.parametrize("test", [None, {"windows": 431, "sha256": "other"}])
def test_figures_over_other_test_windows_are_not_marked(test):
    now = {"windows": 107, "sha256": "now"}
    old, new = Figure(0.9), Figure(0.5, 0.4, 0.6)
    assert "▼" in section(Report({"a": old}, test=now), Report({"a": new}, test=now))
    text = section(Report({"a": old}, test=test), Report({"a": new}, test=now))
    assert "**Not comparable with before**" in text
    assert "▼" not in text
    assert "| a | 0.900 | 0.500 | −0.400 | 0.400 to 0.600 |" in text


def test_what_is_new_or_gone_is_said():
    now = Report({"kept": Figure(0.5, 0.4, 0.6), "more": Figure(0.25)})
    text = section(Report({"kept": Figure(0.6), "less": Figure(0.1)}), now)
    rows = re.findall(r"^\| (more|less|kept) .*$", text, re.MULTILINE)
    assert rows == ["kept", "more", "less"]
    assert "| kept | 0.600 | 0.500 | −0.100 | 0.400 to 0.600 |" in text
    assert "| more | new | 0.250 |  |  |" in text
    assert "| less | 0.100 | gone |  |  |" in text
    assert section(None, now).startswith("Its reports are new")
    assert section(now, None) == "Its reports are gone."


# Pictures.

LINES = Plot("loss", "Loss", "linear", "step", {"imu": "loss", "joint": "loss"})
BARS = Plot("retrieval", "Retrieval", "bar_horizontal", "MRR", {"all": "pair"})
CONFUSION = Plot("confusion", "Confusion", "confusion", "actual", {"all": "predicted"})


def line(*values):
    return [{"step": str(i), "loss": str(value)} for i, value in enumerate(values)]


def bars(strict, multi):
    rows = [("a → b", "strict", strict), ("a → b", "multi-positive", multi)]
    return [{"pair": p, "matching": m, "MRR": str(v), "pool": "9.0"} for p, m, v in rows]


def guesses(text):
    return [dict(zip(("actual", "predicted"), pair, strict=True)) for pair in text.split()]


CASES = [
    (LINES, {"imu": line(3, 2)}, {"imu": line(3, 1), "joint": line(2)}),
    (BARS, {"all": bars(0.2, 0.3)}, {"all": bars(0.4, 0.5)}),
    (CONFUSION, {"all": guesses("aa bb bb")}, {"all": guesses("aa ba bb cc")}),
]


def pixels(content):
    return imread(io.BytesIO(content))[..., :3]


@pytest.mark.parametrize(("plot", "before", "now"), CASES, ids=lambda c: getattr(c, "name", ""))
def test_a_picture_shows_both_sides_on_a_light_ground(plot, before, now):
    content, width = draw(plot, before, now)
    both, later = pixels(content), pixels(draw(plot, {}, now)[0])
    assert abs(both.shape[1] - 2 * width) <= 1
    assert np.median(both) == 1.0  # opaque and white where nothing is drawn
    assert 0.005 < (both.min(axis=-1) < 0.9).mean() < 0.5
    assert both.shape != later.shape or (both != later).any()
    assert draw(plot, before, now)[0] == content
    assert draw(plot, now, now) is None


def test_rows_of_one_name_are_told_apart_and_not_summed():
    """DVC's own bars would stack the two matchings of a pair to 0.9."""
    one = pixels(draw(BARS, {}, {"all": bars(0.4, 0.5)[:1]})[0])
    two = pixels(draw(BARS, {}, {"all": bars(0.4, 0.5)})[0])
    assert two.shape[1] > 1.5 * one.shape[1]
    with pytest.raises(AuraError, match="two rows have the same pair"):
        draw(BARS, {}, {"all": [{"pair": "a", "MRR": "1"}, {"pair": "a", "MRR": "2"}]})


def test_older_data_of_another_form_is_left_out_and_damaged_data_is_named():
    old = [{"epoch": "0", "cost": "1"}]
    assert draw(LINES, {"imu": old}, {"imu": line(1, 2)}) == draw(LINES, {}, {"imu": line(1, 2)})
    with pytest.raises(AuraError, match="data of the plot loss cannot be drawn"):
        draw(LINES, {}, {"imu": line("<<<<<<<")})
