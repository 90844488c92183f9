"""Data sets: one adapter a file, all behind the protocol of `base.py`."""
