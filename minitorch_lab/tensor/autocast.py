"""Autocast, an interpreter in front of another one: it casts what an op is given.

The row of an op says how: ``autocast="low"`` takes float16, ``"full"`` takes float32, and without
it an op takes what comes. A cast is an op like any other, so a gradient comes back through it in
the dtype of its parameter. The backward pass belongs to the interpreter behind, and casts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from ..errors import ComputeError, DTypeError, IndexingError, ShapeError
from ..op import INTERPRETER, OPS, Attrs, Op, current
from .record import explain, record
from .tensor import Tensor, make

FLOAT16: np.dtype[Any] = np.dtype("float16")
FLOAT32: np.dtype[Any] = np.dtype("float32")
RETOLD = (ShapeError, DTypeError, ComputeError, IndexingError)
TARGET = {"low": FLOAT16, "full": FLOAT32}
# id of a parameter -> the parameter, its array, the version of that, and its entries in float16
Cache = dict[int, tuple[Tensor, Any, int, Any]]
F = TypeVar("F", bound=Callable[..., Any])


class Autocast:
    """Casts the inputs of ops, and lets ``inner`` do the rest.

    ``casts`` are the types of devices on which it does. With a ``cache`` the entries of a
    parameter are cast once for all ops that take it.
    """

    def __init__(self, inner: Any, casts: frozenset[str], cache: Cache | None) -> None:
        self.inner, self.casts, self.cache = inner, casts, cache
        # asked often; the rest of what an interpreter has comes through __getattr__
        self.recording, self.tracing, self.always = inner.recording, inner.tracing, inner.always

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Any:
        """Apply ``op`` to the inputs in the dtypes that its row asks for."""
        if not op.autocast:
            return self.inner.apply(op, inputs, attrs)
        cast = tuple([self.cast(x, op.autocast) for x in inputs])
        try:
            return self.inner.apply(op, cast, attrs)
        except RETOLD as error:  # with the tensors that were given
            raise explain(op, inputs, attrs, error) from None

    def cast(self, x: Any, how: str) -> Any:
        """An input as float16 or float32; as it is where it is none of both, or elsewhere."""
        if not isinstance(x, Tensor) or x.device.type not in self.casts:
            return x
        dtype, wanted = x.dtype.np, TARGET[how]
        if dtype == wanted or dtype not in (FLOAT16, FLOAT32):
            return x
        kept = self.cache is not None and x.requires_grad and x.node is None and not self.tracing
        return self._kept(x) if kept else self._cast(x, wanted)

    def _cast(self, x: Tensor, dtype: np.dtype[Any]) -> Any:
        return self.inner.apply(OPS["to"], (x,), {"dtype": dtype})

    def _kept(self, x: Tensor) -> Any:
        """A parameter in float16: its entries are those of the last time if it has not changed."""
        assert self.cache is not None
        known = self.cache.get(id(x))
        if known is None or known[1] is not x.array or known[2] != x.version[0]:
            out = self._cast(x, FLOAT16)
            self.cache[id(x)] = (x, x.array, x.version[0], out.array)
            return out
        out = make(known[3])
        if self.recording:  # a node of its own, since backward() frees the nodes that it has passed
            out.requires_grad = True
            out.node = record(OPS["to"], (x,), {"dtype": FLOAT16}, out.array)
        return out

    def with_grad(self, recording: bool) -> Autocast:
        """The same with the tape on or off."""
        return Autocast(self.inner.with_grad(recording), self.casts, self.cache)

    def for_inference(self) -> Autocast:
        """The same, recording nothing."""
        return Autocast(self.inner.for_inference(), self.casts, self.cache)


def in_front(interpreter: Any, casts: frozenset[str], cache: Cache | None = None) -> Any:
    """The interpreter with autocast in front of it, for these types of devices."""
    return Autocast(interpreter, casts, cache) if casts else interpreter


def behind() -> Any:
    """The interpreter that is current, without autocast."""
    now = current()
    return now.inner if isinstance(now, Autocast) else now


@contextmanager
def autocasting(casts: frozenset[str]) -> Iterator[None]:
    """Run a block as one in which ``autocast`` is on for these types of devices, and no others."""
    token = INTERPRETER.set(in_front(behind(), casts))
    try:
        yield
    finally:
        INTERPRETER.reset(token)


def as_now(function: F) -> F:
    """The function, which runs with autocast as it is now wherever it is called."""
    casts = current().casts

    @wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with autocasting(casts):
            return function(*args, **kwargs)

    return inside if casts else function  # type: ignore[return-value]
