"""Threads within a process: how many torch has, and one that reads ahead."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import torch

T = TypeVar("T")


@contextmanager
def limit_threads(threads: int, deterministic: bool = False) -> Iterator[None]:
    """Give torch so many threads, and what it had before when the block or function is left.

    Parameters
    ----------
    threads : int
        A worker of Ray has one. Sums over more round otherwise, and the bytes of a shard must not
        depend on who writes it.
    deterministic : bool
        Also use deterministic algorithms, as `train` does.
    """
    before, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic or exact)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(exact)


def prefetch(items: Generator[T, None, Any]) -> Iterator[T]:
    """The items in order, each made in a thread while its consumer works on the one before."""
    with closing(items), ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
