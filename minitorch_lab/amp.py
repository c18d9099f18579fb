"""Mixed precision: products in float16, sums and losses in float32, and a loss that is scaled.

``autocast`` is a block in which each op takes the dtype that its row in the table asks for.
``GradScaler`` multiplies a loss, so that small gradients are not 0 in float16, and divides the
gradients before the optimiser sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import numpy as np

from . import creation
from .device import Device, why_no_cuda
from .dtypes import DType, bool_, float16
from .errors import ArgumentError, ComputeError, KindError, describe, warn
from .op import INTERPRETER, current
from .ops import elementwise as e
from .ops import reduce
from .tensor import NO_GRAD, Tensor, behind, in_front, no_grad

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["GradScaler", "autocast", "is_autocast_available"]


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast(device_type)`` has something to do here.

    >>> is_autocast_available("cpu")
    True
    """
    return _device_type(device_type) == "cpu" or why_no_cuda() is None


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether the code runs in a block of ``autocast`` for this type of device.

    >>> with autocast("cpu"):
    ...     is_autocast_enabled("cpu"), is_autocast_enabled("cuda")
    (True, False)
    """
    return _device_type(device_type) in current().casts


class autocast:
    """A block, or a decorated function, in which ops choose between float16 and float32.

    Matrix products and convolutions take float16; exp, log, powers, sums, softmax, norms and losses
    take float32; the others take what comes, the wider dtype where two meet. Parameters stay
    float32 and so do their gradients. ``docs/devices.md`` has the list. Leave the block before
    ``backward()``. A block in a block with ``enabled=False`` turns it off inside. ``device_type``
    is "cpu" or "cuda"; without a GPU, "cuda" is a warning and changes nothing. With
    ``cache_enabled=False`` a parameter is cast anew for each op that takes it.

    >>> import minitorch_lab as lab
    >>> x, w = lab.ones(2, 3), lab.ones(3, 2)
    >>> with lab.autocast("cpu"):
    ...     y = x @ w
    ...     y.dtype, y.exp().dtype
    (lab.float16, lab.float32)
    """

    def __init__(
        self,
        device_type: str = "cuda",
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        self.device_type, self.dtype = _device_type(device_type), _need_half(dtype)
        self.enabled = enabled and _there("autocast", self.device_type)
        self.cached = cache_enabled is not False
        self._before: list[tuple[frozenset[str], Any]] = []

    def __enter__(self) -> autocast:
        now = current()
        before, cache = now.casts, now.cache if now.casts else None
        self._before.append((before, cache))
        here = {self.device_type}
        casts = before | here if self.enabled else before - here
        if not before or not self.cached:
            cache = {} if self.cached else None
        INTERPRETER.set(in_front(behind(), casts, cache))
        return self

    def __exit__(self, *raised: object) -> None:
        INTERPRETER.set(in_front(behind(), *self._before.pop()))

    def __call__(self, function: F) -> F:
        """The function, run in such a block."""

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with autocast(self.device_type, self.dtype, self.enabled, self.cached):
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]


def _device_type(device_type: Any) -> str:
    if not isinstance(device_type, (str, Device)):
        raise KindError(
            f'device_type: expected "cpu" or "cuda", got {describe(device_type)}\n'
            '  write autocast("cuda", dtype=lab.float16)'
        )
    return Device(device_type).type


def _need_half(dtype: Any) -> DType:
    """float16; ArgumentError for what a block cannot compute in."""
    if dtype is None or dtype is float16:
        return float16
    name = str(getattr(dtype, "name", dtype)).rpartition(".")[2]
    if name == "float16":
        return float16
    why = "NumPy has none" if name == "bfloat16" else "ops take float32 without autocast"
    raise ArgumentError(
        f"autocast(dtype): there is no autocast to {name}: {why}\n"
        "  expected lab.float16, with lab.amp.GradScaler for the gradients"
    )


def _there(what: str, device_type: str) -> bool:
    """Whether the device is there; a warning where not."""
    reason = why_no_cuda() if device_type == "cuda" else None
    if reason is not None:
        warn(
            f'{what} for "cuda" changes nothing here: {reason}\n'
            f'  {what}("cpu") computes in float16 on the CPU too, to look at: it is slower there',
            UserWarning,
        )
    return reason is None


class _Seen(NamedTuple):
    """What has been done with the gradients of an optimiser since the last ``update()``."""

    finite: Any = None  # a tensor on the device of the gradients, a bool once it was asked for
    stepped: bool = False
    held: Any = None  # in a trace, the real tensor that will have it when a run has ended


class GradScaler:
    """Scales a loss by a large number, so that gradients in float16 do not become 0.

    ``scale(loss).backward()`` gives scaled gradients, ``step(optimizer)`` divides them and takes
    the step, and ``update()`` chooses the next scale: where a gradient was inf or NaN the step is
    left out and the scale multiplied by ``backoff_factor``; after ``growth_interval`` good
    steps it is multiplied by ``growth_factor``. ``unscale_(optimizer)`` divides before, for
    clipping. Whether all gradients are finite is asked once a step, and is all that is copied
    from a GPU. All of it may stand in a compiled function. Source: Micikevicius et al. (2018), in
    PyTorch's form.

    >>> import minitorch_lab as lab
    >>> w = lab.tensor([1.0], requires_grad=True)
    >>> sgd, scaler = lab.optim.SGD([w], lr=0.5), GradScaler("cpu", init_scale=4.0)
    >>> scaler.scale((w * w).sum()).backward()
    >>> w.grad
    tensor([8.])
    >>> scaler.step(sgd)
    >>> scaler.update()
    >>> w.grad, w.item(), scaler.get_scale()
    (tensor([2.]), 0.0, 4.0)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._enabled = enabled and _there("GradScaler", _device_type(device))
        if growth_factor <= 1:
            raise ArgumentError(f"growth_factor={growth_factor}: expected more than 1")
        if not 0 < backoff_factor < 1:
            raise ArgumentError(f"backoff_factor={backoff_factor}: expected 0 to 1, without them")
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval, self._growth_tracker = growth_interval, 0
        self._now = {"scale": float(init_scale)}  # which a graph reads anew in each run
        self._scaled = False
        self._seen: dict[int, tuple[Any, _Seen]] = {}  # by the id of the optimiser, which is kept

    def is_enabled(self) -> bool:
        """Whether losses are scaled; where not, it is as if there were no scaler."""
        return self._enabled

    def get_scale(self) -> float:
        """What losses are multiplied by now."""
        return self._now["scale"] if self._enabled else 1.0

    def scale(self, outputs: Any) -> Any:
        """The loss, or each of a list of them, times the scale; float16 becomes float32 first."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            self._scaled = True
            wide = outputs.float() if outputs.dtype is float16 else outputs
            return wide * current().read(self._now, "scale")
        if isinstance(outputs, Iterable) and not isinstance(outputs, (str, dict, np.ndarray)):
            found = [self.scale(x) for x in outputs]
            return found if isinstance(outputs, list) else tuple(found)
        raise _NoLoss(
            f"GradScaler.scale(outputs): expected a tensor, got {describe(outputs)}\n"
            "  give the loss, or a list of losses"
        )

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of the optimiser's parameters by the scale, in place.

        Before what looks at them, such as ``clip_grad_norm_``; ``step`` does it itself where it
        was not done. Once for each optimiser and step.
        """
        if not self._enabled:
            return
        seen = self._of("unscale_", optimizer)
        if seen is not None:
            done = "step()" if seen.stepped else "unscale_()"
            raise ComputeError(
                f"GradScaler.unscale_(): {done} has been called for this optimizer already\n"
                "  expected unscale_() once, after backward() and before step()\n"
                "  call update() at the end of each step"
            )
        self._unscale(optimizer)

    def _of(self, name: str, optimizer: Any) -> _Seen | None:
        """What has been done with an optimiser; an error where ``name`` cannot be called now."""
        if not hasattr(optimizer, "param_groups"):
            raise KindError(
                f"GradScaler.{name}(optimizer): expected an optimizer, got {describe(optimizer)}"
            )
        if not self._scaled:
            raise ComputeError(
                f"GradScaler.{name}(): no loss has been scaled\n"
                "  expected gradients of a scaled loss: scaler.scale(loss).backward()"
            )
        seen = self._seen.get(id(optimizer), (None, None))[1]
        if seen is None or seen.held is None:
            if seen is not None and not seen.stepped:
                current().refuse(
                    f"GradScaler.{name}() after unscale_() outside of the function",
                    "call both inside, or both outside",
                )
            return seen
        return seen if seen.finite.builder is getattr(current(), "builder", None) else None

    def _unscale(self, optimizer: Any) -> _Seen:
        gradients = [p.grad for g in optimizer.param_groups for p in g["params"]]
        gradients = [g for g in gradients if g is not None]
        half = next((g for g in gradients if g.dtype is float16), None)
        if half is not None:
            raise _HalfGradients(
                "GradScaler.unscale_(): a gradient is float16\n"
                f"  gradient  {half.spec}\n"
                "  expected parameters in float32, which autocast() casts for each op\n"
                "  leave out model.half()"
            )
        finite: Any = None
        with no_grad():
            for g in gradients:
                each = reduce.all(e.isfinite(g))
                finite = each if finite is None else e.logical_and(finite, each.to(finite.device))
                g.mul_(1 / current().read(self._now, "scale"))
        held = self._after_each_run(optimizer, finite) if current().tracing else None
        seen = _Seen(finite, held=held)
        self._seen[id(optimizer)] = (optimizer, seen)
        return seen

    def _after_each_run(self, optimizer: Any, finite: Tensor) -> Tensor:
        """A real tensor that has ``finite`` when a run of the graph has ended."""
        token = INTERPRETER.set(NO_GRAD)
        try:
            held = creation.zeros((), dtype=bool_, device=finite.device)
        finally:
            INTERPRETER.reset(token)
        with no_grad():
            held.copy_(finite)

        def after() -> None:
            self._seen[id(optimizer)] = (optimizer, _Seen(held))

        current().postpone(after, "scaler.unscale_(optimizer)", ())
        return held

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step()`` with the gradients divided by the scale; none where one is inf."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        seen = self._of("step", optimizer)
        if args or kwargs:
            raise ComputeError(
                "GradScaler.step(optimizer): there is no closure with a scaler\n"
                "  expected the optimizer alone\n  compute the loss before"
            )
        if seen is not None and seen.stepped:
            raise ComputeError(
                "GradScaler.step(): step() has been called for this optimizer already\n"
                "  expected update() between two steps"
            )
        seen = seen or self._unscale(optimizer)
        if seen.finite is None:
            raise ComputeError(
                "GradScaler.step(): no parameter of this optimizer has a gradient\n"
                "  call scaler.scale(loss).backward() before"
            )
        if current().tracing:
            self._step_in_graph(optimizer, seen)
            return None
        good = bool(seen.finite)  # the one question to the device
        self._seen[id(optimizer)] = (optimizer, _Seen(good, True))
        return optimizer.step() if good else None

    def _step_in_graph(self, optimizer: Any, seen: _Seen) -> None:
        """The step as part of a graph: weights choose there, and Python asks when it has run."""
        params = [p for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        gradients = [p.grad for p in params]
        with no_grad():
            for p, g in zip(params, gradients, strict=True):  # nothing warns of what is left out
                p.grad = e.where(seen.finite, g, 0.0)
            with current().where(seen.finite, "scaler.step(optimizer)") as settle:
                optimizer.step()
            for p, g in zip(params, gradients, strict=True):
                p.grad = g
        self._seen[id(optimizer)] = (optimizer, seen._replace(stepped=True))

        def after() -> None:
            good = bool(seen.held)
            settle(good)
            self._seen[id(optimizer)] = (optimizer, _Seen(good, True))

        current().postpone(after, "scaler.step(optimizer)", ())

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Choose the next scale by what the steps since the last call have found, or set it."""
        if not self._enabled:
            return
        if current().postpone(lambda: self.update(new_scale), "scaler.update()", [self._now]):
            self._seen.clear()  # of the trace; each run has its own
            return
        if new_scale is not None:
            self._now["scale"] = float(new_scale)
            self._seen.clear()
            return
        found = [seen.finite for _, seen in self._seen.values() if seen.finite is not None]
        if not found:
            raise ComputeError(
                "GradScaler.update(): no gradients have been looked at\n"
                "  expected a step since the last update()\n  call scaler.step(optimizer) before"
            )
        if not all(map(bool, found)):
            self._now["scale"] = max(self._now["scale"] * self._backoff_factor, SMALLEST)
            self._growth_tracker = 0
        else:
            self._growth_tracker += 1
            larger = self._now["scale"] * self._growth_factor
            if self._growth_tracker == self._growth_interval:
                self._growth_tracker = 0
                if larger <= LARGEST:
                    self._now["scale"] = larger
        self._seen.clear()

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after ``growth_interval`` good steps."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Change it."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by where a gradient is inf or NaN."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Change it."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good steps in a row make the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Change it."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """The scale and how it changes, with PyTorch's keys; empty where it is not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the scaler was that gave ``state_dict``."""
        if not self._enabled:
            return
        missing = [key for key in self.state_dict() if key not in state_dict]
        if missing:
            raise ComputeError(
                f"GradScaler.load_state_dict: there is no {missing[0]!r}\n"
                f"  keys  {', '.join(map(str, state_dict)) or 'none'}\n"
                "  expected what state_dict() of a scaler gives that is enabled"
            )
        self._now["scale"] = float(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]


SMALLEST, LARGEST = float(np.finfo("float32").tiny), float(np.finfo("float32").max)


class _HalfGradients(ComputeError, ArgumentError):
    """Gradients in float16; a ValueError, as in PyTorch."""


class _NoLoss(KindError, ArgumentError):
    """What is scaled is no tensor; a ValueError, as in PyTorch."""
