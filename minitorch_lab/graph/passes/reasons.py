"""Why the last bits of a result may differ: what each pass, stage and executor computes otherwise.

The one table of it. Where a name is missing, every bit stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ...device import allows_tf32
from ...op import Op

Which = Callable[[Op], bool]


@dataclass(frozen=True, slots=True)
class Reason:
    """What is computed otherwise; {} in ``words`` stands for the ops that it is ``about``.

    It counts where a graph has such an op, and one of those that ``also`` names.
    """

    words: str
    about: Which
    also: Which = lambda op: True

    def of(self, ops: Collection[Op]) -> str:
        """The words for these ops; "" where none is meant."""
        names = [*dict.fromkeys(op.name for op in ops if self.about(op))]
        if not names or not any(map(self.also, ops)):
            return ""
        more = [f"{len(names) - 4} more"] * (len(names) > 4)
        return self.words.format(", ".join(names[:4] + more))


_FUNCTIONS = re.compile(
    r"\b(exp|log|tanh|erf|lab_pow|sin|cos|tan|atan|log1p|expm1|log2|log10|erfc|asin|acos|sinh|cosh"
    r"|asinh|acosh|atanh|exp2|atan2|hypot)\("
)
_SUMS = re.compile("sum|mean|prod|norm|var|std")


def _any(op: Op) -> bool:
    return True


def _rounds(op: Op) -> bool:
    return "relu" not in op.name and "clamp" not in op.name


def _function(op: Op) -> bool:
    return isinstance(op.kernel, str) and _FUNCTIONS.search(op.kernel) is not None


def _sum(op: Op) -> bool:
    return not op.kernel and _SUMS.search(op.name) is not None


def _product(op: Op) -> bool:
    return "matmul" in op.name


def _tf32(op: Op) -> bool:
    return _product(op) and allows_tf32()


def _window(op: Op) -> bool:
    return "conv" in op.name


def _mul(op: Op) -> bool:
    return op.name in ("mul", "square")


def _add(op: Op) -> bool:
    return op.name in ("add", "sub")


_ONCE = Reason("a product and the sum that takes it become one step, which rounds once", _mul, _add)

# In the order in which they come. Of "lower" the ops are those that it took apart.
REASONS: dict[str, tuple[Reason, ...]] = {
    "lower": (Reason("{} in smaller ops, each of which rounds", _rounds),),
    "slices": (Reason("no sum with zeros, which turns -0.0 into 0.0", _any),),
    "numpy": (Reason("{} of a turned array in the order of memory", _sum),),
    "c": (
        Reason("{} by formulas of its own", _function),
        Reason("{} in several partial sums side by side", _sum),
        Reason("{} by another library, which adds in other blocks", _product),
        Reason("{} added in another order", _window),
    ),
    "cuda": (
        Reason("{} by formulas of its own", _function),
        Reason("{} in partial sums, one for each thread", _sum),
        Reason("{} by another library, which adds in other blocks", _product),
        Reason("{} of small matrices in float32, of large ones in TF32", _tf32),
        Reason("{} added in another order", _window),
    ),
    "transposes": (Reason("{} of turned matrices, added in another order", _product),),
    "fuse": (_ONCE, Reason("{} within a loop, in several partial sums", _sum)),
}


def reason(name: str, ops: Collection[Op]) -> str:
    """What a pass, stage or executor computes otherwise in a graph with these ops.

    >>> from ...op import OPS
    >>> reason("c", [OPS["exp"], OPS["relu"], OPS["sum"]])
    'exp by formulas of its own; sum in several partial sums side by side'
    """
    known = REASONS.get(name, ())
    found = [words for each in known if (words := each.of(ops))]
    return "; ".join(found) or ("another order of what is added" if known else "")


__all__ = ["REASONS", "Reason", "reason"]
