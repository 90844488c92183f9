"""Words that a teacher has met, and a warning of those that it has not."""

import warnings

import pytest

from aura.teacher import vocabulary


def test_words_are_those_of_the_texts_in_lower_case(tmp_path):
    assert vocabulary.words_of(["A person's ball, 2 balls!", "café_x"]) == {
        "a", "person", "s", "ball", "balls", "café", "x"
    }  # fmt: skip
    vocabulary.write(tmp_path, ["Run, run.", "a B"])
    assert (tmp_path / vocabulary.FILE).read_text() == "a\nb\nrun\n"
    assert vocabulary.read(tmp_path) == {"a", "b", "run"}


def test_what_is_not_among_them_is_named_once_and_in_order():
    known = frozenset({"a", "person", "runs"})
    texts = ["A person juggles", "a dog juggles and runs"]
    assert vocabulary.unseen(texts, known) == ["juggles", "dog", "and"]
    with pytest.warns(UserWarning, match="never seen 'juggles', 'dog', 'and'; "):
        vocabulary.warn_of_unseen(texts, known)
    many = [" ".join("abcdefgh")]
    with pytest.warns(UserWarning, match="'f' and 2 more; "):
        vocabulary.warn_of_unseen(many, known)


def test_without_a_list_nothing_is_said(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vocabulary.warn_of_unseen(["quantum"], vocabulary.read(tmp_path))
        vocabulary.warn_of_unseen(["person"], frozenset({"person"}))
    (tmp_path / vocabulary.FILE).write_bytes(b"\xff\xfe\x00")
    assert vocabulary.read(tmp_path) is None
