"""Adapters and encoders by name: modules of this project, and entry points of other packages.

A package adds one without a change here, by an entry point in its `pyproject.toml`:

    [project.entry-points."aura.datasets"]
    my-gym = "my_package.gym:Adapter"

The groups are `aura.datasets`, whose classes are called `Adapter`, and `aura.encoders`, `Encoder`.
"""

import ast
import importlib
import traceback
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from aura.errors import AuraError

Kind = Literal["adapter", "encoder"]
GROUPS: dict[Kind, str] = {"adapter": "aura.datasets", "encoder": "aura.encoders"}


@dataclass(frozen=True)
class Plugin:
    """A class that is found by name; nothing of it has been imported yet.

    Attributes
    ----------
    kind : {"adapter", "encoder"}
        What it is.
    name : str
        As in params.yaml, with `-`.
    module : str
        Dotted name of the module that defines it.
    attribute : str
        Name of the class in that module.
    package : str
        Name of the distribution that it comes with, `aura` for this project's own.
    """

    kind: Kind
    name: str
    module: str
    attribute: str
    package: str

    def load(self) -> Any:
        """Import the class.

        Raises
        ------
        AuraError
            Its module cannot be imported, or has no such class.
        """
        try:
            return getattr(importlib.import_module(self.module), self.attribute)
        except (Exception, SystemExit) as error:  # of whatever kind: it is another package's code
            raise AuraError(
                f"The {self.kind} '{self.name}' of the package {self.package} cannot be imported: "
                f"{type(error).__name__}: {' '.join(str(error).split())}{_line(error)}."
            ) from error


def find(kind: Kind, name: str) -> Plugin:
    """Find the adapter or encoder of that name.

    Raises
    ------
    AuraError
        There is none, or two packages have one.
    """
    candidates = [plugin for plugin in plugins(kind) if plugin.name == name.replace("_", "-")]
    if not candidates:
        known = ", ".join(sorted({plugin.name for plugin in plugins(kind)}))
        raise AuraError(f"There is no {kind} '{name}'; known: {known}.")
    if len(candidates) > 1:
        packages = " and ".join(plugin.package for plugin in candidates)
        raise AuraError(
            f"The {kind} '{name}' is offered by the packages {packages}; uninstall one of them, "
            "or rename its entry point."
        )
    return candidates[0]


def plugins(kind: Kind) -> list[Plugin]:
    """All adapters or encoders that are installed, this project's own first, each in order."""
    group = GROUPS[kind]
    folder = Path(__file__).parent / group.rpartition(".")[2]
    names = sorted(
        path.stem if path.name != "__init__.py" else path.parent.name
        for path in (*folder.glob("*.py"), *folder.glob("*/__init__.py"))
        if path.parent != folder or path.name not in ("__init__.py", "base.py")
        if _provides(path, kind.capitalize())
    )
    builtin = [
        Plugin(kind, name.replace("_", "-"), f"{group}.{name}", kind.capitalize(), "aura")
        for name in names
    ]
    entries = sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value))
    return builtin + [_plugin(kind, entry) for entry in entries]


def _plugin(kind: Kind, entry: EntryPoint) -> Plugin:
    package = entry.dist.name if entry.dist else "unknown"
    attribute = entry.attr or kind.capitalize()
    return Plugin(kind, entry.name.replace("_", "-"), entry.module, attribute, package)


def _line(error: BaseException) -> str:
    """Where an import failed, in brackets; nothing where no line of the other package ran."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in (__file__, importlib.__file__)
        and not frame.filename.startswith("<frozen ")
    ]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _provides(path: Path, name: str) -> bool:
    """Whether a module defines or imports that name, read without importing it."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError):
        return True  # loading it says what is wrong with it
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return True
        if isinstance(node, ast.ImportFrom) and name in {a.asname or a.name for a in node.names}:
            return True
    return False
