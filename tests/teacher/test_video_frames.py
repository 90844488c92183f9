"""Frame n is the n-th frame shown, and a video has as many frames as come out of it."""

from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from aura.errors import CorruptFile
from aura.teacher import video
from aura.teacher.video import check_frames, count_frames, decode_frames
from aura.teacher.video_check import VideoCheck
from aura.teacher.video_header import frames_by_header
from tests.teacher.films import H264, copy, number_in, run, write

FRAMES = 120
OTHER = ("video has another number of frames than the take", False)
LONG_GROUPS = (*H264[:4], "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-bf", "2")
OPEN_264 = (*H264[:4], "-x264-params", "open-gop=1:keyint=30:min-keyint=30:scenecut=0:bframes=3")
X265 = "keyint=30:min-keyint=30:scenecut=0:open-gop=1:bframes=4:b-adapt=0:log-level=none"
OPEN_265 = ("-c:v", "libx265", "-pix_fmt", "yuv420p", "-tag:v", "hvc1", "-x265-params", X265)
LATENT = ("-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "300k")  # with hidden frames


def piece(folder, ending, *encoder):
    """The second of the pieces into which a film is cut at its key frames."""
    whole = write(folder / "whole.mp4", FRAMES, *encoder)
    cut = ("-f", "segment", "-segment_time", "1", "-reset_timestamps", "1")
    run("-i", whole, "-c", "copy", *cut, folder / f"piece%d{ending}")
    return folder / f"piece1{ending}"


def edited(folder, name, *options, before=()):
    return copy(write(folder / "long.mp4", FRAMES, *LONG_GROUPS), name, *options, before=before)


def joined(folder, *filters):
    """Two streams of transport one behind the other, the second with other properties."""
    first = write(folder / "first.ts", 60)
    second = folder / "second.ts"
    run("-i", write(folder / "plain.mp4", FRAMES), *filters, *H264[:2], second)
    out = folder / "joined.ts"
    out.write_bytes(first.read_bytes() + second.read_bytes())
    return out


def without(folder, *left_out):
    source = write(folder / "plain.mp4", FRAMES)
    out = folder / "without.mp4"
    with av.open(str(source)) as film, av.open(str(out), "w") as target:
        stream = film.streams.video[0]
        track = target.add_stream_from_template(stream)
        for number, packet in enumerate(film.demux(stream)):
            if packet.size and number not in left_out:
                packet.stream = track
                target.mux_one(packet)
    return out


def in_container(ending, folder):
    return copy(write(folder / "source.mp4", FRAMES), f"film{ending}")


def fragments(flags, folder):
    return copy(write(folder / "source.mp4", FRAMES), "film.mp4", "-movflags", flags)


BEGIN = ("-ss", "0.5")
FILMS = {
    "plain": lambda folder: write(folder / "film.mp4", FRAMES),
    **{end: partial(in_container, end) for end in (".mkv", ".ts", ".mov", ".flv", ".avi")},
    "edit list hides the beginning": partial(edited, name="film.mp4", before=BEGIN),
    "edit list hides the end": lambda f: edited(f, "film.mp4", "-t", "2.03"),
    "edit list hides both": lambda f: edited(f, "film.mp4", "-t", "2.03", before=BEGIN),
    "fragments": partial(fragments, "frag_keyframe"),
    "fragments without a count": partial(fragments, "frag_keyframe+empty_moov"),
    "a fragment each frame": partial(fragments, "dash+frag_every_frame"),
    "VP8 in WebM": lambda f: write(f / "film.webm", FRAMES, "-c:v", "libvpx", *LATENT),
    "VP9 in WebM": lambda f: write(f / "film.webm", FRAMES, "-c:v", "libvpx-vp9", *LATENT),
    "MPEG-4 in AVI": lambda f: write(f / "film.avi", FRAMES, "-c:v", "mpeg4", "-bf", "2"),
    "H.264 cut at an open group": lambda f: piece(f, ".mp4", *OPEN_264),
    "HEVC cut at an open group": lambda f: piece(f, ".mp4", *OPEN_265),
    "HEVC cut, in Matroska": lambda f: piece(f, ".mkv", *OPEN_265),
    "range changes": lambda f: joined(f, "-vf", "scale=out_range=pc", "-color_range", "pc"),
    "format changes": lambda f: joined(f, "-pix_fmt", "yuv444p"),
    "aspect changes": lambda f: joined(f, "-vf", "setsar=4/3"),
    "first packet lost": lambda f: without(f, 0),
    "packets lost": lambda f: without(f, 30, 37, 38, 95),
}  # fmt: skip
COUNTS = {
    "edit list hides the beginning": 105,
    "edit list hides the end": 63,
    "edit list hides both": 63,
    "H.264 cut at an open group": 29,
    "HEVC cut at an open group": 26,
    "range changes": 180,
    "format changes": 180,
    "aspect changes": 180,
    "packets lost": 116,
}


def every_frame(path):
    """Oracle: what another library shows, in order."""
    with av.open(str(path)) as container:
        return [number_in(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def frames(path, numbers, decoder="ffmpeg"):
    """The frames, and how many are said to be shown."""
    said = []

    def decode():
        said.append((yield from decode_frames(path, numbers, 16, decoder)))

    return np.concatenate(list(decode())), *said


@pytest.mark.parametrize("kind", FILMS)
def test_frame_n_is_the_nth_shown_by_both_decoders(kind, tmp_path):
    path = FILMS[kind](tmp_path)
    shown = every_frame(path)
    assert len(shown) == COUNTS.get(kind, len(shown))
    pictures, count = frames(path, range(2 * FRAMES))
    assert [number_in(picture) for picture in pictures] == shown
    assert count == count_frames(path) == len(shown)
    assert frames_by_header(path) in (None, len(shown))
    some = [3, 11, 17, 21, 58, 59, 61, 100]
    pictures, count = frames(path, some)
    assert [number_in(picture) for picture in pictures] == [shown[n] for n in some if n < count]
    by_group, by_group_count = frames(path, some, "gop")
    assert (by_group == pictures).all()
    assert by_group_count == count
    assert check_frames(path, len(shown)) == ("", True)
    assert check_frames(path, len(shown) + 3) == check_frames(path, len(shown) - 3) == OTHER
    with path.open("rb") as file:
        assert check_frames(file, len(shown)) == ("", True)


def test_samples_that_an_edit_list_hides_do_not_count(tmp_path):
    path = FILMS["edit list hides the beginning"](tmp_path)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == FRAMES
    assert check_frames(path, FRAMES) == OTHER
    assert check_frames(path, 105) == ("", True)
    assert number_in(frames(path, [0])[0][0]) == 15


def test_a_sound_header_spares_the_decode(tmp_path, monkeypatch):
    path = FILMS["plain"](tmp_path)
    monkeypatch.setattr(video, "count_frames", lambda path: pytest.fail("decoded"))
    assert check_frames(path, FRAMES) == ("", True)


def test_a_stream_that_breaks_off_has_fewer_frames_than_its_take(tmp_path):
    path = FILMS[".mkv"](tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    for decoder in ("ffmpeg", "gop"):
        check = VideoCheck("film.mkv", FRAMES)
        with pytest.raises(CorruptFile, match=r"film\.mkv shows \d+ frames, and its take has 120"):
            list(check.watch(decode_frames(path, [3, 4], 8, decoder)))
        assert check.reason == OTHER[0]


def test_a_cover_is_not_the_video(tmp_path):
    plain = write(tmp_path / "plain.mp4", FRAMES)
    run("-i", plain, "-frames:v", "1", tmp_path / "cover.png")
    path = tmp_path / "film.mp4"
    maps = ("-map", "1", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic")
    run("-i", plain, "-i", tmp_path / "cover.png", *maps, path)
    assert check_frames(path, FRAMES) == ("", True)
    for decoder in ("ffmpeg", "gop"):
        assert [number_in(f) for f in frames(path, [0, 40, 119], decoder)[0]] == [0, 40, 119]


@pytest.mark.parametrize("name", ["12:30 cam.mp4", "-x.mp4", "cam %03d.mp4", "it's [1].mp4"])
def test_any_name_of_a_file(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "plain.mp4", FRAMES).rename(name)
    for decoder in ("ffmpeg", "gop"):
        assert [number_in(f) for f in frames(Path(name), [7, 90], decoder)[0]] == [7, 90]
    assert check_frames(Path(name), FRAMES) == ("", True)


def test_a_day_in_one_decode(tmp_path):
    """86,400 s at one frame a second, every second frame: an expression of more than a MB."""
    path = tmp_path / "day.mp4"
    lavfi = ("-f", "lavfi", "-i", "color=size=16x16:rate=1:duration=86400")
    run(*lavfi, *H264[:4], "-preset", "ultrafast", "-g", "600", path)
    numbers = np.arange(1, 86_400, 2)
    for decoder in ("ffmpeg", "gop"):
        pictures, count = frames(path, numbers, decoder)
        assert (len(pictures), count) == (len(numbers), 86_400)
