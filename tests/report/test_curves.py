"""Drawings of figures against labels per class."""

from aura.report.curves import few_shot_figure

ROWS = [
    {"head": "fine-tuned", "shots": None, "start": start, "value": value, "low": None, "high": None}
    for start, value in (("pretrained", 0.9), ("random", 0.8))
]


def test_a_head_without_an_encoder_is_drawn_beside_the_others_and_changes_none_of_them():
    heads = ["fine-tuned", "random convolutions"]
    without = few_shot_figure(ROWS, heads, "imu accuracy")
    convolved = {**ROWS[0], "head": heads[1], "start": "no encoder", "value": 0.85}
    drawn = few_shot_figure([*ROWS, convolved], heads, "imu accuracy")
    assert drawn.count("<use ") == without.count("<use ") + 1  # one point more
