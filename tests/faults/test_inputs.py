"""A small sample of `python -m tests.faults`: errors, late folders, inputs, clocks, two runs."""

import pytest

from aura.errors import AuraError
from pipeline.engine import seen
from tests.faults import errors, inputs, study

KINDS = {
    "refusals": errors.refusals,
    "late": errors.late,
    "inputs": inputs.inputs,
    "clock": inputs.clock,
    "together": inputs.together,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_survived_or_refused_leaves_what_an_undisturbed_run_leaves(project, tmp_path, kind):
    tried = list(KINDS[kind](project, tmp_path / "place", ["slice"], sample=1, seed=1))
    assert len(tried) == 1
    assert [(what, fault) for what, fault in tried if fault] == []


def test_a_shard_that_is_replaced_after_its_check_is_not_taken_for_it(place):
    """By one of another run, which reads as well; the stage says so and leaves what there was."""
    other = (place / "data/signals/one/part-00001.parquet").read_bytes()
    were = study.content(place)

    def begin() -> None:
        from pipeline.engine import output

        real = output._read

        def read(file, columns):
            if file.name == "part-00000.parquet" and "signals" in str(file):
                inputs.spoil(file, "grow")  # another file of that name
                file.write_bytes(other)
            return real(file, columns)

        output._read = read

    assert study.run(place, "slice", before=begin) == 1
    assert not study.sentence(place)
    assert "was changed or removed while it was read" in study.said(place)
    name = "data/signals/one/part-00000.parquet"
    assert study.difference(were | {name: study.content(place)[name]}, place) == ""


def test_an_error_that_comes_of_a_changed_input_says_so(tmp_path):
    file = tmp_path / "a"
    file.write_text("a")
    with (
        pytest.raises(AuraError, match="a was changed or removed while it was read"),
        seen.watching(),
    ):
        seen.note(file, seen.stamp_of(file))
        file.unlink()
        raise KeyError("of another take")
    with pytest.raises(KeyError), seen.watching():
        raise KeyError("a fault of the program")


def test_only_what_was_checked_in_the_block_is_looked_at_again(tmp_path):
    file = tmp_path / "a"
    file.write_text("a")
    with seen.watching():
        seen.note(file, seen.stamp_of(file))
        seen.check()
    file.write_text("other")
    seen.check()
    with seen.watching():
        seen.check()


def test_a_run_that_fails_is_a_fault(place):
    """The harness can fail: of codes, sentences and content."""
    assert errors.ended_well(-9, place, {}) == "ended with -9"
    assert "not as undisturbed" in errors.ended_well(0, place, {})
    assert study.run(place, "slice", before=lambda: 1 / 0) == 1
    assert "a traceback" in errors.ended_well(1, place, {})
