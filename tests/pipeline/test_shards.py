"""Shards in processes without Ray, and several in one task of Ray."""

import os
import signal

import numpy as np
import pyarrow as pa
import pytest

from aura import config
from aura.errors import AuraError
from pipeline.shards import Shard, run_shards, tasks_of

SCHEMA = pa.schema([pa.field("x", pa.int64(), nullable=False)])


def square(content, add):
    """Work of a shard, which other processes import."""
    if content == "boom":
        raise AuraError("Item boom cannot be read.")
    if content == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    add("part", pa.table([pa.array([content**2], pa.int64())], schema=SCHEMA))
    return {"process": os.getpid(), "threads": os.environ.get("OMP_NUM_THREADS")}


def run(folder, contents, **settings):
    folder.mkdir(exist_ok=True)
    shards = [Shard(number, content, 1) for number, content in enumerate(contents)]
    settings = config.Ray(**{"executor": "local", "workers": 2, **settings})
    return list(run_shards(shards, square, {"part": SCHEMA}, folder, settings, "square"))


def test_processes_write_the_same_bytes_as_the_loop(tmp_path):
    reports = run(tmp_path / "processes", range(6))
    assert {report["threads"] for report in reports} == {"1"}
    assert os.getpid() not in {report["process"] for report in reports}
    looped = run(tmp_path / "loop", range(6), workers=None)
    assert {report["process"] for report in looped} == {os.getpid()}
    files = sorted((tmp_path / "loop").glob("*.parquet"))
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "processes" / file.name).read_bytes() == file.read_bytes()


def test_an_error_in_a_process_is_its_sentence_and_the_run_resumes(tmp_path, capsys):
    with pytest.raises(AuraError, match=r"^Item boom cannot be read\.$"):
        run(tmp_path, [1, 2, 3, "boom"])
    assert len(run(tmp_path, [1, 2, 3, 4])) == 4
    assert "resuming, " in capsys.readouterr().err


def test_a_process_that_dies_is_one_sentence(tmp_path):
    with pytest.raises(AuraError, match=r"ended without a word.*The same command resumes"):
        run(tmp_path, [1, "die", 3, 4])


@pytest.mark.ray
def test_ray_tasks_of_several_shards_do_each_once(tmp_path, ray_cluster):
    reports = run(tmp_path, range(20), executor="ray")
    assert len(reports) == 20
    assert len(list(tmp_path.glob("*.parquet"))) == 20


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 13, 100])
def test_tasks_hold_every_shard_and_shrink_to_one(count, workers):
    tasks = tasks_of(count, workers)
    assert sum(tasks) == count
    assert all(np.diff(tasks) <= 0)
    assert count == 0 or tasks[-1] == 1
    assert all(size <= 8 for size in tasks)
