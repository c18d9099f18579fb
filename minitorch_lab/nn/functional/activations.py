"""Activations. Where PyTorch has ``inplace``, it is accepted: the result is the same, and the
input keeps its entries all the same.
"""

from __future__ import annotations

import math

from ...errors import ArgumentError, ShapeError
from ...ops import elementwise as e
from ...ops import movement, nn, reduce
from ...ops.rules import one_dim
from ...tensor import Tensor


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Each entry, or 0 where it is negative.

    >>> from minitorch_lab.tensor import tensor
    >>> relu(tensor([-2.0, 3.0]))
    tensor([0., 3.])
    """
    return e.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Each entry, times ``negative_slope`` where it is negative.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.leaky_relu(lab.tensor([-2.0, 3.0]), 0.5)
    tensor([-1.,  3.])
    """
    return nn.leaky_relu(input, negative_slope=negative_slope)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    r"""Each entry, or :math:`\alpha (e^x - 1)` where it is negative.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.elu(lab.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.6321,  0.0000,  1.0000])
    """
    return nn.elu(input, alpha=alpha)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    r"""Each entry times the chance that a standard normal number is below it, :math:`x\,\Phi(x)`.

    With ``approximate="tanh"``, :math:`\Phi` is approximated by a hyperbolic tangent.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.gelu(lab.tensor([-1.0, 0.0, 1.0]), approximate="tanh")
    tensor([-0.1588,  0.0000,  0.8412])
    """
    if approximate == "none":
        return input * (e.erf(input * math.sqrt(0.5)) * 0.5 + 0.5)
    if approximate == "tanh":
        inner = (e.square(input) * 0.044715 + 1) * input * math.sqrt(2 / math.pi)
        return input * (e.tanh(inner) * 0.5 + 0.5)
    raise ArgumentError(f"gelu: approximate={approximate!r}\n  expected 'none' or 'tanh'")


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Each entry times its sigmoid; also called swish.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.silu(lab.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.2689,  0.0000,  0.7311])
    """
    return nn.silu(input)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    r"""A smooth relu, :math:`\tfrac{1}{\beta} \ln(1 + e^{\beta x})`.

    Where ``beta * x`` is above ``threshold``, the entry itself.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.softplus(lab.tensor([-1.0, 0.0, 1.0]))
    tensor([0.3133, 0.6931, 1.3133])
    """
    return nn.softplus(input, beta=beta, threshold=threshold)


def logsigmoid(input: Tensor) -> Tensor:
    """Logarithm of the sigmoid, without overflow.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.logsigmoid(lab.tensor([-100.0, 0.0]))
    tensor([-100.0000,   -0.6931])
    """
    return -nn.softplus(-input, beta=1, threshold=math.inf)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along ``dim`` times the sigmoid of the second half.

    Shapes: ``(..., 2 n, ...)`` to ``(..., n, ...)``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.glu(lab.tensor([1.0, 2.0, 0.0, 100.0]))
    tensor([0.5000, 2.0000])
    """
    axis = one_dim(dim, input.ndim)
    size = input.shape[axis] if input.ndim else 1
    if size % 2:
        raise ShapeError(
            f"glu(input, dim={dim}): the dimension cannot be halved\n  input  {input.spec}\n"
            f"  expected an even size in dimension {dim}, got {size}"
        )
    half = size // 2
    first, second = movement.narrow(input, axis, 0, half), movement.narrow(input, axis, half, half)
    return first * e.sigmoid(second)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """Each entry, moved into the range from ``min_val`` to ``max_val``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.hardtanh(lab.tensor([-2.0, 0.5, 2.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise ArgumentError(f"hardtanh: min_val={min_val} is larger than max_val={max_val}")
    return e.clamp(input, min_val, max_val)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Each entry, moved into the range from 0 to 6.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.relu6(lab.tensor([-1.0, 3.0, 8.0]))
    tensor([0., 3., 6.])
    """
    return hardtanh(input, 0.0, 6.0)


def gumbel_softmax(
    logits: Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """Softmax of noisy ``logits``: nearly a draw from them, through which gradients flow.

    Small ``tau`` makes it sharp. With ``hard`` the result is one-hot and has the gradient of the
    soft one. ``eps`` has no effect. Jang, Gu and Poole; Maddison, Mnih and Teh (2017).

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.gumbel_softmax(lab.zeros(2, 3), hard=True).sum(1)
    tensor([1., 1.])
    """
    noise = -e.log(e.clone(logits.detach()).exponential_())
    soft = reduce.softmax((logits + noise) / tau, dim=dim)
    if not hard:
        return soft
    sharp = e.to_dtype(e.eq(soft, reduce.amax(soft, dim, True)), soft.dtype)
    return sharp.detach() - soft.detach() + soft


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Each entry, times a learned ``weight`` where it is negative. He et al. (2015).

    Shapes: ``input`` ``(N, C, ...)``, ``weight`` ``(1,)`` or ``(C,)``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.prelu(lab.tensor([-4.0, 2.0]), lab.tensor([0.25]))
    tensor([-1.,  2.])
    """
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise ShapeError(
            f"prelu: weight does not fit\n  input   {input.spec}\n  weight  {weight.spec}\n"
            f"  expected one number, or one for each channel, ({channels},)"
        )
    if weight.numel() == 1:
        weight = movement.reshape(weight, ())
    else:
        weight = movement.reshape(weight, (-1, *[1] * (input.ndim - 2)))
    return e.where(e.gt(input, 0), input, input * weight)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """``elu`` with the numbers that keep mean 0 and variance 1. Klambauer et al. (2017).

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.selu(lab.tensor([-1.0, 0.0, 1.0]))
    tensor([-1.1113,  0.0000,  1.0507])
    """
    return nn.elu(input, alpha=1.6732632423543772) * 1.0507009873554805


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    r"""Each entry, or :math:`\alpha (e^{x / \alpha} - 1)` where it is negative. Barron (2017).

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.celu(lab.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.6321,  0.0000,  1.0000])
    """
    if alpha == 0:
        raise _ZeroError("celu: alpha=0\n  expected another number")
    return e.where(e.gt(input, 0), input, nn.elu(input / alpha, alpha=1.0) * alpha)


class _ZeroError(ArgumentError, RuntimeError):
    """A number that is not allowed, where PyTorch raises RuntimeError."""


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """A straight line from 0 at -3 to 1 at 3, and flat beyond.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.hardsigmoid(lab.tensor([-4.0, 0.0, 1.5, 4.0]))
    tensor([0.0000, 0.5000, 0.7500, 1.0000])
    """
    return e.clamp(input + 3, 0.0, 6.0) / 6


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Each entry times its hardsigmoid. Howard et al. (2019).

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.hardswish(lab.tensor([0.0, 1.5, 4.0]))
    tensor([0.0000, 1.1250, 4.0000])
    """
    return input * hardsigmoid(input)


def softsign(input: Tensor) -> Tensor:
    r"""A squashing function gentler than tanh, :math:`x / (1 + |x|)`.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.softsign(lab.tensor([-1.0, 0.0, 3.0]))
    tensor([-0.5000,  0.0000,  0.7500])
    """
    return input / (e.abs(input) + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """Each entry minus its hyperbolic tangent.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.tanhshrink(lab.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.2384,  0.0000,  0.2384])
    """
    return input - e.tanh(input)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Each entry moved towards 0 by ``lambd``, and 0 within it.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.softshrink(lab.tensor([-1.0, 0.2, 2.0]))
    tensor([-0.5000,  0.0000,  1.5000])
    """
    if lambd < 0:
        raise _ZeroError(f"softshrink: lambd={lambd}\n  expected 0 or more")
    return input - e.clamp(input, -lambd, lambd)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Each entry, or 0 within ``lambd`` of 0.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.hardshrink(lab.tensor([-1.0, 0.2, 2.0]))
    tensor([-1.,  0.,  2.])
    """
    return e.where(e.gt(e.abs(input), lambd), input, 0.0)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Each entry above ``threshold``, and ``value`` for the others.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.threshold(lab.tensor([0.5, 1.5]), threshold=1.0, value=0.0)
    tensor([0.0000, 1.5000])
    """
    return e.where(e.gt(input, threshold), input, value)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Each entry times the tanh of its softplus. Misra (2019).

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.mish(lab.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.3034,  0.0000,  0.8651])
    """
    return input * e.tanh(nn.softplus(input, beta=1, threshold=math.inf))


def softmin(input: Tensor, dim: int) -> Tensor:
    """The softmax of the negative entries: the smallest gets most.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.softmin(lab.tensor([0.0, 1.0, 2.0]), dim=0)
    tensor([0.6652, 0.2447, 0.0900])
    """
    return reduce.softmax(-input, dim)
