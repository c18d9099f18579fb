"""Every op on every dtype: the value, the dtype of the result, or the refusal, as PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab

pytestmark = pytest.mark.filterwarnings("ignore")
DTYPES = "bool uint8 int8 int16 int32 int64 float16 float32 float64".split()

ONE = (
    "abs neg exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh "
    "cosh tanh asinh atanh sigmoid relu erf erfc floor ceil round trunc sign frac reciprocal sinc "
    "nan_to_num logical_not isnan isinf isfinite bitwise_not deg2rad logit signbit positive clone "
    "sum mean prod amax amin argmax argmin all any var std count_nonzero nansum median nanmedian "
    "aminmax max min msort argsort sort diff"
).split()
TWO = (
    "add sub mul div pow remainder fmod floor_divide maximum minimum atan2 hypot copysign "
    "logaddexp xlogy eq ne lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or "
    "bitwise_xor bitwise_left_shift bitwise_right_shift fmax fmin float_power rsub clamp_min "
    "clamp_max heaviside isclose searchsorted isin"
).split()
DIM = "cumsum cumprod logsumexp softmax log_softmax cummax cummin logcumsumexp".split()
FORMS: dict[str, Any] = {
    "add 2": lambda t, x: x + 2,
    "add 2.5": lambda t, x: x + 2.5,
    "add True": lambda t, x: x + True,
    "2 - x": lambda t, x: 2 - x,
    "mul 2.5": lambda t, x: x * 2.5,
    "div 2": lambda t, x: x / 2,
    "pow 2": lambda t, x: x**2,
    "pow 2.0": lambda t, x: x**2.0,
    "pow 0.5": lambda t, x: x**0.5,
    "pow -1": lambda t, x: x**-1,
    "2 ** x": lambda t, x: 2**x,
    "floor_divide 2": lambda t, x: x // 2,
    "remainder 2": lambda t, x: x % 2,
    "remainder 1.5": lambda t, x: x % 1.5,
    "clamp": lambda t, x: t.clamp(x, 1, 2),
    "clamp float": lambda t, x: t.clamp(x, 0.5, 1.5),
    "lt 2": lambda t, x: x < 2,
    "lt 1.5": lambda t, x: x < 1.5,
    "where": lambda t, x: t.where(x > 0, x, 0),
    "where float": lambda t, x: t.where(x > 0, x, 0.5),
    "masked_fill": lambda t, x: x.masked_fill(x > 0, 1),
    "lerp": lambda t, x: t.lerp(x, x, 0.5),
    "addcmul": lambda t, x: t.addcmul(x, x, x, value=2),
    "addcdiv": lambda t, x: t.addcdiv(x, x, x),
    "rounded down": lambda t, x: t.div(x, x, rounding_mode="floor"),
    "cut": lambda t, x: t.div(x, x, rounding_mode="trunc"),
    "alpha": lambda t, x: t.add(x, x, alpha=1 if x.dtype == t.bool else 2),
    "with float32": lambda t, x: x * t.tensor([1.0, 2.0, 3.0]),
    "with 0-d float64": lambda t, x: x * t.tensor(2.0, dtype=t.float64),
    "with uint8": lambda t, x: x + t.tensor([1, 2, 250], dtype=t.uint8),
    "with int8": lambda t, x: x + t.tensor([1, 2, 100], dtype=t.int8),
    "sum as float64": lambda t, x: t.sum(x, 0, dtype=t.float64),
    "mean as float32": lambda t, x: t.mean(x, 0, dtype=t.float32),
    "square": lambda t, x: t.square(x.long() if x.dtype == t.bool else x),
    "norm": lambda t, x: t.norm(x),
    "topk": lambda t, x: t.topk(x, 2)[0],
    "unique": lambda t, x: t.unique(x),
    "add_ 2.5": lambda t, x: x.add_(2.5),
    "mul_ 2": lambda t, x: x.mul_(2),
    "div_ 2": lambda t, x: x.div_(2),
    "add_ float64": lambda t, x: x.add_(t.ones(3, dtype=t.float64)),
    "add_ int64": lambda t, x: x.add_(t.ones(3, dtype=t.int64)),
    "eq_": lambda t, x: x.eq_(1),
    "exp_": lambda t, x: x.exp_(),
    "fill_ 1.7": lambda t, x: x.fill_(1.7),
}


def call(t: Any, name: str, dtype: str) -> Any:
    values = [1, 0, 1] if dtype == "bool" else [1, 2, 3]
    x = t.tensor(values, dtype=getattr(t, dtype))
    y = t.tensor([1, 1, 1] if dtype == "bool" else [3, 2, 1], dtype=getattr(t, dtype))
    try:
        if name in FORMS:
            found = FORMS[name](t, x)
        else:
            args = [x, y] if name in TWO else [x, 0] if name in DIM else [x]
            found = getattr(t, name)(*args)
    except (RuntimeError, TypeError, IndexError, ValueError) as error:
        kinds = (TypeError, IndexError, ValueError, RuntimeError)
        return next(k.__name__ for k in kinds if isinstance(error, k))
    return found[0] if isinstance(found, tuple) else found


# What PyTorch's kernels were not written for, and compositions do all the same.
MORE = {
    **dict.fromkeys(("nanmedian", "searchsorted", "isin", "topk", "addcmul", "2 - x"), "bool"),
    "logcumsumexp": "bool uint8 int8 int16 int32 int64",
}
TOLERANCE = {"float16": 2e-3, "float32": 1e-5, "float64": 1e-9}


@pytest.mark.parametrize("name", [*ONE, *TWO, *DIM, *FORMS])
def test_on_every_dtype(name: str, oracle: Any) -> None:
    theirs = oracle(lambda t: [call(t, name, dtype) for dtype in DTYPES])
    wrong = []
    for dtype, expected in zip(DTYPES, theirs, strict=True):
        ours = call(lab, name, dtype)
        if isinstance(expected, str) or isinstance(ours, str):
            text = ours if isinstance(ours, str) else f"{ours.dtype.name} {ours.tolist()}"
            same = isinstance(ours, str) and isinstance(expected, str) and ours == expected
            same |= isinstance(expected, str) and dtype in MORE.get(name, "")
        else:
            ours = ours.numpy()
            text = f"{ours.dtype} {ours.tolist()}"
            tolerance = TOLERANCE.get(str(ours.dtype), 0)
            same = ours.dtype == expected.dtype and np.allclose(
                ours, expected, tolerance, tolerance, equal_nan=True
            )
        if not same:
            what = expected if isinstance(expected, str) else f"{expected.dtype} {expected}"
            wrong.append(f"{dtype}: {text}, PyTorch {what}")
    assert not wrong, "\n".join(wrong)
