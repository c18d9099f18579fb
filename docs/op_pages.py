"""The reference of the ops, written from the table that runs them."""

from pathlib import Path

import minitorch_lab  # noqa: F401  (fills the table)
from minitorch_lab.op import OPS, Op


def _entry(op: Op) -> str:
    value, gradient = op.formula
    dots = "..." if op.variadic else ""
    return f"""(op-{op.name})=
## {op.name}

`{op.name}({", ".join(op.arguments)}{dots})`

{op.doc}

$$
{value}
$$

{f"$${chr(10)}{gradient}{chr(10)}$$" if op.differentiable else "It has no gradient."}
"""


def write_op_pages(folder: Path) -> None:
    """Write ``ops.md``: every op with its formula and its gradient."""
    folder.mkdir(parents=True, exist_ok=True)
    head = """# Ops

Every op that the engine knows, in the words of its row in the table. The bar over a name means the
gradient of the result with respect to it.

"""
    (folder / "ops.md").write_text(head + "\n".join(_entry(OPS[name]) for name in sorted(OPS)))
