"""The copy of needed packets against its oracle: a decode of the whole file."""

import subprocess

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.errors import CorruptFile
from aura.teacher.ffmpeg import ffmpeg_program
from aura.teacher.h264 import Picture
from aura.teacher.video import decode_frames
from aura.teacher.video_gop import copy_needed_packets, needed_pictures

FRAMES = 120
SELECTIONS = (
    [0],
    [3, 4, 5],
    [119],
    [7, 29, 30, 31, 88, 118],
    list(range(0, 120, 19)),
    [118, 119, 500],
)
PLAIN = ["-bf", "3", "-g", "30"]
PASS = ["-fps_mode", "passthrough", "-enc_time_base", "1/3000"]
# What is copied in part, and what is left to a decode of the whole file.
COPIED = {
    "usual": PLAIN,
    "one group": ["-bf", "3", "-g", "500"],
    "pyramid of B": ["-bf", "8", "-g", "40", "-x264-params", "b-pyramid=normal:ref=5"],
    "all B unreferenced": ["-bf", "5", "-g", "60", "-x264-params", "b-pyramid=none:b-adapt=0"],
    "no B": ["-bf", "0", "-g", "25"],
    "only I": ["-g", "1"],
    "slices": [*PLAIN, "-slices", "4"],
    "baseline": ["-profile:v", "baseline", "-g", "20"],
    "open groups": ["-bf", "3", "-g", "30", "-x264-params", "open-gop=1"],
    "intra refresh": ["-bf", "0", "-g", "30", "-x264-params", "intra-refresh=1"],
    "full range": [*PLAIN, "-color_range", "pc", "-colorspace", "bt709"],
    "4:4:4": [*PLAIN, "-pix_fmt", "yuv444p"],
    "10 bits": [*PLAIN, "-pix_fmt", "yuv420p10le"],
    "odd size": [*PLAIN, "-vf", "crop=150:110"],
    "buffer model": [*PLAIN, "-x264-params", "nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500"],
    "irregular": [*PLAIN, *PASS, "-vf", "settb=1/3000,setpts=PTS+40*sin(N)"],
    "dropped": [*PLAIN, *PASS, "-vf", "settb=1/3000,select=mod(n\\,3)"],
    "late": [*PLAIN, "-output_ts_offset", "3.7"],
}
WHOLE = {
    "interlaced": [*PLAIN, "-flags", "+ildct+ilme"],
    "parameters in the stream": [*PLAIN, "-x264-params", "repeat-headers=1"],
    "MPEG-4": ["-c:v", "mpeg4", "-bf", "2", "-g", "12"],
    "HEVC": ["-c:v", "libx265", "-x265-params", "log-level=none:pools=1", "-t", "1"],
}


def film(path, *options):
    """4 s at 30 FPS; the picture moves, changes in every frame, and has a cut."""
    command = [ffmpeg_program(), "-loglevel", "error", "-y", "-f", "lavfi"]
    command += ["-i", f"testsrc2=size=160x120:rate=30:duration={FRAMES / 30}"]
    options_of_all = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-threads", "1", *options]
    subprocess.run([*command, *options_of_all, str(path)], check=True)
    return path


def frames(path, numbers, decoder):
    parts = list(decode_frames(path, numbers, 4, decoder))
    return np.concatenate(parts) if parts else np.empty(0)


def check_same_frames(path, selections=SELECTIONS):
    for numbers in selections:
        expected = frames(path, numbers, "ffmpeg")
        result = frames(path, numbers, "gop")
        assert result.shape == expected.shape
        assert (result == expected).all()


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    return film(tmp_path_factory.mktemp("gop") / "usual.mp4", *PLAIN)


@pytest.mark.parametrize("kind", COPIED)
def test_the_copy_gives_the_same_bits(kind, tmp_path):
    path = film(tmp_path / "film.mp4", *COPIED[kind])
    check_same_frames(path)
    assert copy_needed_packets(path, [7, 40], tmp_path / "packets.mp4") is not None


@pytest.mark.parametrize("kind", WHOLE)
def test_what_is_not_sure_is_decoded_as_a_whole(kind, tmp_path):
    path = film(tmp_path / "film.mp4", *WHOLE[kind])
    check_same_frames(path, SELECTIONS[3:5])
    assert copy_needed_packets(path, [7, 40], tmp_path / "packets.mp4") is None


def test_other_containers(usual, tmp_path):
    for name, sure in (("film.mov", True), ("film.mkv", False), ("film.ts", False)):
        path = tmp_path / name
        command = [ffmpeg_program(), "-loglevel", "error", "-i", str(usual), "-c", "copy"]
        subprocess.run([*command, str(path)], check=True)
        check_same_frames(path, SELECTIONS[3:5])
        assert (copy_needed_packets(path, [7, 40], tmp_path / "packets.mp4") is not None) == sure


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_a_film_that_asks_to_be_turned(usual, tmp_path, degrees):
    path = tmp_path / "turned.mp4"
    command = [ffmpeg_program(), "-loglevel", "error", "-display_rotation", str(degrees)]
    subprocess.run([*command, "-i", str(usual), "-c", "copy", str(path)], check=True)
    check_same_frames(path, SELECTIONS[3:5])
    assert copy_needed_packets(path, [7, 40], tmp_path / "packets.mp4") is not None


@settings(max_examples=20, deadline=None)
@given(numbers=st.sets(st.integers(0, FRAMES + 5), min_size=1, max_size=12))
def test_any_frames(usual, numbers):
    check_same_frames(usual, [sorted(numbers)])


def test_the_copy_holds_few_packets(usual, tmp_path):
    out = tmp_path / "packets.mp4"
    assert copy_needed_packets(usual, [7, 95], out) is not None
    with av.open(str(out)) as copy:
        kept = sum(packet.size > 0 for packet in copy.demux(video=0))
    assert kept < 20
    assert copy_needed_packets(usual, [], out) == ([], FRAMES)
    assert copy_needed_packets(usual, [FRAMES], out) == ([], FRAMES)
    assert frames(usual, [], "gop").size == frames(usual, [FRAMES], "gop").size == 0


def remuxed(path, out, leave_out):
    """A copy of the film without some of its packets."""
    with av.open(str(path)) as source, av.open(str(out), "w") as copy:
        stream = source.streams.video[0]
        target = copy.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if packet.size and number not in leave_out:
                packet.stream = target
                copy.mux_one(packet)
    return out


def test_a_film_without_its_first_key_frame_is_decoded_as_a_whole(usual, tmp_path):
    path = remuxed(usual, tmp_path / "headless.mp4", {0, 1, 2})
    assert copy_needed_packets(path, [40], tmp_path / "packets.mp4") is None


def test_damage(usual, tmp_path):
    content = bytearray(usual.read_bytes())
    middle = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2
    content[middle : middle + 4000] = bytes(4000)
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    with pytest.raises(CorruptFile, match=r"bad\.mp4"):
        frames(path, range(FRAMES), "gop")
    for keep in (0, 100, 3000):
        path.write_bytes(usual.read_bytes()[:keep])
        with pytest.raises(CorruptFile, match=r"bad\.mp4"):
            frames(path, [0], "gop")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_breaks_off_is_treated_as_by_a_decode_of_the_whole(usual, tmp_path, share):
    path = tmp_path / "cut.mp4"
    command = [ffmpeg_program(), "-loglevel", "error", "-i", str(usual), "-c", "copy"]
    subprocess.run([*command, "-movflags", "+faststart", str(path)], check=True)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    for numbers in ([3, 4], [100, 110]):
        with pytest.raises(CorruptFile, match=r"cut\.mp4"):
            frames(path, numbers, "ffmpeg")
        with pytest.raises(CorruptFile, match=r"cut\.mp4"):
            frames(path, numbers, "gop")


@given(data=st.data())
def test_pictures_are_kept_that_are_selected_or_that_these_may_refer_to(data):
    order = data.draw(st.permutations(range(1, data.draw(st.integers(1, 12)))))
    times = [0, *order]
    referred = [True, *(data.draw(st.booleans()) for _ in order)]
    pictures = [
        Picture(10 * t, i == 0, r) for i, (t, r) in enumerate(zip(times, referred, strict=True))
    ]
    selected = sorted(data.draw(st.sets(st.sampled_from(times), min_size=1)))
    keep, positions = needed_pictures(pictures, np.array(selected))
    assert [sorted(times[i] for i in keep)[position] for position in positions] == selected
    assert keep == sorted(keep)
    last = max(times.index(time) for time in selected)
    for index in range(len(times)):
        needed = times[index] in selected or (referred[index] and index < last)
        assert (index in keep) == needed
    assert needed_pictures(pictures, np.array([], int)) == ([], [])


@pytest.mark.real
def test_real_action_videos(real_data):
    for path in sorted((real_data / "action-videos").glob("*.mp4")):
        check_same_frames(path, [[0, 5, 17, 40, 77, 99, 120]])
