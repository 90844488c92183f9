"""Recordings of one activity each, a file a trial: what their adapters share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, NamedTuple

from aura.datasets.base import Skip, by_depth
from aura.datasets.people import PeopleOptions, Person


class Trial(NamedTuple, Generic[Person]):
    """A file; copies have the same `name`, and `label` is None where the activity is not known."""

    name: str
    person: Person
    label: str | None
    path: str


def usable_trials(
    trials: Sequence[Trial[Person]],
    options: PeopleOptions[Person],
    splits: Mapping[Person, str],
    skips: list[Skip],
) -> Iterator[tuple[Trial[Person], str]]:
    """Each trial once and its split, by name; what is left out goes to `skips`.

    Of copies the one nearest to the root is taken.

    Parameters
    ----------
    trials : sequence of Trial
        All files of the data set.
    options : PeopleOptions
        Who is in which split.
    splits : mapping
        The same for those who are named.
    skips : list of Skip
        Grows by those who have no file, by copies, and by trials of no split or no known activity.
    """
    absent = sorted(set(splits) - {trial.person for trial in trials})
    skips += [Skip("subject has no file", f"subject {person}", "file") for person in absent]
    seen: set[str] = set()
    for trial in sorted(trials, key=lambda trial: (trial.name, *by_depth(trial.path))):
        split = splits.get(trial.person, options.rest())
        if trial.name in seen:
            skips.append(Skip("file is there twice", trial.path, "file"))
        elif split is None:
            skips.append(Skip("subject is in no split", trial.path, "file"))
        elif trial.label is None:
            skips.append(Skip("activity is not known", trial.path, "file"))
        else:
            yield trial, split
        seen.add(trial.name)
