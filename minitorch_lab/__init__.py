"""minitorch_lab: a deep learning framework that shows its inside.

>>> import minitorch_lab as lab
>>> x = lab.tensor(2.0, requires_grad=True)
>>> (x**2 + 2 * x + 1).backward()
>>> x.grad
tensor(6.)
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from . import autograd, distributions, linalg, nn, optim, random, utils
from ._version import __version__
from .creation import (
    arange,
    bernoulli,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    logspace,
    multinomial,
    normal,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    tril_indices,
    triu_indices,
    zeros,
    zeros_like,
)
from .device import Device as device
from .device import cuda, get_num_threads, set_num_threads
from .dtypes import (
    DType as dtype,
)
from .dtypes import bool_ as bool
from .dtypes import (
    double,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    int8,
    int16,
    int32,
    int64,
    long,
    set_default_dtype,
    short,
    uint8,
)
from .dtypes import float32 as float
from .dtypes import int32 as int
from .errors import (
    ArgumentError,
    ComputeError,
    DeviceError,
    DTypeError,
    FileError,
    GradError,
    IndexingError,
    KindError,
    LabError,
    NonFiniteError,
    ShapeError,
    TraceError,
)
from .graph import Compiled, Graph, compile, function, mode
from .nn import summary
from .ops import FUNCTIONS as _FUNCTIONS
from .random import Generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .tensor import (
    Size,
    Tensor,
    as_tensor,
    enable_grad,
    from_numpy,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    record_all,
    set_grad_enabled,
    tensor,
)

# A ufunc warns of log(0) or of an overflow; a tensor shows inf or nan, as in PyTorch.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"minitorch_lab\b")

globals().update(_FUNCTIONS)

__all__ = [
    "ArgumentError",
    "Compiled",
    "ComputeError",
    "DTypeError",
    "DeviceError",
    "FileError",
    "Generator",
    "GradError",
    "Graph",
    "IndexingError",
    "KindError",
    "LabError",
    "NonFiniteError",
    "ShapeError",
    "Size",
    "Tensor",
    "TraceError",
    "__version__",
    "arange",
    "as_tensor",
    "autograd",
    "bernoulli",
    "bool",
    "compile",
    "cuda",
    "device",
    "distributions",
    "double",
    "dtype",
    "empty",
    "empty_like",
    "enable_grad",
    "eye",
    "float",
    "float16",
    "float32",
    "float64",
    "from_numpy",
    "full",
    "full_like",
    "function",
    "get_default_device",
    "get_default_dtype",
    "get_num_threads",
    "get_rng_state",
    "half",
    "inference_mode",
    "initial_seed",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "is_tensor",
    "linalg",
    "linspace",
    "logspace",
    "long",
    "manual_seed",
    "mode",
    "multinomial",
    "nn",
    "no_grad",
    "normal",
    "ones",
    "ones_like",
    "optim",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "random",
    "randperm",
    "record_all",
    "seed",
    "set_default_dtype",
    "set_grad_enabled",
    "set_num_threads",
    "set_rng_state",
    "short",
    "summary",
    "tensor",
    "tril_indices",
    "triu_indices",
    "uint8",
    "utils",
    "zeros",
    "zeros_like",
]
__all__ += sorted(_FUNCTIONS)


def is_tensor(value: Any) -> Any:
    """Whether ``value`` is a tensor."""
    return isinstance(value, Tensor)


def get_default_device() -> device:
    """The device of new tensors: the CPU."""
    return device("cpu")


# What needs Jupyter, Graphviz or Matplotlib is imported when it is first used.
_LATER = {
    "save": "saving:save",
    "load": "saving:load",
    "vision": "vision:",
    "func": "autograd.func:",
    "explore": "widgets.explorer:explore",
    "train": "widgets.live:train",
    "start": "lessons:start",
    "check": "lessons:check",
    "hint": "lessons:hint",
    "predict": "lessons.ask:predict",
    "reveal": "lessons.ask:reveal",
    "quiz": "lessons.ask:quiz",
    "progress": "lessons:progress",
    "load_progress": "lessons:load_progress",
    "save_progress": "lessons:save_progress",
    "mode_toggle": "widgets.toggle:mode_toggle",
    "viz": "viz:",
    "lessons": "lessons:",
    "widgets": "widgets:",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'minitorch_lab' has no attribute {name!r}")
    path, _, attribute = _LATER[name].partition(":")
    module = importlib.import_module(f"minitorch_lab.{path}")
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
