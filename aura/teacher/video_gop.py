"""A copy of the packets of an H.264 file that some of its frames need, and of no others.

A group of pictures (GOP) starts at an IDR picture, which no later picture looks behind. So a group
without a selected frame can be left out, and so can what follows a group's last selected packet,
and pictures that none refers to. What is left goes through the same decoder and the same conversion
as the whole file would, and gives the same bits.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np

from aura.teacher.container import UNREADABLE, open_video
from aura.teacher.h264 import Picture, Unsupported, length_size, read_picture


def copy_needed_packets(
    path: Path, numbers: Sequence[int] | np.ndarray, out: Path
) -> tuple[list[int], int] | None:
    """Write the packets that some frames need to an MP4.

    Parameters
    ----------
    path : Path
        File of the video.
    numbers : (n,) int
        Frame numbers, increasing and distinct.
    out : Path
        File to write.

    Returns
    -------
    (list of int, int) or None
        The numbers that these frames have in the copy, without those past the end, and how many
        frames the file shows; None where that is not sure, as of open groups, edit lists,
        interlaced pictures, other codecs, times that are not in order, or a file that cannot be
        read to its end.
    """
    selected, renumbered = np.asarray(numbers, np.int64), list[int]()
    first = kept = 0  # frames of the file and of the copy before this group
    try:
        with open_video(path) as source, av.open(str(out), "w", format="mp4") as copy:
            (stream,) = source.streams.video
            if stream.codec_context.name != "h264":
                return None
            size = length_size(stream.codec_context.extradata or b"")
            target = copy.add_stream_from_template(stream)
            target.time_base = stream.time_base
            for packets, pictures in _groups(source.demux(stream), size):
                begin, end = np.searchsorted(selected, [first, first + len(pictures)])
                keep, positions = needed_pictures(pictures, selected[begin:end] - first)
                renumbered += [kept + position for position in positions]
                for index in keep:
                    packets[index].stream = target
                    copy.mux_one(packets[index])
                first, kept = first + len(pictures), kept + len(keep)
            return (renumbered, first) if first == (stream.frames or first) else None
    except (Unsupported, *UNREADABLE):
        return None


def needed_pictures(
    pictures: Sequence[Picture], selected: np.ndarray
) -> tuple[list[int], list[int]]:
    """Which pictures of a group its selected frames need.

    Parameters
    ----------
    pictures : Sequence[Picture]
        A group, in decoding order.
    selected : (n,) int
        Positions of frames in display order, increasing.

    Returns
    -------
    keep : list of int
        Indices of the pictures to keep.
    positions : (n,) list of int
        Positions of the selected frames among these, in display order.
    """
    if not len(selected):
        return [], []
    display_order = np.argsort([picture.pts for picture in pictures])
    targets = set(display_order[selected].tolist())
    decoded = range(max(targets) + 1)
    keep = [index for index in decoded if pictures[index].reference or index in targets]
    times = sorted(pictures[index].pts for index in keep)
    positions = np.searchsorted(times, [pictures[index].pts for index in display_order[selected]])
    return keep, positions.tolist()


def _groups(
    packets: Iterator[av.Packet], size: int
) -> Iterator[tuple[list[av.Packet], list[Picture]]]:
    """Packets from one IDR picture up to the next, in the order of decoding."""
    group: list[av.Packet] = []
    pictures: list[Picture] = []
    previous_end: int | None = None
    for packet in packets:
        if not packet.size:  # ends the stream
            continue
        picture = read_picture(packet, size)
        if picture.idr and group:
            previous_end = _last_time(pictures, previous_end)
            yield group, pictures
            group, pictures = [], []
        group.append(packet)
        pictures.append(picture)
    if group:
        _last_time(pictures, previous_end)
        yield group, pictures


def _last_time(pictures: Sequence[Picture], previous_end: int | None) -> int:
    """When a group's last picture is shown; `Unsupported` if the group is not closed in time."""
    times = [picture.pts for picture in pictures]
    if not pictures[0].idr or min(times) != times[0] or len(set(times)) < len(times):
        raise Unsupported
    if previous_end is not None and times[0] <= previous_end:
        raise Unsupported
    return max(times)
