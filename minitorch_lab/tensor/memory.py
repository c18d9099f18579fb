"""Who holds memory: tensors, and values that a graph keeps for its backward pass."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ..device import device_of, retell_out_of_memory
from ..tape import Node, locate, made_by
from .tensor import Tensor, origin

MOST = 5  # lines in a message
WHAT_HELPS = (
    "  what helps: a smaller batch; loss.item() in a list of losses, for a loss holds its graph;",
    "  `with lab.no_grad():` where nothing is learnt; `del x` of what nobody needs any more",
    "  the program goes on: free some memory, and try again",
)


class Holder(NamedTuple):
    """One piece of memory, and who holds it."""

    bytes: int
    what: str


def holders(device: str = "cuda") -> list[Holder]:
    """What lies in the memory of a kind of device, the largest first; views count once."""
    found: dict[int, Holder] = {}
    gc.collect()  # what nobody can reach any more is not held
    for x in tensors():
        _add(found, device, x.array, partial(_tensor_words, x))
    for x in gc.get_objects():
        if issubclass(type(x), Node):
            _add(found, device, getattr(x, "y", None), partial(_node_words, x))
    return sorted(found.values(), key=lambda h: -h.bytes)


def tensors() -> list[Tensor]:
    """All tensors of the process that have memory: a symbol has none.

    The type is asked, and not the object: others' objects may warn, or load something, when asked.
    """
    found = [x for x in gc.get_objects() if issubclass(type(x), Tensor)]
    return [x for x in found if not hasattr(x, "builder")]


def _add(found: dict[int, Holder], device: str, array: Any, words: Callable[[], str]) -> None:
    if not hasattr(array, "nbytes") or not hasattr(array, "base"):
        return
    if device_of(array).type != device:
        return
    base = array
    while getattr(base, "base", None) is not None and hasattr(base.base, "nbytes"):
        base = base.base
    place = base.data.ptr if device == "cuda" else base.__array_interface__["data"][0]
    if base.nbytes > getattr(found.get(place), "bytes", -1):
        found[place] = Holder(int(base.nbytes), words())


def _tensor_words(x: Tensor) -> str:
    made = origin(x)
    if not made:
        source = x._moved_by()
        made = "" if source is None else f"moved by {locate(*source)}"
    return ", ".join(filter(None, [_shape(x.array), made]))


def _node_words(node: Node) -> str:
    return f"{_shape(node.y)}, kept for backward(): {made_by(node)}"


def _shape(array: Any) -> str:
    return f"{array.dtype} {tuple(array.shape)}"


def holder_lines(found: list[Holder]) -> list[str]:
    """The largest holders, a line each, and how much the others hold together."""
    lines = [f"  {in_words(h.bytes):>8}  {h.what}" for h in found[:MOST]]
    rest = found[MOST:]
    if rest:
        lines.append(f"  {in_words(sum(h.bytes for h in rest)):>8}  in {len(rest)} others")
    return lines


def in_words(size: float) -> str:
    """Bytes as people read them.

    >>> in_words(512), in_words(1_572_864)
    ('512 B', '1.5 MB')
    """
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""


def _full() -> str:
    found = [f"  {line}" for line in holder_lines(holders())]
    return "\n".join(["  the largest holders:", *found, *WHAT_HELPS])


retell_out_of_memory(_full)
