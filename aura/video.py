"""Frames of many windows in one decode.

Windows overlap and share one sampling grid, so the frames that all windows of a recording need are
decoded once, and each is embedded once. Decoding is the `ffmpeg` program's, through ffmpeg-python.
"""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import av
import ffmpeg
import numpy as np

from aura.errors import CorruptFile
from aura.ffmpeg import ffmpeg_program

_FEW_FRAMES = 2


def window_frames(
    starts_s: Sequence[float], window_s: float, frames_per_window: int, rate_hz: float
) -> np.ndarray:
    """Frame numbers (windows, frames_per_window) at the middles of equal parts of each window."""
    middles = (np.arange(frames_per_window) + 0.5) * window_s / frames_per_window
    return np.rint((np.asarray(starts_s)[:, None] + middles) * rate_hz).astype(np.int64)


def check_frames(video: Path | IO[bytes], expected: int) -> tuple[str, bool]:
    """Why a video is not as it should be, "" if it is, and whether it can be used all the same.

    Frames are found by number, so a video with another number of frames than its take has is of
    another clock; one or two off are the encoder's. `expected` 0 is not known.
    """
    try:
        frames = probe(video)[2]
    except CorruptFile:
        return "video cannot be opened", False
    if not expected or not frames or frames == expected:
        return "", True
    if abs(frames - expected) <= _FEW_FRAMES:
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
    path: Path, numbers: Sequence[int] | np.ndarray, batch: int
) -> Iterator[np.ndarray]:
    """Decode the frames with these numbers, in one pass, at their own size, the right way up.

    Parameters
    ----------
    numbers : (n,) increasing frame numbers, distinct; batch : most frames yielded at once.

    Yields
    ------
    (b, H, W, 3) uint8 RGB. Frames past the end of the file are absent: fewer than n come in all.

    Raises
    ------
    CorruptFile
        The file is not a video or decoding fails.
    """
    probe(path)
    # Each frame comes with its size in front: ffmpeg turns a portrait video as its header asks.
    command = (
        ffmpeg.input(str(path), threads=1)
        .filter("select", _is_one_of([int(number) for number in numbers]))
        .output("pipe:", format="image2pipe", vcodec="ppm", fps_mode="passthrough", threads=1)
        .global_args("-loglevel", "error", "-xerror", "-nostdin")
        .compile(cmd=ffmpeg_program())
    )
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        cut_off = False
        try:
            header = b"".join(process.stdout.readline() for _ in range(3))  # P6, width height, 255
            if header:
                width, height = map(int, header.split()[1:3])
                record = len(header) + width * height * 3
                chunk = header + process.stdout.read(record * batch - len(header))
                while chunk:
                    cut_off = len(chunk) % record > 0
                    if cut_off:
                        break
                    images = np.frombuffer(chunk, np.uint8).reshape(-1, record)[:, len(header) :]
                    yield images.reshape(-1, height, width, 3)
                    chunk = process.stdout.read(record * batch)
        finally:
            process.stdout.close()
            failed = process.wait()
        if failed or cut_off:
            errors.seek(0)
            reason = errors.read().decode(errors="replace").strip().splitlines()
            raise CorruptFile(f"{path} cannot be decoded: {reason[-1] if reason else 'cut off'}.")


def _is_one_of(numbers: Sequence[int]) -> str:
    """ffmpeg expression that is true for these frame numbers: a search tree, so that hours fit."""
    if len(numbers) <= 1:
        return f"eq(n,{numbers[0]})" if numbers else "0"
    middle = len(numbers) // 2
    left, right = _is_one_of(numbers[:middle]), _is_one_of(numbers[middle:])
    return f"if(lt(n,{numbers[middle]}),{left},{right})"
