"""Records of a VRS file whose index is lost, found one after the other by their own sizes."""

import struct

import numpy as np

from aura.errors import CorruptFile

_HEADER_BYTES = 32
_START = struct.Struct("<IIi")  # size, size of the record before, type id
_KIND = 26  # byte of a record header that says what kind it is
_KINDS = (1, 2, 3)  # state, configuration, data
_INDEX_TYPE_ID = 1


def record_offsets(data: np.ndarray, start: int, index_offset: int) -> np.ndarray:
    """Where each user record begins, in bytes, and where the last one ends.

    Each says its own size and that of the one before it, and both have to agree to the end: of the
    file, or of the records, where the index was. A last record that was not written to its end is
    left out where the recording never came to its index, or where it is the index itself. A file
    that ends before the place of its index is a copy that broke off.

    Parameters
    ----------
    data : np.ndarray
        (bytes,) uint8, the whole file.
    start : int
        Of the first record.
    index_offset : int
        Where the index should be; 0 where none was written.

    Returns
    -------
    np.ndarray
        (R + 1,) int64.

    Raises
    ------
    CorruptFile
        The records are not whole.
    """
    view, end = data.data, data.size
    if index_offset > end:
        raise CorruptFile(f"it is cut short at {end} bytes, and its index was at {index_offset}")
    position, previous, offsets = start, 0, [start]
    while position < end:
        if end - position < _HEADER_BYTES:
            break
        size, before, type_id = _START.unpack_from(view, position)
        chained = before == previous or position == start
        if chained and type_id == _INDEX_TYPE_ID:
            return np.array(offsets, np.int64)
        if not chained or size < _HEADER_BYTES or view[position + _KIND] not in _KINDS:
            if index_offset or data[position:].any():  # space set aside and not yet written
                raise CorruptFile(f"its index is lost, and its records break off at {position}")
            break
        if position + size > end:
            break
        position, previous = position + size, size
        offsets.append(position)
    if position < end and index_offset not in (0, position):
        raise CorruptFile(f"its index is lost, and it is cut short at {end} bytes, in a record")
    return np.array(offsets, np.int64)
