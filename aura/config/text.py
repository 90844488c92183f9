"""YAML as plain values: what params.yaml and `--set` hold, or one sentence on what is wrong.

Tags that make anything but plain values are refused, a key that is there twice is no choice of one
of them, and aliases may not stand for more than a person wrote.
"""

import codecs
from collections.abc import Hashable
from typing import Any

import yaml

from aura.errors import AuraError

_MOST_VALUES = 100_000  # with each alias counted as what it stands for
_DEEPEST = 50
_UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Plain values alone, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key '{key.value}' is there twice",
                        problem_mark=key.start_mark,
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse(text: str | bytes, where: str) -> Any:
    """The content of a YAML text.

    Parameters
    ----------
    text : str or bytes
        The text; bytes are UTF-8, or UTF-16 by their mark.
    where : str
        What an error names as its place.

    Returns
    -------
    object
        Dicts, lists, strings, numbers, booleans, dates and None.

    Raises
    ------
    AuraError
        It is not YAML, holds a tag of anything else, a key twice, or aliases without end.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-16" if text.startswith(_UTF_16) else "utf-8-sig")
        return _copy(yaml.load(text, _Loader), [_MOST_VALUES])  # noqa: S506, it derives from SafeLoader
    except UnicodeDecodeError as error:
        raise AuraError(
            f"{where} is not in UTF-8, by its byte {error.start}; save it in that encoding."
        ) from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise AuraError(f"{where} is not valid YAML: {_line(error)}.") from None
    except (RecursionError, OverflowError):
        raise AuraError(f"{where} is not valid YAML: it is nested too deeply.") from None


def _copy(content: Any, left: list[int], depth: int = 0) -> Any:
    """A copy without shared parts, so that a change of one use of an alias is none of the others.

    `left` holds how many values it may still have; `ValueError` for more.
    """
    left[0] -= 1
    if left[0] < 0:
        raise ValueError(f"it holds more than {_MOST_VALUES} values, aliases included")
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(content, dict):
        return {key: _copy(value, left, depth + 1) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_copy(value, left, depth + 1) for value in content]
    return content


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")[:300] or type(error).__name__
