"""Frames of many windows in one decode.

Windows overlap and share one sampling grid, so the frames that all windows of a recording need are
decoded once, and each is embedded once. Decoding is the `ffmpeg` program's, through ffmpeg-python,
of the whole file or of a copy of the packets that these frames need.
"""

import shutil
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import IO, Literal

import numpy as np

from aura.errors import CorruptFile
from aura.teacher.container import MOST_PIXELS, UNREADABLE, open_video
from aura.teacher.video_check import compare_frames
from aura.teacher.video_gop import copy_needed_packets
from aura.teacher.video_header import frames_by_header
from aura.teacher.video_pipe import decode_selected

# A copy of packets says in its header all that ffmpeg otherwise decodes its beginning for.
_COPY_INPUT = {"probesize": 32, "analyzeduration": 0}


def window_frames(
    starts_s: Sequence[float], window_s: float, frames_per_window: int, rate_hz: float
) -> np.ndarray:
    """Frame numbers (windows, frames_per_window) at the middles of equal parts of each window."""
    offsets_s = (np.arange(frames_per_window) + 0.5) * window_s / frames_per_window
    return np.rint((np.asarray(starts_s)[:, None] + offsets_s) * rate_hz).astype(np.int64)


def check_frames(video: Path | IO[bytes], expected: int) -> tuple[str, bool]:
    """What `compare_frames` says of a file, and whether it can be opened and decoded.

    It is decoded, once, where its header does not prove that it shows as many frames as the take
    has. Damage in a file whose header does goes unseen.

    Parameters
    ----------
    video : Path or IO[bytes]
        File, by path or open.
    expected : int
        Frames of the take, 0 if that is not known.

    Returns
    -------
    reason : str
        Why the video is not as it should be, "" if it is.
    usable : bool
        Whether it can be used all the same.
    """
    try:
        probe(video)
    except CorruptFile:
        return "video cannot be opened", False
    if not expected or frames_by_header(video) == expected:
        return "", True
    try:
        return compare_frames(count_frames(video), expected)
    except CorruptFile:
        return "video cannot be decoded", False


def count_frames(video: Path | IO[bytes]) -> int:
    """Frames that a video shows, by decoding it; `CorruptFile` if that fails."""
    if not isinstance(video, Path):
        with tempfile.NamedTemporaryFile(prefix="aura-video-") as copy:
            video.seek(0)
            shutil.copyfileobj(video, copy)
            copy.flush()
            return count_frames(Path(copy.name))
    counting = decode_selected(video, [], 1, video)
    while True:
        try:
            next(counting)
        except StopIteration as end:
            return int(end.value)


def probe(video: Path | IO[bytes]) -> tuple[int, int, int]:
    """Width, height and number of frames by the container's header; `CorruptFile` if unreadable.

    Of an open file only the header is read.
    """
    try:
        with open_video(video) as container:
            stream = container.streams.video[0]
            if stream.width * stream.height > MOST_PIXELS:
                raise ValueError(f"its pictures are of {stream.width} by {stream.height}")
            return stream.width, stream.height, stream.frames
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or error
        raise CorruptFile(f"{video} is not a readable video: {reason}.") from None


def decode_frames(
    path: Path,
    numbers: Sequence[int] | np.ndarray,
    batch: int,
    decoder: Literal["ffmpeg", "gop"] = "ffmpeg",
) -> Generator[np.ndarray, None, int]:
    """Decode the frames with these numbers, in one pass, at their own size, the right way up.

    Parameters
    ----------
    path : Path
        File of the video.
    numbers : (n,) int
        Frame numbers, increasing and distinct.
    batch : int
        Most frames yielded at once.
    decoder : "ffmpeg" or "gop"
        `ffmpeg` decodes all of the file. `gop` leaves out what no frame asked for needs, where that
        is sure (`aura/teacher/video_gop.py`); the frames are the same bits, and damage in what is
        left out goes unseen.

    Returns
    -------
    int
        Frames that the video shows, for `compare_frames`.

    Yields
    ------
    (b, H, W, 3) uint8
        RGB. Frames past the end of the file are absent: fewer than n come in all.

    Raises
    ------
    CorruptFile
        The file is not a video or decoding fails.
    """
    probe(path)
    selected = [int(number) for number in numbers]
    if decoder == "ffmpeg":
        return (yield from decode_selected(path, selected, batch, path))
    with tempfile.TemporaryDirectory(prefix="aura-video-") as folder:
        copy = Path(folder) / "packets.mp4"
        copied = copy_needed_packets(path, selected, copy)
        if copied is None:
            return (yield from decode_selected(path, selected, batch, path))
        renumbered, shown = copied
        count = 0
        if renumbered:
            for frames in decode_selected(copy, renumbered, batch, path, **_COPY_INPUT):
                count += len(frames)
                yield frames
        if count != len(renumbered):
            missing = len(renumbered) - count
            raise CorruptFile(f"{path} has {missing} frames less than its packets say.")
        return shown
