"""Tensor, what is done with one, and the interpreter that writes the tape.

Each file adds its part to the class: ``tensor`` what a tensor is, ``brackets`` its index,
``record`` what a call of an op means, ``backward`` gradients and hooks, ``methods`` the methods
and operators that come from the table.
"""

from . import backward, brackets, memory, methods
from .autocast import as_now, autocasting, behind, in_front
from .grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    record_all,
    set_grad_enabled,
)
from .gradients import add_grad, collect, start_gradient
from .record import (
    NO_GRAD,
    Record,
    check_in_place,
    check_leaf,
    check_result,
    explain,
    need_one,
    node_now,
    only_numbers,
    output_tensor,
    record,
)
from .tensor import (
    TYPES,
    Size,
    Tensor,
    as_tensor,
    fit,
    from_numpy,
    from_sizes_or_data,
    make,
    tensor,
)

__all__ = [
    "NO_GRAD",
    "TYPES",
    "Record",
    "Size",
    "Tensor",
    "add_grad",
    "as_now",
    "as_tensor",
    "autocasting",
    "backward",
    "behind",
    "brackets",
    "check_in_place",
    "check_leaf",
    "check_result",
    "collect",
    "enable_grad",
    "explain",
    "fit",
    "from_numpy",
    "from_sizes_or_data",
    "in_front",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "make",
    "memory",
    "methods",
    "need_one",
    "no_grad",
    "node_now",
    "only_numbers",
    "output_tensor",
    "record",
    "record_all",
    "set_grad_enabled",
    "start_gradient",
    "tensor",
]
