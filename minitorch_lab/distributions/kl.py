"""How much one distribution differs from another."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..nn.functional import softplus
from ..nn.functional.sparse import NotSupported
from ..ops import elementwise as e
from ..ops import reduce
from ..tensor import Tensor
from .bernoulli import Bernoulli
from .categorical import Categorical
from .distribution import Distribution
from .normal import Normal
from .uniform import Uniform

Rule = Callable[[Any, Any], Tensor]
_RULES: dict[tuple[type, type], Rule] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Rule], Rule]:
    """Add the rule for a pair of kinds: a decorator of a function of ``p`` and ``q``."""

    def add(rule: Rule) -> Rule:
        _RULES[type_p, type_q] = rule
        return rule

    return add


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    r"""The Kullback-Leibler divergence :math:`\operatorname{E}_p[\ln p(x) - \ln q(x)]`, in nats.

    0 for equal distributions, else above 0. For two of Normal, Categorical, Bernoulli, Uniform of
    one kind, and for what ``register_kl`` added. Kullback and Leibler (1951).
    """
    for kind_p in type(p).__mro__:
        for kind_q in type(q).__mro__:
            if (kind_p, kind_q) in _RULES:
                return _RULES[kind_p, kind_q](p, q)
    raise NotSupported(
        f"kl_divergence(p, q): no rule for {type(p).__name__} and {type(q).__name__}\n"
        "  expected two Normal, Categorical, Bernoulli or Uniform\n  add one with register_kl"
    )


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Any:
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - e.log(ratio))


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Any:
    outside = e.logical_or(e.gt(q.low, p.low), e.lt(q.high, p.high))
    return e.masked_fill(e.log((q.high - q.low) / (p.high - p.low)), outside, math.inf)


def _limits(term: Any, never_p: Any, never_q: Any) -> Any:
    """A term of the sum: infinite where q never does what p does, 0 where p never does it."""
    return e.masked_fill(e.masked_fill(term, never_q, math.inf), never_p, 0)


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Any:
    term = p.probs * (p.logits - q.logits)
    return reduce.sum(_limits(term, e.eq(p.probs, 0), e.eq(q.probs, 0)), -1)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Any:
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    return _limits(one, e.eq(p.probs, 0), e.eq(q.probs, 0)) + _limits(
        zero, e.eq(p.probs, 1), e.eq(q.probs, 1)
    )
