"""Module: a part of a network that knows its parameters and its name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from .. import dtypes
from ..device import Device
from ..errors import ArgumentError, KindError, LabError, ShapeError, describe
from ..op import current
from ..tape import SCOPE, tick
from ..tensor import Tensor, make, no_grad

M = TypeVar("M", bound="Module")


class Parameter(Tensor):
    """A tensor that a module learns: it requires grad and is found by ``parameters()``."""

    __slots__ = ()

    def __init__(self, data: Tensor, requires_grad: bool = True) -> None:
        if not isinstance(data, Tensor):
            raise KindError(f"Parameter(data): expected a tensor, got {describe(data)}")
        self.array = data.array
        self._grad = self.node = self.name = None
        self.version = [0]
        self.requires_grad = False
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class HookHandle:
    """A registered hook: ``remove()``, or the end of a ``with`` block, takes it away."""

    def __init__(self, hooks: dict[Any, Any]) -> None:
        self._registry = hooks

    def remove(self) -> None:
        """Take the hook away."""
        self._registry.pop(self, None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class Module:
    """A part of a network. A subclass makes its parts in ``__init__`` and uses them in ``forward``.

    >>> class Double(Module):
    ...     def forward(self, x):
    ...         return x * 2
    >>> from minitorch_lab.tensor import tensor
    >>> Double()(tensor([1.0]))
    tensor([2.])
    """

    training: bool
    _parameters: dict[str, Parameter]
    _buffers: dict[str, Tensor]
    _modules: dict[str, Module]
    _hooks: dict[HookHandle, tuple[str, Callable[..., Any], bool]]
    _transient: set[str]  # buffers that are not saved
    _label: str | None  # the name under which the parent knows this module

    def __init__(self) -> None:
        for name in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, name, {})
        object.__setattr__(self, "_transient", set())
        object.__setattr__(self, "_hooks", {})
        object.__setattr__(self, "training", True)
        object.__setattr__(self, "_label", None)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; a subclass writes it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward: define `def forward(self, x):` in the class"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward``; the ops inside know that they belong to this module."""
        outer = SCOPE.get()
        name = self.__dict__.get("_label") or type(self).__name__
        token = SCOPE.set(f"{outer}.{name}" if outer else name)
        interpreter = current()
        if interpreter.tracing:
            interpreter.uses_module(self)
        try:
            if self._hooks:
                return self._with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        finally:
            SCOPE.reset(token)

    # Hooks ---------------------------------------------------------------------------------

    def _with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for when, hook, more in [*self._hooks.values()]:
            if when == "before":
                found = hook(self, args, kwargs) if more else hook(self, args)
                if found is not None and more:
                    args, kwargs = found
                elif found is not None:
                    args = found if isinstance(found, tuple) else (found,)
        out = self.forward(*args, **kwargs)
        for when, hook, more in [*self._hooks.values()]:
            if when == "after":
                found = hook(self, args, kwargs, out) if more else hook(self, args, out)
                out = out if found is None else found
        return out

    def _add_hook(
        self, when: str, hook: Callable[..., Any], prepend: bool, with_kwargs: bool
    ) -> HookHandle:
        handle = HookHandle(self._hooks)
        if prepend:
            rest = dict(self._hooks)
            self._hooks.clear()
            self._hooks[handle] = (when, hook, with_kwargs)
            self._hooks.update(rest)
        else:
            self._hooks[handle] = (when, hook, with_kwargs)
        return handle

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> HookHandle:
        """Call ``hook(module, args)`` before each forward; what it gives replaces the arguments.

        In graph mode hooks run when the graph is traced.
        """
        return self._add_hook("before", hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> HookHandle:
        """Call ``hook(module, args, output)`` after each forward; its result replaces the output.

        In graph mode hooks run when the graph is traced.

        >>> from minitorch_lab.tensor import tensor
        >>> from minitorch_lab.nn import Identity
        >>> layer = Identity()
        >>> handle = layer.register_forward_hook(lambda module, args, output: output * 2)
        >>> layer(tensor([1.0]))
        tensor([2.])
        >>> handle.remove()
        """
        return self._add_hook("after", hook, prepend, with_kwargs)

    # Parts ---------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        parts = self.__dict__.get("_modules")
        if parts is None:
            raise LabError(
                f"{type(self).__name__}: parts are assigned before super().__init__()\n"
                "  call super().__init__() first in __init__"
            )
        if name in self._buffers and isinstance(value, Tensor) and not isinstance(value, Parameter):
            self._buffers[name] = value
            object.__setattr__(self, name, value)
            return
        if not isinstance(value, Parameter):  # a new one in an old one's place keeps the order
            self._parameters.pop(name, None)
        if not isinstance(value, Module):
            parts.pop(name, None)
        self._buffers.pop(name, None)
        if isinstance(value, Parameter):
            self._parameters[name] = value
            if value.name is None:
                value.name = name
        elif isinstance(value, Module):
            parts[name] = value
            object.__setattr__(value, "_label", name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for registry in (self._parameters, self._buffers, self._modules):
            registry.pop(name, None)
        object.__delattr__(self, name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name."""
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is moved with the module but not learned; saved if persistent."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise KindError(f"register_buffer({name!r}): expected a tensor, got {describe(tensor)}")
        object.__setattr__(self, name, tensor)
        if tensor is not None:
            self._buffers[name] = tensor
        (self._transient.discard if persistent else self._transient.add)(name)

    def add_module(self, name: str, module: Module) -> None:
        """Add a part under a name."""
        if not isinstance(module, Module):
            raise KindError(f"{name}: expected a module, got {describe(module)}")
        setattr(self, name, module)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all its parts with their dotted names."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            inner = [(f"{path}.{n}" if path else n, m) for n, m in module._modules.items()]
            stack.extend(reversed(inner))

    def modules(self) -> Iterator[Module]:
        """This module and all its parts."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct parts with their names."""
        return iter(self._modules.items())

    def children(self) -> Iterator[Module]:
        """The direct parts."""
        return iter(self._modules.values())

    def _named(self, registry: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix):
            for name, value in getattr(module, registry).items():
                if id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """The learned tensors with their dotted names."""
        return self._named("_parameters", prefix)

    def parameters(self) -> Iterator[Parameter]:
        """The learned tensors."""
        return (value for _, value in self.named_parameters())

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """The saved tensors that are not learned, with their dotted names."""
        return self._named("_buffers", prefix)

    # State ---------------------------------------------------------------------------------

    def state_dict(self) -> OrderedDict[str, Tensor]:
        """Every parameter and buffer by its dotted name, sharing memory.

        A tensor that two modules share stands under both names.
        """
        return OrderedDict((name, value.detach()) for name, value in self._saved(""))

    def _saved(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        """What is saved, module by module, in PyTorch's order."""
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter
        for name, buffer in self._buffers.items():
            if name not in self._transient:
                yield prefix + name, buffer
        for name, module in self._modules.items():
            yield from module._saved(f"{prefix}{name}.")

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True) -> None:
        """Copy values in by name; all or none.

        Raises ArgumentError for names that are missing or unknown (unless not ``strict``), and
        ShapeError where a shape differs.
        """
        own = dict(self._saved(""))
        missing = [name for name in own if name not in state_dict]
        unknown = [name for name in state_dict if name not in own]
        if strict and (missing or unknown):
            lines = [f"load_state_dict: the names differ from those of {type(self).__name__}"]
            lines += [f"  missing  {', '.join(missing)}"] if missing else []
            lines += [f"  unknown  {', '.join(unknown)}"] if unknown else []
            raise ArgumentError("\n".join([*lines, "  strict=False loads what fits by name"]))
        fits = {name: value for name, value in state_dict.items() if name in own}
        for name, value in fits.items():
            if tuple(value.shape) != tuple(own[name].shape):
                raise ShapeError(
                    f"load_state_dict: {name} has another shape\n  module      {own[name].spec}\n"
                    f"  state_dict  {value.spec}\n  expected {tuple(own[name].shape)}"
                )
        with no_grad():
            for name, value in fits.items():
                own[name].copy_(value)

    def train(self: M, mode: bool = True) -> M:
        """Set training mode: Dropout drops."""
        for module in self.modules():
            object.__setattr__(module, "training", bool(mode))
        return self

    def eval(self: M) -> M:
        """Set evaluation mode: Dropout lets everything through."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Set whether the parameters are learned."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            clear_grad(parameter, set_to_none)

    def to(self: M, *targets: Any, dtype: Any = None, device: Any = None) -> M:
        """Move the parameters and buffers to a device or a float dtype, in place."""
        for target in targets:
            if isinstance(target, (str, Device)):
                device = target
            else:
                dtype = dtypes.dtype_of(target)
        for _, value in [*self.named_parameters(), *self.named_buffers()]:
            move_in_place(value, dtype, device)
        return self

    def cpu(self: M) -> M:
        """Move everything to the CPU."""
        return self.to("cpu")

    def cuda(self: M) -> M:
        """Move everything to the GPU."""
        return self.to("cuda")

    def float(self: M) -> M:
        """Make every float parameter float32."""
        return self.to(dtypes.float32)

    def double(self: M) -> M:
        """Make every float parameter float64."""
        return self.to(dtypes.float64)

    def apply(self: M, function: Callable[[Module], None]) -> M:
        """Call ``function`` on every part."""
        for module in self.modules():
            function(module)
        return self

    # Printing ------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands in the brackets when the module prints."""
        return ""

    def __repr__(self) -> str:
        lines = []
        for name, module in self._modules.items():
            lines.append(f"({name}): " + repr(module).replace("\n", "\n  "))
        head = f"{type(self).__name__}({self.extra_repr()}"
        return head + ("\n  " + "\n  ".join(lines) + "\n)" if lines else ")")


def clear_grad(x: Tensor, set_to_none: bool = True) -> None:
    """Forget a gradient: to None, or to zeros."""
    if set_to_none:
        x.grad = None
    elif x.grad is not None:
        with no_grad():
            x.grad.zero_()


def move_in_place(x: Tensor, dtype: Any, device: Any) -> None:
    """Give a tensor's array another dtype or device; its gradient goes along."""
    for value in (x, x._grad):
        if value is None:
            continue
        kind = dtype if value.array.dtype.kind == "f" else None
        moved = make(value.array).to(dtype=kind, device=device)
        if moved.array is not value.array:
            value.array = moved.array
            value.version = [tick()]
