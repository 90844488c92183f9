"""Texts longer than a context, by tokenizers of several builds, beside a plain oracle."""

import json
import warnings
from dataclasses import asdict, replace

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg

from aura.errors import AuraError
from aura.teacher import clip, tokens
from aura.teacher.identity import same_teacher
from aura.teacher.tokens import Context, count_long, describe_long, mean_by_text

LENGTH = 12


class Words:
    """A tokenizer of whole words: what it puts before, behind and for padding is given."""

    def __init__(self, before, behind, pad, spare=0):
        self.before, self.behind, self.pad, self.spare = before, behind, pad, spare
        self.number = {}

    def numbers(self, text):
        words = text.lower().split()
        return [self.number.setdefault(word, 100 + len(self.number)) for word in words]

    def __call__(self, texts, context_length=None):
        length = context_length or LENGTH
        room = self.room(length)
        rows = [[*self.before, *self.numbers(text)[:room], *self.behind] for text in texts]
        return torch.tensor([row + [self.pad] * (length - len(row)) for row in rows])

    def room(self, length):
        return length - len(self.before) - len(self.behind) - self.spare


BUILDS = {
    "CLIP": Words([1], [2], 0),
    "BERT": Words([101 - 90, 5], [7], 0),
    "T5": Words([], [1], 0),
    "SigLIP, whose end is its padding": Words([], [1], 1),
    "CLIPA, whose end is taken out": Words([3], [], 0, spare=1),
    "padding that is a word": Words([1], [2], 100),
}


def texts_of(room):
    """Some that fit, the last by a hair, and some that do not."""
    counts = (0, 1, 3, room - 2, room - 1, room, room + 1, room + 2, 3 * room, 3 * room + 1, 90)
    return [" ".join(f"w{(7 * n + i) % 50}" for i in range(n)) for n in counts]


@pytest.mark.parametrize("build", BUILDS)
def test_what_is_longer_than_the_context_is_found_and_read_whole(build):
    tokenizer = BUILDS[build]
    context, room = Context(tokenizer), tokenizer.room(LENGTH)
    texts = texts_of(room)
    read = context.read(texts)
    assert context.length == LENGTH
    torch.testing.assert_close(read.rows, tokenizer(texts))
    words = [tokenizer.numbers(text) for text in texts]
    assert read.longer == [i for i, text in enumerate(words) if len(text) > room]
    rows, owner = context.windows(read)
    assert rows.shape[1] == LENGTH
    assert sorted(set(owner.tolist())) == list(range(len(texts)))
    for i, text in enumerate(words):
        own = rows[owner == i]
        if len(text) <= room:
            torch.testing.assert_close(own, read.rows[i : i + 1])
            continue
        count = -(-len(text) // room)
        assert len(own) == count
        parts, lengths = [], []
        for row in own.tolist():
            head, tail = len(tokenizer.before), len(tokenizer.behind)
            assert row[:head] == tokenizer.before
            inside = [number for number in row[head:] if number >= 100]
            if tokenizer.pad >= 100:
                inside = row[head : row.index(2)]
            assert row[head + len(inside) :][:tail] == tokenizer.behind
            rest = row[head + len(inside) + tail :]
            assert rest == [tokenizer.pad] * len(rest)
            parts += inside
            lengths.append(len(inside))
        assert parts == text
        assert max(lengths) - min(lengths) <= 1


def report(tokenizer, *shards):
    """What `embed` reports of shards of texts."""
    context = Context(tokenizer)
    reports = []
    for texts in shards:
        hashes = context.read(texts).digests()
        reports.append(
            {"context": LENGTH, "fill_context": {texts[i]: h for i, h in hashes.items()}}
        )
    return json.loads(json.dumps(reports))


@pytest.mark.parametrize("build", BUILDS)
def test_texts_that_share_a_vector_only_because_they_are_cut_by_hand(build):
    tokenizer = BUILDS[build]
    room = tokenizer.room(LENGTH)
    fits = " ".join(["word"] * room)
    longer = [f"{fits} falls", f"{fits} reaches the top"]
    other = " ".join(["else"] * (room + 3))
    #  The same words in capitals are the same tokens: cut or not, they share a vector.
    shards = [[fits, longer[0], "short"], [longer[1], other, other.upper(), "SHORT"], [longer[0]]]
    counts = count_long(report(tokenizer, *shards), cut=True)
    assert counts == {
        "context_tokens": LENGTH,
        "longer_than_context": 4,
        "cut": 4,
        "alike_only_because_cut": 3,  # the one that just fits, and both that go on
    }
    assert "4 texts are longer than the teacher's 12 tokens and are cut, by which 3" in (
        describe_long(counts)
    )
    whole = count_long(report(tokenizer, *shards), cut=False)
    assert (whole["longer_than_context"], whole["cut"], whole["alike_only_because_cut"]) == (
        4,
        0,
        0,
    )
    assert "each is the mean of windows" in describe_long(whole)
    assert describe_long(count_long(report(tokenizer, ["short"]), cut=True)) == ""
    assert count_long([], cut=True)["context_tokens"] == 0


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A random teacher with CLIP's own context and tokenizer."""
    folder = tmp_path_factory.mktemp("teacher")
    config = clip.stand_in_config(32, 64, 1)
    config["text_cfg"]["context_length"] = 77
    content = {"model_cfg": config, "preprocess_cfg": asdict(PreprocessCfg(size=32))}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    torch.manual_seed(0)
    network = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    return clip.Teacher(network, tokenizer, clip.identify(network, "toy", "random", True))


BASE = "the climber keeps his arms straight and lets the weight hang from the skeleton " * 8
TEXTS = ["a climber", BASE + "but he falls off", BASE + "and she reaches the top", "word " * 75]


def test_windows_of_clips_own_tokenizer_and_their_mean_by_hand(teacher):
    with pytest.warns(UserWarning, match=r"2 of 4 texts are longer than the teacher's 77 tokens"):
        cut = teacher.encode_text(TEXTS)
    np.testing.assert_allclose(cut[1], cut[2], atol=1e-6)
    means = clip.Teacher(
        teacher.model, teacher.tokenizer, replace(teacher.identity, long_texts="mean")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = means.encode_text(TEXTS)
        assert (
            means.encode_text([TEXTS[0], TEXTS[3]]) == teacher.encode_text([TEXTS[0], TEXTS[3]])
        ).all()  # bit for bit where all fit
    np.testing.assert_allclose(result[[0, 3]], cut[[0, 3]], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(result, axis=1), 1, atol=1e-6)
    assert np.abs(result[1] - result[2]).max() > 1e-4
    for row in (1, 2):
        numbers = teacher.tokenizer.encode(TEXTS[row])
        parts = np.array_split(numbers, -(-len(numbers) // 75))
        assert len(parts) > 1
        rows = torch.zeros(len(parts), 77, dtype=torch.long)
        for window, part in zip(rows, parts, strict=True):
            window[: len(part) + 2] = torch.tensor([49406, *part, 49407])
        vectors = torch.nn.functional.normalize(teacher.model.encode_text(rows), dim=1)
        mean = vectors.mean(dim=0).detach().numpy()
        np.testing.assert_allclose(result[row], mean / np.linalg.norm(mean), atol=1e-5)
    with pytest.raises(AuraError, match="toy in fp32 and toy in fp32, long texts as means"):
        same_teacher([("x", teacher.identity), ("y", means.identity)])


def test_a_mean_is_over_the_windows_of_each_text():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(9, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    owner = np.array([0, 1, 1, 1, 2, 3, 3, 4, 5])
    result = mean_by_text(vectors, owner)
    for text in range(6):
        own = vectors[owner == text]
        mean = own.sum(axis=0) / np.linalg.norm(own.sum(axis=0)) if len(own) > 1 else own[0]
        np.testing.assert_allclose(result[text], mean, atol=1e-6)
    assert (result[[0, 2, 4, 5]] == vectors[[0, 4, 7, 8]]).all()


def test_a_tokenizer_that_cannot_be_had_is_one_sentence(monkeypatch):
    def missing(name, **_):
        raise ModuleNotFoundError("No module named 'transformers'", name="transformers")

    def offline(name, **_):
        raise OSError("no network.\nand more")

    for fault, sentence in (
        (missing, r"needs transformers; `pip install transformers`"),
        (offline, r"cannot be loaded: no network\. Where nothing can be downloaded"),
    ):
        monkeypatch.setattr(tokens.open_clip, "get_tokenizer", fault)
        with pytest.raises(AuraError, match=sentence):
            tokens.load_tokenizer("ViT-B-16-SigLIP")
