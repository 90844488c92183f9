import pickle
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from aura.datasets.ego_exo4d import pose, timesync
from aura.datasets.vrs import imu
from aura.errors import CorruptFile
from tests import fuzz

PARSERS = {"vrs": (imu, "read_imu"), "timesync": (timesync, "read_timesync")}
PARSERS["pose"] = (pose, "read_pose")


SAMPLE = {"actions": 60, "texts": 60, "params": 60, "index": 60, "shard": 100, "checkpoint": 60}
OTHERS = [name for name in fuzz.TARGETS if name not in fuzz.QUICK]


@pytest.mark.parametrize("name", OTHERS)
def test_readers_of_other_files_do_nothing_else(name: str, tmp_path: Path) -> None:
    """A few of each; `make fuzz` throws thousands."""
    inputs = SAMPLE.get(name, 15)
    line = fuzz.fuzz(name, inputs, seed=1, save=tmp_path)
    assert line.startswith(f"{name}: {inputs} inputs, "), line
    assert not list(tmp_path.iterdir())


def test_a_reader_that_does_more_than_read_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Path(fuzz.__file__).with_name("written")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # a checkout may lie in the usual one

    def write() -> None:
        elsewhere.write_text("by a parser")

    def connect() -> None:
        with socket.socket() as connection:
            connection.settimeout(0.1)
            connection.connect_ex(("127.0.0.1", 9))

    def unpickle() -> None:
        pickle.loads(pickle.dumps(fuzz.Fault))

    def run() -> None:
        subprocess.run([sys.executable, "-c", ""], check=True)

    deeds = {"wrote": write, "socket.connect": connect, "pickle.find_class": unpickle}
    try:
        for message, deed in {**deeds, "started": run}.items():
            with monkeypatch.context() as patch:
                plant(patch, "pose", deed)
                with pytest.raises(fuzz.Fault, match=f"did more than read: {message}"):
                    fuzz.fuzz("pose", 200, seed=1, save=tmp_path)
    finally:
        elsewhere.unlink()


@pytest.mark.parametrize("name", fuzz.QUICK)
def test_parsers_read_or_refuse(name: str, tmp_path: Path) -> None:
    line = fuzz.fuzz(name, 1500, seed=1, save=tmp_path)
    found = re.match(rf"{name}: 1500 inputs, (\d+) accepted, (\d+) refused, \d+ s, worst ", line)
    assert found, line
    accepted, refused = map(int, found.groups())
    assert accepted + refused == 1500
    assert min(accepted, refused) > 75, line  # both happen often
    assert not list(tmp_path.iterdir())


def plant(monkeypatch: pytest.MonkeyPatch, name: str, fault: object, after: int = 400) -> None:
    """Has the parser of a target call `fault` once it was called `after` times."""
    module, function = PARSERS[name]
    parser, calls = getattr(module, function), 0

    def planted(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        found = fault() if calls == after else None
        return parser(*arguments) if found is None else found

    monkeypatch.setattr(module, function, planted)


def raise_value_error() -> None:
    raise ValueError("planted")


def interrupt() -> None:
    sys.exit("planted")


def sleep_past_exceptions() -> None:
    try:
        time.sleep(30)
    except Exception as error:
        raise CorruptFile("swallowed") from error


def hold_the_clock() -> None:  # as one long call into C would
    begun = time.perf_counter()
    while time.perf_counter() < begun + fuzz.SECONDS + 0.1:
        try:
            time.sleep(0.1)
        except fuzz.TooSlow:
            pass


def fill_memory() -> None:
    np.ones(fuzz.peak_bytes() + (128 << 20), np.uint8)


FAULTS = [
    ("vrs", raise_value_error, "raised ValueError"),
    ("pose", raise_value_error, "raised ValueError"),
    ("timesync", interrupt, "raised SystemExit"),
    ("timesync", sleep_past_exceptions, "was not done in 1 s"),
    ("vrs", hold_the_clock, "took 1"),
    ("pose", fill_memory, "raised peak memory to"),
    ("timesync", lambda: np.zeros(3, np.float32), "raised AssertionError"),
    (
        "pose",
        lambda: pose.Pose(np.array([2, 1]), np.zeros((2, 17, 3), np.float32), 0, 0, 0),
        "raised Asser",
    ),
]


@pytest.mark.parametrize(("name", "fault", "message"), FAULTS)
def test_a_planted_fault_is_caught_and_its_input_saved(
    name: str, fault: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", 1.0)
    plant(monkeypatch, name, fault)
    with pytest.raises(fuzz.Fault, match=f"{name}: input 99 of seed 1 {message}") as error:
        fuzz.fuzz(name, 1000, seed=1, save=tmp_path)
    (saved,) = tmp_path.iterdir()
    assert str(saved) in str(error.value)
    assert saved.stat().st_size > 0


def test_an_input_depends_on_its_number_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for inputs in (200, 300):
        with monkeypatch.context() as patch:
            plant(patch, "pose", raise_value_error, after=450)
            with pytest.raises(fuzz.Fault):
                fuzz.fuzz("pose", inputs, seed=2, save=tmp_path / str(inputs))
    first, second = ((tmp_path / n / "pose-2-149.bin").read_bytes() for n in ("200", "300"))
    assert first == second


def test_the_command_exits_with_the_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["fuzz", "--inputs", "150", "--target", "pose", "--save", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", command)
    fuzz.main()
    assert capsys.readouterr().out.startswith("pose: 150 inputs, ")
    plant(monkeypatch, "pose", raise_value_error)
    with pytest.raises(SystemExit, match="raised ValueError"):
        fuzz.main()
