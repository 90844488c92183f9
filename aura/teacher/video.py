"""Frames of many windows in one decode.

Windows overlap and share one sampling grid, so the frames that all windows of a recording need are
decoded once, and each is embedded once. Decoding is the `ffmpeg` program's, through ffmpeg-python,
of the whole file or of a copy of the packets that these frames need.
"""

import io
import subprocess
import tempfile
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import IO, Literal

import av
import ffmpeg
import numpy as np

from aura.errors import CorruptFile
from aura.teacher.ffmpeg import ffmpeg_program
from aura.teacher.video_gop import copy_needed_packets

_FRAME_TOLERANCE = 2
_OUTPUT = {
    "format": "image2pipe", "vcodec": "ppm", "pix_fmt": "rgb24", "fps_mode": "passthrough",
}  # fmt: skip
# A copy of packets says in its header all that ffmpeg otherwise decodes its beginning for.
_COPY_INPUT = {"probesize": 32, "analyzeduration": 0}


def window_frames(
    starts_s: Sequence[float], window_s: float, frames_per_window: int, rate_hz: float
) -> np.ndarray:
    """Frame numbers (windows, frames_per_window) at the middles of equal parts of each window."""
    offsets_s = (np.arange(frames_per_window) + 0.5) * window_s / frames_per_window
    return np.rint((np.asarray(starts_s)[:, None] + offsets_s) * rate_hz).astype(np.int64)


def check_frames(video: Path | IO[bytes], expected: int) -> tuple[str, bool]:
    """Compare a video's number of frames with its take's.

    Frames are found by number, so a video with another number of frames than its take has is of
    another clock; one or two off are the encoder's.

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
        frames = probe(video)[2]
    except CorruptFile:
        return "video cannot be opened", False
    if not expected or not frames or frames == expected:
        return "", True
    if abs(frames - expected) <= _FRAME_TOLERANCE:
        return "video is a frame or two off the take", True
    return "video has another number of frames than the take", False


def probe(video: Path | IO[bytes]) -> tuple[int, int, int]:
    """Width, height and number of frames by the container's header; `CorruptFile` if unreadable.

    Of an open file only the header is read.
    """
    try:
        with av.open(str(video) if isinstance(video, Path) else video) as container:
            stream = container.streams.video[0]
            return stream.width, stream.height, stream.frames
    except (av.FFmpegError, IndexError, OSError) as error:
        raise CorruptFile(f"{video} is not a readable video: {error}.") from None


def decode_frames(
    path: Path,
    numbers: Sequence[int] | np.ndarray,
    batch: int,
    decoder: Literal["ffmpeg", "gop"] = "ffmpeg",
) -> Generator[np.ndarray, None, None]:
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
        yield from _decode(path, selected, batch, path)
        return
    with tempfile.TemporaryDirectory(prefix="aura-video-") as folder:
        copy = Path(folder) / "packets.mp4"
        renumbered = copy_needed_packets(path, selected, copy)
        if renumbered is None:
            yield from _decode(path, selected, batch, path)
            return
        count = 0
        decoded = _decode(copy, renumbered, batch, path, **_COPY_INPUT) if renumbered else ()
        for frames in decoded:
            count += len(frames)
            yield frames
        if count != len(renumbered):
            missing = len(renumbered) - count
            raise CorruptFile(f"{path} has {missing} frames less than its packets say.")


def _decode(
    path: Path, numbers: Sequence[int], batch: int, source: Path, **options: int
) -> Iterator[np.ndarray]:
    """Through the `ffmpeg` program, `options` before its input; an error names `source`."""
    # Each frame comes with its size in front: ffmpeg turns a portrait video as its header asks.
    command = (
        ffmpeg.input(str(path), threads=1, **options)
        .filter("select", _select_expression(numbers))
        .output("pipe:", threads=1, **_OUTPUT)
        .global_args("-loglevel", "error", "-xerror", "-nostdin")
        .compile(cmd=ffmpeg_program())
    )
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, bufsize=0) as process,
    ):
        assert isinstance(process.stdout, io.RawIOBase)
        complete = False
        try:
            yield from _read_ppm(process.stdout, min(batch, len(numbers)))
            complete = True
        except EOFError:
            pass
        finally:
            process.stdout.close()
            failed = process.wait()
        if failed or not complete:
            errors.seek(0)
            reason = errors.read().decode(errors="replace").strip().splitlines()
            raise CorruptFile(f"{source} cannot be decoded: {reason[-1] if reason else 'cut off'}.")


def _read_ppm(pipe: io.RawIOBase, batch: int) -> Iterator[np.ndarray]:
    """Pictures (b, H, W, 3), each with its PPM header in front; `EOFError` if one is cut off."""
    header = b"".join(pipe.readline() for _ in range(3))  # P6, width height, 255
    if header and not header.endswith(b"255\n"):
        raise EOFError
    next_header = bytearray(len(header))
    at_end = not header
    while not at_end:
        width, height = map(int, header.split()[1:3])
        images = np.empty((batch, height, width, 3), np.uint8)
        count = 0
        while not at_end and count < batch:
            _read_into(pipe, images[count].reshape(-1).data)
            count += 1
            at_end = not _read_into(pipe, memoryview(next_header), or_end=True)
            if not at_end and next_header != header:
                raise EOFError
        yield images[:count]


def _read_into(pipe: io.RawIOBase, buffer: memoryview, or_end: bool = False) -> bool:
    """Fill a buffer. At the end of the pipe: False with `or_end`, else `EOFError`."""
    filled = 0
    while filled < len(buffer):
        size = pipe.readinto(buffer[filled:])
        if not size:
            if or_end and not filled:
                return False
            raise EOFError
        filled += size
    return True


def _select_expression(numbers: Sequence[int]) -> str:
    """Expression, for ffmpeg, of being one of these numbers: a search tree, so that hours fit."""
    if len(numbers) <= 1:
        return f"eq(n,{numbers[0]})" if numbers else "0"
    middle = len(numbers) // 2
    left, right = _select_expression(numbers[:middle]), _select_expression(numbers[middle:])
    return f"if(lt(n,{numbers[middle]}),{left},{right})"
