"""The run before this one, from git: the newest commit whose headlines are not those at hand.

Just after a run is committed that is still the run before it, so the page stays the same.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from aura.evaluation.comparable import why_not_comparable
from aura.report.study import Earlier, Past


def earlier_run(details: Path) -> Earlier:
    """Headlines of the newest commit in which those of `details` differ from the file on disk.

    Parameters
    ----------
    details : Path
        `details.json` of evaluate.

    Returns
    -------
    Earlier
        Says why the two cannot be compared, where their test windows differ.
    """
    shallow = _git("rev-parse", "--is-shallow-repository")
    if shallow is None:
        return Earlier(why="not a git repository")
    if shallow.strip() == "true":
        return Earlier(why="a shallow clone has no history")
    log = _git("log", "--format=%H %cs", "--", str(details)) or ""
    at_hand = json.loads(details.read_text())
    for line in log.splitlines():
        commit, day = line.split()
        found = _content(commit, details)
        try:
            figures = [
                Past(str(h["name"]), str(h["metric"]), float(h["value"]), int(h["n"]))
                for h in found["headlines"]
            ]
            if found["headlines"] == at_hand.get("headlines"):
                continue
            reason = why_not_comparable(found.get("test"), at_hand.get("test"))
        except (KeyError, TypeError, ValueError):  # of a version with another form
            continue
        return Earlier(f"{day} ({commit[:7]})", "", reason, figures)
    return Earlier()


def _content(commit: str, details: Path) -> Any:
    """The file as it was; None where it was not there or is not JSON."""
    text = _git("show", f"{commit}:./{details.as_posix()}")
    try:
        return json.loads(text or "")
    except json.JSONDecodeError:
        return None


def _git(*arguments: str) -> str | None:
    """What git prints, in this folder; None where it fails or there is no git."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
