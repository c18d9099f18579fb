"""The layers: modules that hold parameters or settings for one function."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

from .. import creation
from ..errors import ArgumentError, KindError, ShapeError, describe
from ..ops.movement import reshape
from ..ops.rules import one_dim
from ..tensor import Tensor
from . import functional as F
from . import init
from .containers import Row
from .module import Module, Parameter


def _count(name: str, value: Any, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise KindError(f"{name}: expected an int, got {describe(value)}")
    if value < least:
        raise ArgumentError(f"{name}={value}: expected {least} or more")
    return value


class Linear(Module):
    r"""A linear layer, :math:`y = x W^\top + b`.

    Shapes: input ``(..., in_features)``, output ``(..., out_features)``, weight
    ``(out_features, in_features)``. Both start uniform within :math:`\pm 1/\sqrt{in}`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = _count("in_features", in_features)
        self.out_features = _count("out_features", out_features)
        empty = creation.empty(out_features, in_features, device=device, dtype=dtype)
        self.weight = Parameter(empty)
        self.bias = (
            Parameter(creation.empty(out_features, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new first values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer to ``(..., in_features)``."""
        try:
            return F.linear(input, self.weight, self.bias)
        except ShapeError as error:
            raise ShapeError(_counted(str(error), input, self)) from None

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


def _counted(text: str, input: Tensor, layer: Linear) -> str:
    """The message of an input that does not fit, with what its last size is made of."""
    shape, wanted = tuple(input.shape), layer.in_features
    head, _, hint = text.rpartition("\n")
    if not hint.startswith("  use Linear("):
        return text
    if len(shape) > 1 and math.prod(shape) == wanted:
        times = " x ".join(map(str, shape))
        return f"{head}\n  {times} = {wanted}: one example; write input.reshape(1, {wanted})"
    node = input.node
    before = tuple(node.inputs[0].shape) if node and node.op.name == "reshape" else ()
    if len(before) > 2 and math.prod(before[1:]) == shape[-1]:
        times = " x ".join(map(str, before[1:]))
        return f"{head}\n  {shape[-1]} = {times}, from {before}\n{hint}"
    return text


def _of_pair(text: str, before: Module) -> str:
    """The message of a module that got the tuple another one gave."""
    name = type(before).__name__
    head = text.rpartition("\n")[0] if text.endswith("from lists of numbers") else text
    return (
        f"{head}\n  {name} gives a tuple: call it outside of Sequential, "
        f"such as output, _ = {name.lower()}(x)"
    )


class Flatten(Module):
    """Join dimensions into one: ``(N, C, H, W)`` becomes ``(N, C * H * W)``."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """Flatten ``input``."""
        return F.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The settings."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split a dimension: ``(N, 12)`` becomes ``(N, 3, 4)`` by ``Unflatten(1, (3, 4))``.

    One of the sizes may be -1.
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise KindError(
                f"Unflatten: unflattened_size: expected a tuple of ints, "
                f"got {describe(unflattened_size)}"
            )
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """Unflatten ``input``."""
        dim = one_dim(self.dim, input.ndim)
        shape = tuple(input.shape)
        return reshape(input, (*shape[:dim], *self.unflattened_size, *shape[dim + 1 :]))

    def extra_repr(self) -> str:
        """The settings."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Dropout(Module):
    """Zero each entry with probability ``p`` while training; nothing in evaluation."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        F.check_probability(p)
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """The settings."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(Dropout):
    """Zero whole channels of ``(N, C, L)`` or ``(C, L)`` with probability ``p`` while training."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.dropout1d(input, self.p, self.training)


class Dropout2d(Dropout):
    """Zero whole channels of ``(N, C, H, W)`` with probability ``p`` while training."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.dropout2d(input, self.p, self.training)


class AlphaDropout(Dropout):
    """Dropout for ``selu``: mean and variance stay as they are. Klambauer et al. (2017)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.alpha_dropout(input, self.p, self.training)


class Identity(Module):
    """Gives back what it gets; any arguments are accepted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """Give it back."""
        return input


class Sequential(Row):
    """Modules one after the other.

    >>> Sequential(Flatten(), Identity())
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): Identity()
    )
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        named = (
            modules[0].items()
            if len(modules) == 1 and isinstance(modules[0], OrderedDict)
            else ((str(i), m) for i, m in enumerate(modules))
        )
        for name, module in named:
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        """Pass ``input`` through all modules."""
        before = None
        for module in self._modules.values():
            try:
                before, input = module, module(input)
            except KindError as error:
                if isinstance(input, tuple) and isinstance(before, Module):
                    raise KindError(_of_pair(str(error), before)) from None
                raise
        return input

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self._key(index)]

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *other)

    def __mul__(self, times: int) -> Sequential:
        _count("times", times)
        return Sequential(*(list(self) * times))

    __rmul__ = __mul__
