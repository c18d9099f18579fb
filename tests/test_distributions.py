"""Distributions against PyTorch: draws, densities, entropies, divergences, gradients, errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab.autograd import gradcheck, gradgradcheck
from minitorch_lab.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Normal,
    Uniform,
    kl_divergence,
    register_kl,
)
from minitorch_lab.distributions.normal import erfinv

# The logarithm of 0 is what some of these are about; NumPy warns of it, and the package is silent.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

# Each: the class, its arguments by name, values in the support, and probabilities for icdf.
Case = tuple[str, dict[str, Any], Any]
CASES: dict[str, Case] = {
    "normal": ("Normal", {"loc": [0.5, -1.0], "scale": [[1.5], [0.25]]}, [[0.3, 2.0], [-1, 0]]),
    "normal numbers": ("Normal", {"loc": 1, "scale": 2.0}, [0.0, -3.0, 8.0]),
    "uniform": ("Uniform", {"low": [-1.0, 0.5], "high": [2.0, 0.75]}, [[0.0, 0.6], [2.0, 0.5]]),
    "uniform numbers": ("Uniform", {"low": 0, "high": 4}, [0.0, 3.5, 4.0]),
    "bernoulli": ("Bernoulli", {"probs": [0.25, 0.5, 1.0, 0.0]}, [[1.0, 0, 1, 0], [0, 1, 1, 0]]),
    "bernoulli number": ("Bernoulli", {"probs": 0.3}, [0.0, 1.0]),
    "bernoulli logits": ("Bernoulli", {"logits": [[-2.0], [0.75]]}, [1.0, 0.0, 1.0]),
    "categorical": ("Categorical", {"probs": [1.0, 2.0, 5.0]}, [0, 2, 1, 1]),
    "categorical never": ("Categorical", {"probs": [[0.5, 0.0, 0.5], [0.2, 0.2, 0.6]]}, [2, 0]),
    "categorical logits": ("Categorical", {"logits": [[0.5, -1.0], [3.0, 2.0]]}, [[1, 0], [0, 1]]),
}
DTYPES = ["float32", "float64"]


def made(t: Any, name: str, dtype: str, **more: Any) -> tuple[Any, list[Any], Any]:
    """The distribution, its arguments that are tensors, and the values."""
    kind, arguments, values = CASES[name]
    given = {
        n: t.tensor(a, dtype=getattr(t, dtype)).requires_grad_() if isinstance(a, list) else a
        for n, a in arguments.items()
    }
    number = t.int64 if kind == "Categorical" else getattr(t, dtype)
    distribution = getattr(t.distributions, kind)(**given, **more)
    return distribution, [x for x in given.values() if hasattr(x, "grad")], t.tensor(
        values, dtype=number
    )  # fmt: skip


def close(ours: Any, theirs: Any, dtype: str) -> None:
    tolerance = 1e-9 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


SAMPLES = [(), (3,), (5, 4), (20,)]


def drawn(t: Any, name: str, dtype: str) -> Any:
    distribution, inputs, _ = made(t, name, dtype)
    t.manual_seed(7)
    found = [distribution.sample(shape).numpy() for shape in SAMPLES]
    if distribution.has_rsample:
        results = [distribution.rsample(shape) for shape in SAMPLES]
        found += [y.detach().numpy() for y in results]
        if inputs:
            sum((y * y).sum() for y in results).backward()
        found += [x.grad.numpy() for x in inputs]
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_draws_are_pytorchs(oracle: Any, name: str, dtype: str) -> None:
    ours, theirs = drawn(lab, name, dtype), oracle(lambda t: drawn(t, name, dtype))
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if i < len(SAMPLES):
            np.testing.assert_array_equal(a, b, strict=True)
        else:
            close(a, b, dtype)


def results(distribution: Any, value: Any, t: Any) -> dict[str, Callable[[], Any]]:
    """Everything that a distribution says."""
    names = ("mean", "variance", "stddev", "mode")
    found: dict[str, Any] = {n: lambda n=n: getattr(distribution, n) for n in names}
    found["log_prob"] = lambda: distribution.log_prob(value)
    found["entropy"], found["perplexity"] = distribution.entropy, distribution.perplexity
    if distribution.has_rsample:
        found["cdf"] = lambda: distribution.cdf(value)
        found["icdf"] = lambda: distribution.icdf(t.full_like(distribution.mean.detach(), 0.3))
    else:
        found["support"] = distribution.enumerate_support
        found["small"] = lambda: distribution.enumerate_support(expand=False)
        found["probs"] = lambda: distribution.probs
        found["logits"] = lambda: distribution.logits
    return found


def said(t: Any, name: str, dtype: str) -> Any:
    """Everything that a distribution says, and the gradients of the sums."""
    distribution, _, value = made(t, name, dtype)
    found = {"shapes": [list(distribution.batch_shape), list(distribution.event_shape)]}
    for key in results(distribution, value, t):
        distribution, inputs, value = made(t, name, dtype)
        result = results(distribution, value, t)[key]()
        found[key] = [result.detach().numpy()]
        if result.requires_grad and key in ("log_prob", "entropy", "cdf", "icdf"):
            t.where(t.isfinite(result), result, 0.0).sum().backward()
            found[key] += [np.zeros(1) if x.grad is None else x.grad.numpy() for x in inputs]
    return found


def precision(dtype: str, *names: str) -> str:
    """Arguments that are numbers become float32, whatever the values are."""
    return "float32" if any("number" in n for n in names) else dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_what_it_says_is_pytorchs(oracle: Any, name: str, dtype: str) -> None:
    ours, theirs = said(lab, name, dtype), oracle(lambda t: said(t, name, dtype))
    assert list(ours) == list(theirs)
    assert ours.pop("shapes") == theirs.pop("shapes")
    for key, values in ours.items():
        for a, b in zip(values, theirs[key], strict=True):
            close(a, b, precision(dtype, name))
            assert (np.asarray(a).dtype, np.asarray(a).shape) == (b.dtype, b.shape), key


@pytest.mark.parametrize("name", CASES)
def test_expand_is_pytorchs(oracle: Any, name: str) -> None:
    def run(t: Any) -> Any:
        distribution, _, _ = made(t, name, "float32")
        wide = distribution.expand((3, *([2] if "numbers" in name else []),
                                    *distribution.batch_shape))  # fmt: skip
        t.manual_seed(2)
        shapes = [list(wide.batch_shape), list(wide.event_shape), list(wide.entropy().shape)]
        return shapes, wide.sample((2,)).numpy(), wide.mode.detach().numpy()

    ours, theirs = run(lab), oracle(run)
    assert ours[0] == theirs[0]
    np.testing.assert_array_equal(ours[1], theirs[1])
    np.testing.assert_array_equal(ours[2], theirs[2])


PAIRS = {
    "normal": ("normal", "normal numbers"),
    "uniform inside": ("uniform", "uniform"),
    "uniform outside": ("uniform numbers", "uniform"),
    "bernoulli": ("bernoulli number", "bernoulli"),
    "bernoulli sure": ("bernoulli", "bernoulli number"),
    "bernoulli logits": ("bernoulli logits", "bernoulli number"),
    "categorical": ("categorical", "categorical never"),
    "categorical never": ("categorical never", "categorical"),
    "categorical logits": ("categorical logits", "categorical logits"),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PAIRS)
def test_divergence_is_pytorchs(oracle: Any, name: str, dtype: str) -> None:
    def run(t: Any) -> Any:
        p, q = (made(t, n, dtype) for n in PAIRS[name])
        y = t.distributions.kl_divergence(p[0], q[0])
        if y.requires_grad and name not in ("uniform outside", "categorical", "bernoulli"):
            y.sum().backward()
        grads = [x.grad for x in (*p[1], *q[1])]
        return [y.detach().numpy(), *[g.numpy() for g in grads if g is not None]]

    ours, theirs = run(lab), oracle(run)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, precision(dtype, *PAIRS[name]))


def test_a_distribution_of_leaves_serves_many_backward_passes() -> None:
    loc = lab.tensor([1.0, 2.0], requires_grad=True)
    distribution = Normal(loc, 1.0)
    for _ in range(2):
        distribution.rsample().sum().backward()
    assert loc.grad is not None
    assert loc.grad.tolist() == [2, 2]


def test_by_hand() -> None:
    assert Normal(0.0, 1.0).cdf(lab.tensor(0.0)).item() == 0.5
    assert Uniform(0.0, 4.0).log_prob(lab.tensor(1.0)).item() == pytest.approx(-math.log(4))
    assert Bernoulli(0.5).entropy().item() == pytest.approx(math.log(2))
    assert Categorical(lab.ones(8)).perplexity().item() == pytest.approx(8)
    fair, loaded = Categorical(lab.tensor([1.0, 1.0])), Categorical(lab.tensor([1.0, 3.0]))
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert kl_divergence(fair, loaded).item() == pytest.approx(expected)
    assert repr(Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)"
    assert repr(Categorical(lab.ones(2))) == "Categorical(probs: Size([2]))"


def test_a_rule_of_ones_own() -> None:
    @register_kl(Normal, Uniform)
    def never(p: Any, q: Any) -> Any:
        return p.loc * math.inf

    assert kl_divergence(Normal(1.0, 1.0), Uniform(0.0, 1.0)).item() == math.inf


def test_erfinv_against_pytorch(oracle: Any) -> None:
    x = np.array([-1, -0.99999, -0.5, -1e-9, 0, 1e-300, 0.3, 0.9, 1 - 1e-12, 1 - 2.0**-53, 1, 2])
    for dtype in DTYPES:
        given = x.astype(dtype)
        theirs = oracle(lambda t, given=given: t.erfinv(t.tensor(given)))
        ours = erfinv(lab.tensor(given)).numpy()
        np.testing.assert_allclose(ours, theirs, rtol=1e-9 if dtype == "float64" else 1e-5)
        assert str(ours.dtype) == dtype


# Gradients and graph mode ------------------------------------------------------------------

FUNCTIONS: dict[str, tuple[Callable[..., Any], list[list[float]]]] = {
    "normal log_prob": (
        lambda a, b, x: Normal(a, b).log_prob(x), [[0.5, 1.0], [1.5, 0.5], [0.3, 2.0]]
    ),
    "normal cdf": (lambda a, b, x: Normal(a, b).cdf(x), [[0.5, 1.0], [1.5, 0.5], [0.3, 2.0]]),
    "normal icdf": (lambda a, b, x: Normal(a, b).icdf(x), [[0.5, 1.0], [1.5, 0.5], [0.3, 0.9]]),
    "normal kl": (
        lambda a, b, c, d: kl_divergence(Normal(a, b), Normal(c, d)),
        [[0.5, 1.0], [1.5, 0.5], [0.3, 2.0], [1.0, 0.75]],
    ),
    "uniform log_prob": (
        lambda a, b: Uniform(a, b).log_prob(lab.tensor([0.5, 0.75]).to(a.dtype)),
        [[0.0, 0.5], [1.0, 3.0]],
    ),
    "bernoulli log_prob": (
        lambda p: Bernoulli(p).log_prob(lab.tensor([0.0, 1.0]).to(p.dtype)), [[0.25, 0.75]]
    ),
    "bernoulli entropy": (lambda z: Bernoulli(logits=z).entropy(), [[0.25, -0.75]]),
    "bernoulli kl": (
        lambda p, z: kl_divergence(Bernoulli(p), Bernoulli(logits=z)), [[0.25, 0.75], [1.0, -1.0]]
    ),
    "categorical log_prob": (
        lambda p: Categorical(p).log_prob(lab.tensor([2, 0])), [[0.25, 0.75, 2.0]]
    ),
    "categorical entropy": (lambda z: Categorical(logits=z).entropy(), [[0.25, -0.75, 1.0]]),
    "categorical kl": (
        lambda p, z: kl_divergence(Categorical(p), Categorical(logits=z)),
        [[0.25, 0.75, 2.0], [1.0, -1.0, 0.5]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_both_orders_and_graph_mode(name: str) -> None:
    call, lists = FUNCTIONS[name]
    inputs = [lab.tensor(x, dtype=lab.float64, requires_grad=True) for x in lists]
    assert gradcheck(call, inputs)
    assert gradgradcheck(call, inputs)
    plain = [x.detach() for x in inputs]
    np.testing.assert_allclose(lab.compile(call)(*plain).numpy(), call(*plain).numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_a_graph_draws_anew_and_as_eager_code(name: str) -> None:
    distribution, _, _ = made(lab, name, "float32")

    def draw() -> Any:
        y = distribution.sample((4,))
        return y, distribution.log_prob(y)

    compiled, found = lab.compile(draw), []
    for call in (draw, compiled):
        lab.manual_seed(3)
        found.append([[x.detach().numpy() for x in call()] for _ in range(3)])
    for eager, graph in zip(*found, strict=True):
        for a, b in zip(eager, graph, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
    assert any((found[1][0][0] != again[0]).any() for again in found[1][1:])


# Errors --------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "scale": (
        lambda t: t.distributions.Normal(0.0, t.tensor([1.0, -1.0])),
        r"Normal\(loc, scale\): scale is out of range\n  loc    float32 \(2,\)\n"
        r"  scale  float32 \(2,\)\n  expected numbers above 0, got -1\. at \[1\]",
    ),
    "scale nan": (lambda t: t.distributions.Normal(0.0, math.nan), "above 0, got nan"),
    "loc": (lambda t: t.distributions.Normal(math.nan, 1.0), "loc is out of range"),
    "kind": (lambda t: t.distributions.Normal("a", 1.0), "loc is str 'a'\n  expected a tensor"),
    "shapes": (
        lambda t: t.distributions.Normal(t.zeros(2), t.ones(3)), "broadcast"
    ),
    "low": (
        lambda t: t.distributions.Uniform(t.tensor([0.0, 2.0]), 1.0),
        r"low is out of range\n(.*\n)*  expected numbers below high, got 2\. at \[1\]",
    ),
    "probs": (lambda t: t.distributions.Bernoulli(1.5), "numbers from 0 to 1, got 1.5"),
    "neither": (lambda t: t.distributions.Bernoulli(), "neither of probs and logits given"),
    "both": (
        lambda t: t.distributions.Categorical(t.ones(2), t.ones(2)), "both of probs and logits"
    ),
    "negative": (
        lambda t: t.distributions.Categorical(t.tensor([[0.5, 0.5], [-1.0, 2.0]])),
        r"expected numbers of 0 or more, not all of them 0, got \[-1\.,  2\.\] at \[1\]",
    ),
    "zeros": (lambda t: t.distributions.Categorical(t.zeros(2)), r"got \[0\., 0\.\]"),
    "logits": (
        lambda t: t.distributions.Categorical(logits=t.tensor([1.0, math.nan])),
        r"expected numbers without NaN and inf, not all of them -inf, got \[ 1\., nan\]",
    ),
    "one number": (
        lambda t: t.distributions.Categorical(t.tensor(0.5)), "one entry for each class"
    ),
    "class": (
        lambda t: t.distributions.Categorical(t.ones(2)).log_prob(t.tensor([0, 2])),
        r"Categorical.log_prob\(value\): value is out of range\n  value  int64 \(2,\)\n"
        r"  expected integers from 0 to 1, got 2 at \[1\]",
    ),
    "half": (
        lambda t: t.distributions.Bernoulli(0.5).log_prob(t.tensor(0.5)),
        "expected 0 or 1, got 0.5",
    ),
    "outside": (
        lambda t: t.distributions.Uniform(0.0, 1.0).cdf(t.tensor(3.0)),
        r"expected numbers from low to high, got 3\.",
    ),
    "value shape": (
        lambda t: t.distributions.Normal(t.zeros(2), 1.0).log_prob(t.zeros(3)),
        r"value  float32 \(3,\)\n  expected a shape that broadcasts with \(2,\)",
    ),
    "value kind": (
        lambda t: t.distributions.Normal(0.0, 1.0).log_prob(1.0), "expected a tensor, got float"
    ),
    "sample_shape": (
        lambda t: t.distributions.Normal(0.0, 1.0).sample(3), r"write \(3,\) for three draws"
    ),
    "no rsample": (
        lambda t: t.distributions.Bernoulli(0.5).rsample(), "Bernoulli has no rsample, as in"
    ),
    "no cdf": (lambda t: t.distributions.Categorical(t.ones(2)).cdf(t.tensor(1)), "has no cdf"),
    "no support": (
        lambda t: t.distributions.Normal(0.0, 1.0).enumerate_support(), "no enumerate_support"
    ),
    "no rule": (
        lambda t: t.distributions.kl_divergence(
            t.distributions.Bernoulli(0.5), t.distributions.Normal(0.0, 1.0)
        ),
        "no rule for Bernoulli and Normal",
    ),
    "switch": (
        lambda t: t.distributions.Distribution.set_default_validate_args("no"),
        "expected True or False, got str 'no'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors(oracle: Any, name: str) -> None:
    call, text = ERRORS[name]
    with pytest.raises(oracle.error(call), match=text) as found:
        call(lab)
    assert isinstance(found.value, lab.LabError)


def test_checks_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert math.isnan(Normal(0.0, -1.0, validate_args=False).entropy().item())
    assert Uniform(0.0, 1.0, validate_args=False).log_prob(lab.tensor(3.0)).item() == -math.inf
    monkeypatch.setattr(Distribution, "_validate_args", True)
    Distribution.set_default_validate_args(False)
    assert math.isnan(Normal(0.0, -1.0).entropy().item())
