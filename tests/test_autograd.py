"""Gradients as functions, hooks, own functions, anomaly mode, checkpoints."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn
from minitorch_lab.autograd import (
    Function,
    checkpoint,
    detect_anomaly,
    functional,
    grad,
    gradcheck,
    gradgradcheck,
    once_differentiable,
    set_detect_anomaly,
)
from minitorch_lab.tape import WATCH, WATCHED, Settings
from minitorch_lab.tensor import Tensor, inference_mode, is_inference_mode_enabled
from minitorch_lab.tensor.grad_mode import record_all


def leaf(*values: float, dtype: Any = lab.float64) -> Tensor:
    return lab.tensor(values if len(values) > 1 else values[0], dtype=dtype, requires_grad=True)


# Products and matrices of derivatives ------------------------------------------------------

FUNCTIONS: dict[str, tuple[Any, list[tuple[int, ...]]]] = {
    "square": (lambda t: lambda x: x * x, [(3,)]),
    "matrix": (lambda t: lambda x, w: t.tanh(x @ w), [(2, 3), (3, 2)]),
    "two outputs": (lambda t: lambda x, y: (x * y.sum(), (x * x).sum() * y), [(2,), (3,)]),
    "unused": (lambda t: lambda x, y: x.exp(), [(2,), (2,)]),
    "number": (lambda t: lambda x: (x**3).sum(), [(2, 2)]),
    "constant": (lambda t: lambda x: (x * x, t.ones(2, dtype=t.float64)), [(3,)]),
}
NUMBERS: dict[str, tuple[Any, list[tuple[int, ...]]]] = {
    "cubes": (lambda t: lambda x: (x**3).sum(), [(3,)]),
    "two inputs": (lambda t: lambda x, y: (x.exp() @ y).sum() * (y * y).sum(), [(2, 3), (3,)]),
    "linear": (lambda t: lambda x: x.sum() * 2, [(3,)]),
}


def inputs_of(t: Any, shapes: list[tuple[int, ...]], seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    made = tuple(t.tensor(rng.normal(size=s)) for s in shapes)
    return made if len(made) > 1 else made[0]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("product", ["vjp", "jvp", "jacobian"])
def test_first_derivatives_follow_pytorch(name: str, product: str, oracle: Any) -> None:
    function, shapes = FUNCTIONS[name]

    def run(t: Any) -> Any:
        xs = inputs_of(t, shapes)
        out = function(t)(*(xs if isinstance(xs, tuple) else (xs,)))
        outs = [tuple(y.shape) for y in (out if isinstance(out, tuple) else (out,))]
        call = getattr(t.autograd.functional, product)
        if product == "jacobian":
            return call(function(t), xs)
        return call(function(t), xs, inputs_of(t, outs if product == "vjp" else shapes, 1))

    compare(*oracle.both(run))


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("product", ["vhp", "hvp", "hessian"])
def test_second_derivatives_follow_pytorch(name: str, product: str, oracle: Any) -> None:
    function, shapes = NUMBERS[name]

    def run(t: Any) -> Any:
        extra = () if product == "hessian" else (inputs_of(t, shapes, 1),)
        call = getattr(t.autograd.functional, product)
        return call(function(t), inputs_of(t, shapes), *extra)

    compare(*oracle.both(run))


def compare(found: Any, expected: Any) -> None:
    if isinstance(expected, list):
        for a, b in zip(found, expected, strict=True):
            compare(a, b)
    else:
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_derivatives_can_be_differentiated_and_traced() -> None:
    x = leaf(1.0, 2.0)
    j = functional.jacobian(lambda v: v**3, x, create_graph=True)
    j.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [6.0, 12.0]

    @lab.compile
    def curvature(v: Any) -> Any:
        return functional.hessian(lambda u: (u**4).sum(), v)

    assert curvature(lab.tensor([1.0, 2.0])).tolist() == [[12.0, 0.0], [0.0, 48.0]]


PRODUCTS: dict[str, Any] = {
    "vjp": lambda f, x, **kw: f.vjp(lambda v: v**3, x, lab.ones(2).double(), **kw)[1],
    "jvp": lambda f, x, **kw: f.jvp(lambda v: v**3, x, lab.ones(2).double(), **kw)[1],
    "jacobian": lambda f, x, **kw: f.jacobian(lambda v: v**3, x, **kw),
    "hessian": lambda f, x, **kw: f.hessian(lambda v: (v**3).sum(), x, **kw),
    "vhp": lambda f, x, **kw: f.vhp(lambda v: (v**3).sum(), x, lab.ones(2).double(), **kw)[1],
    "hvp": lambda f, x, **kw: f.hvp(lambda v: (v**3).sum(), x, lab.ones(2).double(), **kw)[1],
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_derivatives_have_a_graph_only_when_asked(name: str) -> None:
    x, plain = leaf(1.0, 2.0), leaf(1.0, 2.0).detach()
    found = PRODUCTS[name](functional, x)
    assert not found.requires_grad
    again = PRODUCTS[name](functional, x, create_graph=True)
    assert again.tolist() == found.tolist()
    (second,) = grad(again.sum(), x)
    assert second.tolist() == ([6, 6] if name in ("hessian", "vhp", "hvp") else [6, 12])
    assert PRODUCTS[name](functional, plain, create_graph=True).tolist() == found.tolist()
    assert not plain.requires_grad


def test_a_graph_is_freed_unless_it_is_kept(oracle: Any) -> None:
    def twice(call: Any, *args: Any, **kwargs: Any) -> bool:
        """Whether the graph is still there after the first call."""
        call(*args, **kwargs)
        try:
            call(*args, **kwargs)
        except RuntimeError:
            return False
        return True

    def run(t: Any) -> Any:
        found = []
        for keep in (None, False, True):
            for count in (1, 2):
                for call in (t.autograd.grad, t.autograd.backward):
                    x = t.tensor([1.0, 2.0], requires_grad=True)
                    h = x.exp()
                    roots = [h.sum(), (h * h).sum()][:count]
                    inputs = [x] if call is t.autograd.grad else []
                    found.append(twice(call, roots, *inputs, retain_graph=keep))
        return found

    assert run(lab) == oracle(run)


def test_backward_of_one_and_of_several_follows_pytorch(oracle: Any) -> None:
    def run(t: Any) -> Any:
        grads = []
        for start in ("none", "one", "two"):
            x = t.tensor([1.0, 2.0], requires_grad=True)
            y, z = (x * x).sum(), (x**3).sum()
            if start == "none":
                t.autograd.backward([y, z])
            elif start == "one":
                t.autograd.backward(x * x, t.tensor([3.0, 5.0]))
            else:
                t.autograd.backward((y, z), (t.tensor(2.0), None))
            grads.append(x.grad)
        return grads

    compare(*oracle.both(run))


def test_backward_of_several_looks_at_all_before_it_starts() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="one number"):
        lab.autograd.backward([(x * 2).sum(), x * 3])
    assert x.grad is None


def test_derivatives_refuse() -> None:
    x = lab.ones(2)
    with pytest.raises(RuntimeError, match="v is needed for more than one number"):
        functional.vjp(lambda v: v * 2, x)
    with pytest.raises(RuntimeError, match=r"v\[0\] does not fit"):
        functional.jvp(lambda v: v * 2, x, lab.ones(3))
    with pytest.raises(RuntimeError, match="must give one number"):
        functional.hessian(lambda v: v * 2, x)
    with pytest.raises(RuntimeError, match="does not depend on input 0"):
        functional.jacobian(lambda v: lab.ones(2, requires_grad=True) * 2, x, strict=True)
    with pytest.raises(TypeError, match=r"inputs\[1\]: expected a tensor"):
        functional.jacobian(lambda v, w: v, (x, 3.0))
    with pytest.raises(TypeError, match="output 0 is float"):
        functional.jacobian(lambda v: [1.0], x)
    with pytest.raises(TypeError, match="primals: expected a tuple"):
        lab.func.jvp(lambda v: v * 2, x, (x,))
    with pytest.raises(TypeError, match="tangents: expected a tuple"):
        lab.func.jvp(lambda v: v * 2, (x,), x)
    for place in (1, -2):
        with pytest.raises(ValueError, match="the function got 1 arguments"):
            lab.func.grad(lambda v: v.sum(), argnums=place)(x)
    with pytest.raises(TypeError, match="argument 0: expected a tensor, got float"):
        lab.func.grad(lambda v: v * 2)(1.0)
    with pytest.raises(RuntimeError, match=r"output  float32 \(2,\)"):
        lab.func.grad(lambda v: v * 2)(x)
    with pytest.raises(RuntimeError, match="output  float 3"):
        lab.func.grad(lambda v: 3.0)(x)


# The check against differences -------------------------------------------------------------


def test_a_check_leaves_other_graphs_and_takes_unused_inputs() -> None:
    x, unused, w = leaf(0.5, 1.0), leaf(3.0), leaf(2.0)
    outside = w.exp()
    for check in (gradcheck, gradgradcheck):
        assert check(lambda a, b: a * a * outside.detach(), (x, unused))
    assert gradcheck(lambda a: a * outside, x)
    outside.backward()
    assert w.grad is not None


def test_a_check_names_the_worst_place() -> None:
    class Off(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 4

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * lab.tensor([4.0, 4.0, -3.0, 4.001])

    x = leaf(1.0, 2.0, 3.0, 4.0)
    with pytest.raises(RuntimeError, match=r"input 0 .*\n  at \(2,\): gradient"):
        gradcheck(Off.apply, x)
    assert not gradcheck(Off.apply, x, raise_exception=False)
    assert gradcheck(Off.apply, x, atol=30.0)


def test_a_check_of_one_number_shows_its_gradient() -> None:
    with lab.broken("overwrite"), pytest.raises(RuntimeError, match="gradient 4, differences 6"):
        gradcheck(
            lambda x: x**2 + (x + x) + 1, lab.tensor(2.0, dtype=lab.float64, requires_grad=True)
        )


def test_the_second_check_finds_a_gradient_that_cannot_be_differentiated() -> None:
    class Detached(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3 * ctx.saved_tensors[0].detach() ** 2

    x = leaf(1.0, 2.0)
    assert gradcheck(Detached.apply, x)
    assert not gradgradcheck(Detached.apply, x, raise_exception=False)
    assert gradgradcheck(lambda v: (v**3).sum(), x)


# Modes -------------------------------------------------------------------------------------


def test_inference_mode() -> None:
    w = leaf(1.0)
    with inference_mode():
        assert is_inference_mode_enabled()
        assert not (w * 2).requires_grad
        with lab.enable_grad():
            assert not (w * 2).requires_grad
    assert not is_inference_mode_enabled()
    with inference_mode(False):
        assert (w * 2).requires_grad

    @inference_mode
    def plain(v: Any) -> Any:
        return v * 2

    @inference_mode()
    def called(v: Any) -> Any:
        return v * 2

    assert not plain(w).requires_grad
    assert not called(w).requires_grad
    assert plain.__name__ == "plain"


# Hooks -------------------------------------------------------------------------------------


def test_retain_grad() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    (y * 3).sum().backward(retain_graph=True)
    assert y.grad is not None
    assert y.grad.tolist() == [3.0, 3.0]
    (y * 4).sum().backward()
    assert y.grad.tolist() == [7.0, 7.0]
    x.retain_grad()  # a leaf keeps it anyway
    with pytest.raises(RuntimeError, match="does not require grad"):
        lab.ones(2).retain_grad()


@pytest.mark.parametrize("create_graph", [False, True])
def test_hooks_run_once_on_the_whole_gradient(create_graph: bool) -> None:
    seen = []
    x = leaf(1.0, 2.0)
    y = x * 2
    handles = [
        x.register_hook(lambda g: seen.append(("x", g.tolist()))),
        y.register_hook(lambda g: seen.append(("y", g.tolist())) or g * 10),
        y.register_hook(lambda g: g + 1),
    ]
    y.retain_grad()
    (y + y * y + x).sum().backward(create_graph=create_graph)
    assert seen == [("y", [5.0, 9.0]), ("x", [103.0, 183.0])]
    assert x.grad is not None
    assert y.grad is not None
    assert y.grad.tolist() == [51.0, 91.0]
    assert x.grad.tolist() == [103.0, 183.0]
    for handle in handles:
        handle.remove()
        handle.remove()
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    assert len(seen) == 2


def test_hooks_follow_pytorch(oracle: Any) -> None:
    def run(t: Any) -> Any:
        x = t.tensor([1.0, 2.0], requires_grad=True)
        x.register_hook(lambda g: g * 2)
        y = x.exp()
        y.register_hook(lambda g: g.clamp(max=0.5))
        z = (y * x).sum()
        (gy,) = t.autograd.grad(z, y, retain_graph=True)
        z.backward()
        with x.register_hook(lambda g: g + 1):
            x.backward(t.ones(2))
        x.backward(t.ones(2))
        return gy.tolist(), x.grad.tolist()

    np.testing.assert_allclose(*oracle.both(run), rtol=1e-6)


def test_hooks_in_graph_mode() -> None:
    w = lab.ones(3, requires_grad=True)

    @lab.function
    def step(x: Any) -> Any:
        w.grad = None
        y = w * x
        y.register_hook(lambda g: g * 2)
        y.retain_grad()
        y.sum().backward()
        return y.grad

    with lab.mode("graph"):
        assert step(lab.ones(3)).tolist() == [2.0] * 3
        assert w.grad is not None
        assert w.grad.tolist() == [2.0] * 3
        handle = w.register_hook(lambda g: g + 1)
        step(lab.ones(3))
        assert w.grad.tolist() == [3.0] * 3
        handle.remove()
        step(lab.ones(3))
        assert w.grad.tolist() == [2.0] * 3


def test_hooks_refuse() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="does not require grad"):
        lab.ones(2).register_hook(print)
    with pytest.raises(TypeError, match="expected a function"):
        x.register_hook(3)  # type: ignore[arg-type]
    x.register_hook(lambda g: g.sum())
    with pytest.raises(RuntimeError, match="another shape"):
        (x * x).sum().backward()
    assert x.grad is None
    y = leaf(1.0)
    y.register_hook(lambda g: 3.0)  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="expected a tensor or None"):
        (y * y).backward()


# Functions of one's own --------------------------------------------------------------------


def own(t: Any) -> dict[str, Any]:
    class Cube(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    class Exp(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0]

    class Scale(t.autograd.Function):
        @staticmethod
        def forward(x: Any, w: Any, factor: float) -> Any:
            return x * w * factor

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            x, w, ctx.factor = inputs
            ctx.save_for_backward(x, w)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, w = ctx.saved_tensors
            gx = g * w * ctx.factor if ctx.needs_input_grad[0] else None
            gw = g * x * ctx.factor if ctx.needs_input_grad[1] else None
            return gx, gw, None

    class SinCos(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            s, c = x.sin(), x.cos()
            ctx.save_for_backward(s, None, c)
            return s, c.sum()

        @staticmethod
        def backward(ctx: Any, gs: Any, gc: Any) -> Any:
            s, _, c = ctx.saved_tensors
            return gs * c - gc * s

    return {"Cube": Cube, "Exp": Exp, "Scale": Scale, "SinCos": SinCos}


def test_own_functions_follow_pytorch(oracle: Any) -> None:
    def run(t: Any) -> Any:
        f = own(t)
        x = t.tensor([0.5, 1.5], dtype=t.float64, requires_grad=True)
        w = t.tensor([2.0, 3.0], dtype=t.float64)
        s, c = f["SinCos"].apply(x)
        y = f["Scale"].apply(f["Exp"].apply(f["Cube"].apply(x)), w, 0.1) + s * c
        (first,) = t.autograd.grad(y.sum(), x, retain_graph=True)
        (only,) = t.autograd.grad(s.sum(), x, retain_graph=True)
        z = f["Exp"].apply(f["Cube"].apply(x)).sum()
        (g,) = t.autograd.grad(z, x, create_graph=True)
        (second,) = t.autograd.grad(g.sum(), x)
        return [y, first, only, second]

    np.testing.assert_allclose(*oracle.both(run), rtol=1e-9)


@pytest.mark.parametrize("name", ["Cube", "Exp", "Scale"])
def test_own_functions_against_differences(name: str) -> None:
    function = own(lab)[name]
    extra = (leaf(2.0, 3.0), 0.5) if name == "Scale" else ()
    assert gradcheck(function.apply, (leaf(0.5, 1.5), *extra))
    assert gradgradcheck(function.apply, (leaf(0.5, 1.5), *extra))


def test_own_functions_print_their_name(oracle: Any) -> None:
    first, second = oracle.both(
        lambda t: repr(own(t)["Cube"].apply(t.tensor([1.0, 2.0], requires_grad=True)))
    )
    assert first == second == "tensor([1., 8.], grad_fn=<CubeBackward>)"


def test_own_functions_in_graph_mode() -> None:
    f = own(lab)
    results = []
    for mode in ("eager", "graph"):
        w = lab.tensor([1.0, 0.5], requires_grad=True)

        @lab.function
        def step(x: Any) -> Any:
            s, c = f["SinCos"].apply(f["Scale"].apply(x, w, 2.0))
            loss = (s * c).sum() + f["Exp"].apply(w).sum() + f["Cube"].apply(w).sum()
            loss.backward()
            return loss

        with lab.mode(mode):
            loss = [step(lab.tensor([0.3, 0.4])).item() for _ in range(2)]
        assert w.grad is not None
        results.append([*loss, *w.grad.tolist()])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def test_own_functions_with_marked_outputs_and_no_gradient() -> None:
    class Largest(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            values, index = x.sort() if hasattr(x, "sort") else (x, x.argmax())
            ctx.mark_non_differentiable(index)
            rank = values * 0
            ctx.mark_non_differentiable(index, rank)
            return x * 2, index, rank

        @staticmethod
        def backward(ctx: Any, g: Any, gi: Any, gr: Any) -> Any:
            assert gr.tolist() == [0.0, 0.0]
            return g * 2

    x = leaf(1.0, 2.0)
    y, index, rank = Largest.apply(x)
    assert y.requires_grad
    assert not index.requires_grad
    assert not rank.requires_grad
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 2.0]
    with lab.no_grad():
        assert not Largest.apply(x)[0].requires_grad

    class Stop(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x + y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return None, g

    a, b = leaf(1.0), leaf(2.0)
    Stop.apply(a, b).backward()
    assert a.grad is None
    assert b.grad is not None

    class Reverse(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.view_as(x)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g.neg()

    c = leaf(2.0)
    (Reverse.apply(c) * 3).backward()
    assert c.grad is not None
    assert c.grad.item() == -3


def wrong(backward: Any) -> Any:
    class Wrong(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 2

    Wrong.backward = staticmethod(backward)  # type: ignore[method-assign]
    return Wrong


def test_own_functions_refuse() -> None:
    x = leaf(1.0, 2.0)
    for backward, kind, words in [
        (lambda ctx, g: (g, g), RuntimeError, "returned 2 gradients"),
        (lambda ctx, g: (g, None, g), RuntimeError, "returned 3 gradients"),
        (lambda ctx, g: g[:1].expand(3), RuntimeError, "does not fit its argument"),
        (lambda ctx, g: 3, TypeError, "expected a tensor or None"),
    ]:
        with pytest.raises(kind, match=words):
            wrong(backward).apply(x).sum().backward()
    assert x.grad is None
    y = wrong(lambda ctx, g: (g * ctx.saved_tensors[0], None)).apply(x)
    y.sum().backward()
    with lab.no_grad():
        x.mul_(2)
    y = wrong(lambda ctx, g: g * ctx.saved_tensors[0]).apply(x)
    with lab.no_grad():
        x.mul_(2)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="in backward"):
        lab.autograd.FunctionCtx(()).saved_tensors  # noqa: B018
    with pytest.raises(TypeError, match="save_for_backward"):
        lab.autograd.FunctionCtx(()).save_for_backward(3)  # type: ignore[arg-type]

    class Once(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3 * ctx.saved_tensors[0] ** 2

    z = leaf(2.0)
    (g,) = grad(Once.apply(z), z, create_graph=True)
    assert g.item() == 12
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


def test_own_functions_keep_the_kind_of_their_result() -> None:
    class Pair(NamedTuple):
        half: Any
        double: Any

    def both(kind: Any) -> Any:
        class Both(Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                return kind([x.float() / 2, x * 2])

            @staticmethod
            def backward(ctx: Any, a: Any, b: Any) -> Any:
                return a.double() / 2 + b * 2

        return Both

    for kind, expected in ((list, list), (tuple, tuple), (lambda pair: Pair(*pair), tuple)):
        x = leaf(3.0, 5.0)
        y = both(kind).apply(x)
        assert type(y) is expected
        assert [v.dtype for v in y] == [lab.float32, lab.float64]
        assert [v.tolist() for v in y] == [[1.5, 2.5], [6.0, 10.0]]
        (y[0].double() * y[1]).sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [6.0, 10.0]
        assert y[0].grad_fn is not None


def test_the_gradient_of_a_function_may_be_larger_than_its_argument(oracle: Any) -> None:
    def run(t: Any) -> Any:
        class Wide(t.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any, to: Any) -> Any:
                ctx.to = to
                return x * 1

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return t.ones(ctx.to, dtype=t.float64), None

        found: list[Any] = []
        for shape, to in (((3, 1), (3, 4)), ((3,), (2, 3)), ((2, 1), (3, 4)), ((0,), (1,))):
            x = t.zeros(shape, dtype=t.float64, requires_grad=True)
            try:
                Wide.apply(x, to).sum().backward()
                found.append(x.grad.tolist())
            except RuntimeError:
                found.append("refused")
        return found

    ours, theirs = run(lab), oracle(run)
    assert ours == theirs
    assert ours[0] == [[4.0]] * 3


def test_what_a_function_keeps_is_guarded() -> None:
    inner: list[Any] = []
    made: list[Any] = []
    arrays: list[Any] = []

    class Keeps(Function):
        """Twice a product."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            inner.append(x * 3)
            ctx.save_for_backward(None, inner[-1], x, x * 4, x * 5)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            nothing, h, x, four, five = ctx.saved_tensors
            assert nothing is None
            assert [v.item() for v in (four, five)] == [4 * x.item(), 5 * x.item()]
            made.append(g * (h - x))
            arrays.append(weakref.ref(made[-1].array))
            return made.pop(), None, None  # None for more than there are is let go

    x = leaf(2.0)
    y = Keeps.apply(x)
    assert y.grad_fn.name() == "KeepsBackward"
    assert y.node.op.doc == "Twice a product."
    assert y.node.op.cost(y.spec, x.spec).flops == 0  # forward's ops are counted themselves
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == 4
    y = Keeps.apply(x * 1)
    y.backward()
    gc.collect()
    assert arrays[-1]() is None  # the walk is over, so that nothing holds its gradients
    y = Keeps.apply(x)
    inner[-1].mul_(2)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_what_a_function_keeps_beside_its_arguments_gets_no_gradient() -> None:
    w, x = leaf(5.0), leaf(2.0)

    class Uses(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(w)
            return x * w

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0]

    Uses.apply(x).backward()
    assert x.grad is not None
    assert x.grad.item() == 5
    assert w.grad is None


def test_once_differentiable_without_anything_to_differentiate() -> None:
    seen = []

    class Twice(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: Any) -> Any:
            ctx.save_for_backward(factor, None)
            return x * factor

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            seen.append(lab.is_grad_enabled())
            return g * ctx.saved_tensors[0], None

    x, w = leaf(2.0), leaf(5.0)
    (g,) = grad(Twice.apply(x, lab.tensor(3.0).double()), x, create_graph=True)
    assert g.item() == 3
    assert not g.requires_grad
    (g,) = grad(Twice.apply(x, lab.tensor(3.0).double()) * w, x, create_graph=True)
    assert g.item() == 15
    assert g.requires_grad
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()
    assert seen == [False, False]


# Anomaly mode ------------------------------------------------------------------------------


def test_anomaly_names_the_op_and_the_line() -> None:
    x = leaf(0.0, 1.0)
    with detect_anomaly():
        y = x.sqrt()  # the culprit
        loss = (y * 0).sum()
        with pytest.raises(RuntimeError, match="gradient of sqrt became nan") as found:
            loss.backward()
    assert "y = x.sqrt()  # the culprit" in str(found.value)
    assert isinstance(found.value, lab.NonFiniteError)
    assert x.grad is None
    assert WATCH[WATCHED][1] is False
    assert Settings.sources is False
    with np.errstate(all="ignore"):
        (x.sqrt() * 0).sum().backward()  # without it nothing is said


def test_anomaly_as_a_switch_and_nested() -> None:
    set_detect_anomaly(True)
    assert lab.autograd.is_anomaly_enabled()
    with detect_anomaly(check_nan=False):
        assert not lab.autograd.is_anomaly_enabled()
        assert Settings.sources
    assert lab.autograd.is_anomaly_enabled()
    set_detect_anomaly(False)
    assert not lab.autograd.is_anomaly_enabled()
    assert Settings.sources is False


def test_anomaly_says_where_nan_came_from() -> None:
    x = leaf(-1.0, 1.0)
    with detect_anomaly(), np.errstate(all="ignore"):
        with pytest.raises(RuntimeError, match="the result of sqrt is nan already"):
            x.sqrt().sum().backward()
        with pytest.raises(RuntimeError, match="the derivative does not exist at this input"):
            (leaf(0.0).sqrt() * 0).backward()
        with pytest.raises(RuntimeError, match="the gradient that came in is nan already"):
            (x * 2).backward(lab.tensor([1.0, float("nan")]).double())


def test_anomaly_leaves_hooks_as_they_are() -> None:
    x, seen = leaf(1.0), []
    x.register_hook(lambda g: seen.append(g.item()))
    before = WATCH[WATCHED]
    with detect_anomaly():
        assert WATCH[WATCHED] == (before[0], True)
        (x * 2).backward()
    assert WATCH[WATCHED] == before
    (x * 3).backward()
    assert seen == [2.0, 3.0]


def test_anomaly_without_the_look_at_values_may_be_traced() -> None:
    w = leaf(4.0)

    @lab.compile
    def step(on: bool, look: bool) -> Any:
        with set_detect_anomaly(on, look):
            return w.sqrt()

    for on, look in ((False, True), (False, False), (True, False)):
        assert step(on, look).item() == 2
    with pytest.raises(lab.TraceError, match="detect_anomaly"):
        step(True, True)


def test_anomaly_is_refused_in_graph_mode() -> None:
    w = leaf(1.0)

    @lab.compile
    def step() -> Any:
        loss = w.sqrt()
        loss.backward()
        return loss

    step()
    with pytest.raises(lab.TraceError, match="detect_anomaly"), detect_anomaly():
        step()
    step()


# Checkpoints -------------------------------------------------------------------------------


def test_checkpoint_computes_again_and_gives_the_same() -> None:
    calls = []
    results = []
    for kept in (True, False):
        lab.manual_seed(3)
        block = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 4))
        x = lab.randn(5, 4, requires_grad=True)
        outer = x * 2

        def run(v: Any) -> Any:
            calls.append(kept)
            return block(v) * outer, (v * v).sum()

        y, s = run(outer) if kept else checkpoint(run, outer, use_reentrant=False)
        ((y * y).sum() + s).backward()
        after = lab.rand(1).item()
        results.append([x.grad, *[p.grad for p in block.parameters()], lab.tensor(after)])
    assert calls == [True, False, False]
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a.tolist(), b.tolist(), rtol=1e-5)


def test_checkpoint_with_hooks_and_second_derivatives() -> None:
    seen = []
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: seen.append(g.tolist()))
    h = x * 1
    h.register_hook(lambda g: seen.append(g.tolist()))
    checkpoint(lambda v: (v**3).sum(), h).backward()
    assert seen == [[3.0, 12.0], [3.0, 12.0]]
    (g,) = grad(checkpoint(lambda v: (v**3).sum(), x), x, create_graph=True)
    (second,) = grad(g.sum(), x)
    assert second.tolist() == [6.0, 12.0]
    assert gradgradcheck(lambda v: checkpoint(lambda u: u.exp() * u, v), leaf(0.5, 1.0))


def test_checkpoint_hands_on_what_has_no_history_of_its_own() -> None:
    x, older = leaf(1.0, 2.0), leaf(3.0)
    known = older * 2

    def run(v: Any) -> Any:
        return [v * v, known, older, "text", v.detach(), v.sum()]

    y, same, first, text, plain, total = checkpoint(run, x)
    assert (same is known, first is older, text) == (True, True, "text")
    assert not plain.requires_grad
    (y.sum() + total + same).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 5.0]
    assert older.grad is not None
    assert older.grad.item() == 2
    assert type(checkpoint(lambda v: (v * v, v), x)) is tuple
    assert type(checkpoint(lambda v: [v * v, v], x)) is list
    with lab.no_grad():
        assert checkpoint(lambda v: v, x) is x
    changed = checkpoint(lambda v: v * 2, older)
    changed.mul_(5)  # its value is not needed
    older.grad = None
    changed.backward()
    assert older.grad is not None
    assert older.grad.item() == 10
    with record_all():  # the explorer shows what is inside
        inside = checkpoint(lambda v: (v * 2).exp(), older)
    assert inside.node is not None
    assert inside.node.op.name == "exp"


def test_checkpoint_and_the_stream_of_random_numbers(oracle: Any) -> None:
    def run(t: Any, preserve: bool) -> Any:
        t.manual_seed(0)
        drawn = []

        def noisy(v: Any) -> Any:
            drawn.append(t.rand(2))
            return v * drawn[-1]

        x = t.ones(2, requires_grad=True)
        y = t.utils.checkpoint.checkpoint(
            noisy, x, use_reentrant=False, preserve_rng_state=preserve
        )
        drawn.append(t.rand(2))
        y.sum().backward()
        drawn.append(t.rand(2))
        return [d.tolist() for d in drawn], x.grad.tolist()

    for preserve in (True, False):
        ours, theirs = run(lab, preserve), oracle(lambda t, p=preserve: run(t, p))
        compare_plain(ours, theirs)


def compare_plain(found: Any, expected: Any) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_sequence_computes_all_but_its_last_segment_again(oracle: Any) -> None:
    def run(t: Any) -> Any:
        found = []
        for count, segments in ((4, 2), (5, 2), (5, 3), (3, 1), (3, 3)):
            calls = [0] * count

            def step(k: int, calls: list[int], v: Any) -> Any:
                calls[k] += 1
                return v * v

            x = t.tensor([1.1], dtype=t.float64, requires_grad=True)
            steps = [partial(step, k, calls) for k in range(count)]
            y = t.utils.checkpoint.checkpoint_sequential(steps, segments, x, use_reentrant=False)
            y.sum().backward()
            found.append(calls)
        return found

    assert run(lab) == oracle(run)


def test_a_sequence_draws_the_same_numbers_again() -> None:
    drawn = []

    def noisy(v: Any) -> Any:
        drawn.append(lab.rand(2))
        return v * drawn[-1]

    x = lab.ones(2, requires_grad=True)
    lab.utils.checkpoint.checkpoint_sequential([noisy, noisy], 2, x).sum().backward()
    assert len(drawn) == 3  # the first one twice
    assert drawn[2].tolist() == drawn[0].tolist() != drawn[1].tolist()


def test_checkpoint_keeps_less() -> None:
    x = lab.ones(1000, requires_grad=True)

    def deep(v: Any) -> Any:
        for _ in range(20):
            v = (v * 1.01).tanh()
        return v

    def held(function: Any) -> int:
        gc.collect()
        tracemalloc.start()
        y = function(x)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        y.sum().backward()
        return size

    assert held(lambda v: checkpoint(deep, v)) < held(deep) / 5


def test_checkpoint_in_graph_mode_and_without_gradient() -> None:
    w = leaf(2.0)

    @lab.compile
    def step() -> Any:
        loss = checkpoint(lambda v: v * v, w)
        loss.backward()
        return loss

    step()
    assert w.grad is not None
    assert w.grad.item() == 4
    with lab.no_grad():
        assert not checkpoint(lambda v: v * v, w).requires_grad
    assert checkpoint(lambda v: v * 2, lab.ones(2)).tolist() == [2.0, 2.0]
