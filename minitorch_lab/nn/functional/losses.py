"""Losses: how far a prediction is from what it should have been.

``size_average`` and ``reduce`` are PyTorch's old words for ``reduction``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ArgumentError, DTypeError, KindError, ShapeError, describe, warn
from ...op import Mismatch, autocast, current
from ...ops import elementwise as e
from ...ops import indexing, movement, nn
from ...ops import reduce as over
from ...tensor import Tensor
from .norm import pairwise_distance

REDUCTIONS = ("mean", "sum", "none")


def _word(name: str, size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction, also where it is said in the old words."""
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    if reduction not in REDUCTIONS:
        raise ArgumentError(f"{name}: reduction={reduction!r}\n  expected 'mean', 'sum' or 'none'")
    return reduction


def _reduced(loss: Any, reduction: str) -> Any:
    if reduction == "mean":
        return over.mean(loss)
    return over.sum(loss) if reduction == "sum" else loss


class _SizesDiffer(ShapeError, ValueError):
    """Shapes that differ, where PyTorch raises ValueError."""


class _TargetKind(KindError, AttributeError):
    """A target that is no tensor; PyTorch fails on its size."""


class _OptionError(ArgumentError, RuntimeError):
    """A number outside its range, where PyTorch raises RuntimeError."""


def _need_tensors(name: str, **values: Any) -> None:
    for key, value in values.items():
        if not isinstance(value, Tensor):
            raise _TargetKind(
                f"{name}({', '.join(values)}): {key} is not a tensor\n"
                f"  expected a tensor, got {describe(value)}\n"
                "  lab.tensor(x) makes one from numbers"
            )


def _same_shape(
    name: str, input: Tensor, target: Tensor, error: type[ShapeError] = ShapeError
) -> None:
    """ShapeError unless both have one shape: broadcasting would compare every pair."""
    _need_tensors(name, input=input, target=target)
    if tuple(input.shape) != tuple(target.shape):
        hint = (
            f"reshape the target to {tuple(input.shape)}, so that each prediction has its own"
            if target.numel() == input.numel()
            else "each prediction needs one target"
        )
        raise error(
            f"{name}(input, target): input and target differ in shape\n"
            f"  input   {input.spec}\n  target  {target.spec}\n"
            f"  expected one shape, got {tuple(input.shape)} and {tuple(target.shape)}\n  {hint}"
        )


def _paired(name: str, input: Tensor, target: Tensor) -> None:
    """A warning where the shapes differ and broadcast, as in PyTorch; else ShapeError."""
    _need_tensors(name, input=input, target=target)
    ours, theirs = tuple(input.shape), tuple(target.shape)
    if ours == theirs:
        return
    if any(n != m and 1 not in (n, m) for n, m in zip(ours[::-1], theirs[::-1], strict=False)):
        _same_shape(name, input, target)
    both = np.broadcast_shapes(ours, theirs)
    pairs, most = math.prod(both), max(input.numel(), target.numel())
    if pairs > most:
        count = f"so {pairs} pairs are compared and not {most}"
    else:
        few = "target" if target.numel() < input.numel() else "prediction"
        count = f"so each {few} is compared {pairs // min(input.numel(), target.numel())} times"
    remedy = (
        f"write target.reshape{ours}"
        if input.numel() == target.numel()
        else f"if every pair is meant, write target.expand{both}"
        if ours == both
        else "give each prediction one target"
    )
    warn(
        f"{name}: input {ours} and target {theirs} broadcast to {both}, {count}\n  {remedy}",
        UserWarning,
    )


# Distances -----------------------------------------------------------------------------------


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Mean squared error, :math:`\frac{1}{n}\sum_i (x_i - t_i)^2`.

    Shapes: ``input`` and ``target`` alike. Shapes that only broadcast, such as (N, 1) and (N,),
    give a warning: every pair is compared, which is rarely meant.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.mse_loss(lab.tensor([1.0, 2.0]), lab.tensor([1.0, 4.0]))
    tensor(2.)
    """
    how = _word("mse_loss", size_average, reduce, reduction)
    _paired("mse_loss", input, target)
    if how == "mean" and input.shape == target.shape:
        return nn.mse_loss(input, target)
    input, target = autocast("full", input, target)
    return _reduced(e.square(input - target), how)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Mean absolute error, :math:`\frac{1}{n}\sum_i |x_i - t_i|`. Shapes: both alike.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.l1_loss(lab.tensor([1.0, 2.0]), lab.tensor([1.0, 5.0]))
    tensor(1.5000)
    """
    how = _word("l1_loss", size_average, reduce, reduction)
    _paired("l1_loss", input, target)
    input, target = autocast("full", input, target)
    return _reduced(e.abs(input - target), how)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0
) -> Tensor:
    r"""Half the squared difference up to ``delta``, and linear beyond: outliers weigh less.

    :math:`\tfrac12 d^2` where :math:`|d| \le \delta`, else :math:`\delta(|d| - \tfrac12\delta)`.
    Shapes: both alike.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.huber_loss(lab.tensor([0.5, 10.0]), lab.zeros(2), reduction="none")
    tensor([0.1250, 9.5000])
    """
    how = _word("huber_loss", None, None, reduction)
    if delta <= 0:
        raise _OptionError(f"huber_loss: delta={delta}\n  expected a number above 0")
    _paired("huber_loss", input, target)
    input, target = autocast("full", input, target)
    return _reduced(_huber(input, target, delta), how)


def _huber(input: Tensor, target: Tensor, delta: float) -> Any:
    away = input - target
    near = e.clamp(away, -delta, delta)  # d near 0, else delta with the sign of d
    return near * (away - near * 0.5)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    r"""The absolute difference, made smooth within ``beta`` of 0. Shapes: both alike.

    :math:`\tfrac{1}{2\beta} d^2` where :math:`|d| < \beta`, else :math:`|d| - \tfrac12\beta`.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.smooth_l1_loss(lab.tensor([0.5, 10.0]), lab.zeros(2), reduction="none")
    tensor([0.1250, 9.5000])
    """
    how = _word("smooth_l1_loss", size_average, reduce, reduction)
    if beta < 0:
        raise _OptionError(f"smooth_l1_loss: beta={beta}\n  expected 0 or more")
    _paired("smooth_l1_loss", input, target)
    input, target = autocast("full", input, target)
    each = e.abs(input - target) if beta == 0 else _huber(input, target, beta) / beta
    return _reduced(each, how)


# Classes -------------------------------------------------------------------------------------


def _need_classes(name: str, input: Tensor, target: Tensor) -> None:
    """The class numbers fit the scores: ``(N, C, d1, ...)`` and ``(N, d1, ...)``."""
    try:
        nn.check_classes(input.spec, target.spec)
    except Mismatch as wrong:
        lines = [f"{name}(input, target): {wrong.problem}", f"  input   {input.spec}"]
        lines += [f"  target  {target.spec}", f"  {wrong.expected}"]
        lines += [f"  {wrong.hint}"] if wrong.hint else []
        raise wrong.error("\n".join(lines)) from None


def _need_weight(name: str, weight: Tensor | None, input: Tensor, classes: int) -> None:
    if weight is None:
        return
    _need_tensors(name, weight=weight)
    if tuple(weight.shape) != (classes,):
        raise ShapeError(
            f"{name}: weight does not fit\n  weight  {weight.spec}\n"
            f"  expected one number for each of the {classes} classes, ({classes},)"
        )
    if weight.dtype != input.dtype:
        raise DTypeError(
            f"{name}: the dtypes differ\n  input   {input.spec}\n  weight  {weight.spec}\n"
            f"  expected one dtype\n  convert with weight.to(input.dtype)"
        )


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the logarithm of probability that ``input`` gives to each right class.

    Shapes: ``input`` ``(N, C)``, ``(N, C, d1, ...)`` or ``(C,)`` log-probabilities, ``target``
    ``(N,)``, ``(N, d1, ...)`` or ``()`` int64, ``weight`` ``(C,)``. Targets equal to
    ``ignore_index`` do not count; the mean is over the weights of those that do.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> log_p = F.log_softmax(lab.tensor([[0.0, 1.0], [2.0, 0.0]]), dim=1)
    >>> F.nll_loss(log_p, lab.tensor([1, 0]))
    tensor(0.2201)
    """
    how = _word("nll_loss", size_average, reduce, reduction)
    _need_tensors("nll_loss", input=input, target=target)
    _need_classes("nll_loss", input, target)
    input, weight = autocast("full", input, weight)
    classes = 0 if input.ndim == 1 else 1
    _need_weight("nll_loss", weight, input, input.shape[classes])
    if weight is None and how == "mean" and input.ndim == 2 and ignore_index == nn.IGNORED:
        return nn.nll_mean(input, target)
    each, weights = _picked(input, target, weight, ignore_index, classes)
    if how == "mean":
        return over.sum(each) / over.sum(weights)
    return _reduced(each, how)


def _picked(
    logs: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, axis: int
) -> tuple[Any, Any]:
    """For each target: its weight times minus its log-probability, and the weight."""
    keep = e.ne(target, ignore_index)
    safe = nn.class_index(logs, target, dim=axis, ignore_index=ignore_index)
    places = movement.unsqueeze(safe, axis)
    found = movement.squeeze(indexing.gather(logs, axis, places), axis)
    weights = keep.to(logs.dtype)
    if weight is not None:
        weights = weights * indexing.take(weight, safe, template=(indexing.PLACE,))
    return e.where(keep, -found, 0.0) * weights, weights


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Mean of :math:`-\ln \operatorname{softmax}(x_i)_{t_i}`.

    Shapes: ``input`` raw scores (no softmax before it) ``(N, C)``, ``(N, C, d1, ...)`` or
    ``(C,)``; ``target`` int64 class numbers ``(N,)``, ``(N, d1, ...)`` or ``()``, or float class
    probabilities in the shape of ``input``; ``weight`` ``(C,)``. Class numbers equal to
    ``ignore_index`` do not count. ``label_smoothing`` takes that share of the probability from the
    right class and spreads it over all.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.cross_entropy(lab.tensor([[0.0, 0.0], [0.0, 0.0]]), lab.tensor([0, 1]))
    tensor(0.6931)
    """
    how = _word("cross_entropy", size_average, reduce, reduction)
    if not (hasattr(input, "requires_grad") and hasattr(target, "requires_grad")):
        _need_tensors("cross_entropy", input=input, target=target)
    if not 0 <= label_smoothing <= 1:
        raise _OptionError(
            f"cross_entropy: label_smoothing={label_smoothing}\n  expected a number from 0 to 1"
        )
    shape = tuple(input.shape)
    probable = len(shape) > 0 and tuple(target.shape) == shape and target.dtype.is_floating_point
    plain = weight is None and how == "mean" and not label_smoothing and not probable
    if plain and len(shape) == 2 and ignore_index == nn.IGNORED:
        return nn.cross_entropy_op(input, target)
    axis = 0 if len(shape) == 1 else 1
    if not probable:
        _need_classes("cross_entropy", input, target)
    input, target, weight = autocast("full", input, target, weight)
    _need_weight("cross_entropy", weight, input, shape[axis])
    logs = over.log_softmax(input, axis)
    along = tuple(-1 if k == axis else 1 for k in range(len(shape)))
    if probable:
        if label_smoothing:
            target = target * (1 - label_smoothing) + label_smoothing / shape[axis]
        each = logs * target
        if weight is not None:
            each = each * movement.reshape(weight, along)
        each = -over.sum(each, axis)
        if how == "mean":
            return over.sum(each) / max(_places(shape, axis), 1)
        return _reduced(each, how)
    each, weights = _picked(logs, target, weight, ignore_index, axis)
    if label_smoothing:
        spread = logs if weight is None else logs * movement.reshape(weight, along)
        keep = e.ne(target, ignore_index)
        smooth = e.where(keep, -over.sum(spread, axis), 0.0)
        each = each * (1 - label_smoothing) + smooth * (label_smoothing / shape[axis])
    if how == "mean":
        return over.sum(each) / over.sum(weights)
    return _reduced(each, how)


def _places(shape: tuple[int, ...], axis: int) -> int:
    count = 1
    for k, n in enumerate(shape):
        count *= 1 if k == axis else n
    return count


# Probabilities -------------------------------------------------------------------------------


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Mean of :math:`-(t \ln x + (1 - t) \ln(1 - x))`, each logarithm at least -100.

    Shapes: ``input`` probabilities from 0 to 1, ``target`` alike, ``weight`` broadcasts to them.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.binary_cross_entropy(lab.tensor([0.5, 0.5]), lab.tensor([1.0, 0.0]))
    tensor(0.6931)
    """
    how = _word("binary_cross_entropy", size_average, reduce, reduction)
    _same_shape("binary_cross_entropy", input, target, _SizesDiffer)
    each = nn.binary_cross_entropy(input, target)
    return _reduced(each if weight is None else each * weight, how)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    r"""Binary cross entropy of ``sigmoid(input)``, without overflow.

    :math:`-(p\,t \ln \sigma(x) + (1 - t) \ln(1 - \sigma(x)))`. Shapes: ``input`` raw scores,
    ``target`` alike; ``weight`` and ``pos_weight`` (:math:`p`) broadcast to them.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.binary_cross_entropy_with_logits(lab.tensor([0.0]), lab.tensor([1.0]))
    tensor(0.6931)
    """
    how = _word("binary_cross_entropy_with_logits", size_average, reduce, reduction)
    _same_shape("binary_cross_entropy_with_logits", input, target, _SizesDiffer)
    input, target = autocast("full", input, target)
    miss = nn.softplus(-input, beta=1, threshold=float("inf"))  # -ln sigmoid(x)
    if pos_weight is None:
        each = (1 - target) * input + miss
    else:
        each = (1 - target) * input + (target * (pos_weight - 1) + 1) * miss
    return _reduced(each if weight is None else each * weight, how)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    r"""How much the distribution ``input`` differs from ``target``: :math:`t (\ln t - x)`.

    ``input`` holds log-probabilities; ``target`` probabilities, or their logarithms with
    ``log_target``. ``reduction="batchmean"``, the sum over the size of the first dimension, is
    the mathematical value; "mean" is over all entries. Shapes: both broadcast.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> p, q = lab.tensor([0.5, 0.5]), lab.tensor([0.9, 0.1])
    >>> F.kl_div(q.log(), p, reduction="sum")
    tensor(0.5108)
    """
    batchmean = reduction == "batchmean" and size_average is None and reduce is None
    how = _word("kl_div", size_average, reduce, "sum" if batchmean else reduction)
    if log_target:
        each = e.exp(target) * (target - input)
    else:
        positive = e.gt(target, 0)
        each = target * (e.log(e.where(positive, target, 1.0)) - input)
    out = _reduced(each, how)
    return out / input.shape[0] if batchmean and input.ndim else out


# Counts and spreads --------------------------------------------------------------------------


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Minus the log-probability of counts: :math:`e^x - t x`, or :math:`x - t \ln(x + \epsilon)`.

    ``log_input`` says which; ``full`` adds Stirling's formula for :math:`\ln t!`. Shapes: alike.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.poisson_nll_loss(lab.tensor([0.0]), lab.tensor([2.0]))
    tensor(1.)
    """
    how = _word("poisson_nll_loss", size_average, reduce, reduction)
    each = e.exp(input) - target * input if log_input else input - target * e.log(input + eps)
    if full:
        large = e.where(e.gt(target, 1), target, 1.0)
        stirling = large * e.log(large) - large + e.log(large * (2 * math.pi)) * 0.5
        each = each + e.where(e.gt(target, 1), stirling, 0.0)
    return _reduced(each, how)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    r"""Minus the log-density of a normal distribution: :math:`\tfrac12(\ln v + (x - t)^2 / v)`.

    ``var`` is at least ``eps``. Shapes: ``input`` and ``target`` alike; ``var`` too, or without
    the last size, or with 1 there, or a number. ``full`` adds :math:`\tfrac12 \ln 2\pi`.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.gaussian_nll_loss(lab.tensor([0.0]), lab.tensor([2.0]), var=lab.tensor([1.0]))
    tensor(2.)
    """
    how = _word("gaussian_nll_loss", None, None, reduction)
    if isinstance(var, Tensor):
        shape = tuple(input.shape)
        if tuple(var.shape) == shape[:-1] and var.ndim == input.ndim - 1:
            var = movement.unsqueeze(var, -1)
        elif tuple(var.shape) not in (shape, (*shape[:-1], 1)):
            raise _SizesDiffer(
                f"gaussian_nll_loss: var does not fit\n  input  {input.spec}\n"
                f"  var    {var.spec}\n  expected {shape}, {shape[:-1]} or {(*shape[:-1], 1)}"
            )
        if not current().tracing and var.numel() and float(var.detach().min()) < 0:
            raise ArgumentError("gaussian_nll_loss: var has a negative entry\n  expected 0 or more")
        spread: Any = var + (e.clamp(var, eps) - var).detach()  # the gradient goes to var itself
        logarithm: Any = e.log(spread)
    elif var < 0:
        raise ArgumentError(f"gaussian_nll_loss: var={var}\n  expected 0 or more")
    else:
        spread = max(var, eps)
        logarithm = math.log(spread)
    each = (e.square(input - target) / spread + logarithm) * 0.5
    return _reduced(each + 0.5 * math.log(2 * math.pi) if full else each, how)


# Pairs and triplets --------------------------------------------------------------------------


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""How far the first is from being larger by ``margin``: :math:`\max(0, -t (x_1 - x_2) + m)`.

    ``target`` is 1 where the first shall be larger, -1 where the second. Shapes: alike.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.margin_ranking_loss(lab.tensor([2.0]), lab.tensor([5.0]), lab.tensor([1]))
    tensor(3.)
    """
    how = _word("margin_ranking_loss", size_average, reduce, reduction)
    _same_shape("margin_ranking_loss", input1, input2)
    _same_shape("margin_ranking_loss", input1, target)
    input1, input2 = autocast("full", input1, input2)
    return _reduced(e.relu(target * (input2 - input1) + margin), how)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""A distance where ``target`` is 1, and what it lacks of ``margin`` where it is -1.

    Shapes: alike.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.hinge_embedding_loss(lab.tensor([0.2, 0.2]), lab.tensor([1, -1]))
    tensor(0.5000)
    """
    how = _word("hinge_embedding_loss", size_average, reduce, reduction)
    _same_shape("hinge_embedding_loss", input, target)
    input, target = autocast("full", input, target)
    apart = e.where(e.ne(target, 1), e.relu(margin - input), 0.0)
    return _reduced(apart + e.where(e.ne(target, -1), input, 0.0), how)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""1 minus the cosine where ``target`` is 1, the cosine above ``margin`` where it is -1.

    Shapes: inputs ``(N, D)`` and target ``(N,)``, or ``(D,)`` and ``()``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> x, y = lab.tensor([[1.0, 0.0]]), lab.tensor([[0.0, 1.0]])
    >>> F.cosine_embedding_loss(x, y, lab.tensor([1]))
    tensor(1.)
    """
    how = _word("cosine_embedding_loss", size_average, reduce, reduction)
    if input1.ndim != target.ndim + 1 or tuple(input1.shape)[:-1] != tuple(target.shape):
        raise ShapeError(
            f"cosine_embedding_loss: target does not fit\n  input1  {input1.spec}\n"
            f"  target  {target.spec}\n  expected (N, D) and (N,), or (D,) and ()"
        )
    _same_shape("cosine_embedding_loss", input1, input2)
    sizes = [over.sum(e.square(x), -1) + 1e-12 for x in (input1, input2)]
    cosine = over.sum(input1 * input2, -1) / e.sqrt(sizes[0] * sizes[1])
    same = e.where(e.eq(target, 1), 1 - cosine, 0.0)
    return _reduced(same + e.where(e.eq(target, -1), e.relu(cosine - margin), 0.0), how)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""The anchor shall be nearer to the positive than to the negative, by ``margin``.

    :math:`\max(0, d(a, p) - d(a, n) + m)`. With ``swap`` the negative's distance is the smaller of
    those to the anchor and to the positive. Shapes: ``(N, D)`` or ``(D,)``, all alike.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> near, far = lab.tensor([[1.0, 0.0]]), lab.tensor([[4.0, 0.0]])
    >>> F.triplet_margin_loss(lab.zeros(1, 2), near, far)
    tensor(0.)
    >>> F.triplet_margin_loss(lab.zeros(1, 2), far, near)
    tensor(4.)
    """
    how = _word("triplet_margin_loss", size_average, reduce, reduction)
    if margin <= 0:
        raise ArgumentError(f"triplet_margin_loss: margin={margin}\n  expected a number above 0")
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = e.minimum(far, pairwise_distance(positive, negative, p, eps))
    return _reduced(e.relu(near - far + margin), how)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""A smooth hinge for targets 1 and -1: :math:`\ln(1 + e^{-t x})`. Shapes: alike.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.soft_margin_loss(lab.tensor([0.0, 2.0]), lab.tensor([1.0, 1.0]))
    tensor(0.4100)
    """
    how = _word("soft_margin_loss", size_average, reduce, reduction)
    _same_shape("soft_margin_loss", input, target)
    return _reduced(nn.softplus(-(target * input), beta=1, threshold=math.inf), how)
