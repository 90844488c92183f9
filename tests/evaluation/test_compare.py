import numpy as np
import pytest

from aura.errors import AuraError
from aura.evaluation.compare import confusion, difference, figures, gather
from aura.report.ablation import tables

CLASSES = ["run", "sit", "wave"]


def cell(windows, hits, seed=0, people="ab", **more):
    """One fold: a label each, predictions that are right for a share `hits`, ranks of 1 or 3."""
    rng = np.random.default_rng([seed, *windows])
    label = np.array([w % 3 for w in windows])
    right = rng.random(len(windows)) < hits
    return {
        "ids": np.array([f"w{w:03}" for w in windows]),
        "take": np.array([f"t{w // 2}" for w in windows]),
        "participant": np.array([people[w % len(people)] for w in windows]),
        "label": label,
        "predicted/imu fine-tuned": np.where(right, label, (label + 1) % 3),
        "rank/imu-mocap": np.where(right, 1.0, 3.0),
        **more,
    }


def study(hits, seeds=(0, 1)):
    return gather([[cell(range(30), hits, s), cell(range(30, 60), hits, s)] for s in seeds])


def test_cells_are_joined_by_window_and_not_by_place():
    folds = [cell(range(30), 0.5), cell(range(30, 60), 0.5)]
    other = [{k: v[::-1] for k, v in fold.items()} for fold in reversed(folds)]
    outcomes = gather([folds, other])
    for rows in (*outcomes.predicted.values(), *outcomes.rank.values()):
        np.testing.assert_array_equal(rows[0], rows[1])
    assert list(outcomes.ids) == sorted(outcomes.ids)


def test_cells_of_other_windows_are_refused():
    with pytest.raises(AuraError, match="not tested on the same windows"):
        gather([[cell(range(30), 1)], [cell(range(29), 1)]])
    with pytest.raises(AuraError, match="not tested on the same windows"):
        gather([[cell(range(30), 1), cell(range(30), 1)]])


def test_figures_are_the_plain_means_over_seeds():
    outcomes = study(0.6)
    selection = [("imu-mocap", "R@1"), ("imu-mocap", "MRR"), ("imu fine-tuned", "accuracy")]
    rows = {(r.name, r.metric): r for r in figures({"only": outcomes}, selection, 3)}
    rank = outcomes.rank["imu-mocap"]
    assert rows["imu-mocap", "R@1"].value == pytest.approx((rank <= 1).mean())
    assert rows["imu-mocap", "MRR"].value == pytest.approx((1 / rank).mean())
    accuracy = (outcomes.predicted["imu fine-tuned"] == outcomes.label).mean(axis=1)
    assert rows["imu fine-tuned", "accuracy"].seeds == pytest.approx(accuracy.tolist())
    assert rows["imu-mocap", "R@1"].difference is None


def test_a_real_difference_is_told_from_none():
    """The same outcomes differ by exactly 0; better ones by an interval above 0."""
    variants = {"reference": study(0.4), "same": study(0.4), "better": study(0.9)}
    rows = {r.variant: r for r in figures(variants, [("imu-mocap", "R@1")], 3)}
    assert rows["same"].difference == rows["same"].difference_low == 0
    assert rows["better"].difference_low > 0.2
    recall = {name: (v.rank["imu-mocap"] <= 1).mean() for name, v in variants.items()}
    assert rows["better"].difference == pytest.approx(recall["better"] - recall["same"])


def test_what_was_not_said_does_not_count():
    fold = cell(range(30), 1.0)
    fold["predicted/imu fine-tuned"][:10] = -1
    fold["rank/imu-mocap"][:5] = np.nan
    outcomes = gather([[fold]])
    rows = figures({"a": outcomes}, [("imu fine-tuned", "accuracy"), ("imu-mocap", "R@1")], 3)
    assert [(row.value, row.n) for row in rows] == [(1.0, 20), (1.0, 25)]
    assert confusion(outcomes, "imu fine-tuned", 3).sum() == 20


def test_heads_are_compared_window_by_window():
    good, bad = cell(range(30), 0.9), cell(range(30), 0.3, seed=5)
    good["predicted/imu fine-tuned, random start"] = bad["predicted/imu fine-tuned"]
    outcomes = gather([[good]])
    gap = difference(outcomes, "imu fine-tuned", "imu fine-tuned, random start", 3)
    accuracy = [(c["predicted/imu fine-tuned"] == c["label"]).mean() for c in (good, bad)]
    assert gap.value == pytest.approx(accuracy[0] - accuracy[1])
    assert gap.low > 0
    assert difference(outcomes, "imu fine-tuned", "mocap fine-tuned", 3) is None


def test_the_page_holds_the_figures_the_gain_and_what_was_confused():
    cells = {
        name: [[cell(range(60), hits, seed)] for seed in (0, 1)]
        for name, hits in (("default", 0.9), ("worse", 0.3))
    }
    for folds in cells["default"]:
        folds[0]["predicted/imu fine-tuned, random start"] = folds[0]["label"] * 0
    page, metrics = tables(cells, CLASSES, 100, 0)
    rank = metrics["worse"]["imu-mocap R@1"]
    assert f"{rank['value']:.3f}" in page
    assert f"**{rank['difference']:+.3f}**" in page
    assert rank["difference_high"] < 0
    gain = next(line for line in page.splitlines() if line.startswith("| imu fine-tuned | +"))
    assert "to" in gain
    assert "| imu fine-tuned | sit | run |" in page  # the errors are the next class
    assert "| accuracy of | a | b |" in page
