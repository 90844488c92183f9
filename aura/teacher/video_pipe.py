"""Frames out of the ffmpeg program: which to hand over, and pictures from a pipe."""

import io
import resource
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from aura.errors import CorruptFile
from aura.teacher.ffmpeg import complaint, find_ffmpeg, frames_decoded

_BATCH_BYTES = 1 << 30  # of pictures at once: 43 of 4K
_PROCESS_BYTES = 4 << 30  # of address space


def decode_selected(
    path: Path, numbers: Sequence[int], batch: int, source: Path, **options: int
) -> Generator[np.ndarray, None, int]:
    """Decode a file once, as a whole, and hand over some of its frames.

    Parameters
    ----------
    path : Path
        File to decode.
    numbers : (n,) int
        Frame numbers, increasing and distinct.
    batch : int
        Most frames yielded at once.
    source : Path
        File to name in an error.
    **options : int
        Of ffmpeg, for its input.

    Returns
    -------
    int
        Frames that were decoded, asked for or not.

    Yields
    ------
    (b, H, W, 3) uint8
        RGB.

    Raises
    ------
    CorruptFile
        Decoding fails.
    """
    program = find_ffmpeg()
    with (
        tempfile.TemporaryFile() as log,
        tempfile.NamedTemporaryFile("w", prefix="aura-filter-") as script,
    ):
        # From a file, as one argument of a program has at most 128 KiB.
        script.write(f"[0:V:0]select='{_select_expression(numbers)}'[frames]")
        script.flush()
        # Each frame comes with its size in front: ffmpeg turns a portrait video as its header asks.
        command = program.command(path, script.name, **options)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, bufsize=0) as process:
            _limit_memory(process.pid)
            assert isinstance(process.stdout, io.RawIOBase)
            handed_over: int | None = None
            try:
                handed_over = yield from _read_ppm(process.stdout, min(batch, len(numbers)))
            except EOFError:
                pass
            finally:
                process.stdout.close()
                failed = process.wait()
        log.seek(0)
        said = log.read()
    decoded = frames_decoded(said)
    if failed or handed_over is None or decoded is None:
        raise CorruptFile(f"{source} cannot be decoded: {complaint(said, failed)}.")
    if handed_over != np.searchsorted(numbers, decoded):
        raise CorruptFile(f"{source} cannot be decoded: its frames cannot be told by number.")
    return decoded


def _limit_memory(process: int) -> None:
    """Bound what a file can make its decoder take; where the system cannot, nothing is done."""
    if hasattr(resource, "prlimit"):
        with suppress(OSError):  # it ended already
            resource.prlimit(process, resource.RLIMIT_AS, (_PROCESS_BYTES, _PROCESS_BYTES))


def _read_ppm(pipe: io.RawIOBase, batch: int) -> Generator[np.ndarray, None, int]:
    """Pictures (b, H, W, 3), each with its PPM header in front; `EOFError` if one is cut off."""
    header = b"".join(pipe.readline() for _ in range(3))  # P6, width height, 255
    if header and not header.endswith(b"255\n"):
        raise EOFError
    next_header = bytearray(len(header))
    at_end = not header
    total = 0
    while not at_end:
        width, height = map(int, header.split()[1:3])
        fitting = max(1, _BATCH_BYTES // (3 * height * width))
        images = np.empty((min(batch, fitting), height, width, 3), np.uint8)
        count = 0
        while not at_end and count < len(images):
            _read_into(pipe, images[count].reshape(-1).data)
            count += 1
            at_end = not _read_into(pipe, memoryview(next_header), or_end=True)
            if not at_end and next_header != header:
                raise EOFError
        total += count
        yield images[:count]
    return total


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
