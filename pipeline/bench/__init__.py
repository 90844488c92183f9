"""bench: the project's own functions beside their limits and their peers, in one run."""

from pipeline.bench.run import run

__all__ = ["run"]
