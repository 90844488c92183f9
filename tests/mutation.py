"""Mutants of the core, each run against its room's tests.

`python -m tests.mutation --room evaluation --sample 100 --seed 0`; see docs/mutation.md. The small
changes are mutmut's. Its own runner copies the tree and starts anew for each; here one process
imports all and collects the tests, and forks: a child puts one changed function in the place of
the original and runs, until one fails, the tests that reach the changed statement.
"""

import __future__

import argparse
import ast
import contextlib
import difflib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TextIO

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.conftest import ROOT

ENGINE = "tests/pipeline/engine"
ROOMS = {
    "evaluation": ("aura/evaluation", ["tests/evaluation"]),
    "signals": (
        "aura/signals",
        ["tests/signals", "tests/inference/test_signals.py", "tests/pipeline/test_screen.py"],
    ),
    "losses": ("aura/learning/losses.py", ["tests/learning/test_losses.py"]),
    "schema": ("aura/schema", ["tests/test_schema.py"]),
    "output": ("pipeline/engine/output.py", [f"{ENGINE}/test_output.py"]),
    "shards": (
        "pipeline/engine/shards.py", [f"{ENGINE}/test_output.py", f"{ENGINE}/test_shards.py"]
    ),
}  # fmt: skip
"""What is changed, and the tests that are to notice."""

TOO_MUCH = {"repro", "ray_cluster", "real_data"}
"""Tests with these fixtures are left out: they take minutes, and work in other processes."""

OPTIONS = [
    *("-o", "addopts=", "-p", "no:cacheprovider", "--assert=plain", "--capture=sys"),
    *("-o", "tmp_path_retention_policy=none"),
]
EXAMPLES = 20
MEMORY = 8 << 30
NO_PROGRAM = 3  # exit code
WALL = 1800.0


@dataclass(frozen=True)
class Mutant:
    """One function with one change; `lines` are those of the changed statement, `body` its own."""

    name: str
    path: str
    function: str
    lines: range
    body: range
    render: Callable[[bool], str]

    @cached_property
    def source(self) -> str:
        """The function with the change."""
        return self.render(True)

    def diff(self) -> str:
        """Lines that changed."""
        lines = difflib.unified_diff(self.render(False).split("\n"), self.source.split("\n"), n=0)
        return "\n".join(f"    {line}" for line in list(lines)[2:] if not line.startswith("@@"))

    def install(self) -> None:
        """Give the original's function object, wherever it has been imported, the changed code."""
        module = _module(self.path)
        holder: object = module
        source = self.source
        *owner, name = self.function.split(".")
        if owner:
            source = f"class {owner[0]}:\n{textwrap.indent(source, '    ')}"
            holder = vars(module)[owner[0]]
        namespace = dict(vars(module))
        flags = __future__.annotations.compiler_flag
        exec(compile(source, self.path, "exec", flags, dont_inherit=True), namespace)
        fresh = vars(namespace[owner[0]])[name] if owner else namespace[name]
        old, new = _function(vars(holder)[name]), _function(fresh)
        old.__code__, old.__defaults__ = new.__code__, new.__defaults__
        old.__kwdefaults__ = new.__kwdefaults__


def _module(path: str) -> ModuleType:
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return importlib.import_module(name)


def _function(found: object) -> FunctionType:
    found = getattr(found, "__func__", found)
    if not isinstance(found, FunctionType):
        raise TypeError(f"{found} is no plain function")
    return found


def mutants(path: str) -> Iterator[Mutant]:
    """Every change that mutmut makes to the functions of a file.

    Left out are the words of a sentence that is raised (that it is raised, and with what values, is
    not) and of a docstring.
    """
    import libcst as cst
    from mutmut.mutation import file_mutation, mutators, pragma_handling

    code = (ROOT / path).read_text()
    tree = ast.parse(code)
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    spans = [range(node.lineno, _header(node) + 1) for node in statements]
    found: dict[str, int] = {}
    wrapper = cst.metadata.MetadataWrapper(cst.parse_module(code))
    visitor = file_mutation.MutationVisitor(
        mutators.mutation_operators, pragma_handling.IgnoredCode(set(), set(), set())
    )
    module = wrapper.visit(visitor)
    places = wrapper.resolve(cst.metadata.PositionProvider)
    owners = {
        id(method): f"{node.name.value}."
        for node in module.body
        if isinstance(node, cst.ClassDef)
        for method in node.body.body
    }
    raised = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    for change in visitor.mutations:
        function = change.contained_by_top_level_function
        if not isinstance(function, cst.FunctionDef):
            continue
        whole = places[function]
        body = range(whole.start.line, whole.end.line + 1)
        place = places.get(change.original_node)
        line = place.start.line if place else 0
        if line in raised and isinstance(change.original_node, cst.SimpleString):
            continue
        name = owners.get(id(function), "") + function.name.value
        found[name] = found.get(name, 0) + 1
        around = [span for span in spans if line in span]
        span = min(around, key=len, default=range(line, line + 1)) if line else body

        def render(changed: bool, change: file_mutation.Mutation = change) -> str:
            function = change.contained_by_top_level_function
            if changed:
                pair = change.original_node, change.mutated_node
                function = file_mutation.deep_replace(function, *pair)
            return module.code_for_node(function).strip("\n")

        yield Mutant(f"{path}:{name}:{found[name]}", path, name, span, body, render)


def _header(node: ast.stmt) -> int:
    """Last line of a statement, or of what stands before the body it has."""
    body = getattr(node, "body", None)
    return max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno


class Runner:
    """A pytest plugin that runs mutants in the place of the tests."""

    def __init__(self, chosen: list[Mutant], files: list[str], jobs: int, kept: Path, out: TextIO):
        self.chosen, self.files, self.jobs = chosen, files, jobs
        self.kept, self.out = kept, out
        self.longest = 1.0
        self.failed = self.skipped = False
        self.survivors: list[Mutant] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note that a test failed."""
        self.failed = self.failed or report.failed
        self.skipped = self.skipped or report.skipped

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests once as they are, and then each mutant."""
        for path in {mutant.path for mutant in self.chosen}:
            _module(path)
        items = [i for i in session.items if not TOO_MUCH.intersection(i.fixturenames)]
        for item in items:
            for test in {getattr(item, "obj", None), getattr(item, "_obj", None)} - {None}:
                used = getattr(test, "_hypothesis_internal_use_settings", None)
                if used is not None:
                    test._hypothesis_internal_use_settings = settings(
                        used, max_examples=min(used.max_examples, EXAMPLES), derandomize=True,
                        database=None, deadline=None, suppress_health_check=list(HealthCheck),
                        phases=(Phase.explicit, Phase.generate),
                    )  # fmt: skip
        reach, seconds = self.reached(items)
        print(f"{len(seconds)} tests, {sum(seconds.values()):.0f} s", file=self.out, flush=True)
        running: dict[int, tuple[Mutant, float, Path]] = {}
        for mutant in list(self.chosen):
            while len(running) >= self.jobs:
                self.reap(running)
            for lines in (mutant.lines, mutant.body):
                at = {test for line in lines for test in reach.get((mutant.path, line), ())}
                if at:
                    break
            tests = sorted((i for i in items if i.nodeid in at), key=lambda i: seconds[i.nodeid])
            cpu = 4 + 4 * sum(seconds[i.nodeid] for i in tests)
            folder = Path(tempfile.mkdtemp(prefix="aura-mutant-"))
            pid = self.fork(folder, lambda t=tests, m=mutant: self.check(m, t), cpu)
            running[pid] = (mutant, time.monotonic() + WALL, folder)
        while running:
            self.reap(running)
        return True

    def fork(self, folder: Path, work: Callable[[], int], cpu: float = 0.0) -> int:
        """Start a child that does the work, silently and with a folder of its own."""
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            os.setpgid(0, 0)
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
            if cpu:
                resource.setrlimit(resource.RLIMIT_CPU, (int(cpu), int(cpu) + 1))
                resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def reap(self, running: dict[int, tuple[Mutant, float, Path]]) -> None:
        """Wait for one child; what ends otherwise than with 0 is a mutant caught."""
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in running:
                break
            late = [p for p, (_, until, _) in running.items() if time.monotonic() > until]
            for one in late:
                os.killpg(one, signal.SIGKILL)
            time.sleep(0.05)
        mutant, _, folder = running.pop(pid)
        shutil.rmtree(folder, ignore_errors=True)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == NO_PROGRAM:
            self.chosen.remove(mutant)
            print(f"{mutant.name} is no program", file=self.out, flush=True)
        if status == 0:
            self.survivors.append(mutant)
            print(f"{mutant.name} survives, line {mutant.lines.start}\n{mutant.diff()}",
                  file=self.out, flush=True)  # fmt: skip

    def check(self, mutant: Mutant, tests: list[pytest.Item]) -> int:
        """Run the tests of a mutant until one fails: 1, or none does: 0."""
        try:
            mutant.install()
        except (SyntaxError, TypeError):
            return NO_PROGRAM
        for item in tests:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if self.failed:
                return 1
        return 0

    def reached(
        self, items: list[pytest.Item]
    ) -> tuple[dict[tuple[str, int], set[str]], dict[str, float]]:
        """Tests that reach each line, and CPU seconds of each test that passes."""
        found = json.loads(self.kept.read_text()) if self.kept.exists() else {}
        todo = [item for item in items if item.nodeid not in found]
        with tempfile.TemporaryDirectory(prefix="aura-mutation-") as folder:
            new = Path(folder) / "reached.json"
            pid = self.fork(Path(folder), lambda: self.measure(todo, new))
            if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
                raise RuntimeError("the tests without a mutant did not come to their end")
            found |= json.loads(new.read_text())
        self.kept.write_text(json.dumps(found))
        reach: dict[tuple[str, int], set[str]] = {}
        for item in items:
            for path, lines in found[item.nodeid]["lines"].items():
                for line in lines:
                    reach.setdefault((path, line), set()).add(item.nodeid)
        return reach, {item.nodeid: found[item.nodeid]["seconds"] for item in items}

    def measure(self, items: list[pytest.Item], kept: Path) -> int:
        """Write the lines that each test reaches."""
        import coverage

        def late(*_: object) -> None:
            raise TimeoutError

        signal.signal(signal.SIGPROF, late)
        found = {}
        for item in items:
            self.failed = self.skipped = False
            watch = coverage.Coverage(
                data_file=None, include=[str(ROOT / f) for f in self.files], config_file=False
            )
            watch.set_option("run:disable_warnings", ["no-data-collected"])
            start = time.process_time()
            signal.setitimer(signal.ITIMER_PROF, self.longest)
            watch.start()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            signal.setitimer(signal.ITIMER_PROF, 0)
            watch.stop()
            seconds, data = time.process_time() - start, watch.get_data()
            lines = {}
            if self.failed:
                print(f"{item.nodeid} fails as it is, or is slow", file=self.out, flush=True)
            elif not self.skipped:
                lines = {
                    str(Path(file).relative_to(ROOT)): sorted(data.lines(file) or ())
                    for file in data.measured_files()
                }
            found[item.nodeid] = {"seconds": round(seconds, 3), "lines": lines}
        kept.write_text(json.dumps(found))
        return 0


def wilson(caught: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share."""
    middle = (caught + z * z / 2) / (of + z * z)
    half = z / (of + z * z) * (caught * (of - caught) / of + z * z / 4) ** 0.5
    return middle - half, middle + half


def main() -> int:
    """Draw, run and count."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--room", choices=ROOMS, action="append", help="all if none")
    parser.add_argument("--sample", type=int, default=0, help="so many of each room; 0 is all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--reached", help="folder that keeps which test reaches what")
    parser.add_argument("--longest", type=float, default=1.0, help="s of CPU of a test, at most")
    parser.add_argument("--only", nargs="*", metavar="MUTANT", help="these, by name")
    parser.add_argument("--list", action="store_true", help="count the mutants and run none")
    arguments = parser.parse_args()
    for room in arguments.room or ROOMS:
        place, tests = ROOMS[room]
        folder = ROOT / place
        files = sorted(folder.glob("*.py")) if folder.is_dir() else [folder]
        names = [str(file.relative_to(ROOT)) for file in files]
        every = [mutant for name in names for mutant in mutants(name)]
        chosen = every
        if arguments.only:
            chosen = [mutant for mutant in every if mutant.name in arguments.only]
        elif 0 < arguments.sample < len(every):
            chosen = random.Random(arguments.seed).sample(every, arguments.sample)
        print(f"{room}: {len(chosen)} of {len(every)} mutants", flush=True)
        if arguments.list or not chosen:
            continue
        kept = Path(arguments.reached or tempfile.mkdtemp()) / f"{room}.json"
        runner = Runner(chosen, names, arguments.jobs, kept, os.fdopen(os.dup(1), "w"))
        runner.longest = arguments.longest
        with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
            pytest.main([*[str(ROOT / test) for test in tests], *OPTIONS], plugins=[runner])
        caught = len(chosen) - len(runner.survivors)
        low, high = wilson(caught, len(chosen))
        print(f"{room}: {caught} of {len(chosen)} caught, {caught / len(chosen):.1%} "
              f"({low:.1%} to {high:.1%})", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
