"""Bitwise ops on whole numbers and bools: what ``&``, ``|``, ``^``, ``~``, ``<<`` and ``>>`` do."""

from __future__ import annotations

from ..op import Op, integers, op, sample
from .rules import broadcast, per_entry, same_shape


def _bitwise(
    name: str,
    ufunc: str,
    symbol: str,
    c: str,
    doc: str,
    high: int = 100,
    shifts: bool = False,
    *,
    example: str,
) -> Op:
    return op(
        name,
        doc,
        example=example,
        ufunc=ufunc,
        arguments=("input", "other"),
        promotes="input other",
        refuses="fb" if shifts else "f",
        shape=broadcast,
        formula=(rf"z = x \mathbin{{{symbol}}} y", r"\text{none}"),
        cost=per_entry(),
        kernel=c if "x" in c else f"x {c} y",
        samples=[sample(integers(100, 3, 4), integers(high, 4))],
    )


bitwise_and: Op = _bitwise(
    "bitwise_and",
    "bitwise_and",
    r"\&",
    "&",
    "The bits that both have.",
    example="""
        >>> lab.bitwise_and(lab.tensor([12, 7]), 10)
        tensor([8, 2])
    """,
)
bitwise_or: Op = _bitwise(
    "bitwise_or",
    "bitwise_or",
    "|",
    "|",
    "The bits that one has.",
    example="""
        >>> lab.bitwise_or(lab.tensor([12, 7]), 10)
        tensor([14, 15])
    """,
)
bitwise_xor: Op = _bitwise(
    "bitwise_xor",
    "bitwise_xor",
    r"\oplus",
    "^",
    "The bits that exactly one has.",
    example="""
        >>> lab.bitwise_xor(lab.tensor([12, 7]), 10)
        tensor([ 6, 13])
    """,
)
bitwise_left_shift: Op = _bitwise(
    "bitwise_left_shift",
    "left_shift",
    r"\ll",
    "lab_shift_left(x, y)",
    "The bits moved up by other places: times a power of 2.",
    8,
    True,
    example="""
        >>> lab.bitwise_left_shift(lab.tensor([1, 3]), 2)
        tensor([ 4, 12])
    """,
)
bitwise_right_shift: Op = _bitwise(
    "bitwise_right_shift",
    "right_shift",
    r"\gg",
    "lab_shift_right(x, y)",
    "The bits moved down by other places: divided by a power of 2.",
    8,
    True,
    example="""
        >>> lab.bitwise_right_shift(lab.tensor([4, 13]), 2)
        tensor([1, 3])
    """,
)
bitwise_not: Op = op(
    "bitwise_not",
    "Each bit turned over; of a bool, whether it does not hold.",
    example="""
        >>> lab.bitwise_not(lab.tensor([0, 5]))
        tensor([-1, -6])
        >>> lab.bitwise_not(lab.tensor([True, False]))
        tensor([False,  True])
    """,
    ufunc="invert",
    refuses="f",
    shape=same_shape,
    formula=(r"y = \lnot x", r"\text{none}"),
    cost=per_entry(),
    kernel="~x",
    samples=[integers(100, 3, 4)],
)

FUNCTIONS = {
    name: globals()[name]
    for name in (
        "bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift"
    ).split()
}
IN_PLACE = tuple(FUNCTIONS)
