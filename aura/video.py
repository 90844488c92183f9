"""Frames of many windows in one decode.

Windows overlap and share one sampling grid, so the frames that all windows of a recording need are
decoded once, and each is embedded once. Decoding is the `ffmpeg` program's, through ffmpeg-python.
"""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import ffmpeg
import numpy as np

from aura.errors import CorruptFile
from aura.ffmpeg import ffmpeg_program


def window_frames(
    starts_s: Sequence[float], window_s: float, frames_per_window: int, rate_hz: float
) -> np.ndarray:
    """Frame numbers (windows, frames_per_window) at the middles of equal parts of each window."""
    middles = (np.arange(frames_per_window) + 0.5) * window_s / frames_per_window
    return np.rint((np.asarray(starts_s)[:, None] + middles) * rate_hz).astype(np.int64)


def probe(path: Path) -> tuple[int, int, int]:
    """Width, height and number of frames by the container's header; `CorruptFile` if unreadable."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            return stream.width, stream.height, stream.frames
    except (av.FFmpegError, IndexError, OSError) as error:
        raise CorruptFile(f"{path} is not a readable video: {error}.") from None


def decode_frames(
    path: Path, numbers: Sequence[int] | np.ndarray, batch: int
) -> Iterator[np.ndarray]:
    """Decode the frames with these numbers, in one pass, at their own size.

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
    width, height, _ = probe(path)
    command = (
        ffmpeg.input(str(path), threads=1)
        .filter("select", _is_one_of([int(number) for number in numbers]))
        .output("pipe:", format="rawvideo", pix_fmt="rgb24", fps_mode="passthrough", threads=1)
        .global_args("-loglevel", "error", "-xerror", "-nostdin")
        .compile(cmd=ffmpeg_program())
    )
    size = width * height * 3
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        try:
            while chunk := process.stdout.read(size * batch):
                if len(chunk) % size:
                    break
                yield np.frombuffer(chunk, np.uint8).reshape(-1, height, width, 3)
        finally:
            process.stdout.close()
            failed = process.wait()
        if failed or len(chunk) % size:
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
