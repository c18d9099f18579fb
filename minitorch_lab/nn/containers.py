"""Modules and parameters kept in lists and dicts, so that the module around them finds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from ..errors import IndexingError, KindError, describe
from ..tensor import Tensor
from .module import Module, Parameter

R = TypeVar("R", bound="Row")


def _place(index: int, count: int, kind: str) -> int:
    if not -count <= index < count:
        raise IndexingError(f"{kind} has {count} entries, no number {index}")
    return index % count


class Row(Module):
    """Modules in a row, by number: what ModuleList and Sequential share."""

    def _key(self, index: int) -> str:
        return list(self._modules)[_place(index, len(self), type(self).__name__)]

    def _refill(self, modules: Iterable[Module]) -> None:
        modules = list(modules)
        for name in list(self._modules):
            delattr(self, name)
        for i, module in enumerate(modules):
            self.add_module(str(i), module)

    def append(self: R, module: Module) -> R:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: R, modules: Iterable[Module]) -> R:
        """Add modules at the end."""
        if not isinstance(modules, Iterable):
            raise KindError(
                f"{type(self).__name__}: expected a list of modules, got {describe(modules)}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def insert(self: R, index: int, module: Module) -> R:
        """Put a module before number ``index``."""
        if not isinstance(module, Module):
            raise KindError(f"insert: expected a module, got {describe(module)}")
        modules = list(self)
        modules.insert(index, module)
        self._refill(modules)
        return self

    def pop(self, index: int = -1) -> Module:
        """Take a module out."""
        module: Module = self._modules[self._key(index)]
        del self[index]
        return module

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self)
        if isinstance(index, int):
            index = _place(index, len(modules), type(self).__name__)
        del modules[index]
        self._refill(modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __iadd__(self: R, modules: Iterable[Module]) -> R:
        return self.extend(modules)


class ModuleList(Row):
    """A list of modules.

    >>> from minitorch_lab.nn import Identity
    >>> layers = ModuleList(Identity() for _ in range(2))
    >>> len(layers), layers[-1]
    (2, Identity())
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules or ())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._modules[self._key(index)]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """A list computes nothing: NotImplementedError."""
        raise NotImplementedError(
            "ModuleList has no forward: go through it, for layer in layers: x = layer(x), "
            "or use nn.Sequential(*layers)"
        )

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return type(self)([*self, *other])

    def _part_lines(self) -> list[str]:
        """Neighbours that print alike share a line: ``(0-3): 4 x Linear(...)``."""
        runs: list[list[Any]] = []
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1][1] = i
            else:
                runs.append([i, i, text])
        return [
            (f"({i}): " if i == j else f"({i}-{j}): {j - i + 1} x ") + text.replace("\n", "\n  ")
            for i, j, text in runs
        ]


class ModuleDict(Module):
    """Modules by name.

    >>> from minitorch_lab.nn import Identity
    >>> parts = ModuleDict({"head": Identity()})
    >>> parts["head"], "tail" in parts
    (Identity(), False)
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add modules, in place of those that have their names."""
        pairs: Any = (
            modules.items() if isinstance(modules, (Mapping, ModuleDict)) else iter(modules)
        )
        for name, module in pairs:
            self[name] = module

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]
        object.__delattr__(self, key)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """The pairs of name and module."""
        return self._modules.items()

    def pop(self, key: str) -> Module:
        """Take a module out."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Take all modules out."""
        for key in list(self._modules):
            del self[key]


def _parameter(value: Any) -> Parameter:
    return value if isinstance(value, Parameter) else Parameter(value)


def _parameter_lines(module: Module) -> str:
    """A line for each parameter, as PyTorch prints them."""
    return "\n".join(
        f"  ({name}): Parameter containing: [{p.dtype} of size {'x'.join(map(str, p.shape))}"
        + ("]" if p.device.type == "cpu" else f" ({p.device})]")
        for name, p in module._parameters.items()
    )


class ParameterList(Module):
    """A list of parameters; tensors become parameters.

    >>> from minitorch_lab.tensor import tensor
    >>> len(ParameterList([tensor([1.0]), tensor([2.0])]))
    2
    """

    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        self.extend(() if values is None else values)

    def append(self, value: Tensor) -> ParameterList:
        """Add a parameter at the end."""
        self._set(len(self), value)
        return self

    def _set(self, index: int, value: Tensor) -> None:
        self.register_parameter(str(index), _parameter(value))

    def extend(self, values: Iterable[Tensor]) -> ParameterList:
        """Add parameters at the end."""
        if isinstance(values, Tensor) or not isinstance(values, Iterable):
            raise KindError(f"ParameterList: expected a list of tensors, got {describe(values)}")
        for value in list(values):
            self.append(value)
        return self

    def __getitem__(self, index: int | slice) -> Any:
        found = list(self)
        if isinstance(index, slice):
            return type(self)(found[index])
        return found[_place(index, len(found), "ParameterList")]

    def __setitem__(self, index: int, value: Tensor) -> None:
        self._set(_place(index, len(self), "ParameterList"), value)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters.values())

    def __iadd__(self, values: Iterable[Tensor]) -> ParameterList:
        return self.extend(values)

    def extra_repr(self) -> str:
        """The parameters."""
        return _parameter_lines(self)


class ParameterDict(Module):
    """Parameters by name; tensors become parameters.

    >>> from minitorch_lab.tensor import tensor
    >>> scales = ParameterDict({"width": tensor([1.0])})
    >>> "width" in scales, len(scales)
    (True, 1)
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def update(self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]) -> None:
        """Add parameters, in place of those that have their names."""
        source: Any = parameters
        mapping = isinstance(source, (Mapping, ParameterDict))
        for name, value in list(source.items() if mapping else source):
            self[name] = value

    def __getitem__(self, key: str) -> Parameter:
        return self._parameters[key]

    def __setitem__(self, key: str, value: Tensor) -> None:
        self.register_parameter(key, _parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._parameters[key]
        object.__delattr__(self, key)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._parameters))

    def __contains__(self, key: object) -> bool:
        return key in self._parameters

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._parameters.keys()

    def values(self) -> Iterable[Parameter]:
        """The parameters."""
        return self._parameters.values()

    def items(self) -> Iterable[tuple[str, Parameter]]:
        """The pairs of name and parameter."""
        return self._parameters.items()

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of a name, or ``default``."""
        return self._parameters.get(key, default)

    def setdefault(self, key: str, default: Any = None) -> Parameter:
        """The parameter of a name, which is ``default`` if there is none yet."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str) -> Parameter:
        """Take a parameter out."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Parameter]:
        """Take the last pair of name and parameter out."""
        key = list(self)[-1] if len(self) else ""
        return key, self.pop(key)

    def clear(self) -> None:
        """Take all parameters out."""
        for key in list(self):
            del self[key]

    def copy(self) -> ParameterDict:
        """Another dict of the same parameters."""
        return ParameterDict(self)

    def __or__(self, other: Any) -> ParameterDict:
        out = self.copy()
        out.update(other)
        return out

    def __ior__(self, other: Any) -> ParameterDict:
        self.update(other)
        return self

    def extra_repr(self) -> str:
        """The parameters."""
        return _parameter_lines(self)
