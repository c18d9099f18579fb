"""What a learner reads when something is wrong: the same words in both modes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn, optim

F = nn.functional


def net() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4608, 10)
    )


layer = nn.Linear(3, 2)
w = lab.ones(3, requires_grad=True)


def changed_too_early(x: Any) -> None:
    y = w * 2
    z = y * y
    y.add_(1)
    z.sum().backward()


def twice(x: Any) -> None:
    loss = layer(x).sum()
    loss.backward()
    loss.backward()


# name: (what the learner runs, its inputs, the class, the built-in it also is, the text)
BOTH: dict[str, tuple[Callable[..., Any], list[Any], type, type, str]] = {
    "flatten and linear": (
        lambda x, model: model(x),
        [lab.ones(2, 1, 28, 28), net()],
        lab.ShapeError,
        RuntimeError,
        """\
linear(input, weight, bias): inner sizes differ
  input   float32 (2, 5408)   from reshape in Sequential.3
  weight  float32 (10, 4608)  parameter '4.weight'
  bias    float32 (10,)       parameter '4.bias'
  expected weight.shape[1] == input.shape[-1], got 4608 and 5408
  5408 = 32 x 13 x 13, from (2, 32, 13, 13)
  use Linear(5408, 10)""",
    ),
    "float64 into a float32 layer": (
        lambda x: layer(x),
        [lab.ones(2, 3, dtype=lab.float64)],
        lab.DTypeError,
        RuntimeError,
        """\
linear(input, weight, bias): the dtypes differ
  input   float64 (2, 3)
  weight  float32 (2, 3)  parameter 'weight'
  bias    float32 (2,)    parameter 'bias'
  expected one dtype, got input float64, weight float32
  convert with .to(lab.float64) or .double()""",
    ),
    "NumPy array into a layer": (
        lambda x: layer(x),
        [np.ones((2, 3))],
        lab.KindError,
        TypeError,
        """\
linear(input, weight, bias): input is not a tensor
  input   numpy array float64 (2, 3)
  weight  float32 (2, 3)              parameter 'weight'
  bias    float32 (2,)                parameter 'bias'
  expected a tensor, got numpy array float64 (2, 3)
  lab.tensor(x) copies an array, lab.from_numpy(x) shares its memory; float64 becomes float32 """
        "with .float()",
    ),
    "list into a layer": (
        lambda x: layer(x),
        [[[1.0, 2.0, 3.0]]],
        lab.KindError,
        TypeError,
        """\
linear(input, weight, bias): input is not a tensor
  input   list of 1 item
  weight  float32 (2, 3)  parameter 'weight'
  bias    float32 (2,)    parameter 'bias'
  expected a tensor, got list of 1 item
  lab.tensor(x) makes a tensor from lists of numbers""",
    ),
    "shapes that do not broadcast": (
        lambda a, b: a + b,
        [lab.ones(2, 3), lab.ones(2, 4)],
        lab.ShapeError,
        RuntimeError,
        """\
add(input, other): the shapes do not broadcast
  input  float32 (2, 3)
  other  float32 (2, 4)
  expected equal sizes, or 1, in dimension -1, got 3 and 4
  shapes are aligned from the right; reshape one, or check where it was made""",
    ),
    "transposed product": (
        lambda a, b: a @ b,
        [lab.ones(2, 3), lab.ones(2, 3)],
        lab.ShapeError,
        RuntimeError,
        """\
matmul(input, other): inner sizes differ
  input  float32 (2, 3)
  other  float32 (2, 3)
  expected other.shape[-2] == input.shape[-1], got 2 and 3
  other looks transposed: try input @ other.T""",
    ),
    "classes out of range": (
        lambda a, b: F.cross_entropy(a, b),
        [lab.ones(2, 3), lab.tensor([0, 3])],
        lab.IndexingError,
        IndexError,
        """\
cross_entropy(input, target): target is out of range
  input   float32 (2, 3)
  target  int64 (2,)
  expected entries from 0 to 2, got 3
  the model needs a score for each class, here 4""",
    ),
    "classes as floats": (
        lambda a, b: F.cross_entropy(a, b),
        [lab.ones(2, 3), lab.tensor([0.0, 1.0])],
        lab.DTypeError,
        RuntimeError,
        """\
cross_entropy(input, target): target must be class numbers
  input   float32 (2, 3)
  target  float32 (2,)
  expected int64 (2,), got float32 (2,)
  convert with .long()""",
    ),
    "targets of another shape": (
        lambda a, b: F.mse_loss(a, b),
        [lab.ones(4, 2), lab.ones(2, 4)],
        lab.ShapeError,
        RuntimeError,
        """\
mse_loss(input, target): input and target differ in shape
  input   float32 (4, 2)
  target  float32 (2, 4)
  expected one shape, got (4, 2) and (2, 4)
  reshape the target to (4, 2), so that each prediction has its own""",
    ),
    "backward on many numbers": (
        lambda x: layer(x).backward(),
        [lab.ones(2, 3)],
        lab.GradError,
        RuntimeError,
        """\
backward(): the gradient of many numbers at once is not defined
  tensor  float32 (2, 2)
  expected one number, such as a loss: shape ()
  reduce it with .sum() or .mean(), or pass backward(gradient=...) of the same shape""",
    ),
    "backward twice": (
        twice,
        [lab.ones(2, 3)],
        lab.GradError,
        RuntimeError,
        """\
backward(): the values of this graph were freed by an earlier backward()
  first freed node reached: sum
  expected a graph that was not walked yet
  compute the loss again before each backward(), or keep the values with """
        "backward(retain_graph=True)",
    ),
    "backward without a graph": (
        lambda x: x.sum().backward(),
        [lab.ones(2)],
        lab.GradError,
        RuntimeError,
        """\
backward(): this tensor has no graph
  tensor  float32 ()  requires_grad=False
  expected a tensor that was computed from one with requires_grad=True
  set requires_grad=True on the inputs whose gradient you want; no_grad(), .detach() and """
        ".item() cut the graph\n"
        "  a gradient has a graph where it was made with create_graph=True, and else none",
    ),
    "integers with gradient": (
        lambda x: lab.tensor([1, 2], requires_grad=True),
        [lab.ones(1)],
        lab.GradError,
        RuntimeError,
        """\
requires_grad: a tensor of int64 cannot have a gradient
  dtype  int64
  expected a float dtype: integers do not change smoothly
  write tensor([1., 2.]) with a point, or convert with .float()""",
    ),
    "a value that was overwritten": (
        changed_too_early,
        [lab.ones(1)],
        lab.GradError,
        RuntimeError,
        """\
backward(): mul needs its input, which was changed in place after it was used
  needed by: mul
  changed by: add
  expected input (3,) as it was then
  use the form without the underscore (x = x + 1 for x += 1 or x.add_(1)), or .clone() first""",
    ),
    "a leaf changed in place": (
        lambda x: w.add_(1),
        [lab.ones(1)],
        lab.GradError,
        RuntimeError,
        """\
add_: a leaf that requires grad cannot be changed in place
  tensor  float32 (3,)
  expected a change outside the graph
  put the update under `with lab.no_grad():`""",
    ),
    "an in-place result of another shape": (
        lambda a, b: (a * 1).add_(b),
        [lab.ones(3), lab.ones(2, 3)],
        lab.ShapeError,
        RuntimeError,
        """\
add(input, other): the result does not fit into the tensor that takes it
  input  float32 (3,)
  other  float32 (2, 3)
  expected (3,), got (2, 3)
  use the form without the underscore: add(...)""",
    ),
    "pictures without a channel": (
        lambda x, model: model(x),
        [lab.ones(2, 28, 28), net()],
        lab.ShapeError,
        RuntimeError,
        """\
conv2d(input, weight, bias, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1): \
input needs 4 dimensions
  input   float32 (2, 28, 28)
  weight  float32 (32, 1, 3, 3)  parameter '0.weight'
  bias    float32 (32,)          parameter '0.bias'
  expected (N, C, H, W): pictures, channels, height, width; got (2, 28, 28)
  a batch of grey pictures (N, H, W) gets its channel by .unsqueeze(1)""",
    ),
    "mean of integers": (
        lambda x: x.mean(),
        [lab.tensor([1, 2])],
        lab.DTypeError,
        RuntimeError,
        """\
mean(input, dim=(0,)): input must be floating point
  input  int64 (2,)
  expected a float dtype, got int64
  convert with .float()""",
    ),
    "a dimension that is not there": (
        lambda x: x.sum(5),
        [lab.ones(3, 3)],
        lab.IndexingError,
        IndexError,
        """\
dim=5 is out of range for a tensor with 2 dimensions
  expected dim from -2 to 1""",
    ),
    "a shape that does not fit": (
        lambda x: x.reshape(4, 4),
        [lab.ones(3, 3)],
        lab.ShapeError,
        RuntimeError,
        """\
reshape(input, shape=(4, 4)): 9 entries do not fit into shape (4, 4)
  input  float32 (3, 3)
  expected sizes whose product is 9, got 16
  one size may be -1: it is worked out from the rest""",
    ),
    "an index out of range": (
        lambda x: x[5],
        [lab.ones(3, 3)],
        lab.IndexingError,
        IndexError,
        """\
slice(input, index=(5,)): index 5 is out of range
  input  float32 (3, 3)
  expected an index from -3 to 2 for dimension 0 of size 3""",
    ),
}


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_message(name: str, mode: str) -> None:
    function, inputs, kind, builtin, text = BOTH[name]
    run = lab.compile(function) if mode == "graph" else function
    w.grad = layer.weight.grad = layer.bias.grad = None
    with pytest.raises(kind) as error:
        run(*inputs)
    assert str(error.value) == text
    assert isinstance(error.value, builtin)
    assert w.grad is None


GRAPH: dict[str, tuple[Callable[[Any], Any], str]] = {
    "branch": (
        lambda x: x if x.sum() > 0 else -x,
        "a branch on a value while the graph is traced",
    ),
    "item": (lambda x: x.sum().item(), ".item() while the graph is traced"),
    "print": (lambda x: print(x), "print of a value while the graph is traced"),
    "format": (lambda x: f"{x.sum()}", "print of a value while the graph is traced"),
    "tolist": (lambda x: x.tolist(), ".tolist() while the graph is traced"),
    "numpy": (lambda x: x.numpy(), ".numpy() while the graph is traced"),
    "mask": (lambda x: x[x > 0], "indexing with a bool tensor while the graph is traced"),
    "range": (lambda x: list(range(x.sum().long())), "reading a value"),
}


@pytest.mark.parametrize("name", GRAPH)
def test_what_a_graph_cannot_hold(name: str) -> None:
    function, text = GRAPH[name]
    with pytest.raises(lab.TraceError) as error:
        lab.compile(function)(lab.ones(3))
    lines = str(error.value).splitlines()
    assert text in lines[0]
    assert lines[1].startswith("  test_errors.py line ")  # the learner's own line
    assert 'lab.mode("eager")' in lines[-1]


def test_an_argument_changed_in_place() -> None:
    with pytest.raises(lab.TraceError, match="argument 'x' was changed in place"):
        lab.compile(lambda x: x.add_(1))(lab.ones(2))


OTHER: dict[str, tuple[Callable[[], Any], type, str]] = {
    "no cuda": (lambda: lab.ones(1).to("cuda"), lab.DeviceError, "device cuda:0 is not available"),
    "device name": (lambda: lab.device("gpu"), lab.DeviceError, '"cpu", "cuda" or "cuda:0"'),
    "ragged": (lambda: lab.tensor([[1], [2, 3]]), lab.ArgumentError, "rows of equal length"),
    "words": (lambda: lab.tensor(["a"]), lab.ArgumentError, "got str 'a'"),
    "layer size": (lambda: nn.Linear(0, 3), lab.ArgumentError, "in_features=0: expected 1 or more"),
    "layer kind": (lambda: nn.Linear(2.0, 3), lab.KindError, "in_features: expected an int"),
    "dropout": (lambda: nn.Dropout(1.5), lab.ArgumentError, "a probability from 0 to 1"),
    "no parameters": (lambda: optim.SGD([], lr=1), lab.ArgumentError, "empty list of parameters"),
    "one tensor": (lambda: optim.SGD(w, lr=1), lab.KindError, r"pass model\.parameters\(\)"),
    "a result": (lambda: optim.SGD([w * 2], lr=1), lab.GradError, "a leaf: a parameter"),
    "lr": (lambda: optim.Adam([w], lr=-1), lab.ArgumentError, "lr=-1: expected 0 or more"),
    "super": (lambda: NoSuper(), lab.LabError, r"super\(\).__init__\(\)"),
    "forward": (lambda: nn.Module()(1), NotImplementedError, "has no forward"),
    "item": (lambda: lab.ones(2).item(), lab.ComputeError, "2 entries is not one number"),
    "numpy": (lambda: w.numpy(), lab.GradError, r"use \.detach\(\)\.numpy\(\)"),
    "unknown": (lambda: lab.autograd.grad(w.sum(), lab.ones(1, requires_grad=True)), lab.GradError,
                r"inputs\[0\] was not used"),
    "cat": (lambda: lab.cat([lab.ones(2, 3), lab.ones(3, 2)]), lab.ShapeError, r"for tensors\[1\]"),
    "cat kind": (lambda: lab.cat(lab.ones(2)), lab.KindError, "a list or tuple of tensors"),
    "int result": (lambda: lab.tensor([1]).add_(0.5), RuntimeError, "cannot be kept in int64"),
    "compile": (lambda: lab.compile(3), lab.KindError, "expected a function"),
}  # fmt: skip


class NoSuper(nn.Module):
    def __init__(self) -> None:
        self.layer = nn.Linear(1, 1)


@pytest.mark.parametrize("name", OTHER)
def test_other_mistakes(name: str) -> None:
    function, kind, text = OTHER[name]
    if name == "no cuda" and lab.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(kind, match=text):
        function()


def test_tensors_on_two_devices() -> None:
    from double import DeviceArray, make_cupy

    from minitorch_lab.device import CUDA, register, unregister

    register(DeviceArray, make_cupy(), CUDA)
    try:
        with pytest.raises(lab.DeviceError) as error:
            lab.ones(2) + lab.ones(2).to("cuda")
    finally:
        unregister(DeviceArray)
    assert re.sub(r"line \d+", "line N", str(error.value)) == (
        "add(input, other): the tensors are on different devices\n"
        "  input  float32 (2,)       never moved\n"
        "  other  float32 (2,) cuda  moved by test_errors.py line N\n"
        "  expected all on one device, got cpu and cuda\n"
        "  move them with x = x.to(device); a model moves as a whole: model.to(device)"
    )


def test_why_there_is_no_cuda() -> None:
    reason = lab.cuda.why_not()
    assert (reason is None) == lab.cuda.is_available()
    if reason:
        assert "CuPy" in reason


def test_a_private_kind_of_error_is_read_under_its_public_name() -> None:
    class Forgot(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(2, 1)

    with pytest.raises(AttributeError) as raised:  # as PyTorch has it
        Forgot()
    assert isinstance(raised.value, lab.LabError)
    assert type(raised.value).__name__ == "LabError"
    assert type(raised.value).__module__ == "minitorch_lab.errors"
