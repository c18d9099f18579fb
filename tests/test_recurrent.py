"""Recurrent layers and packed sequences, against PyTorch from the same seed."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
from oracle import Oracle

import minitorch_lab as lab
from minitorch_lab.autograd import gradcheck, gradgradcheck
from minitorch_lab.errors import TraceError
from minitorch_lab.nn.utils import rnn
from minitorch_lab.ops import recurrent

KINDS = ["RNN", "LSTM", "GRU"]
LENGTHS = [2, 4, 1]


def plain(x: Any) -> Any:
    """A result as the oracle gives it."""
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    return x.detach().numpy() if hasattr(x, "detach") else x


def close(found: Any, expected: Any, rtol: float = 1e-5) -> None:
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            close(a, b, rtol)
    elif isinstance(expected, np.ndarray):
        assert np.shape(found) == expected.shape
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)
    else:
        assert found == expected


def weighted(x: Any) -> Any:
    """All entries of a gradient in one number: their sum with weights that differ."""
    g = np.asarray(x.grad, np.float64)
    return np.sum(g * np.cos(np.arange(g.size)).reshape(g.shape))


def states(t: Any, kind: str, *shape: int) -> Any:
    h = (t.arange(float(np.prod(shape))).reshape(shape) * 0.1 - 0.5).requires_grad_()
    if kind != "LSTM":
        return h
    return h, (t.ones(*shape) * 0.3).requires_grad_()


def leaves(hx: Any) -> list[Any]:
    return list(hx) if isinstance(hx, tuple) else [hx]


def numbers(t: Any, *shape: int) -> Any:
    """The same inputs in both libraries, whatever their generators do."""
    return t.tensor(np.sin(np.arange(np.prod(shape)) * 0.7).reshape(shape).astype("f").tolist())


def run(t: Any, kind: str, layers: int, both: bool, first: bool, packed: bool, **extra: Any) -> Any:
    """Outputs, last states, and a number for each gradient."""
    t.manual_seed(5)
    layer = getattr(t.nn, kind)(
        2, 2, num_layers=layers, batch_first=first, bidirectional=both, **extra
    )
    x = numbers(t, 3, 4, 2) if first else numbers(t, 4, 3, 2)
    x.requires_grad_()
    hx = states(t, kind, layers * (1 + both), 3, 2)
    given = x
    if packed:
        pack = t.nn.utils.rnn.pack_padded_sequence
        given = pack(x, LENGTHS, batch_first=first, enforce_sorted=False)
    out, last = layer(given, hx)
    if packed:
        out, lengths = t.nn.utils.rnn.pad_packed_sequence(out, batch_first=first)
        assert lengths.tolist() == LENGTHS
    (out * out).sum().backward(retain_graph=True)
    leaves(last)[-1].sum().backward()
    names = [name for name, _ in layer.named_parameters()]
    grads = np.array([weighted(v) for v in [*layer.parameters(), x, *leaves(hx)]])
    return [out, list(leaves(last)), names, grads]


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("first", [False, True], ids=["length_first", "batch_first"])
@pytest.mark.parametrize("both", [False, True], ids=["one_way", "both_ways"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_layer_is_pytorchs(
    oracle: Oracle, kind: str, layers: int, both: bool, first: bool, packed: bool
) -> None:
    expected = oracle(lambda t: run(t, kind, layers, both, first, packed))
    close(plain(run(lab, kind, layers, both, first, packed)), expected)


EXTRA: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("RNN", {"nonlinearity": "relu"}),
    "RNN without bias": ("RNN", {"bias": False}),
    "LSTM without bias": ("LSTM", {"bias": False}),
    "GRU without bias": ("GRU", {"bias": False}),
    "dropout": ("LSTM", {"dropout": 0.5}),
}


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("name", EXTRA)
def test_other_arguments(oracle: Oracle, name: str, packed: bool) -> None:
    kind, extra = EXTRA[name]
    expected = oracle(lambda t: run(t, kind, 2, True, False, packed, **extra))
    close(plain(run(lab, kind, 2, True, False, packed, **extra)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_one_sequence_and_zeros_before_it(oracle: Oracle, kind: str) -> None:
    def ask(t: Any) -> Any:
        t.manual_seed(1)
        layer = getattr(t.nn, kind)(3, 2, batch_first=True, bidirectional=True)
        out, last = layer(numbers(t, 5, 3))
        again, _ = layer(numbers(t, 5, 3), states(t, kind, 2, 2))
        nobody, _ = layer(t.zeros(0, 3, 3))
        return [out, list(leaves(last)), again, list(nobody.shape)]

    close(plain(ask(lab)), oracle(ask))


def test_float64(oracle: Oracle) -> None:
    def ask(t: Any) -> Any:
        t.manual_seed(1)
        layer = t.nn.GRU(3, 2, dtype=t.float64)
        out, last = layer(numbers(t, 5, 2, 3).double())
        (out * out).sum().backward()
        return [out, last, np.array([weighted(p) for p in layer.parameters()])]

    close(plain(ask(lab)), oracle(ask), 1e-9)


LAYERS: dict[str, Any] = {
    "RNN": lambda t: t.nn.RNN(3, 4, 2),
    "LSTM": lambda t: t.nn.LSTM(3, 4, 2, bidirectional=True),
    "GRU": lambda t: t.nn.GRU(3, 4, 1, False, bidirectional=True),
    "RNNCell": lambda t: t.nn.RNNCell(3, 4),
    "LSTMCell": lambda t: t.nn.LSTMCell(3, 4),
    "GRUCell": lambda t: t.nn.GRUCell(3, 4, bias=False),
}


@pytest.mark.parametrize("name", LAYERS)
def test_first_values_are_pytorchs_bit_by_bit(oracle: Oracle, name: str) -> None:
    def ask(t: Any) -> Any:
        t.manual_seed(3)
        layer = LAYERS[name](t)
        values = [v.detach().numpy() for v in layer.state_dict().values()]
        return list(layer.state_dict()), [v.shape for v in values], [v.ravel()[:3] for v in values]

    for a, b in zip(ask(lab), oracle(ask), strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


REPRS: dict[str, Any] = {
    "plain": lambda t: t.nn.RNN(2, 3),
    "relu": lambda t: t.nn.RNN(2, 3, 1, "relu"),
    "all": lambda t: t.nn.LSTM(2, 3, 2, False, True, 0.5, True),
    "cell": lambda t: t.nn.RNNCell(2, 3, False, "relu"),
    "gru cell": lambda t: t.nn.GRUCell(2, 3),
    "within": lambda t: t.nn.Sequential(t.nn.GRU(1, 2, 3)),
}


@pytest.mark.parametrize("name", REPRS)
def test_it_prints_as_in_pytorch(oracle: Oracle, name: str) -> None:
    assert repr(REPRS[name](lab)) == oracle(lambda t: repr(REPRS[name](t)))


CELLS: dict[str, Any] = {
    "RNN": lambda t: t.nn.RNNCell(3, 2),
    "RNN relu": lambda t: t.nn.RNNCell(3, 2, nonlinearity="relu"),
    "LSTM": lambda t: t.nn.LSTMCell(3, 2, bias=False),
    "GRU": lambda t: t.nn.GRUCell(3, 2),
}


@pytest.mark.parametrize("batched", [True, False], ids=["batch", "one"])
@pytest.mark.parametrize("name", CELLS)
def test_cell_is_pytorchs(oracle: Oracle, name: str, batched: bool) -> None:
    def ask(t: Any) -> Any:
        t.manual_seed(2)
        cell = CELLS[name](t)
        x = (numbers(t, 4, 3) if batched else numbers(t, 3)).requires_grad_()
        hx = states(t, name.split()[0], *((4, 2) if batched else (2,)))
        outs = leaves(cell(x, cell(x, hx)))
        (outs[0] * outs[-1]).sum().backward()
        grads = [weighted(v) for v in [*cell.parameters(), x, *leaves(hx)]]
        return [outs, list(leaves(cell(x))), np.array(grads)]

    close(plain(ask(lab)), oracle(ask))


@pytest.mark.parametrize("name", CELLS)
def test_second_order_of_a_cell(name: str) -> None:
    lab.manual_seed(0)
    cell = CELLS[name](lab).double()
    kind = name.split()[0]
    h = [s.detach().double().requires_grad_() for s in leaves(states(lab, kind, 2, 2))]
    x = numbers(lab, 2, 3).double().requires_grad_()

    def function(x: Any, *h: Any) -> Any:
        return leaves(cell(x, h if kind == "LSTM" else h[0]))[-1]

    assert gradcheck(function, [x, *h])
    assert gradgradcheck(function, [x, *h])


@pytest.mark.parametrize("kind", KINDS)
def test_second_order_of_a_packed_layer(kind: str) -> None:
    lab.manual_seed(0)
    layer = getattr(lab.nn, kind)(1, 2, bidirectional=True).double()
    x = numbers(lab, 3, 2, 1).double().requires_grad_()

    def function(x: Any) -> Any:
        out, last = layer(rnn.pack_padded_sequence(x, [1, 3], enforce_sorted=False))
        return (out.data**2).sum() + leaves(last)[-1].sum()

    assert gradgradcheck(function, [x])


def test_a_step_worked_by_hand() -> None:
    cell = lab.nn.GRUCell(1, 1)
    with lab.no_grad():
        for p in cell.parameters():
            p.fill_(0.0)
        cell.weight_hh.copy_(lab.tensor([[0.0], [0.0], [2.0]]))
    # r = z = 1/2, n = tanh(r * 2 h) = tanh(h), h' = (n + h) / 2
    np.testing.assert_allclose(
        cell(lab.zeros(1, 1), lab.ones(1, 1)).item(), (np.tanh(1) + 1) / 2, rtol=1e-6
    )
    lstm = lab.nn.LSTMCell(1, 1)
    with lab.no_grad():
        for p in lstm.parameters():
            p.fill_(0.0)
    h, c = lstm(lab.zeros(1, 1), (lab.ones(1, 1), lab.ones(1, 1)))
    np.testing.assert_allclose(c.item(), 0.5)  # all gates are 1/2 and the candidate is 0
    np.testing.assert_allclose(h.item(), np.tanh(0.5) / 2, rtol=1e-6)


def test_a_gradient_asked_for_twice_is_computed_from_the_values_of_now() -> None:
    lab.manual_seed(0)
    layer, x = lab.nn.LSTM(2, 3), numbers(lab, 3, 2, 2)
    out, _ = layer(x)
    start = lab.ones(3, 2, 3)
    out.backward(start, retain_graph=True)
    once = layer.weight_hh_l0.grad.numpy().copy()
    out.backward(start)
    np.testing.assert_array_equal(layer.weight_hh_l0.grad.numpy(), 2 * once)
    assert recurrent._shared.found == ()  # nothing is held after the walk


# Graph mode ----------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("kind", KINDS)
def test_graph_mode_is_eager_mode(kind: str, packed: bool) -> None:
    lab.manual_seed(0)
    layer = getattr(lab.nn, kind)(2, 3, num_layers=2, bidirectional=True)
    x = numbers(lab, 4, 3, 2)

    def step(x: Any) -> Any:
        layer.zero_grad()
        if packed:
            out, last = layer(rnn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False))
            out, _ = rnn.pad_packed_sequence(out)
        else:
            out, last = layer(x)
        loss = (out * out).sum() + leaves(last)[0].sum()
        loss.backward()
        return loss, out

    eager = plain(step(x))
    grads = [p.grad.numpy().copy() for p in layer.parameters()]
    compiled = lab.compile(step)
    for _ in range(2):
        close(plain(compiled(x)), eager)
        for p, g in zip(layer.parameters(), grads, strict=True):
            np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-5, atol=1e-6)
    assert compiled.traces == 1


def test_graph_mode_refuses_sizes_that_it_cannot_know() -> None:
    layer = lab.nn.GRU(2, 3)
    packed = rnn.pack_sequence([lab.ones(3, 2), lab.ones(1, 2)])
    with pytest.raises(TraceError, match=r"batch_sizes .*\n.*\n.*\n.*pack inside the function"):
        lab.compile(lambda p: layer(p)[1])(packed)
    with pytest.raises(TraceError, match="give the lengths as a list of ints"):
        lab.compile(lambda x, n: rnn.pack_padded_sequence(x, n).data)(
            lab.ones(3, 2), lab.tensor([3, 1])
        )


@pytest.mark.parametrize("call", [lambda f: f, lab.compile], ids=["eager", "graph"])
def test_the_same_error_in_both_modes(call: Any) -> None:
    layer = lab.nn.LSTM(2, 3)
    with pytest.raises(lab.errors.ShapeError, match=r"use LSTM\(5, 3\)"):
        call(lambda x: layer(x)[0])(lab.ones(4, 1, 5))


# Packing -------------------------------------------------------------------------------------

PACKING: dict[str, Any] = {
    "pack": lambda t, r: r.pack_padded_sequence(numbers(t, 4, 3, 2), [4, 2, 1]),
    "pack equal": lambda t, r: r.pack_padded_sequence(numbers(t, 4, 3), [4, 4, 4]),
    "pack shorter": lambda t, r: r.pack_padded_sequence(numbers(t, 4, 2, 1), [3, 2]),
    "pack unsorted": lambda t, r: r.pack_padded_sequence(
        numbers(t, 3, 4, 2), t.tensor([2, 4, 1]), batch_first=True, enforce_sorted=False
    ),
    "pad": lambda t, r: r.pad_packed_sequence(
        r.pack_padded_sequence(numbers(t, 4, 3, 2), [2, 4, 1], enforce_sorted=False),
        padding_value=-1.0,
        total_length=6,
    ),
    "pad batch_first": lambda t, r: r.pad_packed_sequence(
        r.pack_padded_sequence(numbers(t, 4, 3, 2), [4, 2, 2]), True
    ),
    "pad_sequence": lambda t, r: r.pad_sequence(
        [numbers(t, 2, 2), numbers(t, 3, 2), t.zeros(0, 2)], padding_value=9
    ),
    "pad_sequence left": lambda t, r: r.pad_sequence(
        [t.tensor([1]), t.tensor([2, 3])], batch_first=True, padding_side="left"
    ),
    "pack_sequence": lambda t, r: r.pack_sequence([numbers(t, 3), numbers(t, 1)]),
    "pack_sequence unsorted": lambda t, r: r.pack_sequence(
        [numbers(t, 1, 2), numbers(t, 3, 2)], enforce_sorted=False
    ),
    "unpack": lambda t, r: r.unpack_sequence(
        r.pack_sequence([numbers(t, 1, 2), numbers(t, 3, 2)], enforce_sorted=False)
    ),
    "unpad": lambda t, r: r.unpad_sequence(numbers(t, 4, 3, 2), t.tensor([1, 4, 2])),
    "double": lambda t, r: r.pack_sequence([numbers(t, 2)]).double(),
}


@pytest.mark.parametrize("name", PACKING)
def test_packing_is_pytorchs(oracle: Oracle, name: str) -> None:
    def ask(t: Any) -> Any:
        found = PACKING[name](t, t.nn.utils.rnn)
        parts = list(found) if isinstance(found, (list, tuple)) else [found]
        return parts, [None if x is None else str(x.dtype).removeprefix("torch.") for x in parts]

    (values, kinds), (expected, their_kinds) = ask(lab), oracle(ask)
    close(plain(values), expected, 1e-7)
    assert [k and k.removeprefix("lab.") for k in kinds] == their_kinds


def test_the_gradient_of_packing_goes_to_what_is_used(oracle: Oracle) -> None:
    def ask(t: Any) -> Any:
        x = numbers(t, 4, 3).requires_grad_()
        packed = t.nn.utils.rnn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False)
        padded, _ = t.nn.utils.rnn.pad_packed_sequence(packed, padding_value=5.0)
        (packed.data**2).sum().backward(retain_graph=True)
        padded.sum().backward()
        return [x.grad]

    close(plain(ask(lab)), oracle(ask))


def test_packed_sequence_keeps_what_it_is_given(oracle: Oracle) -> None:
    def ask(t: Any) -> Any:
        packed = t.nn.utils.rnn.PackedSequence(t.zeros(3, 2), t.tensor([2, 1]), t.tensor([1, 0]))
        moved = packed.to("cpu").cpu().float()
        return [list(moved), moved.is_cuda, isinstance(packed, tuple)]

    close(plain(ask(lab)), oracle(ask))
    assert rnn.invert_permutation(None) is None


# Errors --------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[Any, str]] = {
    "one dimension": (lambda t: t.nn.LSTM(2, 3)(t.zeros(2)), r"input has 1 dim.*\n.*\n.*\(L, N"),
    "four dimensions": (lambda t: t.nn.RNN(2, 3)(t.zeros(1, 1, 1, 2)), "input has 4 dim"),
    "last size": (lambda t: t.nn.GRU(2, 3)(t.zeros(4, 3, 5)), r"got 5\n.*use GRU\(5, 3\)"),
    "no step": (lambda t: t.nn.GRU(2, 3)(t.zeros(0, 3, 2)), "no step"),
    "dtype": (lambda t: t.nn.GRU(2, 3)(t.zeros(4, 1, 2).double()), r"input\.to\(lab\.float32\)"),
    "state size": (
        lambda t: t.nn.GRU(2, 3)(t.zeros(4, 3, 2), t.zeros(1, 3, 4)),
        r"hx  float32 \(1, 3, 4\)\n  expected \(1, 3, 3\)",
    ),
    "state batch": (
        lambda t: t.nn.LSTM(2, 3)(t.zeros(4, 3, 2), (t.zeros(1, 2, 3), t.zeros(1, 2, 3))),
        r"h_0 does not fit.*\n.*\n  expected \(1, 3, 3\)\n  leave it out",
    ),
    "state dimensions": (lambda t: t.nn.GRU(2, 3)(t.zeros(4, 2), t.zeros(1, 1, 3)), "hx does not"),
    "packed state": (
        lambda t: t.nn.GRU(2, 3)(t.nn.utils.rnn.pack_sequence([t.zeros(4, 2)]), t.zeros(1, 2, 3)),
        "hx does not fit",
    ),
    "no pair": (lambda t: t.nn.LSTM(2, 3)(t.zeros(4, 3, 2), t.zeros(1, 3, 3)), "expected the pair"),
    "hidden_size": (lambda t: t.nn.LSTM(2, 0), "hidden_size=0: expected 1 or more"),
    "hidden_size kind": (lambda t: t.nn.LSTM(2, 1.5), "hidden_size: expected an int, got float"),
    "num_layers": (lambda t: t.nn.LSTM(2, 3, 0), "num_layers=0"),
    "dropout": (lambda t: t.nn.LSTM(2, 3, 2, dropout=1.5), "from 0 to 1"),
    "bias": (lambda t: t.nn.LSTM(2, 3, bias=1), "bias: expected a bool"),
    "nonlinearity": (lambda t: t.nn.RNN(2, 3, nonlinearity="sin"), "'tanh' or 'relu'"),
    "proj_size": (lambda t: t.nn.GRU(2, 3, proj_size=1), "only an LSTM"),
    "cell dimensions": (lambda t: t.nn.RNNCell(2, 3)(t.zeros(1, 1, 2)), "input has 3 dimensions"),
    "cell size": (lambda t: t.nn.RNNCell(2, 3)(t.zeros(1, 4)), r"use RNNCell\(4, 3\)"),
    "cell batch": (lambda t: t.nn.GRUCell(2, 3)(t.zeros(1, 2), t.zeros(2, 3)), "hx does not fit"),
    "cell pair": (lambda t: t.nn.LSTMCell(2, 3)(t.zeros(1, 2), t.zeros(1, 3)), "the pair"),
    "lengths count": (
        lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(4, 3), [4, 2]),
        r"2 lengths for 3 sequences\n.*\n.*batch_first",
    ),
    "lengths unsorted": (
        lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(4, 3), [2, 4, 1]),
        r"not sorted\n  lengths  \[2, 4, 1\]\n.*\n.*enforce_sorted=False",
    ),
    "length 0": (
        lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(4, 3), [4, 2, 0]),
        "expected 1 to 4, the steps of the input, got 0",
    ),
    "lengths number": (lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(4, 3), 4), "list of"),
    "total_length": (
        lambda t: t.nn.utils.rnn.pad_packed_sequence(
            t.nn.utils.rnn.pack_sequence([t.zeros(4)]), total_length=3
        ),
        "total_length=3 is too short\n  expected 4 or more",
    ),
    "no sequences": (lambda t: t.nn.utils.rnn.pad_sequence([]), "there is no sequence"),
    "sequences that differ": (
        lambda t: t.nn.utils.rnn.pad_sequence([t.zeros(2), t.zeros(2, 3)]),
        r"sequences\[1\] does not fit",
    ),
    "no list": (lambda t: t.nn.utils.rnn.pad_sequence(3), "expected a list of tensors, got int 3"),
    "side": (
        lambda t: t.nn.utils.rnn.pad_sequence([t.zeros(2)], padding_side="top"),
        "padding_side='top'",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_came_and_what_to_do(oracle: Oracle, name: str) -> None:
    call, text = ERRORS[name]
    with pytest.raises(lab.errors.LabError, match=text) as found:
        call(lab)
    assert isinstance(found.value, oracle.error(call))


def test_errors_of_our_own() -> None:
    layer = lab.nn.GRU(2, 3)
    with pytest.raises(lab.errors.ShapeError, match=r"expected 1 to 4, .* got 5"):
        rnn.pack_padded_sequence(lab.zeros(4, 2), [5, 1])
    with pytest.raises(lab.errors.KindError, match="input: expected a tensor, got list"):
        layer([1.0])
    with pytest.raises(lab.errors.KindError, match="make one with pack_padded_sequence"):
        rnn.pad_packed_sequence(lab.zeros(4, 2))
    with pytest.raises(lab.errors.ShapeError, match="add up to 3"):
        layer(rnn.PackedSequence(lab.zeros(3, 2), lab.tensor([1, 2])))
    with pytest.raises(NotImplementedError, match="proj_size=2 is not supported"):
        lab.nn.LSTM(2, 3, proj_size=2)
    with pytest.warns(UserWarning, match="num_layers is 1"):
        lab.nn.GRU(2, 3, dropout=0.5)


def test_moving_and_loading() -> None:
    lab.manual_seed(0)
    one, two = lab.nn.LSTM(2, 3), lab.nn.LSTM(2, 3)
    two.load_state_dict(one.state_dict())
    x = numbers(lab, 3, 2, 2)
    np.testing.assert_array_equal(one(x)[0].detach().numpy(), two(x)[0].detach().numpy())
    one.flatten_parameters()
    assert [len(w) for w in one.all_weights] == [4]
    assert one.double()(x.double())[0].dtype is lab.float64


def test_dropout_is_off_in_evaluation() -> None:
    layer = lab.nn.GRU(2, 3, 2, dropout=0.9).eval()
    x = numbers(lab, 3, 2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a, b = layer(x)[0], layer(x)[0]
    np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_places_of_the_states_before_each_step() -> None:
    # the loops that a reader would write first, against the slices
    for sizes, reverse in itertools.product([(3,), (2, 2), (3, 2, 2, 1)], [False, True]):
        rows = recurrent.blocks(sizes)
        first = np.arange(sizes[0])[:, None] - 100.0
        own = np.arange(sum(sizes))[:, None] * 1.0
        state, expected = first.copy(), np.zeros_like(own)
        for t in reversed(range(len(sizes))) if reverse else range(len(sizes)):
            expected[rows[t]] = state[: sizes[t]]
            state[: sizes[t]] = own[rows[t]]
        found = recurrent.before(lab.tensor(own), lab.tensor(first), sizes, reverse)
        np.testing.assert_array_equal(found.numpy(), expected)
        np.testing.assert_array_equal(
            recurrent.final(lab.tensor(own), sizes, reverse).numpy(), state
        )
