"""neighbour: the learning stages' inner loops beside busy processes, and the same with none.

With `n` processors of which each of `k` busy processes wants one, `t` threads have `t / (t + k)` of
them at most, or all that they can use: that is the limit that stands beside each figure.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch

from aura import config
from aura.evaluation.retrieval import all_pairs
from aura.learning import training
from aura.learning.batches import Windows
from bench.loops import make_loop, make_model
from bench.measure import Baseline, Row, Setup
from bench.noise import DIM, random_windows
from bench.train import make_params

_TARGETS = {1: 0.65, 3: 0.40}  # busy processes -> share of the idle speed
_SPIN = "print(flush=True)\nwhile True: pass"


def rows(setup: Setup) -> Iterator[Row]:
    """A training step of two sizes, and the evaluation of a test split, beside one and three."""
    for name, what, work in _works(setup):
        for count, target in _TARGETS.items():
            with _busy(count) as (wake, rest):
                yield _row(setup, name, what, work, count, target, wake, rest)


def _row(
    setup: Setup, name: str, what: str, work: Callable[[], object], count: int, target: float,
    wake: Callable[[], None], rest: Callable[[], None],
) -> Row:  # fmt: skip
    def disturbed() -> None:
        wake()
        try:
            work()
        finally:
            rest()

    def gate() -> dict[str, str]:
        work()
        threads = torch.get_num_threads()
        limit = min(1.0, setup.threads / (threads + count))
        return {"fair share": f"{limit:.2f}", "threads": str(threads)}

    processes = "one busy process" if count == 1 else f"{count} busy processes"
    return Row(
        name=f"neighbour.{name}.{count}",
        what=f"{what}, beside {processes}",
        ours=disturbed,
        baselines=[Baseline("the same, with none", "limit", work, target)],
        gate=gate,
        work=1,
        unit="runs",
    )


def _works(setup: Setup) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Name, what it does, and a call of it, of half a second and more."""
    batch = setup.size(128, 8)
    windows = random_windows(2 * batch, DIM)
    for width, layers in ((64, 2), (256, 4)):
        loop = make_loop(make_params(setup, width, layers, batch, precision="fp32"), windows)
        yield (
            f"step.d{width}x{layers}",
            f"A training step of {batch} windows, IMU Transformer of {layers} layers, {width} wide",
            loop.step,
        )
    yield "evaluate", "Embedding and ranking a test split", partial(_evaluate, setup, windows)


def _evaluate(setup: Setup, windows: Windows) -> None:
    params: config.Train = make_params(setup, 64, 2, 128)
    model = make_model(params, windows)
    rows = np.arange(len(windows))
    vectors = training.embed(model, windows, rows, ["imu", "text"])
    has = {name: np.ones(len(rows), bool) for name in vectors}
    labels = np.zeros(len(rows), int)
    all_pairs(vectors, has, rows, labels, windows.take, setup.size(20, 2), 0, rows)


@contextmanager
def _busy(count: int) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """Processes that compute without end; stopped until the first is called, by the second."""
    processes = [
        subprocess.Popen([sys.executable, "-c", _SPIN], stdout=subprocess.PIPE)
        for _ in range(count)
    ]

    def send(number: signal.Signals, to: Sequence[subprocess.Popen[bytes]] = processes) -> None:
        for process in to:
            process.send_signal(number)

    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()  # it has started
        send(signal.SIGSTOP)
        yield partial(send, signal.SIGCONT), partial(send, signal.SIGSTOP)
    finally:
        for process in processes:
            process.kill()
            process.wait()
