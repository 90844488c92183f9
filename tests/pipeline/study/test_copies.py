"""The same recording under two names: refused across splits, counted within one."""

import shutil
from dataclasses import make_dataclass, replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from scipy.io import loadmat, savemat

from aura import schema
from aura.errors import AuraError
from aura.learning.join import join_tables
from aura.schema import CONTENT, SIGNALS, TAKES
from pipeline import resample
from pipeline.engine.output import read_table
from pipeline.study import copies, folds
from pipeline.study.splits import check as check_splits
from tests.conftest import tiny_params
from tests.datasets.test_pamap2 import lines_of, session
from tests.datasets.test_pamap2 import write as write_pamap2
from tests.datasets.test_utd_mhad import write as write_utd
from tests.small import tables


def pairs_of(folder, monkeypatch, adapter, root, *overrides):
    """Pairs of a data set after `resample`, and what the check says of them."""
    monkeypatch.chdir(folder)
    resample.run(tiny_params(f"datasets.{adapter}.root={root}", *overrides), adapter)
    takes = read_table(folder / f"data/signals/{adapter}/takes-*.parquet", TAKES, "resample")
    windows = SimpleNamespace(
        **{k: np.array(takes[f"{k}_id"].to_pylist()) for k in ("take", "moment")},
        label=np.array(takes["label"].to_pylist(), object),
        split=np.array(takes["split"].to_pylist()),
        source=None,
    )
    windows.copies = copies.of_dataset([adapter], windows)
    return windows


def piece_of(root, source, target, first, last, modalities="is"):
    """A piece of a UTD-MHAD sequence under another name; poses from the same share of it."""
    for kind, folder, key in (("i", "Inertial", "d_iner"), ("s", "Skeleton", "d_skel")):
        name = f"{folder}/%s_{'inertial' if kind == 'i' else 'skeleton'}.mat"
        values = loadmat(root / (name % source))[key]
        if kind in modalities:
            values = values[first:last] if kind == "i" else values[..., first // 3 : last // 3]
        else:
            values = np.random.default_rng(7).permutation(values)
        savemat(root / (name % target), {key: values})


NAMES = ["take", "moment", "label", "split", "source", "copies", "participant", "capture"]
ROWS = {"rows": lambda windows, split: np.flatnonzero(windows.split == split)}
Windows = make_dataclass("Windows", NAMES, namespace=ROWS)
STRETCHES = [5.0, "null"]


@pytest.mark.parametrize("stretch", STRETCHES)
@pytest.mark.parametrize(("first", "last"), [(0, 150), (31, 150), (0, 101), (40, 100)])
def test_a_copy_or_a_shifted_piece_in_the_test_split_is_refused(
    tmp_path, monkeypatch, first, last, stretch
):
    root = write_utd(tmp_path / "raw", subjects=(1, 6), actions=(1,), trials=(1, 4))
    piece_of(root, "a1_s1_t1", "a1_s6_t1", first, last)
    option = f"datasets.utd-mhad.options.stretch_s={stretch}"
    windows = pairs_of(tmp_path, monkeypatch, "utd-mhad", root, option)
    assert windows.copies == (("a1_s1_t1", "a1_s6_t1"),)
    with pytest.raises(AuraError, match=r"1 recordings.+ e\.g\. a1_s1_t1 \(train\) and a1_s6_t1 "):
        copies.check(windows, "error")
    (warning,) = copies.check(windows, "warn")
    assert "in two splits" in warning


def test_validation_is_refused_as_well_and_one_split_is_counted(tmp_path, monkeypatch):
    root = write_utd(tmp_path / "raw", subjects=(1, 2, 6), actions=(1,), trials=(1, 4))
    piece_of(root, "a1_s1_t1", "a1_s2_t1", 0, 150)
    windows = pairs_of(tmp_path, monkeypatch, "utd-mhad", root)
    (warning,) = copies.check(windows, "error")
    assert warning.startswith("1 takes of the train split hold a recording")
    piece_of(root, "a1_s1_t1", "a1_s2_t4", 10, 140)  # trial 4 is validation
    windows = pairs_of(tmp_path, monkeypatch, "utd-mhad", root)
    with pytest.raises(AuraError, match=r"\(train\) and a1_s2_t4 \(val\)"):
        copies.check(windows, "error")


def test_of_takes_with_classes_those_without_one_count_nowhere_twice(tmp_path, monkeypatch):
    root = write_utd(tmp_path / "raw", subjects=(1, 2, 6), actions=(1,), trials=(1, 4))
    piece_of(root, "a1_s1_t1", "a1_s2_t1", 0, 150)
    windows = pairs_of(tmp_path, monkeypatch, "utd-mhad", root)
    windows.label[windows.take == "a1_s2_t1"] = None
    assert copies.check(windows, "error") == []
    windows.label[:] = None
    (warning,) = copies.check(windows, "error")
    assert warning.startswith("1 takes of the train split hold a recording")
    windows.split[windows.take == "a1_s2_t1"] = "test"  # in two splits it is refused all the same
    windows.label[windows.take == "a1_s1_t1"] = "wave"
    with pytest.raises(AuraError, match="are in two splits"):
        copies.check(windows, "error")


def test_poses_alone_and_samples_alone_are_enough(tmp_path, monkeypatch):
    for number, modality in enumerate("is"):
        root = write_utd(tmp_path / modality / "raw", subjects=(1, 6), actions=(1,), trials=(1,))
        piece_of(root, "a1_s1_t1", "a1_s6_t1", 0, 150, modality)
        found = pairs_of(tmp_path / modality, monkeypatch, "utd-mhad", root).copies
        assert len(found) == 1, number


def test_recordings_of_their_own_share_nothing(tmp_path, monkeypatch):
    root = write_utd(tmp_path / "raw", subjects=(1, 2, 5, 6))
    windows = pairs_of(tmp_path, monkeypatch, "utd-mhad", root)
    assert windows.copies == ()
    assert copies.check(windows, "error") == []


def test_a_file_under_another_subject_with_other_stamps(tmp_path, monkeypatch):
    rows = session([4, 5], seconds=6.0)
    write_pamap2(tmp_path / "raw", 101, lines_of(rows))
    later = rows[137:].copy()
    later[:, 0] += 3.21
    write_pamap2(tmp_path / "raw", 106, lines_of(later))
    windows = pairs_of(tmp_path, monkeypatch, "pamap2", tmp_path / "raw")
    assert windows.copies == (
        ("protocol101_000", "protocol106_000"),
        ("protocol101_001", "protocol106_001"),
    )
    with pytest.raises(AuraError, match="2 recordings, or pieces of them, are in two splits"):
        copies.check(windows, "error")


def test_a_participant_who_is_left_out_may_not_be_another_one_too(tmp_path, monkeypatch):
    """`transfer` tests on each in turn, whatever the split: two of the training split here."""
    root = write_utd(tmp_path / "raw", subjects=(1, 2, 6), actions=(1,), trials=(1,))
    windows = pairs_of(tmp_path, monkeypatch, "utd-mhad", root)
    windows.participant = windows.capture = np.array([take.split("_")[1] for take in windows.take])
    windows = Windows(**vars(windows))
    assert folds.check(windows, ["s1", "s2", "s6"], "error") == []
    piece_of(root, "a1_s1_t1", "a1_s2_t1", 20, 150)
    found = pairs_of(tmp_path, monkeypatch, "utd-mhad", root).copies
    windows = replace(windows, copies=found)
    with pytest.raises(AuraError, match=r"1 recordings.+ a1_s1_t1 \(test\) and a1_s2_t1 \(train\)"):
        folds.check(windows, ["s1", "s2", "s6"], "error")
    warnings = folds.check(windows, ["s1", "s2", "s6"], "warn")
    assert ["in two splits" in warning for warning in warnings].count(True) == 2
    assert copies.check(windows, "error")[0].startswith("1 takes of the train split")


def test_recordings_that_the_model_has_seen_elsewhere_are_named(tmp_path, monkeypatch):
    root = write_utd(tmp_path / "raw", subjects=(1, 6), actions=(1,), trials=(1,))
    for name in ("utd-mhad", "synthetic", "pamap2"):
        if name == "pamap2":
            piece_of(root, "a1_s6_t1", "a1_s6_t1", 20, 150)
            (root / "Inertial/a1_s1_t1_inertial.mat").unlink()
            (root / "Skeleton/a1_s1_t1_skeleton.mat").unlink()
        pairs_of(tmp_path, monkeypatch, "utd-mhad", root)
        if name != "utd-mhad":
            folder = tmp_path / "data/signals"
            shutil.copytree(folder / "utd-mhad", folder / name)
    (warning,) = copies.between("synthetic", "utd-mhad")
    assert warning.startswith(
        "1 takes of utd-mhad hold a recording, or a piece of one, that synthetic holds too, e.g. "
        "a1_s6_t1 and there a1_s6_t1:"
    )
    assert copies.between("synthetic", "sp-sw-har") == []
    assert copies.between("synthetic", "synthetic") == []


def test_imus_of_one_moment_are_no_copies_of_each_other():
    """They share mocap, and a copy of one of them under another name is still told."""
    kwargs = {"seconds": (9, 9, 9, 9), "splits": ("train", "train", "train", "test")}
    (signals, windows, texts, videos), _ = tables(**kwargs, moments=["m", "m", "c", "d"])
    mocap = np.array(schema.to_numpy(signals, "mocap"))
    mocap[9:18] = mocap[:9]
    shared = {"mocap": mocap, "mocap_valid": np.ones((36, 10, 17), bool)}
    at = windows.column_names.index("has_imu")
    blind = windows.set_column(
        at, schema.WINDOWS.field("has_imu"), pa.array([False] * windows.num_rows)
    )

    def check(values):
        table = signals
        for name, block in values.items():
            field = SIGNALS.field(name)
            index = table.column_names.index(name)
            table = table.set_column(index, field, schema.from_numpy(block, field))
        return check_splits(join_tables(table, blind, texts, videos, 5.0))

    assert copies.of_windows(join_tables(signals, blind, texts, videos, 5.0)) == ()
    assert check(shared) == []
    mocap[18:27] = mocap[:9]  # a take of another moment
    (warning,) = check(shared)
    assert warning.startswith("1 takes of the train split hold a recording")
    mocap[27:] = mocap[:9]
    with pytest.raises(AuraError, match="are in two splits under two names"):
        check(shared)


def test_signals_of_before_the_note_are_compared_as_they_are():
    (signals, windows, texts, videos), _ = tables()
    assert check_splits(join_tables(signals, windows, texts, videos, 5.0)) == []
    blocks = {name: np.array(schema.to_numpy(signals, name)) for name in ("imu", "mocap")}
    blocks["imu"][12:19] = blocks["imu"][3:10]  # validation from second 3 of training on
    index = signals.column_names.index("imu")
    column = schema.from_numpy(blocks["imu"], SIGNALS.field("imu"))
    copied = signals.set_column(index, SIGNALS.field("imu"), column)
    with pytest.raises(AuraError, match=r"take0 \(train\) and take1 \(val\)"):
        check_splits(join_tables(copied, windows, texts, videos, 5.0))
    # Without IMU, equal windows of poses tell.
    blocks["mocap"][12:21] = blocks["mocap"][0:9]
    for name, values in (
        ("mocap", blocks["mocap"]),
        ("mocap_valid", np.ones((24, 10, 17), bool)),
    ):
        field = SIGNALS.field(name)
        at = signals.column_names.index(name)
        signals = signals.set_column(at, field, schema.from_numpy(values, field))
    at = windows.column_names.index("has_imu")
    blind = windows.set_column(
        at, schema.WINDOWS.field("has_imu"), pa.array([False] * windows.num_rows)
    )
    with pytest.raises(AuraError, match=r"take0 \(train\) and take1 \(val\)"):
        check_splits(join_tables(signals, blind, texts, videos, 5.0))


@pytest.mark.real
@pytest.mark.parametrize("adapter", ["utd-mhad", "sp-sw-har"])
def test_real_recordings_share_nothing(real_data, tmp_path, monkeypatch, adapter):
    windows = pairs_of(tmp_path, monkeypatch, adapter, real_data / adapter)
    assert windows.copies == ()
    table = read_table(tmp_path / f"data/signals/{adapter}/content-*.parquet", CONTENT, "resample")
    assert len(set(table["take_id"].to_pylist())) > 0.9 * len(windows.take)
