"""`aura estimate`: its arithmetic by hand, and one run at the smallest size."""

import math

import numpy as np
import pytest
import torch

from aura import config
from aura.errors import AuraError
from aura.signals.windows import starts
from aura.teacher.video import window_frames
from pipeline import estimate
from pipeline.cost import amounts, rates
from pipeline.cost.amounts import Row, count_windows, frame_numbers, gpu_seconds
from pipeline.cost.sample import Effort
from pipeline.cost.sizes import EGO_EXO4D
from pipeline.cost.table import table
from pipeline.cost.units import duration
from tests.conftest import ROOT, run, tiny_params

STAGES = [
    "resample: read VRS", "resample: IMU to 200 Hz", "resample: pose to 10 FPS", "slice",
    "embed: decode video", "embed: images, ViT-B-32", "embed: texts, ViT-B-32",
    "**preprocess, sum**", "train: phase imu", "train: phase joint", "train: shuffled control",
    "train: validation, encode", "train: validation, rank", "**train, sum**",
    "disk: download", "disk: signals", "disk: windows", "disk: embeddings",
]  # fmt: skip
NAMES = (
    "vrs imu pose slice decode images texts train_imu train_imu_all train_joint train_joint_all "
    "encode encode_all rank_all bytes_signals bytes_window bytes_video bytes_text"
)
ONES = dict.fromkeys(NAMES.split(), 1.0)
TINY = Effort(take_s=10, images=1, texts=2, train_steps=1, ranked=32, repeats=1, min_s=0)


PINNED = (
    "slice={window_s: 5.0, stride_s: 2.5, pad_short: true}",
    "embed.frames_per_window=8",
    "train.imu={pairs: [[imu, text], [imu, video]], epochs: 20, learning_rate: 0.001}",
    "train.joint.epochs=24",
    "train.twins={shuffled: 1}",
)


@pytest.fixture(scope="module")
def params():
    return config.load(ROOT / "params.yaml", PINNED, dataset="ego-exo4d")


def by_stage(rows):
    return {row.stage: row.amount for row in rows}


def test_distinct_frames_are_those_of_window_frames_over_an_hour(params):
    begin = starts(3600, 5.0, 2.5, True)
    numbers = window_frames(begin.tolist(), 5.0, 8, 30.0)
    assert numbers.shape == (1439, 8)
    assert len(frame_numbers(3600, params, 30.0)) == len(np.unique(numbers)) == 5760
    # A window of 8 frames shares 4 with the next: 4 new ones a window, and 4 more in the last.
    assert 4 * 1439 + 4 == 5760


def test_amounts_of_the_full_data_set_by_hand(params):
    assert EGO_EXO4D.take_s == pytest.approx(221.26 * 3600 / 5035)
    assert count_windows(EGO_EXO4D.take_s, params) == 62  # (158.2 - 5) / 2.5 = 61.3, and the first
    found = by_stage(amounts.preprocess_rows(EGO_EXO4D, params, ONES, "ViT-B-32", 100.0))
    assert found["resample: read VRS"] == pytest.approx(796_536_000)
    assert found["embed: decode video"] == pytest.approx(23_896_080)
    assert found["embed: images, ViT-B-32"] == 5035 * 252
    assert found["embed: texts, ViT-B-32"] == 432_000
    found = by_stage(amounts.train_rows(EGO_EXO4D, params, ONES))
    assert found["train: phase imu"] == 20 * 3072 * 62
    assert found["train: phase joint"] == found["train: shuffled control"] == 24 * 3072 * 62
    assert found["train: validation, encode"] == (20 + 24 + 24) * 842 * 62
    rankings = 20 * 2 * 2 + 24 * 5 * 2 + 24 * 5 * 2
    assert found["train: validation, rank"] == rankings * (842 * 62) ** 2


def test_bytes_on_disk_by_hand(params):
    rates = ONES | {"bytes_signals": 25e6, "bytes_window": 100, "bytes_video": 2000,
                    "bytes_text": 3000}  # fmt: skip
    found = by_stage(amounts.disk_rows(EGO_EXO4D, params, rates))
    assert found["disk: download"] == pytest.approx(1_626.974e9)
    assert found["disk: signals"] == pytest.approx(221.26 * 25e6)
    assert found["disk: windows"] == 5035 * 62 * 100
    assert found["disk: embeddings"] == 5035 * 62 * 2000 + 432_000 * 3000


def test_no_control_is_not_counted(params):
    without = config.load(
        ROOT / "params.yaml", [*PINNED, "train.twins={shuffled: 0}"], dataset="ego-exo4d"
    )
    found = by_stage(amounts.train_rows(EGO_EXO4D, without, ONES))
    assert "train: shuffled control" not in found
    assert found["train: validation, encode"] == (20 + 24) * 842 * 62


def test_only_the_takes_that_are_read_are_counted():
    subset = EGO_EXO4D.subset(["train", "val"], {})
    assert subset.takes == {"train": 3072, "val": 842}
    assert subset.ego_hours == pytest.approx(221.26 * 3914 / 5035)
    assert subset.take_s == pytest.approx(EGO_EXO4D.take_s)
    assert subset.parts_gb == EGO_EXO4D.parts_gb
    resplit = EGO_EXO4D.subset(["train", "val"], {"test": 0.2, "val": 0.1})
    assert resplit.takes == {"train": 3914 - 783 - 391, "test": 783, "val": 391}
    assert resplit.ego_hours == subset.ego_hours
    assert EGO_EXO4D.subset(["train", "val", "test"], {}) == EGO_EXO4D
    with pytest.raises(AuraError, match="No take is in the splits"):
        EGO_EXO4D.subset(["teacher"], {})


def test_times_of_a_row():
    assert Row("", 100, "x", "", rate=2.0).times(4) == (50.0, 12.5)
    assert Row("", 100, "x", "", rate=2.0, all_rate=5.0).times(4) == (50.0, 20.0)
    assert Row("", 100, "x", "", all_rate=5.0).times(4) == (None, 20.0)
    assert Row("", 100, "B", "").times(4) == (None, None)


def test_a_gpu_by_hand():
    # 1000 images x 8.82 GFLOP = 8.82 TFLOP; 100 TFLOPS at 30 % are 30 a second.
    assert gpu_seconds(1000, 8.82, 100) == pytest.approx(8.82 / 30)
    assert amounts.GPU_EFFICIENCY == 0.3


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0.4 s"), (89, "89 s"), (90, "1.5 min"), (2040, "34 min"), (20160, "5.6 h"),
     (276480, "3.2 days")],
)  # fmt: skip
def test_times_in_words(seconds, words):
    assert duration(seconds) == words


def test_a_table_is_markdown_with_its_sums():
    rows = [Row("a", 3600, "x", "60 x 60", rate=1.0), Row("b", 3600, "x", "", rate=1.0)]
    lines = table([("both", rows)], 2, 100).splitlines()
    assert lines[0].startswith("| stage | amount | arithmetic | measured here | one core | 2 cores")
    assert lines[2] == "| a | 3.6 k x | 60 x 60 | 1 x/s | 60 min | 30 min |  |"
    assert lines[-1] == "| **both** |  |  |  | **2.0 h** | **60 min** |  |"
    assert len({line.count("|") for line in lines}) == 1


def test_what_is_not_known_is_a_sentence(params):
    with pytest.raises(AuraError, match=r"full size of data set 'utd-mhad' is not known; .*ego"):
        estimate.run(params, "utd-mhad")
    with pytest.raises(AuraError, match="gpu-tflops must be above 0, not -1"):
        estimate.run(params, "ego-exo4d", -1)
    other = params.model_copy(
        update={"teacher": config.Teacher(model="CLAP", pretrained="nothing")}
    )
    with pytest.raises(AuraError, match="no model 'CLAP' whose speed"):
        estimate.run(other, "ego-exo4d")


def test_a_rate_is_of_the_median_run(monkeypatch):
    clock = iter([0.0, 1.0, 1.0, 3.0, 3.0, 103.0])
    monkeypatch.setattr(rates.time, "perf_counter", lambda: next(clock))
    assert rates.rate(10, lambda: None, Effort(repeats=3, min_s=0)) == 5.0


def test_it_runs_and_every_row_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    threads, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    params = tiny_params("train.batch=8", "synthesize.activities=2", "train.twins.held_out=null")
    text = estimate.run(params, "ego-exo4d", 100.0, TINY)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == STAGES
    assert {line.count("|") for line in lines} == {8}
    assert "measured on this machine" in text.splitlines()[-1]
    assert "assumed" in text.splitlines()[-1]
    for line in lines[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[0].startswith("**") or (cells[1] and cells[2] and cells[3])
        assert "nan" not in line
        assert "inf" not in line
    assert not any(tmp_path.iterdir())  # writes nothing where it runs
    assert torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled() == exact


def test_bytes_of_a_row_leave_out_what_every_file_has(tmp_path):
    import pyarrow as pa

    schema = pa.schema([pa.field("x", pa.float64(), nullable=False)])
    values = np.random.default_rng(0).random(4000)
    found = rates._row_bytes(tmp_path, pa.table([pa.array(values)], schema=schema))
    assert math.isclose(found, 8, rel_tol=0.02)


def test_its_help_has_an_example():
    done = run("aura", "estimate", "--help", cwd=ROOT)
    assert done.returncode == 0
    assert "Example:  aura estimate" in done.stdout
