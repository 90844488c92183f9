"""Worker processes without Ray; they end with their parent, however that ends."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from aura.errors import AuraError


@contextmanager
def process_pool(workers: int, start: str | None = "spawn") -> Iterator[ProcessPoolExecutor]:
    """A pool of processes of one thread each; what is not begun when the block fails never is.

    Parameters
    ----------
    workers : int
        How many.
    start : str or None
        How they start, as of `multiprocessing`; None for the way of the platform.

    Yields
    ------
    ProcessPoolExecutor
        The pool.

    Raises
    ------
    AuraError
        A process was killed.
    """
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context(start), _init_worker)
    try:
        yield pool
        pool.shutdown()
    except BrokenProcessPool:
        raise AuraError(
            "A worker process ended without a word, perhaps for want of memory; "
            "ray.workers=1 needs less. The same command resumes."
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()


def _init_worker() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # for what is imported later, torch above all
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # and ends this process by it
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
