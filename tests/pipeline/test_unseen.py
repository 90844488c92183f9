"""The stage `unseen` on made-up sequences: what training sees, resuming, and the tables."""

import json
import shutil

import numpy as np
import pytest
import torch

from aura import config
from aura.errors import AuraError
from pipeline import embed, resample, unseen
from pipeline import slice as slice_stage
from pipeline.study import joined, targets, words
from pipeline.study.splits import LEFT_OUT
from pipeline.study.words import Cell
from tests.conftest import ROOT
from tests.datasets.test_utd_mhad import write

pytest.importorskip("sentence_transformers", reason="the extra `text` is not installed")

from tests.teacher.sentence_models import write_sentence_model

NAME, NAMES = "utd-mhad-words", ("wave", "clap", "bow", "nod", "jump", "squat")
CLASSES = len(NAMES)
SMALL = (
    "ray.executor=local", "ray.workers=1", "unseen.classes_per_fold=2",
    f"datasets.{NAME}.options={{train: [1, 2], test: [5], descriptions: true}}",
    "train.joint.epochs=1", "train.batch=32",
    f"datasets.{NAME}.params.teacher={{kind: sentence, model: weights/tiny}}",
)  # fmt: skip


def load(*overrides):
    return config.load(ROOT / "params.yaml", [*SMALL, *overrides], NAME)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unseen")
    actions = range(1, CLASSES + 1)
    write(folder / "data/raw/utd-mhad", subjects=(1, 2, 5), actions=actions)
    rows = [f"{a},{name}" for a, name in zip(actions, NAMES, strict=True)]
    (folder / "data/raw/utd-mhad/actions.csv").write_text("\n".join(["id,action", *rows]))
    write_sentence_model(folder / "weights/tiny", width=48)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in (resample, slice_stage, embed):
            stage.run(load(), NAME)
    return folder


@pytest.fixture
def place(data, monkeypatch):
    monkeypatch.chdir(data)
    yield data
    shutil.rmtree(data / "models", ignore_errors=True)
    shutil.rmtree(data / f"reports/{NAME}/unseen", ignore_errors=True)
    torch.use_deterministic_algorithms(False)  # which a training turns on for its process


@pytest.fixture
def loaded(place):
    windows, texts, _ = joined.load(load(), NAME, check=False)
    return windows, texts, targets.test_set(windows, texts, np.arange(len(windows)))


def test_descriptions_are_captions_and_prompts(loaded):
    windows, texts, test = loaded
    assert {len(rows) for rows in windows.texts} == {10}  # the action, 4 sentences, 5 parts
    prompts = [k for k in texts.column("kind").to_pylist() if k == "prompt"]
    assert len(prompts) == 10 * CLASSES
    assert len(test.class_vectors) == CLASSES
    assert all(len(named) == 10 for named in joined.naming(windows, texts))  # rule 4


@pytest.mark.parametrize("person", ["s2", "test", "val"])
def test_no_hidden_class_trains_and_no_unused_one_is_tested(loaded, person):
    windows, _, test = loaded
    found = words.split(windows, test.label, Cell(0, 0, 0, 0, person), {0, 1, 2}, {2})
    trains = np.isin(found.split, ("train", "val"))
    assert set(test.label[trains]) == {3, 4, 5}
    tested = found.split == "test"
    assert set(test.label[tested]) == {0, 1, 3, 4, 5}
    assert not set(windows.participant[tested]) & set(windows.participant[trains]) or (
        person == "val"
    )
    assert set(windows.participant[found.split == "train"]) == (
        {"s1", "s5"} if person == "s2" else {"s1", "s2"}
    )
    assert (found.split == LEFT_OUT).any()


def test_the_control_has_texts_of_another_class_and_each_class_its_own(loaded):
    windows, _, test = loaded
    order = np.array([1, 2, 3, 4, 5, 0])
    found = words.swap_texts(windows, test.label, order, 0)
    rows = np.arange(len(windows))
    _, text_id = found._text(found.order["text"].numpy(), None)
    codes = windows.caption_code
    of_class = [set(codes[test.label == c].tolist()) for c in range(CLASSES)]
    for row, code in zip(rows, text_id.tolist(), strict=True):
        assert code in of_class[order[test.label[row]]]


def test_the_stage_resumes_and_writes_its_tables(place, monkeypatch):
    trained, real = [], words.train
    given = load("unseen.people=given")

    def counted(*arguments):
        trained.append(arguments[2].name)
        if len(trained) == 5:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(words, "train", counted)
    with pytest.raises(KeyboardInterrupt):
        unseen.run(given, NAME)
    monkeypatch.setattr(words, "train", lambda *a: (trained.append(a[2].name), real(*a)))
    unseen.run(given, NAME)
    assert len(trained) - 1 == len(set(trained)) == 3 * 3  # models, controls, calibration
    folder = place / f"reports/{NAME}/unseen"
    files = ("metrics.json", "details.json", "table.md")
    before = [(folder / name).read_bytes() for name in files]
    unseen.run(given, NAME)
    assert len(trained) == 10  # nothing is trained again
    assert [(folder / name).read_bytes() for name in files] == before
    metrics, details = (json.loads((folder / name).read_text()) for name in files[:2])
    assert set(metrics) == {"imu", "mocap", "both"}
    for sensor in metrics:
        assert set(metrics[sensor]) == {"accuracy", "seen", "unseen", "harmonic", "control"}
        assert set(details[sensor]["recall"]) == set(NAMES)
        assert len(details[sensor]["folds"]) == 3
    people = {"val": {"s1", "s2"}, "test": {"s5"}}
    for person, expected in people.items():
        cell = np.load(next((place / f"models/unseen/{NAME}").glob(f"*.{person}.*.npz")))
        assert set(cell["participant"]) == expected
        assert cell["scores/imu"].shape == (len(cell["label"]), CLASSES)


def test_inner_folds_leave_the_fold_itself_untested(place):
    unseen.run(load("unseen.inner=1", "unseen.control=false"), NAME)
    for file in (place / f"models/unseen/{NAME}").glob("*.npz"):
        cell = np.load(file)
        assert set(cell["participant"]) == {file.name.split(".")[4]}
        outer = int(file.name.split("fold-")[1][0])
        outer = words.folds_of(CLASSES, 2, 0)[outer]
        assert not set(outer) & set(cell["label"])
        assert not set(outer) & set(cell["fold"])
        assert np.isnan(cell["scores/mocap"][:, outer]).all()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("unseen.classes_per_fold=4", "at least two folds are needed"),
        ("unseen.inner=3", "4 classes remain beside a fold, which are 2 folds"),
    ],
)
def test_folds_that_cannot_be_are_one_sentence(place, override, sentence):
    with pytest.raises(AuraError, match=sentence):
        unseen.run(load(override, "unseen.control=false", "unseen.people=given"), NAME)
