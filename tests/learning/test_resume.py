"""A training that is killed anywhere and started again gives what an undisturbed one gives."""

import hashlib
import os
import time

import pytest
import torch
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from aura import config
from aura.errors import AuraError
from aura.learning import checkpoint, training
from pipeline import train
from pipeline.study.curves import curves_of
from tests import commands
from tests.conftest import run
from tests.small import IMU, MOCAP, fresh, settings, short, write_study

EPOCHS, STEPS = 3, 5  # of an epoch
# All that has a state or draws: dropout, augmentation, captions, views, averages, patience.
PARAMS = settings(
    epochs=EPOCHS,
    imu_encoder=IMU.model_copy(update={"dropout": 0.2}),
    augment=config.Augment(jitter=0.1, drop_sensor=0.3, time_mask=0.2),
    loss=config.Loss(views=0.5),
    ema=0.9,
    patience=2,
    batches="apart",
)


class Killed(BaseException):
    """Not an `Exception`, as SIGKILL is none: nothing may catch it."""


def train_in(folder, params, kill_at=None, where="before"):
    """Train in `folder`, to the end or to the `kill_at`-th step that this process makes."""
    joined = short()
    model, curve, made = fresh(joined, params), [], 0
    real = torch.optim.AdamW.step

    def step(self, *args, **kwargs):
        nonlocal made
        made += 1
        if made == kill_at and where == "before":
            raise Killed
        real(self, *args, **kwargs)
        if made == kill_at and where == "after":
            raise Killed

    def save(state, path):
        if made == kill_at and where == "writing":
            path.write_bytes(b"half a checkpoint")
            raise Killed
        real_save(state, path)

    def on_epoch_end(metrics):
        curve.append(metrics)
        if kill_at and made >= kill_at and where == "callback":
            raise Killed

    files = training.Files(folder / "checkpoint.pt", folder / "bad.safetensors")
    real_save = torch.save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        patch.setattr(checkpoint.torch, "save", save)
        best = training.train_phase(
            model, joined, params.joint, params, 3, on_epoch_end, files=files
        )
    return model.state_dict(), curve, best


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return train_in(tmp_path_factory.mktemp("whole"), PARAMS)


@given(
    kills=st.lists(
        st.tuples(
            st.integers(1, EPOCHS * STEPS),
            st.sampled_from(["before", "after", "writing", "callback"]),
        ),
        min_size=1,
        max_size=3,
    ),
    every_s=st.sampled_from([0.0, 0.02, 1e9]),
)
@example(kills=[(1, "after"), (1, "after"), (1, "before")], every_s=0.0)
@example(kills=[(STEPS, "callback"), (2 * STEPS, "writing")], every_s=1e9)
@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_killed_at_any_step_the_weights_and_curves_are_the_same(
    undisturbed, tmp_path_factory, kills, every_s
):
    folder = tmp_path_factory.mktemp("killed")
    params = PARAMS.model_copy(update={"checkpoint_s": every_s})
    for kill_at, where in kills:
        try:
            train_in(folder, params, kill_at, where)
        except Killed:
            continue
    weights, curve, best = train_in(folder, params)
    expected, expected_curve, expected_best = undisturbed
    assert curve == expected_curve
    assert best == expected_best
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        assert torch.equal(weight, expected[name]), name


def test_a_resumed_run_does_not_start_anew(tmp_path):
    """With a checkpoint of every step, five steps before the end are five, not fifteen."""
    params = PARAMS.model_copy(update={"checkpoint_s": 0.0, "patience": None})
    with pytest.raises(Killed):
        train_in(tmp_path, params, 2 * STEPS + 1)
    with pytest.raises(Killed):
        train_in(tmp_path, params, STEPS, "after")
    state = checkpoint.read_state(tmp_path / "checkpoint.pt")
    assert state["steps"] == 3 * STEPS - 1
    assert len(state["history"]["curve"]) == 2


def test_a_damaged_checkpoint_is_one_sentence(tmp_path):
    with pytest.raises(Killed):
        train_in(tmp_path, PARAMS.model_copy(update={"checkpoint_s": 0.0}), 3)
    whole = (tmp_path / "checkpoint.pt").read_bytes()
    for damaged in (b"", b"x", whole[: len(whole) // 2]):
        (tmp_path / "checkpoint.pt").write_bytes(damaged)
        with pytest.raises(AuraError, match="cannot be read; delete it to train this phase anew"):
            train_in(tmp_path, PARAMS)


def test_a_checkpoint_cannot_run_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"steps": Payload()}, tmp_path / "checkpoint.pt")
    with pytest.raises(AuraError, match="cannot be read"):
        checkpoint.read_state(tmp_path / "checkpoint.pt")
    assert not (tmp_path / "harm").exists()


class Payload:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def hashes(folder):
    """Of every file that `aura train` leaves, hidden ones too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("models", "reports")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }


PHASES = ("imu", "joint", "shuffled-0", "unnamed")


def test_aura_train_that_was_killed_leaves_the_same_files(tmp_path, monkeypatch, capfd):
    """By SIGKILL in the middle of a phase; models, metrics and curves byte for byte."""
    twins = config.Twins(shuffled=1)
    section = settings(epochs=6, checkpoint_s=0.0, batch=6, twins=twins).model_dump(mode="json")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        params = write_study(folder, section)
    log = tmp_path / "said"
    process = commands.Started(["train", "--dataset", "tiny"], killed, log, log)
    file = killed / "models/tiny.partial/joint/checkpoint.pt"
    deadline = time.monotonic() + 120
    while not file.is_file() or checkpoint.read_state(file)["steps"] < 7:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    assert file.is_file()
    assert not file.with_name("model.json").exists(), "it was killed too late"
    for folder in (whole, killed):
        monkeypatch.chdir(folder)
        train.run(params, "tiny")
    log = capfd.readouterr().err
    assert "phase imu is done already" in log
    assert "phase joint goes on from its checkpoint" in log
    left = hashes(killed)
    ends = ("model.json", "model.safetensors", "README.md")
    names = {f"models/tiny/{p}/{end}" for p in PHASES for end in ends}
    names.add("models/tiny/manifest.json")
    assert {name for name in left if name.startswith("models")} == names
    # The files of the curves are among them: no epoch is there twice.
    assert left == hashes(whole)


def test_simultaneous_is_one_phase_from_scratch_for_the_epochs_of_both(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = settings(epochs=2, schedule="simultaneous", imu_encoder=IMU, mocap_encoder=MOCAP)
    params = write_study(tmp_path, chosen.model_dump(mode="json"))
    assert run("git", "init", "-q", cwd=tmp_path).returncode == 0  # no commit yet, and no DVC
    train.run(params, "tiny")
    assert not (tmp_path / ".dvc").exists()
    curves = curves_of("tiny")
    twins = [*(f"shuffled-{number}" for number in range(3)), "unnamed"]
    assert {name: len(rows) for name, rows in curves.items()} == dict.fromkeys(["joint", *twins], 4)
    joint = training.load(tmp_path / "models/tiny/joint")[1]
    assert joint["phase"] == "joint"
