"""Films whose frames say their number, in twelve black or white blocks."""

import subprocess
from pathlib import Path

import numpy as np

from aura.teacher.ffmpeg import encoder_program

HEIGHT, WIDTH = 48, 64
H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "30", "-bf", "2", "-threads", "1")


def picture_of(number: int) -> np.ndarray:
    bits = (number >> np.arange(12) & 1).reshape(3, 4)
    blocks = np.kron(255 * bits, np.ones((HEIGHT // 3, WIDTH // 4)))
    return np.repeat(blocks[..., None], 3, axis=2).astype(np.uint8)


def number_in(picture: np.ndarray) -> int:
    height, width = picture.shape[0] // 3, picture.shape[1] // 4
    blocks = picture[: 3 * height, : 4 * width].reshape(3, height, 4, width, 3).mean((1, 3, 4))
    return int(((blocks > 127).ravel() << np.arange(12)).sum())


def run(*arguments: str | Path) -> None:
    """Run ffmpeg."""
    command = [encoder_program(), "-nostdin", "-y", "-loglevel", "error", *map(str, arguments)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def write(path: Path, frames: int, *options: str, rate: str = "30") -> Path:
    """A film of so many frames."""
    raw = path.with_suffix(".raw")
    raw.write_bytes(b"".join(picture_of(number).tobytes() for number in range(frames)))
    size = f"{WIDTH}x{HEIGHT}"
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", rate, "-i", raw)
    run(*source, *(options or H264), path)
    raw.unlink()
    return path


def copy(source: Path, name: str, *options: str, before: tuple[str, ...] = ()) -> Path:
    """The same packets in another file."""
    out = source.with_name(name)
    run(*before, "-i", source, "-c", "copy", *options, out)
    return out
