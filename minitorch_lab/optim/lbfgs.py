"""L-BFGS: steps along an estimate of the inverse of the second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any, NamedTuple

from .. import creation
from ..errors import ArgumentError, KindError
from ..op import current
from ..ops import movement
from ..tensor import Tensor, enable_grad, no_grad
from .optimizer import Group, Optimizer, need_between


class Point(NamedTuple):
    """A place on the line that is searched: step, loss, gradient, slope along the line."""

    t: float
    loss: float
    grad: Tensor
    slope: float


class LBFGS(Optimizer):
    """A quasi-Newton method, for smooth losses of few parameters over all data at once.

    ``step(closure)`` calls ``closure``, which computes the loss and its gradients and returns the
    loss, several times: up to ``max_iter`` steps of the method. ``line_search_fn`` is None (steps
    of size ``lr``) or ``"strong_wolfe"``. The closure may be a compiled function; the step itself
    looks at values and cannot be a part of one. Source: Nocedal and Wright (2006), chapter 7 and
    algorithms 3.5 and 3.6.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if line_search_fn not in (None, "strong_wolfe"):
            raise ArgumentError(
                f"line_search_fn={line_search_fn!r}: expected None or 'strong_wolfe'"
            )
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )
        if len(self.param_groups) != 1:
            raise ArgumentError("LBFGS: expected one group of parameters")
        need_between("history_size", history_size, 1)
        self._params: list[Tensor] = self.param_groups[0]["params"]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to ``max_iter`` steps; returns the loss of the first call of ``closure``.

        An error in ``closure``, or Ctrl-C, leaves weights and state as they were before.
        """
        current().refuse("LBFGS.step()", "compile the closure instead of the whole step")
        if closure is None:
            raise KindError(
                "LBFGS.step(closure): a function is needed that computes loss and gradients\n"
                "  it calls zero_grad() and backward(), and returns the loss"
            )
        self.stepped = True
        with no_grad():
            weights, state = [p.clone() for p in self._params], self.of(self._params[0])
            before = {k: [*v] if isinstance(v, list) else v for k, v in state.items()}
            try:
                return self._step(closure)
            except BaseException:
                for p, old in zip(self._params, weights, strict=True):
                    p.copy_(old)
                state.clear()
                state.update(before)
                raise

    def _step(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        state = self.of(self._params[0])
        for name in ("func_evals", "n_iter"):
            state.setdefault(name, 0)
        first = self._call(closure)
        state["func_evals"] += 1
        evals, loss, grad = 1, float(first), self._gradient()
        if _largest(grad) <= group["tolerance_grad"]:
            return first
        d, t = state.get("d"), state.get("t")
        for n in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d = -grad
                state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
                t = min(1.0, 1.0 / float(grad.abs().sum())) * group["lr"]
            else:
                assert d is not None
                _remember(state, grad - state["prev_flat_grad"], d * t, group["history_size"])
                d = _direction(state, grad)
                t = group["lr"]
            state["prev_flat_grad"], state["prev_loss"] = grad, loss
            before, slope, calls = loss, _dot(grad, d), 0
            if slope > -group["tolerance_change"]:
                break
            if group["line_search_fn"]:
                found, calls = self._search(closure, Point(0.0, loss, grad, slope), t, d, group)
                t, loss, grad = found.t, found.loss, found.grad
                self._move(d, t)
            else:
                self._move(d, t)
                if n < group["max_iter"]:  # the last gradient would not be used
                    loss, grad, calls = float(self._call(closure)), self._gradient(), 1
            evals += calls
            state["func_evals"] += calls
            if (
                evals >= group["max_eval"]
                or _largest(grad) <= group["tolerance_grad"]
                or _largest(d * t) <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        state.update(d=d, t=t)
        return first

    def _call(self, closure: Callable[[], Any]) -> Any:
        with enable_grad():
            return closure()

    def _gradient(self) -> Tensor:
        """All gradients in one row; this is a copy."""
        rows = [
            movement.reshape(creation.zeros_like(p) if p.grad is None else p.grad, (-1,))
            for p in self._params
        ]
        return movement.cat(rows)

    def _move(self, d: Tensor, t: float) -> None:
        start = 0
        for p in self._params:
            part = movement.narrow(d, 0, start, p.numel())
            p.add_(movement.reshape(part, tuple(p.shape)) * t)
            start += p.numel()

    def _search(
        self, closure: Callable[[], Any], start: Point, t: float, d: Tensor, group: Group
    ) -> tuple[Point, int]:
        """A point that satisfies the strong Wolfe conditions, and how often the loss was asked."""
        kept = [p.clone() for p in self._params]

        def at(t: float) -> Point:
            self._move(d, t)
            loss = float(self._call(closure))
            grad = self._gradient()
            for p, old in zip(self._params, kept, strict=True):
                p.copy_(old)
            return Point(t, loss, grad, _dot(grad, d))

        return strong_wolfe(at, start, t, _largest(d), group["tolerance_change"])


def strong_wolfe(
    at: Callable[[float], Point],
    start: Point,
    t: float,
    width: float,
    tolerance: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    limit: int = 25,
) -> tuple[Point, int]:
    """Search along a line: first a bracket around a good point, then zoom into it.

    ``width`` is the largest entry of the direction. Returns the point and the number of calls.
    """

    def too_high(p: Point) -> bool:
        return p.loss > start.loss + c1 * p.t * start.slope

    def flat(p: Point) -> bool:
        return abs(p.slope) <= -c2 * start.slope

    before, now, calls, n = start, at(t), 1, 0
    ends = [start, now]
    while n < limit:
        ends = [before, now]
        if too_high(now) or (n > 1 and now.loss >= before.loss):
            break
        if flat(now):
            return now, calls
        if now.slope >= 0:
            break
        low, high = now.t + 0.01 * (now.t - before.t), now.t * 10
        t = cubic(before, now, low, high)
        before, now = now, at(t)
        calls, n = calls + 1, n + 1
    else:
        ends = [start, now]

    stuck = False
    best = 0 if ends[0].loss <= ends[1].loss else 1
    while n < limit:
        low, high = sorted((ends[0].t, ends[1].t))
        if (high - low) * width < tolerance:
            break
        t = cubic(ends[0], ends[1], low, high)
        margin = 0.1 * (high - low)
        if min(high - t, t - low) < margin:  # too near an end, twice: go inside
            if stuck or t >= high or t <= low:
                t = high - margin if abs(t - high) < abs(t - low) else low + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        now = at(t)
        calls, n = calls + 1, n + 1
        if too_high(now) or now.loss >= ends[best].loss:
            ends[1 - best] = now
            best = 0 if ends[0].loss <= ends[1].loss else 1
            continue
        if flat(now):
            return now, calls
        if now.slope * (ends[1 - best].t - ends[best].t) >= 0:
            ends[1 - best] = ends[best]
        ends[best] = now
    return ends[best], calls


def cubic(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through two points with these slopes is lowest, kept within the bounds."""
    if a.t > b.t:
        a, b = b, a
    if a.t == b.t:
        return (low + high) / 2
    mean = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = mean * mean - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    root = sqrt(square)
    t = b.t - (b.t - a.t) * ((b.slope + root - mean) / (b.slope - a.slope + 2 * root))
    return min(max(t, low), high)


def _remember(state: Group, y: Tensor, s: Tensor, size: int) -> None:
    """Keep a pair of a step and the change of the gradient, where it curves upwards."""
    curve = _dot(y, s)
    if curve <= 1e-10:
        return
    for name, value in (("old_dirs", y), ("old_stps", s), ("ro", 1.0 / curve)):
        if len(state[name]) == size:
            state[name].pop(0)
        state[name].append(value)
    state["H_diag"] = curve / _dot(y, y)


def _direction(state: Group, grad: Tensor) -> Tensor:
    """The two loops that apply the inverse of the second derivatives to the gradient."""
    triples = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
    d = -grad
    weights = []
    for y, s, ro in reversed(triples):
        weights.append(_dot(s, d) * ro)
        d = d - y * weights[-1]
    d = d * state["H_diag"]
    for (y, s, ro), weight in zip(triples, reversed(weights), strict=True):
        d = d + s * (weight - _dot(y, d) * ro)
    return d


def _dot(a: Tensor, b: Tensor) -> float:
    return float((a * b).sum())


def _largest(x: Tensor) -> float:
    return float(x.abs().max())
