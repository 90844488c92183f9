"""What the page is filled with: the run before, the joint space on disk, frames of videos."""

import base64
import io
import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from aura.errors import AuraError
from aura.evaluation.comparable import fingerprint_test
from aura.schema import MODALITIES
from aura.teacher import clip
from pipeline.study.previous import earlier_run
from pipeline.study.thumbnails import thumbnails
from pipeline.study.vectors import Described, read_described, read_vectors, write_vectors
from tests.conftest import run


@pytest.fixture
def history(tmp_path, monkeypatch):
    """A git folder and a function that writes the figures and, if asked, commits them."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "reports/x/evaluate/details.json"
    path.parent.mkdir(parents=True)
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    run("git", "init", "-q", cwd=tmp_path)

    def write(value, commit=False, text=None, test=None):
        line = {"name": "IMU → text", "metric": "MRR", "value": value, "n": 5, "low": None}
        path.write_text(text or json.dumps({"headlines": [line], "test": test}))
        if commit:
            run("git", "add", "-A", cwd=tmp_path)
            done = run("git", *author, "commit", "-qm", str(value), "--allow-empty", cwd=tmp_path)
            assert done.returncode == 0

    return write, path.relative_to(tmp_path)


def head(cwd):
    return run("git", "rev-parse", "--short=7", "HEAD", cwd=cwd).stdout.strip()


def test_earlier_run_is_the_newest_other_one_before_and_after_a_commit(history, tmp_path):
    write, path = history
    write(0.1, commit=True)
    assert earlier_run(path).run == ""
    write(0.2, commit=True)
    second = head(tmp_path)
    write(0.3)
    before = earlier_run(path)
    assert [(p.name, p.metric, p.value, p.n) for p in before.figures] == [
        ("IMU → text", "MRR", 0.2, 5)
    ]
    assert second in before.run
    write(0.3, commit=True)
    assert earlier_run(path) == before
    (tmp_path / "other").write_text("x")
    write(0.3, commit=True)  # a commit that leaves the figures as they are
    assert earlier_run(path) == before
    write(0.2)  # back to the figures of before: the last other run is that of 0.3
    assert [p.value for p in earlier_run(path).figures] == [0.3]


def test_runs_over_other_test_windows_are_not_comparable(history):
    write, path = history
    one, two = (fingerprint_test([name, "b"], ["Dance", None]) for name in "ac")
    write(0.1, commit=True)
    write(0.2, commit=True, test=one)
    assert earlier_run(path).not_comparable == "its test windows are not on record"
    write(0.3, test=one)
    assert earlier_run(path).not_comparable == ""
    write(0.3, test=two)
    assert earlier_run(path).not_comparable == "other test windows (2 then, 2 now)"


def test_a_file_of_the_same_figures_is_no_earlier_run(history):
    write, path = history
    write(0.1, commit=True)
    write(0.1, test=fingerprint_test(["a"], [None]))
    assert earlier_run(path).run == ""


def test_versions_that_cannot_be_read_are_passed_over(history):
    write, path = history
    write(0.1, commit=True)
    write(0, commit=True, text="not JSON")
    write(0, commit=True, text='{"headlines": [{"name": 3}]}')
    write(0, commit=True, text="[]")
    write(0.4)
    assert [p.value for p in earlier_run(path).figures] == [0.1]


def test_without_history_the_reason_is_given(history, tmp_path, monkeypatch):
    write, path = history
    write(0.1, commit=True)
    write(0.2, commit=True)
    run("git", "clone", "-q", "--depth", "1", f"file://{tmp_path}", "copy", cwd=tmp_path)
    monkeypatch.chdir(tmp_path / "copy")
    assert earlier_run(path).why == "a shallow clone has no history"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert earlier_run(path).why == "not a git repository"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert earlier_run(path).run == ""


def test_vectors_come_back_by_window_and_absent_ones_are_null(tmp_path):
    rng = np.random.default_rng(0)
    ids = [f"w{i}" for i in range(6)]
    vectors = {m: rng.normal(size=(6, clip.DIM)).astype(np.float32) for m in ("imu", "text")}
    valid = {"imu": np.array([1, 1, 0, 1, 0, 1], bool), "text": np.ones(6, bool)}
    path = tmp_path / "embeddings.parquet"
    texts = [["a person runs"], [], ["a", "b"], ["c"], [], ["d"]]
    labels = ["Run", None, "Sit", "Run", None, "Sit"]
    described = Described(ids, [f"t{i}" for i in range(6)], np.arange(6.0).tolist(), labels, texts)
    write_vectors(path, described, vectors, valid)
    table = pq.read_table(path)
    assert table.column_names == [
        "window_id", "take_id", "start_s", "label", "texts", *MODALITIES
    ]  # fmt: skip
    assert read_described(path)[0] == described
    assert [table.column(m).null_count for m in MODALITIES] == [2, 6, 6, 0]
    order = [4, 2, 0, 5, 1, 3]
    got, has = read_vectors(path, [ids[i] for i in order])
    assert list(got) == ["imu", "text"]
    for modality in got:
        np.testing.assert_array_equal(has[modality], valid[modality][order])
        expected = np.where(valid[modality][:, None], vectors[modality], 0)[order]
        np.testing.assert_array_equal(got[modality], expected)
    first = path.read_bytes()
    write_vectors(path, described, vectors, valid)
    assert path.read_bytes() == first
    for wrong in (ids[:5], [*ids[:5], "other"]):
        with pytest.raises(AuraError, match="other windows than the test split"):
            read_vectors(path, wrong)
    pq.write_table(pa.concat_tables([table, table]), path)
    with pytest.raises(AuraError, match="other windows"):
        read_vectors(path, ids)


def test_frames_are_small_pictures_or_have_a_reason(flawed, monkeypatch):
    folder, params = flawed
    monkeypatch.chdir(folder)
    videos = pq.read_table(sorted((folder / "data/embeddings/synthetic").glob("part-*.parquet")))
    seen, blind = videos.column("window_id").to_pylist()[:2], ["a window without video"]
    found = thumbnails(params, "synthetic", [*seen, *blind])
    assert found[blind[0]] == ("", "no video")
    for window in seen:
        image, reason = found[window]
        assert reason == ""
        kind, content = image.split(",")
        assert kind == "data:image/jpeg;base64"
        assert max(Image.open(io.BytesIO(base64.b64decode(content))).size) == 176
    assert thumbnails(params, "synthetic", [*seen, *blind]) == found
    for root, why in ((folder / "gone", "the recordings are not here"),
                      (folder / "models", "the video cannot be decoded")):  # fmt: skip
        elsewhere = params.dataset("synthetic").model_copy(update={"root": str(root)})
        other = params.model_copy(update={"datasets": {"synthetic": elsewhere}})
        assert thumbnails(other, "synthetic", seen) == dict.fromkeys(seen, ("", why))
