"""`aura` in a process of its own, forked from one that has imported the stages already.

A shell would start Python and import torch anew each time; `test_cli.py` does. All else is the
same: arguments, environment, working folder, standard output and error, signals, the exit code.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import ModuleType

STAGES = (
    "ablate", "doctor", "embed", "estimate", "evaluate", "export", "fingerprint", "finetune", "mix",
    "preprocess", "report", "resample", "review", "shift", "slice", "synthesize", "teach", "train",
    "transfer", "unseen", "verify",
)  # fmt: skip
# The server is one for all that this process forks, tests/faults among them; it has no threads.
forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(
    ["__main__", *(f"pipeline.{stage}" for stage in STAGES), "tests.faults.kills"]
)


class Started:
    """A command at work; with what `subprocess.Popen` has of it."""

    def __init__(
        self, arguments: Sequence[str], cwd: Path, stdout: Path, stderr: Path,
        environment: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        environment = {**os.environ, **(environment or {})}
        self._process: ForkServerProcess = forks.Process(
            target=_aura, args=(list(arguments), str(cwd), environment, str(stdout), str(stderr))
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, less than 0 for a signal; None while it runs."""
        return self._process.exitcode

    poll = returncode.fget

    def wait(self, timeout: float = 900) -> int:
        """Wait for the end; kill what does not come to it."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError(f"it has not ended in {timeout} s")
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is there."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it and what is left of its session."""
        self.send_signal(signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.join(60)


def run(arguments: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `aura` to its end and keep what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        code = Started(arguments, cwd, out, err).wait()
        return subprocess.CompletedProcess(
            ["aura", *arguments], code, out.read_text(), err.read_text()
        )


def _aura(
    arguments: list[str], cwd: str, environment: dict[str, str], stdout: str, stderr: str
) -> None:
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, path in ((1, stdout), (2, stderr)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv = ["aura", *arguments]
    # What it starts itself is as if it were no child: by the platform's way, with another main.
    sys.modules["__main__"] = ModuleType("__main__")
    multiprocessing.set_start_method(None, force=True)
    multiprocessing.set_forkserver_preload(["__main__"])
    from aura.cli import main

    main()
