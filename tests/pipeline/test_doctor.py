"""A data set of which nothing can be used: the table says why, then one sentence."""

import json

import numpy as np
import pytest
from scipy.io import savemat

from aura.errors import AuraError
from pipeline import doctor, resample
from tests.conftest import tiny_params


def pamap2_blanks(root):
    (root / "Protocol").mkdir()
    row = "8.38 4 NaN " + " ".join(["1.5"] * 51)
    (root / "Protocol/subject101.dat").write_text(f"{row} \n" * 300)
    return "row: row has the wrong number of columns"


def pamap2_transient(root):
    (root / "Protocol").mkdir()
    rows = [f"{n / 100} 0 NaN " + " ".join(["1.5"] * 51) for n in range(300)]
    (root / "Protocol/subject101.dat").write_text("\n".join(rows))
    return "take: transient between activities"


def sp_sw_har(root):
    head = "timestamp,x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro,label\n"
    rows = "".join(f"{n * 10},1,2,3,4,5,6,FLYING\n" for n in range(300))
    (root / "s01_01_sw.csv").write_text(head + rows)
    return "take: activity is not known"


def sp_sw_har_columns(root):
    (root / "s01_01_sw.csv").write_text("time,x\n1,2\n")
    return "file: file cannot be read"


def sisfall_empty(root):
    (root / "D01_SA01_R01.txt").write_bytes(b"\r\n")
    return "take: take cannot be opened"


def umafall_header(root):
    (root / "UMAFall_Subject_01_ADL_Walking_1.csv").write_text("0;1;0;1;0;0;1\n")
    return "file: file has no header that names its sensors"


def umafall_rows(root):
    (root / "UMAFall_Subject_01_ADL_Walking_1.csv").write_text(
        "%a; 1; WRIST; SensorTag\n0;1;0;1;0;2;1\n"
    )
    return "imu: sensor has no rows"


def utd_people(root):
    (root / "actions.csv").write_text("id,action\n1,wave\n")
    savemat(root / "a1_s9_t1_inertial.mat", {"d_iner": np.ones((99, 6))})
    return "take: subject is in no split"


def utd_damage(root):
    (root / "actions.csv").write_text("id,action\n1,wave\n")
    (root / "a1_s1_t1_inertial.mat").write_bytes(b"no such thing")
    savemat(root / "a1_s1_t1_skeleton.mat", {"d_skel": np.zeros((3, 3, 30))})
    return "mocap: skeleton file has the wrong shape"


def utd_not_finite(root):
    (root / "actions.csv").write_text("id,action\n1,wave\n")
    savemat(root / "a1_s1_t1_inertial.mat", {"d_iner": np.full((99, 6), np.nan)})
    return "take: neither IMU nor mocap"


def _ego(root, **take):
    record = {"take_uid": "u", "take_name": "n", "capture": {}, **take}
    (root / "annotations").mkdir()
    (root / "takes.json").write_text(json.dumps([record]))
    (root / "captures.json").write_text("[]")
    (root / "annotations/splits.json").write_text('{"take_uid_to_split": {"u": "train"}}')


def ego_dropped(root):
    _ego(root, is_dropped=True)
    return "take: take is marked as dropped"


def ego_frames(root):
    _ego(root)
    return "take: take cannot be opened"


def ego_bare(root):
    _ego(root, timesync_start_idx=0, timesync_end_idx=90)
    return "take: neither IMU nor mocap"


CASES = {
    "pamap2": (pamap2_blanks, pamap2_transient),
    "sisfall": (sisfall_empty,),
    "umafall": (umafall_header, umafall_rows),
    "sp-sw-har": (sp_sw_har, sp_sw_har_columns),
    "utd-mhad": (utd_people, utd_damage, utd_not_finite),
    "ego-exo4d": (ego_dropped, ego_frames, ego_bare),
}


@pytest.mark.parametrize(
    ("adapter", "write"), [(name, write) for name, cases in CASES.items() for write in cases]
)
def test_the_table_comes_before_the_sentence(tmp_path, monkeypatch, capsys, adapter, write):
    reason = write(tmp_path)
    monkeypatch.chdir(tmp_path)
    params = tiny_params(f"datasets.{adapter}.root={tmp_path}", "ray.executor=local")
    with pytest.raises(AuraError, match="has no take that can be used, mostly '") as error:
        doctor.run(params, adapter)
    table = capsys.readouterr().out
    assert f"  {reason}, e.g. " in table
    assert table.splitlines()[0].startswith(f"{adapter} at ")
    assert "missing entirely: imu, mocap" in table
    assert str(error.value).endswith("the table lists every reason.")
    with pytest.raises(AuraError, match=r"mostly '.+'.+`aura doctor`"):
        resample.run(params, adapter)
