import subprocess
import sys

import pytest

from tests.conftest import ROOT, run

WAYS = [("aura",), (sys.executable, "-m", "aura"), ("typer", "aura"), ("typer", "aura", "run")]
COMMANDS = [
    "synthesize", "teach", "resample", "slice", "embed", "preprocess", "train", "evaluate",
    "report", "doctor", "estimate", "export", "ablate", "unseen", "review",
    "verify", "init",
    "verify", "search", "classify", "stats", "view",
]  # fmt: skip


def program(*command):
    """What a shell would start, where `run` forks a process for `aura`."""
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_every_way_to_call_it_shows_the_same_help(way):
    done = program(*way, "preprocess", "--help")
    assert done.returncode == 0, done.stderr
    assert "Resample, slice and embed in one Ray session." in done.stdout
    assert "--dataset" in done.stdout


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_an_error_is_one_sentence_and_exit_code_1_every_way(way):
    done = program(*way, "preprocess", "--dataset", "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("aura: There is no data set 'nowhere' in params.yaml; known:")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command):
    done = run("aura", command, "--help", cwd=ROOT)
    assert done.returncode == 0
    assert f"Example:  aura {command}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["resample", "--dataset", "ego-exo4d"], "There is no data at"),
        (["resample", "--set", "slice.windw=1"], "unknown key 'slice.windw'"),
        (["doctor", "--root", "nowhere"], "There is no data at"),
        (["slice"], "run `aura resample` first"),
        (["train"], "run `aura embed` first"),
        (["evaluate"], "run `aura embed` first"),
        (
            ["teach", "--set", "teacher={model: ViT-B-32, pretrained: nothing}"],
            "neither a file nor",
        ),
        (
            ["teach", "--set", "teacher={model: CLAP, pretrained: x}"],
            "open_clip has no model 'CLAP'",
        ),
    ],
)
def test_what_cannot_go_on_says_so_in_one_sentence(arguments, sentence, tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    done = run("aura", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("aura: ")
    assert sentence in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models").exists() or not any((tmp_path / "models").glob("teacher"))


def test_outside_a_project_it_says_where_to_run(tmp_path):
    done = subprocess.run(
        ["aura", "train"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (
        1,
        "aura: params.yaml is not here; run this from the project's folder.",
    )
