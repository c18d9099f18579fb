"""Graph mode: what is traced, when it is traced again, and that it computes the same."""

from __future__ import annotations

import copy
import inspect
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.graph.passes import drop_dead, fold_constants, join_common, lower
from minitorch_lab.graph.trace import trace

pytestmark = pytest.mark.usefixtures("each_executor")  # all holds whatever runs the plans


def training(seed: int = 0, dropout: float = 0.0) -> tuple[Any, Any, Any, Any, Any]:
    lab.manual_seed(seed)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 4))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    x, y = lab.randn(12, 8), lab.randint(0, 4, (12,))

    @lab.function
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, model, optimizer, x, y


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_training_step_is_one_graph_with_the_same_numbers(dropout: float) -> None:
    results = {}
    for mode in ("eager", "graph"):
        step, model, optimizer, x, y = training(dropout=dropout)
        with lab.mode(mode):
            losses = [step(x, y).item() for _ in range(20)]
        results[mode] = (losses, model[0].weight.tolist(), model[0].weight.grad.tolist())
        assert step.traces == (mode == "graph")
        assert optimizer.state[model[0].weight]["step"] == 20
    for eager, graph in zip(results["eager"], results["graph"], strict=True):
        np.testing.assert_allclose(graph, eager, rtol=1e-4, atol=1e-6)


def test_the_mode_can_change_between_steps() -> None:
    step, *_, x, y = training(dropout=0.2)
    with lab.mode("eager"):
        expected = [step(x, y).item() for _ in range(12)]
    step, *_, x, y = training(dropout=0.2)
    found = []
    for i in range(12):
        with lab.mode("graph" if i % 3 else "eager"):
            found.append(step(x, y).item())
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_learning_rate_is_state_not_a_constant() -> None:
    step, model, optimizer, x, y = training()
    with lab.mode("graph"):
        step(x, y)
        optimizer.param_groups[0]["lr"] = 0.0
        before = model[0].weight.tolist()
        step(x, y)
    assert model[0].weight.tolist() == before
    assert step.traces == 1


def test_settings_flags_shapes_and_globals_are_guarded() -> None:
    step, model, optimizer, x, y = training(dropout=0.2)
    with lab.mode("graph"):
        step(x, y)
        step(x[:5], y[:5])  # another shape
        assert step.traces == 2
        model.eval()
        step(x, y)
        assert step.traces == 3
        model.train()
        step(x, y)
        assert step.traces == 3  # the first graph holds again
        optimizer.param_groups[0]["weight_decay"] = 0.1
        step(x, y)
        assert step.traces == 4
    assert step.reasons == [
        "the first call",
        "new arguments: float32 (5, 8), int64 (5,)",
        "; ".join(f"{m}.training was True and is False" for m in ("Sequential", 0, 1, 2, 3)),
        "weight_decay was 0 and is 0.1",
    ]


FACTOR = 2.0


def test_a_global_number_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    double = lab.compile(lambda x: x * FACTOR)
    assert double(lab.ones(2)).tolist() == [2, 2]
    monkeypatch.setitem(globals(), "FACTOR", 5.0)
    assert double(lab.ones(2)).tolist() == [5, 5]
    assert double.traces == 2


def test_a_closure_variable_is_guarded() -> None:
    scale = 2.0
    f = lab.compile(lambda x: x * scale)
    assert f(lab.ones(1)).item() == 2
    scale = 3.0
    assert f(lab.ones(1)).item() == 3


def test_python_arguments_make_their_own_graphs() -> None:
    f = lab.compile(lambda x, n, flag=False: -(x**n) if flag else x**n)
    x = lab.tensor([2.0])
    assert [f(x, 2).item(), f(x, 3).item(), f(x, 3, flag=True).item()] == [4, 8, -8]
    assert f.traces == 3
    f(x, 3)
    assert f.traces == 3


def test_captured_tensors_are_inputs_by_reference() -> None:
    w = lab.ones(2)
    f = lab.compile(lambda x: x * w)
    f(lab.ones(2))
    w.mul_(5)
    assert f(lab.ones(2)).tolist() == [5, 5]
    w.data = lab.tensor([7.0, 8.0])  # another array: the plan is bound anew
    assert f(lab.ones(2)).tolist() == [7, 8]
    assert f.traces == 1


def test_load_state_dict_and_dtype_after_tracing() -> None:
    model = nn.Linear(2, 1)
    f = lab.compile(lambda x: model(x))
    x = lab.ones(1, 2)
    f(x)
    other = nn.Linear(2, 1)
    model.load_state_dict(other.state_dict())
    assert f(x).item() == pytest.approx(other(x).item())


def test_gradient_accumulates_when_it_is_not_cleared() -> None:
    model = nn.Linear(2, 1)
    x = lab.ones(3, 2)

    @lab.compile
    def add(x: Any) -> Any:
        loss = model(x).sum()
        loss.backward()
        return loss

    for i in range(1, 5):
        add(x)
        assert model.weight.grad.tolist() == [[3.0 * i, 3.0 * i]]
    kept = model.weight.grad
    model.weight.grad = None
    add(x)
    assert model.weight.grad.tolist() == [[3, 3]]
    assert kept.tolist() == [[12, 12]]


def test_a_kept_gradient_and_a_kept_loss_are_not_overwritten() -> None:
    step, model, _, x, y = training()
    with lab.mode("graph"):
        loss = step(x, y)
        gradient, first = model[0].weight.grad, loss.item()
        values = gradient.tolist()
        step(x, y)
    assert gradient.tolist() == values
    assert loss.item() == first


def test_gradient_by_hand_in_a_graph() -> None:
    w = lab.tensor([1.0, 2.0], requires_grad=True)

    @lab.compile
    def step(x: Any) -> Any:
        w.grad = None
        loss = ((w * x) ** 2).sum()
        loss.backward()
        with lab.no_grad():
            w.sub_(0.1 * w.grad)
        return loss

    x = lab.ones(2)
    assert [round(step(x).item(), 5) for _ in range(3)] == [5.0, 3.2, 2.048]
    assert step.traces == 1


def test_backward_goes_through_a_compiled_call() -> None:
    w = lab.randn(4, 2, requires_grad=True)
    x = lab.randn(3, 4, requires_grad=True)
    f = lab.compile(lambda x: ((x @ w).tanh(), x.sum()))
    a, b = f(x)
    ((a * 2).sum() + b).backward()
    got = x.grad.tolist(), w.grad.tolist()
    x.grad = w.grad = None
    ((x @ w).tanh() * 2).sum().backward()
    np.testing.assert_allclose(got[0], x.grad.array + 1, rtol=1e-5)
    np.testing.assert_allclose(got[1], w.grad.tolist(), rtol=1e-5)


def test_gradient_of_a_gradient_through_a_compiled_call() -> None:
    f = lab.compile(lambda x: x**3)
    x = lab.tensor(2.0, requires_grad=True)
    (first,) = lab.autograd.grad(f(x), x, create_graph=True)
    (second,) = lab.autograd.grad(first, x)
    assert (first.item(), second.item()) == (12, 12)


def test_a_compiled_function_inside_another_is_part_of_it() -> None:
    inner = lab.compile(lambda x: x * 2)
    outer = lab.compile(lambda x: inner(x) + 1)
    assert outer(lab.ones(1)).item() == 3
    assert inner.traces == 0


def test_outputs_keep_their_form() -> None:
    f = lab.compile(lambda x: {"double": x * 2, "both": [x, (x + 1, "words")]})
    out = f(lab.ones(1))
    assert out["double"].item() == 2
    assert out["both"][0].item() == 1
    assert out["both"][1][1] == "words"


def test_random_ops_draw_anew_and_in_the_order_of_eager() -> None:
    def f(x: Any) -> Any:
        return nn.functional.dropout(x, 0.5) + nn.functional.dropout(x, 0.2)

    x = lab.ones(20)
    lab.manual_seed(3)
    eager = [f(x).tolist() for _ in range(2)]
    lab.manual_seed(3)
    compiled = lab.compile(f)
    assert [compiled(x).tolist() for _ in range(2)] == eager
    assert eager[0] != eager[1]


def test_a_tensor_made_inside_is_new_in_each_run() -> None:
    @lab.compile
    def f(x: Any) -> Any:
        total = lab.zeros(1)
        for _ in range(3):
            total += x
        return total

    assert [f(lab.ones(1)).item() for _ in range(3)] == [3, 3, 3]


def test_two_threads_share_a_compiled_function() -> None:
    f = lab.compile(lambda x: ((x * 2 + 1).tanh() * 3).sum())
    inputs = [lab.full((400,), float(i)) for i in range(4)]
    expected = [f(x).item() for x in inputs]
    wrong: list[Any] = []

    def work() -> None:
        wrong.extend(i for i in range(200) if f(inputs[i % 4]).item() != expected[i % 4])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_failed_trace_changes_nothing() -> None:
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @lab.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss.item()

    before = model.weight.tolist()
    with pytest.raises(lab.TraceError, match=r"\.item\(\)"):
        step(lab.ones(1, 2))
    assert model.weight.tolist() == before
    assert model.weight.grad is None
    assert (model.weight * 1).sum().item() == pytest.approx(sum(before[0]))


def test_a_failing_run_gives_the_message_of_eager_mode_and_changes_nothing() -> None:
    step, model, _, x, y = training()
    bad = y.clone()
    bad[0] = 9
    messages = []
    for mode in ("eager", "graph"):
        with lab.mode(mode):
            if mode == "graph":
                step(x, y)
            before = model[0].weight.tolist()
            with pytest.raises(lab.IndexingError) as error:
                step(x, bad)
            messages.append(str(error.value))
            assert model[0].weight.tolist() == before
    assert messages[0] == messages[1]


def test_a_symbol_that_outlives_its_trace_says_so() -> None:
    kept: list[Any] = []
    f = lab.compile(lambda x: kept.append(x * 2) or x)
    f(lab.ones(1))
    with pytest.raises(lab.TraceError, match="traced before"):
        kept[0].item()


# Passes -------------------------------------------------------------------------------------


def ops_of(graph: Any) -> list[str]:
    return [e.op.name for e in graph.equations]


def traced(f: Any, *args: Any) -> Any:
    return trace(f, args, {}, True).graph


def test_fold_computes_constants_once() -> None:
    graph = traced(lambda x: x * (lab.ones(3) * 2 + 1), lab.ones(3))
    assert ops_of(graph) == ["mul", "add", "mul"]
    folded = fold_constants(graph)
    assert ops_of(folded) == ["mul"]
    assert folded.constants[-1][1].tolist() == [3, 3, 3]


def test_common_joins_equal_work_but_not_two_draws() -> None:
    graph = traced(lambda x: x.exp() + x.exp() * x.exp().sum(0), lab.ones(3))
    assert ops_of(join_common(graph)) == ["exp", "sum", "mul", "add"]
    drawn = traced(lambda x: nn.functional.dropout(x) + nn.functional.dropout(x), lab.ones(3))
    assert ops_of(join_common(drawn)).count("bernoulli") == 2
    differ = traced(lambda x: x.sum(0) + x.sum(1), lab.ones(3, 3))
    assert ops_of(join_common(differ)).count("sum") == 2


def test_dead_code_goes_and_draws_stay() -> None:
    def f(x: Any) -> Any:
        x.exp().sum()
        nn.functional.dropout(x)
        return x * 2

    assert ops_of(drop_dead(traced(f, lab.ones(3)))) == ["bernoulli", "mul"]


def test_lower_takes_apart_and_shares() -> None:
    graph = traced(
        lambda x, t: nn.functional.cross_entropy(x, t), lab.ones(2, 3), lab.tensor([0, 1])
    )
    names = ops_of(lower(graph))
    assert "cross_entropy" not in names
    assert "log_softmax" not in names
    assert "exp" in names


def test_text_of_a_graph() -> None:
    w = lab.ones(3, requires_grad=True)
    w.name = "w"
    f = lab.compile(lambda x: (x * w).sum())
    text = str(f.graph(lab.ones(3)))
    lines = [line.split("  #")[0].rstrip() for line in text.splitlines()]
    assert lines == [
        "graph <lambda>(%0: float32 (3,)):",
        "  %1 = param w  float32 (3,)",
        "  %2 = mul(%0, %1)                    float32 (3,)",
        "  %3 = sum(%2, dim=(0,), keepdim=False)  float32 ()".replace("                    ", ""),
        "  return %3",
    ] or lines[3].startswith("  %3 = sum(%2, dim=(0,), keepdim=False)")
    assert "test_graph.py line" in text


def test_verify_finds_a_broken_graph() -> None:
    graph = traced(lambda x: x.exp() * 2, lab.ones(3))
    from dataclasses import replace

    with pytest.raises(lab.TraceError, match="before it is defined"):
        replace(graph, equations=graph.equations[1:]).verify()


def test_generated_code_reuses_memory(each_executor: str) -> None:
    def chain(x: Any) -> Any:
        for _ in range(10):
            x = (x * 1.01).tanh()
        return x.sum()

    f = lab.compile(chain)
    x = lab.randn(100, 100)
    np.testing.assert_allclose(f(x).item(), chain(x).item(), rtol=1e-6)
    plan = next(iter(f.entries.values()))[0].plan
    # NumPy needs one array for twenty results; in C they never leave the registers, and only the
    # sum has a place
    assert plan.buffer_bytes == (40_000 if each_executor == "numpy" else 4)
    assert "tanh" in f.code(x)


# The mode -----------------------------------------------------------------------------------


def test_mode_as_statement_and_block() -> None:
    assert lab.mode() == "eager"
    with lab.mode("graph"):
        assert lab.mode() == "graph"
    assert lab.mode() == "eager"
    assert lab.mode("graph") == "graph"
    assert lab.mode() == "graph"
    lab.mode("eager")
    with pytest.raises(lab.ArgumentError, match="'eager' or 'graph'"):
        lab.mode("fast")
    assert lab.mode() == "eager"


def test_function_takes_the_options_of_compile() -> None:
    assert inspect.signature(lab.function) == inspect.signature(lab.compile)
    for decorate in (lab.function, lab.compile):
        assert inspect.getdoc(decorate).count("With ``dynamic=True`` one trace serves") == 1

        @decorate(dynamic=True, executor="numpy", without="fold")
        def f(x: Any) -> Any:
            return (x * x).sum()

        with lab.mode("graph"):
            assert [f(lab.ones(n)).item() for n in (2, 5, 7)] == [2, 5, 7]
        assert (f.traces, f.executor_used, f.without) == (1, "numpy", ("fold",))
        with pytest.raises(lab.ArgumentError, match="expected one of auto, c, cuda, numpy"):
            decorate(executor="gpu")
        with pytest.raises(lab.ArgumentError, match="no pass is called 'folds'"):
            decorate(without="folds")
        with pytest.raises(lab.KindError, match="expected a function, got int 3"):
            decorate(3)


def test_method_can_be_a_function() -> None:
    class Model:
        def __init__(self, k: float) -> None:
            self.k = k

        @lab.function
        def run(self, x: Any) -> Any:
            return x * self.k

    a, b = Model(2.0), Model(3.0)
    for mode in ("eager", "graph"):
        with lab.mode(mode):
            assert [a.run(lab.ones(1)).item(), b.run(lab.ones(1)).item()] == [2, 3]


def test_gradient_of_an_argument_inside_a_graph() -> None:
    @lab.compile
    def f(x: Any) -> Any:
        loss = (x * x).sum()
        loss.backward()
        return loss

    x = lab.tensor([1.0, 2.0], requires_grad=True)
    f(x)
    f(x)
    assert x.grad.tolist() == [4, 8]  # added up over two calls, as in eager mode
    y = lab.tensor([3.0], requires_grad=True)
    f(y)
    assert y.grad.tolist() == [6]
    assert x.grad.tolist() == [4, 8]


def test_backward_out_of_the_function_is_refused_or_goes_on() -> None:
    w = lab.tensor([2.0], requires_grad=True)
    twice = w * 2

    @lab.compile
    def inside(x: Any) -> None:
        (x * twice).sum().backward()

    with pytest.raises(lab.TraceError, match="computed outside the function"):
        inside(lab.ones(1))
    outside = lab.compile(lambda x: (x * twice).sum())
    outside(lab.ones(1)).backward()
    assert w.grad.tolist() == [2]


# Printing, hooks and side effects ------------------------------------------------------------


def hooked(x: Any, w: Any) -> Any:
    y = x * w
    y.register_hook(lambda g: g * 10)
    (y * y).sum().backward()
    return y.detach()


def test_hooks_of_parameters_and_arguments_are_part_of_the_graph() -> None:
    w = lab.tensor([1.0, 2.0], requires_grad=True)
    plain, other = (lab.tensor([3.0, 1.0], requires_grad=True) for _ in range(2))
    f = lab.compile(lambda x: hooked(x, w))

    def both(x: Any) -> None:
        found = []
        for run in (f.function, f):
            w.grad = x.grad = None
            run(x)
            found.append([w.grad.tolist(), x.grad.tolist()])
        assert found[0] == found[1]

    both(plain)
    of_w = w.register_hook(lambda g: g + 1)
    both(plain)
    of_x = other.register_hook(lambda g: g * 3)
    both(other)
    both(plain)  # the same shapes, without the hook
    both(other)
    of_w.remove()
    both(other)
    of_x.remove()
    with pytest.warns(RuntimeWarning, match="register them once, before the first call"):
        both(other)
    assert other.grad.tolist() == plain.grad.tolist()


def test_hooks_run_once_where_backward_comes_from_outside() -> None:
    w = lab.tensor([1.0, 2.0], requires_grad=True)
    x = lab.tensor([3.0, 1.0], requires_grad=True)
    y = x * 2
    for leaf in (w, x, y):
        leaf.register_hook(lambda g: g * 10)
    f = lab.compile(lambda x, y: (x * y * w).sum())
    found = []
    for run in (f.function, f, f):
        w.grad = x.grad = None
        run(x, y).backward(retain_graph=True)
        found.append([w.grad.tolist(), x.grad.tolist()])
    assert found[0] == found[1] == found[2]


def test_a_hook_of_a_module_that_comes_later_is_seen() -> None:
    layer = nn.Linear(2, 2)
    f = lab.compile(lambda x: layer(x) * 1.0)
    x = lab.ones(1, 2)
    before = f(x).tolist()
    handle = layer.register_forward_hook(lambda module, args, out: out * 0)
    assert f(x).tolist() == [[0, 0]]
    handle.remove()
    assert f(x).tolist() == before
    assert "hooks of modules was" in f.reasons[1]


def test_a_hook_after_the_gradient_is_refused_and_nothing_is_done() -> None:
    w = lab.ones(2, requires_grad=True)
    f = lab.compile(lambda x: (x * w).sum().backward())
    f(lab.ones(2))
    seen: list[Any] = []
    handle = w.register_post_accumulate_grad_hook(seen.append)
    with pytest.raises(lab.TraceError, match="register_post_accumulate_grad_hook") as error:
        f(lab.ones(2))
    assert "remove the hook, or run this function in eager mode" in str(error.value)
    assert (seen, w.grad.tolist()) == ([], [1, 1])
    handle.remove()
    f(lab.ones(2))
    assert w.grad.tolist() == [2, 2]


REFUSED: dict[str, Any] = {
    "item": lambda x: x * x.sum().item(),
    "branch": lambda x: x if x.sum() > 0 else -x,
    "print": lambda x: print(x) or x,
    "loop": lambda x: [x := x / 2 for _ in range(9) if x.sum() > 1][-1],
    "index": lambda x: x[: x.sum().long()],
    "mask": lambda x: x[x > 0],
    "numpy": lambda x: lab.tensor(np.sin(x.numpy())),
}


@pytest.mark.parametrize("name", REFUSED)
def test_after_a_refusal_everything_goes_on(name: str) -> None:
    ran: list[bool] = []

    @lab.function
    def f(x: Any, careless: bool) -> Any:
        ran.append(careless)
        return REFUSED[name](x * w) if careless else x * w

    w, x = lab.full((3,), 2.0), lab.ones(3)
    with lab.mode("graph"):
        assert f(x, False).tolist() == [2, 2, 2]
        for _ in range(2):
            with pytest.raises(lab.LabError) as error:
                f(x, True)
            assert "test_graph.py line" in str(error.value)
            assert "graph" in str(error.value)
        assert f(x, False).tolist() == [2, 2, 2]
    assert ran == [False, True, True]
    assert f.traces == 1
    np.testing.assert_allclose(f(x, True).numpy(), REFUSED[name](x * w).numpy())
    w.add_(1)
    with lab.mode("graph"):
        assert f(x, False).tolist() == [3, 3, 3]


def test_numbers_that_are_not_finite_and_named_pairs() -> None:
    mask = lab.tensor([True, False])
    f = lab.compile(lambda x: (x.masked_fill(mask, float("-inf")), x.sort(), x.var()))
    masked, pair, spread = f(lab.tensor([3.0, 1.0]))
    assert masked.tolist() == [float("-inf"), 1]
    assert (pair.values.tolist(), pair.indices.tolist()) == ([1, 3], [1, 0])
    assert spread.item() == 2


def test_the_gradient_of_a_call_sees_what_the_call_saw() -> None:
    """It computes the forward pass again: with the same draws and state, which stay as they are."""
    torn = lab.nn.Sequential(lab.nn.BatchNorm1d(3), lab.nn.Dropout(0.5))
    kept = copy.deepcopy(torn)
    x = lab.randn(8, 3)
    found = []
    for model, wrap in ((torn, lambda f: f), (kept, lab.compile)):
        lab.manual_seed(1)
        run = wrap(lambda x, model=model: (model(x) ** 2).sum())
        for _ in range(2):
            run(x).backward()
        y = run(x)
        (first,) = lab.autograd.grad(y, model[0].weight, create_graph=True)
        (second,) = lab.autograd.grad(first.sum(), model[0].weight)
        found.append([y, first, second, lab.rand(2), *model.buffers(), model[0].weight.grad])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5)


# What a function reads besides its arguments -----------------------------------------------

OUTSIDE = 1.0


class Settings:
    factor = 1.0


class Scaled(lab.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = 1.0
        self.table = {"factor": 1.0}
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return x * self.factor * self.table["factor"]


def of_global() -> Any:
    def change(now: float) -> None:
        global OUTSIDE
        OUTSIDE = now

    change(1.0)
    return (lambda x: x * OUTSIDE), change


def of_a_helper() -> Any:
    helper, change = of_global()
    return (lambda x: helper(x)), change


def of_a_closure() -> Any:
    factor = 1.0

    def change(now: float) -> None:
        nonlocal factor
        factor = now

    return (lambda x: x * factor), change


def of_a_list() -> Any:
    factors = [2.0, 1.0]
    return (lambda x: x * factors[1]), lambda now: factors.__setitem__(1, now)


def of_a_nested_dict() -> Any:
    config = {"model": {"factor": 1.0}}
    return (lambda x: x * config["model"]["factor"]), lambda now: config["model"].update(factor=now)


def of_an_object() -> Any:
    config = SimpleNamespace(inner=Settings())
    return (lambda x: x * config.inner.factor), lambda now: setattr(config.inner, "factor", now)


def of_a_method() -> Any:
    class Trainer:
        factor = 1.0

        def step(self, x: Any) -> Any:
            return self.scaled(x)

        def scaled(self, x: Any) -> Any:
            return x * self.factor

    trainer = Trainer()
    trainer.factor = 1.0
    return trainer.step, lambda now: setattr(trainer, "factor", now)


def of_a_module() -> Any:
    model = Scaled()
    return model, lambda now: setattr(model, "factor", now)


def of_a_table_in_a_module() -> Any:
    model = lab.nn.Sequential(Scaled())
    return model, lambda now: model[0].table.update(factor=now)


READ = [of_global, of_a_helper, of_a_closure, of_a_list, of_a_nested_dict, of_an_object]
READ += [of_a_method, of_a_module, of_a_table_in_a_module]


@pytest.mark.parametrize("made", READ, ids=lambda f: f.__name__)
def test_what_changes_outside_is_seen(made: Any) -> None:
    function, change = made()
    compiled = lab.compile(function)
    for _ in range(3):
        assert compiled(lab.ones(1)).tolist() == [1.0]
    assert compiled.traces == 1
    change(3.0)
    for _ in range(3):
        assert compiled(lab.ones(1)).tolist() == [3.0]
    assert compiled.traces == 2
    assert "was 1.0 and is 3.0" in compiled.reasons[-1]
    change(1.0)  # the first graph is there still
    assert compiled(lab.ones(1)).tolist() == [1.0]
    assert compiled.traces == 2


def test_what_a_function_changes_itself_is_no_reason_for_a_trace() -> None:
    model, seen = Scaled(), []

    @lab.compile
    def step(x: Any) -> Any:
        seen.append(1)
        return model(x)

    for n in (1, 2, 1, 2):
        step(lab.ones(n))
    assert (step.traces, len(seen), model.calls) == (2, 2, 2)
