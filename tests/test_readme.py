"""What the README says is what the project does."""

import re
from importlib import import_module

import pytest

from aura.cli import app
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
PAGES = {path: path.read_text() for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))}
ALL = "\n".join(PAGES.values())
COMMANDS = sorted(set(re.findall(r"^(?:.*&& )?aura (\w+)", ALL, re.MULTILINE)))


def test_it_is_read_in_one_sitting():
    assert len(README.splitlines()) <= 120


def test_the_table_is_that_of_the_committed_run():
    summary = (ROOT / "reports/synthetic/report/summary.md").read_text()
    figures = next(part for part in summary.split("\n\n") if part.startswith("|"))
    assert len(figures.splitlines()) > 4
    assert figures in README


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_exist(command):
    names = {c.name or c.callback.__name__ for c in app.registered_commands}
    assert command in names | {"COMMAND"}


def test_its_targets_and_files_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make (\w+)|^make (\w+)", ALL, re.MULTILINE):
        assert f"\n{target[0] or target[1]}:" in makefile, target
    for page, text in PAGES.items():
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), (page.name, link)


SETTINGS = sorted({
    tuple(re.findall(r"(?:-S|--set) ('[^']+'|\S+)", line))
    for line in re.findall(r"^.*(?:-S|--set) .*$", ALL, re.MULTILINE)
    if "KEY=VALUE" not in line
})  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: s[0].strip("'`"))
def test_its_settings_are_params(settings):
    from aura import config

    overrides = [setting.strip("'`.,;") for setting in settings]
    params = config.load(ROOT / "params.yaml", overrides)
    for name in params.study:
        loaded = config.load(ROOT / "params.yaml", overrides, dataset=name)
        adapter = "aura.datasets." + loaded.dataset(name).adapter.replace("-", "_")
        options = dict(loaded.dataset(name).options)
        options.pop("virtual", None)  # which every adapter takes
        import_module(adapter).Options.model_validate(options)


def test_the_committed_run_is_that_of_the_committed_params():
    """`dvc repro` on a fresh clone must find the committed reports to be those of this code."""
    import yaml

    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    for stage, entry in lock.items():
        for key, value in entry.get("params", {}).get("params.yaml", {}).items():
            current = raw
            for part in key.split("."):
                current = current[part]
            assert current == value, f"{stage}: {key}"
