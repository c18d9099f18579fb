"""What a kernel is, and the text around its body."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from ....tape import location
from ...fuse import Single
from ..text import C_TYPES, Place

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


def each(sizes: dict[str, int], body: str) -> tuple[str, tuple[int, int]]:
    """``body`` for each place of a shape, whose axes have names; and the blocks that do it."""
    count, below, places = prod(sizes.values()), 1, []
    kind = "int" if count < 1 << 30 else "long long"
    for name, n in reversed(sizes.items()):
        places.append(f"const int {name} = entry / {below} % {n};")
        below *= n
    lines = "\n    ".join([*reversed(places), *body.strip("\n").splitlines()])
    return (
        f"""
const {kind} start = blockIdx.x * blockDim.x + threadIdx.x;
for ({kind} entry = start; entry < {count}; entry += gridDim.x * blockDim.x) {{
    {lines}
}}
""",
        (min(-(-count // BLOCK), 1 << 15), 1),
    )
