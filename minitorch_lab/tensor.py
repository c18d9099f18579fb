"""Tensor, and the interpreter Record that runs ops on tensors and writes the tape.

The methods of ``Tensor`` that are ops come from the table, at the end of this file.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from types import EllipsisType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import dtypes
from .device import NAMESPACES, Device, device_of, move, namespace_for, namespace_of, to_host
from .dtypes import DType
from .errors import (
    ArgumentError,
    ComputeError,
    GradError,
    IndexingError,
    KindError,
    LabError,
    describe,
)
from .op import (
    INTERPRETER,
    OPS,
    Attrs,
    Mismatch,
    Op,
    Spec,
    check_kind,
    common_dtype,
    current,
    infer,
    input_lines,
    message,
    set_ordinary,
)
from .op import op as new_op
from .ops import FUNCTIONS, IN_PLACE, NOT_METHODS, bits, indexing, linalg, movement, order
from .ops import elementwise as e
from .ops.rules import per_entry
from .printing import tensor_text
from .tape import (
    NUMBERS,
    SCOPE,
    HookedNode,
    Node,
    RemovableHandle,
    Settings,
    caller,
    leaf_hooks_changed,
    location,
    no_graph_message,
    not_scalar_message,
    outdated,
    run_hooks,
    tick,
    walk,
    walk_arrays,
)

FLOAT32 = np.dtype("float32")
ndarray = np.ndarray
get_scope = SCOPE.get
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

    def __init__(self, data: Any = (), requires_grad: bool = False) -> None:
        made = data if isinstance(data, np.ndarray) else tensor(data).array
        self.array = made.astype(dtypes.get_default_dtype().np) if made.dtype.kind != "f" else made
        self._grad = self.node = self.name = None
        self.version = [0]
        self.requires_grad = requires_grad

    if TYPE_CHECKING:  # the table adds operators and methods, at the end of this file
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
            raise ArgumentError(f"grad: expected shape {self.shape}, got {value.shape}")
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
        _refuse_trace("assigning to .data", "use copy_() under no_grad()")
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
        _refuse_trace(".item()", "return the tensor and call .item() outside")
        if self.array.size != 1:
            raise ComputeError(
                f"item(): a tensor with {self.array.size} entries is not one number\n"
                f"  tensor  {self.spec}\n  expected one entry\n  pick one by index, or use tolist()"
            )
        return self.array.item()

    def tolist(self) -> Any:
        """The entries as nested Python lists."""
        _refuse_trace(".tolist()", "return the tensor and read it outside")
        return self.array.tolist()

    def numpy(self) -> np.ndarray[Any, Any]:
        """The NumPy array, which shares the memory; the tensor must be on the CPU."""
        _refuse_trace(".numpy()", "return the tensor and call .numpy() outside")
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
        _refuse_trace("a branch on a value", "use where(condition, a, b)")
        if self.array.size != 1:
            raise ComputeError(
                f"the truth of a tensor with {self.array.size} entries is not clear\n"
                f"  tensor  {self.spec}\n  use .all() or .any()"
            )
        return bool(self.array.item())

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
        if spec and self.ndim == 0:
            return format(self.item(), spec)
        return format(repr(self), spec)

    def __hash__(self) -> int:
        return id(self)

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

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Add the gradient of this number to ``.grad`` of every leaf that it was computed from.

        The values of the graph are freed on the way unless ``retain_graph``. With
        ``create_graph`` the gradients can be differentiated again. With ``inputs`` only these
        tensors get theirs, which need not be leaves.
        """
        keep = create_graph if retain_graph is None else retain_graph
        if any(AFTER.values()):
            _refuse_trace("register_post_accumulate_grad_hook()", "remove the hook")
        if inputs is not None:
            _backward_to(
                (inputs,) if isinstance(inputs, Tensor) else inputs,
                self,
                gradient,
                keep,
                create_graph,
            )
            return
        current().backward(self, gradient, keep, create_graph)

    def retain_grad(self) -> None:
        """Keep the gradient of this intermediate result in ``.grad`` too.

        >>> x = tensor(3.0, requires_grad=True)
        >>> y = x * x
        >>> y.retain_grad()
        >>> (2 * y).backward()
        >>> y.grad
        tensor(2.)
        """
        if not self.requires_grad:
            raise GradError(_no_gradient_here("retain_grad()", self))
        if self.node is None:
            return  # a leaf keeps its gradient anyway
        hooks = _hooks_of(self)
        if "retain" not in hooks:
            hooks["retain"] = _keeper(self)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call ``hook`` with this leaf after backward() has added to its ``.grad``.

        An optimiser may step there and free the gradient at once. Graph mode refuses it.
        """
        if not callable(hook):
            raise KindError(f"hook: expected a function, got {describe(hook)}")
        if not self.requires_grad:
            raise GradError(_no_gradient_here("register_post_accumulate_grad_hook()", self))
        if self.node is not None:
            raise GradError(
                "register_post_accumulate_grad_hook(): only a leaf adds up its gradient\n"
                f"  tensor  {self.spec}  {origin(self)}\n"
                "  expected a parameter; register_hook() sees the gradient of a computed tensor"
            )
        key = id(self)
        if key not in AFTER:
            AFTER[key] = {}
            weakref.finalize(self, AFTER.pop, key, None)
        handle = RemovableHandle(AFTER[key], True)
        AFTER[key][handle.id] = hook
        leaf_hooks_changed()
        return handle

    @property
    def retains_grad(self) -> Any:
        """Whether retain_grad() was called on this intermediate result."""
        return self.node is not None and self.node.hooked and "retain" in self.node.hooks

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook`` with the gradient of this tensor when backward() has it.

        What the hook returns takes the gradient's place; None leaves it as it is. The hook must
        not change its argument. Hooks run in the order in which they were registered, once in
        each backward pass, on the whole gradient. In graph mode a hook is traced: what it
        computes is part of the graph, its other effects happen while tracing only.

        >>> x = tensor(3.0, requires_grad=True)
        >>> handle = x.register_hook(lambda g: 10 * g)
        >>> (x * x).backward()
        >>> x.grad
        tensor(60.)
        >>> handle.remove()
        """
        if not callable(hook):
            raise KindError(f"register_hook(hook): expected a function, got {describe(hook)}")
        if not self.requires_grad:
            raise GradError(_no_gradient_here("register_hook()", self))
        hooks = _hooks_of(self)
        handle = RemovableHandle(hooks, self.node is None)
        keeper = hooks.pop("retain", None)
        hooks[handle.id] = _hook(hook)
        if keeper is not None:
            hooks["retain"] = keeper  # it keeps what the hooks have made
        if self.node is None:
            leaf_hooks_changed()
        return handle

    def detach(self) -> Tensor:
        """The same memory without history: no gradient flows through it."""
        return current().detach(self)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set whether backward() shall add up a gradient here."""
        if requires_grad:
            _need_float(self.array.dtype)
        elif self.node is not None:
            raise GradError("requires_grad can be taken from leaves only; use .detach()")
        self.requires_grad = requires_grad
        return self

    # Other dtypes and devices --------------------------------------------------------------

    def to(self, *targets: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
        """The tensor as another dtype, on another device, or like another tensor.

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
            out = current().move(out, Device(device))
        if dtype is not None and dtypes.dtype_of(dtype) is not out.dtype:
            out = e.to_dtype(out, dtype)
        return out

    def cpu(self) -> Tensor:
        """The tensor on the CPU."""
        return self.to(device="cpu")

    def cuda(self) -> Tensor:
        """The tensor on the GPU."""
        return self.to(device="cuda")

    def type(self, dtype: DType) -> Tensor:
        """The tensor as another dtype."""
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

    def bool(self) -> Tensor:
        """The tensor as bool: whether each entry is not 0."""
        return self.to(dtype=dtypes.bool_)

    # Square brackets -----------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Tensor:
        part, template, tensors = _parse_index(self, index)
        if tensors:
            return indexing.take(part, *tensors, template=template)
        return movement.slice_(part, index=template)

    def __setitem__(self, index: Any, value: Any) -> None:
        if not isinstance(value, Tensor):
            value = value if value.__class__ in NUMBERS else tensor(value, dtype=self.dtype)
        if current().tracing and any(map(_is_mask, _index_parts(index))):
            _assign_where(self, _index_parts(index), value)
            return
        part, template, tensors = _parse_index(self, index)
        if isinstance(value, Tensor) and value.ndim > 1 and value.shape[0] == 1:
            value = _without_ones(value, part, template, tensors)
        current().update(indexing.put, part, (part, value, *tensors), {"template": template})

    # In place ------------------------------------------------------------------------------

    def copy_(self, source: Any) -> Tensor:
        """Overwrite the entries with those of ``source``, which may broadcast."""
        source = (
            source if source.__class__ in NUMBERS or isinstance(source, Tensor) else tensor(source)
        )
        return current().update(e.copy, self, (self, source), {})

    def fill_(self, value: Any) -> Tensor:
        """Overwrite every entry with one number."""
        return self.copy_(value)

    def zero_(self) -> Tensor:
        """Overwrite every entry with 0."""
        return self.copy_(0)


def make(array: Any) -> Tensor:
    """A leaf tensor around an array, with no copy and no check."""
    out = _new(Tensor)
    out.array = array
    out.requires_grad = False
    out._grad = out.node = out.name = None
    out.version = [0]
    return out


# Hooks: in an ordinary backward pass they get an array, else a tensor, and give the same back.


def _hooks_of(x: Tensor) -> dict[Any, Callable[[Any], Any]]:
    if x.node is None:
        if not hasattr(x, "_hooks"):
            x._hooks = {}
        return x._hooks
    if not x.node.hooked:
        x.node.__class__ = HookedNode
        x.node.hooks = {}
    return x.node.hooks


def _hook(function: Callable[[Tensor], Tensor | None]) -> Callable[[Any], Any]:
    def run(g: Any) -> Any:
        if isinstance(g, Tensor):
            found = function(g)
        else:
            token = INTERPRETER.set(NO_GRAD)
            try:
                found = function(make(g))
            finally:
                INTERPRETER.reset(token)
        if found is None:
            return g
        if not isinstance(found, Tensor):
            raise KindError(f"hook: expected a tensor or None, got {describe(found)}")
        if tuple(found.shape) != tuple(g.shape):
            raise GradError(
                "hook: the new gradient has another shape\n"
                f"  gradient  {tuple(g.shape)}\n  returned  {tuple(found.shape)}\n"
                "  expected the same shape, or None to leave the gradient as it is"
            )
        return found if isinstance(g, Tensor) else found.array

    return run


def _keeper(x: Tensor) -> Callable[[Any], Any]:
    reference = weakref.ref(x)

    def run(g: Any) -> Any:
        target = reference()
        if target is not None:
            if isinstance(g, Tensor):
                target.grad = g if target.grad is None else target.grad + g
            else:
                known = target._grad
                target._grad = make(_copied(g) if known is None else known.array + g)
        return g

    return run


def _not_kept(x: Tensor) -> str:
    return (
        "the .grad of a computed tensor is not kept: it is None\n"
        f"  tensor  {x.spec}  {origin(x)}\n"
        "  expected a leaf: a parameter, or tensor(..., requires_grad=True)\n"
        "  call .retain_grad() on it before backward(), or use autograd.grad(loss, x)"
    )


def _no_gradient_here(what: str, x: Tensor) -> str:
    return (
        f"{what}: this tensor does not require grad\n  tensor  {x.spec}  requires_grad=False\n"
        "  expected a tensor with requires_grad=True, or one computed from such a tensor"
    )


def _refuse_trace(what: str, remedy: str) -> None:
    interpreter = current()
    if interpreter.tracing:
        interpreter.refuse(what, remedy)


def _need_float(dtype: np.dtype[Any]) -> None:
    if dtype.kind != "f":
        raise GradError(
            f"requires_grad: a tensor of {dtype} cannot have a gradient\n"
            f"  dtype  {dtype}\n"
            "  expected a float dtype: integers do not change smoothly\n"
            "  write tensor([1., 2.]) with a point, or convert with .float()"
        )


def _index_parts(index: Any) -> tuple[Any, ...]:
    """What stands between the commas; a list of lists counts as a tuple, as in PyTorch."""
    if isinstance(index, tuple):
        return index
    if isinstance(index, list):
        inner = (list, tuple, slice, Tensor, EllipsisType, type(None))
        if any(isinstance(part, inner) for part in index):
            return tuple(index)
    return (index,)


def _parse_index(x: Tensor, index: Any) -> tuple[Tensor, tuple[Any, ...], tuple[Tensor, ...]]:
    """What is indexed, the template of the index, and the tensors that stand in it."""
    parts = _index_parts(index)
    template: list[Any] = []
    tensors: list[Tensor] = []
    for i, part in enumerate(parts):
        if part is None or isinstance(part, (slice, EllipsisType)):
            template.append(_plain_slice(part))
        elif _is_bool(part):
            return _parse_index(*_with_bools(x, parts))
        elif isinstance(part, (int, np.integer)):
            template.append(int(part))
        else:
            k = _index_tensor(part, x.device)
            if k.dtype is dtypes.bool_:
                _refuse_trace("indexing with a bool tensor", "use where(mask, x, 0)")
                _check_mask(x, k, sum(_dims(p, parts, x.ndim) for p in parts[:i]))
                for found in namespace_of(k.array).nonzero(k.array):
                    template.append(indexing.PLACE)
                    tensors.append(make(found))
            else:
                template.append(indexing.PLACE)
                tensors.append(k)
    return x, tuple(template), tuple(tensors)


def _is_bool(part: Any) -> bool:
    """Whether a part of an index is True or False, or a 0-d tensor of one."""
    return isinstance(part, bool | np.bool_) or (_is_mask(part) and not getattr(part, "ndim", 1))


def _is_mask(part: Any) -> bool:
    """Whether a part of an index is a tensor, an array or a list of bools."""
    if isinstance(part, Tensor):
        return part.dtype in (dtypes.bool_, dtypes.uint8)
    if isinstance(part, list):
        return bool(part) and np.asarray(part).dtype.kind == "b"
    return isinstance(part, np.ndarray) and part.dtype.kind == "b"


def _dims(part: Any, parts: tuple[Any, ...], ndim: int) -> int:
    """How many dimensions a part of an index stands for."""
    if part is Ellipsis:
        return ndim - sum(_dims(p, parts, ndim) for p in parts if p is not Ellipsis)
    if part is None or _is_bool(part):
        return 0
    return (
        int(np.ndim(part) if not isinstance(part, Tensor) else part.ndim) if _is_mask(part) else 1
    )


def _with_bools(x: Tensor, parts: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
    """``x[True]`` as ``x[None][[0]]`` and ``x[False]`` as ``x[None][[]]``."""
    basic: list[Any] = []
    rest: list[Any] = []
    for part in parts:
        if part is Ellipsis:
            basic.append(part)
            rest.append(part)
        elif part is None or _is_bool(part):
            basic.append(None)
            rest.append(slice(None) if part is None else [0] if part else [])
        else:
            basic += [slice(None)] * _dims(part, parts, x.ndim)
            rest.append(part)
    return movement.slice_(x, index=tuple(basic)), tuple(rest)


def _check_mask(x: Tensor, mask: Tensor, at: int) -> None:
    expected = tuple(x.shape[at : at + mask.ndim])
    if tuple(mask.shape) != expected:
        raise IndexingError(
            f"a bool index of shape {tuple(mask.shape)} does not fit {tuple(x.shape)}\n"
            f"  expected {expected}\n"
            "  a mask has the shape of the dimensions that it picks from"
        )


def _without_ones(
    value: Tensor, part: Tensor, template: tuple[Any, ...], tensors: tuple[Tensor, ...]
) -> Tensor:
    """The value without leading sizes of 1 that the part it goes to does not have."""
    try:
        ndim = len(indexing.part_shape(part.spec, template, [k.spec for k in tensors]))
    except Mismatch:
        return value  # the assignment will say what is wrong
    while value.ndim > ndim and value.shape[0] == 1:
        value = movement.squeeze(value, 0)
    return value


def _assign_where(x: Tensor, parts: tuple[Any, ...], value: Any) -> None:
    """``x[mask] = value`` in a graph, where how many entries hold is not known."""
    picks = [i for i, p in enumerate(parts) if isinstance(p, (Tensor, list, np.ndarray))]
    if len(picks) > 1 or _is_bool(parts[picks[0]]):
        _refuse_trace("assigning at a bool tensor beside other tensors", "use where(mask, v, x)")
    at = picks[0]
    mask = _index_tensor(parts[at], x.device)
    _check_mask(x, mask, sum(_dims(p, parts, x.ndim) for p in parts[:at]))
    whole = (*parts[:at], *(slice(None),) * mask.ndim, *parts[at + 1 :])
    part = x[whole] if any(p != slice(None) for p in whole) else x
    after = sum(_dims(p, parts, x.ndim) for p in parts[at + 1 :] if not isinstance(p, int))
    after += sum(p is None for p in parts[at + 1 :])
    if not any(p is Ellipsis for p in parts):
        after += x.ndim - sum(_dims(p, parts, x.ndim) for p in parts)
    if isinstance(value, Tensor) and value.ndim > after:
        shape = tuple(value.shape)
        cut = value.ndim - after
        if shape[cut - 1] != 1:
            _refuse_trace(
                "assigning a value for each entry that a bool tensor picks",
                "use where(mask, values, x) with values in the shape of x",
            )
        value = movement.reshape(value, (*shape[: cut - 1], *(1,) * mask.ndim, *shape[cut:]))
    mask = movement.reshape(mask, (*mask.shape, *(1,) * after))
    current().update(e.copy, part, (part, e.where(mask, value, part)), {})


def _plain_slice(part: Any) -> Any:
    if not isinstance(part, slice):
        return part
    ends = [None if v is None else v.__index__() for v in (part.start, part.stop, part.step)]
    if ends[2] is not None and ends[2] < 1:
        raise ArgumentError(f"slice step: expected 1 or more, got {ends[2]}\n  use .flip(dim)")
    return slice(*ends)


def _index_tensor(part: Any, device: Device) -> Tensor:
    if isinstance(part, Tensor):
        if part.dtype is dtypes.uint8:
            warnings.warn(
                "an index of uint8 is a mask, and deprecated: use .bool(), or .long() for places",
                stacklevel=4,
            )
            return part.to(dtype=dtypes.bool_)
        if part.dtype.is_floating_point:
            raise IndexingError(
                f"an index tensor must be of ints or bools\n  index  {part.spec}\n"
                "  expected int64, or bool for a mask\n  convert with .long()"
            )
        return part
    if isinstance(part, str):
        raise KindError(f"an index is an int, a slice, or a tensor of ints; got {describe(part)}")
    try:
        array = np.asarray(part)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "iub" and array.size:
        raise IndexingError(
            f"an index is an int, a slice, or a tensor of ints; got {describe(part)}"
        )
    if not array.size:
        array = array.astype("int64")
    return make(move(array, device))


# Making tensors ----------------------------------------------------------------------------


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
        _refuse_trace("tensor(x) of a tensor", "use x.detach().clone()")
        array = data.array.copy()
    elif type(data) in NAMESPACES or isinstance(data, np.ndarray | np.generic):
        array = data.copy() if hasattr(data, "copy") else np.asarray(data)
        array = np.asarray(array) if isinstance(array, np.generic) else array
    else:
        array = _from_python(data)
        if array.dtype == np.float64 and dtype is None and not _has_numpy(data):
            array = array.astype(dtypes.get_default_dtype().np)
    target = dtypes.dtype_of(array.dtype if dtype is None else dtype).np
    if array.dtype != target:
        array = array.astype(target)
    if device is not None:
        array = move(array, Device(device))
    if requires_grad:
        _need_float(array.dtype)
    out: Tensor = current().constant(array)
    if requires_grad:
        out.requires_grad = True
    return out


def _from_python(data: Any) -> np.ndarray[Any, Any]:
    if isinstance(data, (list, tuple)) and _holds_tensor(data):
        data = _unwrap(data)
    try:
        array = np.asarray(data)
    except (ValueError, OverflowError) as error:
        raise ArgumentError(
            f"tensor(data): the lists do not form a box of numbers\n  data  {describe(data)}\n"
            "  expected rows of equal length\n  pad the short rows, or make one tensor for each"
        ) from error
    if array.dtype.kind not in "biuf":
        raise KindError(
            f"tensor(data): these are no numbers\n  data  {describe(data)}\n"
            "  expected a number, nested lists of numbers, a NumPy array or a tensor"
        )
    return array


def _holds_tensor(data: Any) -> bool:
    return any(
        isinstance(v, Tensor) or (isinstance(v, (list, tuple)) and _holds_tensor(v)) for v in data
    )


def _unwrap(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data.tolist()
    return [_unwrap(v) for v in data] if isinstance(data, (list, tuple)) else data


def _has_numpy(data: Any) -> bool:
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
        return make(data).to(dtype=dtype, device=device)
    return tensor(data, dtype=dtype, device=device)


# Record ------------------------------------------------------------------------------------


class Record:
    """Run ops on tensors, and add a node to the tape where a gradient is wanted.

    ``recording`` is off under ``no_grad``; ``always`` records ops without gradient too, for the
    explorer.
    """

    __slots__ = ("always", "recording")
    tracing = False

    def __init__(self, recording: bool = True, always: bool = False) -> None:
        self.recording = recording
        self.always = always

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Tensor:
        """Run ``op`` on the arrays of ``inputs``."""
        arrays = []
        dtype = kind = None
        regular, requires_grad = True, False
        for x in inputs:
            if isinstance(x, Tensor):
                array = x.array
                if dtype is None:
                    dtype = array.dtype
                    kind = array.__class__
                elif array.dtype is not dtype or array.__class__ is not kind:
                    regular = False
                if x.requires_grad:
                    requires_grad = True
                arrays.append(array)
            elif x.__class__ in NUMBERS:
                arrays.append(x)
            else:
                return self.apply(op, _numbers(op, inputs, attrs), attrs)
        try:
            if not regular or (dtype is not FLOAT32 and (dtype is None or dtype.kind != "f")):
                arrays = _converted(op, inputs, arrays)
            if kind is ndarray and op.on_numpy is not None:
                out = op.on_numpy(*arrays)
            else:
                out = op.forward(NAMESPACES.get(kind, np), *arrays, **attrs)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001  retold in the learner's words
            raise explain(op, inputs, attrs, error) from (
                None if isinstance(error, (Mismatch, LabError)) else error
            )
        if out.__class__ is not kind and out.__class__ not in NAMESPACES:
            out = np.asarray(out)  # a ufunc gives a scalar for 0-d arrays
        made = _new(Tensor)
        made.array = out
        made._grad = made.name = None
        made.version = [0]
        if op.view and (out.base is array or shares_memory(out, array)):
            made.version = inputs[0].version
        if self.always or (requires_grad and op.differentiable and self.recording):
            made.requires_grad = requires_grad and op.differentiable
            made.node = node = _new(Node)  # record() in place: a call would cost a tenth of the op
            node.id = tick()
            node.op = op
            node.inputs = inputs
            node.attrs = attrs
            node.y = out
            node.scope = get_scope()
            node.source = caller(2) if Settings.sources else None
        else:
            made.requires_grad = False
            made.node = None
            if op.view and len(made.version) == 1:
                made.version.append(weakref.ref(inputs[0]))
        return made

    def update(self, op: Op, target: Tensor, inputs: tuple[Any, ...], attrs: Attrs) -> Tensor:
        """The in-place form of ``op``: ``target`` takes the result."""
        arrays = []
        wants = False
        for x in inputs:
            if isinstance(x, Tensor):
                arrays.append(x.array)
                wants = wants or x.requires_grad
            elif x.__class__ in NUMBERS:
                arrays.append(x)
            else:
                return self.update(op, target, _numbers(op, inputs, attrs), attrs)
        old = None
        if wants and self.recording:
            base, through = path_to(target)
            check_in_place(op, base, target)
            inputs = tuple(_before(op, i, x, target) for i, x in enumerate(inputs))
            old = inputs[0]
        if target.node is not None:
            _keep_output(target)
        try:
            kind = type(target.array)
            if op.ufunc is not None and wide_enough(target.array.dtype, arrays):
                ufunc = getattr(np if kind is ndarray else NAMESPACES[kind], op.ufunc)
                ufunc(*arrays, out=target.array)
            elif op.inplace is not None:
                op.inplace(NAMESPACES[kind], target.array, *arrays[1:], **attrs)
            else:
                specs = [x.spec if isinstance(x, Tensor) else x for x in inputs]
                check_result(op, target.spec, infer(op, specs, attrs))
                arrays = _converted(op, inputs, arrays)
                target.array[...] = op.forward(NAMESPACES[kind], *arrays, **attrs)
        except Exception as error:  # noqa: BLE001  retold in the learner's words
            raise explain(op, inputs, attrs, error, target) from (
                None if isinstance(error, (Mismatch, LabError)) else error
            )
        target.version[0] = tick()
        if old is not None:
            node = record(op, inputs, attrs, target.array)
            if through:  # the base has changed; the view goes on telling where it lies in it
                value = make(target.array.copy() if op.saves_output else target.array)
                node.y, value.node, value.requires_grad = value.array, node, True
                attrs = {"through": through}
                node = record(movement.write_view, (_twin(base), value), attrs, base.array)
            base.node = node
            base.requires_grad = target.requires_grad = True
            base.version[0] = node.id
        return target

    def become(self, target: Tensor, view: Callable[[Any], Any]) -> Tensor:
        """``target`` itself takes the shape of a view of it: ``x.unsqueeze_(0)``."""
        if self.recording:
            check_leaf("view", target)
        out = view(_twin(target))
        target.array, target.node, target.requires_grad = out.array, out.node, out.requires_grad
        return target

    def constant(self, array: Any) -> Tensor:
        """A tensor made from data."""
        return make(array)

    def detach(self, x: Tensor) -> Tensor:
        """The same memory without history."""
        out = make(x.array)
        out.version = x.version
        return out

    def move(self, x: Tensor, device: Device) -> Tensor:
        """A tensor on another device; its gradient comes back to the device of ``x``."""
        if x.device == device:
            return x
        moved = move(x.array, device)
        if x.requires_grad and self.recording:
            return _transfer(x, device=str(device))
        return make(moved)

    def with_grad(self, recording: bool) -> Record:
        """The interpreter with recording on or off."""
        return Record(recording, self.always and recording)

    def read(self, owner: Any, key: str) -> Any:
        """A number that may change between calls: a learning rate, a step count."""
        return owner[key]

    def write(self, owner: Any, key: str, value: Any) -> None:
        """Change such a number."""
        owner[key] = value

    def fixed(self, owner: Any, key: str) -> Any:
        """A setting that a graph bakes in and guards."""
        return owner[key]

    def backward(self, root: Tensor, gradient: Tensor | None, keep: bool, create: bool) -> None:
        """Add gradients to the leaves; all or none."""
        g = start_gradient(root, gradient)
        if root.node is None:
            _accumulate([(root, run_hooks(getattr(root, "_hooks", {}), g.array), False)])
            return
        found: dict[int, tuple[Tensor, Any, bool]] = {}
        for step in self.walk(root, g, keep, create):
            for _, x, gx in step.contributions:
                if x.node is None:
                    known = found.get(id(x))
                    if known is not None:
                        found[id(x)] = (x, known[1] + gx, True)
                    else:
                        own = gx is not step.incoming and getattr(gx, "base", None) is None
                        found[id(x)] = (x, gx, own)
        _accumulate(list(found.values()))

    def walk(self, root: Tensor, g: Tensor, keep: bool, create: bool) -> Any:
        """The steps of the backward walk, on arrays or, to differentiate again, on tensors."""
        if not create:
            return walk_arrays(root, g.array, not keep)
        token = INTERPRETER.set(Record(True, self.always))
        try:
            return list(walk(root, g, lambda x: x, output_tensor, not keep))
        finally:
            INTERPRETER.reset(token)

    def refuse(self, what: str, remedy: str) -> None:
        """Nothing is refused outside a trace."""


def record(op: Op, inputs: tuple[Any, ...], attrs: Attrs, out: Any) -> Node:
    """A new node of the tape."""
    node = _new(Node)
    node.id = tick()
    node.op = op
    node.inputs = inputs
    node.attrs = attrs
    node.scope = SCOPE.get()
    node.source = caller(2) if Settings.sources else None
    node.y = out
    return node


def output_tensor(node: Node) -> Tensor:
    """The output of a node as a tensor, for rules that are differentiated again."""
    out = make(node.y)
    out.node = node
    out.requires_grad = True
    out.version = [0]
    return out


def _twin(x: Tensor) -> Tensor:
    """Stands for the state of ``x`` before an in-place op."""
    old = make(x.array)
    old.node, old.requires_grad, old.name = x.node, x.requires_grad, x.name
    old.version = x.version
    return old


def _before(op: Op, index: int, x: Any, target: Tensor) -> Any:
    """An input of an in-place op as it was before, where it is changed too."""
    if not isinstance(x, Tensor) or x.version is not target.version:
        return x
    old = _twin(x)
    old.node = node_now(x)
    if index in op.saved:  # a rule will read the value that is overwritten now
        old.array, old.version = x.array.copy(), [0]
    return old


def node_now(x: Tensor) -> Node | None:
    """The node of ``x``, made anew where it is that of an outdated view."""
    node = x.node
    if node is None or not outdated(x):
        return node
    return record(node.op, node.inputs, node.attrs, node.y)


def path_to(view: Tensor) -> tuple[Tensor, movement.Path]:
    """The tensor that ``view`` looks into, and the view ops from there to it."""
    x = view
    through: movement.Path = ()
    while (
        x.node is not None
        and x.node.op.view
        and isinstance(x.node.inputs[0], Tensor)
        and x.node.inputs[0].version is x.version
    ):
        through = ((x.node.op.name, x.node.attrs), *through)
        x = x.node.inputs[0]
    return x, through


def shares_memory(view: Any, array: Any) -> bool:
    """Whether a view op gave a view: ``reshape`` copies where it must."""
    base = view.base
    return (
        base is array
        or (base is not None and base is array.base)
        or bool(namespace_of(array).may_share_memory(view, array))
    )


def _keep_output(target: Tensor) -> None:
    """Copy a value that a gradient rule reads as the op's output, before it is overwritten."""
    x = path_to(target)[0]
    node = x.node
    if node is not None and node.op.saves_output and node.y is x.array:
        node.y = x.array.copy()


def _numbers(op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> tuple[Any, ...]:
    """The inputs with NumPy numbers made Python ones; KindError for anything else."""
    out = []
    for i, x in enumerate(inputs):
        if isinstance(x, np.generic):
            x = x.item()
        if not (isinstance(x, Tensor) or x.__class__ in NUMBERS):
            raise KindError(kind_message(op, inputs, i))
        out.append(x)
    return tuple(out)


def kind_message(op: Op, inputs: tuple[Any, ...], index: int) -> str:
    """An input that is neither a tensor nor a number."""
    names = [op.argument(i) for i in range(len(inputs))]
    shown = [str(x.spec) if isinstance(x, Tensor) else describe(x) for x in inputs]
    lines = [f"{op.name}({', '.join(names)}): {names[index]} is not a tensor"]
    lines += input_lines(names, shown, [origin(x) for x in inputs])
    got = inputs[index]
    lines.append(f"  expected a tensor, got {describe(got)}")
    if isinstance(got, np.ndarray):
        hint = "lab.tensor(x) copies an array, lab.from_numpy(x) shares its memory"
        lines.append(f"  {hint}; float64 becomes float32 with .float()")
    elif isinstance(got, (list, tuple)):
        lines.append("  lab.tensor(x) makes a tensor from lists of numbers")
    return "\n".join(lines)


def _converted(op: Op, inputs: tuple[Any, ...], arrays: list[Any]) -> list[Any]:
    """The arrays in their common dtype, where the op promotes."""
    if len({type(a) for a in arrays if type(a) in NAMESPACES}) > 1:
        raise TypeError("devices differ")  # explain() writes the message
    specs = [
        Spec(tuple(a.shape), a.dtype) if isinstance(x, Tensor) else x
        for x, a in zip(inputs, arrays, strict=True)
    ]
    check_kind(op, specs)
    target = common_dtype(op, specs)
    if target is None:
        return arrays
    indices = range(len(arrays)) if op.promotes is None else op.promotes
    return [
        a.astype(target, copy=False) if i in indices and isinstance(inputs[i], Tensor) else a
        for i, a in enumerate(arrays)
    ]


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


def explain(
    op: Op, inputs: tuple[Any, ...], attrs: Attrs, error: Exception, target: Tensor | None = None
) -> Exception:
    """The error to raise when a forward failed: the shape rule knows the words.

    ``target`` is the tensor that should have taken the result of an in-place op.
    """
    if isinstance(error, MemoryError):
        return error
    if isinstance(error, AttributeError) and not any(isinstance(x, Tensor) for x in inputs):
        return KindError(kind_message(op, inputs, 0))
    specs = [x.spec if isinstance(x, Tensor) else x for x in inputs]
    origins = [origin(x) for x in inputs]
    mismatch = error if isinstance(error, Mismatch) else None
    if mismatch is None:
        try:
            spec = infer(op, specs, attrs)
            if target is not None:
                check_result(op, target.spec, spec)
        except Mismatch as found:
            mismatch = found
        except LabError as found:
            return found
    if mismatch is not None:
        return message(op, specs, origins, mismatch, attrs)
    if isinstance(error, LabError):
        return error
    plain = Mismatch(f"{type(error).__name__}: {error}", error=ComputeError)
    return message(op, specs, origins, plain, attrs)


def check_leaf(name: str, base: Tensor, a: str = "a leaf") -> None:
    """GradError where an in-place change would be one of a leaf that requires grad."""
    if base.requires_grad and base.node is None:
        raise GradError(
            f"{name}_: {a} that requires grad cannot be changed in place\n"
            f"  tensor  {base.spec}  {origin(base)}".rstrip()
            + "\n"
            "  expected a change outside the graph\n"
            "  put the update under `with lab.no_grad():`"
        )


def check_in_place(op: Op, base: Tensor, target: Tensor) -> None:
    """Whether the tape can follow an in-place change of ``target``, which looks into ``base``."""
    check_leaf(op.name, base, "a leaf" if base is target else "a view of a leaf")
    # an unrecorded view knows only that it is one: the version tells who was looked into first
    first = base.version[1]() if base.node is None and len(base.version) > 1 else None
    unknown = first is not None and first is not base
    if unknown or (base.node is not None and base.node.op.view and base.node.freed):
        raise GradError(
            f"{op.name}_: the tensor that this one is a view of cannot learn of the gradient\n"
            f"  tensor  {target.spec}  {origin(target)}".rstrip()
            + "\n"
            "  expected a view of a tensor that is part of a graph\n"
            "  change the tensor itself, x[index] = value, or .clone() the view first"
        )


def wide_enough(target: np.dtype[Any], arrays: list[Any]) -> bool:
    """Whether a ufunc may write into ``target`` itself: all inputs are of its dtype."""
    return all(a.__class__ in NUMBERS or a.dtype is target or a.dtype == target for a in arrays)


def check_result(op: Op, target: Spec, found: Spec) -> None:
    """Mismatch unless the result of an in-place op fits into its target."""
    if found.shape != target.shape:
        raise Mismatch(
            "the result does not fit into the tensor that takes it",
            f"expected {target.shape}, got {found.shape}",
            f"use the form without the underscore: {op.name}(...)",
        )
    if not dtypes.can_cast(found.dtype, target.dtype) and op.name != "copy":
        raise Mismatch(
            f"the result is {found.dtype} and cannot be kept in {target.dtype}",
            f"expected {target.dtype}",
            f"use the form without the underscore: {op.name}(...)",
            error=ComputeError,
        )


def start_gradient(
    root: Tensor, gradient: Tensor | None, name: str = "backward(gradient)"
) -> Tensor:
    """The gradient that backward() starts with: 1 for a number."""
    if not root.requires_grad:
        raise GradError(no_graph_message(root))
    spec = root.spec
    if gradient is None:
        if spec.size != 1:
            raise GradError(not_scalar_message(root))
        xp = namespace_for(Device(spec.device))
        out: Tensor = current().constant(xp.ones(spec.shape, spec.dtype))
        return out
    if not isinstance(gradient, Tensor):
        raise KindError(f"{name}: expected a tensor, got {describe(gradient)}")
    if tuple(gradient.shape) != spec.shape:
        raise GradError(
            f"{name}: the shapes differ\n  tensor    {spec}\n"
            f"  gradient  {gradient.spec}\n  expected {spec.shape}"
        )
    return gradient


def collect(
    root: Tensor,
    g: Tensor,
    targets: Sequence[Tensor],
    found: list[Any],
    keep: bool,
    create: bool,
) -> None:
    """Add the gradients of ``targets`` to ``found``: arrays, or tensors that have a graph."""
    interpreter = current()
    create = create or interpreter.tracing

    def add(i: int, gx: Any) -> None:
        found[i] = gx if found[i] is None else found[i] + gx

    leaves = {id(x): i for i, x in enumerate(targets) if x.node is None}
    inner = {x.node.id: i for i, x in enumerate(targets) if x.node is not None}
    if root.node is None:
        if id(root) in leaves:
            add(leaves[id(root)], g if create else g.array)
        return
    for step in interpreter.walk(root, g, keep, create):
        if step.node.id in inner:
            add(inner[step.node.id], step.incoming)
        for _, x, gx in step.contributions:
            if x.node is None and id(x) in leaves:
                add(leaves[id(x)], gx)


def _backward_to(
    inputs: Sequence[Tensor], root: Tensor, gradient: Any, keep: bool, create: bool
) -> None:
    if not inputs:
        raise GradError(
            "backward(inputs): got no tensors\n  expected the tensors that shall get a gradient; "
            "leave inputs out for all leaves"
        )
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor):
            raise KindError(f"backward(inputs): inputs[{i}]: expected a tensor, got {describe(x)}")
        if not x.requires_grad:
            raise GradError(_no_gradient_here(f"backward(inputs): inputs[{i}]", x))
    found: list[Any] = [None] * len(inputs)
    collect(root, start_gradient(root, gradient), inputs, found, keep, create)
    for x, g in zip(inputs, found, strict=True):
        if g is None or (x.node is not None and x.retains_grad):  # the walk has kept it
            continue
        if isinstance(g, Tensor):
            with set_grad_enabled(create):
                known = current().get_grad(x) if current().tracing else x._grad
                x.grad = g if known is None else known + g
        else:
            _accumulate([(x, g, False)])


AFTER: dict[int, dict[int, Callable[[Tensor], Any]]] = {}  # of leaves, by id: what runs afterwards


def _accumulate(found: list[tuple[Tensor, Any, bool]]) -> None:
    """Add gradients to leaves. ``own`` says that nobody else holds the array."""
    for x, gx, own in found:
        if isinstance(gx, Tensor):  # create_graph: the gradient keeps its history
            x._grad = gx if x._grad is None else x._grad + gx
        elif x._grad is None:
            x._grad = make(gx if own and gx.__class__ in NAMESPACES else _copied(gx))
        elif x._grad.node is None:
            x._grad.array += gx
            x._grad.version[0] = tick()
        else:
            x._grad = x._grad + make(_copied(gx))
    if AFTER:
        for x, _, _ in found:
            for hook in tuple(AFTER.get(id(x), {}).values()):
                hook(x)


def add_grad(x: Tensor, gradient: Tensor) -> None:
    """Add a gradient, which nobody else holds, to ``x.grad``."""
    _accumulate([(x, gradient.array, True)])


def _copied(array: Any) -> Any:
    return array.copy() if type(array) in NAMESPACES else np.asarray(array)


class Inference(Record):
    """Record nothing, whatever is asked for inside."""

    __slots__ = ()

    def with_grad(self, recording: bool) -> Record:
        """Recording stays off."""
        return self


RECORD = Record()
NO_GRAD = Record(recording=False)
INFERENCE = Inference(recording=False)
set_ordinary(RECORD)


# Grad mode ---------------------------------------------------------------------------------

F = TypeVar("F", bound=Callable[..., Any])


class set_grad_enabled:
    """Turn recording on or off: as a call, as a ``with`` block, or as a decorator."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._before = current()
        INTERPRETER.set(self._before.with_grad(mode))

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        INTERPRETER.set(self._before)

    def __call__(self, function: F) -> F:
        """The function, run in this mode; the code around it keeps its own."""
        INTERPRETER.set(self._before)
        return (enable_grad() if self.mode else no_grad())(function)


class no_grad:
    """Run without recording: results have no graph and need no memory for it.

    >>> w = tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     print((w * 2).requires_grad)
    False
    """

    _mode = False

    def __init__(self) -> None:
        self._tokens: list[Any] = []

    def __enter__(self) -> None:
        now = current()
        self._tokens.append(
            INTERPRETER.set(
                NO_GRAD if now is RECORD and not self._mode else now.with_grad(self._mode)
            )
        )

    def __exit__(self, *error: object) -> None:
        INTERPRETER.reset(self._tokens.pop())

    def __call__(self, function: F) -> F:
        """The function, run in this mode."""

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]


class enable_grad(no_grad):
    """Record again inside ``no_grad``."""

    _mode = True


class inference_mode(no_grad):
    """Run without recording, and let ``enable_grad`` inside change nothing.

    The results are ordinary tensors: unlike PyTorch's they may be used in training later.

    >>> w = tensor([1.0], requires_grad=True)
    >>> with inference_mode():
    ...     print((w * 2).requires_grad, is_inference_mode_enabled())
    False True
    """

    def __new__(cls, mode: Any = True) -> Any:
        """As ``@inference_mode`` without parentheses it gives the function itself."""
        return cls()(mode) if callable(mode) else _new(cls)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.mode = mode

    def __enter__(self) -> None:
        now = current()
        if self.mode:
            now = now.with_grad(False) if now.tracing else INFERENCE
        self._tokens.append(INTERPRETER.set(now))

    def __call__(self, function: F) -> F:
        """The function, run in this mode."""

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with inference_mode(self.mode):
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]


def is_inference_mode_enabled() -> bool:
    """Whether the code runs under ``inference_mode``."""
    return isinstance(current(), Inference)


def is_grad_enabled() -> bool:
    """Whether ops are recorded now."""
    return bool(current().recording)


class record_all:
    """Record ops without gradient too, so that the explorer can show any computation."""

    def __enter__(self) -> None:
        self._token = INTERPRETER.set(Record(True, always=True))

    def __exit__(self, *error: object) -> None:
        INTERPRETER.reset(self._token)


# Transfer between devices ------------------------------------------------------------------


def _transfer_shape(x: Spec, device: str) -> Spec:
    return Spec(x.shape, x.dtype, Device(device).type)


_transfer: Op = new_op(
    "to_device",
    "The same entries on another device.",
    forward=lambda xp, input, device: move(input, Device(device)),
    vjp=lambda g, y, x, device: _transfer(
        g, device=str(device_of(x) if not isinstance(x, Tensor) else x.device)
    ),
    shape=_transfer_shape,
    formula=(r"y = x", r"\bar x = \bar y"),
    cost=per_entry(0),
)


# Methods from the table --------------------------------------------------------------------


def _method(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = name
    doc = function.doc if isinstance(function, Op) else function.__doc__
    method.__doc__ = (doc or "").partition("\n    >>>")[0].rstrip()  # its examples run there
    return method


def _in_place(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    row: Any = function if isinstance(function, Op) else OPS.get(name.rstrip("_"))
    direct = row is function
    plain = row is not None and row.bind is None  # the row does it where the call asks no more

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if direct:
            inputs, attrs = row.bind(self, *args, **kwargs) if row.bind else ((self, *args), kwargs)
            return current().update(row, self, inputs, attrs)
        if plain and not kwargs and len(args) + 1 == len(row.arguments):
            return current().update(row, self, (self, *args), {})
        # of a copy, since rules may read what is overwritten
        found = function(self.clone() if self.requires_grad else self, *args, **kwargs)
        try:
            check_result(e.clone, self.spec, found.spec)
        except Mismatch as mismatch:
            mismatch.hint = f"use the form without the underscore: {name[:-1]}(...)"
            raise explain(e.clone, (self,), {}, mismatch) from None
        return current().update(e.copy, self, (self, found), {})

    method.__name__ = name
    doc = function.doc if isinstance(function, Op) else function.__doc__ or ""
    method.__doc__ = f"{doc.partition(chr(10))[0]} In place: the tensor itself changes."
    return method


for _name, _function in (FUNCTIONS | order.METHODS).items():
    if _name not in NOT_METHODS or _name in order.METHODS:
        setattr(Tensor, _name, _method(_name, getattr(_function, "__wrapped__", _function)))
for _name in IN_PLACE:
    _function = FUNCTIONS[_name]
    setattr(
        Tensor,
        f"{_name}_",
        _in_place(f"{_name}_", getattr(_function, "__wrapped__", _function)),
    )

_NONE: Attrs = {}


def _binary(op: Op) -> tuple[Callable[..., Any], Callable[..., Any]]:
    get = INTERPRETER.get

    def left(self: Tensor, other: Any) -> Any:
        return get(RECORD).apply(op, (self, other), _NONE)

    def right(self: Tensor, other: Any) -> Any:
        return get(RECORD).apply(op, (other, self), _NONE)

    return left, right


for _name, _op in {
    "add": e.add, "sub": e.sub, "mul": e.mul, "truediv": e.div, "pow": e.pow,
}.items():  # fmt: skip
    _left, _right = _binary(_op)
    setattr(Tensor, f"__{_name}__", _left)
    setattr(Tensor, f"__r{_name}__", _right)
    setattr(Tensor, f"__i{_name}__", _in_place(f"__i{_name}__", _op))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Tensor, f"__{_name}__", _binary(FUNCTIONS[_name])[0])  # type: ignore[arg-type]


def _same(op: Op) -> Callable[..., Any]:
    get = INTERPRETER.get

    def method(self: Tensor, other: Any) -> Any:
        if other is None or other.__class__ is str:
            return NotImplemented  # Python then says that they differ
        return get(RECORD).apply(op, (self, other), _NONE)

    return method


Tensor.__eq__ = _same(e.eq)  # type: ignore[method-assign]
Tensor.__ne__ = _same(e.ne)  # type: ignore[method-assign]


def _matmul(self: Tensor, other: Any) -> Any:
    return linalg.matmul(self, other)


def _neg(self: Tensor) -> Any:
    return e.neg(self)


def _invert(self: Tensor) -> Any:
    if self.dtype.is_floating_point:
        raise KindError(
            f"~x: {self.dtype.name} has no bits to turn over\n"
            "  expected integers or bools\n  compare first: ~(x > 0)"
        )
    return bits.bitwise_not(self)


for _name, _unary in {
    "matmul": _matmul,
    "rmatmul": lambda self, other: linalg.matmul(other, self),
    "neg": _neg,
    "abs": lambda self: e.abs(self),
    "invert": _invert,
    "mod": lambda self, other: e.remainder(self, other),
    "rmod": lambda self, other: e.remainder(other, self),
    "floordiv": lambda self, other: e.floor_divide(self, other),
    "rfloordiv": lambda self, other: e.floor_divide(other, self),
    "lshift": lambda self, other: bits.bitwise_left_shift(self, other),
    "rlshift": lambda self, other: bits.bitwise_left_shift(other, self),
    "rshift": lambda self, other: bits.bitwise_right_shift(self, other),
    "rrshift": lambda self, other: bits.bitwise_right_shift(other, self),
    "and": lambda self, other: bits.bitwise_and(self, other),
    "rand": lambda self, other: bits.bitwise_and(other, self),
    "or": lambda self, other: bits.bitwise_or(self, other),
    "ror": lambda self, other: bits.bitwise_or(other, self),
    "xor": lambda self, other: bits.bitwise_xor(self, other),
    "rxor": lambda self, other: bits.bitwise_xor(other, self),
    "pos": lambda self: self,
}.items():
    setattr(Tensor, f"__{_name}__", _unary)
for _name, _op in {
    "mod": e.remainder, "floordiv": e.floor_divide, "and": bits.bitwise_and,
    "or": bits.bitwise_or, "xor": bits.bitwise_xor,
    "lshift": bits.bitwise_left_shift, "rshift": bits.bitwise_right_shift,
}.items():  # fmt: skip
    setattr(Tensor, f"__i{_name}__", _in_place(f"__i{_name}__", _op))
