"""How commands end, as a shell sees it: exit codes, one sentence, and no child left behind."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests import commands, small
from tests.conftest import ROOT, TINY, run

SETTINGS = [argument for line in TINY for argument in ("--set", line)]
PROC = Path("/proc")


@pytest.fixture
def place(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def children(pid):
    """All processes below one, by their ids."""
    below = {}
    for path in PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        below.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, queue = [], [pid]
    while queue:
        some = below.get(queue.pop(), [])
        found += some
        queue += some
    return found


def alive(pid):
    try:
        return (PROC / f"{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what, seconds=300.0):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never came so far"
        time.sleep(0.1)


def test_wrong_use_is_2_and_what_cannot_go_on_is_1(place):
    for arguments in (["train", "--nonsense"], ["nothing"], ["slice", "--quiet", "--verbose"]):
        done = run("aura", *arguments, cwd=place)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr
    assert run("aura", "slice", cwd=place).returncode == 1


def test_done_is_0_and_how_much_is_printed_stands_before_or_after_the_command(tmp_path):
    small.write_study(tmp_path, small.settings(epochs=1).model_dump(mode="json"))
    twins = "train.twins={shuffled: 0, unnamed: false}"
    train = ["train", "--dataset", "tiny", "--set", twins]
    for arguments in (["--quiet", *train], [*train, "--quiet"]):
        done = run("aura", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    told = run("aura", *train, "--verbose", cwd=tmp_path)
    assert told.returncode == 0
    lines = told.stderr.splitlines()
    (end,) = [i for i, line in enumerate(lines) if line.startswith("train tiny: done in ")]
    assert lines[end].endswith("models/tiny, log logs/tiny/train.jsonl")
    assert lines[end + 1].startswith("  windows: 39 found, 32 used, 7 dropped")
    log = (tmp_path / "logs/tiny/train.jsonl").read_text()
    assert '"message": "start"' in log
    assert '"message": "done"' in log


needs_proc = pytest.mark.skipif(not PROC.is_dir(), reason="no /proc to look for children in")


def interrupted(arguments, place, moment, number, group):
    """Start a command, send a signal at a moment; its exit code and its last words."""
    log = place / "stderr"
    log.touch()
    process = commands.Started(arguments, place, place / "stdout", log)
    try:
        wait_for(lambda: moment(log.read_text()) or process.poll() is not None)
        below = children(process.pid)
        if group:  # as a terminal does
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        process.wait(timeout=60)
        wait_for(lambda: not any(map(alive, below)), 15)
    finally:
        process.kill()
    return process.returncode, log.read_text(), below


@needs_proc
@pytest.mark.parametrize(
    ("number", "group", "code", "words"),
    [
        (signal.SIGINT, True, 130, "aura: interrupted; the same command resumes."),
        (signal.SIGTERM, False, 143, "aura: terminated; the same command resumes."),
    ],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_an_interrupt_ends_the_processes_of_a_pool(place, number, group, code, words):
    arguments = ["synthesize", *SETTINGS, "--set", "synthesize.take_seconds=60"]
    arguments += ["--set", "ray.workers=2"]
    raw = place / "data/raw/synthetic.partial/takes"
    got, said, below = interrupted(
        arguments, place, lambda _: raw.is_dir() and any(raw.rglob("*.mp4")), number, group
    )
    assert len(below) >= 2
    assert (got, said.splitlines()[-1]) == (code, words)
    assert "Traceback" not in said
    assert not (place / "data/raw/synthetic").exists()
    assert '"interrupted"' in (place / "logs/synthesize.jsonl").read_text()


@needs_proc
def test_an_interrupt_while_a_model_is_trained(tmp_path):
    small.write_study(tmp_path, small.settings(epochs=10_000).model_dump(mode="json"))
    arguments = ["train", "--dataset", "tiny", "--set", "train.patience=10000"]
    got, said, _ = interrupted(
        arguments, tmp_path, lambda said: "epoch 2/" in said, signal.SIGINT, True
    )
    assert (got, said.splitlines()[-1]) == (130, "aura: interrupted; the same command resumes.")
    assert "Traceback" not in said


@needs_proc
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_an_interrupt_ends_ray_and_its_workers(flawed, place, number, code):
    source, _ = flawed
    (place / "models").symlink_to(source / "models")
    shutil.copytree(source / "data", place / "data", ignore=shutil.ignore_patterns("embeddings"))
    arguments = ["embed", *SETTINGS, "--set", "ray.workers=1", "--set", "embed.texts_per_shard=1"]
    got, said, below = interrupted(
        arguments, place, lambda said: "embed synthetic, texts:" in said, number, False
    )
    assert len(below) > 3  # Ray's own, and its workers
    assert got == code, said
    assert "Traceback" not in said
