"""How many threads torch has within a process."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
