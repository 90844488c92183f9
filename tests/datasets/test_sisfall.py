"""Trials written here in SisFall's layout, with what can be wrong of them, and the real ones."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from aura.datasets.sisfall import ACTIVITIES, Adapter, Options, every_sixth, read_rows
from aura.errors import AuraError, CorruptFile
from aura.storage import Storage

ACCEL, FINE, GYRO = 32 * 9.80665 / 8192, 16 * 9.80665 / 16384, np.deg2rad(4000) / 65536


def bits(rows=400, seed=0):
    """(rows, 9) int of a person who stands and sways: y is -1 g in both accelerometers."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 10, (rows, 9)).round().astype(int)
    values[:, 1] -= 256
    values[:, 7] -= 1024
    return values


def lines_of(values):
    """As in the files: numbers in columns, a semicolon, a carriage return."""
    return [",".join(f"{cell:4d}" for cell in row) + ";\r\n" for row in values.tolist()]


def save(root, name, content):
    path = root / name.split("/")[-1][4:8] / name if "/" not in name else root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def write(root, name, values=None):
    values = bits() if values is None else values
    save(root, name, "".join(lines_of(values)))
    return values


def read(root, name="D01_SA01_R01.txt", **options):
    adapter = Adapter(Storage(root), options)
    take = next(t for t in adapter.inventory().takes if t.source.endswith(name))
    return take, adapter.load(take)


def test_columns_units_and_clock(tmp_path):
    values = write(tmp_path, "F04_SA01_R02.txt")
    take, got = read(tmp_path, "F04_SA01_R02.txt")
    assert (take.participant_id, take.place, take.moment_id) == ("SA01", "waist", "")
    assert take.label == "falling forward while walking, caused by a trip"
    assert [(t.text, t.time_s, t.end_s) for t in got.texts] == [(take.label, 0.0, 2.0)]
    assert_allclose(got.imu[:, :3], values[:, :3] * ACCEL, rtol=1e-6)
    assert_allclose(got.imu[:, 3:], values[:, 3:6] * GYRO, rtol=1e-6)
    assert_allclose(got.imu_s, np.arange(400) / 200)
    assert got.duration_s == 2.0
    assert got.imu_ok.all()
    assert not got.imu_saturated.any()
    assert not got.skips
    _, fine = read(tmp_path, "F04_SA01_R02.txt", accelerometer="MMA8451Q")
    assert_allclose(fine.imu[:, :3], values[:, 6:] * FINE, rtol=1e-6)
    assert np.median(fine.imu[:, 1]) == pytest.approx(-9.8, abs=0.1)


def test_the_end_of_each_range_is_flagged_and_what_lies_beyond_is_not_used(tmp_path):
    values = bits()
    values[10, 0], values[20, 1], values[30, 5], values[40, 3] = 4095, -4096, 32767, -32768
    values[50, 2], values[60, 4] = 4096, 40000  # not of 13 and 16 bits
    values[70, 8] = 99999  # of the accelerometer that is not read
    write(tmp_path, "D01_SA01_R01.txt", values)
    _, got = read(tmp_path)
    assert_array_equal(np.flatnonzero(~got.imu_ok), [50, 60])
    assert_array_equal(np.flatnonzero(got.imu_saturated & got.imu_ok), [10, 20, 30, 40])


def test_a_damaged_row_keeps_its_place_in_time(tmp_path):
    lines = lines_of(bits())
    lines[100], lines[200], lines[300] = (
        "  17,-179;\r\n",
        "garbage\r\n",
        "1,2,3,4,5,6,7,8,9,10;\r\n",
    )
    lines[350] = lines[350].replace(",", ",x", 1)
    content = "".join(lines).replace(lines[50], lines[50] + "\r\n")  # an empty line is no row
    save(tmp_path, "D01_SA01_R01.txt", content)
    _, got = read(tmp_path)
    assert Counter(s.reason for s in got.skips) == {"row is damaged": 3}
    kept = np.delete(np.arange(400), [100, 200, 300])
    assert_allclose(got.imu_s, kept / 200)
    assert_allclose(got.imu[kept != 350], (bits() * ([ACCEL] * 3 + [GYRO] * 3 + [0] * 3))[
        kept[kept != 350], :6], rtol=1e-6)  # fmt: skip
    assert np.isnan(got.imu[kept == 350]).any()
    assert got.duration_s == 2.0


@pytest.mark.parametrize(
    ("end", "rows", "damaged"),
    [
        ("  15,-166, -84,-399,-560,-475, -66,-640,-20", 400, 1),  # -208, broken off
        ("  15,-166, -84", 400, 1),
        ("  15,-166, -84,-399,-560,-475, -66,-640,-208;", 401, 0),
        (" ", 400, 0),  # as in two real files
        ("\r\n \r\n", 400, 0),
    ],
)
def test_the_last_line_may_break_off(tmp_path, end, rows, damaged):
    save(tmp_path, "D01_SA01_R01.txt", "".join(lines_of(bits())) + end)
    _, got = read(tmp_path)
    assert (len(got.imu), len(got.skips)) == (rows, damaged)
    assert got.duration_s == rows / 200


def test_line_ends_and_semicolons_may_be_others(tmp_path):
    expected, _, _ = read_rows("".join(lines_of(bits())).encode(), "x")
    for old, new in ((";\r\n", ";\n"), (";\r\n", "\n"), (" ", ""), (";", " ; "), (",", " ,\t")):
        numbers, lines, damaged = read_rows(
            "".join(lines_of(bits())).replace(old, new).encode(), "x"
        )
        assert_array_equal(numbers, expected)
        assert (damaged, lines[-1]) == (0, 399)


def test_copies_readmes_and_strangers_are_told(tmp_path):
    for name in ("D01_SA01_R01.txt", "D20_SA01_R01.txt", "d02_sa02_r01.TXT", "D02_SX01_R01.txt"):
        write(tmp_path, name)
    write(tmp_path, "backup/SA01/D01_SA01_R01.txt")
    save(tmp_path, "Readme.txt", "not a trial")
    save(tmp_path, "SA01/D01_SA01_R01.txt~", "not a trial")
    save(tmp_path, "D03_SA01_R01.txt", b"")
    adapter = Adapter(Storage(tmp_path), {"val": ["SA02"], "test": []})
    inventory = adapter.inventory()
    assert sorted(t.take_id for t in inventory.takes) == [
        "D01_SA01_R01", "D02_SA02_R01", "D03_SA01_R01"
    ]  # fmt: skip
    assert next(t.source for t in inventory.takes) == "SA01/D01_SA01_R01.txt"
    assert Counter((s.reason, s.where) for s in inventory.skips) == {
        ("file is there twice", "backup/SA01/D01_SA01_R01.txt"): 1,
        ("activity is not known", "SA01/D20_SA01_R01.txt"): 1,
    }
    with pytest.raises(CorruptFile, match="holds no"):
        adapter.load(inventory.takes[-1])
    with pytest.raises(AuraError, match="holds no files such as"):
        Adapter(Storage(tmp_path / "backup" / "nothing"), {}).inventory()


def test_the_default_split_is_by_one_rule_for_all_and_for_those_at_hand():
    people = {f"SA{n:02d}" for n in range(1, 24)} | {f"SE{n:02d}" for n in range(1, 16)}
    of = Options().splits("sisfall")
    split = {person: of.get(person, Options().rest()) for person in people}
    assert Counter(split.values()) == {"train": 27, "val": 6, "test": 5}
    for person, found in split.items():
        assert found == {0: "test", 5: "val"}.get(int(person[2:]) % 6, "train")
    at_hand = [*(f"SA{n:02d}" for n in range(1, 7)), "SE01", "SE02", "SE06"]
    assert Counter(split[person] for person in at_hand) == {"train": 6, "val": 1, "test": 2}
    assert set(every_sixth(0)) & set(every_sixth(5)) == set()
    with pytest.raises(AuraError, match=r"\['SA06'\] are in more than one split of sisfall"):
        Adapter(Storage("."), {"val": ["SA06"]})


def test_only_those_who_are_named_train_where_they_are(tmp_path):
    for name in ("D01_SA01_R01.txt", "D01_SA02_R01.txt", "D01_SA03_R01.txt"):
        write(tmp_path, name)
    options = {"train": ["SA01"], "val": ["SA02"], "test": ["SE15"]}
    inventory = Adapter(Storage(tmp_path), options).inventory()
    assert {t.participant_id: t.split for t in inventory.takes} == {"SA01": "train", "SA02": "val"}
    assert sorted((s.reason, s.where) for s in inventory.skips) == [
        ("subject has no file", "subject SE15"),
        ("subject is in no split", "SA03/D01_SA03_R01.txt"),
    ]


def test_classes_are_distinct_phrases():
    assert len(ACTIVITIES) == len(set(ACTIVITIES.values())) == 34
    assert set(Adapter.classes) == set(ACTIVITIES.values())
    assert all(phrase == phrase.strip(" .") and phrase[0].islower() for phrase in Adapter.classes)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.text("0123456789,;- \r\n.x", max_size=300).map(str.encode))
def test_any_bytes_are_rows_or_refused(content):
    """Against a slow loop: rows, their lines, and how many lines are damaged."""
    whole, end, rest = content.rpartition(b";")
    text = (whole if end else content).replace(b";", b"").rstrip()
    try:
        numbers, lines, damaged = read_rows(content, "x")
    except CorruptFile:
        return
    assert numbers.shape[1] == 9
    assert (np.diff(lines) > 0).all()
    assert len(lines) + damaged >= lines[-1] + 1
    if b"\x00" not in text and b'"' not in text:
        expected = [
            line.count(b",") == 8 for line in text.replace(b"\r", b"\n").split(b"\n") if line
        ]
        assert_array_equal(lines, np.flatnonzero(expected))
        assert damaged == expected.count(False) + bool(end and rest.strip())


@pytest.mark.real
def test_the_real_trials(real_data):
    """Every row of every file by a slow loop; who stands has 1 g down the spine."""
    root = real_data / "sisfall"
    adapter = Adapter(Storage(root), {})
    inventory = adapter.inventory()
    assert {s.reason for s in inventory.skips} == {"subject has no file"}
    takes = {take.take_id: take for take in inventory.takes}
    assert len(takes) == 495
    assert Counter(t.participant_id for t in takes.values()) == {
        **{f"SA{n:02d}": 64 for n in range(1, 7)}, "SE01": 26, "SE02": 21, "SE06": 64
    }  # fmt: skip
    assert Counter(t.split for t in takes.values()) == {"train": 303, "val": 64, "test": 128}
    assert {t.label for t in takes.values()} == set(ACTIVITIES.values())
    gravity, saturated, seconds = {}, 0, 0.0
    for take in takes.values():
        got = adapter.load(take)
        seconds += got.duration_s
        saturated += int(got.imu_saturated.sum())
        assert got.imu_ok.all()
        assert not got.skips
        gravity[take.take_id] = np.median(got.imu[:, :3], axis=0)
    for take in list(takes.values())[::25]:
        text = (root / take.source).read_text().replace(";", "").split("\n")
        rows = [[int(cell) for cell in line.split(",")] for line in text if line.strip()]
        got = adapter.load(take)
        assert_allclose(got.imu[:, :3], np.array(rows)[:, :3] * ACCEL, rtol=1e-6)
        assert got.duration_s == len(rows) / 200
    assert seconds / 3600 == pytest.approx(2.942, abs=0.001)
    assert saturated == 3
    standing = np.array([g for name, g in gravity.items() if name[:3] in ("D15", "D16", "D19")])
    assert np.median(np.linalg.norm(standing, axis=1)) == pytest.approx(9.8, abs=0.3)
    assert np.median(standing[:, 1]) == pytest.approx(-9.8, abs=0.4)
