"""Broken engines: each gives the gradients that its mistake gives, and only where it is on."""

from __future__ import annotations

import threading

import pytest

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.autograd import gradcheck
from minitorch_lab.errors import ArgumentError, GradError, ShapeError


def poly(x):
    return x**2 + 2 * x + 1


def early(x):
    """``y`` has two users; the nearer one is met before the gradient of the other is there."""
    y = x * x
    return y.sin() * 2 + y


def spread(b):
    return (lab.ones(4, 3, dtype=b.dtype) * 2 + b).sum()


def gradient(function, value=3.0):
    x = lab.tensor(value, requires_grad=True, dtype=lab.float64)
    function(x).backward()
    return x.grad


# At x = 3: the right gradients are 2x + 2 = 8 and (2 cos 9 + 1) 6.
@pytest.mark.parametrize(
    ("name", "function", "wrong"),
    [
        ("overwrite", poly, 6.0),  # pow comes last and wipes out the 2 of mul
        ("order", poly, 8.0),  # no inner node has two users: nothing is lost
        ("order", early, 6.0),  # y passes on the 1 of add; what sin brings is lost
        ("overwrite", early, 6 * -0.9111302618846769),  # each time the last one stays
        ("zero_grad", poly, 8.0),
        ("broadcast", poly, 8.0),
    ],
)
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_the_wrong_gradient_that_the_mistake_gives(name, function, wrong, graph):
    called = lab.compile(function) if graph else function
    right = gradient(function)
    assert gradient(called).item() == pytest.approx(right.item())
    with lab.broken(name):
        assert gradient(called).item() == pytest.approx(wrong)
    assert gradient(called).item() == pytest.approx(right.item())  # no broken graph stays behind


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_a_whole_step_as_one_graph_breaks_as_in_eager_mode(graph):
    net = nn.Linear(2, 1)
    sgd = optim.SGD(net.parameters(), lr=0.5)

    def step(x):
        sgd.zero_grad()
        loss = (net(x) * 2 + net(x)).sum()
        loss.backward()
        sgd.step()
        return loss

    run = lab.compile(step) if graph else step
    with lab.no_grad():
        net.weight.fill_(1)
        net.bias.fill_(1)
    run(lab.ones(1, 2))
    assert net.bias.tolist() == [1 - 0.5 * 3]
    with lab.broken("zero_grad"):
        run(lab.ones(1, 2))
    assert net.bias.tolist() == [-0.5 - 0.5 * 6]  # the 3 of the step before is still there
    with lab.broken("overwrite"):
        run(lab.ones(1, 2))
    assert net.bias.tolist() == [-3.5 - 0.5 * 2]  # the first layer call comes last on the way back


def test_overwrite_forgets_what_an_earlier_backward_left():
    x = lab.tensor(1.0, requires_grad=True)
    (3 * x).backward()
    with lab.broken("overwrite"):
        (5 * x).backward()
    assert x.grad.item() == 5
    (5 * x).backward()
    assert x.grad.item() == 10


def test_without_the_sum_a_gradient_has_the_shape_of_the_output():
    with lab.broken("broadcast"):
        assert gradient(spread, [1.0, 2.0, 3.0]).tolist() == [[1.0] * 3] * 4
    assert gradient(spread, [1.0, 2.0, 3.0]).tolist() == [4.0] * 3


def test_a_shape_that_fits_no_more_is_an_error_that_says_who_is_to_blame():
    b = lab.ones(3, requires_grad=True)
    with lab.broken("broadcast"), pytest.raises(ShapeError) as raised:
        (lab.ones(4, 3) + (b * 2).reshape(1, 3).reshape(3)).sum().backward()
    assert str(raised.value).startswith(
        "backward() with lab.broken('broadcast'): a gradient has the wrong shape\n"
    )
    assert "leave the with block" in str(raised.value)
    assert b.grad is None


@pytest.mark.parametrize(
    ("name", "function", "value", "found"),
    [
        ("overwrite", poly, 3.0, True),
        ("overwrite", lambda x: x * 2, 3.0, False),  # one path: nothing to wipe out
        ("order", early, 3.0, True),
        ("order", poly, 3.0, False),
        ("broadcast", spread, [1.0, 2.0, 3.0], True),
        ("broadcast", lambda x: (x * x).sum(), [1.0, 2.0], False),
    ],
)
def test_gradcheck_finds_which_gradients_are_wrong(name, function, value, found):
    x = lab.tensor(value, requires_grad=True, dtype=lab.float64)
    assert gradcheck(function, x)
    with lab.broken(name):
        assert gradcheck(function, x, raise_exception=False) is not found
        if found:
            with pytest.raises(GradError, match="gradcheck: the gradient of input 0"):
                gradcheck(function, x)


def test_zero_grad_of_optimisers_and_modules_does_nothing():
    net = nn.Linear(2, 1)
    sgd = optim.SGD(net.parameters(), lr=0.1)
    net(lab.ones(1, 2)).sum().backward()
    with lab.broken("zero_grad"):
        sgd.zero_grad()
        net.zero_grad()
        assert net.bias.grad.tolist() == [1.0]
    sgd.zero_grad()
    assert net.bias.grad is None


def test_it_is_loud(capsys):
    assert repr(lab.broken).startswith("lab.broken: nothing is broken\n  off  overwrite")
    with lab.broken("order"):
        assert repr(lab.broken).startswith("lab.broken: order\n  off  overwrite")
        assert "  ON   order " in repr(lab.broken)
    assert capsys.readouterr().err == (
        "lab.broken('order') is on: a node passes on its gradient before all of it has arrived "
        "(no topological order)\n"
    )
    assert lab.broken.on == ()


def test_blocks_in_blocks_and_errors_inside():
    with lab.broken("order", "zero_grad"):
        with lab.broken("overwrite"):
            assert lab.broken.on == ("order", "zero_grad", "overwrite")
        assert lab.broken.on == ("order", "zero_grad")
    with pytest.raises(ZeroDivisionError), lab.broken("order"):
        1 / 0  # noqa: B018
    assert lab.broken.on == ()


def test_another_thread_computes_on_rightly():
    found = []
    with lab.broken("overwrite"):
        thread = threading.Thread(target=lambda: found.append(gradient(poly).item()))
        thread.start()
        thread.join()
        assert gradient(poly).item() == 6
    assert found == [8]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            ("ordre",),
            "broken(name): there is no such mistake\n  got 'ordre'\n"
            "  expected 'overwrite', 'order', 'broadcast', 'zero_grad'\n"
            "  did you mean 'order'?",
        ),
        (
            (3,),
            "broken(name): there is no such mistake\n  got int 3\n"
            "  expected 'overwrite', 'order', 'broadcast', 'zero_grad'",
        ),
        (
            (),
            "broken(name): name is missing\n"
            "  expected 'overwrite', 'order', 'broadcast', 'zero_grad'",
        ),
    ],
)
def test_an_unknown_name(names, text):
    with pytest.raises(ArgumentError) as raised:
        lab.broken(*names)
    assert str(raised.value) == text


def test_the_explorer_says_so_too():
    x = lab.tensor(2.0, requires_grad=True)
    y = x**2 + 2 * x + 1
    with lab.broken("overwrite"):
        widget = lab.explore(y)
    assert widget.badge == "broken: overwrite"
    note = "lab.broken('overwrite') is on: these gradients are wrong on purpose."
    assert note in widget.transcript()
    assert "#1 input x float32 () value 2 gradient 4" in widget.transcript()
    assert lab.explore(y).badge == ""
