"""The edge: one module a stage, each with `run(params, …)`; Ray, files and DVC live here."""

import aura  # noqa: F401  before torch: it says how OpenMP's threads wait
