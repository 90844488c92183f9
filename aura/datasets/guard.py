"""Adapters of other people: what is wrong with one is a sentence with its file and line."""

import inspect
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aura.datasets import base  # its `Adapter` by this name: modules that have one are adapters
from aura.datasets.base import Inventory, Recording, Take
from aura.errors import AuraError, explain
from aura.storage import Storage

_METHODS = ("inventory", "load")
DOCS = "docs/adapters.md has the interface"


def is_ours(cls: Any) -> bool:
    """Whether an adapter comes with this project."""
    return str(getattr(cls, "__module__", "")).startswith("aura.datasets.")


def check_class(name: str, cls: Any) -> None:
    """Raise an `AuraError` where what was found by that name is no adapter."""
    missing = [method for method in _METHODS if not callable(getattr(cls, method, None))]
    if not isinstance(cls, type):
        raise AuraError(f"The adapter '{name}' is no class but a {type(cls).__name__}; {DOCS}.")
    if missing:
        raise AuraError(
            f"The adapter '{name}' has not the methods `inventory` and `load`{_place(cls)}: "
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; {DOCS}."
        )


class Guarded:
    """An adapter whose errors are sentences, and whose results are what they have to be."""

    def __init__(
        self, name: str, cls: Callable[..., base.Adapter], root: Storage, options: Mapping[str, Any]
    ) -> None:
        self._name = name
        self._adapter: base.Adapter = self._call("opening", cls, root, options)
        classes = getattr(self._adapter, "classes", None)
        if not isinstance(classes, Mapping):
            raise AuraError(
                f"The adapter '{name}' has no mapping `classes`{_place(cls)}: label to the words "
                f"of its prompt; {DOCS}."
            )
        self.classes: Mapping[str, Any] = classes

    def inventory(self) -> Inventory:
        """See `base.Adapter`."""
        found = self._call("inventory", self._adapter.inventory)
        return self._checked("inventory", found, Inventory)

    def load(self, take: Take) -> Recording:
        """See `base.Adapter`."""
        return self._checked("load", self._call("load", self._adapter.load, take), Recording)

    def _call(self, what: str, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return function(*args)
        except AuraError:
            raise
        except Exception as error:
            if explain(error) and not isinstance(error, FileNotFoundError):  # of the machine
                raise
            said = " ".join(str(error).split()).rstrip(".")[:300]
            frames = traceback.extract_tb(error.__traceback__)
            own = [f for f in frames if f.filename != __file__] or list(frames)
            where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
            if len(frames) < 2:  # it could not even be called
                where = _place(function)
            raise AuraError(
                f"The adapter '{self._name}' fails in {what}: {type(error).__name__}"
                f"{': ' * bool(said)}{said}{where}."
            ) from error

    def _checked(self, what: str, found: Any, kind: type) -> Any:
        if not isinstance(found, kind):
            method = getattr(self._adapter, what)
            raise AuraError(
                f"The adapter '{self._name}' gives a {type(found).__name__} from {what}"
                f"{_place(method)} and not a {kind.__name__}; {DOCS}."
            )
        return found


def _place(what: Any) -> str:
    """File and line of a class or function, in brackets; nothing where it has none."""
    try:
        return f" ({Path(inspect.getfile(what)).name}, line {inspect.getsourcelines(what)[1]})"
    except (TypeError, OSError):
        return ""
