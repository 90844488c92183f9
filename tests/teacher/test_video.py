import subprocess

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.errors import CorruptFile
from aura.teacher.ffmpeg import ffmpeg_program
from aura.teacher.video import check_frames, decode_frames, probe, window_frames

FRAMES = 90


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """3 s of H.264 at 30 FPS, with a picture that changes in every frame."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    command = [ffmpeg_program(), "-loglevel", "error", "-f", "lavfi"]
    command += ["-i", f"testsrc=size=160x120:rate=30:duration={FRAMES / 30}"]
    command += ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "12", "-bf", "2", str(path)]
    subprocess.run(command, check=True)
    return path


def every_frame(path):
    """Oracle: decode everything with another library, in order."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_picked_frames_are_those_of_a_full_decode(clip):
    whole = every_frame(clip)
    numbers = [0, 7, 8, 31, 60, 89]
    decoded = np.concatenate(list(decode_frames(clip, numbers, batch=4)))
    assert decoded.shape == (6, 120, 160, 3)
    for number, frame in zip(numbers, decoded, strict=True):
        others = [np.abs(frame.astype(int) - w).mean() for w in whole]
        assert int(np.argmin(others)) == number
        assert others[number] < 2  # the two programs convert colours a little differently


def test_batches_bound_what_is_in_memory(clip):
    sizes = [len(b) for b in decode_frames(clip, list(range(0, 90, 9)), batch=4)]
    assert sizes == [4, 4, 2]


def test_frames_past_the_end_are_absent(clip):
    assert sum(len(b) for b in decode_frames(clip, [80, 89, 90, 200], batch=8)) == 2


def test_thousands_of_frames_fit_in_one_call(clip):
    assert sum(len(b) for b in decode_frames(clip, list(range(4000)), batch=64)) == FRAMES


def test_probe_reads_the_header(clip):
    assert probe(clip) == (160, 120, FRAMES)


@pytest.mark.parametrize("keep", [0, 100, 3000])
def test_damaged_files_are_corrupt(clip, tmp_path, keep):
    path = tmp_path / "cut.mp4"
    path.write_bytes(clip.read_bytes()[:keep])
    with pytest.raises(CorruptFile, match=r"cut\.mp4"):
        list(decode_frames(path, [0], 1))


def test_damage_inside_the_stream_is_corrupt_not_silent(clip, tmp_path):
    path = tmp_path / "bad.mp4"
    content = bytearray(clip.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    with pytest.raises(CorruptFile):
        list(decode_frames(path, list(range(FRAMES)), 16))


@given(first=st.integers(0, 100), n=st.sampled_from([4, 8, 10]))
def test_overlapping_windows_share_their_frames(first, n):
    """At half-window strides half of the frames are shared: the grid is one."""
    starts = first + 2.5 * np.arange(5)
    numbers = window_frames(starts, 5.0, n, 30.0)
    assert numbers.shape == (5, n)
    assert len(np.unique(numbers)) == n + 4 * n // 2
    assert (numbers[:, 0] >= np.rint(starts * 30)).all()
    assert (numbers[:, -1] < (starts + 5) * 30).all()


@pytest.mark.real
def test_real_action_videos_decode(real_data):
    for path in sorted((real_data / "action-videos").glob("*.mp4")):
        width, height, frames = probe(path)
        decoded = np.concatenate(list(decode_frames(path, [0, 50, frames - 1], 8)))
        assert decoded.shape == (3, height, width, 3)
        assert np.abs(decoded[0].astype(int) - decoded[2]).mean() > 0.5


def turned(path, tmp_path, degrees):
    """The same film with a note in its header to turn it, as phones write."""
    out = tmp_path / f"turned{degrees}.mp4"
    command = [ffmpeg_program(), "-loglevel", "error", "-display_rotation", str(degrees)]
    subprocess.run([*command, "-i", str(path), "-c", "copy", str(out)], check=True)
    return out


def test_a_film_that_asks_to_be_turned_comes_out_upright(clip, tmp_path):
    flat = np.concatenate(list(decode_frames(clip, [3, 30], batch=1)))
    for degrees, turns in ((90, 1), (-90, -1), (180, 2)):
        result = np.concatenate(list(decode_frames(turned(clip, tmp_path, degrees), [3, 30], 2)))
        expected = np.rot90(flat, turns, axes=(1, 2))
        assert result.shape == expected.shape
        assert np.abs(result.astype(int) - expected).mean() < 2


def test_a_film_of_another_length_than_its_take_is_named(clip, tmp_path):
    assert check_frames(clip, FRAMES) == check_frames(clip, 0) == ("", True)
    few = "video is a frame or two off the take"
    other = "video has another number of frames than the take"
    for difference, result in ((1, (few, True)), (2, (few, True)), (3, (other, False))):
        assert check_frames(clip, FRAMES + difference) == result
        assert check_frames(clip, FRAMES - difference) == result
    (tmp_path / "x.mp4").write_bytes(b"x")
    assert check_frames(tmp_path / "x.mp4", FRAMES) == ("video cannot be opened", False)


def test_no_frames_asked_for_are_no_frames(clip):
    assert list(decode_frames(clip, [], batch=4)) == []
