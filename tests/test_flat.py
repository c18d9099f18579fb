"""Optimiser updates over flat buffers: the stage "flat" of the NumPy executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.graph.passes.flat import MOST, side_by_side

Make = Callable[[Any], Any]

OPTIMISERS: dict[str, Make] = {
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.1),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "momentum": lambda p: optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "sgd": lambda p: optim.SGD(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, centered=True, momentum=0.5),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.01),
    "adadelta": lambda p: optim.Adadelta(p, lr=0.5),
    "adamax": lambda p: optim.Adamax(p, lr=0.01),
    "nadam": lambda p: optim.NAdam(p, lr=0.01),
    "radam": lambda p: optim.RAdam(p, lr=0.01),
    "rprop": lambda p: optim.Rprop(p, lr=0.01),
}


class Run:
    """A small model with a compiled training step."""

    def __init__(self, make: Make, clip: bool = False, **options: Any) -> None:
        lab.manual_seed(0)
        layers = [nn.Linear(6, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 5), nn.Linear(5, 3)]
        self.model = nn.Sequential(*layers)
        self.optimizer = make(self.model.parameters())
        self.x, self.y = lab.randn(4, 6), lab.tensor([0, 2, 1, 1])

        def step(x: Any, y: Any) -> Any:
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(x), y)
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(self.model.parameters(), 0.1)
            self.optimizer.step()
            return loss

        self.step = step
        self.compiled = lab.compile(step, executor="numpy", **options)

    def go(self, count: int = 3) -> Run:
        for _ in range(count):
            self.compiled(self.x, self.y)
        return self

    def code(self) -> str:
        return self.compiled.code(self.x, self.y)

    def roots(self) -> int:
        """How often the code of a step takes roots, as Adam does."""
        return self.code().count("\n    sqrt")

    def gathered(self) -> bool:
        return any(r.name == "flat" and r.changes for r in self.compiled.passes(self.x, self.y))

    def arrays(self) -> list[Any]:
        """Weights, gradients, and the state of the optimiser."""
        found = [a for p in self.model.parameters() for a in (p.array, p.grad.array)]
        for values in self.optimizer.state.values():
            found += [getattr(v, "array", v) for v in values.values()]
        return found


def same(a: Run, b: Run) -> bool:
    pairs = list(zip(a.arrays(), b.arrays(), strict=True))
    return all(np.array_equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("clip", [False, True], ids=["", "clipped"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_bit_stays(name: str, clip: bool) -> None:
    flat = Run(OPTIMISERS[name], clip).go()
    assert same(flat, Run(OPTIMISERS[name], clip, without="flat").go())
    # plain descent is one call for each parameter: nothing can be won; Rprop has where()
    assert flat.gathered() == (name not in ("sgd", "rprop"))
    assert flat.compiled.passes(flat.x, flat.y)[-3].certificate().bitwise


def test_one_call_goes_over_all_parameters() -> None:
    flat, plain = Run(OPTIMISERS["adam"]).go(), Run(OPTIMISERS["adam"], without="flat").go()
    assert (flat.roots(), plain.roots()) == (2, 9)  # one is that of the layer norm
    (record,) = [r for r in flat.compiled.passes(flat.x, flat.y) if r.name == "flat"]
    roots = [c for c in record.changes if c.after[0].ops == ("sqrt",)]
    assert [len(c.before) for c in roots] == [8]
    assert roots[0].lines[0].text == "self.optimizer.step()"
    assert len(record.before) - len(record.after) == 7 * 11 - 1  # calls, and what joins gradients
    assert record.bytes_saved == 0


def test_state_lies_side_by_side_and_gradients_do() -> None:
    run = Run(OPTIMISERS["adam"]).go(1)
    for name in ("exp_avg", "exp_avg_sq"):
        state = [run.optimizer.state[p][name].array for p in run.model.parameters()]
        assert side_by_side(state) is not None
    assert side_by_side([p.grad.array for p in run.model.parameters()]) is not None


def test_parameters_stay_where_they_are() -> None:
    run = Run(OPTIMISERS["adam"])
    held = [p.array for p in run.model.parameters()]
    run.go()
    assert all(p.array is a for p, a in zip(run.model.parameters(), held, strict=True))


def test_counts_of_steps_that_differ_are_heeded() -> None:
    # the last layer has been trained for 5 steps already: its step is another one
    runs = [Run(OPTIMISERS["adam"]), Run(OPTIMISERS["adam"], without="flat")]
    for run in runs:
        run.go(1)
        for p in run.model[-1].parameters():
            run.optimizer.state[p]["step"] += 5
        run.go(2)
    assert same(*runs)
    assert runs[0].compiled.traces == 1
    assert runs[0].gathered()


def test_groups_with_settings_of_their_own_have_buffers_of_their_own() -> None:
    def make(params: Any) -> Any:
        params = list(params)
        groups = [{"params": params[:4]}, {"params": params[4:], "lr": 0.1}]
        return optim.Adam(groups, lr=0.01)

    flat, plain = Run(make).go(), Run(make, without="flat").go()
    assert same(flat, plain)
    assert flat.roots() == 3  # one is that of the layer norm
    for run in (flat, plain):  # rates that come to be equal, or change, are read anew
        run.optimizer.param_groups[1]["lr"] = 0.05
        run.go()
    assert same(flat, plain)


def test_other_steps_between_change_nothing() -> None:
    runs = [Run(OPTIMISERS["momentum"]), Run(OPTIMISERS["momentum"], without="flat")]
    for run in runs:
        run.go()
        run.step(run.x, run.y)  # eager mode
        run.model[0].weight.requires_grad = False
        run.go()
        run.model[0].weight.requires_grad = True
        run.go()
    assert same(*runs)


def test_state_that_is_loaded_lies_side_by_side_again() -> None:
    runs = [Run(OPTIMISERS["adam"]), Run(OPTIMISERS["adam"], without="flat")]
    for run in runs:
        saved = run.go().optimizer.state_dict()
        kept = [v["exp_avg"].array.copy() for v in saved["state"].values()]
        run.go()
        run.optimizer.load_state_dict(saved)
        run.go()
        assert len(kept) == 8
    assert same(*runs)
    state = [v["exp_avg"].array for v in runs[0].optimizer.state.values()]
    assert side_by_side(state) is not None


def test_state_that_is_put_elsewhere_is_updated_one_by_one() -> None:
    runs = [Run(OPTIMISERS["adam"]), Run(OPTIMISERS["adam"], without="flat")]
    for run in runs:
        run.go(1)
        for values in run.optimizer.state.values():
            values["exp_avg"].array = values["exp_avg"].array.copy()
        run.go()
    assert same(*runs)
    assert not runs[0].gathered()


def test_saved_state_is_not_overwritten_by_state_that_is_made_anew() -> None:
    run = Run(OPTIMISERS["adam"]).go()
    first = run.optimizer.state[run.model[0].weight]["exp_avg"]
    before = first.array.copy()
    run.optimizer.state.clear()
    run.step(run.x, run.y)
    assert np.array_equal(first.array, before)


def test_a_buffer_stays_in_the_cache() -> None:
    params = [nn.Parameter(lab.randn(MOST // 3)) for _ in range(7)]
    optimizer = optim.Adam(params)

    def step(x: Any) -> Any:
        loss = sum(((p * p).sum() for p in params), x)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    compiled = lab.compile(step, executor="numpy")
    x = lab.tensor(0.0)
    compiled(x)
    assert compiled.code(x).count("\n    sqrt") == 3  # of three, three and one


def test_gradients_that_are_forgotten_share_a_buffer() -> None:
    params = [nn.Parameter(lab.randn(5)) for _ in range(4)]
    other = [nn.Parameter(p.detach().clone()) for p in params]

    def steps(params: Any, **options: Any) -> Any:
        optimizer = optim.Adam(params)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = sum((p.exp() * x).sum() for p in params)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        return lab.compile(step, executor="numpy", **options)

    flat, plain = steps(params), steps(other, without="flat")
    for k in range(4):
        x = lab.full((5,), float(k))
        assert flat(x).item() == plain(x).item()
    assert all(np.array_equal(p.array, q.array) for p, q in zip(params, other, strict=True))
    assert "empty" not in flat.code(x).replace("empty", "", 1)  # but for the loss
