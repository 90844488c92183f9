"""What is thrown at a parser, and its check."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """Valid files, a file mutated past bytes, a file made from nothing, and the parser's check."""

    bases: list[bytes]
    mutate: Callable[[random.Random, bytes], bytes]
    make: Callable[[random.Random], bytes]
    read: Callable[[random.Random, bytes], None]
