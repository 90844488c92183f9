"""`aura verify` names all that is wrong, and how far two machines' outputs are apart."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aura import config
from aura.errors import AuraError
from pipeline import verify
from tests.faults import study


def faults(capsys, **arguments) -> list[str]:
    with pytest.raises(AuraError, match=r"(wrong with the outputs|not the same)"):
        verify.run(config.load(), **arguments)
    return capsys.readouterr().out.splitlines()


def test_a_whole_tree_has_nothing_wrong_and_is_not_touched(place):
    before = study.content(place)
    assert "Nothing is wrong: 5 folders" in verify.run(config.load())
    assert "Nothing is wrong" in verify.run(config.load(), "one")
    assert study.content(place) == before
    with pytest.raises(AuraError, match="There is no data set 'nowhere'"):
        verify.run(config.load(), "nowhere")


def test_each_fault_is_a_line_with_the_stage_to_run_again(place, capsys):
    shard = place / "data/windows/one/part-00000.parquet"
    raw = bytearray(shard.read_bytes())
    raw[len(raw) // 2] ^= 1
    shard.write_bytes(raw)
    (place / "data/signals/one/takes-00001.parquet").unlink()
    (place / "data/embeddings/one/texts-00077.parquet").write_bytes(b"x")
    (place / "models/one/manifest.json").write_text("{")
    (place / "reports/one/evaluate/details.json").write_text("[")
    (place / "reports/one/slice/.metrics.json.0123").write_text("")
    (place / "data/signals/one.old.partial").mkdir()
    lines = faults(capsys)
    for file, stage in (
        ("data/windows/one/part-00000.parquet is damaged", "slice"),
        ("data/signals/one/takes-00001.parquet is missing", "resample"),
        ("data/embeddings/one/texts-00077.parquet is of another run", "embed"),
        ("models/one/manifest.json is damaged", "train"),
        ("reports/one/evaluate/details.json is damaged", "evaluate"),
        ("reports/one/slice/.metrics.json.0123 is left", "slice"),
        ("data/signals/one.old.partial is left", "resample"),
    ):
        (line,) = [line for line in lines if line.startswith(file)]
        assert f"run `aura {stage} --dataset one` again" in line
    assert len(lines) == 7


def test_a_broken_chain_and_contract_are_named(place, capsys):
    assert study.run(place, "slice", overrides=("slice.stride_s=1.0",)) == 0
    lines = faults(capsys)
    made_of = "was made of another data/windows/one than is there now; run `aura"
    assert any(f"data/embeddings/one {made_of} embed" in line for line in lines)
    assert any(f"models/one {made_of} train" in line for line in lines)
    assert any("data/manifests/one.json is of another data/windows/one" in line for line in lines)


def test_two_machines_are_the_same_within_tolerances(place, tmp_path, capsys):
    other = tmp_path / "other"
    study.copy(place, other)
    same = verify.run(config.load(), against=str(other))
    assert "data/embeddings: 1 files, largest difference 0 " in same
    shift(other / "data/embeddings/one/texts-00000.parquet", 2e-4)
    near = verify.run(config.load(), against=str(other))
    assert "largest difference 0.0002, embedding of data/embeddings/one/texts-00000" in near
    shift(other / "data/embeddings/one/texts-00000.parquet", 1e-2)
    *_, fault = faults(capsys, against=str(other))
    assert "texts-00000.parquet: embedding differs by 0.01, more than 0.001" in fault


def shift(file: Path, by: float) -> None:
    table = pq.read_table(file)
    rows = table.to_pylist()
    rows[0]["embedding"][0] += by
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)


def test_other_ids_and_rows_are_no_matter_of_tolerance(place, tmp_path, capsys):
    other = tmp_path / "other"
    study.copy(place, other)
    file = other / "data/windows/one/part-00000.parquet"
    table = pq.read_table(file)
    pq.write_table(table.slice(1), file)
    (other / "data/signals/one/takes-00000.parquet").unlink()
    metrics = other / "reports/one/evaluate/metrics.json"
    content = json.loads(metrics.read_text())
    content.pop(sorted(content)[0])
    metrics.write_text(json.dumps(content))
    lines = faults(capsys, against=str(other))
    assert any("windows/one/part-00000.parquet: " in line for line in lines)
    assert any(f"takes-00000.parquet is not in {other}" in line for line in lines)
    assert any("metrics.json: only one of the two has" in line for line in lines)
