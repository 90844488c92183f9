"""The run before this one, from git: the newest commit whose figures are not those at hand.

Just after a run is committed that is still the run before it, so the page stays the same.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from aura.report.study import Earlier, Past


def earlier_run(details: Path) -> Earlier:
    """Headlines of the newest commit in which `details` differs from the file on disk."""
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
        if found is None or found == at_hand:
            continue
        try:
            figures = [
                Past(str(h["name"]), str(h["metric"]), float(h["value"]), int(h["n"]))
                for h in found["headlines"]
            ]
        except (KeyError, TypeError, ValueError):  # of a version with another form
            continue
        return Earlier(run=f"{day} ({commit[:7]})", figures=figures)
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
