"""Splits by person: who trains, who validates and who tests, with nobody in two of them."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from aura.errors import AuraError

Person = TypeVar("Person", int, str)


class PeopleOptions(BaseModel, Generic[Person]):
    """The split by person; `train: null` is everybody who is not in val or test."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    train: tuple[Person, ...] | None = None
    val: tuple[Person, ...]
    test: tuple[Person, ...]

    def splits(self, adapter: str) -> dict[Person, str]:
        """Split of each person who is named; one in two of them is an `AuraError`."""
        groups: dict[str, Iterable[Person]] = {
            "train": self.train or (), "val": self.val, "test": self.test
        }  # fmt: skip
        named = [
            (person, split) for split, group in groups.items() for person in sorted(set(group))
        ]
        split_of = dict(named)
        if len(split_of) < len(named):
            shared = sorted(p for p in split_of if sum(p == other for other, _ in named) > 1)
            raise AuraError(f"Subjects {shared} are in more than one split of {adapter}.")
        return split_of

    def rest(self) -> str | None:
        """Split of those who are not named; None leaves them out."""
        return "train" if self.train is None else None
