"""Small experiments on the engine that show what a mistake does, each run once and kept."""

from __future__ import annotations

from functools import cache

from ...creation import rand, randn
from ...nn.functional import cross_entropy, mse_loss, softmax
from ...random import get_rng_state, manual_seed, set_rng_state
from ...tensor import Tensor, tensor

Rows = tuple[tuple[str, str], ...]


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _row(x: Tensor) -> str:
    return ", ".join(f"{v:.4f}".replace("-", "−") for v in x.tolist())


@cache
def softmax_twice() -> Rows:
    """The gradient of a confident wrong answer, with one softmax and with two."""
    rows = []
    for words, soften in (("logits into the loss", False), ("probabilities into the loss", True)):
        z = tensor([[4.0, 0.0, 0.0]], requires_grad=True)
        given = softmax(z, 1) if soften else z
        cross_entropy(given, tensor([1])).backward()
        assert z.grad is not None
        rows.append(
            (
                f"gradient of logits 4, 0, 0 where the second is right: {words}",
                _row(z.grad[0]),
            )
        )
    return tuple(rows)


@cache
def lowest_twice(classes: int) -> Rows:
    """The smallest loss that two softmaxes can reach."""
    sure = tensor([[1.0] + [0.0] * (classes - 1)])
    lowest = cross_entropy(sure, tensor([0])).item()
    words = f"lowest loss of a perfect answer for {classes} classes"
    return ((f"{words}, softmax twice", _number(lowest)), (f"{words}, softmax once", "0"))


@cache
def adds_up() -> Rows:
    """The gradient of w² at w = 1 after one, two and three calls of backward()."""
    w = tensor(1.0, requires_grad=True)
    found = []
    for _ in range(3):
        (w**2).backward()
        found.append(_number(w.grad.item() if w.grad is not None else 0.0))
    return (("w.grad after 1, 2, 3 calls of backward() for w² at w = 1", ", ".join(found)),)


@cache
def wiped() -> Rows:
    """The gradient that a step finds where zero_grad() came after backward()."""
    w = tensor(1.0, requires_grad=True)
    (w**2).backward()
    before = w.grad.item() if w.grad is not None else 0.0
    w.grad = None
    return (
        ("w.grad for w² at w = 1 after backward()", _number(before)),
        ("after zero_grad()", str(w.grad)),
    )


@cache
def column_less_row() -> Rows:
    """The loss of a perfect answer, as it should be and after broadcasting."""
    answers = tensor([1.0, 2.0, 3.0])
    column = answers.reshape(3, 1)
    wide = ((column - answers) ** 2).mean().item()
    right = mse_loss(column, answers.reshape(3, 1)).item()
    return (
        ("loss of the perfect answer 1, 2, 3 with shapes (3, 1) and (3,)", _number(wide)),
        ("with shapes (3, 1) and (3, 1)", _number(right)),
    )


@cache
def noise(uniform: bool = False) -> Rows:
    """The smallest mean loss on targets that are drawn anew."""
    kept = get_rng_state()
    manual_seed(0)
    drawn = rand(10_000) if uniform else randn(10_000)
    set_rng_state(kept)
    best = mse_loss(drawn.mean().expand(10_000), drawn).item()
    return (("mean loss of the best constant answer on 10,000 such targets", _number(best)),)


@cache
def itself() -> Rows:
    """Cross-entropy of probabilities with themselves: what falls, and what was asked."""
    rows = []
    for words, values in (
        ("unsure", [0.0, 0.0, 0.0]),
        ("sure, and never told the answer", [20.0, 0.0, 0.0]),
    ):
        p = softmax(tensor([values]), 1)
        rows.append(
            (f"loss of an output with itself, {words}", _number(cross_entropy(p, p).item()))
        )
    return tuple(rows)


@cache
def fed() -> Rows:
    """The gradient of the weight behind a value that is computed, and behind one that is fed."""
    rows = []
    for words, cut in (("computed", False), ("fed", True)):
        w = tensor(0.5, requires_grad=True)
        y = w * 2.0
        if cut:
            y = tensor(1.0, requires_grad=True)
        ((y - 3.0) ** 2).backward()
        rows.append(
            (
                f"gradient of w for (y − 3)², y = 2 w {words}",
                "0" if w.grad is None else _number(w.grad.item()),
            )
        )
    return tuple(rows)


@cache
def several() -> Rows:
    """The gradient of a sum of losses next to that of their mean."""
    rows = []
    for words in ("the sum, as the tape takes it", "the mean"):
        w = tensor(1.0, requires_grad=True)
        losses = (w * tensor([1.0, 2.0, 3.0, 4.0]) - 1.0) ** 2
        (losses.mean() if words == "the mean" else losses.sum()).backward()
        rows.append(
            (
                f"gradient of w for four losses, {words}",
                _number(w.grad.item() if w.grad is not None else 0.0),
            )
        )
    return tuple(rows)
