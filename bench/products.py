"""The matrix products of any computation, to be done again on their own."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

_OPERATIONS = {
    torch.ops.aten.mm.default,
    torch.ops.aten.bmm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.baddbmm.default,
}
Factor = tuple[torch.Size, tuple[int, ...], torch.dtype]


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Factor, Factor]] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if function in _OPERATIONS:
            left, right = [x for x in args if isinstance(x, Tensor)][-2:]
            self.found.append((_factor(left), _factor(right)))
        return function(*args, **(kwargs or {}))


def products_of(work: Callable[[], object]) -> list[tuple[Factor, Factor]]:
    """Shapes, strides and types of all that `work` multiplies, forward and backward.

    A fused attention is taken for the two products that it stands for, and their gradients.
    """
    with sdpa_kernel(SDPBackend.MATH), _Recorder() as recorder:
        work()
    return recorder.found


def repeated(products: Sequence[tuple[Factor, Factor]], device: str) -> Callable[[], None]:
    """A function that does the products and nothing else, on random numbers of equal layout."""
    made: dict[Factor, Tensor] = {}

    def factor(kind: Factor) -> Tensor:
        if kind not in made:
            shape, stride, dtype = kind
            reach = 1 + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
            made[kind] = torch.randn(reach, device=device).to(dtype).as_strided(shape, stride)
        return made[kind]

    factors = [(factor(left), factor(right)) for left, right in products]

    def run() -> None:
        for left, right in factors:
            left @ right
        finish(device)

    return run


def finish(device: str) -> None:
    """Wait for what a GPU still has to do."""
    if device != "cpu":
        torch.cuda.synchronize()


def _factor(tensor: Tensor) -> Factor:
    return tensor.shape, tensor.stride(), tensor.dtype
