"""`aura view`: what is in the file, and sentences where it cannot be made."""

import importlib.util
import re

import numpy as np
import pytest

from aura.errors import AuraError
from aura.report import scene
from pipeline import view
from pipeline.engine import paths
from pipeline.study.excerpts import signals_of_takes

HAS_VIEWER = importlib.util.find_spec("rerun") is not None
needs_viewer = pytest.mark.skipif(not HAS_VIEWER, reason="rerun-sdk is not installed, aura[viz]")


@pytest.fixture
def params(asked_project):
    return asked_project


def test_without_the_extra_a_sentence_has_the_pip_line(params, monkeypatch):
    monkeypatch.setattr(scene, "find_spec", lambda name: None)
    with pytest.raises(AuraError, match=re.escape("pip install 'aura[viz]'")):
        view.run(params, "tiny")


@needs_viewer
def test_without_a_screen_nothing_is_opened(params, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(view.subprocess, "Popen", lambda *_, **__: pytest.fail("it opened one"))
    path = view.run(params, "tiny")
    assert path == "reports/tiny/view/take2.rrd"  # the first take of the test split
    assert paths.report("tiny", "view").joinpath("take2.rrd").read_bytes()[:3] == b"RRF"
    assert "there is no screen here; open it by `rerun " in capsys.readouterr().err
    assert [p.name for p in paths.report("tiny", "view").iterdir()] == ["take2.rrd"]


@needs_viewer
def test_with_a_screen_it_is_opened(params, monkeypatch):
    opened = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(view.subprocess, "Popen", lambda command, **_: opened.append(command))
    path = view.run(params, "tiny", take="take1")
    assert opened[0][1:] == ["-m", "rerun", path]
    view.run(params, "tiny", take="take1", opened=False)
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"take": "nobody"}, "There is no take 'nobody' in tiny; there are 4, such as take0"),
        ({"window": "nobody"}, "There is no window 'nobody' in tiny; `aura search` prints"),
        ({"take": "take0", "window": "take0@0.0"}, "Name a take or a window, one of them"),
    ],
)
def test_what_is_not_there_is_one_sentence(params, monkeypatch, asked, sentence):
    monkeypatch.setattr(view, "require_viewer", lambda: None)
    with pytest.raises(AuraError, match=re.escape(sentence)):
        view.run(params, "tiny", **asked)


def test_the_scene_has_gaps_texts_and_cosines_of_the_take(params, monkeypatch):
    scenes = []
    monkeypatch.setattr(view, "require_viewer", lambda: None)
    monkeypatch.setattr(view, "write", lambda made, path: (scenes.append(made), path.touch()))
    view.run(params, "tiny", window="take2@5.0", opened=False)
    (made,) = scenes
    assert made.name == "take2"
    assert made.span == (5.0, 10.0)
    assert made.imu.shape == (6000, 6)
    lost = np.isnan(made.mocap).any(axis=-1)
    np.testing.assert_array_equal(
        lost, np.isnan(signals_of_takes("tiny", {"take2"})["take2"]["mocap"]).any(-1)
    )
    assert lost.any()
    assert made.texts == [(2.0, "text 1")]
    assert made.actions == [(1.0, "step, to 6.0 s")]
    assert set(made.cosines) == {"imu", "mocap", "video"}
    assert [time for time, _ in made.cosines["imu"]] == [2.5 + 2.5 * i for i in range(11)]
    assert all(-1 <= cosine <= 1 for _, cosine in made.cosines["imu"])


@needs_viewer
def test_columns_hold_every_sample_and_gaps_are_nan(tmp_path):
    imu = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)
    imu[100:200] = np.nan
    mocap = np.random.default_rng(1).normal(size=(20, 17, 3)).astype(np.float32)
    mocap[5] = np.nan
    scene.write(
        scene.Scene("t", imu, mocap, texts=[(0.5, "hello")], cosines={"imu": [(1.0, 0.5)]}),
        tmp_path / "t.rrd",
    )
    chunks = chunks_of(tmp_path / "t.rrd")
    rows = {str(c.entity_path): c.num_rows for c in chunks if not c.is_static}
    assert rows == {
        "/imu/accelerometer": 400, "/imu/gyroscope": 400, "/imu/measured": 400, "/body/bones": 20,
        "/joints/measured": 20, "/texts": 1, "/cosine/imu": 1,
    }  # fmt: skip
    values = column(chunks, "/imu/accelerometer", "Scalars")
    np.testing.assert_array_equal(values, imu[:, :3].astype(np.float64))
    assert not column(chunks, "/imu/measured", "Scalars")[100:200].any()
    (bones,) = (c for c in chunks if str(c.entity_path) == "/body/bones")
    strips = next(v for k, v in bones.to_record_batch().to_pydict().items() if "strips" in k)
    assert [len(row) for row in strips] == [16 * (frame != 5) for frame in range(20)]


def chunks_of(path):
    """By rerun's own reader."""
    from rerun.chunk import RrdReader

    return list(RrdReader(path).stream())


def column(chunks, entity, name):
    (chunk,) = (c for c in chunks if str(c.entity_path) == entity and not c.is_static)
    columns = chunk.to_record_batch().to_pydict()
    return np.array(next(v for k, v in columns.items() if name in k))
