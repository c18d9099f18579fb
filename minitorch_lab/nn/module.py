"""Module: a part of a network that knows its parameters and its name."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .. import dtypes
from ..autograd.function import Function
from ..device import Device
from ..errors import ArgumentError, DTypeError, GradError, KindError, LabError, ShapeError, describe
from ..op import current
from ..tape import ATTRIBUTES, SCOPE, SET, RemovableHandle, engine, module_hooks_changed, tick
from ..tensor import Tensor, make, no_grad

M = TypeVar("M", bound="Module")


class Parameter(Tensor):
    """A tensor that a module learns: it requires grad and is found by ``parameters()``."""

    __slots__ = ()

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        data = make(np.empty(0, dtypes.get_default_dtype().np)) if data is None else data
        if not isinstance(data, Tensor):
            raise KindError(
                f"Parameter(data): expected a tensor, got {describe(data)}\n"
                "  make one with tensor(data)"
            )
        self.array = data.array
        self._grad = self.node = self.name = None
        self.version = [0]
        self.requires_grad = False
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Incompatible(NamedTuple):
    """What load_state_dict left out: names of the module, names of the state_dict."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"Incompatible(missing_keys={self[0]}, unexpected_keys={self[1]})"


class _StateError(ShapeError, ArgumentError):
    """A state_dict that does not fit."""


class _NameError(LabError, KeyError):
    """A name that cannot be given to a part."""

    def __str__(self) -> str:
        return str(self.args[0])


class _NoPart(LabError, AttributeError):
    """A part that the module does not have."""


class _Gate(Function):
    """Lets tensors through, and their gradients through a function."""

    @staticmethod
    def forward(ctx: Any, back: Callable[..., Any], *tensors: Tensor) -> Any:
        """The tensors themselves."""
        ctx.back = back
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """What ``back`` makes of the gradients."""
        return None, *ctx.back(grads)


def _gated(values: Any, back: Callable[..., Any]) -> tuple[Any, bool]:
    """``values``, whose gradients go through ``back``, and whether there are gradients."""
    parts = list(values) if isinstance(values, tuple) else [values]
    places = [i for i, v in enumerate(parts) if isinstance(v, Tensor) and v.requires_grad]
    if not places:
        return values, False

    def inner(grads: tuple[Any, ...]) -> list[Any]:
        full: list[Any] = [None] * len(parts)
        for i, g in zip(places, grads, strict=True):
            full[i] = g
        found = back(tuple(full))
        return [found[i] for i in places]

    for i, v in zip(places, _Gate.apply(inner, *(parts[i] for i in places)), strict=True):
        parts[i] = v
    if not isinstance(values, tuple):
        return parts[0], True
    return (type(values)(*parts) if hasattr(values, "_fields") else tuple(parts)), True


def _run_hooks(hooks: list[Any], module: Module, grads: tuple[Any, ...], *more: Any) -> Any:
    """``grads`` after each hook had its say; GradError where one gives another number of them."""
    for hook in hooks:
        found = hook(module, grads, *more)
        if found is None:
            continue
        found = found if isinstance(found, tuple) else (found,)
        if len(found) != len(grads):
            raise GradError(
                f"a backward hook of {type(module).__name__} returned {len(found)} gradients\n"
                f"  expected {len(grads)}, or None to leave them as they are"
            )
        grads = found
    return grads


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
    _buffers: dict[str, Tensor | None]  # a name whose tensor is yet to come holds None
    _modules: dict[str, Module]
    _hooks: dict[int, tuple[str, Callable[..., Any], bool, bool]]
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
        except TypeError:
            self._check_call(args, kwargs)
            raise
        finally:
            SCOPE.reset(token)

    def _check_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """KindError where ``forward`` does not take these arguments."""
        takes = inspect.signature(self.forward)
        try:
            takes.bind(*args, **kwargs)
        except TypeError as wrong:
            given = [describe(x) for x in args] + [f"{k}={describe(v)}" for k, v in kwargs.items()]
            names = ", ".join(
                p.name if p.default is p.empty else f"{p.name}={p.default}"
                for p in takes.parameters.values()
            )
            raise KindError(
                f"{type(self).__name__}: {wrong}\n  got {', '.join(given) or 'nothing'}\n"
                f"  expected forward({names})"
            ) from None

    # Hooks ---------------------------------------------------------------------------------

    def _with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hooks = [*self._hooks.values()]
        for when, hook, more, _ in hooks:
            if when == "before":
                found = hook(self, args, kwargs) if more else hook(self, args)
                if found is not None and more:
                    args, kwargs = _pair(self, found)
                elif found is not None:
                    args = found if isinstance(found, tuple) else (found,)
        inward = [hook for when, hook, _, _ in hooks if when == "gradient"]
        outward = [hook for when, hook, _, _ in hooks if when == "output gradient"]
        seen: list[Any] = [()]  # the gradients of the outputs, for the hooks at the inputs
        gated = False
        if inward:
            args, gated = _gated(args, lambda g: _run_hooks(inward, self, g, seen[0]))
        try:
            out = self.forward(*args, **kwargs)
        except Exception:
            for when, hook, more, always in hooks:
                if when == "after" and always:
                    _ = hook(self, args, kwargs, None) if more else hook(self, args, None)
            raise
        for when, hook, more, _ in hooks:
            if when == "after":
                found = hook(self, args, kwargs, out) if more else hook(self, args, out)
                out = out if found is None else found
        if inward or outward:
            inputs = len(args)

            def back(grads: tuple[Any, ...]) -> Any:
                seen[0] = grads = _run_hooks(outward, self, grads)
                if not gated:  # no input has a gradient: the hooks are told of the outputs'
                    _run_hooks(inward, self, (None,) * inputs, grads)
                return grads

            out, _ = _gated(out, back)
        return out

    def _add_hook(
        self,
        when: str,
        hook: Callable[..., Any],
        prepend: bool,
        with_kwargs: bool = False,
        always: bool = False,
    ) -> RemovableHandle:
        handle = RemovableHandle(self._hooks, module_hooks_changed)
        rest = dict(self._hooks) if prepend else {}
        if prepend:
            self._hooks.clear()
        self._hooks[handle.id] = (when, hook, with_kwargs, always)
        self._hooks.update(rest)
        module_hooks_changed()
        return handle

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before each forward; what it gives replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)``, which gives both or None. In
        graph mode hooks run when the graph is traced.
        """
        return self._add_hook("before", hook, prepend, with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each forward; its result replaces the output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``. With ``always_call`` it
        is also called when ``forward`` raises; ``output`` is None then. In graph mode hooks run
        when the graph is traced.

        >>> from minitorch_lab.tensor import tensor
        >>> from minitorch_lab.nn import Identity
        >>> layer = Identity()
        >>> handle = layer.register_forward_hook(lambda module, args, output: output * 2)
        >>> layer(tensor([1.0]))
        tensor([2.])
        >>> handle.remove()
        """
        return self._add_hook("after", hook, prepend, with_kwargs, always_call)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when both are known in backward.

        Both are tuples, with None where an argument has no gradient. What the hook gives, a tuple
        or one tensor, replaces ``grad_input``.

        >>> from minitorch_lab.tensor import tensor
        >>> from minitorch_lab.nn import Identity
        >>> layer, x = Identity(), tensor([1.0], requires_grad=True)
        >>> handle = layer.register_full_backward_hook(lambda module, into, out: (into[0] * 3,))
        >>> layer(x).sum().backward()
        >>> x.grad
        tensor([3.])
        """
        return self._add_hook("gradient", hook, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the backward pass of this module.

        What it gives replaces ``grad_output``.
        """
        return self._add_hook("output gradient", hook, prepend)

    # Parts ---------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        parts = self.__dict__.get("_modules")
        if parts is None:
            raise _NoPart(
                f"{type(self).__name__}: parts are assigned before super().__init__()\n"
                "  call super().__init__() first in __init__"
            )
        is_parameter, is_module = isinstance(value, Parameter), isinstance(value, Module)
        if value is not None and not is_parameter and not is_module:
            self._check_kind(name, value)
        if name in self._buffers and (value is None or (_is_tensor(value) and not is_parameter)):
            self._buffers[name] = value
            object.__setattr__(self, name, value)
            return
        if not is_parameter:  # a new one in an old one's place keeps the order
            self._parameters.pop(name, None)
        if not is_module:
            parts.pop(name, None)
        self._buffers.pop(name, None)
        if is_parameter:
            self._parameters[name] = value
            if value.name is None:
                value.name = name
        elif is_module:
            parts[name] = value
            object.__setattr__(value, "_label", name)
        object.__setattr__(self, name, value)
        ATTRIBUTES[SET] += 1

    def _check_kind(self, name: str, value: Any) -> None:
        """KindError where a plain value would put a learned part out of sight."""
        if name in self._parameters:
            remedy = "nn.Parameter(value)" if _is_tensor(value) else "a Parameter or None"
            raise KindError(
                f"{type(self).__name__}.{name} is a parameter: expected a Parameter or None, "
                f"got {describe(value)}\n  assign {remedy}; to change its entries: "
                f"with no_grad(): module.{name}.copy_(value)"
            )
        if name in self._modules:
            raise KindError(
                f"{type(self).__name__}.{name} is a module: expected a module or None, "
                f"got {describe(value)}"
            )
        if name in self._buffers and not _is_tensor(value):
            raise KindError(
                f"{type(self).__name__}.{name} is a buffer: expected a tensor or None, "
                f"got {describe(value)}"
            )

    def __delattr__(self, name: str) -> None:
        for registry in (self._parameters, self._buffers, self._modules):
            registry.pop(name, None)
        self._transient.discard(name)
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name[:1].isdigit()]

    def _check_name(self, what: str, name: Any, registry: Mapping[str, Any]) -> None:
        """That ``name`` can be given to a new part."""
        if not isinstance(name, str):
            raise KindError(f"{what}: name: expected a str, got {describe(name)}")
        if not name or "." in name:
            raise _NameError(f"{what}: the name {name!r}\n  expected one that is not empty, no dot")
        if name not in registry and hasattr(self, name):
            raise _NameError(
                f"{what}: the name {name!r} is taken by a method or attribute\n"
                f"  choose another name, or del module.{name} first"
            )

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name."""
        self._check_name("register_parameter", name, self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise KindError(
                f"register_parameter({name!r}): expected a Parameter or None, got "
                f"{describe(param)}\n  wrap a tensor: nn.Parameter(x)"
            )
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is moved with the module but not learned; saved if persistent.

        None keeps the name for a tensor that is assigned later.
        """
        self._check_name("register_buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise KindError(f"register_buffer({name!r}): expected a tensor, got {describe(tensor)}")
        object.__setattr__(self, name, tensor)
        self._buffers[name] = tensor
        (self._transient.discard if persistent else self._transient.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a part under a name."""
        self._check_name(type(self).__name__, name, self._modules)
        if module is not None and not isinstance(module, Module):
            raise KindError(_no_module(type(self).__name__, name, module))
        setattr(self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a part under a name: ``add_module`` by another name."""
        self.add_module(name, module)

    def get_submodule(self, target: str) -> Module:
        """The part with a dotted name, ``"encoder.0"``; AttributeError where there is none."""
        module: Module = self
        for step in target.split(".") if target else ():
            if step not in module._modules:
                have = ", ".join(module._modules) or "none"
                raise _NoPart(
                    f"get_submodule({target!r}): {type(module).__name__} has no part {step!r}\n"
                    f"  its parts  {have}"
                )
            module = module._modules[step]
        return module

    def _get(self, what: str, registry: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = getattr(module, registry).get(name)
        if found is None:
            have = ", ".join(getattr(module, registry)) or "none"
            raise _NoPart(
                f"{what}({target!r}): {type(module).__name__} has no {name!r} of this kind\n"
                f"  it has  {have}"
            )
        return found

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with a dotted name; AttributeError where there is none."""
        return self._get("get_parameter", "_parameters", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with a dotted name; AttributeError where there is none."""
        return self._get("get_buffer", "_buffers", target)

    def named_modules(
        self,
        memo: set[Module] | None = None,
        prefix: str = "",
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Module]]:
        """This module and all its parts with their dotted names.

        One that stands in two places comes once, unless ``remove_duplicate`` is False.
        """
        seen = set() if memo is None else memo
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if remove_duplicate:
                if module in seen:
                    continue
                seen.add(module)
            yield path, module
            inner = [(f"{path}.{n}" if path else n, m) for n, m in module._modules.items()]
            stack.extend(reversed(inner))

    def modules(self) -> Iterator[Module]:
        """This module and all its parts."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct parts with their names, each once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct parts."""
        return (module for _, module in self.named_children())

    def _named(
        self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        inside = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in inside:
            for name, value in getattr(module, registry).items():
                if value is None or (remove_duplicate and id(value) in seen):
                    continue
                seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The learned tensors with their dotted names; only its own unless ``recurse``."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The learned tensors."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The tensors that are kept but not learned, with their dotted names."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The tensors that are kept but not learned."""
        return (value for _, value in self.named_buffers(recurse=recurse))

    # State ---------------------------------------------------------------------------------

    def state_dict(
        self,
        *,
        destination: Any = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> OrderedDict[str, Tensor]:
        """Every parameter and saved buffer by its dotted name, sharing memory.

        A tensor that two modules share stands under both names. With ``keep_vars`` the values are
        the parameters themselves.
        """
        out = OrderedDict() if destination is None else destination
        for name, value in self._saved(prefix):
            out[name] = value if keep_vars else value.detach()
        return out

    def _saved(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        """What is saved, module by module, in PyTorch's order."""
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._transient:
                yield prefix + name, buffer
        for name, module in self._modules.items():
            yield from module._saved(f"{prefix}{name}.")

    def load_state_dict(
        self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False
    ) -> Incompatible:
        """Copy values in by name; all or none.

        Gives ``(missing_keys, unexpected_keys)``. With ``assign`` the tensors themselves take the
        places of the module's, with their dtype and device. A RuntimeError lists names that are
        missing or unexpected (unless not ``strict``) and those whose shapes differ; nothing is
        changed then.
        """
        if not isinstance(state_dict, Mapping):
            raise KindError(
                f"load_state_dict: expected a dict of tensors, got {describe(state_dict)}\n"
                "  a file is read by load(path) first"
            )
        own = dict(self._saved(""))
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        fits = {name: value for name, value in state_dict.items() if name in own}
        wrong = [
            f"{name}: module {tuple(own[name].shape)}, state_dict "
            + (str(tuple(value.shape)) if _is_tensor(value) else describe(value))
            for name, value in fits.items()
            if not _is_tensor(value) or tuple(value.shape) != tuple(own[name].shape)
        ]
        if wrong or (strict and (missing or unexpected)):
            rows = [
                ("missing", ", ".join(missing)),
                ("unexpected", ", ".join(map(str, unexpected))),
            ]
            rows = [*(rows if strict else ()), *(("shape", text) for text in wrong)]
            width = max(len(label) for label, text in rows if text)
            lines = [f"load_state_dict: the state_dict does not fit {type(self).__name__}"]
            lines += [f"  {label:{width}}  {text}" for label, text in rows if text]
            if wrong:
                lines.append("  expected tensors of the module's shapes: build it with their sizes")
            if strict and (missing or unexpected):
                lines += _near_misses(own, missing, unexpected, state_dict)
                lines.append("  strict=False loads what fits by name")
            raise _StateError("\n".join(lines))
        if assign:
            self._assign(fits)
        else:
            with no_grad():
                moved = {name: value.to(own[name].device) for name, value in fits.items()}
                for name, value in moved.items():
                    own[name].copy_(value)
        return Incompatible(missing, unexpected)

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        """Put tensors in the places of parameters and buffers."""
        for path, value in values.items():
            place, _, name = path.rpartition(".")
            module = self.get_submodule(place)
            old = module._parameters.get(name)
            if old is not None:
                learned = old.requires_grad
                value = value if isinstance(value, Parameter) else Parameter(value, learned)
                value.requires_grad_(learned)
            elif isinstance(value, Parameter):
                value = value.detach()
            setattr(module, name, value)

    def train(self: M, mode: bool = True) -> M:
        """Set training mode: Dropout drops."""
        if not isinstance(mode, bool):
            raise ArgumentError(f"train(mode): expected True or False, got {describe(mode)}")
        object.__setattr__(self, "training", mode)
        for module in self.children():
            module.train(mode)
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
        if not engine().clears:
            return
        for parameter in self.parameters():
            clear_grad(parameter, set_to_none)

    def to(
        self: M, *targets: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False
    ) -> M:
        """Move the parameters and buffers to a device or a float dtype, in place.

        A tensor as target stands for its dtype and device. Integer buffers keep their dtype.
        """
        for target in targets:
            if isinstance(target, Tensor):
                device, dtype = target.device, target.dtype
            elif isinstance(target, (str, Device)):
                device = target
            elif target is not None:
                dtype = target
        kind = None if dtype is None else dtypes.dtype_of(dtype)
        if kind is not None and not kind.is_floating_point:
            raise _FloatOnly(
                f"{type(self).__name__}.to({kind}): expected a float dtype\n"
                "  parameters learn by small steps, which integers cannot take"
            )
        place = None if device is None else Device(device)
        for _, value in [*self.named_parameters(), *self.named_buffers()]:
            move_in_place(value, kind, place)
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

    def half(self: M) -> M:
        """Make every float parameter float16."""
        return self.to(dtypes.float16)

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Call ``fn`` on every part, the innermost first, then on this module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # Printing ------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands in the brackets when the module prints."""
        return ""

    def _part_lines(self) -> list[str]:
        """A line, or several, for each part when the module prints."""
        return [
            f"({name}): " + repr(module).replace("\n", "\n  ")
            for name, module in self._modules.items()
        ]

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = [*extra.split("\n"), *self._part_lines()] if extra else self._part_lines()
        head = type(self).__name__
        if extra and len(lines) == 1:
            return f"{head}({extra})"
        return f"{head}(\n  " + "\n  ".join(lines) + "\n)" if lines else f"{head}()"


def _no_module(where: str, name: str, got: Any) -> str:
    """What to say where a part is no module."""
    if isinstance(got, type):
        shown, remedy = f"the class {got.__name__}", f"make an instance: {got.__name__}(...)"
    else:
        shown, remedy = describe(got), "wrap a function in a Module, or call it in forward"
        if isinstance(got, (list, tuple)):
            remedy = f"write {where}(*layers), or nn.ModuleList(layers)"
        elif _is_tensor(got):
            remedy = "tensors belong in nn.ParameterList, or in register_buffer"
    return f"{where}: part {name!r} is not a module\n  expected a module, got {shown}\n  {remedy}"


class _FloatOnly(KindError, DTypeError):
    """A dtype that parameters cannot have."""


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _pair(module: Module, found: Any) -> Any:
    """What a hook with keywords gave: the arguments and the keywords."""
    if isinstance(found, tuple) and len(found) == 2:
        return found
    raise _HookError(
        f"a forward pre-hook of {type(module).__name__} gave {describe(found)}\n"
        "  expected None, or the pair (args, kwargs)"
    )


class _HookError(LabError, RuntimeError):
    """A hook that gives something else than it may."""


def _near_misses(
    own: Mapping[str, Any], missing: Sequence[str], unexpected: Sequence[Any], given: Any
) -> list[str]:
    """What may be meant where names differ."""
    names = [name for name in unexpected if isinstance(name, str)]
    if not missing or not names:
        return []
    for name in names:
        if isinstance(given[name], Mapping) and set(own) & set(given[name]):
            return [f"  this is a dict around a state_dict: load state_dict[{name!r}]"]
    first, _, _ = names[0].partition(".")
    front = f"{first}."
    carried = all(isinstance(k, str) and k.startswith(front) for k in given)
    if carried and set(own) & {k.removeprefix(front) for k in given}:
        return [
            f"  every key has {front!r} in front: load "
            f"{{k.removeprefix({front!r}): v for k, v in state_dict.items()}}"
        ]
    front = f"{missing[0].partition('.')[0]}."
    if set(own) & {front + k for k in names} and all(k.startswith(front) for k in own):
        part = front[:-1]
        return [f"  the keys lack {front!r} in front: load them into module.{part}"]
    close = [(k, get_close_matches(k, missing, 1, 0.8)) for k in names]
    return [f"  is {k} meant to be {found[0]}?" for k, found in close[:8] if found]


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
