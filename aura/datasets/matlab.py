"""One matrix of numbers out of a MAT-file, whose header may promise anything.

scipy reads such files; what it would unpack or set aside is known before it does so.
"""

import io
import math
import zlib
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat

from aura.errors import CorruptFile

_MOST_BYTES = 256 << 20  # of a file, unpacked; those of UTD-MHAD have 30 KB
_NUMBERS = {
    "double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "logical",
}  # fmt: skip
_HEADER, _PACKED = 128, 15  # bytes before the first element; the type of one that is packed


def read_matrix(content: bytes, key: str) -> NDArray[np.float64]:
    """Read a matrix by name.

    Parameters
    ----------
    content : bytes
        The file, of a version before 7.3.
    key : str
        Name of the matrix.

    Returns
    -------
    ndarray
        float64, of any shape.

    Raises
    ------
    CorruptFile
        Whatever is wrong with it.
    """
    try:
        _require_small(content)
        found = [
            (*shape, kind) for name, shape, kind in whosmat(io.BytesIO(content)) if name == key
        ]
        if len(found) != 1 or found[0][-1] not in _NUMBERS:  # no cells, structs or objects
            raise ValueError(f"it has no matrix of numbers called {key}")
        *sides, _ = found[0]
        if min(sides, default=0) < 0 or 8 * math.prod(sides) > _MOST_BYTES:
            raise ValueError(f"{key} is of size {sides}")
        read: Any = loadmat(io.BytesIO(content), variable_names=[key])[key]
        values: NDArray[np.float64] = np.asarray(read, dtype=np.float64)
        if list(values.shape) != sides:
            raise ValueError(f"{key} is not of size {sides}")
    except Exception as error:  # scipy raises many kinds on a damaged file
        raise CorruptFile(f"it is no MAT-file to read from: {error}.") from None
    return values


def _require_small(content: bytes) -> None:
    """`ValueError` where the elements unpack to more than any such file has."""
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it has {len(content)} bytes")
    order: Literal["big", "little"] = "big" if content[126:128] == b"MI" else "little"
    at, left = _HEADER, _MOST_BYTES
    while at + 8 <= len(content):
        kind, size = (int.from_bytes(content[at + i : at + i + 4], order) for i in (0, 4))
        if kind == _PACKED:
            unpacker = zlib.decompressobj()
            unpacked = len(unpacker.decompress(content[at + 8 : at + 8 + size], left + 1))
            left -= unpacked
            if left < 0:
                raise ValueError(f"it unpacks to more than {_MOST_BYTES} bytes")
        at += 8 + size
