import pickle
import zipfile

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from aura import schema
from aura.errors import AuraError
from aura.schema import weights
from pipeline.engine.output import read_table, write_table


def windows_table():
    row = {
        "window_id": "t@0", "take_id": "t", "participant_id": "p", "capture_id": "c",
        "split": "train", "label": None, "start_s": 0.0, "imu_valid": 1.0, "mocap_valid": 1.0,
        "has_imu": True, "has_mocap": True, "has_video": False, "imu_saturated": 0.0,
        "texts": [{"text": "a", "offset_s": 1.0, "source": "keystep"}],
        "action": None, "place": "wrist-left", "moment_id": "t", "imu_channels": [True] * 6,
        "clock_offset_ms": 0.0, "largest_gap_ms": 0.0,
    }  # fmt: skip
    return schema.from_rows([row], schema.WINDOWS)


def signals_table(seconds=3):
    rng = np.random.default_rng(0)
    values = {
        "imu": rng.normal(size=(seconds, 200, 6)).astype(np.float32),
        "imu_valid": rng.random((seconds, 200)) > 0.5,
        "mocap": rng.normal(size=(seconds, 10, 17, 3)).astype(np.float32),
        "mocap_valid": rng.random((seconds, 10, 17)) > 0.5,
    }
    arrays = [schema.from_numpy(v, schema.SIGNALS.field(k)) for k, v in values.items()]
    table = pa.table(
        [
            pa.array(["t"] * seconds),
            pa.array(np.arange(seconds, dtype=np.int32)),
            *arrays,
            *[pa.array(np.zeros(seconds, np.float32))] * 2,
        ],
        schema=schema.SIGNALS,
    )
    return table, values


def test_blocks_come_back_as_written_also_from_disk_and_slices(tmp_path):
    table, values = signals_table()
    write_table(tmp_path / "part-00000.parquet", table, schema.SIGNALS)
    read = read_table(tmp_path, schema.SIGNALS, "resample")
    for name, expected in values.items():
        np.testing.assert_array_equal(schema.to_numpy(read, name), expected)
        np.testing.assert_array_equal(schema.to_numpy(table.slice(1, 1), name), expected[1:2])
        both = pa.concat_tables([table, table])
        np.testing.assert_array_equal(schema.to_numpy(both, name), np.concatenate([expected] * 2))


def test_reading_a_block_copies_nothing():
    table, _ = signals_table()
    buffer = table.column("imu").chunk(0).buffers()[1]
    view = schema.to_numpy(table, "imu")
    assert view.__array_interface__["data"][0] == buffer.address


def test_a_column_with_nulls_is_one_sentence_and_its_other_rows_are_read(tmp_path):
    form = schema.embeddings_schema(3)
    rows = [
        {
            "window_id": f"{n}",
            "take_id": "t",
            "start_s": 0.0,
            "texts": [],
            "imu": [n, 0.5, 1],
            "mocap": [n, 1, 2] if n % 3 else None,
        }
        for n in range(6)
    ]
    write_table(tmp_path / "t.parquet", schema.from_rows(rows, form), form)
    table = read_table(tmp_path / "t.parquet", form, "evaluate")
    assert schema.to_numpy(table, "imu").shape == (6, 3)
    sentence = r"'mocap' is null in 2 of 6 rows; take the others, table\.filter"
    for nulled in (table, pa.concat_tables([table, table.slice(6)])):
        with pytest.raises(AuraError, match=sentence):
            schema.to_numpy(nulled, "mocap")
    kept = table.filter(table["mocap"].is_valid())
    assert schema.to_numpy(kept, "mocap")[:, 0].tolist() == [1, 2, 4, 5]
    assert schema.to_numpy(table.slice(1, 2), "mocap").tolist() == [[1, 1, 2], [2, 1, 2]]
    with pytest.raises(AuraError, match="'text' is null in 6 of 6"):
        schema.to_numpy(table, "text")
    with pytest.raises(AuraError, match="has no column 'imus', but window_id, take_id"):
        schema.to_numpy(table, "imus")


def test_nulls_in_a_block_and_inside_a_vector_are_sentences():
    field = schema.block("x", "float32", (2,), "m")
    loose = pa.field("x", field.type, metadata=field.metadata)
    table = pa.table([pa.array([b"12345678", None], field.type)], schema=pa.schema([loose]))
    with pytest.raises(AuraError, match="'x' is null in 1 of 2 rows"):
        schema.to_numpy(table, "x")
    vectors = pa.table({"v": pa.array([[1.0, None], [2.0, 3.0]], pa.list_(pa.float32(), 2))})
    with pytest.raises(AuraError, match="'v' has 1 nulls inside"):
        schema.to_numpy(vectors, "v")
    texts = pa.table([pa.array(["a"])], schema=pa.schema([pa.field("x", pa.string(),
                     metadata=field.metadata)]))  # fmt: skip
    with pytest.raises(AuraError, match="is not a block"):
        schema.to_numpy(texts, "x")


def test_polars_reads_the_files(tmp_path):
    table, values = signals_table()
    write_table(tmp_path / "signals.parquet", table, schema.SIGNALS)
    frame = pl.read_parquet(tmp_path / "signals.parquet")
    first = np.frombuffer(frame["imu"][0], np.float32).reshape(200, 6)
    np.testing.assert_array_equal(first, values["imu"][0])
    texts = schema.texts_schema(4)
    rows = [
        {"text_id": "1", "text": "a", "kind": "caption", "label": None, "embedding": [1, 0, 0, 0]}
    ]
    write_table(tmp_path / "texts.parquet", schema.from_rows(rows, texts), texts)
    vectors = pl.read_parquet(tmp_path / "texts.parquet")["embedding"]
    assert vectors.to_numpy().shape == (1, 4)


def test_equal_tables_give_equal_bytes(tmp_path):
    table, _ = signals_table()
    write_table(tmp_path / "a", table, schema.SIGNALS)
    write_table(
        tmp_path / "b", pa.concat_tables([table.slice(0, 1), table.slice(1)]), schema.SIGNALS
    )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.drop(["label"]), "has no column 'label'"),
        (lambda t: t.append_column("x", pa.array([1])), "unknown columns: x"),
        (lambda t: t.set_column(9, "start_s", pa.array(["0"])), "'start_s' is string, not double"),
        (lambda t: t.drop(["place"]), "has no column 'place'"),
        (
            lambda t: t.set_column(7, schema.WINDOWS.field(7), pa.array([None], pa.string())),
            "'moment_id' has 1 empty",
        ),
        (
            lambda t: t.set_column(0, "window_id", pa.array([None], pa.string())),
            "'window_id' has 1 empty",
        ),
    ],
)
def test_a_broken_contract_is_named(change, sentence):
    table = windows_table()
    assert schema.validate(table, schema.WINDOWS, "here") is table
    with pytest.raises(AuraError, match=sentence):
        schema.validate(change(table), schema.WINDOWS, "here")


def test_a_place_is_a_part_of_the_body_and_may_have_one_side():
    known = [None, "head", "wrist-left", "upper-arm-right", "pocket"]
    unknown = [
        "",
        "left",
        "tail",
        "wrist-",
        "wrist-left-right",
        "wrist-leftish",
        "Wrist",
        "left-wrist",
    ]
    assert all(map(schema.is_place, known))
    assert not any(map(schema.is_place, unknown))


def test_wrong_shapes_do_not_become_blocks():
    field = schema.SIGNALS.field("imu")
    with pytest.raises(AuraError, match="needs float32 of shape"):
        schema.from_numpy(np.zeros((1, 200, 5), np.float32), field)
    with pytest.raises(AuraError, match="rows of 4 numbers"):
        schema.from_numpy(np.zeros((1, 5)), schema.texts_schema(4).field("embedding"))


def test_joints_are_cocos_seventeen():
    assert len(schema.JOINTS) == len(set(schema.JOINTS)) == 17
    assert schema.JOINTS[0] == "nose"
    assert schema.JOINTS[15:] == ("left-ankle", "right-ankle")


class Runs:
    """Makes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_weights_come_back_and_numbers_that_are_none_are_refused(tmp_path):
    state = {"a": torch.arange(3.0), "n": torch.tensor([1, 2])}
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pt")
    for read in (
        weights.read_safetensors(tmp_path / "w.safetensors"),
        weights.read_checkpoint(tmp_path / "w.pt"),
    ):
        assert {name: x.tolist() for name, x in read.items()} == {"a": [0, 1, 2], "n": [1, 2]}
    assert weights.read_checkpoint(tmp_path / "w.pt", "meta")["a"].device.type == "meta"
    for bad in (np.nan, np.inf):
        state["a"][1] = bad
        save_file(state, tmp_path / "w.safetensors")
        with pytest.raises(ValueError, match=r"^a holds numbers that are not finite"):
            weights.read_safetensors(tmp_path / "w.safetensors")
    with pytest.raises(FileNotFoundError):
        weights.read_checkpoint(tmp_path / "none.pt")
    torch.save({"a": Runs(str(tmp_path / "ran"))}, tmp_path / "w.pt")
    with pytest.raises(pickle.UnpicklingError):
        weights.read_checkpoint(tmp_path / "w.pt")
    assert not (tmp_path / "ran").exists()


def test_only_the_code_of_an_archive_may_be_packed(tmp_path):
    file = tmp_path / "w.pt"
    for name, packed in (("w/code/a.py", False), ("w/data/0", True)):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("w/version", "3")
            archive.writestr(name, "x" * 99, zipfile.ZIP_DEFLATED)
        if packed:
            with pytest.raises(ValueError, match=r"^w/data/0 in it is packed"):
                weights.require_stored(file)
            with pytest.raises(ValueError, match="packed"):
                weights.read_checkpoint(file)
        else:
            weights.require_stored(file)


def test_a_network_is_no_larger_than_its_weights():
    with weights.no_larger_than(12):
        nn.Linear(3, 3)
    with weights.no_larger_than(12):
        nn.Linear(3, 3, bias=False)  # a parameter that is None counts nothing
        nn.Linear(3, 1, bias=False)
    for make in (lambda: nn.Linear(4, 3), lambda: nn.Sequential(nn.Linear(3, 3), nn.Linear(1, 1))):
        with pytest.raises(ValueError, match="larger than these weights"), (
            weights.no_larger_than(12)
        ):  # fmt: skip
            make()
    nn.Linear(99, 99)  # outside, nothing is counted


def test_columns_are_named_where_they_have_no_one_width():
    assert schema.embedding_dim(schema.texts_schema(7), "here") == 7
    assert schema.embedding_dim(schema.embeddings_schema(5), "here", "imu") == 5
    with pytest.raises(AuraError, match=r"^here has no column 'text' of vectors"):
        schema.embedding_dim(schema.texts_schema(7), "here", "text")
    with pytest.raises(AuraError, match=r"^here has no column 'embedding' of vectors"):
        schema.embedding_dim(schema.WINDOWS, "here")


def test_a_table_without_rows_is_an_array_without_rows():
    table, _ = signals_table()
    for empty in (table.slice(0, 0), schema.SIGNALS.empty_table()):
        found = schema.to_numpy(empty, "imu")
        assert (found.shape, found.dtype) == ((0, 200, 6), np.float32)
    vectors = pa.table({"v": pa.chunked_array([], pa.list_(pa.float32(), 2))})
    assert schema.to_numpy(vectors, "v").shape == (0, 2)


def test_units_are_kept_and_vectors_become_single_precision():
    texts = schema.texts_schema(4)
    assert texts.field("kind").metadata == {b"unit": b"caption, action or prompt"}
    assert texts.field("text").metadata is None
    assert schema.embeddings_schema(3).field("imu").metadata == {b"unit": b"unit vector"}
    assert schema.videos_schema(3).names == ["window_id", "camera", "frames", "embedding"]
    block = schema.block("x", "float32", (2, 3), "m")
    assert (block.name, block.type, block.nullable) == ("x", pa.binary(24), False)
    assert block.metadata == {b"dtype": b"float32", b"shape": b"[2, 3]", b"unit": b"m"}
    field = schema.texts_schema(4).field("embedding")
    column = schema.from_numpy(np.arange(8.0).reshape(2, 4), field)
    assert column.type == field.type
    assert column.to_pylist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert schema.embedding_dim(pa.schema([field]), "here") == 4
