"""Frames of many windows in one decode.

Windows overlap and share one sampling grid, so the frames that all windows of a recording need are
decoded once, and each is embedded once. Decoding is the `ffmpeg` program's, through ffmpeg-python,
of the whole file or of a thin copy of it.
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
from aura.teacher.video_gop import thin

_FEW_FRAMES = 2
_OUTPUT = {
    "format": "image2pipe", "vcodec": "ppm", "pix_fmt": "rgb24", "fps_mode": "passthrough",
}  # fmt: skip
# A thin copy says in its header all that ffmpeg otherwise decodes its beginning for.
_KNOWN = {"probesize": 32, "analyzeduration": 0}


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
    path: Path,
    numbers: Sequence[int] | np.ndarray,
    batch: int,
    decoder: Literal["ffmpeg", "gop"] = "ffmpeg",
) -> Generator[np.ndarray, None, None]:
    """Decode the frames with these numbers, in one pass, at their own size, the right way up.

    Parameters
    ----------
    numbers : (n,) increasing frame numbers, distinct; batch : most frames yielded at once.
    decoder : `ffmpeg` decodes all of the file. `gop` leaves out what no frame asked for needs,
        where that is sure (`aura/video_gop.py`); the frames are the same bits, and damage in what
        is left out goes unseen.

    Yields
    ------
    (b, H, W, 3) uint8 RGB. Frames past the end of the file are absent: fewer than n come in all.

    Raises
    ------
    CorruptFile
        The file is not a video or decoding fails.
    """
    probe(path)
    wanted = [int(number) for number in numbers]
    if decoder == "ffmpeg":
        yield from _decode(path, wanted, batch, path)
        return
    with tempfile.TemporaryDirectory(prefix="aura-video-") as folder:
        copy = Path(folder) / "thin.mp4"
        there = thin(path, wanted, copy)
        if there is None:
            yield from _decode(path, wanted, batch, path)
            return
        count = 0
        for frames in _decode(copy, there, batch, path, **_KNOWN) if there else ():
            count += len(frames)
            yield frames
        if count != len(there):
            raise CorruptFile(f"{path} has {len(there) - count} frames less than its packets say.")


def _decode(
    path: Path, numbers: Sequence[int], batch: int, named: Path, **options: int
) -> Iterator[np.ndarray]:
    """Through the `ffmpeg` program, `options` before its input; an error names the file `named`."""
    # Each frame comes with its size in front: ffmpeg turns a portrait video as its header asks.
    command = (
        ffmpeg.input(str(path), threads=1, **options)
        .filter("select", _is_one_of(numbers))
        .output("pipe:", threads=1, **_OUTPUT)
        .global_args("-loglevel", "error", "-xerror", "-nostdin")
        .compile(cmd=ffmpeg_program())
    )
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, bufsize=0) as process,
    ):
        assert isinstance(process.stdout, io.RawIOBase)
        whole = False
        try:
            yield from _pictures(process.stdout, min(batch, len(numbers)))
            whole = True
        except EOFError:
            pass
        finally:
            process.stdout.close()
            failed = process.wait()
        if failed or not whole:
            errors.seek(0)
            reason = errors.read().decode(errors="replace").strip().splitlines()
            raise CorruptFile(f"{named} cannot be decoded: {reason[-1] if reason else 'cut off'}.")


def _pictures(pipe: io.RawIOBase, batch: int) -> Iterator[np.ndarray]:
    """Pictures (b, H, W, 3), each with its PPM header in front; `EOFError` if one is cut off."""
    header = b"".join(pipe.readline() for _ in range(3))  # P6, width height, 255
    if header and not header.endswith(b"255\n"):
        raise EOFError
    following = bytearray(len(header))
    more = len(header) > 0
    while more:
        width, height = map(int, header.split()[1:3])
        images = np.empty((batch, height, width, 3), np.uint8)
        count = 0
        while more and count < batch:
            _fill(pipe, images[count].reshape(-1).data)
            count += 1
            more = _fill(pipe, memoryview(following), or_end=True)
            if more and following != header:
                raise EOFError
        yield images[:count]


def _fill(pipe: io.RawIOBase, free: memoryview, or_end: bool = False) -> bool:
    """Read until `free` is full. At the end of the pipe: False with `or_end`, else `EOFError`."""
    got = 0
    while got < len(free):
        read = pipe.readinto(free[got:])
        if not read:
            if or_end and not got:
                return False
            raise EOFError
        got += read
    return True


def _is_one_of(numbers: Sequence[int]) -> str:
    """Ffmpeg expression that is true for these frame numbers: a search tree, so that hours fit."""
    if len(numbers) <= 1:
        return f"eq(n,{numbers[0]})" if numbers else "0"
    middle = len(numbers) // 2
    left, right = _is_one_of(numbers[:middle]), _is_one_of(numbers[middle:])
    return f"if(lt(n,{numbers[middle]}),{left},{right})"
