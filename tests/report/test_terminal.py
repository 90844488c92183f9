"""Tables for a terminal and for a file."""

import os
import sys

from aura.report import terminal

ROWS = [["1", "a window", "a text that is rather long"], ["10", "b", "short\n text"]]


def test_columns_are_as_wide_as_their_widest_and_nothing_is_cut_in_a_file():
    assert terminal.table(["", "what", "text"], ROWS, right=(0,)).splitlines() == [
        "    what      text",
        " 1  a window  a text that is rather long",
        "10  b         short text",
    ]


def test_on_a_terminal_the_last_is_cut_and_the_first_line_is_bold(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        terminal.shutil, "get_terminal_size", lambda *_, **__: os.terminal_size((34, 20))
    )
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    first, second, _ = terminal.table(["", "what", "text"], ROWS, right=(0,)).splitlines()
    assert first.startswith("\x1b[1m")
    assert second == " 1  a window  a text that is rath…"
    assert len(second) == 34
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in terminal.table(["", "what", "text"], ROWS)
