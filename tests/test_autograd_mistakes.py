"""Looking into the graph, and the mistakes that people make most with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from golden import Golden, said, same_kind

import minitorch_lab as lab
from minitorch_lab.autograd import checkpoint_sequential
from minitorch_lab.utils.checkpoint import checkpoint


def leaf(t: Any, *values: float) -> Any:
    return t.tensor(values, dtype=t.float64, requires_grad=True)


# The graph -----------------------------------------------------------------------------------


def test_names_and_next_functions_follow_pytorch(oracle: Any) -> None:
    def look(t: Any) -> Any:
        x, c = leaf(t, 1.0, 2.0), t.tensor([3.0, 4.0], dtype=t.float64)
        y = (x * c).exp().sum()
        names, node = [], y.grad_fn
        while node.next_functions and node.next_functions[0][0] is not None:
            names.append(node.name())
            node = node.next_functions[0][0]
        product = y.grad_fn.next_functions[0][0].next_functions[0][0]
        ends = [f is None for f, _ in product.next_functions]
        flags = [x.is_leaf, y.is_leaf, x.grad_fn is None, y.retains_grad, c.is_leaf]
        return [names, ends, [k for _, k in product.next_functions], flags, node.variable is x]

    assert look(lab) == oracle(look)


def test_a_version_tells_of_a_change() -> None:
    x = lab.zeros(2)
    versions = [x._version]
    for _ in range(2):
        x.add_(1)
        versions.append(x._version)
    assert versions[0] == 0
    assert versions == sorted(set(versions))
    assert x[:1]._version == x._version  # a view shares it


# Where gradients go --------------------------------------------------------------------------


def test_backward_to_some_inputs_follows_pytorch(oracle: Any) -> None:
    def run(t: Any) -> Any:
        x, w = leaf(t, 1.0, 2.0), leaf(t, 3.0, 5.0)
        h = x * w
        h.retain_grad()
        loss = (h * h).sum()
        loss.backward(inputs=[w], retain_graph=True)
        first = [x.grad is None, w.grad.tolist()]
        loss.backward(inputs=x, retain_graph=True)
        loss.backward(inputs=[w, h])
        return [first, x.grad, w.grad, h.grad]

    mine, theirs = run(lab), oracle(run)
    assert mine[0] == theirs[0]
    for a, b in zip(mine[1:], theirs[1:], strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-12)


def test_backward_to_some_inputs_in_a_graph() -> None:
    x, w = leaf(lab, 1.0, 2.0), leaf(lab, 3.0, 5.0)

    @lab.compile
    def step() -> Any:
        loss = (x * w).square().sum()
        loss.backward(inputs=[w])
        return loss

    step()
    assert x.grad is None
    assert w.grad.tolist() == [6, 40]


def test_backward_of_several_follows_pytorch(oracle: Any) -> None:
    def run(t: Any) -> Any:
        x = leaf(t, 1.0, 2.0)
        y = x * x
        t.autograd.backward([y.sum(), y], [None, t.ones_like(y)])
        return x.grad

    np.testing.assert_allclose(run(lab).numpy(), oracle(run), rtol=1e-12)


def test_unused_inputs_follow_pytorch(oracle: Any) -> None:
    def run(t: Any) -> Any:
        x, y = leaf(t, 1.0, 2.0), leaf(t, 3.0)
        none = t.autograd.grad((x * x).sum(), [x, y], allow_unused=True)
        zero = t.autograd.grad((x * x).sum(), [x, y], materialize_grads=True)
        return [none[0], none[1] is None, zero[0], zero[1]]

    for a, b in zip(run(lab), oracle(run), strict=True):
        np.testing.assert_array_equal(a if isinstance(a, bool) else a.numpy(), b)


def test_hooks_after_the_gradient_follow_pytorch(oracle: Any) -> None:
    def run(t: Any) -> Any:
        x, seen = leaf(t, 1.0, 2.0), []
        x.register_hook(lambda g: 10 * g)

        def step(p: Any) -> None:
            seen.append(p.grad.tolist())
            p.grad = None

        handle = x.register_post_accumulate_grad_hook(step)
        for _ in range(2):
            (x * x + x).sum().backward()
        handle.remove()
        (x * x).sum().backward()
        return [seen, x.grad.tolist()]

    assert run(lab) == oracle(run)


def test_a_hook_after_the_gradient_is_refused_in_a_graph() -> None:
    x = leaf(lab, 1.0)
    handle = x.register_post_accumulate_grad_hook(lambda p: None)
    step = lab.compile(lambda: x.sum().backward())
    with pytest.raises(lab.TraceError, match="register_post_accumulate_grad_hook"):
        step()
    handle.remove()
    step()
    assert x.grad.tolist() == [1]


def test_checkpoints_of_a_sequence() -> None:
    lab.manual_seed(0)
    model = lab.nn.Sequential(*(lab.nn.Linear(3, 3) for _ in range(5)))
    x = lab.randn(2, 3, requires_grad=True)
    model(x).square().sum().backward()
    expected = [p.grad.tolist() for p in (x, *model.parameters())]
    for segments in (1, 2, 5):
        for p in (x, *model.parameters()):
            p.grad = None
        checkpoint_sequential(model, segments, x, use_reentrant=False).square().sum().backward()
        for p, g in zip((x, *model.parameters()), expected, strict=True):
            np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-6)
    for segments in (0, 6):
        with pytest.raises(ValueError, match="expected 1 to 5"):
            checkpoint_sequential(model, segments, x)
    assert checkpoint(lambda v: v * 2, lab.ones(1), use_reentrant=False).tolist() == [2]


FUNCTIONAL: dict[str, Any] = {
    "grad": lambda t, f, x, y: t.func.grad(f)(x, y),
    "grad both": lambda t, f, x, y: list(t.func.grad(f, (0, 1))(x, y)),
    "grad unused": lambda t, f, x, y: t.func.grad(lambda a, b: (a * a).sum(), argnums=1)(x, y),
    "grad from the end": lambda t, f, x, y: t.func.grad(f, argnums=-2)(x, y),
    "grad of grad": lambda t, f, x, y: t.func.grad(lambda z: t.func.grad(f)(z, y).sum())(x),
    "value": lambda t, f, x, y: list(t.func.grad_and_value(f, argnums=1)(x, y)),
    "vjp": lambda t, f, x, y: t.func.vjp(lambda z: z.exp() * y, x)[1](y)[0],
    "value of the first": lambda t, f, x, y: list(t.func.grad_and_value(f)(x, y)),
    "vjp both": lambda t, f, x, y: list(t.func.vjp(lambda a, b: a * b.sin(), x, y)[1](x)),
    "jacrev first": lambda t, f, x, y: t.func.jacrev(lambda a, b: a * b.sum())(x, y),
    "jvp": lambda t, f, x, y: list(t.func.jvp(lambda a, b: a * b.sin(), (x, y), (y, x))),
    "jacrev": lambda t, f, x, y: t.func.jacrev(lambda a, b: a * b.sum(), argnums=1)(x, y),
    "hessian": lambda t, f, x, y: t.func.hessian(f)(x, y),
}


@pytest.mark.parametrize("name", FUNCTIONAL)
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_derivatives_as_functions_follow_pytorch(name: str, oracle: Any) -> None:
    def run(t: Any) -> Any:
        x, y = leaf(t, 1.0, 2.0, 0.5).detach(), leaf(t, -1.0, 0.3, 2.0).detach()
        found = FUNCTIONAL[name](t, lambda a, b: (a**3 * b.exp()).sum(), x, y)
        return found if isinstance(found, list) else [found]

    for a, b in zip(run(lab), oracle(run), strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-9)


# Mistakes ------------------------------------------------------------------------------------


def twice(t: Any) -> Any:
    loss = leaf(t, 1.0, 2.0).exp().sum()
    loss.backward()
    loss.backward()


def changed_leaf(t: Any) -> Any:
    x = leaf(t, 1.0)
    x += 1


def of_another_shape(t: Any) -> Any:
    x = leaf(t, 1.0, 2.0)
    t.autograd.grad(x * 2, x, t.ones(3))


def changed_value(t: Any) -> Any:
    x = leaf(t, 1.0)
    h = x * 2
    y = h * h
    h.mul_(3)
    y.sum().backward()


def slope_of_a_slope(t: Any) -> None:
    x = leaf(t, 1.0)
    (slope,) = t.autograd.grad((x**3).sum(), x)
    t.autograd.grad(slope.sum(), x)


MISTAKES: dict[str, Any] = {
    "backward twice": twice,
    "many numbers": lambda t: (leaf(t, 1.0, 2.0) * 2).backward(),
    "no graph": lambda t: t.ones(2).sum().backward(),
    "detached": lambda t: (leaf(t, 1.0) * 2).detach().sum().backward(),
    "leaf changed in place": changed_leaf,
    "value changed": changed_value,
    "integers": lambda t: t.tensor([1, 2], requires_grad=True),
    "numpy": lambda t: leaf(t, 1.0).numpy(),
    "gradient of another shape": lambda t: (leaf(t, 1.0, 2.0) * 2).backward(
        t.ones(3, dtype=t.float64)
    ),
    "grad_outputs of another shape": of_another_shape,
    "unused": lambda t: t.autograd.grad(leaf(t, 1.0).sum(), leaf(t, 1.0)),
    "input without gradient": lambda t: t.autograd.grad(leaf(t, 1.0).sum(), t.ones(1)),
    "zeros but not unused": lambda t: t.autograd.grad(
        leaf(t, 1.0).sum(), leaf(t, 1.0), allow_unused=False, materialize_grads=True
    ),
    "gradient of a gradient without a graph": slope_of_a_slope,
    "inputs empty": lambda t: leaf(t, 1.0).sum().backward(inputs=[]),
    "hook without gradient": lambda t: t.ones(2).register_hook(print),
    "after the gradient of a computed tensor": lambda t: (
        leaf(t, 1.0) * 2
    ).register_post_accumulate_grad_hook(print),
    "a computed tensor without gradient": lambda t: (leaf(t, 1.0) * 2).requires_grad_(False),
}
EAGER = {"numpy", "gradient of a gradient without a graph"}  # in a graph every gradient has one
GOLDEN = Golden("autograd", MISTAKES)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, oracle: Any) -> None:
    found = said(lambda: MISTAKES[name](lab))
    assert same_kind(found, oracle.error(MISTAKES[name]))
    GOLDEN.check(name, found)


@pytest.mark.parametrize("name", sorted(set(MISTAKES) - EAGER))
def test_mistakes_in_a_graph(name: str) -> None:
    GOLDEN.check(name, said(lambda: MISTAKES[name](lab), graph=True))


def test_every_text_belongs_to_a_mistake() -> None:
    GOLDEN.complete()


def test_batches_of_gradients_are_refused() -> None:
    x = leaf(lab, 1.0)
    with pytest.raises(ValueError, match="jacobian") as found:
        lab.autograd.grad(x.sum(), x, is_grads_batched=True)
    assert str(found.value) == (
        "is_grads_batched=True: one walk has one gradient here\n"
        "  expected False; call grad() for each row, or use autograd.functional.jacobian"
    )


def test_the_gradient_of_a_computed_tensor_is_a_warning(oracle: Any) -> None:
    def warned(t: Any) -> Any:
        h = leaf(t, 1.0) * 2
        h.sum().backward()
        with pytest.warns(UserWarning, match=r"retain_grad\(\)") as found:
            assert h.grad is None
        if t is lab:
            assert found[0].filename == __file__
            assert str(found[0].message) == (
                "the .grad of a computed tensor is not kept: it is None\n"
                "  tensor  float64 (1,)  from mul\n"
                "  expected a leaf: a parameter, or tensor(..., requires_grad=True)\n"
                "  call .retain_grad() on it before backward(), or use autograd.grad(loss, x)"
            )
        return found[0].category.__name__

    assert warned(lab) == oracle(warned)
    kept = leaf(lab, 1.0) * 2
    kept.retain_grad()
    assert kept.grad is None  # no warning
    assert (leaf(lab, 1.0) * 2).detach().grad is None


def test_data_and_detach_share_memory_and_no_history(oracle: Any) -> None:
    def run(t: Any) -> Any:
        x = leaf(t, 1.0, 2.0)
        x.data.mul_(3)  # nobody sees it
        y = x * x
        with t.no_grad():
            half = y.detach()
        (y.sum() + (half * x).sum()).backward()  # half counts as a number
        shared = x.detach()
        shared[0] = 7
        first = x.tolist()
        x.data = t.ones(2, dtype=t.float64)
        return [x.grad.tolist(), first, x.tolist(), half.requires_grad, x.data.requires_grad]

    assert run(lab) == oracle(run)


def test_an_output_that_was_changed_afterwards_is_kept() -> None:
    x = leaf(lab, 1.0)
    y = x.exp()
    y.add_(1)  # PyTorch refuses the backward pass: exp needs its result
    y.sum().backward()
    assert x.grad.item() == pytest.approx(np.e)
