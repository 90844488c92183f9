"""AURA: one pipeline from hours of wearable-sensor recordings to a model of human activity.

encoders = aura.load("models/synthetic/joint")  # see aura.inference
"""

import os
from importlib import import_module
from typing import Any

__version__ = "0.2.0"

# Threads of OpenMP, which torch computes with, sleep while they wait instead of spinning: beside
# another busy program each wait would cost a slice of the scheduler's. OpenMP reads it once, when
# torch is imported; what the user has set stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Imported when asked for, by name only: `import aura` loads no torch, and what a stage depends on,
# which is read from the import statements of its code, does not grow by the whole of inference.
_LATER = {
    "load": "aura.inference",
    "Encoders": "aura.inference",
    "search": "aura.evaluation.search",
}


def __getattr__(name: str) -> Any:
    # `typer aura …` looks for an app in this module; importing it here would slow `import aura`.
    if name == "app":
        from aura.cli import app

        return app
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "app", *_LATER]
