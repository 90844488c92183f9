"""DataLayout, the JSON tag of a VRS stream that tells where each field lies inside a payload."""

import json
import re

import numpy as np

from aura.errors import CorruptFile

# Type of a field by numpy's code of it.
DATA_PIECES = {
    "i8": "Value<int64_t>",
    "f8": "Value<double>",
    "f4": "Array<float>",
    "u1": "Value<Bool>",
}
# Bytes of the elements of a DataLayout; Point<n> has n values and Matrix<n> has n * n.
_ELEMENT = re.compile(r"DataPiece(?:Value|Array)<(?:(Point|Matrix)([234])D([dfi])|(\w+))>")
_ELEMENT_BYTES = {"Bool": 1, "char": 1, "float": 4, "double": 8} | {
    f"{sign}int{8 * size}_t": size for sign in ("", "u") for size in (1, 2, 4, 8)
}


def field_offsets(layout: str, fields: np.dtype) -> list[tuple[int, np.dtype]]:
    """Payload offset in bytes and type of each field of a structured type, by a DataLayout tag.

    The official reader takes a field's offset from its turn and not from its "offset", and gives
    zeros for a field that is absent or of another type. So both offsets have to agree, and a layout
    without one of the fields is refused here.
    """
    pieces_of: dict[str, list[tuple]] = {name: [] for name in fields.names or ()}
    position = 0
    for piece in json.loads(layout)["data_layout"]:
        if piece["name"] in pieces_of:
            size = piece.get("size", 1)
            offset = piece.get("offset", position)
            pieces_of[piece["name"]].append((piece["type"], size, position, offset))
        position += _piece_bytes(piece)
    offsets = []
    for name, pieces in pieces_of.items():
        dtype = fields[name]
        expected = f"DataPiece{DATA_PIECES[dtype.base.str[1:]]}", *(dtype.shape or (1,))
        if [piece[:2] for piece in pieces] != [expected]:
            raise CorruptFile(f"its DataLayout has no usable {name}")
        _, _, position, offset = pieces[0]
        if offset != position:
            raise CorruptFile(f"its DataLayout contradicts itself on where {name} is")
        offsets.append((position, dtype))
    return offsets


def _piece_bytes(piece: dict) -> int:
    """Fixed size of a field of a DataLayout; those of variable size come after all the others."""
    if re.match(r"DataPiece(String|StringMap|Vector)\b", piece["type"]):
        return 0
    match, count = _ELEMENT.fullmatch(piece["type"]), piece.get("size", 1)
    shape, side, unit, scalar = match.groups("") if match else ("", "", "", "")
    if shape:
        size = {"d": 8, "f": 4, "i": 4}[unit] * int(side) ** {"Point": 1, "Matrix": 2}[shape]
    else:
        size = _ELEMENT_BYTES.get(scalar, 0)
    if not size or type(count) is not int or not 0 <= count < 1 << 16:
        raise CorruptFile(f"its DataLayout has a {piece['type']:.40} of unknown size")
    return size * count
