"""Other people's programs, in an environment of their own: `make peers` builds it.

A peer is a file here with `prepare(**arguments)`, which returns what is timed. It runs under that
environment's Python, in a process that stays for all rounds, and knows nothing of this project.
Where the environment or a package of it is not there, the peer is skipped and says why.
"""

import json
import os
import select
import subprocess
from pathlib import Path
from typing import Any

from bench.measure import Seconds

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("AURA_PEERS", ".venv-peers")) / "bin" / "python"
_TIMEOUT_S = 600.0


class Peer:
    """A peer's process."""

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            # -P: a peer's file may be called as the package that it imports
            [PYTHON.absolute(), "-P", HERE / "worker.py", HERE / f"{name}.py"],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.version = self._ask(arguments)["version"]

    def __call__(self) -> Seconds:
        """One call in the peer's process, by its clock."""
        return Seconds(self._ask({"save": None})["seconds"])

    def save(self, path: Path) -> None:
        """One call whose result, an array, is kept as a .npy file."""
        self._ask({"save": str(path)})

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            if select.select([self._process.stdout], [], [], _TIMEOUT_S)[0]:
                answer: dict[str, Any] = json.loads(self._process.stdout.readline())
            else:
                answer = {"error": f"no answer in {_TIMEOUT_S:.0f} s"}
        except (OSError, ValueError):
            answer = {"error": "its process ended"}
        if "error" in answer:
            self._process.kill()
            self._process.wait()
            raise RuntimeError(answer["error"])
        return answer


def start(name: str, **arguments: Any) -> Peer | str:
    """A peer that did its first call, or why there is none. Arguments are JSON."""
    if not PYTHON.is_file():
        return "the environment of the peers is not built (make peers)"
    try:
        peer = Peer(name, arguments)
        peer()
        return peer
    except RuntimeError as error:
        return str(error)


def _environment() -> dict[str, str]:
    """FFmpeg's libraries for torchcodec, and no look at a model hub."""
    libraries = PYTHON.absolute().parent.parent.glob("lib/python*/site-packages/av.libs")
    return {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
        "HF_HUB_OFFLINE": "1",
        "WANDB_MODE": "disabled",
    }
