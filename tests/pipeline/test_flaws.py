"""Every flaw of a real download, planted at once: the tables of skips are what was planted."""

import json
import re
from collections import Counter

import pytest

from aura.datasets import synthetic
from aura.datasets.synthetic.flaws import MILD, SEVERE, STRAY, WHOLE_CAPTURE
from aura.datasets.vrs import read_imu
from aura.schema import TAKES, WINDOWS, videos_schema
from aura.teacher.identity import DIM
from pipeline import doctor, synthesize
from pipeline.engine.output import read_table
from tests.conftest import tiny_params

G = 9.80665


def flaws_of(plans):
    found = {}
    for flaw in synthetic.planted(plans):
        found.setdefault(flaw.kind, []).append(flaw.detail)
    return found


def expected(root, plans):
    """What must be counted, from the list of planted flaws and the files themselves."""
    flaws = flaws_of(plans)

    def takes(*kinds):
        return sum(len(flaws[kind]) for kind in kinds)

    def total(kind, key):
        return sum(detail[key] for detail in flaws[kind])

    def joints(kind):
        return sum(detail["frames"] * len(detail["joints"]) for detail in flaws[kind])

    skips = {
        "take: take is marked as dropped": takes("dropped_take"),
        "take: take is in no split": takes("no_split"),
        "take: take is in a split that is not read": sum(p.split == "teacher" for p in plans),
        "take: take cannot be opened": takes("no_frame_range"),
        "index: take is listed twice": takes("duplicate_take"),
        "label: task_id names no activity": takes("null_task_id"),
        "clock: timesync.csv has no times for the take": takes("timesync_blank"),
        "clock: timesync.csv has empty times": takes("timesync_nan"),
        "clock: timesync.csv ends before the take": takes("timesync_short"),
        "imu: VRS file is corrupt": takes("corrupt_vrs"),
        "imu: no VRS file": takes("vrs_missing"),
        "imu: IMU cannot be aligned without timesync": takes("timesync_blank"),
        "mocap: no body pose": takes("no_pose"),
        "mocap: body pose is corrupt": takes("pose_corrupt"),
        "text: annotation is rejected": total("rejected_annotation", "annotations"),
        "text: text is unsure": total("unsure_descriptions", "descriptions"),
        "text: text is about another person": total("other_subject", "descriptions"),
        "text: commentary is marked as an error": total("commentary_error", "entries"),
        "text: annotation without a take": takes(STRAY),
        "video: camera has no video path": takes("camera_path_null"),
        "video: video file is missing": takes("camera_file_missing"),
        "video: video cannot be opened": takes("corrupt_mp4"),
        "video: video has another number of frames than the take": takes("frames_missing"),
        "video: video is a frame or two off the take": takes("frames_off_by_one"),
    }
    elements = {
        "sample flagged invalid": total("imu_invalid", "samples"),
        "sample not finite": total("imu_nan", "samples"),
        "sample duplicated": total("imu_duplicates", "samples"),
        "sample out of order": total("imu_unsorted", "pairs"),
        "IMU gap": takes("imu_gap"),
        "IMU sample at the end of its range": saturated(root, plans),
        "joint absent": joints("missing_joints"),
        "joint seen by too few cameras": joints("few_views"),
        "pose without a person": sum(len(d["frames"]) for d in flaws["empty_pose_frames"]),
        "video frame without a time": sum(len(d["frames"]) for d in flaws["timesync_nan"])
        + total("timesync_short", "rows"),
    }
    return skips, elements


def saturated(root, plans):
    """Planted samples, and those of jumps, counted one by one."""
    lost = {"dropped_take", "no_split", "no_frame_range", "vrs_missing", "corrupt_vrs"}
    lost |= {"timesync_blank"}
    count = sum(f.detail["samples"] for p in plans for f in p.flaws if f.kind == "imu_saturated")
    for plan in plans:
        kinds = {flaw.kind for flaw in plan.flaws}
        if plan.split == "teacher" or kinds & (lost | {"imu_saturated"}):
            continue
        stream = read_imu(root / f"takes/{plan.take_name}/{plan.capture.aria}_noimagestreams.vrs")
        clock = synthetic_times(plan, stream)
        for t, accel, gyro in zip(clock, stream.accel, stream.gyro, strict=True):
            if 0 <= t < plan.seconds:
                big = max(map(abs, accel.tolist())) >= 8 * G * 0.999
                count += big or max(map(abs, gyro.tolist())) >= 17.4533 * 0.999
    return count


def synthetic_times(plan, stream):
    from aura.datasets.synthetic.imu import Clock

    device = stream.timestamps_ns + stream.calibration.accel_time_offset_s * 1e9
    return Clock(plan).capture_s(device) - plan.start_idx / 30


@pytest.fixture(scope="module")
def plans(flawed):
    _, params = flawed
    return synthetic.plan(synthesize.size_of(params))


def test_every_kind_is_planted(plans):
    assert set(flaws_of(plans)) == {*SEVERE, *MILD, WHOLE_CAPTURE, STRAY}


def test_preprocess_counts_what_was_planted(flawed, plans):
    folder, _ = flawed
    counted = {
        stage: json.loads((folder / f"reports/synthetic/{stage}/metrics.json").read_text())
        for stage in ("resample", "slice", "embed")
    }
    skips, elements = expected(folder / "data/raw/synthetic", plans)
    resample, sliced, embedded = (counted[stage] for stage in ("resample", "slice", "embed"))
    found = Counter(resample["skips"]) + Counter(embedded["skips"])
    cameras = dict(embedded["cameras"]["dropped"])
    read = embedded["cameras"]["used"]
    spare = cameras.pop("another camera is read")
    assert embedded["cameras"]["found"] == read + spare + sum(cameras.values())
    found.update({f"take: {reason}": n for reason, n in resample["takes"]["dropped"].items()})
    found.update({f"video: {reason}": n for reason, n in cameras.items()})
    assert found == skips
    assert embedded["takes_with_video"]["dropped"] == {}  # each has two cameras, and loses one
    near = elements.pop("IMU sample at the end of its range")
    assert resample["masked"].pop("IMU sample at the end of its range") == pytest.approx(
        near, abs=2
    )
    dropped = Counter(resample["imu_samples"]["dropped"])
    assert dropped.pop("before or after the take") > 0
    assert dropped + Counter(resample["masked"]) == elements
    assert [sliced[unit]["dropped"] for unit in ("takes", "windows", "texts")] == [{}, {}, {}]
    assert resample["takes"]["found"] == len(plans)
    lost = sum(n for reason, n in skips.items() if reason.startswith("take: "))
    assert resample["takes"]["used"] == sliced["takes"]["found"] == len(plans) - lost


def test_doctor_tells_the_same_and_writes_nothing(flawed, plans, monkeypatch):
    folder, params = flawed
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    table = doctor.run(params, "synthetic")
    assert sorted(folder.rglob("*")) == before
    skips, elements = expected(folder / "data/raw/synthetic", plans)
    found = {
        line[2]: int(line[1])
        for line in re.finditer(r"^ +(\d+)  (\w+: .+?), e\.g\. .+$", table, re.MULTILINE)
    }
    assert found == skips
    lines = table.split("dropped, masked or flagged\n")[1].split("\n\n")[0].splitlines()
    numbers = {line.split("  ")[-1]: int(line.split()[0]) for line in lines}
    near = elements.pop("IMU sample at the end of its range")
    assert numbers.pop("IMU sample at the end of its range") == pytest.approx(near, abs=2)
    assert numbers == elements
    assert table.endswith("nothing is missing entirely")


def test_flaws_without_a_skip_cost_nothing(flawed, plans):
    """Another camera, another resolution, a portrait video, another name: all are read."""
    folder, _ = flawed
    windows = read_table(folder / "data/windows/synthetic", WINDOWS, "slice").to_pylist()
    embedded = read_table(
        folder / "data/embeddings/synthetic", videos_schema(DIM), "embed", ["window_id", "camera"]
    ).to_pylist()
    camera_of = {row["window_id"]: row["camera"] for row in embedded}
    rows = read_table(folder / "data/signals/synthetic/takes-*.parquet", TAKES, "resample")
    takes = {take["take_id"]: take for take in rows.to_pylist()}
    seen = set()
    for plan in plans:
        windows_of_take = [window for window in windows if window["take_id"] == plan.take_uid]
        kinds = {flaw.kind for flaw in plan.flaws}
        seen |= kinds
        for kind in kinds & {"full_resolution_only", "portrait_video", "frames_off_by_one"}:
            cameras = {camera_of[window["window_id"]] for window in windows_of_take}
            assert cameras == {plan.flaw(kind)["camera"]}
        if "best_exo_null" in kinds:
            assert all(window["window_id"] in camera_of for window in windows_of_take)
        if "vrs_path_null" in kinds:
            assert windows_of_take[0]["imu_valid"] > 0.8
        if WHOLE_CAPTURE in kinds:
            assert takes[plan.take_uid]["participant_id"] == plan.capture.uid
    assert {"full_resolution_only", "portrait_video", "best_exo_null", "vrs_path_null"} <= seen
    assert {take["videos"][0]["camera"][:2] for take in takes.values()} == {"ca", "gp"}
    assert {plan.capture.aria for plan in plans if plan.split != "teacher"} == {"aria01", "aria02"}


def test_a_text_keeps_its_offset_and_source_in_every_window(flawed):
    folder, _ = flawed
    takes = read_table(folder / "data/signals/synthetic/takes-*.parquet", TAKES, "resample")
    texts = {take["take_id"]: take["texts"] for take in takes.to_pylist()}
    windows = read_table(folder / "data/windows/synthetic", WINDOWS, "slice").to_pylist()
    sources = set()
    for window in windows:
        start = window["start_s"]
        inside = [
            (text["text"], text["source"], text["time_s"] - start)
            for text in texts[window["take_id"]]
            if text["time_s"] < start + 5.5 and (text["end_s"] or text["time_s"]) >= start - 0.5
        ]
        kept = [(text["text"], text["source"], text["offset_s"]) for text in window["texts"]]
        assert [k[:2] for k in kept] == [i[:2] for i in inside]
        assert [k[2] for k in kept] == pytest.approx([i[2] for i in inside], abs=1e-5)
        sources |= {text["source"] for text in window["texts"]}
    assert sources == {"atomic_descriptions", "keystep", "expert_commentary", "activity"}


def test_the_leak_check_counts_texts_that_name_their_class(flawed):
    folder, _ = flawed
    counted = json.loads((folder / "reports/synthetic/slice/metrics.json").read_text())
    leaks = counted["texts_and_their_class"]
    # "A person is cooking." names its class; so do the activity prompts of every labelled take.
    labelled = 0
    for take in read_table(
        folder / "data/signals/synthetic/takes-*.parquet", TAKES, "resample"
    ).to_pylist():
        labelled += take["label"] is not None
    assert labelled <= leaks["hint at their class"] < leaks["texts"]
    assert 0 < leaks["name their class"] <= leaks["hint at their class"]


def test_masking_takes_the_class_out_of_every_text(flawed, tmp_path, monkeypatch):
    import shutil

    from aura.evaluation.leakage import hints_at_class
    from pipeline import slice as slice_stage

    folder, _ = flawed
    shutil.copytree(folder / "data/signals", tmp_path / "data/signals")
    monkeypatch.chdir(tmp_path)
    slice_stage.run(tiny_params("slice.mask_class_names=true"), "synthetic")
    windows = read_table(tmp_path / "data/windows/synthetic", WINDOWS, "slice").to_pylist()
    texts = [(text["text"], w["label"]) for w in windows for text in w["texts"]]
    assert any("something" in text for text, _ in texts)
    assert not any(hints_at_class(text, label) for text, label in texts)
    counted = json.loads((tmp_path / "reports/synthetic/slice/metrics.json").read_text())
    assert counted["texts_and_their_class"]["hint at their class"] == 0
