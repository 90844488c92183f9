"""How many frames a video shows, where its header alone proves it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import av

from aura.teacher.container import UNREADABLE, open_video

# Codecs of which each sample of an MP4 is one frame shown.
_ONE_FRAME_A_SAMPLE = ("h264", "hevc", "av1")
_KEY_FRAME, _DISCARDED = 1, 2  # flags of an entry of the index
_MOST_BOXES = 1 << 16  # at the top of an MP4; a video that is no fragments has a handful
_FIRST_PACKETS = 64  # among which pictures that a key frame leads to, and cannot give, are found


def frames_by_header(video: Path | IO[bytes]) -> int | None:
    """Frames that an MP4 shows, by its index; None where only decoding can tell.

    That is of other containers, fragments, edit lists that hide frames, and files that begin within
    a group of pictures, some of which then do not decode.

    Parameters
    ----------
    video : Path or IO[bytes]
        File, by path or open.

    Returns
    -------
    int or None
        Frames.
    """
    try:
        with _opened(video) as file:
            if _is_fragmented(file):
                return None
            file.seek(0)
            with open_video(file) as container:
                stream = container.streams.video[0]
                entries = list(stream.index_entries) if hasattr(stream, "index_entries") else []
                if (
                    "mp4" not in container.format.name
                    or stream.codec_context.codec.canonical_name not in _ONE_FRAME_A_SAMPLE
                    or not stream.frames == len(entries) > 0
                    or not entries[0].flags & _KEY_FRAME
                    or any(entry.flags & _DISCARDED for entry in entries)
                    or _begins_within_a_group(container, stream)
                ):
                    return None
                return int(stream.frames)
    except UNREADABLE:
        return None


@contextmanager
def _opened(video: Path | IO[bytes]) -> Iterator[IO[bytes]]:
    if isinstance(video, Path):
        with video.open("rb") as file:
            yield file
    else:
        yield video


def _is_fragmented(file: IO[bytes]) -> bool:
    """Whether an MP4 has a `moof` among its boxes; the index knows the first fragment only.

    One of more boxes than any is taken as such, since only decoding can tell then.
    """
    end = file.seek(0, os.SEEK_END)
    position = 0
    for _ in range(_MOST_BOXES):
        if position + 8 > end:
            return False
        file.seek(position)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4]), head[4:8]
        if kind == b"moof":
            return True
        if size == 1:
            size = int.from_bytes(head[8:16])
        if size < 8:  # to the end of the file, or not a box
            return False
        position += size
    return True


def _begins_within_a_group(container: av.container.InputContainer, stream: av.VideoStream) -> bool:
    """Whether pictures are shown before the key frame that the file begins with."""
    first: int | None = None
    for count, packet in enumerate(container.demux(stream)):
        if not packet.size or count == _FIRST_PACKETS:
            break
        if packet.pts is None or (first is not None and packet.pts < first):
            return True
        first = packet.pts if first is None else first
    return False
