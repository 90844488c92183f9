"""Arrays that may be larger than memory: in a file without a name, which the system pages."""

import os
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

IN_MEMORY_BYTES = 64 << 20
"""Below this an array is in memory; a file would cost more than it saves."""


def zeros(shape: tuple[int, ...], dtype: np.dtype | type, folder: Path | None) -> np.ndarray:
    """An array of zeros.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : numpy.dtype or type
        Its type.
    folder : Path or None
        Where a large one has its file, which has no name and goes with the array; None keeps all
        in memory.

    Returns
    -------
    np.ndarray
        (*shape), zeros.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if folder is None or size < IN_MEMORY_BYTES:
        return np.zeros(shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder) as file:
        # A full disk is an error here; met when a page is written, it would end the process.
        os.posix_fallocate(file.fileno(), 0, size)
        # The map keeps the file open, so that it is there as long as the array.
        return np.memmap(file, dtype, "w+", shape=shape)
