"""Figures are compared over the same test windows only."""

from aura.evaluation.comparable import fingerprint_test, why_not_comparable


def test_the_order_of_the_windows_does_not_matter_and_all_else_does():
    found = fingerprint_test(["a", "b"], ["Dance", None])
    assert found["windows"] == 2
    assert fingerprint_test(["b", "a"], [None, "Dance"]) == found
    for ids, labels in ((["a", "c"], ["Dance", None]), (["a", "b"], ["Dance", "Music"])):
        assert fingerprint_test(ids, labels)["sha256"] != found["sha256"]


def test_the_reason_says_how_many_windows_there_were():
    many, few = (fingerprint_test([str(i) for i in range(n)], [None] * n) for n in (1431, 107))
    assert why_not_comparable(many, many) == ""
    assert why_not_comparable(many, few) == "other test windows (1,431 then, 107 now)"
    for before, now in ((None, few), ({}, few), (many, None)):
        assert why_not_comparable(before, now) == "its test windows are not on record"
