"""Controls, a class held out, and matching by length, each against a plain loop or by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.evaluation.diagnosis import Headline, diagnose
from aura.evaluation.measure import TestSet, measure
from aura.evaluation.retrieval import ranks
from aura.evaluation.shortcuts import length_ranks
from aura.evaluation.twins import held_out_class, unnamed, with_controls

LINE = Headline("IMU zero-shot", "macro-F1", "zero-shot", 0.9, 0.125, 100, 0.8, 0.95)


def control(value, low, high, name="IMU zero-shot"):
    return [Headline(name, "macro-F1", "zero-shot", value, 0.125, 100, low, high)]


def test_one_lucky_control_of_three_is_no_alarm_and_three_are():
    lucky = [control(0.25, 0.2, 0.3), control(0.1, 0.05, 0.15), control(0.1, 0.05, 0.15)]
    (line,) = with_controls([LINE], lucky)
    assert line.control == pytest.approx(0.15)
    assert (line.control_low, line.control_high) == (0.05, 0.3)
    assert not any("control" in sentence for sentence in diagnose([line]))
    (line,) = with_controls([LINE], [control(0.25, 0.2, 0.3)] * 3)
    assert any("each shuffled-pairs control scores above chance" in f for f in diagnose([line]))


def test_video_and_other_figures_get_no_control():
    video = Headline("video zero-shot", "macro-F1", "zero-shot", 0.9, 0.125, 100)
    twins = [control(0.1, 0.0, 0.2, "video zero-shot")]
    assert with_controls([video, LINE], twins) == [video, LINE]
    (line,) = unnamed([LINE, video])
    assert (line.name, line.value) == ("IMU zero-shot, classes unnamed", LINE.value)


def slow_length_ranks(query, gallery):
    result = []
    for i, length in enumerate(query):
        gaps = [abs(length - other) for other in gallery]
        nearer = sum(gap < gaps[i] - 1e-6 for gap in gaps)
        tied = sum(abs(gap - gaps[i]) <= 1e-6 for gap in gaps) - 1
        result.append(1 + nearer + tied / 2)
    return result


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_ranks_by_length_are_those_of_a_plain_loop(pairs):
    query, gallery = np.array(pairs).T / 2
    assert length_ranks(query, gallery).tolist() == slow_length_ranks(query, gallery)


def embedded(label, vectors, wrong=()):
    """Windows of each class at its class vector, but for some that stand at another's."""
    place = np.array(label)
    for row, other in wrong:
        place[row] = other
    return {"imu": vectors[place]}


def windows_of(label, vectors, lengths=None):
    label = np.array(label)
    names = [f"class {i}" for i in range(len(vectors))]
    everyone = np.ones(len(label), bool)
    valid = dict.fromkeys(("imu", "mocap", "video", "text"), everyone)
    return TestSet(
        participant=np.array([f"p{i % 5}" for i in range(len(label))]),
        take=np.array([f"t{i}" for i in range(len(label))]), label=label,
        group=np.arange(len(label)), valid=valid,
        class_names=names, class_vectors=vectors, train_labels=label, length_s=lengths or {},
    )  # fmt: skip


def test_a_held_out_class_is_scored_against_the_rest_by_hand():
    vectors = np.eye(4)
    label = [0] * 10 + [1] * 10 + [2] * 10 + [3] * 10
    # Of ten windows of class 1 six are found, and two of class 0 are taken for it.
    wrong = [(row, 2) for row in range(10, 14)] + [(0, 1), (1, 1)]
    embeddings, test = embedded(label, vectors, wrong), windows_of(label, vectors)
    headlines, details = held_out_class(embeddings, test, "class 1", 50, 0)
    (line,) = headlines
    assert (line.name, line.kind) == ("IMU zero-shot on unseen class 1", "unseen")
    assert (line.metric, line.n, line.groups) == ("F1", 40, "5 participants")
    assert line.value == pytest.approx(2 * 6 / (10 + 8))
    assert line.low < line.value < line.high
    assert line.chance == pytest.approx(2 * 0.25 * 0.25 / (0.25 + 0.25))  # precision, recall 1/4
    assert (details["imu"]["class"], details["imu"]["f1"]) == ("class 1", line.value)
    assert (details["imu"]["windows"], details["imu"]["classes"]) == (10, 4)
    assert details["imu"]["precision"] == pytest.approx(6 / 8)
    assert details["imu"]["recall"] == pytest.approx(6 / 10)
    assert details["imu"]["mean_rank"] == pytest.approx((6 * 1 + 4 * 2) / 10)
    assert held_out_class(embeddings, test, "class 9", 50, 0) == ([], {})


def test_a_retriever_that_only_reads_the_length_is_caught():
    """Embeddings of the length alone: as good as the baseline, and the page says so."""
    seconds = np.linspace(1, 5, 40)
    angle = (seconds - 3) / 4
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    label = [0, 1] * 20
    lengths = {"imu": seconds, "mocap": seconds}
    test = windows_of(label, np.eye(2), lengths)
    lines = measure({"imu": vectors, "mocap": vectors}, test, 20, 0).headlines
    line = next(line for line in lines if line.name == "IMU → mocap")
    index = np.arange(40)
    assert line.value == (ranks(vectors, vectors, index, index) <= 1).mean() == 1.0
    assert line.baseline == 1.0
    warnings = " ".join(diagnose([line]))
    assert "does not beat matching by length alone (1.000)" in warnings
    assert "how long recordings are tells counterparts already" in warnings
    test = windows_of(label, np.eye(2), dict.fromkeys(("imu", "mocap"), np.full(40, 5.0)))
    line = measure({"imu": vectors, "mocap": vectors}, test, 20, 0).headlines[-1]
    assert line.baseline == 0.0
    assert not diagnose([line])
