"""Figures place by place, and windows of several IMUs that are one right answer."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.evaluation.measure import measure
from aura.evaluation.places import by_place
from aura.evaluation.relevance import instants
from aura.evaluation.retrieval import all_pairs
from aura.evaluation.zeroshot import predict
from tests.evaluation.test_twins import windows_of

PLACES = ("chest", "wrist-left")


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0.0, 2.5, 2.5000001])), min_size=1)
)
def test_an_instant_is_a_moment_and_a_start(windows):
    moment, start_s = np.array([m for m, _ in windows]), np.array([s for _, s in windows])
    numbers: dict[tuple[str, int], int] = {}
    by_hand = [numbers.setdefault((m, round(s * 1000)), len(numbers)) for m, s in windows]
    assert instants(moment, start_s).tolist() == by_hand


def two_imus(seed=0, count=24):
    """Windows of `count` instants, each by two IMUs; the wrist's vectors are less exact."""
    rng = np.random.default_rng(seed)
    names = np.eye(4)
    instant = np.arange(2 * count) // 2
    label = instant % 4
    event = rng.normal(size=(count, 4)) * 0.3

    def near(noise):
        x = names[label] + event[instant] + noise[:, None] * rng.normal(size=(len(label), 4))
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    mocap = near(np.zeros(len(label)))  # the same for both
    at_wrist = np.arange(len(label)) % 2
    vectors = {"imu": near(0.2 + 0.6 * at_wrist), "mocap": mocap, "text": mocap}
    moment = np.array([f"m{i // 8}" for i in range(len(label))])
    test = replace(
        windows_of(label, names),
        take=np.array([f"{m}.{at}" for m, at in zip(moment, at_wrist, strict=True)]),
        participant=np.full(len(label), "p"),
        moment=moment, instant=instant, group=instant,
        place=np.array([PLACES[at] for at in at_wrist], object),
    )  # fmt: skip
    return vectors, test


def slow_rank(query, gallery, right):
    """Rank of the best right answer among the wrong ones; a tie is half of a place."""
    score = gallery @ query
    best, wrong = score[right].max(), score[~right]
    return 1 + (wrong > best + 1e-5).sum() + (np.abs(wrong - best) <= 1e-5).sum() / 2


def test_what_another_imu_recorded_at_once_is_a_right_answer_too():
    vectors, test = two_imus()
    line = next(h for h in measure(vectors, test, 50, 0).headlines if h.name == "IMU → mocap")
    ranks = [
        slow_rank(query, vectors["mocap"], test.instant == i)
        for query, i in zip(vectors["imu"], test.instant, strict=True)
    ]
    assert line.value == pytest.approx(np.mean(np.array(ranks) <= 1))
    assert line.groups == "6 moments"
    rows = all_pairs(vectors, dict(test.valid), test.group, test.label, instant=test.instant)
    strict = next(
        r for r in rows
        if (r["query"], r["gallery"], r["pool_kind"], r["matching"])
        == ("imu", "mocap", "full", "strict")
    )  # fmt: skip
    assert strict["R@1"] == pytest.approx(line.value)
    assert (strict["pool"], strict["positives"]) == (48, 2)
    assert strict["R@1_chance"] == pytest.approx(2 / 48) == line.chance
    # As if the other IMU's copy of the same poses were wrong, no query could be right for sure.
    alone = replace(test, instant=None)
    line = next(h for h in measure(vectors, alone, 50, 0).headlines if h.name == "IMU → mocap")
    assert line.value == 0


def test_each_place_has_its_figures_among_its_own_windows():
    vectors, test = two_imus()
    lines = by_place(vectors, test, 50, 0)
    names = ["IMU zero-shot", "IMU → text", "IMU → mocap"]
    assert [line.name for line in lines] == [f"{name}, {at}" for at in PLACES for name in names]
    for line in lines:
        rows = np.flatnonzero(test.place == line.name.partition(", ")[2])
        assert (line.n, line.groups) == (24, "6 takes")
        assert line.low <= line.value <= line.high
        if "mocap" in line.name:
            own = vectors["mocap"][rows]
            ranks = [
                slow_rank(vectors["imu"][r], own, np.arange(24) == i) for i, r in enumerate(rows)
            ]
            assert line.value == pytest.approx(np.mean(np.array(ranks) <= 1))
            assert line.chance == pytest.approx(1 / 24)
        if "zero-shot" in line.name:
            predicted = predict(vectors["imu"][rows], test.class_vectors)
            recall = [(predicted[test.label[rows] == c] == c).mean() for c in range(4)]
            precision = [(test.label[rows][predicted == c] == c).mean() for c in range(4)]
            f1 = [2 * p * r / (p + r) for p, r in zip(precision, recall, strict=True)]
            assert line.value == pytest.approx(np.mean(f1))
    chest, wrist = (line.value for line in lines if "zero-shot" in line.name)
    assert chest > wrist


@pytest.mark.parametrize("place", [None, "chest", "unknown"])
def test_one_place_has_no_rows_of_its_own(place):
    vectors, test = two_imus()
    places = {
        None: None,
        "chest": np.full(48, "chest", object),
        "unknown": np.where(test.place == "chest", "chest", None),
    }
    assert by_place(vectors, replace(test, place=places[place]), 20, 0) == []
    mute = {**test.valid, "imu": test.place == "chest"}  # a place without an IMU window is none
    assert by_place(vectors, replace(test, valid=mute), 20, 0) == []


def test_without_moments_all_figures_are_those_of_windows_alone():
    vectors, test = two_imus()
    plain = replace(test, moment=None, instant=None)
    named = replace(test, moment=test.take, instant=np.arange(48))
    assert measure(vectors, plain, 50, 0).headlines == measure(vectors, named, 50, 0).headlines
    given = dict(test.valid), test.group, test.label, test.take
    assert all_pairs(vectors, *given) == all_pairs(vectors, *given, instant=np.arange(48))
