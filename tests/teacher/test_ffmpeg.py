"""Which ffmpeg is used: one that was seen to work, or a sentence."""

import numpy as np
import pytest

from aura.errors import AuraError
from aura.teacher import ffmpeg as programs
from aura.teacher.ffmpeg import encoder_program, ffmpeg_program, find_ffmpeg
from aura.teacher.video import decode_frames
from tests.teacher.films import number_in, write

CARRIED = ffmpeg_program()  # by the wheel, or what else the machine has
RENAMING = """
args=()
while [ $# -gt 0 ]; do case "$1" in
  {refused}) echo "[error] Unrecognized option '${{1#-}}'." >&2; exit 1;;
  {old}) args+=({new}); shift;;
  *) args+=("$1"); shift;;
esac; done
exec {program} "${{args[@]}}"
"""
OF_4_4 = RENAMING.format(
    refused="-fps_mode|-/*", old="-filter_complex_script", new="-/filter_complex", program="OLDER"
)
USELESS = {
    "without its libraries": "echo 'libx264.so.155: cannot open shared object file' >&2; exit 127",
    "silent": "exit 0",
    "killed": "kill -SEGV $$",
    "without H.264": "echo '[error] Decoder (codec h264) not found' >&2; exit 1",
    "another program": "echo usage: ffmpeg; exit 0",
    "hangs": "exec sleep 600",
}


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """Put a program called ffmpeg in front, and maybe in the place of the wheel's."""

    def put(script, carried=CARRIED):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "ffmpeg").write_text(f"#!/bin/bash\n{script}\n")
        (folder / "ffmpeg").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=":")
        monkeypatch.setattr(programs.imageio_ffmpeg, "get_ffmpeg_exe", lambda: carried)
        monkeypatch.setattr(programs, "_TRIAL_S", 1.0)
        for cached in (find_ffmpeg, encoder_program):
            cached.cache_clear()
        return str(folder / "ffmpeg")

    yield put
    for cached in (find_ffmpeg, encoder_program):
        cached.cache_clear()


def old(tmp_path):
    """The words of ffmpeg 4.4, which knows -vsync only, by way of the program that is here."""
    (tmp_path / "older").write_text(
        f"""#!/bin/bash
args=()
while [ $# -gt 0 ]; do case "$1" in -vsync) args+=(-fps_mode);; *) args+=("$1");; esac; shift; done
exec {CARRIED} "${{args[@]}}"
"""
    )
    (tmp_path / "older").chmod(0o755)
    return OF_4_4.replace("OLDER", str(tmp_path / "older"))


def decoded(tmp_path):
    path = write(tmp_path / "film.mp4", 30)
    return [number_in(f) for part in decode_frames(path, [0, 5, 9], 8) for f in part]


def test_the_one_on_path_is_used_if_it_works(on_path, tmp_path):
    path = on_path(f'exec {CARRIED} "$@"')
    assert (find_ffmpeg().path, find_ffmpeg().note) == (path, "")
    assert decoded(tmp_path) == [0, 5, 9]


def test_one_of_before_5_1_gives_way_to_the_wheels(on_path, tmp_path):
    path = on_path(old(tmp_path))
    assert find_ffmpeg().path == CARRIED
    assert path in find_ffmpeg().note
    assert "Unrecognized option 'fps_mode'" in find_ffmpeg().note
    assert decoded(tmp_path) == [0, 5, 9]


def test_one_of_before_5_1_is_used_where_there_is_no_other(on_path, tmp_path):
    path = on_path(old(tmp_path), carried="/nowhere/ffmpeg")
    program = find_ffmpeg()
    assert (program.path, program.sync) == (path, "vsync")
    assert program.script == "-filter_complex_script"
    assert decoded(tmp_path) == [0, 5, 9]


@pytest.mark.parametrize("kind", USELESS)
def test_a_broken_one_gives_way_to_the_wheels(kind, on_path, tmp_path):
    path = on_path(USELESS[kind])
    assert find_ffmpeg().path == CARRIED
    assert find_ffmpeg().note.startswith(f"{path} is not used, as it ")
    assert decoded(tmp_path) == [0, 5, 9]


@pytest.mark.parametrize("kind", USELESS)
def test_none_that_works_is_one_sentence(kind, on_path, tmp_path):
    path = on_path(USELESS[kind], carried="/nowhere/ffmpeg")
    with pytest.raises(AuraError, match=r"No ffmpeg works here: .*Install ffmpeg 5\.1") as error:
        find_ffmpeg()
    assert path in str(error.value)
    assert "\n" not in str(error.value)
    assert type(error.value) is AuraError  # a CorruptFile would pass for a damaged video


def test_one_that_drops_a_frame_is_not_used(on_path):
    """It decodes, and hands over one of the two frames that it is asked for."""
    on_path(f'exec {CARRIED} "$@" | head -c 781; exit 0')
    assert find_ffmpeg().path == CARRIED
    assert "gives other frames" in find_ffmpeg().note


def test_one_without_an_encoder_decodes_and_does_not_encode(on_path):
    path = on_path(f'[[ "$*" = *encoder=* ]] && exit 0; exec {CARRIED} "$@"')
    assert find_ffmpeg().path == path
    assert encoder_program() == CARRIED
    on_path("exit 0", carried="/nowhere/ffmpeg")
    with pytest.raises(AuraError, match=r"No ffmpeg here encodes H\.264"):
        encoder_program()


def test_the_film_that_is_tried_has_other_frames_each(tmp_path):
    (tmp_path / "film.h264").write_bytes(programs._FILM)
    (pictures,) = decode_frames(tmp_path / "film.h264", range(9), 9)
    assert pictures.shape == (4, 16, 16, 3)
    assert (np.diff(pictures.mean((1, 2, 3))) > 30).all()
