"""``tf.train``: optimisers that write their step into the graph, and files of variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....errors import ArgumentError, KindError, LabError, describe
from ....graph.builder import GraphBuilder
from . import errors, graphs, scopes
from .graphs import Graph, Operation, Tensor, Variable
from .initializers import constant_initializer
from .saver import Saver, checkpoint_exists, latest_checkpoint
from .scopes import get_global_step, get_or_create_global_step

Pairs = list[tuple[Any, Any]]


def gradients(
    ys: Any, xs: Any, grad_ys: Any = None, name: str = "gradients", **unused: Any
) -> list[Any]:
    """The gradients of the sum of ``ys`` with respect to each of ``xs``; None if unused."""
    graph = graphs.graph_of((ys, xs))
    targets = [graph.own_symbol(y, "gradients(ys)") for y in _listed(ys)]
    sources = [graph.own_symbol(x, "gradients(xs)") for x in _listed(xs)]
    starts = None
    if grad_ys is not None:
        starts = [None if g is None else graph.own_symbol(g, "grad_ys") for g in _listed(grad_ys)]
    try:
        found = GraphBuilder.gradients(graph, targets, sources, starts, name or "gradients")
    except LabError as error:
        raise errors.at_building(error) from None
    return [None if g is None else graph.handle(g) for g in found]


def _listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, (list, tuple)) else [x]


class Optimizer:
    """Writes a step of training into the graph. A subclass gives ``slots`` and ``rule``."""

    slots: Sequence[tuple[str, float]] = ()  # what is kept of a variable, and what it begins with

    def __init__(self, use_locking: bool = False, name: str = "Optimizer") -> None:
        self._name = name
        self._kept: dict[tuple[int, str], Any] = {}

    def get_name(self) -> str:
        """Its name, which the step in the graph has."""
        return self._name

    def rule(self, w: Any, g: Any, slots: Sequence[Any], *settings: Any) -> Sequence[Any]:
        """The new value of a variable, and those of its slots."""
        raise NotImplementedError

    def settings(self) -> Sequence[Any]:
        """What the rule takes besides: a learning rate, which may be a tensor."""
        return ()

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = 1,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Operation:
        """The operation of one step, which makes ``loss`` smaller; it gives None when it is run.

        Raises ArgumentError (a ValueError) where no variable has a gradient.
        """
        if not isinstance(loss, Tensor):
            raise KindError(
                f"minimize(loss): expected a tensor of a graph, got {describe(loss)}\n"
                "  loss = tf.reduce_mean(...) in the same graph"
            )
        pairs = self.compute_gradients(loss, var_list, grad_loss=grad_loss)
        if all(g is None for g, _ in pairs):
            names = ", ".join(v.name for _, v in pairs)
            raise ArgumentError(
                "minimize(loss): no variable has a gradient\n"
                f"  loss       {loss}{loss.symbol.operation.where()}\n  variables  {names}\n"
                "  expected a loss that is computed from them by ops that have gradients"
            )
        return self.apply_gradients(pairs, global_step, name)

    def compute_gradients(
        self, loss: Any, var_list: Any = None, *unused: Any, grad_loss: Any = None, **more: Any
    ) -> Pairs:
        """Pairs of gradient and variable; None is the gradient where there is none."""
        with loss.graph.as_default():
            variables = list(var_list or scopes.trainable_variables())
            if not variables:
                raise ArgumentError(
                    "minimize(loss): the graph has no variables to optimise\n"
                    "  expected a variable that is trainable: tf.Variable(...), made before"
                )
            return [*zip(gradients(loss, variables, grad_loss), variables, strict=True)]

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Any = None, name: str | None = None
    ) -> Operation:
        """The operation that changes each variable by its gradient."""
        pairs = [(g, v) for g, v in grads_and_vars if g is not None]
        if not pairs:
            raise ArgumentError(
                "apply_gradients: no variable has a gradient\n"
                "  expected pairs (gradient, variable) from compute_gradients"
            )
        graph = pairs[0][1].graph
        with graph.as_default():
            self.start([v for _, v in pairs])
            with graph.name_scope(name or self._name) as scope:
                settings = list(self.settings())
                steps = [x for g, v in pairs for x in self._update(graph, g, v, settings)]
                steps += self.finish()
                if global_step is not None:
                    steps.append(global_step.assign_add(1))
                return graph.operation_of(graph.group(*(_step(x) for x in steps), name=scope))

    def _update(self, graph: Graph, g: Any, v: Any, settings: list[Any]) -> list[Any]:
        kept = [self._kept[id(v), slot] for slot, _ in self.slots]
        with graph.name_scope(f"update_{v.op.name}"):
            new = graph.write(
                f"ResourceApply{type(self).__name__.removesuffix('Optimizer')}", "apply",
                lambda w, g, kept, settings: list(self.rule(w, g, kept, *settings)),
                (v, g, kept, settings), {},
            )  # fmt: skip
            return [x.assign(y) for x, y in zip((v, *kept), new, strict=True)]

    def start(self, variables: list[Any]) -> None:
        """Make what is kept of the variables, before the first step is written."""
        for v in variables:
            for n, (slot, first) in enumerate(self.slots):
                if (id(v), slot) not in self._kept:
                    with v.graph.exactly(""):
                        start = scopes.drawn(constant_initializer(first), v.shape, v.dtype)
                        name = f"{v.op.name}/{self.kept_name(n)}"
                        self._kept[id(v), slot] = Variable(start, trainable=False, name=name)

    def kept_name(self, number: int) -> str:
        """The name of a slot's variable: "Adam", then "Adam_1"."""
        return self._name + (f"_{number}" if number else "")

    def finish(self) -> list[Any]:
        """Assignments once for each step, besides those of the variables."""
        return []

    def get_slot(self, var: Any, name: str) -> Any:
        """What is kept of a variable under a name; None where it is not."""
        return self._kept.get((id(var), name))

    def get_slot_names(self) -> list[str]:
        """The names of what is kept of each variable."""
        return [name for name, _ in self.slots]

    def variables(self) -> list[Any]:
        """All that it keeps."""
        return list(self._kept.values())


def _step(x: Any) -> Any:
    return x.step if isinstance(x, Operation) else x.symbol


def _value(x: Any) -> Any:
    """A setting: a number, a tensor, or a function that gives one."""
    return x() if callable(x) and not isinstance(x, Tensor) else x


class GradientDescentOptimizer(Optimizer):
    r"""Gradient descent: :math:`w \leftarrow w - \eta g`."""

    def __init__(
        self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent"
    ) -> None:
        super().__init__(use_locking, name)
        self._rate = learning_rate

    def settings(self) -> Sequence[Any]:
        """The learning rate."""
        return (_value(self._rate),)

    def rule(self, w: Any, g: Any, slots: Sequence[Any], *settings: Any) -> Sequence[Any]:
        """One step."""
        return (w - g * settings[0],)


class MomentumOptimizer(GradientDescentOptimizer):
    r"""Momentum: :math:`m \leftarrow \mu m + g`, :math:`w \leftarrow w - \eta m`.

    With ``use_nesterov`` :math:`w \leftarrow w - \eta (g + \mu m)`.
    """

    slots = (("momentum", 0.0),)

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(learning_rate, use_locking, name)
        self._momentum, self._nesterov = momentum, use_nesterov

    def settings(self) -> Sequence[Any]:
        """The learning rate and the momentum."""
        return _value(self._rate), _value(self._momentum)

    def rule(self, w: Any, g: Any, slots: Sequence[Any], *settings: Any) -> Sequence[Any]:
        """One step."""
        rate, momentum = settings
        m = slots[0] * momentum + g
        return w - (g + m * momentum if self._nesterov else m) * rate, m


class AdamOptimizer(GradientDescentOptimizer):
    r"""Adam: each weight gets a step of its own size.

    :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g`, :math:`v \leftarrow \beta_2 v + (1 - \beta_2)
    g^2`, :math:`w \leftarrow w - \eta_t m / (\sqrt v + \epsilon)` with :math:`\eta_t = \eta \sqrt{1
    - \beta_2^t} / (1 - \beta_1^t)`. Source: Kingma and Ba (2015), with epsilon in the place that
    TensorFlow has for it.
    """

    slots = (("m", 0.0), ("v", 0.0))

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(learning_rate, use_locking, name)
        self._betas, self._epsilon = (beta1, beta2), epsilon
        self._powers: list[Any] = []

    def start(self, variables: list[Any]) -> None:
        """The powers of both betas, and what is kept of the variables."""
        if not self._powers:
            with variables[0].graph.exactly(""):
                self._powers = [
                    Variable(beta, trainable=False, name=f"beta{n}_power")
                    for n, beta in enumerate(self._betas, 1)
                ]
        super().start(variables)

    def settings(self) -> Sequence[Any]:
        """The learning rate, and the powers as they are in this step."""
        return (_value(self._rate), *self._powers)

    def finish(self) -> list[Any]:
        """The powers of the next step."""
        pairs = zip(self._powers, self._betas, strict=True)
        return [power.assign(power * beta) for power, beta in pairs]

    def variables(self) -> list[Any]:
        """All that it keeps."""
        return [*self._powers, *super().variables()]

    def rule(self, w: Any, g: Any, slots: Sequence[Any], *settings: Any) -> Sequence[Any]:
        """One step."""
        rate, power1, power2 = settings
        beta1, beta2 = self._betas
        m = slots[0] * beta1 + g * (1 - beta1)
        v = slots[1] * beta2 + g * g * (1 - beta2)
        size = (1 - power2).sqrt() / (1 - power1) * rate
        return w - m / (v.sqrt() + self._epsilon) * size, m, v


class RMSPropOptimizer(GradientDescentOptimizer):
    r"""Gradients divided by a running root mean square, which begins with ones.

    :math:`v \leftarrow \rho v + (1 - \rho) g^2`, :math:`m \leftarrow \mu m + \eta g / \sqrt{v +
    \epsilon}`, :math:`w \leftarrow w - m`; ``centered`` takes the square of the running mean off v.
    Source: Hinton's lectures (2012).
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(learning_rate, use_locking, name)
        self._decay, self._momentum = decay, momentum
        self._epsilon, self._centered = epsilon, centered
        mean = (("mg", 0.0),) if centered else ()
        self.slots = (("rms", 1.0), *mean, ("momentum", 0.0))

    def rule(self, w: Any, g: Any, slots: Sequence[Any], *settings: Any) -> Sequence[Any]:
        """One step."""
        rms, *mean, momentum = slots
        rms = rms * self._decay + g * g * (1 - self._decay)
        mean = [mean[0] * self._decay + g * (1 - self._decay)] if mean else []
        v = rms - mean[0] * mean[0] if mean else rms
        momentum = momentum * self._momentum + g * settings[0] / (v + self._epsilon).sqrt()
        return (w - momentum, rms, *mean, momentum)


class AdagradOptimizer(GradientDescentOptimizer):
    r"""Gradients divided by the root of the sum of all their squares.

    :math:`a \leftarrow a + g^2`, :math:`w \leftarrow w - \eta g / \sqrt a`. Source: Duchi, Hazan
    and Singer (2011).
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        super().__init__(learning_rate, use_locking, name)
        if initial_accumulator_value <= 0:
            raise ArgumentError(
                f"AdagradOptimizer(initial_accumulator_value): got {initial_accumulator_value}\n"
                "  expected a number above 0: the gradient is divided by its root"
            )
        self.slots = (("accumulator", initial_accumulator_value),)

    def rule(self, w: Any, g: Any, slots: Sequence[Any], *settings: Any) -> Sequence[Any]:
        """One step."""
        total = slots[0] + g * g
        return w - g * settings[0] / total.sqrt(), total


# Learning rates that fall ----------------------------------------------------------------------


def _schedule(name: str, function: Callable[..., Any], *args: Any) -> Any:
    return graphs.graph_of(args).write(name, name, function, args, {})


def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """``learning_rate * decay_rate ** (global_step / decay_steps)``; ``staircase`` in steps."""

    def rate(first: Any, step: Any, steps: Any, share: Any) -> Any:
        done = step.float() / steps
        return first * share ** (done.floor() if staircase else done)

    args = learning_rate, global_step, decay_steps, decay_rate
    return _schedule(name or "ExponentialDecay", rate, *args)


def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """``learning_rate / (1 + decay_rate * global_step / decay_steps)``."""

    def rate(first: Any, step: Any, steps: Any, share: Any) -> Any:
        done = step.float() / steps
        return first / (1 + share * (done.floor() if staircase else done))

    args = learning_rate, global_step, decay_steps, decay_rate
    return _schedule(name or "InverseTimeDecay", rate, *args)


__all__ = [
    "AdagradOptimizer",
    "AdamOptimizer",
    "GradientDescentOptimizer",
    "MomentumOptimizer",
    "Optimizer",
    "RMSPropOptimizer",
    "Saver",
    "checkpoint_exists",
    "exponential_decay",
    "get_global_step",
    "get_or_create_global_step",
    "inverse_time_decay",
    "latest_checkpoint",
]
