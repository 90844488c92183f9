"""How a video file is opened, which nobody vouches for: as a container of packets, or not at all.

To ffmpeg a playlist, a list of files to join or a session description is an input like any other,
whatever the file is called, and makes it open what it names, here or on the network. So the formats
that hold their own packets are named here, as are the ways by which bytes may come.
"""

from pathlib import Path
from typing import IO

import av

FORMATS = (
    "mp4", "mov", "matroska", "webm", "avi", "flv", "mpegts", "mpeg", "asf", "ogg", "ivf", "h264",
    "hevc",
)  # fmt: skip
"""Names of libavformat's demuxers that open no other file."""
MOST_PIXELS = 1 << 26
"""Of a picture, twice an 8K one: a larger one is a header's mistake."""
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)}
"""Of libavformat, for whatever opens a video, in this process or another."""
UNREADABLE = (
    av.FFmpegError, OSError, ValueError, LookupError, OverflowError, MemoryError, AttributeError,
)  # fmt: skip
"""What PyAV raises for a damaged file: attributes are those of a codec that it knows."""


def open_video(video: Path | IO[bytes]) -> av.container.InputContainer:
    """Open a video; one of `UNREADABLE` is raised where it is none.

    Parameters
    ----------
    video : Path or IO[bytes]
        File, by path or open.

    Returns
    -------
    InputContainer
        Bytes in its metadata that are no UTF-8 are replaced.
    """
    source = f"file:{video}" if isinstance(video, Path) else video
    return av.open(source, "r", options=dict(OPTIONS), metadata_errors="replace")
