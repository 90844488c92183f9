"""Which source files a stage's output depends on: its own, and all that they import.

Read from the import statements, so that no list of files has to be kept; modules that are found by
name when the program runs (adapters and encoders) are named by the caller.
"""

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("aura", "pipeline")


@cache
def source_files(module: str) -> tuple[Path, ...]:
    """Source files of a module and of all that it imports of this project, transitively.

    Imports inside functions count; an `__init__.py` that is a docstring does not, as it changes no
    output. Of a module of another package, such as a plugin, its imports of that package are
    followed as well.

    Parameters
    ----------
    module : str
        Dotted name.

    Returns
    -------
    tuple of Path
        In order.
    """
    packages = {*PACKAGES, module.partition(".")[0]}
    sources: dict[str, Path] = {}
    queue = [module]
    while queue:
        name = queue.pop()
        # Of the top packages' own code only a version is in use, which changes no output; the
        # command line has the one upward edge.
        if name in sources or name in (*PACKAGES, "aura.cli"):
            continue
        if name.partition(".")[0] not in packages:
            continue
        path = source_of(name)
        if path is None:  # an attribute, not a module
            continue
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        sources[name] = path
        queue.append(package)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                queue += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                origin = _absolute(node, package)
                queue += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    return tuple(sorted(path for path in set(sources.values()) if not _is_docstring(path)))


def _is_docstring(path: Path) -> bool:
    """Whether a file is a package's docstring and nothing else."""
    body = ast.parse(path.read_bytes()).body
    return path.name == "__init__.py" and all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body
    )


def source_of(module: str) -> Path | None:
    """The file of a module, found without importing the packages it is in; None where none is."""
    top, *parts = module.split(".")
    spec = find_spec(top) if top else None
    if spec is None or spec.origin is None:
        return None
    if not parts:
        return Path(spec.origin)
    base = Path(spec.origin).parent.joinpath(*parts)
    for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if path.is_file():
            return path
    return None


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """Dotted name of what `from … import` imports from, also where it is relative."""
    if not node.level:
        return node.module or ""
    parents = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parents, *([node.module] if node.module else [])])


def code_hash(*modules: str) -> str:
    """SHA-256 of the source that the output of these modules depends on."""
    digest = hashlib.sha256()
    for name in modules:
        for path in source_files(name):
            digest.update(path.read_bytes())
    return digest.hexdigest()
