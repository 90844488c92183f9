"""A folder of recordings, read as a file `aura.yaml` in it says; `aura init FOLDER` writes one.

What it may say stands in `schema.py`. Files are read by `aura.formats`, and nothing of them is
filtered, calibrated, filled or straightened that the file does not ask for.
"""

from aura.datasets.folder.adapter import Adapter

__all__ = ["Adapter"]
