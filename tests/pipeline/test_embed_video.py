"""embed on videos that are not what their header says, and where none can be used."""

import hashlib
import json
import re
import shutil

import pyarrow.parquet as pq
import pytest

from aura.errors import AuraError
from aura.teacher import ffmpeg as programs
from aura.teacher.ffmpeg import encoder_program, find_ffmpeg
from aura.teacher.video import check_frames
from pipeline import doctor, embed
from tests.teacher.films import copy, run

EMBEDDED = "data/embeddings/synthetic"
OTHER = "video has another number of frames than the take"


@pytest.fixture
def study(flawed, tmp_path, monkeypatch):
    """What `embed` reads, of which the videos may be changed; and the parameters."""
    source, params = flawed
    shutil.copytree(source / "data/raw", tmp_path / "data/raw")
    for name in ("data/signals", "data/windows", "models"):
        (tmp_path / name).symlink_to(source / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path, params


def videos(folder):
    return sorted((folder / "data/raw/synthetic/takes").rglob("*.mp4"))


def hashes(folder):
    parts = sorted((folder / EMBEDDED).glob("part-*.parquet"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in parts}


def skips(folder):
    metrics = json.loads((folder / "reports/synthetic/embed/metrics.json").read_text())
    return {**metrics["skips"], **metrics["cameras"]["dropped"]}


def sound(folder):
    """Videos of the best camera of the takes in use, those that are as long as their take."""
    root = folder / "data/raw/synthetic"
    for table in sorted((folder / "data/signals/synthetic").glob("takes-*.parquet")):
        for take in pq.read_table(table, columns=["videos", "frames"]).to_pylist():
            path = root / take["videos"][0]["path"] if take["videos"] else root
            if path.is_file() and check_frames(path, take["frames"]) == ("", True):
                yield path


def test_fragments_without_a_count_embed_to_the_same_bytes(flawed, study):
    folder, params = study
    for path in sound(folder):
        copy(path, "fragments.mp4", "-movflags", "frag_keyframe+empty_moov")
        path.with_name("fragments.mp4").replace(path)
    embed.run(params, "synthetic")
    assert hashes(folder) == hashes(flawed[0]) != {}
    assert skips(folder) == skips(flawed[0])


def refused(table):
    found = re.search(rf"(\d+)  video: {OTHER}, e\.g\.", table)
    return int(found[1]) if found else 0


def test_lost_frames_that_no_header_tells_of_are_counted_and_doctor_agrees(flawed, study):
    folder, params = study
    before = skips(flawed[0])[OTHER]
    known = refused(doctor.run(params, "synthetic"))
    lost = list(sound(folder))[:3]
    for path in lost:
        pick = ("-vf", "select='not(between(n,50,59))'", "-fps_mode", "vfr", "-c:v", "libx264")
        out = path.with_name("lost.mp4")
        run("-i", path, *pick, "-movflags", "frag_keyframe+empty_moov", out)
        out.replace(path)
    assert len(lost) == 3
    assert refused(doctor.run(params, "synthetic")) == known + 3
    embed.run(params, "synthetic")
    assert skips(folder)[OTHER] == before + 3


def test_a_data_set_of_which_every_video_fails_is_an_error_and_can_be_mended(flawed, study):
    folder, params = study
    kept = folder / "kept"
    shutil.copytree(folder / "data/raw", kept)
    for path in videos(folder):
        path.write_bytes(b"no film")
    sentence = r"No video of data set synthetic can be used: .*video cannot be opened \(\d+\)"
    with pytest.raises(AuraError, match=sentence) as error:
        embed.run(params, "synthetic")
    assert "\n" not in str(error.value)
    assert "aura doctor --dataset synthetic" in str(error.value)
    assert not (folder / EMBEDDED).exists()
    shutil.rmtree(folder / "data/raw")
    kept.rename(folder / "data/raw")
    embed.run(params, "synthetic")
    assert hashes(folder) == hashes(flawed[0])


def test_no_ffmpeg_ends_embed_and_teach_before_any_work(study, monkeypatch):
    folder, params = study
    monkeypatch.setattr(programs, "_candidates", lambda: iter(["/nowhere/ffmpeg"]))
    for cached in (find_ffmpeg, encoder_program):
        cached.cache_clear()
    try:
        with pytest.raises(AuraError, match="No ffmpeg works here: /nowhere/ffmpeg cannot be"):
            embed.run(params, "synthetic")
        assert not (folder / f"{EMBEDDED}.partial").exists()
    finally:
        find_ffmpeg.cache_clear()
