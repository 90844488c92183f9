"""Reading an `aura.yaml`: what is wrong with it is one sentence that names the key."""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from aura.datasets.folder.schema import Folder
from aura.errors import AuraError


def parse(text: bytes, where: str) -> Folder:
    """Read such a file.

    Raises
    ------
    AuraError
        It is no YAML, or a key is unknown, missing or wrong; the first of them is named.
    """
    try:
        content: Any = yaml.safe_load(text.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise AuraError(f"{where} is no text in UTF-8.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise AuraError(
            f"{where}{line} is no YAML: {getattr(error, 'problem', None) or 'it has no end'}."
        ) from None
    if not isinstance(content, Mapping):
        raise AuraError(f"{where} is empty; `aura init FOLDER` writes one.")
    try:
        return Folder.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            said = "there is no such key"
        raise AuraError(f"{where}: {key}: {said}.") from None
