"""Does memory stay flat as takes grow? `python -m bench.memory 50 500 5035` tells.

For each number of takes it writes a root of that many, tiny media by hard link and full metadata,
preprocesses it as a user would, and watches the processes of the run. It needs Linux's /proc.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
SMALL = (
    "synthesize.participants={teacher: 1, train: 2, val: 1, test: 1}",
    "synthesize.take_seconds=5",
    "synthesize.video_height=96",
    "teach.image_size=32",
    "teach.width=64",
    "teach.layers=1",
    "teach.steps=3",
    "teach.batch=8",
    "resample.takes_per_shard=100000",
    "ray.workers=2",
)


def start_stage(stage: str, folder: Path, *overrides: str) -> subprocess.Popen[bytes]:
    """Start a stage."""
    flags = [flag for override in (*SMALL, *overrides) for flag in ("--set", override)]
    with (folder / f"{stage}.log").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "aura", stage, *flags], cwd=folder,
                                stdout=log, stderr=log)  # fmt: skip


def watch_memory(process: subprocess.Popen[bytes]) -> tuple[float, float, float]:
    """Peak MB of the driver, of the largest Ray worker, and of all processes at one time.

    The first two are the kernel's high-water marks of resident memory; the last is the largest sum
    of what is private to each process and so counts shared pages once at most.
    """
    driver = worker = total = 0.0
    while process.poll() is None:
        in_use = 0.0
        for pid, name in process_tree(process.pid):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except (OSError, ProcessLookupError):
                continue
            peak = field(status, "VmHWM:")
            in_use += field(rollup, "Pss:")
            if pid == process.pid:
                driver = max(driver, peak)
            elif name.startswith("ray::"):
                worker = max(worker, peak)
        total = max(total, in_use)
        time.sleep(0.3)
    return driver, worker, total


def process_tree(pid: int) -> Iterator[tuple[int, str]]:
    """A process and all below it, with their titles."""
    import psutil  # of the extra `dev`

    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            yield process.pid, " ".join(process.cmdline()[:1])
    except psutil.NoSuchProcess:
        return


def field(text: str, name: str) -> float:
    """A field of a /proc file, kB to MB."""
    line = next((line for line in text.splitlines() if line.startswith(name)), None)
    return int(line.split()[1]) / 1024 if line else 0.0


def measure(folder: Path, takes: int, shard_mb: float) -> list[str]:
    """One row of the table."""
    shutil.copy(ROOT / "params.yaml", folder)
    settings = (f"synthesize.takes={takes}", f"resample.shard_mb={shard_mb}")
    for stage in ("synthesize", "teach"):
        if start_stage(stage, folder, *settings).wait():
            raise SystemExit((folder / f"{stage}.log").read_text()[-2000:])
    begin = time.perf_counter()
    process = start_stage("preprocess", folder, *settings)
    driver, worker, total = watch_memory(process)
    if process.returncode:
        raise SystemExit((folder / "preprocess.log").read_text()[-2000:])
    seconds = time.perf_counter() - begin
    read = json.loads((folder / "reports/synthetic/resample/metrics.json").read_text())
    shards = [p.stat().st_size / 1e6 for p in folder.glob("data/signals/synthetic/part-*.parquet")]
    raw = folder / "data/raw/synthetic"
    names = [raw / "takes.json", *raw.glob("annotations/atomic_descriptions_*.json")]
    index = sum(path.stat().st_size for path in names)
    return [
        f"{read['takes']['found']:,}", f"{index / 1e6:.1f}", f"{seconds:.0f}", f"{driver:.0f}",
        f"{worker:.0f}", f"{total:.0f}", str(len(shards)), f"{max(shards):.0f}",
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table, one row a number of takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("takes", type=int, nargs="+")
    parser.add_argument("--shard-mb", type=float, default=128.0)
    options = parser.parse_args(arguments)
    head = [
        "takes",
        "index, MB",
        "s",
        "driver, MB",
        "worker, MB",
        "all, MB",
        "shards",
        "largest, MB",
    ]
    print("| " + " | ".join(head) + " |")
    print("|" + " ---: |" * len(head), flush=True)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    for takes in options.takes:
        with tempfile.TemporaryDirectory() as folder:
            row = measure(Path(folder), takes, options.shard_mb)
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
