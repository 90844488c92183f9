"""Shards in processes without Ray, and on the workers of Ray."""

import os
import signal
import time

import numpy as np
import pyarrow as pa
import pytest

from aura import config
from aura.errors import AuraError
from pipeline.engine.shards import Shard, run_shards

SCHEMA = pa.schema([pa.field("x", pa.int64(), nullable=False)])


def square(content, add):
    """Work of a shard, which other processes import."""
    if content == "boom":
        raise AuraError("Item boom cannot be read.")
    if content == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    begin = time.monotonic()
    add("part", pa.table([pa.array([content**2], pa.int64())], schema=SCHEMA))
    threads = os.environ.get("OMP_NUM_THREADS")
    return {"process": os.getpid(), "threads": threads, "span": (begin, time.monotonic())}


def most_at_once(reports):
    """How many shards were in work at one time."""
    begins, ends = np.array([report["span"] for report in reports]).T
    return max(int(((begins <= moment) & (ends >= moment)).sum()) for moment in begins)


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
@pytest.mark.parametrize("workers", [1, 2])  # fewer than the session has slots, and as many
def test_ray_does_each_shard_once_on_so_many_workers(tmp_path, ray_cluster, workers):
    reports = run(tmp_path, range(20), executor="ray", workers=workers)
    assert len(reports) == 20
    assert len(list(tmp_path.glob("*.parquet"))) == 20
    assert most_at_once(reports) <= workers
    assert {report["threads"] for report in reports} == {"1"}
