"""Tables as spreadsheets write them: the same numbers, whatever stands about them."""

import numpy as np
import pytest

from aura.datasets.ego_exo4d.timesync import read_timesync
from aura.datasets.headers import find_header, read_small_table
from aura.datasets.tables import read_columns
from aura.datasets.utd_mhad import Adapter
from aura.errors import AuraError, CorruptFile
from aura.storage import Storage
from tests.datasets.test_utd_mhad import write

NUMBERS = [[1.5, -2.0], [300.25, 4.0], [-0.5, 1e-3]]
FORMS = {
    "plain": "{a},{b},{t}\n",
    "blanks": " {a} , {b}, {t} \n",
    "semicolons": "{a};{b};{t}\n",
    "semicolons and blanks": "{a}; {b}; {t}\n",
    "tabs": "{a}\t{b}\t{t}\r\n",
    "bars": "{a}|{b}|{t}\n",
    "quotes": '"{a}", "{b}", "{t}"\r\n',
}


def table(form, decimal="."):
    line = FORMS[form]
    rows = [line.format(a="Time", b="x_acc", t="label")]
    for a, b in NUMBERS:
        rows.append(line.format(a=f"{a}", b=f"{b:g}", t="WALKING").replace(".", decimal))
    return "".join(rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", FORMS)
def test_a_streamed_table_is_the_same_in_every_form(tmp_path, form, encoding):
    (tmp_path / "t.csv").write_bytes(table(form).encode(encoding))
    read = read_columns(Storage(tmp_path), "t.csv", ("x_acc", "time"), "label", None, None)
    np.testing.assert_array_equal(read[0], np.array(NUMBERS)[:, ::-1])
    assert read[1].tolist() == ["WALKING"] * 3
    assert read[2] == 0


@pytest.mark.parametrize("form", ["semicolons", "semicolons and blanks", "tabs"])
def test_a_comma_is_decimal_where_it_is_no_delimiter(tmp_path, form):
    (tmp_path / "t.csv").write_text(table(form, ","))
    read = read_columns(Storage(tmp_path), "t.csv", ("time", "x_acc"), None, None, None)
    np.testing.assert_array_equal(read[0], NUMBERS)


@pytest.mark.parametrize("first", ["sep=;\n", "\n\n", "\ufeffsep=;\r\n", " \n"])
def test_lines_before_the_names_are_passed_over(tmp_path, first):
    text = first + table("semicolons")
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    read = read_columns(Storage(tmp_path), "t.csv", ("time",), "label", None, None)
    np.testing.assert_array_equal(read[0][:, 0], np.array(NUMBERS)[:, 0])
    assert [cells[1] for _, cells in read_small_table(text.encode(), ("time", "label"))] == [
        "WALKING"
    ] * 3


def test_a_byte_order_mark_costs_no_row_of_a_table_without_names(tmp_path):
    (tmp_path / "t.dat").write_bytes(b"\xef\xbb\xbf8.38 1\n8.39 1\n")
    read = read_columns(Storage(tmp_path), "t.dat", ("1", "2"), None, " ", ("1", "2"))
    np.testing.assert_array_equal(read[0], [[8.38, 1], [8.39, 1]])


def test_a_table_without_its_columns_is_refused_by_name(tmp_path):
    for data, reason in (
        (b"a,b,c\n1,2,3\n", "it has no column time, but a, b, c"),
        (b"time,b,Time\n1,2,3\n", "its column time is there twice"),
        (b"", "it is empty"),
        (b"\n \n", "it is empty"),
    ):
        (tmp_path / "t.csv").write_bytes(data)
        with pytest.raises(CorruptFile, match=reason):
            read_columns(Storage(tmp_path), "t.csv", ("time",), None, None, None)
        with pytest.raises(CorruptFile, match=reason):
            find_header(data, ("time",))


ACTIONS = [
    b"id,action\n1,wave\n2,draw x\n",
    b"\xef\xbb\xbfid,action\n1,wave\n2,draw x\n",
    b"id, action\n1, wave\n2, draw x\n",
    b"id;action\r\n1;wave\r\n2;draw x\r\n",
    b"sep=;\r\nid;action\r\n1;wave\r\n2;draw x\r\n",
    b"id\taction\n1\twave\n2\tdraw x\n",
    b' ID , "Action"\n 1 , "wave"\n\n 2 , "draw x" \n ,\n',
    b"action,n,id\nwave,0,1.0\ndraw x,0,2.0\nwave,9,1\n",
    "id\taction\r\n1\twave\r\n2\tdraw x\r\n".encode("utf-16"),
]


@pytest.mark.parametrize("data", ACTIONS)
def test_the_actions_of_utd_mhad_in_every_form(tmp_path, data):
    root = write(tmp_path, subjects=(1,), trials=(1,))
    (root / "actions.csv").write_bytes(data)
    adapter = Adapter(Storage(root), {})
    assert adapter.actions == {1: "wave", 2: "draw x"}
    assert [take.label for take in adapter.inventory().takes] == ["wave", "draw x"]


def test_letters_of_an_old_spreadsheet_are_kept(tmp_path):
    (tmp_path / "actions.csv").write_bytes("id;action\n1;Tür öffnen\n".encode("cp1252"))
    assert Adapter(Storage(tmp_path), {}).actions == {1: "Tür öffnen"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"number,action\n1,wave\n", "it has no column id, but number, action"),
        (
            b"id,action\n1,wave\n1,clap\n",
            "line 3: action 1 is there twice, as 'wave' and as 'clap'",
        ),
        (b"id,action\none,wave\n", "line 2: give a whole number as id"),
        (b"id,action\n1,wave\n2,\n", "line 3: give a whole number as id, and an action"),
        (b"id,action\n1,wave, left\n", "line 2 has 3 columns and not 2"),
        (b"id,action\n1\n", "line 2 has 1 columns and not 2"),
        (b"", "it is empty"),
    ],
)
def test_actions_that_cannot_be_read_are_named_by_line(tmp_path, data, reason):
    (tmp_path / "actions.csv").write_bytes(data)
    with pytest.raises(AuraError, match=reason):
        Adapter(Storage(tmp_path), {})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", ["{},{}\n", "{}, {}\n", "{};{}\n", '"{}";"{}"\r\n', "{}\t{}\n"])
def test_stamps_of_timesync_in_every_form(form, encoding):
    lines = [("aria01_x", "aria01_214-1_capture_timestamp_ns"), ("a", 1.25e12), ("b", "")]
    data = "".join(form.format(*line) for line in [*lines, ("c", "nan"), ("d", "99")])
    times = read_timesync(data.encode(encoding), lines[0][1])
    np.testing.assert_array_equal(times, [1.25e12, np.nan, np.nan, 99])


def test_a_decimal_comma_in_timesync():
    assert read_timesync(b"n;t\n1;12,5\n2; 1,3E+12\n", "t").tolist() == [12.5, 1.3e12]
    with pytest.raises(CorruptFile, match="timesync"):
        read_timesync(b"n;t\n1;soon\n", "t")
