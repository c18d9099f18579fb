r"""Recurrent layers: one row runs a whole sequence, because one op a step would be all overhead.

The rows of all sequences lie below each other, step by step: ``sizes[t]`` rows for step t, those
of the longest sequences first. Sequences of one length are the case of equal sizes. ``input`` is
projected already, for all steps at once; a row adds what comes from the state before, h W^T + b.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ..errors import DTypeError
from ..op import Cost, Mismatch, Op, Spec, normal, op, sample
from . import elementwise as e
from .linalg import linear, product
from .movement import cat, transpose
from .reduce import sum
from .rules import need_float

Sizes = tuple[int, ...]
Parts = tuple[Any, ...]


# Where the steps are -----------------------------------------------------------------------


@lru_cache(maxsize=256)
def blocks(sizes: Sizes) -> tuple[slice, ...]:
    """The rows of each step.

    >>> blocks((3, 1))
    (slice(0, 3, None), slice(3, 4, None))
    """
    found, start = [], 0
    for n in sizes:
        found.append(slice(start, start + n))
        start += n
    return tuple(found)


def _in_order(sizes: Sizes, reverse: bool) -> range:
    """The numbers of the steps as they are computed."""
    return range(len(sizes))[:: -1 if reverse else 1]


@lru_cache(maxsize=256)
def _places(sizes: Sizes, reverse: bool, last: bool) -> tuple[tuple[bool, slice], ...]:
    """Where the state before each step is, or the state after the last one of each sequence.

    Slices of the states of all steps (True), or of the first state (False).
    """
    rows, n = blocks(sizes), sizes[0]
    found: list[tuple[bool, slice]] = []

    def add(computed: bool, start: int, stop: int) -> None:
        if found and found[-1][0] == computed and found[-1][1].stop == start:
            start = found.pop()[1].start  # one slice with its neighbour
        if stop > start:
            found.append((computed, slice(start, stop)))

    if last:
        ends = range(len(sizes)) if not reverse else range(1)
        for t in reversed(ends):
            longer = sizes[t + 1] if not reverse and t + 1 < len(sizes) else 0
            add(True, rows[t].start + longer, rows[t].stop)
        return tuple(found) or ((True, slice(0, 0)),)
    for t, size in enumerate(sizes):
        if not reverse and t == 0:
            add(False, 0, n)
        elif not reverse:
            add(True, rows[t - 1].start, rows[t - 1].start + size)
        else:
            ahead = sizes[t + 1] if t + 1 < len(sizes) else 0
            if ahead:
                add(True, rows[t + 1].start, rows[t + 1].stop)
            add(False, ahead, size)
    return tuple(found) or ((False, slice(0, 0)),)


def _joined(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else cat(parts, 0)


def before(states: Any, first: Any, sizes: Sizes, reverse: bool) -> Any:
    """For each row the state from which it was computed: ``(rows, H)``."""
    places = _places(sizes, reverse, False)
    return _joined([(states if computed else first)[rows] for computed, rows in places])


def final(states: Any, sizes: Sizes, reverse: bool) -> Any:
    """The state after the last step of each sequence: ``(N, H)``."""
    return _joined([states[rows] for _, rows in _places(sizes, reverse, True)])


# Forward: the loop over the steps ----------------------------------------------------------


def _run(
    xp: Any, step: Callable[..., Parts], x: Any, w: Any, first: Parts, sizes: Sizes, reverse: bool
) -> Any:
    """Compute step by step; the states of all rows side by side."""
    size, rows = w.shape[1], blocks(sizes)
    out = xp.empty((x.shape[0], size * len(first)), x.dtype)
    state = [s.copy() for s in first]
    for t in _in_order(sizes, reverse):
        n, here = sizes[t], out[rows[t]]
        for k, new in enumerate(step(x[rows[t]], *[s[:n] for s in state])):
            here[:, k * size : (k + 1) * size] = new
            state[k][:n] = new
    return out


def _turned(xp: Any, weight: Any) -> Any:
    """The transposed weight laid out anew: small products with it are three times as fast."""
    return xp.ascontiguousarray(weight.T)


def _composed(step: Callable[..., Parts], x: Any, first: Parts, sizes: Sizes, reverse: bool) -> Any:
    """The same made of ops."""
    rows, state = blocks(sizes), first
    found: dict[int, Any] = {}
    for t in _in_order(sizes, reverse):
        n = sizes[t]
        new = step(x[rows[t]], *[s if s.shape[0] == n else s[:n] for s in state])
        found[t] = cat(list(new), 1) if len(new) > 1 else new[0]
        state = tuple(
            a if a.shape[0] == s.shape[0] else cat([a, s[n:]], 0)
            for a, s in zip(new, state, strict=True)
        )
    return _joined([found[t] for t in range(len(sizes))])


# Gradient: the same loop, from the end -----------------------------------------------------


def _backward(
    step: Callable[..., tuple[Any, Parts]], g: Parts, sizes: Sizes, reverse: bool
) -> tuple[Any, Parts]:
    """What ``step`` makes of the gradients of the states, for all rows, and those of the first.

    ``step(rows, *gradients)`` returns its result and the gradients of the states before.
    """
    rows = blocks(sizes)
    found: dict[int, Any] = {}
    carry: Parts = ()
    ended: list[Parts] = []  # sequences that start at this step, in reverse order
    for t in reversed(_in_order(sizes, reverse)):
        n = sizes[t]
        here = tuple(part[rows[t]] for part in g)
        known = carry[0].shape[0] if carry else 0
        if known > n:
            ended.append(tuple(c[n:] for c in carry))
            carry = tuple(c[:n] for c in carry)
        if 0 < known < n:  # shorter sequences end here
            here = tuple(
                cat([a[:known] + c, a[known:]], 0) for a, c in zip(here, carry, strict=True)
            )
        elif known:
            here = tuple(a + c for a, c in zip(here, carry, strict=True))
        found[t], carry = step(rows[t], *here)
    ended.append(carry)
    first = tuple(_joined([e[k] for e in reversed(ended)]) for k in range(len(carry)))
    return _joined([found[t] for t in range(len(sizes))]), first


class _Shared(threading.local):
    """One pass gives the gradients of all inputs, and a backward walk asks for them one by one.

    The last pass is kept while its gradient lives, and until an input is asked for twice: that
    is another walk.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self, *_: Any) -> None:
        """Let the last pass go."""
        self.key: tuple[Any, ...] = ()
        self.attrs: tuple[Any, ...] = ()
        self.asked: set[int] = set()
        self.found: Parts = ()

    def get(self, index: int, pull: Callable[..., Parts], values: Parts, attrs: Any) -> Any:
        """The gradient of input ``index``."""
        same = len(self.key) == len(values) and all(
            r() is v for r, v in zip(self.key, values, strict=True)
        )
        if not same or index in self.asked or self.attrs != (pull, attrs):
            self.forget()
            self.found = pull(*values, **attrs)
            self.key = (
                weakref.ref(values[0], self.forget), *map(weakref.ref, values[1:])
            )  # fmt: skip
            self.attrs = (pull, attrs)
        self.asked.add(index)
        return self.found[index]


_shared = _Shared()


def _rules(pull: Callable[..., Parts], count: int) -> tuple[Callable[..., Any], ...]:
    """The rules of ``count`` inputs, from one function that gives all gradients."""

    def rule(index: int) -> Callable[..., Any]:
        return lambda g, y, *inputs, **attrs: _shared.get(index, pull, (g, y, *inputs), attrs)

    return tuple(map(rule, range(count)))


# Rows --------------------------------------------------------------------------------------


def _fits(*arrays: Any, gates: int, sizes: Sizes) -> str:
    """What is wrong with the inputs; nothing where they fit."""
    x, w, b, *states = arrays
    size = w.shape[-1]
    if w.shape != (gates * size, size):
        return f"expected weight ({gates} H, H), got {w.shape}"
    if b.shape != w.shape[:1]:
        return f"expected bias {w.shape[:1]}, got {b.shape}"
    rows = blocks(sizes)[-1].stop if sizes else 0
    if not sizes or x.shape != (rows, w.shape[0]):
        return f"expected input {(rows, w.shape[0])}, got {x.shape}"
    for s in states:
        if s.shape != (sizes[0], size):
            return f"expected a first state {(sizes[0], size)}, got {s.shape}"
    return ""


def _shape(gates: int) -> Callable[..., Spec]:
    def shape(*inputs: Spec, sizes: Sizes, **attrs: Any) -> Spec:
        for x, name in zip(inputs, ("input", "weight", "bias", "h0", "c0"), strict=False):
            need_float(x, name)
        if len({x.dtype for x in inputs}) > 1:
            raise Mismatch("the dtypes differ", "expected one dtype", error=DTypeError)
        wrong = _fits(*inputs, gates=gates, sizes=sizes)
        if wrong:
            raise Mismatch("the shapes do not fit", wrong)
        width = inputs[1].shape[1] * (len(inputs) - 3)
        return replace(inputs[0], shape=(inputs[0].shape[0], width))

    return shape


def _need(arrays: Parts, gates: int, sizes: Sizes) -> None:
    if _fits(*arrays, gates=gates, sizes=sizes) or len({a.dtype for a in arrays}) > 1:
        raise ValueError("inputs do not fit")  # the shape rule writes the message


def _cost(out: Spec, x: Spec, w: Spec, *rest: Spec, **attrs: Any) -> Cost:
    moved = out.nbytes + x.nbytes + w.nbytes
    for s in rest:
        moved += s.nbytes
    return Cost(2 * x.shape[0] * w.size + 10 * x.size, moved)


def _samples(gates: int, states: int, **attrs: Any) -> list[Any]:
    def one(sizes: Sizes, reverse: bool) -> Any:
        first = [normal(sizes[0], 2) for _ in range(states)]
        rows = blocks(sizes)[-1].stop
        inputs = (normal(rows, 2 * gates), normal(2 * gates, 2), normal(2 * gates))
        return sample(*inputs, *first, sizes=sizes, reverse=reverse, **attrs)

    return [one((2, 2), False), one((2, 1), True), one((3, 1, 1), False)]


# Elman's: h = tanh(x + h W^T + b)


def _rnn_forward(
    xp: Any, input: Any, weight: Any, bias: Any, h0: Any, sizes: Sizes, reverse: bool, relu: bool
) -> Any:
    _need((input, weight, bias, h0), 1, sizes)
    turned = _turned(xp, weight)
    act = (lambda z: xp.maximum(z, 0)) if relu else xp.tanh

    def step(x: Any, h: Any) -> Parts:
        return (act(x + xp.dot(h, turned)),)

    return _run(xp, step, input + bias, weight, (h0,), sizes, reverse)


def rnn_composed(x: Any, w: Any, b: Any, h0: Any, sizes: Sizes, reverse: bool, relu: bool) -> Any:
    """One linear map and one activation a step."""

    def step(z: Any, h: Any) -> Parts:
        return ((e.relu if relu else e.tanh)(z + linear(h, w, b)),)

    return _composed(step, x, (h0,), sizes, reverse)


def _rnn_pull(
    g: Any, y: Any, x: Any, w: Any, b: Any, h0: Any, sizes: Sizes, reverse: bool, relu: bool
) -> Parts:
    slope = e.where(e.gt(y, 0), 1.0, y * 0) if relu else 1 - y * y

    def step(rows: slice, dh: Any) -> tuple[Any, Parts]:
        dz = dh * slope[rows]
        return dz, (product(dz, w),)

    dz, first = _backward(step, (g,), sizes, reverse)
    dw = product(transpose(dz, 0, 1), before(y, h0, sizes, reverse))
    return (dz, dw, sum(dz, 0), *first)


rnn: Op = op(
    "rnn",
    "A recurrent layer of Elman's kind along its sequences; the states of all steps.",
    forward=_rnn_forward,
    arguments=("input", "weight", "bias", "h0"),
    vjp=_rules(_rnn_pull, 4),
    saved="weight h0 y",
    shape=_shape(1),
    formula=(
        r"h_t = \tanh(x_t + W h_{t-1} + b)",
        r"\bar x_t = (\bar y_t + W^\top \bar x_{t+1})\,(1 - h_t^2)",
    ),
    autocast="low",
    cost=_cost,
    composition=rnn_composed,
    samples=[*_samples(1, 1, relu=False), *_samples(1, 1, relu=True)[:1]],
)


# LSTM: gates i, f, o and a candidate; the cell carries on what f keeps


def _lstm_forward(
    xp: Any, input: Any, weight: Any, bias: Any, h0: Any, c0: Any, sizes: Sizes, reverse: bool
) -> Any:
    _need((input, weight, bias, h0, c0), 4, sizes)
    size = weight.shape[1]
    # sigmoid(z) = tanh(z / 2) / 2 + 1/2: one tanh for all four
    half = xp.full((4 * size,), 0.5, input.dtype)
    half[2 * size : 3 * size] = 1
    shift, turned = 1 - half, _turned(xp, weight) * half
    shift[2 * size : 3 * size] = 0

    def step(x: Any, h: Any, c: Any) -> Parts:
        z = xp.dot(h, turned)
        z += x
        z = xp.tanh(z)
        z *= half
        z += shift
        c = z[:, size : 2 * size] * c
        c += z[:, :size] * z[:, 2 * size : 3 * size]
        return z[:, 3 * size :] * xp.tanh(c), c

    return _run(xp, step, (input + bias) * half, weight, (h0, c0), sizes, reverse)


def _parts(z: Any, count: int) -> list[Any]:
    size = z.shape[1] // count
    return [z[:, k * size : (k + 1) * size] for k in range(count)]


def lstm_composed(x: Any, w: Any, b: Any, h0: Any, c0: Any, sizes: Sizes, reverse: bool) -> Any:
    """The gates as the formula says."""

    def step(z: Any, h: Any, c: Any) -> Parts:
        i, f, n, o = _parts(z + linear(h, w, b), 4)
        c = e.sigmoid(f) * c + e.sigmoid(i) * e.tanh(n)
        return e.sigmoid(o) * e.tanh(c), c

    return _composed(step, x, (h0, c0), sizes, reverse)


def _lstm_pull(
    g: Any, y: Any, x: Any, w: Any, b: Any, h0: Any, c0: Any, sizes: Sizes, reverse: bool
) -> Parts:
    h, c = _parts(y, 2)
    h_before, c_before = before(h, h0, sizes, reverse), before(c, c0, sizes, reverse)
    i, f, n, o = _parts(x + linear(h_before, w, b), 4)
    i, f, n, o, shown = e.sigmoid(i), e.sigmoid(f), e.tanh(n), e.sigmoid(o), e.tanh(c)
    through = o * (1 - shown * shown)
    slopes = cat([n * i * (1 - i), c_before * f * (1 - f), i * (1 - n * n), shown * o * (1 - o)], 1)

    def step(rows: slice, dh: Any, dc: Any) -> tuple[Any, Parts]:
        dc = dc + dh * through[rows]
        dz = cat([dc, dc, dc, dh], 1) * slopes[rows]
        return dz, (product(dz, w), dc * f[rows])

    dz, first = _backward(step, tuple(_parts(g, 2)), sizes, reverse)
    return (dz, product(transpose(dz, 0, 1), h_before), sum(dz, 0), *first)


lstm: Op = op(
    "lstm",
    "Long short-term memory along its sequences; the states h and c of all steps side by side.",
    forward=_lstm_forward,
    arguments=("input", "weight", "bias", "h0", "c0"),
    vjp=_rules(_lstm_pull, 5),
    saved="input weight bias h0 c0 y",
    shape=_shape(4),
    formula=(
        r"(i, f, n, o) = (\sigma, \sigma, \tanh, \sigma)(x_t + W h_{t-1} + b), \quad"
        r" c_t = f c_{t-1} + i n, \quad h_t = o \tanh c_t",
        r"\bar c_t = f_{t+1} \bar c_{t+1} + \bar h_t\, o\,(1 - \tanh^2 c_t)",
    ),
    autocast="low",
    cost=_cost,
    composition=lstm_composed,
    samples=_samples(4, 2),
)


# GRU: the state moves from a candidate by the share z


def _gru_forward(
    xp: Any, input: Any, weight: Any, bias: Any, h0: Any, sizes: Sizes, reverse: bool
) -> Any:
    _need((input, weight, bias, h0), 3, sizes)
    size, turned = weight.shape[1], _turned(xp, weight)

    def step(x: Any, h: Any) -> Parts:
        u = xp.dot(h, turned)
        u += bias
        gates = xp.tanh((x[:, : 2 * size] + u[:, : 2 * size]) * 0.5)
        gates *= 0.5
        gates += 0.5
        n = gates[:, :size] * u[:, 2 * size :]
        n += x[:, 2 * size :]
        n = xp.tanh(n)
        return ((h - n) * gates[:, size:] + n,)

    return _run(xp, step, input, weight, (h0,), sizes, reverse)


def gru_composed(x: Any, w: Any, b: Any, h0: Any, sizes: Sizes, reverse: bool) -> Any:
    """The gates as the formula says."""

    def step(x: Any, h: Any) -> Parts:
        (xr, xz, xn), (ur, uz, un) = _parts(x, 3), _parts(linear(h, w, b), 3)
        n = e.tanh(xn + e.sigmoid(xr + ur) * un)
        return (n + e.sigmoid(xz + uz) * (h - n),)

    return _composed(step, x, (h0,), sizes, reverse)


def _gru_pull(
    g: Any, y: Any, x: Any, w: Any, b: Any, h0: Any, sizes: Sizes, reverse: bool
) -> Parts:
    h = before(y, h0, sizes, reverse)
    (xr, xz, xn), (ur, uz, un) = _parts(x, 3), _parts(linear(h, w, b), 3)
    r, z = e.sigmoid(xr + ur), e.sigmoid(xz + uz)
    n = e.tanh(xn + r * un)
    to_n = (1 - z) * (1 - n * n)
    slopes = cat([to_n * un * r * (1 - r), (h - n) * z * (1 - z), to_n * r], 1)

    def step(rows: slice, dh: Any) -> tuple[Any, Parts]:
        du = cat([dh, dh, dh], 1) * slopes[rows]
        return cat([du, dh], 1), (product(du, w) + dh * z[rows],)

    found, first = _backward(step, (g,), sizes, reverse)
    size = w.shape[1]
    du, dh = found[:, : 3 * size], found[:, 3 * size :]
    dx = cat([du[:, : 2 * size], dh * to_n], 1)
    return (dx, product(transpose(du, 0, 1), h), sum(du, 0), *first)


gru: Op = op(
    "gru",
    "A gated recurrent unit along its sequences; the states of all steps.",
    forward=_gru_forward,
    arguments=("input", "weight", "bias", "h0"),
    vjp=_rules(_gru_pull, 4),
    saved="input weight bias h0 y",
    shape=_shape(3),
    formula=(
        r"r, z = \sigma(x_t^{rz} + W^{rz} h_{t-1} + b^{rz}), \quad"
        r" n = \tanh(x_t^n + r\,(W^n h_{t-1} + b^n)), \quad h_t = (1 - z)\,n + z\,h_{t-1}",
        r"\bar n = \bar h_t (1 - z), \quad \bar h_{t-1} = \bar h_t z + W^\top \bar u",
    ),
    autocast="low",
    cost=_cost,
    composition=gru_composed,
    samples=_samples(3, 1),
)

__all__ = ["before", "blocks", "final", "gru", "lstm", "rnn"]
