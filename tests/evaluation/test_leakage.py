import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.evaluation.leakage import (
    class_stems,
    hints_at_class,
    mask_class,
    names_class,
    shares,
    stem,
)

LABELS = ["Cooking", "Health", "Bike Repair", "Music", "Rock Climbing", "Soccer", "Dance"]


@pytest.mark.parametrize(
    ("text", "label", "names", "hints", "masked"),
    [
        ("C dances with a dancer.", "Dance", True, True, "C something with a something."),
        ("C repairs the bike.", "Bike Repair", False, True, "C something the something."),
        ("Bike repair is fun.", "Bike Repair", True, True, "something something is fun."),
        ("C climbs.", "Rock Climbing", False, True, "C something."),
        ("C cuts the carrot.", "Cooking", False, False, "C cuts the carrot."),
        ("COOKING", "Cooking", True, True, ""),
        ("right hand wave", "right hand wave", True, True, ""),
        ("C waits.", None, False, False, "C waits."),
    ],
)  # fmt: skip
def test_texts_and_their_classes_by_hand(text, label, names, hints, masked):
    assert names_class(text, label) is names
    assert hints_at_class(text, label) is hints
    assert mask_class(text, label) == masked


def test_endings_do_not_hide_a_word_and_short_words_stay():
    assert {stem(w) for w in ("climb", "climbs", "Climbing", "climber", "climbed")} == {"climb"}
    assert stem("is") == "is"
    assert stem("ring") == "ring"
    assert class_stems("Throw of the ball") == {"throw", "ball"}


@given(st.text(max_size=80), st.sampled_from(LABELS))
def test_nothing_hints_at_the_class_after_masking_and_the_rest_stays(text, label):
    masked = mask_class(text, label)
    assert not hints_at_class(masked, label)
    if masked and not hints_at_class(text, label):
        assert masked == text


def test_shares_count_only_texts_with_a_class():
    pairs = [
        ("C dances.", "Dance"),
        ("C danced a dance", "Dance"),
        ("C sits", "Dance"),
        ("x", None),
    ]
    assert shares(pairs) == {"texts": 3, "name their class": 2, "hint at their class": 2}
