"""Recurrent layers: a state that is carried from step to step."""

from __future__ import annotations

import math
import warnings
from typing import Any

from .. import creation
from ..errors import ArgumentError, KindError, ShapeError, describe
from ..op import autocast
from ..ops import recurrent
from ..ops.indexing import index_select
from ..ops.movement import cat, reshape, squeeze, stack, transpose, unsqueeze
from ..tensor import Tensor
from . import functional as F
from . import init
from .functional.sparse import NotSupported
from .module import Module, Parameter
from .utils.rnn import PackedSequence, sizes_of

GATES = {"RNN": 1, "RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


class _NonlinearityError(ArgumentError, RuntimeError):
    """A nonlinearity that is neither tanh nor relu."""


def _check_nonlinearity(name: str, value: str) -> str:
    if value not in ("tanh", "relu"):
        raise _NonlinearityError(
            f"{name}: unknown nonlinearity {value!r}\n  expected 'tanh' or 'relu'"
        )
    return value


def _size(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise KindError(f"{name}: expected an int, got {describe(value)}")
    if value < 1:
        raise ArgumentError(f"{name}={value}: expected 1 or more")
    return value


def _sequence(
    mode: str,
    x: Any,
    weights: tuple[Any, ...],
    first: list[Any],
    sizes: tuple[int, ...],
    reverse: bool = False,
) -> list[Any]:
    """All states of one layer in one direction: the projection of all steps, then the loop."""
    w_ih, w_hh, b_ih, b_hh = weights
    if b_hh is None:
        b_hh = creation.zeros(w_hh.shape[0], dtype=w_hh.dtype, device=w_hh.device)
    projected = F.linear(x, w_ih, b_ih)
    attrs: dict[str, Any] = {"sizes": sizes, "reverse": reverse}
    if mode == "LSTM":
        both = recurrent.lstm(projected, w_hh, b_hh, *first, **attrs)
        size = w_hh.shape[1]
        return [both[:, :size], both[:, size:]]
    if mode == "GRU":
        return [recurrent.gru(projected, w_hh, b_hh, *first, **attrs)]
    return [recurrent.rnn(projected, w_hh, b_hh, *first, **attrs, relu=mode == "RNN_RELU")]


def _check_input(layer: Any, x: Any, ndims: tuple[int, int], shapes: str) -> None:
    """Errors unless the input fits the layer."""
    name = type(layer).__name__
    if not isinstance(x, Tensor):
        raise KindError(f"{name}: input: expected a tensor, got {describe(x)}")
    if x.ndim not in ndims:
        raise ArgumentError(
            f"{name}: input has {x.ndim} dimensions\n  input  {x.spec}\n  expected {shapes}"
        )
    _check_rows(layer, x)


class _InputTypeError(ArgumentError, RuntimeError):
    """An input whose dtype is not that of the weights."""


def _check_rows(layer: Any, x: Any) -> None:
    name, weight = type(layer).__name__, next(layer.parameters())
    taken, kept = autocast("low", x, weight)
    if taken.dtype != kept.dtype:
        raise _InputTypeError(
            f"{name}: the dtypes of input and weights differ\n  input    {x.spec}\n"
            f"  weights  {weight.dtype}\n  expected one dtype\n"
            f"  convert with input.to(lab.{weight.spec.dtype}), or the layer with "
            f"layer.to(lab.{x.spec.dtype})"
        )
    if x.shape[-1] != layer.input_size:
        raise ShapeError(
            f"{name}: the last size of input is not input_size\n  input  {x.spec}\n"
            f"  expected (..., {layer.input_size}), got {x.shape[-1]}\n"
            + (
                "  the features are last in (L, N, H) and (N, L, H): try input.transpose(1, 2)"
                if x.ndim == 3 and x.shape[1] == layer.input_size
                else f"  use {name}({x.shape[-1]}, {layer.hidden_size})"
            )
        )


def _check_state(
    name: str, given: Any, names: tuple[str, ...], shape: tuple[int, ...], other: Any = None
) -> list[Any]:
    """The first states as a list; errors unless each has ``shape``.

    ``other`` is a batch that the state may have been made for, and what to say then.
    """
    if len(names) == 1:
        states = [given]
    elif isinstance(given, (tuple, list)) and len(given) == 2:
        states = list(given)
    else:
        raise _StateKindError(
            f"{name}: hx: expected the pair (h_0, c_0), got {describe(given)}\n"
            f"  each of shape {shape}"
        )
    for s, which in zip(states, names, strict=True):
        if not isinstance(s, Tensor):
            raise KindError(f"{name}: {which}: expected a tensor, got {describe(s)}")
        if tuple(s.shape) != shape:
            raise ShapeError(
                f"{name}: {which} does not fit the input\n  {which}  {s.spec}\n"
                f"  expected {shape}\n"
                + (
                    other[1]
                    if other and tuple(s.shape) == (shape[0], other[0], *shape[2:])
                    else "  leave it out to start with zeros"
                )
            )
    return states


class _StateKindError(KindError, IndexError):
    """A first state that is no pair; PyTorch fails on its index."""


class RNNBase(Module):
    """What RNN, LSTM and GRU share: parameters for each layer and direction, and the loop."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        for name, value in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(value, bool):
                raise KindError(f"{name}: expected a bool, got {describe(value)}")
        F.check_probability(dropout)
        if proj_size and mode != "LSTM":
            raise ArgumentError(f"{mode}: proj_size={proj_size}: only an LSTM can have it")
        if proj_size:
            raise NotSupported(
                f"LSTM: proj_size={proj_size} is not supported\n  expected 0\n"
                "  put a Linear layer after the LSTM"
            )
        self.mode = mode
        self.input_size = _size("input_size", input_size)
        self.hidden_size = _size("hidden_size", hidden_size)
        self.num_layers = _size("num_layers", num_layers)
        self.bias, self.batch_first = bias, batch_first
        self.dropout, self.bidirectional = float(dropout), bidirectional
        self.proj_size = proj_size
        if dropout and num_layers == 1:
            warnings.warn(
                f"{type(self).__name__}: dropout={dropout} has no effect: it acts between layers, "
                "and num_layers is 1",
                stacklevel=3,
            )
        rows, made = GATES[mode] * hidden_size, {"device": device, "dtype": dtype}
        for layer, suffix in self._suffixes():
            width = input_size if layer == 0 else hidden_size * (1 + bidirectional)
            shapes: dict[str, tuple[int, ...]] = {
                "weight_ih": (rows, width),
                "weight_hh": (rows, hidden_size),
                "bias_ih": (rows,),
                "bias_hh": (rows,),
            }
            for name, shape in shapes.items():
                if bias or not name.startswith("bias"):
                    setattr(self, name + suffix, Parameter(creation.empty(*shape, **made)))
        self.reset_parameters()

    def _suffixes(self) -> list[tuple[int, str]]:
        """The layers with the ends of their parameters' names: ``_l0``, ``_l0_reverse``."""
        ends = ("", "_reverse") if self.bidirectional else ("",)
        return [(k, f"_l{k}{end}") for k in range(self.num_layers) for end in ends]

    def _weights(self, suffix: str) -> tuple[Any, ...]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return tuple(getattr(self, name + suffix, None) for name in names)

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters, a list for each layer and direction."""
        return [[w for w in self._weights(s) if w is not None] for _, s in self._suffixes()]

    def reset_parameters(self) -> None:
        r"""Draw new first values, uniform within :math:`\pm 1/\sqrt{H}`."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Does nothing: in PyTorch it arranges memory for the GPU."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The states of the last layer at all steps, and the last states of all layers."""
        name, directions = type(self).__name__, 1 + self.bidirectional
        names = ("h_0", "c_0") if self.mode == "LSTM" else ("hx",)
        packed, single = isinstance(input, PackedSequence), False
        if packed:
            x, _, order, back = input
            _check_rows(self, x)
            sizes = sizes_of(input)
        else:
            expected = "(N, L, H)" if self.batch_first else "(L, N, H)"
            _check_input(self, input, (2, 3), f"{expected}, or (L, H) for one sequence")
            single, x = input.ndim == 2, input
            if single:
                x = unsqueeze(x, 1)
            elif self.batch_first:
                x = transpose(x, 0, 1)
            length, batch, width = x.shape
            if not length:
                raise ShapeError(
                    f"{name}: the input has no step\n  input  {input.spec}\n  expected L >= 1"
                )
            sizes, order, back = (batch,) * length, None, None
            x = reshape(x, (length * batch, width))
        states = self._first(hx, names, sizes[0], single, order, x)
        ends: list[list[Any]] = [[] for _ in names]
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            outs = []
            for d in range(directions):
                weights = self._weights(f"_l{layer}" + ("_reverse" if d else ""))
                first = [s[layer * directions + d] for s in states]
                found = _sequence(self.mode, x, weights, first, sizes, bool(d))
                for end, all_steps in zip(ends, found, strict=True):
                    end.append(recurrent.final(all_steps, sizes, bool(d)))
                outs.append(found[0])
            x = outs[0] if directions == 1 else cat(outs, 1)
        last = [self._last(stack(end), single, back) for end in ends]
        hidden = tuple(last) if self.mode == "LSTM" else last[0]
        if packed:
            return PackedSequence(x, input.batch_sizes, order, back), hidden
        x = reshape(x, (length, batch, x.shape[1]))
        if single:
            x = squeeze(x, 1)
        elif self.batch_first:
            x = transpose(x, 0, 1)
        return x, hidden

    def _first(
        self, hx: Any, names: tuple[str, ...], batch: int, single: bool, order: Any, like: Any
    ) -> list[Any]:
        """The first states, each ``(layers * directions, N, H)``."""
        count = self.num_layers * (1 + self.bidirectional)
        shape = (count, batch, self.hidden_size)
        if hx is None:
            return [creation.zeros(*shape, dtype=like.dtype, device=like.device) for _ in names]
        wanted = (count, self.hidden_size) if single else shape
        other: tuple[int, str] | None = None
        if not single and order is None and batch:
            have, use = ("True", "False") if self.batch_first else ("False", "True")
            said = f"  batch_first={have} here; for a batch of {like.shape[0] // batch} use {use}"
            other = (like.shape[0] // batch, said)
        states = _check_state(type(self).__name__, hx, names, wanted, other)
        if single:
            return [unsqueeze(s, 1) for s in states]
        return states if order is None else [index_select(s, 1, order) for s in states]

    @staticmethod
    def _last(state: Any, single: bool, back: Any) -> Any:
        if single:
            return squeeze(state, 1)
        return state if back is None else index_select(state, 1, back)

    def extra_repr(self) -> str:
        """The settings."""
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        changed = {k: getattr(self, k) for k, v in defaults.items() if getattr(self, k) != v}
        return ", ".join([text, *(f"{k}={v}" for k, v in changed.items())])


class RNN(RNNBase):
    r"""Elman's recurrent layer, :math:`h_t = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})`.

    Shapes: input ``(L, N, input_size)``, with ``batch_first`` ``(N, L, input_size)``, one sequence
    ``(L, input_size)``, or a PackedSequence; ``h_0`` ``(num_layers * D, N, hidden_size)`` with D 2
    if bidirectional; output ``(L, N, D * hidden_size)`` and ``h_n`` like ``h_0``. ``dropout`` acts
    between layers. Elman (1990).

    >>> output, h_n = RNN(3, 4)(creation.zeros(5, 2, 3))
    >>> output.shape, h_n.shape
    (Size([5, 2, 4]), Size([1, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        proj_size: int = 0,
    ) -> None:
        mode = f"RNN_{_check_nonlinearity('RNN', nonlinearity).upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            proj_size, device, dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory: a cell state that gates write to, keep and show.

    Shapes as for ``RNN``; the state is the pair ``(h, c)``: ``lstm(x, (h_0, c_0))`` gives
    ``output, (h_n, c_n)``. The weights hold the gates i, f, the candidate and o below each other.
    Hochreiter and Schmidhuber (1997).

    >>> output, (h_n, c_n) = LSTM(3, 4, num_layers=2)(creation.zeros(5, 2, 3))
    >>> output.shape, c_n.shape
    (Size([5, 2, 4]), Size([2, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            proj_size, device, dtype,
        )  # fmt: skip


class GRU(RNNBase):
    """Gated recurrent unit: a state that moves to a candidate by the share of a gate.

    Shapes as for ``RNN``. The weights hold the gates r, z and the candidate below each other.
    Cho et al. (2014).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        proj_size: int = 0,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            proj_size, device, dtype,
        )  # fmt: skip


# One step ----------------------------------------------------------------------------------


class RNNCellBase(Module):
    """What the cells share: the parameters, and one step of the loop."""

    bias_ih: Any
    bias_hh: Any

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = _size("input_size", input_size)
        self.hidden_size = _size("hidden_size", hidden_size)
        self.bias = bias
        rows, made = num_chunks * hidden_size, {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(creation.empty(rows, input_size, **made))
        self.weight_hh = Parameter(creation.empty(rows, hidden_size, **made))
        self.bias_ih = Parameter(creation.empty(rows, **made)) if bias else None
        self.bias_hh = Parameter(creation.empty(rows, **made)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        r"""Draw new first values, uniform within :math:`\pm 1/\sqrt{H}`."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _step(self, mode: str, input: Any, hx: Any) -> list[Any]:
        """The next states, ``(N, H)`` or ``(H,)`` each."""
        _check_input(self, input, (1, 2), "(N, H), or (H,) for one sequence")
        names = ("h_0", "c_0") if mode == "LSTM" else ("hx",)
        x = unsqueeze(input, 0) if input.ndim == 1 else input
        shape = (x.shape[0], self.hidden_size)
        if hx is None:
            first = [creation.zeros(*shape, dtype=x.dtype, device=x.device) for _ in names]
        else:
            wanted = shape if input.ndim == 2 else shape[1:]
            first = _check_state(type(self).__name__, hx, names, wanted)
            first = [unsqueeze(s, 0) if input.ndim == 1 else s for s in first]
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        found = _sequence(mode, x, weights, first, (x.shape[0],))
        return [squeeze(s, 0) for s in found] if input.ndim == 1 else found

    def extra_repr(self) -> str:
        """The settings."""
        text = f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")
        kind = getattr(self, "nonlinearity", "tanh")
        return text if kind == "tanh" else f"{text}, nonlinearity={kind}"


class RNNCell(RNNCellBase):
    """One step of ``RNN``: input ``(N, input_size)`` and state ``(N, hidden_size)`` to a state."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        _check_nonlinearity("RNNCell", nonlinearity)
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state; zeros come before the first."""
        return self._step(f"RNN_{self.nonlinearity.upper()}", input, hx)[0]


class LSTMCell(RNNCellBase):
    """One step of ``LSTM``: input ``(N, input_size)`` and the pair ``(h, c)`` to the next pair."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The next states; zeros come before the first."""
        h, c = self._step("LSTM", input, hx)
        return h, c


class GRUCell(RNNCellBase):
    """One step of ``GRU``: input ``(N, input_size)`` and state ``(N, hidden_size)`` to a state."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state; zeros come before the first."""
        return self._step("GRU", input, hx)[0]


__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]
