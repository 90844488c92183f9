r"""Patterns of file names with named parts: `{person}/{activity}_{trial}.csv`.

A part is as short as it can be and never has a `/` in it; `{trial:\d+}` says what it consists of,
`*` is anything without `/`, `**/` any folders. Case does not count.
"""

import re
import string
from collections.abc import Mapping
from functools import cached_property

_TOKEN = re.compile(r"\{(\w+)(?::((?:[^{}]|\{\d+(?:,\d*)?\})+))?\}|\*\*/|\*|\?")


class Pattern:
    """A pattern; `ValueError` where it is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts = tuple(dict.fromkeys(m[1] for m in _TOKEN.finditer(text) if m[1]))
        try:
            self.regex  # noqa: B018
        except re.error as error:
            raise ValueError(f"'{text}' is no pattern of files: {error}") from None

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The same as a regular expression of the whole path."""
        out, at, seen = "", 0, set[str]()
        for match in _TOKEN.finditer(self.text):
            out += re.escape(self.text[at : match.start()])
            at = match.end()
            if match[0] == "**/":
                out += r"(?:.*/)?"
            elif match[0] in "*?":
                out += r"[^/]*?" if match[0] == "*" else r"[^/]"
            elif match[1] in seen:
                out += f"(?P={match[1]})"
            else:
                out += f"(?P<{match[1]}>{match[2] or '[^/]+?'})"
                seen.add(match[1])
        return re.compile(out + re.escape(self.text[at:]), re.IGNORECASE)

    def match(self, path: str) -> dict[str, str] | None:
        """The parts of a path, None where it does not match."""
        found = self.regex.fullmatch(path)
        return found.groupdict() if found else None


def fill(template: str, parts: Mapping[str, str]) -> str | None:
    """A template with its parts put in, None where one is not there."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError:
        return None
    if any(name not in parts for name in names):
        return None
    return re.sub(r"\{(\w+)\}", lambda match: parts[match[1]], template)
