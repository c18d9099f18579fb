"""Modules, their hooks and their state, and the layers, losses and first values, as PyTorch's."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from oracle import Oracle

import minitorch_lab as lab
from minitorch_lab import nn


def plain(value: Any) -> Any:
    """``value`` as the oracle gives it: arrays, lists, names of dtypes."""
    if isinstance(value, lab.Tensor):
        return value.detach().numpy()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def same(ours: Any, theirs: Any, rtol: float = 1e-5) -> None:
    """The same data, floats within ``rtol``."""
    if isinstance(theirs, (list, dict)):
        assert type(ours) is type(theirs)
        assert len(ours) == len(theirs)
        keys = theirs if isinstance(theirs, dict) else range(len(theirs))
        for k in keys:
            same(ours[k], theirs[k], rtol)
    elif isinstance(theirs, np.ndarray):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol)
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=rtol)
    else:
        assert ours == theirs


def small(t: Any) -> Any:
    t.manual_seed(0)
    return t.nn.Sequential(t.nn.Linear(3, 4), t.nn.ReLU(), t.nn.Linear(4, 2))


def tied(t: Any) -> Any:
    net = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.Linear(2, 2))
    net[1].weight = net[0].weight
    return net


def doubled(t: Any) -> Any:
    part = t.nn.ReLU()
    return t.nn.Sequential(part, part, t.nn.Sequential(part))


# Hooks ---------------------------------------------------------------------------------------


def backward_hooks(t: Any) -> Any:
    net, log = small(t), []

    def told(module: Any, into: Any, out: Any) -> None:
        log.append([[None if g is None else g.sum().item() for g in gs] for gs in (into, out)])

    handle = net[0].register_full_backward_hook(told)
    net[2].register_full_backward_hook(lambda module, into, out: (into[0] * 2,))
    net[2].register_full_backward_pre_hook(lambda module, out: (out[0] * 3,))
    x = t.ones(2, 3, requires_grad=True)
    net(x).sum().backward()
    grads = [p.grad for p in net.parameters()]
    handle.remove()
    handle.remove()
    net(t.ones(2, 3)).sum().backward()
    return [log, x.grad, grads]


def order_of_hooks(t: Any) -> Any:
    layer, log = t.nn.Identity(), []
    layer.register_full_backward_hook(lambda m, i, o: log.append("second"))
    layer.register_full_backward_hook(lambda m, i, o: log.append("first"), prepend=True)
    layer.register_full_backward_pre_hook(lambda m, o: log.append("before"))
    layer.register_forward_hook(lambda m, a, o: log.append("after"))
    layer.register_forward_pre_hook(lambda m, a: log.append("start"))
    layer(t.ones(2, requires_grad=True)).sum().backward()
    return log


def several_inputs(t: Any) -> Any:
    class Two(t.nn.Module):
        def forward(self, a: Any, b: Any, k: int = 0) -> Any:
            return a * b + k, a - b

    log, two = [], Two()
    two.register_full_backward_hook(lambda m, i, o: log.append([list(i), list(o)]))
    two.register_forward_pre_hook(lambda m, a, k: (a, {**k, "k": 5}), with_kwargs=True)
    two.register_forward_hook(lambda m, a, k, o: log.append(dict(k)), with_kwargs=True)
    a, b = t.ones(2, requires_grad=True), t.full((2,), 2.0, requires_grad=True)
    y, z = two(a, b)
    ((y * 3).sum() + z.sum()).backward()
    return [log, y, z, a.grad, b.grad]


def always_called(t: Any) -> Any:
    layer, seen = t.nn.Linear(3, 2), []
    layer.register_forward_hook(lambda m, a, o: seen.append("left"))
    layer.register_forward_hook(lambda m, a, o: seen.append(o), always_call=True)
    with pytest.raises(RuntimeError):
        layer(t.ones(2, 2))
    return seen


# Parts ---------------------------------------------------------------------------------------


def names(t: Any) -> Any:
    d, e = doubled(t), tied(t)
    return [
        [k for k, _ in d.named_modules()],
        [k for k, _ in d.named_modules(remove_duplicate=False)],
        [k for k, _ in d.named_modules(prefix="p")],
        [k for k, _ in d.named_children()],
        len(list(d.children())),
        [k for k, _ in e.named_parameters()],
        [k for k, _ in e.named_parameters(remove_duplicate=False)],
        [k for k, _ in e.named_parameters("a", recurse=False)],
        [k for k, _ in t.nn.BatchNorm1d(2).named_buffers("b")],
        len(list(e.parameters(recurse=False))),
    ]


def order_of_apply(t: Any) -> Any:
    seen: list[str] = []
    t.nn.Sequential(t.nn.Sequential(t.nn.ReLU()), t.nn.Tanh()).apply(
        lambda m: seen.append(type(m).__name__)
    )
    return seen


def own_train(t: Any) -> Any:
    class Frozen(t.nn.Module):
        def train(self, mode: bool = True) -> Any:
            return super().train(False)

    net = t.nn.Sequential(Frozen(), t.nn.ReLU())
    net.train()
    return [m.training for m in net.modules()]


def buffers(t: Any) -> Any:
    one = t.nn.Module()
    one.register_buffer("late", None)
    one.register_buffer("left", t.zeros(1), persistent=False)
    before = list(one.state_dict())
    one.late = t.ones(1)
    return [before, list(one.state_dict()), [k for k, _ in one.named_buffers()]]


def states(t: Any) -> Any:
    net = small(t)
    taken = net.state_dict(prefix="z.", keep_vars=True)
    other = t.nn.Linear(2, 2)
    loaded = other.load_state_dict(
        {"weight": t.zeros(2, 2, dtype=t.float64), "bias": t.ones(2)}, assign=True
    )
    left = net.load_state_dict({"0.bias": t.ones(4), "q": t.ones(1)}, strict=False)
    return [
        list(taken),
        [type(v).__name__ for v in taken.values()],
        [type(p).__name__ for p in other.parameters()],
        [p.detach() for p in other.parameters()],
        list(loaded),
        list(left),
        net[0].bias,
    ]


def conversions(t: Any) -> Any:
    net = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.BatchNorm1d(2))
    found = [
        [str(v.dtype).split(".")[-1] for v in getattr(net, how)().state_dict().values()]
        for how in ("half", "double", "float")
    ]
    net.to("cpu", t.float64)
    net.to(t.zeros(1))
    found.append([str(v.dtype).split(".")[-1] for v in net.parameters()])
    return found


def copies(t: Any) -> Any:
    net = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.BatchNorm1d(2))
    found = []
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):  # noqa: S301
        found.append([type(v).__name__ for v in twin.parameters()])
        found.append([v.requires_grad for v in twin.parameters()])
        found.append([list(v.shape) for v in twin.state_dict().values()])
        twin(t.ones(3, 2)).sum().backward()
        found.append(all(p.grad is not None for p in twin.parameters()))
        found.append(all(p.grad is None for p in net.parameters()))
    return found


def printed(t: Any) -> Any:
    n = t.nn

    class Extra(n.Module):
        def __init__(self, part: bool) -> None:
            super().__init__()
            if part:
                self.part = n.ReLU()

        def extra_repr(self) -> str:
            return "one\ntwo"

    row = n.Sequential(n.ReLU(), n.Tanh())
    row.insert(1, n.Sigmoid()).extend([n.ELU()])
    del row[0]
    row[0] = n.GELU()
    found = [row, row[1:], row.pop(0), row + row, row * 2, Extra(True), Extra(False)]
    found.append(n.Sequential(OrderedDict(a=n.ReLU(), b=n.Tanh()))[1:])
    alike = [n.Linear(2, 2), n.Linear(2, 2), n.ReLU(), n.Sequential(n.ReLU())]
    found += [n.ModuleList(alike), n.Parameter(t.ones(2)), n.Parameter(t.ones(2), False)]
    found.append(n.ParameterList([t.ones(2, 3), t.ones(())]))
    return [repr(x).replace("torch.", "").replace("lab.", "") for x in found]


def dictionaries(t: Any) -> Any:
    d = t.nn.ParameterDict({"a": t.ones(2)})
    d["b"] = t.zeros(1)
    d.update({"c": t.nn.Parameter(t.ones(1), requires_grad=False)})
    more = d | t.nn.ParameterDict({"d": t.ones(3)})
    last = more.popitem()[0]
    return [
        list(d),
        [k for k, _ in d.named_parameters()],
        [type(v).__name__ for v in d.values()],
        list(more.keys()),
        last,
        list(reversed(d)),
        "a" in d,
        d.get("z"),
        list(d.pop("a").shape),
        len(d),
        list(d.setdefault("e", t.ones(4)).shape),
        [k for k in dir(t.nn.ModuleList([t.nn.ReLU()])) if k[0].isdigit()],
    ]


PROGRAMS = [
    backward_hooks, order_of_hooks, several_inputs, always_called, names, order_of_apply,
    own_train, buffers, states, conversions, copies, printed, dictionaries,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_programs_do_what_pytorchs_do(oracle: Oracle, program: Any) -> None:
    same(plain(program(lab)), oracle(program))


WRONG: dict[str, Any] = {
    "a tensor for a parameter": lambda t: setattr(t.nn.Linear(2, 2), "weight", t.ones(2, 2)),
    "a number for a parameter": lambda t: setattr(t.nn.Linear(2, 2), "weight", 3),
    "a number for a module": lambda t: setattr(small(t), "0", 3),
    "a number for a buffer": lambda t: setattr(t.nn.BatchNorm1d(2), "running_mean", 3),
    "a dot in a buffer": lambda t: t.nn.Module().register_buffer("a.b", t.ones(1)),
    "an empty buffer": lambda t: t.nn.Module().register_buffer("", t.ones(1)),
    "a taken buffer": lambda t: t.nn.Module().register_buffer("forward", t.ones(1)),
    "a name that is a number": lambda t: t.nn.Module().register_buffer(3, t.ones(1)),
    "a tensor as parameter": lambda t: t.nn.Module().register_parameter("p", t.ones(1)),
    "a dot in a parameter": lambda t: t.nn.Module().register_parameter("p.q", None),
    "a number as module": lambda t: t.nn.Module().add_module("x", 3),
    "a taken module": lambda t: t.nn.Module().add_module("forward", t.nn.ReLU()),
    "a method's name": lambda t: t.nn.ModuleDict({"keys": t.nn.ReLU()}),
    "a number in a row": lambda t: t.nn.Sequential(3),
    "no such index": lambda t: small(t)[9],
    "no such attribute": lambda t: t.nn.Module().nothing,
    "no such part": lambda t: small(t).get_submodule("0.5"),
    "no such parameter": lambda t: small(t).get_parameter("0.x"),
    "no such buffer": lambda t: small(t).get_buffer("0.bias"),
    "a mode that is a number": lambda t: small(t).train(3),
    "integers": lambda t: small(t).to(t.int64),
    "a list of state": lambda t: small(t).load_state_dict([1]),
    "nothing of state": lambda t: small(t).load_state_dict({}),
    "other shapes": lambda t: small(t).load_state_dict({"0.bias": t.ones(3)}, strict=False),
    "an integer parameter": lambda t: t.nn.Parameter(t.ones(2, dtype=t.int64)),
    "no forward": lambda t: t.nn.Module()(3),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_calls_raise_pytorchs_class(oracle: Oracle, what: str) -> None:
    with pytest.raises(oracle.error(WRONG[what])) as caught:
        WRONG[what](lab)
    assert str(caught.value)


def test_what_does_not_fit_is_listed_at_once_and_nothing_changes() -> None:
    net = small(lab)
    before = {k: v.tolist() for k, v in net.state_dict().items()}
    state = {
        "0.wieght": lab.ones(4, 3),
        "0.bias": lab.ones(9),
        "2.weight": 3,
        "2.bias": lab.ones(2),
    }
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    assert "missing     0.weight" in text
    assert "unexpected  0.wieght" in text
    assert "0.bias: module (4,), state_dict (9,)" in text
    assert "2.weight: module (2, 4), state_dict int 3" in text
    assert "is 0.wieght meant to be 0.weight?" in text
    assert {k: v.tolist() for k, v in net.state_dict().items()} == before


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda s: {f"module.{k}": v for k, v in s.items()}, "every key has 'module.' in front"),
        (lambda s: {"model": s, "epoch": 3}, r"load state_dict\['model'\]"),
    ],
)
def test_near_misses_get_a_hint(change: Any, hint: str) -> None:
    net = small(lab)
    with pytest.raises(RuntimeError, match=hint):
        net.load_state_dict(change(net.state_dict()))
    around = nn.Sequential(OrderedDict(net=net))
    with pytest.raises(RuntimeError, match=r"load them into module\.net"):
        around.load_state_dict(net.state_dict())


@pytest.mark.parametrize("count", [0, 2])
def test_hooks_that_give_the_wrong_number_of_gradients(count: int) -> None:
    layer = nn.Identity()
    layer.register_full_backward_hook(lambda m, i, o: (i[0],) * count)
    out = layer(lab.ones(2, requires_grad=True)).sum()
    with pytest.raises(RuntimeError, match=f"returned {count} gradients"):
        out.backward()
    layer = nn.Identity()
    layer.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="the pair"):
        layer(lab.ones(2))


def test_backward_hooks_in_a_compiled_function() -> None:
    layer = nn.Linear(2, 1, bias=False)
    layer.register_full_backward_hook(lambda m, i, o: (i[0] * 2,))

    def slope(x: Any) -> Any:
        return lab.autograd.grad(layer(x).sum(), x)[0]

    x = lab.ones(3, 2, requires_grad=True)
    eager = slope(x)
    np.testing.assert_allclose(eager.numpy(), np.tile(layer.weight.detach().numpy() * 2, (3, 1)))

    def step(x: Any) -> Any:
        y = layer(x * layer.weight).sum()
        y.backward()
        return y

    layer.zero_grad()
    step(lab.ones(3, 2))
    first = layer.weight.grad.numpy().copy()
    layer.zero_grad()
    lab.compile(step)(lab.ones(3, 2))
    np.testing.assert_allclose(layer.weight.grad.numpy(), first)


# Layers and losses ---------------------------------------------------------------------------


def numbers(*shapes: tuple[int, ...], dtype: str = "float64") -> list[Any]:
    """Entries of which no two are alike, and none is at a corner of an activation."""
    rng = np.random.default_rng(3)
    sizes = [int(np.prod(s)) for s in shapes]
    return [
        ((rng.permutation(n) - n / 2 + 0.3) * (8.0 / n)).reshape(s).astype(dtype)
        for n, s in zip(sizes, shapes, strict=True)
    ]


def outcome(t: Any, make: Any, arrays: list[Any], **more: Any) -> list[Any]:
    """What a layer or a function prints, gives, and the gradients of all that is learned."""
    t.manual_seed(5)
    made = make(t)
    xs = [t.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    out = made(*xs)
    outs = out if isinstance(out, tuple) else (out,)
    (outs[0] * outs[0]).sum().backward()
    learned = [*xs, *(made.parameters() if isinstance(made, t.nn.Module) else ())]
    text = repr(made) if isinstance(made, t.nn.Module) else ""
    grads = [x.grad for x in learned if x.requires_grad]
    return [text, [y.detach() for y in outs], grads]


def layer(text: str) -> Any:
    """``n.ELU(1.0)`` as a function of the library."""
    return lambda t: eval(text, {"n": t.nn, "F": t.nn.functional, "t": t})


CPL, LENGTH, PICTURE = (2, 4, 6), (4, 6), (1, 4, 5, 4)
LAYERS: dict[str, list[tuple[int, ...]]] = {
    **{
        f"n.{name}": [(3, 4)]
        for name in (
            "SELU()", "CELU(0.7)", "Mish()", "Hardsigmoid()", "Hardswish()", "Softsign()",
            "Tanhshrink()", "Softshrink(0.3)", "Hardshrink()", "Threshold(0.1, -3.0)",
            "PReLU().double()", "PReLU(4, 0.1).double()", "Softmin(1)", "Hardtanh(-0.5, 2.0)",
            "ReLU6()", "GLU()", "LogSoftmax(0)", "Identity(3, a=4)", "Unflatten(1, (2, 2))",
        )
    },
    "n.Softmax2d()": [PICTURE],
    "n.PixelShuffle(2)": [PICTURE],
    "n.PixelUnshuffle(2)": [(2, 4, 6)],
    "n.Upsample(scale_factor=2)": [CPL],
    "n.Upsample(size=(3, 7), mode='bilinear')": [PICTURE],
    "n.Upsample(scale_factor=(2, 1.5), mode='bilinear', align_corners=True)": [PICTURE],
    "n.UpsamplingNearest2d(scale_factor=2)": [PICTURE],
    "n.UpsamplingBilinear2d((7, 9))": [PICTURE],
    "n.ReflectionPad1d(2)": [CPL],
    "n.ReflectionPad2d((1, 0, 2, 3))": [PICTURE],
    "n.ReplicationPad1d((1, 2))": [LENGTH],
    "n.ReplicationPad2d(1)": [PICTURE],
    "n.ZeroPad1d(1)": [CPL],
    "n.ZeroPad2d((1, -1, 0, 2))": [PICTURE],
    "n.ConstantPad1d(1, 2.5)": [CPL],
    "n.ConstantPad2d((1, 0, 2, 1), -1.0)": [PICTURE],
    "n.CircularPad1d(2)": [CPL],
    "n.CircularPad2d(1)": [PICTURE],
    "n.InstanceNorm1d(4)": [CPL],
    "n.InstanceNorm1d(4, affine=True).double()": [LENGTH],
    "n.InstanceNorm2d(4, affine=True, track_running_stats=True).double()": [PICTURE],
    "n.InstanceNorm2d(4, track_running_stats=True).double().eval()": [(4, 5, 4)],
    "n.CosineSimilarity(dim=0)": [(3, 4), (3, 4)],
    "n.PairwiseDistance()": [(3, 4), (3, 4)],
    "n.PairwiseDistance(p=1, keepdim=True)": [(3, 4), (4,)],
    "n.MaxPool1d(2, ceil_mode=True)": [CPL],
    "n.MaxPool2d(2, 1, return_indices=True)": [PICTURE],
    "n.AvgPool1d(3, 2, 1, True, False)": [CPL],
    "n.AvgPool2d(2, ceil_mode=True)": [PICTURE],
    "n.AdaptiveMaxPool1d(4)": [CPL],
    "n.AdaptiveMaxPool2d((2, None))": [PICTURE],
    "n.AdaptiveAvgPool2d(3)": [(4, 5, 4)],
    **{
        f"n.{text}.double()": [shape]
        for text, shape in {
            "Conv1d(4, 2, 3, padding='same', padding_mode='circular')": LENGTH,
            "Conv1d(4, 2, 2, padding='same', bias=False)": CPL,
            "Conv2d(4, 2, (2, 3), padding='same', dilation=(1, 2))": (4, 5, 4),
            "Conv2d(4, 6, 2, padding=(2, 1), groups=2, padding_mode='reflect')": PICTURE,
            "Conv2d(4, 2, 2, padding='valid', padding_mode='replicate')": PICTURE,
            "ConvTranspose1d(4, 2, 2, stride=2, output_padding=1)": LENGTH,
            "ConvTranspose2d(4, 2, 2, stride=2)": (4, 5, 4),
        }.items()
    },
    **{
        f"lambda x: F.max_pool2d(x, {text}, return_indices=True)": [(2, 5, 6)]
        for text in ("2, ceil_mode=True", "3, 2, 1, 1, True", "2, 3, 1, 2", "(1, 3), 1, (0, 1)")
    },
    **{
        f"lambda x: F.avg_pool2d(x, {text})": [(2, 5, 6)]
        for text in (
            "2, 3, 1, True", "3, 2, 1, True, False", "2, divisor_override=3",
            "2, 2, 1, False, False", "(3, 2), 2, 1, True, True, 5",
        )
    },
    "lambda x: F.max_pool1d(x, 3, 2, 1, 2, True, True)": [LENGTH],
    "lambda x: F.prelu(x, t.tensor([0.2]).double())": [()],
    "lambda x, v: F.gaussian_nll_loss(x, x * 0.5, v.abs(), reduction='none')": [(3, 4), (3, 1)],
    "lambda x, v: F.gaussian_nll_loss(x, x * 0.5, v.abs() * 1e-3, full=True)": [(3, 4), (3,)],
    "lambda x: F.gaussian_nll_loss(x, x * 0.5, 0.7)": [(3, 4)],
    "n.PoissonNLLLoss()": [(3, 4), (3, 4)],
    "lambda x, y: F.poisson_nll_loss(x.abs(), y.abs(), False, True, reduction='sum')": [(5,), (5,)],
    "lambda x, y: n.GaussianNLLLoss()(x, y, x.abs() + 0.5)": [(3, 4), (3, 4)],
    "lambda x, y: n.MarginRankingLoss(0.5)(x, y, (x * y).sign().detach())": [(6,), (6,)],
    "lambda x: n.HingeEmbeddingLoss(reduction='none')(x, x.sign().detach())": [(6,)],
    "lambda x, y: n.CosineEmbeddingLoss(0.1)(x, y, x[:, 0].sign().detach())": [(5, 3), (5, 3)],
    "n.TripletMarginLoss()": [(5, 3), (5, 3), (5, 3)],
    "n.TripletMarginLoss(0.5, p=1, swap=True, reduction='none')": [(5, 3), (5, 3), (5, 3)],
    "lambda x: n.SoftMarginLoss()(x, x.sign().detach())": [(6,)],
    "n.Dropout1d(0.0)": [CPL],
    "n.Dropout2d().eval()": [PICTURE],
    "n.AlphaDropout().eval()": [PICTURE],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("text", LAYERS)
def test_layers_give_pytorchs_values_and_gradients(oracle: Oracle, text: str) -> None:
    arrays = numbers(*LAYERS[text])
    ours = plain(outcome(lab, layer(text), arrays))
    short = "CELU" in text or "Hards" in text  # PyTorch takes its constants in float32
    same(ours, oracle(lambda t: outcome(t, layer(text), arrays)), 1e-7 if short else 1e-9)
    if "max_pool" in text or "MaxPool" in text:
        return
    made = layer(text)(lab)
    xs = [lab.tensor(a) for a in arrays]
    eager, traced = made(*xs), lab.compile(made)(*xs)
    np.testing.assert_allclose(traced.detach().numpy(), eager.detach().numpy(), atol=1e-12)


REFUSED: dict[str, Any] = {
    "same with a stride": lambda t: t.nn.Conv2d(1, 1, 2, stride=2, padding="same"),
    "an unknown word": lambda t: t.nn.Conv1d(1, 1, 2, padding="sma"),
    "an unknown word of F": lambda t: t.nn.functional.conv2d(
        t.ones(1, 1, 3, 3), t.ones(1, 1, 2, 2), padding="sma"
    ),
    "groups": lambda t: t.nn.Conv2d(3, 4, 2, groups=2),
    "five dimensions": lambda t: t.nn.MaxPool2d(2)(t.ones(1, 1, 1, 2, 2)),
    "no divisor": lambda t: t.nn.AvgPool2d(2, divisor_override=0)(t.ones(1, 2, 2)),
    "shuffle": lambda t: t.nn.PixelShuffle(2)(t.ones(1, 3, 2, 2)),
    "unshuffle": lambda t: t.nn.PixelUnshuffle(2)(t.ones(1, 3, 2, 3)),
    "prelu": lambda t: t.nn.PReLU(3)(t.ones(2, 4)),
    "celu": lambda t: t.nn.functional.celu(t.ones(2), 0.0),
    "softshrink": lambda t: t.nn.functional.softshrink(t.ones(2), -1.0),
    "variance": lambda t: t.nn.GaussianNLLLoss()(t.ones(2), t.ones(2), -t.ones(2)),
    "variance's shape": lambda t: t.nn.GaussianNLLLoss()(t.ones(2, 3), t.ones(2, 3), t.ones(4)),
    "triplet": lambda t: t.nn.functional.triplet_margin_loss(
        t.ones(1, 2), t.ones(1, 2), t.ones(1, 2), margin=-1
    ),
    "instance norm": lambda t: t.nn.InstanceNorm2d(3)(t.ones(3, 2)),
    "reflection": lambda t: t.nn.ReflectionPad1d(4)(t.ones(1, 1, 3)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_layers_refuse_what_pytorchs_refuse(oracle: Oracle, what: str) -> None:
    with pytest.raises(oracle.error(REFUSED[what])) as caught:
        REFUSED[what](lab)
    assert "expected" in str(caught.value) or "must divide" in str(caught.value)


@pytest.mark.parametrize(("name", "shape"), [("Dropout1d", (9, 8, 5)), ("Dropout2d", (9, 8, 5, 4))])
def test_whole_channels_are_dropped(name: str, shape: tuple[int, ...]) -> None:
    lab.manual_seed(0)
    out = getattr(nn, name)(0.25)(lab.ones(*shape)).numpy().reshape(72, -1)
    assert set(np.unique(out)) == {0.0, np.float32(1 / 0.75)}
    assert (out == out[:, :1]).all()
    single = nn.Dropout1d(0.5)(lab.ones(30, 4)).numpy()
    assert (single == single[:, :1]).all()


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    lab.manual_seed(0)
    out = nn.AlphaDropout(0.3)(lab.randn(40000)).numpy()
    assert abs(out.mean()) < 0.02
    assert abs(out.var() - 1) < 0.03


# First values --------------------------------------------------------------------------------

STARTS: dict[str, tuple[int, ...]] = {
    "constant_(x, 3.5)": (2, 3), "ones_(x)": (2,), "zeros_(x)": (2,), "eye_(x)": (3, 4),
    "dirac_(x)": (3, 2, 3), "dirac_(x, groups=2)": (4, 2, 3, 3), "uniform_(x, -1.0, 2.0)": (3, 5),
    "normal_(x, 1.0, 0.2)": (4, 5), "trunc_normal_(x)": (5, 6),
    "trunc_normal_(x, 0.0, 1.0, 1.5, 2.0)": (5, 6), "xavier_uniform_(x)": (3, 4),
    "xavier_normal_(x, gain=2.0)": (3, 4, 2, 2), "kaiming_uniform_(x, a=1.0)": (3, 4),
    "kaiming_normal_(x, mode='fan_out', nonlinearity='relu')": (3, 4, 3),
    "kaiming_uniform_(x, nonlinearity='selu')": (4, 4), "orthogonal_(x)": (4, 3),
    "orthogonal_(x, gain=2.0)": (3, 2, 4), "sparse_(x, 0.4)": (5, 4),
}  # fmt: skip


@pytest.mark.parametrize("text", STARTS)
def test_first_values_are_pytorchs(oracle: Oracle, text: str) -> None:
    def drawn(t: Any) -> Any:
        t.manual_seed(11)
        x = t.nn.Parameter(t.empty(*STARTS[text]))
        out = eval(f"init.{text}", {"init": t.nn.init, "x": x})
        return [out is x, x.requires_grad, out.detach(), t.rand(2)]

    same(plain(drawn(lab)), oracle(drawn), 1e-6)


def test_gains_are_pytorchs(oracle: Oracle) -> None:
    def gains(t: Any) -> Any:
        words = ["linear", "conv2d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"]
        return [t.nn.init.calculate_gain(w) for w in words] + [
            t.nn.init.calculate_gain("leaky_relu", 0.3)
        ]

    same(plain(gains(lab)), oracle(gains), 1e-12)


UNFIT: dict[str, Any] = {
    "gain": lambda t: t.nn.init.calculate_gain("relo"),
    "slope": lambda t: t.nn.init.calculate_gain("leaky_relu", "a"),
    "eye": lambda t: t.nn.init.eye_(t.empty(3)),
    "dirac": lambda t: t.nn.init.dirac_(t.empty(3, 3)),
    "dirac groups": lambda t: t.nn.init.dirac_(t.empty(3, 3, 3), 2),
    "orthogonal": lambda t: t.nn.init.orthogonal_(t.empty(3)),
    "sparse": lambda t: t.nn.init.sparse_(t.empty(3), 0.1),
    "fans": lambda t: t.nn.init.xavier_uniform_(t.empty(3)),
    "mode": lambda t: t.nn.init.kaiming_normal_(t.empty(3, 3), mode="fan"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_first_values_refuse_what_pytorchs_refuse(oracle: Oracle, what: str) -> None:
    with pytest.raises(oracle.error(UNFIT[what])):
        UNFIT[what](lab)
