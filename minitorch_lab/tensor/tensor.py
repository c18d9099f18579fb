"""Tensor, and how one is made."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..device import (
    NAMESPACES,
    Device,
    default_device,
    device_of,
    is_pinned,
    move,
    moved_by,
    pin,
    to_host,
    why_no_cuda,
)
from ..device.copies import Source
from ..dtypes import DType
from ..errors import (
    ArgumentError,
    ComputeError,
    DeviceError,
    DTypeError,
    GradError,
    KindError,
    ShapeError,
    describe,
)
from ..op import (
    Spec,
    checked,
    current,
)
from ..ops import elementwise as e
from ..ops import movement
from ..printing import tensor_text
from ..tape import (
    NUMBERS,
    SCOPE,
    Node,
    location,
    tick,
)

TYPES = {  # the older names of tensors, by dtype
    dtypes.bool_: "BoolTensor",
    dtypes.uint8: "ByteTensor",
    dtypes.int8: "CharTensor",
    dtypes.int16: "ShortTensor",
    dtypes.int32: "IntTensor",
    dtypes.int64: "LongTensor",
    dtypes.float16: "HalfTensor",
    dtypes.float32: "FloatTensor",
    dtypes.float64: "DoubleTensor",
}
_new = object.__new__


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple that prints as PyTorch's does.

    >>> Size((2, 3)), Size((2, 3)).numel()
    (Size([2, 3]), 6)
    """

    __slots__ = ()

    def numel(self) -> int:
        """How many entries a tensor of this shape has."""
        count = 1
        for n in self:
            count *= n
        return count

    def __repr__(self) -> str:
        return f"Size({list(self)})"


class Tensor:
    """An array on a device that remembers how it was computed.

    Make one with ``lab.tensor(...)``. The array itself is ``x.array``; ``x.node`` is the op that
    made it, None for a leaf.

    >>> x = tensor(2.0, requires_grad=True)
    >>> y = x**2 + 2 * x + 1
    >>> y.backward()
    >>> x.grad
    tensor(6.)
    """

    __slots__ = (
        "__weakref__", "_grad", "_hooks", "array", "name", "node", "requires_grad", "version",
    )  # fmt: skip
    __array_ufunc__ = None  # so that array * tensor asks the tensor

    array: Any
    requires_grad: bool
    node: Node | None
    # [the time of the last in-place change], shared by views; then who was looked into first,
    # where that was not recorded
    version: list[Any]
    name: str | None
    _grad: Tensor | None
    _hooks: dict[Any, Callable[[Any], Any]]  # of a leaf; unset until the first one

    def __init__(self, *data: Any, requires_grad: bool = False) -> None:
        """Sizes give zeros; a list, an array or a tensor gives its entries, as floats."""
        made = from_sizes_or_data(data).array
        self.array = made.astype(dtypes.get_default_dtype().np) if made.dtype.kind != "f" else made
        self._grad = self.node = self.name = None
        self.version = [0]
        self.requires_grad = requires_grad

    if TYPE_CHECKING:  # brackets.py, backward.py and methods.py add these
        __add__: Callable[[Tensor, Any], Tensor]
        __radd__: Callable[[Tensor, Any], Tensor]
        __sub__: Callable[[Tensor, Any], Tensor]
        __rsub__: Callable[[Tensor, Any], Tensor]
        __mul__: Callable[[Tensor, Any], Tensor]
        __rmul__: Callable[[Tensor, Any], Tensor]
        __truediv__: Callable[[Tensor, Any], Tensor]
        __rtruediv__: Callable[[Tensor, Any], Tensor]
        __pow__: Callable[[Tensor, Any], Tensor]
        __rpow__: Callable[[Tensor, Any], Tensor]
        __matmul__: Callable[[Tensor, Any], Tensor]
        __rmatmul__: Callable[[Tensor, Any], Tensor]
        __neg__: Callable[[Tensor], Tensor]
        __abs__: Callable[[Tensor], Tensor]
        __invert__: Callable[[Tensor], Tensor]
        retains_grad: property

        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

    # What it is ----------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """Sizes of the dimensions."""
        return Size(self.array.shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    @property
    def ndim(self) -> int:
        """How many dimensions."""
        return len(self.shape)

    def dim(self) -> int:
        """How many dimensions."""
        return self.ndim

    ndimension = dim

    def numel(self) -> int:
        """How many entries."""
        return self.shape.numel()

    nelement = numel

    @property
    def itemsize(self) -> int:
        """Bytes of one entry."""
        return self.dtype.itemsize

    def element_size(self) -> int:
        """Bytes of one entry."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all entries."""
        return self.spec.nbytes

    def is_floating_point(self) -> bool:
        """Whether the entries are floating point numbers."""
        return self.dtype.is_floating_point

    def is_signed(self) -> bool:
        """Whether the dtype holds negative numbers."""
        return self.dtype.np.kind in "if"

    def is_complex(self) -> bool:
        """False: there are no complex numbers here."""
        return False

    def is_same_size(self, other: Tensor) -> bool:
        """Whether both have the same shape."""
        return self.shape == other.shape

    @property
    def dtype(self) -> DType:
        """The data type."""
        return dtypes.dtype_of(self.array.dtype)

    @property
    def device(self) -> Device:
        """Where the entries are."""
        return device_of(self.array)

    @property
    def spec(self) -> Spec:
        """Shape, dtype and device in one."""
        array = self.array
        return Spec(tuple(array.shape), array.dtype, self.device.type)

    def _moved_by(self) -> Source:
        """The line that copied it from another device, if that is how it was made."""
        return moved_by(self.array)

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the learner rather than computed from a tensor with gradient."""
        return self.node is None

    @property
    def is_cuda(self) -> bool:
        """Whether it is on a GPU."""
        return self.device.type == "cuda"

    @property
    def grad_fn(self) -> Node | None:
        """The op that made this tensor, None for a leaf."""
        return self.node

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward() has added up here; None before."""
        interpreter = current()
        found: Tensor | None = interpreter.get_grad(self) if interpreter.tracing else self._grad
        if found is None and self.node is not None and self.requires_grad and not self.retains_grad:
            warnings.warn(_not_kept(self), UserWarning, stacklevel=2)
        return found

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise KindError(f"grad: expected a tensor or None, got {describe(value)}")
        interpreter = current()
        if interpreter.tracing:
            interpreter.set_grad(self, value)
            return
        if value is not None and value.shape != self.shape:
            raise ShapeError(
                f"grad: the shapes differ\n  tensor    {self.spec}\n  gradient  {value.spec}\n"
                f"  expected {tuple(self.shape)}"
            )
        if value is not None and type(value.array) is not type(self.array):
            raise DeviceError(
                f"grad: the tensors are on different devices\n  tensor    {self.spec}\n"
                f"  gradient  {value.spec}\n  expected both on one device\n"
                "  move it with gradient.to(tensor.device)"
            )
        self._grad = value

    @property
    def _version(self) -> Any:
        """0, or the time of the last in-place change: what is greater than before has changed."""
        return self.version[0]

    @property
    def data(self) -> Tensor:
        """The same memory as a tensor without history."""
        return make(self.array)

    @data.setter
    def data(self, value: Tensor) -> None:
        refuse_trace("assigning to .data", "use copy_() under no_grad()")
        self.array = value.array
        self.version = [tick()]

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order: the transpose of a matrix."""
        return movement.permute(self, tuple(reversed(range(self.ndim))))

    @property
    def H(self) -> Tensor:
        """The transpose of a matrix: there are no complex numbers to conjugate."""
        return movement.t(self)

    @property
    def mH(self) -> Tensor:
        """The last two dimensions swapped."""
        return movement.adjoint(self)

    @property
    def mT(self) -> Tensor:
        """The last two dimensions swapped."""
        return movement.transpose(self, -1, -2)

    # Values --------------------------------------------------------------------------------

    def item(self) -> Any:
        """The one number as a Python number."""
        refuse_trace(".item()", "return the tensor and call .item() outside")
        if self.array.size != 1:
            raise ComputeError(
                f"item(): a tensor with {self.array.size} entries is not one number\n"
                f"  tensor  {self.spec}\n  expected one entry\n  pick one by index, or use tolist()"
            )
        return _here(self.array).item()

    def tolist(self) -> Any:
        """The entries as nested Python lists."""
        refuse_trace(".tolist()", "return the tensor and read it outside")
        return _here(self.array).tolist()

    def stride(self, dim: int | None = None) -> Any:
        """How many entries apart neighbours along each dimension lie in memory."""
        steps = tuple(step // self.array.itemsize for step in self.array.strides)
        return steps if dim is None else steps[dim]

    def storage_offset(self) -> Any:
        """How many entries of the memory that it views lie before its first one."""
        base = self.array if self.array.base is None else self.array.base
        refuse_trace(".storage_offset()", "ask outside")
        return (self.data_ptr() - make(base).data_ptr()) // self.array.itemsize

    def data_ptr(self) -> Any:
        """The address of the first entry: tensors that share memory can be told by it."""
        refuse_trace(".data_ptr()", "ask outside")
        if self.is_cuda:
            return int(self.array.data.ptr)
        return int(self.array.__array_interface__["data"][0])

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The NumPy array, which shares the memory; the tensor must be on the CPU.

        With ``force`` it is detached and copied from the GPU where that is needed.
        """
        refuse_trace(".numpy()", "return the tensor and call .numpy() outside")
        if force:
            return to_host(self.array)
        if self.requires_grad:
            raise GradError(
                "numpy(): the array would lose the history of this tensor\n"
                f"  tensor  {self.spec}  requires_grad=True\n"
                "  expected a tensor without gradient\n  use .detach().numpy()"
            )
        if self.is_cuda:
            raise KindError(
                f"numpy(): the tensor is on {self.device}\n  use .cpu().numpy(), which copies it"
            )
        array: np.ndarray[Any, Any] = self.array
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.detach().numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __bool__(self) -> bool:
        refuse_trace("a branch on a value", "use where(condition, a, b)")
        if self.array.size != 1:
            raise ComputeError(
                f"the truth of a tensor with {self.array.size} entries is not clear\n"
                f"  tensor  {self.spec}\n  use .all() or .any()"
            )
        return bool(_here(self.array).item())

    def __float__(self) -> float:
        return float(self._one("float"))

    def __int__(self) -> int:
        return int(self._one("int"))

    def _one(self, what: str) -> Any:
        if self.spec.size != 1:
            raise ArgumentError(
                f"{what}(tensor): a tensor with {self.spec.size} entries is not one number\n"
                f"  tensor  {self.spec}\n  expected one entry\n  pick one by index"
            )
        return self.item()

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iub" or self.array.size != 1:
            raise KindError(f"only a tensor of one integer can be an index, got {self.spec}")
        return int(self.item())

    def __len__(self) -> int:
        if not self.ndim:
            raise KindError("len() of a 0-d tensor: it has no first dimension")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise KindError("a 0-d tensor cannot be iterated over: .item() gives its number")
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())

    def __repr__(self) -> str:
        array = to_host(self.array)
        suffixes = []
        if self.is_cuda:
            suffixes.append(f"device='{self.device}'")
        plain = (dtypes.get_default_dtype().np, np.dtype("int64"), np.dtype(bool))
        if array.dtype not in plain or (not array.size and array.dtype.kind != "f"):
            suffixes.append(f"dtype={self.dtype!r}")
        if self.node is not None and self.requires_grad:
            suffixes.append(f"grad_fn=<{self.node.name()}>")
        elif self.requires_grad:
            suffixes.append("requires_grad=True")
        return tensor_text(array, suffixes)

    def __format__(self, spec: str) -> str:
        if self.ndim == 0 and type(self) is Tensor and not current().tracing:
            return format(self.item(), spec)
        if spec:
            raise KindError(
                f"format(tensor, {spec!r}): {self.numel()} entries are not one number\n"
                f"  tensor  {self.spec}\n  expected shape ()\n"
                "  pick one by index, or leave the format out to print all"
            )
        return str(self)

    def __hash__(self) -> int:
        return id(self)

    def __reduce__(self) -> Any:  # for pickle, and for the processes of other libraries
        if self.node is not None:
            raise GradError("only leaf tensors can be pickled; use .detach()")
        return _unpickled, (type(self), self.array, self.requires_grad)

    def __reversed__(self) -> Iterator[Tensor]:
        return (self[i] for i in reversed(range(len(self))))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self.node is not None:
            raise GradError("only leaf tensors can be deep-copied; use .detach().clone()")
        twin = _new(type(self))
        twin.array, twin.requires_grad = self.array.copy(), self.requires_grad
        twin.node, twin.version, twin.name = None, [0], self.name
        twin._grad = None if self._grad is None else make(self._grad.array.copy())
        memo[id(self)] = twin
        return twin

    # Gradients -----------------------------------------------------------------------------

    def detach(self) -> Tensor:
        """The same memory without history: no gradient flows through it."""
        return current().detach(self)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set whether backward() shall add up a gradient here."""
        if requires_grad:
            need_float(self.dtype.np)
        elif self.node is not None:
            raise GradError("requires_grad can be taken from leaves only; use .detach()")
        self.requires_grad = requires_grad
        return self

    # Other dtypes and devices --------------------------------------------------------------

    def to(
        self,
        *targets: Any,
        dtype: DType | None = None,
        device: Any = None,
        non_blocking: Any = False,
        copy: Any = False,
    ) -> Tensor:
        """The tensor as another dtype, on another device, or like another tensor.

        Itself where nothing changes, unless ``copy``. With ``non_blocking`` a copy from pinned
        memory to a GPU goes on while Python does, and so does one to the CPU, whose numbers are
        there after ``lab.cuda.synchronize()`` only.

        >>> tensor([1, 2]).to(dtypes.float32)
        tensor([1., 2.])
        """
        for target in targets:
            if isinstance(target, Tensor):
                dtype, device = target.dtype, target.device
            elif isinstance(target, (str, Device)):
                device = target
            else:
                dtype = dtypes.dtype_of(target)
        out = self
        if device is not None:
            out = current().move(out, Device(device), bool(non_blocking))
        if dtype is not None and dtypes.dtype_of(dtype) != out.dtype:
            out = e.to_dtype(out, dtype)
        return out.clone() if copy and out is self else out

    def cpu(self) -> Tensor:
        """The tensor on the CPU."""
        return self.to(device="cpu")

    def cuda(self, device: Any = None, non_blocking: Any = False) -> Tensor:
        """The tensor on the GPU."""
        place = Device("cuda", device) if isinstance(device, int) else Device(device or "cuda")
        return self.to(device=place, non_blocking=non_blocking)

    def pin_memory(self, device: Any = None) -> Tensor:
        """A copy in memory that a GPU reads by itself; the tensor itself where there is no GPU.

        ``x.pin_memory().to("cuda", non_blocking=True)`` goes on while Python does.
        """
        refuse_trace(".pin_memory()", "pin what you give to the function")
        if self.is_cuda:
            raise DeviceError(
                f"pin_memory(): the tensor is on {self.device}\n  tensor  {self.spec}\n"
                "  expected a tensor on the CPU: its memory is what a GPU reads"
            )
        if self.is_pinned() or why_no_cuda() is not None:
            return self
        out = make(pin(self.array))
        out.requires_grad = self.requires_grad
        return out

    def is_pinned(self, device: Any = None) -> Any:
        """Whether it lies in memory that a GPU reads by itself."""
        refuse_trace(".is_pinned()", "ask outside")
        return is_pinned(self.array)

    @property
    def is_cpu(self) -> Any:
        """Whether it is on the CPU."""
        return self.device.type == "cpu"

    def get_device(self) -> Any:
        """The number of its GPU, -1 on the CPU."""
        index = self.device.index
        return -1 if index is None else index

    def type(self, dtype: Any = None, non_blocking: Any = False) -> Any:
        """The tensor as another dtype; without one, the name of this tensor's type."""
        if dtype is None:
            where = "lab.cuda" if self.is_cuda else "lab"
            return f"{where}.{TYPES[self.dtype]}"
        if isinstance(dtype, str):
            names = {name: kind for kind, name in TYPES.items()}
            dtype = names.get(dtype.split(".")[-1], dtype)
        return self.to(dtype=dtype)

    def float(self) -> Tensor:
        """The tensor as float32."""
        return self.to(dtype=dtypes.float32)

    def double(self) -> Tensor:
        """The tensor as float64."""
        return self.to(dtype=dtypes.float64)

    def long(self) -> Tensor:
        """The tensor as int64."""
        return self.to(dtype=dtypes.int64)

    def int(self) -> Tensor:
        """The tensor as int32."""
        return self.to(dtype=dtypes.int32)

    def short(self) -> Tensor:
        """The tensor as int16."""
        return self.to(dtype=dtypes.int16)

    def char(self) -> Tensor:
        """The tensor as int8."""
        return self.to(dtype=dtypes.int8)

    def byte(self) -> Tensor:
        """The tensor as uint8."""
        return self.to(dtype=dtypes.uint8)

    def half(self) -> Tensor:
        """The tensor as float16."""
        return self.to(dtype=dtypes.float16)

    def type_as(self, other: Tensor) -> Tensor:
        """The tensor as the dtype, and on the device, of another."""
        return self.to(other)

    def new(self, *data: Any) -> Tensor:
        """A tensor of this dtype: of zeros where sizes are given, else of these entries."""
        return from_sizes_or_data(data, self.dtype)

    def bool(self) -> Tensor:
        """The tensor as bool: whether each entry is not 0."""
        return self.to(dtype=dtypes.bool_)

    # In place ------------------------------------------------------------------------------

    def copy_(self, source: Any) -> Tensor:
        """Overwrite the entries with those of ``source``, which may broadcast."""
        source = (
            source
            if source.__class__ in NUMBERS or isinstance(source, Tensor)
            else tensor(source, device=self.device)
        )
        if isinstance(source, Tensor):  # also from another device
            source = current().move(source, self.device)
        return current().update(e.copy, self, (self, source), {})

    def fill_(self, value: Any) -> Tensor:
        """Overwrite every entry with one number."""
        return self.copy_(value)

    def fill_diagonal_(self, fill_value: Any, wrap: Any = False) -> Tensor:
        """Overwrite the entries whose places are equal in all dimensions with one number."""
        if self.ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1) or wrap:
            raise ComputeError(
                f"fill_diagonal_(): got shape {tuple(self.shape)}, wrap={wrap}\n"
                "  expected a matrix, or dimensions of one size, and wrap=False"
            )
        places = tensor(range(min(self.shape)), device=self.device)
        self[(places,) * self.ndim] = fill_value
        return self

    def zero_(self) -> Tensor:
        """Overwrite every entry with 0."""
        return self.copy_(0)


def _here(array: Any) -> Any:
    """An array whose numbers are read: on a GPU that is a copy."""
    return array if array.__class__ is np.ndarray else to_host(array)


def from_sizes_or_data(data: tuple[Any, ...], dtype: DType | None = None) -> Tensor:
    """What the older constructors take: ``Tensor(2, 3)`` is sizes, ``Tensor([2, 3])`` entries."""
    if all(isinstance(n, int) for n in data) or isinstance(data[0], Size):
        sizes = data[0] if data and isinstance(data[0], Size) else data
        if any(n < 0 for n in sizes):
            raise ComputeError(f"Tensor(sizes): expected sizes of 0 or more, got {sizes}")
        kind = dtypes.get_default_dtype() if dtype is None else dtype
        return make(np.zeros(sizes or (0,), kind.np))
    if len(data) > 1:
        raise KindError(
            f"Tensor(): expected sizes as ints, or one list or array, got {describe(data)}\n"
            "  use tensor([...])"
        )
    if dtype is None and isinstance(data[0], np.ndarray):
        return make(data[0])
    return tensor(data[0], dtype=dtype)


def _unpickled(kind: type[Tensor], array: Any, requires_grad: bool) -> Tensor:
    out = make(array)
    out.__class__ = kind
    out.requires_grad = requires_grad
    return out


def make(array: Any) -> Tensor:
    """A leaf tensor around an array, with no copy and no check."""
    out = _new(Tensor)
    out.array = array
    out.requires_grad = False
    out._grad = out.node = out.name = None
    out.version = [0]
    return out


def refuse_trace(what: str, remedy: str) -> None:
    """TraceError while a graph is traced: ``what`` needs a value that it does not have."""
    interpreter = current()
    if interpreter.tracing:
        interpreter.refuse(what, remedy)


def need_float(dtype: np.dtype[Any]) -> None:
    """GradError unless a tensor of ``dtype`` can have a gradient."""
    if dtype.kind != "f":
        raise GradError(
            f"requires_grad: a tensor of {dtype} cannot have a gradient\n"
            f"  dtype  {dtype}\n"
            "  expected a float dtype: integers do not change smoothly\n"
            "  write tensor([1., 2.]) with a point, or convert with .float()"
        )


def _not_kept(x: Tensor) -> str:
    return (
        "the .grad of a computed tensor is not kept: it is None\n"
        f"  tensor  {x.spec}  {origin(x)}\n"
        "  expected a leaf: a parameter, or tensor(..., requires_grad=True)\n"
        "  call .retain_grad() on it before backward(), or use autograd.grad(loss, x)"
    )


def origin(x: Any) -> str:
    """Where an input comes from, in a message."""
    if not isinstance(x, Tensor):
        return ""
    if x.node is None:
        if not x.name:
            return ""
        if type(x).__name__ != "Parameter":
            return f"'{x.name}'"
        path = SCOPE.get().split(".")[1:]  # below the outermost module, as in state_dict()
        return f"parameter '{'.'.join([*path, x.name])}'"
    where = location(x.node)
    scope = f" in {x.node.scope}" if x.node.scope else ""
    return f"from {x.node.op.name}{scope}" + (f", {where}" if where else "")


# Making tensors ----------------------------------------------------------------------------


@checked
def tensor(
    data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of ``data``: a number, nested lists, an array or a tensor.

    Floats become float32, ints int64; arrays keep their dtype.

    >>> tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    if isinstance(data, Tensor):
        refuse_trace("tensor(x) of a tensor", "use x.detach().clone()")
        array = data.array.copy()
    elif type(data) in NAMESPACES or isinstance(data, np.ndarray | np.generic):
        array = data.copy() if hasattr(data, "copy") else np.asarray(data)
        array = np.asarray(array) if isinstance(array, np.generic) else array
    else:
        array = from_python(data)
        if dtype is not None:
            array = fit(array, dtypes.dtype_of(dtype).np, "tensor(data)")
        if array.dtype == np.float64 and dtype is None and not has_numpy(data):
            array = array.astype(dtypes.get_default_dtype().np)
    target = dtypes.dtype_of(array.dtype if dtype is None else dtype).np
    if array.dtype != target:
        array = array.astype(target)
    place = default_device() if device is None else Device(device)
    if device is not None or (isinstance(array, np.ndarray) and not isinstance(data, Tensor)):
        array = move(array, place)
    if requires_grad:
        need_float(array.dtype)
    out: Tensor = current().constant(array)
    if requires_grad:
        out.requires_grad = True
    return out


def from_python(data: Any) -> np.ndarray[Any, Any]:
    """Numbers and nested lists of them as an array; an error in the learner's words for others."""
    if isinstance(data, range):
        data = list(data)
    elif isinstance(data, (list, tuple)) and any(isinstance(v, range) for v in data):
        data = [list(v) if isinstance(v, range) else v for v in data]
    if isinstance(data, (list, tuple)) and _holds_tensor(data):
        data = _unwrap(data)
    wrong = [v for v in _entries(data) if not isinstance(v, (int, float, np.generic, np.ndarray))]
    if wrong:
        if hasattr(wrong[0], "refuse_value"):  # it stands for what a run will compute
            wrong[0].refuse_value()
        first = data
        while isinstance(first, (list, tuple)) and first:
            first = first[0]
        # the classes are PyTorch's
        text = ArgumentError if first is wrong[0] and first is not data else KindError
        raise (text if isinstance(wrong[0], str) else DTypeError)(
            f"tensor(data): there is something that is no number\n  data  {describe(data)}\n"
            "  expected a number, nested lists of numbers, a NumPy array or a tensor, "
            f"got {describe(wrong[0])}"
        )
    try:
        array = np.asarray(data)
    except (ValueError, OverflowError) as error:
        raise (KindError if _mixed(data) else ArgumentError)(
            f"tensor(data): the lists do not form a box of numbers\n  data  {describe(data)}\n"
            "  expected rows of equal length\n  pad the short rows, or make one tensor for each"
        ) from error
    if array.dtype.kind not in "bif":
        raise ArgumentError(
            f"tensor(data): an int is too large\n  data  {describe(data)}\n"
            "  expected ints from -2**63 to 2**63 - 1, those of int64\n"
            "  with a point they are floats"
        )
    return array


def _entries(data: Any) -> Iterator[Any]:
    """What nested lists hold, one by one."""
    if isinstance(data, (list, tuple)):
        for v in data:
            yield from _entries(v)
    else:
        yield data


def _mixed(data: Any) -> bool:
    """Whether numbers stand beside lists."""
    if not isinstance(data, (list, tuple)):
        return False
    lists = [isinstance(v, (list, tuple)) for v in data]
    return len(set(lists)) > 1 or any(map(_mixed, data))


def fit(numbers: Any, dtype: np.dtype[Any], name: str) -> np.ndarray[Any, Any]:
    """Python numbers as an array of ``dtype``; DTypeError where that does not hold them."""
    array = np.asarray(numbers)
    if dtype.kind in "iu" and array.size:
        known = np.iinfo(dtype)
        least = known.min or -known.max  # PyTorch lets negative ones wrap around
        low, high = array.min(), array.max()
        if not least <= low <= high <= known.max:  # NaN neither
            raise DTypeError(
                f"{name}: {dtype} does not hold these numbers\n  from {low} to {high}\n"
                f"  expected {known.min} to {known.max}\n  choose a wider dtype, such as lab.int64"
            )
    return array.astype(dtype)


def _holds_tensor(data: Any) -> bool:
    return any(
        isinstance(v, Tensor) or (isinstance(v, (list, tuple)) and _holds_tensor(v)) for v in data
    )


def _unwrap(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data.tolist()
    return [_unwrap(v) for v in data] if isinstance(data, (list, tuple)) else data


def has_numpy(data: Any) -> bool:
    """Whether the first entry of nested lists is a number or an array of NumPy."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, np.ndarray | np.generic)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor that shares the memory of a NumPy array."""
    if not isinstance(array, np.ndarray):
        raise KindError(f"from_numpy(array): expected a NumPy array, got {describe(array)}")
    dtypes.dtype_of(array.dtype)
    return make(array)


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A tensor of ``data``, without a copy where that is possible."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    if isinstance(data, np.ndarray):
        return make(data).to(dtype=dtype, device=default_device() if device is None else device)
    return tensor(data, dtype=dtype, device=device)
