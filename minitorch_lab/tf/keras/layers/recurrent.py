"""Recurrent layers: a state that is carried from step to step of ``(N, T, features)``.

A whole sequence is one op where the engine has one for the gates; else the steps are written out.
"""

from __future__ import annotations

from typing import Any

from ....creation import ones_like, zeros_like
from ....errors import ArgumentError, ShapeError, describe
from ....nn import functional as F
from ....ops import FUNCTIONS as OPS
from ....ops import recurrent
from ....ops.movement import cat, stack
from ....tape import SCOPE
from ....tensor import Tensor
from .. import activations, initializers
from ..layer import Layer, need_positive
from ..variable import convert
from .core import as_float


class _Sequence(ShapeError, ArgumentError):
    """An input that is no batch of sequences; a ValueError in Keras."""


class Recurrent(Layer):
    """What recurrent layers share. A subclass says how one step goes."""

    gates = 1  # blocks of columns in the kernels
    states = 1
    cell = "simple_rnn_cell"

    def __init__(
        self,
        units: int,
        activation: Any,
        recurrent_activation: Any,
        use_bias: bool,
        rules: dict[str, Any],
        dropout: float,
        recurrent_dropout: float,
        return_sequences: bool,
        return_state: bool,
        go_backwards: bool,
        stateful: bool,
        **kwargs: Any,
    ) -> None:
        kind = type(self).__name__
        activity = rules.pop("activity_regularizer")
        super().__init__(activity_regularizer=activity, **kwargs)
        need_positive(f"{kind}(units)", units)
        if stateful:
            raise ArgumentError(
                f"{kind}(stateful): got True\n  expected False: give the state of the batch before "
                "as initial_state, which return_state=True gives"
            )
        self.units, self.use_bias = units, use_bias
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.dropout, self.recurrent_dropout = dropout, recurrent_dropout
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.supports_masking = go_backwards, True
        self.rules(**rules)

    def build(self, input_shape: Any) -> None:
        """Make the kernel for the input, the one for the state, the bias."""
        kind = type(self).__name__
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise _Sequence(
                f"{kind} {self.name!r}: got an input of shape {tuple(input_shape)}\n"
                "  expected sequences (N, steps, features) with a number of features\n"
                f"  {_remedy(input_shape)}"
            )
        width = self.units * self.gates
        self.kernel = self.ruled("kernel", (input_shape[-1], width))
        self.recurrent_kernel = self.ruled("recurrent_kernel", (self.units, width), "recurrent")
        self.bias = self._first_bias() if self.use_bias else None
        for w in self._own:  # as in Keras, where a cell of this name holds them
            place, _, name = w.path.rpartition("/")
            w.path = f"{place}/{self.cell}/{name}"

    def _first_bias(self) -> Any:
        return self.ruled("bias", (self.units * self.gates,))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the steps, where all of them come out."""
        return mask if self.return_sequences else None

    def get_initial_state(self, batch_size: int, dtype: Any = None) -> list[Any]:
        """Zeros."""
        return [convert(initializers.Zeros()((batch_size, self.units)))] * self.states

    def call(
        self, sequence: Tensor, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        """The last state, or all of them (``return_sequences``), and with ``return_state`` both."""
        if sequence.ndim != 3:
            raise _Sequence(
                f"{type(self).__name__} {self.name!r}: got {sequence.spec}\n"
                f"  expected sequences (N, steps, features)\n  {_remedy(sequence.shape)}"
            )
        x = as_float(sequence)
        first = self._first(x, initial_state)
        if self.go_backwards:
            x = x.flip(1)
            mask = None if mask is None else mask.flip(1)
        if training and self.dropout:  # one mask for all steps
            kept = F.dropout(ones_like(x[:, 0]), self.dropout, True)
            x = x * kept.reshape(kept.shape[0], 1, -1)
        loop = self.recurrent_dropout if training else 0
        if mask is None and not loop and self._has_an_op():
            every, last = self._at_once(x, first)
        else:
            every, last = self._step_by_step(x, first, mask, loop)
        out = every if self.return_sequences else last[0]
        return [out, *last] if self.return_state else out

    def _first(self, x: Tensor, given: Any) -> list[Any]:
        if given is None:
            zero = zeros_like(x[:, 0, :1]).expand(x.shape[0], self.units)
            return [zero] * self.states
        states = list(given) if isinstance(given, list | tuple) else [given]
        wanted = (x.shape[0], self.units)
        if len(states) != self.states or any(tuple(s.shape) != wanted for s in states):
            raise _Sequence(
                f"{type(self).__name__} {self.name!r}: initial_state does not fit\n"
                f"  got       {', '.join(describe(s) for s in states)}\n"
                f"  expected  {self.states} of shape {wanted}"
            )
        return states

    def _has_an_op(self) -> bool:
        gate = activations.linear if self.gates == 1 else activations.sigmoid
        return self.activation is activations.tanh and self.recurrent_activation is gate

    def _step_by_step(
        self, x: Tensor, state: list[Any], mask: Any, dropout: float
    ) -> tuple[Any, list[Any]]:
        """The steps written out: any activation, dropout of the state, hidden steps."""
        found, share = [], None
        if dropout:
            share = F.dropout(ones_like(state[0] + 0.0), dropout, True)
        for t in range(x.shape[1]):
            old = state if share is None else [state[0] * share, *state[1:]]
            new = self.step(x[:, t], old)
            if mask is not None:
                seen = mask[:, t].reshape(-1, 1)
                new = [OPS["where"](seen, n, s) for n, s in zip(new, state, strict=True)]
            state = new
            found.append(new[0])
        return stack(found, 1), state

    def step(self, x: Tensor, states: list[Any]) -> list[Any]:
        """The states after one step on ``(N, features)``."""
        raise NotImplementedError

    def _at_once(self, x: Tensor, first: list[Any]) -> tuple[Any, list[Any]]:
        raise NotImplementedError

    def _all_steps(self, x: Tensor, w_in: Any, b_in: Any, run: Any) -> tuple[Any, list[Any]]:
        """The op of a whole sequence on the projected steps; all first states, and the last."""
        n, length, size = x.shape
        rows = x.transpose(0, 1).reshape(length * n, size)
        states = run(F.linear(rows, w_in, b_in), sizes=(n,) * length, reverse=False)
        units, last = self.units, states[(length - 1) * n :]
        every = states[:, :units].reshape(length, n, units).transpose(0, 1)
        return every, [last[:, k * units : (k + 1) * units] for k in range(self.states)]

    def _projected(self, x: Tensor, h: Any, bias: Any) -> Any:
        y = x @ self.kernel + h @ self.recurrent_kernel
        return y if bias is None else y + bias

    def _none(self) -> Tensor:
        """A bias of zeros for the state, which the engine's ops want."""
        return zeros_like(self.recurrent_kernel[0])


def _remedy(shape: Any) -> str:
    if len(shape) == 2:
        return "numbers of words become features by layers.Embedding; one feature by x[..., None]"
    return "pictures and more become sequences by layers.Reshape((steps, features))"


class SimpleRNN(Recurrent):
    r""":math:`h_t = \tanh(x_t W + h_{t-1} U + b)`.

    >>> SimpleRNN(8, return_sequences=True).compute_output_shape((None, 5, 3))
    (None, 5, 8)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        rules = {k: v for k, v in locals().items() if k.endswith(RULES)}
        super().__init__(
            units, activation, None, use_bias, rules, dropout, recurrent_dropout, return_sequences,
            return_state, go_backwards, stateful, **kwargs,
        )  # fmt: skip

    def step(self, x: Tensor, states: list[Any]) -> list[Any]:
        """The state after one step."""
        return [self.activation(self._projected(x, states[0], self.bias))]

    def _at_once(self, x: Tensor, first: list[Any]) -> tuple[Any, list[Any]]:
        w, b = self.recurrent_kernel.T, self._none()

        def run(projected: Any, **how: Any) -> Any:
            return recurrent.rnn(projected, w, b, *first, **how, relu=False)

        return self._all_steps(x, self.kernel.T, self.bias, run)


class LSTM(Recurrent):
    r"""Long short-term memory; gates in the order input, forget, candidate, output.

    :math:`c_t = f c_{t-1} + i \tanh(\cdot)`, :math:`h_t = o \tanh(c_t)`. States: ``h``, ``c``.
    Source: Hochreiter and Schmidhuber (1997).

    >>> [s.shape for s in LSTM(4, return_state=True)([[[1.0], [2.0]]])]
    [TensorShape([1, 4]), TensorShape([1, 4]), TensorShape([1, 4])]
    """

    gates, states, cell = 4, 2, "lstm_cell"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        rules = {k: v for k, v in locals().items() if k.endswith(RULES)}
        super().__init__(
            units, activation, recurrent_activation, use_bias, rules, dropout, recurrent_dropout,
            return_sequences, return_state, go_backwards, stateful, **kwargs,
        )  # fmt: skip
        self.unit_forget_bias = unit_forget_bias

    def _first_bias(self) -> Any:
        bias = super()._first_bias()
        if self.unit_forget_bias:  # what was remembered stays, at first
            first = bias.numpy()
            first[self.units : 2 * self.units] = 1.0
            bias.assign(first)
        return bias

    def step(self, x: Tensor, states: list[Any]) -> list[Any]:
        """The states after one step."""
        h, c = states
        i, f, g, o = OPS["chunk"](self._projected(x, h, self.bias), 4, -1)
        sigmoid = self.recurrent_activation
        c = sigmoid(f) * c + sigmoid(i) * self.activation(g)
        return [sigmoid(o) * self.activation(c), c]

    def _at_once(self, x: Tensor, first: list[Any]) -> tuple[Any, list[Any]]:
        w, b = self.recurrent_kernel.T, self._none()

        def run(projected: Any, **how: Any) -> Any:
            return recurrent.lstm(projected, w, b, *first, **how)

        return self._all_steps(x, self.kernel.T, self.bias, run)


class GRU(Recurrent):
    r"""Gated recurrent unit; gates in the order update (z), reset (r), candidate.

    :math:`h_t = z h_{t-1} + (1 - z) \tanh(x W_h + r (h_{t-1} U_h + b_h))`. With
    ``reset_after=False`` the reset comes before the product with :math:`U_h`, and there is one
    bias. Source: Cho et al. (2014).
    """

    gates, states, cell = 3, 1, "gru_cell"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        rules = {k: v for k, v in locals().items() if k.endswith(RULES)}
        super().__init__(
            units, activation, recurrent_activation, use_bias, rules, dropout, recurrent_dropout,
            return_sequences, return_state, go_backwards, stateful, **kwargs,
        )  # fmt: skip
        self.reset_after = reset_after

    def _first_bias(self) -> Any:
        width = self.units * self.gates
        return self.ruled("bias", (2, width) if self.reset_after else (width,))

    def _has_an_op(self) -> bool:
        return self.reset_after and super()._has_an_op()

    def step(self, x: Tensor, states: list[Any]) -> list[Any]:
        """The state after one step."""
        (h,), u, sigmoid = states, self.units, self.recurrent_activation
        own = b = self.bias
        if self.reset_after and b is not None:
            own, b = b[0], b[1]
        wide = x @ self.kernel if own is None else x @ self.kernel + own
        if self.reset_after:
            deep = h @ self.recurrent_kernel
            deep = deep if b is None else deep + b
            z = sigmoid(wide[:, :u] + deep[:, :u])
            r = sigmoid(wide[:, u : 2 * u] + deep[:, u : 2 * u])
            new = wide[:, 2 * u :] + r * deep[:, 2 * u :]
        else:
            gates = wide[:, : 2 * u] + h @ self.recurrent_kernel[:, : 2 * u]
            z, r = sigmoid(gates[:, :u]), sigmoid(gates[:, u:])
            new = wide[:, 2 * u :] + (r * h) @ self.recurrent_kernel[:, 2 * u :]
        return [z * h + (1 - z) * self.activation(new)]

    def _at_once(self, x: Tensor, first: list[Any]) -> tuple[Any, list[Any]]:
        bias = (None, self._none()) if self.bias is None else (self.bias[0], self.bias[1])
        w_in, w = reset_first(self.kernel).T, reset_first(self.recurrent_kernel).T
        b_in, b = (None if v is None else reset_first(v) for v in bias)

        def run(projected: Any, **how: Any) -> Any:
            return recurrent.gru(projected, w, b, *first, **how)

        return self._all_steps(x, w_in, b_in, run)


def reset_first(w: Any) -> Any:
    """Columns in the engine's order of gates, reset before update, or back."""
    u = w.shape[-1] // 3
    return cat([w[..., u : 2 * u], w[..., :u], w[..., 2 * u :]], -1)


class Bidirectional(Layer):
    """A recurrent layer that reads forwards, and another one that reads backwards.

    ``merge_mode`` is "concat", "sum", "mul", "ave", or None for a list of both.
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        if not hasattr(layer, "go_backwards"):
            raise ArgumentError(
                f"Bidirectional(layer): got {describe(layer)}\n"
                "  expected a recurrent layer: Bidirectional(LSTM(32))"
            )
        if merge_mode not in ("concat", "sum", "mul", "ave", None):
            raise ArgumentError(
                f"Bidirectional(merge_mode): got {merge_mode!r}\n"
                "  expected 'concat', 'sum', 'mul', 'ave' or None"
            )
        super().__init__(**kwargs)
        self.merge_mode, self.supports_masking = merge_mode, True
        args, given = layer._arguments
        self.forward_layer = type(layer)(*args, **{**given, "name": f"forward_{layer.name}"})
        turned = {**given, "name": f"backward_{layer.name}", "go_backwards": True}
        self.backward_layer = backward_layer or type(layer)(*args, **turned)
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state

    def build(self, input_shape: Any) -> None:
        """Make the weights of both."""
        token = SCOPE.set(f"{SCOPE.get()}.{self.name}".lstrip("."))
        try:
            for layer in (self.forward_layer, self.backward_layer):
                if not layer.built:
                    layer.build(input_shape)
        finally:
            SCOPE.reset(token)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the steps, where all of them come out."""
        return mask if self.return_sequences else None

    def call(
        self, sequences: Tensor, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        """What both give, merged; with ``return_state`` the states of both behind it."""
        half = None if initial_state is None else len(initial_state) // 2
        first, second = (
            (None, None) if half is None else (initial_state[:half], initial_state[half:])
        )
        there = self.forward_layer(sequences, initial_state=first, mask=mask, training=training)
        back = self.backward_layer(sequences, initial_state=second, mask=mask, training=training)
        states: list[Any] = []
        if self.return_state:
            (there, *one), (back, *two) = there, back
            states = [*one, *two]
        if self.return_sequences:
            back = back.flip(1)
        out: Any = [there, back]
        if self.merge_mode == "concat":
            out = cat([there, back], -1)
        elif self.merge_mode == "sum":
            out = there + back
        elif self.merge_mode == "ave":
            out = (there + back) / 2
        elif self.merge_mode == "mul":
            out = there * back
        return [out, *states] if self.return_state else out


class TimeDistributed(Layer):
    """A layer at each step of ``(N, T, ...)`` for itself."""

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layer, self.supports_masking = layer, True

    def build(self, input_shape: Any) -> None:
        """Make the weights of the layer."""
        if not self.layer.built:
            token = SCOPE.set(f"{SCOPE.get()}.{self.name}".lstrip("."))
            try:
                self.layer.build((input_shape[0], *input_shape[2:]))
            finally:
                SCOPE.reset(token)

    def call(self, inputs: Tensor, training: bool = False) -> Any:
        """What the layer gives for all steps at once, as rows."""
        n, length = inputs.shape[:2]
        y = self.layer(inputs.reshape(n * length, *inputs.shape[2:]), training=training)
        return y.reshape(n, length, *y.shape[1:])


RULES = ("_initializer", "_regularizer", "_constraint")
