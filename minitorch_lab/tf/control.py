"""``tf.cond``, ``tf.while_loop``, ``tf.switch_case``, ``tf.print``: in a graph, too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..device import Device, namespace_for, to_host
from ..errors import ArgumentError, KindError, describe
from ..graph import control as engine
from ..op import current
from ..ops import FUNCTIONS
from ..tensor import Tensor as Plain
from ..tensor import make, no_grad
from .errors import retells
from .tape import flat, packed
from .tensor import PLACE, as_tensor, styled

F = Callable[..., Any]
Name = str | None


@retells
def cond(pred: Any, true_fn: Any = None, false_fn: Any = None, name: Name = None) -> Any:
    """``true_fn()`` where ``pred`` is True, else ``false_fn()``; in a graph a choice at each run.

    >>> cond(as_tensor(2) > 1, lambda: as_tensor(1.0), lambda: as_tensor(0.0)).numpy()
    np.float32(1.0)
    """
    for title, f in (("true_fn", true_fn), ("false_fn", false_fn)):
        if not callable(f):
            raise KindError(f"cond({title}): got {describe(f)}\n  expected a function: lambda: x")
    if not (current().tracing and isinstance(pred, Plain)):
        return (true_fn if pred else false_fn)()
    return styled(engine.cond(pred, _of_tensors(true_fn), _of_tensors(false_fn)))


def _of_tensors(f: F) -> F:
    """The function, with numbers and arrays in its result as tensors."""

    def call(*args: Any) -> Any:
        found = f(*(styled(x) for x in args))
        return packed(found, iter([x if x is None else as_tensor(x) for x in flat(found)]))

    return call


@retells
def while_loop(
    cond: F,
    body: F,
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    maximum_iterations: int | None = None,
    name: Name = None,
) -> Any:
    """Let ``loop_vars = body(*loop_vars)`` as long as ``cond(*loop_vars)`` is True.

    A graph needs ``maximum_iterations`` for gradients through the loop.

    >>> while_loop(lambda n: n < 10, lambda n: [n * 2], [as_tensor(1)])
    [<tf.Tensor: shape=(), dtype=int32, numpy=16>]
    """
    if not isinstance(loop_vars, list | tuple):
        raise KindError(
            f"while_loop(loop_vars): got {describe(loop_vars)}\n  expected a list, such as [i, x]"
        )
    start = packed(loop_vars, iter([as_tensor(x) for x in flat(loop_vars)]))

    def step(*values: Any) -> Any:
        found = body(*styled(values))
        parts = found if isinstance(found, list | tuple) else (found,)
        if len(parts) != len(start):
            raise ArgumentError(
                f"while_loop(body): it gave {len(parts)} values\n"
                f"  expected {len(start)}, one for each of loop_vars"
            )
        pairs = zip(flat([*parts]), flat([*values]), strict=False)
        return packed(tuple(parts), iter([as_tensor(x, like=was.dtype) for x, was in pairs]))

    found = engine.while_loop(
        lambda *values: cond(*styled(values)), step, *start, max_iterations=maximum_iterations
    )
    return type(loop_vars)(styled(found)) if type(loop_vars) in (list, tuple) else styled(found)


@retells
def switch_case(branch_index: Any, branch_fns: Any, default: Any = None, name: Name = None) -> Any:
    """The function at ``branch_index``; the last one, or ``default``, for an index that is none."""
    pairs = [*branch_fns.items()] if isinstance(branch_fns, dict) else [*enumerate(branch_fns)]
    if pairs and isinstance(pairs[0][1], tuple):  # a list of pairs (index, function)
        pairs = [pair for _, pair in pairs]
    rest = default or pairs[-1][1]
    for index, f in reversed(pairs):
        rest = _branch(as_tensor(branch_index), index, f, rest)
    return rest()


def _branch(value: Any, index: int, yes: F, no: F) -> F:
    return lambda: cond(styled(FUNCTIONS["eq"](value, index)), yes, no)


@retells
def case(pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, name: Any = None) -> Any:
    """The function of the first pair whose condition is True, else ``default``."""
    pairs = [*pred_fn_pairs.items()] if isinstance(pred_fn_pairs, dict) else [*pred_fn_pairs]
    rest = default or pairs[-1][1]
    for pred, f in reversed(pairs):
        rest = _choice(pred, f, rest)
    return rest()


def _choice(pred: Any, yes: F, no: F) -> F:
    return lambda: cond(pred, yes, no)


# Printing ----------------------------------------------------------------------------------


def print(
    *inputs: Any, output_stream: Any = None, summarize: int = 3, sep: str = " ", end: str = "\n",
    name: Name = None,
) -> None:  # fmt: skip
    """Print values, of tensors too; in a graph at each run, when the run is done.

    It goes to ``sys.stderr``, as in TensorFlow, unless ``output_stream`` is another one.
    """
    stream = output_stream
    if not current().tracing:
        _write(inputs, stream, summarize, sep, end)
        return
    held = packed([*inputs], iter([_held(x) for x in flat([*inputs])]))
    current().postpone(lambda: _write(held, stream, summarize, sep, end), "tf.print", ())


def _held(x: Any) -> Any:
    """A place for the value that a tensor has here in each run of the graph."""
    if not isinstance(x, Plain):
        return x
    spec = x.spec
    xp = namespace_for(Device(spec.device))
    place = make(xp.zeros(spec.shape, spec.dtype))
    with no_grad():
        place.copy_(x)
    return place


def _write(inputs: Any, stream: Any, summarize: int, sep: str, end: str) -> None:
    text = sep.join(x if isinstance(x, str) else shown(x, summarize) for x in inputs)
    if isinstance(stream, str):
        if not stream.startswith("file://"):
            raise ArgumentError(
                f"tf.print(output_stream): got {stream!r}\n"
                "  expected sys.stdout, sys.stderr or 'file://' and a path"
            )
        with open(stream.removeprefix("file://"), "a", encoding="utf-8") as file:
            file.write(text + end)
        return
    (sys.stderr if stream is None else stream).write(text + end)


def shown(x: Any, summarize: int = 3) -> str:
    """A value as ``tf.print`` shows it: ``[0 1 2 ... 7 8 9]``."""
    if isinstance(x, Plain | np.ndarray | np.generic):
        array = to_host(x.array) if isinstance(x, Plain) else np.asarray(x)
        return _rows(array, summarize, 1)
    if isinstance(x, dict):
        return "{" + ", ".join(f"{k!r}: {shown(v, summarize)}" for k, v in x.items()) + "}"
    if isinstance(x, list | tuple):
        inside = ", ".join(repr(v) if isinstance(v, str) else shown(v, summarize) for v in x)
        return f"[{inside}]" if isinstance(x, list) else f"({inside})"
    return str(x)


def _number(x: Any) -> str:
    """So many digits that the number can be read back."""
    few, many = (15, 17) if x.dtype.itemsize == 8 else (6, 9)
    short = f"{x:.{few}g}"
    return short if type(x)(short) == x or x != x else f"{x:.{many}g}"


def _rows(array: Any, summarize: int, indent: int) -> str:
    if array.ndim == 0:
        return _number(array[()]) if array.dtype.kind == "f" else str(int(array))
    parts = [_rows(a, summarize, indent + 1) for a in array]
    if 0 <= 2 * summarize < len(parts):
        parts = [*parts[:summarize], "...", *parts[-summarize:]]
    gap = " " if array.ndim == 1 else "\n" * (array.ndim - 1) + " " * indent
    return f"[{gap.join(parts)}]"


# Devices -----------------------------------------------------------------------------------


@contextmanager
def device(device_name: Any) -> Iterator[None]:
    """A block whose new tensors are on a device: "/CPU:0" or "/GPU:0".

    >>> with device("/CPU:0"):
    ...     x = as_tensor(1.0)
    >>> x.device
    '/job:localhost/replica:0/task:0/device:CPU:0'
    """
    place = _place(device_name)
    token = PLACE.set(place)
    try:
        yield
    finally:
        PLACE.reset(token)


@retells
def _place(name: Any) -> Device | None:
    if name is None:
        return None
    if not isinstance(name, str):
        raise KindError(f"device(device_name): got {describe(name)}\n  expected '/CPU:0'")
    place = Device(name if name.startswith("/") else f"/{name}")
    namespace_for(place)  # a reason, where it is not there
    return place
