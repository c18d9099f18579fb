"""Sums of products by naming dimensions: ``einsum("ij,jk->ik", a, b)`` is a matrix product.

An equation is read into letters for each operand and letters for the result. Then the operands
are contracted two at a time from left to right, each time by one matrix product: the letters of
a pair are those of the batch (in both, and needed later), inner ones (in both, summed now), left
ones and right ones.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from string import ascii_lowercase, ascii_uppercase
from typing import Any

from ..errors import ArgumentError, ComputeError, KindError, ShapeError, describe
from ..op import Mismatch, input_lines
from .linalg import product
from .movement import diagonal, permute, reshape, squeeze
from .reduce import sum
from .rules import one_dim

Labels = tuple[Any, ...]  # a letter, or ("...", k) for the k-th last dimension of an ellipsis
Reading = tuple[list[Labels], Labels, dict[Any, int], list[bool]]
LETTERS = ascii_uppercase + ascii_lowercase  # in the order of the form with lists of numbers


def einsum(*args: Any) -> Any:
    r"""Sum of products, by the names of dimensions: :math:`Z_{ik} = \sum_j X_{ij} Y_{jk}`.

    ``einsum(equation, *operands)``: the equation names each dimension of each operand by a
    letter. A letter that is not in the result is summed over; a letter twice in one operand takes
    the diagonal; ``...`` stands for any further dimensions, which broadcast. Without ``->`` the
    result has the letters that occur once, in order of the alphabet. The operands may also come
    as one list, or as ``einsum(x, [0, 1], y, [1, 2], [0, 2])``.

    >>> import minitorch_lab as lab
    >>> x = lab.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> lab.einsum("ij,jk->ik", x, x)
    tensor([[ 7., 10.],
            [15., 22.]])
    >>> lab.einsum("ii", x), lab.einsum("ij->j", x)
    (tensor(5.), tensor([4., 6.]))
    """
    equation, operands = _arguments(args)
    try:
        names, result, sizes, plain = _read(equation, tuple([tuple(x.shape) for x in operands]))
    except Mismatch as wrong:
        raise _worded(equation, operands, wrong) from None
    parts = [
        (x, labels) if easy else _own(x, labels, sizes)
        for x, labels, easy in zip(operands, names, plain, strict=True)
    ]
    x, labels = parts[0]
    for i, (y, others) in enumerate(parts[1:], 2):
        later = {*result, *(a for _, more in parts[i:] for a in more)}
        x, labels = contract(x, labels, y, others, later)
    return _ordered(*_summed(x, labels, set(result)), result)


def contract(x: Any, a: Labels, y: Any, b: Labels, keep: set[Any]) -> tuple[Any, Labels]:
    """The product of ``x``, with dimensions ``a``, and ``y``, with ``b``, summed except ``keep``.

    One matrix product: ``(batch, left, inner) @ (batch, inner, right)``.
    """
    x, a = _summed(x, a, keep | set(b))
    y, b = _summed(y, b, keep | set(a))
    batch = tuple(n for n in a if n in b and n in keep)
    inner = tuple(n for n in a if n in b and n not in keep)
    left = tuple(n for n in a if n not in b)
    right = tuple(n for n in b if n not in a)
    shapes = (*x.shape, *y.shape)
    x = _grouped(_ordered(x, a, (*batch, *left, *inner)), len(batch), len(left), len(inner))
    y = _grouped(_ordered(y, b, (*batch, *inner, *right)), len(batch), len(inner), len(right))
    out = product(x, y) if inner else x * y  # without a sum, a column times a row
    labels = (*batch, *left, *right)
    if len(left) == len(right) == 1:
        return out, labels
    size = dict(zip((*a, *b), shapes, strict=True))
    return reshape(out, tuple(int(size[n]) for n in labels)), labels


def _grouped(x: Any, batch: int, rows: int, columns: int) -> Any:
    """The dimensions after the batch as those of a matrix."""
    if rows == columns == 1:
        return x
    sizes = [int(n) for n in x.shape]
    middle = batch + rows
    return reshape(x, (*sizes[:batch], prod(sizes[batch:middle]), prod(sizes[middle:])))


def _summed(x: Any, labels: Labels, keep: set[Any]) -> tuple[Any, Labels]:
    """Without the dimensions that nobody needs."""
    gone = tuple(i for i, n in enumerate(labels) if n not in keep)
    return (sum(x, gone), tuple(n for n in labels if n in keep)) if gone else (x, labels)


def _ordered(x: Any, labels: Labels, wanted: Labels) -> Any:
    """The dimensions in the order ``wanted``."""
    return x if labels == wanted else permute(x, [labels.index(n) for n in wanted])


def _own(x: Any, labels: Labels, sizes: dict[Any, int]) -> tuple[Any, Labels]:
    """An operand with each letter once, and without dimensions that are 1 to be broadcast."""
    for n in dict.fromkeys(labels):
        while labels.count(n) > 1:  # the diagonal comes as the last dimension
            i = labels.index(n)
            j = labels.index(n, i + 1)
            x = diagonal(x, 0, i, j)
            labels = (*(m for k, m in enumerate(labels) if k not in (i, j)), n)
    gone = tuple(i for i, n in enumerate(labels) if x.shape[i] != sizes[n])
    return squeeze(x, gone), tuple(n for i, n in enumerate(labels) if i not in gone)


# Reading an equation -------------------------------------------------------------------------


def _arguments(args: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """The equation and the operands, from any of the three forms."""
    if len(args) < 2:
        raise ArgumentError(
            "einsum(equation, *operands): an equation and one operand or more are needed\n"
            f"  expected einsum('ij->j', x), say, got {len(args)} "
            f"argument{'' if len(args) == 1 else 's'}"
        )
    if not isinstance(args[0], str):
        return _from_lists(args)
    equation, *operands = args
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = list(operands[0])
    for i, x in enumerate(operands):
        _need_tensor(x, i)
    return equation, operands


def _need_tensor(x: Any, i: int) -> None:
    if not hasattr(type(x), "spec"):
        raise KindError(
            f"einsum(equation, *operands): operand {i} is not a tensor\n"
            f"  expected a tensor, got {describe(x)}\n  lab.tensor(x) makes one"
        )


def _from_lists(args: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """``einsum(x, [0, 1], y, [1, 2], [0, 2])`` as an equation."""
    operands = list(args[0 : len(args) - 1 : 2])
    for i, x in enumerate(operands):
        _need_tensor(x, i)
    texts = [_letters(a) for a in args[1::2]]
    equation = ",".join(texts)
    return (f"{equation}->{_letters(args[-1])}" if len(args) % 2 else equation), operands


def _letters(numbers: Any) -> str:
    if not isinstance(numbers, (list, tuple)):
        raise KindError(
            f"einsum: expected a list of numbers after an operand, got {describe(numbers)}\n"
            "  write einsum(x, [0, 1], y, [1, 2], [0, 2]) or einsum('ij,jk->ik', x, y)"
        )
    for n in numbers:
        if n is not Ellipsis and not (isinstance(n, int) and 0 <= n < len(LETTERS)):
            raise ArgumentError(
                f"einsum: a list names dimensions by numbers, got {describe(n)}\n"
                f"  expected numbers from 0 to {len(LETTERS) - 1}, or ... for further dimensions"
            )
    return "".join("..." if n is Ellipsis else LETTERS[n] for n in numbers)


@lru_cache(256)  # a training loop asks the same thing in each step
def _read(equation: str, shapes: tuple[tuple[int, ...], ...]) -> Reading:
    """The labels of each operand and of the result, the size of each, and who needs no work."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    odd = [c for side in (*terms, right) for c in side.replace("...", "") if c not in LETTERS]
    if odd:
        what = f"{odd[0]!r} is no name of a dimension"
        raise Mismatch(what, "expected letters, commas, one -> and ..., as in 'bij,bjk->bik'")
    if len(terms) != len(shapes):
        raise Mismatch(
            f"the equation has {_count(len(terms), 'operand')}, the call {len(shapes)}",
            "expected one group of letters for each operand, apart by commas",
        )
    for side in (*terms, right):
        if side.count("...") > 1:
            raise Mismatch(f"{side!r} has ... twice", "expected it once at most")
    names = []
    for i, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        labels = _labels(term, len(shape) - len(term.replace("...", "")))
        if len(labels) != len(shape):
            raise Mismatch(
                f"operand {i} has {_count(len(shape), 'dimension')}, {term!r} names {len(labels)}",
                "expected a letter for each dimension; ... stands for any further ones",
            )
        names.append(labels)
    sizes = _sizes(names, shapes)
    plain = [
        len(set(labels)) == len(labels) and shape == tuple(sizes[n] for n in labels)
        for labels, shape in zip(names, shapes, strict=True)
    ]
    most = max((n[1] for n in sizes if not isinstance(n, str)), default=0)
    if not arrow:
        flat = [n for labels in names for n in labels]
        once = sorted(n for n in set(flat) if isinstance(n, str) and flat.count(n) == 1)
        return names, (*_labels("...", most), *once), sizes, plain
    result = _labels(right, most)
    for n in result:
        if n not in sizes:
            what = f"{n!r} of the result is in no operand"
            raise Mismatch(what, "expected letters of the operands")
        if result.count(n) > 1:
            raise Mismatch(f"{n!r} is twice in the result", "expected each letter once there")
    return names, result, sizes, plain


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


def _labels(term: str, further: int) -> Labels:
    """``"b...i"`` with two further dimensions is ``b``, two labels of the ellipsis, ``i``."""
    before, dots, after = term.partition("...")
    inside = [("...", k) for k in range(further, 0, -1)] if dots else []
    return (*before, *inside, *after)


def _sizes(names: list[Labels], shapes: tuple[tuple[int, ...], ...]) -> dict[Any, int]:
    """The size of each label; a 1 broadcasts against the other operands."""
    sizes: dict[Any, int] = {}
    for i, (labels, shape) in enumerate(zip(names, shapes, strict=True)):
        own: dict[Any, int] = {}
        for n, size in zip(labels, shape, strict=True):
            word = f"{n!r}" if isinstance(n, str) else f"dimension -{n[1]} of ..."
            if own.setdefault(n, size) != size:
                raise Mismatch(
                    f"{word} is twice in operand {i}, with sizes {own[n]} and {size}",
                    "expected equal sizes: a letter twice takes the diagonal",
                )
            known = sizes.get(n, 1)
            if 1 not in (size, known) and size != known:
                raise Mismatch(
                    f"{word} has size {known} in an operand before, and {size} in operand {i}",
                    "expected one size for each letter",
                    "check the order of the letters, or name the dimensions apart",
                )
            sizes[n] = size if known == 1 else known
    return sizes


def _worded(equation: str, operands: list[Any], wrong: Mismatch) -> ShapeError:
    """The error for operands that do not fit the equation."""
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    letters = [*terms, *[""] * len(operands)][: len(operands)]
    names = [f"operand {i}" for i in range(len(operands))]
    lines = [f"einsum({equation!r}): {wrong.problem}"]
    lines += input_lines(names, [str(x.spec) for x in operands], letters)
    return ShapeError("\n".join([*lines, *(f"  {a}" for a in (wrong.expected, wrong.hint) if a)]))


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Sum of products over the last ``dims`` dimensions of ``a`` and the first of ``b``.

    ``dims`` may also be two lists, the dimensions of ``a`` and those of ``b``, in pairs. Shapes:
    ``(N, K)`` and ``(K, M)`` with ``dims=1`` give ``(N, M)``.

    >>> import minitorch_lab as lab
    >>> lab.tensordot(lab.ones(2, 3), lab.ones(3, 4), dims=1).shape
    Size([2, 4])
    """
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ComputeError(
                f"tensordot(a, b, dims): dims={dims} does not fit\n  a  {a.spec}\n  b  {b.spec}\n"
                f"  expected 0 to {min(a.ndim, b.ndim)}"
            )
        dims = (range(a.ndim - dims, a.ndim), range(dims))
    first, second = ([one_dim(d, x.ndim) for d in ds] for x, ds in zip((a, b), dims, strict=True))
    sizes = [[int(x.shape[d]) for d in ds] for x, ds in ((a, first), (b, second))]
    if sizes[0] != sizes[1]:
        raise ShapeError(
            "tensordot(a, b, dims): the sizes to sum over differ\n"
            f"  a  {a.spec}  dims {first}\n  b  {b.spec}  dims {second}\n"
            f"  expected equal sizes, got {sizes[0]} and {sizes[1]}"
        )
    labels = tuple(("a", i) for i in range(a.ndim))
    pairs = dict(zip(second, first, strict=True))
    others = tuple(("a", pairs[i]) if i in pairs else ("b", i) for i in range(b.ndim))
    inner = {("a", d) for d in first}
    return contract(a, labels, b, others, {*labels, *others} - inner)[0]


FUNCTIONS = {"einsum": einsum, "tensordot": tensordot}
NOT_METHODS = ("einsum", "tensordot")
