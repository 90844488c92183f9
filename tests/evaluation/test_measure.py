"""Headlines are the figures of the functions that they come from, over the windows that count."""

from dataclasses import replace

import numpy as np
import pytest

from aura.errors import AuraError
from aura.evaluation.bootstrap import cluster_bootstrap, weighted_macro_f1, weighted_mean
from aura.evaluation.chance import retrieval_chance
from aura.evaluation.measure import TestSet, measure
from aura.evaluation.retrieval import ranks
from aura.evaluation.shortcuts import length_ranks
from aura.evaluation.zeroshot import baselines, predict, zero_shot

NAMES = ("imu", "mocap", "video", "text")


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(0)
    vectors = {name: rng.normal(size=(30, 6)) for name in NAMES}
    valid = {name: rng.random(30) < 0.8 for name in NAMES}
    test = TestSet(
        participant=np.array([f"p{i % 6}" for i in range(30)]),
        take=np.array([f"t{i}" for i in range(30)]),
        label=rng.integers(-1, 3, 30), group=np.arange(30) // 2, valid=valid,
        class_names=["a", "b", "c"], class_vectors=rng.normal(size=(3, 6)),
        train_labels=np.array([0, 1, 1, 2]),
        length_s={name: rng.uniform(1, 5, 30) for name in ("imu", "mocap", "text")},
    )  # fmt: skip
    return vectors, test


def test_zero_shot_is_that_of_the_windows_with_sensor_and_class(study):
    vectors, test = study
    found = measure(vectors, test, 20, 3)
    lines = {line.name: line for line in found.headlines if line.kind == "zero-shot"}
    assert list(lines) == ["IMU zero-shot", "mocap zero-shot", "video zero-shot"]
    for modality, line in zip(NAMES, lines.values(), strict=False):
        rows = np.flatnonzero(test.valid[modality] & (test.label >= 0))
        label, guess = test.label[rows], predict(vectors[modality][rows], test.class_vectors)
        statistic = weighted_macro_f1(label, guess, 3)
        interval = cluster_bootstrap(statistic, test.participant[rows], 20, 3)
        assert (line.value, line.low, line.high) == (interval.value, interval.low, interval.high)
        assert (line.metric, line.n, line.groups) == ("macro-F1", len(rows), "6 participants")
        levels = baselines(test.train_labels, label, 3, 3)
        assert (line.chance, line.baseline) == tuple(
            levels[name]["macro_f1"] for name in ("uniform", "majority")
        )
        assert found.zero_shot[modality] == zero_shot(
            vectors[modality][rows], test.class_vectors, label, ["a", "b", "c"]
        )
        if modality == "imu":
            assert found.baselines == levels


def test_retrieval_is_that_of_the_windows_with_both(study):
    vectors, test = study
    lines = [line for line in measure(vectors, test, 20, 3).headlines if line.kind == "retrieval"]
    pairs = (("imu", "text"), ("imu", "video"), ("imu", "mocap"), ("mocap", "text"))
    names = ["IMU → text", "IMU → video", "IMU → mocap", "mocap → text"]
    assert [line.name for line in lines] == names
    for (query, gallery), line in zip(pairs, lines, strict=True):
        rows = np.flatnonzero(test.valid[query] & test.valid[gallery])
        group = test.group[rows] if gallery == "text" else np.arange(len(rows))
        rank = ranks(vectors[query][rows], vectors[gallery][rows], group, group)
        metric = "R@1" if gallery == "mocap" else "MRR"

        def score(rank, metric=metric):
            return rank <= 1 if metric == "R@1" else 1 / rank

        interval = cluster_bootstrap(weighted_mean(score(rank)), test.participant[rows], 20, 3)
        assert (line.value, line.low, line.high) == (interval.value, interval.low, interval.high)
        positives = np.array([(group == g).sum() for g in group])
        assert line.chance == pytest.approx(retrieval_chance(len(rows), positives)[metric])
        assert (line.metric, line.n) == (metric, len(rows))
        if gallery == "video":
            assert line.baseline is None
        else:
            seconds = (test.length_s[name][rows] for name in (query, gallery))
            assert line.baseline == pytest.approx(score(length_ranks(*seconds)).mean())


def test_what_is_not_asked_or_not_there_has_no_line(study):
    vectors, test = study
    imu = measure(vectors, test, 5, 0, ("imu",))
    assert {line.name.split()[0] for line in imu.headlines} == {"IMU"}
    assert list(imu.zero_shot) == ["imu"]
    no_imu = {name: v for name, v in vectors.items() if name != "imu"}
    names = [line.name for line in measure(no_imu, test, 5, 0).headlines]
    assert names == ["mocap zero-shot", "video zero-shot", "mocap → text"]
    no_text = {name: v for name, v in vectors.items() if name not in ("text", "video")}
    assert len(measure(no_text, test, 5, 0).headlines) == 3
    unlabelled = replace(test, label=np.full(30, -1))
    assert measure(vectors, unlabelled, 5, 0).baselines == {}
    for count, lines in ((1, 0), (2, 1)):
        both = {name: np.arange(30) < count for name in ("imu", "mocap")}
        few = replace(unlabelled, valid={**test.valid, **both, "text": ~both["imu"]})
        few = replace(few, valid={**few.valid, "video": ~both["imu"]})
        assert len(measure(vectors, few, 5, 0).headlines) == lines


def test_windows_of_another_split_are_refused_by_its_name(study):
    vectors, test = study
    split = np.array(["test"] * 28 + ["val", "train"])
    with pytest.raises(AuraError, match=r"not all of the test split: train\."):
        measure(vectors, replace(test, split=split), 5, 0)
    split = np.full(30, "test")
    assert measure(vectors, replace(test, split=split), 5, 0) == measure(vectors, test, 5, 0)


def test_some_windows_and_some_classes_keep_all_that_is_said_of_them(study):
    _, test = study
    every = {"split": "s", "moment": "m", "instant": 1, "place": "at", "source": "of"}
    full = replace(test, **{name: np.arange(30) for name in every})
    rows = np.array([4, 2, 29])
    part = full.select(rows)
    for name in ("participant", "take", "label", "group", *every):
        np.testing.assert_array_equal(getattr(part, name), getattr(full, name)[rows])
    for name in ("valid", "length_s"):
        for modality, values in getattr(full, name).items():
            np.testing.assert_array_equal(getattr(part, name)[modality], values[rows])
    assert test.select(rows).place is None
    some = test.among(np.array([2, 0]))
    assert some.class_names == ["c", "a"]
    np.testing.assert_array_equal(some.class_vectors, test.class_vectors[[2, 0]])
    assert some.label.tolist() == [{2: 0, 0: 1}.get(c, -1) for c in test.label.tolist()]
    assert some.train_labels.tolist() == [1, 0]
