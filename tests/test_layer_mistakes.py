"""Layers, losses, modules, data and files: what a learner reads after the usual mistakes."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn

rng = np.random.default_rng(7)
SCORES = rng.normal(size=(5, 4))

pytestmark = pytest.mark.filterwarnings("ignore:Using a target:UserWarning")

# Targets that do not count ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("classes", [[0, 1, 2, 3, 0], [0, -100, 2, -100, 3], [-100] * 5])
def test_ignored_classes(name: str, classes: list[int], graph: bool, oracle: Any) -> None:
    def run(t: Any) -> Any:
        x = t.tensor(SCORES, requires_grad=True)
        loss = getattr(t.nn.functional, name)
        if graph and t is lab:
            loss = lab.compile(loss)
        found = loss(x, t.tensor(classes))
        found.backward()
        return found, x.grad

    (value, grad), (their_value, their_grad) = oracle.both(run)
    np.testing.assert_allclose(value, their_value, rtol=1e-9)
    np.testing.assert_allclose(grad, their_grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_ignored_classes_have_second_gradients(name: str) -> None:
    loss, target = getattr(nn.functional, name), lab.tensor([0, -100, 2, -100, 3])
    x = lab.tensor(SCORES, requires_grad=True)
    assert lab.autograd.gradcheck(lambda x: loss(x * x, target), (x,))
    assert lab.autograd.gradgradcheck(lambda x: loss(x * x, target), (x,))


# Shapes that broadcast -------------------------------------------------------------------------

PAIRS = {
    "column and row": (
        (4, 1),
        (4,),
        "input (4, 1) and target (4,) broadcast to (4, 4), so 16 pairs are compared and not 4\n"
        "  write target.reshape(4, 1)",
    ),
    "row and column": (
        (4,),
        (4, 1),
        "input (4,) and target (4, 1) broadcast to (4, 4), so 16 pairs are compared and not 4\n"
        "  write target.reshape(4,)",
    ),
    "one row for all": (
        (4, 3),
        (3,),
        "input (4, 3) and target (3,) broadcast to (4, 3), so each target is compared 4 times\n"
        "  if every pair is meant, write target.expand(4, 3)",
    ),
    "too few predictions": (
        (3,),
        (4, 3),
        "input (3,) and target (4, 3) broadcast to (4, 3), so each prediction is compared 4 times\n"
        "  give each prediction one target",
    ),
}


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
@pytest.mark.parametrize("case", PAIRS)
def test_shapes_that_broadcast(case: str, name: str, graph: bool, oracle: Any) -> None:
    mine, other, text = PAIRS[case]
    data = [np.arange(np.prod(s)).reshape(s) / (k + 3) for k, s in enumerate((mine, other))]

    def run(t: Any) -> Any:
        xs = [t.tensor(a, requires_grad=True) for a in data]
        found = []
        for reduction in ("mean", "sum", "none"):
            loss = partial(getattr(t.nn.functional, name), reduction=reduction)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found.append((lab.compile(loss) if graph and t is lab else loss)(*xs))
            told = [str(w.message) for w in caught if w.category is UserWarning]
            assert len(told) == 1
            assert t is not lab or (told[0], caught[0].filename) == (f"{name}: {text}", __file__)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sum(y.sum() for y in found).backward()
        return *found, *(x.grad for x in xs)

    for ours, theirs in zip(*oracle.both(run), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_shapes_that_do_not_broadcast(name: str, oracle: Any) -> None:
    def run(t: Any) -> Any:
        return getattr(t.nn.functional, name)(t.ones(4, 2), t.ones(3, 2))

    with pytest.raises(oracle.error(run), match="each prediction needs one target"):
        run(lab)
