"""Recordings of one activity each, a file a trial: what their adapters share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, NamedTuple

import numpy as np

from aura.datasets.base import Recording, Skip, Text, by_depth, empty_mocap
from aura.datasets.people import PeopleOptions, Person
from aura.datasets.wording import Wording, captions


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


def activity_texts(
    label: str, classes: Mapping[str, Wording], duration_s: float
) -> tuple[Text, ...]:
    """The activity as the text of a whole trial, and its descriptions."""
    return (
        Text(label, 0.0, "activity", duration_s),
        *captions(classes[label], 0.0, duration_s),
    )


def of_imu(
    duration_s: float, imu_s: np.ndarray, imu: np.ndarray, imu_ok: np.ndarray,
    imu_saturated: np.ndarray, texts: tuple[Text, ...], skips: tuple[Skip, ...],
    counts: Mapping[str, int] | None = None,
) -> Recording:  # fmt: skip
    """A recording by an IMU alone; what is given is as in `Recording`."""
    mocap_s, mocap = empty_mocap()
    return Recording(
        duration_s=duration_s,
        imu_s=imu_s,
        imu=imu,
        imu_ok=imu_ok,
        mocap_s=mocap_s,
        mocap=mocap,
        frame_rate_hz=30.0,
        frame_s=np.empty(0),
        videos=(),
        texts=texts,
        skips=skips,
        imu_saturated=imu_saturated,
        counts=counts or {},
    )
