"""The ffmpeg program that ffmpeg-python drives."""

import functools
import shutil

import imageio_ffmpeg

from aura.errors import AuraError


@functools.cache
def ffmpeg_program() -> str:
    """Path of `ffmpeg`: the one on PATH, else the one inside the imageio-ffmpeg wheel."""
    try:
        return shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        raise AuraError(
            "There is no ffmpeg: install it, or the imageio-ffmpeg wheel that carries one."
        ) from None
