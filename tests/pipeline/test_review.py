import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from matplotlib.image import imread

import pipeline.review
from aura.errors import AuraError
from aura.evaluation.diagnosis import Headline
from pipeline import evaluate
from pipeline.study.plots import definitions
from tests.conftest import ROOT, run

AUTHOR = ("-c", "user.name=test", "-c", "user.email=test@localhost")
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/review.yml").read_text())


TEST = {"windows": 100, "sha256": "same"}


def headline(name, metric, value, low, high):
    return Headline(name, metric, "retrieval", value, 0.05, 100, low, high, control=0.04)


def write(folder, text, *, mrr, warnings, takes, loss):
    """The reports of a study, as the stages leave them."""
    reports = folder / "reports/synthetic"
    headlines = [
        headline("IMU → text", "MRR", mrr, mrr - 0.05, mrr + 0.05),
        headline("IMU zero-shot", "macro-F1", 0.61, 0.5, 0.7),
        headline("IMU → mocap", "R@1", 0.2 + mrr / 10, 0.1, 0.3),
    ]
    files = {
        "evaluate/metrics.json": evaluate.headline_metrics(headlines),
        "evaluate/details.json": {"warnings": warnings, "headlines": [], "test": TEST},
        "resample/metrics.json": {"takes_used": takes, "skips": {"imu: no VRS file": 9 - takes}},
        "slice/metrics.json": {"windows": 40, "clock_offset_ms": mrr},
    }
    for name, content in files.items():
        (reports / name).parent.mkdir(parents=True, exist_ok=True)
        (reports / name).write_text(json.dumps(content))
    pairs = [
        {"query": "imu", "gallery": "text", "matching": how, "pool_kind": "full", "pool": 100,
         "R@1": 0.1, "R@10": 0.2, "R@50": 0.5, "MRR": mrr, "MRR_chance": 0.05}
        for how in ("strict", "multi-positive")
    ]  # fmt: skip
    plots = {
        "evaluate/plots/retrieval.csv": evaluate.retrieval_csv(pairs),
        "evaluate/plots/confusion_imu.csv": "actual,predicted\nDance,Dance\nMusic,Dance\n",
        "train/curves/imu/plots/metrics/loss.tsv": f"step\tloss\n0\t4.0\n1\t{loss}\n",
        "train/curves/joint/plots/metrics/loss.tsv": "step\tloss\n0\t3.0\n1\t2.0\n",
    }
    for name, content in plots.items():
        (reports / name).parent.mkdir(parents=True, exist_ok=True)
        (reports / name).write_text(content)
    plots = yaml.safe_dump({"plots": definitions(reports)})
    (reports / "dvc.yaml").write_text(plots)
    commit(folder, text)


def commit(folder, text):
    for command in (("add", "-A"), (*AUTHOR, "commit", "-qm", text)):
        done = run("git", *command, cwd=folder)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A repository in which a branch moves one figure far, one a little, and one not at all."""
    folder = tmp_path_factory.mktemp("study")
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder)
    for command in (("git", "init", "-qb", "main"), ("dvc", "init", "-q")):
        assert run(*command, cwd=folder).returncode == 0
    write(folder, "one", mrr=0.3, warnings=["The control scores 0.2."], takes=9, loss=2.5)
    assert run("git", "switch", "-qc", "change", cwd=folder).returncode == 0
    warnings = ["The control scores 0.3.", "R@50 is high and R@1 low."]
    write(folder, "two", mrr=0.4, warnings=warnings, takes=8, loss=2.0)
    return folder


@pytest.fixture(scope="module")
def review(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "review"
    done = run("aura", "review", "--base", "main", "--out", str(out), cwd=study)
    assert done.returncode == 0, done.stderr
    return out


def test_the_comment_has_what_changed_and_nothing_else(study, review):
    text = (review / "comment.md").read_text()
    assert text.startswith("<!-- aura review -->\n")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows == [
        "| figure | before | now | change | 95 % interval now |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| IMU → text, MRR | 0.300 | 0.400 | +0.100 ▲ | 0.350 to 0.450 |",
        "| IMU → mocap, R@1 | 0.230 | 0.240 | +0.010 | 0.100 to 0.300 |",
        "| count | before | now | change |",
        "| --- | ---: | ---: | ---: |",
        "| resample: takes used | 9 | 8 | −1 |",
        "| resample: skips, imu: no VRS file | 0 | 1 | +1 |",
    ]
    assert "▲ and ▼: the figure before lies outside the 95 % interval now" in text
    assert "Unchanged figures: 1 (IMU zero-shot, macro-F1)." in text
    assert "**New warnings**\n\n- R@50 is high and R@1 low." in text
    assert "control" not in text
    assert len(text.splitlines()) < 40


def test_each_changed_plot_has_a_picture(review):
    text = (review / "comment.md").read_text()
    named = re.findall(r'src="(pictures/[^"]+)"', text)
    assert named == ["pictures/synthetic-retrieval.png", "pictures/synthetic-loss.png"]
    assert sorted(review.rglob("*.png")) == sorted(review / name for name in named)
    for name in named:
        image = imread(review / name)[..., :3]
        assert (image < 0.9).any(axis=-1).mean() > 0.005
        assert image[0, 0].tolist() == [1, 1, 1]


def test_a_second_run_gives_the_same_bytes_and_no_old_picture_stays(study, review, tmp_path):
    out = tmp_path / "review"
    shutil.copytree(review, out)
    (out / "pictures/synthetic-old.png").write_bytes(b"")
    assert run("aura", "review", "--out", str(out), cwd=study).returncode == 0
    files = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (out, review)
    ]
    assert files[0] == files[1]


def test_dvc_shows_the_headline_figures_only(study):
    done = run("dvc", "metrics", "diff", "--md", "main", cwd=study)
    names = [line.split("|")[2].strip() for line in done.stdout.splitlines() if "reports" in line]
    assert names == ["imu_to_mocap.r@1", "imu_to_text.high", "imu_to_text.low", "imu_to_text.mrr"]
    assert max(map(len, done.stdout.splitlines())) < 120


def test_without_a_base_to_compare_with_all_is_new(study, tmp_path):
    empty = run("git", *AUTHOR, "commit-tree", "-m", "none", empty_tree(study), cwd=study)
    out = tmp_path / "review"
    done = run("aura", "review", "--base", empty.stdout.strip(), "--out", str(out), cwd=study)
    assert done.returncode == 0, done.stderr
    text = (out / "comment.md").read_text()
    assert "Its reports are new: there is nothing to compare with." in text
    assert "| IMU zero-shot, macro-F1 | new | 0.610 |  | 0.500 to 0.700 |" in text
    assert len(list(out.rglob("*.png"))) == 3


def empty_tree(folder):
    return run("git", "hash-object", "-w", "-t", "tree", "/dev/null", cwd=folder).stdout.strip()


def test_what_cannot_be_compared_says_so_in_one_sentence(study, tmp_path, monkeypatch):
    bare, none, damaged = (tmp_path / name for name in ("bare", "none", "damaged"))
    bare.mkdir()
    none.mkdir()
    run("git", "init", "-qb", "main", cwd=none)
    run("git", *AUTHOR, "commit", "-qm", "none", "--allow-empty", cwd=none)
    shutil.copytree(study, damaged)
    (damaged / "reports/synthetic/slice/metrics.json").write_text("<<<<<<< HEAD")
    (study / "busy").mkdir(exist_ok=True)
    (study / "busy/notes.txt").write_text("")
    cases = [
        (bare, {}, "This folder is in no git repository, which holds the figures of before."),
        (study, {"base": "nowhere"}, "There is no commit 'nowhere' here; fetch it"),
        (study, {"base": "--help"}, "There is no commit '--help' here; fetch it"),
        (none, {}, "There are no reports in reports; run `dvc repro`"),
        (study, {"out": "busy"}, "busy is there and is no review (notes.txt); name another."),
        (damaged, {}, "slice/metrics.json of the working tree is not a JSON object."),
    ]
    for folder, arguments, sentence in cases:
        monkeypatch.chdir(folder)
        with pytest.raises(AuraError, match=re.escape(sentence)):
            pipeline.review.run(**arguments)
        assert not (folder / "review").exists()
    done = run("aura", "review", "--base", "nowhere", cwd=study)
    assert done.returncode == 1
    assert done.stderr.startswith("aura: There is no commit 'nowhere' here")
    assert len(done.stderr.strip().splitlines()) == 1


# The workflow.


WITHOUT = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name in {absent}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Without())
sys.argv[0] = "aura"
from aura.cli import main
main()
"""


def test_the_command_runs_with_what_the_workflow_installs(study, tmp_path):
    steps = [step.get("run", "") for step in WORKFLOW["jobs"]["compare"]["steps"]]
    named = next(re.search(r"constraints.txt (.*)\n", s) for s in steps if "pip" in s)[1].split()
    installed = set()
    while named:
        name = re.match(r"[\w.-]+", named.pop()).group().lower().replace("_", "-")
        if name not in installed:
            installed.add(name)
            needs = importlib.metadata.requires(name) or []
            named += [n for n in needs if "extra ==" not in n and "sys_platform" not in n]
    homes = importlib.metadata.packages_distributions()
    absent = {
        module
        for module, packages in homes.items()
        if not {p.lower().replace("_", "-") for p in packages} & (installed | {"aura"})
    }
    assert {"torch", "ray", "dvc", "polars"} <= absent
    code = WITHOUT.replace("{absent}", repr(absent))
    out = tmp_path / "review"
    done = run(sys.executable, "-c", code, "review", "--out", str(out), cwd=study)
    assert done.returncode == 0, done.stderr
    assert len(list(out.rglob("*.png"))) == 2


GH = """#!/bin/sh
echo "$@" >> "$LOG"
case "$*" in *--paginate*) for last; do :; done; jq -r "$last" "$COMMENTS";; esac
"""
OTHER = {"id": 1, "user": {"login": "someone"}, "body": "<!-- aura review --> is not mine"}
BOT = {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "another workflow"}
OURS = {"id": 3, "user": {"login": "github-actions[bot]"}, "body": "<!-- aura review -->\n…"}


@pytest.fixture
def runner(review, tmp_path):
    """Run the steps of the job that writes, with a bare repository and `gh` in their places."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not here to stand in for gh's --jq")
    shutil.copytree(review, tmp_path / "review")
    run("git", "init", "-q", "--bare", "remote.git", cwd=tmp_path)
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    for step in WORKFLOW["jobs"]["comment"]["steps"]:
        assert "${{" not in step.get("run", ""), "text of a pull request is not to be run"

    def go(number, comments, remote="remote.git"):
        (tmp_path / "comments.json").write_text(json.dumps(comments))
        environment = os.environ | {
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PR": str(number),
            "LOG": str(tmp_path / "log"), "COMMENTS": str(tmp_path / "comments.json"),
            "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "owner/name",
            "REMOTE": str(tmp_path / remote), "GIT_CONFIG_GLOBAL": os.devnull,
        }  # fmt: skip
        shutil.rmtree(tmp_path / "assets", ignore_errors=True)
        for step in WORKFLOW["jobs"]["comment"]["steps"][1:]:
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]],
                cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        return (tmp_path / "log").read_text().splitlines()[-1], tmp_path

    return go


def test_the_first_push_writes_a_comment_and_the_next_updates_it(runner):
    call, _ = runner(7, [OTHER, BOT])
    assert call.startswith("api --silent --method POST repos/owner/name/issues/7/comments ")
    call, _ = runner(7, [OTHER, BOT, OURS, {**OURS, "id": 4}])
    assert call == (
        "api --silent --method PATCH repos/owner/name/issues/comments/3"
        " --field body=@review/comment.md"
    )


def test_pictures_of_two_pull_requests_are_at_the_addresses_that_the_comment_gives(runner, review):
    runner(7, [])
    shutil.copy(review / "comment.md", runner(7, [])[1] / "review/comment.md")
    _, folder = runner(8, [])
    text = (folder / "review/comment.md").read_text()
    found = re.findall(r'src="https://github.com/owner/name/raw/(\w{40})/(8/[^"]+)"', text)
    assert len(found) == text.count("<img") == 2
    for commit_id, path in found:
        done = subprocess.run(
            ["git", "show", f"{commit_id}:{path}"],
            cwd=folder / "remote.git", capture_output=True, check=True,
        )  # fmt: skip
        assert done.stdout == (review / "pictures" / path.removeprefix("8/")).read_bytes()
    kept = run("git", "ls-tree", "--name-only", "review-assets", cwd=folder / "remote.git")
    assert kept.stdout.split() == ["7", "8"]


def test_a_branch_that_cannot_be_pushed_costs_the_pictures_and_not_the_comment(runner):
    call, folder = runner(7, [], remote="nowhere.git")
    assert "POST" in call
    text = (folder / "review/comment.md").read_text()
    assert "<img" not in text
    assert text.count('(picture: see the artifact "review" of this run)') == 2
