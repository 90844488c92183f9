"""`aura search`: the right windows, a page that needs nothing but itself, and sentences."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import aura
from aura.errors import AuraError
from aura.teacher import vocabulary
from pipeline import search
from pipeline.engine import paths
from pipeline.search import Question
from pipeline.study.excerpts import excerpts
from pipeline.study.vectors import read_described

TEXT = "a person is running"


@pytest.fixture
def params(asked_project):
    return asked_project


def asked(params, question, **more):
    return json.loads(search.run(params, "tiny", question, as_json=True, **more))


def vectors_of(by):
    described, vectors, valid = read_described(
        paths.report("tiny", "evaluate") / "embeddings.parquet"
    )
    return described, vectors[by], valid[by]


@pytest.mark.parametrize("by", ["imu", "mocap", "video"])
def test_a_text_finds_what_a_plain_sort_finds(params, by):
    described, vectors, valid = vectors_of(by)
    query = aura.load("models/tiny/joint").encode_text([TEXT])[0]
    cosine = {
        i: float(v @ query) for i, v, ok in zip(described.ids, vectors, valid, strict=True) if ok
    }
    expected = sorted(cosine, key=lambda name: (-cosine[name], name))[:4]
    found = asked(params, Question(TEXT, by=by, top=4))
    assert [hit["window"] for hit in found["hits"]] == expected
    np.testing.assert_allclose(
        [h["cosine"] for h in found["hits"]], [cosine[e] for e in expected], atol=1e-4
    )
    assert found["windows"] == sum(valid)
    row = described.ids.index(expected[0])
    assert found["hits"][0]["take"] == described.takes[row]
    assert found["hits"][0]["texts"] == list(dict.fromkeys(described.texts[row]))


def test_a_window_finds_others_and_never_itself(params):
    described, vectors, valid = vectors_of("imu")
    found = asked(params, Question(like=described.ids[3], top=100))
    ids = [hit["window"] for hit in found["hits"]]
    assert sorted(ids) == sorted(set(np.array(described.ids)[valid]) - {described.ids[3]})
    assert ids[0] == max(ids, key=lambda i: vectors[described.ids.index(i)] @ vectors[3])


def test_another_model_and_another_split_are_embedded_anew(params):
    same = asked(params, Question(TEXT, model="models/tiny/joint"))
    ours = asked(params, Question(TEXT))
    assert [h["window"] for h in same["hits"]] == [h["window"] for h in ours["hits"]]
    train = asked(params, Question(TEXT, split="train", by="mocap"))
    assert {h["take"] for h in train["hits"]} == {"take0"}
    assert asked(params, Question(TEXT, split="all"))["windows"] > train["windows"]


class Looked(HTMLParser):
    """What a page would load."""

    def __init__(self):
        super().__init__()
        self.loads = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.loads += [values[k] for k in ("src", "href") if k in values]


def test_the_page_shows_the_hits_and_loads_nothing(params):
    table = search.run(params, "tiny", Question("<b>run</b>", top=3))
    page = paths.report("tiny", "search") / "b-run-b.imu.html"
    text = page.read_text()
    looked = Looked()
    looked.feed(text)
    assert not [source for source in looked.loads if not source.startswith("data:")]
    assert "<b>run</b>" not in text
    assert text.count('class="trace"') == 6
    assert text.count('class="body"') == 3
    assert text.count("the recordings are not here") == 3
    assert "width=device-width" in text
    for line in table.splitlines()[1:]:
        assert line.split()[3] in text
    before = page.read_bytes()
    search.run(params, "tiny", Question("<b>run</b>", top=3))
    assert page.read_bytes() == before
    assert not [p for p in page.parent.iterdir() if p != page]


def test_the_table_is_plain_where_nobody_looks(params):
    table = search.run(params, "tiny", Question(TEXT, top=2))
    assert "\x1b" not in table
    assert re.match(r" +cosine +label +window +texts\n1 +-?0\.\d{3} ", table)


def test_what_was_not_measured_is_not_drawn(params):
    described, _, valid = vectors_of("imu")
    lacking = described.ids[int(np.flatnonzero(~valid)[0])]
    example = excerpts(params, "tiny", [lacking])[lacking]
    assert example.imu is None
    assert example.mocap.shape == (50, 17, 3)
    np.testing.assert_array_equal(np.isnan(example.mocap).any(axis=-1), ~example.mask)
    assert 0 < (~example.mask).mean() < 0.3


def test_words_that_the_teacher_has_never_seen_are_named(params):
    assert asked(params, Question(TEXT))["warnings"] == []
    vocabulary.write(paths.TEACHER, ["a person is running", "Jumping!"])
    assert asked(params, Question(TEXT))["warnings"] == []
    (warning,) = asked(params, Question("quantum chromodynamics, jumping"))["warnings"]
    assert "never seen 'quantum', 'chromodynamics'; " in warning
    assert "jumping" not in warning


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (Question(), "Ask by a text or by --like WINDOW, one of them"),
        (Question("a", like="b"), "one of them"),
        (Question("  "), "The text is empty"),
        (Question(TEXT, by="gaze"), "imu, mocap or video, not 'gaze'"),
        (Question(TEXT, split="tests"), "--split is train, val, test or all"),
        (Question(TEXT, top=0), "--top is at least 1"),
        (Question(like="nobody"), "There is no window 'nobody' in the test split"),
        (Question(TEXT, model="nowhere"), "There is no model at nowhere yet"),
        (
            Question(TEXT, split="val", model="models/tiny/imu"),
            "There is no model at models/tiny/imu",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(params, question, sentence):
    with pytest.raises(AuraError, match=re.escape(sentence)) as error:
        search.run(params, "tiny", question)
    assert "\n" not in str(error.value)


def test_a_window_without_the_modality_and_a_model_without_it(params):
    from aura.teacher import clip
    from tests.inference.models import write_model

    described, _, valid = vectors_of("imu")
    lacking = described.ids[int(np.flatnonzero(~valid)[0])]
    with pytest.raises(AuraError, match="has no IMU; ask by another"):
        search.run(params, "tiny", Question(like=lacking))
    write_model(paths.MODELS / "other/imu", clip.read_identity(paths.TEACHER), phase="imu")
    with pytest.raises(AuraError, match="was trained without mocap; ask by another"):
        search.run(params, "tiny", Question(TEXT, by="mocap", model="models/other/imu"))


def test_before_evaluate_it_names_the_stage(params):
    (paths.report("tiny", "evaluate") / "embeddings.parquet").unlink()
    with pytest.raises(AuraError, match="run `aura evaluate` first"):
        search.run(params, "tiny", Question(TEXT))
