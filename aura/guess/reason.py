"""A guess and why."""

from typing import Any, NamedTuple


class Guess(NamedTuple):
    """What is guessed.

    Attributes
    ----------
    value : object
        None where nothing can be.
    why : str
        The reason, a short sentence without a full stop.
    sure : bool
        Whether it needs nobody's look.
    """

    value: Any
    why: str
    sure: bool = True
