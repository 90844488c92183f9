"""The table of docs/formats.md: `python -m tests.formats > docs/formats.md`.

Each row is measured: a small file with the trap in it, what the usual way gives of it, what AURA
gives, and the truth that the file was made from. Needs pyxdf, pygt3x, ezc3d and pandas.
"""

import io
import tempfile
from importlib.metadata import version
from pathlib import Path

import ezc3d
import numpy as np
import pandas as pd
import pybvh
import pyxdf
from pygt3x.reader import FileReader

from aura import formats
from aura.storage import Storage
from tests.formats import bodies, wearables
from tests.formats.test_bodies import body, npz, walk
from tests.formats.test_wearables import blocks, second
from tests.formats.test_xdf import AXES, stamps

FOLDER = Path(tempfile.mkdtemp())
HEAD = """# Formats

Made by `python -m tests.formats`; each row is a small file with the trap in it, read three ways.
`aura.formats.read(Storage(folder), path)` gives its streams: columns, times in s, units as the file
states them or none, and a mask of what nobody measured, counted by reason. Nothing is filtered,
calibrated, filled or straightened. `own` is a reader of this project (`aura/formats/<name>.py`);
`pip install "aura[wearables]"` brings the others.

| format | reader | trap | the usual way gives | AURA gives | truth |
|---|---|---|---|---|---|"""


def put(name, data):
    (FOLDER / name).write_bytes(data)
    return FOLDER / name, formats.read(Storage(FOLDER), name)


def cwa():
    times = np.concatenate([0.8 * np.arange(5), 0.8 * np.arange(5, 10) + 0.4]) + 100
    _, (stream,) = put("a.cwa", wearables.cwa(blocks(times)))
    gap = np.diff(stream.time_s).max()
    even = (stream.time_s[-1] - stream.time_s[0]) / (len(stream.time_s) - 1)
    return ("a hole of 0.4 s between blocks", f"one line over all: steps of {even:.4f} s, no hole",
            f"a hole of {gap - 0.01:.2f} s", "0.40 s")  # fmt: skip


def gt3x():
    records = [*(second(1000 + i) for i in range(3)), wearables.gt3x_record(21, 1000, b""),
               wearables.gt3x_record(3, 1003, b"\x08"), wearables.gt3x_record(3, 1063, b"\x09"),
               *(second(1063 + i) for i in range(3))]  # fmt: skip
    path, (stream,) = put("a.gt3x", wearables.gt3x(records))
    with FileReader(str(path)) as reader:
        frame = reader.to_pandas()
    return ("60 s of idle sleep", f"pygt3x {version('pygt3x')}: {len(frame)} samples, copies",
            f"{len(stream.values)} samples, {stream.counts['second of idle sleep']} s of sleep",
            "180 samples")  # fmt: skip


def xdf():
    times = stamps()
    values = np.ones((len(times), 3))
    path, (stream,) = put("a.xdf", wearables.xdf([("imu", 100, times, values, AXES, [])]))
    naive = pyxdf.load_xdf(str(path))[0][0]["time_stamps"]
    ours = stream.time_s + stream.origin_ns / 1e9
    return ("2 s lost of 10 at 100 Hz", f"pyxdf {pyxdf.__version__}: stamps off by up to "
            f"{np.abs(naive - times).max():.2f} s",
            f"off by {np.abs(ours - times).max():.6f} s", "0 s")  # fmt: skip


def c3d():
    points, residual = walk(), np.full((40, 5), 2)
    residual[5:8, 2] = 0
    path, (stream,) = put("a.c3d", bodies.c3d(points, residual))
    other = ezc3d.c3d(str(path))["data"]["points"]
    return ("3 positions that were interpolated (residual 0)",
            f"ezc3d {ezc3d.__version__}: {int(np.isfinite(other[0]).sum())} positions, no flag",
            f"{int(stream.invented.sum())} flagged as invented", "3")  # fmt: skip


def trc():
    points = walk(30, 3)
    points[5:10, 1] = np.nan
    data = bodies.trc(points, ["heel", "toe", "ankle"])
    _, (stream,) = put("a.trc", data)
    rows = [line.split() for line in data.decode().splitlines()[6:]]
    naive = float(rows[5][5])
    return ("an unseen marker has empty cells", f"split at blanks: toe x is {naive:.1f}",
            f"toe x is {stream.column('toe')[5, 0]}, ankle x {stream.column('ankle')[5, 0]:.1f}",
            f"not seen; ankle x {points[5, 2, 0]:.1f}")  # fmt: skip


def mvnx():
    _, (stream,) = put("a.mvnx", bodies.mvnx(*body(legs=False)))
    return ("an upper-body recording, three poses before it",
            f"as it stands: {len(stream.values) + 3} frames, 23 joints that move",
            f"{len(stream.values)} frames, {int((~stream.invented).any(axis=0).sum())} joints",
            "30 frames, 15 joints")  # fmt: skip


def amass():
    poses = np.random.default_rng(2).normal(0, 0.3, (240, 165))
    data = npz(poses=poses, trans=np.zeros((240, 3)), mocap_frame_rate=120.0)
    _, (stream,) = put("a.npz", data)
    keys = np.load(io.BytesIO(data)).files
    naive = "KeyError" if "mocap_framerate" not in keys else "read"
    return ("SMPL-X calls the rate `mocap_frame_rate`", f"`data['mocap_framerate']`: {naive}",
            f"{stream.rate_hz:g} Hz", "120 Hz")  # fmt: skip


def bvh():
    from tests.formats.test_bodies import HAND

    motion = np.tile([[0.0, 10, 0, 90, 0, 0, 1, 0, 0, 0, 0]], (3, 1))
    motion[:, 6] = 5
    path, (stream,) = put("a.bvh", bodies.bvh(HAND, motion))
    arm = stream.column("arm")[0]
    try:
        other = np.asarray(pybvh.read_bvh_file(path, world_up="+y").joint_positions())[0]
        naive = f"the arm is {np.linalg.norm(other[1] - other[0]):.0f} from the hips"
    except ValueError as error:
        naive = f"{type(error).__name__}"
    return ("an inner joint with position channels", f"pybvh {version('pybvh')}: {naive}",
            f"{np.linalg.norm(arm - stream.column('hips')[0]):.0f} from them", "5")  # fmt: skip


def table():
    raw = (2**32 - 50_000 + 16_667 * np.arange(8)) % 2**32
    text = "sep=,\nPacketCounter,SampleTimeFine,Acc_X,Acc_Y,Acc_Z\n"
    text += "".join(f"{i},{s},0,0,9.8\n" for i, s in enumerate(raw))
    _, (stream,) = put("a.csv", text.encode())
    naive = pd.read_csv(io.StringIO(text), skiprows=1)["SampleTimeFine"].diff().min() / 1e6
    return ("Movella DOT counts 32 bits of us", f"pandas {pd.__version__}: a step of {naive:.1f} s",
            f"a step of {np.diff(stream.time_s).min():.6f} s at least", "0.016667 s")  # fmt: skip


ROWS = {"Axivity CWA": cwa, "ActiGraph GT3X": gt3x, "XDF": xdf, "C3D": c3d, "TRC": trc, "BVH": bvh,
        "MVNX": mvnx, "AMASS npz": amass, "CSV, TSV, Parquet": table}  # fmt: skip


def main():
    print(HEAD)
    for name, row in ROWS.items():
        module = "table" if name.startswith("CSV") else row.__name__
        print(f"| {name} | {formats.version(module)} | {' | '.join(row())} |")


if __name__ == "__main__":
    main()
