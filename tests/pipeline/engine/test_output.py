"""Stage outputs are whole or absent, and a run that was killed resumes."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aura import config
from aura.errors import AuraError
from pipeline.engine.code import code_hash, source_files
from pipeline.engine.output import (
    TableWriter,
    list_shards,
    read_table,
    stage_output,
    write_json,
    write_table,
)
from pipeline.engine.shards import (
    Shard,
    add_counts,
    file_shards,
    forget_done,
    group,
    run_shards,
)

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


def numbers(*values):
    return pa.table([pa.array(values, pa.int64())], schema=SCHEMA)


def test_without_an_identity_nothing_is_resumed(tmp_path):
    out = tmp_path / "out"
    for identity in (1, None):
        with pytest.raises(RuntimeError), stage_output(out, identity) as folder:
            assert list(folder.glob("stale")) == []
            (folder / "stale").write_text("x")
            raise RuntimeError
    with stage_output(out, None) as folder:
        assert list(folder.iterdir()) == []


def test_a_run_that_wrote_nothing_leaves_nothing(tmp_path):
    out = tmp_path / "out"
    for written, left in ((".hidden", []), ("kept", ["out.partial"])):
        with pytest.raises(RuntimeError), stage_output(out, 1) as folder:
            (folder / written).write_text("x")
            raise RuntimeError
        assert [path.name for path in tmp_path.iterdir()] == left


def test_killed_between_two_names_the_old_output_gets_its_own_back(tmp_path):
    out, old = tmp_path / "out", tmp_path / "out.old.partial"
    old.mkdir()
    (old / "a").write_text("old")
    with pytest.raises(RuntimeError), stage_output(out, 1):
        assert (out / "a").read_text() == "old"
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    old.mkdir()  # killed after both: the new one stays
    with stage_output(out, 1) as folder:
        assert (out / "a").read_text() == "old"
        (folder / "b").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in out.iterdir()] == ["b"]


def test_an_output_that_cannot_get_its_name_leaves_the_old_one_its_own(tmp_path):
    out = tmp_path / "out"
    with stage_output(out, 1) as folder:
        (folder / "a").write_text("old")
    with pytest.raises((AuraError, OSError)), stage_output(out, 2) as folder:
        shutil.rmtree(folder)
    assert (out / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_only_a_run_needs_is_not_in_the_output(tmp_path):
    out = tmp_path / "out"
    with stage_output(out, 1) as folder:
        (folder / "below").mkdir()
        for name in (".x.tmp", "part-00000.done", "below/.y", "below/z.done", "kept"):
            (folder / name).write_text("x")
    names = sorted(str(path.relative_to(out)) for path in out.rglob("*"))
    assert names == ["below", "below/z.done", "kept"]


def test_a_link_in_the_place_of_a_folder_is_removed_and_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a").write_text("x")
    (tmp_path / "out.partial").symlink_to(elsewhere)
    with stage_output(tmp_path / "out", 1) as folder:
        (folder / "b").write_text("x")
    assert [path.name for path in elsewhere.iterdir()] == ["a"]


def test_a_table_is_packed_the_same_way_by_every_run(tmp_path):
    file = tmp_path / "part-00000.parquet"
    write_table(file, numbers(1, 1, 1, 2), SCHEMA)
    with pq.ParquetFile(file) as opened:
        column = opened.metadata.row_group(0).column(0)
        assert opened.metadata.num_row_groups == 1
    assert column.compression == "LZ4"
    assert not column.is_stats_set
    assert not column.has_dictionary_page
    writer = TableWriter(file, SCHEMA)
    writer.close()
    assert not file.exists()  # the rows of before are not those of now
    with pytest.raises(AuraError, match=r"part-00000\.parquet: column 'x' is string"):
        write_table(file, pa.table({"x": ["a"]}), SCHEMA)
    assert list(tmp_path.iterdir()) == []
    write_table(file, numbers(*range(1_050_000)), SCHEMA)  # more than Arrow puts into one by itself
    assert pq.read_metadata(file).num_row_groups == 1


def test_only_the_columns_asked_for_are_read(tmp_path):
    both = pa.schema([*SCHEMA, pa.field("y", pa.int64())])
    rows = pa.Table.from_pylist([{"x": 1, "y": 2}], schema=both)
    write_table(tmp_path / "part-00000.parquet", rows, both)
    assert read_table(tmp_path, both, "x", ["y"]).to_pylist() == [{"y": 2}]


def test_shards_of_a_folder_or_a_pattern_are_read_in_order(tmp_path):
    for number, value in ((2, 3), (10, 4), (1, 2)):
        write_table(tmp_path / f"part-{number:05d}.parquet", numbers(value), SCHEMA)
    write_table(tmp_path / "texts-00000.parquet", numbers(9), SCHEMA)
    assert [path.stem for path in list_shards(tmp_path, "x")] == [
        "part-00001", "part-00002", "part-00010"
    ]  # fmt: skip
    assert read_table(tmp_path, SCHEMA, "x")["x"].to_pylist() == [2, 3, 4]
    assert read_table(tmp_path, SCHEMA, "x", ["x"])["x"].to_pylist() == [2, 3, 4]
    assert read_table(tmp_path / "texts-*.parquet", SCHEMA, "x")["x"].to_pylist() == [9]
    other = pa.schema([*SCHEMA, pa.field("y", pa.int64())])
    with pytest.raises(AuraError, match=r"part-00001\.parquet has no column 'y'"):
        read_table(tmp_path, other, "x", ["x", "y"])
    other = pa.schema([pa.field("x", pa.string())])
    with pytest.raises(AuraError, match=r"part-00001\.parquet: column 'x' is int64"):
        read_table(tmp_path, other, "x", ["x"])
    with pytest.raises(AuraError, match="unknown columns: x"):
        read_table(tmp_path, pa.schema([]), "x")


def test_shards_of_files_are_as_large_as_their_takes(tmp_path):
    for number, count in ((7, 3), (12, 1)):
        write_table(tmp_path / f"takes-{number:05d}.parquet", numbers(*range(count)), SCHEMA)
    files = [tmp_path / "windows" / f"part-{number:05d}.parquet" for number in (7, 12)]
    assert file_shards(files, tmp_path) == [Shard(7, files[0], 3), Shard(12, files[1], 1)]
    (tmp_path / "takes-00012.parquet").write_bytes(b"no parquet")
    with pytest.raises(AuraError, match=r"takes-00012\.parquet cannot be read.*`aura resample`"):
        file_shards(files, tmp_path)


def test_what_is_forgotten_is_tried_again(tmp_path, capsys):
    calls = []

    def work(items, add):
        calls.append(items)
        return double(items, add)

    (tmp_path / "other.done").write_text("x")
    run(tmp_path, [1, 2, 3, 4], work=work)
    run(tmp_path, [1, 2, 3, 4, 5, 6, 7], work=work)
    assert calls == [[1, 2, 3], [4], [4, 5, 6], [7]] or calls == [[1, 2, 3], [4], [7]]
    assert "double: resuming, 2 of 3 shards are done." in capsys.readouterr().err
    forget_done(tmp_path)
    assert [path.name for path in tmp_path.glob("*.done")] == ["other.done"]
    run(tmp_path, [1, 2, 3], work=work)
    assert calls[-1] == [1, 2, 3]


def test_counts_of_all_reports_are_added():
    reports = [{"skips": {"b": 1, "a": 2}}, {}, {"skips": {"b": 3}, "other": {"a": 9}}]
    assert list(add_counts(reports, "skips").items()) == [("a", 2), ("b", 4)]


def test_a_shard_whose_file_vanishes_is_lost(tmp_path):
    def work(items, add):
        for file in tmp_path.glob("part-00000.parquet"):
            file.unlink()
        return double(items, add)

    with pytest.raises(AuraError, match=r"^Shard 0 of .* is lost; the same command resumes"):
        run(tmp_path, [1, 2, 3, 4], work=work)
