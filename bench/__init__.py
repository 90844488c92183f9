"""The project's own functions beside their limits and their peers, in one run: `aura bench`."""
