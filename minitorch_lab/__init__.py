"""minitorch_lab: a deep learning framework that shows its inside.

>>> import minitorch_lab as lab
>>> x = lab.tensor(2.0, requires_grad=True)
>>> (x**2 + 2 * x + 1).backward()
>>> x.grad
tensor(6.)
"""

from __future__ import annotations

import importlib
import math
import sys
import warnings
from typing import Any

from . import amp, autograd, backends, cuda, distributions, linalg, nn, optim, random, utils
from ._version import __version__
from .amp import autocast, is_autocast_enabled
from .backends import (
    are_deterministic_algorithms_enabled,
    get_float32_matmul_precision,
    set_float32_matmul_precision,
    use_deterministic_algorithms,
)
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
from .device import get_num_threads, set_num_threads
from .doors import OFFERED as _OFFERED
from .dtypes import (
    DType as dtype,
)
from .dtypes import bool_ as bool
from .dtypes import (
    can_cast,
    double,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
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
    OutOfMemoryError,
    ShapeError,
    TraceError,
)
from .graph import (
    Compiled,
    Graph,
    compile,
    cond,
    executor,
    explain,
    function,
    mode,
    scan,
    while_loop,
)
from .graph.explain import VIEW as _VIEW
from .legacy import (
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
    set_default_tensor_type,
)
from .nn import summary
from .nn.functional import (
    adaptive_avg_pool1d,
    avg_pool1d,
    celu,
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
    cosine_similarity,
    dropout,
    group_norm,
    layer_norm,
    max_pool1d,
    max_pool2d,
    pairwise_distance,
    pixel_shuffle,
    pixel_unshuffle,
    prelu,
    rms_norm,
    selu,
)
from .ops import FUNCTIONS as _FUNCTIONS
from .printing import set_printoptions
from .questions import (
    get_default_device,
    is_complex,
    is_floating_point,
    is_nonzero,
    is_tensor,
    numel,
    promote_types,
    result_type,
    set_default_device,
)
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
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "Compiled",
    "ComputeError",
    "DTypeError",
    "DeviceError",
    "DoubleTensor",
    "FileError",
    "FloatTensor",
    "Generator",
    "GradError",
    "Graph",
    "HalfTensor",
    "IndexingError",
    "IntTensor",
    "KindError",
    "LabError",
    "LongTensor",
    "NonFiniteError",
    "OutOfMemoryError",
    "ShapeError",
    "ShortTensor",
    "Size",
    "Tensor",
    "TraceError",
    "__version__",
    "adaptive_avg_pool1d",
    "amp",
    "arange",
    "are_deterministic_algorithms_enabled",
    "as_tensor",
    "autocast",
    "autograd",
    "avg_pool1d",
    "backends",
    "bernoulli",
    "bool",
    "can_cast",
    "celu",
    "compile",
    "cond",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cosine_similarity",
    "cuda",
    "device",
    "distributions",
    "double",
    "dropout",
    "dtype",
    "e",
    "empty",
    "empty_like",
    "enable_grad",
    "executor",
    "explain",
    "eye",
    "finfo",
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
    "get_float32_matmul_precision",
    "get_num_threads",
    "get_rng_state",
    "group_norm",
    "half",
    "iinfo",
    "inf",
    "inference_mode",
    "initial_seed",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_autocast_enabled",
    "is_complex",
    "is_floating_point",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "is_nonzero",
    "is_tensor",
    "layer_norm",
    "linalg",
    "linspace",
    "logspace",
    "long",
    "manual_seed",
    "max_pool1d",
    "max_pool2d",
    "mode",
    "multinomial",
    "nan",
    "newaxis",
    "nn",
    "no_grad",
    "normal",
    "numel",
    "ones",
    "ones_like",
    "optim",
    "pairwise_distance",
    "pi",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "promote_types",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "random",
    "randperm",
    "record_all",
    "result_type",
    "rms_norm",
    "scan",
    "seed",
    "selu",
    "set_default_device",
    "set_default_dtype",
    "set_default_tensor_type",
    "set_float32_matmul_precision",
    "set_grad_enabled",
    "set_num_threads",
    "set_printoptions",
    "set_rng_state",
    "short",
    "summary",
    "tensor",
    "tril_indices",
    "triu_indices",
    "uint8",
    "use_deterministic_algorithms",
    "utils",
    "while_loop",
    "zeros",
    "zeros_like",
]
__all__ += sorted(_FUNCTIONS)


e, inf, nan, newaxis, pi = math.e, math.inf, math.nan, None, math.pi

# What needs Jupyter, Graphviz or Matplotlib is imported when it is first used.
_LATER = {
    "save": "saving:save",
    "load": "saving:load",
    "vision": "vision:",
    "func": "func:",
    "broken": "autograd.broken:broken",
    "explore": "widgets.explorer:explore",
    "step_through": "widgets.stepper:step_through",
    "link": "widgets.linker:link",
    "as_code": "viz.code:as_code",
    "doctor": "lessons.doctor:doctor",
    "train": "widgets.live:train",
    "compare": "widgets.compare:compare",
    "live": "widgets.loop:live",
    "playground": "widgets.playground:playground",
    "LivePanel": "widgets.live_panel:LivePanel",
    "transfer_weights": "tf.keras.transfer:transfer_weights",
    "start": "lessons:start",
    "check": "lessons:check",
    "hint": "lessons:hint",
    "solution": "lessons:solution",
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
    if name == "bfloat16":
        raise AttributeError(
            "there is no bfloat16: NumPy has none\n  expected lab.float16, or lab.float32"
        )
    if name not in _LATER:
        raise AttributeError(f"module 'minitorch_lab' has no attribute {name!r}")
    path, _, attribute = _LATER[name].partition(":")
    module = importlib.import_module(f"minitorch_lab.{path}")
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value
    return value


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext minitorch_lab``: the magic ``%%doctor``, which an import brings too."""

    def doctor(line: str, cell: str) -> None:
        """Look at a cell, and run it; --only reads it, --fix repairs its text."""
        magic = importlib.import_module("minitorch_lab.lessons.doctor.magic")
        magic.doctor_magic(shell, line, cell)

    shell.register_magic_function(doctor, "cell", "doctor")


def _in_a_notebook() -> None:
    """Where IPython runs, its magics are there from the import on."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        load_ipython_extension(shell)


_in_a_notebook()


def _view_passes(*what: Any) -> Any:
    return importlib.import_module("minitorch_lab.widgets.passes").PassView(*what)


_VIEW.append(_view_passes)
_OFFERED["explore"] = lambda *what, **how: __getattr__("explore")(*what, **how)
_OFFERED["LivePanel"] = lambda *what, **how: __getattr__("LivePanel")(*what, **how)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
