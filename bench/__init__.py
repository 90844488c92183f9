"""The project's own functions beside their limits and their peers, in one run: `aura bench`."""

import aura  # noqa: F401  before torch: it says how OpenMP's threads wait
