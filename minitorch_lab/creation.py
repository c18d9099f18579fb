"""Making tensors from shapes and from the generator, with PyTorch's names and numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np

from . import dtypes
from . import random as generators
from .device import (
    Device,
    default_device,
    device_of,
    move,
    namespace_for,
    out_of_memory,
    to_host,
)
from .dtypes import DType
from .errors import ComputeError, DTypeError, KindError, ShapeError, describe
from .op import (
    Mismatch,
    Op,
    Sample,
    Spec,
    current,
    need_arguments,
    op,
    public,
    sample,
    uniform,
    write_out,
)
from .ops import elementwise as e
from .ops import random as random_ops
from .ops.movement import broadcast_tensors
from .ops.rules import per_entry, shape_of_args
from .random import Generator
from .tensor import Tensor, fit, make, no_grad, tensor


def _made(array: Any, device: Any, requires_grad: bool) -> Tensor:
    array = move(array, default_device() if device is None else Device(device))
    out: Tensor = current().constant(array)
    return out.requires_grad_() if requires_grad else out


def _blank(
    name: str, shape: tuple[int, ...], dtype: Any, device: Any, requires_grad: bool, *value: Any
) -> Tensor:
    """Zeros, ones or one number, written by the device that holds them."""
    xp = namespace_for(default_device() if device is None else Device(device))
    try:
        array = getattr(xp, name)(shape, *value, dtype)
    except MemoryError as error:
        raise out_of_memory(f"{name}{shape}", error) from None
    out: Tensor = current().constant(array)
    return out.requires_grad_() if requires_grad else out


def _np(dtype: DType | None) -> np.dtype[Any]:
    return (dtypes.get_default_dtype() if dtype is None else dtypes.dtype_of(dtype)).np


def _shape(size: tuple[Any, ...], name: str = "size") -> tuple[int, ...]:
    shape = shape_of_args(size, name)
    if any(n < 0 for n in shape):
        got = shape if name == "size" else min(shape)
        raise ShapeError(f"{name}: expected sizes of 0 or more, got {got}")
    return shape


def _takes_out(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function that makes a tensor, with ``out=``: its dtype and device are those of out.

    Where the sizes are the arguments without names, they may be one with a name: ``size=(2, 3)``.
    """
    first = next(iter(signature(function).parameters.values()))
    takes_sizes = first.kind is first.VAR_POSITIONAL

    @wraps(function)
    def call(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
        if takes_sizes and not args and "size" in kwargs:
            args = (kwargs.pop("size"),)
        if out is None:
            try:
                return function(*args, **kwargs)
            except TypeError:
                need_arguments(function.__name__, function, args, kwargs)
                raise
        if not isinstance(out, Tensor):
            raise KindError(f"{function.__name__}(out): expected a tensor, got {describe(out)}")
        dtype = kwargs.get("dtype")
        if dtype is not None and dtypes.dtype_of(dtype) is not out.dtype:
            raise DTypeError(
                f"{function.__name__}(out): dtype is {dtypes.dtype_of(dtype).name}\n"
                f"  out  {out.spec}\n  expected the dtype of out, or no dtype"
            )
        wants = kwargs.pop("requires_grad", False)
        made = function(*args, **{**kwargs, "dtype": out.dtype, "device": out.device})
        write_out(function.__name__, out, made)
        return out.requires_grad_() if wants else out

    return call


@_takes_out
def zeros(
    *size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of zeros.

    >>> zeros(2)
    tensor([0., 0.])
    """
    return _blank("zeros", _shape(size), _np(dtype), device, requires_grad)


@_takes_out
def ones(
    *size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of ones."""
    return _blank("ones", _shape(size), _np(dtype), device, requires_grad)


@_takes_out
def empty(
    *size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor to be filled; it holds zeros until then, so that nothing differs by chance."""
    return zeros(*size, dtype=dtype, device=device, requires_grad=requires_grad)


@_takes_out
def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of one number: int64 for an int, the default float for a float."""
    if dtype is None and isinstance(fill_value, int):
        dtype = dtypes.bool_ if isinstance(fill_value, bool) else dtypes.int64
    if not isinstance(size, (tuple, list)):
        raise KindError(f"full(size, fill_value): expected a tuple, got {describe(size)}")
    kind = _np(dtype)
    value = fit(_number(fill_value, "fill_value"), kind, "fill_value").item()
    return _blank("full", _shape(tuple(size)), kind, device, requires_grad, value)


def _like(
    input: Tensor, dtype: DType | None, device: Any, requires_grad: bool = False
) -> dict[str, Any]:
    if not isinstance(input, Tensor):
        raise KindError(
            f"input: expected a tensor, got {describe(input)}\n"
            "  the functions without _like take sizes: lab.zeros(2, 3)"
        )
    return {
        "dtype": input.dtype if dtype is None else dtype,
        "device": input.device if device is None else device,
        "requires_grad": requires_grad,
    }


def zeros_like(
    input: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros in the shape, dtype and device of ``input``."""
    options = _like(input, dtype, device, requires_grad)
    return zeros(tuple(input.shape), **options)


def ones_like(
    input: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones in the shape, dtype and device of ``input``."""
    options = _like(input, dtype, device, requires_grad)
    return ones(tuple(input.shape), **options)


def empty_like(
    input: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor to be filled, in the shape, dtype and device of ``input``; zeros until then."""
    return zeros_like(input, dtype=dtype, device=device, requires_grad=requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One number in the shape, dtype and device of ``input``."""
    options = _like(input, dtype, device, requires_grad)
    return full(tuple(input.shape), fill_value, **options)


@_takes_out
def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The identity matrix ``(n, m)``; ``(n, n)`` without m."""
    rows, columns = _shape((n, n if m is None else m), "n" if m is None else "n, m")
    return _made(np.eye(rows, columns, dtype=_np(dtype)), device, requires_grad)


def _number(value: Any, name: str) -> Any:
    """A Python number, also from a tensor of one."""
    if isinstance(value, (Tensor, np.generic)):
        value = value.item()
    if not isinstance(value, (int, float)):
        raise KindError(f"{name}: expected a number, got {describe(value)}")
    return value


@_takes_out
def arange(
    *bounds: Any,
    start: Any = None,
    end: Any = None,
    step: Any = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from start to before end: ``arange(end)``, ``arange(start, end, step)``.

    int64 where all are ints, else the default float.

    >>> arange(3)
    tensor([0, 1, 2])
    >>> arange(1, 2, 0.25)
    tensor([1.0000, 1.2500, 1.5000, 1.7500])
    """
    given = list(bounds)
    if given and len(given) <= 3:
        found = [None, *given, None] if len(given) == 1 and end is None else [*given, None, None]
        start, end, step = (
            a if b is None else b for a, b in zip(found[:3], (start, end, step), strict=True)
        )
    if end is None or len(given) > 3:
        raise KindError(f"arange: expected 1 to 3 numbers, got {len(given)}")
    values = [_number(v, "arange") for v in (0 if start is None else start, end)]
    values.append(1 if step is None else _number(step, "arange"))
    first, last, by = values
    if dtype is None and all(isinstance(v, int) for v in values):
        dtype = dtypes.int64
    if by == 0:
        raise ComputeError("arange(start, end, step): step is 0\n  expected one above or below 0")
    if not np.isfinite([first, last, by]).all():
        raise ComputeError(
            f"arange(start, end, step): expected finite numbers, got {first}, {last}, {by}"
        )
    if (last - first) * by < 0:
        raise ComputeError(
            f"arange: a step of {by} does not lead from {first} to {last}\n"
            f"  expected step {'above' if last > first else 'below'} 0"
        )
    count = int(np.ceil((last - first) / by))
    wide = np.arange(count) * by + first
    return _made(wide.astype(_np(dtype)), device, requires_grad)


@_takes_out
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` numbers from start to end, both included, equally far apart.

    >>> linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    wide = np.linspace(_number(start, "start"), _number(end, "end"), _steps("linspace", steps))
    return _made(wide.astype(_np(dtype)), device, requires_grad)


@_takes_out
def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Powers of ``base`` whose exponents go from start to end: 1, 10, 100 for 0 to 2."""
    ends = _number(start, "start"), _number(end, "end")
    wide = np.logspace(*ends, _steps("logspace", steps), base=base)
    return _made(wide.astype(_np(dtype)), device, requires_grad)


def _steps(name: str, steps: Any) -> int:
    if isinstance(steps, float):
        raise KindError(
            f"{name}(start, end, steps): expected an int, got {describe(steps)}\n"
            "  steps counts the numbers; arange(start, end, step) takes the way between two"
        )
    (count,) = shape_of_args((steps,), "steps")
    if count < 0:
        raise ComputeError(f"{name}(start, end, steps): expected 0 steps or more, got {count}")
    return count


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = dtypes.int64, device: Any = None
) -> Tensor:
    """Rows and columns of the lower triangle of a ``(row, col)`` matrix, shape ``(2, K)``."""
    rows, columns = _shape((row, col))
    found = np.stack(np.tril_indices(rows, offset, columns))
    return _made(found.astype(_np(dtype)), device, False)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = dtypes.int64, device: Any = None
) -> Tensor:
    """Rows and columns of the upper triangle of a ``(row, col)`` matrix, shape ``(2, K)``."""
    rows, columns = _shape((row, col))
    found = np.stack(np.triu_indices(rows, offset, columns))
    return _made(found.astype(_np(dtype)), device, False)


# Random ------------------------------------------------------------------------------------
# A graph draws anew in each run, so under a trace these are ops: rows with no input.


def _generator(generator: Generator | None) -> Generator:
    return generators.drawing() if generator is None else generator


def _drawing(name: str, doc: str, law: str, draw: Callable[..., Any], samples: list[Sample]) -> Op:
    """A row that draws numbers; ``draw`` gets the generator, a shape, a dtype's name, the rest."""
    return op(
        name,
        doc,
        forward=lambda xp, *, shape, dtype, device, **rest: move(
            draw(generators.drawing(), shape, dtype, **rest), Device(device)
        ),
        arguments=(),
        shape=lambda shape, dtype, device, **rest: Spec(
            shape, np.dtype(dtype), Device(device).type
        ),
        formula=(law, r"\text{none}"),
        cost=per_entry(4),
        random=True,
        samples=samples,
    )


def _draw_uniform(generator: Generator, shape: Any, dtype: str) -> Any:
    return generator.uniform(shape, dtype=dtype)


def _draw_normal(generator: Generator, shape: Any, dtype: str, mean: float, std: float) -> Any:
    return generator.normal(shape, mean, std, dtype)


def _draw_integers(generator: Generator, shape: Any, dtype: str, low: int, high: int) -> Any:
    return generator.randint(low, high, shape, dtype)


def _draw_order(generator: Generator, shape: Any, dtype: str) -> Any:
    return generator.randperm(shape[0], dtype)


_uniform = _drawing(
    "rand",
    "Uniform numbers from 0 to below 1: drawn anew at each call.",
    r"y \sim U[0, 1)",
    _draw_uniform,
    [sample(shape=(3, 4), dtype="float32", device="cpu")],
)
_normal = _drawing(
    "randn",
    "Normal numbers: drawn anew at each call.",
    r"y \sim \mathcal N(\mu, \sigma^2)",
    _draw_normal,
    [sample(shape=(3, 4), dtype="float32", device="cpu", mean=0.0, std=1.0)],
)
_integers = _drawing(
    "randint",
    "Integers from low to below high: drawn anew at each call.",
    r"y \sim U\{a, \dots, b - 1\}",
    _draw_integers,
    [sample(shape=(3, 4), dtype="int64", device="cpu", low=0, high=9)],
)
_order = _drawing(
    "randperm",
    "The numbers 0 to n - 1 in random order: drawn anew at each call.",
    r"y = \pi(0, \dots, n - 1)",
    _draw_order,
    [sample(shape=(5,), dtype="int64", device="cpu")],
)


def _no_generator(generator: Generator | None) -> None:
    if generator is not None:
        current().refuse("a generator of its own", "use manual_seed() and the default generator")


def _drawn(
    row: Op,
    draw: Callable[..., Any],
    shape: tuple[int, ...],
    generator: Generator | None,
    dtype: DType | None,
    device: Any,
    requires_grad: bool = False,
    **rest: Any,
) -> Tensor:
    kind = _np(dtype).name
    if kind[0] != "f" and row in (_uniform, _normal):
        raise DTypeError(
            f"{row.name}(dtype): got {kind}\n  expected a float dtype\n"
            "  for random integers use randint"
        )
    if current().tracing:
        _no_generator(generator)
        place = str(default_device() if device is None else Device(device))
        out: Tensor = row(shape=shape, dtype=kind, device=place, **rest)
        return out.requires_grad_() if requires_grad else out
    return _made(draw(_generator(generator), shape, kind, **rest), device, requires_grad)


@_takes_out
def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers from 0 to below 1: PyTorch's CPU numbers for the same seed."""
    shape = _shape(size)
    return _drawn(_uniform, _draw_uniform, shape, generator, dtype, device, requires_grad)


@_takes_out
def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers with mean 0 and deviation 1: PyTorch's CPU numbers for the same seed."""
    shape = _shape(size)
    law = {"mean": 0.0, "std": 1.0}
    return _drawn(_normal, _draw_normal, shape, generator, dtype, device, requires_grad, **law)


@public
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers with a mean and a deviation for each entry, or of one ``size``.

    ``mean`` and ``std`` are tensors that broadcast, or numbers; two numbers need a size. PyTorch's
    CPU numbers for the same seed; no gradient flows to mean and std.
    """
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if not tensors:
        if not isinstance(size, (tuple, list)):
            raise KindError(f"normal(mean, std, size): expected a tuple, got {describe(size)}")
        law = {"mean": float(mean), "std": float(std)}
        shape = _shape(tuple(size))
        return _drawn(_normal, _draw_normal, shape, generator, dtype, device, requires_grad, **law)
    if size is not None:
        raise KindError("normal(mean, std, size): a size goes with two numbers only")
    for x in tensors:
        _need_float("normal", x)
    with no_grad():
        shape = tuple(broadcast_tensors(*tensors)[0].shape)
        like: dict[str, Any] = {
            "generator": generator,
            "dtype": tensors[0].dtype,
            "device": tensors[0].device,
        }
        if not isinstance(std, Tensor):
            return normal(0.0, std, shape, **like) + mean
        if not current().tracing and std.numel() and float(std.min()) < 0:
            raise ComputeError(f"normal: expected deviations of 0 or more, got {float(std.min())}")
        out: Tensor = randn(shape, **like) * std + mean
        return out


def _need_float(name: str, x: Any) -> None:
    if not isinstance(x, Tensor):
        raise KindError(f"{name}: expected a tensor, got {describe(x)}")
    if not x.dtype.is_floating_point:
        raise DTypeError(
            f"{name}(): expected a float tensor\n  got  {x.spec}\n  convert with .float()"
        )


@_takes_out
def randint(
    *args: Any,
    low: int | None = None,
    high: int | None = None,
    size: Any = None,
    generator: Generator | None = None,
    dtype: DType = dtypes.int64,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from low to below high: ``randint(high, size)`` or ``randint(low, high, size)``."""
    given = list(args)
    if size is None and given:
        size = given.pop()
    if high is not None:
        given = [*([] if low is None else [low]), *given, high]
    if not 1 <= len(given) <= 2 or not isinstance(size, (tuple, list)):
        got = ", ".join(map(describe, [*given, size]))
        raise KindError(
            "randint(low, high, size): expected (high, size) or (low, high, size), "
            f"got {got}\n  size is a tuple: randint(0, 10, (3,))"
        )
    first, last = (_number(v, "randint") for v in ([0, *given] if len(given) == 1 else given))
    shape = _shape(tuple(size))
    span = {"low": first, "high": last}
    return _drawn(_integers, _draw_integers, shape, generator, dtype, device, requires_grad, **span)


@_takes_out
def randperm(
    n: int, *, generator: Generator | None = None, dtype: DType = dtypes.int64, device: Any = None
) -> Tensor:
    """The numbers 0 to n - 1 in random order."""
    return _drawn(_order, _draw_order, _shape((n,), "n"), generator, dtype, device)


def rand_like(
    input: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform numbers in the shape, dtype and device of ``input``."""
    options = _like(input, dtype, device, requires_grad)
    return rand(tuple(input.shape), **options)


def randn_like(
    input: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Normal numbers in the shape, dtype and device of ``input``."""
    options = _like(input, dtype, device, requires_grad)
    return randn(tuple(input.shape), **options)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers in the shape, dtype and device of ``input``: from low, or 0, to below high."""
    options = _like(input, dtype, device, requires_grad)
    bounds = (0, low) if high is None else (low, high)
    return randint(*bounds, tuple(input.shape), **options)


# Drawn with chances that are tensors -------------------------------------------------------


def _toss(generator: Generator, chances: Any) -> Any:
    """One coin for each entry; PyTorch draws as it does for many entries, also for a 0-d tensor."""
    flat = to_host(chances).reshape(-1)
    return generator.bernoulli(None, flat, flat.dtype.name).reshape(chances.shape)


def _chances_forward(xp: Any, input: Any) -> Any:
    return move(_toss(generators.drawing(), input), device_of(input))


_coins: Op = op(
    "bernoulli_each",
    "1 with the probability that the entry is, else 0: drawn anew at each call.",
    forward=_chances_forward,
    shape=lambda x: x,
    formula=(r"y \sim \operatorname{Bernoulli}(p)", r"\text{none}"),
    cost=per_entry(4),
    random=True,
    samples=[uniform(0.0, 1.0, 3, 4)],
)


def _weights_forward(xp: Any, input: Any, num_samples: int, replacement: bool) -> Any:
    draw = generators.drawing().multinomial
    found = np.ascontiguousarray(draw(to_host(input), num_samples, replacement))
    return move(found, device_of(input))


def _weights_shape(x: Spec, num_samples: int, replacement: bool) -> Spec:
    if x.ndim not in (1, 2):
        raise Mismatch(
            "the weights are no rows", f"expected shape (N,) or (rows, N), got {x.shape}"
        )
    return Spec((*x.shape[:-1], num_samples), np.dtype("int64"), x.device)


_picks: Op = op(
    "multinomial",
    "Indices drawn with chances in proportion to the weights: drawn anew at each call.",
    forward=_weights_forward,
    shape=_weights_shape,
    formula=(r"P(y = k) = w_k / \sum_i w_i", r"\text{none}"),
    cost=per_entry(8),
    random=True,
    samples=[sample(uniform(0.1, 1.0, 3, 4), num_samples=2, replacement=False)],
)


@public
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """1 with the probability that each entry is, else 0; with ``p``, that one for all entries.

    PyTorch's CPU numbers for the same seed.
    """
    _need_float("bernoulli", input)
    with no_grad():
        if p is not None:
            if current().tracing:
                current().refuse("bernoulli with p", "use bernoulli(full_like(x, p))")
            shape = tuple(input.shape)
            drawn = _generator(generator).bernoulli(shape, p, input.dtype.name)
            return _made(drawn, input.device, False)
        if generator is None:
            out: Tensor = _coins(input)
            return out
        if current().tracing:
            _no_generator(generator)
        return _made(_toss(generator, input.array), input.device, False)


@public
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Indices drawn with chances in proportion to the weights, which need not add up to 1.

    Shapes: weights ``(N,)`` give int64 ``(num_samples,)``, ``(rows, N)`` give
    ``(rows, num_samples)``. PyTorch's CPU numbers for the same seed.

    >>> multinomial(eye(2), 1)
    tensor([[0],
            [1]])
    """
    _need_float("multinomial", input)
    with no_grad():
        if generator is None:
            out: Tensor = _picks(input, num_samples=num_samples, replacement=replacement)
            return out
        if current().tracing:
            _no_generator(generator)
        weights = to_host(input.array)
        found = generator.multinomial(weights, num_samples, replacement)
        return _made(np.ascontiguousarray(found), input.device, False)


# Like a tensor that is there ---------------------------------------------------------------


def _new(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def method(
        self: Tensor,
        *args: Any,
        dtype: DType | None = None,
        device: Any = None,
        requires_grad: bool = False,
        **kwargs: Any,
    ) -> Tensor:
        options = _like(self, dtype, device, requires_grad)
        return function(*args, **kwargs, **options)

    method.__name__ = f"new_{function.__name__}"
    method.__doc__ = (
        f"The function ``{function.__name__}`` with the dtype and device of this tensor."
    )
    return method


# Overwriting with random numbers -----------------------------------------------------------


def _overwrite(self: Tensor, drawn: Tensor) -> Tensor:
    return current().update(e.copy, self, (self, drawn), {})


def _in_place(
    name: str, row: Op, draw: Callable[..., Any], doc: str, names: tuple[str, ...], defaults: Any
) -> Callable[..., Tensor]:
    def method(
        self: Tensor, *args: Any, generator: Generator | None = None, **kwargs: Any
    ) -> Tensor:
        if len(args) > len(names) or set(kwargs) - set(names[len(args) :]):
            raise KindError(f"{name}: expected {', '.join(names)} and generator")
        _need_float(name, self)
        law = {**dict(zip(names, defaults, strict=True)), **kwargs}
        law |= dict(zip(names, args, strict=False))
        rest = {k: float(_number(v, k)) for k, v in law.items()}
        return _overwrite(
            self,
            _drawn(row, draw, tuple(self.shape), generator, self.dtype, self.device, False, **rest),
        )

    method.__name__, method.__doc__ = name, doc
    return method


def _draw_between(generator: Generator, shape: Any, dtype: str, **ends: float) -> Any:
    return generator.uniform(shape, ends["from"], ends["to"], dtype=dtype)


def _draw_whole(generator: Generator, shape: Any, dtype: str) -> Any:
    return generator.whole(shape, dtype)


def _draw_times(generator: Generator, shape: Any, dtype: str, lambd: float) -> Any:
    return generator.exponential(shape, lambd, dtype)


_between = _drawing(
    "uniform",
    "Uniform numbers from one end to below the other: drawn anew at each call.",
    r"y \sim U[a, b)",
    _draw_between,
    [sample(shape=(3, 4), dtype="float32", device="cpu", **{"from": -1.0, "to": 2.0})],
)
_whole = _drawing(
    "random",
    "Whole numbers from 0 to the largest that the dtype holds: drawn anew at each call.",
    r"y \sim U\{0, \dots, 2^k - 1\}",
    _draw_whole,
    [sample(shape=(3, 4), dtype="int64", device="cpu")],
)
_times = _drawing(
    "exponential",
    "Waiting times with mean 1 / lambd: drawn anew at each call.",
    r"y \sim \operatorname{Exp}(\lambda)",
    _draw_times,
    [sample(shape=(3, 4), dtype="float32", device="cpu", lambd=2.0)],
)


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Overwrite each entry with 1 with probability ``p``, a number or a tensor, else with 0."""
    if isinstance(p, Tensor):
        with no_grad():
            return _overwrite(self, bernoulli(p.expand(self.shape), generator=generator))
    if current().tracing:
        _no_generator(generator)
        row = random_ops.bernoulli
        place = str(self.device)
        drawn = row(shape=tuple(self.shape), p=p, dtype=self.dtype.name, device=place)
    else:
        found = _generator(generator).bernoulli(tuple(self.shape), p, self.dtype.name)
        drawn = _made(found, self.device, False)
    return _overwrite(self, drawn)


def random_(
    self: Tensor, low: int = 0, high: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with integers: ``random_(high)`` from 0, ``random_(low, high)`` to below high."""
    shape = tuple(self.shape)
    options: tuple[Any, ...] = (shape, generator, self.dtype, self.device, False)
    if high is None and low == 0:
        return _overwrite(self, _drawn(_whole, _draw_whole, *options))
    ends: dict[str, Any] = {"low": 0, "high": low} if high is None else {"low": low, "high": high}
    return _overwrite(self, _drawn(_integers, _draw_integers, *options, **ends))


_METHODS: dict[str, Callable[..., Any]] = {
    "bernoulli": bernoulli,
    "multinomial": multinomial,
    "bernoulli_": bernoulli_,
    "random_": random_,
    "normal_": _in_place(
        "normal_",
        _normal,
        _draw_normal,
        "Overwrite with normal numbers of a mean and a deviation.",
        ("mean", "std"),
        (0.0, 1.0),
    ),
    "uniform_": _in_place(
        "uniform_",
        _between,
        _draw_between,
        "Overwrite with uniform numbers from one end to below the other.",
        ("from", "to"),
        (0.0, 1.0),
    ),
    "exponential_": _in_place(
        "exponential_",
        _times,
        _draw_times,
        "Overwrite with waiting times of mean ``1 / lambd``.",
        ("lambd",),
        (1.0,),
    ),
    **{f"new_{f.__name__}": _new(f) for f in (zeros, ones, empty, full, tensor)},
}
for _name, _method in _METHODS.items():
    setattr(Tensor, _name, _method)

__all__ = [
    "arange",
    "bernoulli",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "make",
    "multinomial",
    "normal",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "tril_indices",
    "triu_indices",
    "zeros",
    "zeros_like",
]
