"""Every layer, loss, optimiser and schedule: eager mode and each executor give the same."""

from __future__ import annotations

import copy
import importlib
import pkgutil
import re
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import test_modules
import test_nn
import test_optim
import test_schedulers

import minitorch_lab as lab
from minitorch_lab import nn, optim, random
from minitorch_lab.autograd import grad
from minitorch_lab.graph.codegen import native
from minitorch_lab.optim import lr_scheduler

# Samples -----------------------------------------------------------------------------------

CPL, PICTURE, TIMES = (2, 4, 6), (1, 4, 5, 4), (3, 2, 4)
INDEX = np.array([[0, 2], [6, 2]])
T, SHARES, CLASSES = test_nn.T, test_nn.SHARES, test_nn.CLASSES
X, PROBABILITIES = test_nn.X, test_nn.PROBABILITIES
# Texts as in test_modules.LAYERS, which are samples too; inputs are shapes, or the arrays.
MORE: dict[str, list[Any]] = {
    **{
        f"n.{text}": [(3, 4)]
        for text in (
            "ReLU()", "LeakyReLU(0.2)", "ELU(0.7)", "GELU()", "GELU('tanh')", "SiLU()",
            "Softplus(2, 3)", "LogSigmoid()", "Sigmoid()", "Tanh()", "Softmax(1)",
            "Linear(4, 3).double()", "DataParallel(n.Linear(4, 3)).double()", "Dropout(0.4)",
            "Sequential(n.Linear(4, 5), n.ReLU(True), n.Dropout(), n.Linear(5, 2)).double()",
            "BatchNorm1d(4, affine=False, momentum=None).double()", "Hardtanh(inplace=True)",
        )
    },
    **{
        f"n.{text}.double()": [CPL]
        for text in ("BatchNorm1d(4)", "GroupNorm(2, 4)", "LayerNorm(6)", "RMSNorm((4, 6))")
    },
    "n.Flatten()": [PICTURE],
    "n.Bilinear(4, 3, 2).double()": [(5, 4), (5, 3)],
    "n.Dropout1d(0.3)": [CPL],
    "n.BatchNorm2d(4).double()": [(2, 4, 3, 3)],
    "n.AdaptiveAvgPool1d(4)": [CPL],
    "n.Conv2d(4, 3, 3, stride=2, padding=1).double()": [PICTURE],
    "n.MaxPool2d(3, 2, 1)": [PICTURE],
    "n.Embedding(7, 4, padding_idx=0).double()": [INDEX],
    "n.RNN(4, 3, nonlinearity='relu').double()": [TIMES],
    "n.LSTM(4, 3, 2, bidirectional=True, dropout=0.3).double()": [TIMES],
    "n.GRU(4, 3, batch_first=True).double()": [TIMES],
    "n.RNNCell(4, 3).double()": [(3, 4)],
    "n.LSTMCell(4, 3).double()": [(3, 4)],
    "n.GRUCell(4, 3).double()": [(3, 4)],
    "n.MultiheadAttention(4, 2, dropout=0.2, batch_first=True).double()": [TIMES] * 3,
    # Of one size: parts of a plan that are alike share their C code.
    "n.TransformerEncoderLayer(4, 2, 8).double()": [TIMES],
    "n.TransformerEncoder(n.TransformerEncoderLayer(4, 2, 8), 2).double()": [TIMES],
    "n.TransformerDecoderLayer(4, 2, 8).double()": [TIMES] * 2,
    "n.TransformerDecoder(n.TransformerDecoderLayer(4, 2, 8), 1).double()": [TIMES] * 2,
    "n.Transformer(4, 2, 1, 1, 8).double()": [TIMES] * 2,
    **{f"n.{name}()": [X, T] for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")},
    "n.BCELoss()": [PROBABILITIES, SHARES],
    "n.BCEWithLogitsLoss()": [X, SHARES],
    "n.KLDivLoss(reduction='batchmean')": [X, SHARES],
    "n.CrossEntropyLoss(label_smoothing=0.1)": [X, CLASSES],
    "n.NLLLoss()": [X, CLASSES],
}  # fmt: skip
SAMPLES: dict[str, list[Any]] = test_modules.LAYERS | MORE
# What has no sample, and why.
WITHOUT = {
    "Module": "the base of all",
    "RNNBase": "the base of RNN, LSTM and GRU",
    "RNNCellBase": "the base of the cells",
    "ModuleList": "a container, which is not called",
    "ModuleDict": "a container, which is not called",
    "ParameterList": "a container, which is not called",
    "ParameterDict": "a container, which is not called",
}


def test_every_layer_has_a_sample() -> None:
    sampled = set(re.findall(r"\bn\.(\w+)\(", " ".join(SAMPLES)))
    found = {
        name
        for info in pkgutil.walk_packages(nn.__path__, nn.__name__ + ".")
        for name, value in vars(importlib.import_module(info.name)).items()
        if isinstance(value, type) and issubclass(value, nn.Module)
        if not name.startswith("_") and hasattr(nn, name)
    }
    assert not found - sampled - set(WITHOUT), "give each of these a sample in MORE, or a reason"
    assert not set(WITHOUT) - found
    assert not sampled & set(WITHOUT)


# Layers ------------------------------------------------------------------------------------

# Those whose graph may differ in train and in eval mode stand together: the others are compiled
# once, since the second text is the first.
MOVED = re.compile("Drop|Batch|Instance|Attention|Transformer|LSTM")
STACKS = re.compile("Attention|Transformer")


def groups(texts: list[str], size: int) -> list[list[str]]:
    return [texts[i : i + size] for i in range(0, len(texts), size)]


GROUPS = groups([s for s in SAMPLES if not MOVED.search(s)], 20)
GROUPS += groups([s for s in SAMPLES if MOVED.search(s) and not STACKS.search(s)], 20)
GROUPS += groups([s for s in SAMPLES if STACKS.search(s)], 20)
# Compiled as plans are in float32, in train mode; otherwise the same loops in less time.
QUICK = ["-O1", *native.FLAGS[1:]]


@pytest.fixture(params=["numpy", "c"])
def executor(request: pytest.FixtureRequest) -> str:
    if request.param == "c":
        try:
            native.compiler()
        except native.NoCompiler as why:
            pytest.skip(str(why))
    return str(request.param)


def flat(value: Any) -> list[Any]:
    """The tensors in a result."""
    if isinstance(value, lab.Tensor):
        return [value]
    return [] if value is None else [x for part in value for x in flat(part)]


def weighted(y: Any) -> Any:
    """The entries of a result in one number; of squares a normalised one has no gradient."""
    weights = np.cos(np.arange(y.numel())).reshape(tuple(y.shape))
    return (y * lab.tensor(weights, dtype=y.dtype, device=y.device)).sum()


def together(modules: list[Any], learned: list[Any]) -> Any:
    """One function: each module's results, and the gradients of all that has one."""

    def all_of_them(inputs: list[list[Any]]) -> Any:
        results = [flat(m(*xs)) for m, xs in zip(modules, inputs, strict=True)]
        floats = [y for ys in results for y in ys if y.dtype.is_floating_point]
        free = [x for xs in inputs for x in xs if x.requires_grad]
        total = sum((weighted(y) for y in floats[1:]), weighted(floats[0]))
        return results, grad(total, [*free, *learned], allow_unused=True)

    return all_of_them


def made(text: str, dtype: str, training: bool) -> Any:
    """A module, or the function of a sample that is one."""
    module = test_modules.layer(text.replace(".double()", f".to(t.{dtype})"))(lab)
    return module.train(training) if isinstance(module, nn.Module) else module


def given(inputs: list[Any], dtype: str) -> list[Any]:
    """The inputs of a sample."""
    arrays = [a if isinstance(a, np.ndarray) else test_modules.numbers(a)[0] for a in inputs]
    return [
        lab.tensor(a.astype(dtype), requires_grad=True) if a.dtype.kind == "f" else lab.tensor(a)
        for a in arrays
    ]


def near(found: Any, expected: Any, text: str = "") -> None:
    """The same dtype, shape and entries: to 1e-5 in float32, to 1e-9 in float64."""
    a, b = found.detach().numpy(), expected.detach().numpy()
    assert (a.dtype, a.shape) == (b.dtype, b.shape), text
    share = {"float32": 1e-5, "float64": 1e-9}.get(str(b.dtype), 0)
    largest = max(np.abs(b).max(), 1e-3) if b.size and share else 0
    np.testing.assert_allclose(a, b, rtol=share, atol=share * largest, err_msg=text)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("texts", GROUPS, ids=lambda texts: re.findall(r"(\w+)\(", texts[0])[0])
def test_layers_give_what_eager_mode_gives(
    texts: list[str], dtype: str, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [given(SAMPLES[text], dtype) for text in texts]
    for training in (True, False) if dtype == "float32" else (True,):
        if dtype == "float64" or (not training and MOVED.search(texts[0])):
            monkeypatch.setattr(native, "FLAGS", QUICK)
        lab.manual_seed(5)
        modules = [made(text, dtype, training) for text in texts]
        twins = copy.deepcopy(modules)
        results = []
        for each, run in ((modules, lambda f: f), (twins, partial(lab.compile, executor=executor))):
            layers = nn.ModuleList(m for m in each if isinstance(m, nn.Module))
            lab.manual_seed(6)
            step = run(together(each, list(layers.parameters())))
            out, grads = step(inputs)
            results.append((out, grads, layers.state_dict(), random.get_rng_state()))
        assert step.executor_used == executor
        (out, grads, state, drawn), (now, slopes, buffers, after) = results
        for text, ys, expected in zip(texts, now, out, strict=True):
            for y, z in zip(ys, expected, strict=True):
                near(y, z, text)
        for i, (g, h) in enumerate(zip(slopes, grads, strict=True)):
            if h is None or g is None:
                assert h is g is None, i
            else:
                near(g, h, f"gradient {i}")
        for key, value in state.items():
            near(buffers[key], value, key)
        np.testing.assert_array_equal(after, drawn)


# Losses ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_give_what_eager_mode_gives(
    dtype: str, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reductions = ["mean"]
    if dtype == "float64":
        reductions = ["sum", "none"]
        monkeypatch.setattr(native, "FLAGS", QUICK)
    inputs = [given(arrays, dtype) for _, arrays in test_nn.LOSSES.values()]

    def all_of_them(inputs: list[list[Any]]) -> Any:
        out = [
            call(nn.functional, *xs, reduction=reduction)
            for (call, _), xs in zip(test_nn.LOSSES.values(), inputs, strict=True)
            for reduction in reductions
        ]
        free = [x for xs in inputs for x in xs if x.requires_grad]
        return out, grad(sum(map(weighted, out), lab.zeros(())), free, allow_unused=True)

    compiled = lab.compile(all_of_them, executor=executor)
    for a, b in zip(flat(compiled(inputs)), flat(all_of_them(inputs)), strict=True):
        near(a, b)
    assert compiled.executor_used == executor


# Optimisers and schedules ------------------------------------------------------------------

OPTIMISERS = test_optim.OPTIMISERS | test_schedulers.OPTIMISERS
SCHEDULES = test_optim.SCHEDULES | test_schedulers.SCHEDULES
UNTRACED = {"Optimizer": "the base of all", "LBFGS": "its step asks for values, and says so"}
BASE = {"LRScheduler": "the base of all"}
CYCLES = {"cyclic", "cyclic 2", "cyclic exp", "one cycle", "one cycle linear"}  # of momentum too


def classes(module: Any, base: str) -> set[str]:
    """The public classes of a module with a method ``base``."""
    found = {k for k, v in vars(module).items() if isinstance(v, type) and hasattr(v, base)}
    return {name for name in found if not name.startswith("_")}


def optimised(name: str, rng: Any = None) -> Any:
    """An optimiser with two groups of one parameter each."""
    rng = rng or np.random.default_rng(0)
    first, second = (lab.tensor(rng.normal(size=n), requires_grad=True) for n in (3, 2))
    both = [first, second] if name == "groups" else [{"params": [first]}, {"params": [second]}]
    return OPTIMISERS[name](optim, both)


def chosen(schedule: str) -> list[str]:
    """Every sample of an optimiser for one schedule, the first of each class for the others."""
    found, kinds = [], set()
    for name in OPTIMISERS:
        optimiser = optimised(name)
        if schedule in CYCLES and not {"momentum", "betas"} & set(optimiser.defaults):
            continue  # refused, and said so
        if schedule == "step" or type(optimiser) not in kinds:
            found.append(name)
        kinds.add(type(optimiser))
    return found


def test_every_optimiser_and_schedule_has_a_sample() -> None:
    kinds = {type(optimised(name)).__name__ for name in OPTIMISERS}
    assert classes(optim, "zero_grad") == kinds | set(UNTRACED), "give it a sample, or a reason"
    kinds = {type(f(lr_scheduler, optimised("adamw"))).__name__ for f in SCHEDULES.values()}
    assert classes(lr_scheduler, "get_last_lr") == kinds | set(BASE), "give it a sample"


def steps(schedule: str, executor: str | None) -> list[Any]:
    """Three steps of the optimisers under one schedule, in one function."""
    rng = np.random.default_rng(0)
    optimisers = [optimised(name, rng) for name in chosen(schedule)]
    schedulers = [SCHEDULES[schedule](lr_scheduler, o) for o in optimisers]
    weights = [w for o in optimisers for group in o.param_groups for w in group["params"]]

    def step() -> Any:
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss = sum(((w.exp() - 1).square().sum() for w in weights), lab.zeros(()))
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
        for scheduler in schedulers:
            if not isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
                scheduler.step()
        return loss

    run = lab.compile(step, executor=executor) if executor else step
    losses = []
    for i in range(3):
        losses.append(run())
        for scheduler in schedulers:
            if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
                scheduler.step(float(i))
    if executor:
        assert (run.executor_used, run.traces) == (executor, 1)
    rates = lab.tensor([g["lr"] for o in optimisers for g in o.param_groups])
    return [rates, *losses, *weights, *(w.grad for w in weights)]


in_eager_mode = cache(partial(steps, executor=None))


@pytest.mark.parametrize("name", SCHEDULES)
def test_steps_give_what_eager_mode_gives(name: str, executor: str) -> None:
    for a, b in zip(steps(name, executor), in_eager_mode(name), strict=True):
        near(a, b, name)


def plateau(step: Any) -> None:
    optimiser = optimised("adamw")
    scheduler = lr_scheduler.ReduceLROnPlateau(optimiser)
    lab.compile(lambda x: (x * 2, scheduler.step(1.0)))(step)


def rate_after(x: Any) -> None:
    w = lab.ones(2, requires_grad=True)
    optimiser = optim.SGD([w], lr=0.1)
    scheduler = lr_scheduler.StepLR(optimiser, 1)
    try:
        lab.compile(lambda x: (scheduler.step(), (x * w).sum().backward(), optimiser.step()))(x)
    finally:
        assert scheduler.last_epoch == 0


def in_a_choice(x: Any) -> None:
    scheduler = lr_scheduler.StepLR(optimised("adamw"), 1)

    def go_on(x: Any) -> Any:
        scheduler.step()
        return x

    lab.compile(lambda x: lab.cond(x.sum() > 0, go_on, lambda x: x, x))(x)


REFUSED = {
    plateau: "call it after the compiled function, which reads lr anew",
    rate_after: r"'lr' is read after StepLR.step\(\) while the graph is traced",
    in_a_choice: r"StepLR.step\(\) in a choice or a loop while the graph is traced",
}


@pytest.mark.parametrize("wrong", REFUSED, ids=lambda f: f.__name__)
def test_where_a_schedule_cannot_stand_it_is_refused(wrong: Any) -> None:
    with pytest.raises(lab.TraceError, match=REFUSED[wrong]):
        wrong(lab.ones(2, requires_grad=True))


def test_a_rate_that_is_changed_inside_is_refused_and_nothing_has_changed() -> None:
    w = lab.tensor([1.0, 2.0], requires_grad=True)
    optimiser = optim.SGD([w], lr=0.1)

    @lab.compile
    def step() -> Any:
        optimiser.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        optimiser.step()
        optimiser.param_groups[0]["lr"] *= 0.5
        return loss

    with pytest.raises(lab.TraceError, match=r"'lr' was changed from 0.1 to 0.05 while the graph"):
        step()
    assert (optimiser.param_groups[0]["lr"], w.tolist()) == (0.1, [1.0, 2.0])
