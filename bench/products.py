"""The matrix products of any computation, to be done again on their own."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

_MATMULS = {
    torch.ops.aten.mm.default,
    torch.ops.aten.bmm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.baddbmm.default,
}
Layout = tuple[torch.Size, tuple[int, ...], torch.dtype]


class _MatMulRecorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.matmuls: list[tuple[Layout, Layout]] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if function in _MATMULS:
            left, right = [x for x in args if isinstance(x, Tensor)][-2:]
            self.matmuls.append((_layout(left), _layout(right)))
        return function(*args, **(kwargs or {}))


def record_matmuls(work: Callable[[], object]) -> list[tuple[Layout, Layout]]:
    """Shapes, strides and types of all that `work` multiplies, forward and backward.

    A fused attention is taken for the two products that it stands for, and their gradients.
    """
    with sdpa_kernel(SDPBackend.MATH), _MatMulRecorder() as recorder:
        work()
    return recorder.matmuls


def replay(matmuls: Sequence[tuple[Layout, Layout]], device: str) -> Callable[[], None]:
    """A function that does the products and nothing else, on random numbers of equal layout."""
    tensors: dict[Layout, Tensor] = {}

    def operand(layout: Layout) -> Tensor:
        if layout not in tensors:
            shape, stride, dtype = layout
            size = 1 + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
            tensors[layout] = torch.randn(size, device=device).to(dtype).as_strided(shape, stride)
        return tensors[layout]

    operands = [(operand(left), operand(right)) for left, right in matmuls]

    def run() -> None:
        for left, right in operands:
            left @ right
        synchronize(device)

    return run


def synchronize(device: str) -> None:
    """Wait for what a GPU still has to do."""
    if device != "cpu":
        torch.cuda.synchronize()


def _layout(tensor: Tensor) -> Layout:
    return tensor.shape, tensor.stride(), tensor.dtype
