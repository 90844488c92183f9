"""What a run cannot go on with is one sentence, exit code 1, and a tree as it was."""

import errno
import json
import os
import resource
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from aura import config
from aura.errors import AuraError, explain
from pipeline.engine.locks import hold
from tests.faults import study


def refused(
    place: Path, stage: str, *overrides: str, before=lambda: None, resumes: bool = False
) -> str:
    """Run a stage that must end in one sentence and leave the outputs alone; returns it."""
    were = study.content(place)
    code = study.run(place, stage, overrides=overrides, before=before)
    said = study.said(place)
    assert code == 1, said[-2000:]
    assert "Traceback" not in said
    assert "╭" not in said
    (sentence,) = [line for line in said.splitlines() if line.startswith("aura: ")]
    left = study.content(place)
    # Shards that were done before a later one's input was found damaged are resumed from.
    assert {k: v for k, v in left.items() if ".partial" not in k or not resumes} == were
    return sentence


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 3] ^= 4
    file.write_bytes(raw)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def double(file: Path) -> None:
    number = int(file.stem[-5:]) + 90
    (file.parent / f"{file.stem[:-5]}{number:05d}{file.suffix}").write_bytes(file.read_bytes())


def vanish(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("damage", [truncate, flip, empty, double, vanish])
@pytest.mark.parametrize(
    ("stage", "file", "again"),
    [
        ("slice", "data/signals/one/part-00001.parquet", "resample"),
        ("slice", "data/signals/one/takes-00000.parquet", "resample"),
        ("embed", "data/windows/one/part-00000.parquet", "slice"),
        ("embed", "models/teacher/open_clip_model.safetensors", "teach"),
        ("train", "data/embeddings/one/texts-00000.parquet", "embed"),
        ("train", "data/signals/one/content-00000.parquet", "resample"),
        ("evaluate", "data/signals/one/part-00000.parquet", "resample"),
        ("evaluate", "models/one/joint/model.json", "train"),
        ("finetune", "models/one/joint/model.safetensors", "train"),
    ],
)
def test_a_damaged_or_foreign_file_names_the_stage_to_run_again(place, stage, file, again, damage):
    if damage is double and not file.endswith(".parquet"):
        pytest.skip("only tables are in shards")
    damage(place / file)
    assert f"`aura {again}" in refused(place, stage, resumes=True)


def test_a_damaged_manifest_or_none_is_refused(place):
    file = place / "data/windows/one/manifest.json"
    kept = file.read_text()
    for content in (kept[:-20], "[]", json.dumps({**json.loads(kept), "params": {}})):
        file.write_text(content)
        sentence = "manifest.json is damaged; run `aura slice --dataset one` again"
        assert sentence in refused(place, "train")
    file.unlink()
    assert "has no manifest.json" in refused(place, "train")


def test_signals_made_anew_are_not_trained_on_by_old_windows(place):
    assert study.run(place, "resample", overrides=("resample.clock=authors",)) == 0
    assert "data/windows/one was made of another data/signals/one" in refused(place, "train")
    assert study.run(place, "slice") == 0
    assert "data/embeddings/one was made of another data/" in refused(place, "train")
    assert study.run(place, "embed") == 0
    assert "models/one was made of another data/" in refused(place, "evaluate")
    assert study.run(place, "train") == 0  # and the card says which clock it was
    card = json.loads((place / "models/one/joint/model.json").read_text())
    assert card["resample"]["clock"] == "authors"


def test_windows_of_another_length_are_refused(place):
    assert study.run(place, "slice", overrides=("slice.window_s=4",)) == 0
    assert "holds windows of 4.0 s, and slice.window_s is 5.0" in refused(place, "embed")


def limited() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))


@pytest.mark.parametrize("stage", ["teach", "resample", "train", "evaluate"])
def test_a_file_that_cannot_grow_is_one_sentence(place, stage):
    assert "Nothing more can be written" in refused(place, stage, before=limited)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("call", ["mkdir", "rename"])
def test_what_the_disk_refuses_is_one_sentence(place, number, call):
    real = getattr(os, call)

    def refuse():
        def refusing(path, *args, **kwargs):
            if "windows" in os.fspath(path):
                raise OSError(number, os.strerror(number), os.fspath(path))
            return real(path, *args, **kwargs)

        setattr(os, call, refusing)

    assert os.strerror(number).lower() in refused(place, "slice", before=refuse)


def test_no_memory_is_one_sentence(place):
    def exhaust():
        from pipeline import slice as stage

        def slice_take(*_):
            raise MemoryError

        stage.slice_take = slice_take

    assert "There is not enough memory" in refused(place, "slice", before=exhaust)


@pytest.mark.parametrize(
    ("stage", "out"),
    [
        ("resample", "data/signals/one"), ("train", "models/one"), ("teach", "models/teacher"),
        ("evaluate", "reports/one/evaluate"),
    ],
)  # fmt: skip
def test_a_second_run_on_the_same_output_is_refused(place, stage, out):
    with hold(Path(out)):
        assert f"{out} is being written by another run" in refused(place, stage)
    with hold(Path("data/signals/two")):  # another data set is no matter
        assert study.run(place, stage) == 0


def test_the_lock_of_a_killed_run_is_free(place):
    ready, told = os.pipe()
    child = os.fork()
    if not child:
        with hold(Path("data/windows/one")):
            os.write(told, b"x")
            signal.pause()
        os._exit(0)
    os.read(ready, 1)
    assert "another run" in refused(place, "slice")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert study.run(place, "slice") == 0


@pytest.mark.parametrize("name", ["../../../evil", "a/b", "", ".hidden", "x.partial", "teacher"])
def test_a_name_that_is_no_name_of_a_folder_is_refused(place, name):
    entry = {"adapter": "utd-mhad", "root": "raw/one"}
    with pytest.raises(AuraError, match="cannot name a data set or mixture"):
        config.load(overrides=[f"datasets={json.dumps({'one': entry, name: entry})}"])


def test_a_nul_in_a_setting_is_refused(place):
    with pytest.raises(AuraError, match="has a NUL in it"):
        config.load(overrides=['datasets.one.root="a\\0b"'])


def test_errors_of_libraries_are_explained_and_faults_of_the_program_are_not():
    for error, said in (
        (OSError(errno.ENOSPC, "full"), "no space left"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "no space left"),
        (
            RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"),
            "no space left",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "memory"),
        (TimeoutError(errno.ETIMEDOUT, "of a shared folder"), "timed out"),
        (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), "TMPDIR"),
    ):
        assert said in str(explain(error, "out"))
    for error in (
        ValueError("x"),
        KeyError("x"),
        TimeoutError("of a queue"),
        BrokenPipeError(32, "x"),
    ):
        assert explain(error) is None
    wrapped = ValueError("while saving")
    wrapped.__cause__ = OSError(errno.EDQUOT, "x", "models/one")
    assert "models/one: disk quota exceeded" in str(explain(wrapped))


def test_manifests_say_nothing_of_a_time_or_a_machine(place):
    file = place / "data/windows/one/manifest.json"
    before = file.read_bytes()
    assert study.run(place, "slice") == 0
    assert file.read_bytes() == before
    content = json.loads(before)
    (name, entry), *_ = content["files"].items()
    table = pq.read_metadata(place / "data/windows/one" / name)
    assert entry["rows"] == table.num_rows
    assert set(entry) == {"rows", "bytes", "sha256", "schema"}
    assert list(content["inputs"]) == ["data/signals/one"]
    assert str(place) not in file.read_text()
