"""The ffmpeg program that ffmpeg-python drives, tried before it is used.

Programs differ: `-fps_mode` came with 5.1, and a graph of filters from a file, that once was
`-filter_complex_script`, is `-/filter_complex` now. So each that is there decodes a tiny film
first.
"""

import base64
import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg

from aura.errors import AuraError
from aura.teacher.container import MOST_PIXELS, OPTIONS

# Four grey frames of H.264, 16 by 16.
_FILM = base64.b64decode(
    "AAAAAWdCwAraehAAAAMAEAAAAwPA8SJqAAAAAWjOBvIAAAFliIQ6JigACQTgAAAAAUGaIqJxQABCLwAAAAFBmkKicUAA"
    "QBsAAAABQZpivGRQABASigACAlFAAEBKKAAICUUAAQEooAAgJRQABASigACAlFAAEBKKAAICUUAAQEooAAgJRQABASig"
    "ACAlFAAEBKKAAICW"
)
_FILM_FRAMES, _PPM_BYTES = 4, len(b"P6\n16 16\n255\n") + 3 * 16 * 16
_SYNC = ("fps_mode", "vsync")
_SCRIPT = ("-/filter_complex", "-filter_complex_script")
_TRIAL_S = 20.0
_DECODED = re.compile(rb"\(video\):.*?(\d+) frames decoded")
_MARKS = re.compile(r"\[(?:error|fatal)\] ?| @ 0x[0-9a-f]+")  # of a line of the log


@dataclass(frozen=True)
class Program:
    """An ffmpeg that works, and how it names what differs between versions.

    Attributes
    ----------
    path : str
        The program.
    sync : str
        Option by which frames pass as they come.
    script : str
        Option that takes a graph of filters from a file.
    note : str
        Why it is not the one on PATH, "" where it is or none is there.
    """

    path: str
    sync: str
    script: str
    note: str = ""

    def command(self, video: Path, script: str | Path, **options: Any) -> list[str]:
        """Decode a video, `options` before it, to PPM pictures on stdout.

        The graph of filters in `script` ends in `[frames]`. It stays when a property of the picture
        changes, since a new one would count frames from 0 again. At the end of what is said on
        stderr is how many frames were decoded.
        """
        output = {"format": "image2pipe", "vcodec": "ppm", "pix_fmt": "rgb24", "threads": 1}
        limits = {**OPTIONS, "max_pixels": MOST_PIXELS}
        return (
            ffmpeg.input(f"file:{video}", threads=1, reinit_filter=0, **limits, **options)
            .output("pipe:", map="[frames]", **{self.sync: "passthrough"}, **output)
            .global_args(self.script, str(script))
            .global_args("-loglevel", "level+verbose", "-xerror", "-nostdin", "-nostats")
            .compile(cmd=self.path)
        )


def frames_decoded(log: bytes) -> int | None:
    """Frames that a run decoded, by what it says at its end with `-loglevel verbose`."""
    counts = _DECODED.findall(log)
    return int(counts[-1]) if counts else None


@functools.cache
def find_ffmpeg() -> Program:
    """Find the ffmpeg on PATH if it works, else the one inside the imageio-ffmpeg wheel.

    Raises
    ------
    AuraError
        Neither works.
    """
    failures: dict[str, str] = {}
    # One of before 5.1 drops frames of some fragmented files: only where there is no other.
    for sync in _SYNC:
        for path in _candidates():
            program, reason = _try(path, sync)
            if program:
                failures.pop(path, None)
                note = "".join(
                    f"{other} is not used, as it {why}." for other, why in failures.items()
                )
                return replace(program, note=note)
            failures.setdefault(path, reason)
    if failures:
        raise AuraError(
            f"No ffmpeg works here: {', '.join(map(' '.join, failures.items()))}. Install ffmpeg "
            "5.1 or newer with H.264, or the imageio-ffmpeg wheel that carries one."
        )
    raise AuraError("There is no ffmpeg: install it, or the imageio-ffmpeg wheel that carries one.")


def ffmpeg_program() -> str:
    """Path of the program of `find_ffmpeg`."""
    return find_ffmpeg().path


@functools.cache
def encoder_program() -> str:
    """Path of the first ffmpeg that encodes H.264 with libx264; `AuraError` if none does."""
    for path in _candidates():
        try:
            run = _run([path, "-hide_banner", "-h", "encoder=libx264"])
        except (OSError, subprocess.SubprocessError):
            continue
        if run.returncode == 0 and b"Encoder libx264" in run.stdout:
            return path
    raise AuraError(
        "No ffmpeg here encodes H.264 with libx264: install one that does, or the imageio-ffmpeg "
        "wheel that carries one."
    )


def _candidates() -> Iterator[str]:
    """Paths of the programs to try, each once."""
    on_path = shutil.which("ffmpeg")
    if on_path:
        yield on_path
    try:
        carried = imageio_ffmpeg.get_ffmpeg_exe()
    except (RuntimeError, OSError):
        return
    if carried != on_path:
        yield carried


def _try(path: str, sync: str) -> tuple[Program | None, str]:
    """How a program decodes two frames of the film, or why it is of no use."""
    reason = ""
    with tempfile.TemporaryDirectory(prefix="aura-ffmpeg-") as folder:
        script, film = Path(folder) / "filter", Path(folder) / "film.h264"
        script.write_text("[0:V:0]select='eq(n,1)+eq(n,3)'[frames]")
        film.write_bytes(_FILM)
        for option in _SCRIPT:
            program = Program(path, sync, option)
            try:
                run = _run(program.command(film, script, format="h264"))
            except subprocess.TimeoutExpired:
                return None, f"does not end within {_TRIAL_S:g} s"
            except OSError as error:
                return None, f"cannot be started: {error.strerror}"
            if run.returncode:
                why = complaint(run.stderr, run.returncode, first=True)
                reason = reason or f"fails on a film of four frames: {why}"
            elif len(run.stdout) != 2 * _PPM_BYTES or frames_decoded(run.stderr) != _FILM_FRAMES:
                reason = "gives other frames of a film of four than it should"
            else:
                return program, ""
    return None, reason


def _run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_TRIAL_S
    )


def complaint(log: bytes, status: int, first: bool = False) -> str:
    """The last error that a run named, or the first; how it ended where it named none."""
    lines = (" ".join(line.split()) for line in log.decode(errors="replace").splitlines())
    errors = [_MARKS.sub("", line) for line in lines if "[error]" in line or "[fatal]" in line]
    if errors:
        return errors[0 if first else -1].rstrip(".")[:300]
    return f"it ended by signal {-status}" if status < 0 else f"it ended with status {status}"
