"""What makes a tensor one of TensorFlow's: how it prints, its shape, its strictness.

``tf.Tensor`` is the tensor of the engine under another class with the same memory: what an op gives
is handed to ``styled``, which changes the class and copies nothing. It prints as TensorFlow's, its
operators cast nothing, and its other methods are the engine's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..device import CUDA, Device, to_host
from ..dtypes import FLOAT
from ..errors import ArgumentError, KindError, TraceError, describe
from ..graph.trace import Symbol
from ..op import INTERPRETER, current
from ..ops import FUNCTIONS
from ..tape import NUMBERS
from ..tensor import NO_GRAD, Size, fit, make
from ..tensor import Tensor as Plain
from ..tensor.tensor import from_python, has_numpy, origin, refuse_trace
from . import dtypes
from .dtypes import DType, as_dtype
from .errors import OperatorNotAllowedInGraphError, both, retells

F = TypeVar("F", bound=Callable[..., Any])
_ROOT = str(Path(__file__).parents[1]) + "/"


class TensorShape(Size):
    """Sizes of the dimensions; None is a size that may change.

    >>> shape = TensorShape([None, 3])
    >>> shape, str(shape), shape[1], shape.as_list(), shape.is_fully_defined()
    (TensorShape([None, 3]), '(None, 3)', 3, [None, 3], False)
    """

    __slots__ = ()

    def __new__(cls, dims: Any = ()) -> Any:
        """From a list, a tuple or one size."""
        if dims is None:
            raise ArgumentError("TensorShape(None): a number of dimensions is needed here")
        return super().__new__(cls, (dims,) if isinstance(dims, int) else dims)

    @property
    def rank(self) -> int:
        """How many dimensions."""
        return len(self)

    ndims = rank

    @property
    def dims(self) -> list[Any]:
        """The sizes in a list."""
        return [*self]

    def as_list(self) -> list[Any]:
        """The sizes in a list."""
        return [*self]

    def num_elements(self) -> Any:
        """How many entries; None where a size is open."""
        return self.numel() if self.is_fully_defined() else None

    def is_fully_defined(self) -> bool:
        """Whether all sizes are known."""
        return None not in tuple(self)

    def is_compatible_with(self, other: Any) -> bool:
        """Whether both can be the shape of one tensor: None fits every size."""
        pairs = zip(self, TensorShape(other), strict=False)
        return len(self) == len(TensorShape(other)) and all(
            a is None or b is None or a == b for a, b in pairs
        )

    def concatenate(self, other: Any) -> TensorShape:
        """These sizes and then those."""
        return TensorShape((*self, *TensorShape(other)))

    def __add__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def __radd__(self, other: Any) -> TensorShape:
        return TensorShape((*other, *self))

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return TensorShape(found) if isinstance(index, slice) else found

    def __eq__(self, other: object) -> bool:
        return tuple(self) == (tuple(other) if isinstance(other, list) else other)

    def __hash__(self) -> int:
        return tuple.__hash__(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorShape, (tuple(self),)

    def __str__(self) -> str:
        return str(tuple(self))

    def __repr__(self) -> str:
        return f"TensorShape({[*self]})"


class Place(str):
    """The name that TensorFlow has for a device, which the engine takes for its own.

    >>> Place(Device("cuda")), Device("cpu") == Place(Device("cpu"))
    ('/job:localhost/replica:0/task:0/device:GPU:0', True)
    """

    __slots__ = ()

    def __new__(cls, device: Device) -> Any:
        """The name of a device of the engine."""
        kind = "GPU" if device.type == CUDA.type else "CPU"
        where = f"/job:localhost/replica:0/task:0/device:{kind}:{device.index or 0}"
        return super().__new__(cls, where)

    @property
    def type(self) -> str:
        """ "cpu" or "cuda"."""
        return Device(str(self)).type

    @property
    def index(self) -> Any:
        """The number of the GPU, None on the CPU."""
        return Device(str(self)).index


class Styled(Plain):
    """What tensors and variables of TensorFlow's have in common. ``math.py`` adds operators."""

    __slots__ = ()

    @property
    def shape(self) -> TensorShape:
        """Sizes of the dimensions."""
        return TensorShape(super().shape)

    def get_shape(self) -> TensorShape:
        """Sizes of the dimensions."""
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Say what the shape is; ArgumentError where it is another one."""
        if not self.shape.is_compatible_with(shape):
            raise ArgumentError(
                f"set_shape(shape): got {tuple(shape)}\n  tensor  {self.spec}\n"
                "  expected the shape that it has: tf.reshape(x, shape) gives another one"
            )

    @property
    def dtype(self) -> DType:
        """The data type."""
        return as_dtype(super().dtype)

    @property
    def device(self) -> Any:
        """Where the entries are, as TensorFlow calls the place."""
        return Place(super().device)

    def ref(self) -> Any:
        """Something that can be the key of a dict; here the tensor itself can be one, too."""
        return _Reference(self)

    def numpy(self, *, force: bool = False) -> Any:
        """The entries as a NumPy array, which shares the memory; one number as a NumPy number."""
        refuse_trace(".numpy()", "return the tensor and call .numpy() outside")
        return to_host(self.array)[()]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = np.asarray(self.numpy(), dtype)
        return array.copy() if copy else array

    def detach(self) -> Any:
        """The same entries without history."""
        return styled(super().detach())

    def __len__(self) -> int:
        if not self.ndim:
            raise KindError("len(x): a tensor of shape () has no len()\n  expected a dimension")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise KindError(
                "for ... in x: a tensor of shape () cannot be iterated over\n"
                "  expected a dimension\n  float(x) gives its number"
            )
        return (styled(self[i]) for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.spec.size == 1:
            return bool(super().__bool__())
        raise ArgumentError(
            f"bool(x): the truth of {self.spec.size} entries is not clear\n  x  {self.spec}\n"
            "  expected one entry\n  use tf.reduce_all(x) or tf.reduce_any(x)"
        )

    def __format__(self, spec: str) -> str:
        if self.ndim == 0 and not current().tracing:
            return format(self.numpy(), spec)
        return super().__format__(spec) if spec else str(self)

    @property
    def values_text(self) -> str:
        """The entries as the representation of a tensor shows them."""
        array = to_host(self.array)
        text = repr(array.item()) if not array.ndim else repr(array)
        if array.ndim == 0 and array.dtype.kind == "f":
            text = str(array[()])
        return ("\n" if "\n" in text else "") + text


class _Reference:
    """A tensor as the key of a dict."""

    def __init__(self, x: Styled) -> None:
        self._x = x

    def deref(self) -> Styled:
        """The tensor."""
        return self._x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reference) and self._x is other._x

    def __hash__(self) -> int:
        return id(self._x)


class Tensor(Styled):
    """A tensor of TensorFlow's: ``tf.constant(2.0)``, or what a function of ``tf`` gives."""

    __slots__ = ()


class EagerTensor(Tensor):
    """A tensor with entries.

    >>> constant(2.0)
    <tf.Tensor: shape=(), dtype=float32, numpy=2.0>
    >>> print(constant([1, 2]))
    tf.Tensor([1 2], shape=(2,), dtype=int32)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        head = f"<tf.Tensor: shape={self.shape}, dtype={self.dtype.name}"
        return f"{head}, numpy={self.values_text}>"

    def __str__(self) -> str:
        text = str(to_host(self.array)[()])
        return (
            f"tf.Tensor({chr(10) if chr(10) in text else ''}{text}, shape={self.shape}, "
            f"dtype={self.dtype.name})"
        )


class Sizes(EagerTensor):
    """What ``tf.shape`` gives: numbers that are known while a graph is traced, too."""

    __slots__ = ()

    @classmethod
    def of(cls, array: Any) -> Sizes:
        """Around an array or a number of whole numbers."""
        made = make(np.asarray(array))
        made.__class__ = cls
        return made  # type: ignore[return-value]

    def numpy(self, *, force: bool = False) -> Any:
        """The numbers as an array."""
        return self.array[()]

    def __iter__(self) -> Iterator[Any]:
        return (Sizes.of(n) for n in self.array)

    def __int__(self) -> int:
        return int(self.array)

    __index__ = __int__


class SymbolicTensor(Tensor, Symbol):
    """A tensor of a graph that is being traced: it has no entries yet."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """``add:0``, by the op that makes it, or the name of an argument."""
        made = next((e.op.name for e in self.builder.equations if e.out is self.variable), "Const")
        return f"{self.variable.name or made}:0"

    def numpy(self, *, force: bool = False) -> Any:
        """There is no value yet: an error that says what to do."""
        try:
            return super().numpy()
        except TraceError as error:
            raise _NoValue(*error.args) from None

    def __bool__(self) -> bool:
        try:
            return Symbol.__bool__(self)
        except TraceError as error:
            text = str(error).replace("lab.cond or lab.while_loop", "tf.cond or tf.while_loop")
            raise OperatorNotAllowedInGraphError(
                text.replace("use where", "use tf.where")
            ) from None

    def __repr__(self) -> str:
        return f"<tf.Tensor '{self.label}' shape={self.shape} dtype={self.dtype.name}>"

    def __str__(self) -> str:
        return f'Tensor("{self.label}", shape={self.shape}, dtype={self.dtype.name})'

    def __format__(self, spec: str) -> str:
        return str(self)


class _NoValue(TraceError, AttributeError, NotImplementedError):
    """A value of a graph that is being traced."""


def styled(x: Any) -> Any:
    """What an op of the engine gave, as a tensor of TensorFlow's: the same object."""
    kind = x.__class__
    if kind is Plain:
        x.__class__ = EagerTensor
    elif kind is Symbol:
        x.__class__ = SymbolicTensor
    elif kind is tuple or kind is list:
        return kind(map(styled, x))
    elif kind is dict:
        return {k: styled(v) for k, v in x.items()}
    elif isinstance(x, tuple) and hasattr(x, "_fields"):
        return kind(*map(styled, x))
    return x


def styles(function: F) -> F:
    """The function, with tensors of TensorFlow's as its results."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return styled(function(*args, **kwargs))

    return call  # type: ignore[return-value]


@contextmanager
def plainly() -> Iterator[None]:
    """Compute with real values and no tape, also where a graph is being traced."""
    token = INTERPRETER.set(NO_GRAD)
    try:
        yield
    finally:
        INTERPRETER.reset(token)


def from_learner(depth: int = 2) -> bool:
    """Whether a call came from outside of this package, whose own code is not held to the rules."""
    return not sys._getframe(depth).f_code.co_filename.startswith(_ROOT)


# The device of new tensors, of which the block of tf.device says it.
PLACE: ContextVar[Device | None] = ContextVar("place", default=None)


def here(x: Any) -> Any:
    """A new tensor on the device of the ``tf.device`` block around."""
    place = PLACE.get()
    return x if place is None else styled(current().move(x, place))


# Making tensors ----------------------------------------------------------------------------


def as_tensor(value: Any, dtype: Any = None, like: Any = None) -> Any:
    """``value`` as a tensor.

    Python's floats become float32 and its whole numbers int32, arrays of NumPy keep their dtype,
    unless ``dtype`` says another one. ``like`` is a dtype for what no dtype was asked for and can
    take it: that of the other tensor of an operator.
    """
    if isinstance(value, Plain):
        if dtype is not None and as_dtype(dtype) != value.dtype:
            raise ArgumentError(
                f"a tensor of {value.dtype.name} was given where {as_dtype(dtype).name} is asked "
                f"for\n  tensor  {value.spec}  {origin(value)}".rstrip()
                + f"\n  expected {as_dtype(dtype).name}\n  tf.cast(x, "
                f"tf.{as_dtype(dtype).name}) converts"
            )
        return value
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(value, list | tuple) and _holds_tensor(value):
        kind = wanted or next(_tensors(value)).dtype
        return styled(FUNCTIONS["stack"]([as_tensor(v, kind) for v in value]))
    return here(styled(current().constant(_array(value, wanted, like))))


def _array(value: Any, dtype: DType | None, like: Any) -> np.ndarray[Any, Any]:
    if value is None or isinstance(value, str | bytes | dict | set) or callable(value):
        kind = both(KindError, ArgumentError) if value is None else KindError
        raise kind(
            f"a tensor was expected, got {describe(value)}\n"
            "  expected a number, nested lists of numbers, a NumPy array or a tensor"
            + ("\n  a function without return gives None" if value is None else "")
        )
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        wanted = dtype or (None if like is None else as_dtype(like))
        target = as_dtype(array.dtype) if wanted is None else wanted
        return array.astype(target.np)  # a copy: the tensor is not changed by the array
    array = from_python(value)
    if has_numpy(value) and dtype is None:
        return array.astype(as_dtype(array.dtype).np)
    if dtype is None:
        dtype = None if like is None else as_dtype(like)
        if dtype is None or _rank(array.dtype.kind) > dtype.kind:
            dtype = _default(array)
    if _rank(array.dtype.kind) > dtype.kind or (array.dtype.kind == "b") != (dtype.kind == 0):
        raise KindError(
            f"{describe(value)} cannot become a tensor of {dtype.name}\n"
            f"  value     {value!r}\n  expected  numbers that {dtype.name} holds\n"
            f"  choose another dtype, or convert: tf.cast(x, tf.{dtype.name})"
        )
    return fit(array, dtype.np, "a tensor")


def _rank(kind: str) -> int:
    return {"b": 0, "i": 1, "u": 1}.get(kind, FLOAT)


def _default(array: np.ndarray[Any, Any]) -> DType:
    if array.dtype.kind == "f":
        return dtypes.float32
    if array.dtype.kind == "b":
        return dtypes.bool_
    fits = not array.size or (array.min() >= -(2**31) and array.max() < 2**31)
    return dtypes.int32 if fits else dtypes.int64


def _holds_tensor(value: Any) -> bool:
    return next(_tensors(value), None) is not None


def _tensors(value: Any) -> Iterator[Any]:
    for v in value:
        if isinstance(v, Plain):
            yield v
        elif isinstance(v, list | tuple):
            yield from _tensors(v)


@retells
def constant(value: Any, dtype: Any = None, shape: Any = None, name: str = "Const") -> Any:
    """A tensor of a number, of nested lists or of an array; ``shape`` puts the entries into one.

    >>> constant([[1, 2], [3, 4]], dtype=dtypes.float32)
    <tf.Tensor: shape=(2, 2), dtype=float32, numpy=
    array([[1., 2.],
           [3., 4.]], dtype=float32)>
    """
    made = as_tensor(value, dtype)
    if shape is not None and tuple(shape) != tuple(made.shape):
        full = made.expand(tuple(shape)).clone() if made.numel() == 1 else made.reshape(*shape)
        made = styled(full)
    if name != "Const" and not made.name and made.node is None:
        made.name = name
    return made


@retells
def convert_to_tensor(
    value: Any, dtype: Any = None, dtype_hint: Any = None, name: str | None = None
) -> Any:
    """``value`` as a tensor: one itself, a number, lists, an array of NumPy."""
    return as_tensor(value, dtype, dtype_hint)


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a tensor or a variable.

    >>> is_tensor(1), is_tensor(constant(1))
    (False, True)
    """
    return isinstance(x, Plain)


def is_number(x: Any) -> bool:
    """Whether ``x`` is a number of Python."""
    return x.__class__ in NUMBERS
