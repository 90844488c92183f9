"""What the headers of an H.264 stream in an MP4 say of its pictures (ITU-T H.264, 7 and E)."""

from dataclasses import dataclass

import av

_SLICE, _PARTITIONS, _IDR, _PARAMETER_SETS = 1, (2, 3, 4), 5, (7, 8)  # nal_unit_type
_HIGH = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)  # profiles with more fields
_EXTENDED_RATIO = 255


class Unsupported(Exception):
    """The file is not of the kind whose frames are known from its packets."""


@dataclass(frozen=True)
class Picture:
    """What a packet's header says.

    Attributes
    ----------
    pts : int
        Time of display, in ticks of the stream.
    idr : bool
        Whether it starts a group.
    reference : bool
        Whether others may refer to it.
    """

    pts: int
    idr: bool
    reference: bool


def read_picture(packet: av.Packet, size: int) -> Picture:
    """The header of a packet's first slice; NAL units have lengths of `size` bytes before them."""
    if packet.pts is None or packet.dts is None or packet.is_corrupt or packet.is_discard:
        raise Unsupported
    data, offset = memoryview(packet), 0
    while offset + size < len(data):
        unit_type, ref_idc = data[offset + size] & 31, data[offset + size] >> 5 & 3
        if unit_type in (_SLICE, _IDR):
            return Picture(packet.pts, unit_type == _IDR, ref_idc > 0)
        if unit_type in _PARTITIONS or unit_type in _PARAMETER_SETS:
            raise Unsupported
        offset += size + int.from_bytes(data[offset : offset + size])
    raise Unsupported


def length_size(configuration: bytes) -> int:
    """Bytes of the length before each NAL unit, by an MP4's `avcC`.

    `Unsupported` where one picture need not be one packet, or where the order of display is for a
    decoder to guess.
    """
    if len(configuration) < 8 or configuration[0] != 1 or configuration[5] & 31 != 1:
        raise Unsupported
    length = int.from_bytes(configuration[6:8])
    if not _is_progressive_and_ordered(_BitReader(configuration[8 : 8 + length])):
        raise Unsupported
    return (configuration[4] & 3) + 1


class _BitReader:
    """Reads a NAL unit bit by bit; `Unsupported` past its end."""

    def __init__(self, unit: bytes) -> None:
        content = unit.replace(b"\0\0\3", b"\0\0")  # the 3 keeps a start code out of the payload
        self._bits = "".join(f"{byte:08b}" for byte in content)
        self._position = 0

    def u(self, bits: int) -> int:
        """An unsigned number of so many bits."""
        self._position += bits
        if self._position > len(self._bits):
            raise Unsupported
        return int(self._bits[self._position - bits : self._position] or "0", 2)

    def ue(self) -> int:
        """An Exp-Golomb number; a signed one takes as many bits."""
        zeros = 0
        while not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)


def _is_progressive_and_ordered(sps: _BitReader) -> bool:
    """Whether a sequence is of whole frames, and says how far these are reordered.

    Fields as in 7.3.2.1.1 and E.1.1 of ITU-T H.264, read up to what is asked.
    """
    sps.u(8)
    profile = sps.u(8)
    sps.u(16)
    sps.ue()
    if profile in _HIGH:
        if sps.ue() == 3:
            sps.u(1)
        sps.ue()
        sps.ue()
        sps.u(1)
        if sps.u(1):  # scaling matrices
            return False
    sps.ue()
    order_type = sps.ue()
    if order_type == 0:
        sps.ue()
    elif order_type == 1:
        return False
    sps.ue()
    gaps_allowed = sps.u(1)
    sps.ue()
    sps.ue()
    frames_only = sps.u(1)
    if gaps_allowed or not frames_only:
        return False
    if order_type == 2:  # shown as decoded
        return True
    sps.u(1)
    if sps.u(1):  # cropped
        for _ in range(4):
            sps.ue()
    return bool(sps.u(1)) and _has_bitstream_restriction(sps)


def _has_bitstream_restriction(vui: _BitReader) -> bool:
    """Whether the VUI holds the flag after which the depth of reordering is said."""
    if vui.u(1) and vui.u(8) == _EXTENDED_RATIO:
        vui.u(32)
    if vui.u(1):
        vui.u(1)
    if vui.u(1):
        vui.u(4)
        if vui.u(1):
            vui.u(24)
    if vui.u(1):
        vui.ue()
        vui.ue()
    if vui.u(1):
        vui.u(65)
    has_hrd = [vui.u(1) and _skip_hrd(vui) for _ in range(2)]
    if any(has_hrd):
        vui.u(1)
    vui.u(1)
    return bool(vui.u(1))


def _skip_hrd(vui: _BitReader) -> bool:
    """Read past the parameters of a hypothetical decoder."""
    count = vui.ue() + 1
    vui.u(8)
    for _ in range(count):
        vui.ue()
        vui.ue()
        vui.u(1)
    vui.u(20)
    return True
