"""The table of a model: what it counts, and that the model stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn
from minitorch_lab.nn import functional as F


class Net(nn.Module):
    """A part that is used twice, one that is frozen, an op of its own, statistics and chance."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.body = nn.Sequential(nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.act = nn.ReLU()
        self.head = nn.Linear(4 * 4 * 4, 10)
        self.head.requires_grad_(False)

    def forward(self, x: Any, scale: Any = 1.0) -> Any:
        x = self.act(self.body(self.conv(x)))
        x = F.max_pool2d(self.act(x), 2).flatten(1)
        return self.head(x * scale), x


def rows(found: Any) -> dict[str, Any]:
    return {row.name: row for row in found.rows}


def test_what_is_counted() -> None:
    found = lab.summary(Net(), (2, 1, 8, 8))
    by = rows(found)
    assert [row.name for row in found.rows] == ["Net", "conv", "body", "0", "1", "act", "head"]
    assert [row.depth for row in found.rows] == [0, 1, 1, 2, 2, 1, 1]
    assert by["conv"].parameters == 4 * 9 + 4
    assert by["conv"].flops == 2 * 9 * (2 * 4 * 8 * 8) + 2 * 4 * 8 * 8
    assert by["conv"].activation_bytes == 2 * 4 * 8 * 8 * 4
    assert by["act"].calls == 2
    assert by["act"].flops == 2 * 2 * 4 * 8 * 8
    assert by["head"].frozen == by["head"].parameters == 650
    assert by["head"].flops == 2 * 2 * 64 * 10 + 20
    assert (by["conv"].input, by["conv"].output) == ("(2, 1, 8, 8)", "(2, 4, 8, 8)")
    assert by["Net"].output == "(2, 10), (2, 64)"
    assert by["Net"].flops > 0  # the pooling and the product are its own
    assert found.parameters == sum(p.numel() for p in Net().parameters())
    assert found.trainable == found.parameters - 650


def test_the_model_stays_as_it_was() -> None:
    net = Net()
    net.body[0].eval()
    lab.manual_seed(3)
    net(lab.randn(2, 1, 8, 8))
    before = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    flags = [m.training for m in net.modules()]
    state, buffer = lab.get_rng_state(), net.body[0].running_mean
    nn.summary(net, (2, 1, 8, 8))
    with pytest.raises(RuntimeError):
        nn.summary(net, (2, 3, 8, 8))
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key])
    assert [m.training for m in net.modules()] == flags
    assert not any(m._hooks for m in net.modules())
    assert all(p.grad is None for p in net.parameters())
    assert net.body[0].running_mean is buffer
    np.testing.assert_array_equal(lab.get_rng_state(), state)


def test_buffers_that_forward_changes_are_put_back() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", lab.zeros(1))
            self.register_buffer("last", None)

        def forward(self, x: Any) -> Any:
            self.seen += 1
            self.last = x
            return x

    net = Counting()
    nn.summary(net, (2, 3))
    assert net.seen.tolist() == [0]
    assert net.last is None


@pytest.mark.parametrize(
    "inputs",
    [
        ((3, 4), (3, 4)),
        ([(3, 4), (3, 4)],),
        (lab.ones(3, 4), (4,)),
        ((lab.ones(3, 4), lab.ones(4)),),
    ],
    ids=["shapes", "a list", "both", "a tuple of tensors"],
)
def test_several_inputs(inputs: Any) -> None:
    class Sum(nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return a + b

    found = nn.summary(Sum(), *inputs)
    assert found.rows[0].input.startswith("(3, 4), (")
    assert found.flops == 12


def test_keywords_doubles_and_gradients_inside() -> None:
    class Slope(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(2, 1)

        def forward(self, x: Any, scale: Any = 1.0) -> Any:
            x = x.detach().requires_grad_()
            return lab.autograd.grad(self.net(x).sum() * scale, x)[0]

    found = nn.summary(Slope().double(), (5, 2), scale=lab.ones(()))
    assert found.rows[0].output == "(5, 2)"
    assert rows(found)["net"].activation_bytes == 5 * 8


def test_text_and_html() -> None:
    class Odd(nn.Module):
        def forward(self, x: Any) -> Any:
            return x

    net = nn.Sequential()
    net.add_module("<b>&", Odd())
    found = nn.summary(net, (2, 3))
    html = found._repr_html_()
    assert "&lt;b&gt;&amp;" in html
    assert "<b>" not in html
    assert "(0 trainable, 0 frozen), 0 B" in html
    lines = repr(nn.summary(Net(), (2, 1, 8, 8))).splitlines()
    assert "act (2 calls)" in lines[7]
    assert len({len(line) for line in lines[1:9] if line.endswith("B")}) == 1
    assert lines[-3] == "parameters   698 (48 trainable, 650 frozen), 2.8 kB"


def test_errors_name_the_module() -> None:
    with pytest.raises(RuntimeError, match=r"forward failed in conv \(Conv2d\)") as caught:
        nn.summary(Net(), (2, 3, 8, 8))
    assert "(2, 3, 8, 8)" in str(caught.value)
    with pytest.raises(RuntimeError, match=r"forward failed in Embedding"):
        nn.summary(nn.Embedding(3, 2), (2,))
    with pytest.raises(TypeError, match="expected a module, got int 3"):
        nn.summary(3, (2,))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="give an input"):
        nn.summary(Net())
    with pytest.raises(TypeError, match="a tensor or a shape"):
        nn.summary(Net(), "a")
