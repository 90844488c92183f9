"""Small files, written whole or not at all."""

import json
import uuid
from pathlib import Path
from typing import Any


def temporary_path(path: Path) -> Path:
    """Name to write to beside `path` before it is renamed: no other process or host has it.

    One left by a killed writer starts with a dot, and goes when the stage is complete.
    """
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def write_text(path: Path, text: str, shared: bool = False) -> None:
    """Write a text file atomically.

    What a killed writer leaves has a name that the next one uses again; but for `shared` ones,
    which several write at once, in a folder that is swept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path) if shared else path.with_name(f".{path.name}.partial")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Write sorted, indented JSON atomically; floats rounded to 6 digits so that diffs are read."""
    write_text(path, json.dumps(_rounded(content), indent=1, sort_keys=True) + "\n")


def _rounded(content: Any) -> Any:
    if isinstance(content, float):
        return round(content, 6)
    if isinstance(content, dict):
        return {str(key): _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return content
