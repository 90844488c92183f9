"""Whether the memory of training and evaluation stays flat as takes grow, to Ego-Exo4D's size.

`python -m bench.training_memory 50 500 5035` writes the tables of a data set of noise, so many
takes of 123 s each with as many windows, captions and teacher vectors as Ego-Exo4D has. A process
of its own then joins them, trains some steps and evaluates the test split. Needs Linux's /proc.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread

from aura import config
from aura.evaluation.measure import measure
from aura.learning import training
from aura.schema import MODALITIES
from bench import noise_tables
from bench.memory import ROOT, field
from pipeline.study import joined, targets

FULL = 5035  # takes of Ego-Exo4D: 172 h
STEPS, BATCH = 30, 256


def work(folder: Path, steps: int) -> dict[str, float]:
    """Join, train and evaluate; MB that the process held at most in each, and steps a second."""
    os.chdir(folder)
    sets = [
        "datasets.noise={adapter: none, root: none}", "study=[noise]", f"train.batch={BATCH}",
        "train.device=cpu", "train.imu_encoder={name: imu-features}",
        "train.mocap_encoder={name: mocap-features}",
    ]  # fmt: skip
    params = config.load(ROOT / "params.yaml", sets)
    found: dict[str, float] = {}
    with Peak() as peak:
        windows, texts, _ = joined.load(params, "noise")
        found |= {"windows": len(windows)} | peak.take("join")
        phase = params.train.joint
        model = training.Model(
            windows.shape, params.train.imu_encoder, params.train.mocap_encoder, params.train.loss
        )
        training.fit_scale(model, windows, windows.rows("train"))
        trainer = training.Trainer(model, windows, phase, params.train, 0, select=False)
        trainer.step()
        start = time.perf_counter()
        for _ in range(steps):
            trainer.step()
        found["steps/s"] = steps / (time.perf_counter() - start)
        found |= peak.take("train")
        rows = windows.rows("test")
        test = targets.test_set(windows, texts, rows)
        vectors = training.embed(model, windows, rows, MODALITIES)
        measure(vectors, test, 20, 0)
        found |= {"test": len(rows)} | peak.take("evaluate")
    return found


class Peak:
    """Watches what this process holds: its own memory, and pages of files that it maps.

    Those of files the system takes back when others need the room.
    """

    def __init__(self) -> None:
        self._stop, self._thread = Event(), Thread(target=self._watch, daemon=True)
        self._own = self._files = 0.0

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        status = Path("/proc/self/status").read_text()
        self._own = max(self._own, field(status, "RssAnon:"))
        self._files = max(self._files, field(status, "RssFile:") + field(status, "RssShmem:"))

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self._look()

    def take(self, name: str) -> dict[str, float]:
        """Figures since the last call, MB."""
        self._look()
        found = {f"{name}, MB": self._own, f"{name}, mapped MB": self._files}
        self._own = self._files = 0.0
        return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table, one row a number of takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("takes", type=int, nargs="*", default=[50, 500, FULL])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--folder", type=Path, help="keep the tables there, and use them if there")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        print(json.dumps(work(options.work, options.steps)))
        return
    heads: list[str] = []
    for takes in options.takes:
        with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
            folder = (options.folder or Path(temporary)).absolute() / f"{takes}"
            if not folder.is_dir():
                folder.mkdir()
                home = Path.cwd()
                noise_tables.write(folder, takes)
                os.chdir(home)
            command = [sys.executable, "-m", "bench.training_memory", "--work", str(folder)]
            done = subprocess.run([*command, "--steps", str(options.steps)], check=True,
                                  stdout=subprocess.PIPE, text=True)  # fmt: skip
        found = json.loads(done.stdout.splitlines()[-1])
        if not heads:
            heads = list(found)
            print("| takes | " + " | ".join(heads) + " |")
            print("|" + " ---: |" * (1 + len(heads)))
        cells = [f"{v:.2f}" if "/s" in k else f"{v:,.0f}" for k, v in found.items()]
        print(f"| {takes:,} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
