"""BVH files written here: a small body, its flaws, and the real files of CMU."""

import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from aura.datasets.base import open_dataset
from aura.datasets.bvh import NOT_A_NUMBER, Adapter
from aura.datasets.bvh_files import LEG_M, read_bvh
from aura.errors import AuraError, CorruptFile
from aura.schema import JOINTS
from aura.signals.units import suspect_mocap
from aura.signals.virtual import GRAVITY
from aura.storage import Storage

pytest.importorskip("pybvh", reason='pybvh is not installed: pip install "aura[mocap]"')

# Name -> parent and offset, inches, y up, who faces +z: x is to the left.
DAZ = {
    "hip": (None, (0, 0, 0)),
    "chest": ("hip", (0, 12, 0)),
    "head": ("chest", (0, 12, 0)),
    **{f"{side}Eye": ("head", (x, 3, 3)) for side, x in (("left", 1), ("right", -1))},
}
for _side, _x in (("l", 1), ("r", -1)):
    DAZ |= {
        f"{_side}Shldr": ("chest", (7 * _x, 8, 0)),
        f"{_side}ForeArm": (f"{_side}Shldr", (11 * _x, 0, 0)),
        f"{_side}Hand": (f"{_side}ForeArm", (10 * _x, 0, 0)),
        f"{_side}Thigh": ("hip", (4 * _x, -2, 0)),
        f"{_side}Shin": (f"{_side}Thigh", (0, -17, 0)),
        f"{_side}Foot": (f"{_side}Shin", (0, -16, 0)),
    }
PLAIN = {
    "hip": "Hips", "chest": "Spine", "head": "Head",
    **{f"{s}{a}": f"{side}{b}" for s, side in (("l", "Left"), ("r", "Right"))
       for a, b in (("Shldr", "Arm"), ("ForeArm", "ForeArm"), ("Hand", "Hand"),
                    ("Thigh", "UpLeg"), ("Shin", "Leg"), ("Foot", "Foot"))},
}  # fmt: skip


def bvh(motion, body=DAZ, orders=None, frames=None, frame_time="0.00833333"):
    """Text of a file; `motion` is (F, 3 + 3 * joints): root's place, then angles by `orders`."""
    orders = orders or {}
    children = {name: [c for c in body if body[c][0] == name] for name in body}
    lines = ["HIERARCHY"]

    def write(name, depth):
        pad = "  " * depth
        order = orders.get(name, "ZXY")
        channels = " ".join(f"{axis}rotation" for axis in order)
        place = "" if depth else "Xposition Yposition Zposition "
        lines.extend([
            f"{pad}{'JOINT' if depth else 'ROOT'} {name}",
            f"{pad}{{",
            f"{pad}  OFFSET {' '.join(map(str, body[name][1]))}",
            f"{pad}  CHANNELS {3 if depth else 6} {place}{channels}",
        ])  # fmt: skip
        for child in children[name]:
            write(child, depth + 1)
        if not children[name]:
            lines.extend([f"{pad}  End Site", f"{pad}  {{", f"{pad}    OFFSET 1 0 0", f"{pad}  }}"])
        lines.append(f"{pad}}}")

    write(next(iter(body)), 0)
    lines += ["MOTION", f"Frames: {len(motion) if frames is None else frames}"]
    lines += [f"Frame Time: {frame_time}", *(" ".join(f"{x:.6f}" for x in row) for row in motion)]
    return "\n".join(lines) + "\n"


def in_order(body):
    """Joints as a file lists them."""
    found = []

    def visit(name):
        found.append(name)
        for child in body:
            if body[child][0] == name:
                visit(child)

    visit(next(iter(body)))
    return found


def slow_positions(row, body=DAZ, orders=None):
    """Forward kinematics of one frame, a joint at a time, by SciPy's rotations."""
    places, turns = {}, {}
    for k, name in enumerate(in_order(body)):
        parent, offset = body[name]
        angles = row[3 + 3 * k : 6 + 3 * k]
        turn = Rotation.from_euler((orders or {}).get(name, "ZXY"), angles, degrees=True)
        if parent is None:
            places[name], turns[name] = np.array(row[:3]) + offset, turn
        else:
            places[name] = places[parent] + turns[parent].apply(offset)
            turns[name] = turns[parent] * turn
    return places


def walk(frames=240, body=DAZ, seed=0):
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / 120
    angles = np.sin(2 * np.pi * np.outer(time, rng.uniform(0.3, 1.2, 3 * len(body))))
    angles *= rng.uniform(0, 30, 3 * len(body))
    place = np.stack([0 * time, 35 + 0 * time, 40 * time], axis=1)
    return np.hstack([place, angles])


def write(root, motions, texts="id,text\n01_01,walk\n"):
    for name, motion in motions.items():
        (root / f"{name}.bvh").write_text(motion if isinstance(motion, str) else bvh(motion))
    (root / "texts.csv").write_text(texts)
    return Storage(root)


def first(storage, **options):
    adapter = Adapter(storage, options)
    return adapter.load(adapter.inventory().takes[0])


@given(
    orders=st.dictionaries(
        st.sampled_from(list(DAZ)), st.permutations("XYZ").map("".join), min_size=1
    ),
    seed=st.integers(0, 100),
)
@settings(max_examples=15, deadline=None)
def test_positions_are_those_of_plain_forward_kinematics(tmp_path_factory, orders, seed):
    root = tmp_path_factory.mktemp("bvh")
    motion = walk(20, seed=seed)
    (root / "01_01.bvh").write_text(bvh(motion, orders=orders))
    found = read_bvh(Storage(root), "01_01.bvh")
    assert found.frame_s == pytest.approx(1 / 120, rel=1e-5)
    for frame in (0, 7, 19):
        expected = slow_positions(motion[frame], orders=orders)
        for name, place in expected.items():
            ours = found.positions[frame, found.names.index(name)]
            np.testing.assert_allclose(ours, place, atol=1e-3)


def test_joints_are_coco_s_in_metres_with_z_up(tmp_path):
    motion = walk(60)
    recording = first(write(tmp_path, {"01_01": motion}), rest_frames=0)
    assert recording.mocap.shape == (60, 17, 3)
    assert suspect_mocap(recording.mocap) == []
    scale = LEG_M / 33  # inches of thigh and shank
    for frame in (0, 59):
        places = slow_positions(motion[frame])
        expected = {
            "left-shoulder": places["lShldr"], "right-wrist": places["rHand"],
            "left-knee": places["lShin"], "right-ankle": places["rFoot"],
            "left-hip": places["lThigh"], "right-elbow": places["rForeArm"],
            "left-eye": places["leftEye"],
            "nose": (places["leftEye"] + places["rightEye"]) / 2,
        }  # fmt: skip
        for name, (x, y, z) in expected.items():
            ours = recording.mocap[frame, JOINTS.index(name)]
            np.testing.assert_allclose(ours, np.array([x, -z, y]) * scale, atol=1e-4)
    assert np.isnan(recording.mocap[:, JOINTS.index("left-ear")]).all()
    assert len(recording.imu) == 0
    assert recording.duration_s == pytest.approx(0.5, rel=1e-5)
    (text,) = recording.texts
    assert (text.text, text.time_s, text.end_s) == ("walk", 0.0, recording.duration_s)


def test_a_scale_and_an_axis_may_be_given(tmp_path):
    storage = write(tmp_path, {"01_01": walk(40)})
    found, given = first(storage), first(storage, scale_m=0.0254)
    np.testing.assert_allclose(given.mocap * (LEG_M / 33 / 0.0254), found.mocap, rtol=1e-5)
    upright = first(storage, up="z")
    np.testing.assert_allclose(upright.mocap[..., 2], -found.mocap[..., 1], rtol=1e-6)


@pytest.mark.parametrize("prefix", ["", "mixamorig:"])
def test_other_skeletons_are_known_by_their_names(tmp_path, prefix):
    def rename(name):
        return name and prefix + PLAIN[name]

    body = {rename(n): (rename(p), o) for n, (p, o) in DAZ.items() if n in PLAIN}
    motion = walk(40, body)
    recording = first(write(tmp_path, {"01_01": bvh(motion, body)}), rest_frames=0)
    knee = slow_positions(motion[5], body)[f"{prefix}LeftLeg"] * LEG_M / 33
    ours = recording.mocap[5, JOINTS.index("left-knee")]
    np.testing.assert_allclose(ours[[0, 2]], knee[[0, 1]], atol=1e-4)


def test_a_joint_of_another_name_is_asked_for_and_given(tmp_path):
    body = {n.replace("rHand", "claw"): v for n, v in DAZ.items()}
    storage = write(tmp_path, {"01_01": bvh(walk(40, body), body)})
    with pytest.raises(CorruptFile, match=r"no joint for right-wrist.*claw"):
        first(storage)
    recording = first(storage, joints={"right-wrist": "claw"})
    assert np.isfinite(recording.mocap[:, JOINTS.index("right-wrist")]).all()
    with pytest.raises(AuraError, match="no joint left-paw"):
        Adapter(storage, {"joints": {"left-paw": "claw"}})


def test_takes_are_split_by_person_and_matched_with_their_texts(tmp_path):
    texts = "id,text,label\n01_01,walk,walking\n02_01,run,running\n02_01,he runs,\n09_01,fly,\n"
    motions = dict.fromkeys(("01_01", "02_01", "03_01", "04_01", "dance"), walk(30))
    storage = write(tmp_path, motions, texts)
    (tmp_path / "old").mkdir()
    (tmp_path / "old/01_01.bvh").write_text("")
    adapter = Adapter(storage, {"train": [1, 3], "test": [2]})
    inventory = adapter.inventory()
    assert [(t.take_id, t.participant_id, t.split, t.label) for t in inventory.takes] == [
        ("01_01", "01", "train", "walking"),
        ("02_01", "02", "test", "running"),
        ("03_01", "03", "train", None),
    ]
    assert Counter(skip.reason for skip in inventory.skips) == {
        "file is there twice": 1,
        "file name is not NN_MM.bvh": 1,
        "subject is in no split": 1,
        "no description in texts.csv": 1,
        "no BVH file": 1,
    }
    assert adapter.classes == {"walking": "walking", "running": "running"}
    assert [t.text for t in adapter.load(inventory.takes[1]).texts] == ["run", "he runs"]
    assert adapter.load(inventory.takes[2]).texts == ()
    everyone = Adapter(storage, {"val": [2]}).inventory().takes
    assert [t.split for t in everyone] == ["train", "val", "train", "train"]


def broken():
    whole = bvh(walk(40))
    shank = whole.replace("OFFSET 0 -17 0", "OFFSET 0 0 0")
    head, _, motion = whole.partition("MOTION")
    rows = motion.splitlines()
    return {
        "empty": "",
        "not BVH": "\x00\x01" * 500,
        "truncated in the hierarchy": head[: len(head) // 2],
        "truncated in the motion": whole[: int(len(whole) * 0.8)],
        "no frames": bvh(walk(40)[:0]),
        "no motion": head,
        "a value too few": head + "MOTION" + "\n".join([*rows[:-1], rows[-1].rsplit(" ", 1)[0]]),
        "values of another skeleton": bvh(walk(40)[:, :-3]),
        "fewer frames than said": bvh(walk(40), frames=400),
        "more frames than said": bvh(walk(40), frames=4),
        "all values NaN": bvh(np.full((40, 3 + 3 * len(DAZ)), np.nan)),
        "no time": bvh(walk(40), frame_time="0"),
        "time backwards": bvh(walk(40), frame_time="-0.01"),
        "an hour a frame": bvh(walk(40), frame_time="3600"),
        "two channels": whole.replace("CHANNELS 3 Zrotation", "CHANNELS 2", 1),
        "legs of no length": shank.replace("0 -16 0", "0 0 0"),
        "a T-pose alone": bvh(walk(8)),
    }  # fmt: skip


@pytest.mark.parametrize("flaw", broken())
def test_a_broken_file_costs_itself_with_a_reason(tmp_path, flaw):
    storage = write(tmp_path, {"01_01": broken()[flaw], "01_02": walk(40)})
    adapter = Adapter(storage, {})
    bad, good = adapter.inventory().takes
    with pytest.raises(CorruptFile, match="BVH file") as error:
        adapter.load(bad)
    assert "\n" not in str(error.value)
    assert len(adapter.load(good).mocap) == 32


def test_joints_of_angles_that_are_not_numbers_are_masked_and_counted(tmp_path):
    motion = walk(40)
    names = in_order(DAZ)
    motion[20:25, 3 + 3 * names.index("lShldr")] = np.nan
    recording = first(write(tmp_path, {"01_01": motion}), rest_frames=0)
    lost = ~np.isfinite(recording.mocap).all(axis=2)
    assert recording.counts == {NOT_A_NUMBER: 2 * 5}  # elbow and wrist
    assert np.flatnonzero(lost[:, JOINTS.index("left-wrist")]).tolist() == [*range(20, 25)]
    assert not lost[:, JOINTS.index("left-knee")].any()


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_the_bytes_nothing_but_a_corrupt_file_is_raised(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("bytes")
    content = bytearray(bvh(walk(20)).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1))
        cut = data.draw(st.integers(0, 40))
        content[at : at + cut] = data.draw(st.binary(max_size=40))
    (root / "01_01.bvh").write_bytes(bytes(content))
    storage = write(root, {})
    adapter = Adapter(storage, {})
    try:
        recording = adapter.load(adapter.inventory().takes[0])
    except CorruptFile:
        return
    assert recording.mocap.shape[1:] == (17, 3)


def test_wrong_folders_and_options_are_one_sentence(tmp_path):
    with pytest.raises(AuraError, match=r"no readable texts\.csv"):
        Adapter(Storage(tmp_path), {})
    (tmp_path / "texts.csv").write_text("id,text,label\n01_01,walk,a\n01_01,walk,b\n")
    with pytest.raises(AuraError, match="both 'a' and 'b'"):
        Adapter(Storage(tmp_path), {})
    (tmp_path / "texts.csv").write_text("id,text\n01_01,walk\n")
    with pytest.raises(AuraError, match=r"holds no NN_MM\.bvh"):
        Adapter(Storage(tmp_path), {}).inventory()
    with pytest.raises(AuraError, match="Subjects"):
        Adapter(Storage(tmp_path), {"val": [1], "test": [1]})


def test_without_pybvh_it_says_what_to_install(tmp_path, monkeypatch):
    storage = write(tmp_path, {"01_01": walk(40)})
    monkeypatch.setitem(sys.modules, "pybvh", None)
    with pytest.raises(AuraError, match=r'pip install "aura\[mocap\]"'):
        Adapter(storage, {})


def test_virtual_sensors_of_a_file(tmp_path):
    write(tmp_path, {"01_01": walk(400)})
    adapter = open_dataset("bvh", str(tmp_path), {"virtual": ["wrist-left", "ankle"]})
    takes = adapter.inventory().takes
    assert [(t.take_id, t.place, t.moment_id) for t in takes] == [
        ("01_01.wrist-left", "wrist-left", "01_01"),
        ("01_01.ankle", "ankle", "01_01"),
    ]
    for take in takes:
        recording = adapter.load(take)
        assert recording.imu_ok.mean() > 0.9
        assert [text.text for text in recording.texts] == ["walk"]
        assert len(recording.mocap) == 392


@pytest.mark.real
def test_the_real_folder(real_data):
    adapter = Adapter(Storage(real_data / "cmu-bvh"), {"test": [7, 13]})
    inventory = adapter.inventory()
    assert inventory.skips == ()
    assert Counter(take.split for take in inventory.takes) == {"train": 50, "test": 10}
    by_name = {take.take_id: take for take in inventory.takes}
    recording = adapter.load(by_name["02_01"])
    assert [text.text for text in recording.texts] == ["walk"]
    assert suspect_mocap(recording.mocap) == []
    assert recording.frame_rate_hz == pytest.approx(120, rel=1e-3)
    hips = recording.mocap[:, JOINTS.index("left-hip")]
    assert 0.8 < np.median(hips[:, 2]) < 1.0
    way = np.linalg.norm(hips[-1, :2] - hips[0, :2])
    assert 0.9 < way / recording.duration_s < 1.6  # m/s of a walk
    # No T-pose, nor what is blended with it: wrists do not move at the speed of a throw.
    wrist = recording.mocap[:, JOINTS.index("right-wrist")]
    assert np.linalg.norm(np.diff(wrist, axis=0), axis=1).max() * 120 < 5


@pytest.mark.real
def test_sensors_of_the_real_folder_feel_gravity_and_steps(real_data):
    root = str(real_data / "cmu-bvh")
    adapter = open_dataset("bvh", root, {"virtual": ["waist", "ankle-left", "wrist-right"]})
    takes = [take for take in adapter.inventory().takes if take.moment_id in ("02_01", "13_35")]
    for take in takes:
        recording = adapter.load(take)
        imu = recording.imu[recording.imu_ok]
        assert recording.imu_ok.mean() > 0.9
        force = np.median(np.linalg.norm(imu[:, :3], axis=1))
        assert force == pytest.approx(GRAVITY, rel=0.1 if take.place == "waist" else 0.6)
        assert np.abs(imu[:, 3:]).max() < 12
