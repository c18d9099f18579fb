"""Sequences of several lengths: filled up to one length, or packed step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ... import creation
from ...device import to_host
from ...errors import ArgumentError, KindError, ShapeError, describe
from ...op import current
from ...ops.indexing import index_select
from ...ops.movement import cat, reshape, stack, transpose
from ...tensor import Tensor, as_tensor, make

Lengths = Tensor | Sequence[int]


class _Fields(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Fields):
    """Sequences of several lengths, step by step and without filling.

    ``data`` ``(rows, *)`` holds the first entries of all sequences, then the second ones, and so
    on; ``batch_sizes`` says how many there are at each step. The longest sequence comes first:
    ``sorted_indices`` says which one that was, ``unsorted_indices`` puts them back.
    ``pack_padded_sequence`` and ``pack_sequence`` make one.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        """Take the parts; the indices that put back are found from the others."""
        if batch_sizes is None:
            raise ArgumentError(
                "PackedSequence: batch_sizes is missing\n"
                "  expected how many sequences there are at each step\n"
                "  make it with pack_sequence() or pack_padded_sequence()"
            )
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    @property
    def is_cuda(self) -> bool:
        """Whether the data are on a GPU."""
        return bool(self.data.is_cuda)

    def to(self, *targets: Any, **kwargs: Any) -> PackedSequence:
        """The same sequences with another dtype or on another device."""
        data = self.data.to(*targets, **kwargs)
        indices = [
            i if i is None else i.to(device=data.device)
            for i in (self.sorted_indices, self.unsorted_indices)
        ]
        return type(self)(data, self.batch_sizes, *indices)

    def cpu(self) -> PackedSequence:
        """The same sequences on the CPU."""
        return self.to("cpu")

    def cuda(self) -> PackedSequence:
        """The same sequences on the GPU."""
        return self.to("cuda")

    def float(self) -> PackedSequence:
        """The same sequences as float32."""
        return self.to(self.data.float().dtype)

    def double(self) -> PackedSequence:
        """The same sequences as float64."""
        return self.to(self.data.double().dtype)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The indices that put back what ``permutation`` moved; None for None.

    >>> invert_permutation(make(np.array([2, 0, 1])))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    order = np.argsort(_known(permutation, "permutation"), kind="stable")
    return make(order).to(device=permutation.device)


def _known(x: Any, name: str) -> Any:
    """The entries of a tensor that says how the data lie; a trace has none."""
    if current().tracing and getattr(x, "builder", None) is not None:
        current().refuse(
            f"reading {name}", "pack inside the function, with lengths as a list of ints"
        )
    return to_host(x.array)


def sizes_of(packed: PackedSequence) -> tuple[int, ...]:
    """How many sequences there are at each step, as ints."""
    sizes = tuple(_known(packed.batch_sizes, "batch_sizes").tolist())
    rows = packed.data.shape[0]
    falling = all(a >= b > 0 for a, b in pairwise(sizes))
    if not sizes or not falling or sum(sizes) != rows:
        raise ShapeError(
            "PackedSequence: batch_sizes do not fit the data\n"
            f"  data         {packed.data.spec}\n  batch_sizes  {list(sizes)}\n"
            f"  expected numbers that do not grow and add up to {rows}\n"
            "  make it with pack_sequence() or pack_padded_sequence()"
        )
    return sizes


def _lengths(lengths: Any, name: str) -> Any:
    """Lengths as an array of int64."""
    if isinstance(lengths, Tensor):
        current().refuse(f"reading {name}", "give the lengths as a list of ints")
        found = to_host(lengths.array)
    elif isinstance(lengths, (list, tuple)):
        found = np.array([int(n) for n in lengths], np.int64)
    else:
        raise ShapeError(f"{name}: expected a list of ints, got {describe(lengths)}")
    if found.ndim != 1:
        raise ShapeError(f"{name}: expected 1 dimension, one length a sequence, got {found.shape}")
    return found.astype(np.int64)


def _check_lengths(name: str, lengths: Any, batch: int, longest: int) -> None:
    if len(lengths) != batch:
        raise ShapeError(
            f"{name}: {len(lengths)} lengths for {batch} sequences\n"
            f"  expected lengths ({batch},), got {len(lengths)}\n"
            "  batch_first=True says that the first dimension counts the sequences"
        )
    if len(lengths) and not 0 < lengths.min() <= lengths.max() <= longest:
        wrong = lengths.min() if lengths.min() <= 0 else lengths.max()
        raise ShapeError(
            f"{name}: a length does not fit\n  lengths  {lengths.tolist()}\n"
            f"  expected 1 to {longest}, the steps of the input, got {wrong}\n"
            "  leave empty sequences out"
        )


def pack_padded_sequence(
    input: Tensor, lengths: Lengths, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Take the filling away: ``(L, N, *)``, with ``batch_first`` ``(N, L, *)``.

    ``lengths`` ``(N,)`` must fall, the longest first, unless ``enforce_sorted`` is False. The
    gradient goes to the entries that are used.

    >>> x = make(np.array([[1.0, 4.0], [2.0, 0.0], [3.0, 0.0]], np.float32))
    >>> packed = pack_padded_sequence(x, [3, 1])
    >>> packed.data, packed.batch_sizes
    (tensor([1., 4., 2., 3.]), tensor([2, 1, 1]))
    """
    if not isinstance(input, Tensor) or input.ndim < 2:
        got = input.spec if isinstance(input, Tensor) else describe(input)
        raise ShapeError(
            "pack_padded_sequence: input needs 2 dimensions or more\n"
            f"  input  {got}\n  expected (L, N, *), or (N, L, *) with batch_first=True"
        )
    x = transpose(input, 0, 1) if batch_first else input
    steps, batch = x.shape[:2]
    found = _lengths(lengths, "lengths")
    _check_lengths("pack_padded_sequence", found, batch, steps)
    order = None
    if not enforce_sorted:
        order = np.argsort(-found, kind="stable")
        found = found[order]
    elif (np.diff(found) > 0).any():
        raise ShapeError(
            f"pack_padded_sequence: lengths are not sorted\n  lengths  {found.tolist()}\n"
            "  expected the longest sequence first\n  enforce_sorted=False sorts them for you"
        )
    if not batch:
        raise ShapeError(f"pack_padded_sequence: there is no sequence\n  input  {input.spec}")
    sizes = (found > np.arange(found[0])[:, None]).sum(1)
    column = np.arange(batch) if order is None else order
    rows = np.concatenate([t * batch + column[:n] for t, n in enumerate(sizes)])
    flat = reshape(x, (steps * batch, *x.shape[2:]))
    data = index_select(flat, 0, as_tensor(rows, device=input.device))
    indices = None if order is None else make(order).to(device=input.device)
    return PackedSequence(data, make(sizes), indices)


def _need_packed(name: str, sequence: Any) -> None:
    if not isinstance(sequence, PackedSequence):
        raise KindError(
            f"{name}: expected a PackedSequence, got {describe(sequence)}\n"
            "  make one with pack_padded_sequence() or pack_sequence()"
        )


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The sequences filled up to one length, ``(L, N, *)`` or ``(N, L, *)``, and their lengths."""
    _need_packed("pad_packed_sequence", sequence)
    sizes = np.array(sizes_of(sequence), np.int64)
    steps, batch = len(sizes), int(sizes[0])
    if total_length is not None:
        if total_length < steps:
            raise ArgumentError(
                f"pad_packed_sequence: total_length={total_length} is too short\n"
                f"  expected {steps} or more, the longest sequence"
            )
        steps = total_length
    data = sequence.data
    rows = np.full((steps, batch), data.shape[0])  # the row after the last: filling
    start = 0
    for t, n in enumerate(sizes):
        rows[t, :n] = np.arange(start, start + n)
        start += int(n)
    lengths = (sizes > np.arange(batch)[:, None]).sum(1)
    if sequence.unsorted_indices is not None:
        back = _known(sequence.unsorted_indices, "unsorted_indices")
        rows, lengths = rows[:, back], lengths[back]
    rows = rows.T if batch_first else rows
    fill = creation.full((1, *data.shape[1:]), padding_value, dtype=data.dtype, device=data.device)
    filled = index_select(
        cat([data, fill]), 0, as_tensor(np.ascontiguousarray(rows.ravel()), device=data.device)
    )
    return reshape(filled, (*rows.shape, *data.shape[1:])), make(lengths)


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Fill sequences ``(length, *)`` up to the longest: ``(L, N, *)`` or ``(N, L, *)``.

    >>> pad_sequence([make(np.array([1, 2])), make(np.array([3]))], batch_first=True)
    tensor([[1, 2],
            [3, 0]])
    """
    if not hasattr(sequences, "__iter__"):
        raise _NotSequences(f"pad_sequence: expected a list of tensors, got {describe(sequences)}")
    found = list(sequences)
    if not found:
        raise ShapeError("pad_sequence: there is no sequence\n  expected one tensor or more")
    if padding_side not in ("left", "right"):
        raise _NotSequences(
            f"pad_sequence: padding_side={padding_side!r}: expected 'left' or 'right'"
        )
    for k, x in enumerate(found):
        if not isinstance(x, Tensor):
            raise KindError(f"pad_sequence: sequences[{k}]: expected a tensor, got {describe(x)}")
        if not x.ndim or x.shape[1:] != found[0].shape[1:]:
            raise ShapeError(
                f"pad_sequence: sequences[{k}] does not fit\n  sequences[0]  {found[0].spec}\n"
                f"  sequences[{k}]  {x.spec}\n"
                "  expected one dimension or more, and sizes that differ in the first only"
            )
    longest = max(x.shape[0] for x in found)
    parts = []
    for x in found:
        missing = longest - x.shape[0]
        if missing:
            shape = (missing, *x.shape[1:])
            fill = creation.full(shape, padding_value, dtype=x.dtype, device=x.device)
            x = cat([fill, x] if padding_side == "left" else [x, fill])
        parts.append(x)
    return stack(parts, 0 if batch_first else 1)


class _NotSequences(KindError, RuntimeError):
    """Something else than sequences; PyTorch raises a RuntimeError here."""


def unpad_sequence(
    padded_sequences: Tensor, lengths: Lengths, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of their own lengths: the reverse of ``pad_sequence``."""
    x = padded_sequences if batch_first else transpose(padded_sequences, 0, 1)
    found = _lengths(lengths, "lengths")
    _check_lengths("unpad_sequence", found, x.shape[0], x.shape[1])
    return [x[k, :n] for k, n in enumerate(found.tolist())]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences ``(length, *)``; the longest first if ``enforce_sorted``."""
    padded = pad_sequence(sequences)
    return pack_padded_sequence(
        padded, [x.shape[0] for x in sequences], enforce_sorted=enforce_sorted
    )


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed one, as a list in the order in which they were given."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths.tolist(), batch_first=True)


__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]
