"""Stage outputs are whole or absent, and a run that was killed resumes."""

import json

import numpy as np
import pyarrow as pa
import pytest

from aura import config
from aura.errors import AuraError
from pipeline.engine.code import code_hash, source_files
from pipeline.engine.output import (
    TableWriter,
    read_table,
    stage_output,
    write_json,
)
from pipeline.engine.shards import Shard, add_counts, group, run_shards

SCHEMA = pa.schema([pa.field("x", pa.int64(), nullable=False)])
LOCAL = config.Ray(executor="local")


def double(items, add):
    """Work of a shard; items are numbers."""
    if "boom" in items:
        raise AuraError("Item boom cannot be read.")
    numbers = [2 * x for x in items if x >= 0]
    for number in numbers:
        add("part", pa.table([pa.array([number], pa.int64())], schema=SCHEMA))
    return {"skips": {"negative": len(items) - len(numbers)}}


def run(folder, items, settings=LOCAL, work=double):
    groups = group(items, [1.0] * len(items), 3, 1e9)
    shards = [Shard(i, content, len(content)) for i, content in enumerate(groups)]
    return list(run_shards(shards, work, {"part": SCHEMA}, folder, settings, "double"))


def test_shards_hold_every_item_in_order(tmp_path):
    items = [*range(10), -1]
    reports = run(tmp_path, items)
    assert read_table(tmp_path, SCHEMA, "x")["x"].to_pylist() == [2 * i for i in range(10)]
    assert add_counts(reports, "skips") == {"negative": 1}
    assert sorted(p.name for p in tmp_path.glob("*.parquet")) == [
        f"part-{i:05d}.parquet" for i in range(4)
    ]


@pytest.mark.ray
def test_ray_gives_the_same_bytes_as_the_loop(tmp_path, ray_cluster):
    (tmp_path / "ray").mkdir()
    (tmp_path / "loop").mkdir()
    in_ray = run(tmp_path / "ray", list(range(20)), config.Ray(executor="ray", workers=2))
    assert in_ray == run(tmp_path / "loop", list(range(20)))
    for path in (tmp_path / "loop").iterdir():
        assert (tmp_path / "ray" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.ray
def test_an_error_in_a_ray_worker_is_its_sentence(tmp_path, ray_cluster):
    with pytest.raises(AuraError, match=r"^Item boom cannot be read\.$"):
        run(tmp_path, [1, 2, 3, "boom"], config.Ray(executor="ray", workers=2))


def test_a_killed_run_resumes_with_what_is_done(tmp_path):
    out, seen = tmp_path / "out", []

    def work(items, add):
        seen.append(list(items))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return double(items, add)

    with pytest.raises(KeyboardInterrupt), stage_output(out, {"run": 1}) as folder:
        run(folder, list(range(12)), work=work)
    assert not out.exists()
    with stage_output(out, {"run": 1}) as folder:
        run(folder, list(range(12)), work=work)
    assert seen == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [6, 7, 8], [9, 10, 11]]
    assert read_table(out, SCHEMA, "x")["x"].to_pylist() == [2 * i for i in range(12)]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_another_run_does_not_resume_in_this_ones_remains(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(RuntimeError), stage_output(out, {"run": 1}) as folder:
        (folder / "stale").write_text("x")
        raise RuntimeError
    with stage_output(out, {"run": 2}) as folder:
        assert not (folder / "stale").exists()
        (folder / "fresh").write_text("x")
    assert [p.name for p in out.iterdir()] == ["fresh"]


def test_a_failed_run_leaves_the_old_output_alone(tmp_path):
    out = tmp_path / "out"
    with stage_output(out, 1) as folder:
        (folder / "a").write_text("old")
    with pytest.raises(AuraError), stage_output(out, 2) as folder:
        (folder / "a").write_text("new")
        raise AuraError("no")
    assert (out / "a").read_text() == "old"


def test_a_finished_run_is_done_anew_not_reused(tmp_path):
    out, calls = tmp_path / "out", []

    def work(items, add):
        calls.append(items)
        return double(items, add)

    for _ in range(2):
        with stage_output(out, 1) as folder:
            run(folder, [1, 2], work=work)
    assert len(calls) == 2


def test_json_is_sorted_rounded_and_whole(tmp_path):
    write_json(tmp_path / "a" / "m.json", {"b": np.float64(0.123456789).item(), "a": [1, 2.0]})
    text = (tmp_path / "a" / "m.json").read_text()
    assert text.index('"a"') < text.index('"b"')
    assert json.loads(text) == {"a": [1, 2.0], "b": 0.123457}
    assert len(list((tmp_path / "a").iterdir())) == 1


def test_reading_what_is_not_there_names_the_stage(tmp_path):
    with pytest.raises(AuraError, match="run `aura slice` first"):
        read_table(tmp_path, SCHEMA, "slice")
    (tmp_path / "part-00000.parquet").write_bytes(b"no parquet")
    with pytest.raises(AuraError, match="cannot be read as Parquet"):
        read_table(tmp_path, SCHEMA, "slice")


def test_the_codes_hash_sees_indirect_imports_and_added_modules():
    names = {path.stem for path in source_files("pipeline.resample")}
    assert {"resample", "shards", "imu", "preprocessing", "blocks"} <= names
    assert "ego_exo4d" not in names  # found by name at run time, so it is added by name
    assert code_hash("pipeline.resample") != code_hash(
        "pipeline.resample", "aura.datasets.ego_exo4d"
    )


def test_groups_end_at_a_count_or_a_size():
    assert group("abcdefg", [1.0] * 7, 3, 1e9) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert group("abcd", [5, 5, 1, 20], 99, 10) == [["a", "b"], ["c"], ["d"]]
    assert group("", [], 3, 10) == []


def test_a_table_in_pieces_is_the_table_and_its_memory_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.engine.output._ROW_GROUP_BYTES", 400)
    monkeypatch.setattr("pipeline.engine.output._MAX_PENDING", 3)
    writer = TableWriter(tmp_path / "part-00000.parquet", SCHEMA)
    for start in range(0, 500, 10):
        writer.add(pa.table([pa.array(range(start, start + 10), pa.int64())], schema=SCHEMA))
        assert sum(piece.nbytes for piece in writer._pending) == writer._bytes < 400
        assert len(writer._pending) < 3
    writer.close()
    assert read_table(tmp_path, SCHEMA, "x")["x"].to_pylist() == list(range(500))
    empty = TableWriter(tmp_path / "empty.parquet", SCHEMA)
    empty.add(SCHEMA.empty_table())
    empty.close()
    lost = TableWriter(tmp_path / "lost.parquet", SCHEMA)
    for _ in range(9):
        lost.add(pa.table([pa.array(range(10), pa.int64())], schema=SCHEMA))
    lost.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["part-00000.parquet"]


def test_progress_is_seen_inside_a_shard(tmp_path, monkeypatch):
    """The counter that the display reads rises while a shard is in work."""
    clock = iter(range(1000))
    monkeypatch.setattr("pipeline.engine.task.time.monotonic", lambda: 2.0 * next(clock))
    seen = []

    def work(items, add):
        for number in items:
            add("part", pa.table([pa.array([number], pa.int64())], schema=SCHEMA))
            seen.append(int(next(tmp_path.glob(".*.count")).read_text()))
        return {}

    shards = [Shard(0, [1, 2, 3], 3)]
    list(run_shards(shards, work, {"part": SCHEMA}, tmp_path, LOCAL, "x"))
    assert seen == [1, 2, 3]


@pytest.mark.ray
def test_a_stall_of_ray_is_one_sentence(tmp_path, ray_cluster):
    import time

    def work(items, add):
        time.sleep(30)
        return {}

    settings = config.Ray(executor="ray", workers=2, stall_hours=1 / 3600)
    with pytest.raises(AuraError, match=r"raise ray\.stall_hours; the same command resumes"):
        run(tmp_path, [1], settings, work)
