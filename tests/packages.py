"""Packages that tests make and install into a folder, without a network."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "{version}"

[tool.setuptools]
{what} = ["{module}"]
"""


def pip(command: str, *arguments: str | Path) -> None:
    """Run pip on what is on this machine."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, "--disable-pip-version-check", "--no-deps",
         "--no-index", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def write_package(
    folder: Path,
    name: str,
    files: Mapping[str, str],
    entry_points: Mapping[str, Mapping[str, str]],
    version: str = "1.0",
) -> Path:
    """Lay out a package or a module that `pip` can install.

    Parameters
    ----------
    folder : Path
        Where it is written.
    name : str
        Of the distribution.
    files : dict of str to str
        Contents by path; all are in one package, or there is one module.
    entry_points : dict of str to dict
        Of each group, objects by name.
    version : str
        Of the distribution.

    Returns
    -------
    Path
        `folder`.
    """
    top = Path(next(iter(files)))
    what, module = ("packages", top.parts[0]) if len(top.parts) > 1 else ("py-modules", top.stem)
    text = PYPROJECT.format(name=name, version=version, what=what, module=module)
    for group, objects in entry_points.items():
        text += f'\n[project.entry-points."{group}"]\n'
        text += "".join(f'{key} = "{value}"\n' for key, value in objects.items())
    for path, content in {**files, "pyproject.toml": text}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    return folder


def python(
    *arguments: str, path: Path | str, cwd: Path, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run this Python with `path` before all else that it imports from, to its end."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False,
        timeout=300, env={**os.environ, "PYTHONPATH": str(path), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done
