"""Modules and parameters kept in lists and dicts, so that the module around them finds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import IndexingError, KindError, describe
from ..tensor import Tensor
from .module import Module, Parameter


def _place(index: int, count: int, kind: str) -> int:
    if not -count <= index < count:
        raise IndexingError(f"{kind} has {count} entries, no number {index}")
    return index % count


class ModuleList(Module):
    """A list of modules.

    >>> from minitorch_lab.nn import Identity
    >>> layers = ModuleList(Identity() for _ in range(2))
    >>> len(layers), layers[-1]
    (2, Identity())
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules or ())

    def _refill(self, modules: list[Module]) -> None:
        for name in list(self._modules):
            delattr(self, name)
        for i, module in enumerate(modules):
            self.add_module(str(i), module)

    def append(self, module: Module) -> ModuleList:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Put a module before number ``index``."""
        modules = list(self)
        modules.insert(index, module)
        self._refill(modules)

    def pop(self, index: int = -1) -> Module:
        """Take a module out."""
        module: Module = self[index]
        del self[index]
        return module

    def __getitem__(self, index: int | slice) -> Any:
        modules = list(self)
        if isinstance(index, slice):
            return type(self)(modules[index])
        return modules[_place(index, len(modules), "ModuleList")]

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(str(_place(index, len(self), "ModuleList")), module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self)
        if isinstance(index, int):
            index = _place(index, len(modules), "ModuleList")
        del modules[index]
        self._refill(modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return type(self)([*self, *other])

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)


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
        if not isinstance(module, Module):
            raise KindError(f"{key}: expected a module, got {describe(module)}")
        if key in self._modules or not hasattr(self, key):
            self.add_module(key, module)
        else:
            raise _NameError(f"ModuleDict: the name {key!r} is taken by a method or attribute")

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


class _NameError(KindError, KeyError):
    """A name that cannot be given to a part."""

    def __str__(self) -> str:
        return str(self.args[0])


class ParameterList(Module):
    """A list of parameters; tensors become parameters.

    >>> from minitorch_lab.tensor import tensor
    >>> len(ParameterList([tensor([1.0]), tensor([2.0])]))
    2
    """

    def __init__(self, values: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.extend(values or ())

    def append(self, value: Tensor) -> ParameterList:
        """Add a parameter at the end."""
        self._set(len(self), value)
        return self

    def _set(self, index: int, value: Tensor) -> None:
        parameter = value if isinstance(value, Parameter) else Parameter(value)
        self.register_parameter(str(index), parameter)

    def extend(self, values: Iterable[Tensor]) -> ParameterList:
        """Add parameters at the end."""
        for value in values:
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
