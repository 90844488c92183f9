"""AURA: one pipeline from hours of wearable-sensor recordings to a model of human activity."""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # `typer aura …` looks for an app in this module; importing it here would slow `import aura`.
    if name == "app":
        from aura.cli import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "app"]
