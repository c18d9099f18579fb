"""The Transformer and attention, against PyTorch: first values, results, gradients, errors."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
from oracle import digest

import minitorch_lab as lab
from minitorch_lab import nn
from minitorch_lab.autograd import gradcheck, gradgradcheck

F = nn.functional


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def close(ours: list[Any], theirs: list[Any], dtype: str) -> None:
    tolerance = 1e-9 if dtype == "float64" else 1e-5
    for a, b in zip(ours, theirs, strict=True):
        largest = float(np.nanmax(np.abs(b))) if np.size(b) else 0.0
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, largest))


def plain(values: Any) -> Any:
    return [v.detach().numpy() for v in values]


# Stacks ----------------------------------------------------------------------------------------

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "batch first": {"batch_first": True},
    "norm first": {"norm_first": True, "activation": "gelu"},
    "no bias": {"bias": False, "layer_norm_eps": 1e-3},
    "dropout": {"dropout": 0.4, "batch_first": True, "norm_first": True},
}


def transformer(t: Any, setting: str, dtype: str) -> Any:
    """The model, its names, a digest of its first values, its result and its gradients."""
    t.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch says when nested tensors do not apply
        model = t.nn.Transformer(
            4, 2, 1, 1, dim_feedforward=5, dtype=getattr(t, dtype),
            **{"dropout": 0.0, **SETTINGS[setting]},
        )  # fmt: skip
    first = plain(model.parameters())
    source, target = draw(3, 2, 4), draw(4, 2, 4, seed=1)
    if model.batch_first:
        source, target = source.swapaxes(0, 1).copy(), target.swapaxes(0, 1).copy()
    source, target = t.tensor(source.astype(dtype)), t.tensor(target.astype(dtype))
    source.requires_grad_()
    y = model(
        source,
        target,
        tgt_mask=t.tensor(~np.tri(4, dtype=bool)),
        memory_mask=t.tensor(draw(4, 3, seed=2).astype(dtype)),
        src_key_padding_mask=t.tensor([[False, False, True], [False, False, False]]),
    )
    (y * t.tensor(draw(*y.shape, seed=4).astype(dtype))).sum().backward()
    grads = [source.grad, *[p.grad for p in model.parameters()]]
    names = [name for name, _ in model.named_parameters()]
    return names, [digest(p) for p in first], y.detach().numpy(), plain(grads)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_transformer_is_pytorchs(oracle: Any, setting: str, dtype: str) -> None:
    names, first, value, grads = transformer(lab, setting, dtype)

    def ask(torch: Any) -> Any:
        *rest, their_grads = transformer(torch, setting, dtype)
        return *rest, their_grads if dtype == "float64" or setting == "plain" else []

    theirs = oracle(ask)
    assert names == theirs[0]
    assert first == theirs[1]
    close([value], [theirs[2]], dtype)
    if theirs[3]:
        close(grads, theirs[3], dtype)


def small_stack(t: Any, kind: str) -> Any:
    t.manual_seed(8)
    norm = t.nn.LayerNorm(4, dtype=t.float64)
    more = {"dim_feedforward": 3, "dropout": 0.0, "dtype": t.float64}
    x, memory = t.tensor(draw(3, 4)), t.tensor(draw(2, 4, seed=1))
    mask = t.nn.Transformer.generate_square_subsequent_mask(3, dtype=t.float64)
    if kind == "encoder":
        layer = t.nn.TransformerEncoderLayer(4, 2, activation=t.tanh, **more)
        model = t.nn.TransformerEncoder(layer, 2, norm, enable_nested_tensor=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch would rather have masks of one dtype
            y = model(x, mask, t.tensor([False, True, False]), is_causal=True)
    else:
        layer = t.nn.TransformerDecoderLayer(4, 2, activation="gelu", norm_first=True, **more)
        model = t.nn.TransformerDecoder(layer, 2, norm)
        y = model(x, memory, tgt_mask=mask, tgt_is_causal=True)
    return [n for n, _ in model.named_parameters()], y.detach().numpy()


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_one_sequence_through_a_stack(oracle: Any, kind: str) -> None:
    names, value = small_stack(lab, kind)
    theirs = oracle(lambda torch: small_stack(torch, kind))
    assert names == theirs[0]
    close([value], [theirs[1]], "float64")


def test_copies_start_equal_and_learn_apart() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8)
    stack = nn.TransformerEncoder(layer, 2)
    first, second = stack.layers
    assert first.linear1.weight is not second.linear1.weight
    assert lab.equal(first.linear1.weight, layer.linear1.weight)
    with lab.no_grad():
        first.linear1.weight.zero_()
    assert not lab.equal(first.linear1.weight, second.linear1.weight)
    twin = copy.deepcopy(stack)
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in stack.named_parameters()]
    assert {id(p) for p in twin.parameters()}.isdisjoint(map(id, stack.parameters()))
    assert twin.layers[0].self_attn._parameters["in_proj_weight"] is (
        twin.layers[0].self_attn.in_proj_weight
    )


def test_causal_flag_without_a_mask_makes_one() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval()
    x = lab.tensor(draw(2, 5, 4).astype("float32"))
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    assert lab.allclose(layer(x, is_causal=True), layer(x, mask), atol=1e-6)
    again = x.clone()
    again[:, -1] = 9.0  # nobody before the last one sees it
    assert lab.equal(layer(again, is_causal=True)[:, :-1], layer(x, is_causal=True)[:, :-1])


def test_subsequent_mask(oracle: Any) -> None:
    ours = nn.Transformer.generate_square_subsequent_mask(3)
    theirs = oracle(lambda t: t.nn.Transformer.generate_square_subsequent_mask(3))
    np.testing.assert_array_equal(ours.numpy(), theirs, strict=True)


def test_a_training_step_as_a_graph_is_the_eager_one() -> None:
    source, target = (lab.tensor(draw(2, 3, 4, seed=s).astype("float32")) for s in (0, 1))
    found = []
    for mode in ("eager", "graph"):
        lab.manual_seed(1)
        model = nn.Transformer(4, 2, 1, 1, 6, dropout=0.2, batch_first=True)
        optimizer = lab.optim.SGD(model.parameters(), lr=0.1)

        @lab.function
        def step(source: Any, target: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            loss = (model(source, target, tgt_is_causal=True) ** 2 * target).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        with lab.mode(mode):
            found.append([step(source, target).item() for _ in range(3)])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


# Attention -------------------------------------------------------------------------------------

MULTIHEAD: dict[str, dict[str, Any]] = {
    "bias_kv": {"add_bias_kv": True},
    "zero_attn": {"add_zero_attn": True},
    "both": {"add_bias_kv": True, "add_zero_attn": True, "kdim": 3, "vdim": 5, "bias": False},
    "dropout": {"dropout": 0.5, "batch_first": True},
}


def multihead(t: Any, setting: str, need_weights: bool, dtype: str) -> Any:
    t.manual_seed(5)
    layer = t.nn.MultiheadAttention(4, 2, dtype=getattr(t, dtype), **MULTIHEAD[setting])
    k, v = (MULTIHEAD[setting].get(name, 4) for name in ("kdim", "vdim"))
    arrays = draw(3, 2, 4), draw(5, 2, k, seed=1), draw(5, 2, v, seed=2)
    if layer.batch_first:
        arrays = tuple(a.swapaxes(0, 1).copy() for a in arrays)  # type: ignore[assignment]
    inputs = [t.tensor(a.astype(dtype)) for a in arrays]
    out, weights = layer(
        *inputs,
        key_padding_mask=t.tensor([[False] * 4 + [True], [False] * 5]),
        attn_mask=t.tensor(draw(3, 5, seed=3) > 0.5),
        need_weights=need_weights,
    )
    (out**2).sum().backward()
    names = [name for name, _ in layer.named_parameters()]
    shown = [] if weights is None else plain([weights])
    return names, [*plain([out]), *shown, *plain([p.grad for p in layer.parameters()])]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("need_weights", [True, False], ids=["weights", "no weights"])
@pytest.mark.parametrize("setting", MULTIHEAD)
def test_multihead_attention_is_pytorchs(
    oracle: Any, setting: str, need_weights: bool, dtype: str
) -> None:
    kept = None if dtype == "float64" else 1 + need_weights  # gradients once: the file is small
    names, found = multihead(lab, setting, need_weights, dtype)

    def ask(torch: Any) -> Any:
        names, found = multihead(torch, setting, need_weights, dtype)
        return names, found[:kept]

    theirs = oracle(ask)
    assert names == theirs[0]
    close(found[:kept], theirs[1], dtype)


def sees_nothing(t: Any, need_weights: bool, kind: str) -> Any:
    t.manual_seed(5)
    layer = t.nn.MultiheadAttention(2, 1, batch_first=True)
    x = t.tensor(draw(1, 2, 2).astype("float32"))
    mask = np.array([[True, True], [False, True]])
    padding = None
    if kind == "float":
        mask = np.where(mask, -np.inf, 0).astype("float32")
    if kind == "mixed":
        padding = t.tensor(np.array([[0.5, 0.25]], "float32"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch would rather have masks of one dtype
        out, _ = layer(x, x, x, padding, attn_mask=t.tensor(mask), need_weights=need_weights)
    out.sum().backward()
    return [out.detach().numpy(), *plain([p.grad for p in layer.parameters()])]


@pytest.mark.parametrize("kind", ["bool", "float", "mixed"])
def test_a_query_that_may_look_nowhere(oracle: Any, kind: str) -> None:
    close(sees_nothing(lab, False, kind), oracle(lambda t: sees_nothing(t, False, kind)), "float32")
    ours = sees_nothing(lab, True, kind)[0]
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(oracle(
        lambda t: sees_nothing(t, True, kind)[0]
    )))  # fmt: skip


SHARED = (draw(2, 4, 3, 2), draw(2, 2, 5, 2, seed=1), draw(2, 1, 5, 3, seed=2))


def shared(t: Any, mask: bool, dtype: str) -> Any:
    inputs = [t.tensor(a.astype(dtype)).requires_grad_() for a in SHARED]
    hidden = draw(4, 3, 5, seed=3) > 1
    y = t.nn.functional.scaled_dot_product_attention(
        *inputs, t.tensor(~hidden) if mask else None, enable_gqa=True
    )
    (y * y).sum().backward()
    return plain([y, *[x.grad for x in inputs]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mask", [False, True], ids=["plain", "mask"])
def test_heads_that_are_shared(oracle: Any, mask: bool, dtype: str) -> None:
    close(shared(lab, mask, dtype), oracle(lambda t: shared(t, mask, dtype)), dtype)


@pytest.mark.parametrize("kind", ["shared", "bool", "float"])
def test_second_gradients_and_graph(kind: str) -> None:
    mask = lab.tensor(np.array([[True, False, True], [False] * 3]))
    if kind == "float":
        mask = lab.where(mask, 0.25, float("-inf")).double()

    def call(q: Any, k: Any, v: Any) -> Any:
        masks = {} if kind == "shared" else {"attn_mask": mask}
        return F.scaled_dot_product_attention(q, k, v, **masks, enable_gqa=kind == "shared")

    inputs = [lab.tensor(draw(2, 2, 2)), lab.tensor(draw(1, 3, 2)), lab.tensor(draw(1, 3, 2))]
    for x in inputs:
        x.requires_grad_()
    assert gradcheck(call, inputs)
    assert gradgradcheck(call, inputs)
    given = [x.detach() for x in inputs]
    np.testing.assert_allclose(lab.compile(call)(*given).numpy(), call(*given).numpy(), rtol=1e-12)


def test_attention_by_hand() -> None:
    q, k, v = lab.tensor([[0.0]]), lab.tensor([[1.0], [2.0]]), lab.tensor([[10.0], [30.0]])
    assert F.scaled_dot_product_attention(q, k, v).tolist() == [[20]]
    only = lab.tensor([[False, True]])
    assert F.scaled_dot_product_attention(q, k, v, only).tolist() == [[30]]
    assert F.scaled_dot_product_attention(q, k, v, ~(only | True)).tolist() == [[0]]


# Errors ----------------------------------------------------------------------------------------


def _multihead(t: Any, query: Any = (3, 2, 4), key: Any = (5, 2, 4), value: Any = None) -> Any:
    layer = t.nn.MultiheadAttention(4, 2)
    inputs = [t.zeros(*s) for s in (query, key, value or key)]
    return lambda **masks: layer(*inputs, **masks)


def _encoder(t: Any) -> Any:
    return t.nn.TransformerEncoderLayer(4, 2, 8)


def _transform(t: Any, src: Any, tgt: Any) -> Any:
    model = t.nn.Transformer(4, 2, 1, 1, 8, batch_first=True)
    return model(t.zeros(*src), t.zeros(*tgt))


def _attend(t: Any, *shapes: Any, **more: Any) -> Any:
    return t.nn.functional.scaled_dot_product_attention(*[t.zeros(*s) for s in shapes], **more)


ERRORS: dict[str, tuple[Any, str]] = {
    "heads": (lambda t: t.nn.TransformerEncoderLayer(5, 2), "num_heads=2 must divide embed_dim=5"),
    "activation": (
        lambda t: t.nn.TransformerDecoderLayer(4, 2, activation="swish"),
        "got str 'swish'\n  expected 'relu', 'gelu' or a function",
    ),
    "dimensions": (lambda t: _multihead(t, (2, 3, 2, 4))(), r"expected \(length, batch, size\)"),
    "size": (
        lambda t: _multihead(t, (3, 2, 6))(),
        "expected embed_dim=4, kdim=4 and vdim=4, got 6, 4 and 4",
    ),
    "lengths": (
        lambda t: _multihead(t, value=(6, 2, 4))(),
        r"value  float32 \(6, 2, 4\)\n  expected \(length, batch, size\)\n  batch_first=False",
    ),
    "attn_mask": (
        lambda t: _multihead(t)(attn_mask=t.zeros(3, 4)),
        r"attn_mask  float32 \(3, 4\)\n  expected \(3, 5\) or \(4, 3, 5\)",
    ),
    "stacked attn_mask": (
        lambda t: _multihead(t)(attn_mask=t.zeros(2, 3, 5)),
        r"expected \(3, 5\) or \(4, 3, 5\)",
    ),
    "key_padding_mask": (
        lambda t: _multihead(t)(key_padding_mask=t.zeros(5, 2)),
        r"key_padding_mask  float32 \(5, 2\)\n  expected \(2, 5\)",
    ),
    "mask of ints": (
        lambda t: _multihead(t)(attn_mask=t.zeros(3, 5, dtype=t.int64)),
        "attn_mask has a wrong dtype\n  attn_mask  int64",
    ),
    "src_mask": (
        lambda t: _encoder(t)(t.zeros(3, 2, 4), src_mask=t.zeros(2, 2)),
        r"expected \(3, 3\) or \(4, 3, 3\)",
    ),
    "padding of ints": (
        lambda t: _encoder(t)(
            t.zeros(3, 2, 4), src_key_padding_mask=t.zeros(2, 3, dtype=t.int64)
        ),
        "convert with .bool",
    ),
    "batch": (
        lambda t: _transform(t, (3, 2, 4), (1, 2, 4)),
        r"src and tgt differ in batch\n(.*\n)*  expected \(batch, length, d_model\)",
    ),
    "d_model": (
        lambda t: _transform(t, (3, 2, 4), (3, 2, 5)),
        "the last size must be d_model=4",
    ),
    "sdpa mask": (
        lambda t: _attend(t, (2, 3, 4), (2, 5, 4), (2, 5, 4), attn_mask=t.zeros(4, 5)),
        r"attn_mask  float32 \(4, 5\)\n  expected \(2, 3, 5\), or a shape that broadcasts",
    ),
    "sdpa mask dtype": (
        lambda t: _attend(
            t, (2, 3, 4), (2, 5, 4), (2, 5, 4), attn_mask=t.zeros(3, 5, dtype=t.int64)
        ),
        "expected bool, True where a query may look, or float32",
    ),
    "sdpa heads": (
        lambda t: _attend(t, (1, 3, 2, 4), (1, 2, 5, 4), (1, 2, 5, 4), enable_gqa=True),
        "a multiple of the heads of key and value, got 3, 2 and 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors(oracle: Any, name: str) -> None:
    call, text = ERRORS[name]
    with pytest.raises(oracle.error(call), match=text) as found:
        call(lab)
    assert isinstance(found.value, lab.LabError)


def test_errors_in_graph_mode_say_the_same() -> None:
    layer, x, mask = nn.MultiheadAttention(4, 2), lab.ones(3, 2, 4), lab.ones(2, 3)
    with pytest.raises(RuntimeError) as eager:
        layer(x, x, x, attn_mask=mask)
    with pytest.raises(RuntimeError) as graph:
        lab.compile(lambda x: layer(x, x, x, attn_mask=mask))(x)
    assert str(graph.value).startswith(str(eager.value).splitlines()[0])
    assert "expected (3, 3) or (4, 3, 3)" in str(graph.value)
