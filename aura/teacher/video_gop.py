"""A thin copy of an H.264 file: the packets that some of its frames need, and no others.

A group of pictures (GOP) starts at an IDR picture, which no later picture looks behind. So a group
without a wanted frame can be left out, and so can what follows a group's last wanted packet, and
pictures that none refers to. What is left goes through the same decoder and the same conversion as
the whole file would, and gives the same bits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

_SLICE, _PARTITIONS, _IDR, _PARAMETERS = 1, (2, 3, 4), 5, (7, 8)  # kinds of NAL unit
_HIGH = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)  # profiles with more fields
_EXTENDED_RATIO = 255


class Unsure(Exception):
    """The file is not of the kind whose frames are known from its packets."""


@dataclass(frozen=True)
class Picture:
    """What a packet's header says: time of display, whether it starts a group, is referred to."""

    pts: int
    idr: bool
    reference: bool


def thin(path: Path, numbers: Sequence[int] | np.ndarray, out: Path) -> list[int] | None:
    """Write the packets that frames need to an MP4.

    Parameters
    ----------
    numbers : (n,) increasing frame numbers, distinct.

    Returns
    -------
    The numbers that these frames have in the copy, without those past the end; None where that is
    not sure, as of open groups, interlaced pictures, other codecs, times that are not in order, or
    a file that cannot be read to its end.
    """
    wanted, found = np.asarray(numbers, np.int64), list[int]()
    first = kept = 0  # frames of the file and of the copy before this group
    try:
        with av.open(str(path)) as source, av.open(str(out), "w", format="mp4") as copy:
            (stream,) = source.streams.video
            if stream.codec_context.name != "h264":
                return None
            size = length_size(stream.codec_context.extradata or b"")
            target = copy.add_stream_from_template(stream)
            target.time_base = stream.time_base
            for packets, pictures in _groups(source.demux(stream), size):
                begin, end = np.searchsorted(wanted, [first, first + len(pictures)])
                keep, places = plan(pictures, wanted[begin:end] - first)
                found += [kept + place for place in places]
                for index in keep:
                    packets[index].stream = target
                    copy.mux_one(packets[index])
                first, kept = first + len(pictures), kept + len(keep)
            return found if first == (stream.frames or first) else None
    except (Unsure, av.FFmpegError, IndexError, OSError, ValueError):
        return None


def plan(pictures: Sequence[Picture], wanted: np.ndarray) -> tuple[list[int], list[int]]:
    """Which pictures of a group, in decoding order, its wanted frames need.

    Parameters
    ----------
    wanted : (n,) increasing places in the order of display.

    Returns
    -------
    Indices of the pictures to keep, and the places (n,) of the wanted among these, as displayed.
    """
    if not len(wanted):
        return [], []
    shown = np.argsort([picture.pts for picture in pictures])
    targets = set(shown[wanted].tolist())
    needed = range(max(targets) + 1)
    keep = [index for index in needed if pictures[index].reference or index in targets]
    times = sorted(pictures[index].pts for index in keep)
    places = np.searchsorted(times, [pictures[index].pts for index in shown[wanted]])
    return keep, places.tolist()


def _groups(
    packets: Iterator[av.Packet], size: int
) -> Iterator[tuple[list[av.Packet], list[Picture]]]:
    """Packets from one IDR picture up to the next, in the order of decoding."""
    group: list[av.Packet] = []
    pictures: list[Picture] = []
    before: int | None = None
    for packet in packets:
        if not packet.size:  # ends the stream
            continue
        picture = _picture(packet, size)
        if picture.idr and group:
            before = _last_time(pictures, before)
            yield group, pictures
            group, pictures = [], []
        group.append(packet)
        pictures.append(picture)
    if group:
        _last_time(pictures, before)
        yield group, pictures


def _last_time(pictures: Sequence[Picture], before: int | None) -> int:
    """When the last picture of a group is shown; `Unsure` if the group is not closed in time."""
    times = [picture.pts for picture in pictures]
    if not pictures[0].idr or min(times) != times[0] or len(set(times)) < len(times):
        raise Unsure
    if before is not None and times[0] <= before:
        raise Unsure
    return max(times)


def _picture(packet: av.Packet, size: int) -> Picture:
    if packet.pts is None or packet.dts is None or packet.is_corrupt or packet.is_discard:
        raise Unsure
    data, at = memoryview(packet), 0
    while at + size < len(data):
        kind, rank = data[at + size] & 31, data[at + size] >> 5 & 3
        if kind in (_SLICE, _IDR):
            return Picture(packet.pts, kind == _IDR, rank > 0)
        if kind in _PARTITIONS or kind in _PARAMETERS:
            raise Unsure
        at += size + int.from_bytes(data[at : at + size])
    raise Unsure


def length_size(configuration: bytes) -> int:
    """Bytes of the length before each NAL unit, by an MP4's `avcC`.

    `Unsure` where one picture need not be one packet, or where the order of display is for a
    decoder to guess.
    """
    if len(configuration) < 8 or configuration[0] != 1 or configuration[5] & 31 != 1:
        raise Unsure
    length = int.from_bytes(configuration[6:8])
    if not _plain(_Bits(configuration[8 : 8 + length])):
        raise Unsure
    return (configuration[4] & 3) + 1


class _Bits:
    """Reads a NAL unit bit by bit; `Unsure` past its end."""

    def __init__(self, unit: bytes) -> None:
        content = unit.replace(b"\0\0\3", b"\0\0")  # the 3 keeps a start code out of the payload
        self._bits = "".join(f"{byte:08b}" for byte in content)
        self._at = 0

    def u(self, bits: int) -> int:
        """An unsigned number of so many bits."""
        self._at += bits
        if self._at > len(self._bits):
            raise Unsure
        return int(self._bits[self._at - bits : self._at] or "0", 2)

    def ue(self) -> int:
        """An Exp-Golomb number; a signed one takes as many bits."""
        zeros = 0
        while not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)


def _plain(sps: _Bits) -> bool:
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
    order = sps.ue()
    if order == 0:
        sps.ue()
    elif order == 1:
        return False
    sps.ue()
    gaps_allowed = sps.u(1)
    sps.ue()
    sps.ue()
    frames_only = sps.u(1)
    if gaps_allowed or not frames_only:
        return False
    if order == 2:  # shown as decoded
        return True
    sps.u(1)
    if sps.u(1):  # cropped
        for _ in range(4):
            sps.ue()
    return bool(sps.u(1)) and _says_reordering(sps)


def _says_reordering(vui: _Bits) -> bool:
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
    hypothetical = [vui.u(1) and _skip_hrd(vui) for _ in range(2)]
    if any(hypothetical):
        vui.u(1)
    vui.u(1)
    return bool(vui.u(1))


def _skip_hrd(vui: _Bits) -> bool:
    count = vui.ue() + 1
    vui.u(8)
    for _ in range(count):
        vui.ue()
        vui.ue()
        vui.u(1)
    vui.u(20)
    return True
