"""What is thrown at a parser, and its check."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from aura.errors import CorruptFile


@dataclass(frozen=True)
class Target:
    """Valid files, a file mutated past bytes, a file made from nothing, and the parser's check.

    `refusal` is what a parser may raise: `CorruptFile` of recordings, `AuraError` of what the user
    names. `cost` is inputs of the quickest target that take as long as one of this.
    """

    bases: list[bytes]
    mutate: Callable[[random.Random, bytes], bytes]
    make: Callable[[random.Random], bytes]
    read: Callable[[random.Random, bytes], None]
    refusal: type[Exception] = CorruptFile
    seconds: float = 2.0
    growth_bytes: int = 64 << 20
