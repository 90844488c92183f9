"""How a class is worded: its name, and descriptions of what a body does in it."""

from collections.abc import Mapping, Sequence

from aura.datasets.base import Text

Wording = str | Sequence[str]
"""What prompts are made of, or that and descriptions behind it."""


def phrases(wording: Wording) -> tuple[str, tuple[str, ...]]:
    """The phrase that a prompt takes, and the descriptions, which stand as they are."""
    if isinstance(wording, str):
        return wording, ()
    name, *descriptions = wording
    return name, tuple(descriptions)


def prompts_of(wording: Wording, prompts: Sequence[str]) -> tuple[str, ...]:
    """The texts whose mean vector is the class: a prompt of its phrase each, and descriptions.

    Parameters
    ----------
    wording : str or sequence of str
        The phrase, or the phrase and descriptions.
    prompts : sequence of str
        Templates with `{}` for the phrase.

    Returns
    -------
    tuple of str
        Each once.
    """
    name, descriptions = phrases(wording)
    return tuple(dict.fromkeys([*(prompt.format(name) for prompt in prompts), *descriptions]))


def described(
    classes: Mapping[str, str], descriptions: Mapping[str, Sequence[str]], wanted: bool = True
) -> dict[str, Wording]:
    """Each class with its descriptions behind its phrase, where they are wanted."""
    if not wanted:
        return dict(classes)
    return {label: (phrase, *descriptions.get(label, ())) for label, phrase in classes.items()}


def captions(wording: Wording, time_s: float, end_s: float | None = None) -> tuple[Text, ...]:
    """The descriptions as texts of a take; times as in `Text`."""
    return tuple(Text(text, time_s, "descriptions", end_s) for text in phrases(wording)[1])
