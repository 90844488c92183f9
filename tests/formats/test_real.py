"""The real tables of the data folder, where it is at hand."""

import os
from pathlib import Path

import pytest

from aura import formats
from aura.formats.columns import find_roles
from aura.formats.table import read_table
from aura.storage import Storage

REAL = Path(os.environ.get("AURA_REAL_DATA", "absent"))
needs_real = pytest.mark.skipif(
    not (REAL / "umafall").is_dir(), reason="AURA_REAL_DATA has no real recordings"
)


@needs_real
@pytest.mark.parametrize(
    ("name", "columns", "groups"),
    [
        ("gait-foot/imu_left.csv", 7, {("accel", "left sensor"), ("gyro", "left sensor")}),
        ("gait-foot/mocap_left.csv", 10, {("", "l toe"), ("", "l fcc"), ("", "l fm5")}),
        ("sisfall/SA01/D01_SA01_R01.txt", 9, set()),
        ("sp-sw-har/DATA/s02/s02_02_sp.csv", 8, {("accel", ""), ("gyro", "")}),
        (
            "umafall/UMAFall_Subject_05_Fall_lateralFall_1_2016-06-15_21-28-09.csv",
            7,
            {("", "")},
        ),
    ],
)
def test_tables_of_five_layouts(name, columns, groups):
    table = read_table(Storage(REAL), name)
    assert len(table.columns) == columns
    assert set(find_roles(tuple(table.columns)).groups) == groups
    assert table.damaged == 0
    assert formats.read(Storage(REAL), name)[0].values.shape[0] == table.rows
