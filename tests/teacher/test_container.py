"""Files that are no videos, and name others: a scripted input opens nothing, whatever its name."""

import resource
from pathlib import Path

import av
import numpy as np
import pytest

from aura.errors import CorruptFile
from aura.teacher import container, ffmpeg, video, video_header, video_pipe
from aura.teacher.video import check_frames, count_frames, decode_frames, probe
from aura.teacher.video_gop import copy_needed_packets
from tests.teacher import films

FRAMES = 12


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    made = films.write(tmp_path_factory.mktemp("films") / "film.mp4", FRAMES)
    films.copy(made, "film.ts")
    return made


CONCAT = "ffconcat version 1.0\nfile film.mp4\n"
HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfilm.ts\n#EXT-X-ENDLIST\n"
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>film.mp4</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>"
)
SCRIPTS = {
    "list.mp4": CONCAT,
    "list.ffconcat": CONCAT,
    "list.m3u8": HLS,
    "session.mp4": SDP,
    "session.sdp": SDP,
    "manifest.mp4": DASH,
    "manifest.mpd": DASH,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_in_a_videos_place_opens_no_other_file(film, name):
    path = film.with_name(name)
    path.write_text(SCRIPTS[name])
    with pytest.raises(CorruptFile, match="is not a readable video"):
        probe(path)
    with path.open("rb") as file, pytest.raises(CorruptFile, match="is not a readable video"):
        probe(file)
    assert check_frames(path, FRAMES) == ("video cannot be opened", False)
    assert video_header.frames_by_header(path) is None
    assert copy_needed_packets(path, [0], path.with_name("copy.mp4")) is None
    for decoder in ("ffmpeg", "gop"):
        with pytest.raises(CorruptFile):
            list(decode_frames(path, [0], 1, decoder))  # type: ignore[arg-type]
    with pytest.raises(CorruptFile, match="cannot be decoded"):  # as the program itself sees it
        count_frames(path)


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8"])
def test_without_the_list_of_formats_they_would(film, name):
    path = film.with_name(name)
    path.write_text(SCRIPTS[name])
    with av.open(f"file:{path}") as opened:
        assert opened.streams.video[0].width == films.WIDTH


@pytest.mark.parametrize(
    "name", ["concat:film.mp4", "http:film.mp4", "-i.mp4", "a|b.mp4", "%03d.mp4"]
)
def test_a_name_is_a_name_and_no_instruction(film, name):
    path = film.with_name(name)
    path.write_bytes(film.read_bytes())
    assert probe(path) == (films.WIDTH, films.HEIGHT, FRAMES)
    assert count_frames(path) == FRAMES
    path.write_bytes(b"")
    with pytest.raises(CorruptFile):
        probe(path)


def test_metadata_that_are_no_utf8_cost_nothing(film):
    path = film.with_name("odd.mp4")
    data = film.read_bytes()
    assert data.count(b"Lavf") == 1  # what wrote it, among the metadata
    path.write_bytes(data.replace(b"Lavf", b"\xff\xfe\xfd\xfc"))
    assert check_frames(path, FRAMES) == ("", True)
    assert copy_needed_packets(path, [3], path.with_name("copy.mp4")) is not None
    assert len(next(decode_frames(path, [3], 1))) == 1


def test_pictures_larger_than_any_camera_gives_are_refused(film, monkeypatch):
    monkeypatch.setattr(video, "MOST_PIXELS", films.WIDTH * films.HEIGHT - 1)
    with pytest.raises(CorruptFile, match="its pictures are of 64 by 48"):
        probe(film)
    monkeypatch.setattr(ffmpeg, "MOST_PIXELS", films.WIDTH * films.HEIGHT - 1)
    with pytest.raises(CorruptFile, match="cannot be decoded"):
        count_frames(film)  # the program, to which a stream may say what its header does not


def test_large_pictures_come_in_smaller_batches_and_are_the_same(film, monkeypatch):
    numbers = range(0, FRAMES, 2)
    whole = np.concatenate(list(decode_frames(film, numbers, 6)))
    monkeypatch.setattr(video_pipe, "_BATCH_BYTES", 2 * 3 * films.WIDTH * films.HEIGHT)
    parts = list(decode_frames(film, numbers, 6))
    assert [len(part) for part in parts] == [2, 2, 2]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the system has no prlimit")
def test_the_decoder_has_so_much_memory_and_no_more(film, monkeypatch):
    limits = []
    monkeypatch.setattr(resource, "prlimit", lambda *given: limits.append(given[1:]))
    assert count_frames(film) == FRAMES
    assert limits == [(resource.RLIMIT_AS, (4 << 30, 4 << 30))]


def test_a_file_of_boxes_without_end_is_left_to_the_decoder(tmp_path, monkeypatch):
    path = tmp_path / "boxes.mp4"
    path.write_bytes(b"\0\0\0\x08free" * 100)
    with path.open("rb") as file:
        assert not video_header._is_fragmented(file)
        monkeypatch.setattr(video_header, "_MOST_BOXES", 99)
        assert video_header._is_fragmented(file)


def test_the_formats_are_those_of_containers(film):
    """Each name is a demuxer here or in another version, and none follows references."""
    assert set(container.FORMATS) & set(av.formats_available) >= {"mp4", "mpegts", "avi"}
    scripted = {"concat", "concatf", "hls", "dash", "sdp", "image2", "applehttp", "imf", "rtsp"}
    assert not set(container.FORMATS) & scripted
