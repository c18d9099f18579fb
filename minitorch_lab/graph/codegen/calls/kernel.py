"""What a kernel is, and the text around its body."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from ....tape import location
from ...fuse import Single
from ..text import C_TYPES, Place, axes, index_of

BLOCK = 256  # threads of a block
FILL = 256  # blocks that keep a whole device busy


@dataclass
class Kernel:
    """A launch: the text that alike kernels share, and what is this one's own."""

    text: str
    where: str  # the learner's lines
    grid: tuple[int, int]
    block: tuple[int, int]
    values: list[int]  # addresses and sizes, in the order of the parameters
    stem: str = "loop"  # of its name
    refuses: bool = False  # it may come upon a value that its op refuses


def kernel(
    w: Any,
    step: Single,
    params: dict[str, Place],
    body: str,
    grid: tuple[int, int],
    block: tuple[int, int],
) -> Kernel:
    """A kernel with this body, which knows each place by its name in ``params``."""
    kinds = {name: C_TYPES[str(place.array.dtype)] for name, place in params.items()}
    declared = ", ".join(
        f"{'' if name == 'out' else 'const '}{kind} *{name}" for name, kind in kinds.items()
    )
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines() if line.strip())
    return Kernel(
        f'extern "C" __global__ void NAME({declared})\n{{\n{lines}}}\n',
        str(location(step.equation) or ""),
        grid,
        block,
        [w.address(place) for place in params.values()],
        step.equation.op.name,
        "lab_refuse" in body,
    )


def decoded(number: str, shape: tuple[int, ...]) -> list[str]:
    """The place along each dimension, from the number of an entry."""
    return [
        f"({number} / {prod(shape[d + 1 :])} % {n})" if len(shape) > 1 else number
        for d, n in enumerate(shape)
    ]


def each(sizes: dict[str, int], body: str) -> tuple[str, tuple[int, int]]:
    """``body`` for each place of a shape, whose axes have names; and the blocks that do it."""
    count, spots = prod(sizes.values()), decoded("entry", tuple(sizes.values()))
    kind = "int" if count < 1 << 30 else "long long"
    places = [f"const int {name} = {spot};" for name, spot in zip(sizes, spots, strict=True)]
    lines = "\n    ".join([*places, *body.strip("\n").splitlines()])
    return (
        f"""
const {kind} start = blockIdx.x * blockDim.x + threadIdx.x;
for ({kind} entry = start; entry < {count}; entry += gridDim.x * blockDim.x) {{
    {lines}
}}
""",
        (min(-(-count // BLOCK), 1 << 15), 1),
    )


def copied(w: Any, step: Single, to: Place, x: Place) -> Kernel:
    """The entries of ``x``, copied to a place of the same shape."""
    names = axes(to.array.ndim)
    loop, blocks = each(
        dict(zip(names, to.array.shape, strict=True)),
        f"out[{index_of(names, to.strides)}] = x[{index_of(names, x.strides)}];",
    )
    return kernel(w, step, {"x": x, "out": to}, loop, blocks, (BLOCK, 1))
